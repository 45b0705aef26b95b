// SPDX-License-Identifier: Apache-2.0
// What a path of the Kubernetes API means: one kind of objects.h, in one of its versions, in one
// namespace or all, and maybe one object of it.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "call.h"
#include "failure.h"
#include "json.h"
#include "render.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit {

struct Place {
  const KindInfo* info = nullptr;
  std::string version;
  std::string ns;           // empty: all namespaces, or a kind without them
  std::string name;         // empty: the collection
  std::string subresource;  // "status", or empty: the object itself

  ObjectKey key() const { return {.kind = info->kind, .ns = ns, .name = name}; }
  bool is_status() const { return !subresource.empty(); }
  // As a collection.
  bool Covers(const ObjectKey& object) const {
    return object.kind == info->kind && (ns.empty() || object.ns == ns);
  }
  std::string api_version() const { return ApiVersion(*info, version); }
};

// Of this namespace; of all if it is empty.
std::vector<ObjectPtr> ObjectsIn(const Store& store, Kind kind, const std::string& ns);

// 404 for a path that means nothing.
Outcome<Place> FindPlace(const std::vector<std::string>& path);

// Whether the kind has the subresource "status".
bool HasStatus(Kind kind);

// The failure, about this object and in the words of Kubernetes where it has some.
tl::unexpected<Failure> About(const ObjectKey& key, Failure failure);

// Of a kind whose status is the agent's and other controllers' alone. The others' is part of what a
// user writes: where there is no kubelet nobody else would.
bool HasOwnStatus(Kind kind);

// 409 for this reason.
tl::unexpected<Failure> Stale(const ObjectKey& key, const std::string& why);

// The object as clients see it at this place, and as an answer.
Json ShownDocument(const Backend& backend, const Place& place, const Object& object);
Response Show(const Call& call, unsigned status, const Object& object, const Place& place);
// The same of what a dry run would make of the live object, null: of nothing. No version is given
// out for it, and nothing is in force of it: version and status are those of the live object.
Response ShowForecast(const Call& call, unsigned status, Object object, const Place& place,
                      const Object* live);

}  // namespace vsplit
