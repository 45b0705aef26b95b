// SPDX-License-Identifier: Apache-2.0
// Many objects in one transaction: all of them, or none.
#include <chrono>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "answers.h"
#include "call.h"
#include "deletion.h"
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
#include "writing.h"

namespace vsplit {
namespace {

using Clock = std::chrono::steady_clock;

// The documents of the body, all of them free of errors.
Outcome<ParseResult> Documents(const Call& call) {
  const Outcome<TextFormat> format = BodyFormat(call);
  if (!format) {
    return tl::unexpected(format.error());
  }
  ParseOptions options{.format = *format, .source = call.Query("source")};
  if (const std::string ns = call.Query("namespace"); !ns.empty()) {
    options.default_namespace = ns;
  }
  ParseResult parsed = Parse(call.request.body, options);
  if (HasErrors(parsed.diagnostics)) {
    return Invalid(parsed.diagnostics);
  }
  if (parsed.objects.empty()) {
    return BadRequest("the body holds no objects");
  }
  return parsed;
}

// Whether the text has anything that a transaction leaves as it is. Looks for words, because most
// texts have none of them, and they come by the thousand.
bool MayHaveMore(const Object& object) {
  const auto has = [text = object.json.str()](const char* word) {
    return text.find(word) != std::string::npos;
  };
  return has("\"managedFields\"") || has("\"finalizers\"") ||
         (HasOwnStatus(object.kind()) && has("\"status\""));
}

// Puts into the object what a text does not speak for: the status that controllers wrote, the
// finalizers that it does not name, and the account of who manages what, if there is one.
void KeepMore(Object& object, const Object* live, const std::string& now) {
  if (!MayHaveMore(object) && (live == nullptr || !MayHaveMore(*live))) {
    return;
  }
  const Json kept = live == nullptr ? Json::object() : KeptDocument(*live);
  Json document = KeptDocument(object);
  if (HasOwnStatus(object.kind())) {
    document.erase("status");
    if (kept.contains("status")) {
      document["status"] = kept["status"];
    }
  }
  Json& metadata = document["metadata"];
  if (HasFinalizers(kept) && !metadata.contains("finalizers")) {
    metadata["finalizers"] = kept["metadata"]["finalizers"];
  }
  if (HasFinalizers(document) && IsDeleting(kept)) {
    metadata["deletionTimestamp"] = kept["metadata"]["deletionTimestamp"];
  }
  metadata.erase("managedFields");
  if (Result<ManagedFields> managed = ReadManagedFields(kept); managed && !managed->empty()) {
    RecordUpdate(
        object.kind(), kept, document,
        {.manager = "vsplit", .subresource = "", .api_version = object.api_version, .now = now},
        *managed);
    WriteManagedFields(*std::move(managed), document);
  }
  if (std::optional<Object> changed = StoredObject(document, object.key.ns)) {
    object = *std::move(changed);
  }
}

std::string ResultOf(const Change& change) {
  if (change.unchanged()) {
    return "unchanged";
  }
  if (change.before == nullptr) {
    return "created";
  }
  return change.after == nullptr ? "deleted" : "configured";
}

Json Results(const std::vector<Change>& changes) {
  Json results = Json::array();
  for (const Change& change : changes) {
    const KindInfo& info = InfoOf(change.key.kind);
    results.push_back({{"kind", info.name},
                       {"plural", info.plural},
                       {"group", info.group},
                       {"namespace", change.key.ns},
                       {"name", change.key.name},
                       {"result", ResultOf(change)}});
  }
  return results;
}

Json Verdicts(const std::vector<AppliedRule>& rules) {
  Json verdicts = Json::array();
  for (const AppliedRule& rule : rules) {
    verdicts.push_back({{"verdict", rule.verdict},
                        {"object", rule.object},
                        {"path", rule.path},
                        {"host", rule.host},
                        {"port", rule.port},
                        {"reason", rule.reason}});
    if (!rule.sources.empty()) {
      verdicts.back()["sources"] = rule.sources;
    }
  }
  return verdicts;
}

// Carries out the writes that came of the documents, and says what became of them.
Outcome<Response> Transact(const Call& call, const ParseResult& parsed, std::vector<Write> writes,
                           Clock::time_point begin) {
  const Clock::time_point read = Clock::now();
  const Outcome<bool> dry_run = IsDryRun(call);
  if (!dry_run) {
    return tl::unexpected(dry_run.error());
  }
  const Result<Applied> applied = call.backend.write(writes, *dry_run, call.request.user);
  if (!applied) {
    return tl::unexpected(FailureOf(applied.error()));
  }
  const auto nanoseconds = [](Clock::duration duration) {
    return std::chrono::nanoseconds(duration).count();
  };
  Json answer = {{"kind", "ApplyResult"},
                 {"generation", applied->generation},
                 {"results", Results(applied->changes)},
                 {"verdicts", Verdicts(applied->rules)},
                 {"warnings", WarningsOf(parsed.diagnostics)}};
  if (*dry_run) {
    answer["difference"] = applied->difference;
  }
  answer["nanoseconds"] = {{"parse", nanoseconds(read - begin)},
                           {"resolve", applied->resolve.count()},
                           {"disk", applied->disk.count()},
                           {"kernel", applied->kernel.count()},
                           {"total", nanoseconds(Clock::now() - begin)}};
  return Response{.body = Dump(answer)};
}

}  // namespace

Outcome<Response> AnswerApply(const Call& call) {
  const Clock::time_point begin = Clock::now();
  Outcome<ParseResult> parsed = Documents(call);
  if (!parsed) {
    return tl::unexpected(parsed.error());
  }
  std::vector<Write> writes;
  writes.reserve(parsed->objects.size());
  const std::string now = call.backend.now();
  for (Object& object : parsed->objects) {
    KeepMore(object, call.backend.store->Find(object.key).get(), now);
    writes.push_back({.mode = Write::Mode::kApply, .object = std::move(object)});
  }
  return Transact(call, *parsed, std::move(writes), begin);
}

Outcome<Response> AnswerDelete(const Call& call) {
  const Clock::time_point begin = Clock::now();
  const Outcome<bool> ignore_absent = Flag(call, "ignoreNotFound");
  if (!ignore_absent) {
    return tl::unexpected(ignore_absent.error());
  }
  const Outcome<ParseResult> parsed = Documents(call);
  if (!parsed) {
    return tl::unexpected(parsed.error());
  }
  const std::string now = call.backend.now();
  std::vector<Write> writes;
  Failure absent{.code = 404, .reason = "NotFound"};
  for (const Object& object : parsed->objects) {
    if (const ObjectPtr live = call.backend.store->Find(object.key)) {
      writes.push_back(DeletionOf(*live, now));
    } else {
      absent.message += (absent.message.empty() ? "" : "\n") + ResourceName(InfoOf(object.kind())) +
                        " \"" + object.key.name + "\" not found";
    }
  }
  if (!absent.message.empty() && !*ignore_absent) {
    return tl::unexpected(std::move(absent));
  }
  return Transact(call, *parsed, std::move(writes), begin);
}

}  // namespace vsplit
