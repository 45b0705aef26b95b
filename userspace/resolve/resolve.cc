// SPDX-License-Identifier: Apache-2.0
#include "vsplit/resolve.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "clusters.h"
#include "judge.h"
#include "registry.h"
#include "rules.h"
#include "scene.h"
#include "unseen.h"
#include "visibility.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/store.h"

namespace vsplit {
namespace resolve {
namespace {

// Why the host has no frontends; empty when it has.
std::string Obstacle(const Scene& scene, const HostName& host, const RegistryService* service) {
  if (service == nullptr) {
    return WhyNotFound(scene, host);
  }
  if (!service->alias.empty()) {
    return fmt::format("{} is of type ExternalName and has no address of its own",
                       ToString(service->object().key));
  }
  const bool is_dialled =
      service->ports.empty() || std::ranges::any_of(service->ports, [](const RegistryPort& port) {
        return port.protocol == PortProtocol::kUdp || !port.addresses.empty();
      });
  return is_dialled ? "" : service->ports.front().unaddressed;
}

bool HasFamily(const ResolvedCluster& cluster, bool v4) {
  const auto same_family = [v4](const Endpoint& endpoint) {
    const bool is_unresolved = endpoint.address.ip == IpAddress{};
    return is_unresolved || endpoint.address.ip.is_v4() == v4;
  };
  return cluster.settings.algorithm == Algorithm::kPassthrough ||
         std::ranges::any_of(cluster.groups, [&same_family](const EndpointGroup& group) {
           return std::ranges::any_of(group.endpoints, same_family);
         });
}

// Says of clusters that have endpoints where frontends of a family have none: a connect() to an
// address of one family cannot be sent to the other.
void NoteMissingFamilies(const std::vector<IpPrefix>& addresses,
                         std::vector<ResolvedCluster>& clusters) {
  for (const IpPrefix& prefix : addresses) {
    const bool v4 = prefix.address.is_v4();
    for (ResolvedCluster& cluster : clusters) {
      if (cluster.broken.empty() && !HasFamily(cluster, v4)) {
        cluster.broken = fmt::format("no ready endpoint with an {} address for connections to {}",
                                     v4 ? "IPv4" : "IPv6", ToString(prefix));
      }
    }
  }
}

// Why the client cannot dial the port; empty when it can.
std::string WhyHidden(const Scene& scene, const RegistryService& service,
                      const RegistryPort& port) {
  if (port.addresses.empty()) {
    return port.unaddressed;
  }
  return scene.sight->SeesPort(service, port.number, port.protocol == PortProtocol::kHttp)
             ? ""
             : fmt::format("{} does not import {} on port {}", scene.sight->name(), service.host,
                           port.number);
}

std::vector<DialledPort> DialledPorts(const Scene& scene, const RegistryService& service) {
  std::vector<DialledPort> ports;
  for (const RegistryPort& port : service.ports) {
    std::string hidden = WhyHidden(scene, service, port);
    ports.push_back(
        {.number = port.number,
         .name = port.name,
         .protocol = port.protocol,
         .declared = port.declared,
         .ns = port.ns,
         .visible = hidden.empty(),
         .addresses = hidden.empty() ? port.addresses : NotInRanges(scene, service.host, port),
         .untouched = std::move(hidden)});
  }
  return ports;
}

ResolvedPort ResolvePort(const Scene& scene, const HostName& host, const DialledPort& port,
                         const Choice& choice) {
  ResolvedPort resolved{.port = port.number,
                        .name = port.name,
                        .protocol = port.protocol,
                        .declared = port.declared,
                        .ns = port.ns,
                        .visible = port.visible,
                        .addresses = choice.addresses,
                        .policy = scene.options.policy,
                        .rule_object = {.kind = Kind::kVirtualService},
                        .untouched = choice.untouched};
  std::ranges::sort(resolved.addresses);
  if (!choice.untouched.empty()) {
    if (scene.sight->registry_only()) {
      resolved.clusters.push_back(BlackHole(std::exchange(resolved.untouched, "")));
    }
    return resolved;
  }
  Route route;
  if (choice.rule.rule == nullptr) {
    route = PlainRoute(scene, host, port.number, port.protocol == PortProtocol::kHttp);
  } else {
    route = RouteOf(scene, choice.rule, port.number);
    resolved.policy = PolicyOf(scene, choice.owner);
    resolved.rule_object = choice.rule.object->key;
    resolved.rule_path = choice.rule.path;
  }
  if (!route.untouched.empty()) {
    resolved.untouched = std::move(route.untouched);
    return resolved;
  }
  resolved.clusters = std::move(route.clusters);
  // On http ports Envoy counts requests, not connections, for these.
  if (port.protocol != PortProtocol::kHttp) {
    resolved.idle_timeout = route.lifetime.idle;
    resolved.max_connection_duration = route.lifetime.whole;
  }
  NoteMissingFamilies(resolved.addresses, resolved.clusters);
  return resolved;
}

void AddUnseenPorts(const Scene& scene, const RegistryService* service, ResolvedHost& resolved) {
  for (const DialledPort& port : UnseenPorts(scene, resolved.host, service)) {
    const Choice choice{.addresses = port.addresses, .untouched = port.untouched};
    resolved.ports.push_back(ResolvePort(scene, resolved.host, port, choice));
  }
}

// The rule of a port that is left alone after all is not enforced there.
void TakeBack(ResolvedHost& resolved) {
  std::map<std::tuple<ObjectKey, std::string_view, std::uint16_t>, std::string_view> why;
  for (const ResolvedPort& port : resolved.ports) {
    if (!port.untouched.empty()) {
      why[{port.rule_object, port.rule_path, port.port}] = port.untouched;
    }
  }
  for (Verdict& verdict : resolved.verdicts) {
    const auto found = why.find({verdict.object, verdict.path, verdict.port});
    if (found != why.end()) {
      verdict.kind = Verdict::Kind::kNotEnforced;
      verdict.reason = found->second;
    }
  }
}

}  // namespace
}  // namespace resolve

std::string ToString(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::kEnforced:
      return "enforced";
    case Verdict::Kind::kApproximated:
      return "approximated";
    case Verdict::Kind::kNotEnforced:
      break;
  }
  return "not enforced";
}

std::string ToString(const Verdict& verdict) {
  std::string text =
      fmt::format("{}: {}: {}", ToString(verdict.object), verdict.path, verdict.host);
  if (verdict.port != 0) {
    text += fmt::format(":{}", verdict.port);
  }
  if (!verdict.sources.empty()) {
    text += " (from " + verdict.sources.front();
    text += verdict.sources.size() == 1 ? ")"
                                        : fmt::format(" and {} more)", verdict.sources.size() - 1);
  }
  text += ": " + ToString(verdict.kind);
  return verdict.reason.empty() ? text : text + ": " + verdict.reason;
}

ResolvedHost Resolve(const Store& store, const HostName& host, const ResolveOptions& options,
                     const Client& client, Asked* asked) {
  ResolvedHost resolved{.host = host};
  resolved.dependencies.hosts.insert(host);
  Asked unread;
  resolve::Registry registry;
  resolve::Scene scene{.store = store,
                       .options = options,
                       .client = client,
                       .asked = asked == nullptr ? unread : *asked,
                       .dependencies = resolved.dependencies,
                       .registry = registry};
  const resolve::Sight sight(scene);
  scene.sight = &sight;
  resolved.registry_only = sight.registry_only();
  const resolve::RegistryService* service = registry.Find(scene, host);
  const std::string obstacle = resolve::Obstacle(scene, host, service);
  if (!obstacle.empty()) {
    resolve::AddUnseenPorts(scene, service, resolved);
    resolved.verdicts = resolve::RefuseRules(scene, host, obstacle);
    resolve::JudgeDestinationRules(scene, host, service, obstacle, resolved.verdicts);
    return resolved;
  }
  const std::vector<resolve::DialledPort> ports = resolve::DialledPorts(scene, *service);
  resolve::Choices choices =
      resolve::ChooseRules(scene, host, ToString(service->object().key), ports);
  resolved.verdicts = std::move(choices.verdicts);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    for (const resolve::Choice& choice : choices.ports[i]) {
      resolved.ports.push_back(resolve::ResolvePort(scene, host, ports[i], choice));
    }
  }
  resolve::TakeBack(resolved);
  resolve::AddUnseenPorts(scene, service, resolved);
  resolve::JudgeDestinationRules(scene, host, service, "", resolved.verdicts);
  return resolved;
}

}  // namespace vsplit
