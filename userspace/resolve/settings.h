// SPDX-License-Identifier: Apache-2.0
// What DestinationRules say about one port of one subset of a service. Rules: Istio's
// cluster_traffic_policy.go (pilot/pkg/networking/core), MergeSubsetTrafficPolicy of its
// networking/util and MergeTrafficPolicy of its model; defaults where Istio leaves one to Envoy.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
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

// The policy as the kernel carries it out. Where it hashes, whatever it hashes, that is kMaglev.
ClusterSettings SettingsOf(const PolicyBlocks& blocks);

// Whether the source address is hashed for the clusters of a route that hash at all; without a hash
// they draw at random. Istio writes it into the route, and does not look where it looks for the
// load balancer. `merged`: of the destination's host. `subset`: null, or one of theirs.
//
// On connections (maybeSetHashPolicy): as the host's own level says, or the subset's if that has a
// load balancer. Of several destinations the first is asked, and not for its subset.
bool HashesConnections(const std::vector<ObjectPtr>& merged, const Subset* subset);
// On requests (HashForHTTPDestination): as any destination says that can be drawn, by the first of
// these levels that hashes: the subset's port, the subset, the host's port, the host. `port`: of
// the service, if the destination names it.
bool HashesRequests(const std::vector<ObjectPtr>& merged, const Subset* subset,
                    std::optional<std::uint16_t> port);

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
