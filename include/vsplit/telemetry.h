// SPDX-License-Identifier: Apache-2.0
// What is in force and what the kernel counted in, JSON and text for people and machines out:
// split, status, explanation, Prometheus metrics. Pure; the counters are read where they lie, once
// for each answer.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/datapath.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"
#include "vsplit/store.h"

namespace vsplit {

// Everything an answer is made of. `host` gives what a host means to who asks, or null for one not
// served.
struct Live {
  const Tables& tables;
  std::span<const endpoint_state> endpoint_states;  // by endpoint id
  std::span<const route_counter> counters;          // by counter index
  const Store& store;
  std::function<const ResolvedHost*(const HostName&)> host;
  std::span<const endpoint_health> endpoint_healths = {};  // by endpoint id
  std::chrono::nanoseconds now{};                          // CLOCK_MONOTONIC
  // Places held under maxConnections, by cluster.
  std::vector<std::pair<pool_key, pool_value>> pools = {};
};

// ---- the split ---------------------------------------------------------------------------------

struct Counts {
  std::uint64_t opened = 0;
  std::int64_t active = 0;
  std::uint64_t failed = 0;
  std::uint64_t refused = 0;  // for want of an endpoint; 0 for an endpoint itself
  std::uint64_t limited = 0;  // refused by maxConnections; 0 for an endpoint itself
  std::uint64_t sent = 0;     // bytes of closed connections
  std::uint64_t received = 0;

  bool operator==(const Counts&) const = default;
};

struct LiveEndpoint {
  SocketAddress address;
  std::string workload;  // "default/safe-1"; empty: no Pod has the address
  Counts counts;         // of all frontends that lead to this cluster
  std::uint32_t priority = 0;
  std::uint32_t weight = 1;
  std::chrono::milliseconds ejected{};  // how much longer; 0: it is not
  std::string why;                      // it is ejected
  std::uint64_t ejections = 0;          // total
  std::uint32_t failures = 0;           // connections that failed in a row
};

// A workload's connections to a cluster with maxConnections, of all frontends.
struct LivePool {
  std::string workload;  // "default/web-1"; empty: everyone who is none that is known, together
  std::int64_t active = 0;
};

// Positions first ... bound - 1 of the route's total are this cluster's.
struct LiveCluster {
  std::string name;
  std::string subset;
  std::uint32_t first = 0, bound = 0;
  Algorithm algorithm = Algorithm::kLeastRequest;
  std::string broken;  // why it has no endpoints, where the rules say
  Counts counts;
  std::vector<LiveEndpoint> endpoints;
  bool ejects = false;                           // has an outlierDetection
  std::optional<std::uint32_t> max_connections;  // of one workload
  std::vector<LivePool> pools;                   // that are not empty, the fullest first
};

struct LiveRoute {
  Frontend frontend;
  HostName host;
  std::string rule;  // "VirtualService default/x spec.http[0]"; empty: no rule, the plain service
  Policy policy = Policy::kExact;
  std::uint32_t total = 1;
  std::uint32_t stride = 1;
  std::vector<LiveCluster> clusters;
  std::string source;  // "default/web-1": the route is its own; empty: everyone's
};

// The route of this workload where it has one of its own, else everyone's. Nothing for a frontend
// that leaves connections untouched.
std::optional<LiveRoute> ReadRoute(const Live& live, const Frontend& frontend,
                                   const std::string& workload = "");

// {"generation","time","routes":[...]}; time is CLOCK_MONOTONIC.
std::string SplitJson(const Live& live, std::chrono::nanoseconds time);

// ---- status ------------------------------------------------------------------------------------

// Of an API server that is followed.
struct ClusterCounts {
  std::size_t refused = 0;     // objects that are not valid here
  std::size_t failed = 0;      // objects that cannot be put into force
  bool writes_status = false;  // this agent does, for the cluster
  // Requests to write, by what ("lease", "status", "event") and result.
  std::map<std::pair<std::string, std::string>, std::uint64_t> requests;
};

// What the agent knows of around it.
struct AroundStatus {
  std::size_t pods = 0;                   // of this node, told apart by their cgroups
  std::vector<std::string> unknown_pods;  // of this node, whose cgroup was not found: by name
  std::size_t names = 0;                  // DNS names that hosts are made of
  std::map<std::string, std::string> failing_names;  // and why the last question failed
  std::size_t names_left_out = 0;                    // more than can be asked for
  // Connections that were ended: "idle_timeout", "max_connection_duration".
  std::map<std::string, std::uint64_t> ended;
  std::vector<Feature> features;
  std::string kubeconfig;    // path of what kubectl needs; empty: kubectl is not served
  std::string kube_trouble;  // why not, if it should be
  std::optional<ClusterCounts> cluster;
};

struct AgentStatus {
  std::string version;
  std::string cgroup;
  std::string pins;
  bool observe = true;
  control_value control{};
  total_value totals{};
  std::vector<Attachment> attachments;
  std::vector<Feature> features;
  std::vector<Verdict> rules;  // of all hosts
  std::size_t hosts = 0;
  AroundStatus around;
  // Why ejection, timeouts or workloads are not as the rules say; empty: they are.
  std::string unsettled;
};

std::string StatusJson(const Live& live, const AgentStatus& status);

// ---- an object's own status --------------------------------------------------------------------

// Of the verdicts about an object.
struct VerdictTally {
  std::size_t all = 0;
  std::size_t lost = 0;  // rules that are not enforced

  void Add(const Verdict& verdict);
  void Remove(const Verdict& verdict);
};

// Whether they hold, by type: Accepted; Programmed: some host that is served is made of the object;
// Enforced: and every rule is enforced.
std::map<std::string, bool> ConditionsOf(const VerdictTally& tally);

// By type: since when a condition has been what it is, RFC 3339.
using ConditionTimes = std::map<std::string, std::string>;

// status of a VirtualService or DestinationRule, as Istio and Kubernetes lay it out, with these
// conditions; the message of Enforced names the rules that are not, or not as written. `verdicts`
// are those about this object. A condition without a time has been so since the object was made.
std::string ObjectStatusJson(const Object& object, const std::vector<Verdict>& verdicts,
                             const ConditionTimes& since);

// The same of a rule that is not in force as it is: refused, or valid and not put into force, or
// not yet; `message` says why, and what holds instead.
std::string UnprogrammedStatusJson(const Version& version, bool accepted,
                                   const std::string& message);

// ---- metrics -----------------------------------------------------------------------------------

// How long something took, in the buckets of a Prometheus histogram.
class Histogram {
 public:
  static constexpr std::array<double, 9> kBounds = {0.0001, 0.0003, 0.001, 0.003, 0.01,
                                                    0.03,   0.1,    1,     10};  // seconds

  void Add(std::chrono::nanoseconds duration);

  const std::array<std::uint64_t, kBounds.size() + 1>& counts() const { return counts_; }
  double seconds() const { return seconds_; }

 private:
  std::array<std::uint64_t, kBounds.size() + 1> counts_{};
  double seconds_ = 0;
};

struct ApplyRecord {
  std::map<std::string, std::uint64_t> results;  // "applied", "refused", "failed"
  std::map<std::string, Histogram> durations;    // by phase: "resolve", "disk", "kernel", "total"
  std::uint64_t unsettled = 0;                   // how often what follows a commit failed
};

// The text format of Prometheus, version 0.0.4.
std::string MetricsText(const Live& live, const AgentStatus& status, const ApplyRecord& record);

// ---- explanation -------------------------------------------------------------------------------

// What the kernel's own code decides for a frontend's next connection; see Datapath::Decide.
using Decider = std::function<Result<decision>(const Frontend&)>;

struct ExplainedRoute {
  LiveRoute route;
  Result<decision> next;
};

struct Explained {
  std::string from;    // "default/client"; empty: nobody in particular
  std::string to;      // as asked
  std::string source;  // the workload that has a route of its own here; empty: as everyone
  HostName host;       // empty: an address that no host has
  std::uint16_t port = 0;
  std::uint64_t generation = 0;
  std::vector<ExplainedRoute> routes;  // one for each address of the host that is a frontend
  std::string untouched;               // why there is none
  std::optional<Verdict> decided;      // by this rule; nothing: the plain service
  std::vector<Verdict> passed_over;    // rules of this host and port that do not count
  // Of DestinationRules, and fields of the rule that decided, not enforced as written.
  std::vector<Verdict> settings;
};

// `from` is "", or NAMESPACE/POD of a Pod in the store; `to` is HOST:PORT, the host a short name
// (of from's namespace, else "default"), any name that a pod's resolver would complete, or an
// address. kInvalid: they are no such thing; kNotFound: there is no such Pod, host or port.
Result<Explained> Explain(const Live& live, const std::string& from, const std::string& to,
                          const Decider& decide);
std::string ExplainedJson(const Live& live, const Explained& explained);
std::string ExplainedText(const Live& live, const Explained& explained);

}  // namespace vsplit
