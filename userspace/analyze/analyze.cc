// SPDX-License-Identifier: Apache-2.0
#include "vsplit/analyze.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "findings.h"
#include "registry.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

namespace analyze {

std::string ListOf(const std::set<ObjectKey>& objects, std::string_view separator) {
  constexpr std::size_t kMost = 100;
  std::vector<std::string> names;
  names.reserve(objects.size());
  for (const ObjectKey& object : objects) {
    names.push_back(object.ns + "/" + object.name);
  }
  std::ranges::sort(names);
  const std::size_t more = names.size() - std::min(names.size(), kMost);
  names.resize(names.size() - more);
  std::string list = fmt::format("{}", fmt::join(names, separator));
  return more == 0 ? list : fmt::format("{} and {} more", list, more);
}

// What vsplit does with the rules, besides what istioctl says about them.
void CheckVerdicts(const Store& store, const ResolveOptions& options, const Clients& clients,
                   Findings& out) {
  for (const HostName& host : HostsWithRules(store, false)) {
    const HostMeaning meaning =
        ResolveAll(store, host, options, clients.anonymous, clients.workloads);
    for (const Verdict& verdict : meaning.verdicts()) {
      if (verdict.kind == Verdict::Kind::kEnforced) {
        continue;
      }
      const bool lost = verdict.kind == Verdict::Kind::kNotEnforced;
      const std::string object = ToString(verdict.object);
      out.push_back({.code = lost ? "VSPLIT01" : "VSPLIT02",
                     .level = lost ? Finding::Level::kWarning : Finding::Level::kInfo,
                     .object = object,
                     .message = ToString(verdict).substr(object.size() + 2)});  // behind ": "
    }
  }
}

namespace {

// istioctl looks at nothing in the namespaces of Kubernetes itself.
bool IsOfKubernetes(const Finding& finding) {
  constexpr auto kNamespaces = std::to_array<std::string_view>(
      {" kube-system/", " kube-public/", " kube-node-lease/", " local-path-storage/"});
  return finding.code.starts_with("IST") &&
         std::ranges::any_of(kNamespaces, [&finding](std::string_view ns) {
           return finding.object.find(ns) != std::string::npos;
         });
}

}  // namespace

}  // namespace analyze

std::string ToString(Finding::Level level) {
  switch (level) {
    case Finding::Level::kError:
      return "Error";
    case Finding::Level::kWarning:
      return "Warning";
    case Finding::Level::kInfo:
      return "Info";
  }
  return "";
}

std::string ToString(const Finding& finding) {
  const std::string object = finding.object.empty() ? "" : "(" + finding.object + ") ";
  return fmt::format("{} [{}] {}{}", ToString(finding.level), finding.code, object,
                     finding.message);
}

Clients AllPods(const Store& store) {
  Clients clients;
  for (const ObjectPtr& pod : store.List(Kind::kPod)) {
    const std::string& node = pod->spec.Get<Pod>().node_name;
    const ObjectPtr found = store.Find({.kind = Kind::kNode, .name = node});
    clients.workloads.push_back(
        {.name = pod->key.ns + "/" + pod->key.name, .client = ClientOf(*pod, found.get())});
  }
  return clients;
}

std::vector<Finding> Analyze(const Store& store, const ResolveOptions& options,
                             const Clients& clients) {
  const analyze::Registry registry(store);
  std::vector<Finding> findings;
  analyze::CheckDestinations(store, registry, findings);
  analyze::CheckMeshHosts(store, findings);
  analyze::CheckPortNames(store, findings);
  analyze::CheckServiceEntries(store, findings);
  analyze::CheckSubsets(store, registry, findings);
  analyze::CheckReach(store, findings);
  analyze::CheckHiding(store, options.root_namespace, findings);
  analyze::CheckVerdicts(store, options, clients, findings);
  const auto key = [](const Finding& finding) {
    return std::tie(finding.code, finding.object, finding.message);
  };
  std::erase_if(findings, analyze::IsOfKubernetes);
  std::ranges::sort(findings, {}, key);
  findings.erase(std::unique(findings.begin(), findings.end()), findings.end());
  return findings;
}

std::vector<Finding> FindingsOf(const Diagnostics& diagnostics) {
  std::vector<Finding> findings;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.path == "kind") {
      findings.push_back({.code = "VSPLIT04",
                          .level = Finding::Level::kInfo,
                          .object = diagnostic.object,
                          .message = "Not looked at: " + diagnostic.message});
    } else if (diagnostic.severity == Diagnostic::Severity::kError) {
      const std::string path = diagnostic.path.empty() ? "" : diagnostic.path + ": ";
      findings.push_back({.code = "IST0106",
                          .level = Finding::Level::kError,
                          .object = diagnostic.object,
                          .message = "Schema validation error: " + path + diagnostic.message});
    }
  }
  return findings;
}

std::string ToJson(const Finding& finding) {
  const nlohmann::ordered_json line = {{"code", finding.code},
                                       {"level", ToString(finding.level)},
                                       {"object", finding.object},
                                       {"message", finding.message}};
  return line.dump();
}

std::string FindingsJson(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += (text.empty() ? "[\n" : ",\n") + ToJson(finding);
  }
  return text.empty() ? "[]\n" : text + "\n]\n";
}

}  // namespace vsplit
