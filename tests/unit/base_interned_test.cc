// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "vsplit/boxed.h"
#include "vsplit/interned_string.h"

namespace vsplit {
namespace {

TEST(Interned, EqualTextsAreOne) {
  const std::string name = "service-05000-6d4b75cb6d-h8q05";
  const InternedString one(name);
  const InternedString other(std::string_view{name});
  EXPECT_EQ(one, other);
  EXPECT_EQ(&one.str(), &other.str());
  EXPECT_EQ(one, name);
  EXPECT_NE(one, InternedString("service-05001-6d4b75cb6d-h8q05"));
  EXPECT_EQ(sizeof(one), sizeof(void*));
}

TEST(Interned, EmptyIsTheDefault) {
  InternedString text("default");
  EXPECT_FALSE(text.empty());
  text.clear();
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(text, InternedString());
  EXPECT_EQ(text, "");
  EXPECT_EQ(InternedString(""), InternedString());
}

TEST(Interned, SortsByBytes) {
  const InternedString none;
  const InternedString a("a");
  const InternedString ab("ab");
  EXPECT_TRUE(none < a && a < ab && ab < InternedString("b"));
  EXPECT_TRUE(ab > a && a <= InternedString("a"));
  EXPECT_TRUE(a < "ab" && std::string("a") < ab);
}

TEST(Interned, StaysWhileSomebodyHasIt) {
  InternedString first("a name that is kept");
  const std::string* const place = &first.str();
  InternedString copy = first;
  InternedString moved = std::move(first);
  copy = InternedString("another one");
  EXPECT_EQ(&moved.str(), place);
  EXPECT_EQ(moved, "a name that is kept");
  moved.clear();
  EXPECT_EQ(InternedString("a name that is kept").str(), "a name that is kept");
}

TEST(Interned, AnyThreadMayMakeAndDropOne) {
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([] {
      for (int i = 0; i < 20'000; ++i) {
        const std::string name = "name-" + std::to_string(i % 3);
        const InternedString text(name);
        const InternedString copy = text;
        ASSERT_EQ(copy.str(), name);
      }
    });
  }
}

TEST(Boxed, IsEqualByValue) {
  const Boxed<std::string> none;
  Boxed<std::string> one(std::string("x"));
  const Boxed<std::string> copy = one;
  EXPECT_EQ(copy, one);
  EXPECT_FALSE(none == one);
  one->append("y");
  EXPECT_EQ(*copy, "x");
  EXPECT_EQ(*one, "xy");
  one = none;
  EXPECT_FALSE(one.has_value());
  EXPECT_EQ(one, none);
}

}  // namespace
}  // namespace vsplit
