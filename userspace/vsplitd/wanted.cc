// SPDX-License-Identifier: Apache-2.0
#include "wanted.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "vsplit/address.h"
#include "vsplit/boxed.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

// More watches than this, and one for all namespaces is cheaper for the server.
constexpr std::size_t kMostNamespaces = 50;

bool HasFailoverPriority(const Boxed<TrafficPolicy>& policy) {
  const auto has = [](const PolicySettings& settings) {
    return settings.load_balancer && settings.load_balancer->locality &&
           !settings.load_balancer->locality->failover_priority.empty();
  };
  return policy && (has(policy->settings) ||
                    std::ranges::any_of(policy->port_level_settings, [&](const PortPolicy& port) {
                      return has(port.settings);
                    }));
}

bool AsksForLabels(const DestinationRule& rule) {
  return HasFailoverPriority(rule.traffic_policy) ||
         std::ranges::any_of(rule.subsets, [](const Subset& subset) {
           return !subset.labels.empty() || HasFailoverPriority(subset.traffic_policy);
         });
}

std::set<std::string> NamespacesOf(const DestinationRule& rule, const std::string& ns,
                                   std::string_view domain) {
  if (!AsksForLabels(rule)) {
    return {};
  }
  const HostName host = QualifyHost(rule.host, ns, domain);
  // "*.default.svc.cluster.local" says its namespace as well.
  const auto service = ServiceOfHost(host.starts_with("*.") ? "x" + host.substr(1) : host, domain);
  if (service) {
    return {service->first};
  }
  return IsWildcard(host) ? std::set<std::string>{""} : std::set<std::string>{};
}

}  // namespace

std::set<std::string> PodNamespacesOf(const Object& object, std::string_view domain) {
  if (const auto* rule = object.spec.Find<DestinationRule>()) {
    return NamespacesOf(*rule, object.key.ns, domain);
  }
  const auto* entry = object.spec.Find<ServiceEntry>();
  if (entry != nullptr && entry->workload_selector) {
    return {object.key.ns};
  }
  return {};
}

void WantedCollections::Put(const Object& object) {
  Remove(object.key);
  std::set<std::string> asked = PodNamespacesOf(object, domain_);
  if (asked.empty()) {
    return;
  }
  for (const std::string& ns : asked) {
    ++askers_[ns];
  }
  namespaces_.emplace(object.key, std::move(asked));
}

void WantedCollections::Remove(const ObjectKey& key) {
  const auto known = namespaces_.find(key);
  if (known == namespaces_.end()) {
    return;
  }
  for (const std::string& ns : known->second) {
    const auto askers = askers_.find(ns);
    if (--askers->second == 0) {
      askers_.erase(askers);
    }
  }
  namespaces_.erase(known);
}

std::set<Collection> WantedCollections::collections() const {
  std::set<Collection> wanted;
  for (const KindInfo& info : Kinds()) {
    if (info.kind != Kind::kPod) {
      wanted.insert({.kind = info.kind});
    }
  }
  wanted.insert({.kind = Kind::kPod, .field_selector = "spec.nodeName=" + node_});
  if (askers_.contains("") || askers_.size() > kMostNamespaces) {
    wanted.insert({.kind = Kind::kPod});
    return wanted;
  }
  for (const auto& [ns, askers] : askers_) {
    wanted.insert({.kind = Kind::kPod, .ns = ns});
  }
  return wanted;
}

}  // namespace vsplit
