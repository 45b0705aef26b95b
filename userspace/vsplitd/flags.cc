// SPDX-License-Identifier: Apache-2.0
#include "flags.h"

#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/CLI.hpp>  // IWYU pragma: keep
#include <CLI/Error.hpp>
#include <CLI/Validators.hpp>
#include <array>
#include <chrono>
#include <climits>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "pods.h"
#include "vsplit/api.h"
#include "vsplit/datapath.h"
#include "vsplit/image.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

constexpr int kUsage = 2;

constexpr const char* kAbout =
    "Splits connections by the weights of Istio VirtualServices, in the kernel, without a proxy.\n"
    "\n"
    "vsplitd keeps the objects that `vsplit apply` gives it, compiles them into tables of BPF\n"
    "programs that run in connect(), and answers on a Unix socket. What is in force stays in "
    "force\n"
    "when vsplitd stops, crashes or is upgraded; only `vsplitd uninstall` takes it away. It "
    "mounts\n"
    "nothing: a bpffs has to be at /sys/fs/bpf and a cgroup2 has to be mounted, as systemd does.";

constexpr const char* kMore =
    "Without the agent:\n"
    "  bpftool map dump pinned /sys/fs/bpf/vsplit/frontends    the tables by name\n"
    "  vsplitd uninstall                                       detach and remove everything";

std::string NameOfThisMachine() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

Locality LocalityOf(const std::string& text) {
  Locality locality;
  std::istringstream parts(text);
  std::getline(parts, locality.region, '/');
  std::getline(parts, locality.zone, '/');
  std::getline(parts, locality.subzone);
  return locality;
}

// An option whose value is one of these words.
template <class T>
void AddWord(CLI::App& app, const std::string& name, T& target,
             const std::map<std::string, T>& words, const std::string& help) {
  std::string choice;
  std::vector<std::string> allowed;
  for (const auto& [word, value] : words) {
    choice += (choice.empty() ? "" : "|") + word;
    allowed.push_back(word);
  }
  app.add_option_function<std::string>(
         name, [&target, words](const std::string& word) { target = words.at(word); }, help)
      ->option_text(choice)
      ->check(CLI::IsMember(allowed).description(""));
}

void AddPins(CLI::App& app, Flags& flags) {
  app.add_option("--pins", flags.agent.datapath.pins,
                 "Folder on a bpffs where tables and links are pinned. Two agents with different\n"
                 "folders know nothing of each other")
      ->capture_default_str();
}

void AddPlaces(CLI::App& app, Flags& flags) {
  app.add_option("--socket", flags.server.socket,
                 "Unix socket of the API, mode 0660; its group is `vsplit` if there is one.\n"
                 "Whoever may write to it may steer the node's connections")
      ->capture_default_str();
  app.add_option("--state", flags.agent.state, "File that keeps the objects (SQLite)")
      ->capture_default_str();
  AddPins(app, flags);
  app.add_option("--cgroup", flags.agent.datapath.cgroup,
                 "Folder of the cgroup2 whose processes are split. Default: the kubelet's pods\n"
                 "(kubepods), else all of the machine");
}

// Beside the state and the socket lies what belongs to them.
KubeOptions FilesOf(KubeOptions kube, const Flags& flags) {
  using std::filesystem::path;
  kube.identity = path(flags.agent.state).parent_path() / "kube.pem";
  kube.kubeconfig = path(flags.server.socket).parent_path() / "kubeconfig";
  return kube;
}

void AddKube(CLI::App& app, KubeOptions& kube) {
  app.add_option(
         "--kube-address", kube.address,
         "Address where kubectl is served, over TLS, with what the file `kubeconfig` beside\n"
         "the socket holds; its mode is 0640, its group the socket's")
      ->capture_default_str();
  app.add_option("--kube-port", kube.port, "Port of the same; 0: kubectl is not served")
      ->capture_default_str();
  app.add_option_function<unsigned>(
         "--token-lifetime",
         [&kube](unsigned seconds) { kube.token_lifetime = std::chrono::seconds(seconds); },
         "How long what `vsplit token` gives to a user of the socket is good for [" +
             std::to_string(kube.token_lifetime.count()) + "]")
      ->option_text("SECONDS")
      ->check(CLI::Range(1, 86'400).description(""));
}

void AddMetrics(CLI::App& app, MetricsOptions& metrics) {
  app.add_option("--metrics-address", metrics.address,
                 "Address where /metrics, /healthz and /readyz are served over plain HTTP, to\n"
                 "whoever reaches it")
      ->capture_default_str();
  app.add_option("--metrics-port", metrics.port,
                 "Port of the same; 0: they are served on the Unix socket alone")
      ->capture_default_str();
}

void AddRules(CLI::App& app, Flags& flags) {
  ResolveOptions& resolve = flags.agent.resolve;
  AddWord<Policy>(
      app, "--policy", resolve.policy, {{"exact", Policy::kExact}, {"random", Policy::kRandom}},
      "How subsets are drawn where the VirtualService does not say (annotation\n"
      "vsplit.io/policy). exact: every block of connections holds exactly the weights;\n"
      "random: each connection by chance, as Envoy does [exact]");
  AddWord<UndeclaredPorts>(
      app, "--undeclared-ports", resolve.undeclared,
      {{"as-written", UndeclaredPorts::kAsWritten},
       {"tcp", UndeclaredPorts::kTcp},
       {"http", UndeclaredPorts::kHttp}},
      "Rules read for a Service port that declares no protocol by its name or\n"
      "appProtocol. as-written: the list that the VirtualService has, tcp if it has\n"
      "both [as-written]");
  AddWord<bool>(app, "--hosts", flags.agent.all_hosts, {{"rules", false}, {"all", true}},
                "rules: only hosts that a VirtualService or DestinationRule names; all other\n"
                "Services stay with kube-proxy. all: every Service [rules]");
  app.add_option("--domain", flags.agent.domain, "The cluster's DNS domain")->capture_default_str();
  app.add_option("--root-namespace", resolve.root_namespace,
                 "Namespace whose DestinationRules hold for all others, as Istio's rootNamespace")
      ->capture_default_str();
}

void AddNode(CLI::App& app, Flags& flags) {
  NodeOptions& node = flags.agent.node;
  app.add_option("--node", node.name,
                 "This node's name, as spec.nodeName of its Pods has it [the host's name]");
  app.add_option_function<std::string>(
         "--locality", [&node](const std::string& text) { node.locality = LocalityOf(text); },
         "Where this node is, instead of what the labels of its Node say")
      ->option_text("REGION[/ZONE[/SUBZONE]]");
  app.add_flag("--registry-only", flags.agent.resolve.registry_only,
               "Hosts that a client does not see are refused, as with Istio's\n"
               "outboundTrafficPolicy REGISTRY_ONLY");
}

void AddCluster(CLI::App& app, Flags& flags) {
  app.add_flag(
      "--kubernetes", flags.kubernetes,
      "Take the objects from the API server of the cluster in which this runs as a pod.\n"
      "They are read only here, and what --state holds and the server does not is deleted,\n"
      "unless it was not of this cluster: then nothing is taken");
  app.add_flag("--replace-state", flags.replace_state,
               "Delete what --state holds of another cluster, or was applied to this agent");
  app.add_option_function<std::string>(
         "--kubeconfig",
         [&flags](const std::string& path) {
           flags.kubernetes = true;
           flags.kubeconfig = path;
         },
         "The same from the API server that this file names, as kubectl has it")
      ->option_text("FILE");
  AddWord<Flags::ClusterWrites>(
      app, "--cluster-writes", flags.cluster_writes,
      {{"all", {.status = true, .events = true}},
       {"events", {.status = false, .events = true}},
       {"none", {.status = false, .events = false}}},
      "What is written to that API server. all: the status of VirtualServices and\n"
      "DestinationRules, by one agent of the cluster, and Events about objects that cannot\n"
      "be put into force here; events: those alone; none: nothing [all]");
  app.add_option("--lease-namespace", flags.lease_namespace,
                 "Namespace of the Lease \"vsplit-status\", whose holder is that one agent\n"
                 "[the pod's own, else vsplit-system]");
}

void AddTables(CLI::App& app, Flags& flags) {
  AddWord<bool>(app, "--observe", flags.agent.datapath.observe, {{"on", true}, {"off", false}},
                "off: no sockops program. A connect is cheaper; bytes and failed connections are\n"
                "not counted, and `opened` counts decisions [on]");
  TableSizes& sizes = flags.agent.datapath.sizes;
  const char* const note = ". Tables that are there keep their sizes";
  app.add_option("--max-frontends", sizes.frontends,
                 std::string("Addresses and ports that can be split") + note)
      ->capture_default_str()
      ->check(CLI::Range(16, 1 << 22).description(""));
  app.add_option("--max-endpoints", sizes.endpoints,
                 std::string("Endpoints of all clusters together") + note)
      ->capture_default_str()
      ->check(CLI::Range(16, 1 << 24).description(""));
  app.add_option("--max-connections", sizes.connections,
                 std::string("Living connections that are counted; beyond, connections are split\n"
                             "and not counted") +
                     note)
      ->capture_default_str()
      ->check(CLI::Range(16, 1 << 24).description(""));
  app.add_option(
         "--max-hash-slots", sizes.hash_slots,
         std::string("Slots of all Maglev tables together\n(consistentHash.useSourceIp)") + note)
      ->capture_default_str()
      ->check(CLI::Range(16, 1 << 28).description(""));
}

}  // namespace

FlagsResult ParseFlags(int argc, const char* const* argv, const std::string& version) {
  FlagsResult result{.flags = Flags{}};
  Flags& flags = *result.flags;
  flags.agent.version = version;
  flags.agent.node.name = NameOfThisMachine();
  CLI::App app(kAbout, "vsplitd");
  app.set_version_flag("--version", "vsplitd " + version);
  app.footer(kMore);
  AddPlaces(app, flags);
  KubeOptions kube;
  AddKube(app, kube);
  MetricsOptions metrics;
  AddMetrics(app, metrics);
  AddRules(app, flags);
  AddNode(app, flags);
  AddCluster(app, flags);
  AddTables(app, flags);
  CLI::App* uninstall = app.add_subcommand(
      "uninstall", "Detach the programs and remove all tables and pins; the objects stay on disk");
  AddPins(*uninstall, flags);
  uninstall->footer("");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    result.flags.reset();
    result.exit_code = app.exit(error) == 0 ? 0 : kUsage;
    return result;
  }
  flags.uninstall = uninstall->parsed();
  if (kube.port != 0) {
    flags.kube = FilesOf(std::move(kube), flags);
  }
  if (metrics.port != 0) {
    flags.metrics = std::move(metrics);
  }
  return result;
}

}  // namespace vsplit
