// SPDX-License-Identifier: Apache-2.0
// What the agent maps of a table is what is used of it, and all of it can be.
#include "../../userspace/datapath/mapped_table.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "pods.h"

namespace vsplit {
namespace {

constexpr std::uint32_t kRows = 1U << 18;  // 2 MiB

testing::Descriptor MakeArray() {
  bpf_map_create_opts options{};
  options.sz = sizeof(options);
  options.map_flags = BPF_F_MMAPABLE;
  return testing::Descriptor(bpf_map_create(BPF_MAP_TYPE_ARRAY, "mapped", sizeof(std::uint32_t),
                                            sizeof(std::uint64_t), kRows, &options));
}

void WriteByCall(const testing::Descriptor& array, std::uint32_t row, std::uint64_t value) {
  ASSERT_EQ(bpf_map_update_elem(array.get(), &row, &value, BPF_ANY), 0);
}

std::uint64_t ReadByCall(const testing::Descriptor& array, std::uint32_t row) {
  std::uint64_t value = 0;
  EXPECT_EQ(bpf_map_lookup_elem(array.get(), &row, &value), 0);
  return value;
}

TEST(MappedTableTest, RowsThatAreInUseAreShared) {
  const testing::Descriptor array = MakeArray();
  ASSERT_GE(array.get(), 0);
  constexpr std::uint32_t kUsed = kRows / 2;
  WriteByCall(array, kUsed, 7);
  const auto table = MappedTable<std::uint64_t>::Map(array.get(), kRows);
  ASSERT_TRUE(table);
  ASSERT_EQ(table.entries().size(), kRows);
  EXPECT_EQ(table.entries()[kUsed], 7U);
  table.entries()[kUsed] = 8;
  table.entries()[1] = 9;  // in front of one that is in use
  EXPECT_EQ(ReadByCall(array, kUsed), 8U);
  EXPECT_EQ(ReadByCall(array, 1), 9U);
  EXPECT_EQ(table.entries()[kRows - 1], 0U);
}

TEST(MappedTableTest, RowsBehindThemAreReached) {
  const testing::Descriptor array = MakeArray();
  ASSERT_GE(array.get(), 0);
  auto table = MappedTable<std::uint64_t>::Map(array.get(), kRows);
  ASSERT_TRUE(table);
  table.entries()[0] = 1;
  for (const std::uint32_t row : {kRows / 8, kRows / 2, kRows - 1}) {
    EXPECT_EQ(table.entries()[row], 0U);
    ASSERT_TRUE(table.Reach(row));
    table.entries()[row] = row;
    EXPECT_EQ(ReadByCall(array, row), row);
  }
  EXPECT_EQ(table.entries()[0], 1U);
  EXPECT_EQ(table.entries()[kRows / 8], kRows / 8);
}

TEST(MappedTableTest, WhatTheKernelRefusesIsEmpty) {
  EXPECT_FALSE(MappedTable<std::uint64_t>::Map(-1, kRows));
}

}  // namespace
}  // namespace vsplit
