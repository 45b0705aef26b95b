// SPDX-License-Identifier: Apache-2.0
// Many objects in one transaction: all of them, or none.
#include <chrono>
#include <string>
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
  const Result<Applied> applied = call.backend.write(std::move(writes), *dry_run);
  if (!applied) {
    return tl::unexpected(FailureOf(applied.error()));
  }
  const auto nanoseconds = [](Clock::duration duration) {
    return std::chrono::nanoseconds(duration).count();
  };
  const Json answer = {{"kind", "ApplyResult"},
                       {"generation", applied->generation},
                       {"results", Results(applied->changes)},
                       {"verdicts", Verdicts(applied->rules)},
                       {"warnings", WarningsOf(parsed.diagnostics)},
                       {"difference", applied->difference},
                       {"nanoseconds",
                        {{"parse", nanoseconds(read - begin)},
                         {"resolve", applied->resolve.count()},
                         {"disk", applied->disk.count()},
                         {"kernel", applied->kernel.count()},
                         {"total", nanoseconds(Clock::now() - begin)}}}};
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
  for (Object& object : parsed->objects) {
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
  std::vector<Write> writes;
  Failure absent{.code = 404, .reason = "NotFound"};
  for (const Object& object : parsed->objects) {
    if (call.backend.store->Find(object.key) != nullptr) {
      writes.push_back({.mode = Write::Mode::kDelete, .object = {.key = object.key}});
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
