// SPDX-License-Identifier: Apache-2.0
// What the kubelet calls a pod's cgroup.
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/workloads.h"

namespace vsplit {
namespace {

// Of a static pod: the uid that the kubelet itself gave it. metadata.uid is that of the mirror pod
// in the API server.
constexpr std::string_view kConfigHash = "kubernetes.io/config.hash";
constexpr std::string_view kRoot = "kubepods";
constexpr std::string_view kSlice = ".slice";
constexpr auto kClasses = std::to_array<std::string_view>({"burstable", "besteffort"});

std::string_view Trimmed(std::string_view path) {
  while (path.starts_with('/')) {
    path.remove_prefix(1);
  }
  while (path.ends_with('/')) {
    path.remove_suffix(1);
  }
  return path;
}

// Without a way out of the mount.
std::optional<std::string> PathBelow(std::string_view path, std::string_view mount) {
  if (path.starts_with(mount) && path.substr(mount.size()).starts_with('/')) {
    path.remove_prefix(mount.size());
  }
  std::string below(Trimmed(path));
  const std::string fenced = "/" + below + "/";
  if (below.empty() || fenced.find("/../") != std::string::npos ||
      fenced.find("/./") != std::string::npos || fenced.find("//") != std::string::npos) {
    return std::nullopt;
  }
  return below;
}

// A uid becomes part of a path.
bool IsUid(std::string_view uid) {
  constexpr std::string_view kAllowed =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";
  return !uid.empty() && uid.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool IsOfSystemd(std::string_view root_name) {
  return root_name.ends_with(kSlice);
}

// systemd reads a dash in a slice's name as a level of the tree.
std::string Escaped(std::string_view uid) {
  std::string escaped(uid);
  std::ranges::replace(escaped, '-', '_');
  return escaped;
}

std::string Child(std::string_view root_name, std::string_view child) {
  if (!IsOfSystemd(root_name)) {
    return std::string(child);
  }
  std::string slice(root_name.substr(0, root_name.size() - kSlice.size()));
  return slice.append("-").append(child).append(kSlice);
}

}  // namespace

std::optional<CgroupHint> HintOf(const Object& pod, std::string_view node, std::string_view mount) {
  const auto* spec = pod.spec.Find<Pod>();
  if (spec == nullptr || spec->phase == "Succeeded" || spec->phase == "Failed") {
    return std::nullopt;
  }
  const auto annotation = pod.annotations.find(std::string(kCgroupAnnotation));
  if (annotation != pod.annotations.end()) {
    const std::optional<std::string> path = PathBelow(annotation->second, mount);
    const bool local = spec->node_name.empty() || spec->node_name == node;
    return path && local ? std::optional<CgroupHint>({.path = *path}) : std::nullopt;
  }
  const auto hash = pod.annotations.find(std::string(kConfigHash));
  const std::string uid = hash == pod.annotations.end() ? spec->uid.str() : hash->second.str();
  if (spec->node_name != node || !IsUid(uid)) {
    return std::nullopt;
  }
  return CgroupHint{.uid = uid};
}

bool IsPodsRoot(std::string_view name) {
  return name == kRoot || name == "kubepods.slice" || name.ends_with("-kubepods.slice");
}

std::vector<std::string> QosFolders(std::string_view root_name) {
  std::vector<std::string> folders = {""};
  for (const std::string_view qos : kClasses) {
    folders.push_back(Child(root_name, qos));
  }
  return folders;
}

std::vector<std::string> PodCgroupPaths(std::string_view root_name, std::string_view uid) {
  std::vector<std::string> paths;
  const std::string pod = "pod" + (IsOfSystemd(root_name) ? Escaped(uid) : std::string(uid));
  for (const std::string& folder : QosFolders(root_name)) {
    const std::string_view parent = folder.empty() ? root_name : std::string_view(folder);
    paths.push_back((folder.empty() ? "" : folder + "/") + Child(parent, pod));
  }
  return paths;
}

}  // namespace vsplit
