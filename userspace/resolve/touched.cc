// SPDX-License-Identifier: Apache-2.0
// Which hosts there are, and which of them a change is about.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "locality.h"
#include "registry.h"
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
  if (const auto* rules = object.spec.Find<VirtualService>()) {
    for (const std::string& host : rules->hosts) {
      hosts.push_back(QualifyHost(host, object.key.ns, store.domain()));
    }
  } else if (const auto* rule = object.spec.Find<DestinationRule>()) {
    hosts.push_back(QualifyHost(rule->host, object.key.ns, store.domain()));
  }
  return hosts;
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

// The hosts of a Service or ServiceEntry.
void AddOwnHosts(const Store& store, const Object& object, std::set<HostName>& hosts) {
  if (object.kind() == Kind::kService) {
    hosts.insert(HostOfService(store, object.key));
  } else if (const auto* entry = object.spec.Find<ServiceEntry>()) {
    for (const std::string& host : entry->hosts) {
      hosts.insert(PlainHost(host));
    }
  }
}

// The hosts of all Services and ServiceEntries.
std::set<HostName> RegistryHosts(const Store& store) {
  std::set<HostName> hosts;
  for (const Kind kind : {Kind::kService, Kind::kServiceEntry}) {
    for (const ObjectPtr& object : store.List(kind)) {
      AddOwnHosts(store, *object, hosts);
    }
  }
  return hosts;
}

std::set<std::uint16_t> PortsOf(const Object& object) {
  std::set<std::uint16_t> ports;
  if (const auto* entry = object.spec.Find<ServiceEntry>()) {
    for (const ServiceEntryPort& port : entry->ports) {
      ports.insert(port.number);
    }
  } else {
    for (const ServicePort& port : object.spec.Get<Service>().ports) {
      ports.insert(port.port);
    }
  }
  return ports;
}

bool SharesPort(const Object& left, const Object& right) {
  const std::set<std::uint16_t> ports = PortsOf(left);
  return std::ranges::any_of(PortsOf(right),
                             [&ports](std::uint16_t port) { return ports.contains(port); });
}

// The hosts whose addresses may be covered by this wide entry.
void AddBeside(const Store& store, const Object& wide, std::set<HostName>& hosts) {
  for (const Kind kind : {Kind::kService, Kind::kServiceEntry}) {
    for (const ObjectPtr& object : store.List(kind)) {
      if (SharesPort(wide, *object)) {
        AddOwnHosts(store, *object, hosts);
      }
    }
  }
}

// The same for those of these hosts that are wide entries.
void AddBesideWide(const Store& store, std::set<HostName>& hosts) {
  std::set<HostName> beside;
  for (const HostName& host : hosts) {
    for (const ObjectPtr& entry : store.ServiceEntriesFor(host)) {
      if (resolve::IsWide(entry->spec.Get<ServiceEntry>())) {
        AddBeside(store, *entry, beside);
      }
    }
  }
  hosts.merge(beside);
}

bool IsSelected(const Labels& selector, const Object& workload) {
  return std::ranges::all_of(selector, [&workload](const auto& label) {
    const std::string* value = WorkloadLabel(workload, label.first);
    return value != nullptr && *value == label.second;
  });
}

// Whether the workload is an endpoint of the Service or ServiceEntry because of its labels.
bool Takes(const Object& object, const Object& workload) {
  if (const auto* entry = object.spec.Find<ServiceEntry>()) {
    return entry->workload_selector && IsSelected(*entry->workload_selector, workload);
  }
  const Labels& selector = object.spec.Get<Service>().selector;
  return workload.kind() == Kind::kWorkloadEntry && !selector.empty() &&
         IsSelected(selector, workload);
}

void AddTakers(const Store& store, const Object& workload, std::set<HostName>& hosts) {
  for (const Kind kind : {Kind::kService, Kind::kServiceEntry}) {
    if (kind == Kind::kService && workload.kind() == Kind::kPod) {
      continue;
    }
    for (const ObjectPtr& object : store.List(kind, workload.key.ns)) {
      if (Takes(*object, workload)) {
        AddOwnHosts(store, *object, hosts);
      }
    }
  }
}

// How a namespace wants its services' connections distributed.
std::string DistributionOf(const ObjectPtr& ns) {
  if (ns == nullptr) {
    return "";
  }
  const auto found = ns->annotations.find(std::string(resolve::kDistributionAnnotation));
  return found == ns->annotations.end() ? "" : found->second;
}

void AddNamespace(const Store& store, const std::string& ns, std::set<HostName>& hosts) {
  for (const Kind kind : {Kind::kService, Kind::kServiceEntry}) {
    for (const ObjectPtr& object : store.List(kind, ns)) {
      AddOwnHosts(store, *object, hosts);
    }
  }
}

// The host itself, or every host there is that the wildcard covers.
void AddCovered(const Store& store, const HostName& pattern, std::set<HostName>& hosts) {
  if (!IsWildcard(pattern)) {
    hosts.insert(pattern);
    return;
  }
  const auto covered = [&pattern](const HostName& host) { return HostCovers(pattern, host); };
  std::ranges::copy_if(ExactHosts(store), std::inserter(hosts, hosts.end()), covered);
  std::ranges::copy_if(RegistryHosts(store), std::inserter(hosts, hosts.end()), covered);
}

// The names that rules have for a part of the ServiceEntry's wildcards: their verdicts tell of it.
void AddNamesWithin(const Store& store, const Object& entry, std::set<HostName>& hosts) {
  for (const std::string& written : entry.spec.Get<ServiceEntry>().hosts) {
    if (const HostName own = PlainHost(written); IsWildcard(own)) {
      std::ranges::copy_if(ExactHosts(store), std::inserter(hosts, hosts.end()),
                           [&own](const HostName& host) { return HostCovers(own, host); });
    }
  }
}

// The hosts that a VirtualService or DestinationRule is about. What a VirtualService says of one
// name counts for a wildcard around it too (R6).
void AddNamed(const Store& store, const Object& object, std::set<HostName>& hosts) {
  for (const HostName& host : NamedHosts(store, object)) {
    AddCovered(store, host, hosts);
    if (object.kind() == Kind::kVirtualService) {
      hosts.merge(WiderHosts(store, host));
    }
  }
}

// Of a pod only its labels, its addresses and where it runs count, and whether it is ready or ends.
bool SameForUs(const Object& before, const Object& after) {
  const auto& old = before.spec.Get<Pod>();
  const auto& now = after.spec.Get<Pod>();
  return before.labels == after.labels && old.ips == now.ips && old.node_name == now.node_name &&
         old.host_network == now.host_network && old.phase == now.phase && old.ready == now.ready &&
         before.deleting == after.deleting;
}

void AddTouched(const Store& store, const Object& object, Touched& touched) {
  switch (object.kind()) {
    case Kind::kNamespace:
      break;
    case Kind::kNode:
      touched.dependencies.pods.insert(object.key);
      break;
    case Kind::kPod: {
      const std::vector<IpAddress>& ips = object.spec.Get<Pod>().ips;
      touched.dependencies.pods.insert(object.key);
      touched.dependencies.pod_ips.insert(ips.begin(), ips.end());
      AddTakers(store, object, touched.hosts);
      break;
    }
    case Kind::kService:
      AddOwnHosts(store, object, touched.hosts);
      break;
    case Kind::kServiceEntry:
      AddOwnHosts(store, object, touched.hosts);
      AddNamesWithin(store, object, touched.hosts);
      if (resolve::IsWide(object.spec.Get<ServiceEntry>())) {
        AddBeside(store, object, touched.hosts);
      }
      break;
    case Kind::kWorkloadEntry:
      AddTakers(store, object, touched.hosts);
      break;
    case Kind::kEndpointSlice: {
      const std::string& service = object.spec.Get<EndpointSlice>().service;
      if (!service.empty()) {
        touched.hosts.insert(ServiceHost(object.key.ns, service, store.domain()));
      }
      break;
    }
    case Kind::kSidecar:
      touched.dependencies.sidecars = true;
      break;
    case Kind::kVirtualService:
      for (const ObjectPtr& root : store.DelegatingTo(object.key.ns, object.key.name)) {
        AddNamed(store, *root, touched.hosts);
      }
      AddNamed(store, object, touched.hosts);
      AddBesideWide(store, touched.hosts);
      break;
    case Kind::kDestinationRule:
      AddNamed(store, object, touched.hosts);
      AddBesideWide(store, touched.hosts);
      break;
  }
}

// Whether a rule is about the host. A wildcard alone does not make a host: it must be in the
// registry, or be named.
bool IsNamed(const Store& store, const HostName& host, bool registered) {
  const auto counts = [&](const ObjectPtr& object) {
    const std::vector<HostName> named = NamedHosts(store, *object);
    return registered || (!IsWildcard(host) && std::ranges::find(named, host) != named.end());
  };
  return std::ranges::any_of(store.VirtualServicesFor(host), counts) ||
         std::ranges::any_of(store.DestinationRulesFor(host), counts);
}

// Whether a wide entry with rules would take the connections of this Service or ServiceEntry.
bool IsCovered(const Store& store, const Object& object) {
  return std::ranges::any_of(store.List(Kind::kServiceEntry), [&](const ObjectPtr& wide) {
    const auto& entry = wide->spec.Get<ServiceEntry>();
    return resolve::IsWide(entry) && SharesPort(*wide, object) &&
           std::ranges::any_of(entry.hosts, [&store](const std::string& host) {
             return IsNamed(store, PlainHost(host), true);
           });
  });
}

}  // namespace

std::set<HostName> WiderHosts(const Store& store, const HostName& host) {
  std::set<HostName> hosts;
  for (const ObjectPtr& entry : store.ServiceEntriesCovering(host)) {
    for (const std::string& written : entry->spec.Get<ServiceEntry>().hosts) {
      if (HostName own = PlainHost(written); HostCovers(own, host)) {
        hosts.insert(std::move(own));
      }
    }
  }
  return hosts;
}

bool Intersect(const Dependencies& left, const Dependencies& right) {
  const auto meet = [](const auto& some, const auto& others) {
    const auto& fewer = some.size() < others.size() ? some : others;
    const auto& more = some.size() < others.size() ? others : some;
    return std::ranges::any_of(fewer, [&more](const auto& each) { return more.contains(each); });
  };
  return meet(left.hosts, right.hosts) || meet(left.pods, right.pods) ||
         meet(left.pod_ips, right.pod_ips) || meet(left.names, right.names) ||
         (left.sidecars && right.sidecars);
}

std::vector<HostName> HostsWithRules(const Store& store, bool all) {
  std::set<HostName> hosts = ExactHosts(store);
  std::ranges::copy_if(RegistryHosts(store), std::inserter(hosts, hosts.end()),
                       [&](const HostName& host) { return all || HasRules(store, host, false); });
  return {hosts.begin(), hosts.end()};
}

bool HasRules(const Store& store, const HostName& host, bool all) {
  const ObjectPtr service = resolve::ServiceOf(store, host);
  std::vector<ObjectPtr> own = store.ServiceEntriesFor(host);
  if (service != nullptr) {
    own.push_back(service);
  }
  return (all && !own.empty()) || IsNamed(store, host, !own.empty()) ||
         std::ranges::any_of(own,
                             [&](const ObjectPtr& object) { return IsCovered(store, *object); });
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
  if (change.key.kind == Kind::kNamespace &&
      DistributionOf(change.before) != DistributionOf(change.after)) {
    AddNamespace(store, change.key.name, touched.hosts);
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
