// SPDX-License-Identifier: Apache-2.0
#include "locality.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "client.h"
#include "endpoints.h"
#include "place.h"
#include "registry.h"
#include "scene.h"
#include "settings.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/store.h"
#include "vsplit/text.h"

namespace vsplit::resolve {
namespace {

// Priorities that a locality can have without labels: 0 to 4.
constexpr std::uint32_t kLocalityPriorities = 5;

// ---- which policy ------------------------------------------------------------------------------

std::string Annotation(const ObjectPtr& object) {
  if (object == nullptr) {
    return "";
  }
  const auto found = object->annotations.find(std::string(kDistributionAnnotation));
  return found == object->annotations.end() ? "" : Lower(found->second);
}

// In lower case: of the Service's spec, else of an annotation, else of its namespace's annotation.
std::string DistributionOf(const Scene& scene, const RegistryService& service) {
  const Service* spec = service.service();
  if (spec != nullptr && !spec->traffic_distribution.empty()) {
    return Lower(spec->traffic_distribution);
  }
  std::string own = Annotation(service.objects.front());
  if (!own.empty()) {
    return own;
  }
  return Annotation(scene.store.Find({.kind = Kind::kNamespace, .ns = "", .name = service.ns}));
}

// The failoverPriority that a traffic distribution is short for; none for others.
std::vector<std::string> PriorityOf(const std::string& distribution) {
  std::vector<std::string> labels;
  const bool same_node = distribution == "prefersamenode";
  if (same_node || distribution == "preferclose" || distribution == "prefersamezone") {
    for (const std::string_view label : {kNetworkLabel, kRegionLabel, kZoneLabel}) {
      labels.emplace_back(label);
    }
  }
  if (same_node) {
    labels.emplace_back(kSubzoneLabel);
    labels.emplace_back(kHostnameLabel);
  }
  return labels;
}

// ---- priorities and weights --------------------------------------------------------------------

// Endpoints of one locality and priority.
struct Part {
  std::uint32_t priority = 0;
  const Locality* locality = nullptr;
  std::uint64_t weight = 0;  // of all endpoints, those that are not ready too
  std::vector<Chosen> endpoints;
};

void Append(std::vector<Part>& parts, std::uint32_t priority, const Locality& locality,
            Chosen endpoint) {
  auto part = std::ranges::find_if(parts, [&](const Part& candidate) {
    return candidate.priority == priority && *candidate.locality == locality;
  });
  if (part == parts.end()) {
    part = parts.insert(part, {.priority = priority, .locality = &locality});
  }
  part->weight += endpoint.twin ? 0 : endpoint.endpoint.weight;
  part->endpoints.push_back(std::move(endpoint));
}

// The client's value of a label, empty if it has none; for labels that say where it runs also of a
// client that is nobody in particular.
std::string ClientLabel(const Scene& scene, const std::string& label) {
  if (label == kRegionLabel) {
    return LocalityOf(scene).region;
  }
  if (label == kZoneLabel) {
    return LocalityOf(scene).zone;
  }
  if (label == kSubzoneLabel) {
    return LocalityOf(scene).subzone;
  }
  if (label == kHostnameLabel) {
    return NodeOf(scene);
  }
  return label == kClusterLabel ? std::string(kClusterName) : LabelOf(scene, label).value_or("");
}

// What failoverPriority compares: "label" or "label=value".
struct Wanted {
  std::string label;
  std::string value;  // the client's, unless it is given
};

std::vector<Wanted> WantedBy(const Scene& scene, const std::vector<std::string>& labels) {
  std::vector<Wanted> wanted;
  for (const std::string& text : labels) {
    const std::size_t equals = text.find('=');
    std::string label = text.substr(0, equals);
    std::string value =
        equals == std::string::npos ? ClientLabel(scene, label) : text.substr(equals + 1);
    wanted.push_back({.label = std::move(label), .value = std::move(value)});
  }
  return wanted;
}

// The longer the beginning of the list that is equal, the better. Another network, if that comes
// first, is worse than everything else, but does not end the comparison.
std::uint32_t PriorityBy(const Scene& scene, const std::vector<Wanted>& wanted, Member& member) {
  const auto all = static_cast<std::uint32_t>(wanted.size());
  std::uint32_t network = 0;
  for (std::uint32_t i = 0; i < all; ++i) {
    const std::string* value = LabelOf(scene, member, wanted[i].label);
    if ((value == nullptr ? std::string_view() : std::string_view(*value)) == wanted[i].value) {
      continue;
    }
    if (i > 0 || wanted[i].label != kNetworkLabel) {
      return all - i + network;
    }
    network = all;
  }
  return network;
}

// How far an endpoint is: 0 the same place, 1 the same zone, 2 the same region, 3 another region,
// or, where the client's region fails over to another one, 4 all others.
std::uint32_t Distance(const Locality& client, const Locality& endpoint,
                       const std::vector<LocalityFailover>& failover) {
  if (client.region == endpoint.region) {
    if (client.zone != endpoint.zone) {
      return 2;
    }
    return client.subzone == endpoint.subzone ? 0 : 1;
  }
  const auto rule = std::ranges::find(failover, client.region, &LocalityFailover::from);
  return rule == failover.end() || rule->to == endpoint.region ? 3 : 4;
}

// Without gaps, from 0.
void Renumber(std::vector<Part>& parts) {
  std::map<std::uint32_t, std::uint32_t> numbers;
  for (const Part& part : parts) {
    numbers.emplace(part.priority, 0);
  }
  std::uint32_t next = 0;
  for (auto& [priority, number] : numbers) {
    number = next++;
  }
  for (Part& part : parts) {
    part.priority = numbers.at(part.priority);
  }
}

std::vector<Part> Divide(const Scene& scene, const LocalityPolicy& policy,
                         std::vector<Chosen> endpoints) {
  const std::vector<Wanted> wanted = WantedBy(scene, policy.failover_priority);
  std::vector<Part> parts;
  for (Chosen& endpoint : endpoints) {
    Member& member = *endpoint.member;
    Append(parts, PriorityBy(scene, wanted, member), LocalityOf(scene, member),
           std::move(endpoint));
  }
  if (policy.failover == nullptr) {
    return parts;
  }
  Renumber(parts);
  if (policy.failover_priority.empty() || !policy.failover->empty()) {
    const Locality& client = LocalityOf(scene);
    for (Part& part : parts) {
      part.priority =
          part.priority * kLocalityPriorities + Distance(client, *part.locality, *policy.failover);
    }
    Renumber(parts);
  }
  return parts;
}

bool Matches(const std::string& wanted, const std::string& part, bool first) {
  return wanted == "*" || (wanted.empty() && !first) || wanted == part;
}

// "eu/eu-a/*": parts left out match everything.
bool Matches(const std::string& pattern, const Locality& locality) {
  const Locality wanted = ParseLocality(pattern);
  return Matches(wanted.region, locality.region, true) &&
         Matches(wanted.zone, locality.zone, false) &&
         Matches(wanted.subzone, locality.subzone, false);
}

// Gives each part its share of the percentage of the first pattern that matches it, rounded up;
// takes away those that none matches. (Istio goes through the patterns of `to` in no order;
// validation keeps them from overlapping.)
void Distribute(const LocalityDistribute& rule, std::vector<Part>& parts) {
  std::vector<bool> taken(parts.size(), false);
  for (const auto& [pattern, percent] : rule.to) {
    std::vector<std::size_t> matching;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (!taken[i] && Matches(pattern, *parts[i].locality)) {
        taken[i] = true;
        matching.push_back(i);
        total += parts[i].weight;
      }
    }
    for (const std::size_t i : matching) {
      const std::uint64_t share = (parts[i].weight * percent + total - 1) / total;
      parts[i].weight = share > 0 ? share : parts[i].weight;
    }
  }
  std::size_t index = 0;
  std::erase_if(parts, [&](const Part&) { return !taken[index++]; });
}

void Distribute(const Scene& scene, const std::vector<LocalityDistribute>& rules,
                std::vector<Part>& parts) {
  const Locality& client = LocalityOf(scene);
  for (const LocalityDistribute& rule : rules) {
    if (Matches(rule.from, client)) {
      Distribute(rule, parts);
      return;
    }
  }
}

// ---- groups ------------------------------------------------------------------------------------

void Append(EndpointGroup& group, std::vector<Chosen>& endpoints) {
  group.endpoints.reserve(group.endpoints.size() + endpoints.size());
  for (Chosen& each : endpoints) {
    if (each.member->ready) {
      group.endpoints.push_back(std::move(each.endpoint));
    } else {
      group.unready += each.twin ? 0 : 1;
    }
  }
}

EndpointGroup GroupOf(Part& part) {
  EndpointGroup group{
      .priority = part.priority,
      .weight = static_cast<std::uint32_t>(std::min<std::uint64_t>(part.weight, UINT32_MAX)),
      .locality = ToString(*part.locality)};
  Append(group, part.endpoints);
  return group;
}

// All parts of a priority are one group, whose localities do not count.
std::vector<EndpointGroup> Unite(std::vector<Part>& parts) {
  std::vector<EndpointGroup> groups;
  groups.reserve(parts.size());
  for (Part& part : parts) {
    const bool is_new = groups.empty() || groups.back().priority != part.priority;
    if (is_new) {
      groups.push_back({.priority = part.priority, .locality = ToString(*part.locality)});
    } else {
      groups.back().locality.clear();
    }
    Append(groups.back(), part.endpoints);
  }
  for (EndpointGroup& group : groups) {
    std::ranges::sort(group.endpoints);
  }
  return groups;
}

}  // namespace

bool HasDistribution(const Scene& scene, const RegistryService& service) {
  return !PriorityOf(DistributionOf(scene, service)).empty();
}

LocalityPolicy LocalityPolicyOf(const Scene& scene, const RegistryService& service,
                                const PolicyBlocks& blocks) {
  static const std::vector<LocalityFailover> none;
  LocalityPolicy policy;
  const LocalityLoadBalancer* given =
      blocks.load_balancer != nullptr && blocks.load_balancer->locality
          ? &*blocks.load_balancer->locality
          : nullptr;
  bool fails_over = blocks.outlier_detection != nullptr;
  if (given != nullptr) {
    if (!given->enabled.value_or(true)) {
      return policy;
    }
    if (!given->distribute.empty()) {
      policy.distribute = &given->distribute;
      policy.weighs = true;
      return policy;
    }
    policy.failover_priority = given->failover_priority;
  } else {
    policy.failover_priority = PriorityOf(DistributionOf(scene, service));
    fails_over = fails_over || !policy.failover_priority.empty();
  }
  if (!fails_over) {
    policy.failover_priority.clear();
    return policy;
  }
  policy.failover = given == nullptr ? &none : &given->failover;
  policy.weighs = !policy.failover->empty() || !policy.failover_priority.empty();
  return policy;
}

std::vector<EndpointGroup> GroupsOf(const Scene& scene, const LocalityPolicy& policy,
                                    std::vector<Chosen> endpoints) {
  if (policy.distribute == nullptr && policy.failover == nullptr) {
    EndpointGroup group;
    Append(group, endpoints);
    return {std::move(group)};
  }
  std::vector<Part> parts = Divide(scene, policy, std::move(endpoints));
  std::ranges::sort(parts, [](const Part& left, const Part& right) {
    return std::tie(left.priority, *left.locality) < std::tie(right.priority, *right.locality);
  });
  if (!policy.weighs) {
    return Unite(parts);
  }
  if (policy.distribute != nullptr) {
    Distribute(scene, *policy.distribute, parts);
  }
  std::vector<EndpointGroup> groups;
  for (Part& part : parts) {
    groups.push_back(GroupOf(part));
  }
  return groups;
}

}  // namespace vsplit::resolve
