// SPDX-License-Identifier: Apache-2.0
// How evenly the points p * stride mod total lie is decided by the continued fraction of total /
// stride: the discrepancy of every prefix is bounded by the sum of its partial quotients
// (Niederreiter, "Random Number Generation and Quasi-Monte Carlo Methods", theorem 3.4 and
// corollary 3.5).
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "vsplit/image.h"

namespace vsplit {
namespace {

// Candidates on either side of total / golden ratio. No 32-bit number has more than nine different
// prime factors, and among any 40 neighbours at least one is coprime to it, so there always is one.
constexpr std::int64_t kReach = 64;

// The sum of the partial quotients of total / stride, or 0 when the two have a common divisor.
std::uint64_t QuotientSum(std::uint64_t total, std::uint64_t stride) {
  std::uint64_t sum = 0;
  while (stride != 0) {
    sum += total / stride;
    total = std::exchange(stride, total % stride);
  }
  return total == 1 ? sum : 0;
}

}  // namespace

std::uint32_t ChooseStride(const std::vector<std::uint32_t>& weights) {
  const std::uint64_t total = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  if (weights.size() < 3 || total < 3) {
    // Coprime to the sum because the two have no common divisor.
    return weights.size() < 2 ? 1 : std::ranges::min(weights);
  }
  // 0.6180339887 * 2^32: total / golden ratio without floating point.
  const auto golden = static_cast<std::int64_t>((total * 2'654'435'769u) >> 32);
  std::uint64_t best = 1;
  std::uint64_t best_sum = total;
  for (std::int64_t step = 0; step <= 2 * kReach; ++step) {
    // golden, golden + 1, golden - 1, golden + 2, ...: of equally good ones the nearest counts.
    const std::int64_t candidate = golden + (step % 2 == 0 ? -step / 2 : (step + 1) / 2);
    if (candidate < 1 || candidate >= static_cast<std::int64_t>(total)) {
      continue;
    }
    const std::uint64_t sum = QuotientSum(total, static_cast<std::uint64_t>(candidate));
    if (sum != 0 && sum < best_sum) {
      best = static_cast<std::uint64_t>(candidate);
      best_sum = sum;
    }
  }
  return static_cast<std::uint32_t>(best);
}

}  // namespace vsplit
