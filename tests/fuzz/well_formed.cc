// SPDX-License-Identifier: Apache-2.0
#include "well_formed.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/policy.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

constexpr std::size_t kEndpointsMax = 65535;
constexpr std::size_t kGroupsMax = 32;

std::string WrongGroup(const EndpointGroup& group, bool v4) {
  std::uint32_t divisor = 0;
  std::set<SocketAddress> seen;
  for (const Endpoint& endpoint : group.endpoints) {
    if (endpoint.weight == 0) {
      return "an endpoint has no weight";
    }
    if (endpoint.address.ip.is_v4() != v4) {
      return "an endpoint is of the other family";
    }
    if (!seen.insert(endpoint.address).second) {
      return "an endpoint is there twice";
    }
    divisor = std::gcd(divisor, endpoint.weight);
  }
  if (divisor > 1) {
    return "the weights of a group have a common divisor";
  }
  return std::ranges::is_sorted(group.endpoints, {}, &Endpoint::address)
             ? ""
             : "the endpoints of a group are not sorted";
}

std::string WrongCluster(const ImageCluster& cluster, bool v4) {
  if (cluster.weight == 0) {
    return "a cluster has no weight";
  }
  if (cluster.groups.size() > kGroupsMax) {
    return "a cluster has too many groups";
  }
  std::size_t endpoints = 0;
  std::uint32_t priority = 0;
  for (const EndpointGroup& group : cluster.groups) {
    if (group.priority < priority || group.priority > priority + 1) {
      return "the priorities of a cluster do not ascend without gaps";
    }
    priority = group.priority;
    endpoints += group.endpoints.size();
    if (std::string wrong = WrongGroup(group, v4); !wrong.empty()) {
      return wrong;
    }
  }
  return endpoints > kEndpointsMax ? "a cluster has too many endpoints" : "";
}

std::string WrongRoute(const ImageRoute& route, bool v4) {
  if (route.clusters.size() > ROUTE_CLUSTERS_MAX) {
    return "a route has too many clusters";
  }
  std::uint64_t total = 0;
  std::set<std::string> names;
  for (const ImageCluster& cluster : route.clusters) {
    total += cluster.weight;
    if (!names.insert(cluster.name).second) {
      return "a cluster is there twice";
    }
    if (std::string wrong = WrongCluster(cluster, v4); !wrong.empty()) {
      return wrong;
    }
  }
  if (total > std::numeric_limits<std::uint32_t>::max()) {
    return "the sum of the weights does not fit";
  }
  const bool strides = route.clusters.empty() || std::gcd<std::uint64_t>(route.stride, total) == 1;
  return strides ? "" : "the stride is not coprime to the sum of the weights";
}

std::string WrongFrontend(const Frontend& frontend, const ImageFrontend& routes) {
  const bool v4 = frontend.address.ip.is_v4();
  if (frontend.address.port == 0 || frontend.prefix > 128 || (v4 && frontend.prefix < 96)) {
    return "it is no address";
  }
  std::string wrong = WrongRoute(routes.everyone, v4);
  std::set<std::string> workloads;
  for (const SourceRoute& source : routes.sources) {
    if (wrong.empty() && (source.workloads.empty() || source.route == routes.everyone)) {
      wrong = "a route is for nobody, or is everyone's";
    }
    for (const std::string& workload : source.workloads) {
      if (wrong.empty() && !workloads.insert(workload).second) {
        wrong = "a workload has two routes";
      }
    }
    wrong = wrong.empty() ? WrongRoute(source.route, v4) : wrong;
  }
  return wrong;
}

}  // namespace

std::string WhatIsWrong(const TableImage& image) {
  for (const auto& [frontend, routes] : image.frontends) {
    if (const std::string wrong = WrongFrontend(frontend, routes); !wrong.empty()) {
      return ToString(frontend) + ": " + wrong;
    }
  }
  return "";
}

}  // namespace vsplit
