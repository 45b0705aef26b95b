// SPDX-License-Identifier: Apache-2.0
#include "vsplit/image.h"

#include <algorithm>
#include <cstdint>
#include <functional>

#include "vsplit/policy.h"

namespace vsplit {
namespace {

bool AllWeighTheSame(const EndpointGroup& group) {
  return std::ranges::adjacent_find(group.endpoints, std::ranges::not_equal_to{},
                                    &Endpoint::weight) == group.endpoints.end();
}

}  // namespace

bool IsPlain(const ImageCluster& cluster) {
  const ClusterSettings& settings = cluster.settings;
  const bool simple =
      settings.algorithm == Algorithm::kLeastRequest || settings.algorithm == Algorithm::kRandom;
  const bool unlimited = !settings.ejection && !settings.warmup && !settings.max_connections &&
                         !settings.connect_timeout && !settings.keepalive;
  return simple && unlimited && settings.panic_percent == 0 && cluster.groups.size() <= 1 &&
         std::ranges::all_of(cluster.groups, AllWeighTheSame);
}

std::uint32_t ImageRoute::total() const {
  std::uint32_t sum = 0;
  for (const ImageCluster& cluster : clusters) {
    sum += cluster.weight;
  }
  return sum;
}

}  // namespace vsplit
