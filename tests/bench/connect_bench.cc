// SPDX-License-Identifier: Apache-2.0
// What a connect() costs through vsplit, against the same connect() without it, in one interleaved
// run on one CPU: ratios, never times to promise. Sockets belong to the cgroup they are made in, so
// they are made in batches, a batch for each way, and then connected in turn.
//
//   connect_bench [ROUNDS]      default 200 rounds of 100 connections for each way
#include <bpf/bpf.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../kernel/pods.h"

namespace vsplit::testing {
namespace {

constexpr int kBatch = 100;
constexpr int kServices = 10'000;
constexpr int kPods = 10;
constexpr int kEcho = 11;
constexpr char kEchoService[] = "10.96.0.11:80";

using Clock = std::chrono::steady_clock;

// One way to reach the same pods.
struct Way {
  std::string name;
  const TestCgroup* cgroup;  // null: outside of every cgroup with programs
  std::vector<SocketAddress> targets;
  std::vector<double> connect_ns{};  // of connect() alone
  std::vector<double> whole_ns{};    // of connect(), the answer and the server's close
};

double Nanoseconds(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::nano>(to - from).count();
}

double Median(std::vector<double>& values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

sockaddr_in Raw(const SocketAddress& address) {
  sockaddr_in raw{.sin_family = AF_INET, .sin_port = htons(address.port)};
  std::copy_n(address.ip.bytes.data() + 12, 4, reinterpret_cast<std::uint8_t*>(&raw.sin_addr));
  return raw;
}

std::vector<Descriptor> MakeSockets(const Way& way, const TestCgroup& any) {
  way.cgroup != nullptr ? way.cgroup->Enter() : any.Leave();
  std::vector<Descriptor> sockets;
  for (int i = 0; i < kBatch; ++i) {
    sockets.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }
  return sockets;
}

void Run(std::vector<Way>& ways, const TestCgroup& any, int rounds) {
  std::mt19937 random(1);
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::vector<Descriptor>> sockets;
    for (const Way& way : ways) {
      sockets.push_back(MakeSockets(way, any));
    }
    for (std::size_t i = 0; i < kBatch; ++i) {
      // Whoever comes after which other must not matter.
      for (std::size_t j = 0; j < ways.size(); ++j) {
        const std::size_t k = (i + j * (1 + i % 2 * (ways.size() - 2))) % ways.size();
        Way& way = ways[k];
        const sockaddr_in to = Raw(way.targets[random() % way.targets.size()]);
        const Clock::time_point before = Clock::now();
        const int result =
            connect(sockets[k][i].get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to));
        const Clock::time_point after = Clock::now();
        if (result != 0) {
          fmt::print(stderr, "connect_bench: {}: connect failed\n", way.name);
          std::exit(1);
        }
        ReadAll(sockets[k][i].get());
        way.connect_ns.push_back(Nanoseconds(before, after));
        way.whole_ns.push_back(Nanoseconds(before, Clock::now()));
      }
    }
  }
}

void PrintProgram(const Datapath& datapath, const std::string& mode) {
  for (const Attachment& attachment : datapath.Attachments()) {
    const Descriptor program(bpf_prog_get_fd_by_id(attachment.program_id));
    bpf_prog_info info{};
    __u32 size = sizeof(info);
    if (program.get() >= 0 && bpf_obj_get_info_by_fd(program.get(), &info, &size) == 0 &&
        info.run_cnt > 0) {
      fmt::print("  {:<10} {:<16} {:>10} runs {:>8.0f} ns per run\n", mode, attachment.program,
                 info.run_cnt,
                 static_cast<double>(info.run_time_ns) / static_cast<double>(info.run_cnt));
    }
  }
}

TableImage ManyServices() {
  TableImage image;
  std::vector<SocketAddress> pods;
  for (int pod = 1; pod <= kPods; ++pod) {
    pods.push_back(PodAddress(pod));
  }
  const std::vector<SocketAddress> safe(pods.begin(), pods.begin() + kPods / 2);
  const std::vector<SocketAddress> risky(pods.begin() + kPods / 2, pods.end());
  for (int i = 0; i < kServices; ++i) {
    ImageRoute route = Route({{fmt::format("outbound|80|safe|s{}", i), 9, safe},
                              {fmt::format("outbound|80|risky|s{}", i), 1, risky}});
    route.host = fmt::format("s{}", i);
    image.frontends.emplace(Frontend{Address(fmt::format("10.{}.{}.1:80", 100 + i / 250, i % 250))},
                            Everyone(std::move(route)));
  }
  image.frontends.emplace(Frontend{Address(kEchoService)},
                          Everyone(Route({{"outbound|80|echo|echo", 1, {PodAddress(kEcho)}}})));
  return image;
}

// After connect() nothing of vsplit is in the way: ping-pong of one byte and of 64 KiB on open
// connections, in turn.
void CompareOpenConnections(const TestCgroup* observed, const TestCgroup& any) {
  struct Open {
    const char* name;
    Connected connection;
    std::vector<double> small{}, large{};
  };
  std::vector<Open> opens;
  any.Leave();
  opens.push_back({"direct", Connect(PodAddress(kEcho))});
  opens.push_back({"direct again", Connect(PodAddress(kEcho))});
  observed->Enter();
  opens.push_back({"split, observe on", Connect(Address(kEchoService))});
  std::vector<char> buffer(65'536, 'x');
  const auto exchange = [&buffer](int socket, std::size_t bytes) {
    const Clock::time_point before = Clock::now();
    for (std::size_t sent = 0, got = 0; got < bytes;) {
      if (sent < bytes) {
        sent += static_cast<std::size_t>(
            std::max<ssize_t>(0, send(socket, buffer.data(), bytes - sent, MSG_NOSIGNAL)));
      }
      got += static_cast<std::size_t>(
          std::max<ssize_t>(0, recv(socket, buffer.data(), buffer.size(), 0)));
    }
    return Nanoseconds(before, Clock::now());
  };
  for (int i = 0; i < 20'000; ++i) {
    for (std::size_t j = 0; j < opens.size(); ++j) {
      Open& open = opens[(static_cast<std::size_t>(i) + j) % opens.size()];
      open.small.push_back(exchange(open.connection.socket.get(), 1));
      if (i % 10 == 0) {
        open.large.push_back(exchange(open.connection.socket.get(), buffer.size()));
      }
    }
  }
  const double small = Median(opens[0].small);
  const double large = Median(opens[0].large);
  fmt::print("open connections, ratios to direct\n  {:<28} {:>12} {:>14}\n", "", "round trip",
             "throughput");
  for (Open& open : opens) {
    fmt::print("  {:<28} {:>12.3f} {:>14.3f}\n", open.name, Median(open.small) / small,
               large / Median(open.large));
  }
}

void Main(int rounds) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof(one), &one);

  const TableSizes sizes{};
  TestNode node(true, sizes.connections, sizes);
  for (int pod = 1; pod <= kPods; ++pod) {
    node.AddPod(fmt::format("pod-{}", pod), pod);
  }
  node.AddPod("echo", kEcho, PodServer::Manner::kEcho);
  node.Put(ManyServices());

  // The same tables' contents again, without sockops, on a cgroup beside the first.
  node.test_cgroup().Leave();
  const TestCgroup quiet;
  DatapathOptions options = node.options();
  options.pins = node.bpffs() + "/quiet";
  options.cgroup = quiet.path();
  options.observe = false;
  Datapath datapath = *Datapath::Open(options);
  Tables tables = *datapath.Read();
  if (!datapath.Apply(MakeRepair(tables), tables) ||
      !datapath.Apply(*MakePlan(tables, ChangeTo(tables, ManyServices())), tables) ||
      !datapath.Attach()) {
    fmt::print(stderr, "connect_bench: cannot set up\n");
    std::exit(1);
  }

  std::vector<SocketAddress> pods;
  for (int pod = 1; pod <= kPods; ++pod) {
    pods.push_back(PodAddress(pod));
  }
  std::vector<SocketAddress> services;
  for (const auto& [frontend, route] : ManyServices().frontends) {
    if (frontend.address != Address(kEchoService)) {
      services.push_back(frontend.address);
    }
  }
  const TestCgroup* observed = &node.test_cgroup();
  std::vector<Way> ways{{"direct", nullptr, pods},
                        {"direct again", nullptr, pods},
                        {"untouched", observed, pods},
                        {"split, observe off", &quiet, {services.front()}},
                        {"split, observe on", observed, {services.front()}},
                        {"split of 10000, observe off", &quiet, services},
                        {"split of 10000, observe on", observed, services}};
  Run(ways, quiet, std::max(1, rounds / 10));  // warm
  for (Way& way : ways) {
    way.connect_ns.clear();
    way.whole_ns.clear();
  }
  Run(ways, quiet, rounds);
  const double direct = Median(ways[0].connect_ns);
  const double whole = Median(ways[0].whole_ns);
  fmt::print("median of {} connections each, client and pods on one CPU; ratios to direct\n",
             ways[0].connect_ns.size());
  fmt::print("  {:<28} {:>12} {:>8} {:>14}\n", "", "connect()", "ratio", "per second");
  for (Way& way : ways) {
    const double median = Median(way.connect_ns);
    fmt::print("  {:<28} {:>9.0f} ns {:>8.3f} {:>14.3f}\n", way.name, median, median / direct,
               whole / Median(way.whole_ns));
  }
  CompareOpenConnections(observed, quiet);
  fmt::print("programs, by the kernel's own statistics\n");
  const Descriptor statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
  std::vector<Way> warm{{"on", observed, {services.front()}}, {"off", &quiet, {services.front()}}};
  Run(warm, quiet, 20);
  PrintProgram(node.datapath(), "warm, on");
  PrintProgram(datapath, "warm, off");
  std::vector<Way> cold{{"on", observed, services}, {"off", &quiet, services}};
  Run(cold, quiet, 100);
  PrintProgram(node.datapath(), "all, on");
  PrintProgram(datapath, "all, off");
  quiet.Leave();
  node.test_cgroup().Enter();
  if (const Result<void> gone = Datapath::Uninstall(options.pins); !gone) {
    fmt::print(stderr, "connect_bench: {}\n", gone.error().message);
  }
}

}  // namespace
}  // namespace vsplit::testing

int main(int argc, char** argv) {
  const std::string missing = vsplit::testing::MissingForKernelTests();
  if (!missing.empty()) {
    fmt::print(stderr, "{}\n", missing);
    return 1;
  }
  vsplit::testing::Main(argc > 1 ? std::atoi(argv[1]) : 200);
  return 0;
}
