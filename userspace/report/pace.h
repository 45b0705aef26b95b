// SPDX-License-Identifier: Apache-2.0
// What is to be written, in which order and how fast. Pure: time and chance are given.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "lease.h"
#include "vsplit/objects.h"
#include "vsplit/report.h"

namespace vsplit::report {

// So many requests at once, then one each interval.
class Budget {
 public:
  explicit Budget(const ReportOptions::Pace& pace) : burst_(pace.burst), interval_(pace.interval) {}

  // When the next one may be made.
  Time Next(Time now) const { return std::max(now, full_ - interval_ * (burst_ - 1)); }
  void Spend(Time now) { full_ = std::max(full_, now) + interval_; }
  // Nobody may make one before.
  void Pause(Time until) { full_ = std::max(full_, until + interval_ * (burst_ - 1)); }

 private:
  std::chrono::milliseconds::rep burst_;
  std::chrono::milliseconds interval_;
  Time full_{};  // when all of the burst is there again
};

// The objects whose report may have to be written, by when they are due. Of those that are, the one
// that was touched last and the one that waits longest come in turn: after all rules of a cluster
// at once somebody who has changed one does not wait for the others, nor do these for a stream of
// changes.
class Queue {
 public:
  // As soon as may be, but not before an earlier failure lets it.
  void Touch(const ObjectKey& key, Time now);
  void Clear();  // nothing is to be written any more

  // When the first one is due; nothing: none is.
  std::optional<Time> Due() const;
  // One that is due, which is then no more.
  std::optional<ObjectKey> Take(Time now);

  // It is to be looked at again, then.
  void Later(const ObjectKey& key, Time when);
  // It failed: the same, after a time that grows with each failure in a row.
  // Returns how many that are.
  unsigned Failed(const ObjectKey& key, Time now, const ReportOptions& options, double chance);
  void Succeeded(const ObjectKey& key);

 private:
  struct Times {
    Time due;
    Time touched;  // the last time, not before it is due
  };
  void Set(const ObjectKey& key, const Times& times);
  void Forget(const ObjectKey& key);

  std::map<ObjectKey, Times> times_;
  std::set<std::pair<Time, ObjectKey>> by_due_;      // of times_
  std::set<std::pair<Time, ObjectKey>> by_touched_;  // of times_
  bool oldest_ = false;                              // is taken next
  struct Failures {
    unsigned count = 0;
    Time until{};  // when it may be tried again
  };
  std::map<ObjectKey, Failures> failures_;
};

}  // namespace vsplit::report
