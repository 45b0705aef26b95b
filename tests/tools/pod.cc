// SPDX-License-Identifier: Apache-2.0
// A pod for demonstrations and end-to-end tests.
//
//   pod serve NAME PORT [ADDRESS] [--echo]    accepts TCP connections and answers each with NAME;
//                                             with --echo then sends back what it gets, until the
//                                             client closes
//   pod connect ADDRESS:PORT COUNT [--interval MS] [--live | --each]
//                                             connects COUNT times, one after the other, and prints
//                                             how often which name answered; with --each instead
//                                             each name when it has answered
#include <fmt/core.h>
#include <netinet/in.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): SIGCHLD is POSIX
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "vsplit/address.h"

namespace {

using Counts = std::map<std::string, std::uint64_t>;

constexpr int kBarWidth = 40;
constexpr auto kRedraw = std::chrono::milliseconds(50);
constexpr timeval kPatience{.tv_sec = 10, .tv_usec = 0};  // with a peer that says nothing

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* Get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address SystemAddress(const vsplit::SocketAddress& address) {
  Address result;
  if (address.ip.is_v4()) {
    sockaddr_in v4{.sin_family = AF_INET, .sin_port = htons(address.port)};
    std::memcpy(&v4.sin_addr, address.ip.bytes.data() + 12, sizeof v4.sin_addr);
    std::memcpy(&result.storage, &v4, sizeof v4);
    result.size = sizeof v4;
  } else {
    sockaddr_in6 v6{.sin6_family = AF_INET6, .sin6_port = htons(address.port)};
    std::memcpy(&v6.sin6_addr, address.ip.bytes.data(), sizeof v6.sin6_addr);
    std::memcpy(&result.storage, &v6, sizeof v6);
    result.size = sizeof v6;
  }
  return result;
}

std::string TextOfErrno() {
  return std::generic_category().message(errno);
}

int Die(std::string_view what) {
  fmt::print(stderr, "pod: {}: {}\n", what, TextOfErrno());
  return 1;
}

// In a process of its own, which ends with its parent.
void Echo(int connection) {
  if (fork() != 0) {
    return;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::array<char, 256> buffer{};
  for (;;) {
    const auto size = recv(connection, buffer.data(), buffer.size(), 0);
    if (size <= 0 ||
        send(connection, buffer.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL) != size) {
      _exit(0);
    }
  }
}

int Serve(const std::string& name, const vsplit::SocketAddress& where, bool echo) {
  signal(SIGCHLD, SIG_IGN);
  const Address address = SystemAddress(where);
  const int listener = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  // NOLINTNEXTLINE(misc-include-cleaner): sys/socket.h has them
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (listener < 0 || bind(listener, address.Get(), address.size) != 0 ||
      listen(listener, SOMAXCONN) != 0) {
    return Die("cannot listen on " + vsplit::ToString(where));
  }
  for (;;) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) {
      if (errno == EINTR || errno == ECONNABORTED) {
        continue;
      }
      return Die("accept");
    }
    send(connection, name.data(), name.size(), MSG_NOSIGNAL);
    if (echo) {
      Echo(connection);
    }
    close(connection);
  }
}

// The name that answered, or what went wrong, in parentheses.
std::string ConnectOnce(const Address& address) {
  const int connection = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  if (connection < 0 || connect(connection, address.Get(), address.size) != 0) {
    if (errno == EINPROGRESS) {
      errno = ETIMEDOUT;
    }
    std::string reason = "(" + TextOfErrno() + ")";
    close(connection);
    return reason;
  }
  std::string name;
  std::array<char, 256> buffer{};
  for (;;) {
    const auto size = recv(connection, buffer.data(), buffer.size(), 0);
    if (size <= 0) {
      break;
    }
    name.append(buffer.data(), static_cast<std::size_t>(size));
  }
  close(connection);
  return name.empty() ? "(no answer)" : name;
}

// "fleetman-safe-1" -> "fleetman-safe": the pods of one version count together.
std::string Version(const std::string& name) {
  const std::size_t dash = name.rfind('-');
  const bool numbered = dash != std::string::npos && dash + 1 < name.size() &&
                        std::all_of(name.begin() + static_cast<std::ptrdiff_t>(dash) + 1,
                                    name.end(), [](char c) { return c >= '0' && c <= '9'; });
  return numbered ? name.substr(0, dash) : name;
}

Counts ByVersion(const Counts& counts) {
  Counts versions;
  for (const auto& [name, count] : counts) {
    versions[Version(name)] += count;
  }
  return versions;
}

class Bars {
 public:
  void Draw(const Counts& counts, std::uint64_t done) {
    if (drawn_ > 0) {
      fmt::print("\x1b[{}A", drawn_);
    }
    drawn_ = 0;
    for (const auto& [name, count] : ByVersion(counts)) {
      const double share = static_cast<double>(count) / static_cast<double>(done);
      const int filled = static_cast<int>(std::lround(share * kBarWidth));
      std::string bar;
      for (int i = 0; i < kBarWidth; ++i) {
        bar += i < filled ? "█" : "·";
      }
      fmt::print("  {:<20} {} {:>5.1f} %  {:>6}\x1b[K\n", name, bar, share * 100, count);
      ++drawn_;
    }
    std::fflush(stdout);
  }

 private:
  int drawn_ = 0;  // lines on the screen
};

struct ConnectOptions {
  vsplit::SocketAddress where;
  std::uint64_t count = 0;
  std::chrono::milliseconds interval{0};
  bool live = false;
  bool each = false;
};

int Connect(const ConnectOptions& options) {
  const Address address = SystemAddress(options.where);
  Counts counts;
  Bars bars;
  auto drawn = std::chrono::steady_clock::time_point();
  for (std::uint64_t done = 1; done <= options.count; ++done) {
    const std::string name = ConnectOnce(address);
    ++counts[name];
    if (options.each) {
      fmt::print("{}\n", name);
      std::fflush(stdout);
    }
    const auto now = std::chrono::steady_clock::now();
    if (options.live && (done == options.count || now - drawn >= kRedraw)) {
      drawn = now;
      bars.Draw(counts, done);
    }
    if (options.interval.count() > 0) {
      std::this_thread::sleep_for(options.interval);
    }
  }
  if (!options.live && !options.each) {
    for (const auto& [name, count] : counts) {
      fmt::print("{} {}\n", count, name);
    }
  }
  return std::ranges::any_of(counts, [](const auto& entry) { return entry.first[0] == '('; }) ? 1
                                                                                              : 0;
}

std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

int Usage() {
  fmt::print(stderr,
             "usage: pod serve NAME PORT [ADDRESS] [--echo]\n"
             "       pod connect ADDRESS:PORT COUNT [--interval MS] [--live | --each]\n");
  return 2;
}

std::optional<ConnectOptions> ParseConnect(std::span<char* const> arguments) {
  const auto where = vsplit::ParseSocketAddress(arguments[0]);
  const auto count = ParseNumber(arguments[1]);
  if (!where || !count) {
    return std::nullopt;
  }
  ConnectOptions options{.where = *where, .count = *count};
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    if (word == "--live") {
      options.live = true;
    } else if (word == "--each") {
      options.each = true;
    } else if (word == "--interval" && i + 1 < arguments.size()) {
      options.interval = std::chrono::milliseconds(ParseNumber(arguments[++i]).value_or(0));
    } else {
      return std::nullopt;
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char* const> arguments(argv, static_cast<std::size_t>(argc));
  if (argc < 4) {
    return Usage();
  }
  const std::string_view verb = arguments[1];
  if (verb == "serve") {
    const bool echo = std::string_view(arguments.back()) == "--echo";
    const std::string ip = arguments.size() > (echo ? 5U : 4U) ? arguments[4] : "0.0.0.0";
    const auto address = vsplit::ParseIpAddress(ip);
    const auto port = ParseNumber(arguments[3]);
    if (!address || !port || *port == 0 || *port > UINT16_MAX) {
      return Usage();
    }
    return Serve(arguments[2], {.ip = *address, .port = static_cast<std::uint16_t>(*port)}, echo);
  }
  if (verb == "connect") {
    const auto options = ParseConnect(arguments.subspan(2));
    return options ? Connect(*options) : Usage();
  }
  return Usage();
}
