// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "json.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

// What sets it apart from a plain, healthy endpoint.
void AddState(Json& json, const LiveEndpoint& endpoint) {
  if (endpoint.priority != 0) {
    json["priority"] = endpoint.priority;
  }
  if (endpoint.weight != 1) {
    json["weight"] = endpoint.weight;
  }
  if (endpoint.ejected.count() > 0) {
    json["ejected_ms"] = endpoint.ejected.count();
    json["why"] = endpoint.why;
  }
  if (endpoint.ejections > 0) {
    json["ejections"] = endpoint.ejections;
  }
  if (endpoint.failures > 0) {
    json["failures_in_a_row"] = endpoint.failures;
  }
}

Json ToJson(const LiveEndpoint& endpoint) {
  Json json = {{"address", ToString(endpoint.address)}, {"workload", endpoint.workload}};
  AddCounts(json, endpoint.counts, false);
  AddState(json, endpoint);
  return json;
}

// What a cluster without a policy has not.
void AddLimits(Json& json, const LiveCluster& cluster) {
  if (cluster.ejects) {
    json["outlier_detection"] = true;
  }
  if (cluster.max_connections) {
    json["max_connections"] = *cluster.max_connections;
    json["pools"] = Json::array();
    for (const LivePool& pool : cluster.pools) {
      json["pools"].push_back({{"workload", pool.workload}, {"active", pool.active}});
    }
  }
}

Json ToJson(const LiveCluster& cluster, std::uint32_t total) {
  const std::uint32_t weight = cluster.bound - cluster.first;
  Json json = {{"name", cluster.name},
               {"subset", cluster.subset},
               {"weight", weight},
               {"share", static_cast<double>(weight) / total}};
  if (!cluster.broken.empty()) {
    json["broken"] = cluster.broken;
  }
  AddCounts(json, cluster.counts, true);
  AddLimits(json, cluster);
  json["endpoints"] = Json::array();
  for (const LiveEndpoint& endpoint : cluster.endpoints) {
    json["endpoints"].push_back(ToJson(endpoint));
  }
  return json;
}

}  // namespace

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json ToJson(const Verdict& verdict) {
  Json json = {{"verdict", ToString(verdict.kind)},
               {"object", ToString(verdict.object)},
               {"path", verdict.path},
               {"host", verdict.host},
               {"port", verdict.port},
               {"reason", verdict.reason}};
  if (!verdict.sources.empty()) {
    json["sources"] = verdict.sources;
  }
  return json;
}

void AddCounts(Json& json, const Counts& counts, bool with_refused) {
  json["opened"] = counts.opened;
  json["active"] = counts.active;
  json["failed"] = counts.failed;
  if (with_refused) {
    json["refused"] = counts.refused;
    if (counts.limited > 0) {
      json["limited"] = counts.limited;
    }
  }
  json["sent"] = counts.sent;
  json["received"] = counts.received;
}

Json ToJson(const LiveRoute& route) {
  Json json = {{"frontend", ToString(route.frontend.address)},
               {"host", route.host},
               {"port", route.frontend.address.port},
               {"rule", route.rule},
               {"policy", ToString(route.policy)},
               {"total", route.total}};
  json["clusters"] = Json::array();
  for (const LiveCluster& cluster : route.clusters) {
    json["clusters"].push_back(ToJson(cluster, route.total));
  }
  return json;
}

std::string SplitJson(const Live& live, std::chrono::nanoseconds time) {
  Json split = {
      {"generation", live.tables.generation}, {"time", time.count()}, {"routes", Json::array()}};
  for (const auto& [frontend, row] : live.tables.frontends) {
    if (const std::optional<LiveRoute> route = ReadRoute(live, frontend)) {
      split["routes"].push_back(ToJson(*route));
    }
  }
  return Dump(split);
}

}  // namespace vsplit
