// SPDX-License-Identifier: Apache-2.0
#include "pods.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

#include "vsplit/compile.h"

namespace vsplit::testing {
namespace {

void Require(bool ok, const std::string& what) {
  if (!ok) {
    fmt::print(stderr, "kernel tests: {}: {}\n", what, std::strerror(errno));
    std::exit(1);
  }
}

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.flush();
  Require(file.good(), "write " + path);
}

// `ip` in a namespace, with these lines as its commands.
void Ip(const TestNetns& netns, const std::string& lines) {
  std::array<int, 2> pipe_ends{};
  Require(pipe2(pipe_ends.data(), O_CLOEXEC) == 0, "pipe");
  const pid_t child = fork();
  if (child == 0) {
    dup2(pipe_ends[0], STDIN_FILENO);
    if (setns(netns.fd(), CLONE_NEWNET) == 0) {
      execlp("ip", "ip", "-batch", "-", nullptr);
    }
    _exit(127);
  }
  Require(write(pipe_ends[1], lines.data(), lines.size()) == static_cast<ssize_t>(lines.size()),
          "write to ip");
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  int status = 0;
  waitpid(child, &status, 0);
  Require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ip: " + lines);
}

struct RawAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

RawAddress ToRaw(const SocketAddress& address, int family) {
  RawAddress raw;
  if (family == AF_INET) {
    auto* in = reinterpret_cast<sockaddr_in*>(&raw.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(address.port);
    std::memcpy(&in->sin_addr, address.ip.bytes.data() + 12, 4);
    raw.size = sizeof(*in);
  } else {
    auto* in = reinterpret_cast<sockaddr_in6*>(&raw.storage);
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(address.port);
    std::memcpy(&in->sin6_addr, address.ip.bytes.data(), 16);
    raw.size = sizeof(*in);
  }
  return raw;
}

SocketAddress FromRaw(const sockaddr_storage& storage) {
  SocketAddress address;
  if (storage.ss_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&storage);
    address.ip = Address("0.0.0.0:1").ip;
    std::memcpy(address.ip.bytes.data() + 12, &in->sin_addr, 4);
    address.port = ntohs(in->sin_port);
  } else {
    const auto* in = reinterpret_cast<const sockaddr_in6*>(&storage);
    std::memcpy(address.ip.bytes.data(), &in->sin6_addr, 16);
    address.port = ntohs(in->sin6_port);
  }
  return address;
}

std::string OwnCgroup() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) {
      return line.substr(3) == "/" ? "" : line.substr(3);
    }
  }
  return "";
}

}  // namespace

std::string MissingForKernelTests() {
  if (geteuid() != 0) {
    return "kernel tests need root (this is user " + std::to_string(geteuid()) + ")";
  }
  const Result<std::string> mount_point = FindCgroupMount();
  if (!mount_point) {
    return "kernel tests need cgroup2: " + mount_point.error().message;
  }
  if (unshare(CLONE_NEWNS) != 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return std::string("kernel tests need CAP_SYS_ADMIN: ") + std::strerror(errno);
  }
  const TestBpffs bpffs;
  DatapathOptions options{.pins = bpffs.path() + "/probe", .cgroup = *mount_point};
  options.sizes = {.frontends = 16, .endpoints = 16, .connections = 16};
  const Result<Datapath> opened = Datapath::Open(options);
  return opened ? "" : "kernel tests need BPF: " + opened.error().message;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

// ---- bpffs, cgroup, namespaces ----

TestBpffs::TestBpffs() : path_("/tmp/vsplit-bpffs-XXXXXX") {
  Require(mkdtemp(path_.data()) != nullptr, "mkdtemp");
  Require(mount("bpf", path_.c_str(), "bpf", 0, nullptr) == 0, "mount bpffs");
}

TestBpffs::~TestBpffs() {
  umount2(path_.c_str(), MNT_DETACH);
  rmdir(path_.c_str());
}

TestCgroup::TestCgroup() {
  static int number = 0;
  home_ = *FindCgroupMount() + OwnCgroup();
  path_ = fmt::format("{}/vsplit-test-{}-{}", home_, getpid(), ++number);
  Require(mkdir(path_.c_str(), 0755) == 0, "mkdir " + path_);
  Enter();
}

void TestCgroup::Enter() const {
  WriteFile(path_ + "/cgroup.procs", std::to_string(getpid()));
}
void TestCgroup::Leave() const {
  WriteFile(home_ + "/cgroup.procs", std::to_string(getpid()));
}

TestCgroup::~TestCgroup() {
  Leave();
  // A child that was just waited for may still be on its way out.
  Eventually([this] { return rmdir(path_.c_str()) == 0 || errno != EBUSY; });
}

namespace {

// Of a process that was just forked, into the cgroup.
void EnterCgroup(const std::string& path) {
  WriteFile(path + "/cgroup.procs", std::to_string(getpid()));
}

}  // namespace

PodCgroup::PodCgroup(const std::string& parent, const std::string& name)
    : path_(parent + "/" + name) {
  Require(mkdir(path_.c_str(), 0755) == 0, "mkdir " + path_);
}

PodCgroup::~PodCgroup() {
  Eventually([this] { return rmdir(path_.c_str()) == 0 || errno != EBUSY; });
}

std::uint64_t PodCgroup::id() const {
  struct stat status{};
  Require(stat(path_.c_str(), &status) == 0, "stat " + path_);
  return status.st_ino;
}

ImageWorkload PodCgroup::Workload(const std::string& ip) const {
  const std::string below = path_.substr(FindCgroupMount()->size());
  return {.cgroup = id(),
          .level = static_cast<std::uint32_t>(std::ranges::count(below, '/')),
          .ips = {Address(ip + ":1").ip}};
}

std::string PodCgroup::Run(const std::function<std::string()>& body) const {
  std::array<int, 2> ends{};
  Require(pipe2(ends.data(), O_CLOEXEC) == 0, "pipe");
  const pid_t child = fork();
  Require(child >= 0, "fork");
  if (child == 0) {
    EnterCgroup(path_);
    const std::string text = body();
    _exit(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string all;
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    all.append(buffer.data(), static_cast<std::size_t>(n));
  }
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return all;
}

std::map<std::string, int> PodCgroup::AskMany(const SocketAddress& to, int count) const {
  std::istringstream lines(Run([&to, count] {
    std::string text;
    for (const auto& [name, times] : testing::AskMany(to, count)) {
      text += fmt::format("{} {}\n", times, name);
    }
    return text;
  }));
  std::map<std::string, int> counts;
  int times = 0;
  for (std::string name; lines >> times && lines.ignore() && std::getline(lines, name);) {
    counts[name] = times;
  }
  return counts;
}

Child::Child(const std::function<void()>& body, const std::string& cgroup) {
  std::array<int, 2> ends{};
  Require(pipe2(ends.data(), O_CLOEXEC) == 0, "pipe");
  pid_ = fork();
  Require(pid_ >= 0, "fork");
  if (pid_ == 0) {
    if (!cgroup.empty()) {
      EnterCgroup(cgroup);
    }
    body();
    close(ends[1]);  // says that the body is done
    close(ends[0]);
    for (;;) {
      pause();
    }
  }
  close(ends[1]);
  char none = 0;
  Require(read(ends[0], &none, 1) == 0, "read");
  close(ends[0]);
}

void Child::Kill() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
}

TestNetns::TestNetns() {
  std::thread([this] {
    Require(unshare(CLONE_NEWNET) == 0, "unshare");
    fd_ = Descriptor(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }).join();
  Ip(*this, "link set lo up\n");
}

void TestNetns::Enter() const {
  Require(setns(fd_.get(), CLONE_NEWNET) == 0, "setns");
}

void TestNetns::Run(const std::function<void()>& body) const {
  std::thread([this, &body] {
    Enter();
    body();
  }).join();
}

// ---- servers ----

PodServer::PodServer(const TestNetns& netns, std::string name,
                     const std::vector<SocketAddress>& addresses, Manner manner)
    : name_(std::move(name)), manner_(manner), stop_(eventfd(0, EFD_CLOEXEC)) {
  netns.Run([this, &addresses] {
    for (const SocketAddress& address : addresses) {
      const int family = address.ip.is_v4() ? AF_INET : AF_INET6;
      Descriptor listener(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const int on = 1;
      setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
      const RawAddress raw = ToRaw(address, family);
      Require(bind(listener.get(), reinterpret_cast<const sockaddr*>(&raw.storage), raw.size) == 0,
              "bind " + ToString(address));
      Require(listen(listener.get(), 4096) == 0, "listen");
      listeners_.push_back(std::move(listener));
    }
  });
  thread_ = std::thread([this] { Serve(); });
}

PodServer::~PodServer() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void PodServer::Serve() {
  std::vector<Descriptor> held;
  for (bool stopped = false; !stopped;) {
    std::vector<pollfd> waits{{stop_.get(), POLLIN, 0}};
    for (const Descriptor& listener : listeners_) {
      waits.push_back({listener.get(), POLLIN, 0});
    }
    for (const Descriptor& connection : held) {
      waits.push_back({manner_ == Manner::kEcho ? connection.get() : -1, POLLIN, 0});
    }
    poll(waits.data(), waits.size(), -1);
    stopped = waits[0].revents != 0;
    for (std::size_t i = 1; i < waits.size(); ++i) {
      if ((waits[i].revents & (POLLIN | POLLHUP | POLLERR)) == 0) {
        continue;
      }
      if (i <= listeners_.size()) {
        Accept(waits[i].fd, held);
        continue;
      }
      std::array<char, 65536> buffer{};
      const ssize_t got = recv(waits[i].fd, buffer.data(), buffer.size(), 0);
      if (got > 0) {
        send(waits[i].fd, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
      } else {
        held[i - 1 - listeners_.size()] = Descriptor();
      }
    }
    std::erase_if(held, [](const Descriptor& connection) { return connection.get() < 0; });
  }
}

void PodServer::Accept(int listener, std::vector<Descriptor>& held) const {
  Descriptor connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (connection.get() < 0) {
    return;
  }
  if (manner_ != Manner::kEcho) {
    send(connection.get(), name_.data(), name_.size(), MSG_NOSIGNAL);
  }
  if (manner_ != Manner::kAnswer) {
    held.push_back(std::move(connection));
  }
}

// ---- node ----

TestNode::TestNode(bool observe, std::uint32_t max_connections, TableSizes sizes) {
  options_.pins = bpffs_.path() + "/vsplit";
  options_.cgroup = cgroup_.path();
  options_.observe = observe;
  options_.sizes = sizes;
  options_.sizes.connections = max_connections;
  Ip(bridge_, "link add br0 type bridge\nlink set br0 up\n");
  Join(client_, "client", 65'000);
  client_.Enter();
  Restart();
  const Result<void> attached = datapath_->Attach();
  EXPECT_TRUE(attached) << attached.error().message;
}

TestNode::~TestNode() {
  pods_.clear();
  datapath_.reset();
  const Result<void> gone = Datapath::Uninstall(options_.pins);
  EXPECT_TRUE(gone) << gone.error().message;
}

void TestNode::Join(const TestNetns& netns, const std::string& port, int number) {
  Ip(bridge_, fmt::format("link add {0} type veth peer name eth0 netns /proc/{1}/fd/{2}\n"
                          "link set {0} master br0\nlink set {0} up\n",
                          port, getpid(), netns.fd()));
  Ip(netns, fmt::format("addr add 10.1.{}.{}/16 dev eth0\naddr add fd00:1::{:x}/64 dev eth0 nodad\n"
                        "link set eth0 up\n",
                        number / 256, number % 256, number));
}

void TestNode::AddPod(const std::string& name, int number, PodServer::Manner manner) {
  Pod& pod = pods_[name];
  pod.netns = std::make_unique<TestNetns>();
  Join(*pod.netns, fmt::format("pod{}", number), number);
  pod.server = std::make_unique<PodServer>(
      *pod.netns, name, std::vector{PodAddress(number), PodAddress6(number)}, manner);
}

void TestNode::AddPodWithoutServer(int number) {
  Pod& pod = pods_[fmt::format("closed-{}", number)];
  pod.netns = std::make_unique<TestNetns>();
  Join(*pod.netns, fmt::format("pod{}", number), number);
}

void TestNode::StartServer(int number, const std::string& name) {
  Pod& pod = pods_.at(fmt::format("closed-{}", number));
  pod.server = std::make_unique<PodServer>(*pod.netns, name,
                                           std::vector{PodAddress(number), PodAddress6(number)});
}

void TestNode::AddSilentPod(int number) {
  Ip(client_, fmt::format("neigh add 10.1.{}.{} lladdr 02:00:00:00:00:01 dev eth0 nud permanent\n",
                          number / 256, number % 256));
}

void TestNode::RemovePod(const std::string& name) {
  pods_.erase(name);
}

void TestNode::Restart(const DatapathOptions& options) {
  options_ = options;
  Restart();
}

void TestNode::Restart() {
  datapath_.reset();
  Result<Datapath> opened = Datapath::Open(options_);
  ASSERT_TRUE(opened) << opened.error().message;
  datapath_ = std::make_unique<Datapath>(*std::move(opened));
  Result<Tables> read = datapath_->Read();
  ASSERT_TRUE(read) << read.error().message;
  tables_ = std::make_unique<Tables>(*std::move(read));
  const Result<void> repaired = datapath_->Apply(MakeRepair(*tables_), *tables_);
  ASSERT_TRUE(repaired) << repaired.error().message;
}

void TestNode::Put(const TableImage& image) {
  const Result<Plan> plan = MakePlan(*tables_, ChangeTo(*tables_, image));
  ASSERT_TRUE(plan) << plan.error().message;
  const Result<void> applied = datapath_->Apply(*plan, *tables_);
  ASSERT_TRUE(applied) << applied.error().message;
}

TestNode::Counted TestNode::Cluster(const std::string& address, const std::string& cluster) {
  const std::uint32_t frontend = tables_->frontends.at(Frontend{Address(address)}).id;
  const std::uint32_t index = tables_->counters.at({frontend, tables_->cluster_ids.at(cluster)});
  const route_counter& counter = datapath_->counters()[index];
  return {.active = counter.active,
          .opened = counter.opened,
          .failed = counter.failed,
          .refused = counter.refused_no_endpoint,
          .limited = counter.refused_limit,
          .sent = counter.sent,
          .received = counter.received};
}

std::int64_t TestNode::ActiveOfAll() const {
  const std::span<const endpoint_state> states = datapath_->endpoint_states();
  return std::accumulate(
      states.begin(), states.end(), std::int64_t{0},
      [](std::int64_t sum, const endpoint_state& state) { return sum + state.active; });
}

void TestNode::ReadEntry(const std::string& table, const void* key, void* value) const {
  const Descriptor map(bpf_obj_get((options_.pins + "/" + table).c_str()));
  if (bpf_map_lookup_elem(map.get(), key, value) != 0 && errno != ENOENT) {
    ADD_FAILURE() << "table " << table << ": " << std::strerror(errno);
  }
}

void TestNode::WriteEntry(const std::string& table, const void* key, const void* value) const {
  const Descriptor map(bpf_obj_get((options_.pins + "/" + table).c_str()));
  EXPECT_EQ(bpf_map_update_elem(map.get(), key, value, BPF_ANY), 0) << table;
}

std::uint32_t TestNode::ClusterId(const std::string& name) const {
  return tables_->cluster_ids.at(name);
}

std::uint32_t TestNode::EndpointId(const std::string& cluster, const SocketAddress& address) const {
  return tables_->endpoint_ids.at({ClusterId(cluster), address});
}

std::int64_t TestNode::Places(const std::string& workload, const std::string& cluster) const {
  const std::uint32_t id = workload.empty() ? 0 : tables_->workload_ids.at(workload);
  return Entry<pool_value>("pools", pool_key{.workload = id, .cluster = ClusterId(cluster)}).active;
}

std::map<std::string, int> TestNode::DecideMany(const std::string& frontend, int count,
                                                std::uint64_t cgroup) {
  std::map<std::string, int> counts;
  for (int i = 0; i < count; ++i) {
    const Result<decision> decided = datapath_->Decide(Frontend{Address(frontend)}, true, cgroup);
    if (!decided) {
      ADD_FAILURE() << decided.error().message;
      break;
    }
    SocketAddress address;
    std::ranges::copy(decided->address, address.ip.bytes.begin());
    address.port = static_cast<std::uint16_t>(decided->port);
    ++counts[decided->verdict == VERDICT_SPLIT ? ToString(address)
                                               : fmt::format("verdict {}", decided->verdict)];
  }
  return counts;
}

std::size_t TestNode::Remembered() const {
  const auto connections = datapath_->Connections();
  EXPECT_TRUE(connections) << connections.error().message;
  return connections ? connections->size() : 0;
}

// ---- images ----

SocketAddress Address(const std::string& text) {
  const std::optional<SocketAddress> address = ParseSocketAddress(text);
  Require(address.has_value(), "address " + text);
  return address.value_or(SocketAddress{});
}

SocketAddress PodAddress(int number) {
  return Address(fmt::format("10.1.{}.{}:8080", number / 256, number % 256));
}

SocketAddress PodAddress6(int number) {
  return Address(fmt::format("[fd00:1::{:x}]:8080", number));
}

ImageRoute Route(const std::vector<TestCluster>& clusters, Policy policy) {
  ImageRoute route{.host = "web.default.svc.cluster.local", .policy = policy, .clusters = {}};
  std::vector<std::uint32_t> weights;
  for (const TestCluster& cluster : clusters) {
    EndpointGroup group;
    for (const SocketAddress& endpoint : cluster.endpoints) {
      group.endpoints.push_back({.address = endpoint, .name = {}});
    }
    route.clusters.push_back({.name = cluster.name,
                              .weight = cluster.weight,
                              .settings = {.algorithm = cluster.algorithm},
                              .groups = {}});
    if (!group.endpoints.empty()) {
      route.clusters.back().groups.push_back(std::move(group));
    }
    weights.push_back(cluster.weight);
  }
  route.stride = ChooseStride(weights);
  return route;
}

ImageFrontend Everyone(ImageRoute route) {
  return {.everyone = std::move(route), .sources = {}};
}

ImageRoute RouteTo(ImageCluster cluster) {
  ImageRoute route{.host = "web.default.svc.cluster.local", .clusters = {}};
  route.clusters.push_back(std::move(cluster));
  return route;
}

EndpointGroup Group(const std::vector<int>& pods, std::uint32_t priority, std::uint32_t weight,
                    std::uint32_t unready) {
  EndpointGroup group{
      .priority = priority, .weight = weight, .locality = {}, .endpoints = {}, .unready = unready};
  for (const int pod : pods) {
    group.endpoints.push_back({.address = PodAddress(pod), .name = {}});
  }
  return group;
}

ImageRoute Canary(std::uint32_t safe, std::uint32_t risky) {
  return Route({{"safe", safe, {PodAddress(1)}}, {"risky", risky, {PodAddress(9)}}});
}

TableImage Image(const std::map<std::string, ImageRoute>& frontends) {
  TableImage image;
  for (const auto& [address, route] : frontends) {
    image.frontends.emplace(Frontend{Address(address)}, Everyone(route));
  }
  return image;
}

// ---- client ----

Connected Connect(const SocketAddress& to, int family, int type_flags) {
  if (family == 0) {
    family = to.ip.is_v4() ? AF_INET : AF_INET6;
  }
  Connected connected;
  connected.socket = Descriptor(socket(family, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0));
  const RawAddress raw = ToRaw(to, family);
  if (connect(connected.socket.get(), reinterpret_cast<const sockaddr*>(&raw.storage), raw.size) !=
      0) {
    connected.error = errno;
  }
  return connected;
}

std::string ReadAll(int socket) {
  std::string all;
  std::array<char, 256> buffer{};
  for (ssize_t n = 0; (n = recv(socket, buffer.data(), buffer.size(), 0)) > 0;) {
    all.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return all;
}

std::string Ask(const SocketAddress& to, int family) {
  const Connected connected = Connect(to, family);
  return connected.error != 0 ? fmt::format("errno {}", connected.error)
                              : ReadAll(connected.socket.get());
}

std::map<std::string, int> AskMany(const SocketAddress& to, int count) {
  std::map<std::string, int> counts;
  for (int i = 0; i < count; ++i) {
    ++counts[Ask(to)];
  }
  return counts;
}

SocketAddress PeerName(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  Require(getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &size) == 0, "getpeername");
  return FromRaw(storage);
}

bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace vsplit::testing
