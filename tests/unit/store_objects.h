// SPDX-License-Identifier: Apache-2.0
// Objects made by hand, and short ways to write them into a store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

constexpr std::string_view kNow = "2024-10-10T07:03:57Z";

inline Object Make(const std::string& ns, const std::string& name, Spec spec,
                   std::string json = "") {
  const Kind kind = Kinds()[spec.index()].kind;
  return {.key = {.kind = kind, .ns = ns, .name = name},
          .spec = std::move(spec),
          .json = std::move(json)};
}

inline Object MakeService(const std::string& ns, const std::string& name, std::uint16_t port = 80) {
  return Make(ns, name, Service{.ports = {{.name = "http", .port = port}}});
}

inline Object MakeRoute(const std::string& name, const std::vector<std::string>& hosts) {
  return Make("default", name, VirtualService{.hosts = hosts});
}

inline WriteContext Context(std::size_t writes = 8, std::string_view now = kNow) {
  WriteContext context{.now = std::string(now), .uids = {}};
  for (std::size_t i = 0; i < writes; ++i) {
    context.uids.push_back("uid-" + std::to_string(i));
  }
  return context;
}

inline Result<std::vector<Change>> Stage(Store& store, Write::Mode mode, Object object) {
  return store.Stage({{.mode = mode, .object = std::move(object)}}, Context());
}

inline Change Apply(Store& store, Object object) {
  Result<std::vector<Change>> changes = Stage(store, Write::Mode::kApply, std::move(object));
  store.Keep();
  return changes.value().at(0);
}

inline std::vector<std::string> Names(const std::vector<ObjectPtr>& objects) {
  std::vector<std::string> names;
  names.reserve(objects.size());
  for (const ObjectPtr& object : objects) {
    names.push_back(object->key.name);
  }
  return names;
}

}  // namespace vsplit
