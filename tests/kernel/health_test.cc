// SPDX-License-Identifier: Apache-2.0
// Outlier detection: endpoints that fail are ejected and let back by the kernel alone.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pods.h"
#include "vsplit/schema.h"

namespace vsplit::testing {
namespace {

using Counts = std::map<std::string, int>;
using std::chrono::milliseconds;

constexpr char kService[] = "10.96.0.7:80";
constexpr char kRefused[] = "errno 111";

class HealthTest : public ::testing::Test {
 protected:
  // Pods without a server refuse every connection.
  void SetUp() override {
    node_.AddPod("good", 1);
    node_.AddPodWithoutServer(2);
    node_.AddPodWithoutServer(3);
    node_.AddPodWithoutServer(4);
  }

  static ImageCluster Cluster(const std::vector<int>& pods, const Ejection& ejection) {
    return {.name = "all",
            .settings = {.algorithm = Algorithm::kRoundRobin, .ejection = ejection},
            .groups = {Group(pods)}};
  }
  static Ejection After(std::uint32_t failures, std::uint32_t max_percent = 100) {
    return {.failures = failures,
            .field = "consecutive5xxErrors",
            .base = milliseconds(60'000),
            .max = milliseconds(600'000),
            .max_percent = max_percent};
  }
  void Put(const ImageCluster& cluster) { node_.Put(Image({{kService, RouteTo(cluster)}})); }

  endpoint_health Health(int pod) const {
    return node_.Entry<endpoint_health>("endpoint_health",
                                        node_.EndpointId("all", PodAddress(pod)));
  }
  cluster_state State() const {
    return node_.Entry<cluster_state>("cluster_state", node_.ClusterId("all"));
  }
  // As it stands when the last connection was decided.
  std::uint32_t Ejected() const { return static_cast<std::uint32_t>(State().ejected[0]); }

  TestNode node_;
};

TEST_F(HealthTest, TheLastFailureEjectsAndTheNextConnectionGoesElsewhereWithoutAnAgent) {
  Put(Cluster({1, 2}, After(3)));
  node_.Stop();
  EXPECT_EQ(AskMany(Address(kService), 6), (Counts{{"good", 3}, {kRefused, 3}}));
  EXPECT_EQ(AskMany(Address(kService), 40), (Counts{{"good", 40}}));
  EXPECT_EQ(Health(2).ejections, 1U);
  EXPECT_EQ(State().ejections, 1U);
  EXPECT_EQ(Ejected(), 1U);
}

TEST_F(HealthTest, EjectionsOutliveTheAgentAndAChangeOfTheirSettings) {
  Put(Cluster({1, 2}, After(3)));
  node_.Stop();
  EXPECT_EQ(AskMany(Address(kService), 6), (Counts{{"good", 3}, {kRefused, 3}}));
  const std::uint64_t until = Health(2).ejected_until;
  node_.Restart();
  Put(Cluster({1, 2}, After(3)));
  EXPECT_EQ(AskMany(Address(kService), 20), (Counts{{"good", 20}}));
  Put(Cluster({1, 2}, After(5)));
  EXPECT_EQ(AskMany(Address(kService), 20), (Counts{{"good", 20}}));
  EXPECT_EQ(Health(2).ejected_until, until);
  EXPECT_EQ(Ejected(), 1U);
}

TEST_F(HealthTest, WhatEjectedEndpointsCannotCarrySpillsOverWithoutAnAgent) {
  node_.AddPod("far", 5);
  ImageCluster cluster = Cluster({}, After(1));
  cluster.groups = {Group({1, 2}, 0), Group({5}, 1)};
  Put(cluster);
  node_.Stop();
  // While all are healthy nothing goes far.
  EXPECT_EQ(AskMany(Address(kService), 2), (Counts{{"good", 1}, {kRefused, 1}}));
  // Of the near ones half is left, which carries 140 % x 1/2 of all.
  const Counts counts = AskMany(Address(kService), 2000);
  EXPECT_FALSE(counts.contains(kRefused));
  ASSERT_TRUE(counts.contains("good") && counts.contains("far"));
  EXPECT_NEAR(counts.at("good"), 1400, 110);
  EXPECT_NEAR(counts.at("far"), 600, 110);
}

TEST_F(HealthTest, WhenAllOfAPriorityAreEjectedTheNextOneCarriesEverything) {
  node_.AddPod("far", 5);
  ImageCluster cluster = Cluster({}, After(1));
  cluster.groups = {Group({2, 3}, 0), Group({5}, 1)};
  Put(cluster);
  node_.Stop();
  // With one of two left 30 % go far already, so that the second failure takes a while to come.
  EXPECT_EQ(AskMany(Address(kService), 100), (Counts{{kRefused, 2}, {"far", 98}}));
  EXPECT_EQ(AskMany(Address(kService), 40), (Counts{{"far", 40}}));
}

TEST_F(HealthTest, TimeAloneLetsBackAndTheNextEjectionIsLonger) {
  Ejection ejection = After(2);
  ejection.base = milliseconds(400);
  Put(Cluster({1, 2}, ejection));
  node_.Stop();
  EXPECT_EQ(AskMany(Address(kService), 10), (Counts{{"good", 8}, {kRefused, 2}}));
  const std::uint64_t first = Health(2).ejected_until;
  // Two more failures, and it is out again.
  int refused = 0;
  EXPECT_TRUE(Eventually([&refused] {
    refused += Ask(Address(kService)) == kRefused ? 1 : 0;
    return refused == 2;
  }));
  const endpoint_health again = Health(2);
  EXPECT_EQ(again.ejections, 2U);
  EXPECT_EQ(again.backoff, 2U);
  // The first one was over, and this one lasts twice as long.
  EXPECT_GT(again.ejected_until, first + 800'000'000U);
  EXPECT_EQ(AskMany(Address(kService), 10), (Counts{{"good", 10}}));
}

TEST_F(HealthTest, WhenItIsLetBackNobodyCountsAsEjected) {
  Ejection ejection = After(1);
  ejection.base = milliseconds(50);
  Put(Cluster({1, 2}, ejection));
  EXPECT_EQ(AskMany(Address(kService), 2), (Counts{{"good", 1}, {kRefused, 1}}));
  EXPECT_EQ(Ejected(), 1U);
  node_.AddPod("back", 12);  // takes longer than that, and nobody connects
  EXPECT_TRUE(Eventually([this] {
    node_.DecideMany(kService, 1);
    return Ejected() == 0;
  }));
}

TEST_F(HealthTest, ASuccessBeginsTheRunAnew) {
  Put(Cluster({2}, After(3)));
  EXPECT_EQ(AskMany(Address(kService), 2), (Counts{{kRefused, 2}}));
  EXPECT_EQ(Health(2).failures, 2U);
  node_.StartServer(2, "repaired");
  EXPECT_EQ(AskMany(Address(kService), 1), (Counts{{"repaired", 1}}));
  EXPECT_EQ(Health(2).failures, 0U);
  EXPECT_EQ(Health(2).ejections, 0U);
}

TEST_F(HealthTest, NoMoreThanMaxEjectionPercentAreEjected) {
  Put(Cluster({1, 2, 3, 4}, After(1, 50)));
  // Two of four; the third goes on to fail.
  const Counts counts = AskMany(Address(kService), 100);
  EXPECT_EQ(Ejected(), 2U);
  EXPECT_EQ(State().ejections, 2U);
  EXPECT_GT(counts.at(kRefused), 30);
}

TEST_F(HealthTest, TheDefaultOfTenPercentEjectsNobodyOfFour) {
  Put(Cluster({1, 2, 3, 4}, After(1, 10)));
  EXPECT_EQ(AskMany(Address(kService), 40), (Counts{{"good", 10}, {kRefused, 30}}));
  EXPECT_EQ(State().ejections, 0U);
}

TEST_F(HealthTest, UnreadyEndpointsCountInThePercentage) {
  ImageCluster cluster = Cluster({1, 2}, After(1, 10));
  cluster.groups[0].unready = 8;
  Put(cluster);
  EXPECT_EQ(AskMany(Address(kService), 20), (Counts{{"good", 19}, {kRefused, 1}}));
  EXPECT_EQ(Ejected(), 1U);
}

TEST_F(HealthTest, BelowTheHealthyMinimumEjectedOnesAreUsedAgain) {
  ImageCluster cluster = Cluster({1, 2, 3, 4}, After(1));
  cluster.settings.panic_percent = 30;
  Put(cluster);
  // The third failure leaves 25 % healthy: panic, and everyone has his turn.
  AskMany(Address(kService), 8);
  ASSERT_EQ(Ejected(), 3U);
  EXPECT_EQ(AskMany(Address(kService), 40), (Counts{{"good", 10}, {kRefused, 30}}));
}

TEST_F(HealthTest, WithoutAHealthyMinimumNobodyHealthyMeansRefused) {
  Put(Cluster({2, 3}, After(1)));
  EXPECT_EQ(AskMany(Address(kService), 2), (Counts{{kRefused, 2}}));
  ASSERT_EQ(Ejected(), 2U);
  EXPECT_EQ(AskMany(Address(kService), 10), (Counts{{kRefused, 10}}));
  EXPECT_EQ(node_.Cluster(kService, "all").opened, 2U);
  EXPECT_EQ(node_.Cluster(kService, "all").refused, 10U);
}

TEST_F(HealthTest, ConnectionsGivenUpByTheApplicationSayNothing) {
  node_.AddSilentPod(5);
  Put(Cluster({5}, After(1)));
  for (int i = 0; i < 5; ++i) {
    const Connected connecting = Connect(Address(kService), 0, SOCK_NONBLOCK);
    ASSERT_EQ(connecting.error, EINPROGRESS);
  }
  EXPECT_TRUE(Eventually([this] { return node_.Remembered() == 0; }));
  EXPECT_EQ(node_.Cluster(kService, "all").failed, 5U);
  EXPECT_EQ(Health(5).failures, 0U);
  EXPECT_EQ(Ejected(), 0U);
}

TEST_F(HealthTest, AConnectThatTimesOutIsAFailure) {
  node_.AddSilentPod(5);
  ImageCluster cluster = Cluster({1, 5}, After(1));
  cluster.settings.connect_timeout = milliseconds(1'100);
  Put(cluster);
  EXPECT_EQ(AskMany(Address(kService), 20), (Counts{{"good", 19}, {"errno 110", 1}}));
  EXPECT_EQ(Ejected(), 1U);
}

TEST_F(HealthTest, NewEndpointsBeginHealthy) {
  Put(Cluster({1, 2}, After(1)));
  AskMany(Address(kService), 2);
  ASSERT_EQ(Ejected(), 1U);
  Put(Cluster({1, 3}, After(1)));
  EXPECT_EQ(AskMany(Address(kService), 20), (Counts{{"good", 19}, {kRefused, 1}}));
}

TEST_F(HealthTest, Ipv6EndpointsAreEjectedAmongThemselves) {
  ImageCluster cluster = Cluster({}, After(1, 50));
  for (const int pod : {1, 2}) {
    cluster.groups[0].endpoints.push_back({.address = PodAddress6(pod), .name = {}});
  }
  constexpr char kService6[] = "[fd00:96::7]:80";
  node_.Put(Image({{kService6, RouteTo(cluster)}}));
  EXPECT_EQ(AskMany(Address(kService6), 20), (Counts{{"good", 19}, {kRefused, 1}}));
  EXPECT_EQ(static_cast<std::uint32_t>(State().ejected[1]), 1U);
  EXPECT_EQ(Ejected(), 0U);
}

TEST_F(HealthTest, WithoutObservationNobodyIsEjected) {
  DatapathOptions options = node_.options();
  options.observe = false;
  node_.Restart(options);
  ASSERT_TRUE(node_.datapath().Attach());
  Put(Cluster({1, 2}, After(1)));
  EXPECT_EQ(AskMany(Address(kService), 20), (Counts{{"good", 10}, {kRefused, 10}}));
}

}  // namespace
}  // namespace vsplit::testing
