// SPDX-License-Identifier: Apache-2.0
// From what is in force and what is wanted to the operations between.
#include "vsplit/plan.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "allotment.h"
#include "vsplit/image.h"
#include "vsplit/policy.h"
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

class Planner {
 public:
  explicit Planner(const Tables& tables)
      : t_(tables), generation_(tables.generation + 1), allotment_(tables, generation_, before_) {}

  Result<Plan> Make(const ImageChange& change) {
    for (const auto& [frontend, wanted] : change.frontends) {
      if (DecodeFrontend(t_, frontend) == wanted) {
        continue;
      }
      if (!wanted) {
        Remove(frontend);
      } else if (Result<void> changed = Change(frontend, wanted->everyone); !changed) {
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
  // ---- one frontend ----

  void Remove(const Frontend& frontend) {
    const Tables::FrontendRow& row = t_.frontends.at(frontend);
    const OldRoute old = TakeApart(t_, t_.RowInForce(row));
    WriteNext(frontend, row, 0);
    after_.emplace_back(DeleteFrontend{frontend, row.id});
    RetireRest(frontend, old);
    // The next frontend with this id starts with counters of its own.
    for (const auto& [index, cluster] : allotment_.GiveUpCounters(row.id)) {
      after_.emplace_back(FreeCounter{index, row.id, cluster});
    }
  }

  Result<void> Change(const Frontend& frontend, const ImageRoute& wanted) {
    const auto found = t_.frontends.find(frontend);
    Tables::FrontendRow row;
    if (found != t_.frontends.end()) {
      row = found->second;
    } else {
      const Result<std::uint32_t> place = allotment_.NewPlace(frontend);
      if (!place) {
        return tl::unexpected<Error>(place.error());
      }
      row.id = *place;
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
    const Result<std::uint32_t> host = allotment_.HostId(wanted.host);
    if (!host) {
      return tl::unexpected<Error>(host.error());
    }
    const Numbering numbering = RouteSequence(frontend, row, wanted, old);
    for (WriteRoute& write : rows) {
      const Result<std::uint32_t> id = allotment_.NewRoute();
      if (!id) {
        return id;
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
    if (((taken | row.retired_sequences) & kAll) == kAll) {
      allotment_.WaitOnce();
    }
    taken |= allotment_.waited() ? 0 : row.retired_sequences;
    __u8 which = 0;
    while ((taken >> which & 1) != 0) {
      ++which;
    }
    before_.emplace_back(StartSequence{frontend, row.id, which});
    return {which, split_hash((generation_ << ROUTE_ROW_BITS) + row.id)};
  }

  Result<void> FillCluster(std::uint32_t frontend, const ImageCluster& wanted, OldRoute& old,
                           route_cluster& slot, __u32& turn) {
    const Result<std::uint32_t> cluster = allotment_.ClusterId(wanted.name);
    if (!cluster) {
      return tl::unexpected<Error>(cluster.error());
    }
    const Result<std::uint32_t> counter = allotment_.CounterIndex(frontend, *cluster);
    if (!counter) {
      return tl::unexpected<Error>(counter.error());
    }
    slot.cluster = *cluster;
    slot.counter = *counter;
    static const std::vector<Endpoint> kNone;
    const std::vector<Endpoint>& endpoints =
        wanted.groups.empty() ? kNone : wanted.groups[0].endpoints;
    slot.algorithm = static_cast<__u8>(wanted.settings.algorithm);
    slot.count = static_cast<__u16>(endpoints.size());
    const auto same = std::ranges::find_if(old.clusters, [&](const OldCluster& candidate) {
      return candidate.row.cluster == *cluster && !candidate.endpoints_kept;
    });
    OldCluster* before = same == old.clusters.end() ? nullptr : &*same;
    if (wanted.settings.algorithm == Algorithm::kRoundRobin) {
      if (before != nullptr && before->turn != 0) {
        before->turn_kept = true;
        turn = before->turn;
      } else if (const Result<std::uint32_t> made = allotment_.NewTurn(); made) {
        turn = *made;
      } else {
        return tl::unexpected<Error>(made.error());
      }
    }
    if (before != nullptr && SameEndpoints(before->row, endpoints)) {
      before->endpoints_kept = true;
      slot.first = before->row.first;
      return {};
    }
    return WriteEndpoints(endpoints, slot);
  }

  bool SameEndpoints(const route_cluster& before, const std::vector<Endpoint>& wanted) const {
    if (before.count != wanted.size()) {
      return false;
    }
    for (std::uint32_t i = 0; i < before.count; ++i) {
      const std::uint32_t id = t_.endpoints.at(before.first + i).endpoint;
      if (t_.endpoint_addresses.at(id) != wanted[i].address) {
        return false;
      }
    }
    return true;
  }

  Result<void> WriteEndpoints(const std::vector<Endpoint>& wanted, route_cluster& slot) {
    if (wanted.empty()) {
      return {};
    }
    const auto count = static_cast<std::uint32_t>(wanted.size());
    const Result<std::uint32_t> first = allotment_.NewEndpoints(count);
    if (!first) {
      return tl::unexpected<Error>(first.error());
    }
    slot.first = *first;
    for (std::uint32_t i = 0; i < count; ++i) {
      const Result<std::uint32_t> id = allotment_.StateId(slot.cluster, wanted[i].address);
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
  std::uint64_t generation_;
  std::vector<Operation> before_;  // the commit
  std::vector<Operation> after_;
  Allotment allotment_;
};

}  // namespace

ImageChange ChangeTo(const Tables& tables, const TableImage& wanted) {
  ImageChange change;
  for (const auto& [frontend, row] : tables.frontends) {
    change.frontends.emplace(frontend, std::nullopt);
  }
  for (const auto& [frontend, meaning] : wanted.frontends) {
    change.frontends.insert_or_assign(frontend, meaning);
  }
  return change;
}

Result<Plan> MakePlan(const Tables& tables, const ImageChange& change) {
  return Planner(tables).Make(change);
}

}  // namespace vsplit
