// SPDX-License-Identifier: Apache-2.0
// Plans that put nothing into force: they make free again what nothing in force uses.
#include "room.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "managed.h"
#include "vsplit/plan.h"
#include "vsplit/schema.h"
#include "workloads.h"

namespace vsplit {
namespace {

// Subnets and frontends that are in one of the two tables only, or not in force.
void RepairSubnets(const Tables& tables, const std::set<std::uint32_t>& living,
                   Operations& operations) {
  bool any = false;
  for (const auto& [subnet, frontend] : tables.subnets) {
    const auto found = tables.frontends.find(subnet);
    if (found == tables.frontends.end() || found->second.id != frontend ||
        !living.contains(frontend)) {
      operations.emplace_back(DeleteSubnet{subnet});
    } else {
      any = true;
    }
  }
  if (any != tables.uses_subnets) {
    operations.emplace_back(UseSubnets{any});
  }
}

std::uint32_t EndpointsOf(const Tables& tables, const policy_value& policy) {
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < policy.groups; ++i) {
    const group_value& group = tables.groups.at(policy.first_group + i);
    count += group.count + group.unready;
  }
  return count;
}

// How many endpoints a cluster that ejects has, which a dead agent may not have written.
void RepairStates(const Tables& tables, Operations& operations) {
  std::map<std::uint32_t, cluster_state> states;
  for (const auto& [row, route] : tables.routes) {
    for (const route_cluster& cluster : std::span(route.clusters, route.count)) {
      const policy_value* policy = PolicyOf(tables, cluster);
      const auto known = tables.cluster_states.find(cluster.cluster);
      if (policy == nullptr || (policy->flags & MANAGED_EJECTS) == 0 ||
          known == tables.cluster_states.end()) {
        continue;
      }
      const auto [state, first] = states.emplace(cluster.cluster, known->second);
      if (first) {
        state->second.endpoints[0] = state->second.endpoints[1] = 0;
      }
      __u32& endpoints = state->second.endpoints[(policy->flags & MANAGED_IPV6) != 0 ? 1 : 0];
      endpoints = std::max(endpoints, EndpointsOf(tables, *policy));
    }
  }
  for (const auto& [id, state] : states) {
    if (!SameState(state, tables.cluster_states.at(id))) {
      operations.emplace_back(WriteClusterState{id, state});
    }
  }
}

void RepairWorkloads(const Tables& tables, Operations& operations) {
  for (const std::uint64_t cgroup : tables.stray_cgroups) {
    operations.emplace_back(DeleteWorkload{cgroup, ""});
  }
  operations.emplace_back(SweepPools{LivingWorkloads(tables)});
}

}  // namespace

void AddWait(std::set<std::pair<std::uint32_t, std::uint32_t>>& retired_sources,
             FrontendSpace& places, Operations& operations) {
  operations.emplace_back(Wait{});
  for (const auto& [row, workload] : std::exchange(retired_sources, {})) {
    operations.emplace_back(DeleteSource{row, workload});
  }
  places.Recycle();
  for (const std::uint32_t place : places.Clearable()) {
    operations.emplace_back(ClearFrontend{place});
    places.Clear(place);
  }
}

Plan MakeRepair(const Tables& tables) {
  Plan plan{{}, tables.generation};
  FrontendSpace places = tables.frontend_space;
  std::set<std::uint32_t> living;  // frontend ids
  Operations gone;
  for (const auto& [frontend, row] : tables.frontends) {
    for (std::uint32_t which = 0; which < row.words.size(); ++which) {
      if (row.words.at(which) >> ROUTE_ROW_BITS > tables.generation) {
        plan.operations.emplace_back(WriteWord{frontend, row.id, which, 0});
      }
    }
    if (tables.RowInForce(row) == 0) {
      gone.emplace_back(DeleteFrontend{frontend, row.id});
      places.Retire(row.id);
    } else {
      living.insert(row.id);
    }
  }
  RepairSubnets(tables, living, plan.operations);
  plan.operations.insert(plan.operations.end(), gone.begin(), gone.end());
  for (const auto& [key, index] : tables.counters) {
    if (!living.contains(key.first)) {
      plan.operations.emplace_back(FreeCounter{index, key.first, key.second});
    }
  }
  RepairStates(tables, plan.operations);
  RepairWorkloads(tables, plan.operations);
  auto sources = tables.retired_sources;
  AddWait(sources, places, plan.operations);
  return plan;
}

Plan MakeRoom(const Tables& tables) {
  Plan plan{{}, tables.generation};
  if (!tables.with_retired_sequences.empty() || !tables.retired_sources.empty()) {
    auto sources = tables.retired_sources;
    FrontendSpace places = tables.frontend_space;
    AddWait(sources, places, plan.operations);
  }
  return plan;
}

}  // namespace vsplit
