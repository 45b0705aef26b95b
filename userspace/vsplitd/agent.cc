// SPDX-License-Identifier: Apache-2.0
#include "agent.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "conditions.h"
#include "hosts.h"
#include "identity.h"
#include "log.h"
#include "pods.h"
#include "vsplit/address.h"
#include "vsplit/api.h"
#include "vsplit/compile.h"
#include "vsplit/datapath.h"
#include "vsplit/disk.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

// Times since the last lap.
class Stopwatch {
 public:
  std::chrono::nanoseconds Lap() {
    const auto now = std::chrono::steady_clock::now();
    return now - std::exchange(last_, now);
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// The object that gives the host its addresses; null: there is none.
ObjectPtr ServiceWithHost(const Store& store, const HostName& host) {
  if (const auto name = ServiceOfHost(host, store.domain())) {
    if (ObjectPtr service =
            store.Find({.kind = Kind::kService, .ns = name->first, .name = name->second})) {
      return service;
    }
  }
  const std::vector<ObjectPtr> entries = store.ServiceEntriesFor(host);
  const auto oldest = std::ranges::min_element(
      entries, {}, [](const ObjectPtr& entry) { return entry->version.creation_timestamp; });
  return oldest == entries.end() ? nullptr : *oldest;
}

}  // namespace

Agent::Agent(AgentOptions options, Disk disk, CgroupFinder find)
    : options_(std::move(options)), disk_(std::move(disk)), find_(std::move(find)) {
  store_.SetDomain(options_.domain);
  options_.resolve.names = &names_;
}

Result<Applied> Agent::Transact(std::vector<Write> writes, bool dry_run) {
  Stopwatch watch;
  Result<std::vector<std::string>> uids = RandomUids(writes.size());
  if (!uids) {
    return tl::unexpected<Error>(uids.error());
  }
  const Result<std::vector<Change>> changes =
      store_.Stage(std::move(writes), {.now = Now(), .uids = *std::move(uids)});
  if (!changes) {
    return tl::unexpected<Error>(changes.error());
  }
  if (const Result<void> repaired = broken_ ? Repair() : Result<void>{}; !repaired) {
    store_.Undo();
    return tl::unexpected<Error>(repaired.error());
  }
  Result<Prepared> prepared = Prepare(*changes);
  if (!prepared) {
    store_.Undo();
    return tl::unexpected<Error>(prepared.error());
  }
  Applied applied{.generation = prepared->plan.generation,
                  .changes = *changes,
                  .rules = RulesOf(*changes, prepared->hosts),
                  .difference = dry_run ? hosts_.DifferenceOf(prepared->hosts) : "",
                  .resolve = watch.Lap()};
  if (dry_run) {
    store_.Undo();
    return applied;
  }
  if (const Result<void> kept = disk_.Commit(*changes, store_.resource_version()); !kept) {
    store_.Undo();
    return Fail("keep the objects on disk", kept.error());
  }
  applied.disk = watch.Lap();
  if (const Result<void> in_force = PutIntoForce(prepared->plan); !in_force) {
    return tl::unexpected<Error>(TakeBack(*changes, in_force.error()));
  }
  applied.kernel = watch.Lap();
  store_.Keep();
  std::set<ObjectKey> rules = hosts_.Take(std::move(prepared->hosts));
  for (const Change& change : *changes) {
    rules.insert(change.key);
  }
  KeepConditions(conditions_.Look(rules, store_, hosts_, Now()));
  pods_ = std::move(prepared->pods);
  return applied;
}

Result<Agent::Prepared> Agent::Prepare(const std::vector<Change>& changes) const {
  std::set<HostName> touched;
  bool other_pods = false;
  for (const Change& change : changes) {
    Touched by = TouchedBy(store_, change);
    touched.merge(by.hosts);
    touched.merge(hosts_.DependingOn(by.dependencies));
    other_pods = other_pods || ConcernsPods(change, options_.node, pods_);
  }
  return Prepare(std::move(touched),
                 other_pods ? PodsAfter(changes, store_, options_.node, pods_, find_) : pods_);
}

Result<Agent::Prepared> Agent::Prepare(std::set<HostName> touched, LocalPods pods) const {
  Prepared prepared{.pods = std::move(pods)};
  const Reach reach = ReachOf(pods_, prepared.pods);
  if (reach == Reach::kAll) {
    for (const auto& [host, served] : hosts_.all()) {
      touched.insert(host);
    }
  } else if (reach == Reach::kTellingApart) {
    touched.merge(hosts_.TellingPodsApart());
  }
  for (const HostName& host : touched) {
    Result<std::optional<ServedHost>> served = Serve(host, prepared.pods);
    if (!served) {
      return tl::unexpected<Error>(served.error());
    }
    if (*served || hosts_.Find(host) != nullptr) {
      prepared.hosts.emplace(host, *std::move(served));
    }
  }
  ImageChange image = hosts_.ChangeOf(prepared.hosts);
  image.workloads = Difference(pods_.image, prepared.pods.image);
  Result<Plan> plan = MakePlan(tables_, image);
  if (!plan) {
    return tl::unexpected<Error>(plan.error());
  }
  prepared.plan = *std::move(plan);
  return prepared;
}

Result<std::optional<ServedHost>> Agent::Serve(const HostName& host, const LocalPods& pods) const {
  if (!HasRules(store_, host, options_.all_hosts)) {
    return std::nullopt;
  }
  ServedHost served{.meaning =
                        ResolveAll(store_, host, options_.resolve, pods.anonymous, pods.workloads)};
  Result<TableImage> part = Compile(served.meaning);
  if (!part) {
    return tl::unexpected<Error>(part.error());
  }
  served.part = *std::move(part);
  if (const ObjectPtr object = ServiceWithHost(store_, host)) {
    served.object = object->key;
    served.created = object->version.creation_timestamp;
  }
  return served;
}

// What comes from outside of the store: there is nothing to be kept on disk.
Result<void> Agent::Follow(Result<Prepared> prepared, std::string_view event) {
  if (!prepared) {
    return tl::unexpected<Error>(prepared.error());
  }
  if (const Result<void> in_force = PutIntoForce(prepared->plan); !in_force) {
    return in_force;
  }
  if (!prepared->plan.operations.empty()) {
    Log(Priority::kInfo, event,
        {{"generation", std::to_string(tables_.generation)},
         {"hosts", std::to_string(prepared->hosts.size())},
         {"pods", std::to_string(prepared->pods.workloads.size())}});
  }
  KeepConditions(conditions_.Look(hosts_.Take(std::move(prepared->hosts)), store_, hosts_, Now()));
  pods_ = std::move(prepared->pods);
  return {};
}

Result<void> Agent::LookAtPods() {
  if (datapath_ == nullptr) {
    return {};  // not yet started
  }
  if (Result<void> repaired = broken_ ? Repair() : Result<void>{}; !repaired) {
    return repaired;
  }
  LocalPods pods = PodsAfter({}, store_, options_.node, pods_, find_);
  return pods == pods_ ? Result<void>{} : Follow(Prepare({}, std::move(pods)), "pods");
}

Result<void> Agent::TakeNames(DnsAnswers answers) {
  Dependencies changed;
  for (const DnsAnswers* some : {&names_, &answers}) {
    for (const auto& [name, addresses] : *some) {
      const auto before = names_.find(name);
      const auto after = answers.find(name);
      if (before == names_.end() || after == answers.end() || before->second != after->second) {
        changed.names.insert(name);
      }
    }
  }
  names_.swap(answers);
  if (datapath_ == nullptr) {
    KeepNames();
    return {};  // not yet started
  }
  if (Result<void> repaired = broken_ ? Repair() : Result<void>{}; !repaired) {
    names_.swap(answers);
    return repaired;
  }
  Result<void> followed = Follow(Prepare(hosts_.DependingOn(changed), pods_), "names");
  if (!followed) {
    names_.swap(answers);
    return followed;
  }
  KeepNames();
  return followed;
}

// They are in force whether the disk has them or not; the next answers write what is missing.
void Agent::KeepNames() {
  if (const Result<void> kept = disk_.KeepNames(names_); !kept) {
    Log(Priority::kWarning, "names_not_kept", {{"error", kept.error().message}});
  }
}

// A time that is not kept becomes that of the next start, if the condition has changed until then.
void Agent::KeepConditions(const Conditions::News& news) {
  if (const Result<void> kept = disk_.KeepConditions(news.changed, news.gone); !kept) {
    Log(Priority::kWarning, "conditions_not_kept", {{"error", kept.error().message}});
  }
}

Result<void> Agent::PutIntoForce(const Plan& plan) {
  const Result<void> done = datapath_->Apply(plan, tables_);
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
  // What failed behind the commit was cleaning up.
  return in_force ? Result<void>{} : done;
}

// Reads the tables anew and removes what nothing in force uses.
Result<void> Agent::Repair() {
  Result<Tables> tables = datapath_->Read();
  if (!tables) {
    return Fail("read the tables", tables.error());
  }
  tables_ = *std::move(tables);
  if (const Result<void> done = datapath_->Apply(MakeRepair(tables_), tables_); !done) {
    return Fail("repair the tables", done.error());
  }
  broken_ = false;
  return {};
}

void Agent::MakeRoom() {
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
  const Result<void> restored = disk_.Commit(inverse, store_.resource_version());
  if (restored) {
    return {.message = "put into force: " + cause.message + "; keeping the rules in force"};
  }
  return {.message = "put into force: " + cause.message +
                     "; the rules before stay in force, but the disk already holds the new "
                     "objects and they will come into force when the agent starts again: " +
                     restored.error().message};
}

}  // namespace vsplit
