// SPDX-License-Identifier: Apache-2.0
// What becomes of a connect(): real sockets in real namespaces, through the programs in the kernel.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "pods.h"

namespace vsplit::testing {
namespace {

using Counts = std::map<std::string, int>;

constexpr char kService[] = "10.96.0.7:80";
constexpr char kService6[] = "[fd00:96::7]:80";

class ConnectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    node_.AddPod("safe", 1);
    node_.AddPod("risky", 9);
  }
  TestNode node_;
};

TEST_F(ConnectTest, SplitsExactlyAndEveryTenHoldNineAndOne) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  for (int block = 0; block < 100; ++block) {
    const Counts ten = AskMany(Address(kService), 10);
    ASSERT_EQ(ten, (Counts{{"safe", 9}, {"risky", 1}})) << "block " << block;
  }
}

TEST_F(ConnectTest, NewWeightsAreInForceAtOnce) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  AskMany(Address(kService), 7);
  node_.Put(Image({{kService, Canary(1, 1)}}));
  EXPECT_EQ(AskMany(Address(kService), 500), (Counts{{"safe", 250}, {"risky", 250}}));
}

TEST_F(ConnectTest, LeavesOthersUntouched) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  EXPECT_EQ(AskMany(PodAddress(9), 20), (Counts{{"risky", 20}}));
  const Connected direct = Connect(PodAddress(1));
  EXPECT_EQ(PeerName(direct.socket.get()), PodAddress(1));
  EXPECT_EQ(Ask(Address("10.1.0.1:81")), "errno 111");
}

TEST_F(ConnectTest, SplitsIpv6AndShowsTheServiceAddress) {
  node_.Put(
      Image({{kService6, Route({{"safe", 3, {PodAddress6(1)}}, {"risky", 1, {PodAddress6(9)}}})}}));
  EXPECT_EQ(AskMany(Address(kService6), 40), (Counts{{"safe", 30}, {"risky", 10}}));
  const Connected connected = Connect(Address(kService6));
  EXPECT_EQ(PeerName(connected.socket.get()), Address(kService6));
}

TEST_F(ConnectTest, SplitsMappedAddressesOfAnIpv6Socket) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  Counts counts;
  for (int i = 0; i < 20; ++i) {
    ++counts[Ask(Address(kService), AF_INET6)];
  }
  EXPECT_EQ(counts, (Counts{{"safe", 18}, {"risky", 2}}));
  const Connected connected = Connect(Address(kService), AF_INET6);
  EXPECT_EQ(PeerName(connected.socket.get()), Address(kService));
}

TEST_F(ConnectTest, PeerNameIsTheServiceAddress) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  const Connected connected = Connect(Address(kService));
  EXPECT_EQ(PeerName(connected.socket.get()), Address(kService));
}

TEST_F(ConnectTest, SplitsNonBlockingConnects) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  Counts counts;
  for (int i = 0; i < 20; ++i) {
    const Connected connected = Connect(Address(kService), 0, SOCK_NONBLOCK);
    ASSERT_EQ(connected.error, EINPROGRESS);
    pollfd wait{connected.socket.get(), POLLIN, 0};
    ASSERT_EQ(poll(&wait, 1, 10'000), 1);
    ++counts[ReadAll(connected.socket.get())];
  }
  EXPECT_EQ(counts, (Counts{{"safe", 18}, {"risky", 2}}));
}

TEST_F(ConnectTest, LeavesUdpAlone) {
  node_.Put(Image({{"10.1.0.1:8080", Route({{"risky", 1, {PodAddress(9)}}})}}));
  const Descriptor udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(8080), .sin_addr = {htonl(0x0a010001)}};
  ASSERT_EQ(connect(udp.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  EXPECT_EQ(PeerName(udp.get()), Address("10.1.0.1:8080"));
  EXPECT_EQ(Ask(Address("10.1.0.1:8080")), "risky");
}

TEST_F(ConnectTest, RefusesTheShareOfAnEmptySubsetAndNothingElse) {
  node_.Put(Image({{kService, Route({{"safe", 3, {PodAddress(1)}}, {"risky", 1, {}}})}}));
  EXPECT_EQ(AskMany(Address(kService), 40), (Counts{{"safe", 30}, {"errno 111", 10}}));
  EXPECT_EQ(node_.Cluster(kService, "risky").refused, 10U);
  EXPECT_EQ(node_.Cluster(kService, "safe").refused, 0U);
}

TEST_F(ConnectTest, RandomPolicyDrawsEveryCluster) {
  node_.Put(Image({{kService, Route({{"safe", 1, {PodAddress(1)}}, {"risky", 1, {PodAddress(9)}}},
                                    Policy::kRandom)}}));
  const Counts counts = AskMany(Address(kService), 200);
  EXPECT_GT(counts.at("safe"), 50);
  EXPECT_GT(counts.at("risky"), 50);
}

TEST_F(ConnectTest, RoundRobinTakesEveryEndpointInTurn) {
  const std::vector<SocketAddress> both{PodAddress(1), PodAddress(9)};
  node_.Put(Image({{kService, Route({{"all", 1, both, Algorithm::kRoundRobin}})}}));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(AskMany(Address(kService), 2), (Counts{{"safe", 1}, {"risky", 1}}));
  }
}

TEST_F(ConnectTest, RandomEndpointsAreAllUsed) {
  const std::vector<SocketAddress> both{PodAddress(1), PodAddress(9)};
  node_.Put(Image({{kService, Route({{"all", 1, both, Algorithm::kRandom}})}}));
  EXPECT_EQ(AskMany(Address(kService), 100).size(), 2U);
}

TEST_F(ConnectTest, RoutesOfManyClustersAreFollowedToTheLastRow) {
  std::vector<TestCluster> clusters;
  for (int i = 0; i < ROUTE_CLUSTERS_MAX - 1; ++i) {
    clusters.push_back({"safe-" + std::to_string(i), 1, {PodAddress(1)}});
  }
  clusters.push_back({"risky", 1, {PodAddress(9)}});
  node_.Put(Image({{kService, Route(clusters)}}));
  EXPECT_EQ(AskMany(Address(kService), 2 * ROUTE_CLUSTERS_MAX),
            (Counts{{"safe", 2 * ROUTE_CLUSTERS_MAX - 2}, {"risky", 2}}));
}

TEST_F(ConnectTest, AbsentFrontendsAreLeftAloneAgain) {
  node_.Put(Image({{"10.1.0.1:8080", Route({{"risky", 1, {PodAddress(9)}}})}}));
  EXPECT_EQ(Ask(Address("10.1.0.1:8080")), "risky");
  node_.Put(Image({}));
  EXPECT_EQ(Ask(Address("10.1.0.1:8080")), "safe");
  EXPECT_TRUE(node_.tables().frontends.empty());
}

TEST_F(ConnectTest, TenClientsAtOnceGetExactlyTheWeights) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  std::vector<Counts> counts(10);
  {
    std::vector<std::jthread> clients;
    clients.reserve(counts.size());
    for (Counts& mine : counts) {
      clients.emplace_back([&mine] { mine = AskMany(Address(kService), 100); });
    }
  }
  Counts all;
  for (const Counts& mine : counts) {
    for (const auto& [name, count] : mine) {
      all[name] += count;
    }
  }
  EXPECT_EQ(all, (Counts{{"safe", 900}, {"risky", 100}}));
}

TEST_F(ConnectTest, TheKillSwitchLeavesEverythingUntouched) {
  node_.Put(Image({{"10.1.0.1:8080", Route({{"risky", 1, {PodAddress(9)}}})}}));
  node_.datapath().SetPassthrough(true);
  EXPECT_EQ(Ask(Address("10.1.0.1:8080")), "safe");
  node_.datapath().SetPassthrough(false);
  EXPECT_EQ(Ask(Address("10.1.0.1:8080")), "risky");
}

TEST_F(ConnectTest, TheTwinDecidesWhatTheNextConnectGets) {
  node_.Put(Image({{kService, Canary(2, 1)}}));
  for (int i = 0; i < 30; ++i) {
    const Result<decision> next = node_.datapath().Decide({Address(kService)}, false);
    ASSERT_TRUE(next) << next.error().message;
    ASSERT_EQ(next->verdict, VERDICT_SPLIT);
    const std::string cluster = node_.tables().cluster_names.at(static_cast<__u32>(next->cluster));
    ASSERT_EQ(next->number, static_cast<std::uint64_t>(i));
    ASSERT_EQ(Ask(Address(kService)), cluster);
  }
}

}  // namespace
}  // namespace vsplit::testing
