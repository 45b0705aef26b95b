// SPDX-License-Identifier: Apache-2.0
#include "live.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
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

LiveCluster ReadCluster(const Live& live, const route_cluster& row, std::uint32_t first) {
  LiveCluster cluster{.name = NameAt(live.tables.cluster_names, row.cluster),
                      .first = first,
                      .bound = row.bound,
                      .algorithm = static_cast<Algorithm>(row.algorithm),
                      .counts = CountsOf(live, row.counter)};
  cluster.subset = TakeApart(cluster.name).subset;
  for (const GroupRow& group : GroupsOf(live.tables, row)) {
    for (const std::uint32_t id : group.endpoints) {
      if (const auto address = live.tables.endpoint_addresses.find(id);
          address != live.tables.endpoint_addresses.end()) {
        cluster.endpoints.push_back({.address = address->second,
                                     .workload = WorkloadOf(live, address->second.ip),
                                     .counts = CountsOfEndpoint(live, id)});
      }
    }
  }
  return cluster;
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
    const Pod* pod = std::get_if<Pod>(&object->spec);
    if (pod != nullptr && pod->phase != "Succeeded" && pod->phase != "Failed") {
      return object->key.ns + "/" + object->key.name;
    }
  }
  return "";
}

const ResolvedPort* PortOf(const Live& live, const HostName& host, std::uint16_t port) {
  const ResolvedHost* resolved = live.host(host);
  if (resolved == nullptr) {
    return nullptr;
  }
  const auto found = std::ranges::find(resolved->ports, port, &ResolvedPort::port);
  return found == resolved->ports.end() ? nullptr : &*found;
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
          .refused = 0,
          .sent = row.sent,
          .received = row.received};
}

void Add(Counts& sum, const Counts& counts) {
  sum.opened += counts.opened;
  sum.active += counts.active;
  sum.failed += counts.failed;
  sum.refused += counts.refused;
  sum.sent += counts.sent;
  sum.received += counts.received;
}

std::optional<LiveRoute> ReadRoute(const Live& live, const Frontend& frontend) {
  const auto found = live.tables.frontends.find(frontend);
  const std::uint32_t first =
      found == live.tables.frontends.end() ? 0 : live.tables.RowInForce(found->second);
  auto row = live.tables.routes.find(first);
  if (first == 0 || row == live.tables.routes.end()) {
    return std::nullopt;
  }
  LiveRoute route{.frontend = frontend,
                  .host = NameAt(live.tables.host_names, row->second.host),
                  .policy = static_cast<Policy>(row->second.policy),
                  .total = row->second.total,
                  .stride = row->second.stride};
  const ResolvedPort* port = PortOf(live, route.host, frontend.address.port);
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
