// SPDX-License-Identifier: Apache-2.0
// What a path of the Kubernetes API means: one kind of objects.h, in one of its versions, in one
// namespace or all, and maybe one object of it.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "call.h"
#include "failure.h"
#include "render.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"

namespace vsplit {

struct Place {
  const KindInfo* info = nullptr;
  std::string version;
  std::string ns;    // empty: all namespaces, or a kind without them
  std::string name;  // empty: the collection

  ObjectKey key() const { return {.kind = info->kind, .ns = ns, .name = name}; }
  std::string api_version() const { return ApiVersion(*info, version); }
};

// 404 for a path that means nothing.
Outcome<Place> FindPlace(const std::vector<std::string>& path);

// The failure, about this object and in the words of Kubernetes where it has some.
tl::unexpected<Failure> About(const ObjectKey& key, Failure failure);

// The object as it is seen at this place.
Response Show(const Call& call, unsigned status, const Object& object, const Place& place);

}  // namespace vsplit
