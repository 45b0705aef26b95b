// SPDX-License-Identifier: Apache-2.0
// Consistent hashing of the source, the address that was dialled, and subnets as frontends.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pods.h"

namespace vsplit::testing {
namespace {

using Counts = std::map<std::string, int>;

constexpr char kService[] = "10.96.0.7:80";

class HashTest : public ::testing::Test {
 protected:
  static constexpr int kClients = 300;

  // Clients that nobody runs: the twin decides for them. Their cgroups need not exist.
  static std::uint64_t CgroupOf(int client) {
    return 0x7000'0000'0000ULL + static_cast<unsigned>(client);
  }
  TableImage Maglev(const std::vector<int>& pods, std::uint32_t failures = 0) const {
    ClusterSettings settings{.algorithm = Algorithm::kMaglev, .maglev_size = 4093};
    if (failures > 0) {
      settings.ejection =
          Ejection{.failures = failures, .field = "consecutive5xxErrors", .max_percent = 100};
    }
    TableImage image = Image(
        {{kService, RouteTo({.name = "all", .settings = settings, .groups = {Group(pods)}})}});
    for (int client = 0; client < kClients; ++client) {
      image.workloads.emplace(
          "default/client-" + std::to_string(client),
          ImageWorkload{.cgroup = CgroupOf(client),
                        .level = 2,
                        .ips = {Address("10.2." + std::to_string(client / 200) + "." +
                                        std::to_string(client % 200 + 1) + ":1")
                                    .ip}});
    }
    return image;
  }
  // Which endpoint each client gets, and gets again.
  std::vector<std::string> Choices() {
    std::vector<std::string> choices;
    for (int client = 0; client < kClients; ++client) {
      const Counts counts = node_.DecideMany(kService, 3, CgroupOf(client));
      EXPECT_EQ(counts.size(), 1U) << "client " << client;
      choices.push_back(counts.begin()->first);
    }
    return choices;
  }

  TestNode node_;
};

TEST_F(HashTest, EveryClientHasItsEndpointAndEveryEndpointItsClients) {
  node_.Put(Maglev({1, 2, 3, 4}));
  Counts clients;
  for (const std::string& choice : Choices()) {
    ++clients[choice];
  }
  ASSERT_EQ(clients.size(), 4U);
  for (const auto& [endpoint, count] : clients) {
    EXPECT_GT(count, kClients / 4 / 2) << endpoint;
  }
}

TEST_F(HashTest, WhenAnEndpointLeavesFewOthersMove) {
  node_.Put(Maglev({1, 2, 3, 4, 5}));
  const std::vector<std::string> before = Choices();
  node_.Put(Maglev({1, 2, 4, 5}));
  const std::vector<std::string> after = Choices();
  int moved = 0;
  for (int client = 0; client < kClients; ++client) {
    const auto i = static_cast<std::size_t>(client);
    EXPECT_NE(after[i], "10.1.0.3:8080");
    moved += before[i] != "10.1.0.3:8080" && before[i] != after[i] ? 1 : 0;
  }
  // Maglev moves a few; a modulus would move four of five.
  EXPECT_LT(moved, kClients / 10);
}

TEST_F(HashTest, WhenAnEndpointIsEjectedOnlyItsClientsMove) {
  node_.Put(Maglev({1, 2, 3, 4}, 1));
  const std::vector<std::string> before = Choices();
  endpoint_health health =
      node_.Entry<endpoint_health>("endpoint_health", node_.EndpointId("all", PodAddress(2)));
  health.ejected_until = ~std::uint64_t{0};
  node_.SetEntry("endpoint_health", node_.EndpointId("all", PodAddress(2)), health);
  cluster_state state = node_.Entry<cluster_state>("cluster_state", node_.ClusterId("all"));
  state.ejected[0] = 1;
  node_.SetEntry("cluster_state", node_.ClusterId("all"), state);
  const std::vector<std::string> after = Choices();
  for (int client = 0; client < kClients; ++client) {
    const auto i = static_cast<std::size_t>(client);
    if (before[i] == "10.1.0.2:8080") {
      EXPECT_NE(after[i], "10.1.0.2:8080");
    } else {
      EXPECT_EQ(after[i], before[i]);
    }
  }
}

TEST_F(HashTest, RealClientsStayWithTheirEndpoint) {
  for (int pod = 1; pod <= 4; ++pod) {
    node_.AddPod("pod-" + std::to_string(pod), pod);
  }
  const PodCgroup a(node_.cgroup(), "pod-a");
  const PodCgroup b(node_.cgroup(), "pod-b");
  TableImage image = Maglev({1, 2, 3, 4});
  image.workloads = {{"default/a", a.Workload("10.2.0.1")}, {"default/b", b.Workload("10.2.0.7")}};
  node_.Put(image);
  for (const PodCgroup* client : {&a, &b}) {
    const Counts counts = client->AskMany(Address(kService), 20);
    ASSERT_EQ(counts.size(), 1U);
    const Counts decided = node_.DecideMany(kService, 1, client->id());
    EXPECT_EQ("pod-" + decided.begin()->first.substr(7, 1), counts.begin()->first);
  }
  // Who is no workload has an endpoint too, by the cgroup.
  EXPECT_EQ(AskMany(Address(kService), 20).size(), 1U);
}

class SubnetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    node_.AddPod("one", 1);
    node_.AddPod("two", 2);
    node_.AddPod("three", 3);
  }
  static Frontend Subnet(const std::string& address, int bits) {
    return {.address = Address(address), .prefix = static_cast<std::uint8_t>(96 + bits)};
  }
  static ImageFrontend To(int pod) {
    return Everyone(Route({{"pod-" + std::to_string(pod), 1, {PodAddress(pod)}}}));
  }
  static ImageFrontend Passed(std::uint16_t port) {
    ImageCluster cluster{.name = "passthrough",
                         .settings = {.algorithm = Algorithm::kPassthrough, .port = port},
                         .groups = {}};
    return Everyone(RouteTo(cluster));
  }

  TestNode node_;
};

TEST_F(SubnetTest, TheLongestPrefixWinsAndASingleAddressBeforeAll) {
  TableImage image;
  image.frontends = {{Subnet("172.16.0.0:80", 12), To(1)},
                     {Subnet("172.16.5.0:80", 24), To(2)},
                     {Frontend{Address("172.16.5.7:80")}, To(3)}};
  node_.Put(image);
  EXPECT_EQ(Ask(Address("172.31.255.255:80")), "one");
  EXPECT_EQ(Ask(Address("172.16.5.6:80")), "two");
  EXPECT_EQ(Ask(Address("172.16.5.7:80")), "three");
  const Connected connected = Connect(Address("172.16.5.6:80"));
  EXPECT_EQ(PeerName(connected.socket.get()), Address("172.16.5.6:80"));
  // Another port is none of ours: nobody is there.
  EXPECT_EQ(Ask(Address("172.16.5.6:81")), "errno 101");
  // When the longer ones go, the shorter ones hold.
  image.frontends.erase(Frontend{Address("172.16.5.7:80")});
  node_.Put(image);
  EXPECT_EQ(Ask(Address("172.16.5.7:80")), "two");
  image.frontends.erase(Subnet("172.16.5.0:80", 24));
  node_.Put(image);
  EXPECT_EQ(Ask(Address("172.16.5.7:80")), "one");
}

TEST_F(SubnetTest, Ipv6Subnets) {
  TableImage image;
  image.frontends = {{Frontend{.address = Address("[fd00:99::]:80"), .prefix = 32},
                      Everyone(Route({{"pod-6", 1, {PodAddress6(2)}}}))}};
  node_.Put(image);
  EXPECT_EQ(Ask(Address("[fd00:99:1:2:3:4:5:6]:80")), "two");
}

TEST_F(SubnetTest, SubnetsStayInForceWhileOthersChangeAndAfterARestart) {
  TableImage image;
  image.frontends = {{Subnet("172.16.0.0:80", 12), To(1)}};
  node_.Put(image);
  node_.Restart();
  EXPECT_EQ(Ask(Address("172.16.5.6:80")), "one");
  image.frontends.emplace(Frontend{Address(kService)}, To(2));
  node_.Put(image);
  EXPECT_EQ(Ask(Address("172.16.5.6:80")), "one");
  EXPECT_EQ(Ask(Address(kService)), "two");
}

TEST_F(SubnetTest, WhatIsPassedReachesWhatWasDialledAndIsCounted) {
  TableImage image;
  image.frontends = {{Subnet("10.1.0.0:8080", 24), Passed(0)}};
  node_.Put(image);
  EXPECT_EQ(AskMany(PodAddress(1), 3), (Counts{{"one", 3}}));
  EXPECT_EQ(AskMany(PodAddress(2), 2), (Counts{{"two", 2}}));
  EXPECT_TRUE(Eventually([this] { return node_.Remembered() == 0; }));
  const std::uint32_t frontend = node_.tables().frontends.at(Subnet("10.1.0.0:8080", 24)).id;
  const std::uint32_t index =
      node_.tables().counters.at({frontend, node_.ClusterId("passthrough")});
  EXPECT_EQ(node_.datapath().counters()[index].opened, 5U);
  EXPECT_EQ(node_.datapath().counters()[index].active, 0);
}

TEST_F(SubnetTest, WhatIsPassedMayGoToAnotherPort) {
  TableImage image;
  image.frontends = {{Subnet("10.1.0.0:80", 24), Passed(8080)}};
  node_.Put(image);
  const Connected connected = Connect(Address("10.1.0.3:80"));
  ASSERT_EQ(connected.error, 0);
  EXPECT_EQ(ReadAll(connected.socket.get()), "three");
  EXPECT_EQ(PeerName(connected.socket.get()), Address("10.1.0.3:80"));
}

}  // namespace
}  // namespace vsplit::testing
