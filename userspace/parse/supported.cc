// SPDX-License-Identifier: Apache-2.0
// What is taken in with a warning because a connect() cannot do it, by message and field of the
// API, with the reason. What the rules that use these fields mean nevertheless is for resolve to
// say.
#include "supported.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>

#include "document.h"
#include "fields.h"

namespace vsplit::parse {

namespace {

constexpr std::string_view kRequest = "needs the request, not enforced";
constexpr std::string_view kTls = "needs TLS, which connections are not given; not enforced";
constexpr std::string_view kListener = "is about a proxy's own listeners, not enforced";

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

bool IsNotEnabled(const Node& value) {
  const Node* enabled = value.Find("enabled");
  return enabled != nullptr && IsFalse(*enabled);
}

bool IsPlain(const Node& value) {
  const Node* mode = value.Find("mode");
  return mode == nullptr || mode->is_null() || IsText(*mode, "DISABLE");
}

bool IsNotDynamic(const Node& value) {
  return !IsText(value, "DYNAMIC_DNS");
}

bool IsNoSocketFile(const Node& value) {
  return value.kind != Node::Kind::kString || !value.text.starts_with("unix://");
}

// By message; the order within one message is free.
// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr auto kUnenforced = std::to_array<Unenforced>({
    {"ConnectionPoolSettings", "http", nullptr, kRequest},

    {"ConsistentHashLB", "httpCookie", nullptr, kRequest},
    {"ConsistentHashLB", "httpHeaderName", nullptr, kRequest},
    {"ConsistentHashLB", "httpQueryParameterName", nullptr, kRequest},

    {"HTTPMatchRequest", "authority", nullptr, kRequest},
    {"HTTPMatchRequest", "headers", IsEmpty, kRequest},
    {"HTTPMatchRequest", "method", nullptr, kRequest},
    {"HTTPMatchRequest", "queryParams", IsEmpty, kRequest},
    {"HTTPMatchRequest", "scheme", nullptr, kRequest},
    {"HTTPMatchRequest", "uri", MatchesEveryUri, kRequest},
    {"HTTPMatchRequest", "withoutHeaders", IsEmpty, kRequest},

    {"HTTPRoute", "corsPolicy", nullptr, kRequest},
    {"HTTPRoute", "directResponse", nullptr, kRequest},
    {"HTTPRoute", "fault", nullptr, kRequest},
    {"HTTPRoute", "headers", nullptr, kRequest},
    {"HTTPRoute", "mirror", nullptr, kRequest},
    {"HTTPRoute", "mirrorPercent", nullptr, kRequest},
    {"HTTPRoute", "mirrorPercentage", nullptr, kRequest},
    {"HTTPRoute", "mirror_percent", nullptr, kRequest},
    {"HTTPRoute", "mirrors", IsEmpty, kRequest},
    {"HTTPRoute", "redirect", nullptr, kRequest},
    {"HTTPRoute", "retries", nullptr, kRequest},
    {"HTTPRoute", "rewrite", nullptr, kRequest},
    {"HTTPRoute", "timeout", nullptr, kRequest},

    {"HTTPRouteDestination", "headers", nullptr, kRequest},

    {"L4MatchAttributes", "sourceSubnet", nullptr, "is not read by Istio either, not enforced"},

    {"LoadBalancerSettings", "zoneAwareLbSetting", IsNotEnabled,
     "needs to know how many clients there are in each zone, not enforced"},

    {"OutboundTrafficPolicy", "egressProxy", nullptr, "needs a proxy, not enforced"},

    {"OutlierDetection", "outlierDetectionHttpErrorCodes", IsEmpty, kRequest},

    {"ServiceEntry", "resolution", IsNotDynamic, kRequest},
    {"ServiceEntry", "subjectAltNames", IsEmpty, kTls},

    {"Sidecar", "inboundConnectionPool", nullptr, kListener},
    {"Sidecar", "ingress", IsEmpty, kListener},

    {"TrafficPolicy", "proxyProtocol", nullptr,
     "needs bytes of its own on every connection, not enforced"},
    {"TrafficPolicy", "retryBudget", nullptr, kRequest},
    {"TrafficPolicy", "tls", IsPlain, kTls},
    {"TrafficPolicy", "tunnel", nullptr, "needs a tunnel, not enforced"},

    {"WorkloadEntry", "address", IsNoSocketFile,
     "is a socket file, to which no connection to an address can be moved; not enforced"},
});
// NOLINTEND(modernize-use-designated-initializers)

static_assert(std::ranges::is_sorted(kUnenforced, {}, &Unenforced::message));

}  // namespace

std::span<const Unenforced> UnenforcedFieldsOf(std::string_view message) {
  // NOLINTBEGIN(misc-include-cleaner): <algorithm> has these
  const auto* const first =
      std::ranges::lower_bound(kUnenforced, message, {}, &Unenforced::message);
  const auto* const last = std::ranges::upper_bound(kUnenforced, message, {}, &Unenforced::message);
  // NOLINTEND(misc-include-cleaner)
  return {first, last};
}

void WarnIfUnenforced(std::span<const Unenforced> fields, const At& field) {
  const auto found = std::ranges::find(fields, field.name(), &Unenforced::field);
  if (found != fields.end() && (found->harmless == nullptr || !found->harmless(field.node()))) {
    field.WarnAtKey(std::string(found->reason));
  }
}

bool MatchesEveryUri(const Node& value) {
  const Node* prefix = value.Find("prefix");
  const Node* regex = value.Find("regex");
  return value.count == 1 && ((prefix != nullptr && IsText(*prefix, "/")) ||
                              (regex != nullptr && IsText(*regex, ".*")));
}

}  // namespace vsplit::parse
