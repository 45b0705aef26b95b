// SPDX-License-Identifier: Apache-2.0
// native = kernel = slow oracle, for every small total and stride and for large ones.
#include "vsplit/split.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "split_kernel.skel.h"

namespace vsplit::testing {
namespace {

constexpr std::uint32_t kNumbers = 256;

// The positions of a whole block, by nothing but additions.
std::vector<std::uint32_t> SlowBlock(std::uint64_t block, std::uint32_t total, std::uint32_t stride,
                                     std::uint32_t seed) {
  const unsigned __int128 rotation =
      (static_cast<unsigned __int128>(split_hash(block + (std::uint64_t{seed} << 32))) * total) >>
      32;
  std::vector<std::uint32_t> positions;
  auto position = static_cast<std::uint64_t>(rotation);
  for (std::uint32_t place = 0; place < total; ++place) {
    positions.push_back(static_cast<std::uint32_t>(position));
    position += stride;
    while (position >= total) {
      position -= total;
    }
  }
  return positions;
}

class SplitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    skeleton_.reset(split_kernel::open_and_load());
    ASSERT_NE(skeleton_, nullptr);
  }

  // Runs the kernel's code for 256 numbers, and compares all of it with the native one.
  void Compare(std::uint64_t first, std::uint32_t total, std::uint32_t stride, std::uint32_t seed) {
    auto& run = skeleton_->bss->run;
    run.first = first;
    run.total = total;
    run.stride = stride;
    run.seed = seed;
    run.count = 2 + total % 7;
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    ASSERT_EQ(bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.split_run), &options), 0);
    for (std::uint32_t i = 0; i < kNumbers; ++i) {
      const std::uint32_t position = split_position(first + i, total, stride, seed);
      ASSERT_EQ(run.positions[i], position) << first + i << " of " << total;
      ASSERT_EQ(run.seconds[i], split_second(i % run.count, position * 0x9e3779b9U, run.count));
      ASSERT_NE(run.seconds[i], i % run.count);
      ASSERT_LT(run.seconds[i], run.count);
      ASSERT_EQ(run.places[i],
                frontend_place(first, first + i, static_cast<std::uint16_t>(i), total - 1));
    }
  }

  struct Destroy {
    void operator()(split_kernel* skeleton) const { split_kernel::destroy(skeleton); }
  };
  std::unique_ptr<split_kernel, Destroy> skeleton_;
};

TEST_F(SplitTest, KernelAndNativeAgreeForEverySmallTotalAndStride) {
  for (std::uint32_t total = 1; total <= 40; ++total) {
    for (std::uint32_t stride = 1; stride <= total; ++stride) {
      if (std::gcd(total, stride) == 1) {
        Compare(std::uint64_t{total} * 1000, total, stride, total * 31 + stride);
      }
    }
  }
}

TEST_F(SplitTest, KernelAndNativeAgreeForLargeOnes) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 400; ++i) {
    const auto total = static_cast<std::uint32_t>(random() | 1U);
    Compare(random(), total, static_cast<std::uint32_t>(random() % total),
            static_cast<std::uint32_t>(random()));
  }
}

TEST(SplitOracleTest, EveryBlockIsWhatAdditionsGive) {
  for (std::uint32_t total = 1; total <= 60; ++total) {
    for (std::uint32_t stride = 1; stride <= total; ++stride) {
      if (std::gcd(total, stride) != 1) {
        continue;
      }
      for (const std::uint64_t block : {0ULL, 1ULL, 7ULL, 1ULL << 40U}) {
        const std::vector<std::uint32_t> slow = SlowBlock(block, total, stride, 5);
        for (std::uint32_t place = 0; place < total; ++place) {
          ASSERT_EQ(split_position(block * total + place, total, stride, 5), slow[place]);
        }
        ASSERT_EQ(std::set<std::uint32_t>(slow.begin(), slow.end()).size(), total);
      }
    }
  }
}

}  // namespace
}  // namespace vsplit::testing
