// SPDX-License-Identifier: Apache-2.0
// The loadBalancer of a traffic policy. Fields: istio/api
// networking/v1alpha3/destination_rule.proto.
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "document.h"
#include "fields.h"
#include "schema.h"
#include "traffic_policy.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

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

void ReadRequestKey(const At& at, ConsistentHash& out) {
  out.request_key = at.name();
  if (at.name() == "httpCookie") {
    CheckMessage(at, "HTTPCookie");
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

constexpr std::string_view kZoneAware = "ZoneAwareLbSetting";

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

}  // namespace

void ReadLoadBalancer(const At& at, LoadBalancer& out) {
  ReadMap(at, kLoadBalancer, out);
}

}  // namespace vsplit::parse
