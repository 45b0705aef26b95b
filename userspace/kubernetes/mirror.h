// SPDX-License-Identifier: Apache-2.0
// Which objects the server has, by collection, and what has changed since somebody asked. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "item.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"

namespace vsplit::kubernetes {

class Mirror {
 public:
  // All that there is in the collection: what it had and is not among them is gone.
  void Replace(const Collection& collection, std::vector<Item> items);
  void Put(const Collection& collection, Item item);
  void Remove(const Collection& collection, const ObjectKey& key);
  // The collection is followed no longer.
  void Forget(const Collection& collection);

  ClusterChange Take();
  bool Has(const ObjectKey& key) const;
  bool changed() const { return !pending_.empty() || !heard_.empty(); }
  std::vector<ObjectKey> Rules() const;
  const ServerObject* FindRule(const ObjectKey& key) const;  // null: there is none
  const std::map<ObjectKey, RefusedObject>& refused() const { return refused_; }

 private:
  void DropUnlessHeld(const ObjectKey& key);

  // By collection, with the resourceVersion: two collections that have the same object in them hear
  // of a change one after the other.
  std::map<Collection, std::map<ObjectKey, std::uint64_t>> held_;
  std::map<ObjectKey, std::optional<Object>> pending_;  // nothing: it is gone
  std::map<ObjectKey, RefusedObject> refused_;
  std::map<ObjectKey, ServerObject> rules_;  // refused ones, too
  std::set<ObjectKey> heard_;
};

}  // namespace vsplit::kubernetes
