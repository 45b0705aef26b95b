// SPDX-License-Identifier: Apache-2.0
#include "field_schema.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "json.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

// A list whose items are told apart by these fields; by none: they are plain values.
struct KeyedList {
  std::optional<Kind> kind;  // none: of all kinds
  std::string_view path;     // init containers are containers here
  std::string_view key;
  std::string_view more = {};           // a second key
  std::string_view default_value = {};  // of `more`
  bool atomic_items = false;
};

// NOLINTBEGIN(modernize-use-designated-initializers): tables
constexpr auto kKeyedLists = std::to_array<KeyedList>({
    {std::nullopt, "metadata.finalizers", ""},
    {std::nullopt, "metadata.ownerReferences", "uid", "", "", true},
    {Kind::kServiceEntry, "spec.ports", "number"},
    {Kind::kService, "spec.ports", "port", "protocol", "TCP"},
    {Kind::kService, "status.conditions", "type"},
    {Kind::kNamespace, "status.conditions", "type"},
    {Kind::kNode, "spec.podCIDRs", ""},
    {Kind::kNode, "status.addresses", "type"},
    {Kind::kNode, "status.conditions", "type"},
    {Kind::kPod, "spec.containers", "name"},
    {Kind::kPod, "spec.containers.env", "name"},
    {Kind::kPod, "spec.containers.ports", "containerPort", "protocol", "TCP"},
    {Kind::kPod, "spec.containers.resources.claims", "name"},
    {Kind::kPod, "spec.containers.volumeDevices", "devicePath"},
    {Kind::kPod, "spec.containers.volumeMounts", "mountPath"},
    {Kind::kPod, "spec.hostAliases", "ip"},
    {Kind::kPod, "spec.imagePullSecrets", "name", "", "", true},
    {Kind::kPod, "spec.resourceClaims", "name"},
    {Kind::kPod, "spec.schedulingGates", "name"},
    {Kind::kPod, "spec.topologySpreadConstraints", "topologyKey", "whenUnsatisfiable"},
    {Kind::kPod, "spec.volumes", "name"},
    {Kind::kPod, "status.conditions", "type"},
    {Kind::kPod, "status.podIPs", "ip"},
    {Kind::kPod, "status.resourceClaimStatuses", "name"},
});

struct KindPath {
  Kind kind;
  std::string_view path;
};

// Maps that are one value.
constexpr auto kAtomicMaps = std::to_array<KindPath>({
    {Kind::kService, "spec.selector"},
    {Kind::kPod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"},
    {Kind::kPod, "spec.containers.env.valueFrom.configMapKeyRef"},
    {Kind::kPod, "spec.containers.env.valueFrom.fieldRef"},
    {Kind::kPod, "spec.containers.env.valueFrom.resourceFieldRef"},
    {Kind::kPod, "spec.containers.env.valueFrom.secretKeyRef"},
    {Kind::kPod, "spec.nodeSelector"},
    {Kind::kPod, "spec.topologySpreadConstraints.labelSelector"},
    {Kind::kPod, "spec.volumes.cephfs.secretRef"},
    {Kind::kPod, "spec.volumes.cinder.secretRef"},
    {Kind::kPod, "spec.volumes.csi.nodePublishSecretRef"},
    {Kind::kPod, "spec.volumes.ephemeral.volumeClaimTemplate.spec.dataSource"},
    {Kind::kPod, "spec.volumes.ephemeral.volumeClaimTemplate.spec.selector"},
    {Kind::kPod, "spec.volumes.flexVolume.secretRef"},
    {Kind::kPod, "spec.volumes.iscsi.secretRef"},
    {Kind::kPod, "spec.volumes.rbd.secretRef"},
    {Kind::kPod, "spec.volumes.scaleIO.secretRef"},
    {Kind::kPod, "spec.volumes.storageos.secretRef"},
});

// Go's structs that are no pointers.
constexpr auto kAlwaysThere = std::to_array<KindPath>({
    {Kind::kService, "spec"},
    {Kind::kService, "status"},
    {Kind::kService, "status.loadBalancer"},
    {Kind::kNamespace, "spec"},
    {Kind::kNamespace, "status"},
    {Kind::kNode, "spec"},
    {Kind::kNode, "status"},
    {Kind::kNode, "status.daemonEndpoints"},
    {Kind::kNode, "status.daemonEndpoints.kubeletEndpoint"},
    {Kind::kNode, "status.nodeInfo"},
    {Kind::kPod, "spec"},
    {Kind::kPod, "status"},
});
// NOLINTEND(modernize-use-designated-initializers)

// "spec.containers.ports": without the items of lists.
std::string Dotted(const FieldPath& path) {
  std::string text;
  for (const std::string& step : path) {
    if (!step.starts_with(kFieldStep)) {
      continue;
    }
    const std::string_view name = std::string_view(step).substr(kFieldStep.size());
    const bool container =
        text == "spec" && (name == "initContainers" || name == "ephemeralContainers");
    text += (text.empty() ? "" : ".") + std::string(container ? "containers" : name);
  }
  return text;
}

const KeyedList* FindList(Kind kind, const FieldPath& path) {
  if (path.size() < 2 || !path.back().starts_with(kFieldStep)) {
    return nullptr;
  }
  const std::string dotted = Dotted(path);
  const auto* const found = std::ranges::find_if(kKeyedLists, [&](const KeyedList& list) {
    return list.path == dotted && list.kind.value_or(kind) == kind;
  });
  return found == kKeyedLists.end() ? nullptr : found;
}

template <class Table>
bool Has(const Table& table, Kind kind, const FieldPath& path) {
  const std::string dotted = Dotted(path);
  return std::ranges::any_of(
      table, [&](const KindPath& one) { return one.kind == kind && one.path == dotted; });
}

std::string StepOf(const KeyedList& list, const Json& item) {
  if (list.key.empty()) {
    return item.is_string() ? std::string(kValueStep) + DumpValue(item) : std::string();
  }
  Json keys = Json::object();
  for (const std::string_view name : {list.key, list.more}) {
    if (name.empty()) {
      continue;
    }
    const auto found = item.find(std::string(name));  // of what is no map: the end
    if (found != item.end() && found->is_primitive() && !found->is_null()) {
      keys[std::string(name)] = *found;
    } else if (found == item.end() && item.is_object() && name == list.more &&
               !list.default_value.empty()) {
      keys[std::string(name)] = list.default_value;
    } else {
      return {};
    }
  }
  return std::string(kKeyStep) + DumpValue(keys);
}

}  // namespace

FieldSchema::FieldSchema(Kind kind) : kind_(kind) {}

std::string FieldSchema::StepTo(const FieldPath& list, const Json& item) const {
  const KeyedList* const keyed = FindList(kind_, list);
  return keyed == nullptr ? std::string() : StepOf(*keyed, item);
}

bool FieldSchema::IsKeyed(const FieldPath& path, const Json& list) const {
  const KeyedList* const keyed = list.is_array() ? FindList(kind_, path) : nullptr;
  if (keyed == nullptr) {
    return false;
  }
  std::set<std::string> steps;
  for (const Json& item : list) {
    if (std::string step = StepOf(*keyed, item); step.empty() || !steps.insert(step).second) {
      return false;
    }
  }
  return true;
}

bool FieldSchema::IsAtomic(const FieldPath& path) const {
  if (!path.empty() && !path.back().starts_with(kFieldStep)) {
    const KeyedList* const list = FindList(kind_, {path.begin(), path.end() - 1});
    return list != nullptr && (list->atomic_items || list->key.empty());
  }
  return Has(kAtomicMaps, kind_, path);
}

bool FieldSchema::IsDeclared(const FieldPath& path) const {
  const bool free_status = path.size() > 1 && path[0] == "f:status" &&
                           InfoOf(kind_).group == InfoOf(Kind::kVirtualService).group;
  return !path.empty() && path.back().starts_with(kFieldStep) && !free_status;
}

bool FieldSchema::IsAlwaysThere(const FieldPath& path) const {
  return Has(kAlwaysThere, kind_, path);
}

}  // namespace vsplit
