// SPDX-License-Identifier: Apache-2.0
#include "endpoints.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

constexpr std::string_view kHostname = "kubernetes.io/hostname";

// Where a pod runs is as good as a label of its own (pkg/serviceregistry/util/label/label.go).
constexpr std::array<std::string_view, 3> kPlaces{
    "topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"};

// Ready is unset or true, and it does not go away. Not ready with `terminating` left out is how
// Kubernetes before 1.20 says terminating; both get nothing (endpointslice.go of Istio).
bool MayGetConnections(const SliceEndpoint& endpoint) {
  return endpoint.ready.value_or(true) && !endpoint.terminating.value_or(false) &&
         !endpoint.addresses.empty();
}

// The slice's port is found by the name of the service's port. A slice port without a number means
// all ports, which says nothing about where this one is.
std::optional<std::uint16_t> NumberIn(const EndpointSlice& slice, const ServicePort& port) {
  for (const SlicePort& candidate : slice.ports) {
    if (candidate.name == port.name && candidate.protocol == port.protocol) {
      return candidate.port;
    }
  }
  return std::nullopt;
}

// A pod on the host's network shares its address with others, and one that has ended may have given
// it to another: neither can be recognised by it.
ObjectPtr PodAt(const Scene& scene, const IpAddress& ip) {
  scene.dependencies.pod_ips.insert(ip);
  for (const ObjectPtr& object : scene.store.PodsWithIp(ip)) {
    const auto& pod = std::get<Pod>(object->spec);
    if (!pod.host_network && pod.phase != "Succeeded" && pod.phase != "Failed") {
      return object;
    }
  }
  return nullptr;
}

ObjectPtr PodOf(const Scene& scene, const ObjectKey& slice, const SliceEndpoint& endpoint) {
  if (!endpoint.pod) {
    return PodAt(scene, endpoint.addresses.front());
  }
  ObjectKey key = *endpoint.pod;
  if (key.ns.empty()) {
    key.ns = slice.ns;
  }
  scene.dependencies.pods.insert(key);
  return scene.store.Find(key);
}

// Adds what the labels ask for about the place of the pod; other places are not looked up, so that
// nothing depends on them.
void AddPlace(const Scene& scene, const Pod& pod, const Labels& asked, Labels& labels) {
  if (pod.node_name.empty()) {
    return;
  }
  if (asked.contains(std::string(kHostname))) {
    labels[std::string(kHostname)] = pod.node_name;
  }
  for (const std::string_view place : kPlaces) {
    const std::string name(place);
    if (!asked.contains(name)) {
      continue;
    }
    const ObjectKey key{.kind = Kind::kNode, .ns = "", .name = pod.node_name};
    scene.dependencies.pods.insert(key);
    const ObjectPtr node = scene.store.Find(key);
    if (node != nullptr && node->labels.contains(name)) {
      labels[name] = node->labels.at(name);
    }
  }
}

bool HasLabels(const Scene& scene, const ObjectPtr& pod, const Labels& asked) {
  if (pod == nullptr) {
    return false;
  }
  Labels labels = pod->labels;
  AddPlace(scene, std::get<Pod>(pod->spec), asked, labels);
  return Selects(asked, labels);
}

}  // namespace

std::vector<SocketAddress> EndpointsOf(const Scene& scene, const ObjectKey& service,
                                       const ServicePort& port, const Labels& labels) {
  std::vector<SocketAddress> endpoints;
  for (const ObjectPtr& object : scene.store.SlicesOf(service.ns, service.name)) {
    const auto& slice = std::get<EndpointSlice>(object->spec);
    const auto number = NumberIn(slice, port);
    if (!number || (slice.address_type != "IPv4" && slice.address_type != "IPv6")) {
      continue;
    }
    for (const SliceEndpoint& endpoint : slice.endpoints) {
      if (MayGetConnections(endpoint) &&
          (labels.empty() || HasLabels(scene, PodOf(scene, object->key, endpoint), labels))) {
        endpoints.push_back({.ip = endpoint.addresses.front(), .port = *number});
      }
    }
  }
  std::ranges::sort(endpoints);
  endpoints.erase(std::unique(endpoints.begin(), endpoints.end()), endpoints.end());
  return endpoints;
}

}  // namespace vsplit::resolve
