// SPDX-License-Identifier: Apache-2.0
// Who connects: workloads by their cgroups, each with a route of its own, and everyone else.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
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

// ---- how much there may be ---------------------------------------------------------------------

constexpr int kFrontends = 128;

std::string FrontendText(int number) {
  return "10.97.0." + std::to_string(number) + ":80";
}

// Two clusters, each with settings of its own: pod `safe` 9 times as often as pod `risky`.
ImageRoute ManagedRoute(int number, int safe, int risky, std::uint32_t max_connections) {
  ImageRoute route;
  route.host = "host-" + std::to_string(number);
  for (const auto& [name, weight, pod] :
       {std::tuple("safe", 9U, safe), std::tuple("risky", 1U, risky)}) {
    route.clusters.push_back({.name = std::string(name) + "-" + std::to_string(number),
                              .weight = weight,
                              .settings = {.max_connections = max_connections},
                              .groups = {Group({pod})}});
  }
  return route;
}

// As many frontends as there may be, each with a route for everyone and one for pod a.
TableImage FullImage(int safe, int risky, std::uint32_t max_connections, const ImageWorkload& a) {
  TableImage image;
  for (int number = 0; number < kFrontends; ++number) {
    ImageFrontend frontend = Everyone(ManagedRoute(number, safe, risky, max_connections));
    frontend.asks = true;
    frontend.sources.push_back({.workloads = {"default/a"},
                                .route = ManagedRoute(number, risky, safe, max_connections + 1)});
    image.frontends.emplace(Frontend{Address(FrontendText(number))}, std::move(frontend));
  }
  image.workloads.emplace("default/a", a);
  return image;
}

TEST(Sources, AllRoutesOfFullTablesAreReplacedAtOnce) {
  TestNode node(true, 4096, {.frontends = kFrontends, .endpoints = 2 * kFrontends});
  const PodCgroup a(node.cgroup(), "pod-a");
  node.AddPod("one", 1);
  node.AddPod("nine", 9);
  const ImageWorkload workload = a.Workload("10.1.0.101");
  // Rows change places twice: what is written, what it replaces, and what that has left.
  for (const std::uint32_t round : {0U, 1U, 2U, 3U}) {
    const bool odd = round % 2 == 1;
    ASSERT_NO_FATAL_FAILURE(
        node.Put(FullImage(odd ? 9 : 1, odd ? 1 : 9, 100 + 2 * round, workload)))
        << round;
    const char* often = odd ? "nine" : "one";
    const char* seldom = odd ? "one" : "nine";
    for (const int number : {0, kFrontends - 1}) {
      const SocketAddress to = Address(FrontendText(number));
      EXPECT_EQ(AskMany(to, 10), (Counts{{often, 9}, {seldom, 1}})) << round;
      EXPECT_EQ(a.AskMany(to, 10), (Counts{{seldom, 9}, {often, 1}})) << round;
    }
  }
}

}  // namespace
}  // namespace vsplit::testing
