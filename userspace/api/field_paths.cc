// SPDX-License-Identifier: Apache-2.0
#include "field_paths.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json.h"

namespace vsplit {
namespace {

constexpr std::string_view kField = "f:";
constexpr std::string_view kValue = "v:";
constexpr std::string_view kKey = "k:";

const FieldPath& Finalizers() {
  static const FieldPath path{"f:metadata", "f:finalizers"};
  return path;
}

const FieldPath& Owners() {
  static const FieldPath path{"f:metadata", "f:ownerReferences"};
  return path;
}

bool IsServers(const FieldPath& path) {
  static const std::set<std::string, std::less<>> top{"f:apiVersion", "f:kind"};
  static const std::set<std::string, std::less<>> metadata{"f:name",
                                                           "f:namespace",
                                                           "f:generateName",
                                                           "f:uid",
                                                           "f:resourceVersion",
                                                           "f:generation",
                                                           "f:creationTimestamp",
                                                           "f:deletionTimestamp",
                                                           "f:deletionGracePeriodSeconds",
                                                           "f:managedFields",
                                                           "f:selfLink"};
  return (path.size() == 1 && top.contains(path[0])) ||
         (path.size() == 2 && path[0] == "f:metadata" && metadata.contains(path[1]));
}

std::string Dumped(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The step from the list at this path to an item; empty: the list is one value.
std::string StepTo(const FieldPath& list, const Json& item) {
  if (list == Finalizers() && item.is_string()) {
    return std::string(kValue) + Dumped(item);
  }
  const bool named = list == Owners() && item.is_object() && item.contains("uid");
  return named ? std::string(kKey) + Dumped(Json{{"uid", item["uid"]}}) : std::string();
}

bool IsKeyed(const FieldPath& path, const Json& list) {
  return list.is_array() && !list.empty() && (path == Finalizers() || path == Owners()) &&
         std::ranges::none_of(list, [&](const Json& item) { return StepTo(path, item).empty(); });
}

// The item of a list, or field of a map, that a step leads to; null: there is none.
template <class AnyJson>
AnyJson* Child(AnyJson& parent, const FieldPath& path, std::size_t depth) {
  const std::string& step = path[depth];
  if (step.starts_with(kField)) {
    if (!parent.is_object()) {
      return nullptr;
    }
    const auto found = parent.find(step.substr(kField.size()));
    return found == parent.end() ? nullptr : &*found;
  }
  if (!parent.is_array()) {
    return nullptr;
  }
  const FieldPath list(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(depth));
  const auto found = std::find_if(parent.begin(), parent.end(),
                                  [&](const Json& item) { return StepTo(list, item) == step; });
  return found == parent.end() ? nullptr : &*found;
}

void Erase(Json& parent, const FieldPath& path, std::size_t depth) {
  Json* const child = Child(parent, path, depth);
  if (child == nullptr) {
    return;
  }
  if (parent.is_object()) {
    parent.erase(path[depth].substr(kField.size()));
  } else {
    parent.erase(static_cast<std::size_t>(child - &parent.front()));
  }
}

bool IsPrefix(const FieldPath& shorter, const FieldPath& longer) {
  return shorter.size() <= longer.size() &&
         std::equal(shorter.begin(), shorter.end(), longer.begin());
}

}  // namespace

std::vector<Leaf> LeavesOf(const Json& document) {
  std::vector<Leaf> leaves;
  std::vector<Leaf> open{{.path = {}, .value = &document}};
  while (!open.empty()) {
    const Leaf at = std::move(open.back());
    open.pop_back();
    if (IsServers(at.path)) {
      continue;
    }
    std::vector<Leaf> children;
    if (at.value->is_object()) {
      for (const auto& [name, value] : at.value->items()) {
        children.push_back({.path = at.path, .value = &value});
        children.back().path.push_back(std::string(kField) + name);
      }
    } else if (IsKeyed(at.path, *at.value)) {
      for (const Json& item : *at.value) {
        // An owner is one value.
        leaves.push_back({.path = at.path, .value = &item});
        leaves.back().path.push_back(StepTo(at.path, item));
      }
      continue;
    }
    if (children.empty() && !at.path.empty()) {
      leaves.push_back(at);
    }
    std::move(children.rbegin(), children.rend(), std::back_inserter(open));
  }
  return leaves;
}

const Json* ValueAt(const Json& document, const FieldPath& path) {
  const Json* at = &document;
  for (std::size_t depth = 0; depth < path.size() && at != nullptr; ++depth) {
    at = Child(*at, path, depth);
  }
  return at;
}

void SetAt(Json& document, const FieldPath& path, const Json& value) {
  Json* at = &document;
  for (std::size_t depth = 0; depth < path.size(); ++depth) {
    const bool field = path[depth].starts_with(kField);
    if (field ? !at->is_object() : !at->is_array()) {
      *at = field ? Json::object() : Json::array();
    }
    Json* child = Child(*at, path, depth);
    if (child == nullptr && field) {
      child = &(*at)[path[depth].substr(kField.size())];
    } else if (child == nullptr) {
      at->push_back(value);
      child = &at->back();
    }
    at = child;
  }
  *at = value;
}

void RemoveAt(Json& document, const FieldPath& path, const FieldSet& kept) {
  std::vector<Json*> way{&document};
  while (way.size() < path.size()) {
    Json* const next = Child(*way.back(), path, way.size() - 1);
    if (next == nullptr) {
      return;
    }
    way.push_back(next);
  }
  FieldPath at = path;
  while (!way.empty()) {
    Erase(*way.back(), at, way.size() - 1);
    at.pop_back();
    if (!way.back()->empty() || kept.contains(at)) {
      return;
    }
    way.pop_back();
  }
}

bool IsSame(const Json& left, const Json& right) {
  return left == right || nlohmann::json(left) == nlohmann::json(right);
}

std::vector<FieldPath> Below(const FieldSet& set, const FieldPath& path) {
  std::vector<FieldPath> below;
  for (auto at = set.lower_bound(path); at != set.end() && IsPrefix(path, *at); ++at) {
    below.push_back(*at);
  }
  return below;
}

std::string ToString(const FieldPath& path) {
  std::string text;
  for (const std::string& step : path) {
    const std::string rest = step.substr(kField.size());
    if (step.starts_with(kField)) {
      text += "." + rest;
    } else if (step.starts_with(kValue)) {
      text += "[=" + rest + "]";
    } else {
      const Json key = Json::parse(rest, nullptr, false);
      std::string names;
      for (const auto& [name, value] : key.items()) {
        names += (names.empty() ? "" : ",") + name + "=" + Dumped(value);
      }
      text += "[" + names + "]";
    }
  }
  return text;
}

Json ToFieldsV1(const FieldSet& set) {
  nlohmann::json fields = nlohmann::json::object();  // which finds a name among many fast
  for (const FieldPath& path : set) {
    nlohmann::json* at = &fields;
    for (const std::string& step : path) {
      at = &(*at)[step];
      if (at->is_null()) {
        *at = nlohmann::json::object();
      }
    }
  }
  return Json(fields);
}

FieldSet FromFieldsV1(const Json& fields) {
  FieldSet set;
  std::vector<Leaf> open{{.path = {}, .value = &fields}};
  while (!open.empty()) {
    const Leaf at = std::move(open.back());
    open.pop_back();
    bool has_fields = false;
    if (at.value->is_object()) {
      for (const auto& [step, below] : at.value->items()) {
        if (step.starts_with(kField) || step.starts_with(kValue) || step.starts_with(kKey)) {
          has_fields = true;
          open.push_back({.path = at.path, .value = &below});
          open.back().path.push_back(step);
        }
      }
    }
    if (!has_fields && !at.path.empty()) {
      set.insert(at.path);
    }
  }
  return set;
}

}  // namespace vsplit
