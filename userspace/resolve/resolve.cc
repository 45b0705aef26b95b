// SPDX-License-Identifier: Apache-2.0
#include "vsplit/resolve.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "clusters.h"
#include "destination_rules.h"
#include "protocol.h"
#include "rules.h"
#include "scene.h"
#include "visibility.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit {
namespace resolve {
namespace {

// Why the host has no frontends; empty when it has.
std::string Obstacle(const Store& store, const HostName& host, const ObjectPtr& service) {
  if (service == nullptr) {
    return MissingService(store, host);
  }
  const std::string name = ToString(service->key);
  const auto& spec = std::get<Service>(service->spec);
  if (spec.type == "ExternalName") {
    return fmt::format("{} is of type ExternalName and has no address of its own", name);
  }
  if (spec.headless) {
    return fmt::format("{} is headless: its clients connect to the pods themselves", name);
  }
  return spec.cluster_ips.empty() ? fmt::format("{} has no cluster IP yet", name) : "";
}

bool HasFamily(const ResolvedCluster& cluster, bool v4) {
  const auto same_family = [v4](const Endpoint& endpoint) {
    return endpoint.address.ip.is_v4() == v4;
  };
  return std::ranges::any_of(cluster.groups, [&same_family](const EndpointGroup& group) {
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

std::vector<IpPrefix> FrontendsOf(const Service& spec) {
  std::vector<IpPrefix> addresses;
  for (const IpAddress& ip : spec.cluster_ips) {
    addresses.push_back({.address = ip});
  }
  std::ranges::sort(addresses);
  return addresses;
}

// Why the client cannot dial the port; empty when it can.
std::string WhyHidden(const Scene& scene, const HostName& host, const std::string& ns,
                      std::uint16_t port) {
  return scene.sight->Sees(ns, host, port)
             ? ""
             : fmt::format("{} does not import {} on port {}", scene.sight->name(), host, port);
}

std::vector<DialledPort> DialledPorts(const Scene& scene, const HostName& host,
                                      const Object& service) {
  const auto& spec = std::get<Service>(service.spec);
  const std::vector<IpPrefix> addresses = FrontendsOf(spec);
  std::vector<DialledPort> ports;
  for (const ServicePort& port : spec.ports) {
    ports.push_back({.number = port.port,
                     .name = port.name,
                     .protocol = ProtocolOf(port),
                     .addresses = addresses,
                     .untouched = WhyHidden(scene, host, service.key.ns, port.port)});
  }
  return ports;
}

ResolvedPort ResolvePort(const Scene& scene, const HostName& host, const DialledPort& port,
                         const Choice& choice) {
  ResolvedPort resolved{.port = port.number,
                        .name = port.name,
                        .protocol = port.protocol,
                        .addresses = choice.addresses,
                        .policy = scene.options.policy,
                        .rule_object = {.kind = Kind::kVirtualService},
                        .untouched = choice.untouched};
  std::ranges::sort(resolved.addresses);
  if (!choice.untouched.empty()) {
    return resolved;
  }
  if (choice.rule.rule == nullptr) {
    resolved.clusters.push_back(PlainCluster(scene, host, port.number));
  } else {
    resolved.policy = PolicyOf(scene, choice.owner);
    resolved.rule_object = choice.rule.object->key;
    resolved.rule_path = choice.rule.path;
    resolved.clusters =
        RouteClusters(scene, *choice.rule.rule, choice.rule.object->key.ns, port.number);
  }
  NoteMissingFamilies(resolved.addresses, resolved.clusters);
  return resolved;
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
  resolve::Scene scene{.store = store,
                       .options = options,
                       .client = client,
                       .asked = asked == nullptr ? unread : *asked,
                       .dependencies = resolved.dependencies};
  const resolve::Sight sight(scene);
  scene.sight = &sight;
  const ObjectPtr service = resolve::ServiceOf(store, host);
  const std::string obstacle = resolve::Obstacle(store, host, service);
  if (!obstacle.empty()) {
    resolved.verdicts = resolve::RefuseRules(scene, host, obstacle);
    resolve::JudgeDestinationRules(scene, host, service == nullptr ? "" : service->key.ns, obstacle,
                                   resolved.verdicts);
    return resolved;
  }
  const std::vector<resolve::DialledPort> ports = resolve::DialledPorts(scene, host, *service);
  resolve::Choices choices = resolve::ChooseRules(scene, host, ToString(service->key), ports);
  resolved.verdicts = std::move(choices.verdicts);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    for (const resolve::Choice& choice : choices.ports[i]) {
      resolved.ports.push_back(resolve::ResolvePort(scene, host, ports[i], choice));
    }
  }
  resolve::JudgeDestinationRules(scene, host, service->key.ns, "", resolved.verdicts);
  return resolved;
}

}  // namespace vsplit
