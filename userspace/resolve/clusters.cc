// SPDX-License-Identifier: Apache-2.0
#include "clusters.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "delegates.h"
#include "destination_rules.h"
#include "endpoints.h"
#include "judge.h"
#include "locality.h"
#include "matches.h"
#include "registry.h"
#include "scene.h"
#include "settings.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

// A destination with its host spelled out.
struct Target {
  HostName host;
  std::string subset;
  std::optional<std::uint16_t> port;  // of the service, when the rule says so
  std::uint16_t dialled = 0;
  bool http = false;
  bool alone = true;  // the only destination of its route
};

struct Destination {
  ResolvedCluster cluster;
  Lifetime lifetime;
  bool hashes_source = false;  // what it says about the hash of its route
  std::string untouched;       // why connections must not be sent there as they are
};

// R12. It is a port of the service, not of its endpoints. http rules are made into routes of one
// port, for which Istio knows of no other port of any service.
std::uint16_t PortOf(const Target& target, const RegistryService& service) {
  if (target.port || target.http) {
    return target.port.value_or(target.dialled);
  }
  const RegistryPort* only = service.OnlyPort();
  return only == nullptr ? target.dialled : only->number;
}

std::string WhyNoPort(const RegistryService& service, std::uint16_t port) {
  return std::ranges::find(service.ports, port, &RegistryPort::number) == service.ports.end()
             ? fmt::format("{} has no port {}", ToString(service.object().key), port)
             : fmt::format("port {} of {} is udp", port, ToString(service.object().key));
}

// Why a cluster has no endpoint that is ready. `missing`: names that resolve to nothing; `any`:
// whether there is an endpoint, which does not count for the client.
std::string WhyEmpty(const RegistryService& service, std::uint16_t port, const Subset* subset,
                     const std::vector<std::string>& missing, bool any) {
  const std::string name = ToString(service.object().key);
  if (!missing.empty()) {
    return fmt::format("no address of {} is known, for {} port {}", Join(missing), name, port);
  }
  // Istio makes no cluster at all of names that are not there.
  const bool is_dns =
      service.resolution == Resolution::kDns || service.resolution == Resolution::kDnsRoundRobin;
  const std::string_view what = is_dns && !any ? "endpoint" : "ready endpoint";
  return subset == nullptr ? fmt::format("no {} of {} port {}", what, name, port)
                           : fmt::format("no {} of {} port {} has the labels of subset \"{}\"",
                                         what, name, port, subset->name);
}

void FillGroups(const Scene& scene, const RegistryService& service, const RegistryPort& port,
                const Subset* subset, const PolicyBlocks& blocks, ResolvedCluster& cluster) {
  std::vector<std::string> missing;
  static const Labels everybody;
  std::vector<Chosen> endpoints = ChooseEndpoints(
      scene, service, port, subset == nullptr ? everybody : subset->labels, missing);
  if (cluster.settings.panic_percent > 0 && HasDistribution(scene, service)) {
    cluster.settings.panic_percent = 0;
  }
  const auto is_unready = [](const Chosen& each) { return !each.member->ready; };
  // Istio leaves out who is not ready where Envoy could fall back to them in panic.
  if (cluster.settings.panic_percent > 0) {
    std::erase_if(endpoints, is_unready);
  }
  const bool any = !endpoints.empty();
  const LocalityPolicy policy = LocalityPolicyOf(scene, service, blocks);
  if (policy.weighs || std::ranges::any_of(endpoints, is_unready)) {
    FindTwins(scene, endpoints);
  }
  cluster.groups = GroupsOf(scene, policy, std::move(endpoints));
  // They tell priorities and localities apart, and count among those that may be ejected.
  if (cluster.groups.size() == 1 && !cluster.settings.ejection) {
    cluster.groups.front().unready = 0;
  }
  if (std::ranges::all_of(cluster.groups,
                          [](const EndpointGroup& group) { return group.endpoints.empty(); })) {
    cluster.broken = WhyEmpty(service, port.number, subset, missing, any);
  }
}

// Why the connections of a cluster cannot be made as its DestinationRules ask; empty when they can.
std::string WhyNotPlain(const std::vector<ObjectPtr>& merged, const PolicyBlocks& blocks,
                        const HostName& host) {
  if (blocks.tls_mode.empty() || blocks.tls_mode == "DISABLE" ||
      std::ranges::any_of(merged, [](const ObjectPtr& rule) { return AllowsPlaintext(*rule); })) {
    return "";
  }
  return fmt::format("{} asks for TLS to {} (mode {}), which nobody here would begin",
                     ToString(merged.front()->key), host, blocks.tls_mode);
}

// The policy of the cluster and its endpoints, or the reason why there are none. An original
// destination has none: a headless Service, resolution NONE, PASSTHROUGH.
void Fill(const Scene& scene, const Target& target, const RegistryService& service,
          std::uint16_t number, const std::vector<ObjectPtr>& merged, Destination& destination) {
  ResolvedCluster& cluster = destination.cluster;
  const RegistryPort* port = service.FindPort(number);
  if (port == nullptr) {
    cluster.broken = WhyNoPort(service, number);
    return;
  }
  const Subset* subset = FindSubset(merged, target.subset);
  if (!target.subset.empty() && subset == nullptr) {
    cluster.broken =
        merged.empty()
            ? fmt::format("no DestinationRule defines subset \"{}\"", target.subset)
            : fmt::format("no subset \"{}\" in {}", target.subset, ToString(merged.front()->key));
    return;
  }
  const PolicyBlocks blocks = PolicyFor(merged, subset, number);
  destination.untouched = WhyNotPlain(merged, blocks, target.host);
  cluster.settings = SettingsOf(blocks);
  if (service.resolution == Resolution::kNone) {
    cluster.settings.algorithm = Algorithm::kPassthrough;
    cluster.settings.port = port->target;
  } else if (service.resolution == Resolution::kDynamicDns) {
    cluster.broken = fmt::format("the names of {} are resolved from requests (DYNAMIC_DNS)",
                                 ToString(service.object().key));
    return;
  }
  if (cluster.settings.algorithm != Algorithm::kPassthrough) {
    FillGroups(scene, service, *port, subset, blocks, cluster);
  }
}

// Of http rules Istio looks only at services that the client can dial on the port that was dialled,
// so that another alias stands for nothing.
const RegistryService* FindTarget(const Scene& scene, Target& target) {
  const RegistryService* named = scene.registry.FindDestination(scene, target.host);
  if (named != nullptr && !named->alias.empty() && target.http &&
      (named != scene.registry.Find(scene, target.host) ||
       named->FindPort(target.dialled) == nullptr)) {
    return nullptr;
  }
  return scene.registry.FollowAlias(scene, target.host);
}

std::vector<ObjectPtr> RulesFor(const Scene& scene, const RegistryService* service) {
  return service == nullptr ? std::vector<ObjectPtr>{}
                            : MergedRules(scene, service->host, service->ns);
}

bool HashesSource(const Target& target, const std::vector<ObjectPtr>& rules) {
  const Subset* subset = FindSubset(rules, target.subset);
  return target.http ? HashesRequests(rules, subset, target.port)
                     : HashesConnections(rules, target.alone ? subset : nullptr);
}

Destination DestinationOf(const Scene& scene, Target target) {
  const HostName named = target.host;
  const RegistryService* service = FindTarget(scene, target);
  Destination destination;
  // What Istio writes into the route it looks up by the name that is written, an alias or not.
  const RegistryService* own = scene.registry.FindDestination(scene, named);
  const std::uint16_t port =
      own == nullptr ? target.port.value_or(target.dialled) : PortOf(target, *own);
  const std::vector<ObjectPtr> rules = RulesFor(scene, own);
  destination.lifetime = LifetimeOf(rules);
  destination.hashes_source = HashesSource(target, rules);
  ResolvedCluster& cluster = destination.cluster;
  cluster = {.name = fmt::format("outbound|{}|{}|{}", port, target.subset, target.host),
             .weight = 1,
             .host = target.host,
             .port = port,
             .subset = target.subset};
  if (service != nullptr) {
    Fill(scene, target, *service, port, service == own ? rules : RulesFor(scene, service),
         destination);
  } else if (named == target.host) {
    cluster.broken = own == nullptr ? WhyNotFound(scene, named) : WhyNoPort(*own, port);
  } else if (scene.registry.Find(scene, target.host) != nullptr) {
    cluster.broken =
        fmt::format(R"("{}" is an alias of "{}", which is one itself)", named, target.host);
  } else {
    cluster.broken =
        fmt::format("{}, which \"{}\" is an alias of", WhyNotFound(scene, target.host), named);
  }
  return destination;
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

// Envoy looks up a hash that nobody made at a random place of its ring, where weights count as
// ever.
void HashNothing(ResolvedCluster& cluster) {
  if (cluster.settings.algorithm != Algorithm::kMaglev) {
    return;
  }
  const auto is_heavy = [](const Endpoint& endpoint) { return endpoint.weight != 1; };
  const bool weighs = std::ranges::any_of(cluster.groups, [&](const EndpointGroup& group) {
    return std::ranges::any_of(group.endpoints, is_heavy);
  });
  cluster.settings.algorithm = weighs ? Algorithm::kRoundRobin : Algorithm::kRandom;
}

}  // namespace

Route PlainRoute(const Scene& scene, const HostName& host, std::uint16_t port, bool http) {
  Destination destination = DestinationOf(scene, {.host = host, .port = port, .http = http});
  if (!destination.hashes_source) {
    HashNothing(destination.cluster);
  }
  return {.clusters = {std::move(destination.cluster)},
          .lifetime = destination.lifetime,
          .untouched = std::move(destination.untouched)};
}

Route RouteOf(const Scene& scene, const ListedRule& listed, std::uint16_t dialled) {
  const std::vector<RouteDestination>& written = listed.rule->routes;
  const bool http = listed.list == RuleList::kHttp;
  Route route;
  bool hashes_source = false;
  for (std::size_t i = 0; i < written.size(); ++i) {
    const bool drawn = written[i].weight > 0 || written.size() == 1;
    if (i > 0 && !drawn) {
      continue;
    }
    Destination destination = DestinationOf(
        scene, {.host = QualifyHost(written[i].host, listed.object->key.ns, scene.store.domain()),
                .subset = written[i].subset,
                .port = written[i].port,
                .dialled = dialled,
                .http = http,
                .alone = written.size() == 1});
    if (i == 0) {
      route.lifetime = destination.lifetime;
    }
    if (http ? drawn : i == 0) {
      hashes_source = hashes_source || destination.hashes_source;
    }
    if (!drawn) {
      continue;
    }
    if (written.size() > 1) {
      destination.cluster.weight = static_cast<std::uint32_t>(written[i].weight);
    }
    if (route.untouched.empty()) {
      route.untouched = std::move(destination.untouched);
    }
    Add(route.clusters, std::move(destination.cluster));
  }
  if (!hashes_source) {
    std::ranges::for_each(route.clusters, HashNothing);
  }
  return route;
}

bool HasWeight(const Rule& rule) {
  return rule.routes.size() == 1 ||
         std::ranges::any_of(rule.routes,
                             [](const RouteDestination& route) { return route.weight > 0; });
}

}  // namespace vsplit::resolve
