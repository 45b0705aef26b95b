// SPDX-License-Identifier: Apache-2.0
// maxConnections, and what a policy sets on the application's socket: connect timeout, keepalive.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "pods.h"

namespace vsplit::testing {
namespace {

using Counts = std::map<std::string, int>;
using std::chrono::milliseconds;

constexpr char kService[] = "10.96.0.7:80";

// Both are open until the answer: the errors of the two.
std::string HoldTwo() {
  const Connected first = Connect(Address(kService));
  const Connected second = Connect(Address(kService));
  return std::to_string(first.error) + " " + std::to_string(second.error);
}

// Until the process ends.
void HoldOne() {
  dup(Connect(Address(kService)).socket.get());
}

class LimitTest : public ::testing::Test {
 protected:
  void SetUp() override { node_.AddPod("holder", 1, PodServer::Manner::kHold); }

  static ImageCluster Cluster(const std::vector<int>& pods, const ClusterSettings& settings) {
    return {.name = "all", .settings = settings, .groups = {Group(pods)}};
  }
  void Put(const std::vector<int>& pods, const ClusterSettings& settings) {
    node_.Put(Image({{kService, RouteTo(Cluster(pods, settings))}}));
  }
  void Limit(std::uint32_t max_connections, const std::vector<int>& pods = {1}) {
    Put(pods, {.max_connections = max_connections});
  }
  bool PlacesBecome(std::int64_t places) {
    return Eventually([this, places] { return node_.Places("", "all") == places; });
  }
  static int Option(int socket, int level, int option) {
    int value = -1;
    socklen_t size = sizeof(value);
    EXPECT_EQ(getsockopt(socket, level, option, &value, &size), 0);
    return value;
  }

  TestNode node_;
};

TEST_F(LimitTest, RefusesAtOnceWhatIsOverTheLimitAndCountsIt) {
  Limit(3);
  std::vector<Connected> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(Connect(Address(kService)));
    ASSERT_EQ(held.back().error, 0);
  }
  EXPECT_EQ(Connect(Address(kService)).error, ECONNREFUSED);
  EXPECT_EQ(Connect(Address(kService)).error, ECONNREFUSED);
  const TestNode::Counted counted = node_.Cluster(kService, "all");
  EXPECT_EQ(counted.opened, 3U);
  EXPECT_EQ(counted.limited, 2U);
  EXPECT_EQ(counted.refused, 0U);
  EXPECT_EQ(node_.DecideMany(kService, 1), (Counts{{"verdict 4", 1}}));
  held.pop_back();
  EXPECT_TRUE(PlacesBecome(2));
  EXPECT_EQ(Connect(Address(kService)).error, 0);
}

// The last place, fought for again and again: threads begin at the same moment, each on its own.
TEST_F(LimitTest, TheLastPlaceIsGivenOnceHoweverManyWantItAtOnce) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 200;
  Limit(1);
  for (int round = 0; round < kRounds; ++round) {
    std::barrier start(kThreads);
    std::atomic<int> connected = 0;
    std::vector<Connected> held(kThreads);
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (Connected& mine : held) {
      threads.emplace_back([&] {
        start.arrive_and_wait();
        mine = Connect(Address(kService));
        connected += mine.error == 0 ? 1 : 0;
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    ASSERT_EQ(connected, 1) << "round " << round;
    held.clear();
    ASSERT_TRUE(PlacesBecome(0)) << "round " << round;
  }
}

TEST_F(LimitTest, NoneMeansNone) {
  Limit(0);
  EXPECT_EQ(Connect(Address(kService)).error, ECONNREFUSED);
  EXPECT_EQ(node_.Cluster(kService, "all").limited, 1U);
}

TEST_F(LimitTest, EveryEndGivesThePlaceBack) {
  node_.AddPodWithoutServer(2);
  node_.AddSilentPod(3);
  Limit(2);
  {
    const Connected closed = Connect(Address(kService));
  }
  EXPECT_TRUE(PlacesBecome(0)) << "after close()";
  {
    const Connected reset = Connect(Address(kService));
    const linger hard{.l_onoff = 1, .l_linger = 0};
    setsockopt(reset.socket.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  }
  EXPECT_TRUE(PlacesBecome(0)) << "after a reset";
  {
    const Connected kept = Connect(Address(kService));
    sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
    ASSERT_EQ(connect(kept.socket.get(), &nowhere, sizeof(nowhere)), 0);
    EXPECT_TRUE(PlacesBecome(0)) << "after a disconnect";
  }
  {
    Child child([] {
      const int leaked = dup(Connect(Address(kService)).socket.get());
      ASSERT_GE(leaked, 0);
    });
    EXPECT_TRUE(PlacesBecome(1));
    child.Kill();
    EXPECT_TRUE(PlacesBecome(0)) << "after kill -9";
  }
  Limit(2, {2});
  EXPECT_EQ(AskMany(Address(kService), 10), (Counts{{"errno 111", 10}}));
  EXPECT_EQ(node_.Cluster(kService, "all").limited, 0U) << "each was refused by the pod";
  EXPECT_TRUE(PlacesBecome(0)) << "after a refusal";
  Put({3}, {.max_connections = 2, .connect_timeout = milliseconds(1'100)});
  EXPECT_EQ(Ask(Address(kService)), "errno 110");
  EXPECT_TRUE(PlacesBecome(0)) << "after a timeout";
  {
    const Connected aborted = Connect(Address(kService), 0, SOCK_NONBLOCK);
  }
  EXPECT_TRUE(PlacesBecome(0)) << "given up before it was established";
  EXPECT_EQ(node_.datapath().totals().pooled, 0);
}

TEST_F(LimitTest, ASocketThatConnectsAgainHoldsOnePlace) {
  node_.AddPodWithoutServer(2);
  Limit(1, {2});
  Connected again = Connect(Address(kService));
  EXPECT_EQ(again.error, ECONNREFUSED);
  const SocketAddress service = Address(kService);
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(service.port)};
  std::copy_n(service.ip.bytes.begin() + 12, 4, reinterpret_cast<std::uint8_t*>(&to.sin_addr));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(connect(again.socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), -1);
    EXPECT_EQ(errno, ECONNREFUSED);
  }
  EXPECT_EQ(node_.Cluster(kService, "all").limited, 0U);
  again.socket = Descriptor();
  EXPECT_TRUE(PlacesBecome(0));
}

// The connect() finds no way to the pod before any SYN: sockops never sees it.
TEST_F(LimitTest, AConnectWithoutASynHoldsItsPlaceUntilTheSocketIsClosed) {
  ImageCluster cluster = Cluster({}, {.max_connections = 1});
  cluster.groups[0].endpoints.push_back({.address = Address("192.0.2.1:80"), .name = {}});
  node_.Put(Image({{kService, RouteTo(cluster)}}));
  {
    const Connected lost = Connect(Address(kService));
    ASSERT_EQ(lost.error, ENETUNREACH);
    EXPECT_EQ(node_.Places("", "all"), 1);
  }
  EXPECT_TRUE(PlacesBecome(0));
  EXPECT_EQ(Connect(Address(kService)).error, ENETUNREACH);
}

TEST_F(LimitTest, EveryWorkloadHasPlacesOfItsOwn) {
  const PodCgroup a(node_.cgroup(), "pod-a");
  const PodCgroup b(node_.cgroup(), "pod-b");
  TableImage image = Image({{kService, RouteTo(Cluster({1}, {.max_connections = 1}))}});
  image.workloads = {{"default/a", a.Workload("10.1.0.101")},
                     {"default/b", b.Workload("10.1.0.102")}};
  node_.Put(image);
  const Child holder(HoldOne, a.path());
  EXPECT_EQ(node_.Places("default/a", "all"), 1);
  EXPECT_EQ(b.Run(HoldTwo), "0 111");
  EXPECT_EQ(a.Run(HoldTwo), "111 111");
  EXPECT_EQ(HoldTwo(), "0 111");  // everyone else together
}

// Who finds no room for a pool of his own is let through, and counted; nobody else's limit is
// touched.
TEST(FullPoolsTest, WhoHasNoPoolIsNotHeldToTheLimitAndCounted) {
  TestNode node(true, 1);  // one connection to remember, and one pool
  node.AddPod("holder", 1, PodServer::Manner::kHold);
  const PodCgroup a(node.cgroup(), "pod-a");
  const PodCgroup b(node.cgroup(), "pod-b");
  TableImage image = Image(
      {{kService,
        RouteTo({.name = "all", .settings = {.max_connections = 1}, .groups = {Group({1})}})}});
  image.workloads = {{"default/a", a.Workload("10.1.0.101")},
                     {"default/b", b.Workload("10.1.0.102")}};
  node.Put(image);
  const Child holder(HoldOne, a.path());
  EXPECT_EQ(node.Places("default/a", "all"), 1);
  EXPECT_EQ(node.datapath().totals().unlimited, 0U);
  EXPECT_EQ(b.Run(HoldTwo), "0 0");
  EXPECT_EQ(node.datapath().totals().unlimited, 2U);
  EXPECT_EQ(a.Run(HoldTwo), "111 111");
  EXPECT_EQ(node.Places("default/a", "all"), 1);
}

TEST_F(LimitTest, AParallelBurstNeverHoldsMoreThanTheLimit) {
  constexpr int kLimit = 10;
  Limit(kLimit);
  std::atomic<int> connected = 0;
  std::vector<std::thread> threads;
  std::vector<std::vector<Connected>> held(8);
  for (std::vector<Connected>& mine : held) {
    threads.emplace_back([&mine, &connected] {
      for (int i = 0; i < 40; ++i) {
        mine.push_back(Connect(Address(kService)));
        connected += mine.back().error == 0 ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  // One that is refused takes a place for a moment, and may keep another out of the last ones.
  EXPECT_LE(connected, kLimit);
  EXPECT_GE(connected, kLimit - static_cast<int>(held.size()));
  EXPECT_EQ(node_.Places("", "all"), connected);
  held.clear();
  EXPECT_TRUE(PlacesBecome(0));
}

TEST_F(LimitTest, WithoutObservationPlacesComeBackWithTheLastClose) {
  DatapathOptions options = node_.options();
  options.observe = false;
  node_.Restart(options);
  ASSERT_TRUE(node_.datapath().Attach());
  Limit(1);
  {
    const Connected held = Connect(Address(kService));
    EXPECT_EQ(held.error, 0);
    EXPECT_EQ(Connect(Address(kService)).error, ECONNREFUSED);
  }
  EXPECT_EQ(node_.Places("", "all"), 0);
  EXPECT_EQ(Connect(Address(kService)).error, 0);
}

TEST_F(LimitTest, KeepaliveIsSetAsTheKernelUnderstandsIt) {
  Put({1}, {.keepalive = Keepalive{.time_s = 77, .interval_s = 11, .probes = 4}});
  const Connected connected = Connect(Address(kService));
  ASSERT_EQ(connected.error, 0);
  EXPECT_EQ(Option(connected.socket.get(), SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(Option(connected.socket.get(), SOL_TCP, TCP_KEEPIDLE), 77);
  EXPECT_EQ(Option(connected.socket.get(), SOL_TCP, TCP_KEEPINTVL), 11);
  EXPECT_EQ(Option(connected.socket.get(), SOL_TCP, TCP_KEEPCNT), 4);
}

class SocketTest : public LimitTest {
 protected:
  // Connects a socket on which this option was set before.
  static Connected ConnectWith(int level, std::vector<std::pair<int, int>> options) {
    Connected made{.socket = Descriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
    for (const auto& [option, value] : options) {
      EXPECT_EQ(setsockopt(made.socket.get(), level, option, &value, sizeof(value)), 0);
    }
    const SocketAddress service = Address(kService);
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(service.port)};
    std::copy_n(service.ip.bytes.begin() + 12, 4, reinterpret_cast<std::uint8_t*>(&to.sin_addr));
    if (connect(made.socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
      made.error = errno;
    }
    return made;
  }
};

TEST_F(SocketTest, AnApplicationThatKeepsItsConnectionsAliveItselfIsLeftAlone) {
  Put({1}, {.keepalive = Keepalive{.time_s = 77, .interval_s = 0, .probes = 0}});
  const Connected own = ConnectWith(SOL_SOCKET, {{SO_KEEPALIVE, 1}});
  ASSERT_EQ(own.error, 0);
  EXPECT_NE(Option(own.socket.get(), SOL_TCP, TCP_KEEPIDLE), 77);
}

TEST_F(SocketTest, TheConnectTimeoutBoundsTheSynAndNothingElse) {
  node_.AddSilentPod(3);
  Put({3}, {.connect_timeout = milliseconds(1'500)});
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Connect(Address(kService)).error, ETIMEDOUT);
  const auto passed = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(passed, milliseconds(1'400));
  // The kernel's own would take two minutes.
  EXPECT_LT(passed, milliseconds(20'000));
  Put({1}, {.connect_timeout = milliseconds(1'500)});
  const Connected connected = Connect(Address(kService));
  ASSERT_EQ(connected.error, 0);
  EXPECT_EQ(Option(connected.socket.get(), SOL_TCP, TCP_USER_TIMEOUT), 0);
}

TEST_F(SocketTest, AnApplicationsOwnUserTimeoutStays) {
  Put({1}, {.connect_timeout = milliseconds(1'500)});
  const Connected own = ConnectWith(SOL_TCP, {{TCP_USER_TIMEOUT, 4'321}});
  ASSERT_EQ(own.error, 0);
  EXPECT_EQ(Option(own.socket.get(), SOL_TCP, TCP_USER_TIMEOUT), 4'321);
}

}  // namespace
}  // namespace vsplit::testing
