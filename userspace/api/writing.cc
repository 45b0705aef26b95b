// SPDX-License-Identifier: Apache-2.0
#include "writing.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "call.h"
#include "failure.h"
#include "json.h"
#include "managed_fields.h"
#include "metadata_rules.h"
#include "place.h"
#include "render.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

constexpr std::size_t kManagerBytes = 128;
// Finding one field of a document among others costs their number.
constexpr std::size_t kMapFields = 5000;

// Whose mistakes would go unseen if they only gave a warning.
bool IsPerson(std::string_view user_agent) {
  return user_agent.empty() || user_agent.starts_with("kubectl") ||
         user_agent.starts_with("curl/") || user_agent.starts_with("Wget/");
}

Outcome<FieldValidation> ReadValidation(const Call& call, std::string_view options) {
  const std::string word = call.Query("fieldValidation");
  if (word.empty()) {
    return IsPerson(call.request.user_agent) ? FieldValidation::kStrict : FieldValidation::kWarn;
  }
  if (word == "Strict") {
    return FieldValidation::kStrict;
  }
  if (word == "Warn") {
    return FieldValidation::kWarn;
  }
  if (word == "Ignore") {
    return FieldValidation::kIgnore;
  }
  return InvalidOption(
      options, "fieldValidation", "FieldValueNotSupported",
      "Unsupported value: \"" + word + R"(": supported values: "Ignore", "Strict", "Warn")");
}

Outcome<std::string> ReadManager(const Call& call, std::string_view options) {
  std::string manager = call.Query("fieldManager");
  const bool printable = std::ranges::none_of(manager, [](char letter) {
    const auto byte = static_cast<unsigned char>(letter);
    return byte < ' ' || byte == 0x7F;
  });
  if (manager.size() > kManagerBytes || !printable) {
    return InvalidOption(options, "fieldManager", "FieldValueInvalid",
                         "Invalid value: at most 128 bytes without control characters are allowed");
  }
  if (manager.empty()) {
    manager = call.request.user_agent.substr(0, call.request.user_agent.find('/'));
    manager = manager.substr(0, kManagerBytes);
  }
  return manager.empty() ? "unknown" : manager;
}

std::string_view OptionsOf(std::string_view method) {
  if (method == "POST") {
    return "CreateOptions";
  }
  return method == "PATCH" ? "PatchOptions" : "UpdateOptions";
}

// Null if it has none.
const Json& Metadata(const Json& document) {
  static const Json none;
  const auto found = document.find("metadata");  // of what is no map: the end
  return found == document.end() ? none : *found;
}

Outcome<void> CheckIdentity(const Place& place, const Json& document) {
  const std::string kind = StringIn(document, "kind");
  if (kind != place.info->name) {
    return BadRequest("the kind of the object (" + kind + ") does not match the kind of the URL (" +
                      std::string(place.info->name) + ")");
  }
  const std::string version = StringIn(document, "apiVersion");
  if (version != place.api_version()) {
    return BadRequest("the API version in the data (" + version +
                      ") does not match the expected API version (" + place.api_version() + ")");
  }
  const Json& metadata = Metadata(document);
  const std::string ns = StringIn(metadata, "namespace");
  if (place.info->namespaced && !ns.empty() && ns != place.ns) {
    return BadRequest("the namespace of the object (" + ns +
                      ") does not match the namespace on the URL (" + place.ns + ")");
  }
  const std::string name = StringIn(metadata, "name");
  if (!place.name.empty() && name != place.name) {
    return BadRequest("the name of the object (" + name + ") does not match the name on the URL (" +
                      place.name + ")");
  }
  return {};
}

// Of what goes into the store: the status of Istio's kinds only comes through the subresource.
void SettleStatus(const Writing& writing, const Json& kept, Json& document) {
  const Place& place = writing.place;
  if (place.is_status()) {
    const std::string text = writing.call.backend.object_status(*writing.live);
    Json status = StatusOfOthers(document.value("status", Json()),
                                 text.empty() ? Json() : Json::parse(text, nullptr, false));
    Json managed = Metadata(document).value("managedFields", Json());
    document = kept;
    if (status.is_null() || (status.is_object() && status.empty())) {
      document.erase("status");
    } else {
      document["status"] = std::move(status);
    }
    if (!managed.is_null()) {
      document["metadata"]["managedFields"] = std::move(managed);
    }
    return;
  }
  const bool given = document.contains("status") && !HasOwnStatus(place.info->kind);
  if (!given) {
    document.erase("status");
    if (kept.is_object() && kept.contains("status")) {
      document["status"] = kept["status"];
    }
  }
}

// Whether the client asks for managedFields to be emptied: a list with one empty entry.
bool IsReset(const Json& managed) {
  return managed.is_array() && managed.size() == 1 && managed[0].is_object() && managed[0].empty();
}

// Records who changed what, unless nobody keeps account of this object.
Outcome<void> Record(const Writing& writing, const Json& kept, Json& document) {
  const Json given = Metadata(document).value("managedFields", Json());
  Json& metadata = document["metadata"];
  if (IsReset(given)) {
    metadata.erase("managedFields");
    return {};
  }
  const bool from_client = writing.live != nullptr && given.is_array() && !given.empty();
  if (!from_client) {
    metadata.erase("managedFields");
  }
  Result<ManagedFields> managed = ReadManagedFields(from_client ? document : kept);
  if (!managed) {
    return InvalidObject(*writing.place.info, StringIn(metadata, "name"),
                         {{.path = "metadata.managedFields", .message = managed.error().message}});
  }
  if (writing.live == nullptr || !managed->empty()) {
    RecordUpdate(writing.place.info->kind, kept, document, writing.writer, *managed);
  }
  WriteManagedFields(*std::move(managed), document);
  return {};
}

// The object of the document, free of errors.
Outcome<Object> ReadObject(Writing& writing, const Json& document) {
  std::string text = Dump(document);
  if (text.size() > kDocumentBytes) {
    return tl::unexpected(TooLarge(kDocumentBytes));
  }
  ParseOptions options{.format = TextFormat::kJson, .field_validation = writing.validation};
  options.limits.map_fields = kMapFields;  // patches and managedFields make them larger
  if (!writing.place.ns.empty()) {
    options.default_namespace = writing.place.ns;
  }
  ParseResult parsed = Parse(text, options);
  const KindInfo& info = *writing.place.info;
  if (HasErrors(parsed.diagnostics)) {
    const bool strict = std::ranges::any_of(parsed.diagnostics, &IsStrict);
    return strict ? StrictDecoding(info, writing.place.version, parsed.diagnostics)
                  : InvalidObject(info, StringIn(Metadata(document), "name"), parsed.diagnostics);
  }
  for (const Diagnostic& diagnostic : parsed.diagnostics) {
    writing.warnings.push_back(Sentence(diagnostic));
  }
  if (parsed.objects.size() != 1) {
    return BadRequest("the body holds no object");
  }
  return std::move(parsed.objects.front());
}

Outcome<void> CheckFinalizers(const Writing& writing, const Json& kept, const Json& document) {
  if (!IsDeleting(kept) || !HasFinalizers(document)) {
    return {};
  }
  const Json known = Metadata(kept).value("finalizers", Json::array());
  const std::set<Json> before(known.begin(), known.end());
  const Json after = Metadata(document).value("finalizers", Json::array());
  for (const Json& finalizer : after) {
    if (!before.contains(finalizer)) {
      return InvalidObject(
          *writing.place.info, writing.live->key.name,
          {{.path = "metadata.finalizers",
            .message = "Forbidden: no new finalizers can be added if the object is being deleted, "
                       "found new finalizer " +
                       finalizer.dump()}});
    }
  }
  return {};
}

}  // namespace

tl::unexpected<Failure> InvalidOption(std::string_view options, const std::string& field,
                                      const std::string& reason, const std::string& message) {
  Failure failure{
      .code = 422,
      .reason = "Invalid",
      .message = std::string(options) + ".meta.k8s.io \"\" is invalid: " + field + ": " + message,
      .name = "",
      .group = "meta.k8s.io",
      .kind = std::string(options)};
  failure.causes.push_back({.reason = reason, .field = field, .message = message});
  return tl::unexpected(std::move(failure));
}

Outcome<Writing> BeginWriting(const Call& call, const Place& place) {
  const std::string_view options = OptionsOf(call.request.method);
  const Outcome<bool> dry_run = IsDryRun(call);
  if (!dry_run) {
    return tl::unexpected(dry_run.error());
  }
  const Outcome<FieldValidation> validation = ReadValidation(call, options);
  if (!validation) {
    return tl::unexpected(validation.error());
  }
  Outcome<std::string> manager = ReadManager(call, options);
  if (!manager) {
    return tl::unexpected(manager.error());
  }
  return Writing{.call = call,
                 .place = place,
                 .live = call.backend.store->Find(place.key()),
                 .creates = call.request.method == "POST",
                 .dry_run = *dry_run,
                 .validation = *validation,
                 .writer = {.manager = *std::move(manager),
                            .subresource = place.subresource,
                            .api_version = place.api_version(),
                            .now = call.backend.now()},
                 .warnings = {}};
}

Outcome<Json> ReadDocument(Writing& writing, TextFormat format) {
  const std::string& body = writing.call.request.body;
  if (body.size() > kDocumentBytes) {
    return tl::unexpected(TooLarge(kDocumentBytes));
  }
  const Result<PlainDocument> plain = ReadPlain(body, format, {.map_fields = kMapFields});
  if (!plain) {
    return BadRequest("the body: " + plain.error().message);
  }
  Diagnostics duplicates;
  for (const std::string& path : plain->duplicates) {
    duplicates.push_back({.path = path, .reason = Diagnostic::Reason::kDuplicateField});
    if (writing.validation == FieldValidation::kWarn) {
      writing.warnings.push_back(Sentence(duplicates.back()));
    }
  }
  if (!duplicates.empty() && writing.validation == FieldValidation::kStrict) {
    return StrictDecoding(*writing.place.info, writing.place.version, duplicates);
  }
  Json document = Json::parse(plain->json, nullptr, false);
  if (document.is_discarded()) {
    return BadRequest("the body: found a number beyond those of a double");
  }
  return document;
}

Json KeptDocument(const Object& live) {
  Json document = Json::parse(live.json.str(), nullptr, false);
  return document.is_object() ? document : Render(live, live.api_version, "");
}

std::optional<Object> StoredObject(const Json& document, const std::string& ns) {
  ParseResult parsed =
      Parse(Dump(document),
            {.format = TextFormat::kJson, .default_namespace = ns, .source = "", .stored = true});
  return parsed.objects.size() == 1 ? std::optional(std::move(parsed.objects.front()))
                                    : std::nullopt;
}

Outcome<void> CheckPreconditions(const Place& place, const Json& document, const Object* live) {
  const Json& metadata = Metadata(document);
  const std::string uid = StringIn(metadata, "uid");
  const std::string version = StringIn(metadata, "resourceVersion");
  const bool versioned = !version.empty() && version != "0";
  if (live == nullptr) {
    return uid.empty() && !versioned ? Outcome<void>()
                                     : About(place.key(), {.code = 404, .reason = "NotFound"});
  }
  if (!uid.empty() && uid != live->version.uid) {
    return Stale(live->key, "Precondition failed: UID in precondition: " + uid +
                                ", UID in object meta: " + live->version.uid.str());
  }
  if (versioned && version != std::to_string(live->version.resource_version)) {
    return About(live->key, {.code = 409, .reason = "Conflict"});
  }
  return {};
}

namespace {

// Whether the document may be written where it is written, whatever its content.
Outcome<void> CheckPlace(const Writing& writing, const Json& document) {
  const Place& place = writing.place;
  if (Outcome<void> right = CheckIdentity(place, document); !right) {
    return right;
  }
  if (!writing.live && !writing.creates) {
    return About(place.key(), {.code = 404, .reason = "NotFound"});
  }
  if (writing.live) {
    if (Outcome<void> fresh = CheckPreconditions(place, document, writing.live.get()); !fresh) {
      return fresh;
    }
  }
  if (!document.contains("metadata") || !document["metadata"].is_object()) {
    return InvalidObject(*place.info, "",
                         {{.path = "metadata",
                           .message = "a map is required",
                           .reason = Diagnostic::Reason::kMissing}});
  }
  return {};
}

}  // namespace

Outcome<Response> Commit(Writing writing, Json document, bool tracked) {
  const Place& place = writing.place;
  if (const Outcome<void> right = CheckPlace(writing, document); !right) {
    return tl::unexpected(right.error());
  }
  Json kept = writing.live ? KeptDocument(*writing.live) : Json();
  FillIn(place.info->kind, kept);  // so that nobody is held to have written what was filled in
  Activate(place.info->kind, kept);
  RuleMetadata(place.info->kind, kept, document);
  SettleStatus(writing, kept, document);
  FillIn(place.info->kind, document);
  if (!tracked) {
    if (const Outcome<void> recorded = Record(writing, kept, document); !recorded) {
      return tl::unexpected(recorded.error());
    }
  }
  Activate(place.info->kind, document);
  if (const Outcome<void> allowed = CheckFinalizers(writing, kept, document); !allowed) {
    return tl::unexpected(allowed.error());
  }
  Outcome<Object> object = ReadObject(writing, document);
  if (!object) {
    return tl::unexpected(object.error());
  }
  const bool goes = IsDeleting(document) && !HasFinalizers(document);
  Object last = goes ? *object : Object();
  last.version = writing.live ? writing.live->version : Version();
  const ObjectKey key = object->key;
  std::vector<Write> writes;
  const Write::Mode stays = writing.live ? Write::Mode::kReplace : Write::Mode::kCreate;
  writes.push_back({.mode = goes ? Write::Mode::kDelete : stays, .object = *std::move(object)});
  const Result<Applied> applied =
      writing.call.backend.write(writes, writing.dry_run, writing.call.request.user);
  if (!applied) {
    return About(key, FailureOf(applied.error()));
  }
  const ObjectPtr after = applied->changes.front().after;
  const unsigned status = writing.live ? 200 : 201;
  const Object& made = after ? *after : last;
  Response response = writing.dry_run
                          ? ShowForecast(writing.call, status, made, place, writing.live.get())
                          : Show(writing.call, status, made, place);
  response.warnings = std::move(writing.warnings);
  return response;
}

}  // namespace vsplit
