// SPDX-License-Identifier: Apache-2.0
// Who manages which fields of an object, and server-side apply, as Kubernetes does both. Pure: what
// time it is and who asks is given.
#pragma once

#include <string>
#include <vector>

#include "field_schema.h"
#include "json.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {

// One entry of metadata.managedFields.
struct FieldManager {
  std::string name;
  bool applies = false;     // operation Apply, else Update
  std::string subresource;  // "status", or empty
  std::string api_version;
  std::string time;  // RFC 3339; when it last gave one of `fields` a value
  FieldSet fields;
};

using ManagedFields = std::vector<FieldManager>;

// Of an object's document. None: nobody's fields are tracked. The error names the field.
Result<ManagedFields> ReadManagedFields(const Json& document);
// Appliers first, then by time, as Kubernetes orders them; without any the field goes.
void WriteManagedFields(ManagedFields managed, Json& document);

// Who writes, and when.
struct Writer {
  std::string manager;
  std::string subresource;
  std::string api_version;
  std::string now;
};

// What `writer` changed between the two documents becomes its own and nobody else's. Beyond a few
// writers the oldest become one, "ancient-changes".
void RecordUpdate(Kind kind, const Json& before, const Json& after, const Writer& writer,
                  ManagedFields& managed);

struct ApplyConflict {
  FieldPath path;
  std::string manager;  // as messages name it: `"kubectl"`, `"k" using networking.istio.io/v1`
};

struct ApplyOutcome {
  std::vector<ApplyConflict> conflicts;  // with any, `document` says nothing
  Json document;                         // with its managedFields
};

// What becomes of `live` (null: there is no such object) when `writer` applies this configuration:
// fields that it applied before and leaves out now go unless others manage them. A field that
// another manages with another value is a conflict; `force` takes it.
Result<ApplyOutcome> ApplyFields(Kind kind, const Json& live, const Json& applied,
                                 const Writer& writer, bool force);

}  // namespace vsplit
