// SPDX-License-Identifier: Apache-2.0
#include "pace.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

#include "lease.h"
#include "vsplit/objects.h"
#include "vsplit/report.h"
#include "vsplit/retry.h"

namespace vsplit::report {

void Queue::Touch(const ObjectKey& key, Time now) {
  const auto failed = failures_.find(key);
  const Time when = failed == failures_.end() ? now : std::max(now, failed->second.until);
  const auto known = times_.find(key);
  Set(key,
      {.due = known == times_.end() ? when : std::min(when, known->second.due), .touched = when});
}

void Queue::Clear() {
  times_.clear();
  by_due_.clear();
  by_touched_.clear();
  failures_.clear();
}

std::optional<Time> Queue::Due() const {
  return by_due_.empty() ? std::nullopt : std::optional(by_due_.begin()->first);
}

std::optional<ObjectKey> Queue::Take(Time now) {
  if (by_due_.empty() || by_due_.begin()->first > now) {
    return std::nullopt;
  }
  ObjectKey key = by_due_.begin()->second;
  const auto later = by_touched_.lower_bound({now + Time::duration(1), ObjectKey{}});
  if (!std::exchange(oldest_, !oldest_) && later != by_touched_.begin()) {
    // Of those that were touched at the same time the first one, too.
    key = by_touched_.lower_bound({std::prev(later)->first, ObjectKey{}})->second;
  }
  Forget(key);
  return key;
}

void Queue::Later(const ObjectKey& key, Time when) {
  Set(key, {.due = when, .touched = when});
}

void Queue::Set(const ObjectKey& key, const Times& times) {
  Forget(key);
  times_.emplace(key, times);
  by_due_.emplace(times.due, key);
  by_touched_.emplace(times.touched, key);
}

void Queue::Forget(const ObjectKey& key) {
  if (const auto known = times_.find(key); known != times_.end()) {
    by_due_.erase({known->second.due, key});
    by_touched_.erase({known->second.touched, key});
    times_.erase(known);
  }
}

unsigned Queue::Failed(const ObjectKey& key, Time now, const ReportOptions& options,
                       double chance) {
  Failures& failures = failures_[key];
  ++failures.count;
  failures.until = now + RetryAfter(options.min_retry, options.max_retry, failures.count, chance);
  Later(key, failures.until);
  return failures.count;
}

void Queue::Succeeded(const ObjectKey& key) {
  failures_.erase(key);
}

}  // namespace vsplit::report
