// SPDX-License-Identifier: Apache-2.0
// The rules of a VirtualService: spec.http, spec.tcp, spec.tls.
#include "rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks.h"
#include "document.h"
#include "fields.h"
#include "schema.h"
#include "supported.h"
#include "syntax.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

// What a field of http holds that needs the request: its type, as CheckMessage() names it.
struct RequestField {
  std::string_view field;
  std::string_view message;
};

// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr auto kRequestFields = std::to_array<RequestField>({
    {"redirect", "HTTPRedirect"},
    {"directResponse", "HTTPDirectResponse"},
    {"rewrite", "HTTPRewrite"},
    {"retries", "HTTPRetry"},
    {"fault", "HTTPFaultInjection"},
    {"mirror", "Destination"},
    {"mirrors", "*HTTPMirrorPolicy"},
    {"mirrorPercentage", "Percent"},
    {"mirrorPercent", "uint32"},
    {"mirror_percent", "uint32"},
    {"timeout", "duration"},
    {"corsPolicy", "CorsPolicy"},
});
// NOLINTEND(modernize-use-designated-initializers)

void NeedsRequest(const At& at, Rule& out) {
  out.request_fields.emplace_back(at.name());
  const auto* const found = std::ranges::find(kRequestFields, at.name(), &RequestField::field);
  if (found != kRequestFields.end()) {
    CheckMessage(at, found->message);
  }
}

void ReadHeaderChange(const At& at, Rule& out) {
  out.request_fields.emplace_back(at.name());
  CheckMessage(at, "Headers");
}

void CheckHeaderChange(const At& at, RouteDestination& /*out*/) {
  CheckMessage(at, "Headers");
}

// ---- match -------------------------------------------------------------------------------------

StringMatch StringMatchOf(const Node& node) {
  using Kind = StringMatch::Kind;
  constexpr auto kKinds = std::to_array<std::pair<std::string_view, Kind>>(
      {{"exact", Kind::kExact}, {"prefix", Kind::kPrefix}, {"regex", Kind::kRegex}});
  for (const auto& [field, kind] : kKinds) {
    if (const std::string_view text = TextOf(node, field); !text.empty()) {
      return {.kind = kind, .text = std::string(text)};
    }
  }
  return {};
}

void ReadStringMatch(const At& at, Match& out) {
  CheckMessage(at, "StringMatch");
  const bool is_any = at.name() == "uri" && MatchesEveryUri(at.node());
  if (!is_any) {
    out.request_fields.emplace_back(at.name());
  }
  out.request.emplace(std::pair(at.name(), ""), StringMatchOf(at.node()));
}

// By the names of headers or query parameters.
void ReadStringMatches(const At& at, Match& out) {
  CheckMessage(at, "%StringMatch");
  if (at.node().kind != Node::Kind::kMap || at.node().count == 0) {
    return;
  }
  out.request_fields.emplace_back(at.name());
  for (const Node* entry = at.node().first; entry != nullptr; entry = entry->next) {
    out.request.emplace(std::pair(at.name(), entry->key), StringMatchOf(*entry));
  }
}

void ReadNamespaceName(const At& at, std::string& out) {
  ReadString(at, out);
  if (!out.empty() && !IsHostLabel(out)) {
    at.NotAllowed("the name of a namespace is allowed");
  }
}

// 0 is as if it were not there.
void ReadMatchPort(const At& at, std::optional<std::uint16_t>& out) {
  if (at.node().kind != Node::Kind::kInteger || WholeNumber(at.node()) != 0) {
    ReadPort(at, out.emplace());
  }
}

void ReadSubnet(const At& at, std::string& out) {
  ReadString(at, out);
  if (at.node().kind == Node::Kind::kString && !ParseIpPrefix(out)) {
    at.NotAllowed("an IP address, or a subnet such as 10.0.0.0/8, is allowed");
  }
}

constexpr auto kHttpMatchFields = std::to_array<Field<Match>>({
    {"name", Into<&Match::name, ReadString>},
    {"statPrefix", nullptr},
    {"port", Into<&Match::port, ReadMatchPort>},
    {"gateways", Into<&Match::gateways, ReadGateways>},
    {"sourceLabels", Into<&Match::source_labels, ReadSelectorLabels>},
    {"sourceNamespace", Into<&Match::source_namespace, ReadNamespaceName>},
    {"uri", ReadStringMatch},
    {"ignoreUriCase", Into<&Match::ignore_uri_case, ReadBool>},
    {"scheme", ReadStringMatch},
    {"method", ReadStringMatch},
    {"authority", ReadStringMatch},
    {"headers", ReadStringMatches},
    {"withoutHeaders", ReadStringMatches},
    {"queryParams", ReadStringMatches},
});
constexpr Shape<Match> kHttpMatch = {"HTTPMatchRequest", kHttpMatchFields, ""};

constexpr auto kTcpMatchFields = std::to_array<Field<Match>>({
    {"destinationSubnets", Into<&Match::destination_subnets, List<std::string, ReadSubnet>>},
    {"port", Into<&Match::port, ReadMatchPort>},
    {"sourceSubnet", nullptr},  // Istio does not read it either
    {"sourceLabels", Into<&Match::source_labels, ReadSelectorLabels>},
    {"gateways", Into<&Match::gateways, ReadGateways>},
    {"sourceNamespace", Into<&Match::source_namespace, ReadString>},
});
constexpr Shape<Match> kTcpMatch = {"L4MatchAttributes", kTcpMatchFields, ""};

constexpr auto kTlsMatchFields = std::to_array<Field<Match>>({
    {"sniHosts", Into<&Match::sni_hosts, List<std::string, ReadString>>},
    {"destinationSubnets", Into<&Match::destination_subnets, List<std::string, ReadSubnet>>},
    {"port", Into<&Match::port, ReadMatchPort>},
    {"sourceLabels", Into<&Match::source_labels, ReadSelectorLabels>},
    {"gateways", Into<&Match::gateways, ReadGateways>},
    {"sourceNamespace", Into<&Match::source_namespace, ReadString>},
});
constexpr Shape<Match> kTlsMatch = {"TLSMatchAttributes", kTlsMatchFields, ""};

void ReadTlsMatch(const At& at, Match& out) {
  ReadMap(at, kTlsMatch, out);
  const Node& node = at.node();
  if (node.kind == Node::Kind::kMap && !Has(node, "sniHosts")) {
    at.Missing("sniHosts");
  }
}

template <const Shape<Match>& shape>
void ReadMatch(const At& at, Match& out) {
  ReadMap(at, shape, out);
}

// ---- route -------------------------------------------------------------------------------------

void ReadDestinationHost(const At& at, std::string& out) {
  ReadString(at, out);
  if (at.node().kind == Node::Kind::kString && (out == "*" || !IsWildcardDomain(out))) {
    at.NotAllowed("the name of a service is allowed");
  }
}

void ReadSubsetName(const At& at, std::string& out) {
  ReadString(at, out);
  if (!out.empty() && !IsHostLabel(out)) {
    at.NotAllowed("a DNS label (letters, digits, -) is allowed");
  }
}

constexpr auto kPortFields = std::to_array<Field<std::uint16_t>>({{"number", ReadPort}});
constexpr Shape<std::uint16_t> kPort = {"PortSelector", kPortFields, ""};

void ReadPortSelector(const At& at, std::optional<std::uint16_t>& out) {
  ReadMap(at, kPort, out.emplace());
  RequireField(at, "number");
}

constexpr auto kDestinationFields = std::to_array<Field<RouteDestination>>({
    {"host", Into<&RouteDestination::host, ReadDestinationHost>},
    {"subset", Into<&RouteDestination::subset, ReadSubsetName>},
    {"port", Into<&RouteDestination::port, ReadPortSelector>},
});
constexpr Shape<RouteDestination> kDestination = {"Destination", kDestinationFields, ""};

void ReadDestination(const At& at, RouteDestination& out) {
  ReadMap(at, kDestination, out);
  RequireField(at, "host");
}

constexpr auto kHttpRouteFields = std::to_array<Field<RouteDestination>>({
    {"destination", ReadDestination},
    {"weight", Into<&RouteDestination::weight, ReadInt32>},
    {"headers", CheckHeaderChange},
});
constexpr Shape<RouteDestination> kHttpRoute = {"HTTPRouteDestination", kHttpRouteFields, ""};

constexpr auto kTcpRouteFields = std::to_array<Field<RouteDestination>>({
    {"destination", ReadDestination},
    {"weight", Into<&RouteDestination::weight, ReadInt32>},
});
constexpr Shape<RouteDestination> kTcpRoute = {"RouteDestination", kTcpRouteFields, ""};

template <const Shape<RouteDestination>& shape>
void ReadRoute(const At& at, RouteDestination& out) {
  ReadMap(at, shape, out);
  RequireField(at, "destination");
}

template <const Shape<RouteDestination>& shape>
void ReadRoutes(const At& at, std::vector<RouteDestination>& out) {
  const std::size_t errors_before = at.report().errors;
  List<RouteDestination, ReadRoute<shape>>(at, out);
  const bool clean = at.report().errors == errors_before;
  std::uint64_t sum = 0;
  for (const RouteDestination& route : out) {
    sum += static_cast<std::uint64_t>(route.weight);
  }
  if (out.size() > 1 && sum == 0 && clean) {
    at.Error("found only weights of 0, at least one of several destinations needs a weight");
  }
  if (sum > std::numeric_limits<std::uint32_t>::max()) {
    at.Error(fmt::format("found weights that add up to {}, at most {} is allowed", sum,
                         std::numeric_limits<std::uint32_t>::max()));
  }
}

// ---- rules -------------------------------------------------------------------------------------

constexpr auto kDelegateFields = std::to_array<Field<Delegate>>({
    {"name", Into<&Delegate::name, ReadString>},
    {"namespace", Into<&Delegate::ns, ReadString>},
});
constexpr Shape<Delegate> kDelegate = {"Delegate", kDelegateFields, ""};

void ReadDelegate(const At& at, Delegate& out) {
  ReadMap(at, kDelegate, out);
}

constexpr auto kHttpFields = std::to_array<Field<Rule>>({
    {"name", Into<&Rule::name, ReadString>},
    {"match", Into<&Rule::matches, List<Match, ReadMatch<kHttpMatch>>>},
    {"route", Into<&Rule::routes, ReadRoutes<kHttpRoute>>},
    {"delegate", Into<&Rule::delegate, Optional<Delegate, ReadDelegate>>},
    {"redirect", NeedsRequest},
    {"directResponse", NeedsRequest},
    {"rewrite", NeedsRequest},
    {"timeout", NeedsRequest},
    {"retries", NeedsRequest},
    {"fault", NeedsRequest},
    {"mirror", NeedsRequest},
    {"mirrors", NeedsRequest},
    {"mirrorPercent", NeedsRequest},
    {"mirror_percent", NeedsRequest},  // as the proto has it, an alias in the CRD
    {"mirrorPercentage", NeedsRequest},
    {"corsPolicy", NeedsRequest},
    {"headers", ReadHeaderChange},
});
constexpr Shape<Rule> kHttp = {"HTTPRoute", kHttpFields, ""};

constexpr auto kTcpFields = std::to_array<Field<Rule>>({
    {"match", Into<&Rule::matches, List<Match, ReadMatch<kTcpMatch>>>},
    {"route", Into<&Rule::routes, ReadRoutes<kTcpRoute>>},
});
constexpr Shape<Rule> kTcp = {"TCPRoute", kTcpFields, ""};

constexpr auto kTlsFields = std::to_array<Field<Rule>>({
    {"match", Into<&Rule::matches, List<Match, ReadTlsMatch>>},
    {"route", Into<&Rule::routes, ReadRoutes<kTcpRoute>>},
});
constexpr Shape<Rule> kTls = {"TLSRoute", kTlsFields, ""};

void Require(const At& at, std::string_view list) {
  if (at.node().kind == Node::Kind::kMap && !Has(at.node(), list)) {
    at.Missing(list);
  }
}

void ReadTcpRule(const At& at, Rule& out) {
  ReadMap(at, kTcp, out);
  Require(at, "route");
}

void ReadTlsRule(const At& at, Rule& out) {
  ReadMap(at, kTls, out);
  Require(at, "match");
  Require(at, "route");
}

}  // namespace

bool Has(const Node& node, std::string_view field) {
  const Node* found = node.Find(field);
  return found != nullptr && !found->is_null() &&
         (found->kind != Node::Kind::kList || found->count > 0);
}

void ReadGateways(const At& at, std::vector<std::string>& out) {
  List<std::string, ReadString>(at, out);
  CheckGateways(at);
}

void ReadHttpRules(const At& at, std::vector<Rule>& out) {
  List<Rule, Message<Rule, kHttp>>(at, out);
}

void ReadTcpRules(const At& at, std::vector<Rule>& out) {
  List<Rule, ReadTcpRule>(at, out);
}

void ReadTlsRules(const At& at, std::vector<Rule>& out) {
  List<Rule, ReadTlsRule>(at, out);
}

}  // namespace vsplit::parse
