// SPDX-License-Identifier: Apache-2.0
// What is known and refused for now, by message and field of the API, with the reason. A line taken
// out here lets the field through: it is read into the typed object already.
#include "supported.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "document.h"
#include "fields.h"

namespace vsplit::parse {

namespace {

constexpr std::string_view kRequest = "it needs the request, which connect() does not see";
constexpr std::string_view kSource = "rules that depend on who connects are not enforced";
constexpr std::string_view kVisibility = "rules are visible in all namespaces";
constexpr std::string_view kTls = "connections are split as they are, without TLS";
constexpr std::string_view kLocality = "endpoints are chosen without regard to where they are";
constexpr std::string_view kLimits = "limits on connections are not enforced";
constexpr std::string_view kHealth = "endpoints are not ejected";

bool IsText(const Node& value, std::string_view text) {
  return value.kind == Node::Kind::kString && value.text == text;
}

bool IsFalse(const Node& value) {
  return value.kind == Node::Kind::kBool && value.text == "false";
}

bool IsEmpty(const Node& value) {
  const bool holds = value.kind == Node::Kind::kList || value.kind == Node::Kind::kMap;
  return holds && value.count == 0;
}

bool IsEverywhere(const Node& value) {
  return IsEmpty(value) || (value.count == 1 && IsText(*value.first, "*")) || IsText(value, "*");
}

bool IsOnlyMesh(const Node& value) {
  return IsEmpty(value) || (value.count == 1 && IsText(*value.first, "mesh"));
}

bool IsCluster(const Node& value) {
  return !IsText(value, "Local");
}

bool IsNotPassthrough(const Node& value) {
  return !IsText(value, "PASSTHROUGH");
}

bool IsNotEnabled(const Node& value) {
  const Node* enabled = value.Find("enabled");
  return enabled != nullptr && IsFalse(*enabled);
}

bool IsPlain(const Node& value) {
  const Node* mode = value.Find("mode");
  return mode == nullptr || mode->is_null() || IsText(*mode, "DISABLE");
}

// By message; the order within one message is free.
// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr auto kRefusals = std::to_array<Refusal>({
    {"DestinationRule", "exportTo", IsEverywhere, kVisibility},
    {"DestinationRule", "workloadSelector", nullptr, kSource},

    {"HTTPMatchRequest", "authority", nullptr, kRequest},
    {"HTTPMatchRequest", "gateways", IsOnlyMesh, kSource},
    {"HTTPMatchRequest", "headers", IsEmpty, kRequest},
    {"HTTPMatchRequest", "ignoreUriCase", IsFalse, kRequest},
    {"HTTPMatchRequest", "method", nullptr, kRequest},
    {"HTTPMatchRequest", "queryParams", IsEmpty, kRequest},
    {"HTTPMatchRequest", "scheme", nullptr, kRequest},
    {"HTTPMatchRequest", "sourceLabels", IsEmpty, kSource},
    {"HTTPMatchRequest", "sourceNamespace", nullptr, kSource},
    {"HTTPMatchRequest", "uri", MatchesEveryUri, kRequest},
    {"HTTPMatchRequest", "withoutHeaders", IsEmpty, kRequest},

    {"HTTPRoute", "corsPolicy", nullptr, kRequest},
    {"HTTPRoute", "delegate", nullptr, "delegates are not resolved"},
    {"HTTPRoute", "directResponse", nullptr, kRequest},
    {"HTTPRoute", "fault", nullptr, kRequest},
    {"HTTPRoute", "headers", nullptr, kRequest},
    {"HTTPRoute", "mirror", nullptr, kRequest},
    {"HTTPRoute", "mirrorPercent", nullptr, kRequest},
    {"HTTPRoute", "mirrorPercentage", nullptr, kRequest},
    {"HTTPRoute", "mirrors", IsEmpty, kRequest},
    {"HTTPRoute", "redirect", nullptr, kRequest},
    {"HTTPRoute", "retries", nullptr, kRequest},
    {"HTTPRoute", "rewrite", nullptr, kRequest},
    {"HTTPRoute", "timeout", nullptr, kRequest},

    {"HTTPRouteDestination", "headers", nullptr, kRequest},

    {"L4MatchAttributes", "destinationSubnets", IsEmpty,
     "rules that depend on the address dialled are not enforced"},
    {"L4MatchAttributes", "gateways", IsOnlyMesh, kSource},
    {"L4MatchAttributes", "sourceLabels", IsEmpty, kSource},
    {"L4MatchAttributes", "sourceNamespace", nullptr, kSource},

    {"LoadBalancerSettings", "consistentHash", nullptr, "endpoints are not chosen by a hash"},
    {"LoadBalancerSettings", "localityLbSetting", IsNotEnabled, kLocality},
    {"LoadBalancerSettings", "simple", IsNotPassthrough,
     "PASSTHROUGH is not enforced, connections always go to an endpoint"},
    {"LoadBalancerSettings", "warmup", nullptr, "new endpoints get their full share at once"},
    {"LoadBalancerSettings", "warmupDurationSecs", nullptr,
     "new endpoints get their full share at once"},
    {"LoadBalancerSettings", "zoneAwareLbSetting", IsNotEnabled, kLocality},

    {"Service annotations", "networking.istio.io/exportTo", IsEverywhere, kVisibility},
    {"Service annotations", "networking.istio.io/traffic-distribution", nullptr, kLocality},

    {"ServiceSpec", "internalTrafficPolicy", IsCluster,
     "endpoints are chosen without regard to the node"},
    {"ServiceSpec", "trafficDistribution", nullptr, kLocality},

    {"TrafficPolicy", "connectionPool", nullptr, kLimits},
    {"TrafficPolicy", "outlierDetection", nullptr, kHealth},
    {"TrafficPolicy", "proxyProtocol", nullptr, "nothing is sent on a connection of its own"},
    {"TrafficPolicy", "retryBudget", nullptr, kRequest},
    {"TrafficPolicy", "tls", IsPlain, kTls},
    {"TrafficPolicy", "tunnel", nullptr, "connections go to the endpoint, not through a tunnel"},

    {"VirtualService", "exportTo", IsEverywhere, kVisibility},
    {"VirtualService", "tls", IsEmpty, "it needs the server name, which connect() does not see"},
});
// NOLINTEND(modernize-use-designated-initializers)

static_assert(std::ranges::is_sorted(kRefusals, {}, &Refusal::message));

}  // namespace

std::string_view WhyNoHosts() {
  return "not supported: a VirtualService without hosts is a delegate, and delegates are not "
         "resolved";
}

std::span<const Refusal> RefusalsOf(std::string_view message) {
  // NOLINTBEGIN(misc-include-cleaner): <algorithm> has these
  const auto* const first = std::ranges::lower_bound(kRefusals, message, {}, &Refusal::message);
  const auto* const last = std::ranges::upper_bound(kRefusals, message, {}, &Refusal::message);
  // NOLINTEND(misc-include-cleaner)
  return {first, last};
}

void Refuse(std::span<const Refusal> refusals, const At& field) {
  const auto refusal = std::ranges::find(refusals, field.name(), &Refusal::field);
  if (refusal == refusals.end() ||
      (refusal->harmless != nullptr && refusal->harmless(field.node()))) {
    return;
  }
  field.ErrorAtKey(fmt::format("not supported: {}", refusal->reason));
}

bool MatchesEveryUri(const Node& value) {
  const Node* prefix = value.Find("prefix");
  const Node* regex = value.Find("regex");
  return value.count == 1 && ((prefix != nullptr && IsText(*prefix, "/")) ||
                              (regex != nullptr && IsText(*regex, ".*")));
}

}  // namespace vsplit::parse
