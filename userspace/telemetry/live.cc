// SPDX-License-Identifier: Apache-2.0
#include "live.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/schema.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

std::string NameAt(const std::unordered_map<std::uint32_t, std::string>& names, std::uint32_t id) {
  const auto found = names.find(id);
  return found == names.end() ? std::string() : found->second;
}

std::string BrokenReason(const ResolvedPort* port, const std::string& cluster) {
  if (port == nullptr) {
    return "";
  }
  const auto found = std::ranges::find(port->clusters, cluster, &ResolvedCluster::name);
  return found == port->clusters.end() ? "" : found->broken;
}

// The field of outlierDetection whose number of failures ejected.
const char* FieldOf(std::uint32_t reason) {
  switch (reason) {
    case EJECTION_GATEWAY:
      return "consecutiveGatewayErrors";
    case EJECTION_LOCAL_ORIGIN:
      return "consecutiveLocalOriginFailures";
    default:
      return "consecutive5xxErrors";
  }
}

// "5 failed connections in a row (consecutive5xxErrors)"
std::string WhyEjected(const Live& live, std::uint32_t cluster) {
  const auto found = live.tables.cluster_states.find(cluster);
  if (found == live.tables.cluster_states.end()) {
    return "";
  }
  const cluster_state& state = found->second;
  return fmt::format("{} failed connection{} in a row ({})", state.failures,
                     state.failures == 1 ? "" : "s", FieldOf(state.reason));
}

LiveEndpoint ReadEndpoint(const Live& live, std::uint32_t cluster, std::uint32_t id,
                          const SocketAddress& address) {
  LiveEndpoint endpoint{.address = address,
                        .workload = WorkloadOf(live, address.ip),
                        .counts = CountsOfEndpoint(live, id)};
  if (id < live.endpoint_healths.size()) {
    const endpoint_health& health = live.endpoint_healths[id];
    const std::chrono::nanoseconds until(health.ejected_until);
    if (until > live.now) {  // rounded up: what is still ejected has some time left
      endpoint.ejected = std::chrono::ceil<std::chrono::milliseconds>(until - live.now);
      endpoint.why = WhyEjected(live, cluster);
    }
    endpoint.ejections = health.ejections;
    endpoint.failures = health.failures;
  }
  return endpoint;
}

void ReadGroup(const Live& live, std::uint32_t cluster_id, const GroupRow& group,
               LiveCluster& cluster) {
  std::uint32_t below = 0;
  for (std::uint32_t i = 0; i < group.endpoints.size(); ++i) {
    const std::uint32_t id = group.endpoints[i];
    const auto row = live.tables.endpoints.find(group.value.first + i);
    const auto address = live.tables.endpoint_addresses.find(id);
    if (row == live.tables.endpoints.end() || address == live.tables.endpoint_addresses.end()) {
      continue;
    }
    LiveEndpoint endpoint = ReadEndpoint(live, cluster_id, id, address->second);
    endpoint.priority = group.value.level;
    endpoint.weight = row->second.bound - below;
    below = row->second.bound;
    cluster.endpoints.push_back(std::move(endpoint));
  }
}

std::vector<LivePool> PoolsOf(const Live& live, std::uint32_t cluster) {
  std::vector<LivePool> pools;
  const auto id = [](const auto& pool) { return pool.first.cluster; };
  for (auto at = std::ranges::lower_bound(live.pools, cluster, {}, id);
       at != live.pools.end() && id(*at) == cluster; ++at) {
    const auto& [key, value] = *at;
    if (value.active > 0) {
      pools.push_back(
          {.workload = NameAt(live.tables.workload_names, key.workload), .active = value.active});
    }
  }
  std::ranges::sort(pools, [](const LivePool& left, const LivePool& right) {
    return std::tie(right.active, left.workload) < std::tie(left.active, right.workload);
  });
  return pools;
}

LiveCluster ReadCluster(const Live& live, const route_cluster& row, std::uint32_t first) {
  const policy_value* policy = PolicyOf(live.tables, row);
  const std::uint8_t algorithm = policy == nullptr ? row.algorithm : policy->algorithm;
  LiveCluster cluster{.name = NameAt(live.tables.cluster_names, row.cluster),
                      .first = first,
                      .bound = row.bound,
                      .algorithm = static_cast<Algorithm>(algorithm),
                      .counts = CountsOf(live, row.counter)};
  cluster.subset = TakeApart(cluster.name).subset;
  for (const GroupRow& group : GroupsOf(live.tables, row)) {
    ReadGroup(live, row.cluster, group, cluster);
  }
  if (policy == nullptr) {
    return cluster;
  }
  cluster.ejects = (policy->flags & MANAGED_EJECTS) != 0;
  if (policy->max_connections != NO_LIMIT) {
    cluster.max_connections = policy->max_connections;
    cluster.pools = PoolsOf(live, row.cluster);
  }
  return cluster;
}

// The head row of the workload's own route beside everyone's; 0: it has none.
std::uint32_t SourceRow(const Live& live, std::uint32_t row, const std::string& workload) {
  const auto id = live.tables.workload_ids.find(workload);
  if (workload.empty() || id == live.tables.workload_ids.end()) {
    return 0;
  }
  const auto found = live.tables.sources.find({row, id->second});
  return found == live.tables.sources.end() ? 0 : found->second;
}

}  // namespace

ClusterName TakeApart(std::string_view name) {
  ClusterName parts;
  const auto take = [&name] {
    const std::size_t bar = name.find('|');
    const std::string_view part = name.substr(0, bar);
    name = bar == std::string_view::npos ? std::string_view{} : name.substr(bar + 1);
    return part;
  };
  take();  // the direction
  parts.port = take();
  parts.subset = take();
  parts.host = name;
  return parts;
}

std::string WorkloadOf(const Live& live, const IpAddress& ip) {
  for (const ObjectPtr& object : live.store.PodsWithIp(ip)) {
    const Pod* pod = object->spec.Find<Pod>();
    if (pod != nullptr && pod->phase != "Succeeded" && pod->phase != "Failed") {
      return object->key.ns + "/" + object->key.name;
    }
  }
  return "";
}

const ResolvedPort* PortOf(const ResolvedHost& host, const Frontend& frontend) {
  const ResolvedPort* any = nullptr;
  for (const ResolvedPort& part : host.ports) {
    if (part.port != frontend.address.port) {
      continue;
    }
    if (std::ranges::any_of(part.addresses, [&frontend](const IpPrefix& prefix) {
          return prefix.Contains(frontend.addresses());
        })) {
      return &part;
    }
    any = any == nullptr ? &part : any;
  }
  return any;
}

Counts CountsOf(const Live& live, std::uint32_t counter) {
  if (counter >= live.counters.size()) {
    return {};
  }
  const route_counter& row = live.counters[counter];
  return {.opened = row.opened,
          .active = row.active,
          .failed = row.failed,
          .refused = row.refused_no_endpoint,
          .limited = row.refused_limit,
          .sent = row.sent,
          .received = row.received};
}

Counts CountsOfEndpoint(const Live& live, std::uint32_t endpoint) {
  if (endpoint >= live.endpoint_states.size()) {
    return {};
  }
  const endpoint_state& row = live.endpoint_states[endpoint];
  return {.opened = row.opened,
          .active = row.active,
          .failed = row.failed,
          .sent = row.sent,
          .received = row.received};
}

void Add(Counts& sum, const Counts& counts) {
  sum.opened += counts.opened;
  sum.active += counts.active;
  sum.failed += counts.failed;
  sum.refused += counts.refused;
  sum.limited += counts.limited;
  sum.sent += counts.sent;
  sum.received += counts.received;
}

std::optional<LiveRoute> ReadRoute(const Live& live, const Frontend& frontend,
                                   const std::string& workload) {
  const auto found = live.tables.frontends.find(frontend);
  const std::uint32_t first =
      found == live.tables.frontends.end() ? 0 : live.tables.RowInForce(found->second);
  const std::uint32_t own = SourceRow(live, first, workload);
  auto row = live.tables.routes.find(own == 0 ? first : own);
  if (first == 0 || row == live.tables.routes.end() || row->second.count == 0) {
    return std::nullopt;
  }
  LiveRoute route{.frontend = frontend,
                  .host = NameAt(live.tables.host_names, row->second.host),
                  .policy = static_cast<Policy>(row->second.policy),
                  .total = row->second.total,
                  .stride = row->second.stride,
                  .source = own == 0 ? "" : workload};
  const ResolvedHost* host = live.host(route.host);
  const ResolvedPort* port = host == nullptr ? nullptr : PortOf(*host, frontend);
  if (port != nullptr && !port->rule_object.name.empty()) {
    route.rule = ToString(port->rule_object) + " " + port->rule_path;
  }
  std::uint32_t bound = 0;
  for (int rows = 0; row != live.tables.routes.end() && rows < ROUTE_ROWS; ++rows) {
    for (const route_cluster& cluster : std::span(row->second.clusters, row->second.count)) {
      route.clusters.push_back(ReadCluster(live, cluster, bound));
      route.clusters.back().broken = BrokenReason(port, route.clusters.back().name);
      bound = cluster.bound;
    }
    row = row->second.next == 0 ? live.tables.routes.end()
                                : live.tables.routes.find(row->second.next);
  }
  return route;
}

}  // namespace vsplit
