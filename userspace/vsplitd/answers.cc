// SPDX-License-Identifier: Apache-2.0
// What the agent answers to the api.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "agent.h"
#include "hosts.h"
#include "identity.h"
#include "log.h"
#include "vsplit/address.h"
#include "vsplit/analyze.h"
#include "vsplit/api.h"
#include "vsplit/datapath.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/plan.h"
#include "vsplit/reaper.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

// CLOCK_MONOTONIC, which is what Linux makes of a steady clock.
std::chrono::nanoseconds Monotonic() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

std::vector<std::pair<pool_key, pool_value>> PoolsByCluster(const Datapath& datapath) {
  std::vector<std::pair<pool_key, pool_value>> pools = datapath.Pools();
  std::ranges::sort(pools, {}, [](const auto& pool) { return pool.first.cluster; });
  return pools;
}

AppliedRule ToRule(const Verdict& verdict) {
  return {.verdict = ToString(verdict.kind),
          .object = ToString(verdict.object),
          .path = verdict.path,
          .host = verdict.host,
          .port = verdict.port,
          .reason = verdict.reason,
          .sources = verdict.sources};
}

const ResolvedHost& MeaningFor(const HostMeaning& meaning, const std::string& workload) {
  const auto own = std::ranges::find_if(meaning.sources, [&](const SourceMeaning& source) {
    return std::ranges::find(source.workloads, workload) != source.workloads.end();
  });
  return own == meaning.sources.end() ? meaning.everyone : own->host;
}

// The namespaces of the writes that nobody has made, as objects to be made: a namespace is there as
// soon as it is used.
std::vector<Write> NewNamespaces(const std::vector<Write>& writes, const Store& store) {
  std::set<std::string> names;
  for (const Write& write : writes) {
    const bool makes = write.mode != Write::Mode::kDelete && write.mode != Write::Mode::kMirror;
    if (makes && InfoOf(write.object.kind()).namespaced) {
      names.insert(write.object.key.ns);
    }
  }
  const auto is_given = [&](const ObjectKey& key) {
    return store.Find(key) != nullptr ||
           std::ranges::any_of(writes, [&](const Write& write) { return write.object.key == key; });
  };
  std::vector<Write> missing;
  for (const std::string& name : names) {
    ParseResult made = Parse(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":")" +
                                 name + R"(","labels":{"kubernetes.io/metadata.name":")" + name +
                                 R"("}},"status":{"phase":"Active"}})",
                             {.format = TextFormat::kJson});
    if (made.objects.size() == 1 && !is_given(made.objects.front().key)) {
      missing.push_back({.mode = Write::Mode::kCreate, .object = std::move(made.objects.front())});
    }
  }
  return missing;
}

}  // namespace

// With the namespaces that they need; the answer is about the writes alone.
Result<Applied> Agent::WriteFor(std::vector<Write>& writes, bool dry_run, const std::string& user) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<Write> namespaces = NewNamespaces(writes, store_);
  const std::size_t beside = namespaces.size();
  std::ranges::move(namespaces, std::back_inserter(writes));
  Result<Applied> applied = Transact(writes, dry_run);
  if (applied) {
    applied->changes.resize(applied->changes.size() - beside);
  } else {
    writes.resize(writes.size() - beside);
  }
  if (!dry_run || !applied) {
    Record(applied, std::chrono::steady_clock::now() - begin, user);
  }
  return applied;
}

Backend Agent::MakeBackend() {
  return {.version = options_.version,
          .store = &store_,
          .write = [this](std::vector<Write>& writes, bool dry_run,
                          const std::string& user) { return WriteFor(writes, dry_run, user); },
          .read_only = "",
          .on_change = [this](std::function<void()> changed) { store_.OnKeep(std::move(changed)); },
          .image = [this] { return ToString(Decode(tables_)); },
          .status = [this] { return StatusJson(LiveView(), Status()); },
          .split = [this] { return SplitJson(LiveView(), Monotonic()); },
          .analyze =
              [this] {
                return FindingsJson(
                    Analyze(store_, options_.resolve,
                            {.anonymous = pods_.anonymous, .workloads = pods_.workloads}));
              },
          .metrics = [this] { return MetricsText(LiveView(), Status(), record_); },
          .not_ready = [this] { return NotReady(); },
          .object_status = [this](const Object& object) { return StatusOf(object); },
          .now = Now,
          .name_suffix = RandomSuffix,
          .explain = [this](const std::string& from,
                            const std::string& to) { return ExplainTo(from, to); },
          .issue_token = {},
          .kubeconfig = {}};
}

void Agent::Record(const Result<Applied>& applied, std::chrono::nanoseconds total,
                   const std::string& user) {
  if (!applied) {
    const bool refused = applied.error().reason != Error::Reason::kSystem;
    ++record_.results[refused ? "refused" : "failed"];
    Log(refused ? Priority::kNotice : Priority::kError, refused ? "refused" : "failed",
        {{"user", user}, {"error", applied.error().message}});
    return;
  }
  ++record_.results["applied"];
  record_.durations["resolve"].Add(applied->resolve);
  record_.durations["disk"].Add(applied->disk);
  record_.durations["kernel"].Add(applied->kernel);
  record_.durations["total"].Add(total);
  const auto changed = std::ranges::count_if(
      applied->changes, [](const Change& change) { return !change.unchanged(); });
  const bool one = applied->changes.size() == 1;
  Log(Priority::kInfo, "applied",
      {{"user", user},
       {"generation", std::to_string(applied->generation)},
       {"object", one ? ToString(applied->changes.front().key) : "several"},
       {"objects", std::to_string(applied->changes.size())},
       {"changed", std::to_string(changed)},
       {"resolve_ns", std::to_string(applied->resolve.count())},
       {"disk_ns", std::to_string(applied->disk.count())},
       {"kernel_ns", std::to_string(applied->kernel.count())}});
}

// Of a host as it is after the change: of its rules, and of frontends that others have.
std::vector<Verdict> Agent::VerdictsOf(const HostName& host,
                                       const ServedHosts::After& after) const {
  const auto changed = after.change.find(host);
  const ServedHost* served = nullptr;
  if (changed == after.change.end()) {
    served = hosts_.Find(host);
  } else if (changed->second) {
    served = &*changed->second;
  }
  if (served == nullptr) {
    return {};
  }
  std::vector<Verdict> verdicts = served->meaning.verdicts();
  std::ranges::move(hosts_.LossesOf(host, after), std::back_inserter(verdicts));
  return verdicts;
}

// The verdicts of the transaction's own rules, and those that it changed for other rules.
std::vector<AppliedRule> Agent::RulesOf(const std::vector<Change>& changes,
                                        const HostChange& hosts) const {
  std::set<ObjectKey> written;
  for (const Change& change : changes) {
    written.insert(change.key);
  }
  std::vector<AppliedRule> rules;
  const HostChange none;
  const ServedHosts::After now(none);
  const ServedHosts::After then(hosts);
  for (const auto& [host, after] : hosts) {
    if (!after) {
      continue;
    }
    std::vector<Verdict> before = VerdictsOf(host, now);
    std::ranges::sort(before);
    for (const Verdict& verdict : VerdictsOf(host, then)) {
      if (written.contains(verdict.object) || !std::ranges::binary_search(before, verdict)) {
        rules.push_back(ToRule(verdict));
      }
    }
  }
  return rules;
}

// The verdicts about it come from the hosts that it names and the wildcards around these, or, of a
// wildcard or a delegate, from any.
std::string Agent::StatusOf(const Object& object) const {
  const auto* rule = object.spec.Find<DestinationRule>();
  const auto* service = object.spec.Find<VirtualService>();
  if (rule == nullptr && service == nullptr) {
    return "";
  }
  std::set<HostName> hosts;
  bool any = service != nullptr && service->hosts.empty();
  for (const std::string& host : rule != nullptr ? std::vector{rule->host} : service->hosts) {
    any = any || IsWildcard(host);
    const HostName full = QualifyHost(host, object.key.ns, store_.domain());
    hosts.insert(full);
    hosts.merge(WiderHosts(store_, full));
  }
  std::vector<Verdict> about;
  const HostChange none;
  const ServedHosts::After now(none);
  const auto collect = [&](const HostName& host) {
    std::ranges::copy_if(
        VerdictsOf(host, now), std::back_inserter(about),
        [&object](const Verdict& verdict) { return verdict.object == object.key; });
  };
  if (any) {
    for (const auto& [host, served] : hosts_.all()) {
      collect(host);
    }
  } else {
    std::ranges::for_each(hosts, collect);
  }
  return ObjectStatusJson(object, about, conditions_.Since(object.key));
}

Live Agent::LiveView() const {
  return {.tables = tables_,
          .endpoint_states = datapath_->endpoint_states(),
          .counters = datapath_->counters(),
          .store = store_,
          .host =
              [this](const HostName& host) {
                const ServedHost* served = hosts_.Find(host);
                return served == nullptr ? nullptr : &served->meaning.everyone;
              },
          .endpoint_healths = datapath_->endpoint_healths(),
          .now = Monotonic(),
          .pools = PoolsByCluster(*datapath_)};
}

AgentStatus Agent::Status() const {
  AgentStatus status{.version = options_.version,
                     .cgroup = datapath_->cgroup(),
                     .pins = options_.datapath.pins,
                     .observe = datapath_->observe(),
                     .control = datapath_->control(),
                     .totals = datapath_->totals(),
                     .attachments = datapath_->Attachments(),
                     .features = datapath_->Features(),
                     .hosts = hosts_.all().size(),
                     .around = around_ ? around_() : AroundStatus{},
                     .unsettled = unsettled_};
  if (!owed_.empty()) {
    status.features.push_back({.name = "state file",
                               .on = false,
                               .reason = "it holds objects that are not in force, and taking them "
                                         "back is tried again: " +
                                         owed_because_});
  }
  status.around.pods = pods_.workloads.size();
  for (const auto& [key, hint] : pods_.hints) {
    const std::string name = key.ns + "/" + key.name;
    if (!pods_.image.contains(name)) {
      status.around.unknown_pods.push_back(name);
    }
  }
  const HostChange none;
  const ServedHosts::After now(none);
  for (const auto& [host, served] : hosts_.all()) {
    std::ranges::move(VerdictsOf(host, now), std::back_inserter(status.rules));
  }
  return status;
}

std::vector<std::string> Agent::NotReady() const {
  std::vector<std::string> reasons;
  if (broken_) {
    reasons.emplace_back("the tables hold what a failed transaction left behind");
  }
  if (!unsettled_.empty()) {
    reasons.push_back("not all that is committed is in force: " + unsettled_);
  }
  if (!owed_.empty()) {
    reasons.push_back("the state file holds objects that are not in force: " + owed_because_);
  }
  for (const Attachment& attachment : datapath_->Attachments()) {
    if (!attachment.attached) {
      reasons.push_back("program " + attachment.program +
                        " is not attached: " + attachment.trouble);
    }
  }
  return reasons;
}

Result<Explanation> Agent::ExplainTo(const std::string& from, const std::string& to) const {
  Live live = LiveView();
  live.host = [this, &from](const HostName& host) -> const ResolvedHost* {
    const ServedHost* served = hosts_.Find(host);
    return served == nullptr ? nullptr : &MeaningFor(served->meaning, from);
  };
  const auto pod = pods_.image.find(from);
  const std::uint64_t cgroup = pod == pods_.image.end() ? 0 : pod->second.cgroup;
  const Result<Explained> explained =
      Explain(live, from, to, [this, cgroup](const Frontend& frontend) -> Result<decision> {
        return datapath_->Decide(frontend, false, cgroup);
      });
  if (!explained) {
    return tl::unexpected<Error>(explained.error());
  }
  return Explanation{.json = ExplainedJson(live, *explained),
                     .text = ExplainedText(live, *explained)};
}

std::vector<SteeredConnection> Agent::Limited() const {
  std::vector<SteeredConnection> limited;
  if (datapath_ == nullptr || tables_.timeouts.empty()) {
    return limited;
  }
  const auto connections = datapath_->Connections();
  if (!connections) {
    Log(Priority::kWarning, "connections_failed", {{"error", connections.error().message}});
    return limited;
  }
  const std::span<const route_counter> counters = datapath_->counters();
  for (const auto& [key, value] : *connections) {
    const auto timeouts = tables_.timeouts.find(value.counter);
    // A counter that was given to another route since says nothing about this connection.
    if (timeouts != tables_.timeouts.end() && value.counter < counters.size() &&
        value.generation >= counters[value.counter].since) {
      limited.push_back({.cookie = key.cookie,
                         .since = std::chrono::nanoseconds(value.time),
                         .idle_timeout = std::chrono::milliseconds(timeouts->second.idle),
                         .max_duration = std::chrono::milliseconds(timeouts->second.max_duration)});
    }
  }
  return limited;
}

std::optional<std::chrono::milliseconds> Agent::ShortestLimit() {
  if (shortest_limit_) {
    return *shortest_limit_;
  }
  std::optional<std::uint64_t> shortest;
  for (const auto& [counter, timeouts] : tables_.timeouts) {
    for (const std::uint64_t limit : {timeouts.idle, timeouts.max_duration}) {
      if (limit > 0) {
        shortest = std::min(shortest.value_or(limit), limit);
      }
    }
  }
  shortest_limit_.emplace();
  if (shortest) {
    shortest_limit_->emplace(*shortest);
  }
  return *shortest_limit_;
}

}  // namespace vsplit
