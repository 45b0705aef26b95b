// SPDX-License-Identifier: Apache-2.0
// VirtualService. Fields: istio/api networking/v1alpha3/virtual_service.proto; checks: Istio's
// pkg/config/validation ValidateVirtualService.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "document.h"
#include "fields.h"
#include "kinds.h"
#include "rules.h"
#include "syntax.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

// ---- the object --------------------------------------------------------------------------------

void ReadHostName(const At& at, std::string& out) {
  ReadString(at, out);
  if (at.node().kind == Node::Kind::kString && !IsWildcardDomain(out) && !ParseIpAddress(out)) {
    at.NotAllowed("a host name, possibly with \"*\" in front, is allowed");
  }
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

// No host may be there twice, or be covered by another one.
void ReadHosts(const At& at, std::vector<std::string>& out) {
  List<std::string, ReadHostName>(at, out);
  std::set<std::string_view> hosts;
  std::set<std::string_view> suffixes;
  for (const std::string& host : out) {
    if (host.starts_with('*')) {
      suffixes.insert(std::string_view(host).substr(1));
    }
  }
  const Node* child = at.node().first;
  for (std::size_t index = 0; index < out.size(); ++index, child = child->next) {
    const At item = at.Item(*child, index);
    if (!hosts.insert(out[index]).second) {
      item.Error(fmt::format("found host \"{}\" twice", out[index]));
    } else if (const auto wildcard = WildcardOver(out[index], suffixes)) {
      item.Error(
          fmt::format(R"(found host "{}", which "{}" covers already)", out[index], *wildcard));
    }
  }
}

constexpr auto kServiceFields = std::to_array<Field<VirtualService>>({
    {"hosts", Into<&VirtualService::hosts, ReadHosts>},
    {"gateways", Into<&VirtualService::gateways, List<std::string, ReadGateway>>},
    {"exportTo", Into<&VirtualService::export_to, List<std::string, ReadString>>},
    {"http", Into<&VirtualService::http, ReadHttpRules>},
    {"tls", Into<&VirtualService::tls, ReadTlsRules>},
    {"tcp", Into<&VirtualService::tcp, ReadTcpRules>},
});
constexpr Shape<VirtualService> kService = {"VirtualService", kServiceFields, ""};

bool AppliesToMesh(const VirtualService& service) {
  return service.gateways.empty() ||
         std::ranges::find(service.gateways, "mesh") != service.gateways.end();
}

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

void ReadSpec(const At& at, VirtualService& out) {
  ReadMap(at, kService, out);
  const Node& node = at.node();
  if (node.kind != Node::Kind::kMap) {
    return;
  }
  if (!Has(node, "hosts")) {
    CheckDelegate(at);
  }
  if (!Has(node, "http") && !Has(node, "tcp") && !Has(node, "tls")) {
    at.Error("found no rules, at least one of http, tcp, tls is required");
  }
  const auto everything = std::ranges::find(out.hosts, "*");
  if (everything != out.hosts.end() && AppliesToMesh(out)) {
    at.report().Add(at.Path("hosts"), node.Find("hosts")->place,
                    "found host \"*\", which is allowed for gateways only");
  }
}

constexpr auto kDocumentFields = std::to_array<Field<VirtualService>>({
    {"spec", ReadSpec},
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
  auto& service = object.spec.emplace<VirtualService>();
  ReadMap(root, Shape<VirtualService>{"", kDocumentFields, kHeaderFields}, service);
  RequireSpec(root);
  CheckPolicy(root, object);
}

}  // namespace vsplit::parse
