// SPDX-License-Identifier: Apache-2.0
// Who connects: workloads by their cgroups, each with a route of its own, and everyone else.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pods.h"

namespace vsplit::testing {
namespace {

using Counts = std::map<std::string, int>;

constexpr char kService[] = "10.96.0.7:80";

class SourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    node_.AddPod("safe", 1);
    node_.AddPod("risky", 9);
  }

  // Everyone 1:1; "default/a" 9:1; "default/b" and "default/c" only risky.
  TableImage WithSources() const {
    TableImage image = Image({{kService, Canary(1, 1)}});
    ImageFrontend& frontend = image.frontends.begin()->second;
    frontend.asks = true;
    frontend.sources.push_back({.workloads = {"default/a"}, .route = Canary(9, 1)});
    frontend.sources.push_back(
        {.workloads = {"default/b", "default/c"}, .route = Route({{"risky", 1, {PodAddress(9)}}})});
    image.workloads = {{"default/a", a_.Workload("10.1.0.101")},
                       {"default/b", b_.Workload("10.1.0.102")},
                       {"default/other", other_.Workload("10.1.0.103")}};
    return image;
  }

  TestNode node_;
  PodCgroup a_{node_.cgroup(), "pod-a"};
  PodCgroup b_{node_.cgroup(), "pod-b"};
  PodCgroup other_{node_.cgroup(), "pod-other"};
};

TEST_F(SourceTest, EverySourceHasSharesOfItsOwnAndExactlyThem) {
  node_.Put(WithSources());
  for (int block = 0; block < 5; ++block) {
    ASSERT_EQ(a_.AskMany(Address(kService), 10), (Counts{{"safe", 9}, {"risky", 1}})) << block;
    ASSERT_EQ(b_.AskMany(Address(kService), 10), (Counts{{"risky", 10}})) << block;
    ASSERT_EQ(AskMany(Address(kService), 10), (Counts{{"safe", 5}, {"risky", 5}})) << block;
  }
}

TEST_F(SourceTest, ContainersBelongToTheirPod) {
  node_.Put(WithSources());
  const PodCgroup container(a_.path(), "container");
  EXPECT_EQ(container.AskMany(Address(kService), 20), (Counts{{"safe", 18}, {"risky", 2}}));
}

TEST_F(SourceTest, KnownWorkloadsWithoutARouteOfTheirOwnTakeEveryones) {
  node_.Put(WithSources());
  EXPECT_EQ(other_.AskMany(Address(kService), 10), (Counts{{"safe", 5}, {"risky", 5}}));
  EXPECT_EQ(node_.datapath().totals().unknown_source, 0U);
}

TEST_F(SourceTest, UnknownSourcesTakeEveryonesRouteAndAreCounted) {
  node_.Put(WithSources());
  const PodCgroup unknown(node_.cgroup(), "pod-unknown");
  EXPECT_EQ(unknown.AskMany(Address(kService), 10), (Counts{{"safe", 5}, {"risky", 5}}));
  EXPECT_EQ(node_.datapath().totals().unknown_source, 10U);
  AskMany(Address(kService), 3);
  EXPECT_EQ(node_.datapath().totals().unknown_source, 13U);
}

TEST_F(SourceTest, NobodyIsCountedWhereNoRuleAsks) {
  node_.Put(Image({{kService, Canary(1, 1)}}));
  AskMany(Address(kService), 4);
  EXPECT_EQ(node_.datapath().totals().unknown_source, 0U);
}

TEST_F(SourceTest, ARouteMayBeForSomeSourcesOnly) {
  TableImage image = WithSources();
  // Everyone else dials a pod, and reaches it.
  image.frontends = {{Frontend{PodAddress(1)}, image.frontends.begin()->second}};
  image.frontends.begin()->second.everyone.clusters.clear();
  node_.Put(image);
  EXPECT_EQ(AskMany(PodAddress(1), 10), (Counts{{"safe", 10}}));
  EXPECT_EQ(b_.AskMany(PodAddress(1), 10), (Counts{{"risky", 10}}));
  EXPECT_EQ(other_.AskMany(PodAddress(1), 10), (Counts{{"safe", 10}}));
}

TEST_F(SourceTest, TheTwinDecidesForWhomeverItIsAsked) {
  node_.Put(WithSources());
  EXPECT_EQ(node_.DecideMany(kService, 20, a_.id()),
            (Counts{{"10.1.0.1:8080", 18}, {"10.1.0.9:8080", 2}}));
  EXPECT_EQ(node_.DecideMany(kService, 20, b_.id()), (Counts{{"10.1.0.9:8080", 20}}));
  EXPECT_EQ(node_.DecideMany(kService, 20), (Counts{{"10.1.0.1:8080", 10}, {"10.1.0.9:8080", 10}}));
}

TEST_F(SourceTest, SourceRoutesStayInForceWithoutAnAgentAndAfterItsRestart) {
  node_.Put(WithSources());
  node_.Stop();
  Counts twenty = a_.AskMany(Address(kService), 15);
  node_.Restart();
  node_.Put(WithSources());
  EXPECT_EQ(b_.AskMany(Address(kService), 10), (Counts{{"risky", 10}}));
  // The sequence goes on where it was.
  for (const auto& [name, count] : a_.AskMany(Address(kService), 5)) {
    twenty[name] += count;
  }
  EXPECT_EQ(twenty, (Counts{{"safe", 18}, {"risky", 2}}));
}

TEST_F(SourceTest, AWorkloadThatComesLaterTakesItsRouteFromThenOn) {
  TableImage image = WithSources();
  const ImageWorkload late = image.workloads.extract("default/b").mapped();
  node_.Put(image);
  EXPECT_EQ(b_.AskMany(Address(kService), 10), (Counts{{"safe", 5}, {"risky", 5}}));
  image.workloads.emplace("default/c", late);
  node_.Put(image);
  EXPECT_EQ(b_.AskMany(Address(kService), 10), (Counts{{"risky", 10}}));
  image.workloads.erase("default/c");
  node_.Put(image);
  EXPECT_EQ(b_.AskMany(Address(kService), 10), (Counts{{"safe", 5}, {"risky", 5}}));
}

}  // namespace
}  // namespace vsplit::testing
