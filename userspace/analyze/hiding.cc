// SPDX-License-Identifier: Apache-2.0
// VSPLIT03: in a client's own namespace any DestinationRule that covers a host is the last word,
// even a wildcard, even one whose workloadSelector does not fit the client (R11). What the
// service's namespace says of subsets then counts for nothing there, and routes to them fail.
#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "findings.h"
#include "registry.h"
#include "vsplit/address.h"
#include "vsplit/analyze.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::analyze {
namespace {

const DestinationRule& RuleOf(const ObjectPtr& object) {
  return object->spec.Get<DestinationRule>();
}

bool IsSeenFrom(const ObjectPtr& object, const std::string& ns) {
  const std::set<std::string> scopes = ScopesOf(RuleOf(object).export_to, object->key.ns);
  return scopes.contains(kEverywhere) || scopes.contains(ns);
}

// Those of one namespace with the most specific host: an exact one, else the longest wildcard.
std::vector<ObjectPtr> MostSpecific(const std::vector<ObjectPtr>& rules, const Store& store) {
  const auto rank = [&store](const ObjectPtr& object) {
    const HostName host = QualifyHost(RuleOf(object).host, object->key.ns, store.domain());
    return std::pair(!IsWildcard(host), host.size());
  };
  std::vector<ObjectPtr> best;
  for (const ObjectPtr& rule : rules) {
    if (!best.empty() && rank(best.front()) < rank(rule)) {
      best.clear();
    }
    if (best.empty() || rank(best.front()) == rank(rule)) {
      best.push_back(rule);
    }
  }
  return best;
}

std::set<std::string> SubsetsOf(const std::vector<ObjectPtr>& rules, bool without_selector) {
  std::set<std::string> names;
  for (const ObjectPtr& rule : rules) {
    if (!without_selector || !RuleOf(rule).workload_selector) {
      for (const Subset& subset : RuleOf(rule).subsets) {
        names.insert(subset.name);
      }
    }
  }
  return names;
}

std::string Lost(const std::set<std::string>& names) {
  return names.empty()
             ? "nothing of its trafficPolicy counts there"
             : fmt::format("subset{} {} of it {} unknown there, and what is routed to {} fails",
                           names.size() == 1 ? "" : "s", fmt::join(names, ", "),
                           names.size() == 1 ? "is" : "are", names.size() == 1 ? "it" : "them");
}

// What one namespace's rules take away from its clients.
struct Hider {
  const std::string& ns;
  std::vector<ObjectPtr> rules;  // the most specific ones

  // Who does not get what `hidden` says; empty: nobody.
  std::string ClientsWithout() const {
    const bool all_selected = std::ranges::all_of(
        rules, [](const ObjectPtr& rule) { return RuleOf(rule).workload_selector.has_value(); });
    const bool wild = IsWildcard(RuleOf(rules.front()).host);
    if (all_selected) {
      return "clients that its workloadSelector does not select";
    }
    return wild ? "clients" : "";
  }
};

void Report(const Hider& hider, const ObjectPtr& hidden, Findings& out) {
  std::set<std::string> lost = SubsetsOf({hidden}, false);
  for (const std::string& name : SubsetsOf(hider.rules, true)) {
    lost.erase(name);
  }
  std::string clients = hider.ClientsWithout();
  if (clients.empty() && !lost.empty()) {
    clients = "clients";
  }
  if (clients.empty()) {
    return;
  }
  out.push_back({.code = "VSPLIT03",
                 .level = Finding::Level::kWarning,
                 .object = ToString(hider.rules.front()->key),
                 .message = fmt::format("Hides {} from {} in namespace {}: {}.",
                                        ToString(hidden->key), clients, hider.ns, Lost(lost))});
}

void CheckHost(const Store& store, const HostName& host, const std::string& ns,
               const std::string& root_namespace, Findings& out) {
  std::map<std::string, std::vector<ObjectPtr>> by_namespace;
  for (const ObjectPtr& rule : store.DestinationRulesFor(host)) {
    by_namespace[rule->key.ns].push_back(rule);
  }
  const auto own = by_namespace.find(ns);
  for (const auto& [client_ns, rules] : by_namespace) {
    std::vector<ObjectPtr> seen;
    std::ranges::copy_if(rules, std::back_inserter(seen),
                         [&ns = client_ns](const auto& rule) { return IsSeenFrom(rule, ns); });
    if (client_ns == root_namespace || seen.empty()) {
      continue;
    }
    const Hider hider{.ns = client_ns, .rules = MostSpecific(seen, store)};
    for (const ObjectPtr& rule : own == by_namespace.end() ? seen : own->second) {
      const bool hides = std::ranges::find(hider.rules, rule) == hider.rules.end();
      const bool elsewhere = client_ns != ns;
      // Within one namespace the more specific host is what everybody expects; what surprises is
      // that it counts as chosen for clients that it does not select.
      const bool selector_only = std::ranges::all_of(hider.rules, [](const ObjectPtr& best) {
        return RuleOf(best).workload_selector.has_value();
      });
      if (hides && IsSeenFrom(rule, client_ns) && (elsewhere || selector_only)) {
        Report(hider, rule, out);
      }
    }
  }
}

}  // namespace

void CheckHiding(const Store& store, const std::string& root_namespace, Findings& out) {
  if (store.Count(Kind::kDestinationRule) < 2) {
    return;
  }
  for (const ObjectPtr& service : store.List(Kind::kService)) {
    CheckHost(store, ServiceHost(service->key.ns, service->key.name, store.domain()),
              service->key.ns, root_namespace, out);
  }
  for (const ObjectPtr& entry : store.List(Kind::kServiceEntry)) {
    for (const std::string& host : entry->spec.Get<ServiceEntry>().hosts) {
      CheckHost(store, QualifyHost(host, entry->key.ns, store.domain()), entry->key.ns,
                root_namespace, out);
    }
  }
}

}  // namespace vsplit::analyze
