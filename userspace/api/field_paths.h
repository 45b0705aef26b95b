// SPDX-License-Identifier: Apache-2.0
// The fields of a document as paths, as managedFields name them (structured-merge-diff's FieldsV1),
// and what can be done with sets of them. Where nothing else is said, values are of documents of
// the schema's kind.
#pragma once

#include <vector>

#include "field_schema.h"
#include "json.h"

namespace vsplit {

// A field or item of a list.
struct Field {
  FieldPath path;
  const Json* value;  // into the document
  bool whole;         // one value: a scalar, an empty map, what the schema does not take apart
  // Whether it is in the set of fields of who applies the document: what is whole, the items of
  // lists, and the entries of maps with free keys.
  bool member;
};

// In the order of the document, what is above before what is below, without those that the server
// owns: apiVersion, kind, metadata itself, the object's name, version and the like.
std::vector<Field> FieldsOf(const Json& document, const FieldSchema& schema);
// The paths of its members.
FieldSet MembersOf(const Json& document, const FieldSchema& schema);

// Null: there is none.
const Json* ValueAt(const Json& document, const FieldPath& path, const FieldSchema& schema);

// Whether the values are the same, whatever the order of their fields.
bool IsSame(const Json& left, const Json& right);

struct FieldChanges {
  FieldSet added, removed;
  FieldSet modified;  // whole in one of the documents at least
};
// What there is in one document alone, or with another value.
FieldChanges Compare(const Json& before, const Json& after, const FieldSchema& schema);

// What becomes of `live` when these fields are set: maps and items are merged, items of lists come
// in the order of both where that can be. The server's own fields of `live` stay.
Json Merged(const Json& live, const Json& applied, const FieldSchema& schema);
// Without these and whatever lies below. A map or list that nothing is left of stays.
Json Without(const Json& document, const FieldSet& gone, const FieldSchema& schema);

// With the declared fields on the way to each.
FieldSet WithFieldsAbove(const FieldSet& set, const FieldSchema& schema);

std::string ToString(const FieldPath& path);  // ".spec.http"

// "." is a map or item that is in the set beside others below it.
Json ToFieldsV1(const FieldSet& set);
FieldSet FromFieldsV1(const Json& fields);

}  // namespace vsplit
