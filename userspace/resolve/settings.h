// SPDX-License-Identifier: Apache-2.0
// What DestinationRules say about one port of one subset of a service. Rules: Istio's
// cluster_traffic_policy.go (pilot/pkg/networking/core), MergeSubsetTrafficPolicy of its
// networking/util and MergeTrafficPolicy of its model; defaults where Istio leaves one to Envoy.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/policy.h"

namespace vsplit::resolve {

// The blocks that count; null: not given. Valid as long as the rules.
struct PolicyBlocks {
  const LoadBalancer* load_balancer = nullptr;
  const ConnectionPool* connection_pool = nullptr;
  const OutlierDetection* outlier_detection = nullptr;
  std::string tls_mode;  // empty: not given
  bool passthrough =
      false;  // PASSTHROUGH of the host, or of the subset, which cannot be taken back
};

// `merged`: the DestinationRules that count, oldest first; the first trafficPolicy is that of the
// host. `subset`: null, or one of theirs. Level by level: of the host, of the host's port, of the
// subset, of the subset's port. A block replaces that of the level before; an entry for the port
// replaces its whole level, with defaults where it has no block.
PolicyBlocks PolicyFor(const std::vector<ObjectPtr>& merged, const Subset* subset,
                       std::uint16_t port);

// The policy as the kernel carries it out.
ClusterSettings SettingsOf(const PolicyBlocks& blocks);

// The parts of a level that are not done as written, by their path below it, and why.
std::vector<std::pair<std::string, std::string>> Unenforced(const PolicySettings& settings);

// How long a connection may last, 0: for ever. Istio asks the host's own level of the first
// destination and nothing else (networkfilter.go).
struct Lifetime {
  std::chrono::milliseconds idle{};
  std::chrono::milliseconds whole{};
};
Lifetime LifetimeOf(const std::vector<ObjectPtr>& merged);

}  // namespace vsplit::resolve
