// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exposition.h"
#include "live.h"
#include "tables.h"
#include "vsplit/address.h"
#include "vsplit/datapath.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/schema.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

struct Counted {
  MetricLabels labels;
  Counts counts;
  std::uint64_t ejections = 0;  // of an endpoint
  bool ejected = false;
};

// Every cluster of every route in force.
std::vector<Counted> CountClusters(const Live& live) {
  std::vector<Counted> all;
  for (const auto& [frontend, row] : live.tables.frontends) {
    const std::optional<LiveRoute> route = ReadRoute(live, frontend);
    if (!route) {
      continue;
    }
    for (const LiveCluster& cluster : route->clusters) {
      all.push_back({.labels = {{"frontend", ToString(frontend.address)},
                                {"host", route->host},
                                {"port", std::to_string(frontend.address.port)},
                                {"cluster", cluster.name},
                                {"subset", cluster.subset}},
                     .counts = cluster.counts});
    }
  }
  return all;
}

// Every endpoint that the tables know, those that only old connections still use included.
std::vector<Counted> CountEndpoints(const Live& live) {
  std::vector<Counted> all;
  for (const auto& [key, endpoint] : live.tables.endpoint_ids) {
    const auto name = live.tables.cluster_names.find(key.first);
    if (name == live.tables.cluster_names.end()) {
      continue;
    }
    Counted& one = all.emplace_back();
    one.labels = {{"cluster", name->second},
                  {"host", std::string(TakeApart(name->second).host)},
                  {"endpoint", ToString(key.second)},
                  {"workload", WorkloadOf(live, key.second.ip)}};
    one.counts = CountsOfEndpoint(live, endpoint);
    if (endpoint < live.endpoint_healths.size()) {
      const endpoint_health& health = live.endpoint_healths[endpoint];
      one.ejections = health.ejections;
      one.ejected = std::chrono::nanoseconds(health.ejected_until) > live.now;
    }
  }
  return all;
}

MetricLabels With(MetricLabels labels, std::string_view name, std::string value) {
  labels.emplace_back(name, std::move(value));
  return labels;
}

// The families that clusters and endpoints both have; `prefix` ends in "_" or is "".
void AddCounts(Exposition& text, const std::string& prefix, std::string_view what,
               const std::vector<Counted>& all) {
  text.Family(prefix + "connections_opened_total", "counter",
              fmt::format("Connections opened to this {}.", what));
  for (const Counted& one : all) {
    text.Sample(one.labels, one.counts.opened);
  }
  text.Family(prefix + "connections_active", "gauge",
              fmt::format("Connections opened to this {} and not yet closed.", what));
  for (const Counted& one : all) {
    text.Signed(one.labels, one.counts.active);
  }
  text.Family(prefix + "connections_failed_total", "counter",
              fmt::format("Connections to this {} that were never established.", what));
  for (const Counted& one : all) {
    text.Sample(one.labels, one.counts.failed);
  }
  text.Family(prefix + "bytes_total", "counter",
              fmt::format("Bytes exchanged with this {} by connections that have closed.", what));
  for (const Counted& one : all) {
    text.Sample(With(one.labels, "direction", "sent"), one.counts.sent);
    text.Sample(With(one.labels, "direction", "received"), one.counts.received);
  }
}

void AddRefused(Exposition& text, const std::vector<Counted>& clusters) {
  text.Family("vsplit_connections_refused_total", "counter",
              "Connections refused in connect(), by reason.");
  for (const Counted& one : clusters) {
    text.Sample(With(one.labels, "reason", "no_endpoint"), one.counts.refused);
    if (one.counts.limited > 0) {
      text.Sample(With(one.labels, "reason", "max_connections"), one.counts.limited);
    }
  }
}

void AddEjections(Exposition& text, const std::vector<Counted>& endpoints) {
  text.Family("vsplit_endpoint_ejections_total", "counter",
              "How often this endpoint was ejected for failed connections.");
  for (const Counted& one : endpoints) {
    text.Sample(one.labels, one.ejections);
  }
  text.Family("vsplit_endpoint_ejected", "gauge", "1 while this endpoint is ejected.");
  for (const Counted& one : endpoints) {
    text.Sample(one.labels, one.ejected ? 1 : 0);
  }
}

void AddTables(Exposition& text, const Live& live) {
  const std::vector<TableFill> fills = FillOf(live.tables);
  text.Family("vsplit_table_entries", "gauge", "Entries of a kernel table that are in use.");
  for (const TableFill& fill : fills) {
    text.Sample({{"table", std::string(fill.table)}}, fill.used);
  }
  text.Family("vsplit_table_capacity", "gauge", "Entries that a kernel table has room for.");
  for (const TableFill& fill : fills) {
    text.Sample({{"table", std::string(fill.table)}}, fill.capacity);
  }
}

void AddState(Exposition& text, const Live& live, const AgentStatus& status) {
  text.Family("vsplit_build_info", "gauge", "Always 1; the labels say what is running.");
  text.Sample({{"version", status.version}}, 1);
  text.Family("vsplit_generation", "gauge", "Generation of the tables that is in force.");
  text.Sample({}, status.control.active_generation);
  text.Family("vsplit_passthrough", "gauge",
              "1 while the kill switch leaves every connection untouched.");
  text.Sample({}, (status.control.flags & CONTROL_PASSTHROUGH) != 0 ? 1 : 0);
  text.Family(
      "vsplit_unsettled", "gauge",
      "1 while something that is committed is not in force as a whole, and is tried again.");
  text.Sample({}, status.unsettled.empty() ? 0 : 1);
  text.Family("vsplit_program_attached", "gauge", "1 if the kernel says the program is attached.");
  for (const Attachment& attachment : status.attachments) {
    text.Sample({{"program", attachment.program}}, attachment.attached ? 1 : 0);
  }
  text.Family("vsplit_hosts", "gauge", "Hosts that are served.");
  text.Sample({}, status.hosts);
  text.Family("vsplit_objects", "gauge", "Objects in the store, by kind.");
  for (const KindInfo& info : Kinds()) {
    text.Sample({{"kind", std::string(info.name)}}, live.store.Count(info.kind));
  }
  std::map<Verdict::Kind, std::uint64_t> verdicts = {{Verdict::Kind::kEnforced, 0},
                                                     {Verdict::Kind::kApproximated, 0},
                                                     {Verdict::Kind::kNotEnforced, 0}};
  for (const Verdict& verdict : status.rules) {
    ++verdicts[verdict.kind];
  }
  text.Family("vsplit_rules", "gauge", "Rules, by what became of them.");
  for (const auto& [kind, count] : verdicts) {
    text.Sample({{"verdict", ToString(kind)}}, count);
  }
  text.Family("vsplit_connections_untracked_total", "counter",
              "Connections that were split and not counted: the table of connections was full.");
  text.Sample({}, status.totals.untracked);
  text.Family("vsplit_connections_stale_total", "counter",
              "Connections left untouched because the agent changed their route meanwhile.");
  text.Sample({}, status.totals.stale);
  text.Family("vsplit_connections_unknown_source_total", "counter",
              "Connections of no pod that is known, where rules could tell pods apart.");
  text.Sample({}, status.totals.unknown_source);
  text.Family("vsplit_connections_unlimited_total", "counter",
              "Connections not held to maxConnections: the table of pools was full.");
  text.Sample({}, status.totals.unlimited);
}

void AddAround(Exposition& text, const AroundStatus& around) {
  text.Family("vsplit_pods", "gauge", "Pods of this node, by whether their cgroup was found.");
  text.Sample({{"cgroup", "found"}}, around.pods);
  text.Sample({{"cgroup", "unknown"}}, around.unknown_pods.size());
  text.Family("vsplit_dns_names", "gauge", "DNS names, by what became of the last question.");
  text.Sample({{"result", "answered"}}, around.names - around.failing_names.size());
  text.Sample({{"result", "failing"}}, around.failing_names.size());
  text.Sample({{"result", "left_out"}}, around.names_left_out);
  text.Family("vsplit_connections_ended_total", "counter",
              "Connections ended because they outlived a limit, by that limit.");
  for (const auto& [reason, count] : around.ended) {
    text.Sample({{"reason", reason}}, count);
  }
}

void AddCluster(Exposition& text, const ClusterCounts& cluster) {
  text.Family("vsplit_cluster_objects", "gauge",
              "Objects of the API server that are not in force as they are, by why.");
  text.Sample({{"state", "refused"}}, cluster.refused);
  text.Sample({{"state", "failed"}}, cluster.failed);
  text.Family("vsplit_status_writer", "gauge",
              "1 on the agent that writes the status of rules for the cluster.");
  text.Sample({}, cluster.writes_status ? 1 : 0);
  text.Family("vsplit_cluster_requests_total", "counter",
              "Requests to write to the API server, by what they write and their result.");
  for (const auto& [request, count] : cluster.requests) {
    text.Sample({{"what", request.first}, {"result", request.second}}, count);
  }
}

void AddApplies(Exposition& text, const ApplyRecord& record) {
  text.Family("vsplit_applies_total", "counter", "Transactions, by their result.");
  for (const auto& [result, count] : record.results) {
    text.Sample({{"result", result}}, count);
  }
  text.Family("vsplit_unsettled_total", "counter",
              "Failures to put into force what follows a commit: ejection, timeouts, workloads.");
  text.Sample({}, record.unsettled);
  text.Family("vsplit_apply_duration_seconds", "histogram",
              "How long the phases of a transaction took.");
  for (const auto& [phase, histogram] : record.durations) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < histogram.counts().size(); ++i) {
      sum += histogram.counts()[i];
      text.Add("_bucket",
               {{"phase", phase},
                {"le", i < Histogram::kBounds.size() ? fmt::format("{}", Histogram::kBounds[i])
                                                     : "+Inf"}},
               sum);
    }
    text.Add("_sum", {{"phase", phase}}, histogram.seconds());
    text.Add("_count", {{"phase", phase}}, sum);
  }
}

}  // namespace

void Histogram::Add(std::chrono::nanoseconds duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  std::size_t bucket = 0;
  while (bucket < kBounds.size() && seconds > kBounds[bucket]) {
    ++bucket;
  }
  ++counts_[bucket];
  seconds_ += seconds;
}

std::string MetricsText(const Live& live, const AgentStatus& status, const ApplyRecord& record) {
  Exposition text;
  AddState(text, live, status);
  AddAround(text, status.around);
  if (status.around.cluster) {
    AddCluster(text, *status.around.cluster);
  }
  AddTables(text, live);
  AddApplies(text, record);
  const std::vector<Counted> clusters = CountClusters(live);
  AddCounts(text, "vsplit_", "cluster of a frontend", clusters);
  AddRefused(text, clusters);
  const std::vector<Counted> endpoints = CountEndpoints(live);
  AddCounts(text, "vsplit_endpoint_", "endpoint", endpoints);
  AddEjections(text, endpoints);
  return text.Take();
}

}  // namespace vsplit
