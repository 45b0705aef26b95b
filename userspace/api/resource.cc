// SPDX-License-Identifier: Apache-2.0
// One kind, one object at a time: the Kubernetes API's own paths.
#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "answers.h"
#include "call.h"
#include "failure.h"
#include "json.h"
#include "render.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

// What a path means.
struct Place {
  const KindInfo* info = nullptr;
  std::string version;
  std::string ns;    // empty: all namespaces, or a kind without them
  std::string name;  // empty: the collection

  ObjectKey key() const { return {.kind = info->kind, .ns = ns, .name = name}; }
  std::string api_version() const { return ApiVersion(*info, version); }
};

bool Serves(const KindInfo& info, std::string_view version) {
  std::string_view rest = info.versions;
  while (!rest.empty()) {
    const std::size_t blank = rest.find(' ');
    if (rest.substr(0, blank) == version) {
      return true;
    }
    rest = blank == std::string_view::npos ? std::string_view{} : rest.substr(blank + 1);
  }
  return false;
}

const KindInfo* FindKind(std::string_view group, std::string_view version, std::string_view plural,
                         bool in_namespace) {
  for (const KindInfo& info : Kinds()) {
    if (info.group == group && info.plural == plural && Serves(info, version) &&
        (info.namespaced || !in_namespace)) {
      return &info;
    }
  }
  return nullptr;
}

// The segments after the version: PLURAL, PLURAL/NAME, namespaces/NS/PLURAL[/NAME].
Outcome<Place> FindPlace(std::string_view group, const std::string& version,
                         const std::vector<std::string>& rest) {
  Place place{.version = version};
  const bool in_namespace = rest.size() >= 3 && rest[0] == "namespaces";
  const std::size_t plural = in_namespace ? 2 : 0;
  if (rest.size() <= plural || rest.size() > plural + 2) {
    return NoSuchPath();
  }
  place.info = FindKind(group, version, rest[plural], in_namespace);
  const bool has_name = rest.size() == plural + 2;
  if (place.info == nullptr || (has_name && place.info->namespaced && !in_namespace)) {
    return NoSuchPath();
  }
  place.ns = in_namespace ? rest[1] : "";
  place.name = has_name ? rest.back() : "";
  return place;
}

Outcome<Place> FindPlace(const std::vector<std::string>& path) {
  if (path.size() >= 3 && path[0] == "api") {
    return FindPlace("", path[1], {path.begin() + 2, path.end()});
  }
  if (path.size() >= 4 && path[0] == "apis") {
    return FindPlace(path[1], path[2], {path.begin() + 3, path.end()});
  }
  return NoSuchPath();
}

// The failure, about this object and in the words of Kubernetes where it has some.
tl::unexpected<Failure> About(const ObjectKey& key, Failure failure) {
  const KindInfo& info = InfoOf(key.kind);
  failure.name = key.name;
  failure.group = info.group;
  failure.kind = info.plural;
  const std::string what = ResourceName(info) + " \"" + key.name + "\"";
  if (failure.reason == "NotFound") {
    failure.message = what + " not found";
  } else if (failure.reason == "AlreadyExists") {
    failure.message = what + " already exists";
  } else if (failure.reason == "Conflict") {
    failure.message = "Operation cannot be fulfilled on " + what +
                      ": the object has been modified; please apply your changes to the latest "
                      "version and try again";
  }
  return tl::unexpected(std::move(failure));
}

// Parameters that would change the answer and are not honoured.
Outcome<void> RefuseParameters(const Call& call) {
  for (const char* name : {"labelSelector", "fieldSelector", "continue"}) {
    if (!call.Query(name).empty()) {
      return BadRequest(std::string("the parameter \"") + name + "\" is not supported");
    }
  }
  const Outcome<bool> watch = Flag(call, "watch");
  if (!watch) {
    return tl::unexpected(watch.error());
  }
  if (*watch) {
    return BadRequest("watches are not supported");
  }
  return {};
}

Response Show(const Call& call, unsigned status, const Object& object, const Place& place) {
  return {.status = status,
          .body = Dump(Render(object, place.api_version(), call.backend.object_status(object)))};
}

Outcome<Response> Get(const Call& call, const Place& place) {
  const ObjectPtr object = call.backend.store->Find(place.key());
  if (object == nullptr) {
    return About(place.key(), {.code = 404, .reason = "NotFound"});
  }
  return Show(call, 200, *object, place);
}

Outcome<Response> List(const Call& call, const Place& place) {
  const Store& store = *call.backend.store;
  Json items = Json::array();
  for (const ObjectPtr& object :
       place.ns.empty() ? store.List(place.info->kind) : store.List(place.info->kind, place.ns)) {
    items.push_back(Render(*object, place.api_version(), call.backend.object_status(*object)));
  }
  const Json list = {{"kind", std::string(place.info->name) + "List"},
                     {"apiVersion", place.api_version()},
                     {"metadata", {{"resourceVersion", std::to_string(store.resource_version())}}},
                     {"items", std::move(items)}};
  return Response{.body = Dump(list)};
}

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

Outcome<Response> Post(const Call& call, const Place& place) {
  return WriteObject(call, place, Write::Mode::kCreate);
}

Outcome<Response> Put(const Call& call, const Place& place) {
  return WriteObject(call, place, Write::Mode::kReplace);
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

struct Verb {
  std::string_view method;
  bool on_item;  // else on the collection
  Outcome<Response> (*answer)(const Call&, const Place&);
};

// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr std::array kVerbs = {
    Verb{"GET", false, List}, Verb{"POST", false, Post},    Verb{"GET", true, Get},
    Verb{"PUT", true, Put},   Verb{"DELETE", true, Delete},
};
// NOLINTEND(modernize-use-designated-initializers)

}  // namespace

Outcome<Response> AnswerResource(const Call& call) {
  const Outcome<Place> place = FindPlace(call.path);
  if (!place) {
    return tl::unexpected(place.error());
  }
  const bool everywhere = place->info->namespaced && place->ns.empty();  // can only be listed
  std::string allow;
  for (const Verb& verb : kVerbs) {
    if (verb.on_item != !place->name.empty() || (everywhere && verb.method != "GET")) {
      continue;
    }
    if (verb.method == call.request.method) {
      const Outcome<void> refused = RefuseParameters(call);
      return refused ? verb.answer(call, *place) : tl::unexpected(refused.error());
    }
    allow += (allow.empty() ? "" : ", ") + std::string(verb.method);
  }
  return MethodNotAllowed(allow);
}

}  // namespace vsplit
