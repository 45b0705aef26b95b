// SPDX-License-Identifier: Apache-2.0
#include "vsplit/image.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/address.h"

namespace vsplit {
namespace {

std::string FrontendLine(const Frontend& frontend, const ImageRoute& route) {
  return fmt::format("frontend {} {}\n", ToString(frontend), route.host);
}

std::string RouteLine(const ImageRoute& route) {
  return fmt::format("  route {} total {} stride {}\n", ToString(route.policy), route.total(),
                     route.stride);
}

std::string ClusterLine(const ImageCluster& cluster) {
  return fmt::format("    cluster {} weight {} {}\n", cluster.name, cluster.weight,
                     ToString(cluster.algorithm));
}

std::string EndpointLine(const SocketAddress& endpoint) {
  return fmt::format("      endpoint {}\n", ToString(endpoint));
}

// The mark is what stands before every line.
std::string ClusterText(const ImageCluster& cluster, std::string_view mark) {
  std::string text = fmt::format("{}{}", mark, ClusterLine(cluster));
  for (const SocketAddress& endpoint : cluster.endpoints) {
    text += fmt::format("{}{}", mark, EndpointLine(endpoint));
  }
  return text;
}

std::string FrontendText(const Frontend& frontend, const ImageRoute& route, std::string_view mark) {
  std::string text =
      fmt::format("{}{}{}{}", mark, FrontendLine(frontend, route), mark, RouteLine(route));
  for (const ImageCluster& cluster : route.clusters) {
    text += ClusterText(cluster, mark);
  }
  return text;
}

std::string EndpointDifference(const ImageCluster& before, const ImageCluster& after) {
  // Both lists are sorted: one walk over the two finds what only one of them has.
  std::string text;
  auto old = before.endpoints.begin();
  auto now = after.endpoints.begin();
  while (old != before.endpoints.end() || now != after.endpoints.end()) {
    if (now == after.endpoints.end() || (old != before.endpoints.end() && *old < *now)) {
      text += "- " + EndpointLine(*old++);
    } else if (old == before.endpoints.end() || *now < *old) {
      text += "+ " + EndpointLine(*now++);
    } else {
      ++old;
      ++now;
    }
  }
  return text;
}

std::string ClusterDifference(const ImageCluster& before, const ImageCluster& after) {
  if (before == after) {
    return "";
  }
  const std::string old = ClusterLine(before);
  const std::string now = ClusterLine(after);
  return (old == now ? "  " + old : "- " + old + "+ " + now) + EndpointDifference(before, after);
}

bool SameClusters(const ImageRoute& before, const ImageRoute& after) {
  return std::ranges::equal(before.clusters, after.clusters, {}, &ImageCluster::name,
                            &ImageCluster::name);
}

std::string RouteDifference(const Frontend& frontend, const ImageRoute& before,
                            const ImageRoute& after) {
  if (before == after) {
    return "";
  }
  // Other clusters, or the same in another order, share out the positions anew: nothing of the
  // route is as it was.
  if (before.host != after.host || !SameClusters(before, after)) {
    return FrontendText(frontend, before, "- ") + FrontendText(frontend, after, "+ ");
  }
  std::string text = "  " + FrontendLine(frontend, after);
  const std::string old = RouteLine(before);
  const std::string now = RouteLine(after);
  text += old == now ? "" : "- " + old + "+ " + now;
  for (std::size_t i = 0; i < after.clusters.size(); ++i) {
    text += ClusterDifference(before.clusters[i], after.clusters[i]);
  }
  return text;
}

}  // namespace

std::uint32_t ImageRoute::total() const {
  std::uint32_t sum = 0;
  for (const ImageCluster& cluster : clusters) {
    sum += cluster.weight;
  }
  return sum;
}

std::string ToString(const TableImage& image) {
  std::string text;
  for (const auto& [frontend, route] : image.frontends) {
    text += FrontendText(frontend, route, "");
  }
  return text;
}

std::string ToString(const Frontend& frontend) {
  return ToString(frontend.address) + "/tcp";
}

std::string ToString(Policy policy) {
  return policy == Policy::kExact ? "exact" : "random";
}

std::string Difference(const TableImage& before, const TableImage& after) {
  std::string text;
  auto old = before.frontends.begin();
  auto now = after.frontends.begin();
  while (old != before.frontends.end() || now != after.frontends.end()) {
    if (now == after.frontends.end() ||
        (old != before.frontends.end() && old->first < now->first)) {
      text += FrontendText(old->first, old->second, "- ");
      ++old;
    } else if (old == before.frontends.end() || now->first < old->first) {
      text += FrontendText(now->first, now->second, "+ ");
      ++now;
    } else {
      text += RouteDifference(now->first, old->second, now->second);
      ++old;
      ++now;
    }
  }
  return text;
}

}  // namespace vsplit
