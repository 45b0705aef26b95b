// SPDX-License-Identifier: Apache-2.0
// Who connects: what a pod is as a client, and what was asked about it.
#include "client.h"

#include <algorithm>
#include <optional>
#include <string>

#include "place.h"
#include "scene.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"

namespace vsplit {

Client ClientOf(const Object& pod, const Object* node) {
  const std::string& node_name = pod.spec.Get<Pod>().node_name;
  Client client{.ns = pod.key.ns,
                .labels = pod.labels,
                .node = node_name,
                .locality = resolve::LocalityOfWorkload(pod.labels, node)};
  resolve::AddPlace(client.locality, node_name, client.labels);
  return client;
}

Client AnonymousClient(const std::string& node, const Locality& locality) {
  return {.ns = "", .labels = {}, .node = node, .locality = locality};
}

bool Asked::HoldsFor(const Client& client) const {
  const auto in_namespace = [&client](const auto& entry) {
    return (client.ns == entry.first) == entry.second;
  };
  const auto selects = [&client](const auto& entry) {
    return (!client.ns.empty() && Selects(entry.first, client.labels)) == entry.second;
  };
  const auto has_label = [&client](const auto& entry) {
    const auto found = client.labels.find(entry.first);
    return found == client.labels.end() ? !entry.second : entry.second == found->second;
  };
  return ns.value_or(client.ns) == client.ns && node.value_or(client.node) == client.node &&
         locality.value_or(client.locality) == client.locality &&
         std::ranges::all_of(namespaces, in_namespace) && std::ranges::all_of(selectors, selects) &&
         std::ranges::all_of(labels, has_label);
}

bool Asked::tells_pods_apart() const {
  return ns || !namespaces.empty() || !selectors.empty() || !labels.empty();
}

namespace resolve {

bool IsInNamespace(const Scene& scene, const std::string& ns) {
  return scene.asked.namespaces[ns] = scene.client.ns == ns;
}

bool IsSelected(const Scene& scene, const Labels& selector) {
  return scene.asked.selectors[selector] =
             !scene.client.ns.empty() && Selects(selector, scene.client.labels);
}

std::optional<std::string> LabelOf(const Scene& scene, const std::string& name) {
  const auto found = scene.client.labels.find(name);
  std::optional<std::string>& answer = scene.asked.labels[name];
  if (found != scene.client.labels.end()) {
    answer = found->second;
  }
  return answer;
}

const std::string& NamespaceOf(const Scene& scene) {
  scene.asked.ns = scene.client.ns;
  return scene.client.ns;
}

const std::string& NodeOf(const Scene& scene) {
  scene.asked.node = scene.client.node;
  return scene.client.node;
}

const Locality& LocalityOf(const Scene& scene) {
  scene.asked.locality = scene.client.locality;
  return scene.client.locality;
}

}  // namespace resolve
}  // namespace vsplit
