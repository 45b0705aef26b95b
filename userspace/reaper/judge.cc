// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <optional>

#include "vsplit/reaper.h"

namespace vsplit {

Judgement Judge(const SteeredConnection& connection, std::chrono::nanoseconds now,
                std::chrono::milliseconds idle) {
  Judgement judgement;
  const auto look = [&](std::chrono::nanoseconds due, Outlived limit) {
    if (due <= now && judgement.limit == Outlived::kNothing) {
      judgement.limit = limit;
    }
    judgement.next = std::min(judgement.next.value_or(due), due);
  };
  if (connection.max_duration.count() > 0) {
    look(connection.since + connection.max_duration, Outlived::kMaxDuration);
  }
  if (connection.idle_timeout.count() > 0) {
    look(now - idle + connection.idle_timeout, Outlived::kIdleTimeout);
  }
  return judgement;
}

}  // namespace vsplit
