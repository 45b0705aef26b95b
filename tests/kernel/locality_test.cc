// SPDX-License-Identifier: Apache-2.0
// Groups of endpoints: priorities with Envoy's spill-over, locality weights, endpoint weights, and
// endpoints that warm up. Where shares are drawn at random, so many are drawn that the bounds below
// are five standard deviations away.
#include <gtest/gtest.h>
#include <time.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pods.h"

namespace vsplit::testing {
namespace {

using Counts = std::map<std::string, int>;

constexpr char kService[] = "10.96.0.7:80";
constexpr int kDraws = 4000;
constexpr double kBound = 0.04;

class LocalityTest : public ::testing::Test {
 protected:
  void Put(std::vector<EndpointGroup> groups, ClusterSettings settings = {}) {
    node_.Put(Image({{kService, RouteTo({.name = "all",
                                         .settings = std::move(settings),
                                         .groups = std::move(groups)})}}));
  }
  // Share of the connections that go to this pod.
  std::map<int, double> Shares() {
    std::map<int, double> shares;
    for (const auto& [address, count] : node_.DecideMany(kService, kDraws)) {
      for (int pod = 1; pod <= 20; ++pod) {
        if (address == ToString(PodAddress(pod))) {
          shares[pod] = static_cast<double>(count) / kDraws;
        }
      }
    }
    return shares;
  }
  // Of the machine; nothing can be older.
  static std::uint64_t UptimeNs() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
  }
  void Age(int pod, std::chrono::nanoseconds age) {
    const std::uint32_t id = node_.EndpointId("all", PodAddress(pod));
    endpoint_health health = node_.Entry<endpoint_health>("endpoint_health", id);
    health.born = UptimeNs() - static_cast<std::uint64_t>(age.count());
    node_.SetEntry("endpoint_health", id, health);
  }

  TestNode node_;
};

TEST_F(LocalityTest, WhileTheFirstPriorityIsHealthyItTakesAll) {
  Put({Group({1, 2}, 0), Group({3}, 1)});
  const std::map<int, double> shares = Shares();
  EXPECT_EQ(shares.size(), 2U);
  EXPECT_NEAR(shares.at(1), 0.5, kBound);
}

// Half of the first level: 140 % x 1/2 = 70 % stay.
TEST_F(LocalityTest, WhatTheFirstPriorityCannotCarrySpillsOver) {
  Put({Group({1, 2}, 0, 1, 2), Group({3}, 1)});
  const std::map<int, double> shares = Shares();
  EXPECT_NEAR(shares.at(1) + shares.at(2), 0.7, kBound);
  EXPECT_NEAR(shares.at(3), 0.3, kBound);
}

// 140 x 1/10 = 14 and 140 x 1/5 = 28: less than 100 together, and scaled to it.
TEST_F(LocalityTest, IllLevelsShareByTheirHealth) {
  Put({Group({1}, 0, 1, 9), Group({2}, 1, 1, 4)});
  const std::map<int, double> shares = Shares();
  EXPECT_NEAR(shares.at(1), 34 / 100.0, kBound);  // 14 * 100 / 42 = 33, and what rounding left
  EXPECT_NEAR(shares.at(2), 66 / 100.0, kBound);
}

TEST_F(LocalityTest, InPanicLevelsShareByTheirSizes) {
  Put({Group({1}, 0, 1, 9), Group({2}, 1, 1, 4)}, {.panic_percent = 50});
  const std::map<int, double> shares = Shares();
  EXPECT_NEAR(shares.at(1), 67 / 100.0, kBound);  // 100 * 10 / 15 = 66, and what rounding left
}

TEST_F(LocalityTest, AnEmptyLevelIsPassedOver) {
  Put({Group({}, 0, 1, 3), Group({4}, 1)});
  EXPECT_EQ(Shares(), (std::map<int, double>{{4, 1.0}}));
}

TEST_F(LocalityTest, GroupsOfOneLevelShareByTheirWeights) {
  Put({Group({1}, 0, 80), Group({2, 3}, 0, 20)});
  const std::map<int, double> shares = Shares();
  EXPECT_NEAR(shares.at(1), 0.8, kBound);
  EXPECT_NEAR(shares.at(2) + shares.at(3), 0.2, kBound);
}

// The sick group counts 80 x 1.4 x 1/4 = 28 of its 80.
TEST_F(LocalityTest, AGroupWeighsLessAsItsEndpointsAreIll) {
  Put({Group({1}, 0, 80, 3), Group({2, 3, 4, 5, 6, 7, 8}, 0, 20)});
  const std::map<int, double> shares = Shares();
  EXPECT_NEAR(shares.at(1), 28.0 / 48, kBound);
}

TEST_F(LocalityTest, ManyGroupsAndLevels) {
  std::vector<EndpointGroup> groups;
  for (int i = 0; i < 20; ++i) {
    groups.push_back(Group({i + 1}, static_cast<std::uint32_t>(i / 2), 1, i < 18 ? 1U : 0U));
  }
  Put(groups);
  // Each level has half of its endpoints: 70 % for the first, 30 % for the second.
  const std::map<int, double> shares = Shares();
  EXPECT_EQ(shares.size(), 4U);
  EXPECT_NEAR(shares.at(1) + shares.at(2), 0.7, kBound);
  EXPECT_NEAR(shares.at(3) + shares.at(4), 0.3, kBound);
}

TEST_F(LocalityTest, RandomFollowsTheEndpointsWeights) {
  EndpointGroup group = Group({1, 2, 3});
  group.endpoints[0].weight = 5;
  group.endpoints[1].weight = 4;
  Put({group}, {.algorithm = Algorithm::kRandom});
  const std::map<int, double> shares = Shares();
  EXPECT_NEAR(shares.at(1), 0.5, kBound);
  EXPECT_NEAR(shares.at(2), 0.4, kBound);
  EXPECT_NEAR(shares.at(3), 0.1, kBound);
}

TEST_F(LocalityTest, RoundRobinGivesEveryBlockExactlyTheWeights) {
  EndpointGroup group = Group({1, 2, 3});
  group.endpoints[0].weight = 5;
  group.endpoints[1].weight = 4;
  Put({group}, {.algorithm = Algorithm::kRoundRobin});
  for (int block = 0; block < 20; ++block) {
    ASSERT_EQ(node_.DecideMany(kService, 10),
              (Counts{{"10.1.0.1:8080", 5}, {"10.1.0.2:8080", 4}, {"10.1.0.3:8080", 1}}));
  }
}

TEST_F(LocalityTest, LeastRequestFillsEndpointsByTheirWeights) {
  for (const int pod : {1, 2}) {
    node_.AddPod("pod-" + std::to_string(pod), pod, PodServer::Manner::kHold);
  }
  EndpointGroup group = Group({1, 2});
  group.endpoints[0].weight = 3;
  Put({group});
  std::vector<Connected> held;
  for (int i = 0; i < 80; ++i) {
    held.push_back(Connect(Address(kService)));
    ASSERT_EQ(held.back().error, 0);
  }
  const auto states = node_.datapath().endpoint_states();
  EXPECT_NEAR(states[node_.EndpointId("all", PodAddress(1))].active, 60, 3);
  EXPECT_NEAR(states[node_.EndpointId("all", PodAddress(2))].active, 20, 3);
}

TEST_F(LocalityTest, AYoungEndpointGetsAGrowingShare) {
  // As long as can be, so that it hardly ages while the shares are drawn.
  const auto duration = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::nanoseconds(UptimeNs() / 10 * 9));
  Put({Group({1, 2})},
      {.algorithm = Algorithm::kRandom,
       .warmup = SlowStart{.duration = duration, .minimum_percent = 10, .aggression = 1}});
  Age(1, duration);
  Age(2, duration / 100);
  EXPECT_NEAR(Shares().at(2), 0.1 / 1.1, 0.03);
  Age(2, duration / 2);
  EXPECT_NEAR(Shares().at(2), 0.5 / 1.5, kBound);
  Age(2, duration);
  EXPECT_NEAR(Shares().at(2), 0.5, kBound);
}

}  // namespace
}  // namespace vsplit::testing
