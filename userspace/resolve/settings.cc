// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/policy.h"

namespace vsplit::resolve {
namespace {

using std::chrono::milliseconds;

// Envoy's consecutive_5xx and consecutive_local_origin_failure, where they are not given.
constexpr std::uint32_t kFailures = 5;

// The trafficPolicy of the host; null when there is none.
const TrafficPolicy* HostPolicy(const std::vector<ObjectPtr>& merged) {
  for (const ObjectPtr& object : merged) {
    const auto& rule = object->spec.Get<DestinationRule>();
    if (rule.traffic_policy) {
      return &*rule.traffic_policy;
    }
  }
  return nullptr;
}

const PolicySettings* EntryFor(const TrafficPolicy& level, std::uint16_t port) {
  const auto entry = std::ranges::find(level.port_level_settings, port, &PortPolicy::port);
  return entry == level.port_level_settings.end() ? nullptr : &entry->settings;
}

template <class Block>
void Override(const Block*& block, const std::optional<Block>& given, bool whole) {
  if (given || whole) {
    block = given ? &*given : nullptr;
  }
}

// `whole`: also what it has not.
void Override(PolicyBlocks& blocks, const PolicySettings& settings, bool whole) {
  Override(blocks.load_balancer, settings.load_balancer, whole);
  Override(blocks.connection_pool, settings.connection_pool, whole);
  Override(blocks.outlier_detection, settings.outlier_detection, whole);
  if (!settings.tls_mode.empty() || whole) {
    blocks.tls_mode = settings.tls_mode;
  }
}

void Override(PolicyBlocks& blocks, const TrafficPolicy& level, std::uint16_t port) {
  const PolicySettings* entry = EntryFor(level, port);
  Override(blocks, entry == nullptr ? level.settings : *entry, entry != nullptr);
}

// Null: it does not hash.
const ConsistentHash* HashOf(const PolicySettings* settings) {
  return settings != nullptr && settings->load_balancer && settings->load_balancer->consistent_hash
             ? &*settings->load_balancer->consistent_hash
             : nullptr;
}

bool PassesThrough(const LoadBalancer* balancer) {
  return balancer != nullptr && balancer->simple == SimpleLoadBalancer::kPassthrough;
}

void SetAlgorithm(const LoadBalancer& balancer, ClusterSettings& settings) {
  if (balancer.consistent_hash) {
    const ConsistentHash& hash = *balancer.consistent_hash;
    settings.algorithm = Algorithm::kMaglev;
    if (hash.maglev_table_size != 0) {
      settings.maglev_size = static_cast<std::uint32_t>(hash.maglev_table_size);
    }
    return;
  }
  switch (balancer.simple.value_or(SimpleLoadBalancer::kLeastRequest)) {
    case SimpleLoadBalancer::kLeastRequest:
      settings.algorithm = Algorithm::kLeastRequest;
      break;
    case SimpleLoadBalancer::kRoundRobin:
      settings.algorithm = Algorithm::kRoundRobin;
      break;
    case SimpleLoadBalancer::kRandom:
      settings.algorithm = Algorithm::kRandom;
      break;
    case SimpleLoadBalancer::kPassthrough:
      settings.algorithm = Algorithm::kPassthrough;
      break;
  }
}

// Envoy knows slow start in these two only.
void SetWarmup(const LoadBalancer& balancer, ClusterSettings& settings) {
  if (balancer.warmup && (settings.algorithm == Algorithm::kLeastRequest ||
                          settings.algorithm == Algorithm::kRoundRobin)) {
    settings.warmup = SlowStart{.duration = balancer.warmup->duration,
                                .minimum_percent = static_cast<std::uint32_t>(
                                    balancer.warmup->minimum_percent.value_or(10)),
                                .aggression = balancer.warmup->aggression.value_or(1)};
  }
}

// Seconds, rounded up; 0 stays 0.
std::uint32_t Seconds(milliseconds time) {
  return static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(time).count());
}

void SetPool(const ConnectionPool& pool, ClusterSettings& settings) {
  if (pool.max_connections.value_or(0) > 0) {
    settings.max_connections = static_cast<std::uint32_t>(*pool.max_connections);
  }
  settings.connect_timeout = pool.connect_timeout;
  if (pool.tcp_keepalive) {
    settings.keepalive = Keepalive{.time_s = Seconds(pool.tcp_keepalive->time),
                                   .interval_s = Seconds(pool.tcp_keepalive->interval),
                                   .probes = pool.tcp_keepalive->probes};
  }
}

struct Threshold {
  std::uint32_t failures = 0;  // 0: nobody is ejected for it
  const char* field = "";
};

// A failed connect() counts as a 5xx and as a gateway error, or, where origins are split, as a
// local-origin failure only. The smallest of the counts that are enforced decides.
Threshold ThresholdOf(const OutlierDetection& detection) {
  if (detection.split_external_local_origin_errors) {
    const std::uint32_t given = detection.consecutive_local_origin_failures.value_or(0);
    return {.failures = given > 0 ? given : kFailures, .field = "consecutiveLocalOriginFailures"};
  }
  Threshold least{.failures = detection.consecutive_5xx_errors.value_or(kFailures),
                  .field = "consecutive5xxErrors"};
  const std::uint32_t gateway = detection.consecutive_gateway_errors.value_or(0);
  if (gateway > 0 && (least.failures == 0 || gateway < least.failures)) {
    least = {.failures = gateway, .field = "consecutiveGatewayErrors"};
  }
  return least;
}

void SetEjection(const OutlierDetection& detection, ClusterSettings& settings) {
  settings.panic_percent = static_cast<std::uint32_t>(std::max(detection.min_health_percent, 0));
  const Threshold threshold = ThresholdOf(detection);
  if (threshold.failures == 0) {
    return;
  }
  Ejection ejection{.failures = threshold.failures, .field = threshold.field};
  ejection.interval = detection.interval.value_or(ejection.interval);
  ejection.base = detection.base_ejection_time.value_or(ejection.base);
  ejection.max = std::max(ejection.max, ejection.base);
  if (detection.max_ejection_percent > 0) {
    ejection.max_percent = static_cast<std::uint32_t>(detection.max_ejection_percent);
  }
  settings.ejection = std::move(ejection);
}

}  // namespace

PolicyBlocks PolicyFor(const std::vector<ObjectPtr>& merged, const Subset* subset,
                       std::uint16_t port) {
  PolicyBlocks blocks;
  if (const TrafficPolicy* host = HostPolicy(merged)) {
    Override(blocks, *host, port);
  }
  blocks.passthrough = PassesThrough(blocks.load_balancer);
  if (subset != nullptr && subset->traffic_policy) {
    const TrafficPolicy& level = *subset->traffic_policy;
    Override(blocks, level, port);
    const auto& balancer = level.settings.load_balancer;
    blocks.passthrough = blocks.passthrough || PassesThrough(blocks.load_balancer) ||
                         PassesThrough(balancer ? &*balancer : nullptr);
  }
  return blocks;
}

ClusterSettings SettingsOf(const PolicyBlocks& blocks) {
  ClusterSettings settings;
  if (blocks.load_balancer != nullptr) {
    SetAlgorithm(*blocks.load_balancer, settings);
    SetWarmup(*blocks.load_balancer, settings);
  }
  if (blocks.passthrough) {
    settings.algorithm = Algorithm::kPassthrough;
    settings.warmup.reset();
  }
  if (blocks.connection_pool != nullptr) {
    SetPool(*blocks.connection_pool, settings);
  }
  if (blocks.outlier_detection != nullptr) {
    SetEjection(*blocks.outlier_detection, settings);
  }
  return settings;
}

bool HashesConnections(const std::vector<ObjectPtr>& merged, const Subset* subset) {
  const TrafficPolicy* host = HostPolicy(merged);
  const ConsistentHash* hash = HashOf(host == nullptr ? nullptr : &host->settings);
  if (subset != nullptr && subset->traffic_policy &&
      subset->traffic_policy->settings.load_balancer) {
    hash = HashOf(&subset->traffic_policy->settings);
  }
  return hash != nullptr && hash->use_source_ip;
}

bool HashesRequests(const std::vector<ObjectPtr>& merged, const Subset* subset,
                    std::optional<std::uint16_t> port) {
  const TrafficPolicy* own =
      subset != nullptr && subset->traffic_policy ? &*subset->traffic_policy : nullptr;
  for (const TrafficPolicy* level : {own, HostPolicy(merged)}) {
    if (level == nullptr) {
      continue;
    }
    const ConsistentHash* hash = HashOf(port ? EntryFor(*level, *port) : nullptr);
    hash = hash == nullptr ? HashOf(&level->settings) : hash;
    if (hash != nullptr) {
      return hash->use_source_ip;
    }
  }
  return false;
}

std::vector<std::pair<std::string, std::string>> Unenforced(const PolicySettings& settings) {
  std::vector<std::pair<std::string, std::string>> parts;
  for (const std::string& field : settings.unenforced_fields) {
    parts.emplace_back(field, "needs a proxy in the connection's way");
  }
  if (!settings.tls_mode.empty() && settings.tls_mode != "DISABLE") {
    parts.emplace_back("tls", "connections are left as the application makes them");
  }
  if (settings.load_balancer && settings.load_balancer->consistent_hash) {
    const ConsistentHash& hash = *settings.load_balancer->consistent_hash;
    if (!hash.request_key.empty()) {
      parts.emplace_back("loadBalancer.consistentHash." + hash.request_key,
                         "needs the request; endpoints are drawn at random");
    } else if (hash.maglev_table_size == 0) {
      parts.emplace_back("loadBalancer.consistentHash",
                         "a Maglev table takes the place of the hash ring");
    }
  }
  return parts;
}

Lifetime LifetimeOf(const std::vector<ObjectPtr>& merged) {
  const TrafficPolicy* host = HostPolicy(merged);
  if (host == nullptr || !host->settings.connection_pool) {
    return {};
  }
  const ConnectionPool& pool = *host->settings.connection_pool;
  return {.idle = pool.idle_timeout.value_or(milliseconds{}),
          .whole = pool.max_connection_duration.value_or(milliseconds{})};
}

}  // namespace vsplit::resolve
