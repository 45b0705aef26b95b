// SPDX-License-Identifier: Apache-2.0
// The command line. Exit status: 0 done, 1 refused or failed, 2 not understood.
#include <fmt/core.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>  // IWYU pragma: keep: App.hpp needs them complete
#include <CLI/Error.hpp>
#include <CLI/Formatter.hpp>  // IWYU pragma: keep
#include <CLI/Validators.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "agent.h"
#include "commands.h"
#include "completion.h"
#include "vsplit/json.h"
#include "vsplit/result.h"

namespace {

using vsplit::Agent;
using vsplit::Result;

constexpr const char* kOverview = R"(Examples:
  vsplit apply -f canary.yaml               put a file's objects into force, all of them or none
  vsplit apply -f canary.yaml --dry-run     show what would change in the kernel's tables
  vsplit validate -f rules/                 check files without applying them
  vsplit get vs -A                          the VirtualServices of all namespaces
  vsplit get vs reviews -o yaml             one of them, as it was applied
  vsplit top                                watch target and measured split, live
  vsplit status                             is it attached, are my rules in force, if not why
  vsplit explain --from web-1 --to reviews.default.svc.cluster.local:80
                                            which rule, bounds and endpoint a connection gets
  vsplit route -f rules/ --pod default/web-1
                                            the same from files, without an agent
  vsplit analyze -f rules/                  what is wrong with files together, without an agent
  vsplit delete vs reviews                  connections go to the plain Service again
  vsplit kubeconfig >~/.kube/vsplit         for kubectl, with tokens of the one who runs it

A weight change acts on new connections; open ones stay where they are.
'vsplit COMMAND --help' says more about each.)";

constexpr const char* kApply =
    R"(Everything named by all -f together is one transaction: it is checked as a whole, put into force at
one instant, or refused as a whole with every fault named by file, line and column.
Rules that cannot be honoured as written are accepted with a warning that says why.

Examples:
  vsplit apply -f service.yaml -f canary.yaml
  vsplit apply -f rules/                    every .yaml, .yml and .json file in the folder
  kubectl get vs,dr,svc,endpointslices,pods -o yaml | vsplit apply -f -)";

constexpr const char* kGet =
    R"(KIND is a kind, its plural or its short name: virtualservice (vs), destinationrule (dr),
serviceentry (se), workloadentry (we), sidecar, service (svc), endpointslice, pod (po),
namespace (ns), node (no); or 'all'.
  image       the routes in force, as the kernel's tables hold them
  endpoints   every endpoint with its counters

Examples:
  vsplit get svc,vs
  vsplit get vs -o wide                     with the weights
  vsplit get vs/reviews dr/reviews -o json
  vsplit get image)";

constexpr const char* kDelete = R"(Examples:
  vsplit delete -f canary.yaml              everything the file names, as one transaction
  vsplit delete vs reviews ratings
  vsplit delete vs/reviews dr/reviews)";

constexpr const char* kTop =
    R"(TARGET is what the rule asks for, NOW what was measured since the frame before, TOTAL since the
route began. The bar shows NOW, '|' the target. REFUSED connections found no endpoint.

Examples:
  vsplit top reviews
  vsplit top --once                         one frame, for scripts
  vsplit top --once --interval 10           one frame, measured over ten seconds)";

constexpr const char* kRoute =
    R"(Answers from the files alone: no agent, no root, nothing is connected. Files must hold what the rules
are about too: Services, EndpointSlices, Pods, Nodes. The client is a pod of the files, or one described
by namespace, labels, node and locality. DNS names stay names.
--batch reads one question per line, {"id", "yaml", "source": {"namespace", "labels", "node",
"locality", "pod"}, "registry_only"}, and writes one answer per line.

Examples:
  vsplit route -f rules/ -f cluster.yaml --pod default/web-1
  vsplit route -R -f deploy/ -n prod --labels app=web,version=v1 --node n1
  kubectl get vs,dr,se,svc,endpointslices,pods,nodes -A -o yaml | vsplit route -f - -o json)";

constexpr const char* kValidate =
    R"(Checks files as 'vsplit apply' does, with the rules of Istio's API server and webhook, from the files
alone: no agent, no root. Every fault and warning is named by file, line and column; the exit status
is 1 if an object is invalid. With -o json one line per document says kind, namespace, name, whether
it is valid, errors and warnings; kinds that are not read are skipped.

Examples:
  vsplit validate -f canary.yaml
  vsplit validate -R -f deploy/ -o json)";

constexpr const char* kAnalyze =
    R"(What is wrong with objects together, though each may be right by itself: destinations, subsets and
hosts that do not exist, rules that are never reached, DestinationRules that hide others. Codes that
begin with IST are istioctl's. With -f it needs no agent and no root, and the files must hold what the
rules are about too. The exit status is 1 when there are errors among the findings.

Examples:
  vsplit analyze                            what the agent has
  vsplit analyze -f deploy/
  kubectl get vs,dr,se,svc,pods,nodes -A -o yaml | vsplit analyze -f - -o json)";

constexpr const char* kExplain =
    R"(The kernel's own code decides on the live tables; nothing is connected and nothing is counted.

Example:
  vsplit explain --from default/web-1 --to 10.96.0.7:80)";

constexpr const char* kKubeconfig =
    R"(It holds no secret: kubectl runs 'vsplit token' where it needs one, and the agent gives it to whoever
may use its socket, in the name of the user that the kernel says it is.

Example:
  vsplit kubeconfig >~/.kube/vsplit && kubectl --kubeconfig ~/.kube/vsplit get vs)";

void AddFiles(CLI::App& command, std::vector<std::string>& files) {
  command
      .add_option("-f,--filename", files,
                  "File, folder, or - for the standard input; may be repeated")
      ->type_name("FILE")
      ->allow_extra_args(false);
}

void AddNamespace(CLI::App& command, std::string& ns) {
  command.add_option("-n,--namespace", ns, "Namespace, where none is given")
      ->type_name("NAMESPACE");
}

void AddOutput(CLI::App& command, std::string& output, const std::vector<std::string>& formats) {
  command.add_option("-o,--output", output, "Format of the output")
      ->type_name("")
      ->check(CLI::IsMember(formats));
}

// What the words on the command line mean: `run` is what is to be done.
struct CommandLine {
  std::string socket = "/run/vsplit/vsplit.sock";
  vsplit::ApplyOptions apply;
  vsplit::DeleteOptions remove;
  vsplit::GetOptions get;
  vsplit::StatusOptions status;
  vsplit::TopOptions top;
  vsplit::ExplainOptions explain;
  vsplit::RouteOptions route;
  vsplit::ValidateOptions validate;
  vsplit::AnalyzeOptions analyze;
  double interval = 1;  // seconds
  bool client_only = false;
  bool ready = false;
  std::string shell;
  std::function<Result<void>(const Agent&)> run;
};

void AddObjectCommands(CLI::App& app, CommandLine& line) {
  CLI::App* apply = app.add_subcommand("apply", "Put objects into force");
  AddFiles(*apply, line.apply.files);
  apply->get_option("--filename")->required();
  AddNamespace(*apply, line.apply.ns);
  apply->add_flag("--dry-run", line.apply.dry_run,
                  "Check and compile only, and show the difference");
  apply->footer(kApply);
  apply->callback([&line] { line.run = [&](const Agent& a) { return Apply(a, line.apply); }; });

  CLI::App* get = app.add_subcommand("get", "Show objects, the table image, or endpoints");
  get->add_option("KIND", line.get.words, "KIND [NAME...], KIND/NAME..., image, or endpoints")
      ->required()
      ->type_name("");
  AddNamespace(*get, line.get.ns);
  get->add_flag("-A,--all-namespaces", line.get.all_namespaces, "Objects of all namespaces");
  AddOutput(*get, line.get.output, {"wide", "name", "yaml", "json"});
  get->footer(kGet);
  get->callback([&line] { line.run = [&](const Agent& a) { return Get(a, line.get); }; });

  CLI::App* remove = app.add_subcommand("delete", "Delete objects");
  AddFiles(*remove, line.remove.files);
  remove->add_option("KIND", line.remove.words, "KIND NAME..., or KIND/NAME...")->type_name("");
  AddNamespace(*remove, line.remove.ns);
  remove->add_flag("--ignore-not-found", line.remove.ignore_not_found,
                   "It is fine if something is not there");
  remove->footer(kDelete);
  remove->callback([&line] {
    if (line.remove.files.empty() == line.remove.words.empty()) {
      throw CLI::ValidationError("delete", "needs either -f FILE or KIND NAME");
    }
    line.run = [&](const Agent& a) { return Delete(a, line.remove); };
  });
}

void AddViewCommands(CLI::App& app, CommandLine& line) {
  CLI::App* status = app.add_subcommand(
      "status", "Show whether the programs are attached, the rules in force, the split on target");
  AddOutput(*status, line.status.output, {"json"});
  status->callback([&line] { line.run = [&](const Agent& a) { return Status(a, line.status); }; });

  CLI::App* top = app.add_subcommand("top", "Watch the live split against its target");
  top->add_option("HOST", line.top.host, "Only routes whose host or frontend contains this")
      ->type_name("");
  top->add_flag("--once", line.top.once, "One frame");
  top->add_option("--interval", line.interval, "Seconds between frames")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 3600.0));
  top->footer(kTop);
  top->callback([&line, top] {
    constexpr double kMilliseconds = 1000;
    line.top.interval =
        std::chrono::milliseconds(static_cast<std::int64_t>(line.interval * kMilliseconds));
    line.top.measure = top->count("--interval") > 0;
    line.run = [&](const Agent& a) { return Top(a, line.top); };
  });

  CLI::App* explain = app.add_subcommand("explain", "Say where a connection would go, and why");
  explain->add_option("--from", line.explain.from, "The pod that connects")
      ->required()
      ->type_name("[NAMESPACE/]POD");
  explain->add_option("--to", line.explain.to, "What it connects to")
      ->required()
      ->type_name("HOST:PORT");
  AddNamespace(*explain, line.explain.ns);
  AddOutput(*explain, line.explain.output, {"json"});
  explain->footer(kExplain);
  explain->callback(
      [&line] { line.run = [&](const Agent& a) { return Explain(a, line.explain); }; });
}

void AddRouteCommand(CLI::App& app, CommandLine& line) {
  CLI::App* route = app.add_subcommand("route", "Say what files would make of connections");
  AddFiles(*route, line.route.files);
  route->add_flag("-R,--recursive", line.route.recursive, "Folders with the folders in them");
  CLI::Option* pod = route->add_option("--pod", line.route.pod, "The pod that connects")
                         ->type_name("NAMESPACE/NAME");
  AddNamespace(*route, line.route.ns);
  const auto describe = [&](const char* name, std::string& value, const char* text,
                            const char* type) {
    route->add_option(name, value, text)->type_name(type)->excludes(pod);
  };
  describe("--labels", line.route.labels, "Labels of who connects", "KEY=VALUE,...");
  describe("--node", line.route.node, "Where it runs", "NODE");
  describe("--locality", line.route.locality, "Its locality, if not the node's",
           "REGION/ZONE/SUBZONE");
  route->add_flag("--registry-only", line.route.registry_only,
                  "The mesh lets nothing out that is in no service (REGISTRY_ONLY)");
  AddOutput(*route, line.route.output, {"text", "json"});
  route->add_flag("--batch", line.route.batch, "Questions and answers as JSON lines");
  route->footer(kRoute);
  route->callback([&line] {
    if (line.route.batch != line.route.files.empty()) {
      throw CLI::ValidationError("route", "needs either -f FILE or --batch");
    }
    line.run = [&](const Agent&) { return Route(line.route); };
  });
}

void AddValidateCommand(CLI::App& app, CommandLine& line) {
  CLI::App* validate = app.add_subcommand("validate", "Check files without applying them");
  AddFiles(*validate, line.validate.files);
  validate->get_option("--filename")->required();
  validate->add_flag("-R,--recursive", line.validate.recursive, "Folders with the folders in them");
  AddNamespace(*validate, line.validate.ns);
  AddOutput(*validate, line.validate.output, {"text", "json"});
  validate->footer(kValidate);
  validate->callback([&line] { line.run = [&](const Agent&) { return Validate(line.validate); }; });
}

void AddAnalyzeCommand(CLI::App& app, CommandLine& line) {
  CLI::App* analyze = app.add_subcommand("analyze", "Find objects that do not fit together");
  AddFiles(*analyze, line.analyze.files);
  AddNamespace(*analyze, line.analyze.ns);
  AddOutput(*analyze, line.analyze.output, {"json"});
  analyze->footer(kAnalyze);
  analyze->callback(
      [&line] { line.run = [&](const Agent& a) { return Analyze(a, line.analyze); }; });
}

Result<void> PrintVersion(const Agent& agent, bool client_only) {
  fmt::print("vsplit {}\n", VSPLIT_VERSION);
  if (client_only) {
    return {};
  }
  const Result<vsplit::Json> status = agent.CallJson({.target = "/apis/vsplit.io/v1/status"});
  if (!status) {
    return tl::unexpected<vsplit::Error>(status.error());
  }
  fmt::print("vsplitd {}\n", vsplit::TextAt(*status, "/version"));
  return {};
}

// For the probes of whoever runs the agent: the exit status is the answer.
Result<void> AskHealth(const Agent& agent, bool ready) {
  const Result<std::string> answer =
      agent.Call({.target = ready ? "/readyz" : "/healthz", .accept = "text/plain"});
  if (!answer) {
    return tl::unexpected<vsplit::Error>(answer.error());
  }
  fmt::print("{}{}", *answer, answer->ends_with('\n') ? "" : "\n");
  return {};
}

void AddOtherCommands(CLI::App& app, CommandLine& line) {
  CLI::App* health = app.add_subcommand("health", "Succeed if the agent works");
  health->add_flag("--ready", line.ready,
                   "Only if its tables are in force, its programs attached, and all objects known");
  health->callback(
      [&line] { line.run = [&](const Agent& agent) { return AskHealth(agent, line.ready); }; });

  CLI::App* version = app.add_subcommand("version", "Print the versions of vsplit and its agent");
  version->add_flag("--client", line.client_only, "Only that of vsplit itself");
  version->callback([&line] {
    line.run = [&](const Agent& agent) { return PrintVersion(agent, line.client_only); };
  });

  CLI::App* completion = app.add_subcommand("completion", "Print the completion script of a shell");
  completion->add_option("SHELL", line.shell, "bash")
      ->required()
      ->type_name("")
      ->check(CLI::IsMember({"bash"}));
  completion->footer("Example:\n  source <(vsplit completion bash)");
  completion->callback([&line] {
    line.run = [](const Agent&) -> Result<void> {
      fmt::print("{}", vsplit::kBashCompletion);
      return {};
    };
  });
}

void AddAccessCommands(CLI::App& app, CommandLine& line) {
  CLI::App* kubeconfig = app.add_subcommand(
      "kubeconfig", "Print a kubeconfig for the agent, for any user of its socket");
  kubeconfig->footer(kKubeconfig);
  kubeconfig->callback(
      [&line] { line.run = [&](const Agent& a) { return PrintKubeconfig(a, line.socket); }; });

  CLI::App* token = app.add_subcommand(
      "token", "Print a token that holds for some minutes, as kubectl's exec plugins do");
  token->callback([&line] { line.run = [](const Agent& a) { return PrintToken(a); }; });
}

int Usage(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {  // --help
    return app.exit(error);
  }
  std::string command = "vsplit";
  for (const CLI::App* chosen : app.get_subcommands()) {
    command += " " + chosen->get_name();
  }
  fmt::print(stderr, "error: {}\nSee '{} --help' for usage.\n", error.what(), command);
  return 2;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): what is thrown here is lack of memory
int main(int argc, char** argv) {
  CLI::App app(
      "vsplit splits TCP connections between the pods of a Service, in the kernel, by the\n"
      "weights of Istio VirtualServices. This is its command line; vsplitd is its agent.",
      "vsplit");
  CommandLine line;
  app.footer(kOverview);
  app.require_subcommand(0, 1);
  app.option_defaults()->always_capture_default(false);
  app.add_option("--socket", line.socket, "The agent's socket")
      ->type_name("PATH")
      ->envname("VSPLIT_SOCKET");
  app.fallthrough();
  AddObjectCommands(app, line);
  AddViewCommands(app, line);
  AddRouteCommand(app, line);
  AddValidateCommand(app, line);
  AddAnalyzeCommand(app, line);
  AddAccessCommands(app, line);
  AddOtherCommands(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return Usage(app, error);
  }
  if (!line.run) {
    fmt::print("{}", app.help());
    return 0;
  }
  if (const Result<void> done = line.run(Agent(line.socket)); !done) {
    std::fflush(stdout);
    fmt::print(stderr, "{}\n", done.error().message);
    return 1;
  }
  return 0;
}
