// SPDX-License-Identifier: Apache-2.0
// Ids and rows for one plan: those that names have already, and new ones. Nothing is changed but
// this object; what it takes to make the ids valid is appended to the operations of the plan.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"

namespace vsplit {

class Allotment {
 public:
  // `operations` are those before the plan's commit; both outlive this object.
  Allotment(const Tables& tables, std::uint64_t generation, Operations& operations);

  // Each fails with kFull when its table has no room, even after a Wait and after giving up the
  // names that nothing uses any more.
  Result<std::uint32_t> HostId(const std::string& name);
  Result<std::uint32_t> ClusterId(const std::string& name, std::uint32_t variant);
  Result<std::uint32_t> StateId(std::uint32_t cluster, const SocketAddress& address);
  Result<std::uint32_t> CounterIndex(std::uint32_t frontend, std::uint32_t cluster);
  Result<std::uint32_t> NewTurn();
  Result<std::uint32_t> NewRoute();
  Result<std::uint32_t> NewEndpoints(std::uint32_t count);  // neighbours
  Result<std::uint32_t> NewPolicy();
  Result<std::uint32_t> NewGroups(std::uint32_t count);    // neighbours
  Result<std::uint32_t> NewHashRows(std::uint32_t count);  // neighbours
  Result<std::uint32_t> NewPlace(const Frontend& frontend);
  // Of workloads ids never run out, but the entries of the tables may.
  std::uint32_t WorkloadId(const std::string& name);
  Result<void> TakeSource();  // one more entry of `source_routes`
  Result<void> TakeSubnet();

  // Makes sure that everything retired before this plan may be used again.
  void WaitOnce();
  bool waited() const { return waited_; }

  // The counters of a frontend that goes: the caller frees them after the commit.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> GiveUpCounters(std::uint32_t frontend);

 private:
  template <class TakeSome>
  std::optional<std::uint32_t> Take(TakeSome take);
  std::optional<std::uint32_t> Take(IdSpace& space, std::uint32_t count = 1);
  Result<std::uint32_t> Take(IdSpace& space, std::uint32_t count, std::string_view table,
                             std::string_view flag);
  FrontendSpace& Places();
  void Recycle();
  void Sweep();
  std::set<std::uint32_t> SweepStatesAndCounters();

  const Tables& t_;
  std::uint64_t generation_;
  Operations& operations_;
  // Made of the tables' one when it is needed: it is as large as the table.
  std::optional<FrontendSpace> places_;
  IdSpace routes_, policies_, groups_, hashes_, endpoints_, states_, turns_, counters_, clusters_,
      hosts_;
  std::size_t sources_;          // entries that will be there
  std::size_t new_sources_ = 0;  // that this plan inserts
  std::size_t subnets_;          // entries that will be there
  bool waited_ = false, swept_ = false;
  bool recycled_ = false;  // the entries of source_routes that were retired before are deleted
  std::unordered_map<std::string, std::uint32_t> new_hosts_, new_clusters_, new_workloads_;
  std::map<std::pair<std::uint32_t, SocketAddress>, std::uint32_t> new_states_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> new_counters_;
  // Of the names that were there: those this plan uses, and those it gave up.
  std::set<std::uint32_t> hosts_used_, clusters_used_, states_used_, counters_used_;
  std::set<std::uint32_t> freed_hosts_, freed_clusters_, freed_states_, freed_counters_;
  std::set<std::uint32_t> renewed_states_;
};

}  // namespace vsplit
