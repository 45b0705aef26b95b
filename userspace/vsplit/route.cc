// SPDX-License-Identifier: Apache-2.0
// route: where connections would go by the objects of some files, without an agent.
#include <fmt/core.h>

#include <cstddef>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "commands.h"
#include "files.h"
#include "vsplit/json.h"
#include "vsplit/objects.h"
#include "vsplit/outcome.h"
#include "vsplit/parse.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

Result<Labels> ParseLabels(std::string_view text) {
  Labels labels;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find(','));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return Fail(fmt::format("error: \"{}\" is no label, want KEY=VALUE", pair),
                  Error::Reason::kInvalid);
    }
    labels.emplace(pair.substr(0, equals), pair.substr(equals + 1));
    text.remove_prefix(pair.size() == text.size() ? pair.size() : pair.size() + 1);
  }
  return labels;
}

std::string FaultsOf(const Manifest& manifest, const Diagnostics& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::kError) {
      text += (text.empty() ? "error: " : "\nerror: ") + manifest.Locate(ToString(diagnostic));
    }
  }
  return text;
}

Result<Client> SourceOf(const Store& store, const RouteOptions& options) {
  ClientDescription source{
      .pod = options.pod, .ns = options.ns, .node = options.node, .locality = options.locality};
  Result<Labels> labels = ParseLabels(options.labels);
  if (!labels) {
    return tl::unexpected<Error>(labels.error());
  }
  source.labels = std::move(*labels);
  Result<Client> client = ClientOf(store, source);
  if (!client) {
    return Fail("error: " + client.error().message, client.error().reason);
  }
  return client;
}

Result<void> Answer(const RouteOptions& options) {
  const Result<Manifest> manifest = ReadManifest(options.files, options.recursive);
  if (!manifest) {
    return tl::unexpected<Error>(manifest.error());
  }
  ParseResult parsed =
      Parse(manifest->text, {.default_namespace = options.ns, .source = manifest->Source()});
  if (HasErrors(parsed.diagnostics)) {
    return Fail(FaultsOf(*manifest, parsed.diagnostics), Error::Reason::kInvalid);
  }
  const Store store = StoreOf(std::move(parsed.objects));
  const Result<Client> client = SourceOf(store, options);
  if (!client) {
    return tl::unexpected<Error>(client.error());
  }
  const std::vector<HostOutcomes> hosts =
      Outcomes(store, {.registry_only = options.registry_only}, *client);
  fmt::print("{}", options.output == "json" ? ToJson(hosts, *client) + "\n" : ToText(hosts));
  return {};
}

Json RejectedOf(const Diagnostics& diagnostics) {
  Json list = Json::array();
  for (const Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::kError) {
      list.push_back({{"object", diagnostic.object}, {"why", ToString(diagnostic)}});
    }
  }
  return list;
}

// One question and its answer. What is rejected is left out of the objects and named.
Json AnswerLine(const Json& question) {
  Json answer = {{"id", question.value("id", Json())}};
  ParseResult parsed = Parse(TextAt(question, "/yaml"));
  const Store store = StoreOf(std::move(parsed.objects));
  ClientDescription source{.pod = TextAt(question, "/source/pod"),
                           .node = TextAt(question, "/source/node"),
                           .locality = TextAt(question, "/source/locality")};
  if (const std::string ns = TextAt(question, "/source/namespace"); !ns.empty()) {
    source.ns = ns;
  }
  if (const Json::json_pointer labels("/source/labels"); question.contains(labels)) {
    for (const auto& label : question.at(labels).items()) {
      source.labels.emplace(label.key(), label.value().get<std::string>());
    }
  }
  const Result<Client> client = ClientOf(store, source);
  if (!client) {
    answer["error"] = client.error().message;
    return answer;
  }
  answer["rejected"] = RejectedOf(parsed.diagnostics);
  const ResolveOptions resolve{.registry_only = TruthAt(question, "/registry_only")};
  answer.update(Json::parse(ToJson(Outcomes(store, resolve, *client), *client)));
  return answer;
}

Result<void> AnswerLines() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const Json question = Json::parse(line, nullptr, false);
    if (!question.is_object()) {
      return Fail("error: a line of the standard input is no JSON object", Error::Reason::kInvalid);
    }
    const std::string answer =
        AnswerLine(question).dump(-1, ' ', false, Json::error_handler_t::replace);
    fmt::print("{}\n", answer);
  }
  return {};
}

}  // namespace

Result<void> Route(const RouteOptions& options) {
  return options.batch ? AnswerLines() : Answer(options);
}

}  // namespace vsplit
