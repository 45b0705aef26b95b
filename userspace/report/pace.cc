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
  Later(key, failed == failures_.end() ? now : std::max(now, failed->second.until));
}

void Queue::Clear() {
  due_.clear();
  order_.clear();
  failures_.clear();
}

std::optional<Time> Queue::Due() const {
  return order_.empty() ? std::nullopt : std::optional(order_.begin()->first);
}

std::optional<ObjectKey> Queue::Take(Time now) {
  if (order_.empty() || order_.begin()->first > now) {
    return std::nullopt;
  }
  auto taken = order_.begin();
  if (!std::exchange(oldest_, !oldest_)) {
    // Of those that were touched at the same time the first one, too.
    const auto last = std::prev(order_.lower_bound({now + Time::duration(1), ObjectKey{}}));
    taken = order_.lower_bound({last->first, ObjectKey{}});
  }
  ObjectKey key = taken->second;
  order_.erase(taken);
  due_.erase(key);
  return key;
}

void Queue::Later(const ObjectKey& key, Time when) {
  const auto [entry, fresh] = due_.try_emplace(key, when);
  if (!fresh) {
    order_.erase({entry->second, key});
    entry->second = when;
  }
  order_.emplace(when, key);
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
