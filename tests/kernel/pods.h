// SPDX-License-Identifier: Apache-2.0
// Pods for the kernel tests: real network namespaces joined by a bridge, a child cgroup below the
// test's own, a bpffs of its own. Everything is gone when the objects are, and when the process
// dies: namespaces and mounts have no names outside it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/datapath.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"

namespace vsplit::testing {

// What is missing on this machine for kernel tests, as one line; empty when nothing is.
std::string MissingForKernelTests();

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }

 private:
  int fd_;
};

// A private bpffs on a temporary folder, in a mount that ends with this object.
class TestBpffs {
 public:
  TestBpffs();
  ~TestBpffs();
  TestBpffs(const TestBpffs&) = delete;
  TestBpffs& operator=(const TestBpffs&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A child of the test's own cgroup that the whole process lives in while this object does.
class TestCgroup {
 public:
  TestCgroup();
  ~TestCgroup();
  TestCgroup(const TestCgroup&) = delete;
  TestCgroup& operator=(const TestCgroup&) = delete;
  const std::string& path() const { return path_; }
  // Moves the process: sockets belong to the cgroup they are made in.
  void Enter() const;
  void Leave() const;  // to where it came from

 private:
  std::string home_;
  std::string path_;
};

// A pod's cgroup, below the test's own. Its processes are in the caller's network namespace, like
// those of a pod with hostNetwork: the cgroup alone says who they are.
class PodCgroup {
 public:
  PodCgroup(const std::string& parent, const std::string& name);  // made
  ~PodCgroup();
  PodCgroup(const PodCgroup&) = delete;
  PodCgroup& operator=(const PodCgroup&) = delete;
  const std::string& path() const { return path_; }
  std::uint64_t id() const;
  ImageWorkload Workload(const std::string& ip) const;  // as the image knows it
  // What the body returns, run in a process of its own that lives here; empty if that is killed.
  std::string Run(const std::function<std::string()>& body) const;
  std::map<std::string, int> AskMany(const SocketAddress& to, int count) const;

 private:
  std::string path_;
};

// A process of its own in a cgroup, or in the caller's: runs the body, then stays until it is
// killed.
class Child {
 public:
  explicit Child(const std::function<void()>& body, const std::string& cgroup = {});
  ~Child() { Kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void Kill();  // with SIGKILL, and waits for its end

 private:
  int pid_ = -1;
};

// A network namespace without a name.
class TestNetns {
 public:
  TestNetns();
  void Run(const std::function<void()>& body) const;  // on a thread of its own, inside
  void Enter() const;                                 // the calling thread, for good
  int fd() const { return fd_.get(); }
  void Close() { fd_ = Descriptor(); }  // it ends when its last socket does

 private:
  Descriptor fd_;
};

// Answers every connection with its name and closes it, or keeps it open until the client closes,
// or sends back what it gets.
class PodServer {
 public:
  enum class Manner { kAnswer, kHold, kEcho };
  PodServer(const TestNetns& netns, std::string name, const std::vector<SocketAddress>& addresses,
            Manner manner = Manner::kAnswer);
  ~PodServer();
  PodServer(const PodServer&) = delete;
  PodServer& operator=(const PodServer&) = delete;
  const std::string& name() const { return name_; }

 private:
  void Serve();
  void Accept(int listener, std::vector<Descriptor>& held) const;
  std::string name_;
  Manner manner_;
  std::vector<Descriptor> listeners_;
  Descriptor stop_;  // eventfd
  std::thread thread_;
};

// One node: a bridge, a client, pods.
class TestNode {
 public:
  explicit TestNode(bool observe = true, std::uint32_t max_connections = 4096,
                    TableSizes sizes = {.frontends = 1024, .endpoints = 4096});
  ~TestNode();
  TestNode(const TestNode&) = delete;
  TestNode& operator=(const TestNode&) = delete;

  // A pod with 10.1.0.N and fd00:1::N that serves on port 8080 of both.
  void AddPod(const std::string& name, int number,
              PodServer::Manner manner = PodServer::Manner::kAnswer);
  void AddPodWithoutServer(int number);  // refuses every connection
  // One of these gets a server after all.
  void StartServer(int number, const std::string& name);
  void AddSilentPod(int number);  // never answers: every SYN is lost
  void RemovePod(const std::string& name);

  Datapath& datapath() { return *datapath_; }
  const std::string& bpffs() const { return bpffs_.path(); }
  Tables& tables() { return *tables_; }
  const DatapathOptions& options() const { return options_; }
  const std::string& cgroup() const { return cgroup_.path(); }
  const TestCgroup& test_cgroup() const { return cgroup_; }

  // Puts this image into force, as the agent does. Fails the test on an error.
  void Put(const TableImage& image);
  void Stop() { datapath_.reset(); }  // as an agent that is gone
  // Opens the datapath anew, as an agent that starts again: adopts and repairs; Put comes after.
  void Restart();
  // The same with other options.
  void Restart(const DatapathOptions& options);

  struct Counted {
    std::int64_t active = 0;
    std::uint64_t opened = 0, failed = 0, refused = 0, limited = 0, sent = 0, received = 0;
  };
  Counted Cluster(const std::string& address, const std::string& cluster);
  std::int64_t ActiveOfAll() const;  // summed over all endpoints
  std::size_t Remembered() const;    // entries of `connections`
  // One entry of a pinned table, as the kernel has it now, whether there is an agent or not.
  template <class Value, class Key>
  Value Entry(const std::string& table, const Key& key) const {
    Value value{};
    ReadEntry(table, &key, &value);
    return value;
  }
  template <class Value, class Key>
  void SetEntry(const std::string& table, const Key& key, const Value& value) const {
    WriteEntry(table, &key, &value);
  }
  std::uint32_t ClusterId(const std::string& name) const;
  std::uint32_t EndpointId(const std::string& cluster, const SocketAddress& address) const;
  // Connections of a workload ("" for everyone who is none) to the cluster that hold a place.
  std::int64_t Places(const std::string& workload, const std::string& cluster) const;
  // Which endpoints the kernel decides for in `count` connections that are not made, by address.
  std::map<std::string, int> DecideMany(const std::string& frontend, int count,
                                        std::uint64_t cgroup = 0);

 private:
  void ReadEntry(const std::string& table, const void* key, void* value) const;
  void WriteEntry(const std::string& table, const void* key, const void* value) const;

  struct Pod {
    std::unique_ptr<TestNetns> netns;
    std::unique_ptr<PodServer> server;
  };
  void Join(const TestNetns& netns, const std::string& port, int number);

  TestBpffs bpffs_;
  TestCgroup cgroup_;
  DatapathOptions options_;
  TestNetns bridge_;
  TestNetns client_;
  std::map<std::string, Pod> pods_;
  std::unique_ptr<Datapath> datapath_;
  std::unique_ptr<Tables> tables_;
};

SocketAddress Address(const std::string& text);  // "10.1.0.1:8080"
SocketAddress PodAddress(int number);            // 10.1.0.N:8080
SocketAddress PodAddress6(int number);           // [fd00:1::N]:8080

// A route with these clusters: name, weight, pods.
struct TestCluster {
  std::string name;
  std::uint32_t weight;
  std::vector<SocketAddress> endpoints;
  Algorithm algorithm = Algorithm::kLeastRequest;
};
ImageRoute Route(const std::vector<TestCluster>& clusters, Policy policy = Policy::kExact);
ImageFrontend Everyone(ImageRoute route);
ImageRoute RouteTo(ImageCluster cluster);  // the only one
// Equal endpoints on these pods.
EndpointGroup Group(const std::vector<int>& pods, std::uint32_t priority = 0,
                    std::uint32_t weight = 1, std::uint32_t unready = 0);
// Cluster "safe" with pod 1 and cluster "risky" with pod 9.
ImageRoute Canary(std::uint32_t safe, std::uint32_t risky);
TableImage Image(const std::map<std::string, ImageRoute>& frontends);

// ---- the client: every call on the calling thread, which is in the client's namespace -----------

// A connected TCP socket, or the error number in `error`. The socket's family is `family`.
struct Connected {
  Descriptor socket;
  int error = 0;
};
Connected Connect(const SocketAddress& to, int family = 0, int type_flags = 0);
std::string ReadAll(int socket);
// Who answers: the server's name, or "errno N".
std::string Ask(const SocketAddress& to, int family = 0);
std::map<std::string, int> AskMany(const SocketAddress& to, int count);
SocketAddress PeerName(int socket);
// Waits until the condition holds; false after far too long.
bool Eventually(const std::function<bool()>& condition);

}  // namespace vsplit::testing
