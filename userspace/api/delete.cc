// SPDX-License-Identifier: Apache-2.0
// Objects, deleted by name or by what they have in common. One with finalizers is only marked; it
// goes with the last of them.
#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "call.h"
#include "deletion.h"
#include "failure.h"
#include "json.h"
#include "metadata_rules.h"
#include "place.h"
#include "protobuf_object.h"
#include "selector.h"
#include "verbs.h"
#include "view.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"
#include "vsplit/store.h"
#include "writing.h"

namespace vsplit {
namespace {

constexpr std::size_t kDeleteOptionsBytes = 64u << 10;

// What a DELETE may say in its body: DeleteOptions of meta/v1. There is nothing that depends on an
// object, so that no propagationPolicy makes a difference, and nothing that would need a grace
// period.
struct DeleteOptions {
  bool dry_run = false;
  std::string uid;
  std::string resource_version;
};

Outcome<void> CheckPropagation(const Json& policy) {
  constexpr std::array kPolicies = {"Background", "Foreground", "Orphan"};
  if (policy.is_null() ||
      std::ranges::any_of(kPolicies, [&](const char* known) { return policy == known; })) {
    return {};
  }
  return InvalidOption("DeleteOptions", "propagationPolicy", "FieldValueNotSupported",
                       "Unsupported value: " + policy.dump() +
                           R"(: supported values: "Background", "Foreground", "Orphan")");
}

Outcome<Json> ReadOptionsBody(const Call& call) {
  if (call.request.body.size() > kDeleteOptionsBytes) {
    return BadRequest("the body of a DELETE is larger than " + std::to_string(kDeleteOptionsBytes) +
                      " bytes");
  }
  if (IsProtobuf(call.request)) {
    Result<Json> options = ReadProtoDeleteOptions(call.request.body);
    return options ? Outcome<Json>(*std::move(options))
                   : BadRequest("the body: " + options.error().message);
  }
  const Outcome<TextFormat> format = BodyFormat(call);
  if (!format) {
    return tl::unexpected(format.error());
  }
  const Result<PlainDocument> plain = ReadPlain(call.request.body, *format);
  Json body = plain ? Json::parse(plain->json, nullptr, false) : Json();
  if (!body.is_object()) {
    return BadRequest("the body of a DELETE is empty or DeleteOptions");
  }
  return body;
}

Outcome<DeleteOptions> ReadDeleteOptions(const Call& call) {
  const Outcome<bool> dry_run = IsDryRun(call);
  if (!dry_run) {
    return tl::unexpected(dry_run.error());
  }
  DeleteOptions options{.dry_run = *dry_run};
  if (call.request.body.empty()) {
    return options;
  }
  const Outcome<Json> body = ReadOptionsBody(call);
  if (!body) {
    return tl::unexpected(body.error());
  }
  const Json preconditions = body->value("preconditions", Json::object());
  const Json dry_runs = body->value("dryRun", Json::array());
  if (!(preconditions.is_object() || preconditions.is_null()) || !dry_runs.is_array()) {
    return BadRequest("broken DeleteOptions");
  }
  for (const auto& [name, value] : preconditions.items()) {
    if (!value.is_string() || (name != "uid" && name != "resourceVersion")) {
      return BadRequest("broken DeleteOptions: preconditions." + name);
    }
    (name == "uid" ? options.uid : options.resource_version) = value.get<std::string>();
  }
  if (const Outcome<void> known = CheckPropagation(body->value("propagationPolicy", Json()));
      !known) {
    return tl::unexpected(known.error());
  }
  options.dry_run =
      options.dry_run || std::find(dry_runs.begin(), dry_runs.end(), "All") != dry_runs.end();
  return options;
}

Outcome<void> CheckPreconditions(const DeleteOptions& options, const Object& live) {
  const std::string version = std::to_string(live.version.resource_version);
  if (!options.uid.empty() && options.uid != live.version.uid) {
    return Stale(live.key, "Precondition failed: UID in precondition: " + options.uid +
                               ", UID in object meta: " + live.version.uid.str());
  }
  if (!options.resource_version.empty() && options.resource_version != version) {
    return Stale(live.key, "Precondition failed: ResourceVersion in precondition: " +
                               options.resource_version +
                               ", ResourceVersion in object meta: " + version);
  }
  return {};
}

}  // namespace

Write DeletionOf(const Object& live, const std::string& now) {
  Write write{.mode = Write::Mode::kDelete, .object = {.key = live.key}};
  if (live.json.str().find("\"finalizers\"") == std::string::npos) {
    return write;
  }
  Json document = KeptDocument(live);
  if (!HasFinalizers(document)) {
    return write;
  }
  if (!IsDeleting(document)) {
    MarkDeleting(document, now);
  }
  if (std::optional<Object> marked = StoredObject(document, live.key.ns)) {
    write = {.mode = Write::Mode::kReplace, .object = *std::move(marked)};
  }
  return write;
}

Outcome<Response> Delete(const Call& call, const Place& place) {
  const Outcome<DeleteOptions> options = ReadDeleteOptions(call);
  if (!options) {
    return tl::unexpected(options.error());
  }
  const ObjectKey key = place.key();
  const ObjectPtr live = call.backend.store->Find(key);
  if (live == nullptr) {
    return About(key, {.code = 404, .reason = "NotFound"});
  }
  if (const Outcome<void> holds = CheckPreconditions(*options, *live); !holds) {
    return tl::unexpected(holds.error());
  }
  std::vector<Write> writes;
  writes.push_back(DeletionOf(*live, call.backend.now()));
  const Result<Applied> applied = call.backend.write(writes, options->dry_run, call.request.user);
  if (!applied) {
    return About(key, FailureOf(applied.error()));
  }
  if (const ObjectPtr after = applied->changes.front().after) {
    return options->dry_run ? ShowForecast(call, 200, *after, place, live.get())
                            : Show(call, 200, *after, place);
  }
  const Json status = {{"kind", "Status"},
                       {"apiVersion", "v1"},
                       {"metadata", Json::object()},
                       {"status", "Success"},
                       {"details",
                        {{"name", key.name},
                         {"group", place.info->group},
                         {"kind", place.info->plural},
                         {"uid", live->version.uid.str()}}}};
  return Response{.body = Dump(status)};
}

Outcome<Response> DeleteCollection(const Call& call, const Place& place) {
  const Outcome<DeleteOptions> options = ReadDeleteOptions(call);
  if (!options) {
    return tl::unexpected(options.error());
  }
  const Outcome<Selector> selector = ParseSelector(call, *place.info);
  if (!selector) {
    return tl::unexpected(selector.error());
  }
  const Store& store = *call.backend.store;
  const std::string now = call.backend.now();
  std::vector<ObjectPtr> selected = ObjectsIn(store, place.info->kind, place.ns);
  std::erase_if(selected, [&](const ObjectPtr& object) { return !selector->Matches(*object); });
  std::vector<Write> writes;
  for (const ObjectPtr& object : selected) {
    writes.push_back(DeletionOf(*object, now));
  }
  Json list = ViewList(call.backend, View(), place, selected, {});  // as they are before it
  if (!writes.empty()) {
    const Result<Applied> applied = call.backend.write(writes, options->dry_run, call.request.user);
    if (!applied) {
      return tl::unexpected(FailureOf(applied.error()));
    }
  }
  list["metadata"]["resourceVersion"] = std::to_string(store.resource_version());
  return Response{.body = Dump(list)};
}

}  // namespace vsplit
