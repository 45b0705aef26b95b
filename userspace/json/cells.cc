// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <cstddef>
#include <string>

#include "vsplit/json.h"

namespace vsplit {

std::string OrNone(std::string text) {
  return text.empty() ? "<none>" : text;
}

void Append(std::string& list, const std::string& text) {
  list += (list.empty() || text.empty() ? "" : ",") + text;
}

std::string Joined(const Json& items, const char* path) {
  std::string list;
  for (const Json& item : items) {
    Append(list, TextAt(item, path));
  }
  return list;
}

std::string Pairs(const Json& map) {
  std::string list;
  for (const auto& [key, value] : map.items()) {
    Append(list, key + "=" + TextAt(value, ""));
  }
  return OrNone(list);
}

std::string SlicePorts(const Json& slice) {
  const std::string ports = Joined(ItemsAt(slice, "/ports"), "/port");
  return ports.empty() ? "<unset>" : ports;
}

std::string SliceEndpoints(const Json& slice) {
  constexpr std::size_t kShown = 3;
  std::string list;
  std::size_t count = 0;
  for (const Json& endpoint : ItemsAt(slice, "/endpoints")) {
    for (const Json& address : ItemsAt(endpoint, "/addresses")) {
      if (++count <= kShown) {
        Append(list, TextAt(address, ""));
      }
    }
  }
  if (count > kShown) {
    list += fmt::format(" + {} more...", count - kShown);
  }
  return list.empty() ? "<unset>" : list;
}

std::string RouteWeights(const Json& virtual_service) {
  std::string text;
  for (const char* list : {"/spec/http", "/spec/tls", "/spec/tcp"}) {
    for (const Json& rule : ItemsAt(virtual_service, list)) {
      std::string weights;
      for (const Json& route : ItemsAt(rule, "/route")) {
        const std::string subset = TextAt(route, "/destination/subset");
        const std::string weight = TextAt(route, "/weight");
        Append(weights, (subset.empty() ? TextAt(route, "/destination/host") : subset) +
                            (weight.empty() ? "" : ":" + weight));
      }
      text += (text.empty() || weights.empty() ? "" : " ") + weights;
    }
  }
  return OrNone(text);
}

}  // namespace vsplit
