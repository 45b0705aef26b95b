// SPDX-License-Identifier: Apache-2.0
// Writes the rows of one route: clusters, policies, groups, endpoints, Maglev tables. What is in
// force already and does not change is taken over; the rest of the old route is retired.
#pragma once

#include <cstdint>
#include <vector>

#include "allotment.h"
#include "old.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/policy.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {

// How the connections of a route are numbered.
struct Numbering {
  __u8 sequence = SEQUENCE_NONE;
  __u32 seed = 0;
  __u32 turn = 0;
};

// Whether connections have numbers at all.
bool IsNumbered(const ImageRoute& route);

class RouteWriter {
 public:
  RouteWriter(const Tables& tables, std::uint64_t generation, Allotment& allotment,
              Operations& operations)
      : t_(tables), generation_(generation), allotment_(allotment), operations_(operations) {}

  // The chain of rows; gives its first row. `frontend` is the id.
  Result<std::uint32_t> Write(std::uint32_t frontend, const WantedRoute& wanted,
                              const Numbering& numbering, __u8 flags, std::uint32_t host,
                              OldRoute& old);

 private:
  Result<void> FillCluster(std::uint32_t frontend, const ImageCluster& wanted,
                           std::uint32_t variant, bool v4, OldRoute& old, route_cluster& slot);
  Result<void> FillManaged(const ImageCluster& wanted, bool v4, OldCluster* before,
                           route_cluster& slot);
  Result<void> TakeTurn(OldCluster* before, policy_value& policy);
  Result<std::uint32_t> WriteGroups(const ImageCluster& wanted, const policy_value& policy,
                                    OldCluster* before, std::uint32_t cluster);
  Result<void> FillGroup(const EndpointGroup& wanted, const policy_value& policy,
                         OldCluster* before, std::uint32_t cluster, group_value& row);
  Result<std::uint32_t> WriteEndpoints(const std::vector<Endpoint>& wanted, std::uint32_t cluster);
  OldGroup* SameGroupOf(OldCluster* before, const std::vector<Endpoint>& wanted) const;

  const Tables& t_;
  std::uint64_t generation_;
  Allotment& allotment_;
  Operations& operations_;
};

// After the commit: what no new route took over. A sequence is not among it.
void RetireRest(const OldRoute& old, Operations& operations);

}  // namespace vsplit
