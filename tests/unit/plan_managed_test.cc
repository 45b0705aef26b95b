// SPDX-License-Identifier: Apache-2.0
// Plans of clusters that are more than equal endpoints: settings, groups, Maglev tables, ejection.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "plan_model.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/policy.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

using std::chrono::milliseconds;

const Ejection kEjection{.failures = 5,
                         .field = {},
                         .interval = milliseconds(1000),
                         .base = milliseconds(2000),
                         .max = milliseconds(9000),
                         .max_percent = 50};

TableImage With(const ImageCluster& cluster) {
  ImageFrontend frontend{.everyone = {.host = "web", .clusters = {cluster}}, .sources = {}};
  return {.frontends = {{Service(1), frontend}}, .workloads = {}};
}

class ManagedTest : public PlanTest {
 protected:
  using PlanTest::PlanTest;

  // How often each kind of operation is in the plan, by the first words of its text.
  std::size_t CountOf(const Plan& plan, const std::string& text) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        Texts(plan), [&text](const std::string& line) { return line.starts_with(text); }));
  }
  const policy_value& PolicyInForce() const {
    const std::uint32_t head = tables_.RowInForce(tables_.frontends.at(Service(1)));
    return *PolicyOf(tables_, tables_.routes.at(head).clusters[0]);
  }
};

TEST_F(ManagedTest, EverySettingIsReadBackAsItWasWritten) {
  ImageCluster cluster = Cluster("c", 1, 3);
  ClusterSettings& settings = cluster.settings;
  for (const Algorithm algorithm :
       {Algorithm::kLeastRequest, Algorithm::kRoundRobin, Algorithm::kRandom, Algorithm::kMaglev}) {
    settings.algorithm = algorithm;
    settings.maglev_size = algorithm == Algorithm::kMaglev ? 31 : 65'537;
    settings.panic_percent = 50;
    settings.ejection = kEjection;
    settings.ejection->field = "consecutiveGatewayErrors";
    settings.warmup =
        SlowStart{.duration = milliseconds(60'000), .minimum_percent = 20, .aggression = 1.5};
    settings.max_connections = 7;
    settings.connect_timeout = milliseconds(250);
    settings.keepalive = Keepalive{.time_s = 7200, .interval_s = 75, .probes = 9};
    Put(With(cluster));
    EXPECT_EQ(Decode(tables_), With(cluster)) << ToString(algorithm);
    Restart();
    EXPECT_EQ(Decode(tables_), With(cluster)) << ToString(algorithm);
  }
}

TEST_F(ManagedTest, PassthroughHasNoEndpointsButIsNotRefused) {
  ImageCluster cluster{.name = "p", .settings = {}, .groups = {}};
  cluster.settings.algorithm = Algorithm::kPassthrough;
  cluster.settings.port = 8443;
  Put(With(cluster));
  const std::uint32_t head = tables_.RowInForce(tables_.frontends.at(Service(1)));
  EXPECT_EQ(tables_.routes.at(head).clusters[0].count, 1);
  EXPECT_EQ(PolicyInForce().groups, 0U);
  EXPECT_EQ(PolicyInForce().port, 8443);
}

TEST_F(ManagedTest, GroupsKeepWeightsLevelsAndUnreadyEndpoints) {
  ImageCluster cluster = Cluster("c", 1, 3);
  cluster.groups[0].endpoints[1].weight = 3;
  cluster.groups[0].weight = 80;
  cluster.groups.push_back(Group(0));
  cluster.groups[1].weight = 20;
  cluster.groups[1].unready = 2;
  cluster.groups.push_back(Group(2, 1));
  Put(With(cluster));
  EXPECT_EQ(Decode(tables_), With(cluster));
  const std::vector<GroupRow> groups = GroupsOf(
      tables_, tables_.routes.at(tables_.RowInForce(tables_.frontends.at(Service(1)))).clusters[0]);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].value.total, 5U);
  EXPECT_EQ(groups[0].value.flags, 0U);
  EXPECT_EQ(groups[2].value.flags, static_cast<__u32>(GROUP_EQUAL));
  EXPECT_EQ(tables_.endpoints.at(groups[0].value.first + 1).bound, 4U);
}

TEST_F(ManagedTest, AWeightChangeTakesThePolicyOver) {
  ImageCluster managed = Cluster("c", 1, 3);
  managed.settings.max_connections = 7;
  TableImage image = With(managed);
  image.frontends.at(Service(1)).everyone.clusters.push_back(Cluster("d", 1, 2));
  Put(image);
  image.frontends.at(Service(1)).everyone.clusters[1].weight = 2;
  const Plan plan = PlanTo(image);
  EXPECT_EQ(plan.operations.size(), 6U) << fmt::format("{}", fmt::join(Texts(plan), "\n"));
  EXPECT_EQ(CountOf(plan, "policy row") + CountOf(plan, "group row") + CountOf(plan, "endpoint"),
            0U);
}

TEST_F(ManagedTest, OnlyTheGroupThatChangesIsWrittenAnew) {
  ImageCluster cluster = Cluster("c", 1, 3);
  cluster.settings.algorithm = Algorithm::kMaglev;
  cluster.settings.maglev_size = 31;
  cluster.groups.push_back(Group(2, 1));
  Put(With(cluster));
  cluster.groups[1].endpoints.pop_back();
  const Plan plan = PlanTo(With(cluster));
  EXPECT_EQ(CountOf(plan, "endpoint row"), 1U);
  EXPECT_EQ(CountOf(plan, "hash rows"), 1U);
  Run(plan.operations);
  EXPECT_EQ(Decode(tables_), With(cluster));
}

TEST_F(ManagedTest, APlainClusterThatBecomesManagedKeepsItsEndpointRows) {
  ImageCluster cluster = Cluster("c", 1, 3);
  Put(With(cluster));
  cluster.settings.ejection = kEjection;
  const Plan plan = PlanTo(With(cluster));
  EXPECT_EQ(CountOf(plan, "endpoint row"), 0U);
  Run(plan.operations);
  EXPECT_EQ(Decode(tables_), With(cluster));
  cluster.settings.ejection.reset();
  const Plan back = PlanTo(With(cluster));
  EXPECT_EQ(CountOf(back, "endpoint row"), 0U);
  Run(back.operations);
  EXPECT_EQ(tables_.policy_space.used(), 0U);
}

TEST_F(ManagedTest, RoundRobinGoesOnWhenEndpointsChange) {
  ImageCluster cluster = Cluster("c", 1, 3);
  cluster.settings.algorithm = Algorithm::kRoundRobin;
  Put(With(cluster));
  const std::uint32_t turn = PolicyInForce().turn;
  EXPECT_NE(turn, 0U);
  cluster.groups[0].endpoints.pop_back();
  Put(With(cluster));
  EXPECT_EQ(PolicyInForce().turn, turn);
}

// ---- ejection ----

TEST_F(ManagedTest, WhatEjectsChangesInPlaceAfterTheCommit) {
  ImageCluster cluster = Cluster("c", 1, 3);
  cluster.groups[0].unready = 1;
  cluster.settings.ejection = kEjection;
  Put(With(cluster));
  const std::uint32_t id = tables_.cluster_ids.at("c");
  cluster_state& state = model_.State(id);
  EXPECT_EQ(state.failures, 5U);
  EXPECT_EQ(state.endpoints[0], 4U) << "unready ones count";
  EXPECT_EQ(state.endpoints[1], 0U);
  state.ejections = 3;
  cluster.settings.ejection->failures = 7;
  const Plan plan = PlanTo(With(cluster));
  EXPECT_EQ(Texts(plan),
            (std::vector<std::string>{
                "commit generation 2",
                fmt::format("cluster_state {} = failures 7 base 2000 max 9000 interval "
                            "1000 percent 50 of 4",
                            id)}));
  Run(plan.operations);
  EXPECT_EQ(state.ejections, 3U) << "the kernel's part stays";
  cluster.settings.ejection.reset();
  Put(With(cluster));
  EXPECT_EQ(state.failures, 0U);
}

TEST_F(ManagedTest, ClustersOfBothFamiliesCountTheirEndpointsApart) {
  ImageCluster cluster = Cluster("c", 1, 3);
  cluster.settings.ejection = kEjection;
  TableImage image = With(cluster);
  cluster.groups[0].endpoints = {{.address = At("[fd00::1]:8080"), .name = {}}};
  const Frontend v6{At("[fd00::7]:80")};
  image.frontends[v6] = image.frontends.at(Service(1));
  image.frontends[v6].everyone.clusters = {cluster};
  Put(image);
  const cluster_state& state = model_.State(tables_.cluster_ids.at("c"));
  EXPECT_EQ(state.endpoints[0], 3U);
  EXPECT_EQ(state.endpoints[1], 1U);
}

TEST_F(ManagedTest, AnEndpointThatComesBackStartsHealthyAndYoung) {
  ImageCluster cluster = Cluster("c", 1, 3);
  cluster.settings.ejection = kEjection;
  Put(With(cluster));
  const std::uint32_t id =
      tables_.endpoint_ids.at({tables_.cluster_ids.at("c"), At("10.1.0.3:8080")});
  model_.Health(id) = {.ejected_until = 99, .failures = 3, .backoff = 2};
  ImageCluster fewer = cluster;
  fewer.groups[0].endpoints.pop_back();
  Put(With(fewer));
  Put(With(cluster));
  EXPECT_EQ(model_.Health(id).ejected_until, 0U);
  EXPECT_EQ(model_.Health(id).failures, 0U);
  EXPECT_NE(model_.Health(id).born, 0U);
}

TEST_F(ManagedTest, AnEndpointThatStaysKeepsItsHealth) {
  ImageCluster cluster = Cluster("c", 1, 3);
  cluster.settings.ejection = kEjection;
  Put(With(cluster));
  const std::uint32_t id =
      tables_.endpoint_ids.at({tables_.cluster_ids.at("c"), At("10.1.0.1:8080")});
  model_.Health(id) = {.ejected_until = 99, .failures = 3};
  cluster.groups[0].endpoints.pop_back();
  Put(With(cluster));
  EXPECT_EQ(model_.Health(id).ejected_until, 99U);
}

TEST_F(ManagedTest, AnIdThatIsGivenAwayAgainIsHealthy) {
  // More endpoints than there are ids: those of the first clusters are given to later ones.
  for (int i = 0; i < 30; ++i) {
    ImageCluster cluster = Cluster(fmt::format("c{}", i), 1, 20);
    cluster.settings.ejection = kEjection;
    Put(With(cluster));
    const std::uint32_t cluster_id = tables_.cluster_ids.at(cluster.name);
    for (const Endpoint& endpoint : cluster.groups[0].endpoints) {
      const std::uint32_t id = tables_.endpoint_ids.at({cluster_id, endpoint.address});
      EXPECT_EQ(model_.Health(id).ejected_until, 0U) << i;
      model_.Health(id).ejected_until = 99;
    }
    EXPECT_EQ(model_.State(cluster_id).ejections, 0U) << i;
    model_.State(cluster_id).ejections = 1;
  }
  EXPECT_EQ(model_.broken, std::vector<std::string>{});
}

// ---- Maglev ----

std::map<SocketAddress, int> Shares(const std::vector<SocketAddress>& slots) {
  std::map<SocketAddress, int> shares;
  for (const SocketAddress& slot : slots) {
    ++shares[slot];
  }
  return shares;
}

class MaglevTest : public ManagedTest {
 protected:
  explicit MaglevTest(std::uint32_t slots = 509, const Sizes& sizes = {}) : ManagedTest(sizes) {
    cluster_.settings.algorithm = Algorithm::kMaglev;
    cluster_.settings.maglev_size = slots;
  }
  std::vector<SocketAddress> Slots() {
    Put(With(cluster_));
    return model_.Slots(Service(1));
  }
  ImageCluster cluster_ = Cluster("c", 1, 5);
};

TEST_F(MaglevTest, SharesOfEqualEndpointsDifferByOneSlotAtMost) {
  const std::map<SocketAddress, int> shares = Shares(Slots());
  EXPECT_EQ(shares.size(), 5U);
  for (const auto& [address, count] : shares) {
    EXPECT_TRUE(count == 101 || count == 102) << ToString(address) << " has " << count;
  }
}

TEST_F(MaglevTest, SharesFollowTheWeights) {
  cluster_.groups[0].endpoints[0].weight = 4;
  const std::map<SocketAddress, int> shares = Shares(Slots());
  EXPECT_NEAR(shares.at(At("10.1.0.1:8080")), 509 * 4 / 8, 4);
  EXPECT_NEAR(shares.at(At("10.1.0.2:8080")), 509 / 8, 2);
}

TEST_F(MaglevTest, AnEndpointThatLeavesMovesFewOthers) {
  const std::vector<SocketAddress> before = Slots();
  const SocketAddress gone = cluster_.groups[0].endpoints[2].address;
  cluster_.groups[0].endpoints.erase(cluster_.groups[0].endpoints.begin() + 2);
  const std::vector<SocketAddress> after = Slots();
  int moved = 0;
  for (std::size_t slot = 0; slot < before.size(); ++slot) {
    EXPECT_NE(after[slot], gone);
    moved += before[slot] != gone && before[slot] != after[slot] ? 1 : 0;
  }
  EXPECT_LT(moved, 509 / 5) << "of " << before.size();
}

// As large as a DestinationRule that says no size gets it.
class DefaultMaglevTest : public MaglevTest {
 protected:
  inline static const std::uint32_t kSlots = ClusterSettings{}.maglev_size;

  DefaultMaglevTest() : MaglevTest(kSlots, {.hash_rows = 3 * kSlots / HASH_SLOTS}) {
    cluster_.groups = {Group(50)};
  }
};

TEST_F(DefaultMaglevTest, EveryEndpointHasItsShareWithinOnePercent) {
  double total = 0;
  for (Endpoint& endpoint : cluster_.groups[0].endpoints) {
    endpoint.weight = 1 + static_cast<std::uint32_t>(total) % 7;
    total += endpoint.weight;
  }
  const std::map<SocketAddress, int> shares = Shares(Slots());
  for (const Endpoint& endpoint : cluster_.groups[0].endpoints) {
    const double wanted = kSlots * endpoint.weight / total;
    EXPECT_NEAR(shares.at(endpoint.address), wanted, wanted / 100) << ToString(endpoint.address);
  }
}

TEST_F(DefaultMaglevTest, AnEndpointThatLeavesMovesTwoPercentOfTheOthersAtMost) {
  const std::vector<SocketAddress> before = Slots();
  const SocketAddress gone = cluster_.groups[0].endpoints[20].address;
  cluster_.groups[0].endpoints.erase(cluster_.groups[0].endpoints.begin() + 20);
  const std::vector<SocketAddress> after = Slots();
  std::size_t moved = 0;
  for (std::size_t slot = 0; slot < before.size(); ++slot) {
    moved += before[slot] != gone && before[slot] != after[slot] ? 1U : 0U;
  }
  EXPECT_LT(moved, kSlots / 50);
}

TEST_F(MaglevTest, EndpointsBeyondTheSlotsHaveNone) {
  cluster_.groups = {Group(7)};
  cluster_.settings.maglev_size = 5;
  EXPECT_EQ(Shares(Slots()).size(), 5U);
}

TEST_F(MaglevTest, AFullTableIsNamed) {
  cluster_.settings.maglev_size = 4001;
  const Result<Plan> plan = MakePlan(tables_, ChangeTo(tables_, With(cluster_)));
  ASSERT_FALSE(plan);
  EXPECT_EQ(
      plan.error().message,
      "table hash_rows is full: 0 of 511 in use; raise --max-hash-slots (tables are made anew "
      "after `vsplitd uninstall`)");
}

}  // namespace
}  // namespace vsplit
