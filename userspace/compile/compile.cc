// SPDX-License-Identifier: Apache-2.0
#include "vsplit/compile.h"

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

// route_cluster.count has 16 bits.
constexpr std::size_t kEndpointsMax = std::numeric_limits<std::uint16_t>::max();
constexpr std::uint32_t kClustersMax{ROUTE_CLUSTERS_MAX};
// route_value.total has 32.
constexpr std::uint64_t kTotalMax = std::numeric_limits<std::uint32_t>::max();

// The clusters that can be chosen: weight 0 is never drawn, but the only destination always is.
std::vector<const ResolvedCluster*> Drawn(const ResolvedPort& port) {
  std::vector<const ResolvedCluster*> drawn;
  for (const ResolvedCluster& cluster : port.clusters) {
    if (cluster.weight > 0 || port.clusters.size() == 1) {
      drawn.push_back(&cluster);
    }
  }
  return drawn;
}

// The route without its endpoints. What the weights have in common would only make blocks longer.
ImageRoute RouteOf(const HostName& host, const ResolvedPort& port,
                   const std::vector<const ResolvedCluster*>& drawn) {
  ImageRoute route{.host = host, .policy = port.policy, .clusters = {}};
  std::uint32_t divisor = 0;
  for (const ResolvedCluster* cluster : drawn) {
    divisor = std::gcd(divisor, cluster->weight);
  }
  std::vector<std::uint32_t> weights;
  for (const ResolvedCluster* cluster : drawn) {
    weights.push_back(divisor == 0 ? 1 : cluster->weight / divisor);
    route.clusters.push_back({.name = cluster->name,
                              .weight = weights.back(),
                              .settings = cluster->settings,
                              .groups = {}});
  }
  route.stride = ChooseStride(weights);
  return route;
}

// Why the tables cannot hold the route; empty when they can.
std::string Excess(const ImageRoute& route) {
  if (route.clusters.size() > kClustersMax) {
    return fmt::format("{} clusters in one route, at most {} are possible", route.clusters.size(),
                       kClustersMax);
  }
  std::uint64_t sum = 0;
  for (const ImageCluster& cluster : route.clusters) {
    sum += cluster.weight;
    const std::size_t endpoints = cluster.groups.empty() ? 0 : cluster.groups[0].endpoints.size();
    if (endpoints > kEndpointsMax) {
      return fmt::format("{} endpoints in cluster \"{}\", at most {} are possible", endpoints,
                         cluster.name, kEndpointsMax);
    }
  }
  if (sum > kTotalMax) {
    return fmt::format("the weights add up to {}, at most {} is possible", sum, kTotalMax);
  }
  return "";
}

// A connect() to an IPv4 address cannot be rewritten to an IPv6 endpoint, nor the other way round.
ImageRoute OfFamily(ImageRoute route, const std::vector<const ResolvedCluster*>& drawn, bool v4) {
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    for (const EndpointGroup& group : drawn[i]->groups) {
      EndpointGroup own = group;
      std::erase_if(own.endpoints,
                    [v4](const Endpoint& endpoint) { return endpoint.address.ip.is_v4() != v4; });
      if (!own.endpoints.empty()) {
        route.clusters[i].groups.push_back(std::move(own));
      }
    }
  }
  return route;
}

}  // namespace

Result<TableImage> Compile(const ResolvedHost& host) {
  TableImage image;
  for (const ResolvedPort& port : host.ports) {
    const std::vector<const ResolvedCluster*> drawn = Drawn(port);
    if (drawn.empty()) {
      continue;
    }
    const ImageRoute route = RouteOf(host.host, port, drawn);
    for (const IpPrefix& prefix : port.addresses) {
      const IpAddress& address = prefix.address;
      ImageRoute complete = OfFamily(route, drawn, address.is_v4());
      if (const std::string excess = Excess(complete); !excess.empty()) {
        return Fail(fmt::format("{} port {}: {}", host.host, port.port, excess),
                    Error::Reason::kInvalid);
      }
      image.frontends[{.address = {.ip = address, .port = port.port}}] = {
          .everyone = std::move(complete), .sources = {}};
    }
  }
  return image;
}

}  // namespace vsplit
