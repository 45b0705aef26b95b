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
#include <vector>

#include "document.h"
#include "fields.h"
#include "kinds.h"
#include "supported.h"
#include "syntax.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

// What a field of http holds that needs the request: its message by name, "" for plain values.
struct RequestField {
  std::string_view field;
  std::string_view message;
};

// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr auto kRequestFields = std::to_array<RequestField>({
    {"uri", "StringMatch"},
    {"scheme", "StringMatch"},
    {"method", "StringMatch"},
    {"authority", "StringMatch"},
    {"headers", ""},  // of a match: below
    {"withoutHeaders", "%StringMatch"},
    {"queryParams", "%StringMatch"},
    {"redirect", "HTTPRedirect"},
    {"directResponse", "HTTPDirectResponse"},
    {"rewrite", "HTTPRewrite"},
    {"retries", "HTTPRetry"},
    {"fault", "HTTPFaultInjection"},
    {"mirror", "Destination"},
    {"mirrors", "*HTTPMirrorPolicy"},
    {"mirrorPercentage", "Percent"},
    {"corsPolicy", "CorsPolicy"},
});
// NOLINTEND(modernize-use-designated-initializers)

template <class T>
void NeedsRequest(const At& at, T& out) {
  out.request_fields.emplace_back(at.name());
  const auto* const found = std::ranges::find(kRequestFields, at.name(), &RequestField::field);
  if (found != kRequestFields.end() && !found->message.empty()) {
    CheckNames(at, found->message);
  }
}

void ReadHeaderMatch(const At& at, Match& out) {
  out.request_fields.emplace_back(at.name());
  CheckNames(at, "%StringMatch");
}

void ReadHeaderChange(const At& at, Rule& out) {
  out.request_fields.emplace_back(at.name());
  CheckNames(at, "Headers");
}

void CheckHeaderChange(const At& at, RouteDestination& /*out*/) {
  CheckNames(at, "Headers");
}

void ReadUri(const At& at, Match& out) {
  CheckNames(at, "StringMatch");
  if (!MatchesEveryUri(at.node())) {
    out.request_fields.emplace_back(at.name());
  }
}

void ReadIgnoreCase(const At& at, Match& out) {
  bool ignore = false;
  ReadBool(at, ignore);
  if (ignore) {
    out.request_fields.emplace_back(at.name());
  }
}

// ---- match -------------------------------------------------------------------------------------

void ReadNamespaceName(const At& at, std::string& out) {
  ReadString(at, out);
  if (at.node().kind == Node::Kind::kString && !IsDnsLabel(out)) {
    at.NotAllowed("the name of a namespace is allowed");
  }
}

constexpr auto kHttpMatchFields = std::to_array<Field<Match>>({
    {"name", Into<&Match::name, ReadString>},
    {"statPrefix", nullptr},
    {"port", Into<&Match::port, Optional<std::uint16_t, ReadPort>>},
    {"gateways", Into<&Match::gateways, List<std::string, ReadGateway>>},
    {"sourceLabels", Into<&Match::source_labels, ReadSelectorLabels>},
    {"sourceNamespace", Into<&Match::source_namespace, ReadNamespaceName>},
    {"uri", ReadUri},
    {"ignoreUriCase", ReadIgnoreCase},
    {"scheme", NeedsRequest<Match>},
    {"method", NeedsRequest<Match>},
    {"authority", NeedsRequest<Match>},
    {"headers", ReadHeaderMatch},
    {"withoutHeaders", NeedsRequest<Match>},
    {"queryParams", NeedsRequest<Match>},
});
constexpr Shape<Match> kHttpMatch = {"HTTPMatchRequest", kHttpMatchFields, ""};

constexpr auto kTcpMatchFields = std::to_array<Field<Match>>({
    {"destinationSubnets", Into<&Match::destination_subnets, List<std::string, ReadString>>},
    {"port", Into<&Match::port, Optional<std::uint16_t, ReadPort>>},
    {"sourceSubnet", nullptr},  // Istio does not read it either
    {"sourceLabels", Into<&Match::source_labels, ReadSelectorLabels>},
    {"gateways", Into<&Match::gateways, List<std::string, ReadGateway>>},
    {"sourceNamespace", Into<&Match::source_namespace, ReadNamespaceName>},
});
constexpr Shape<Match> kTcpMatch = {"L4MatchAttributes", kTcpMatchFields, ""};

constexpr auto kTlsMatchFields = std::to_array<Field<Match>>({
    {"sniHosts", Into<&Match::sni_hosts, List<std::string, ReadString>>},
    {"destinationSubnets", Into<&Match::destination_subnets, List<std::string, ReadString>>},
    {"port", Into<&Match::port, Optional<std::uint16_t, ReadPort>>},
    {"sourceLabels", Into<&Match::source_labels, ReadSelectorLabels>},
    {"gateways", Into<&Match::gateways, List<std::string, ReadGateway>>},
    {"sourceNamespace", Into<&Match::source_namespace, ReadNamespaceName>},
});
constexpr Shape<Match> kTlsMatch = {"TLSMatchAttributes", kTlsMatchFields, ""};

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
  if (!out.empty() && !IsDnsLabel(out)) {
    at.NotAllowed("a DNS label (a-z, 0-9, -) is allowed");
  }
}

constexpr auto kPortFields = std::to_array<Field<std::uint16_t>>({{"number", ReadPort}});
constexpr Shape<std::uint16_t> kPort = {"PortSelector", kPortFields, ""};

void ReadPortSelector(const At& at, std::optional<std::uint16_t>& out) {
  ReadMap(at, kPort, out.emplace());
  if (at.node().kind == Node::Kind::kMap && at.node().Find("number") == nullptr) {
    at.Missing("number");
  }
}

constexpr auto kDestinationFields = std::to_array<Field<RouteDestination>>({
    {"host", Into<&RouteDestination::host, ReadDestinationHost>},
    {"subset", Into<&RouteDestination::subset, ReadSubsetName>},
    {"port", Into<&RouteDestination::port, ReadPortSelector>},
});
constexpr Shape<RouteDestination> kDestination = {"Destination", kDestinationFields, ""};

void ReadDestination(const At& at, RouteDestination& out) {
  ReadMap(at, kDestination, out);
  if (at.node().kind == Node::Kind::kMap && at.node().Find("host") == nullptr) {
    at.Missing("host");
  }
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
  if (at.node().kind == Node::Kind::kMap && at.node().Find("destination") == nullptr) {
    at.Missing("destination");
  }
}

template <const Shape<RouteDestination>& shape>
void ReadRoutes(const At& at, std::vector<RouteDestination>& out) {
  const std::size_t trouble_before = at.report().diagnostics.size();
  List<RouteDestination, ReadRoute<shape>>(at, out);
  const bool clean = at.report().diagnostics.size() == trouble_before;
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
    {"redirect", NeedsRequest<Rule>},
    {"directResponse", NeedsRequest<Rule>},
    {"rewrite", NeedsRequest<Rule>},
    {"timeout", NeedsRequest<Rule>},
    {"retries", NeedsRequest<Rule>},
    {"fault", NeedsRequest<Rule>},
    {"mirror", NeedsRequest<Rule>},
    {"mirrors", NeedsRequest<Rule>},
    {"mirrorPercent", NeedsRequest<Rule>},
    {"mirrorPercentage", NeedsRequest<Rule>},
    {"corsPolicy", NeedsRequest<Rule>},
    {"headers", ReadHeaderChange},
});
constexpr Shape<Rule> kHttp = {"HTTPRoute", kHttpFields, ""};

constexpr auto kTcpFields = std::to_array<Field<Rule>>({
    {"match", Into<&Rule::matches, List<Match, ReadMatch<kTcpMatch>>>},
    {"route", Into<&Rule::routes, ReadRoutes<kTcpRoute>>},
});
constexpr Shape<Rule> kTcp = {"TCPRoute", kTcpFields, ""};

constexpr auto kTlsFields = std::to_array<Field<Rule>>({
    {"match", Into<&Rule::matches, List<Match, ReadMatch<kTlsMatch>>>},
    {"route", Into<&Rule::routes, ReadRoutes<kTcpRoute>>},
});
constexpr Shape<Rule> kTls = {"TLSRoute", kTlsFields, ""};

void ReadHttpRule(const At& at, Rule& out) {
  ReadMap(at, kHttp, out);
  const Node& node = at.node();
  if (node.kind == Node::Kind::kMap && !Has(node, "route") && !Has(node, "redirect") &&
      !Has(node, "directResponse") && !Has(node, "delegate")) {
    at.Missing("route");
  }
}

template <const Shape<Rule>& shape>
void ReadStreamRule(const At& at, Rule& out) {
  ReadMap(at, shape, out);
  if (at.node().kind == Node::Kind::kMap && !Has(at.node(), "route")) {
    at.Missing("route");
  }
}

// Whether a match entry has no condition, so that everything fits it.
bool IsCatchAll(const Match& match) {
  Match named;
  named.name = match.name;
  return match == named;
}

// Warns of rules that none will ever come to.
void CheckReach(const At& at, const std::vector<Rule>& rules) {
  std::optional<std::size_t> catch_all;
  const Node* child = at.node().first;
  for (std::size_t index = 0; index < rules.size(); ++index, child = child->next) {
    if (catch_all) {
      at.Item(*child, index)
          .Warn(fmt::format("never reached, rule [{}] before it matches everything", *catch_all));
    } else if (rules[index].matches.empty() ||
               std::ranges::any_of(rules[index].matches, IsCatchAll)) {
      catch_all = index;
    }
  }
}

}  // namespace

bool Has(const Node& node, std::string_view field) {
  const Node* found = node.Find(field);
  return found != nullptr && !found->is_null() &&
         (found->kind != Node::Kind::kList || found->count > 0);
}

// "mesh", a host name, or namespace/name.
void ReadGateway(const At& at, std::string& out) {
  ReadString(at, out);
  const std::size_t slash = out.find('/');
  const bool valid = slash == std::string::npos
                         ? IsFqdn(out)
                         : IsDnsLabel(out.substr(0, slash)) && IsDnsLabel(out.substr(slash + 1));
  if (at.node().kind == Node::Kind::kString && !valid) {
    at.NotAllowed("\"mesh\" or the name of a gateway as namespace/name is allowed");
  }
}

void ReadHttpRules(const At& at, std::vector<Rule>& out) {
  List<Rule, ReadHttpRule>(at, out);
  CheckReach(at, out);
}

void ReadTcpRules(const At& at, std::vector<Rule>& out) {
  List<Rule, ReadStreamRule<kTcp>>(at, out);
  CheckReach(at, out);
}

void ReadTlsRules(const At& at, std::vector<Rule>& out) {
  List<Rule, ReadStreamRule<kTls>>(at, out);
}

}  // namespace vsplit::parse
