// SPDX-License-Identifier: Apache-2.0
// What an operation does to the tables.
#include <algorithm>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "keys.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

using Uses = std::unordered_map<std::uint32_t, std::uint32_t>;

void Release(Uses& uses, std::uint32_t id) {
  const auto found = uses.find(id);
  if (found != uses.end() && --found->second == 0) {
    uses.erase(found);
  }
}

class Advancer {
 public:
  explicit Advancer(Tables& tables) : t_(tables) {}

  void operator()(const WriteHost& op) const {
    t_.host_space.Claim(op.id);
    t_.host_names[op.id] = op.name;
    t_.host_ids[op.name] = op.id;
  }
  void operator()(const WriteCluster& op) const {
    t_.cluster_space.Claim(op.id);
    t_.cluster_names[op.id] = op.name;
    t_.cluster_ids[ClusterKey(op.name, op.variant)] = op.id;
    t_.cluster_states.erase(op.id);
    if (op.variant != 0) {
      t_.cluster_variants[op.id] = op.variant;
    }
  }
  void operator()(const WriteClusterState& op) const {
    if (op.value.failures == 0) {
      t_.cluster_states.erase(op.id);
    } else {
      t_.cluster_states[op.id] = op.value;
    }
  }
  void operator()(const RenewHealth& /*op*/) const {}
  void operator()(const WriteEndpointState& op) const {
    t_.state_space.Claim(op.id);
    const SocketAddress address = AddressOf(op.value.address, op.value.port);
    t_.endpoint_ids[{op.value.cluster, address}] = op.id;
    t_.endpoint_addresses[op.id] = address;
  }
  void operator()(const WriteCounter& op) const {
    t_.counter_space.Claim(op.index);
    t_.counters[{op.value.frontend, op.value.cluster}] = op.index;
  }
  void operator()(const WriteTimeouts& op) const {
    if (op.value == Timeouts{}) {
      t_.timeouts.erase(op.index);
    } else {
      t_.timeouts[op.index] = op.value;
    }
  }
  void operator()(const WriteTurn& op) const { t_.turn_space.Claim(op.id); }
  void operator()(const WriteEndpoint& op) const {
    t_.endpoint_space.Claim(op.row);
    t_.endpoints[op.row] = op.value;
    ++t_.endpoint_uses[op.value.endpoint];
  }
  void operator()(const WriteHashRows& op) const {
    t_.hash_space.Claim(op.first, static_cast<std::uint32_t>(op.rows.size()));
  }
  void operator()(const WriteGroup& op) const {
    t_.group_space.Claim(op.row);
    t_.groups[op.row] = op.value;
  }
  void operator()(const WritePolicy& op) const {
    t_.policy_space.Claim(op.row);
    t_.policies[op.row] = op.value;
  }
  void operator()(const WriteRoute& op) const {
    t_.route_space.Claim(op.row);
    t_.routes[op.row] = op.value;
    ++t_.host_uses[op.value.host];
    for (const route_cluster& cluster : std::span(op.value.clusters, op.value.count)) {
      ++t_.cluster_uses[cluster.cluster];
    }
  }
  void operator()(const WriteWord& op) const {
    const auto found = t_.frontends.find(op.key);
    if (found != t_.frontends.end()) {
      found->second.words.at(op.which) = op.word;
    }
  }
  void operator()(const InsertFrontend& op) const {
    t_.frontend_space.Claim(op.frontend);
    t_.frontends[op.key] = {op.frontend, {}};
  }
  void operator()(const InsertSubnet& op) const { t_.subnets[op.key] = op.frontend; }
  void operator()(const UseSubnets& op) const { t_.uses_subnets = op.on; }
  void operator()(const InsertSource& op) const {
    t_.sources[{op.row, op.workload}] = op.source_row;
    t_.workload_names[op.workload] = op.name;
    t_.workload_ids[op.name] = op.workload;
    t_.next_workload = std::max(t_.next_workload, op.workload + 1);
  }
  void operator()(const Commit& op) const { t_.generation = op.generation; }
  void operator()(const StartSequence& op) const {
    const auto found = t_.frontends.find(op.key);
    if (found != t_.frontends.end()) {
      found->second.retired_sequences &= ~(1U << op.which);
    }
  }
  void operator()(const WriteWorkload& op) const {
    t_.workloads[op.name] = {op.id, op.value};
    t_.workload_names[op.id] = op.name;
    t_.workload_ids[op.name] = op.id;
    t_.next_workload = std::max(t_.next_workload, op.id + 1);
  }
  void operator()(const DeleteWorkload& op) const {
    std::erase(t_.stray_cgroups, op.cgroup);
    const auto found = t_.workloads.find(op.name);
    if (found != t_.workloads.end()) {
      t_.workload_names.erase(found->second.id);
      t_.workload_ids.erase(op.name);
      t_.workloads.erase(found);
    }
  }
  void operator()(const SweepPools& /*op*/) const {}
  void operator()(const WriteLevels& op) const { t_.levels = op.value; }
  void operator()(const DeleteSubnet& op) const { t_.subnets.erase(op.key); }
  void operator()(const RetireSource& op) const {
    t_.sources.erase({op.row, op.workload});
    t_.retired_sources.emplace(op.row, op.workload);
  }
  void operator()(const DeleteSource& op) const { t_.retired_sources.erase({op.row, op.workload}); }
  void operator()(const DeleteFrontend& op) const {
    t_.frontends.erase(op.key);
    t_.frontend_space.Retire(op.frontend);
  }
  void operator()(const ClearFrontend& op) const { t_.frontend_space.Clear(op.frontend); }
  void operator()(const RetireSequence& op) const {
    const auto found = t_.frontends.find(op.key);
    if (found != t_.frontends.end()) {
      found->second.retired_sequences |= 1U << op.which;
      t_.with_retired_sequences.push_back(op.key);
    }
  }
  void operator()(const DeleteHost& op) const {
    t_.host_ids.erase(t_.host_names.at(op.id));
    t_.host_names.erase(op.id);
    t_.host_space.Free(op.id);
  }
  void operator()(const DeleteCluster& op) const {
    const auto variant = t_.cluster_variants.extract(op.id);
    t_.cluster_ids.erase(
        ClusterKey(t_.cluster_names.at(op.id), variant.empty() ? 0 : variant.mapped()));
    t_.cluster_names.erase(op.id);
    t_.cluster_states.erase(op.id);
    t_.cluster_space.Free(op.id);
  }
  void operator()(const FreeEndpointState& op) const {
    t_.endpoint_ids.erase({op.cluster, op.address});
    t_.endpoint_addresses.erase(op.id);
    t_.state_space.Retire(op.id);
  }
  void operator()(const FreeCounter& op) const {
    t_.counters.erase({op.frontend, op.cluster});
    t_.timeouts.erase(op.index);
    t_.counter_space.Retire(op.index);
  }
  void operator()(const Retire& op) const {
    switch (op.table) {
      case Retire::Table::kTurn:
        t_.turn_space.Retire(op.first, op.count);
        break;
      case Retire::Table::kRoute:
        t_.route_space.Retire(op.first, op.count);
        RetireRoutes(op);
        break;
      case Retire::Table::kEndpoint:
        t_.endpoint_space.Retire(op.first, op.count);
        RetireEndpoints(op);
        break;
      case Retire::Table::kPolicy:
        t_.policy_space.Retire(op.first, op.count);
        EraseRows(t_.policies, op);
        break;
      case Retire::Table::kGroup:
        t_.group_space.Retire(op.first, op.count);
        EraseRows(t_.groups, op);
        break;
      case Retire::Table::kHash:
        t_.hash_space.Retire(op.first, op.count);
        break;
    }
  }
  void operator()(const Wait& /*op*/) const {
    t_.frontend_space.Recycle();
    for (IdSpace* space :
         {&t_.route_space, &t_.policy_space, &t_.group_space, &t_.hash_space, &t_.endpoint_space,
          &t_.turn_space, &t_.state_space, &t_.counter_space}) {
      space->Recycle();
    }
    for (const Frontend& frontend : t_.with_retired_sequences) {
      const auto found = t_.frontends.find(frontend);
      if (found != t_.frontends.end()) {
        found->second.retired_sequences = 0;
      }
    }
    t_.with_retired_sequences.clear();
  }

 private:
  void RetireRoutes(const Retire& op) const {
    for (std::uint32_t row = op.first; row < op.first + op.count; ++row) {
      const auto route = t_.routes.extract(row);
      Release(t_.host_uses, route.mapped().host);
      for (const route_cluster& cluster :
           std::span(route.mapped().clusters, route.mapped().count)) {
        Release(t_.cluster_uses, cluster.cluster);
      }
    }
  }
  template <class Rows>
  static void EraseRows(Rows& rows, const Retire& op) {
    for (std::uint32_t row = op.first; row < op.first + op.count; ++row) {
      rows.erase(row);
    }
  }
  void RetireEndpoints(const Retire& op) const {
    for (std::uint32_t row = op.first; row < op.first + op.count; ++row) {
      Release(t_.endpoint_uses, t_.endpoints.extract(row).mapped().endpoint);
    }
  }

  Tables& t_;
};

}  // namespace

void Advance(Tables& tables, const Operation& operation) {
  std::visit(Advancer(tables), operation);
}

}  // namespace vsplit
