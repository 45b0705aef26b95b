// SPDX-License-Identifier: Apache-2.0
#include "old.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "managed.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/policy.h"
#include "vsplit/schema.h"
#include "vsplit/split.h"

namespace vsplit {
namespace {

OldRoute TakeRouteApart(const Tables& tables, std::uint32_t row) {
  OldRoute old;
  std::uint32_t below = 0;
  if (row != 0) {
    old.head = tables.routes.at(row);
  }
  while (row != 0) {
    old.rows.push_back(row);
    const route_value& route = tables.routes.at(row);
    for (std::size_t i = 0; i < route.count; ++i) {
      OldCluster& cluster = old.clusters.emplace_back();
      cluster.row = route.clusters[i];
      cluster.weight = cluster.row.bound - below;
      below = cluster.row.bound;
      if (const policy_value* policy = PolicyOf(tables, cluster.row)) {
        cluster.policy = *policy;
      }
      for (const GroupRow& group : GroupsOf(tables, cluster.row)) {
        cluster.groups.push_back({.row = group.value});
      }
    }
    row = route.next;
  }
  return old;
}

bool SameTimeouts(const ImageRoute& left, const ImageRoute& right) {
  return left.idle_timeout == right.idle_timeout &&
         left.max_connection_duration == right.max_connection_duration;
}

// Not 0.
std::uint32_t HashOf(const ImageRoute& route, const ImageCluster& cluster) {
  const cluster_state state = StateOf(cluster.settings);
  std::uint64_t hash = 0;
  for (const std::uint64_t part :
       {std::uint64_t{state.failures}, std::uint64_t{state.base_ms}, std::uint64_t{state.max_ms},
        std::uint64_t{state.interval_ms}, std::uint64_t{state.max_percent},
        std::uint64_t{state.reason}, static_cast<std::uint64_t>(route.idle_timeout.count()),
        static_cast<std::uint64_t>(route.max_connection_duration.count())}) {
    hash = (hash << 32) ^ split_hash(hash + part + 1);
  }
  return static_cast<std::uint32_t>(hash) | 1U;
}

std::uint32_t VariantOf(const ImageRoute& everyone, const ImageRoute& route,
                        const ImageCluster& cluster) {
  const auto same = std::ranges::find(everyone.clusters, cluster.name, &ImageCluster::name);
  const cluster_state theirs =
      same == everyone.clusters.end() ? cluster_state{} : StateOf(same->settings);
  return SameTimeouts(everyone, route) && SameState(theirs, StateOf(cluster.settings))
             ? 0
             : HashOf(route, cluster);
}

bool SameGroup(const Tables& tables, const group_value& row, const EndpointGroup& wanted) {
  return row.weight == wanted.weight && row.unready == wanted.unready &&
         row.level == wanted.priority && SameEndpoints(tables, row, wanted.endpoints);
}

bool SamePlain(const Tables& tables, const OldCluster& old, const ImageCluster& wanted) {
  static const std::vector<Endpoint> kNone;
  return !old.managed() && old.row.algorithm == static_cast<__u8>(wanted.settings.algorithm) &&
         SameEndpoints(tables, old.groups.empty() ? group_value{} : old.groups[0].row,
                       wanted.groups.empty() ? kNone : wanted.groups[0].endpoints);
}

bool SameCluster(const Tables& tables, const OldCluster& old, const ImageCluster& wanted,
                 std::uint32_t variant, bool v4) {
  const auto id = tables.cluster_ids.find(ClusterKey(wanted.name, variant));
  if (id == tables.cluster_ids.end() || id->second != old.row.cluster ||
      old.weight != wanted.weight) {
    return false;
  }
  return IsPlain(wanted) ? SamePlain(tables, old, wanted)
                         : old.managed() && SameManaged(tables, old, PolicyRow(wanted, v4), wanted);
}

WantedRoute WantedEveryone(const ImageFrontend& frontend, bool v4) {
  return {.route = &frontend.everyone,
          .variants = std::vector<std::uint32_t>(frontend.everyone.clusters.size()),
          .v4 = v4};
}

WantedRoute WantedSource(const ImageFrontend& frontend, const SourceRoute& source, bool v4) {
  WantedRoute wanted{.route = &source.route, .variants = {}, .v4 = v4};
  for (const ImageCluster& cluster : source.route.clusters) {
    wanted.variants.push_back(VariantOf(frontend.everyone, source.route, cluster));
  }
  return wanted;
}

}  // namespace

OldFrontend TakeApart(const Tables& tables, std::uint32_t head) {
  OldFrontend old{
      .head = head, .everyone = TakeRouteApart(tables, head), .sources = {}, .routes = {}};
  for (auto it = tables.sources.lower_bound({head, 0});
       head != 0 && it != tables.sources.end() && it->first.first == head; ++it) {
    old.sources.emplace(it->first.second, it->second);
    if (!old.routes.contains(it->second)) {
      old.routes.emplace(it->second, TakeRouteApart(tables, it->second));
    }
  }
  return old;
}

WantedFrontend WantedOf(const ImageFrontend& image, bool v4) {
  WantedFrontend wanted{
      .image = image, .everyone = WantedEveryone(image, v4), .sources = {}, .source_of = {}};
  for (const SourceRoute& source : image.sources) {
    for (const std::string& workload : source.workloads) {
      wanted.source_of.emplace(workload, wanted.sources.size());
    }
    wanted.sources.push_back(WantedSource(image, source, v4));
  }
  return wanted;
}

bool SameEndpoints(const Tables& tables, const group_value& row,
                   const std::vector<Endpoint>& wanted) {
  if (row.count != wanted.size()) {
    return false;
  }
  std::uint32_t bound = 0;
  for (std::uint32_t i = 0; i < row.count; ++i) {
    const endpoint_value& endpoint = tables.endpoints.at(row.first + i);
    bound += wanted[i].weight;
    if (endpoint.bound != bound ||
        tables.endpoint_addresses.at(endpoint.endpoint) != wanted[i].address) {
      return false;
    }
  }
  return true;
}

bool SameManaged(const Tables& tables, const OldCluster& old, const policy_value& policy,
                 const ImageCluster& wanted) {
  policy_value theirs = old.policy;
  theirs.first_group = 0;
  theirs.turn = 0;
  if (std::memcmp(&theirs, &policy, sizeof(policy)) != 0) {
    return false;
  }
  return policy.groups == 0 ||
         std::ranges::equal(old.groups, wanted.groups,
                            [&tables](const OldGroup& group, const EndpointGroup& other) {
                              return SameGroup(tables, group.row, other);
                            });
}

bool SameRoute(const Tables& tables, const OldRoute& old, const WantedRoute& wanted) {
  const ImageRoute& route = *wanted.route;
  if (old.rows.empty() || tables.host_names.at(old.head.host) != route.host ||
      old.head.policy != static_cast<__u8>(route.policy) || old.head.stride != route.stride ||
      old.clusters.size() != route.clusters.size()) {
    return false;
  }
  for (std::size_t i = 0; i < old.clusters.size(); ++i) {
    if (!SameCluster(tables, old.clusters[i], route.clusters[i], wanted.variants[i], wanted.v4)) {
      return false;
    }
  }
  return true;
}

}  // namespace vsplit
