// SPDX-License-Identifier: Apache-2.0
// Plans into the kernel, and what is done when one fails: nothing is forgotten, nothing stays half
// done in silence.
#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <variant>
#include <vector>

#include "agent.h"
#include "log.h"
#include "vsplit/datapath.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

bool ChangesLimits(const Operation& operation) {
  return std::holds_alternative<WriteTimeouts>(operation) ||
         std::holds_alternative<FreeCounter>(operation);
}

}  // namespace

// Fails only when the commit of the plan was not reached. What fails behind it, where ejection,
// timeouts and workloads change in place, is left to Settle.
Result<void> Agent::PutIntoForce(const Plan& plan) {
  if (std::ranges::any_of(plan.operations, ChangesLimits)) {
    shortest_limit_.reset();
  }
  Result<void> done = datapath_->Apply(plan, tables_);
  if (done) {
    return {};
  }
  broken_ = true;
  const bool in_force = tables_.generation >= plan.generation;
  const Result<void> repaired = Repair();
  Log(in_force && repaired ? Priority::kWarning : Priority::kError, "plan_failed",
      {{"generation", std::to_string(plan.generation)},
       {"in_force", in_force ? "yes" : "no"},
       {"error", done.error().message},
       {"repair", repaired ? "done" : repaired.error().message}});
  if (!in_force) {
    return done;
  }
  NoteUnsettled(done.error());
  return {};
}

void Agent::NoteUnsettled(const Error& error) {
  ++record_.unsettled;
  if (unsettled_ != error.message) {
    Log(Priority::kError, "unsettled",
        {{"generation", std::to_string(tables_.generation)}, {"error", error.message}});
  }
  unsettled_ = error.message;
}

// From the tables as they are to all that is wanted.
Result<void> Agent::Settle() {
  const Result<void> restored = RestoreDisk();
  if (Result<void> repaired = broken_ ? Repair() : Result<void>{}; !repaired) {
    return repaired;
  }
  if (unsettled_.empty()) {
    return restored;
  }
  TableImage wanted = hosts_.Image();
  wanted.workloads = pods_.image;
  const Result<Plan> plan = MakePlan(tables_, ChangeTo(tables_, wanted));
  shortest_limit_.reset();
  Result<void> done = plan ? datapath_->Apply(*plan, tables_) : tl::unexpected<Error>(plan.error());
  if (done) {
    Log(Priority::kInfo, "settled", {{"generation", std::to_string(tables_.generation)}});
    unsettled_.clear();
    return restored;
  }
  NoteUnsettled(done.error());
  broken_ = plan.has_value();
  if (const Result<void> repaired = broken_ ? Repair() : Result<void>{}; !repaired) {
    Log(Priority::kError, "repair_failed", {{"error", repaired.error().message}});
  }
  return done;
}

// Reads the tables anew and removes what nothing in force uses.
Result<void> Agent::Repair() {
  Result<Tables> tables = datapath_->Read();
  if (!tables) {
    return Fail("read the tables", tables.error());
  }
  tables_ = *std::move(tables);
  shortest_limit_.reset();
  if (const Result<void> done = datapath_->Apply(MakeRepair(tables_), tables_); !done) {
    return Fail("repair the tables", done.error());
  }
  broken_ = false;
  return {};
}

void Agent::GiveMemoryBack() {
  // Starting, many writes, and answers that are as large as all that there is take it.
  constexpr std::size_t kMuch = std::size_t{32} << 20;
  if (std::exchange(took_much_, false) || mallinfo2().fordblks > left_free_ + kMuch) {
    malloc_trim(0);
    left_free_ = mallinfo2().fordblks;
  }
}

void Agent::MakeRoom() {
  if (took_much_) {
    GiveMemoryBack();
  }
  if (broken_) {
    return;  // the next transaction repairs, and waits as well
  }
  if (const Result<void> done = datapath_->Apply(vsplit::MakeRoom(tables_), tables_); !done) {
    Log(Priority::kWarning, "make_room_failed", {{"error", done.error().message}});
  }
}

// The objects on disk and in memory become what is still in force.
Error Agent::TakeBack(const std::vector<Change>& changes, const Error& cause) {
  store_.Undo();
  std::vector<Change> inverse;
  inverse.reserve(changes.size());
  for (const Change& change : changes) {
    inverse.push_back({.key = change.key,
                       .before = change.after,
                       .after = change.before,
                       .resource_version = change.resource_version});
  }
  owed_ = std::move(inverse);
  const Result<void> restored = RestoreDisk();
  if (restored) {
    return {.message = "put into force: " + cause.message + "; keeping the rules in force"};
  }
  return {.message = "put into force: " + cause.message +
                     "; the rules before stay in force, but the disk already holds the new "
                     "objects: an agent that starts before they could be taken back puts them "
                     "into force: " +
                     restored.error().message};
}

Result<void> Agent::KeepSource(const std::string& source) {
  if (source == source_) {
    return {};
  }
  return disk_.KeepSource(source).map([&] { source_ = source; });
}

// The disk is what the store is: also of other objects nothing is written before.
Result<void> Agent::RestoreDisk() {
  if (owed_.empty()) {
    return {};
  }
  const Result<void> restored = disk_.Commit(owed_, store_.resource_version());
  const std::string why = restored ? "" : restored.error().message;
  if (why != owed_because_) {
    Log(restored ? Priority::kInfo : Priority::kError, restored ? "disk_restored" : "disk_ahead",
        {{"objects", std::to_string(owed_.size())}, {"error", why}});
  }
  owed_because_ = why;
  if (restored) {
    owed_.clear();
  }
  return restored;
}

}  // namespace vsplit
