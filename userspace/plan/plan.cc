// SPDX-License-Identifier: Apache-2.0
// From what is in force and what is wanted to the operations between.
#include "vsplit/plan.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "allotment.h"
#include "in_place.h"
#include "managed.h"
#include "old.h"
#include "routes.h"
#include "vsplit/image.h"
#include "vsplit/policy.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"
#include "vsplit/split.h"
#include "workloads.h"

namespace vsplit {
namespace {

bool SameWeights(const Tables& tables, const ImageRoute& wanted, const OldRoute& old) {
  return old.head.stride == wanted.stride &&
         std::ranges::equal(
             wanted.clusters, old.clusters, [&](const ImageCluster& a, const OldCluster& b) {
               return a.weight == b.weight && a.name == tables.cluster_names.at(b.row.cluster);
             });
}

class Planner {
 public:
  explicit Planner(const Tables& tables)
      : t_(tables),
        generation_(tables.generation + 1),
        allotment_(tables, generation_, before_),
        routes_(tables, generation_, allotment_, before_),
        subnets_(tables.subnets.size()),
        in_place_(tables, allotment_, after_) {}

  Result<Plan> Make(const ImageChange& change) {
    Result<WorkloadPlan> workloads = PlanWorkloads(t_, change.workloads, allotment_);
    if (!workloads) {
      return tl::unexpected<Error>(workloads.error());
    }
    workloads_ = *std::move(workloads);
    for (const auto& [frontend, wanted] : change.frontends) {
      if (!wanted) {
        Remove(frontend);
      } else if (Result<void> changed = Change(frontend, *wanted); !changed) {
        return tl::unexpected<Error>(changed.error());
      }
    }
    in_place_.WriteStates();
    if (const bool any = subnets_ > 0; any != t_.uses_subnets) {
      (any ? before_ : after_).emplace_back(UseSubnets{any});
    }
    if (before_.empty() && workloads_.operations.empty() && after_.empty()) {
      return Plan{{}, t_.generation};
    }
    before_.emplace_back(Commit{generation_});
    for (Operations* more : {&workloads_.operations, &after_}) {
      before_.insert(before_.end(), std::make_move_iterator(more->begin()),
                     std::make_move_iterator(more->end()));
    }
    return Plan{std::move(before_), generation_};
  }

 private:
  // ---- one frontend ----

  void Remove(const Frontend& frontend) {
    const auto found = t_.frontends.find(frontend);
    if (found == t_.frontends.end()) {
      return;
    }
    const Tables::FrontendRow& row = found->second;
    const OldFrontend old = TakeApart(t_, t_.RowInForce(row));
    WriteNext(frontend, row, 0);
    if (frontend.prefix < FRONTEND_EXACT) {
      after_.emplace_back(DeleteSubnet{frontend});
      --subnets_;
    }
    after_.emplace_back(DeleteFrontend{frontend, row.id});
    RetireOld(frontend, old);
    // The next frontend with this id starts with counters of its own.
    for (const auto& [index, cluster] : allotment_.GiveUpCounters(row.id)) {
      after_.emplace_back(FreeCounter{index, row.id, cluster});
    }
  }

  Result<void> Change(const Frontend& frontend, const ImageFrontend& image) {
    const WantedFrontend wanted = WantedOf(image, frontend.address.ip.is_v4());
    Result<Tables::FrontendRow> row = RowOf(frontend);
    if (!row) {
      return tl::unexpected<Error>(row.error());
    }
    OldFrontend old = TakeApart(t_, t_.RowInForce(*row));
    std::uint32_t head = old.head;
    if (KeepsHead(old, wanted)) {
      old.everyone.kept = true;
    } else if (const Result<std::uint32_t> written = WriteEveryone(frontend, *row, wanted, old);
               written) {
      head = *written;
      WriteNext(frontend, *row, head);
    } else {
      return tl::unexpected<Error>(written.error());
    }
    if (Result<void> written = WriteSources(*row, head, wanted, old); !written) {
      return written;
    }
    RetireOld(frontend, old);
    const bool v4 = frontend.address.ip.is_v4();
    if (Result<void> settled = in_place_.Settle(row->id, v4, wanted.everyone, true); !settled) {
      return settled;
    }
    for (const WantedRoute& source : wanted.sources) {
      if (Result<void> settled = in_place_.Settle(row->id, v4, source, false); !settled) {
        return settled;
      }
    }
    return {};
  }

  // That of the tables, or a new one.
  Result<Tables::FrontendRow> RowOf(const Frontend& frontend) {
    const auto found = t_.frontends.find(frontend);
    if (found != t_.frontends.end()) {
      return found->second;
    }
    const Result<std::uint32_t> place = allotment_.NewPlace(frontend);
    if (!place) {
      return tl::unexpected<Error>(place.error());
    }
    before_.emplace_back(InsertFrontend{frontend, *place});
    if (frontend.prefix < FRONTEND_EXACT) {
      if (Result<void> taken = allotment_.TakeSubnet(); !taken) {
        return tl::unexpected<Error>(taken.error());
      }
      before_.emplace_back(InsertSubnet{frontend, *place});
      ++subnets_;
    }
    return Tables::FrontendRow{.id = *place};
  }

  // Into the word that is not in force.
  void WriteNext(const Frontend& frontend, const Tables::FrontendRow& row, std::uint32_t route) {
    const std::uint32_t which = row.words[0] > row.words[1] ? 1 : 0;
    before_.emplace_back(
        WriteWord{frontend, row.id, which, (generation_ << ROUTE_ROW_BITS) | route});
  }

  // Whether everyone's route stays, and with it the number that the entries of `source_routes`
  // bear. Entries may come and go below it as long as no program can look for them: those of
  // workloads that are not in `workloads` yet, or no longer.
  bool KeepsHead(const OldFrontend& old, const WantedFrontend& wanted) const {
    const bool asks = (old.everyone.head.flags & ROUTE_ASKS) != 0;
    const bool looks = (old.everyone.head.flags & ROUTE_SOURCES) != 0;
    if (old.head == 0 || asks != wanted.image.asks || (!looks && !wanted.sources.empty()) ||
        !SameRoute(t_, old.everyone, wanted.everyone)) {
      return false;
    }
    return std::ranges::all_of(old.sources,
                               [&](const auto& entry) {
                                 return StaysOrLeaves(old, entry.first, entry.second, wanted);
                               }) &&
           std::ranges::all_of(wanted.source_of, [&](const auto& source) {
             const auto id = t_.workload_ids.find(source.first);
             return !t_.workloads.contains(source.first) || id == t_.workload_ids.end() ||
                    old.sources.contains(id->second);
           });
  }

  bool StaysOrLeaves(const OldFrontend& old, std::uint32_t workload, std::uint32_t row,
                     const WantedFrontend& wanted) const {
    const auto name = t_.workload_names.find(workload);
    const auto source = name == t_.workload_names.end() ? wanted.source_of.end()
                                                        : wanted.source_of.find(name->second);
    return source == wanted.source_of.end()
               ? name == t_.workload_names.end() || workloads_.leaving.contains(workload)
               : SameRoute(t_, old.routes.at(row), wanted.sources[source->second]);
  }

  Result<std::uint32_t> WriteEveryone(const Frontend& frontend, const Tables::FrontendRow& row,
                                      const WantedFrontend& wanted, OldFrontend& old) {
    const ImageRoute& route = wanted.image.everyone;
    const Result<std::uint32_t> host = allotment_.HostId(route.host);
    if (!host) {
      return tl::unexpected<Error>(host.error());
    }
    const auto flags = static_cast<__u8>((wanted.sources.empty() ? 0 : ROUTE_SOURCES) |
                                         (wanted.image.asks ? ROUTE_ASKS : 0));
    const Numbering numbering = RouteSequence(frontend, row, route, old.everyone);
    return routes_.Write(row.id, wanted.everyone, numbering, flags, *host, old.everyone);
  }

  // New weights start a new sequence, new endpoints keep it.
  Numbering RouteSequence(const Frontend& frontend, const Tables::FrontendRow& row,
                          const ImageRoute& wanted, OldRoute& old) {
    if (!IsNumbered(wanted)) {
      return {};
    }
    const bool numbered = !old.rows.empty() && old.head.sequence != SEQUENCE_NONE;
    if (numbered && SameWeights(t_, wanted, old)) {
      old.sequence_kept = true;
      return {.sequence = old.head.sequence, .seed = old.head.seed};
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
    return {.sequence = which, .seed = split_hash((generation_ << ROUTE_ROW_BITS) + row.id)};
  }

  // ---- its sources ----

  Result<void> WriteSources(const Tables::FrontendRow& row, std::uint32_t head,
                            const WantedFrontend& wanted, OldFrontend& old) {
    if (head == old.head) {
      KeepEntries(wanted, old);
    }
    std::vector<std::uint32_t> rows = TakeOverSources(wanted, old);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::vector<std::string>& workloads = wanted.image.sources[i].workloads;
      if (rows[i] == 0) {
        const Result<std::uint32_t> written =
            WriteSource(row, wanted.sources[i], LeftOf(workloads, old));
        if (!written) {
          return tl::unexpected<Error>(written.error());
        }
        rows[i] = *written;
      }
      if (Result<void> inserted = InsertSources(head, rows[i], workloads, old); !inserted) {
        return inserted;
      }
    }
    return {};
  }

  // Below a head that stays, the entries of all workloads that stay do too.
  void KeepEntries(const WantedFrontend& wanted, OldFrontend& old) const {
    for (const auto& [workload, row] : old.sources) {
      const auto name = t_.workload_names.find(workload);
      if (name != t_.workload_names.end() && wanted.source_of.contains(name->second)) {
        old.staying.insert(workload);
        OldRoute& route = old.routes.at(row);
        route.kept = route.taken = true;
      }
    }
  }

  // Of each source the head row that is there already and says the same; 0 for none.
  std::vector<std::uint32_t> TakeOverSources(const WantedFrontend& wanted, OldFrontend& old) const {
    std::vector<std::uint32_t> rows(wanted.sources.size());
    for (const auto& [workload, row] : old.sources) {
      if (old.staying.contains(workload)) {
        rows[wanted.source_of.at(t_.workload_names.at(workload))] = row;
      }
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (auto route = old.routes.begin(); rows[i] == 0 && route != old.routes.end(); ++route) {
        if (!route->second.taken && SameRoute(t_, route->second, wanted.sources[i])) {
          route->second.kept = route->second.taken = true;
          rows[i] = route->first;
        }
      }
    }
    return rows;
  }

  // A route that one of the workloads had and no other goes on from; null for none.
  OldRoute* LeftOf(const std::vector<std::string>& workloads, OldFrontend& old) {
    for (const std::string& workload : workloads) {
      const auto entry = old.sources.find(allotment_.WorkloadId(workload));
      if (entry != old.sources.end() && !old.routes.at(entry->second).taken) {
        return &old.routes.at(entry->second);
      }
    }
    return nullptr;
  }

  Result<void> InsertSources(std::uint32_t head, std::uint32_t row,
                             const std::vector<std::string>& workloads, const OldFrontend& old) {
    for (const std::string& workload : workloads) {
      const std::uint32_t id = allotment_.WorkloadId(workload);
      if (old.staying.contains(id)) {
        continue;
      }
      if (Result<void> taken = allotment_.TakeSource(); !taken) {
        return taken;
      }
      before_.emplace_back(InsertSource{head, id, row, workload});
    }
    return {};
  }

  Result<std::uint32_t> WriteSource(const Tables::FrontendRow& row, const WantedRoute& wanted,
                                    OldRoute* before) {
    OldRoute none;
    OldRoute& old = before == nullptr ? none : *before;
    old.taken = true;
    const Result<std::uint32_t> host = allotment_.HostId(wanted.route->host);
    if (!host) {
      return tl::unexpected<Error>(host.error());
    }
    const Result<Numbering> numbering = SourceSequence(*wanted.route, old);
    if (!numbering) {
      return tl::unexpected<Error>(numbering.error());
    }
    return routes_.Write(row.id, wanted, *numbering, 0, *host, old);
  }

  Result<Numbering> SourceSequence(const ImageRoute& wanted, OldRoute& old) {
    if (!IsNumbered(wanted)) {
      return Numbering{};
    }
    if (old.head.turn != 0 && SameWeights(t_, wanted, old)) {
      old.sequence_kept = true;
      return Numbering{.sequence = old.head.sequence, .seed = old.head.seed, .turn = old.head.turn};
    }
    const Result<std::uint32_t> turn = allotment_.NewTurn();
    if (!turn) {
      return tl::unexpected<Error>(turn.error());
    }
    return Numbering{.sequence = SEQUENCE_TURN,
                     .seed = split_hash((generation_ << ROUTE_ROW_BITS) + *turn),
                     .turn = *turn};
  }

  // ---- what is left ----

  // After the commit: what the new routes did not take over.
  void RetireOld(const Frontend& frontend, const OldFrontend& old) {
    RetireRest(old.everyone, after_);
    if (!old.everyone.kept && old.head != 0 && old.everyone.head.sequence != SEQUENCE_NONE &&
        !old.everyone.sequence_kept) {
      after_.emplace_back(RetireSequence{frontend, old.everyone.head.sequence});
    }
    for (const auto& [workload, row] : old.sources) {
      if (!old.staying.contains(workload)) {
        after_.emplace_back(RetireSource{old.head, workload});
      }
    }
    for (const auto& [row, route] : old.routes) {
      RetireRest(route, after_);
      if (!route.kept && !route.sequence_kept && route.head.turn != 0) {
        after_.emplace_back(Retire{Retire::Table::kTurn, route.head.turn, 1});
      }
    }
  }

  const Tables& t_;
  std::uint64_t generation_;
  Operations before_;  // the commit
  Operations after_;
  Allotment allotment_;
  RouteWriter routes_;
  WorkloadPlan workloads_;
  std::size_t subnets_;  // that there will be
  InPlace in_place_;
};

}  // namespace

Result<Plan> MakePlan(const Tables& tables, const ImageChange& change) {
  return Planner(tables).Make(change);
}

}  // namespace vsplit
