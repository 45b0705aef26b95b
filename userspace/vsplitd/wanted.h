// SPDX-License-Identifier: Apache-2.0
// Which Pods of a cluster matter: those of this node, since they connect, and those whose labels
// some rule asks about. Of all others the EndpointSlices say enough.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"

namespace vsplit {

// The namespaces whose Pods' labels the object asks about; "" means all of them. Pure.
std::set<std::string> PodNamespacesOf(const Object& object, std::string_view domain);

// The collections to be followed, as rules come and go.
class WantedCollections {
 public:
  WantedCollections(std::string node, std::string domain)
      : node_(std::move(node)), domain_(std::move(domain)) {}

  void Put(const Object& object);
  void Remove(const ObjectKey& key);

  std::set<Collection> collections() const;

 private:
  std::string node_;
  std::string domain_;
  std::map<ObjectKey, std::set<std::string>> namespaces_;  // by the object that asks
  std::map<std::string, std::size_t> askers_;              // how many objects ask for a namespace
};

}  // namespace vsplit
