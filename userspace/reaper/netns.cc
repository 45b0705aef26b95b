// SPDX-License-Identifier: Apache-2.0
#include "netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "vsplit/result.h"

namespace vsplit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOwn = "/proc/thread-self/ns/net";

Descriptor OpenNamespace(const std::string& path) {
  return Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

class Collector {
 public:
  void Add(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) {
      if (errno != ENOENT && namespaces_.trouble.empty()) {
        namespaces_.trouble = FailErrno("look at " + path + " (CAP_SYS_PTRACE)").value().message;
      }
      return;  // the process has ended
    }
    if (!seen_.insert(status.st_ino).second) {
      return;
    }
    if (Descriptor netns = OpenNamespace(path); netns.get() >= 0) {
      namespaces_.all.push_back(std::move(netns));
    }
  }

  void AddProcessesOf(const fs::path& cgroup) {
    std::ifstream processes(cgroup / "cgroup.procs");
    for (std::int64_t pid = 0; processes >> pid;) {
      if (pid == 0) {
        namespaces_.trouble =
            "processes of pods are not visible: the agent has to run in the host's PID namespace";
      } else {
        Add("/proc/" + std::to_string(pid) + "/ns/net");
      }
    }
  }

  Namespaces Finish() { return std::move(namespaces_); }

 private:
  std::set<ino_t> seen_;
  Namespaces namespaces_;
};

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Namespaces NamespacesBelow(const std::string& cgroup) {
  Collector collector;
  collector.Add(kOwn);
  collector.AddProcessesOf(cgroup);
  std::error_code error;
  fs::recursive_directory_iterator walk(cgroup, fs::directory_options::skip_permission_denied,
                                        error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    std::error_code gone;
    if (walk->is_directory(gone)) {
      collector.AddProcessesOf(walk->path());
    }
  }
  return collector.Finish();
}

Result<void> RunInside(const Descriptor& netns, const std::function<Result<void>()>& body) {
  const Descriptor own = OpenNamespace(kOwn);
  struct stat here{};
  struct stat there{};
  if (own.get() < 0 || ::fstat(own.get(), &here) != 0 || ::fstat(netns.get(), &there) != 0) {
    return FailErrno("look at network namespaces");
  }
  if (here.st_ino == there.st_ino) {
    return body();
  }
  if (::setns(netns.get(), CLONE_NEWNET) != 0) {
    return FailErrno("enter a pod's network namespace (CAP_SYS_ADMIN)");
  }
  Result<void> done = body();
  Check(::setns(own.get(), CLONE_NEWNET) == 0,
        "a thread comes back from a pod's network namespace");
  return done;
}

}  // namespace vsplit
