// SPDX-License-Identifier: Apache-2.0
// Which fields of a kind are managed one by one: the fields of maps, and the items of those lists
// of which Kubernetes says by what their items are told apart. All else is one value. Source: the
// x-kubernetes-list-type, -list-map-keys and -map-type of the API server's OpenAPI and of Istio's
// CustomResourceDefinitions.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "json.h"
#include "vsplit/objects.h"

namespace vsplit {

// From the top: "f:NAME" a field, "v:JSON" an item of a set, "k:{"uid":"..."}" an item by its keys.
inline constexpr std::string_view kFieldStep = "f:", kValueStep = "v:", kKeyStep = "k:";
using FieldPath = std::vector<std::string>;
using FieldSet = std::set<FieldPath>;

class FieldSchema {
 public:
  explicit FieldSchema(Kind kind);

  // The step from the list at this path to its item; empty: the list is one value, or the item has
  // not what tells it apart.
  std::string StepTo(const FieldPath& list, const Json& item) const;
  // Whether it is a list whose items are told apart, each from each.
  bool IsKeyed(const FieldPath& path, const Json& list) const;
  // Whether the map there, or the item of a list, is one value.
  bool IsAtomic(const FieldPath& path) const;
  // Whether what lies there has a name of its own in the kind's definition, other than the entries
  // of maps with free keys.
  bool IsDeclared(const FieldPath& path) const;
  // Whether the API server sees this field in every object, be it empty.
  bool IsAlwaysThere(const FieldPath& path) const;

 private:
  Kind kind_;
};

}  // namespace vsplit
