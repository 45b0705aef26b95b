// SPDX-License-Identifier: Apache-2.0
// Connections in a pod's network namespace end when they have outlived their limits, and no other.
#include "vsplit/reaper.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "pods.h"

namespace vsplit::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

nanoseconds Monotonic() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

void LoopbackUp() {
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{.ifr_ifrn = {.ifrn_name = "lo"}};
  request.ifr_flags = IFF_UP;
  ::ioctl(socket.get(), SIOCSIFFLAGS, &request);
}

// A process with a network namespace of its own that holds connections over its loopback and does
// what it is told: 'c' connects and answers with the cookie, 0 ... 9 send a byte over that
// connection, 'A' ... 'J' answer with the error number that reading it gives, 0 for none.
class Holder {
 public:
  Holder() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ends[0]);
      Serve(ends[1]);
    }
    ::close(ends[1]);
    socket_ = Descriptor(ends[0]);
  }
  ~Holder() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  std::uint64_t Connect() const { return Ask('c'); }
  void SendOver(int connection) const { Ask(static_cast<char>('0' + connection)); }
  int ErrorOf(int connection) const {
    return static_cast<int>(Ask(static_cast<char>('A' + connection)));
  }

 private:
  std::uint64_t Ask(char what) const {
    std::uint64_t answer = 0;
    EXPECT_EQ(::write(socket_.get(), &what, 1), 1);
    EXPECT_EQ(::read(socket_.get(), &answer, sizeof(answer)), static_cast<ssize_t>(sizeof(answer)));
    return answer;
  }

  [[noreturn]] static void Serve(int socket) {
    if (::unshare(CLONE_NEWNET) != 0) {
      std::_Exit(1);
    }
    LoopbackUp();
    const int listener = ::socket(AF_INET6, SOCK_STREAM, 0);  // takes both families
    sockaddr_in6 address{.sin6_family = AF_INET6};
    socklen_t length = sizeof(address);
    ::bind(listener, reinterpret_cast<const sockaddr*>(&address), length);
    ::listen(listener, 8);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
    std::vector<int> connections;
    char what = 0;
    while (::read(socket, &what, 1) == 1) {
      std::uint64_t answer = 0;
      if (what == 'c') {
        answer = Connect(address.sin6_port, connections);
        ::accept(listener, nullptr, nullptr);  // held to the end
      } else if (what >= '0' && what <= '9') {
        ::send(connections.at(static_cast<std::size_t>(what - '0')), "x", 1, MSG_NOSIGNAL);
      } else {
        answer = ReadError(connections.at(static_cast<std::size_t>(what - 'A')));
      }
      if (::write(socket, &answer, sizeof(answer)) < 0) {
        break;
      }
    }
    std::_Exit(0);
  }

  // Every second one by IPv4.
  static std::uint64_t Connect(in_port_t port, std::vector<int>& connections) {
    const bool v4 = connections.size() % 2 == 1;
    const int fd = ::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
    const sockaddr_in to4{
        .sin_family = AF_INET, .sin_port = port, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const sockaddr_in6 to6{
        .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const int failed = v4 ? ::connect(fd, reinterpret_cast<const sockaddr*>(&to4), sizeof(to4))
                          : ::connect(fd, reinterpret_cast<const sockaddr*>(&to6), sizeof(to6));
    std::uint64_t cookie = 0;
    socklen_t length = sizeof(cookie);
    ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length);
    connections.push_back(fd);
    return failed != 0 ? 0 : cookie;
  }

  static std::uint64_t ReadError(int fd) {
    char byte = 0;
    const ssize_t got = ::recv(fd, &byte, 1, MSG_DONTWAIT);
    return got < 0 && errno != EAGAIN ? static_cast<std::uint64_t>(errno) : 0;
  }

  Descriptor socket_;
  pid_t pid_ = -1;
};

class ReaperTest : public ::testing::Test {
 protected:
  TestCgroup cgroup_;
  Holder holder_;
};

TEST_F(ReaperTest, ConnectionEndsAtItsMaximumDurationAndNoOther) {
  const nanoseconds begin = Monotonic();
  const std::uint64_t first = holder_.Connect();
  const std::uint64_t second = holder_.Connect();
  ASSERT_NE(first, 0U);
  ASSERT_NE(second, 0U);
  const Reaped reaped =
      Reap(cgroup_.path(), {{.cookie = second, .since = begin, .max_duration = milliseconds(10)}},
           begin + milliseconds(10));
  EXPECT_EQ(reaped.trouble, "");
  EXPECT_EQ(reaped.expired, 1U);
  EXPECT_EQ(reaped.idle, 0U);
  EXPECT_EQ(holder_.ErrorOf(0), 0);
  EXPECT_EQ(holder_.ErrorOf(1), ECONNABORTED);
}

TEST_F(ReaperTest, IdleConnectionEndsAndBusyOneGoesOn) {
  const nanoseconds begin = Monotonic();
  std::vector<SteeredConnection> connections;
  for (int i = 0; i < 2; ++i) {
    connections.push_back(
        {.cookie = holder_.Connect(), .since = begin, .idle_timeout = milliseconds(3000)});
  }
  Reaped reaped;
  const bool ended = Eventually([&] {
    holder_.SendOver(1);
    reaped = Reap(cgroup_.path(), connections, Monotonic());
    return reaped.idle > 0;
  });
  EXPECT_TRUE(ended) << reaped.trouble;
  EXPECT_EQ(reaped.idle, 1U);
  EXPECT_GE(Monotonic() - begin, milliseconds(3000));
  EXPECT_EQ(holder_.ErrorOf(0), ECONNABORTED);
  EXPECT_EQ(holder_.ErrorOf(1), 0);
}

TEST_F(ReaperTest, SaysWhenToLookAgain) {
  const nanoseconds begin = Monotonic();
  const std::uint64_t cookie = holder_.Connect();
  const Reaped reaped =
      Reap(cgroup_.path(),
           {{.cookie = cookie, .since = begin, .max_duration = std::chrono::hours(1)},
            {.cookie = cookie + 1, .since = begin, .idle_timeout = std::chrono::hours(2)}},
           begin + milliseconds(1));
  EXPECT_EQ(reaped.next, begin + std::chrono::hours(1));
  EXPECT_EQ(reaped.expired + reaped.idle, 0U);
  EXPECT_EQ(holder_.ErrorOf(0), 0);
}

TEST_F(ReaperTest, ConnectionThatIsGoneIsNoTrouble) {
  const Reaped reaped =
      Reap(cgroup_.path(), {{.cookie = ~0ULL, .since = {}, .max_duration = milliseconds(1)}},
           Monotonic());
  EXPECT_EQ(reaped.trouble, "");
  EXPECT_EQ(reaped.expired, 0U);
}

}  // namespace
}  // namespace vsplit::testing
