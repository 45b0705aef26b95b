// SPDX-License-Identifier: Apache-2.0
// When a name is asked for again.
#include <algorithm>
#include <chrono>

#include "vsplit/names.h"
#include "vsplit/retry.h"

namespace vsplit {

std::chrono::milliseconds RefreshAfter(const NamesOptions& options, std::chrono::seconds ttl) {
  if (ttl.count() <= 0) {
    return options.max_retry;
  }
  return std::clamp(std::chrono::milliseconds(ttl), options.min_ttl, options.max_ttl);
}

std::chrono::milliseconds RetryAfter(const NamesOptions& options, unsigned failures,
                                     double chance) {
  return RetryAfter(options.min_retry, options.max_retry, failures, chance);
}

}  // namespace vsplit
