// SPDX-License-Identifier: Apache-2.0
#include "clusters.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "destination_rules.h"
#include "endpoints.h"
#include "protocol.h"
#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

// Of ExternalName services that point at one another; more is a ring.
constexpr int kAliasesMax = 8;

// A destination with its host spelled out.
struct Target {
  HostName host;
  std::string subset;
  std::optional<std::uint16_t> port;  // of the service, when the rule says so
  std::uint16_t dialled = 0;
};

// The Service behind a host; on the way the host becomes what ExternalName services stand for.
ObjectPtr FollowAliases(const Scene& scene, HostName& host) {
  for (int i = 0; i < kAliasesMax; ++i) {
    scene.dependencies.hosts.insert(host);
    ObjectPtr object = ServiceOf(scene.store, host);
    if (object == nullptr || std::get<Service>(object->spec).type != "ExternalName") {
      return object;
    }
    host = QualifyHost(std::get<Service>(object->spec).external_name, object->key.ns,
                       scene.store.domain());
  }
  return nullptr;
}

// R12. It is a port of the service, not of its endpoints.
std::uint16_t PortOf(const Target& target, const Service& service) {
  if (target.port) {
    return *target.port;
  }
  return service.ports.size() == 1 ? service.ports.front().port : target.dialled;
}

std::string WhyNoPort(const ObjectKey& service, const Service& spec, std::uint16_t port) {
  return std::ranges::find(spec.ports, port, &ServicePort::port) == spec.ports.end()
             ? fmt::format("{} has no port {}", ToString(service), port)
             : fmt::format("port {} of {} is udp", port, ToString(service));
}

// Adds endpoints, also those of a headless service: a rule that sends connections there means its
// pods. (Istio would keep the address dialled, which is none of theirs.) Or the reason why there
// are none.
void Fill(const Scene& scene, const Target& target, const ObjectPtr& service, std::uint16_t number,
          ResolvedCluster& cluster) {
  const auto& spec = std::get<Service>(service->spec);
  const auto port = std::ranges::find_if(spec.ports, [number](const ServicePort& candidate) {
    return candidate.port == number && ProtocolOf(candidate) != PortProtocol::kUdp;
  });
  if (port == spec.ports.end()) {
    cluster.broken = WhyNoPort(service->key, spec, number);
    return;
  }
  const std::vector<ObjectPtr> merged = MergedRules(scene, target.host, service->key.ns);
  const Subset* subset = FindSubset(merged, target.subset);
  if (!target.subset.empty() && subset == nullptr) {
    cluster.broken =
        merged.empty()
            ? fmt::format("no DestinationRule defines subset \"{}\"", target.subset)
            : fmt::format("no subset \"{}\" in {}", target.subset, ToString(merged.front()->key));
    return;
  }
  cluster.settings.algorithm = AlgorithmFor(merged, subset, number);
  EndpointGroup group;
  for (const SocketAddress& address :
       EndpointsOf(scene, service->key, *port, subset == nullptr ? Labels{} : subset->labels)) {
    group.endpoints.push_back({.address = address});
  }
  const bool empty = group.endpoints.empty();
  cluster.groups.push_back(std::move(group));
  if (empty) {
    cluster.broken =
        subset == nullptr
            ? fmt::format("no ready endpoint of {} port {}", ToString(service->key), number)
            : fmt::format("no ready endpoint of {} port {} has the labels of subset \"{}\"",
                          ToString(service->key), number, target.subset);
  }
}

ResolvedCluster ClusterOf(const Scene& scene, Target target) {
  const HostName named = target.host;
  const ObjectPtr service = FollowAliases(scene, target.host);
  const std::uint16_t port = service == nullptr ? target.port.value_or(target.dialled)
                                                : PortOf(target, std::get<Service>(service->spec));
  ResolvedCluster cluster{
      .name = fmt::format("outbound|{}|{}|{}", port, target.subset, target.host),
      .weight = 1,
      .host = target.host,
      .port = port,
      .subset = target.subset};
  if (service != nullptr) {
    Fill(scene, target, service, port, cluster);
  } else if (named == target.host) {
    cluster.broken = MissingService(scene.store, named);
  } else {
    cluster.broken = fmt::format("{}, which \"{}\" is an alias of",
                                 MissingService(scene.store, target.host), named);
  }
  return cluster;
}

// One entry for each cluster, with the sum of its weights: the draw and the counters cannot tell
// two entries apart, and Envoy counts them as one cluster too. Only where the sum would not fit it
// stays two, and the compiler refuses their total.
void Add(std::vector<ResolvedCluster>& clusters, ResolvedCluster cluster) {
  const auto same = std::ranges::find(clusters, cluster.name, &ResolvedCluster::name);
  if (same != clusters.end() &&
      same->weight <= std::numeric_limits<std::uint32_t>::max() - cluster.weight) {
    same->weight += cluster.weight;
  } else {
    clusters.push_back(std::move(cluster));
  }
}

}  // namespace

ResolvedCluster PlainCluster(const Scene& scene, const HostName& host, std::uint16_t port) {
  return ClusterOf(scene, {.host = host, .port = port});
}

std::vector<ResolvedCluster> RouteClusters(const Scene& scene, const Rule& rule,
                                           const std::string& ns, std::uint16_t dialled) {
  std::vector<ResolvedCluster> clusters;
  for (const RouteDestination& route : rule.routes) {
    if (route.weight <= 0 && rule.routes.size() > 1) {
      continue;
    }
    ResolvedCluster cluster =
        ClusterOf(scene, {.host = QualifyHost(route.host, ns, scene.store.domain()),
                          .subset = route.subset,
                          .port = route.port,
                          .dialled = dialled});
    if (rule.routes.size() > 1) {
      cluster.weight = static_cast<std::uint32_t>(route.weight);
    }
    Add(clusters, std::move(cluster));
  }
  return clusters;
}

bool HasWeight(const Rule& rule) {
  return rule.routes.size() == 1 ||
         std::ranges::any_of(rule.routes,
                             [](const RouteDestination& route) { return route.weight > 0; });
}

}  // namespace vsplit::resolve
