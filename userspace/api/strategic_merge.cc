// SPDX-License-Identifier: Apache-2.0
#include "strategic_merge.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

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

constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();
constexpr std::string_view kOrder = "$setElementOrder/";
constexpr std::string_view kDelete = "$deleteFromPrimitiveList/";

bool Deletes(const Json& item) {
  return StringIn(item, "$patch") == "delete";
}

// Where in a list items are, by what tells them apart.
using Places = std::unordered_map<std::string, std::size_t>;

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
  // `places`: of the target's items.
  Result<void> MergeItem(const MergedList& list, const Json& item, Places& places, Json& target);
  std::map<std::string, Places> OrderedLists(const Json& patch, const std::string& path,
                                             const Json& target) const;
  // `before`: of the lists whose order is directed, as they were.
  Result<void> Direct(std::string_view name, const Json& value, const std::string& path,
                      const std::map<std::string, Places>& before, Json& target) const;

  Kind kind_;
};

std::string Below(const std::string& path, const std::string& field) {
  return path.empty() ? field : path + "." + field;
}

tl::unexpected<Error> Broken(std::string_view directive) {
  return Fail("the directive " + std::string(directive) + " is not what it has to be",
              Error::Reason::kInvalid);
}

// What tells the item from others of the list; nothing: it lacks that, and is like no other.
std::optional<std::string> KeyOf(const MergedList& list, const Json& item) {
  const auto key = item.find(std::string(list.key));  // of what is no map: the end
  if (!list.key.empty() && key == item.end()) {
    return std::nullopt;
  }
  const nlohmann::json sorted(list.key.empty() ? item : *key);  // the order of fields is nothing
  return sorted.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Of several items that are alike, the first one's.
Places PlacesOf(const MergedList& list, const Json& items) {
  Places places;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (std::optional<std::string> key = KeyOf(list, items[i])) {
      places.try_emplace(*std::move(key), i);
    }
  }
  return places;
}

std::size_t PlaceOf(const std::optional<std::string>& key, const Places& places) {
  const auto found = key ? places.find(*key) : places.end();
  return found == places.end() ? kNowhere : found->second;
}

// Items that are named come in the order in which they are named, the others in the order in which
// they were `before`: each of them in front of the first named one that was behind it, else at the
// end. So Kubernetes does it (mergeSortedSlice), and what is new comes first.
void Arrange(const MergedList& list, const Places& named, const Places& before, Json& items) {
  struct Item {
    std::size_t named;
    std::size_t before;
    Json value;
  };
  std::vector<Item> by_name;
  std::vector<Item> others;
  for (Json& value : items) {
    const std::optional<std::string> key = KeyOf(list, value);
    Item item{
        .named = PlaceOf(key, named), .before = PlaceOf(key, before), .value = std::move(value)};
    (item.named != kNowhere ? by_name : others).push_back(std::move(item));
  }
  std::ranges::stable_sort(by_name, {}, &Item::named);
  std::ranges::stable_sort(others, {}, &Item::before);
  Json arranged = Json::array();
  auto other = others.begin();
  for (Item& item : by_name) {
    for (; other != others.end() && item.before != kNowhere && other->before < item.before;
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

// Takes out of the list what is like one of those.
void Remove(const MergedList& list, const std::unordered_set<std::string>& keys, Json& items) {
  if (keys.empty()) {
    return;
  }
  Json left = Json::array();
  for (Json& item : items) {
    if (const std::optional<std::string> key = KeyOf(list, item); !key || !keys.contains(*key)) {
      left.push_back(std::move(item));
    }
  }
  items = std::move(left);
}

// The lists of the target whose order the patch directs, by name.
std::map<std::string, Places> Merger::OrderedLists(const Json& patch, const std::string& path,
                                                   const Json& target) const {
  std::map<std::string, Places> lists;
  for (const auto& [name, value] : patch.items()) {
    if (!name.starts_with(kOrder)) {
      continue;
    }
    const std::string field = name.substr(kOrder.size());
    const MergedList* const list = Find(Below(path, field));
    const auto found = target.find(field);
    if (list != nullptr && found != target.end() && found->is_array()) {
      lists.emplace(field, PlacesOf(*list, *found));
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
  const std::map<std::string, Places> before = OrderedLists(patch, path, target);
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
  std::unordered_set<std::string> names;
  for (const Json& field : fields) {
    if (field.is_string()) {
      names.insert(field.get<std::string>());
    }
  }
  Json left = Json::object();
  for (auto& [name, value] : target.items()) {
    if (names.contains(name)) {
      left[name] = std::move(value);
    }
  }
  target = std::move(left);
}

// What a member whose name begins with "$" says about another one.
Result<void> Merger::Direct(std::string_view name, const Json& value, const std::string& path,
                            const std::map<std::string, Places>& before, Json& target) const {
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
  const MergedList* const list = Find(Below(path, field));
  const auto items = target.find(field);
  if (list == nullptr || (!orders && !list->key.empty())) {
    return Broken(name);
  }
  if (items == target.end() || !items->is_array()) {
    return {};
  }
  if (orders) {
    const auto known = before.find(field);
    Arrange(*list, PlacesOf(*list, value), known == before.end() ? Places() : known->second,
            *items);
    return {};
  }
  std::unordered_set<std::string> gone;
  for (const Json& item : value) {
    gone.insert(*KeyOf(*list, item));  // of plain values, which have one
  }
  Remove(*list, gone, *items);
  return {};
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the patch
Result<void> Merger::MergeField(const std::string& name, const Json& value, const std::string& path,
                                Json& target) {
  const std::string below = Below(path, name);
  if (value.is_null()) {
    target.erase(name);
    return {};
  }
  if (value.is_object()) {
    const bool goes = Deletes(value);
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
  const Places before = PlacesOf(list, target);
  std::unordered_set<std::string> gone;
  for (const Json& item : patch) {
    if (std::optional<std::string> key = KeyOf(list, item); key && Deletes(item)) {
      gone.insert(*std::move(key));
    }
  }
  Remove(list, gone, target);
  Places places = PlacesOf(list, target);
  for (const Json& item : patch) {
    if (replaces && StringIn(item, "$patch") == "replace") {
      continue;
    }
    if (Result<void> done = MergeItem(list, item, places, target); !done) {
      return done;
    }
  }
  Arrange(list, PlacesOf(list, patch), before, target);
  return {};
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the patch
Result<void> Merger::MergeItem(const MergedList& list, const Json& item, Places& places,
                               Json& target) {
  const std::optional<std::string> key = KeyOf(list, item);
  if (!key || (!list.key.empty() && *key == "null")) {
    return Fail(std::string(list.path) + ": found an item without " + std::string(list.key),
                Error::Reason::kInvalid);
  }
  if (Deletes(item)) {
    return {};
  }
  const auto [place, fresh] = places.try_emplace(*key, target.size());
  if (list.key.empty()) {
    if (fresh) {
      target.push_back(item);
    }
    return {};
  }
  if (fresh) {
    target.push_back(Json::object());
  }
  return Merge(item, std::string(list.path), target[place->second]);
}

}  // namespace

Result<void> StrategicMerge(Kind kind, const Json& patch, Json& document) {
  if (!patch.is_object()) {
    return Fail("a strategic merge patch is a map", Error::Reason::kInvalid);
  }
  return Merger(kind).Merge(patch, "", document);
}

}  // namespace vsplit
