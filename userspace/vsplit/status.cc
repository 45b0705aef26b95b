// SPDX-License-Identifier: Apache-2.0
// status and explain: what is in force, and why a connection goes where it goes.
#include <fmt/core.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <tl/expected.hpp>

#include "agent.h"
#include "commands.h"
#include "split_view.h"
#include "table.h"
#include "terminal.h"
#include "verdicts.h"
#include "vsplit/json.h"
#include "vsplit/result.h"
#include "vsplit/text.h"

namespace vsplit {
namespace {

constexpr int kJsonIndent = 4;
constexpr std::size_t kIndent = 2;

std::string ProgramsText(const Json& status) {
  Table table({"PROGRAM", "ATTACHED", "ID", "LINK"});
  for (const Json& attachment : ItemsAt(status, "/attachments")) {
    const bool attached = TruthAt(attachment, "/attached");
    const std::string trouble = TextAt(attachment, "/trouble");
    table.Add({TextAt(attachment, "/program"),
               attached ? "yes" : "NO" + (trouble.empty() ? "" : ": " + trouble),
               attached ? TextAt(attachment, "/program_id") : "-", TextAt(attachment, "/link")});
  }
  return "Programs, as the kernel says:\n" + table.Text(kIndent);
}

std::string FeaturesText(const Json& status) {
  std::string text;
  for (const Json& feature : ItemsAt(status, "/features")) {
    if (!TruthAt(feature, "/on")) {
      text += fmt::format("  {}: {}\n", TextAt(feature, "/name"), TextAt(feature, "/reason"));
    }
  }
  return text.empty() ? text : "\nOff:\n" + text;
}

std::string TablesText(const Json& status) {
  Table table({"TABLE", "USED", "CAPACITY", "FULL"});
  for (const Json& entry : ItemsAt(status, "/tables")) {
    table.Add({TextAt(entry, "/name"), TextAt(entry, "/used"), TextAt(entry, "/capacity"),
               Percent(NumberAt(entry, "/used"), NumberAt(entry, "/capacity"))});
  }
  return "\nTables:\n" + table.Text(kIndent);
}

std::string RulesText(const Json& status) {
  const Json& rules = ItemsAt(status, "/rules");
  if (rules.empty()) {
    return "\nRules: none\n";
  }
  Table table({"RULE", "HOST", "VERDICT", "REASON"});
  for (const Json& rule : rules) {
    const std::string port = TextAt(rule, "/port");
    table.Add({TextAt(rule, "/object") + " " + TextAt(rule, "/path"),
               TextAt(rule, "/host") + (port.empty() || port == "0" ? "" : ":" + port) +
                   SourcesText(rule),
               TextAt(rule, "/verdict"), TextAt(rule, "/reason")});
  }
  return "\nRules:\n" + table.Text(kIndent);
}

// "release_tracked 0, stale 0, untracked 0"
std::string TotalsText(const Json& status) {
  std::string text;
  for (const auto& [name, value] : ItemsAt(status, "/totals").items()) {
    text += (text.empty() ? "" : ", ") + name + " " + value.dump();
  }
  return text.empty() ? text : fmt::format("Totals:      {}\n", text);
}

// Pods and names that the agent lacks something about.
std::string AroundText(const Json& status) {
  std::string text =
      fmt::format("Pods:        {} of this node\n", IntegerAt(status, "/around/pods"));
  for (const Json& pod : ItemsAt(status, "/around/unknown_pods")) {
    text += fmt::format("  no cgroup was found of {}: it gets the routes for everyone\n",
                        pod.get<std::string>());
  }
  for (const auto& [name, trouble] : ItemsAt(status, "/around/failing_names").items()) {
    text += fmt::format("  no answer about {}: {}\n", name, trouble.dump());
  }
  for (const Json& pool : ItemsAt(status, "/pools")) {
    const std::string workload = TextAt(pool, "/workload");
    text += fmt::format("  {} of maxConnections: {} open to {}\n",
                        workload.empty() ? "everyone else" : workload, TextAt(pool, "/active"),
                        TextAt(pool, "/cluster"));
  }
  return text;
}

// A number, or how many of which kind.
std::string ObjectsText(const Json& status) {
  const Json& objects = ItemsAt(status, "/objects");
  std::string text = TextAt(status, "/objects");
  for (const auto& [name, value] : objects.items()) {
    text += (text.empty() ? "" : ", ") + value.dump() + " " + name;
  }
  return text.empty() ? "none" : text;
}

// "export KUBECONFIG=/run/vsplit/kubeconfig", what a user types before kubectl.
std::string KubectlText(const Json& status) {
  const std::string trouble = TextAt(status, "/around/kube_trouble");
  if (!trouble.empty()) {
    return "NO: " + trouble;
  }
  const std::string kubeconfig = TextAt(status, "/around/kubeconfig");
  return kubeconfig.empty() ? "no: started with --kube-port=0" : "export KUBECONFIG=" + kubeconfig;
}

std::string Overview(const Json& status) {
  const std::string unsettled = TextAt(status, "/unsettled");
  return fmt::format(
      "Agent:       vsplitd {}\n"
      "Generation:  {}\n"
      "Splitting:   {}\n"
      "{}"
      "Cgroup:      {}\n"
      "Pins:        {}\n"
      "Observing:   {}\n"
      "Objects:     {}\n"
      "kubectl:     {}\n"
      "{}",
      TextAt(status, "/version"), TextAt(status, "/generation"),
      TruthAt(status, "/passthrough")
          ? "NO: the kill switch is on, every connection passes as it is"
          : "yes",
      unsettled.empty() ? std::string()
                        : fmt::format("In force:    NOT ALL: {}; it is tried again\n", unsettled),
      TextAt(status, "/cgroup"), TextAt(status, "/pins"),
      TruthAt(status, "/observe") ? "yes" : "no: started with --observe=off", ObjectsText(status),
      KubectlText(status), TotalsText(status));
}

}  // namespace

Result<void> Status(const Agent& agent, const StatusOptions& options) {
  const Result<Json> status = agent.CallJson({.target = "/apis/vsplit.io/v1/status"});
  if (!status) {
    return tl::unexpected<Error>(status.error());
  }
  if (options.output == "json") {
    fmt::print("{}\n", status->dump(kJsonIndent));
    return {};
  }
  const Result<Json> split = agent.CallJson({.target = "/apis/vsplit.io/v1/split"});
  if (!split) {
    return tl::unexpected<Error>(split.error());
  }
  const Terminal terminal = TerminalOf(STDOUT_FILENO);
  const std::string view =
      SplitView(*split, nullptr, {.width = terminal.width, .utf8 = terminal.utf8});
  fmt::print("{}{}\n{}{}{}{}{}", Overview(*status), AroundText(*status), ProgramsText(*status),
             FeaturesText(*status), TablesText(*status), RulesText(*status),
             view.empty() ? std::string() : "\nSplit since each route began:\n" + view);
  return {};
}

Result<void> Explain(const Agent& agent, const ExplainOptions& options) {
  const std::string from =
      options.from.find('/') == std::string::npos ? options.ns + "/" + options.from : options.from;
  const std::string target = fmt::format("/apis/vsplit.io/v1/explain?from={}&to={}",
                                         UrlEncode(from), UrlEncode(options.to));
  if (options.output == "json") {
    const Result<Json> answer = agent.CallJson({.target = target});
    if (!answer) {
      return tl::unexpected<Error>(answer.error());
    }
    fmt::print("{}\n", answer->dump(kJsonIndent));
    return {};
  }
  const Result<std::string> text = agent.Call({.target = target, .accept = "text/plain"});
  if (!text) {
    return tl::unexpected<Error>(text.error());
  }
  fmt::print("{}", *text);
  return {};
}

}  // namespace vsplit
