// SPDX-License-Identifier: Apache-2.0
#include "workloads.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "allotment.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

using Change = std::map<std::string, std::optional<ImageWorkload>>;

// Entries are written first, so that a workload that moves to another cgroup is known all the time.
struct Entries {
  std::vector<WriteWorkload> written;
  std::vector<DeleteWorkload> deleted;
};

Entries EntriesOf(const Tables& tables, const Change& change, Allotment& allotment) {
  Entries entries;
  std::set<std::uint64_t> cgroups;
  for (const auto& [name, wanted] : change) {
    const auto known = tables.workloads.find(name);
    if (wanted && (known == tables.workloads.end() || known->second.value != *wanted)) {
      entries.written.push_back({allotment.WorkloadId(name), name, *wanted});
      cgroups.insert(wanted->cgroup);
    }
    if (known != tables.workloads.end() &&
        (!wanted || wanted->cgroup != known->second.value.cgroup)) {
      entries.deleted.push_back({known->second.value.cgroup, wanted ? "" : name});
    }
  }
  // A cgroup that is another workload's now stays in the table.
  for (DeleteWorkload& gone : entries.deleted) {
    gone.cgroup = cgroups.contains(gone.cgroup) ? 0 : gone.cgroup;
  }
  return entries;
}

std::map<std::string, ImageWorkload> After(const Tables& tables, const Change& change) {
  std::map<std::string, ImageWorkload> after;
  for (const auto& [name, workload] : tables.workloads) {
    after.emplace(name, workload.value);
  }
  for (const auto& [name, wanted] : change) {
    if (wanted) {
      after.insert_or_assign(name, *wanted);
    } else {
      after.erase(name);
    }
  }
  return after;
}

std::set<std::uint32_t> LevelsOf(const std::map<std::string, ImageWorkload>& workloads) {
  std::set<std::uint32_t> levels;
  for (const auto& [name, workload] : workloads) {
    levels.insert(workload.level);
  }
  levels.erase(0);
  return levels;
}

}  // namespace

Result<WorkloadPlan> PlanWorkloads(const Tables& tables, const Change& change,
                                   Allotment& allotment) {
  WorkloadPlan plan;
  const Entries entries = EntriesOf(tables, change, allotment);
  if (entries.written.empty() && entries.deleted.empty()) {
    return plan;
  }
  const std::map<std::string, ImageWorkload> after = After(tables, change);
  const std::size_t most = tables.workloads.size() + entries.written.size();
  if (most > tables.workload_capacity) {
    return Fail(
        fmt::format("table workloads is full: {} of {} in use, and {} to write",
                    tables.workloads.size(), tables.workload_capacity, entries.written.size()),
        Error::Reason::kFull);
  }
  const std::set<std::uint32_t> levels = LevelsOf(after);
  if (levels.size() > SOURCE_LEVELS) {
    return Fail(
        fmt::format("the cgroups of pods lie at {} different levels, at most {} are possible",
                    levels.size(), SOURCE_LEVELS),
        Error::Reason::kFull);
  }
  source_levels_value value{};
  std::ranges::copy(levels, value.level);
  if (!std::ranges::equal(value.level, tables.levels.level)) {
    plan.operations.emplace_back(WriteLevels{value});
  }
  plan.operations.insert(plan.operations.end(), entries.written.begin(), entries.written.end());
  plan.operations.insert(plan.operations.end(), entries.deleted.begin(), entries.deleted.end());
  std::vector<std::uint32_t> living = LivingWorkloads(tables);
  for (const DeleteWorkload& gone : entries.deleted) {
    if (!gone.name.empty()) {
      const std::uint32_t id = tables.workloads.at(gone.name).id;
      plan.leaving.insert(id);
      std::erase(living, id);
    }
  }
  if (!plan.leaving.empty()) {
    for (const WriteWorkload& written : entries.written) {
      living.push_back(written.id);
    }
    std::ranges::sort(living);
    plan.operations.emplace_back(SweepPools{std::move(living)});
  }
  return plan;
}

std::vector<std::uint32_t> LivingWorkloads(const Tables& tables) {
  std::vector<std::uint32_t> living;
  for (const auto& [name, workload] : tables.workloads) {
    living.push_back(workload.id);
  }
  std::ranges::sort(living);
  return living;
}

}  // namespace vsplit
