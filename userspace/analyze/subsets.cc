// SPDX-License-Identifier: Apache-2.0
// IST0173, IST0174: DestinationRules that mean nobody.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "findings.h"
#include "registry.h"
#include "vsplit/analyze.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::analyze {
namespace {

constexpr const char* kRegion = "topology.kubernetes.io/region";
constexpr const char* kZone = "topology.kubernetes.io/zone";
constexpr const char* kSubzone = "topology.istio.io/subzone";
constexpr const char* kHostname = "kubernetes.io/hostname";

// R14: the labels of all pods, with those of their places.
std::vector<Labels> PodLabels(const Store& store) {
  std::vector<Labels> all;
  for (const ObjectPtr& object : store.List(Kind::kPod)) {
    const std::string& node_name = object->spec.Get<Pod>().node_name;
    Labels labels = object->labels;
    if (!node_name.empty()) {
      labels[kHostname] = node_name;
    }
    if (const ObjectPtr node = store.Find({.kind = Kind::kNode, .name = node_name})) {
      for (const char* key : {kRegion, kZone, kSubzone}) {
        if (const auto found = node->labels.find(key);
            found != node->labels.end() && !found->second.empty()) {
          labels[key] = found->second;
        }
      }
    }
    all.push_back(std::move(labels));
  }
  return all;
}

}  // namespace

// As istioctl does it: a Service's own selector, and the namespaces of the pods, do not matter.
void CheckSubsets(const Store& store, const Registry& registry, Findings& out) {
  const std::vector<Labels> pods = PodLabels(store);
  for (const ObjectPtr& object : store.List(Kind::kDestinationRule)) {
    const auto& rule = object->spec.Get<DestinationRule>();
    const KnownHost* known = registry.Find(object->key.ns, rule.export_to, rule.host);
    if (known == nullptr) {
      out.push_back({.code = "IST0174",
                     .level = Finding::Level::kWarning,
                     .object = ToString(object->key),
                     .message = fmt::format("The host {} defined in the DestinationRule does not "
                                            "match any services in the mesh.",
                                            rule.host)});
      continue;
    }
    for (const Subset& subset : rule.subsets) {
      Labels selector = known->workload_selector.value_or(Labels{});
      for (const auto& [key, value] : subset.labels) {
        selector[key] = value;
      }
      const bool selects = std::ranges::any_of(
          pods, [&selector](const Labels& labels) { return Selects(selector, labels); });
      if (!selects) {
        out.push_back({.code = "IST0173",
                       .level = Finding::Level::kError,
                       .object = ToString(object->key),
                       .message = fmt::format(
                           "The Subset {} defined in the DestinationRule does not select any "
                           "pods. Which may lead to 503 UH (NoHealthyUpstream).",
                           subset.name)});
      }
    }
  }
}

}  // namespace vsplit::analyze
