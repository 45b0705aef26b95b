// SPDX-License-Identifier: Apache-2.0
// However a connection begins and ends, the active counts come back to zero, nothing stays
// remembered, and what was opened, failed and carried is counted once.
#include <gtest/gtest.h>
#include <linux/mptcp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "pods.h"

namespace vsplit::testing {
namespace {

constexpr char kService[] = "10.96.0.7:80";
constexpr char kService6[] = "[fd00:96::7]:80";
constexpr char kClosed[] = "10.96.0.8:80";
constexpr char kSilent[] = "10.96.0.9:80";
constexpr char kNoRoute[] = "10.96.0.11:80";
constexpr char kHolding[] = "10.96.0.10:80";

sockaddr_in Raw(const std::string& text) {
  const SocketAddress address = Address(text);
  sockaddr_in raw{.sin_family = AF_INET, .sin_port = htons(address.port)};
  std::copy_n(address.ip.bytes.data() + 12, 4, reinterpret_cast<std::uint8_t*>(&raw.sin_addr));
  return raw;
}

int ConnectSocket(int socket, const std::string& to) {
  const sockaddr_in raw = Raw(to);
  return connect(socket, reinterpret_cast<const sockaddr*>(&raw), sizeof(raw)) == 0 ? 0 : errno;
}

template <class T>
void Set(int socket, int level, int name, const T& value) {
  ASSERT_EQ(setsockopt(socket, level, name, &value, sizeof(value)), 0) << errno;
}

// With sockops and without.
class LifeTest : public ::testing::TestWithParam<bool> {
 protected:
  LifeTest() : node_(GetParam()) {}
  void SetUp() override {
    node_.AddPod("web", 1);
    node_.AddPod("holding", 2, PodServer::Manner::kHold);
    node_.AddPodWithoutServer(3);
    node_.AddSilentPod(4);
    TableImage image;
    const auto add = [&](const char* address, const SocketAddress& to) {
      image.frontends.emplace(Frontend{Address(address)}, Everyone(Route({{address, 1, {to}}})));
    };
    add(kService, PodAddress(1));
    add(kService6, PodAddress6(1));
    add(kClosed, PodAddress(3));
    add(kSilent, PodAddress(4));
    add(kHolding, PodAddress(2));
    add(kNoRoute, Address("192.0.2.1:80"));
    node_.Put(image);
  }
  void TearDown() override {
    EXPECT_TRUE(Eventually([this] { return node_.ActiveOfAll() == 0; })) << node_.ActiveOfAll();
    EXPECT_TRUE(Eventually([this] { return node_.Remembered() == 0; })) << node_.Remembered();
    for (const char* service : {kService, kService6, kClosed, kSilent, kHolding}) {
      EXPECT_EQ(node_.Cluster(service, service).active, 0) << service;
    }
    EXPECT_EQ(node_.datapath().totals().untracked, 0U);
    EXPECT_EQ(node_.datapath().totals().release_tracked, 0);
  }
  static bool observe() { return GetParam(); }
  TestNode::Counted Of(const char* service) { return node_.Cluster(service, service); }
  TestNode node_;
};

TEST_P(LifeTest, ClosedByTheServer) {
  EXPECT_EQ(Ask(Address(kService)), "web");
  EXPECT_EQ(Of(kService).opened, 1U);
  EXPECT_EQ(Of(kService).failed, 0U);
}

TEST_P(LifeTest, BytesAreThoseOfTcpInfo) {
  EXPECT_EQ(Ask(Address(kService6)), "web");
  if (observe()) {
    // "web" and the server's FIN; our SYN and FIN.
    EXPECT_TRUE(Eventually([this] { return Of(kService6).received == 4; }));
    EXPECT_EQ(Of(kService6).sent, 2U);
  }
}

TEST_P(LifeTest, ActiveWhileOpenAndClosedByTheClient) {
  {
    const Connected one = Connect(Address(kHolding));
    const Connected two = Connect(Address(kHolding));
    EXPECT_EQ(one.error + two.error, 0);
    EXPECT_EQ(Of(kHolding).active, 2);
    EXPECT_EQ(node_.ActiveOfAll(), 2);
    EXPECT_EQ(node_.Remembered(), 2U);
  }
  EXPECT_EQ(Of(kHolding).opened, 2U);
}

TEST_P(LifeTest, ResetByTheClient) {
  const Connected connected = Connect(Address(kHolding));
  Set(connected.socket.get(), SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0});
  EXPECT_EQ(Of(kHolding).active, 1);
}

TEST_P(LifeTest, ShutDownBothWays) {
  const Connected connected = Connect(Address(kService));
  EXPECT_EQ(shutdown(connected.socket.get(), SHUT_RDWR), 0);
}

TEST_P(LifeTest, Refused) {
  EXPECT_EQ(Ask(Address(kClosed)), "errno 111");
  EXPECT_EQ(Of(kClosed).opened, 1U);
  EXPECT_EQ(Of(kClosed).failed, observe() ? 1U : 0U);
}

TEST_P(LifeTest, TimedOut) {
  const Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Set(client.get(), IPPROTO_TCP, TCP_SYNCNT, 1);
  EXPECT_EQ(ConnectSocket(client.get(), kSilent), ETIMEDOUT);
  EXPECT_EQ(Of(kSilent).failed, observe() ? 1U : 0U);
}

TEST_P(LifeTest, NonBlockingGivenUp) {
  const Connected connected = Connect(Address(kSilent), 0, SOCK_NONBLOCK);
  EXPECT_EQ(connected.error, EINPROGRESS);
  EXPECT_EQ(Of(kSilent).active, 1);
}

TEST_P(LifeTest, ConnectedAgainAfterAFailure) {
  const Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(ConnectSocket(client.get(), kClosed), ECONNREFUSED);
  EXPECT_EQ(ConnectSocket(client.get(), kService), 0);
  EXPECT_EQ(ReadAll(client.get()), "web");
  EXPECT_EQ(Of(kClosed).opened, 1U);
  EXPECT_EQ(Of(kService).opened, 1U);
}

TEST_P(LifeTest, ConnectedWhileConnectedAndWhileConnecting) {
  const Connected connected = Connect(Address(kHolding));
  EXPECT_EQ(ConnectSocket(connected.socket.get(), kService), EISCONN);
  const Connected connecting = Connect(Address(kSilent), 0, SOCK_NONBLOCK);
  EXPECT_EQ(ConnectSocket(connecting.socket.get(), kSilent), EALREADY);
  EXPECT_EQ(node_.ActiveOfAll(), 2);
  EXPECT_EQ(Of(kService).opened, 0U);
}

TEST_P(LifeTest, DisconnectedAndConnectedAgain) {
  const Connected connected = Connect(Address(kHolding));
  const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
  ASSERT_EQ(connect(connected.socket.get(), &nowhere, sizeof(nowhere)), 0);
  EXPECT_EQ(ConnectSocket(connected.socket.get(), kService), 0);
  EXPECT_EQ(ReadAll(connected.socket.get()), "web");
}

// Split once, and then connected to somebody who is none of ours.
TEST_P(LifeTest, ConnectedElsewhereAfterASplit) {
  const Connected connected = Connect(Address(kClosed));
  ASSERT_EQ(connected.error, ECONNREFUSED);
  EXPECT_EQ(ConnectSocket(connected.socket.get(), "10.1.0.2:8080"), 0);
  EXPECT_EQ(PeerName(connected.socket.get()), PodAddress(2));
  EXPECT_EQ(node_.ActiveOfAll(), 0);
  EXPECT_EQ(Of(kClosed).opened, 1U);
}

TEST_P(LifeTest, ConnectedElsewhereAfterAConnectThatSentNothing) {
  const Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(ConnectSocket(client.get(), kNoRoute), ENETUNREACH);
  EXPECT_EQ(ConnectSocket(client.get(), "10.1.0.2:8080"), 0);
  EXPECT_EQ(PeerName(client.get()), PodAddress(2));
  EXPECT_EQ(node_.ActiveOfAll(), 0);
}

TEST_P(LifeTest, FastOpenWithoutData) {
  const Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Set(client.get(), IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
  EXPECT_EQ(ConnectSocket(client.get(), kService), 0);
}

TEST_P(LifeTest, KilledWithItsProcess) {
  const pid_t child = fork();
  if (child == 0) {
    const Connected connected = Connect(Address(kHolding));
    pause();
    _exit(connected.error);
  }
  EXPECT_TRUE(Eventually([this] { return Of(kHolding).active == 1; }));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_P(LifeTest, NeverConnected) {
  const Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(node_.Remembered(), 0U);
}

TEST_P(LifeTest, ServersNamespaceDeleted) {
  const Connected connected = Connect(Address(kHolding));
  EXPECT_EQ(Of(kHolding).active, 1);
  node_.RemovePod("holding");
  Set(connected.socket.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, 1);
}

TEST_P(LifeTest, ClientsNamespaceDeleted) {
  // A child alone in a namespace of its own, where every packet is lost on the loopback device.
  const pid_t child = fork();
  if (child == 0) {
    const TestNetns own;
    own.Run([] {
      if (std::system("ip route add default dev lo") != 0) {
        _exit(1);
      }
      const Connected connected = Connect(Address(kService), 0, SOCK_NONBLOCK);
      pause();
    });
    _exit(0);
  }
  EXPECT_TRUE(Eventually([this] { return Of(kService).active == 1; }));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

INSTANTIATE_TEST_SUITE_P(Observe, LifeTest, ::testing::Bool(),
                         [](const auto& mode) { return mode.param ? "On" : "Off"; });

// sock_release sees the MPTCP socket and not its subflow, so its end is seen by sockops alone.
TEST(MultipathTest, CountsWithSockops) {
  TestNode node;
  node.AddPod("web", 1);
  node.Put(Image({{kService, Route({{"web", 1, {PodAddress(1)}}})}}));
  {
    const Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP));
    ASSERT_GE(client.get(), 0) << "this kernel has no MPTCP";
    ASSERT_EQ(ConnectSocket(client.get(), kService), 0);
    EXPECT_EQ(node.Cluster(kService, "web").active, 1);
    EXPECT_EQ(ReadAll(client.get()), "web");
  }
  EXPECT_TRUE(Eventually([&] { return node.ActiveOfAll() == 0 && node.Remembered() == 0; }));
  EXPECT_EQ(node.Cluster(kService, "web").opened, 1U);
}

TEST(MultipathTest, IsSplitWithoutSockopsToo) {
  TestNode node(false);
  node.AddPod("web", 1);
  node.Put(Image({{kService, Route({{"web", 1, {PodAddress(1)}}})}}));
  const Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP));
  ASSERT_EQ(ConnectSocket(client.get(), kService), 0);
  EXPECT_EQ(ReadAll(client.get()), "web");
}

}  // namespace
}  // namespace vsplit::testing
