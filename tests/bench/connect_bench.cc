// SPDX-License-Identifier: Apache-2.0
// What a connect() costs through vsplit, against the same connect() without it, in one interleaved
// run on one CPU: ratios, never times to promise. Sockets belong to the cgroup they are made in, so
// they are made in batches, a batch for each way, and then connected in turn. What a setting of a
// DestinationRule costs is seen against the plain split: the same route, the same pods.
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
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
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
constexpr int kRefuser = 12;  // the pod that is ejected
constexpr char kEchoService[] = "10.96.0.11:80";
constexpr char kWorkload[] = "default/client";

using Clock = std::chrono::steady_clock;

// One way to reach the same pods.
struct Way {
  std::string name;
  std::string cgroup;  // where it is made; empty: outside of every cgroup with programs
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
  if (way.cgroup.empty()) {
    any.Leave();
  } else {
    std::ofstream(way.cgroup + "/cgroup.procs") << getpid();
  }
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

// What a program has run, by the kernel's own statistics.
struct Spent {
  std::uint64_t runs = 0, nanoseconds = 0;
};

std::map<std::string, Spent> SpentBy(const Datapath& datapath) {
  std::map<std::string, Spent> spent;
  for (const Attachment& attachment : datapath.Attachments()) {
    const Descriptor program(bpf_prog_get_fd_by_id(attachment.program_id));
    bpf_prog_info info{};
    __u32 size = sizeof(info);
    if (program.get() >= 0 && bpf_obj_get_info_by_fd(program.get(), &info, &size) == 0) {
      spent[attachment.program] = {.runs = info.run_cnt, .nanoseconds = info.run_time_ns};
    }
  }
  return spent;
}

void PrintPrograms(const Datapath& datapath, const Way& way, const TestCgroup& any) {
  constexpr int kRounds = 50;
  const std::map<std::string, Spent> before = SpentBy(datapath);
  std::vector<Way> ways{{way.name, way.cgroup, way.targets}};
  Run(ways, any, kRounds);
  fmt::print("  {:<36}", way.name);
  for (const auto& [program, after] : SpentBy(datapath)) {
    const Spent& base = before.at(program);
    if (after.runs > base.runs) {
      fmt::print(" {} {:.1f} x {:.0f} ns", program,
                 static_cast<double>(after.runs - base.runs) / (kRounds * kBatch),
                 static_cast<double>(after.nanoseconds - base.nanoseconds) /
                     static_cast<double>(after.runs - base.runs));
    }
  }
  fmt::print("\n");
}

std::vector<SocketAddress> PodAddresses() {
  std::vector<SocketAddress> pods;
  for (int pod = 1; pod <= kPods; ++pod) {
    pods.push_back(PodAddress(pod));
  }
  return pods;
}

std::string ServiceText(int service) {
  return fmt::format("10.{}.{}.1:80", 100 + service / 250, service % 250);
}

std::vector<SocketAddress> ServiceAddresses() {
  std::vector<SocketAddress> services;
  for (int service = 0; service < kServices; ++service) {
    services.push_back(Address(ServiceText(service)));
  }
  return services;
}

TableImage ManyServices() {
  TableImage image;
  const std::vector<SocketAddress> pods = PodAddresses();
  const std::vector<SocketAddress> safe(pods.begin(), pods.begin() + kPods / 2);
  const std::vector<SocketAddress> risky(pods.begin() + kPods / 2, pods.end());
  for (int i = 0; i < kServices; ++i) {
    ImageRoute route = Route({{fmt::format("outbound|80|safe|s{}", i), 9, safe},
                              {fmt::format("outbound|80|risky|s{}", i), 1, risky}});
    route.host = fmt::format("s{}", i);
    image.frontends.emplace(Frontend{Address(ServiceText(i))}, Everyone(std::move(route)));
  }
  image.frontends.emplace(Frontend{Address(kEchoService)},
                          Everyone(Route({{"outbound|80|echo|echo", 1, {PodAddress(kEcho)}}})));
  return image;
}

// One way to choose, on a service of its own.
struct Setting {
  std::string name;
  SocketAddress service;
  bool from_workload;  // a pod connects, else somebody else on the node
  ImageFrontend frontend;
};

// 9 to 1, both on all pods.
ImageRoute SplitWith(const std::string& name, const ClusterSettings& settings, bool with_refuser) {
  EndpointGroup group = Group({1, 2, 3, 4, 5, 6, 7, 8, 9, with_refuser ? kRefuser : kPods});
  ImageRoute route{.host = name, .clusters = {}};
  for (const std::uint32_t weight : {9U, 1U}) {
    route.clusters.push_back({.name = fmt::format("outbound|80|{}|{}", weight, name),
                              .weight = weight,
                              .settings = settings,
                              .groups = {group}});
  }
  return route;
}

std::vector<Setting> Settings() {
  std::vector<Setting> settings;
  const auto add = [&settings](const std::string& name, bool from_workload,
                               const ClusterSettings& cluster = {}, bool with_refuser = false) {
    const SocketAddress service = Address(fmt::format("10.99.0.{}:80", settings.size() + 1));
    settings.push_back(
        {name, service, from_workload, Everyone(SplitWith(name, cluster, with_refuser))});
  };
  const Ejection ejection{.failures = 1,
                          .field = "consecutive5xxErrors",
                          .base = std::chrono::hours(1),
                          .max = std::chrono::hours(1),
                          .max_percent = 100};
  add("source rules, not for this pod", true);
  settings.back().frontend.asks = true;
  add("source rules, a route for this pod", true);
  settings.back().frontend.asks = true;
  settings.back().frontend.sources = {
      {.workloads = {kWorkload}, .route = SplitWith("of this pod", {}, false)}};
  add("Maglev", true, {.algorithm = Algorithm::kMaglev});
  add("maxConnections", true, {.max_connections = 1'000'000});
  add("outlierDetection, nobody ejected", false, {.ejection = ejection});
  add("outlierDetection, one of ten ejected", false, {.ejection = ejection}, true);
  return settings;
}

void Reject(const std::string& what) {
  fmt::print(stderr, "connect_bench: {}\n", what);
  std::exit(1);
}

// Connects until the pods that refuse are ejected.
void Eject(const SocketAddress& service) {
  constexpr int kEnough = 500;
  int in_a_row = 0;
  for (int i = 0; i < 20 * kEnough && in_a_row < kEnough; ++i) {
    in_a_row = Connect(service).error == 0 ? in_a_row + 1 : 0;
  }
  if (in_a_row < kEnough) {
    Reject("a pod that refuses is not ejected");
  }
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

// Everything that is compared: a node, and beside it the same services without sockops.
class Bench {
 public:
  Bench() {
    for (int pod = 1; pod <= kPods; ++pod) {
      node_.AddPod(fmt::format("pod-{}", pod), pod);
    }
    node_.AddPod("echo", kEcho, PodServer::Manner::kEcho);
    node_.AddPodWithoutServer(kRefuser);
    TableImage image = ManyServices();
    image.workloads.emplace(kWorkload, workload_.Workload("10.1.0.101"));
    for (const Setting& setting : Settings()) {
      image.frontends.emplace(Frontend{setting.service}, setting.frontend);
    }
    node_.Put(image);
    for (const Setting& setting : Settings()) {
      if (!setting.from_workload) {
        Eject(setting.service);
      }
    }
    OpenQuiet();
  }
  ~Bench() {
    quiet_cgroup_->Leave();
    node_.test_cgroup().Enter();
    quiet_.reset();
    if (const Result<void> gone = Datapath::Uninstall(quiet_pins()); !gone) {
      fmt::print(stderr, "connect_bench: {}\n", gone.error().message);
    }
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void CompareConnects(int rounds) const;
  void CompareOpen() const { CompareOpenConnections(&node_.test_cgroup(), *quiet_cgroup_); }
  void PrintAllPrograms();

 private:
  std::string quiet_pins() const { return node_.bpffs() + "/quiet"; }
  void OpenQuiet();
  std::vector<Way> SettingWays() const;

  TableSizes sizes_{};
  TestNode node_{true, sizes_.connections, sizes_};
  PodCgroup workload_{node_.cgroup(), "client"};
  std::optional<TestCgroup> quiet_cgroup_;  // beside the node's
  std::optional<Datapath> quiet_;
};

void Bench::OpenQuiet() {
  node_.test_cgroup().Leave();
  quiet_cgroup_.emplace();
  DatapathOptions options = node_.options();
  options.pins = quiet_pins();
  options.cgroup = quiet_cgroup_->path();
  options.observe = false;
  quiet_.emplace(*Datapath::Open(options));
  Tables tables = *quiet_->Read();
  if (!quiet_->Apply(MakeRepair(tables), tables) ||
      !quiet_->Apply(*MakePlan(tables, ChangeTo(tables, ManyServices())), tables) ||
      !quiet_->Attach()) {
    Reject("cannot set up");
  }
}

std::vector<Way> Bench::SettingWays() const {
  std::vector<Way> ways;
  for (const Setting& setting : Settings()) {
    ways.push_back({setting.name,
                    setting.from_workload ? workload_.path() : node_.cgroup(),
                    {setting.service}});
  }
  return ways;
}

void Bench::CompareConnects(int rounds) const {
  constexpr std::size_t kPlain = 4;
  const std::vector<SocketAddress> services = ServiceAddresses();
  std::vector<Way> ways{{"direct", "", PodAddresses()},
                        {"direct again", "", PodAddresses()},
                        {"untouched", node_.cgroup(), PodAddresses()},
                        {"split, observe off", quiet_cgroup_->path(), {services.front()}},
                        {"split, observe on", node_.cgroup(), {services.front()}},
                        {"split of 10000, observe off", quiet_cgroup_->path(), services},
                        {"split of 10000, observe on", node_.cgroup(), services}};
  std::ranges::move(SettingWays(), std::back_inserter(ways));
  Run(ways, *quiet_cgroup_, std::max(1, rounds / 10));  // warm
  for (Way& way : ways) {
    way.connect_ns.clear();
    way.whole_ns.clear();
  }
  Run(ways, *quiet_cgroup_, rounds);
  const double direct = Median(ways[0].connect_ns);
  const double plain = Median(ways[kPlain].connect_ns);
  const double whole = Median(ways[0].whole_ns);
  fmt::print("median of {} connections each, client and pods on one CPU; ratios to direct, to\n",
             ways[0].connect_ns.size());
  fmt::print("\"{}\", and of connections per second to direct\n", ways[kPlain].name);
  fmt::print("  {:<36} {:>12} {:>9} {:>9} {:>11}\n", "", "connect()", "to direct", "to split",
             "per second");
  for (Way& way : ways) {
    const double median = Median(way.connect_ns);
    fmt::print("  {:<36} {:>9.0f} ns {:>9.3f} {:>9.3f} {:>11.3f}\n", way.name, median,
               median / direct, median / plain, whole / Median(way.whole_ns));
  }
}

void Bench::PrintAllPrograms() {
  fmt::print("programs, by the kernel's own statistics: runs for each connection, time of one\n");
  const Descriptor statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
  const std::vector<SocketAddress> services = ServiceAddresses();
  const std::string& node = node_.cgroup();
  const std::string& quiet = quiet_cgroup_->path();
  PrintPrograms(*quiet_, {"split, observe off", quiet, {services.front()}}, *quiet_cgroup_);
  PrintPrograms(*quiet_, {"split of 10000, observe off", quiet, services}, *quiet_cgroup_);
  std::vector<Way> ways{{"split, observe on", node, {services.front()}},
                        {"split of 10000, observe on", node, services}};
  std::ranges::move(SettingWays(), std::back_inserter(ways));
  for (const Way& way : ways) {
    PrintPrograms(node_.datapath(), way, *quiet_cgroup_);
  }
}

void Main(int rounds) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof(one), &one);
  Bench bench;
  bench.CompareConnects(rounds);
  bench.CompareOpen();
  bench.PrintAllPrograms();
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
