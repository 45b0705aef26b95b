// SPDX-License-Identifier: Apache-2.0
#include "managed.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "vsplit/image.h"
#include "vsplit/policy.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

// The fields of Istio's OutlierDetection, by EJECTION_*.
constexpr std::array<std::string_view, 4> kEjectionFields = {
    "", "consecutive5xxErrors", "consecutiveGatewayErrors", "consecutiveLocalOriginFailures"};

std::uint32_t Milliseconds(std::chrono::milliseconds duration) {
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(duration.count(), 0, std::numeric_limits<std::uint32_t>::max()));
}

// Envoy's slow start (slow_start.rst): weight * max(minimum, (age / duration) ^ (1 / aggression)).
void FillWarmup(const SlowStart& warmup, policy_value& row) {
  row.flags |= MANAGED_WARMS;
  row.warmup_ms = Milliseconds(warmup.duration);
  row.warmup_minimum_percent = warmup.minimum_percent;
  row.warmup_aggression_milli =
      static_cast<__u32>(std::clamp(std::lround(warmup.aggression * 1000), 1L, 1'000'000L));
  for (int i = 0; i < WARMUP_STEPS; ++i) {
    const double age = static_cast<double>(i) / (WARMUP_STEPS - 1);
    const double share = 100 * std::pow(age, 1000.0 / row.warmup_aggression_milli);
    row.warmup_percent[i] = static_cast<__u8>(
        std::clamp(std::lround(std::max(share, double{1} * warmup.minimum_percent)), 1L, 100L));
  }
}

}  // namespace

policy_value PolicyRow(const ImageCluster& cluster, bool v4) {
  const ClusterSettings& settings = cluster.settings;
  const bool chooses = settings.algorithm != Algorithm::kPassthrough;
  policy_value row{.groups = chooses ? static_cast<__u32>(cluster.groups.size()) : 0,
                   .algorithm = static_cast<__u8>(settings.algorithm),
                   .flags = static_cast<__u8>(v4 ? 0 : MANAGED_IPV6),
                   .max_connections = settings.max_connections.value_or(NO_LIMIT),
                   .panic_percent = settings.panic_percent};
  row.port = chooses ? 0 : settings.port;
  if (settings.algorithm == Algorithm::kMaglev) {
    row.hash_size = settings.maglev_size;
  }
  if (settings.ejection) {
    row.flags |= MANAGED_EJECTS;
  }
  if (settings.connect_timeout) {
    row.flags |= MANAGED_SOCKET;
    row.connect_timeout_ms = std::max(Milliseconds(*settings.connect_timeout), 1U);
  }
  if (settings.keepalive) {
    row.keepalive_time_s = settings.keepalive->time_s;
    row.keepalive_interval_s = settings.keepalive->interval_s;
    row.keepalive_probes = settings.keepalive->probes;
    if (*settings.keepalive != Keepalive{}) {
      row.flags |= MANAGED_SOCKET;
    }
  }
  if (settings.warmup) {
    FillWarmup(*settings.warmup, row);
  }
  return row;
}

group_value GroupRowOf(const EndpointGroup& group, Algorithm algorithm) {
  group_value row{.count = static_cast<__u32>(group.endpoints.size()),
                  .weight = group.weight,
                  .unready = group.unready,
                  .level = group.priority,
                  .flags = GROUP_EQUAL,
                  .stride = 1};
  std::vector<std::uint32_t> weights;
  weights.reserve(group.endpoints.size());
  for (const Endpoint& endpoint : group.endpoints) {
    row.total += endpoint.weight;
    weights.push_back(endpoint.weight);
    row.flags = endpoint.weight == 1 ? row.flags : 0;
  }
  if (algorithm == Algorithm::kRoundRobin && row.flags == 0) {
    row.stride = ChooseStride(weights);
  }
  return row;
}

cluster_state StateOf(const ClusterSettings& settings) {
  if (!settings.ejection) {
    return {};
  }
  const Ejection& ejection = *settings.ejection;
  const auto field = std::ranges::find(kEjectionFields, ejection.field);
  return {.failures = ejection.failures,
          .base_ms = Milliseconds(ejection.base),
          .max_ms = Milliseconds(std::max(ejection.base, ejection.max)),
          .interval_ms = Milliseconds(ejection.interval),
          .max_percent = ejection.max_percent,
          .reason = field == kEjectionFields.end()
                        ? 0
                        : static_cast<__u32>(field - kEjectionFields.begin())};
}

cluster_state AgentsPart(const cluster_state& state) {
  cluster_state part = state;
  part.ejected[0] = part.ejected[1] = part.ejections = part.refused_limit = 0;
  return part;
}

bool SameState(const cluster_state& left, const cluster_state& right) {
  return left.failures == right.failures && left.base_ms == right.base_ms &&
         left.max_ms == right.max_ms && left.interval_ms == right.interval_ms &&
         left.max_percent == right.max_percent && left.reason == right.reason &&
         left.endpoints[0] == right.endpoints[0] && left.endpoints[1] == right.endpoints[1];
}

std::uint32_t EndpointsOf(const std::vector<EndpointGroup>& groups) {
  std::uint32_t count = 0;
  for (const EndpointGroup& group : groups) {
    count += static_cast<std::uint32_t>(group.endpoints.size()) + group.unready;
  }
  return count;
}

ClusterSettings SettingsOf(const policy_value& policy, const cluster_state& state) {
  ClusterSettings settings{.algorithm = static_cast<Algorithm>(policy.algorithm),
                           .port = policy.port,
                           .panic_percent = policy.panic_percent};
  if (policy.hash_size != 0) {
    settings.maglev_size = policy.hash_size;
  }
  if ((policy.flags & MANAGED_EJECTS) != 0) {
    settings.ejection =
        Ejection{.failures = state.failures,
                 .field = std::string(
                     state.reason < kEjectionFields.size() ? kEjectionFields.at(state.reason) : ""),
                 .interval = std::chrono::milliseconds(state.interval_ms),
                 .base = std::chrono::milliseconds(state.base_ms),
                 .max = std::chrono::milliseconds(state.max_ms),
                 .max_percent = state.max_percent};
  }
  if ((policy.flags & MANAGED_WARMS) != 0) {
    settings.warmup = SlowStart{.duration = std::chrono::milliseconds(policy.warmup_ms),
                                .minimum_percent = policy.warmup_minimum_percent,
                                .aggression = policy.warmup_aggression_milli / 1000.0};
  }
  if (policy.max_connections != NO_LIMIT) {
    settings.max_connections = policy.max_connections;
  }
  if (policy.connect_timeout_ms != 0) {
    settings.connect_timeout = std::chrono::milliseconds(policy.connect_timeout_ms);
  }
  const Keepalive keepalive{.time_s = policy.keepalive_time_s,
                            .interval_s = policy.keepalive_interval_s,
                            .probes = policy.keepalive_probes};
  if (keepalive != Keepalive{}) {
    settings.keepalive = keepalive;
  }
  return settings;
}

std::uint32_t HashRows(const policy_value& policy, const group_value& group) {
  return group.count == 0 ? 0 : (policy.hash_size + HASH_SLOTS - 1) / HASH_SLOTS;
}

}  // namespace vsplit
