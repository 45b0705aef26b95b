// SPDX-License-Identifier: Apache-2.0
// VirtualService. Fields: istio/api networking/v1alpha3/virtual_service.proto; checks: Istio's
// pkg/config/validation ValidateVirtualService.
#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "checks.h"
#include "document.h"
#include "fields.h"
#include "kinds.h"
#include "rules.h"
#include "syntax.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

// ---- hosts -------------------------------------------------------------------------------------

bool AppliesToMesh(const VirtualService& service) {
  return service.gateways.empty() ||
         std::ranges::find(service.gateways, "mesh") != service.gateways.end();
}

bool HasSniHosts(const VirtualService& service) {
  return std::ranges::any_of(service.tls, [](const Rule& rule) {
    return std::ranges::any_of(rule.matches,
                               [](const Match& match) { return !match.sni_hosts.empty(); });
  });
}

// "outbound_.80_._.reviews.prod.svc": what gateways between clusters make of a host.
bool IsOutboundSni(std::string_view host) {
  constexpr std::string_view kOutbound = "outbound_";
  if (!host.starts_with(kOutbound)) {
    return false;
  }
  const std::size_t port = host.find('_', kOutbound.size());
  const std::size_t name = port == std::string_view::npos ? port : host.find('_', port + 1);
  const auto has = [](std::string_view text, auto is) { return std::ranges::any_of(text, is); };
  return name != std::string_view::npos &&
         has(host.substr(kOutbound.size(), port - kOutbound.size()),
             [](unsigned char c) { return std::isdigit(c) != 0; }) &&
         has(host.substr(name), [](unsigned char c) { return std::isalpha(c) != 0; });
}

// Of a VirtualService, or of a TLS match.
bool IsHostPattern(std::string_view host, bool outbound_allowed) {
  return outbound_allowed && host.starts_with("outbound_") ? IsOutboundSni(host)
                                                           : IsWildcardDomain(host);
}

// The wildcard among `suffixes` ("x" stands for "*x") that covers a host; the host itself left out.
std::optional<std::string> WildcardOver(std::string_view host,
                                        const std::set<std::string_view>& suffixes) {
  const bool wildcard = host.starts_with('*');
  const std::string_view name = host.substr(wildcard ? 1 : 0);
  for (std::size_t at = wildcard ? 1 : 0; at <= name.size(); ++at) {
    if (suffixes.contains(name.substr(at))) {
      return fmt::format("*{}", name.substr(at));
    }
  }
  return std::nullopt;
}

// Each is a host name or an IP address; "*" is for gateways.
void CheckHostNames(const At& hosts, const VirtualService& service) {
  const bool mesh = AppliesToMesh(service);
  const bool outbound_allowed = !mesh && HasSniHosts(service);
  EachItem(hosts, [mesh, outbound_allowed](const At& item) {
    const std::string_view host = item.node().text;
    if (item.node().kind != Node::Kind::kString) {
      return;
    }
    if (!IsHostPattern(host, outbound_allowed) && !ParseIpAddress(host)) {
      item.NotAllowed("a host name, possibly with \"*\" in front, is allowed");
    } else if (mesh && host == "*") {
      item.Error("found host \"*\", which is allowed for gateways only");
    }
  });
}

// No host may be there twice, or be covered by another one.
void CheckHostsApart(const At& list) {
  std::set<std::string_view> suffixes;
  EachItem(list, [&suffixes](const At& item) {
    if (item.node().text.starts_with('*')) {
      suffixes.insert(item.node().text.substr(1));
    }
  });
  std::set<std::string_view> hosts;
  EachItem(list, [&](const At& item) {
    const std::string_view host = item.node().text;
    if (!hosts.insert(host).second) {
      item.Error(fmt::format("found host \"{}\" twice", host));
    } else if (const auto wildcard = WildcardOver(host, suffixes)) {
      item.Error(fmt::format(R"(found host "{}", which "{}" covers already)", host, *wildcard));
    }
  });
}

constexpr auto kServiceFields = std::to_array<Field<VirtualService>>({
    {"hosts", Into<&VirtualService::hosts, List<std::string, ReadString>>},
    {"gateways", Into<&VirtualService::gateways, ReadGateways>},
    {"exportTo", Into<&VirtualService::export_to, List<std::string, ReadString>>},
    {"http", Into<&VirtualService::http, ReadHttpRules>},
    {"tls", Into<&VirtualService::tls, ReadTlsRules>},
    {"tcp", Into<&VirtualService::tcp, ReadTcpRules>},
});
constexpr Shape<VirtualService> kService = {"VirtualService", kServiceFields, ""};

// Without hosts it is what others delegate to.
void CheckDelegate(const At& at) {
  for (const std::string_view field : {"gateways", "tls", "tcp"}) {
    if (Has(at.node(), field)) {
      at.Field(*at.node().Find(field))
          .ErrorAtKey(
              "not allowed without hosts: others delegate to this VirtualService, which may "
              "hold http rules only");
    }
  }
}

// ---- tls ---------------------------------------------------------------------------------------

void CheckSniHost(const At& item, const VirtualService& service) {
  const std::string_view sni = item.node().text;
  if (item.node().kind != Node::Kind::kString) {
    return;
  }
  if (ParseIpAddress(sni)) {
    item.Warn(fmt::format("found {}, clients send names and no addresses as SNI", item.Found()));
  } else if (!IsHostPattern(sni, !AppliesToMesh(service))) {
    item.NotAllowed("a host name, possibly with \"*\" in front, is allowed");
  } else if (std::ranges::none_of(
                 service.hosts, [sni](const std::string& host) { return HostCovers(host, sni); })) {
    item.NotAllowed(
        fmt::format("names that the hosts cover are allowed: {}", fmt::join(service.hosts, ", ")));
  }
}

void CheckTlsRules(const At& spec, const VirtualService& service) {
  EachItemOf(spec, "tls", [&service](const At& rule) {
    EachItemOf(rule, "match", [&service](const At& match) {
      EachItemOf(match, "sniHosts", [&service](const At& item) { CheckSniHost(item, service); });
    });
  });
}

// ---- http --------------------------------------------------------------------------------------

// Claims of a token are known to gateways only.
void CheckClaims(const At& rule, const VirtualService& service) {
  if (!AppliesToMesh(service)) {
    return;
  }
  EachItemOf(rule, "match", [](const At& match) {
    for (const std::string_view field : {"headers", "withoutHeaders"}) {
      EachEntryOf(match, field, [](const At& entry) {
        if (IsClaim(entry.name())) {
          entry.ErrorAtKey("claims are allowed in VirtualServices for gateways only");
        }
      });
    }
  });
}

void CheckSpec(const At& at, const Object& object) {
  const auto& service = object.spec.Get<VirtualService>();
  const Node& node = at.node();
  if (node.kind != Node::Kind::kMap) {
    return;
  }
  const bool in_delegate = !Has(node, "hosts");
  if (in_delegate) {
    CheckDelegate(at);
  }
  if (!Has(node, "http") && !Has(node, "tcp") && !Has(node, "tls")) {
    at.Error("found no rules, at least one of http, tcp, tls is required");
  }
  WithField(at, "hosts", [&service](const At& hosts) {
    CheckHostNames(hosts, service);
    CheckHostsApart(hosts);
  });
  EachItemOf(at, "http", [&service, in_delegate](const At& rule) {
    CheckHttpRule(rule, in_delegate);
    CheckClaims(rule, service);
  });
  CheckTlsRules(at, service);
  CheckExportTo(at, object.key.ns, Exported::kRule);
  for (const std::string_view list : {"http", "tls", "tcp"}) {
    CheckReach(at, list);
  }
}

constexpr auto kDocumentFields = std::to_array<Field<VirtualService>>({
    {"spec", Message<VirtualService, kService>},
    {"status", nullptr},
});

void CheckPolicy(const At& root, const Object& object) {
  constexpr std::string_view kPolicy = "vsplit.io/policy";
  const auto policy = object.annotations.find(std::string(kPolicy));
  if (policy == object.annotations.end() || policy->second == "exact" ||
      policy->second == "random") {
    return;
  }
  const Node* metadata = root.node().Find("metadata");
  const Node* annotations = metadata->Find("annotations");
  const Node* value = annotations->Find(kPolicy);
  root.Field(*metadata).Field(*annotations).Entry(*value).NotAllowed("allowed are exact, random");
}

}  // namespace

void ReadVirtualService(const At& root, Object& object) {
  auto& service = object.spec.Emplace<VirtualService>();
  ReadMap(root, Shape<VirtualService>{"", kDocumentFields, kHeaderFields}, service);
  RequireSpec(root);
  WithField(root, "spec", [&object](const At& spec) { CheckSpec(spec, object); });
  CheckPolicy(root, object);
}

}  // namespace vsplit::parse
