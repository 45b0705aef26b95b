// SPDX-License-Identifier: Apache-2.0
#include "in_place.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tl/expected.hpp>

#include "allotment.h"
#include "managed.h"
#include "old.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {

Result<void> InPlace::Settle(std::uint32_t frontend, bool v4, const WantedRoute& wanted,
                             bool everyone) {
  const ImageRoute& route = *wanted.route;
  const Timeouts timeouts{static_cast<std::uint64_t>(route.idle_timeout.count()),
                          static_cast<std::uint64_t>(route.max_connection_duration.count())};
  for (std::size_t i = 0; i < route.clusters.size(); ++i) {
    const Result<std::uint32_t> cluster =
        allotment_.ClusterId(route.clusters[i].name, wanted.variants[i]);
    if (!cluster) {
      return tl::unexpected<Error>(cluster.error());
    }
    const Result<std::uint32_t> counter = allotment_.CounterIndex(frontend, *cluster);
    if (!counter) {
      return tl::unexpected<Error>(counter.error());
    }
    SettleTimeouts(*counter, timeouts);
    // A source that does not eject does not say that nobody does.
    if (everyone || route.clusters[i].settings.ejection) {
      SettleState(*cluster, v4, route.clusters[i]);
    }
  }
  return {};
}

void InPlace::SettleTimeouts(std::uint32_t counter, const Timeouts& wanted) {
  const auto known = t_.timeouts.find(counter);
  const auto [settled, first] =
      timeouts_.emplace(counter, known == t_.timeouts.end() ? Timeouts{} : known->second);
  if (settled->second != wanted) {
    settled->second = wanted;
    operations_.emplace_back(WriteTimeouts{counter, wanted});
  }
}

// Sources may see fewer endpoints of a cluster than others do: the most count.
void InPlace::SettleState(std::uint32_t cluster, bool v4, const ImageCluster& wanted) {
  const cluster_state known = StateInForce(cluster);
  cluster_state state = StateOf(wanted.settings);
  if (state.failures != 0) {
    std::ranges::copy(known.endpoints, state.endpoints);
    state.endpoints[v4 ? 0 : 1] = EndpointsOf(wanted.groups);
  }
  const bool first_of_family = counted_.emplace(cluster, v4).second;
  const __u32 counted = state.endpoints[v4 ? 0 : 1];
  __u32& endpoints = states_.emplace(cluster, state).first->second.endpoints[v4 ? 0 : 1];
  endpoints = first_of_family ? counted : std::max(endpoints, counted);
}

cluster_state InPlace::StateInForce(std::uint32_t cluster) const {
  const auto known = t_.cluster_states.find(cluster);
  return known == t_.cluster_states.end() ? cluster_state{} : known->second;
}

void InPlace::WriteStates() {
  for (const auto& [cluster, state] : states_) {
    if (!SameState(StateInForce(cluster), state)) {
      operations_.emplace_back(WriteClusterState{cluster, state});
    }
  }
}

}  // namespace vsplit
