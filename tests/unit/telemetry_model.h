// SPDX-License-Identifier: Apache-2.0
// Tables of a canary without a kernel, with counts made by hand.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
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

inline SocketAddress At(const char* text) {
  return ParseSocketAddress(text).value_or(SocketAddress{});
}

inline ImageFrontend Everyone(ImageRoute route) {
  return {.everyone = std::move(route), .sources = {}};
}

class Canary {
 public:
  static constexpr const char* kHost = "web.shop.svc.cluster.local";

  Canary() : tables_(Empty()) {
    ImageChange change;
    change.frontends[Frontend{At("10.96.0.7:80")}] =
        Everyone({.host = kHost,
                  .stride = 1,
                  .clusters = {Cluster("safe", 9, "10.1.0.11:8080"),
                               Cluster("risky", 1, "10.1.0.21:8080")}});
    Change(change);
    resolved_.host = kHost;
    const ObjectKey rule{Kind::kVirtualService, "shop", "web"};
    resolved_.ports = {{.port = 80,
                        .addresses = {{.address = At("10.96.0.7:80").ip}},
                        .rule_object = rule,
                        .rule_path = "spec.http[1]"}};
    resolved_.verdicts = {
        {Verdict::Kind::kNotEnforced, rule, "spec.http[0]", kHost, 80, "match.uri needs L7"},
        {Verdict::Kind::kEnforced, rule, "spec.http[1]", kHost, 80, ""},
        {Verdict::Kind::kNotEnforced, rule, "spec.tcp[0]", kHost, 90, "another port"}};
    Object pod{.key = {Kind::kPod, "shop", "risky-1"}};
    pod.spec = Pod{.ips = {At("10.1.0.21:1").ip}, .phase = "Running"};
    Object ended{.key = {Kind::kPod, "shop", "a-job"}};
    ended.spec = Pod{.ips = {At("10.1.0.21:1").ip}, .phase = "Succeeded"};
    Object plain{.key = {Kind::kService, "shop", "plain"}};
    plain.spec = Service{};
    store_.Load({pod, ended, plain}, 3);
  }

  static std::string Name(const std::string& subset) {
    return "outbound|80|" + subset + "|" + kHost;
  }

  static ImageCluster Cluster(const std::string& subset, std::uint32_t weight,
                              const char* endpoint) {
    EndpointGroup group;
    group.endpoints.push_back({.address = At(endpoint), .name = {}});
    return {.name = Name(subset), .weight = weight, .settings = {}, .groups = {group}};
  }

  route_counter& Counter(const std::string& subset) {
    const std::uint32_t frontend = tables_.frontends.begin()->second.id;
    return counters_.at(tables_.counters.at({frontend, tables_.cluster_ids.at(Name(subset))}));
  }
  endpoint_state& State(const std::string& subset, const char* address) {
    return states_.at(tables_.endpoint_ids.at({tables_.cluster_ids.at(Name(subset)), At(address)}));
  }
  // In all clusters; `until` is CLOCK_MONOTONIC, View() is at 100 s.
  void Eject(const char* address, std::chrono::nanoseconds until) {
    for (const auto& [key, id] : tables_.endpoint_ids) {
      if (key.second == At(address)) {
        healths_.at(id) = {.ejected_until = static_cast<std::uint64_t>(until.count()),
                           .failures = 1,
                           .backoff = 1,
                           .ejections = 1};
      }
    }
  }
  // Open connections of everyone who is no workload.
  void Hold(const std::string& subset, std::int64_t active) {
    pools_.push_back(
        {{.workload = 0, .cluster = tables_.cluster_ids.at(Name(subset))}, {.active = active}});
  }
  const Tables& tables() const { return tables_; }
  void Change(const ImageChange& change) { Carry(MakePlan(tables_, change).value(), tables_); }
  ResolvedHost& resolved() { return resolved_; }

  Live View() const {
    return {
        .tables = tables_,
        .endpoint_states = states_,
        .counters = counters_,
        .store = store_,
        .host =
            [this](const HostName& host) { return host == resolved_.host ? &resolved_ : nullptr; },
        .endpoint_healths = healths_,
        .now = std::chrono::seconds(100),
        .pools = pools_};
  }

 private:
  static constexpr std::uint32_t kRows = 32;

  static void Carry(const Plan& plan, Tables& tables) {
    for (const Operation& operation : plan.operations) {
      Advance(tables, operation);
    }
  }

  // Adopted from tables in which nothing is written.
  static Tables Empty() {
    static const std::vector<frontend_value> no_frontends(kRows);
    static const std::vector<route_value> no_routes(kRows);
    static const std::vector<endpoint_value> no_endpoints(kRows);
    static const std::vector<endpoint_state> no_states(kRows);
    static const std::vector<route_counter> no_counters(kRows);
    static const std::vector<policy_value> no_policies(kRows);
    static const std::vector<group_value> no_groups(kRows);
    static const std::vector<cluster_state> no_cluster_states(kRows);
    RawTables raw;
    raw.frontends = no_frontends;
    raw.routes = no_routes;
    raw.endpoints = no_endpoints;
    raw.endpoint_states = no_states;
    raw.counters = no_counters;
    raw.policies = no_policies;
    raw.groups = no_groups;
    raw.cluster_states = no_cluster_states;
    raw.turns = raw.clusters = raw.hosts = kRows;
    raw.source_routes = raw.workloads = raw.subnets = raw.hash_rows = kRows;
    Tables tables = Adopt(raw).value();
    Carry(MakeRepair(tables), tables);
    return tables;
  }

  Tables tables_;
  std::vector<endpoint_state> states_{kRows};
  std::vector<endpoint_health> healths_{kRows};
  std::vector<route_counter> counters_{kRows};
  std::vector<std::pair<pool_key, pool_value>> pools_;
  Store store_;
  ResolvedHost resolved_;
};

}  // namespace vsplit
