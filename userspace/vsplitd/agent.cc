// SPDX-License-Identifier: Apache-2.0
#include "agent.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
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
#include "vsplit/disk.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

constexpr std::size_t kMany = 500;  // objects in one transaction

// Times since the last lap.
class Stopwatch {
 public:
  explicit Stopwatch(std::chrono::steady_clock::time_point begin) : last_(begin) {}
  std::chrono::nanoseconds Lap() {
    const auto now = std::chrono::steady_clock::now();
    return now - std::exchange(last_, now);
  }

 private:
  std::chrono::steady_clock::time_point last_;
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

Result<Applied> Agent::Transact(std::vector<Write>& writes, bool dry_run) {
  const auto begin = std::chrono::steady_clock::now();
  took_much_ = took_much_ || writes.size() >= kMany;
  Result<std::vector<std::string>> uids = RandomUids(writes.size());
  if (!uids) {
    return tl::unexpected<Error>(uids.error());
  }
  const Result<std::vector<Change>> staged =
      store_.Stage(std::move(writes), {.now = Now(), .uids = *std::move(uids)});
  if (!staged) {
    return tl::unexpected<Error>(staged.error());
  }
  Result<Applied> applied = PutThrough(*staged, dry_run, begin);
  if (!applied) {
    GiveBack(*staged, writes);
  }
  return applied;
}

// What was staged is kept, or undone if it fails or is only tried.
Result<Applied> Agent::PutThrough(const std::vector<Change>& staged, bool dry_run,
                                  std::chrono::steady_clock::time_point begin) {
  Stopwatch watch(begin);
  if (const Result<void> repaired = broken_ ? Repair() : Result<void>{}; !repaired) {
    store_.Undo();
    return tl::unexpected<Error>(repaired.error());
  }
  Result<Prepared> prepared = Prepare(staged);
  if (!prepared) {
    store_.Undo();
    return tl::unexpected<Error>(prepared.error());
  }
  Applied applied{.generation = prepared->plan.generation,
                  .changes = staged,
                  .rules = RulesOf(staged, prepared->hosts),
                  .difference = dry_run ? hosts_.DifferenceOf(prepared->hosts) : "",
                  .resolve = watch.Lap()};
  if (dry_run) {
    store_.Undo();
    return applied;
  }
  const Result<void> kept =
      RestoreDisk().and_then([&] { return disk_.Commit(staged, store_.resource_version()); });
  if (!kept) {
    store_.Undo();
    return Fail("keep the objects on disk", kept.error());
  }
  applied.disk = watch.Lap();
  if (const Result<void> in_force = PutIntoForce(prepared->plan); !in_force) {
    return tl::unexpected<Error>(TakeBack(staged, in_force.error()));
  }
  applied.kernel = watch.Lap();
  prepared->plan = Plan();  // a whole cluster's takes as much memory as what follows needs
  store_.Keep();
  std::set<ObjectKey> renewed;
  for (const Change& change : staged) {
    if (!change.unchanged()) {
      renewed.insert(change.key);
    }
  }
  Take(*std::move(prepared), renewed);
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
                 other_pods ? std::optional(PodsAfter(changes, store_, options_.node, pods_, find_))
                            : std::nullopt);
}

Result<Agent::Prepared> Agent::Prepare(std::set<HostName> touched,
                                       std::optional<LocalPods> pods) const {
  Prepared prepared{.pods = std::move(pods)};
  if (Result<void> followed = prepared.pods ? FollowPods(prepared, touched) : Result<void>{};
      !followed) {
    return tl::unexpected<Error>(followed.error());
  }
  const LocalPods& after = prepared.pods ? *prepared.pods : pods_;
  for (const HostName& host : touched) {
    Result<std::optional<ServedHost>> served = Serve(host, after);
    if (!served) {
      return tl::unexpected<Error>(served.error());
    }
    if (*served || hosts_.Find(host) != nullptr) {
      prepared.hosts.emplace(host, *std::move(served));
    }
  }
  ImageChange image = hosts_.ChangeOf(prepared.hosts);
  if (prepared.pods) {
    image.workloads = Difference(pods_.image, prepared.pods->image);
  }
  Result<Plan> plan = MakePlan(tables_, image);
  if (!plan) {
    return tl::unexpected<Error>(plan.error());
  }
  prepared.plan = *std::move(plan);
  return prepared;
}

// Hosts that other pods mean something else by. Most need not be resolved anew: a pod mostly is
// what some other one is too.
Result<void> Agent::FollowPods(Prepared& prepared, std::set<HostName>& touched) const {
  const LocalPods& after = *prepared.pods;
  const WorkloadsChange change = vsplit::ChangeOf(pods_.workloads, after.workloads);
  if (change.empty() && pods_.anonymous == after.anonymous) {
    return {};
  }
  for (const HostName& host : hosts_.Asking()) {
    if (touched.contains(host)) {
      continue;
    }
    const ServedHost& before = *hosts_.Find(host);
    Followed followed = FollowWorkloads(before.meaning, change, after.anonymous, after.workloads);
    if (!followed.known) {
      touched.insert(host);
    } else if (followed.meaning) {
      Result<TableImage> part = Compile(*followed.meaning);
      if (!part) {
        return tl::unexpected<Error>(part.error());
      }
      prepared.hosts.emplace(host, ServedHost{.meaning = *std::move(followed.meaning),
                                              .part = *std::move(part),
                                              .object = before.object,
                                              .created = before.created});
    }
  }
  return {};
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
         {"pods", std::to_string((prepared->pods ? *prepared->pods : pods_).workloads.size())}});
  }
  Take(*std::move(prepared), {});
  return {};
}

// `renewed`: what was changed, whatever hosts it is about.
void Agent::Take(Prepared prepared, const std::set<ObjectKey>& renewed) {
  std::set<ObjectKey> rules = hosts_.Take(std::move(prepared.hosts));
  rules.insert(renewed.begin(), renewed.end());
  const Conditions::News news = conditions_.Look(rules, store_, hosts_, Now());
  KeepConditions(news);
  Announce(news, renewed);
  if (prepared.pods) {
    pods_ = *std::move(prepared.pods);
  }
  if (!unsettled_.empty()) {
    (void)Settle();  // at once; what fails is noted
  }
  if (on_rules_) {
    // Of other rules nothing else is to be said, however often their endpoints change.
    std::set<ObjectKey> news_of = news.restated;
    news_of.insert(news.gone.begin(), news.gone.end());
    news_of.insert(renewed.begin(), renewed.end());
    on_rules_(news_of);
  }
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
  Result<void> followed = Follow(Prepare(hosts_.DependingOn(changed), std::nullopt), "names");
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

// A rule of which the agent says something else gets a version of its own for that, as if the
// status had been written; what was `renewed` has one already. On disk first, or the versions would
// go back when the agent starts again.
void Agent::Announce(const Conditions::News& news, const std::set<ObjectKey>& renewed) {
  std::ranges::set_difference(news.restated, renewed,
                              std::inserter(unannounced_, unannounced_.end()));
  if (unannounced_.empty()) {
    return;
  }
  const std::vector<Change> changes = store_.Touch(unannounced_);
  const Result<void> kept =
      RestoreDisk().and_then([&] { return disk_.Commit(changes, store_.resource_version()); });
  if (!kept) {
    store_.Undo();
    Log(Priority::kWarning, "status_not_announced", {{"error", kept.error().message}});
    return;
  }
  store_.Keep();
  unannounced_.clear();
}

}  // namespace vsplit
