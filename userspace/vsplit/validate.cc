// SPDX-License-Identifier: Apache-2.0
// validate: what would be said of files if they were applied, without an agent.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "commands.h"
#include "files.h"
#include "vsplit/json.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

// Where admission to a cluster with Istio would find it: while reading the text, in the metadata,
// among the fields' names, in the schema of the kind, or in Istio's webhook.
std::string_view LayerOf(const Diagnostic& diagnostic) {
  if (diagnostic.object.empty() || diagnostic.reason == Diagnostic::Reason::kDuplicateField) {
    return "yaml";
  }
  if (diagnostic.path.starts_with("metadata")) {
    return "meta";
  }
  switch (diagnostic.reason) {
    case Diagnostic::Reason::kUnknownField:
      return "fields";
    case Diagnostic::Reason::kType:
    case Diagnostic::Reason::kTooLong:
      return "schema";
    case Diagnostic::Reason::kMissing:
    case Diagnostic::Reason::kDuplicateField:
    case Diagnostic::Reason::kInvalid:
      break;
  }
  return diagnostic.path == "apiVersion" ? "schema" : "webhook";
}

Json ToJson(const Diagnostic& diagnostic) {
  const std::string colon = diagnostic.path.empty() ? "" : ": ";
  return {{"layer", LayerOf(diagnostic)},
          {"message", diagnostic.path + colon + diagnostic.message},
          {"line", diagnostic.line},
          {"column", diagnostic.column}};
}

bool IsIstio(const ParsedDocument& document) {
  const std::string_view group = InfoOf(Kind::kVirtualService).group;
  return std::ranges::any_of(Kinds(), [&](const KindInfo& info) {
    return info.name == document.kind && info.group == group;
  });
}

// One line about one document. `valid` is null where Istio has nothing to say and we find no fault.
Json LineOf(const ParseResult& result, const std::string& source, std::size_t index) {
  const ParsedDocument& document = result.documents[index];
  Json line = {{"source", source},         {"index", index},           {"kind", document.kind},
               {"namespace", document.ns}, {"name", document.name},    {"valid", nullptr},
               {"errors", Json::array()},  {"warnings", Json::array()}};
  if (!document.known) {
    line["skipped"] = "not a kind that is read";
    return line;
  }
  if (!document.valid || IsIstio(document)) {
    line["valid"] = document.valid;
  }
  for (std::size_t i = document.first; i < document.end; ++i) {
    const Diagnostic& diagnostic = result.diagnostics[i];
    const bool error = diagnostic.severity == Diagnostic::Severity::kError;
    line[error ? "errors" : "warnings"].push_back(ToJson(diagnostic));
  }
  return line;
}

void PrintText(const ParseResult& result) {
  for (const ParsedDocument& document : result.documents) {
    for (std::size_t i = document.first; document.known && i < document.end; ++i) {
      Diagnostic diagnostic = result.diagnostics[i];
      const bool error = diagnostic.severity == Diagnostic::Severity::kError;
      diagnostic.severity = Diagnostic::Severity::kError;  // which ToString() leaves unsaid
      fmt::print(stderr, "{}: {}\n", error ? "error" : "Warning", ToString(diagnostic));
    }
  }
}

struct Tally {
  std::size_t valid = 0, invalid = 0, skipped = 0;
};

void Count(const ParseResult& result, Tally& tally) {
  for (const ParsedDocument& document : result.documents) {
    if (document.known) {
      ++(document.valid ? tally.valid : tally.invalid);
    } else {
      ++tally.skipped;
    }
  }
}

std::string Objects(std::size_t count) {
  return fmt::format("{} {}", count, count == 1 ? "object" : "objects");
}

}  // namespace

Result<void> Validate(const ValidateOptions& options) {
  constexpr std::size_t kMostFindings = 1'000'000;  // in one file
  const Result<std::vector<NamedText>> texts = ReadTexts(options.files, options.recursive);
  if (!texts) {
    return tl::unexpected<Error>(texts.error());
  }
  Tally tally;
  for (const auto& [source, text] : *texts) {
    const ParseResult result = Parse(text, {.limits = {.diagnostics = kMostFindings},
                                            .default_namespace = options.ns,
                                            .source = source});
    Count(result, tally);
    if (options.output != "json") {
      PrintText(result);
      continue;
    }
    for (std::size_t index = 0; index < result.documents.size(); ++index) {
      fmt::print(
          "{}\n",
          LineOf(result, source, index).dump(-1, ' ', false, Json::error_handler_t::replace));
    }
  }
  if (options.output != "json") {
    fmt::print("{} valid{}\n", Objects(tally.valid),
               tally.skipped == 0 ? "" : fmt::format(", {} of other kinds", tally.skipped));
  }
  if (tally.invalid > 0) {
    return Fail(fmt::format("error: {} invalid", Objects(tally.invalid)), Error::Reason::kInvalid);
  }
  return {};
}

}  // namespace vsplit
