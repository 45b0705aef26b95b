// SPDX-License-Identifier: Apache-2.0
#include "visibility.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client.h"
#include "registry.h"
#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

constexpr std::string_view kAny = "*";

const Sidecar& SpecOf(const ObjectPtr& object) {
  return object->spec.Get<Sidecar>();
}

// The Sidecars of a namespace in the order in which they are tried: those with a selector, then
// those without, the older ones first.
std::vector<ObjectPtr> SidecarsOf(const Scene& scene, const std::string& ns) {
  std::vector<ObjectPtr> sidecars = scene.store.List(Kind::kSidecar, ns);
  SortByPrecedence(sidecars);
  std::ranges::stable_sort(sidecars, std::ranges::greater{}, [](const ObjectPtr& object) {
    return SpecOf(object).workload_selector.has_value();
  });
  return sidecars;
}

// The one that holds for the client, or null. The root namespace has one for all clients that
// have none of their own.
ObjectPtr SidecarFor(const Scene& scene) {
  if (scene.store.Count(Kind::kSidecar) == 0) {
    return nullptr;
  }
  std::string ns;
  for (const ObjectPtr& object : scene.store.List(Kind::kSidecar)) {
    if (object->key.ns != ns && IsInNamespace(scene, object->key.ns)) {
      break;
    }
    ns = object->key.ns;
  }
  for (const ObjectPtr& object : SidecarsOf(scene, scene.client.ns)) {
    const std::optional<Labels>& selector = SpecOf(object).workload_selector;
    if (!selector || IsSelected(scene, *selector)) {
      return object;
    }
  }
  for (const ObjectPtr& object : SidecarsOf(scene, scene.options.root_namespace)) {
    if (!SpecOf(object).workload_selector) {
      return object;
    }
  }
  return nullptr;
}

}  // namespace

bool IsPublic(const std::vector<std::string>& export_to) {
  return export_to.empty() || std::ranges::find(export_to, kAny) != export_to.end();
}

bool IsExportedTo(const Scene& scene, const std::string& owner,
                  const std::vector<std::string>& export_to) {
  if (IsPublic(export_to)) {
    return true;
  }
  return std::ranges::find(export_to, "~") == export_to.end() &&
         std::ranges::any_of(export_to, [&](const std::string& word) {
           return IsInNamespace(scene, word == "." ? owner : word);
         });
}

Sight::Sight(const Scene& scene)
    : sidecar_(SidecarFor(scene)), registry_only_(scene.options.registry_only) {
  scene.dependencies.sidecars = true;
  if (sidecar_ == nullptr) {
    return;
  }
  const Sidecar& spec = SpecOf(sidecar_);
  if (!spec.outbound_traffic_policy.empty()) {
    registry_only_ = spec.outbound_traffic_policy == "REGISTRY_ONLY";
  }
  for (const SidecarEgress& egress : spec.egress) {
    Listener& listener = listeners_.emplace_back(Listener{.port = egress.port, .imports = {}});
    for (const std::string& text : egress.hosts) {
      const std::size_t slash = text.find('/');
      if (slash == std::string::npos) {
        continue;
      }
      Import import{.ns = text.substr(0, slash), .host = text.substr(slash + 1)};
      import.excludes = import.ns.starts_with('~');
      import.ns.erase(0, import.excludes ? 1 : 0);
      if (import.excludes && import.ns.empty()) {
        import.ns = std::string(kAny);
      }
      import.ns = import.ns == "." ? NamespaceOf(scene) : import.ns;
      listener.imports.push_back(std::move(import));
    }
  }
}

// For http the first one for the port is the only one; one without a port is for all.
const Sight::Listener* Sight::ListenerOf(const RegistryService& service, std::uint16_t port,
                                         bool http) const {
  for (const Listener& listener : listeners_) {
    const bool imports = Imports(listener, service.ns, service.host);
    if (listener.port.value_or(port) == port && (http || imports)) {
      return imports ? &listener : nullptr;
    }
  }
  return nullptr;
}

bool Sight::Excluded(const Listener& listener, const std::string& ns, const HostName& host) {
  return std::ranges::any_of(listener.imports, [&](const Import& import) {
    return import.excludes && (import.ns == ns || import.ns == kAny) &&
           HostCovers(import.host, host);
  });
}

bool Sight::Imports(const Listener& listener, const std::string& ns, const HostName& host) {
  const auto imports = [&](const Import& import) {
    return !import.excludes && (import.ns == ns || import.ns == kAny) &&
           HostCovers(import.host, host);
  };
  return std::ranges::any_of(listener.imports, imports) && !Excluded(listener, ns, host);
}

bool Sight::Sees(const std::string& ns, const HostName& host) const {
  return listeners_.empty() || std::ranges::any_of(listeners_, [&](const Listener& listener) {
           return Imports(listener, ns, host);
         });
}

bool Sight::SeesPort(const RegistryService& service, std::uint16_t port, bool http) const {
  return listeners_.empty() || ListenerOf(service, port, http) != nullptr;
}

bool Sight::SeesRules(const std::string& ns, const std::vector<HostName>& hosts,
                      const RegistryService& service, std::uint16_t port, bool http) const {
  if (listeners_.empty()) {
    return true;
  }
  const Listener* listener = ListenerOf(service, port, http);
  return listener != nullptr && std::ranges::any_of(hosts, [&](const HostName& host) {
           return ImportsRules(*listener, ns, host);
         });
}

bool Sight::ImportsRules(const Listener& listener, const std::string& ns, const HostName& host) {
  const auto meets = [&](const Import& import) {
    return !import.excludes && (import.ns == ns || import.ns == kAny) &&
           HostsOverlap(import.host, host);
  };
  return !Excluded(listener, ns, host) && std::ranges::any_of(listener.imports, meets);
}

std::string Sight::name() const {
  return sidecar_ == nullptr ? "" : ToString(sidecar_->key);
}

ResolvedCluster BlackHole(const std::string& why) {
  return {.name = "BlackHoleCluster", .weight = 1, .broken = "REGISTRY_ONLY: " + why};
}

}  // namespace vsplit::resolve
