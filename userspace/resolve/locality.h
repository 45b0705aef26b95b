// SPDX-License-Identifier: Apache-2.0
// Endpoints in, groups of them out: which priority an endpoint has for the client, and how
// localities share connections. Rules: loadbalancer.go of Istio's pilot/pkg/networking/core.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "endpoints.h"
#include "registry.h"
#include "scene.h"
#include "settings.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"

namespace vsplit::resolve {

// Of a Service, ServiceEntry or Namespace.
constexpr std::string_view kDistributionAnnotation = "networking.istio.io/traffic-distribution";

// What decides about localities: the DestinationRule, else the service's traffic distribution, else
// the mesh, which is Istio's default: on, with nothing set.
struct LocalityPolicy {
  // Null: nothing tells localities apart.
  const std::vector<LocalityDistribute>* distribute = nullptr;
  const std::vector<LocalityFailover>* failover = nullptr;  // never null when priorities are made
  std::vector<std::string> failover_priority;
  bool weighs = false;  // localities of one priority share by the sums of their weights
};

// Whether the service, an annotation of it or of its namespace says how to distribute connections.
// Then endpoints that are not ready are known, and Envoy never panics.
bool HasDistribution(const Scene& scene, const RegistryService& service);

LocalityPolicy LocalityPolicyOf(const Scene& scene, const RegistryService& service,
                                const PolicyBlocks& blocks);

// Of these endpoints, each once; those that are not ready are counted only. By priority, then by
// locality.
std::vector<EndpointGroup> GroupsOf(const Scene& scene, const LocalityPolicy& policy,
                                    std::vector<Chosen> endpoints);

}  // namespace vsplit::resolve
