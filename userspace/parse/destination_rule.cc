// SPDX-License-Identifier: Apache-2.0
// DestinationRule. Fields: istio/api networking/v1alpha3/destination_rule.proto; checks: Istio's
// pkg/config/validation ValidateDestinationRule.
#include <fmt/core.h>

#include <array>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "checks.h"
#include "document.h"
#include "fields.h"
#include "kinds.h"
#include "syntax.h"
#include "traffic_policy.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

void ReadSubsetName(const At& at, std::string& out) {
  ReadString(at, out);
  if (at.node().kind == Node::Kind::kString && !IsHostLabel(out)) {
    at.NotAllowed("a DNS label (letters, digits, -) is allowed");
  }
}

constexpr auto kSubsetFields = std::to_array<Field<Subset>>({
    {"name", Into<&Subset::name, ReadSubsetName>},
    {"labels", Into<&Subset::labels, ReadSelectorLabels>},
    {"trafficPolicy", Into<&Subset::traffic_policy, InBox<TrafficPolicy, ReadTrafficPolicy>>},
});
constexpr Shape<Subset> kSubset = {"Subset", kSubsetFields, ""};

void ReadSubset(const At& at, Subset& out) {
  ReadMap(at, kSubset, out);
  RequireField(at, "name");
}

void ReadSubsets(const At& at, std::vector<Subset>& out) {
  List<Subset, ReadSubset>(at, out);
  std::set<std::string_view> names;
  const Node* child = at.node().first;
  for (std::size_t index = 0; index < out.size(); ++index, child = child->next) {
    const std::string_view name = out[index].name;
    if (!name.empty() && !names.insert(name).second) {
      at.Item(*child, index).Error(fmt::format("found subset \"{}\" twice", name));
    }
  }
}

void ReadHost(const At& at, std::string& out) {
  ReadString(at, out);
  if (at.node().kind == Node::Kind::kString && !IsWildcardDomain(out)) {
    at.NotAllowed("a host name, possibly with \"*\" in front, is allowed");
  }
}

constexpr auto kSelectorMapFields = std::to_array<Field<Labels>>({{"matchLabels", ReadStringMap}});
constexpr Shape<Labels> kWorkloadSelector = {"WorkloadSelector", kSelectorMapFields, ""};

constexpr auto kRuleFields = std::to_array<Field<DestinationRule>>({
    {"host", Into<&DestinationRule::host, ReadHost>},
    {"trafficPolicy",
     Into<&DestinationRule::traffic_policy, InBox<TrafficPolicy, ReadTrafficPolicy>>},
    {"subsets", Into<&DestinationRule::subsets, ReadSubsets>},
    {"exportTo", Into<&DestinationRule::export_to, List<std::string, ReadString>>},
    {"workloadSelector", Into<&DestinationRule::workload_selector,
                              Optional<Labels, Message<Labels, kWorkloadSelector>>>},
});
constexpr Shape<DestinationRule> kRule = {"DestinationRule", kRuleFields, ""};

void ReadRule(const At& at, DestinationRule& out) {
  ReadMap(at, kRule, out);
  RequireField(at, "host");
}
void CheckSpec(const At& spec, const Object& object) {
  const std::string_view ns = object.key.ns;
  const auto check = [ns](const At& policy) { CheckTrafficPolicy(policy, ns); };
  WithField(spec, "trafficPolicy", check);
  EachItemOf(spec, "subsets",
             [&check](const At& subset) { WithField(subset, "trafficPolicy", check); });
  WithField(spec, "workloadSelector",
            [](const At& selector) { CheckSelector(selector, "matchLabels"); });
  const bool selects = Given(spec.node(), "workloadSelector") != nullptr;
  CheckExportTo(spec, ns, selects ? Exported::kRuleWithSelector : Exported::kRule);
}

constexpr auto kDocumentFields = std::to_array<Field<DestinationRule>>({
    {"spec", ReadRule},
    {"status", nullptr},
});

}  // namespace

void ReadDestinationRule(const At& root, Object& object) {
  auto& rule = object.spec.Emplace<DestinationRule>();
  ReadMap(root, Shape<DestinationRule>{"", kDocumentFields, kHeaderFields}, rule);
  RequireSpec(root);
  WithField(root, "spec", [&object](const At& spec) { CheckSpec(spec, object); });
}

}  // namespace vsplit::parse
