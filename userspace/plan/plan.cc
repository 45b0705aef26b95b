// SPDX-License-Identifier: Apache-2.0
// From what is in force and what is wanted to the operations between.
#include "vsplit/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "keys.h"
#include "vsplit/image.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"
#include "vsplit/split.h"

namespace vsplit {
namespace {

// One cluster of a route that is in force, by its rows.
struct OldCluster {
  route_cluster row{};
  std::uint32_t weight = 0;
  std::uint32_t turn = 0;
  bool endpoints_kept = false;  // its endpoint rows go over to the new route
  bool turn_kept = false;
};

// A route that is in force, taken apart.
struct OldRoute {
  std::vector<std::uint32_t> rows;
  route_value head{};
  std::vector<OldCluster> clusters;
  bool sequence_kept = false;
};

OldRoute TakeApart(const Tables& tables, std::uint32_t row) {
  OldRoute old;
  std::uint32_t below = 0;
  if (row != 0) {
    old.head = tables.routes.at(row);
  }
  while (row != 0) {
    old.rows.push_back(row);
    const route_value& route = tables.routes.at(row);
    for (std::size_t i = 0; i < route.count; ++i) {
      old.clusters.push_back({route.clusters[i], route.clusters[i].bound - below, route.turns[i]});
      below = route.clusters[i].bound;
    }
    row = route.next;
  }
  return old;
}

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

class Planner {
 public:
  explicit Planner(const Tables& tables)
      : t_(tables),
        frontends_(tables.frontend_space),
        routes_(tables.route_space),
        endpoints_(tables.endpoint_space),
        states_(tables.state_space),
        turns_(tables.turn_space),
        counters_(tables.counter_space),
        clusters_(tables.cluster_space),
        hosts_(tables.host_space),
        generation_(tables.generation + 1) {}

  Result<Plan> Make(const ImageChange& change) {
    for (const auto& [frontend, route] : change.frontends) {
      if (DecodeRoute(t_, frontend) == route) {
        continue;
      }
      if (!route) {
        Remove(frontend);
      } else if (Result<void> changed = Change(frontend, *route); !changed) {
        return tl::unexpected<Error>(changed.error());
      }
    }
    if (before_.empty()) {
      return Plan{{}, t_.generation};
    }
    before_.emplace_back(Commit{generation_});
    before_.insert(before_.end(), std::make_move_iterator(after_.begin()),
                   std::make_move_iterator(after_.end()));
    return Plan{std::move(before_), generation_};
  }

 private:
  // ---- room ----

  // Takes ids; when there are none, makes what was retired free, then what was left behind.
  template <class TakeSome>
  std::optional<std::uint32_t> Take(TakeSome take) {
    std::optional<std::uint32_t> first = take();
    if (!first && !waited_) {
      waited_ = true;
      WaitForPrograms();
      first = take();
    }
    if (!first && !swept_) {
      swept_ = true;
      Sweep();
      first = take();
    }
    return first;
  }

  std::optional<std::uint32_t> Take(IdSpace& space, std::uint32_t count = 1) {
    return Take([&] { return space.Take(count); });
  }

  void WaitForPrograms() {
    before_.emplace_back(Wait{});
    frontends_.Recycle();
    for (const std::uint32_t place : frontends_.Clearable()) {
      before_.emplace_back(ClearFrontend{place});
      frontends_.Clear(place);
    }
    for (IdSpace* space : {&routes_, &endpoints_, &states_, &turns_, &counters_}) {
      space->Recycle();
    }
  }

  // Gives up the names that neither the tables in force nor this plan use.
  void Sweep() {
    std::set<std::uint32_t> clusters_kept = clusters_used_;
    for (const auto& [key, id] : t_.endpoint_ids) {
      if (t_.endpoint_uses.contains(id) || states_used_.contains(id)) {
        clusters_kept.insert(key.first);
      } else {
        before_.emplace_back(FreeEndpointState{id, key.first, key.second});
        states_.Retire(id);
        freed_states_.insert(id);
      }
    }
    for (const auto& [key, index] : t_.counters) {
      if (t_.cluster_uses.contains(key.second) || counters_used_.contains(index)) {
        clusters_kept.insert(key.second);
      } else {
        before_.emplace_back(FreeCounter{index, key.first, key.second});
        counters_.Retire(index);
        freed_counters_.insert(index);
      }
    }
    for (const auto& [id, name] : t_.cluster_names) {
      if (!t_.cluster_uses.contains(id) && !clusters_kept.contains(id)) {
        before_.emplace_back(DeleteCluster{id});
        clusters_.Free(id);
        freed_clusters_.insert(id);
      }
    }
    for (const auto& [id, name] : t_.host_names) {
      if (!t_.host_uses.contains(id) && !hosts_used_.contains(id)) {
        before_.emplace_back(DeleteHost{id});
        hosts_.Free(id);
        freed_hosts_.insert(id);
      }
    }
    WaitForPrograms();
  }

  // ---- names ----

  Result<std::uint32_t> HostId(const std::string& name) {
    const auto known = t_.host_ids.find(name);
    if (known != t_.host_ids.end() && !freed_hosts_.contains(known->second)) {
      hosts_used_.insert(known->second);
      return known->second;
    }
    const auto [made, is_new] = new_hosts_.emplace(name, 0);
    if (is_new) {
      const std::optional<std::uint32_t> id = Take(hosts_);
      if (!id) {
        return FailFull("hosts", hosts_, "--max-frontends");
      }
      made->second = *id;
      before_.emplace_back(WriteHost{*id, name});
    }
    return made->second;
  }

  Result<std::uint32_t> ClusterId(const std::string& name) {
    const auto known = t_.cluster_ids.find(name);
    if (known != t_.cluster_ids.end() && !freed_clusters_.contains(known->second)) {
      clusters_used_.insert(known->second);
      return known->second;
    }
    const auto [made, is_new] = new_clusters_.emplace(name, 0);
    if (is_new) {
      const std::optional<std::uint32_t> id = Take(clusters_);
      if (!id) {
        return FailFull("clusters", clusters_, "--max-frontends");
      }
      made->second = *id;
      before_.emplace_back(WriteCluster{*id, name});
    }
    return made->second;
  }

  Result<std::uint32_t> StateId(std::uint32_t cluster, const SocketAddress& address) {
    const auto known = t_.endpoint_ids.find({cluster, address});
    if (known != t_.endpoint_ids.end() && !freed_states_.contains(known->second)) {
      states_used_.insert(known->second);
      return known->second;
    }
    const auto [made, is_new] = new_states_.emplace(std::pair(cluster, address), 0);
    if (is_new) {
      const std::optional<std::uint32_t> id = Take(states_);
      if (!id) {
        return FailFull("endpoint_state", states_, "--max-endpoints");
      }
      made->second = *id;
      WriteEndpointState write{*id, {}};
      CopyAddress(address, write.value.address, write.value.port);
      write.value.cluster = cluster;
      write.value.since = generation_;
      before_.emplace_back(write);
    }
    return made->second;
  }

  Result<std::uint32_t> CounterIndex(std::uint32_t frontend, std::uint32_t cluster) {
    const auto known = t_.counters.find({frontend, cluster});
    if (known != t_.counters.end() && !freed_counters_.contains(known->second)) {
      counters_used_.insert(known->second);
      return known->second;
    }
    const auto [made, is_new] = new_counters_.emplace(std::pair(frontend, cluster), 0);
    if (is_new) {
      const std::optional<std::uint32_t> index = Take(counters_);
      if (!index) {
        return FailFull("route_counters", counters_, "--max-frontends");
      }
      made->second = *index;
      WriteCounter write{*index, {}};
      write.value.frontend = frontend;
      write.value.cluster = cluster;
      write.value.since = generation_;
      before_.emplace_back(write);
    }
    return made->second;
  }

  Result<std::uint32_t> NewTurn() {
    const std::optional<std::uint32_t> id = Take(turns_);
    if (!id) {
      return FailFull("turns", turns_, "--max-frontends");
    }
    before_.emplace_back(WriteTurn{*id, {}});
    return *id;
  }

  // ---- one frontend ----

  void Remove(const Frontend& frontend) {
    const Tables::FrontendRow& row = t_.frontends.at(frontend);
    OldRoute old = TakeApart(t_, t_.RowInForce(row));
    WriteNext(frontend, row, 0);
    after_.emplace_back(DeleteFrontend{frontend, row.id});
    RetireRest(frontend, old);
    // The next frontend with this id starts with counters of its own.
    for (auto it = t_.counters.lower_bound({row.id, 0});
         it != t_.counters.end() && it->first.first == row.id; ++it) {
      if (!freed_counters_.contains(it->second)) {
        after_.emplace_back(FreeCounter{it->second, row.id, it->first.second});
        counters_used_.insert(it->second);  // not to be swept as well
      }
    }
  }

  Result<void> Change(const Frontend& frontend, const ImageRoute& wanted) {
    const auto found = t_.frontends.find(frontend);
    Tables::FrontendRow row;
    if (found != t_.frontends.end()) {
      row = found->second;
    } else {
      const std::optional<std::uint32_t> place =
          Take([&] { return frontends_.PlaceFor(frontend); });
      if (!place) {
        return FailFull("frontends", frontends_.used(), frontends_.capacity(), "--max-frontends");
      }
      row.id = *place;
      frontends_.Claim(*place);
      before_.emplace_back(InsertFrontend{frontend, *place});
    }
    OldRoute old = TakeApart(t_, t_.RowInForce(row));
    const Result<std::uint32_t> head = WriteRows(frontend, row, wanted, old);
    if (!head) {
      return tl::unexpected<Error>(head.error());
    }
    WriteNext(frontend, row, *head);
    RetireRest(frontend, old);
    return {};
  }

  // Into the word that is not in force.
  void WriteNext(const Frontend& frontend, const Tables::FrontendRow& row, std::uint32_t route) {
    const std::uint32_t which = row.words[0] > row.words[1] ? 1 : 0;
    before_.emplace_back(
        WriteWord{frontend, row.id, which, (generation_ << ROUTE_ROW_BITS) | route});
  }

  // Writes the chain of rows of a route; gives its first row.
  Result<std::uint32_t> WriteRows(const Frontend& frontend, const Tables::FrontendRow& row,
                                  const ImageRoute& wanted, OldRoute& old) {
    std::vector<WriteRoute> rows((wanted.clusters.size() + ROUTE_CLUSTERS - 1) / ROUTE_CLUSTERS);
    const Result<std::uint32_t> host = HostId(wanted.host);
    if (!host) {
      return tl::unexpected<Error>(host.error());
    }
    const Numbering numbering = RouteSequence(frontend, row, wanted, old);
    for (WriteRoute& write : rows) {
      const std::optional<std::uint32_t> id = Take(routes_);
      if (!id) {
        return FailFull("routes", routes_, "--max-frontends");
      }
      write = {*id, {}};
      write.value.generation = generation_;
      write.value.sequence = numbering.sequence;
      write.value.seed = numbering.seed;
      write.value.total = wanted.total();
      write.value.stride = wanted.stride;
      write.value.host = *host;
      write.value.policy = static_cast<__u8>(wanted.policy);
    }
    std::uint32_t bound = 0;
    for (std::size_t i = 0; i < wanted.clusters.size(); ++i) {
      bound += wanted.clusters[i].weight;
      route_value& value = rows[i / ROUTE_CLUSTERS].value;
      const std::size_t at = value.count++;
      value.clusters[at].bound = bound;
      if (Result<void> filled =
              FillCluster(row.id, wanted.clusters[i], old, value.clusters[at], value.turns[at]);
          !filled) {
        return tl::unexpected<Error>(filled.error());
      }
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i].value.next = i + 1 < rows.size() ? rows[i + 1].row : 0;
      before_.emplace_back(rows[i]);
    }
    return rows.front().row;
  }

  struct Numbering {
    __u8 sequence = SEQUENCE_NONE;
    __u32 seed = 0;
  };

  // New weights start a new sequence, new endpoints keep it.
  Numbering RouteSequence(const Frontend& frontend, const Tables::FrontendRow& row,
                          const ImageRoute& wanted, OldRoute& old) {
    if (wanted.policy != Policy::kExact || wanted.clusters.size() == 1) {
      return {};
    }
    const bool numbered = !old.rows.empty() && old.head.sequence != SEQUENCE_NONE;
    const bool same =
        numbered && old.head.stride == wanted.stride &&
        std::ranges::equal(
            wanted.clusters, old.clusters, [&](const ImageCluster& a, const OldCluster& b) {
              return a.weight == b.weight && a.name == t_.cluster_names.at(b.row.cluster);
            });
    if (same) {
      old.sequence_kept = true;
      return {old.head.sequence, old.head.seed};
    }
    std::uint32_t taken = numbered ? 1U << old.head.sequence : 0;
    constexpr std::uint32_t kAll = (1U << FRONTEND_SEQUENCES) - 1;
    if (((taken | row.retired_sequences) & kAll) == kAll && !waited_) {
      waited_ = true;
      WaitForPrograms();
    }
    taken |= waited_ ? 0 : row.retired_sequences;
    __u8 which = 0;
    while ((taken >> which & 1) != 0) {
      ++which;
    }
    before_.emplace_back(StartSequence{frontend, row.id, which});
    return {which, split_hash((generation_ << ROUTE_ROW_BITS) + row.id)};
  }

  Result<void> FillCluster(std::uint32_t frontend, const ImageCluster& wanted, OldRoute& old,
                           route_cluster& slot, __u32& turn) {
    const Result<std::uint32_t> cluster = ClusterId(wanted.name);
    if (!cluster) {
      return tl::unexpected<Error>(cluster.error());
    }
    const Result<std::uint32_t> counter = CounterIndex(frontend, *cluster);
    if (!counter) {
      return tl::unexpected<Error>(counter.error());
    }
    slot.cluster = *cluster;
    slot.counter = *counter;
    slot.algorithm = static_cast<__u8>(wanted.algorithm);
    slot.count = static_cast<__u16>(wanted.endpoints.size());
    const auto same = std::ranges::find_if(old.clusters, [&](const OldCluster& candidate) {
      return candidate.row.cluster == *cluster && !candidate.endpoints_kept;
    });
    OldCluster* before = same == old.clusters.end() ? nullptr : &*same;
    if (wanted.algorithm == Algorithm::kRoundRobin) {
      if (before != nullptr && before->turn != 0) {
        before->turn_kept = true;
        turn = before->turn;
      } else if (const Result<std::uint32_t> made = NewTurn(); made) {
        turn = *made;
      } else {
        return tl::unexpected<Error>(made.error());
      }
    }
    if (before != nullptr && SameEndpoints(before->row, wanted)) {
      before->endpoints_kept = true;
      slot.first = before->row.first;
      return {};
    }
    return WriteEndpoints(wanted, slot);
  }

  bool SameEndpoints(const route_cluster& before, const ImageCluster& wanted) const {
    if (before.count != wanted.endpoints.size()) {
      return false;
    }
    for (std::uint32_t i = 0; i < before.count; ++i) {
      const std::uint32_t id = t_.endpoints.at(before.first + i).endpoint;
      if (t_.endpoint_addresses.at(id) != wanted.endpoints[i]) {
        return false;
      }
    }
    return true;
  }

  Result<void> WriteEndpoints(const ImageCluster& wanted, route_cluster& slot) {
    if (wanted.endpoints.empty()) {
      return {};
    }
    const auto count = static_cast<std::uint32_t>(wanted.endpoints.size());
    const std::optional<std::uint32_t> first = Take(endpoints_, count);
    if (!first) {
      return FailFull("endpoints", endpoints_, "--max-endpoints");
    }
    slot.first = *first;
    for (std::uint32_t i = 0; i < count; ++i) {
      const Result<std::uint32_t> id = StateId(slot.cluster, wanted.endpoints[i]);
      if (!id) {
        return tl::unexpected<Error>(id.error());
      }
      before_.emplace_back(WriteEndpoint{*first + i, {.endpoint = *id}});
    }
    return {};
  }

  // After the commit: what the new route did not take over.
  void RetireRest(const Frontend& frontend, const OldRoute& old) {
    for (const std::uint32_t row : old.rows) {
      after_.emplace_back(Retire{Retire::Table::kRoute, row, 1});
    }
    if (!old.rows.empty() && old.head.sequence != SEQUENCE_NONE && !old.sequence_kept) {
      after_.emplace_back(RetireSequence{frontend, old.head.sequence});
    }
    for (const OldCluster& cluster : old.clusters) {
      if (cluster.row.count > 0 && !cluster.endpoints_kept) {
        after_.emplace_back(Retire{Retire::Table::kEndpoint, cluster.row.first, cluster.row.count});
      }
      if (cluster.turn != 0 && !cluster.turn_kept) {
        after_.emplace_back(Retire{Retire::Table::kTurn, cluster.turn, 1});
      }
    }
  }

  const Tables& t_;
  FrontendSpace frontends_;
  IdSpace routes_, endpoints_, states_, turns_, counters_, clusters_, hosts_;
  std::uint64_t generation_;
  std::vector<Operation> before_;  // the commit
  std::vector<Operation> after_;
  bool waited_ = false, swept_ = false;
  std::unordered_map<std::string, std::uint32_t> new_hosts_, new_clusters_;
  std::map<std::pair<std::uint32_t, SocketAddress>, std::uint32_t> new_states_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> new_counters_;
  // Of the names that were there: those this plan uses, and those it gave up.
  std::set<std::uint32_t> hosts_used_, clusters_used_, states_used_, counters_used_;
  std::set<std::uint32_t> freed_hosts_, freed_clusters_, freed_states_, freed_counters_;
};

}  // namespace

ImageChange ChangeTo(const Tables& tables, const TableImage& wanted) {
  ImageChange change;
  for (const auto& [frontend, row] : tables.frontends) {
    change.frontends.emplace(frontend, std::nullopt);
  }
  for (const auto& [frontend, route] : wanted.frontends) {
    change.frontends.insert_or_assign(frontend, route);
  }
  return change;
}

Result<Plan> MakePlan(const Tables& tables, const ImageChange& change) {
  return Planner(tables).Make(change);
}

}  // namespace vsplit
