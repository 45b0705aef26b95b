// SPDX-License-Identifier: Apache-2.0
// R9: what a client sees. exportTo leaves an object to some namespaces, and the client's Sidecar
// leaves it some of the hosts that it could see (model/push_context.go, model/sidecar.go).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {

struct RegistryService;

// Whether exportTo leaves an object to everybody: it is empty, or has "*".
bool IsPublic(const std::vector<std::string>& export_to);

// Whether the client sees an object of this namespace. Asks the client only if not everybody does.
bool IsExportedTo(const Scene& scene, const std::string& owner,
                  const std::vector<std::string>& export_to);

// What one client's Sidecar lets it see. Without a Sidecar that is everything.
class Sight {
 public:
  explicit Sight(const Scene& scene);

  // Whether a service of this namespace is seen on any port.
  bool Sees(const std::string& ns, const HostName& host) const;
  // Whether it is seen when it is dialled on this port. `http`: the port declares http, for which
  // the first listener for the port hides what later ones import.
  bool SeesPort(const RegistryService& service, std::uint16_t port, bool http) const;
  // Whether a VirtualService with these hosts counts there: the listener that imports the service
  // has it too. Unlike services also one that is wider than what the Sidecar imports.
  bool SeesRules(const std::string& ns, const std::vector<HostName>& hosts,
                 const RegistryService& service, std::uint16_t port, bool http) const;
  // Why something is not seen: the Sidecar by name.
  std::string name() const;
  // Its outboundTrafficPolicy is REGISTRY_ONLY; without a word from it, as the mesh.
  bool registry_only() const { return registry_only_; }

 private:
  struct Import {
    std::string ns;  // "*": any
    HostName host;
    bool excludes = false;
  };
  struct Listener {
    std::optional<std::uint16_t> port;
    std::vector<Import> imports;
  };
  // The listener by which a service is dialled; null: none imports it.
  const Listener* ListenerOf(const RegistryService& service, std::uint16_t port, bool http) const;
  static bool Excluded(const Listener& listener, const std::string& ns, const HostName& host);
  static bool Imports(const Listener& listener, const std::string& ns, const HostName& host);
  static bool ImportsRules(const Listener& listener, const std::string& ns, const HostName& host);

  ObjectPtr sidecar_;  // null: none
  std::vector<Listener> listeners_;
  bool registry_only_ = false;
};

// What connections to what a client does not see become under REGISTRY_ONLY: refused.
ResolvedCluster BlackHole(const std::string& why);

}  // namespace vsplit::resolve
