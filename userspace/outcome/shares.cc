// SPDX-License-Identifier: Apache-2.0
// The arithmetic of a choice among healthy endpoints, as Envoy documents it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/outcome.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

// Envoy's default overprovisioning factor.
constexpr double kOverprovisioning = 1.4;

struct Member {
  const Endpoint* endpoint;
  double weight;
};

// A group as one client sees it.
struct Reachable {
  std::vector<Member> members;
  double weight = 0;     // effective: by the share of it that is healthy
  double total = 0;      // of the members' weights
  std::size_t size = 0;  // unready ones included
};

bool HasFamily(const Endpoint& endpoint, bool v4) {
  return !endpoint.name.empty() || endpoint.address.ip.is_v4() == v4;
}

double Healthy(std::size_t healthy, std::size_t all) {
  return all == 0 ? 0
                  : std::min(1.0, kOverprovisioning * static_cast<double>(healthy) /
                                      static_cast<double>(all));
}

Reachable Reach(const EndpointGroup& group, Algorithm algorithm, bool v4) {
  Reachable reachable;
  for (const Endpoint& endpoint : group.endpoints) {
    if (HasFamily(endpoint, v4)) {
      const double weight = algorithm == Algorithm::kRandom ? 1 : endpoint.weight;
      reachable.members.push_back({.endpoint = &endpoint, .weight = weight});
      reachable.total += weight;
    }
  }
  reachable.size = reachable.members.size() + group.unready;
  reachable.weight = group.weight * Healthy(reachable.members.size(), reachable.size);
  return reachable;
}

double Availability(const std::vector<Reachable>& groups) {
  std::size_t healthy = 0;
  std::size_t all = 0;
  for (const Reachable& group : groups) {
    healthy += group.members.size();
    all += group.size;
  }
  return Healthy(healthy, all);
}

std::string Show(const Endpoint& endpoint) {
  if (endpoint.address.ip != IpAddress{}) {
    return ToString(endpoint.address);
  }
  return endpoint.name + ":" + std::to_string(endpoint.address.port);
}

// The address and the port as texts: by both endpoints are listed.
std::pair<std::string_view, std::string_view> ByAddress(std::string_view endpoint) {
  const std::size_t colon = endpoint.rfind(':');
  return {endpoint.substr(0, colon), endpoint.substr(colon + 1)};
}

void AddShares(const std::vector<Reachable>& groups, double load, const std::string& cluster,
               std::vector<EndpointShare>& shares) {
  double weights = 0;
  for (const Reachable& group : groups) {
    weights += group.weight;
  }
  const auto first = static_cast<std::ptrdiff_t>(shares.size());
  for (const Reachable& group : groups) {
    for (const Member& member : group.members) {
      if (const double share = load * group.weight / weights * member.weight / group.total;
          share > 0) {
        shares.push_back(
            {.endpoint = Show(*member.endpoint), .cluster = cluster, .probability = share});
      }
    }
  }
  std::sort(shares.begin() + first, shares.end(),
            [](const EndpointShare& left, const EndpointShare& right) {
              return ByAddress(left.endpoint) < ByAddress(right.endpoint);
            });
}

std::vector<EndpointShare> Fails(const ResolvedCluster& cluster, std::string why) {
  return {{.cluster = cluster.name, .probability = 1, .why = std::move(why)}};
}

}  // namespace

std::vector<EndpointShare> EndpointShares(const ResolvedCluster& cluster, bool v4) {
  if (cluster.settings.algorithm == Algorithm::kPassthrough) {
    return {
        {.endpoint = std::string(kOriginalDestination), .cluster = cluster.name, .probability = 1}};
  }
  std::map<std::uint32_t, std::vector<Reachable>> levels;
  double available = 0;
  for (const EndpointGroup& group : cluster.groups) {
    levels[group.priority].push_back(Reach(group, cluster.settings.algorithm, v4));
  }
  for (const auto& [priority, groups] : levels) {
    available += Availability(groups);
  }
  if (available == 0) {
    return Fails(cluster, cluster.broken.empty() ? "no ready endpoint" : cluster.broken);
  }
  std::vector<EndpointShare> shares;
  double left = 1;
  for (const auto& [priority, groups] : levels) {
    const double load = std::min(left, Availability(groups) / std::min(1.0, available));
    left -= load;
    AddShares(groups, load, cluster.name, shares);
  }
  return shares;
}

}  // namespace vsplit
