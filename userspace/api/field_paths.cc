// SPDX-License-Identifier: Apache-2.0
#include "field_paths.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "field_schema.h"
#include "json.h"

namespace vsplit {
namespace {

constexpr const char* kItself = ".";

bool IsServers(const FieldPath& path) {
  static const std::set<std::string, std::less<>> top{"f:apiVersion", "f:kind"};
  static const std::set<std::string, std::less<>> metadata{"f:name",
                                                           "f:namespace",
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

FieldPath Below(const FieldPath& path, std::string step) {
  FieldPath below = path;
  below.push_back(std::move(step));
  return below;
}

bool IsPrefix(const FieldPath& shorter, const FieldPath& longer) {
  return shorter.size() < longer.size() &&
         std::equal(shorter.begin(), shorter.end(), longer.begin());
}

bool HasBelow(const FieldSet& set, const FieldPath& path) {
  const auto next = set.upper_bound(path);
  return next != set.end() && IsPrefix(path, *next);
}

// The children of a value that is not whole, with the steps to them.
template <class AnyJson>
std::vector<std::pair<std::string, AnyJson*>> ChildrenOf(AnyJson& value, const FieldPath& path,
                                                         const FieldSchema& schema) {
  std::vector<std::pair<std::string, AnyJson*>> children;
  if (value.is_object() && (path.empty() || !schema.IsAtomic(path))) {
    for (auto& [name, child] : value.items()) {
      children.emplace_back(std::string(kFieldStep) + name, &child);
    }
  } else if (schema.IsKeyed(path, value)) {
    for (auto& item : value) {
      children.emplace_back(schema.StepTo(path, item), &item);
    }
  }
  return children;
}

// Whether it is taken apart, even if there is nothing in it.
bool IsKeyedList(const Json& value, const FieldPath& path, const FieldSchema& schema) {
  return value.is_array() && schema.IsKeyed(path, value);
}

}  // namespace

std::vector<Field> FieldsOf(const Json& document, const FieldSchema& schema) {
  static const FieldPath metadata{"f:metadata"};
  std::vector<Field> fields;
  std::vector<Field> open{{.path = {}, .value = &document, .whole = false, .member = false}};
  while (!open.empty()) {
    Field at = std::move(open.back());
    open.pop_back();
    if (IsServers(at.path)) {
      continue;
    }
    auto children = ChildrenOf(*at.value, at.path, schema);
    at.whole = children.empty() && !IsKeyedList(*at.value, at.path, schema);
    at.member = at.whole || !schema.IsDeclared(at.path);
    for (auto child = children.rbegin(); child != children.rend(); ++child) {
      open.push_back({.path = Below(at.path, std::move(child->first)),
                      .value = child->second,
                      .whole = false,
                      .member = false});
    }
    if (!at.path.empty() && at.path != metadata) {
      fields.push_back(std::move(at));
    }
  }
  return fields;
}

FieldSet MembersOf(const Json& document, const FieldSchema& schema) {
  FieldSet set;
  for (Field& field : FieldsOf(document, schema)) {
    if (field.member) {
      set.insert(std::move(field.path));
    }
  }
  return set;
}

const Json* ValueAt(const Json& document, const FieldPath& path, const FieldSchema& schema) {
  const Json* at = &document;
  FieldPath way;
  for (const std::string& step : path) {
    const auto children = ChildrenOf(*at, way, schema);
    const auto found = std::ranges::find(
        children, step, [](const auto& child) { return std::string_view(child.first); });
    if (found == children.end()) {
      return nullptr;
    }
    at = found->second;
    way.push_back(step);
  }
  return at;
}

bool IsSame(const Json& left, const Json& right) {
  return left == right || nlohmann::json(left) == nlohmann::json(right);
}

FieldChanges Compare(const Json& before, const Json& after, const FieldSchema& schema) {
  std::map<FieldPath, Field> old;
  for (Field& field : FieldsOf(before, schema)) {
    FieldPath path = field.path;
    old.emplace(std::move(path), std::move(field));
  }
  const auto is_everywhere = [&](const Field& field) {
    return field.value->is_object() && schema.IsAlwaysThere(field.path);
  };
  FieldChanges changes;
  for (Field& field : FieldsOf(after, schema)) {
    const auto found = old.find(field.path);
    if (found == old.end()) {
      if (!is_everywhere(field)) {
        changes.added.insert(std::move(field.path));
      }
      continue;
    }
    const Field& was = found->second;
    const bool maps = was.value->is_object() && field.value->is_object() &&
                      (was.value->empty() || field.value->empty());
    if ((was.whole || field.whole) && !maps && !IsSame(*was.value, *field.value)) {
      changes.modified.insert(field.path);
    }
    old.erase(found);
  }
  for (auto& [path, field] : old) {
    if (!is_everywhere(field)) {
      changes.removed.insert(path);
    }
  }
  return changes;
}

namespace {

class Merger {
 public:
  explicit Merger(const FieldSchema& schema) : schema_(schema) {}

  void Merge(const Json& applied, const FieldPath& path, Json& target);

 private:
  using Items = std::vector<std::pair<std::string, const Json*>>;

  void MergeItems(const Json& applied, const FieldPath& path, Json& target);
  Json MergedItem(const std::string& step, const Items& live, const Items& applied,
                  const FieldPath& path);

  const FieldSchema& schema_;
};

// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the document
void Merger::Merge(const Json& applied, const FieldPath& path, Json& target) {
  const bool atomic = !path.empty() && schema_.IsAtomic(path);
  if (applied.is_object() && target.is_object() && !atomic) {
    for (const auto& [name, value] : applied.items()) {
      const FieldPath below = Below(path, std::string(kFieldStep) + name);
      const auto found = target.find(name);
      if (found == target.end()) {
        target[name] = value;
      } else if (!IsServers(below)) {
        Merge(value, below, *found);
      }
    }
  } else if (schema_.IsKeyed(path, applied) && schema_.IsKeyed(path, target)) {
    MergeItems(applied, path, target);
  } else if (!IsSame(applied, target)) {
    target = applied;
  }
}

const Json* Find(const std::vector<std::pair<std::string, const Json*>>& items,
                 const std::string& step) {
  const auto found =
      std::ranges::find_if(items, [&](const auto& item) { return item.first == step; });
  return found == items.end() ? nullptr : found->second;
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the document
Json Merger::MergedItem(const std::string& step, const Items& live, const Items& applied,
                        const FieldPath& path) {
  const Json* const present = Find(live, step);
  const Json* const wanted = Find(applied, step);
  if (present == nullptr || wanted == nullptr) {
    return present == nullptr ? *wanted : *present;
  }
  Json item = *present;
  Merge(*wanted, Below(path, step), item);
  return item;
}

// In the order of structured-merge-diff: items of both come in the order in which they are applied,
// others of the live list keep their place before the item that they were in front of.
// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the document
void Merger::MergeItems(const Json& applied, const FieldPath& path, Json& target) {
  const Items live = ChildrenOf(std::as_const(target), path, schema_);
  const Items wanted = ChildrenOf(applied, path, schema_);
  std::vector<std::string> shared;  // in the order in which they are applied
  for (const auto& [step, item] : wanted) {
    if (Find(live, step) != nullptr) {
      shared.push_back(step);
    }
  }
  Json merged = Json::array();
  std::set<std::string> done;
  std::size_t next_shared = 0;
  auto at = live.begin();
  auto next = wanted.begin();
  const auto take = [&](const std::string& step) {
    merged.push_back(MergedItem(step, live, wanted, path));
    done.insert(step);
  };
  const auto is_shared = [&](const std::string& step) {
    return next_shared < shared.size() && shared[next_shared] == step;
  };
  while (at != live.end() || next != wanted.end()) {
    const bool alone = at != live.end() && Find(wanted, at->first) == nullptr;
    const bool both = at != live.end() && next != wanted.end() && !alone;
    if (both && at->first != next->first && next_shared < shared.size() && !is_shared(at->first)) {
      ++at;  // its place is where it is applied
      continue;
    }
    if (alone) {
      take((at++)->first);
      continue;
    }
    if (at != live.end() && (done.contains(at->first) || (both && at->first == next->first))) {
      ++at;
    }
    if (next != wanted.end()) {
      next_shared += is_shared(next->first) ? 1 : 0;
      take((next++)->first);
    }
  }
  target = std::move(merged);
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the document
void Remove(Json& value, const FieldPath& path, const FieldSet& gone, const FieldSchema& schema) {
  std::vector<std::string> fields;  // that go
  Json left = Json::array();        // items that stay
  bool changed = false;
  for (auto& [step, child] : ChildrenOf(value, path, schema)) {
    const FieldPath below = Below(path, step);
    bool goes = gone.contains(below);
    if (!goes && HasBelow(gone, below)) {
      Remove(*child, below, gone, schema);
      changed = true;
    }
    changed = changed || goes;
    if (value.is_array() && !goes) {
      left.push_back(*child);
    } else if (goes) {
      fields.push_back(step.substr(kFieldStep.size()));
    }
  }
  if (value.is_array()) {
    if (changed) {
      value = std::move(left);
    }
    return;
  }
  for (const std::string& name : fields) {
    value.erase(name);
  }
}

}  // namespace

Json Merged(const Json& live, const Json& applied, const FieldSchema& schema) {
  Json merged = live;
  Merger(schema).Merge(applied, {}, merged);
  return merged;
}

Json Without(const Json& document, const FieldSet& gone, const FieldSchema& schema) {
  Json left = document;
  Remove(left, {}, gone, schema);
  return left;
}

FieldSet WithFieldsAbove(const FieldSet& set, const FieldSchema& schema) {
  FieldSet all = set;
  for (FieldPath path : set) {
    while (path.size() > 1) {
      path.pop_back();
      if (schema.IsDeclared(path)) {
        all.insert(path);
      }
    }
  }
  return all;
}

std::string ToString(const FieldPath& path) {
  std::string text;
  for (const std::string& step : path) {
    const std::string rest = step.substr(kFieldStep.size());
    if (step.starts_with(kFieldStep)) {
      text += "." + rest;
    } else if (step.starts_with(kValueStep)) {
      text += "[=" + rest + "]";
    } else {
      const Json key = Json::parse(rest, nullptr, false);
      std::string names;
      for (const auto& [name, value] : key.items()) {
        names += (names.empty() ? "" : ",") + name + "=" + DumpValue(value);
      }
      text += "[" + names + "]";
    }
  }
  return text;
}

Json ToFieldsV1(const FieldSet& set) {
  nlohmann::json fields = nlohmann::json::object();  // which finds a name among many fast
  for (auto path = set.begin(); path != set.end(); ++path) {
    nlohmann::json* at = &fields;
    for (const std::string& step : *path) {
      at = &(*at)[step];
      if (at->is_null()) {
        *at = nlohmann::json::object();
      }
    }
    const auto next = std::next(path);
    if (next != set.end() && IsPrefix(*path, *next)) {
      (*at)[kItself] = nlohmann::json::object();
    }
  }
  return Json(fields);
}

FieldSet FromFieldsV1(const Json& fields) {
  FieldSet set;
  std::vector<std::pair<FieldPath, const Json*>> open{{FieldPath(), &fields}};
  while (!open.empty()) {
    const auto [path, value] = std::move(open.back());
    open.pop_back();
    bool member = !value->is_object() || value->empty();
    if (value->is_object()) {
      for (const auto& [step, below] : value->items()) {
        member = member || step == kItself;
        if (step.starts_with(kFieldStep) || step.starts_with(kValueStep) ||
            step.starts_with(kKeyStep)) {
          open.emplace_back(Below(path, step), &below);
        }
      }
    }
    if (member && !path.empty()) {
      set.insert(path);
    }
  }
  return set;
}

}  // namespace vsplit
