// SPDX-License-Identifier: Apache-2.0
// What all writes of one object have in common: how they begin, with parameters and a body, and how
// they end, with a document that becomes the object.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "call.h"
#include "failure.h"
#include "json.h"
#include "managed_fields.h"
#include "place.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"

namespace vsplit {

// Of a body, and of an object when it is written: Kubernetes' limit.
inline constexpr std::size_t kDocumentBytes = std::size_t{3} << 20;

// One write that is under way.
struct Writing {
  const Call& call;
  const Place& place;
  ObjectPtr live;        // null: there is none yet
  bool creates = false;  // the object, if there is none
  bool dry_run = false;
  FieldValidation validation = FieldValidation::kStrict;
  Writer writer;
  std::vector<std::string> warnings;
};

// dryRun, fieldValidation and fieldManager. The field manager of a client that names none is its
// User-Agent. Who does not say what is to become of unknown fields is told of them with an error if
// it is a person with kubectl or curl, else with a warning, as Kubernetes does it.
Outcome<Writing> BeginWriting(const Call& call, const Place& place);

// The body as one document of bounded size and depth. Fields that are there twice are an error or a
// warning of the write; the last of them counts.
Outcome<Json> ReadDocument(Writing& writing, TextFormat format);

// A parameter of a write that is not what it may be: 422, as Kubernetes says it.
tl::unexpected<Failure> InvalidOption(std::string_view options, const std::string& field,
                                      const std::string& reason, const std::string& message);

// The document of a live object as it is kept.
Json KeptDocument(const Object& live);
// The object of a document that was accepted before; nothing: it is none.
std::optional<Object> StoredObject(const Json& document, const std::string& ns);

// 409 if the document names another uid or resourceVersion than the live object has.
Outcome<void> CheckPreconditions(const Place& place, const Json& document, const Object* live);

// Makes the document the object of this place, and answers with it. Its metadata becomes what a
// client may say, its status (or, in the subresource, all but its status) stays as it is.
// `tracked`: its managedFields are complete; otherwise what it changes is the writer's.
Outcome<Response> Commit(Writing writing, Json document, bool tracked);

}  // namespace vsplit
