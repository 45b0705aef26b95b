// SPDX-License-Identifier: Apache-2.0
// apply and delete: what changes objects.
#include <fmt/core.h>

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "agent.h"
#include "commands.h"
#include "files.h"
#include "kinds.h"
#include "verdicts.h"
#include "vsplit/json.h"
#include "vsplit/result.h"
#include "vsplit/text.h"

namespace vsplit {
namespace {

// Sends what -f names to one of the two paths that take many documents at once.
Result<Json> Send(const Agent& agent, const Manifest& manifest, std::string target) {
  target += "&source=" + UrlEncode(manifest.Source());
  const AgentRequest request{.method = "POST", .target = target, .body = manifest.text};
  Result<Json> answer = agent.CallJson(request);
  if (!answer) {
    return tl::unexpected<Error>(
        Error{.message = manifest.Locate(answer.error().message), .reason = answer.error().reason});
  }
  return answer;
}

void PrintDeleted(std::string_view kind, std::string_view name) {
  fmt::print("{} \"{}\" deleted\n", kind, name);
}

Result<void> DeleteFiles(const Agent& agent, const DeleteOptions& options) {
  const Result<Manifest> manifest = ReadManifest(options.files);
  if (!manifest) {
    return tl::unexpected<Error>(manifest.error());
  }
  const Result<Json> answer =
      Send(agent, *manifest,
           fmt::format("/apis/vsplit.io/v1/delete?namespace={}{}", UrlEncode(options.ns),
                       options.ignore_not_found ? "&ignoreNotFound=true" : ""));
  if (!answer) {
    return tl::unexpected<Error>(answer.error());
  }
  for (const Json& result : ItemsAt(*answer, "/results")) {
    if (TextAt(result, "/result") == "deleted") {
      PrintDeleted(QualifiedName(TextAt(result, "/kind"), TextAt(result, "/group")),
                   TextAt(result, "/name"));
    }
  }
  return {};
}

using Target = std::pair<const KindName*, std::string>;

// KIND NAME..., or KIND/NAME... throughout.
Result<std::vector<Target>> TargetsOf(const std::vector<std::string>& words) {
  std::vector<Target> targets;
  const bool joined = !words.empty() && words.front().find('/') != std::string::npos;
  for (std::size_t i = joined ? 0 : 1; i < words.size(); ++i) {
    const std::size_t slash = words[i].find('/');
    if (joined != (slash != std::string::npos)) {
      return Fail(
          "error: there is no need to specify a resource type as a separate argument when "
          "passing arguments in resource/name form (e.g. 'vsplit delete vs/reviews' "
          "instead of 'vsplit delete vs vs/reviews')");
    }
    const std::string word = joined ? words[i].substr(0, slash) : words.front();
    const KindName* kind = FindKind(word);
    if (kind == nullptr) {
      return tl::unexpected<Error>(UnknownKind(word));
    }
    targets.emplace_back(kind, joined ? words[i].substr(slash + 1) : words[i]);
  }
  if (targets.empty()) {
    return Fail("error: resource(s) were provided, but no name was specified",
                Error::Reason::kInvalid);
  }
  return targets;
}

void PrintVerdicts(const Json& answer) {
  const Json& verdicts = ItemsAt(answer, "/verdicts");
  fmt::print("{}", verdicts.empty() ? "" : "\nRules:\n");
  for (const Json& verdict : verdicts) {
    fmt::print("  {}\n", VerdictText(verdict));
  }
}

}  // namespace

Result<void> Apply(const Agent& agent, const ApplyOptions& options) {
  const Result<Manifest> manifest = ReadManifest(options.files);
  if (!manifest) {
    return tl::unexpected<Error>(manifest.error());
  }
  const Result<Json> answer =
      Send(agent, *manifest,
           fmt::format("/apis/vsplit.io/v1/apply?namespace={}{}", UrlEncode(options.ns),
                       options.dry_run ? "&dryRun=All" : ""));
  if (!answer) {
    return tl::unexpected<Error>(answer.error());
  }
  for (const Json& result : ItemsAt(*answer, "/results")) {
    fmt::print("{}/{} {}{}\n", QualifiedName(TextAt(result, "/kind"), TextAt(result, "/group")),
               TextAt(result, "/name"), TextAt(result, "/result"),
               options.dry_run ? " (server dry run)" : "");
  }
  if (const std::string difference = TextAt(*answer, "/difference");
      options.dry_run && !difference.empty()) {
    fmt::print("\n{}", difference);
  }
  if (options.dry_run) {
    PrintVerdicts(*answer);
  }
  std::fflush(stdout);
  for (const Json& warning : ItemsAt(*answer, "/warnings")) {
    fmt::print(stderr, "Warning: {}\n", manifest->Locate(TextAt(warning, "")));
  }
  for (const Json& verdict : ItemsAt(*answer, "/verdicts")) {
    if (TextAt(verdict, "/verdict") != "enforced") {
      fmt::print(stderr, "Warning: {}\n", VerdictText(verdict));
    }
  }
  return {};
}

Result<void> Delete(const Agent& agent, const DeleteOptions& options) {
  if (!options.files.empty()) {
    return DeleteFiles(agent, options);
  }
  const Result<std::vector<Target>> targets = TargetsOf(options.words);
  if (!targets) {
    return tl::unexpected<Error>(targets.error());
  }
  std::string failures;
  for (const auto& [kind, name] : *targets) {
    const AgentRequest request{.method = "DELETE", .target = ResourcePath(*kind, options.ns, name)};
    if (const Result<std::string> answer = agent.Call(request); answer) {
      PrintDeleted(QualifiedName(*kind), name);
    } else if (answer.error().reason != Error::Reason::kNotFound || !options.ignore_not_found) {
      failures += (failures.empty() ? "" : "\n") + answer.error().message;
    }
  }
  return failures.empty() ? Result<void>() : Fail(failures);
}

}  // namespace vsplit
