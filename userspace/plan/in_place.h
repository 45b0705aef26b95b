// SPDX-License-Identifier: Apache-2.0
// What changes in place, behind the commit: timeouts of counters, and what ejects in clusters.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "allotment.h"
#include "old.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {

class InPlace {
 public:
  // `operations` are those behind the plan's commit; all outlive this object.
  InPlace(const Tables& tables, Allotment& allotment, Operations& operations)
      : t_(tables), allotment_(allotment), operations_(operations) {}

  // Of a frontend, by its id: of the route of `everyone`, or of a source.
  Result<void> Settle(std::uint32_t frontend, bool v4, const WantedRoute& wanted, bool everyone);
  // Once all routes were settled: several may lead to one cluster.
  void WriteStates();

 private:
  void SettleTimeouts(std::uint32_t counter, const Timeouts& wanted);
  void SettleState(std::uint32_t cluster, bool v4, const ImageCluster& wanted);
  cluster_state StateInForce(std::uint32_t cluster) const;

  const Tables& t_;
  Allotment& allotment_;
  Operations& operations_;
  // As they will be, of those that this plan has looked at: by counter and by cluster id.
  std::unordered_map<std::uint32_t, Timeouts> timeouts_;
  std::map<std::uint32_t, cluster_state> states_;
  std::set<std::pair<std::uint32_t, bool>> counted_;  // clusters, and whether of IPv4
};

}  // namespace vsplit
