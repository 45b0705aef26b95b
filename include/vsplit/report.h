// SPDX-License-Identifier: Apache-2.0
// What the agent tells a Kubernetes API server: the status of rules, by one agent of the cluster,
// which is the holder of a Lease as with client-go's leader election; and, by every agent, Events
// about objects that it cannot put into force. On the caller's loop, one request after the other;
// what fails is tried again, and nothing here holds up the rules.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"

namespace vsplit {

struct LeaseOptions {
  std::string ns = "vsplit-system";
  std::string name = "vsplit-status";
  std::string identity;  // of this process among all agents
  // As in client-go: others wait for `duration` from when they saw the last renewal; the holder
  // takes itself for that until `deadline` after it, and renews each `retry`.
  std::chrono::milliseconds duration{15'000};
  std::chrono::milliseconds deadline{10'000};
  std::chrono::milliseconds retry{2'000};
};

struct ReportOptions {
  KubernetesOptions kubernetes;
  bool status = true;
  bool events = true;
  LeaseOptions lease;
  std::string node;  // reportingInstance of Events
  // So many at once, then one each interval.
  struct Pace {
    unsigned burst;
    std::chrono::milliseconds interval;
  };
  Pace status_pace{.burst = 100, .interval = std::chrono::milliseconds(50)};
  Pace event_pace{.burst = 25, .interval = std::chrono::milliseconds(5'000)};
  // Between two writes of one rule's status, unless it has a new generation.
  std::chrono::milliseconds rest{1'000};
  // Until an Event says again how often it has happened; doubled each time.
  std::chrono::milliseconds min_repeat{60'000};
  std::chrono::milliseconds max_repeat{600'000};
  // After a failure; doubled with each further one in a row. `refused`: the rights are missing.
  std::chrono::milliseconds min_retry{200};
  std::chrono::milliseconds max_retry{30'000};
  std::chrono::milliseconds refused{60'000};
};

// An object that cannot be put into force here.
struct ObjectTrouble {
  ObjectKey object;
  std::string uid;
  std::string reason;       // "Refused", "NotProgrammed"
  std::string note;         // for people
  std::uint64_t times = 1;  // how often this was found; grows

  bool operator==(const ObjectTrouble&) const = default;
};

// Where the reports come from.
struct ReportSource {
  // The rules that the server has.
  std::function<std::vector<ObjectKey>()> rules;
  // One of them as the server has it; null: it has none.
  std::function<const ServerObject*(const ObjectKey&)> held;
  // The status that it is to have, JSON with observedGeneration and conditions; empty: not known.
  std::function<std::string(const ObjectKey&)> wanted;
  std::function<std::string()> now;  // RFC 3339, UTC, with microseconds
};

struct ReportStatus {
  bool holds = false;  // this agent writes the status of rules
  std::string holder;  // who does; empty: nobody, or it is not known
  // What does not get through, by what it is, and why: "status of rules", "Events", "Lease".
  std::map<std::string, std::string> troubles;
  // Requests, by what they were about and their result.
  std::map<std::pair<std::string, std::string>, std::uint64_t> requests;
};

class Reporter {
 public:
  // `changed` is called from the loop when status() may say something new.
  Reporter(boost::asio::io_context& loop, ReportOptions options, ReportSource source,
           std::function<void()> changed);
  Reporter(Reporter&& other) noexcept;
  Reporter& operator=(Reporter&& other) noexcept;
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;
  ~Reporter();  // what is under way is given up

  // Stands for the Lease from now on, if it is to write status at all. One that does not know the
  // rules yet leaves it to others.
  void Stand();

  // The status of these rules may be another, here or on the server.
  void Touch(const std::set<ObjectKey>& rules);
  // What stands in the way now; of each object once.
  void SetTroubles(const std::vector<ObjectTrouble>& troubles);

  // Gives the Lease back, so that another agent need not wait; `done` is called from the loop, also
  // when there is nothing to be given. Nothing is reported afterwards.
  void Release(std::function<void()> done);

  const ReportStatus& status() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace vsplit
