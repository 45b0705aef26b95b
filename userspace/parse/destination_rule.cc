// SPDX-License-Identifier: Apache-2.0
// DestinationRule. Fields: istio/api networking/v1alpha3/destination_rule.proto; checks: Istio's
// pkg/config/validation ValidateDestinationRule.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks.h"
#include "document.h"
#include "fields.h"
#include "kinds.h"
#include "schema.h"
#include "syntax.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

using Milliseconds = std::chrono::milliseconds;

// A field whose content is known by name and not read.
template <class T, const char* message>
void Named(const At& at, T& /*out*/) {
  CheckMessage(at, message);
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
    CheckMessage(at, kCookie);
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

constexpr char kHttpPool[] = "HTTPSettings";  // NOLINT(modernize-avoid-c-arrays)

constexpr auto kPoolFields = std::to_array<Field<ConnectionPool>>({
    {"tcp", Message<ConnectionPool, kTcp>},
    {"http", Named<ConnectionPool, kHttpPool>},
});
constexpr Shape<ConnectionPool> kPool = {"ConnectionPoolSettings", kPoolFields, ""};

constexpr char kAnyInteger[] = "int32";     // NOLINT(modernize-avoid-c-arrays)
constexpr char kErrorCodes[] = "*100-599";  // NOLINT(modernize-avoid-c-arrays)

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

constexpr char kText[] = "string";    // NOLINT(modernize-avoid-c-arrays)
constexpr char kTexts[] = "*string";  // NOLINT(modernize-avoid-c-arrays)
constexpr char kBoolean[] = "bool";   // NOLINT(modernize-avoid-c-arrays)

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
    {"loadBalancer", Into<&PolicySettings::load_balancer,
                          Optional<LoadBalancer, Message<LoadBalancer, kLoadBalancer>>>},
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
    {"tunnel", Named<TrafficPolicy, kTunnel>},
    {"proxyProtocol", Named<TrafficPolicy, kProxyProtocol>},
    {"retryBudget", Named<TrafficPolicy, kRetryBudget>},
});
constexpr Shape<TrafficPolicy> kPolicy = {"TrafficPolicy", kPolicyFields, ""};

void ReadPolicy(const At& at, TrafficPolicy& out) {
  ReadMap(at, kPolicy, out);
  NoteUnenforced(at.node(), out.settings);
  if (at.node().kind == Node::Kind::kMap && !HasBlocks(at.node())) {
    at.Error("found a traffic policy without fields, at least one is required");
  }
}

// ---- the rule ----------------------------------------------------------------------------------

void ReadSubsetName(const At& at, std::string& out) {
  ReadString(at, out);
  if (at.node().kind == Node::Kind::kString && !IsHostLabel(out)) {
    at.NotAllowed("a DNS label (letters, digits, -) is allowed");
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
  RequireField(at, "name");
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

constexpr auto kSelectorMapFields = std::to_array<Field<Labels>>({{"matchLabels", ReadStringMap}});
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
  RequireField(at, "host");
}

// A trafficPolicy and those of its ports.
void CheckPolicy(const At& policy, std::string_view ns) {
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

void CheckSpec(const At& spec, const Object& object) {
  const std::string_view ns = object.key.ns;
  const auto check = [ns](const At& policy) { CheckPolicy(policy, ns); };
  WithField(spec, "trafficPolicy", check);
  EachItemOf(spec, "subsets",
             [&check](const At& subset) { WithField(subset, "trafficPolicy", check); });
  WithField(spec, "workloadSelector",
            [](const At& selector) { CheckSelector(selector, "matchLabels"); });
  const bool selects = Given(spec.node(), "workloadSelector") != nullptr;
  CheckExportTo(spec, ns, selects ? Exported::kRuleWithSelector : Exported::kRule);
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
  WithField(root, "spec", [&object](const At& spec) { CheckSpec(spec, object); });
}

}  // namespace vsplit::parse
