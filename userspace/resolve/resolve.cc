// SPDX-License-Identifier: Apache-2.0
#include "vsplit/resolve.h"

#include <fmt/core.h>

#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "clusters.h"
#include "policy.h"
#include "protocol.h"
#include "rules.h"
#include "scene.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

// Why the host has no frontends; empty when it has.
std::string Obstacle(const Store& store, const HostName& host, const ObjectPtr& service) {
  if (service == nullptr) {
    return MissingService(store, host);
  }
  const std::string name = ToString(service->key);
  const Service& spec = std::get<Service>(service->spec);
  if (spec.type == "ExternalName") {
    return fmt::format("{} is of type ExternalName and has no address of its own", name);
  }
  if (spec.headless) {
    return fmt::format("{} is headless: its clients connect to the pods themselves", name);
  }
  return spec.cluster_ips.empty() ? fmt::format("{} has no cluster IP yet", name) : "";
}

ResolvedPort ResolvePort(const Scene& scene, const HostName& host, const ServicePort& port,
                         const Choice& choice) {
  ResolvedPort resolved{.port = port.port,
                        .name = port.name,
                        .protocol = ProtocolOf(port),
                        .policy = scene.options.policy,
                        .rule_object = {.kind = Kind::kVirtualService}};
  if (choice.object == nullptr) {
    resolved.clusters.push_back(PlainCluster(scene, host, port.port));
    return resolved;
  }
  resolved.policy = PolicyOf(scene, choice.object);
  resolved.rule_object = choice.object->key;
  resolved.rule_path = choice.path;
  resolved.clusters = RouteClusters(scene, *choice.rule, choice.object->key.ns, port.port);
  return resolved;
}

}  // namespace

ResolvedHost Resolve(const Store& store, const HostName& host, const ResolveOptions& options) {
  ResolvedHost resolved{.host = host};
  resolved.dependencies.hosts.insert(host);
  const Scene scene{store, options, resolved.dependencies};
  const ObjectPtr service = ServiceOf(store, host);
  const std::string obstacle = Obstacle(store, host, service);
  if (!obstacle.empty()) {
    resolved.verdicts = RefuseRules(scene, host, obstacle);
    JudgeDestinationRules(scene, host, service == nullptr ? "" : service->key.ns, obstacle,
                          resolved.verdicts);
    return resolved;
  }
  const Service& spec = std::get<Service>(service->spec);
  Choices choices = ChooseRules(scene, host, *service);
  resolved.addresses = spec.cluster_ips;
  resolved.verdicts = std::move(choices.verdicts);
  for (std::size_t i = 0; i < spec.ports.size(); ++i) {
    if (ProtocolOf(spec.ports[i]) != PortProtocol::kUdp) {
      resolved.ports.push_back(ResolvePort(scene, host, spec.ports[i], choices.ports[i]));
    }
  }
  JudgeDestinationRules(scene, host, service->key.ns, "", resolved.verdicts);
  return resolved;
}

}  // namespace vsplit
