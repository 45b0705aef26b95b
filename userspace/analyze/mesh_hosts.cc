// SPDX-License-Identifier: Apache-2.0
// IST0109: VirtualServices of the mesh with one host.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "findings.h"
#include "registry.h"
#include "vsplit/address.h"
#include "vsplit/analyze.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::analyze {
namespace {

// By the namespaces that see them, or kEverywhere, and their host.
using Claims = std::map<std::pair<std::string, HostName>, std::set<ObjectKey>>;

bool IsOfMesh(const VirtualService& service) {
  return service.gateways.empty() ||
         std::ranges::find(service.gateways, "mesh") != service.gateways.end();
}

Claims ClaimsOf(const Store& store) {
  Claims claims;
  for (const ObjectPtr& object : store.List(Kind::kVirtualService)) {
    const auto& service = object->spec.Get<VirtualService>();
    if (!IsOfMesh(service)) {
      continue;
    }
    for (const std::string& scope : ScopesOf(service.export_to, object->key.ns)) {
      for (const std::string& host : service.hosts) {
        claims[{scope, QualifyHost(host, object->key.ns, store.domain())}].insert(object->key);
      }
    }
  }
  return claims;
}

// Those that everybody sees and that meet a host which some namespaces see only.
void AddPublic(const Claims& claims, const HostName& host, std::set<ObjectKey>& services) {
  for (const auto& [key, others] : claims) {
    if (key.first == kEverywhere && HostsOverlap(key.second, host)) {
      services.insert(others.begin(), others.end());
    }
  }
}

}  // namespace

void CheckMeshHosts(const Store& store, Findings& out) {
  const Claims claims = ClaimsOf(store);
  std::set<ObjectKey> reported;  // once, however many hosts it shares
  for (const auto& [key, claimants] : claims) {
    std::set<ObjectKey> services = claimants;
    if (key.first != kEverywhere) {
      AddPublic(claims, key.second, services);
    }
    if (services.size() < 2) {
      continue;
    }
    const std::string names = ListOf(services, ",");
    for (const ObjectKey& service : services) {
      if (reported.insert(service).second) {
        out.push_back({.code = "IST0109",
                       .level = Finding::Level::kError,
                       .object = ToString(service),
                       .message = fmt::format(
                           "The VirtualServices {} associated with mesh gateway define the same "
                           "host {}/{} which can lead to undefined behavior. This can be fixed by "
                           "merging the conflicting VirtualServices into a single resource.",
                           names, key.first, key.second)});
      }
    }
  }
}

}  // namespace vsplit::analyze
