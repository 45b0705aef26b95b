// SPDX-License-Identifier: Apache-2.0
#include "allotment.h"

#include <fmt/core.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "keys.h"
#include "room.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

// Room for one table ran out; says which and what makes it larger.
tl::unexpected<Error> FailFull(std::string_view table, std::uint32_t used, std::uint32_t capacity,
                               std::string_view flag) {
  return Fail(fmt::format("table {} is full: {} of {} in use; raise {} (tables are made anew after "
                          "`vsplitd uninstall`)",
                          table, used, capacity, flag),
              Error::Reason::kFull);
}

tl::unexpected<Error> FailFull(std::string_view table, const IdSpace& space,
                               std::string_view flag) {
  return FailFull(table, space.used(), space.capacity() - 1, flag);
}

}  // namespace

Allotment::Allotment(const Tables& tables, std::uint64_t generation, Operations& operations)
    : t_(tables),
      generation_(generation),
      operations_(operations),
      routes_(tables.route_space),
      policies_(tables.policy_space),
      groups_(tables.group_space),
      hashes_(tables.hash_space),
      endpoints_(tables.endpoint_space),
      states_(tables.state_space),
      turns_(tables.turn_space),
      counters_(tables.counter_space),
      clusters_(tables.cluster_space),
      hosts_(tables.host_space),
      sources_(tables.sources.size() + tables.retired_sources.size()),
      subnets_(tables.subnets.size()) {}

// Takes ids; when there are none, makes what was retired free, then what was left behind.
template <class TakeSome>
std::optional<std::uint32_t> Allotment::Take(TakeSome take) {
  std::optional<std::uint32_t> first = take();
  if (!first && !waited_) {
    WaitOnce();
    first = take();
  }
  if (!first && !swept_) {
    swept_ = true;
    Sweep();
    first = take();
  }
  return first;
}

std::optional<std::uint32_t> Allotment::Take(IdSpace& space, std::uint32_t count) {
  return Take([&space, count] { return space.Take(count); });
}

Result<std::uint32_t> Allotment::Take(IdSpace& space, std::uint32_t count, std::string_view table,
                                      std::string_view flag) {
  const std::optional<std::uint32_t> first = Take(space, count);
  if (!first) {
    return FailFull(table, space, flag);
  }
  return *first;
}

void Allotment::WaitOnce() {
  if (!waited_) {
    waited_ = true;
    Recycle();
  }
}

FrontendSpace& Allotment::Places() {
  return places_ ? *places_ : places_.emplace(t_.frontend_space);
}

void Allotment::Recycle() {
  std::set<std::pair<std::uint32_t, std::uint32_t>> sources;
  if (!recycled_) {
    recycled_ = true;
    sources = t_.retired_sources;
  }
  AddWait(sources, Places(), operations_);
  sources_ = t_.sources.size() + new_sources_;
  for (IdSpace* space :
       {&routes_, &policies_, &groups_, &hashes_, &endpoints_, &states_, &turns_, &counters_}) {
    space->Recycle();
  }
}

// Gives up the names that neither the tables in force nor this plan use.
void Allotment::Sweep() {
  const std::set<std::uint32_t> kept = SweepStatesAndCounters();
  for (const auto& [id, name] : t_.cluster_names) {
    if (!t_.cluster_uses.contains(id) && !kept.contains(id)) {
      operations_.emplace_back(DeleteCluster{id});
      clusters_.Free(id);
      freed_clusters_.insert(id);
    }
  }
  for (const auto& [id, name] : t_.host_names) {
    if (!t_.host_uses.contains(id) && !hosts_used_.contains(id)) {
      operations_.emplace_back(DeleteHost{id});
      hosts_.Free(id);
      freed_hosts_.insert(id);
    }
  }
  Recycle();
}

// Returns the ids of the clusters that something still belongs to.
std::set<std::uint32_t> Allotment::SweepStatesAndCounters() {
  std::set<std::uint32_t> kept = clusters_used_;
  for (const auto& [key, id] : t_.endpoint_ids) {
    if (t_.endpoint_uses.contains(id) || states_used_.contains(id)) {
      kept.insert(key.first);
    } else {
      operations_.emplace_back(FreeEndpointState{id, key.first, key.second});
      states_.Retire(id);
      freed_states_.insert(id);
    }
  }
  for (const auto& [key, index] : t_.counters) {
    if (t_.cluster_uses.contains(key.second) || counters_used_.contains(index)) {
      kept.insert(key.second);
    } else {
      operations_.emplace_back(FreeCounter{index, key.first, key.second});
      counters_.Retire(index);
      freed_counters_.insert(index);
    }
  }
  return kept;
}

Result<std::uint32_t> Allotment::HostId(const std::string& name) {
  const auto known = t_.host_ids.find(name);
  if (known != t_.host_ids.end() && !freed_hosts_.contains(known->second)) {
    hosts_used_.insert(known->second);
    return known->second;
  }
  const auto [made, is_new] = new_hosts_.emplace(name, 0);
  if (is_new) {
    const Result<std::uint32_t> id = Take(hosts_, 1, "hosts", "--max-frontends");
    if (!id) {
      return tl::unexpected<Error>(id.error());
    }
    made->second = *id;
    operations_.emplace_back(WriteHost{*id, name});
  }
  return made->second;
}

Result<std::uint32_t> Allotment::ClusterId(const std::string& name, std::uint32_t variant) {
  const std::string key = ClusterKey(name, variant);
  const auto known = t_.cluster_ids.find(key);
  if (known != t_.cluster_ids.end() && !freed_clusters_.contains(known->second)) {
    clusters_used_.insert(known->second);
    return known->second;
  }
  const auto [made, is_new] = new_clusters_.emplace(key, 0);
  if (is_new) {
    const Result<std::uint32_t> id = Take(clusters_, 1, "clusters", "--max-frontends");
    if (!id) {
      return tl::unexpected<Error>(id.error());
    }
    made->second = *id;
    operations_.emplace_back(WriteCluster{*id, name, variant});
  }
  return made->second;
}

Result<std::uint32_t> Allotment::StateId(std::uint32_t cluster, const SocketAddress& address) {
  const auto known = t_.endpoint_ids.find({cluster, address});
  if (known != t_.endpoint_ids.end() && !freed_states_.contains(known->second)) {
    states_used_.insert(known->second);
    if (!t_.endpoint_uses.contains(known->second) && renewed_states_.insert(known->second).second) {
      operations_.emplace_back(RenewHealth{known->second});
    }
    return known->second;
  }
  const auto [made, is_new] = new_states_.emplace(std::pair(cluster, address), 0);
  if (is_new) {
    const Result<std::uint32_t> id = Take(states_, 1, "endpoint_state", "--max-endpoints");
    if (!id) {
      return tl::unexpected<Error>(id.error());
    }
    made->second = *id;
    WriteEndpointState write{*id, {}};
    CopyAddress(address, write.value.address, write.value.port);
    write.value.cluster = cluster;
    write.value.since = generation_;
    operations_.emplace_back(write);
  }
  return made->second;
}

Result<std::uint32_t> Allotment::CounterIndex(std::uint32_t frontend, std::uint32_t cluster) {
  const auto known = t_.counters.find({frontend, cluster});
  if (known != t_.counters.end() && !freed_counters_.contains(known->second)) {
    counters_used_.insert(known->second);
    return known->second;
  }
  const auto [made, is_new] = new_counters_.emplace(std::pair(frontend, cluster), 0);
  if (is_new) {
    const Result<std::uint32_t> index = Take(counters_, 1, "route_counters", "--max-frontends");
    if (!index) {
      return tl::unexpected<Error>(index.error());
    }
    made->second = *index;
    WriteCounter write{*index, {}};
    write.value.frontend = frontend;
    write.value.cluster = cluster;
    write.value.since = generation_;
    operations_.emplace_back(write);
  }
  return made->second;
}

Result<std::uint32_t> Allotment::NewTurn() {
  Result<std::uint32_t> id = Take(turns_, 1, "turns", "--max-frontends");
  if (id) {
    operations_.emplace_back(WriteTurn{*id, {}});
  }
  return id;
}

Result<std::uint32_t> Allotment::NewRoute() {
  return Take(routes_, 1, "routes", "--max-frontends");
}

Result<std::uint32_t> Allotment::NewPolicy() {
  return Take(policies_, 1, "policies", "--max-frontends");
}

Result<std::uint32_t> Allotment::NewGroups(std::uint32_t count) {
  return Take(groups_, count, "groups", "--max-frontends");
}

Result<std::uint32_t> Allotment::NewHashRows(std::uint32_t count) {
  return Take(hashes_, count, "hash_rows", "--max-hash-slots");
}

Result<std::uint32_t> Allotment::NewEndpoints(std::uint32_t count) {
  return Take(endpoints_, count, "endpoints", "--max-endpoints");
}

std::uint32_t Allotment::WorkloadId(const std::string& name) {
  const auto known = t_.workload_ids.find(name);
  if (known != t_.workload_ids.end()) {
    return known->second;
  }
  const auto next = static_cast<std::uint32_t>(t_.next_workload + new_workloads_.size());
  return new_workloads_.emplace(name, next).first->second;
}

Result<void> Allotment::TakeSource() {
  if (sources_ >= t_.source_capacity) {
    WaitOnce();
  }
  if (sources_ >= t_.source_capacity) {
    return FailFull("source_routes", t_.source_capacity, t_.source_capacity, "--max-frontends");
  }
  ++sources_;
  ++new_sources_;
  return {};
}

Result<void> Allotment::TakeSubnet() {
  if (subnets_ >= t_.subnet_capacity) {
    return FailFull("subnets", t_.subnet_capacity, t_.subnet_capacity, "--max-frontends");
  }
  ++subnets_;
  return {};
}

Result<std::uint32_t> Allotment::NewPlace(const Frontend& frontend) {
  const std::optional<std::uint32_t> place =
      Take([this, &frontend] { return Places().PlaceFor(frontend); });
  if (!place) {
    return FailFull("frontends", Places().used(), Places().capacity(), "--max-frontends");
  }
  Places().Claim(*place);
  return *place;
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> Allotment::GiveUpCounters(
    std::uint32_t frontend) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> given_up;
  for (auto it = t_.counters.lower_bound({frontend, 0});
       it != t_.counters.end() && it->first.first == frontend; ++it) {
    if (!freed_counters_.contains(it->second)) {
      given_up.emplace_back(it->second, it->first.second);
      counters_used_.insert(it->second);  // not to be swept as well
    }
  }
  return given_up;
}

}  // namespace vsplit
