// SPDX-License-Identifier: Apache-2.0
#include "scene.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::resolve {

ObjectPtr ServiceOf(const Store& store, const HostName& host) {
  const auto name = ServiceOfHost(host, store.domain());
  return name ? store.Find({.kind = Kind::kService, .ns = name->first, .name = name->second})
              : nullptr;
}

std::string MissingService(const Store& store, const HostName& host) {
  const auto name = ServiceOfHost(host, store.domain());
  return name ? fmt::format("no Service {}/{}", name->first, name->second)
              : fmt::format("no Service for host \"{}\"", host);
}

void SortByPrecedence(std::vector<ObjectPtr>& objects) {
  std::ranges::sort(objects, [](const ObjectPtr& left, const ObjectPtr& right) {
    return std::tie(left->version.creation_timestamp, left->key.name, left->key.ns) <
           std::tie(right->version.creation_timestamp, right->key.name, right->key.ns);
  });
}

bool IncludesMesh(const std::vector<std::string>& gateways) {
  return gateways.empty() || std::ranges::find(gateways, "mesh") != gateways.end();
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : ", ") + word;
  }
  return text;
}

}  // namespace vsplit::resolve
