// SPDX-License-Identifier: Apache-2.0
// The trafficPolicy of a DestinationRule and of its subsets. Fields: istio/api
// networking/v1alpha3/destination_rule.proto; checks: Istio's pkg/config/validation
// validateTrafficPolicy.
#include "traffic_policy.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks.h"
#include "document.h"
#include "fields.h"
#include "schema.h"
#include "syntax.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

using Milliseconds = std::chrono::milliseconds;

// ---- connectionPool, outlierDetection, tls -----------------------------------------------------

constexpr auto kKeepaliveFields = std::to_array<Field<TcpKeepalive>>({
    {"probes", Into<&TcpKeepalive::probes, ReadUint32>},
    {"time", Into<&TcpKeepalive::time, ReadDuration>},
    {"interval", Into<&TcpKeepalive::interval, ReadDuration>},
});
constexpr Shape<TcpKeepalive> kKeepalive = {"TcpKeepalive", kKeepaliveFields, ""};

// Below a millisecond it switches the timeout off.
void ReadIdleTimeout(const At& at, Milliseconds& out) {
  if (at.Is(Node::Kind::kString)) {
    const auto duration = ParseDuration(at.node().text).value_or(std::chrono::nanoseconds(0));
    out = std::max(std::chrono::duration_cast<Milliseconds>(duration), Milliseconds(0));
  }
}

constexpr auto kTcpFields = std::to_array<Field<ConnectionPool>>({
    {"maxConnections", Into<&ConnectionPool::max_connections, Optional<std::int32_t, ReadInt32>>},
    {"connectTimeout",
     Into<&ConnectionPool::connect_timeout, Optional<Milliseconds, ReadDuration>>},
    {"tcpKeepalive", Into<&ConnectionPool::tcp_keepalive,
                          Optional<TcpKeepalive, Message<TcpKeepalive, kKeepalive>>>},
    {"maxConnectionDuration",
     Into<&ConnectionPool::max_connection_duration, Optional<Milliseconds, ReadDuration>>},
    {"idleTimeout", Into<&ConnectionPool::idle_timeout, Optional<Milliseconds, ReadIdleTimeout>>},
});
constexpr Shape<ConnectionPool> kTcp = {"TCPSettings", kTcpFields, ""};

constexpr std::string_view kHttpPool = "HTTPSettings";

constexpr auto kPoolFields = std::to_array<Field<ConnectionPool>>({
    {"tcp", Message<ConnectionPool, kTcp>},
    {"http", Named<ConnectionPool, kHttpPool>},
});
constexpr Shape<ConnectionPool> kPool = {"ConnectionPoolSettings", kPoolFields, ""};

constexpr std::string_view kAnyInteger = "int32";
constexpr std::string_view kErrorCodes = "*100-599";

constexpr auto kOutlierFields = std::to_array<Field<OutlierDetection>>({
    {"consecutive5xxErrors",
     Into<&OutlierDetection::consecutive_5xx_errors, Optional<std::uint32_t, ReadUint32>>},
    {"consecutiveGatewayErrors",
     Into<&OutlierDetection::consecutive_gateway_errors, Optional<std::uint32_t, ReadUint32>>},
    {"consecutiveLocalOriginFailures", Into<&OutlierDetection::consecutive_local_origin_failures,
                                            Optional<std::uint32_t, ReadUint32>>},
    {"splitExternalLocalOriginErrors",
     Into<&OutlierDetection::split_external_local_origin_errors, ReadBool>},
    {"interval", Into<&OutlierDetection::interval, Optional<Milliseconds, ReadDuration>>},
    {"baseEjectionTime",
     Into<&OutlierDetection::base_ejection_time, Optional<Milliseconds, ReadDuration>>},
    {"maxEjectionPercent", Into<&OutlierDetection::max_ejection_percent, ReadInt32>},
    {"minHealthPercent", Into<&OutlierDetection::min_health_percent, ReadInt32>},
    {"consecutiveErrors", Named<OutlierDetection, kAnyInteger>},
    {"outlierDetectionHttpErrorCodes", Named<OutlierDetection, kErrorCodes>},
});
constexpr Shape<OutlierDetection> kOutlier = {"OutlierDetection", kOutlierFields, ""};

void ReadTlsMode(const At& at, std::string& out) {
  ReadOneOf(at, "DISABLE SIMPLE MUTUAL ISTIO_MUTUAL", out);
}

constexpr std::string_view kText = "string";
constexpr std::string_view kTexts = "*string";
constexpr std::string_view kBoolean = "bool";

constexpr auto kTlsFields = std::to_array<Field<std::string>>({
    {"mode", ReadTlsMode},
    {"clientCertificate", Named<std::string, kText>},
    {"privateKey", Named<std::string, kText>},
    {"caCertificates", Named<std::string, kText>},
    {"credentialName", Named<std::string, kText>},
    {"subjectAltNames", Named<std::string, kTexts>},
    {"sni", Named<std::string, kText>},
    {"insecureSkipVerify", Named<std::string, kBoolean>},
    {"caCrl", Named<std::string, kText>},
});
constexpr Shape<std::string> kTls = {"ClientTLSSettings", kTlsFields, ""};

void ReadTls(const At& at, PolicySettings& out) {
  out.tls_mode = "DISABLE";  // Istio's default for a block without mode
  ReadMap(at, kTls, out.tls_mode);
}

// ---- policies ----------------------------------------------------------------------------------

constexpr auto kSettingsFields = std::to_array<Field<PolicySettings>>({
    {"loadBalancer",
     Into<&PolicySettings::load_balancer, Optional<LoadBalancer, ReadLoadBalancer>>},
    {"connectionPool", Into<&PolicySettings::connection_pool,
                            Optional<ConnectionPool, Message<ConnectionPool, kPool>>>},
    {"outlierDetection", Into<&PolicySettings::outlier_detection,
                              Optional<OutlierDetection, Message<OutlierDetection, kOutlier>>>},
    {"tls", ReadTls},
});

// The blocks of PolicySettings are fields of two messages.
template <std::size_t index, class Whole, PolicySettings Whole::* settings>
void Block(const At& at, Whole& out) {
  kSettingsFields[index].read(at, out.*settings);
}

// No service has a port beyond 65535, or 0: what is said of one is valid and has no effect.
void ReadPolicyPort(const At& at, std::uint16_t& out) {
  constexpr std::int64_t kLast = std::numeric_limits<std::uint16_t>::max();
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  CheckInteger(at, 0, kMost);
  const std::int64_t number = WholeNumber(at.node()).value_or(0);
  if (number >= 1 && number <= kLast) {
    out = static_cast<std::uint16_t>(number);
  } else {
    at.Warn(fmt::format("found {}, no service has such a port", at.Found()));
  }
}

constexpr auto kSelectorFields = std::to_array<Field<std::uint16_t>>({{"number", ReadPolicyPort}});
constexpr Shape<std::uint16_t> kSelector = {"PortSelector", kSelectorFields, ""};

constexpr auto kPortPolicyFields = std::to_array<Field<PortPolicy>>({
    {"port", Into<&PortPolicy::port, Message<std::uint16_t, kSelector>>},
    {"loadBalancer", Block<0, PortPolicy, &PortPolicy::settings>},
    {"connectionPool", Block<1, PortPolicy, &PortPolicy::settings>},
    {"outlierDetection", Block<2, PortPolicy, &PortPolicy::settings>},
    {"tls", Block<3, PortPolicy, &PortPolicy::settings>},
});
// Refused like the same blocks of a TrafficPolicy.
constexpr Shape<PortPolicy> kPortPolicy = {"TrafficPolicy", kPortPolicyFields, ""};

bool HasBlocks(const Node& node) {
  for (const Node* child = node.first; child != nullptr; child = child->next) {
    const bool empty = child->kind == Node::Kind::kList && child->count == 0;
    if (!child->is_null() && !empty && child->key != "port") {
      return true;
    }
  }
  return false;
}

// By their path in a policy; those that have no effect as they are do not count.
void NoteUnenforced(const Node& policy, PolicySettings& out) {
  constexpr auto kFields = std::to_array<std::array<std::string_view, 2>>({
      {"tunnel", ""},
      {"proxyProtocol", ""},
      {"retryBudget", ""},
      {"connectionPool", "http"},
      {"loadBalancer", "zoneAwareLbSetting"},
      {"outlierDetection", "outlierDetectionHttpErrorCodes"},
  });
  for (const auto& [block, field] : kFields) {
    const Node* node = Given(policy, block);
    if (node != nullptr && (field.empty() || Given(*node, field) != nullptr)) {
      out.unenforced_fields.push_back(
          fmt::format("{}{}{}", block, field.empty() ? "" : ".", field));
    }
  }
}

void ReadPortPolicy(const At& at, PortPolicy& out) {
  ReadMap(at, kPortPolicy, out);
  if (at.node().kind != Node::Kind::kMap) {
    return;
  }
  NoteUnenforced(at.node(), out.settings);
  RequireField(at, "port");
  if (!HasBlocks(at.node())) {
    at.Error(
        "found no settings for this port, at least one of loadBalancer, connectionPool, "
        "outlierDetection, tls is required");
  }
}

constexpr std::string_view kTunnel = "TunnelSettings";
constexpr std::string_view kProxyProtocol = "ProxyProtocol";
constexpr std::string_view kRetryBudget = "RetryBudget";

constexpr auto kPolicyFields = std::to_array<Field<TrafficPolicy>>({
    {"loadBalancer", Block<0, TrafficPolicy, &TrafficPolicy::settings>},
    {"connectionPool", Block<1, TrafficPolicy, &TrafficPolicy::settings>},
    {"outlierDetection", Block<2, TrafficPolicy, &TrafficPolicy::settings>},
    {"tls", Block<3, TrafficPolicy, &TrafficPolicy::settings>},
    {"portLevelSettings",
     Into<&TrafficPolicy::port_level_settings, List<PortPolicy, ReadPortPolicy>>},
    {"tunnel", Named<TrafficPolicy, kTunnel>},
    {"proxyProtocol", Named<TrafficPolicy, kProxyProtocol>},
    {"retryBudget", Named<TrafficPolicy, kRetryBudget>},
});
constexpr Shape<TrafficPolicy> kPolicy = {"TrafficPolicy", kPolicyFields, ""};

}  // namespace

void ReadTrafficPolicy(const At& at, TrafficPolicy& out) {
  ReadMap(at, kPolicy, out);
  NoteUnenforced(at.node(), out.settings);
  if (at.node().kind == Node::Kind::kMap && !HasBlocks(at.node())) {
    at.Error("found a traffic policy without fields, at least one is required");
  }
}

void CheckTrafficPolicy(const At& policy, std::string_view ns) {
  CheckPolicySettings(policy, ns);
  WithField(policy, "portLevelSettings", [ns](const At& list) {
    constexpr std::uint32_t kMostPorts = 4096;
    if (list.node().count > kMostPorts) {
      list.Error(fmt::format("found settings of {} ports, at most {} are allowed",
                             list.node().count, kMostPorts));
    }
    EachItem(list, [ns](const At& port) { CheckPolicySettings(port, ns); });
  });
}

}  // namespace vsplit::parse
