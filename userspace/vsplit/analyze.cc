// SPDX-License-Identifier: Apache-2.0
// analyze: what does not fit together, in files or in the agent.
#include "vsplit/analyze.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "agent.h"
#include "commands.h"
#include "files.h"
#include "vsplit/json.h"
#include "vsplit/outcome.h"
#include "vsplit/parse.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

Result<std::vector<Finding>> FindingsInFiles(const AnalyzeOptions& options) {
  const Result<Manifest> manifest = ReadManifest(options.files);
  if (!manifest) {
    return tl::unexpected<Error>(manifest.error());
  }
  ParseResult parsed =
      Parse(manifest->text, {.default_namespace = options.ns, .source = manifest->Source()});
  std::vector<Finding> findings = FindingsOf(parsed.diagnostics);
  const Store store = StoreOf(std::move(parsed.objects));
  std::ranges::move(Analyze(store, ResolveOptions{}, AllPods(store)), std::back_inserter(findings));
  return findings;
}

Finding::Level LevelNamed(std::string_view name) {
  if (name == "Error") {
    return Finding::Level::kError;
  }
  return name == "Warning" ? Finding::Level::kWarning : Finding::Level::kInfo;
}

Result<std::vector<Finding>> FindingsOfAgent(const Agent& agent) {
  const Result<Json> answer = agent.CallJson({.target = "/apis/vsplit.io/v1/analyze"});
  if (!answer) {
    return tl::unexpected<Error>(answer.error());
  }
  std::vector<Finding> findings;
  for (const Json& line : *answer) {
    findings.push_back({.code = TextAt(line, "/code"),
                        .level = LevelNamed(TextAt(line, "/level")),
                        .object = TextAt(line, "/object"),
                        .message = TextAt(line, "/message")});
  }
  return findings;
}

}  // namespace

Result<void> Analyze(const Agent& agent, const AnalyzeOptions& options) {
  const Result<std::vector<Finding>> findings =
      options.files.empty() ? FindingsOfAgent(agent) : FindingsInFiles(options);
  if (!findings) {
    return tl::unexpected<Error>(findings.error());
  }
  const bool json = options.output == "json";
  for (const Finding& finding : *findings) {
    fmt::print("{}\n", json ? ToJson(finding) : ToString(finding));
  }
  const auto errors = std::ranges::count(*findings, Finding::Level::kError, &Finding::level);
  if (findings->empty() && !json) {
    fmt::print("No findings.\n");
  }
  return errors == 0 ? Result<void>()
                     : Fail(fmt::format("error: {} of {} findings {} of level Error", errors,
                                        findings->size(), errors == 1 ? "is" : "are"));
}

}  // namespace vsplit
