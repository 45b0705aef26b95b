// SPDX-License-Identifier: Apache-2.0
// Which hosts there are, and which of them a change is about.
#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

// The hosts, wildcards among them, that a VirtualService or DestinationRule names.
std::vector<HostName> NamedHosts(const Store& store, const Object& object) {
  std::vector<HostName> hosts;
  if (const auto* rules = std::get_if<VirtualService>(&object.spec)) {
    for (const std::string& host : rules->hosts) {
      hosts.push_back(QualifyHost(host, object.key.ns, store.domain()));
    }
  } else if (const auto* rule = std::get_if<DestinationRule>(&object.spec)) {
    hosts.push_back(QualifyHost(rule->host, object.key.ns, store.domain()));
  }
  return hosts;
}

bool IsWildcard(const HostName& host) {
  return host.starts_with('*');
}

HostName HostOfService(const Store& store, const ObjectKey& key) {
  return ServiceHost(key.ns, key.name, store.domain());
}

// All hosts that rules name without a wildcard.
std::set<HostName> ExactHosts(const Store& store) {
  std::set<HostName> hosts;
  for (const Kind kind : {Kind::kVirtualService, Kind::kDestinationRule}) {
    for (const ObjectPtr& object : store.List(kind)) {
      std::ranges::remove_copy_if(NamedHosts(store, *object), std::inserter(hosts, hosts.end()),
                                  IsWildcard);
    }
  }
  return hosts;
}

// The host itself, or every host there is that the wildcard covers.
void AddCovered(const Store& store, const HostName& pattern, std::set<HostName>& hosts) {
  if (!IsWildcard(pattern)) {
    hosts.insert(pattern);
    return;
  }
  const auto covered = [&pattern](const HostName& host) { return HostCovers(pattern, host); };
  std::ranges::copy_if(ExactHosts(store), std::inserter(hosts, hosts.end()), covered);
  for (const ObjectPtr& service : store.List(Kind::kService)) {
    HostName host = HostOfService(store, service->key);
    if (covered(host)) {
      hosts.insert(std::move(host));
    }
  }
}

// Of a pod only its labels, its addresses and where it runs count, and whether it has ended.
bool SameForUs(const Object& before, const Object& after) {
  const auto& old = std::get<Pod>(before.spec);
  const auto& now = std::get<Pod>(after.spec);
  return before.labels == after.labels && old.ips == now.ips && old.node_name == now.node_name &&
         old.host_network == now.host_network && old.phase == now.phase;
}

void AddTouched(const Store& store, const Object& object, Touched& touched) {
  switch (object.kind()) {
    case Kind::kNamespace:
      break;
    case Kind::kNode:
      touched.dependencies.pods.insert(object.key);
      break;
    case Kind::kPod: {
      const std::vector<IpAddress>& ips = std::get<Pod>(object.spec).ips;
      touched.dependencies.pods.insert(object.key);
      touched.dependencies.pod_ips.insert(ips.begin(), ips.end());
      break;
    }
    case Kind::kService:
      touched.hosts.insert(HostOfService(store, object.key));
      break;
    case Kind::kEndpointSlice: {
      const std::string& service = std::get<EndpointSlice>(object.spec).service;
      if (!service.empty()) {
        touched.hosts.insert(ServiceHost(object.key.ns, service, store.domain()));
      }
      break;
    }
    case Kind::kWorkloadEntry:
    case Kind::kServiceEntry:
      break;
    case Kind::kSidecar:
      touched.dependencies.sidecars = true;
      break;
    case Kind::kDestinationRule:
    case Kind::kVirtualService:
      for (const HostName& host : NamedHosts(store, object)) {
        AddCovered(store, host, touched.hosts);
      }
      break;
  }
}

}  // namespace

bool Intersect(const Dependencies& left, const Dependencies& right) {
  const auto meet = [](const auto& some, const auto& others) {
    const auto& fewer = some.size() < others.size() ? some : others;
    const auto& more = some.size() < others.size() ? others : some;
    return std::ranges::any_of(fewer, [&more](const auto& each) { return more.contains(each); });
  };
  return meet(left.hosts, right.hosts) || meet(left.pods, right.pods) ||
         meet(left.pod_ips, right.pod_ips) ||
         meet(left.workload_namespaces, right.workload_namespaces) ||
         meet(left.names, right.names) || (left.sidecars && right.sidecars);
}

std::vector<HostName> HostsWithRules(const Store& store, bool all) {
  std::set<HostName> hosts = ExactHosts(store);
  for (const ObjectPtr& service : store.List(Kind::kService)) {
    HostName host = HostOfService(store, service->key);
    if (all || HasRules(store, host, false)) {
      hosts.insert(std::move(host));
    }
  }
  return {hosts.begin(), hosts.end()};
}

bool HasRules(const Store& store, const HostName& host, bool all) {
  const bool is_service = resolve::ServiceOf(store, host) != nullptr;
  if (all && is_service) {
    return true;
  }
  // A wildcard alone does not make a host: it must be a Service, or be named.
  const auto counts = [&](const ObjectPtr& object) {
    const std::vector<HostName> named = NamedHosts(store, *object);
    return is_service || std::ranges::find(named, host) != named.end();
  };
  return std::ranges::any_of(store.VirtualServicesFor(host), counts) ||
         std::ranges::any_of(store.DestinationRulesFor(host), counts);
}

Touched TouchedBy(const Store& store, const Change& change) {
  Touched touched;
  if (change.unchanged()) {
    return touched;
  }
  if (change.key.kind == Kind::kPod && change.before != nullptr && change.after != nullptr &&
      SameForUs(*change.before, *change.after)) {
    return touched;
  }
  for (const ObjectPtr& object : {change.before, change.after}) {
    if (object != nullptr) {
      AddTouched(store, *object, touched);
    }
  }
  if (change.key.kind != Kind::kVirtualService) {
    touched.dependencies.hosts = touched.hosts;
  }
  return touched;
}

}  // namespace vsplit
