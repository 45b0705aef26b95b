// SPDX-License-Identifier: Apache-2.0
#include "strategic_merge.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "field_paths.h"
#include "json.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

// A list whose items are merged, and the field that tells them apart; "": the items are plain
// values.
struct MergedList {
  std::optional<Kind> kind;  // none: of all kinds
  std::string_view path;
  std::string_view key;
};

// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr auto kMergedLists = std::to_array<MergedList>({
    {std::nullopt, "metadata.finalizers", ""},
    {std::nullopt, "metadata.ownerReferences", "uid"},
    {std::nullopt, "status.conditions", "type"},
    {Kind::kService, "spec.ports", "port"},
    {Kind::kNode, "spec.podCIDRs", ""},
    {Kind::kNode, "status.addresses", "type"},
    {Kind::kPod, "spec.volumes", "name"},
    {Kind::kPod, "spec.containers", "name"},
    {Kind::kPod, "spec.containers.ports", "containerPort"},
    {Kind::kPod, "spec.containers.env", "name"},
    {Kind::kPod, "spec.containers.volumeMounts", "mountPath"},
    {Kind::kPod, "spec.initContainers", "name"},
    {Kind::kPod, "spec.initContainers.ports", "containerPort"},
    {Kind::kPod, "spec.initContainers.env", "name"},
    {Kind::kPod, "spec.initContainers.volumeMounts", "mountPath"},
    {Kind::kPod, "spec.imagePullSecrets", "name"},
    {Kind::kPod, "spec.hostAliases", "ip"},
    {Kind::kPod, "spec.topologySpreadConstraints", "topologyKey"},
    {Kind::kPod, "status.podIPs", "ip"},
    {Kind::kPod, "status.hostIPs", "ip"},
});
// NOLINTEND(modernize-use-designated-initializers)

constexpr std::size_t kItems = 1000;  // of a list that is merged
constexpr std::string_view kOrder = "$setElementOrder/";
constexpr std::string_view kDelete = "$deleteFromPrimitiveList/";

class Merger {
 public:
  explicit Merger(Kind kind) : kind_(kind) {}

  // Of a map into a value, which becomes one.
  Result<void> Merge(const Json& patch, const std::string& path, Json& target);

 private:
  const MergedList* Find(const std::string& path) const {
    const auto* const found = std::ranges::find_if(kMergedLists, [&](const MergedList& list) {
      return list.path == path && list.kind.value_or(kind_) == kind_;
    });
    return found == kMergedLists.end() ? nullptr : &*found;
  }

  Result<void> MergeField(const std::string& name, const Json& value, const std::string& path,
                          Json& target);
  Result<void> MergeList(const MergedList& list, const Json& patch, Json& target);
  Result<void> MergeItem(const MergedList& list, const Json& item, Json& target);
  // `before`: the lists whose order is directed, as they were.
  Result<void> Direct(std::string_view name, const Json& value, const std::string& path,
                      const Json& before, Json& target) const;

  Kind kind_;
};

tl::unexpected<Error> Broken(std::string_view directive) {
  return Fail("the directive " + std::string(directive) + " is not what it has to be",
              Error::Reason::kInvalid);
}

tl::unexpected<Error> TooMany(const MergedList& list) {
  return Fail(std::string(list.path) + ": found more than " + std::to_string(kItems) + " items",
              Error::Reason::kInvalid);
}

bool IsItem(const MergedList& list, const Json& left, const Json& right) {
  if (list.key.empty()) {
    return IsSame(left, right);
  }
  const std::string key(list.key);
  return left.is_object() && right.is_object() && left.contains(key) && right.contains(key) &&
         IsSame(left[key], right[key]);
}

// Where an item like this is among the items; their number: nowhere.
std::size_t PlaceOf(const MergedList& list, const Json& item, const Json& items) {
  const auto found = std::find_if(items.begin(), items.end(),
                                  [&](const Json& other) { return IsItem(list, other, item); });
  return static_cast<std::size_t>(found - items.begin());
}

// Items that are named come in the order in which they are named, the others in the order in which
// they were `before`: each of them in front of the first named one that was behind it, else at the
// end. So Kubernetes does it (mergeSortedSlice), and what is new comes first.
void Arrange(const MergedList& list, const Json& named, const Json& before, Json& items) {
  struct Item {
    std::size_t named;
    std::size_t before;
    Json value;
  };
  std::vector<Item> by_name;
  std::vector<Item> others;
  for (Json& value : items) {
    Item item{.named = PlaceOf(list, value, named),
              .before = PlaceOf(list, value, before),
              .value = std::move(value)};
    (item.named < named.size() ? by_name : others).push_back(std::move(item));
  }
  std::ranges::stable_sort(by_name, {}, &Item::named);
  std::ranges::stable_sort(others, {}, &Item::before);
  Json arranged = Json::array();
  auto other = others.begin();
  for (Item& item : by_name) {
    for (; other != others.end() && item.before < before.size() && other->before < item.before;
         ++other) {
      arranged.push_back(std::move(other->value));
    }
    arranged.push_back(std::move(item.value));
  }
  for (; other != others.end(); ++other) {
    arranged.push_back(std::move(other->value));
  }
  items = std::move(arranged);
}

// The lists of the target whose order the patch directs, by name.
Json OrderedLists(const Json& patch, const Json& target) {
  Json lists = Json::object();
  for (const auto& [name, value] : patch.items()) {
    const auto found =
        name.starts_with(kOrder) ? target.find(name.substr(kOrder.size())) : target.end();
    if (found != target.end() && found->is_array()) {
      lists[found.key()] = *found;
    }
  }
  return lists;
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the patch
Result<void> Merger::Merge(const Json& patch, const std::string& path, Json& target) {
  const std::string directive = StringIn(patch, "$patch");
  if (!directive.empty() && directive != "merge" && directive != "replace" &&
      directive != "delete") {
    return Broken("$patch");
  }
  if (!target.is_object() || directive == "replace" || directive == "delete") {
    target = Json::object();
  }
  if (directive == "delete") {
    return {};
  }
  const Json before = OrderedLists(patch, target);
  for (const auto& [name, value] : patch.items()) {
    if (name == "$patch" || name.starts_with(kOrder)) {
      continue;
    }
    Result<void> done = name.starts_with('$') ? Direct(name, value, path, before, target)
                                              : MergeField(name, value, path, target);
    if (!done) {
      return done;
    }
  }
  for (const auto& [name, value] : patch.items()) {  // when all items are there
    if (!name.starts_with(kOrder)) {
      continue;
    }
    if (Result<void> done = Direct(name, value, path, before, target); !done) {
      return done;
    }
  }
  return {};
}

// Leaves nothing in `target` but the fields that are listed.
void Retain(const Json& fields, Json& target) {
  std::vector<std::string> gone;
  for (const auto& [key, ignored] : target.items()) {
    if (std::find(fields.begin(), fields.end(), key) == fields.end()) {
      gone.push_back(key);
    }
  }
  for (const std::string& key : gone) {
    target.erase(key);
  }
}

// What a member whose name begins with "$" says about another one.
Result<void> Merger::Direct(std::string_view name, const Json& value, const std::string& path,
                            const Json& before, Json& target) const {
  if (!value.is_array()) {
    return Broken(name);
  }
  if (name == "$retainKeys") {
    Retain(value, target);
    return {};
  }
  const bool orders = name.starts_with(kOrder);
  if (!orders && !name.starts_with(kDelete)) {
    return Broken(name);
  }
  const std::string field(name.substr(orders ? kOrder.size() : kDelete.size()));
  const MergedList* const list = Find(path.empty() ? field : path + "." + field);
  const auto items = target.find(field);
  if (list == nullptr || (!orders && !list->key.empty())) {
    return Broken(name);
  }
  if (items == target.end() || !items->is_array()) {
    return {};
  }
  if (orders) {
    if (std::max(value.size(), items->size()) > kItems) {  // each is compared with each
      return TooMany(*list);
    }
    Arrange(*list, value, before.value(field, Json::array()), *items);
    return {};
  }
  Json left = Json::array();
  for (const Json& item : *items) {
    if (std::find(value.begin(), value.end(), item) == value.end()) {
      left.push_back(item);
    }
  }
  *items = std::move(left);
  return {};
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the patch
Result<void> Merger::MergeField(const std::string& name, const Json& value, const std::string& path,
                                Json& target) {
  const std::string below = path.empty() ? name : path + "." + name;
  if (value.is_null()) {
    target.erase(name);
    return {};
  }
  if (value.is_object()) {
    const bool goes = StringIn(value, "$patch") == "delete";
    Result<void> done = Merge(value, below, target[name]);
    if (goes) {
      target.erase(name);
    }
    return done;
  }
  const MergedList* const list = value.is_array() ? Find(below) : nullptr;
  if (list == nullptr) {
    target[name] = value;
    return {};
  }
  return MergeList(*list, value, target[name]);
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the patch
Result<void> Merger::MergeList(const MergedList& list, const Json& patch, Json& target) {
  const bool replaces = std::any_of(patch.begin(), patch.end(), [](const Json& item) {
    return StringIn(item, "$patch") == "replace";
  });
  if (!target.is_array() || replaces) {
    target = Json::array();
  }
  if (std::max(patch.size(), target.size()) > kItems) {  // each is compared with each
    return TooMany(list);
  }
  const Json before = target;
  for (const Json& item : patch) {
    if (replaces && StringIn(item, "$patch") == "replace") {
      continue;
    }
    if (Result<void> done = MergeItem(list, item, target); !done) {
      return done;
    }
  }
  Arrange(list, patch, before, target);
  return {};
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the patch
Result<void> Merger::MergeItem(const MergedList& list, const Json& item, Json& target) {
  if (!list.key.empty() &&
      (!item.is_object() || item.value(std::string(list.key), Json()).is_null())) {
    return Fail(std::string(list.path) + ": found an item without " + std::string(list.key),
                Error::Reason::kInvalid);
  }
  const auto found = std::find_if(target.begin(), target.end(),
                                  [&](const Json& present) { return IsItem(list, present, item); });
  if (StringIn(item, "$patch") == "delete") {
    if (found != target.end()) {
      target.erase(found);
    }
    return {};
  }
  if (list.key.empty()) {
    if (found == target.end()) {
      target.push_back(item);
    }
    return {};
  }
  if (found == target.end()) {
    target.push_back(Json::object());
    return Merge(item, std::string(list.path), target.back());
  }
  return Merge(item, std::string(list.path), *found);
}

}  // namespace

Result<void> StrategicMerge(Kind kind, const Json& patch, Json& document) {
  if (!patch.is_object()) {
    return Fail("a strategic merge patch is a map", Error::Reason::kInvalid);
  }
  return Merger(kind).Merge(patch, "", document);
}

}  // namespace vsplit
