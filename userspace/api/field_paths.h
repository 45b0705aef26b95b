// SPDX-License-Identifier: Apache-2.0
// The fields of a document as paths, as managedFields name them (structured-merge-diff's FieldsV1).
// Maps are granular and lists are one value, as Istio's CRDs have them; but metadata.finalizers is
// a set, and metadata.ownerReferences are told apart by their uid.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "json.h"

namespace vsplit {

// From the top: "f:NAME" a field, "v:JSON" an item of a set, "k:{"uid":"..."}" an item by its key.
using FieldPath = std::vector<std::string>;
using FieldSet = std::set<FieldPath>;

struct Leaf {
  FieldPath path;
  const Json* value;  // into the document
};

// The fields that have a value of their own, in the order of the document, without those that the
// server owns: apiVersion, kind, the object's name, version and the like.
std::vector<Leaf> LeavesOf(const Json& document);

const Json* ValueAt(const Json& document, const FieldPath& path);  // null: there is none
// Puts a value there, and the maps on the way. What is in its way goes.
void SetAt(Json& document, const FieldPath& path, const Json& value);
// Takes it away, and the maps and lists on the way that it leaves empty, unless they are in `kept`.
void RemoveAt(Json& document, const FieldPath& path, const FieldSet& kept);

// Whether the values are the same, whatever the order of their fields.
bool IsSame(const Json& left, const Json& right);

// Those of the set that are this path or lie below it.
std::vector<FieldPath> Below(const FieldSet& set, const FieldPath& path);

std::string ToString(const FieldPath& path);  // ".spec.http"

Json ToFieldsV1(const FieldSet& set);
// Leaves of FieldsV1; existence markers (".") of maps that have fields say nothing here.
FieldSet FromFieldsV1(const Json& fields);

}  // namespace vsplit
