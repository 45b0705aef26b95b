// SPDX-License-Identifier: Apache-2.0
// When a name is asked for again.
#include <algorithm>
#include <chrono>

#include "vsplit/names.h"

namespace vsplit {

std::chrono::milliseconds RefreshAfter(const NamesOptions& options, std::chrono::seconds ttl) {
  if (ttl.count() <= 0) {
    return options.max_retry;
  }
  return std::clamp(std::chrono::milliseconds(ttl), options.min_ttl, options.max_ttl);
}

std::chrono::milliseconds RetryAfter(const NamesOptions& options, unsigned failures,
                                     double chance) {
  std::chrono::milliseconds wait = options.min_retry;
  for (unsigned i = 1; i < failures && wait < options.max_retry; ++i) {
    wait *= 2;
  }
  wait = std::min(wait, options.max_retry);
  return wait - std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(
                    chance * static_cast<double>(wait.count()) / 2));
}

}  // namespace vsplit
