// SPDX-License-Identifier: Apache-2.0
#include "vsplit/compile.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <tl/expected.hpp>
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
constexpr std::size_t kClustersMax = std::size_t{ROUTE_CLUSTERS} * ROUTE_ROWS;
constexpr std::size_t kGroupsMax{POLICY_GROUPS};
// route_value.total and group_value.total have 32.
constexpr std::uint64_t kTotalMax = std::numeric_limits<std::uint32_t>::max();

// ---- endpoints ----

// A connect() to an IPv4 address cannot be rewritten to an IPv6 endpoint, nor the other way round.
// A name that nobody has resolved has no address at all.
EndpointGroup OfFamily(const EndpointGroup& group, bool v4) {
  EndpointGroup own{.priority = group.priority,
                    .weight = group.weight,
                    .locality = group.locality,
                    .endpoints = {},
                    .unready = group.unready};
  own.endpoints.reserve(group.endpoints.size());
  std::uint32_t divisor = 0;
  for (const Endpoint& endpoint : group.endpoints) {
    if (endpoint.address.ip.is_v4() == v4 && endpoint.address.ip != IpAddress{}) {
      own.endpoints.push_back(endpoint);
      divisor = std::gcd(divisor, endpoint.weight);
    }
  }
  if (divisor > 1) {
    for (Endpoint& endpoint : own.endpoints) {
      endpoint.weight /= divisor;
    }
  }
  return own;
}

// Without the levels that have nobody who could take over, and numbered without gaps again: what
// is ill is counted within its level only.
std::vector<EndpointGroup> OfFamily(const std::vector<EndpointGroup>& groups, bool v4) {
  std::map<std::uint32_t, std::vector<EndpointGroup>> levels;
  for (const EndpointGroup& group : groups) {
    EndpointGroup own = OfFamily(group, v4);
    if (!own.endpoints.empty() || own.unready != 0) {
      levels[own.priority].push_back(std::move(own));
    }
  }
  std::vector<EndpointGroup> kept;
  std::uint32_t priority = 0;
  for (auto& [old_priority, level] : levels) {
    if (std::ranges::all_of(level,
                            [](const EndpointGroup& group) { return group.endpoints.empty(); })) {
      continue;
    }
    for (EndpointGroup& group : level) {
      group.priority = priority;
      kept.push_back(std::move(group));
    }
    ++priority;
  }
  return kept;
}

// ---- routes ----

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

ImageRoute Untouched(const HostName& host) {
  return {.host = host, .clusters = {}};
}

// What the weights have in common would only make blocks longer.
ImageRoute RouteOf(const HostName& host, const ResolvedPort& port, bool v4) {
  const std::vector<const ResolvedCluster*> drawn = Drawn(port);
  ImageRoute route{.host = host,
                   .policy = port.policy,
                   .clusters = {},
                   .idle_timeout = port.idle_timeout,
                   .max_connection_duration = port.max_connection_duration};
  if (drawn.empty()) {
    return Untouched(host);
  }
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
                              .groups = OfFamily(cluster->groups, v4)});
  }
  route.stride = ChooseStride(weights);
  return route;
}

// Why the tables cannot hold the cluster; empty when they can.
std::string Excess(const ImageCluster& cluster) {
  std::size_t endpoints = 0;
  std::uint64_t heaviest = 0;
  for (const EndpointGroup& group : cluster.groups) {
    endpoints += group.endpoints.size();
    std::uint64_t weights = 0;
    for (const Endpoint& endpoint : group.endpoints) {
      weights += endpoint.weight;
    }
    heaviest = std::max(heaviest, weights);
  }
  if (endpoints > kEndpointsMax) {
    return fmt::format("{} endpoints in cluster \"{}\", at most {} are possible", endpoints,
                       cluster.name, kEndpointsMax);
  }
  if (cluster.groups.size() > kGroupsMax) {
    return fmt::format("{} localities in cluster \"{}\", at most {} are possible",
                       cluster.groups.size(), cluster.name, kGroupsMax);
  }
  if (heaviest > kTotalMax) {
    return fmt::format(
        "the weights of endpoints in cluster \"{}\" add up to {}, at most {} is possible",
        cluster.name, heaviest, kTotalMax);
  }
  return "";
}

std::string Excess(const ImageRoute& route) {
  if (route.clusters.size() > kClustersMax) {
    return fmt::format("{} clusters in one route, at most {} are possible", route.clusters.size(),
                       kClustersMax);
  }
  std::uint64_t sum = 0;
  for (const ImageCluster& cluster : route.clusters) {
    sum += cluster.weight;
    if (std::string excess = Excess(cluster); !excess.empty()) {
      return excess;
    }
  }
  if (sum > kTotalMax) {
    return fmt::format("the weights add up to {}, at most {} is possible", sum, kTotalMax);
  }
  return "";
}

// ---- hosts ----

Frontend FrontendOf(const IpPrefix& prefix, std::uint16_t port) {
  return {.address = {.ip = prefix.address, .port = port}, .prefix = prefix.bits};
}

using Routes = std::map<Frontend, ImageRoute>;

// The routes of one answer; those that leave connections as they were dialled have no clusters.
Result<Routes> RoutesOf(const ResolvedHost& host) {
  Routes routes;
  for (const ResolvedPort& port : host.ports) {
    for (const IpPrefix& prefix : port.addresses) {
      ImageRoute route = RouteOf(host.host, port, prefix.address.is_v4());
      if (const std::string excess = Excess(route); !excess.empty()) {
        return Fail(fmt::format("{} port {}: {}", host.host, port.port, excess),
                    Error::Reason::kInvalid);
      }
      routes[FrontendOf(prefix, port.port)] = std::move(route);
    }
  }
  return routes;
}

// A frontend that only some know of is left alone for everyone else, and the other way round.
void AddSource(const SourceMeaning& meaning, const Routes& theirs, TableImage& image) {
  const auto add = [&meaning](ImageFrontend& frontend, const ImageRoute& route) {
    if (route == frontend.everyone) {
      return;
    }
    const auto same = std::ranges::find(frontend.sources, route, &SourceRoute::route);
    SourceRoute& source = same == frontend.sources.end() ? frontend.sources.emplace_back() : *same;
    source.workloads.insert(source.workloads.end(), meaning.workloads.begin(),
                            meaning.workloads.end());
    source.route = route;
  };
  const ImageRoute untouched = Untouched(meaning.host.host);
  for (auto& [key, frontend] : image.frontends) {
    const auto known = theirs.find(key);
    add(frontend, known == theirs.end() ? untouched : known->second);
  }
  for (const auto& [key, route] : theirs) {
    const auto [frontend, is_new] =
        image.frontends.try_emplace(key, ImageFrontend{.everyone = untouched, .sources = {}});
    if (is_new) {
      add(frontend->second, route);
    }
  }
}

bool Contains(const Frontend& wide, const Frontend& narrow) {
  return wide.address.port == narrow.address.port && wide.addresses() != narrow.addresses() &&
         wide.addresses().Contains(narrow.addresses());
}

// What nobody is sent anywhere from is no frontend, unless a wider one of the host would have it.
void RemoveUntouched(TableImage& image) {
  std::vector<Frontend> subnets;
  for (const auto& [key, frontend] : image.frontends) {
    if (key.prefix < FRONTEND_EXACT) {
      subnets.push_back(key);
    }
  }
  std::erase_if(image.frontends, [&subnets](const auto& entry) {
    const auto& [key, frontend] = entry;
    return frontend.everyone.clusters.empty() && frontend.sources.empty() &&
           std::ranges::none_of(subnets,
                                [&own = key](const Frontend& wide) { return Contains(wide, own); });
  });
}

}  // namespace

Result<TableImage> Compile(const HostMeaning& host) {
  Result<Routes> everyone = RoutesOf(host.everyone);
  if (!everyone) {
    return tl::unexpected<Error>(everyone.error());
  }
  TableImage image;
  for (auto& [key, route] : *everyone) {
    image.frontends.emplace_hint(image.frontends.end(), key,
                                 ImageFrontend{.everyone = std::move(route), .sources = {}});
  }
  for (const SourceMeaning& source : host.sources) {
    const Result<Routes> theirs = RoutesOf(source.host);
    if (!theirs) {
      return tl::unexpected<Error>(theirs.error());
    }
    AddSource(source, *theirs, image);
  }
  for (auto& [key, frontend] : image.frontends) {
    frontend.asks = host.asks;
    for (SourceRoute& source : frontend.sources) {
      std::ranges::sort(source.workloads);
    }
    std::ranges::sort(frontend.sources, {}, &SourceRoute::workloads);
  }
  RemoveUntouched(image);
  return image;
}

}  // namespace vsplit
