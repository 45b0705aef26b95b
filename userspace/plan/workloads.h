// SPDX-License-Identifier: Apache-2.0
// Who connects: the entries of `workloads`, and the levels at which the kernel looks for them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "allotment.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"

namespace vsplit {

struct WorkloadPlan {
  Operations operations;            // after the commit
  std::set<std::uint32_t> leaving;  // ids of workloads that are no more after it
};

// kFull when there are too many workloads, or at too many levels.
Result<WorkloadPlan> PlanWorkloads(
    const Tables& tables, const std::map<std::string, std::optional<ImageWorkload>>& change,
    Allotment& allotment);

// Ids of those in the table, ascending.
std::vector<std::uint32_t> LivingWorkloads(const Tables& tables);

}  // namespace vsplit
