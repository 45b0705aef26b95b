// SPDX-License-Identifier: Apache-2.0
// One object, changed by a patch: RFC 7386, RFC 6902, Kubernetes' own for its own kinds, or a
// configuration that is applied.
#include <array>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "call.h"
#include "conflict.h"
#include "failure.h"
#include "json.h"
#include "json_patch.h"
#include "managed_fields.h"
#include "place.h"
#include "strategic_merge.h"
#include "verbs.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"
#include "writing.h"

namespace vsplit {
namespace {

constexpr const char* kOptions = "PatchOptions";

tl::unexpected<Failure> Unprocessable(std::string message) {
  return tl::unexpected(Failure{.code = 422, .reason = "Invalid", .message = std::move(message)});
}

// What a patch makes of the document.
using Change = Outcome<void> (*)(const Place& place, const Json& patch, Json& document);

template <Change change>
Outcome<Response> Patched(Writing writing) {
  const Outcome<Json> patch = ReadDocument(writing, TextFormat::kJson);
  if (!patch) {
    return tl::unexpected(patch.error());
  }
  Json document = ShownDocument(writing.call.backend, writing.place, *writing.live);
  if (const Outcome<void> done = change(writing.place, *patch, document); !done) {
    return tl::unexpected(done.error());
  }
  return Commit(std::move(writing), std::move(document), false);
}

Outcome<void> MergePatch(const Place& /*place*/, const Json& patch, Json& document) {
  if (!patch.is_object()) {
    return BadRequest("a merge patch is a map");
  }
  document.merge_patch(patch);
  return {};
}

Outcome<void> JsonPatch(const Place& /*place*/, const Json& patch, Json& document) {
  if (const Result<void> done = ApplyJsonPatch(document, patch); !done) {
    return Unprocessable(done.error().message);
  }
  if (!document.is_object()) {
    return Unprocessable("the patch makes something of the object that is none");
  }
  return {};
}

Outcome<void> StrategicMergePatch(const Place& place, const Json& patch, Json& document) {
  if (const Result<void> done = StrategicMerge(place.info->kind, patch, document); !done) {
    return BadRequest(done.error().message);
  }
  return {};
}

// Only the part that is written here.
void KeepPart(const Place& place, Json& applied) {
  if (!place.is_status()) {
    if (HasOwnStatus(place.info->kind)) {
      applied.erase("status");
    }
    return;
  }
  Json status = applied.value("status", Json());
  applied = {{"apiVersion", applied.value("apiVersion", Json())},
             {"kind", applied.value("kind", Json())},
             {"metadata", {{"name", place.name}}}};
  if (!status.is_null()) {
    applied["status"] = std::move(status);
  }
}

Outcome<Response> ServerSideApply(Writing writing) {
  const Place& place = writing.place;
  if (writing.call.Query("fieldManager").empty()) {
    return InvalidOption(kOptions, "fieldManager", "FieldValueRequired",
                         "Required value: is required for apply patch");
  }
  const Outcome<bool> force = Flag(writing.call, "force");
  if (!force) {
    return tl::unexpected(force.error());
  }
  Outcome<Json> applied = ReadDocument(writing, TextFormat::kAny);
  if (!applied) {
    return tl::unexpected(applied.error());
  }
  if (!applied->is_object() || !(*applied)["metadata"].is_object()) {
    return BadRequest("what is applied is an object with metadata");
  }
  Json& metadata = (*applied)["metadata"];
  if (!metadata.value("managedFields", Json()).is_null()) {
    return BadRequest("metadata.managedFields must be nil");
  }
  if (!metadata.contains("name")) {
    metadata["name"] = place.name;
  }
  if (const Outcome<void> fresh = CheckPreconditions(place, *applied, writing.live.get()); !fresh) {
    return tl::unexpected(fresh.error());
  }
  KeepPart(place, *applied);
  Json live;
  if (writing.live) {
    live = KeptDocument(*writing.live);
    live["apiVersion"] = place.api_version();
  }
  if (applied->value("kind", Json()) != place.info->name ||
      applied->value("apiVersion", Json()) != place.api_version()) {
    return Commit(std::move(writing), *std::move(applied), true);  // which says what is wrong
  }
  Result<ApplyOutcome> outcome =
      ApplyFields(place.info->kind, live, *applied, writing.writer, *force);
  if (!outcome) {
    return Unprocessable(outcome.error().message);
  }
  if (!outcome->conflicts.empty()) {
    return tl::unexpected(ConflictFailure(outcome->conflicts));
  }
  return Commit(std::move(writing), std::move(outcome->document), true);
}

struct PatchType {
  std::string_view media_type;
  bool creates;    // what is not there yet
  bool of_custom;  // also of kinds that Kubernetes only knows by a CustomResourceDefinition
  Outcome<Response> (*apply)(Writing writing);
};

// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr std::array kPatchTypes = {
    PatchType{"application/merge-patch+json", false, true, Patched<MergePatch>},
    PatchType{"application/json-patch+json", false, true, Patched<JsonPatch>},
    PatchType{"application/apply-patch+yaml", true, true, ServerSideApply},
    PatchType{"application/strategic-merge-patch+json", false, false, Patched<StrategicMergePatch>},
};
// NOLINTEND(modernize-use-designated-initializers)

}  // namespace

Outcome<Response> Patch(const Call& call, const Place& place) {
  const std::string type = MediaType(call.request);
  for (const PatchType& known : kPatchTypes) {
    if (type != known.media_type || (!known.of_custom && HasOwnStatus(place.info->kind))) {
      continue;
    }
    Outcome<Writing> writing = BeginWriting(call, place);
    if (!writing) {
      return tl::unexpected(writing.error());
    }
    writing->creates = known.creates && !place.is_status();
    if (writing->live == nullptr && !writing->creates) {
      return About(place.key(), {.code = 404, .reason = "NotFound"});
    }
    if (!known.creates && !call.Query("force").empty()) {
      return InvalidOption(kOptions, "force", "FieldValueForbidden",
                           "Forbidden: may not be specified for non-apply patch");
    }
    return known.apply(*std::move(writing));
  }
  return tl::unexpected(Failure{
      .code = 415,
      .reason = "UnsupportedMediaType",
      .message = "the body of the request was in an unknown format - accepted media types include: "
                 "application/json-patch+json, application/merge-patch+json, "
                 "application/apply-patch+yaml"});
}

}  // namespace vsplit
