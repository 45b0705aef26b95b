// SPDX-License-Identifier: Apache-2.0
// How long to wait before what failed is tried again.
#pragma once

#include <algorithm>
#include <chrono>

namespace vsplit {

// After the `failures`th failure in a row (from 1): `least`, doubled with each further one up to
// `most`. `chance`, in [0, 1), takes away up to half, so that what failed together is not tried
// again together.
inline std::chrono::milliseconds RetryAfter(std::chrono::milliseconds least,
                                            std::chrono::milliseconds most, unsigned failures,
                                            double chance) {
  std::chrono::milliseconds wait = least;
  for (unsigned i = 1; i < failures && wait < most; ++i) {
    wait *= 2;
  }
  wait = std::min(wait, most);
  return wait - std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(
                    chance * static_cast<double>(wait.count()) / 2));
}

}  // namespace vsplit
