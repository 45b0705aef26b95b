// SPDX-License-Identifier: Apache-2.0
#include "destination_rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client.h"
#include "scene.h"
#include "visibility.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

const DestinationRule& RuleOf(const ObjectPtr& object) {
  return object->spec.Get<DestinationRule>();
}

HostName HostOf(const Scene& scene, const ObjectPtr& object) {
  return QualifyHost(RuleOf(object).host, object->key.ns, scene.store.domain());
}

// Whether nobody but clients of its own namespace has the rule. One with a workloadSelector never
// leaves its namespace.
bool IsPrivate(const ObjectPtr& object) {
  const DestinationRule& rule = RuleOf(object);
  if (rule.workload_selector) {
    return true;
  }
  const std::vector<std::string>& words = rule.export_to;
  return !words.empty() && std::ranges::all_of(words, [&](const std::string& word) {
    return word == "." || word == object->key.ns;
  });
}

// Whether clients of its own namespace have the rule.
bool IsAtHome(const ObjectPtr& object) {
  const DestinationRule& rule = RuleOf(object);
  const std::vector<std::string>& words = rule.export_to;
  return rule.workload_selector || IsPublic(words) ||
         std::ranges::find(words, ".") != words.end() ||
         std::ranges::find(words, object->key.ns.str()) != words.end();
}

// To whom the rule goes; with a workloadSelector never beyond its namespace.
std::vector<std::string> ExportedWords(const ObjectPtr& object) {
  const DestinationRule& rule = RuleOf(object);
  return rule.workload_selector ? std::vector<std::string>{"."} : rule.export_to;
}

// As Istio compares them: the words, not what they mean.
std::set<std::string> ExportsOf(const ObjectPtr& object) {
  const std::vector<std::string> words = ExportedWords(object);
  return {words.begin(), words.end()};
}

// Rules of one host that Istio has merged into one; the first is the oldest.
struct Merged {
  std::set<std::string> exports;
  std::optional<Labels> selector;
  std::vector<ObjectPtr> rules;
};

// mergeDestinationRule() of Istio: takes a rule into those that it goes together with. Gives
// whether it is also one of its own.
bool MergeInto(const ObjectPtr& object, const std::set<std::string>& exports,
               std::vector<Merged>& all) {
  const std::optional<Labels>& selector = RuleOf(object).workload_selector;
  bool own = true;
  for (Merged& merged : all) {
    const bool same = exports == merged.exports;
    own = !same;
    if (!same && (merged.exports.empty() || !std::ranges::includes(exports, merged.exports))) {
      continue;
    }
    if (selector && merged.selector && *selector != *merged.selector) {
      own = true;
      continue;
    }
    own = own && selector.has_value() != merged.selector.has_value();
    merged.rules.push_back(object);
  }
  return own;
}

std::vector<Merged> MergeAll(std::vector<ObjectPtr> objects) {
  SortByPrecedence(objects);
  std::ranges::stable_sort(objects, std::ranges::greater{}, [](const ObjectPtr& object) {
    return RuleOf(object).workload_selector.has_value();
  });
  std::vector<Merged> all;
  for (const ObjectPtr& object : objects) {
    std::set<std::string> exports = ExportsOf(object);
    if (MergeInto(object, exports, all)) {
      all.push_back({.exports = std::move(exports),
                     .selector = RuleOf(object).workload_selector,
                     .rules = {object}});
    }
  }
  return all;
}

// Of the rules of one namespace that the pool holds those with the most specific host: the exact
// one, else the longest wildcard.
std::vector<Merged> MostSpecific(const Scene& scene, const std::vector<ObjectPtr>& rules,
                                 const HostName& host, const std::string& ns, const auto& pool) {
  std::vector<ObjectPtr> best;
  std::pair<bool, std::size_t> best_rank;
  for (const ObjectPtr& object : rules) {
    if (object->key.ns != ns || !pool(object)) {
      continue;
    }
    const HostName pattern = HostOf(scene, object);
    const std::pair rank(pattern == host, pattern.size());
    if (best.empty() || rank > best_rank) {
      best.clear();
      best_rank = rank;
    }
    if (rank == best_rank) {
      best.push_back(object);
    }
  }
  return MergeAll(std::move(best));
}

// The rules of a namespace that it exports to the client.
std::vector<Merged> Exported(const Scene& scene, const std::vector<ObjectPtr>& rules,
                             const HostName& host, const std::string& ns) {
  std::vector<Merged> all = MostSpecific(
      scene, rules, host, ns, [](const ObjectPtr& object) { return !IsPrivate(object); });
  std::erase_if(all, [&scene](const Merged& merged) {
    return !merged.exports.empty() && !merged.exports.contains("*") &&
           std::ranges::none_of(merged.exports, [&scene](const std::string& word) {
             return word != "." && word != "~" && IsInNamespace(scene, word);
           });
  });
  return all;
}

// Whether clients of this namespace find there what all others find there too, so that it need not
// be asked whether the client is one of them.
bool IsTheSameForAll(const std::vector<ObjectPtr>& rules, const std::string& ns) {
  return std::ranges::all_of(rules, [&ns](const ObjectPtr& object) {
    return object->key.ns != ns ||
           (!RuleOf(object).workload_selector && IsPublic(RuleOf(object).export_to));
  });
}

// R11, from the client's namespace to the service's to the root namespace: the first in which a
// rule is about the host ends the search, whatever becomes of it there.
std::vector<Merged> FindLevel(const Scene& scene, const std::vector<ObjectPtr>& rules,
                              const HostName& host, const std::string& ns) {
  const std::string& root = scene.options.root_namespace;
  std::string asked;
  for (const ObjectPtr& object : rules) {
    const std::string& own = object->key.ns;
    if (own == asked || (own == ns && IsTheSameForAll(rules, ns)) || !IsInNamespace(scene, own)) {
      asked = own;
      continue;
    }
    std::vector<Merged> found = MostSpecific(scene, rules, host, own, [&](const ObjectPtr& rule) {
      return own == root ? IsPrivate(rule) : IsAtHome(rule);
    });
    if (!found.empty()) {
      return found;
    }
    break;
  }
  std::vector<Merged> found = Exported(scene, rules, host, ns);
  return found.empty() && ns != root ? Exported(scene, rules, host, root) : found;
}

// The one among them for the client: with a selector that selects it, else the last without one.
std::vector<ObjectPtr> OneFor(const Scene& scene, const std::vector<Merged>& level) {
  std::vector<ObjectPtr> best;
  for (const Merged& merged : level) {
    if (!merged.selector) {
      best = merged.rules;
    } else if (IsInNamespace(scene, merged.rules.front()->key.ns) &&
               IsSelected(scene, *merged.selector)) {
      return merged.rules;
    }
  }
  return best;
}

}  // namespace

std::vector<ObjectPtr> MergedRules(const Scene& scene, const HostName& host,
                                   const std::string& ns) {
  const std::vector<ObjectPtr> all = scene.store.DestinationRulesFor(host);
  return all.empty() ? all : OneFor(scene, FindLevel(scene, all, host, ns));
}

const Subset* FindSubset(const std::vector<ObjectPtr>& merged, std::string_view name) {
  for (const ObjectPtr& object : merged) {
    const std::vector<Subset>& subsets = RuleOf(object).subsets;
    const auto found = std::ranges::find(subsets, name, &Subset::name);
    if (found != subsets.end()) {
      return &*found;
    }
  }
  return nullptr;
}

std::string WhyLeftOut(const Scene& scene, const ObjectPtr& object,
                       const std::vector<ObjectPtr>& merged, const std::string& ns) {
  if (std::ranges::find(merged, object) != merged.end()) {
    return "";
  }
  const DestinationRule& rule = RuleOf(object);
  const std::string others(kForOtherClients);
  const bool common = object->key.ns == ns || object->key.ns == scene.options.root_namespace;
  if (!IsInNamespace(scene, object->key.ns) &&
      (!common || !IsExportedTo(scene, object->key.ns, ExportedWords(object)))) {
    return rule.workload_selector || IsPublic(rule.export_to)
               ? others + "those in namespace " + object->key.ns
               : others + fmt::format("exported only to \"{}\"", Join(rule.export_to));
  }
  if (rule.workload_selector && !IsSelected(scene, *rule.workload_selector)) {
    return others + "its workloadSelector names them";
  }
  return merged.empty() ? "another DestinationRule of the client's namespace hides it"
                        : fmt::format("shadowed by {}", ToString(merged.front()->key));
}

}  // namespace vsplit::resolve
