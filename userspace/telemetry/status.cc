// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json.h"
#include "live.h"
#include "tables.h"
#include "vsplit/datapath.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/schema.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

Json AttachmentsJson(const std::vector<Attachment>& attachments) {
  Json json = Json::array();
  for (const Attachment& attachment : attachments) {
    json.push_back({{"program", attachment.program},
                    {"link", attachment.link},
                    {"attached", attachment.attached},
                    {"program_id", attachment.program_id},
                    {"trouble", attachment.trouble}});
  }
  return json;
}

Json FeaturesJson(const std::vector<Feature>& features) {
  Json json = Json::array();
  for (const Feature& feature : features) {
    json.push_back({{"name", feature.name}, {"on", feature.on}, {"reason", feature.reason}});
  }
  return json;
}

Json TablesJson(const Tables& tables) {
  Json json = Json::array();
  for (const TableFill& fill : FillOf(tables)) {
    json.push_back({{"name", fill.table}, {"used", fill.used}, {"capacity", fill.capacity}});
  }
  return json;
}

Json TotalsJson(const Live& live, const total_value& totals) {
  Counts sum;
  for (const auto& [key, counter] : live.tables.counters) {
    Add(sum, CountsOf(live, counter));
  }
  Json json = Json::object();
  AddCounts(json, sum, true);
  json["untracked"] = totals.untracked;
  json["stale"] = totals.stale;
  json["unknown_source"] = totals.unknown_source;
  json["unlimited"] = totals.unlimited;
  return json;
}

Json ObjectsJson(const Store& store) {
  Json json = Json::object();
  for (const KindInfo& info : Kinds()) {
    if (const std::size_t count = store.Count(info.kind); count > 0) {
      json[std::string(info.name)] = count;
    }
  }
  return json;
}

Json AroundJson(const AroundStatus& around) {
  return {{"pods", around.pods},
          {"unknown_pods", around.unknown_pods},
          {"names", around.names},
          {"failing_names", around.failing_names},
          {"names_left_out", around.names_left_out},
          {"ended", around.ended},
          {"kubeconfig", around.kubeconfig},
          {"kube_trouble", around.kube_trouble}};
}

// Who holds how many connections of a cluster with maxConnections.
Json PoolsJson(const Live& live) {
  Json json = Json::array();
  for (const auto& [key, value] : live.pools) {
    const auto workload = live.tables.workload_names.find(key.workload);
    const auto cluster = live.tables.cluster_names.find(key.cluster);
    if (value.active > 0 && cluster != live.tables.cluster_names.end()) {
      json.push_back({{"workload", workload == live.tables.workload_names.end() ? std::string()
                                                                                : workload->second},
                      {"cluster", cluster->second},
                      {"active", value.active}});
    }
  }
  return json;
}

std::vector<Feature> AllFeatures(const AgentStatus& status) {
  std::vector<Feature> features = status.features;
  features.insert(features.end(), status.around.features.begin(), status.around.features.end());
  return features;
}

}  // namespace

std::vector<TableFill> FillOf(const Tables& tables) {
  std::vector<TableFill> fills;
  const auto add = [&fills](std::string_view table, const IdSpace& space) {
    fills.push_back({.table = table, .used = space.used(), .capacity = space.capacity() - 1});
  };
  fills.push_back({.table = "frontends",
                   .used = tables.frontend_space.used(),
                   .capacity = tables.frontend_space.capacity()});
  add("routes", tables.route_space);
  add("policies", tables.policy_space);
  add("groups", tables.group_space);
  add("hash_rows", tables.hash_space);
  add("endpoints", tables.endpoint_space);
  add("turns", tables.turn_space);
  add("endpoint_state", tables.state_space);
  add("route_counters", tables.counter_space);
  add("clusters", tables.cluster_space);
  add("hosts", tables.host_space);
  return fills;
}

std::string StatusJson(const Live& live, const AgentStatus& status) {
  Json rules = Json::array();
  for (const Verdict& verdict : status.rules) {
    rules.push_back(ToJson(verdict));
  }
  return Dump({{"version", status.version},
               {"generation", status.control.active_generation},
               {"passthrough", (status.control.flags & CONTROL_PASSTHROUGH) != 0},
               {"cgroup", status.cgroup},
               {"pins", status.pins},
               {"observe", status.observe},
               {"attachments", AttachmentsJson(status.attachments)},
               {"features", FeaturesJson(AllFeatures(status))},
               {"tables", TablesJson(live.tables)},
               {"totals", TotalsJson(live, status.totals)},
               {"untracked", status.totals.untracked},
               {"rules", std::move(rules)},
               {"hosts", status.hosts},
               {"around", AroundJson(status.around)},
               {"pools", PoolsJson(live)},
               {"unsettled", status.unsettled},
               {"objects", ObjectsJson(live.store)}});
}

}  // namespace vsplit
