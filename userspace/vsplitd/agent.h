// SPDX-License-Identifier: Apache-2.0
// The one place that knows all rooms: objects are staged, resolved, compiled, planned, made durable
// and put into force here, in this order, on one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conditions.h"
#include "hosts.h"
#include "pods.h"
#include "vsplit/address.h"
#include "vsplit/api.h"
#include "vsplit/datapath.h"
#include "vsplit/disk.h"
#include "vsplit/plan.h"
#include "vsplit/reaper.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"

namespace vsplit {

struct AgentOptions {
  std::string version;
  std::string state = "/var/lib/vsplit/objects.db";
  std::string domain = "cluster.local";
  bool all_hosts = false;  // serve Services that no rule names, too
  ResolveOptions resolve;
  NodeOptions node;
  DatapathOptions datapath;
};

class Agent {
 public:
  // Loads the objects, and does nothing else yet. `find` looks for the cgroups of pods.
  static Result<std::unique_ptr<Agent>> Load(const AgentOptions& options, CgroupFinder find);
  // Adopts the tables that are there, writes what differs, and attaches. On any error what was in
  // force stays in force. Before it, what names mean may be said by TakeNames.
  Result<void> Start();

  // The answers of the api; valid as long as the agent.
  Backend MakeBackend();

  // One transaction: in force and durable when it returns, or nothing has changed, and `writes` are
  // what they were.
  Result<Applied> Transact(std::vector<Write>& writes, bool dry_run);

  // Whose the objects are: the cluster's, by the name that it was kept by; empty: nobody else's.
  const std::string& source() const { return source_; }
  Result<void> KeepSource(const std::string& source);

  // Cgroups may have come or gone.
  Result<void> LookAtPods();
  // What DNS says now, of all names.
  Result<void> TakeNames(DnsAnswers answers);
  // The names that hosts are made of.
  std::set<HostName> DnsNames() const { return hosts_.DnsNames(); }
  std::uint64_t names_version() const { return hosts_.names_version(); }  // grows when they change
  // What DNS said last, also to the agent before this one.
  const DnsAnswers& names() const { return names_; }

  // Living connections that idleTimeout or maxConnectionDuration holds for.
  std::vector<SteeredConnection> Limited() const;
  // Of all routes in force; nothing: none has any.
  std::optional<std::chrono::milliseconds> ShortestLimit();
  const std::string& cgroup() const { return datapath_->cgroup(); }

  // What `status` is to say about what is around the agent.
  void SetAround(std::function<AroundStatus()> around) { around_ = std::move(around); }

  // Called whenever what is to be said of these rules may be something else, once it is in force.
  void OnRules(std::function<void(const std::set<ObjectKey>& rules)> changed) {
    on_rules_ = std::move(changed);
  }

  // Whether something that is committed is not in force as a whole, or the disk holds what is not,
  // and Settle is to be tried again.
  bool IsUnsettled() const { return !unsettled_.empty() || broken_ || !owed_.empty(); }
  Result<void> Settle();

  // For moments when nobody writes: waits, some 20 ms, for what later writes would wait for, and
  // gives back the memory that a large write took for a moment.
  void MakeRoom();
  // Gives back the memory that anything took for a moment, if it is much. Looking costs as much as
  // the heap has holes, some milliseconds where there are 100 000 endpoints.
  void GiveMemoryBack();

 private:
  // What a transaction will do, before it has done anything.
  struct Prepared {
    std::optional<LocalPods> pods;  // nothing: they stay
    HostChange hosts;
    Plan plan;
  };

  Agent(AgentOptions options, Disk disk, CgroupFinder find);

  Result<void> LoadObjects();
  Result<void> ServeAll();
  Result<void> Adopt();

  Result<Applied> PutThrough(const std::vector<Change>& staged, bool dry_run,
                             std::chrono::steady_clock::time_point begin);
  Result<Prepared> Prepare(const std::vector<Change>& changes) const;
  Result<Prepared> Prepare(std::set<HostName> touched, std::optional<LocalPods> pods) const;
  Result<void> FollowPods(Prepared& prepared, std::set<HostName>& touched) const;
  Result<std::optional<ServedHost>> Serve(const HostName& host, const LocalPods& pods) const;
  Result<void> Follow(Result<Prepared> prepared, std::string_view event);
  void KeepNames();
  void KeepConditions(const Conditions::News& news);
  void Announce(const Conditions::News& news, const std::set<ObjectKey>& renewed);
  void Take(Prepared prepared, const std::set<ObjectKey>& renewed);
  Result<void> PutIntoForce(const Plan& plan);
  void NoteUnsettled(const Error& error);
  Result<void> Repair();
  Error TakeBack(const std::vector<Change>& changes, const Error& cause);
  Result<void> RestoreDisk();
  std::vector<Verdict> VerdictsOf(const HostName& host, const ServedHosts::After& after) const;
  std::vector<AppliedRule> RulesOf(const std::vector<Change>& changes,
                                   const HostChange& hosts) const;
  Result<Applied> WriteFor(std::vector<Write>& writes, bool dry_run, const std::string& user);
  void Record(const Result<Applied>& applied, std::chrono::nanoseconds total,
              const std::string& user);

  std::string StatusOf(const Object& object) const;
  Live LiveView() const;
  AgentStatus Status() const;
  std::vector<std::string> NotReady() const;
  Result<Explanation> ExplainTo(const std::string& from, const std::string& to) const;

  AgentOptions options_;
  Disk disk_;
  Store store_;
  std::string source_;
  CgroupFinder find_;
  LocalPods pods_;
  DnsAnswers names_;
  ServedHosts hosts_;
  Conditions conditions_;
  std::set<ObjectKey> unannounced_;     // whose status watchers do not know, as the disk failed
  std::unique_ptr<Datapath> datapath_;  // there once Start has returned
  Tables tables_;                       // what datapath_ holds
  // Of tables_.timeouts, which are many; nothing: to be looked for.
  std::optional<std::optional<std::chrono::milliseconds>> shortest_limit_;
  bool broken_ = false;        // a plan failed midway and was not yet cleaned up
  bool took_much_ = true;      // memory, as starting does
  std::size_t left_free_ = 0;  // bytes of the heap between others that could not be given back
  std::string unsettled_;      // why what follows a commit is not in force; empty: all of it is
  // What the disk has to take back of a transaction that did not come into force, and why it has
  // not.
  std::vector<Change> owed_;
  std::string owed_because_;
  ApplyRecord record_;
  std::function<AroundStatus()> around_;
  std::function<void(const std::set<ObjectKey>&)> on_rules_;
};

}  // namespace vsplit
