// SPDX-License-Identifier: Apache-2.0
// IST0118, IST0150 of Services; IST0134, IST0177 of ServiceEntries: ports and what they speak.
#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "findings.h"
#include "registry.h"
#include "vsplit/analyze.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::analyze {
namespace {

constexpr const char* kExternalName = "ExternalName";

// Of Istio's own Services, and those that it makes for gateways, nobody chose the ports.
bool IsIstios(const Labels& labels) {
  const auto is = [&labels](const char* key, const char* value) {
    const auto found = labels.find(key);
    return found != labels.end() && found->second == value;
  };
  constexpr const char* kManaged = "gateway.istio.io/managed";
  return labels.contains("istio") || is("release", "istio") ||
         is(kManaged, "istio.io-gateway-controller") || is(kManaged, "istio.io-mesh-controller") ||
         is(kManaged, "istio.io-eastwest-controller");
}

Finding PortName(const ObjectKey& key, const ServicePort& port, bool external) {
  if (external) {
    return {.code = "IST0150",
            .level = Finding::Level::kWarning,
            .object = ToString(key),
            .message =
                "Port name for ExternalName service is invalid. Proxy may prevent tcp named "
                "ports and unmatched traffic for ports serving TCP protocol from being "
                "forwarded correctly"};
  }
  return {.code = "IST0118",
          .level = Finding::Level::kInfo,
          .object = ToString(key),
          .message =
              fmt::format("Port name {} (port: {}, targetPort: {}) doesn't follow the "
                          "naming convention of Istio port.",
                          port.name, port.port, port.target_port.empty() ? "0" : port.target_port)};
}

std::string Upper(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

// Who says what about one port of one host, as one scope sees it.
struct PortClaims {
  std::set<std::string> protocols;
  std::set<ObjectKey> entries;

  void Add(const PortClaims& other) {
    protocols.insert(other.protocols.begin(), other.protocols.end());
    entries.insert(other.entries.begin(), other.entries.end());
  }
};
using PortKey = std::tuple<std::string, std::string, std::uint16_t>;  // scope, host, number

std::map<PortKey, PortClaims> PortClaimsOf(const Store& store) {
  std::map<PortKey, PortClaims> claims;
  for (const ObjectPtr& object : store.List(Kind::kServiceEntry)) {
    const auto& entry = object->spec.Get<ServiceEntry>();
    for (const std::string& scope : ScopesOf(entry.export_to, object->key.ns)) {
      for (const std::string& host : entry.hosts) {
        for (const ServiceEntryPort& port : entry.ports) {
          claims[{scope, host, port.number}].Add({{Upper(port.protocol)}, {object->key}});
        }
      }
    }
  }
  return claims;
}

void CheckAgreement(const Store& store, Findings& out) {
  const std::map<PortKey, PortClaims> all = PortClaimsOf(store);
  std::set<ObjectKey> reported;  // once, however many ports
  for (const auto& [key, own] : all) {
    const auto& [scope, host, number] = key;
    PortClaims claims = own;
    if (const auto everywhere = all.find({kEverywhere, host, number}); everywhere != all.end()) {
      claims.Add(everywhere->second);
    }
    if (claims.protocols.size() < 2) {
      continue;
    }
    const std::string names = ListOf(claims.entries, ", ");
    for (const ObjectKey& entry : claims.entries) {
      if (reported.insert(entry).second) {
        out.push_back({.code = "IST0177",
                       .level = Finding::Level::kWarning,
                       .object = ToString(entry),
                       .message = fmt::format(
                           "Multiple ServiceEntries ({}) define the same host \"{}\" and port {} "
                           "with conflicting protocols ({}).",
                           names, host, number, fmt::join(claims.protocols, ", "))});
      }
    }
  }
}

}  // namespace

void CheckPortNames(const Store& store, Findings& out) {
  for (const ObjectPtr& object : store.List(Kind::kService)) {
    const auto& service = object->spec.Get<Service>();
    if (IsIstios(object->labels)) {
      continue;
    }
    const bool external = service.type == kExternalName;
    for (const ServicePort& port : service.ports) {
      if (DeclaredProtocol(port) == PortProtocol::kUndeclared || (external && port.name == "tcp")) {
        out.push_back(PortName(object->key, port, external));
      }
    }
  }
}

void CheckServiceEntries(const Store& store, Findings& out) {
  for (const ObjectPtr& object : store.List(Kind::kServiceEntry)) {
    const auto& entry = object->spec.Get<ServiceEntry>();
    if (!entry.addresses.empty() || !entry.allocated.empty()) {
      continue;
    }
    for (const ServiceEntryPort& port : entry.ports) {
      if (port.protocol.empty() || Upper(port.protocol) == "TCP") {
        out.push_back({.code = "IST0134",
                       .level = Finding::Level::kWarning,
                       .object = ToString(object->key),
                       .message = "ServiceEntry addresses are required for this protocol."});
      }
    }
  }
  CheckAgreement(store, out);
}

}  // namespace vsplit::analyze
