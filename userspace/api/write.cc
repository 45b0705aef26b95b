// SPDX-License-Identifier: Apache-2.0
// One object at a time, created, replaced or deleted.
#include <algorithm>
#include <cstddef>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "call.h"
#include "failure.h"
#include "json.h"
#include "place.h"
#include "verbs.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

// The one object of the body, which has to be one of this place, and the warnings about it.
Outcome<ParseResult> BodyObject(const Call& call, const Place& place) {
  const Outcome<TextFormat> format = BodyFormat(call);
  if (!format) {
    return tl::unexpected(format.error());
  }
  ParseOptions options{.format = *format};
  if (!place.ns.empty()) {
    options.default_namespace = place.ns;
  }
  ParseResult parsed = Parse(call.request.body, options);
  if (HasErrors(parsed.diagnostics)) {
    return Invalid(parsed.diagnostics);
  }
  if (parsed.objects.size() != 1) {
    return BadRequest("the body holds " + std::to_string(parsed.objects.size()) +
                      " objects, one is expected");
  }
  const Object& object = parsed.objects.front();
  if (object.kind() != place.info->kind) {
    return BadRequest("the kind of the object (" + std::string(InfoOf(object.kind()).name) +
                      ") does not match the kind of the URL (" + std::string(place.info->name) +
                      ")");
  }
  if (object.api_version != place.api_version()) {
    return BadRequest("the API version in the data (" + object.api_version +
                      ") does not match the expected API version (" + place.api_version() + ")");
  }
  if (object.key.ns != place.ns) {
    return BadRequest("the namespace of the object (" + object.key.ns +
                      ") does not match the namespace on the URL (" + place.ns + ")");
  }
  if (!place.name.empty() && object.key.name != place.name) {
    return BadRequest("the name of the object (" + object.key.name +
                      ") does not match the name on the URL (" + place.name + ")");
  }
  return parsed;
}

Outcome<Response> WriteObject(const Call& call, const Place& place, Write::Mode mode) {
  const Outcome<bool> dry_run = IsDryRun(call);
  if (!dry_run) {
    return tl::unexpected(dry_run.error());
  }
  Outcome<ParseResult> parsed = BodyObject(call, place);
  if (!parsed) {
    return tl::unexpected(parsed.error());
  }
  Object& object = parsed->objects.front();
  const ObjectKey key = object.key;
  std::vector<Write> writes;
  writes.push_back({.mode = mode, .object = std::move(object)});
  const Result<Applied> applied = call.backend.write(std::move(writes), *dry_run);
  if (!applied) {
    return About(key, FailureOf(applied.error()));
  }
  Response response =
      Show(call, mode == Write::Mode::kCreate ? 201 : 200, *applied->changes.front().after, place);
  response.warnings = WarningsOf(parsed->diagnostics);
  return response;
}

constexpr std::size_t kDeleteOptionsBytes = 64u << 10;

// What a DELETE may say in its body: DeleteOptions of meta/v1.
struct DeleteOptions {
  bool dry_run = false;
  std::string uid;
  std::string resource_version;
};

Outcome<DeleteOptions> ReadDeleteOptions(const Call& call) {
  const Outcome<bool> dry_run = IsDryRun(call);
  if (!dry_run) {
    return tl::unexpected(dry_run.error());
  }
  DeleteOptions options{.dry_run = *dry_run};
  if (call.request.body.empty()) {
    return options;
  }
  if (call.request.body.size() > kDeleteOptionsBytes) {
    return BadRequest("the body of a DELETE is larger than " + std::to_string(kDeleteOptionsBytes) +
                      " bytes");
  }
  const Json body = Json::parse(call.request.body, nullptr, false);
  if (!body.is_object()) {
    return BadRequest("the body of a DELETE is empty or DeleteOptions in JSON");
  }
  const Json preconditions = body.value("preconditions", Json::object());
  const Json dry_runs = body.value("dryRun", Json::array());
  if (!preconditions.is_object() || !dry_runs.is_array()) {
    return BadRequest("broken DeleteOptions");
  }
  for (const auto& [name, value] : preconditions.items()) {
    if (!value.is_string() || (name != "uid" && name != "resourceVersion")) {
      return BadRequest("broken DeleteOptions: preconditions." + name);
    }
    (name == "uid" ? options.uid : options.resource_version) = value.get<std::string>();
  }
  options.dry_run = options.dry_run || std::ranges::find(dry_runs, "All") != dry_runs.end();
  return options;
}

}  // namespace

Outcome<Response> Post(const Call& call, const Place& place) {
  return WriteObject(call, place, Write::Mode::kCreate);
}

Outcome<Response> Put(const Call& call, const Place& place) {
  return WriteObject(call, place, Write::Mode::kReplace);
}

Outcome<Response> Delete(const Call& call, const Place& place) {
  const Outcome<DeleteOptions> options = ReadDeleteOptions(call);
  if (!options) {
    return tl::unexpected(options.error());
  }
  const ObjectKey key = place.key();
  const ObjectPtr present = call.backend.store->Find(key);
  if (present == nullptr) {
    return About(key, {.code = 404, .reason = "NotFound"});
  }
  if (!options->uid.empty() && options->uid != present->version.uid) {
    return About(key, {.code = 409, .reason = "Conflict"});
  }
  std::vector<Write> writes(1);
  writes.front().mode = Write::Mode::kDelete;
  writes.front().object.key = key;
  writes.front().object.given_resource_version = options->resource_version;
  const Result<Applied> applied = call.backend.write(std::move(writes), options->dry_run);
  if (!applied) {
    return About(key, FailureOf(applied.error()));
  }
  const Json status = {{"kind", "Status"},
                       {"apiVersion", "v1"},
                       {"metadata", Json::object()},
                       {"status", "Success"},
                       {"details",
                        {{"name", key.name},
                         {"group", place.info->group},
                         {"kind", place.info->plural},
                         {"uid", present->version.uid}}}};
  return Response{.body = Dump(status)};
}

}  // namespace vsplit
