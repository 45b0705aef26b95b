// SPDX-License-Identifier: Apache-2.0
// Pods of this node in, their cgroups out: what tells the kernel which pod is connecting. Which
// names a pod's cgroup can have is pure, and the kubelet's (pkg/kubelet/cm,
// pod_container_manager_linux.go and cgroup_manager_linux.go); finding it, and noticing when it
// comes and goes, is not.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {

// ---- names -------------------------------------------------------------------------------------

// Annotation of a Pod: its cgroup, as a path below the cgroup2 mount, or with the mount in front.
// Such a Pod is local without spec.nodeName.
inline constexpr std::string_view kCgroupAnnotation = "vsplit.io/cgroup";

// How to find a pod's cgroup.
struct CgroupHint {
  std::string path;  // of the annotation, without slashes around it; empty: look for the uid
  std::string uid;

  bool operator==(const CgroupHint&) const = default;
};

// Nothing: the pod is not on this node, has ended, or nothing says what its cgroup is called.
// `mount` is where cgroup2 is mounted.
std::optional<CgroupHint> HintOf(const Object& pod, std::string_view node, std::string_view mount);

// Whether a directory of this name is where the kubelet puts its pods: "kubepods" (cgroupfs
// driver), "kubepods.slice" (systemd driver), "kubelet-kubepods.slice" (systemd, below a
// --cgroup-root, as kind has it).
bool IsPodsRoot(std::string_view name);
// The directories below a pods root that hold pods: "" itself (guaranteed) and those of the QoS
// classes burstable and besteffort.
std::vector<std::string> QosFolders(std::string_view root_name);
// Where below a pods root of this name the pod's cgroup may be; one for each of QosFolders().
std::vector<std::string> PodCgroupPaths(std::string_view root_name, std::string_view uid);

// ---- looking -----------------------------------------------------------------------------------

struct PodCgroup {
  std::uint64_t id = 0;     // the kernel's; never given to another cgroup
  std::uint32_t level = 0;  // ancestors between it and the root of the hierarchy, itself included
  std::string path;         // below the mount

  bool operator==(const PodCgroup&) const = default;
};

struct WorkloadsOptions {
  std::string mount;                         // of cgroup2
  std::chrono::milliseconds rescan{10'000};  // for what inotify cannot tell
};

class PodCgroups {
 public:
  // `look_again` is called from the loop when cgroups have come or gone where pods are looked for,
  // and every `rescan`. kNotFound when the mount is not there.
  static Result<PodCgroups> Start(boost::asio::io_context& loop, const WorkloadsOptions& options,
                                  std::function<void()> look_again);

  PodCgroups(PodCgroups&& other) noexcept;
  PodCgroups& operator=(PodCgroups&& other) noexcept;
  PodCgroups(const PodCgroups&) = delete;
  PodCgroups& operator=(const PodCgroups&) = delete;
  ~PodCgroups();

  // Looks for all of them, and from now on watches where they are or would be. Pods without a
  // cgroup are left out.
  std::map<ObjectKey, PodCgroup> Find(const std::map<ObjectKey, CgroupHint>& pods);

  // Why levels are not known, so that pods cannot be told apart; empty: they are.
  const std::string& trouble() const;

 private:
  struct State;
  explicit PodCgroups(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace vsplit
