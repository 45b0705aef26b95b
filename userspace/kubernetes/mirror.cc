// SPDX-License-Identifier: Apache-2.0
#include "mirror.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "item.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"

namespace vsplit::kubernetes {
namespace {

// Kubernetes calls it opaque; of one kind in one server it is a number that grows (etcd's
// revision), as KEP-5504 has it. What is no number is never older.
std::uint64_t NumberOf(const std::string& resource_version) {
  std::uint64_t number = 0;
  const char* const end = resource_version.data() + resource_version.size();
  const auto [rest, error] = std::from_chars(resource_version.data(), end, number);
  return error == std::errc{} && rest == end ? number : UINT64_MAX;
}

}  // namespace

void Mirror::Replace(const Collection& collection, std::vector<Item> items) {
  std::map<ObjectKey, std::uint64_t> before;
  before.swap(held_[collection]);
  std::set<ObjectKey> gone;
  for (const auto& [key, version] : before) {
    gone.insert(key);
  }
  held_[collection] = std::move(before);
  for (Item& item : items) {
    gone.erase(item.key);
    Put(collection, std::move(item));
  }
  for (const ObjectKey& key : gone) {
    Remove(collection, key);
  }
}

void Mirror::Put(const Collection& collection, Item item) {
  const std::uint64_t version = NumberOf(item.server.resource_version);
  bool known = false;  // as it is or newer, from another collection
  for (const auto& [other, keys] : held_) {
    const auto found = keys.find(item.key);
    known = known || (found != keys.end() && found->second >= version && version != UINT64_MAX);
  }
  held_[collection].insert_or_assign(item.key, version);
  if (known) {
    return;
  }
  if (IsRule(item.key.kind)) {
    rules_.insert_or_assign(item.key, item.server);
    heard_.insert(item.key);
  }
  if (!item.object) {
    heard_.insert(item.key);
    refused_.insert_or_assign(item.key, RefusedObject{.server = std::move(item.server),
                                                      .diagnostics = std::move(item.diagnostics)});
    return;
  }
  refused_.erase(item.key);
  pending_.insert_or_assign(std::move(item.key), std::move(item.object));
}

void Mirror::Remove(const Collection& collection, const ObjectKey& key) {
  const auto keys = held_.find(collection);
  if (keys != held_.end() && keys->second.erase(key) > 0) {
    DropUnlessHeld(key);
  }
}

void Mirror::Forget(const Collection& collection) {
  const auto found = held_.find(collection);
  if (found == held_.end()) {
    return;
  }
  const std::map<ObjectKey, std::uint64_t> keys = std::move(found->second);
  held_.erase(found);
  for (const auto& [key, version] : keys) {
    DropUnlessHeld(key);
  }
}

void Mirror::DropUnlessHeld(const ObjectKey& key) {
  if (!Has(key)) {
    refused_.erase(key);
    rules_.erase(key);
    pending_.insert_or_assign(key, std::nullopt);
  }
}

ClusterChange Mirror::Take() {
  ClusterChange change;
  while (!pending_.empty()) {  // there may be many: never all of them twice
    auto node = pending_.extract(pending_.begin());
    if (node.mapped()) {
      change.objects.push_back(*std::move(node.mapped()));
    } else {
      change.gone.push_back(std::move(node.key()));
    }
  }
  change.heard.assign(heard_.begin(), heard_.end());
  heard_.clear();
  return change;
}

std::vector<ObjectKey> Mirror::Rules() const {
  std::vector<ObjectKey> keys;
  for (const auto& [key, rule] : rules_) {
    keys.push_back(key);
  }
  return keys;
}

const ServerObject* Mirror::FindRule(const ObjectKey& key) const {
  const auto found = rules_.find(key);
  return found == rules_.end() ? nullptr : &found->second;
}

bool Mirror::Has(const ObjectKey& key) const {
  return std::ranges::any_of(held_, [&](const auto& entry) { return entry.second.contains(key); });
}

}  // namespace vsplit::kubernetes
