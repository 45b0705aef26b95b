// SPDX-License-Identifier: Apache-2.0
// When a connection has outlived its limits.
#include "vsplit/reaper.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>

namespace vsplit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Reaper, ConnectionWithoutLimitsIsNeverDue) {
  EXPECT_EQ(Judge({.cookie = 1, .since = seconds(1)}, seconds(1'000'000), seconds(999'999)),
            (Judgement{.limit = Outlived::kNothing, .next = std::nullopt}));
}

TEST(Reaper, DurationCountsFromTheDecision) {
  const SteeredConnection connection{.since = seconds(100), .max_duration = seconds(10)};
  EXPECT_EQ(Judge(connection, seconds(110) - milliseconds(1), seconds(0)),
            (Judgement{.limit = Outlived::kNothing, .next = seconds(110)}));
  EXPECT_EQ(Judge(connection, seconds(110), seconds(0)).limit, Outlived::kMaxDuration);
}

TEST(Reaper, IdleTimeCountsFromTheLastByte) {
  const SteeredConnection connection{.since = seconds(100), .idle_timeout = seconds(10)};
  EXPECT_EQ(Judge(connection, seconds(500), seconds(4)),
            (Judgement{.limit = Outlived::kNothing, .next = seconds(506)}));
  EXPECT_EQ(Judge(connection, seconds(500), seconds(10)).limit, Outlived::kIdleTimeout);
}

TEST(Reaper, TheSoonerOfTwoLimitsIsNext) {
  const SteeredConnection connection{
      .since = seconds(100), .idle_timeout = seconds(10), .max_duration = seconds(30)};
  EXPECT_EQ(Judge(connection, seconds(125), seconds(1)).next, seconds(130));
  EXPECT_EQ(Judge(connection, seconds(105), seconds(5)).next, seconds(110));
}

}  // namespace
}  // namespace vsplit
