// SPDX-License-Identifier: Apache-2.0
// DestinationRule. Fields: istio/api networking/v1alpha3/destination_rule.proto; checks: Istio's
// pkg/config/validation ValidateDestinationRule.
#include <fmt/core.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "document.h"
#include "fields.h"
#include "kinds.h"
#include "syntax.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

using Milliseconds = std::chrono::milliseconds;

// A field whose content is known by name and not read.
template <class T, const char* message>
void Named(const At& at, T& /*out*/) {
  CheckNames(at, message);
}

// The same, of what no connect() can honour.
template <const char* message>
void Unhonoured(const At& at, TrafficPolicy& out) {
  CheckNames(at, message);
  out.settings.unenforced_fields.emplace_back(at.name());
}

// ---- loadBalancer ------------------------------------------------------------------------------

void ReadSimple(const At& at, LoadBalancer& out) {
  std::string name;
  ReadOneOf(at, "UNSPECIFIED LEAST_CONN RANDOM PASSTHROUGH ROUND_ROBIN LEAST_REQUEST", name);
  if (name == "RANDOM") {
    out.simple = SimpleLoadBalancer::kRandom;
  } else if (name == "PASSTHROUGH") {
    out.simple = SimpleLoadBalancer::kPassthrough;
  } else if (name == "ROUND_ROBIN") {
    out.simple = SimpleLoadBalancer::kRoundRobin;
  } else if (!name.empty()) {
    out.simple = SimpleLoadBalancer::kLeastRequest;
  }
}

void ReadSize(const At& at, std::uint64_t& out) {
  std::uint32_t size = 0;
  ReadUint32(at, size);
  out = size;
}

constexpr auto kMaglevFields = std::to_array<Field<ConsistentHash>>({
    {"tableSize", Into<&ConsistentHash::maglev_table_size, ReadSize>},
});
constexpr Shape<ConsistentHash> kMaglev = {"MagLev", kMaglevFields, ""};

constexpr auto kRingFields = std::to_array<Field<ConsistentHash>>({
    {"minimumRingSize", Into<&ConsistentHash::minimum_ring_size, ReadSize>},
});
constexpr Shape<ConsistentHash> kRing = {"RingHash", kRingFields, ""};

constexpr char kCookie[] = "HTTPCookie";  // NOLINT(modernize-avoid-c-arrays): a template argument

void ReadRequestKey(const At& at, ConsistentHash& out) {
  out.request_key = at.name();
  if (at.name() == "httpCookie") {
    CheckNames(at, kCookie);
  } else {
    at.Is(Node::Kind::kString);
  }
}

constexpr auto kHashFields = std::to_array<Field<ConsistentHash>>({
    {"useSourceIp", Into<&ConsistentHash::use_source_ip, ReadBool>},
    {"httpHeaderName", ReadRequestKey},
    {"httpCookie", ReadRequestKey},
    {"httpQueryParameterName", ReadRequestKey},
    {"minimumRingSize", Into<&ConsistentHash::minimum_ring_size, ReadSize>},
    {"ringHash", Message<ConsistentHash, kRing>},
    {"maglev", Message<ConsistentHash, kMaglev>},
});
constexpr Shape<ConsistentHash> kHash = {"ConsistentHashLB", kHashFields, ""};

void ReadPercentages(const At& at, std::map<std::string, std::uint32_t>& out) {
  if (!at.Is(Node::Kind::kMap)) {
    return;
  }
  for (const Node* child = at.node().first; child != nullptr; child = child->next) {
    ReadUint32(at.Entry(*child), out[std::string(child->key)]);
  }
}

constexpr auto kDistributeFields = std::to_array<Field<LocalityDistribute>>({
    {"from", Into<&LocalityDistribute::from, ReadString>},
    {"to", Into<&LocalityDistribute::to, ReadPercentages>},
});
constexpr Shape<LocalityDistribute> kDistribute = {"Distribute", kDistributeFields, ""};

constexpr auto kFailoverFields = std::to_array<Field<LocalityFailover>>({
    {"from", Into<&LocalityFailover::from, ReadString>},
    {"to", Into<&LocalityFailover::to, ReadString>},
});
constexpr Shape<LocalityFailover> kFailover = {"Failover", kFailoverFields, ""};

constexpr auto kLocalityFields = std::to_array<Field<LocalityLoadBalancer>>({
    {"enabled", Into<&LocalityLoadBalancer::enabled, Optional<bool, ReadBool>>},
    {"distribute", Into<&LocalityLoadBalancer::distribute,
                        List<LocalityDistribute, Message<LocalityDistribute, kDistribute>>>},
    {"failover", Into<&LocalityLoadBalancer::failover,
                      List<LocalityFailover, Message<LocalityFailover, kFailover>>>},
    {"failoverPriority",
     Into<&LocalityLoadBalancer::failover_priority, List<std::string, ReadString>>},
});
constexpr Shape<LocalityLoadBalancer> kLocality = {"LocalityLoadBalancerSetting", kLocalityFields,
                                                   ""};

constexpr auto kWarmupFields = std::to_array<Field<Warmup>>({
    {"duration", Into<&Warmup::duration, ReadDuration>},
    {"minimumPercent", Into<&Warmup::minimum_percent, Optional<double, ReadNumber>>},
    {"aggression", Into<&Warmup::aggression, Optional<double, ReadNumber>>},
});
constexpr Shape<Warmup> kWarmup = {"WarmupConfiguration", kWarmupFields, ""};

void ReadWarmupSeconds(const At& at, LoadBalancer& out) {
  ReadDuration(at, out.warmup.emplace().duration);
}

constexpr char kZoneAware[] = "ZoneAwareLbSetting";  // NOLINT(modernize-avoid-c-arrays)

constexpr auto kLoadBalancerFields = std::to_array<Field<LoadBalancer>>({
    {"simple", ReadSimple},
    {"consistentHash", Into<&LoadBalancer::consistent_hash,
                            Optional<ConsistentHash, Message<ConsistentHash, kHash>>>},
    {"localityLbSetting",
     Into<&LoadBalancer::locality,
          Optional<LocalityLoadBalancer, Message<LocalityLoadBalancer, kLocality>>>},
    {"warmup", Into<&LoadBalancer::warmup, Optional<Warmup, Message<Warmup, kWarmup>>>},
    {"warmupDurationSecs", ReadWarmupSeconds},
    {"zoneAwareLbSetting", Named<LoadBalancer, kZoneAware>},
});
constexpr Shape<LoadBalancer> kLoadBalancer = {"LoadBalancerSettings", kLoadBalancerFields, ""};

void ReadLoadBalancer(const At& at, LoadBalancer& out) {
  ReadMap(at, kLoadBalancer, out);
  if (out.simple && out.consistent_hash) {
    at.Error("found simple and consistentHash, one of them is allowed");
  }
}

// ---- connectionPool, outlierDetection, tls -----------------------------------------------------

constexpr auto kKeepaliveFields = std::to_array<Field<TcpKeepalive>>({
    {"probes", Into<&TcpKeepalive::probes, ReadUint32>},
    {"time", Into<&TcpKeepalive::time, ReadDuration>},
    {"interval", Into<&TcpKeepalive::interval, ReadDuration>},
});
constexpr Shape<TcpKeepalive> kKeepalive = {"TcpKeepalive", kKeepaliveFields, ""};

constexpr auto kTcpFields = std::to_array<Field<ConnectionPool>>({
    {"maxConnections", Into<&ConnectionPool::max_connections, Optional<std::int32_t, ReadInt32>>},
    {"connectTimeout",
     Into<&ConnectionPool::connect_timeout, Optional<Milliseconds, ReadDuration>>},
    {"tcpKeepalive", Into<&ConnectionPool::tcp_keepalive,
                          Optional<TcpKeepalive, Message<TcpKeepalive, kKeepalive>>>},
    {"maxConnectionDuration",
     Into<&ConnectionPool::max_connection_duration, Optional<Milliseconds, ReadDuration>>},
    {"idleTimeout",
     Into<&ConnectionPool::idle_timeout, Optional<Milliseconds, ReadDurationOrZero>>},
});
constexpr Shape<ConnectionPool> kTcp = {"TCPSettings", kTcpFields, ""};

constexpr char kHttpPool[] = "HTTPSettings";  // NOLINT(modernize-avoid-c-arrays)

constexpr auto kPoolFields = std::to_array<Field<ConnectionPool>>({
    {"tcp", Message<ConnectionPool, kTcp>},
    {"http", Named<ConnectionPool, kHttpPool>},
});
constexpr Shape<ConnectionPool> kPool = {"ConnectionPoolSettings", kPoolFields, ""};

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
});
constexpr Shape<OutlierDetection> kOutlier = {"OutlierDetection", kOutlierFields,
                                              "consecutiveErrors outlierDetectionHttpErrorCodes"};

void ReadTlsMode(const At& at, std::string& out) {
  ReadOneOf(at, "DISABLE SIMPLE MUTUAL ISTIO_MUTUAL", out);
}

constexpr auto kTlsFields = std::to_array<Field<std::string>>({{"mode", ReadTlsMode}});
constexpr Shape<std::string> kTls = {
    "ClientTLSSettings", kTlsFields,
    "clientCertificate privateKey caCertificates credentialName subjectAltNames sni "
    "insecureSkipVerify caCrl"};

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

constexpr auto kSelectorFields = std::to_array<Field<std::uint16_t>>({{"number", ReadPort}});
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
    if (!child->is_null() && child->key != "port") {
      return true;
    }
  }
  return false;
}

void ReadPortPolicy(const At& at, PortPolicy& out) {
  ReadMap(at, kPortPolicy, out);
  if (at.node().kind != Node::Kind::kMap) {
    return;
  }
  if (at.node().Find("port") == nullptr || at.node().Find("port")->count == 0) {
    at.Missing("port.number");
  }
  if (!HasBlocks(at.node())) {
    at.Error(
        "found no settings for this port, at least one of loadBalancer, connectionPool, "
        "outlierDetection, tls is required");
  }
}

constexpr char kTunnel[] = "TunnelSettings";        // NOLINT(modernize-avoid-c-arrays)
constexpr char kProxyProtocol[] = "ProxyProtocol";  // NOLINT(modernize-avoid-c-arrays)
constexpr char kRetryBudget[] = "RetryBudget";      // NOLINT(modernize-avoid-c-arrays)

constexpr auto kPolicyFields = std::to_array<Field<TrafficPolicy>>({
    {"loadBalancer", Block<0, TrafficPolicy, &TrafficPolicy::settings>},
    {"connectionPool", Block<1, TrafficPolicy, &TrafficPolicy::settings>},
    {"outlierDetection", Block<2, TrafficPolicy, &TrafficPolicy::settings>},
    {"tls", Block<3, TrafficPolicy, &TrafficPolicy::settings>},
    {"portLevelSettings",
     Into<&TrafficPolicy::port_level_settings, List<PortPolicy, ReadPortPolicy>>},
    {"tunnel", Unhonoured<kTunnel>},
    {"proxyProtocol", Unhonoured<kProxyProtocol>},
    {"retryBudget", Unhonoured<kRetryBudget>},
});
constexpr Shape<TrafficPolicy> kPolicy = {"TrafficPolicy", kPolicyFields, ""};

void ReadPolicy(const At& at, TrafficPolicy& out) {
  ReadMap(at, kPolicy, out);
  if (at.node().kind == Node::Kind::kMap && !HasBlocks(at.node())) {
    at.Error("found a traffic policy without fields, at least one is required");
  }
}

// ---- the rule ----------------------------------------------------------------------------------

void ReadSubsetName(const At& at, std::string& out) {
  ReadString(at, out);
  if (at.node().kind == Node::Kind::kString && !IsDnsLabel(out)) {
    at.NotAllowed("a DNS label (a-z, 0-9, -) is allowed");
  }
}

constexpr auto kSubsetFields = std::to_array<Field<Subset>>({
    {"name", Into<&Subset::name, ReadSubsetName>},
    {"labels", Into<&Subset::labels, ReadSelectorLabels>},
    {"trafficPolicy", Into<&Subset::traffic_policy, Optional<TrafficPolicy, ReadPolicy>>},
});
constexpr Shape<Subset> kSubset = {"Subset", kSubsetFields, ""};

void ReadSubset(const At& at, Subset& out) {
  ReadMap(at, kSubset, out);
  if (at.node().kind == Node::Kind::kMap && at.node().Find("name") == nullptr) {
    at.Missing("name");
  }
}

void ReadSubsets(const At& at, std::vector<Subset>& out) {
  List<Subset, ReadSubset>(at, out);
  std::set<std::string_view> names;
  const Node* child = at.node().first;
  for (std::size_t index = 0; index < out.size(); ++index, child = child->next) {
    const std::string_view name = out[index].name;
    if (!name.empty() && !names.insert(name).second) {
      at.Item(*child, index).Error(fmt::format("found subset \"{}\" twice", name));
    }
  }
}

void ReadHost(const At& at, std::string& out) {
  ReadString(at, out);
  if (at.node().kind == Node::Kind::kString && !IsWildcardDomain(out)) {
    at.NotAllowed("a host name, possibly with \"*\" in front, is allowed");
  }
}

constexpr auto kSelectorMapFields =
    std::to_array<Field<Labels>>({{"matchLabels", ReadSelectorLabels}});
constexpr Shape<Labels> kWorkloadSelector = {"WorkloadSelector", kSelectorMapFields, ""};

constexpr auto kRuleFields = std::to_array<Field<DestinationRule>>({
    {"host", Into<&DestinationRule::host, ReadHost>},
    {"trafficPolicy", Into<&DestinationRule::traffic_policy, Optional<TrafficPolicy, ReadPolicy>>},
    {"subsets", Into<&DestinationRule::subsets, ReadSubsets>},
    {"exportTo", Into<&DestinationRule::export_to, List<std::string, ReadString>>},
    {"workloadSelector", Into<&DestinationRule::workload_selector,
                              Optional<Labels, Message<Labels, kWorkloadSelector>>>},
});
constexpr Shape<DestinationRule> kRule = {"DestinationRule", kRuleFields, ""};

void ReadRule(const At& at, DestinationRule& out) {
  ReadMap(at, kRule, out);
  if (at.node().kind == Node::Kind::kMap && at.node().Find("host") == nullptr) {
    at.Missing("host");
  }
}

constexpr auto kDocumentFields = std::to_array<Field<DestinationRule>>({
    {"spec", ReadRule},
    {"status", nullptr},
});

}  // namespace

void ReadDestinationRule(const At& root, Object& object) {
  auto& rule = object.spec.emplace<DestinationRule>();
  ReadMap(root, Shape<DestinationRule>{"", kDocumentFields, kHeaderFields}, rule);
  RequireSpec(root);
}

}  // namespace vsplit::parse
