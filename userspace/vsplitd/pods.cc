// SPDX-License-Identifier: Apache-2.0
#include "pods.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"
#include "vsplit/workloads.h"

namespace vsplit {
namespace {

bool IsOwnNode(const ObjectKey& key, const NodeOptions& node) {
  return key.kind == Kind::kNode && key.name == node.name;
}

Client AnonymousOf(const Store& store, const NodeOptions& node) {
  if (node.locality) {
    return AnonymousClient(node.name, *node.locality);
  }
  const ObjectPtr object = store.Find({.kind = Kind::kNode, .name = node.name});
  const Object nobody{.key = {.kind = Kind::kPod}, .spec = Pod{.node_name = node.name}};
  return AnonymousClient(node.name, ClientOf(nobody, object.get()).locality);
}

void Follow(const ObjectKey& key, const Object* pod, const NodeOptions& node, CgroupHints& hints) {
  std::optional<CgroupHint> hint =
      pod == nullptr ? std::nullopt : HintOf(*pod, node.name, node.cgroup_mount);
  if (hint) {
    hints.insert_or_assign(key, *std::move(hint));
  } else {
    hints.erase(key);
  }
}

void Meet(const Store& store, const NodeOptions& node, const CgroupFinder& find, LocalPods& pods) {
  pods.anonymous = AnonymousOf(store, node);
  const ObjectPtr own_node = store.Find({.kind = Kind::kNode, .name = node.name});
  const auto cgroups =
      pods.hints.empty() || !find ? std::map<ObjectKey, PodCgroup>() : find(pods.hints);
  pods.workloads.clear();
  pods.image.clear();
  for (const auto& [key, cgroup] : cgroups) {
    const ObjectPtr pod = store.Find(key);
    Workload workload{.name = key.ns + "/" + key.name,
                      .client = ClientOf(*pod, own_node.get()),
                      .cgroup = cgroup.id,
                      .ips = pod->spec.Get<Pod>().ips};
    pods.image.emplace(
        workload.name,
        ImageWorkload{.cgroup = cgroup.id, .level = cgroup.level, .ips = workload.ips});
    pods.workloads.push_back(std::move(workload));
  }
  std::ranges::sort(pods.workloads, {}, &Workload::name);
}

}  // namespace

bool ConcernsPods(const Change& change, const NodeOptions& node, const LocalPods& pods) {
  if (change.unchanged()) {
    return false;
  }
  const bool local = change.after != nullptr && change.key.kind == Kind::kPod &&
                     HintOf(*change.after, node.name, node.cgroup_mount).has_value();
  return local || pods.hints.contains(change.key) || IsOwnNode(change.key, node);
}

LocalPods PodsAfter(const std::vector<Change>& changes, const Store& store, const NodeOptions& node,
                    const LocalPods& before, const CgroupFinder& find) {
  LocalPods pods{.hints = before.hints};
  for (const Change& change : changes) {
    if (change.key.kind == Kind::kPod) {
      Follow(change.key, change.after.get(), node, pods.hints);
    }
  }
  Meet(store, node, find, pods);
  return pods;
}

LocalPods FindPods(const Store& store, const NodeOptions& node, const CgroupFinder& find) {
  LocalPods pods;
  for (const ObjectPtr& pod : store.List(Kind::kPod)) {
    Follow(pod->key, pod.get(), node, pods.hints);
  }
  Meet(store, node, find, pods);
  return pods;
}

std::map<std::string, std::optional<ImageWorkload>> Difference(
    const std::map<std::string, ImageWorkload>& before,
    const std::map<std::string, ImageWorkload>& after) {
  std::map<std::string, std::optional<ImageWorkload>> difference;
  for (const auto& [name, workload] : before) {
    if (!after.contains(name)) {
      difference.emplace(name, std::nullopt);
    }
  }
  for (const auto& [name, workload] : after) {
    const auto found = before.find(name);
    if (found == before.end() || found->second != workload) {
      difference.emplace(name, workload);
    }
  }
  return difference;
}

}  // namespace vsplit
