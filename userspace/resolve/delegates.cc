// SPDX-License-Identifier: Apache-2.0
#include "delegates.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "matches.h"
#include "scene.h"
#include "visibility.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

const VirtualService& SpecOf(const ObjectPtr& object) {
  return object->spec.Get<VirtualService>();
}

const std::vector<Rule>& Written(const VirtualService& spec, RuleList list) {
  switch (list) {
    case RuleList::kHttp:
      return spec.http;
    case RuleList::kTls:
      return spec.tls;
    case RuleList::kTcp:
      break;
  }
  return spec.tcp;
}

bool Contains(const std::vector<std::string>& words, const std::string& word) {
  return std::ranges::find(words, word) != words.end();
}

// Whether the delegate asks for the same as the root, or for less of it, as far as Istio compares
// texts: never with a regex, nor with what is only to be there.
bool Narrows(const StringMatch& root, const StringMatch& leaf) {
  using Kind = StringMatch::Kind;
  if (root.kind == Kind::kExact) {
    return leaf == root;
  }
  return root.kind == Kind::kPrefix && (leaf.kind == Kind::kPrefix || leaf.kind == Kind::kExact) &&
         leaf.text.starts_with(root.text);
}

bool RequestsConflict(const Match& root, const Match& leaf) {
  return root.ignore_uri_case != leaf.ignore_uri_case ||
         std::ranges::any_of(leaf.request, [&root](const auto& condition) {
           const auto found = root.request.find(condition.first);
           return found != root.request.end() && !Narrows(found->second, condition.second);
         });
}

// hasConflict() of Istio.
bool Conflict(const Match& root, const Match& leaf) {
  if (RequestsConflict(root, leaf)) {
    return true;
  }
  if (root.port && leaf.port && *root.port != *leaf.port) {
    return true;
  }
  if (!root.source_namespace.empty() && leaf.source_namespace != root.source_namespace) {
    return true;
  }
  const auto contradicts = [&root](const auto& label) {
    const auto found = root.source_labels.find(label.first);
    return found != root.source_labels.end() && found->second != label.second;
  };
  if (std::ranges::any_of(leaf.source_labels, contradicts)) {
    return true;
  }
  return !root.gateways.empty() && !leaf.gateways.empty() &&
         (root.gateways.size() < leaf.gateways.size() ||
          std::ranges::any_of(leaf.gateways, [&root](const std::string& gateway) {
            return !Contains(root.gateways, gateway);
          }));
}

void AddMissing(const std::vector<std::string>& more, std::vector<std::string>& words) {
  for (const std::string& word : more) {
    if (!Contains(words, word)) {
      words.push_back(word);
    }
  }
}

Match Merge(const Match& root, const Match& leaf) {
  Match merged = leaf;
  merged.port = leaf.port ? leaf.port : root.port;
  merged.source_labels.insert(root.source_labels.begin(), root.source_labels.end());
  if (merged.source_namespace.empty()) {
    merged.source_namespace = root.source_namespace;
  }
  if (merged.gateways.empty()) {
    merged.gateways = root.gateways;
  }
  merged.request.insert(root.request.begin(), root.request.end());
  AddMissing(root.request_fields, merged.request_fields);
  return merged;
}

// Every match of the delegate must go together with one of the root; nothing when one does not.
std::optional<std::vector<Match>> Merge(const std::vector<Match>& root,
                                        const std::vector<Match>& leaf) {
  if (root.empty() || leaf.empty()) {
    return root.empty() ? leaf : root;
  }
  std::vector<Match> merged;
  for (const Match& inner : leaf) {
    const std::size_t before = merged.size();
    for (const Match& outer : root) {
      if (!Conflict(outer, inner)) {
        merged.push_back(Merge(outer, inner));
      }
    }
    if (merged.size() == before) {
      return std::nullopt;
    }
  }
  return merged;
}

// Why the root cannot use this VirtualService; empty when it can.
std::string Obstacle(const ObjectPtr& delegate, const ObjectKey& key, const std::string& root_ns) {
  if (delegate == nullptr) {
    return fmt::format("no {}", ToString(key));
  }
  const VirtualService& spec = SpecOf(delegate);
  if (!spec.hosts.empty()) {
    return fmt::format("{} has hosts of its own and is no delegate", ToString(key));
  }
  const bool exported = IsPublic(spec.export_to) || Contains(spec.export_to, root_ns) ||
                        (key.ns == root_ns && Contains(spec.export_to, "."));
  return exported ? "" : fmt::format("{} is not exported to {}", ToString(key), root_ns);
}

void AddDelegated(const Scene& scene, const ListedRule& root, std::vector<ListedRule>& rules) {
  const Delegate& named = *root.rule->delegate;
  const ObjectKey key{.kind = Kind::kVirtualService,
                      .ns = named.ns.empty() ? root.object->key.ns.str() : named.ns,
                      .name = named.name};
  const ObjectPtr delegate = scene.store.Find(key);
  if (std::string obstacle = Obstacle(delegate, key, root.object->key.ns); !obstacle.empty()) {
    rules.push_back(root);
    rules.back().refused = std::move(obstacle);
    return;
  }
  const std::vector<Rule>& written = SpecOf(delegate).http;
  for (std::size_t i = 0; i < written.size(); ++i) {
    auto merged = std::make_shared<Rule>(written[i]);
    std::optional<std::vector<Match>> matches = Merge(root.rule->matches, written[i].matches);
    ListedRule& listed =
        rules.emplace_back(ListedRule{.object = delegate, .path = fmt::format("spec.http[{}]", i)});
    if (matches) {
      merged->matches = *std::move(matches);
    } else {
      listed.refused = fmt::format("its matches contradict those of {} of {}", root.path,
                                   ToString(root.object->key));
    }
    AddMissing(root.rule->request_fields, merged->request_fields);
    listed.rule = std::move(merged);
  }
}

}  // namespace

std::vector<ListedRule> RulesOf(const Scene& scene, const ObjectPtr& object, RuleList list) {
  const std::vector<Rule>& written = Written(SpecOf(object), list);
  std::vector<ListedRule> rules;
  rules.reserve(written.size());
  for (std::size_t i = 0; i < written.size(); ++i) {
    // Shares the ownership of the whole object.
    ListedRule listed{.rule = std::shared_ptr<const Rule>(object, &written[i]),
                      .list = list,
                      .object = object,
                      .path = fmt::format("spec.{}[{}]", WordOf(list), i)};
    if (list == RuleList::kHttp && written[i].delegate) {
      AddDelegated(scene, listed, rules);
    } else {
      rules.push_back(std::move(listed));
    }
  }
  return rules;
}

}  // namespace vsplit::resolve
