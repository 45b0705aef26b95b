// SPDX-License-Identifier: Apache-2.0
// Adopting the tables as they lie in the kernel.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "keys.h"
#include "managed.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

// The rows of one table that something in force names.
class Claims {
 public:
  explicit Claims(std::size_t rows) : used_(rows) {}

  // Fails when one of them is not there, or is somebody else's. Row 0 is nobody's.
  bool Claim(std::uint32_t first, std::uint32_t count) {
    if (count == 0) {
      return true;
    }
    if (first == 0 || first >= used_.size() || count > used_.size() - first) {
      return false;
    }
    for (std::uint32_t row = first; row < first + count; ++row) {
      if (used_[row]) {
        return false;
      }
      used_[row] = true;
    }
    return true;
  }
  bool ClaimIfAny(std::uint32_t row) { return Claim(row, row == 0 ? 0 : 1); }
  bool Has(std::uint32_t row) const { return row < used_.size() && used_[row]; }
  IdSpace Space() const { return IdSpace::FromUsed(used_); }

 private:
  std::vector<bool> used_;
};

// Takes what is in force out of the raw tables, checking every row number on the way.
class Adopter {
 public:
  explicit Adopter(const RawTables& raw)
      : raw_(raw),
        routes_(raw.routes.size()),
        policies_(raw.policies.size()),
        groups_(raw.groups.size()),
        hashes_(raw.hash_rows),
        endpoints_(raw.endpoints.size()),
        turns_(raw.turns),
        states_(raw.endpoint_states.size()),
        counters_(raw.counters.size()) {}

  Result<Tables> Adopt() {
    tables_.generation = raw_.control.active_generation;
    tables_.uses_subnets = (raw_.control.flags & CONTROL_SUBNETS) != 0;
    tables_.source_capacity = raw_.source_routes;
    tables_.workload_capacity = raw_.workloads;
    tables_.subnet_capacity = raw_.subnets;
    AdoptNames();
    AdoptStates();
    AdoptCounters();
    AdoptWorkloads();
    CollectSources();
    tables_.frontend_space = FrontendSpace(static_cast<std::uint32_t>(raw_.frontends.size()));
    for (std::uint32_t place = 0; place < raw_.frontends.size(); ++place) {
      if (raw_.frontends[place].state == FRONTEND_GONE) {
        tables_.frontend_space.SetGone(place);
      } else if (raw_.frontends[place].state != FRONTEND_USED) {
        continue;
      } else if (Result<void> adopted = AdoptFrontend(place); !adopted) {
        return Fail("tables", adopted.error());
      }
    }
    AdoptSubnets();
    tables_.route_space = routes_.Space();
    tables_.policy_space = policies_.Space();
    tables_.group_space = groups_.Space();
    tables_.hash_space = hashes_.Space();
    tables_.endpoint_space = endpoints_.Space();
    tables_.turn_space = turns_.Space();
    tables_.state_space = states_.Space();
    tables_.counter_space = counters_.Space();
    return std::move(tables_);
  }

 private:
  void AdoptNames() {
    std::vector<bool> clusters(raw_.clusters);
    for (const auto& [key, value] : raw_.cluster_names) {
      const std::string name = ClusterKey(value.name, value.variant);
      if (key.id > 0 && key.id < clusters.size() &&
          tables_.cluster_ids.emplace(name, key.id).second) {
        clusters[key.id] = true;
        tables_.cluster_names.emplace(key.id, value.name);
        if (value.variant != 0) {
          tables_.cluster_variants.emplace(key.id, value.variant);
        }
        AdoptClusterState(key.id);
      }
    }
    tables_.cluster_space = IdSpace::FromUsed(clusters);
    tables_.cluster_space.Recycle();
    std::vector<bool> hosts(raw_.hosts);
    for (const auto& [key, value] : raw_.host_names) {
      if (key.id > 0 && key.id < hosts.size() &&
          tables_.host_ids.emplace(value.name, key.id).second) {
        hosts[key.id] = true;
        tables_.host_names.emplace(key.id, value.name);
      }
    }
    tables_.host_space = IdSpace::FromUsed(hosts);
    tables_.host_space.Recycle();
  }

  void AdoptClusterState(std::uint32_t id) {
    if (id < raw_.cluster_states.size() && raw_.cluster_states[id].failures != 0) {
      tables_.cluster_states.emplace(id, AgentsPart(raw_.cluster_states[id]));
    }
  }

  void AdoptStates() {
    for (std::uint32_t id = 1; id < raw_.endpoint_states.size(); ++id) {
      const endpoint_state& state = raw_.endpoint_states[id];
      if (!InUse(state.since) || !tables_.cluster_names.contains(state.cluster)) {
        continue;
      }
      const SocketAddress address = AddressOf(state.address, state.port);
      if (tables_.endpoint_ids.emplace(std::pair(state.cluster, address), id).second) {
        tables_.endpoint_addresses.emplace(id, address);
        states_.Claim(id, 1);
      }
    }
  }

  void AdoptCounters() {
    for (std::uint32_t index = 1; index < raw_.counters.size(); ++index) {
      const route_counter& counter = raw_.counters[index];
      if (!InUse(counter.since) || !tables_.cluster_names.contains(counter.cluster)) {
        continue;
      }
      if (tables_.counters.emplace(std::pair(counter.frontend, counter.cluster), index).second) {
        counters_.Claim(index, 1);
        const Timeouts timeouts{counter.idle_timeout_ms, counter.max_duration_ms};
        if (timeouts != Timeouts{}) {
          tables_.timeouts.emplace(index, timeouts);
        }
      }
    }
  }

  void AdoptWorkloads() {
    tables_.levels = raw_.levels;
    for (const auto& [key, value] : raw_.workload_entries) {
      const std::string name = value.name;
      const ImageWorkload workload = WorkloadOf(key, value);
      if (value.workload == 0 ||
          !tables_.workloads.emplace(name, Tables::Workload{value.workload, workload}).second) {
        tables_.stray_cgroups.push_back(key.cgroup);
        continue;
      }
      tables_.workload_names.emplace(value.workload, name);
      tables_.workload_ids.emplace(name, value.workload);
      tables_.next_workload = std::max(tables_.next_workload, value.workload + 1);
    }
  }

  static ImageWorkload WorkloadOf(const workload_key& key, const workload_value& value) {
    ImageWorkload workload{.cgroup = key.cgroup, .level = value.level, .ips = {}};
    for (const IpAddress& ip : {AddressOf(value.address4, 0).ip, AddressOf(value.address6, 0).ip}) {
      if (ip != IpAddress{}) {
        workload.ips.push_back(ip);
      }
    }
    return workload;
  }

  void CollectSources() {
    for (const auto& [key, value] : raw_.source_entries) {
      sources_[key.row].emplace_back(key.workload, value.row);
      tables_.retired_sources.emplace(key.row, key.workload);  // until a frontend names the row
      tables_.next_workload = std::max(tables_.next_workload, key.workload + 1);
    }
  }

  Result<void> AdoptFrontend(std::uint32_t place) {
    const frontend_value& value = raw_.frontends[place];
    const Frontend frontend = FrontendOf(value);
    // What no row in force names may still be counted in by a program that runs.
    const std::uint32_t all = (1U << FRONTEND_SEQUENCES) - 1;
    Tables::FrontendRow row{place, {value.words[0], value.words[1]}, all};
    const std::uint32_t head = tables_.RowInForce(row);
    if (head != 0 && head < raw_.routes.size() && raw_.routes[head].sequence < FRONTEND_SEQUENCES) {
      row.retired_sequences &= ~(1U << raw_.routes[head].sequence);
    }
    if (!tables_.frontends.emplace(frontend, row).second) {
      return Fail(fmt::format("frontend {} is there twice", ToString(frontend)));
    }
    tables_.frontend_space.Claim(place);
    tables_.with_retired_sequences.push_back(frontend);
    Result<void> adopted = AdoptRoute(head);
    if (adopted && head != 0 && (raw_.routes[head].flags & ROUTE_SOURCES) != 0) {
      adopted = AdoptSources(head);
    }
    return adopted ? adopted
                   : Fail(fmt::format("frontend {}", ToString(frontend)), adopted.error());
  }

  // The routes of workloads that are known. Of another one a dead agent had written the route, and
  // not yet the workload.
  Result<void> AdoptSources(std::uint32_t head) {
    for (const auto& [workload, row] : sources_[head]) {
      if (!tables_.workload_names.contains(workload)) {
        continue;
      }
      if (!tables_.routes.contains(row)) {
        if (Result<void> adopted = AdoptRoute(row); !adopted) {
          return Fail(fmt::format("workload {}", tables_.workload_names.at(workload)),
                      adopted.error());
        }
      }
      tables_.retired_sources.erase({head, workload});
      tables_.sources.emplace(std::pair(head, workload), row);
    }
    return {};
  }

  // A chain of rows; 0 is none.
  Result<void> AdoptRoute(std::uint32_t head) {
    std::uint32_t next = head;
    for (int i = 0; next != 0; ++i) {
      if (i == ROUTE_ROWS || !routes_.Claim(next, 1)) {
        return Fail(fmt::format("names the route row {}, which is not its own", next));
      }
      const route_value& route = raw_.routes[next];
      if ((route.count == 0 && next != head) || route.count > ROUTE_CLUSTERS ||
          !tables_.host_names.contains(route.host) || !turns_.ClaimIfAny(route.turn)) {
        return Fail(fmt::format("route row {} makes no sense", next));
      }
      tables_.routes.emplace(next, route);
      ++tables_.host_uses[route.host];
      for (const route_cluster& cluster : std::span(route.clusters, route.count)) {
        if (Result<void> adopted = AdoptCluster(cluster, next); !adopted) {
          return adopted;
        }
      }
      next = route.next;
    }
    return {};
  }

  Result<void> AdoptCluster(const route_cluster& cluster, std::uint32_t row) {
    if (!tables_.cluster_names.contains(cluster.cluster) || !counters_.Has(cluster.counter)) {
      return Fail(fmt::format("route row {} names a cluster that is not there", row));
    }
    ++tables_.cluster_uses[cluster.cluster];
    return (cluster.flags & CLUSTER_MANAGED) != 0 ? AdoptPolicy(cluster.first)
                                                  : AdoptEndpoints(cluster.first, cluster.count);
  }

  Result<void> AdoptPolicy(std::uint32_t row) {
    if (!policies_.Claim(row, 1)) {
      return Fail(fmt::format("policy row {} makes no sense", row));
    }
    const policy_value& policy = raw_.policies[row];
    if (!turns_.ClaimIfAny(policy.turn) || !groups_.Claim(policy.first_group, policy.groups)) {
      return Fail(fmt::format("policy row {} makes no sense", row));
    }
    tables_.policies.emplace(row, policy);
    for (std::uint32_t at = policy.first_group; at < policy.first_group + policy.groups; ++at) {
      const group_value& group = raw_.groups[at];
      tables_.groups.emplace(at, group);
      if (!hashes_.Claim(group.hash_first, HashRows(policy, group))) {
        return Fail(fmt::format("group row {} makes no sense", at));
      }
      if (Result<void> adopted = AdoptEndpoints(group.first, group.count); !adopted) {
        return adopted;
      }
    }
    return {};
  }

  Result<void> AdoptEndpoints(std::uint32_t first, std::uint32_t count) {
    if (!endpoints_.Claim(first, count)) {
      return Fail(fmt::format("endpoint row {} makes no sense", first));
    }
    for (std::uint32_t row = first; row < first + count; ++row) {
      if (!states_.Has(raw_.endpoints[row].endpoint)) {
        return Fail(fmt::format("endpoint row {} makes no sense", row));
      }
      tables_.endpoints.emplace(row, raw_.endpoints[row]);
      ++tables_.endpoint_uses[raw_.endpoints[row].endpoint];
    }
    return {};
  }

  void AdoptSubnets() {
    for (const auto& [key, value] : raw_.subnet_entries) {
      const Frontend subnet{AddressOf(key.address, key.port),
                            static_cast<std::uint8_t>(key.prefixlen - SUBNET_FIXED_BITS)};
      tables_.subnets.emplace(subnet, value.frontend);
    }
  }

  static bool InUse(std::uint64_t since) { return since != 0 && since != SINCE_NOBODY; }

  const RawTables& raw_;
  Tables tables_;
  std::unordered_map<std::uint32_t, std::vector<std::pair<std::uint32_t, std::uint32_t>>>
      sources_;  // workload and row, by head row of everyone's route
  Claims routes_, policies_, groups_, hashes_, endpoints_, turns_, states_, counters_;
};

}  // namespace

Result<Tables> Adopt(const RawTables& raw) {
  return Adopter(raw).Adopt();
}

}  // namespace vsplit
