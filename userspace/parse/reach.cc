// SPDX-License-Identifier: Apache-2.0
// Rules and matches that can never decide anything, because an earlier one always does: Istio's
// analyzeUnreachable...Rules.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks.h"
#include "document.h"
#include "fields.h"
#include "supported.h"

namespace vsplit::parse {

namespace {

// The value as text, the same for every order of the fields; names change nothing.
// NOLINTNEXTLINE(misc-no-recursion): bounded by ParseLimits::depth
std::string Canonical(const Node& node, bool with_name) {
  if (node.kind != Node::Kind::kMap && node.kind != Node::Kind::kList) {
    return ToJson(node);
  }
  std::vector<std::string> parts;
  for (const Node* child = node.first; child != nullptr; child = child->next) {
    if (with_name || child->key != "name") {
      parts.push_back(std::string(child->key) + ":" + Canonical(*child, true));
    }
  }
  if (node.kind == Node::Kind::kMap) {
    std::ranges::sort(parts);
  }
  std::string text = node.kind == Node::Kind::kMap ? "{" : "[";
  for (const std::string& part : parts) {
    text += part + ",";
  }
  return text;
}

// A match by a prefix of the uri, and the conditions beside it that Istio compares.
struct PrefixMatch {
  std::size_t rule;
  std::size_t match;
  std::string_view prefix;
  std::int64_t port;
  std::string method;
  std::string authority;
  std::map<std::string_view, std::string> headers;
  std::map<std::string_view, std::string> query_params;
  std::map<std::string_view, std::string> without_headers;
};

// "exact:a", "prefix:a", or empty, of a string match.
std::string Condition(const Node* match) {
  if (match == nullptr) {
    return "";
  }
  for (const std::string_view form : {"exact", "prefix"}) {
    const std::string_view text = TextOf(*match, form);
    if (!text.empty()) {
      return fmt::format("{}:{}", form, text);
    }
  }
  return "";
}

std::map<std::string_view, std::string> Conditions(const Node& match, std::string_view field) {
  std::map<std::string_view, std::string> conditions;
  const Node* map = Given(match, field);
  for (const Node* child = map == nullptr ? nullptr : map->first; child != nullptr;
       child = child->next) {
    conditions.emplace(child->key, Condition(child));
  }
  return conditions;
}

std::optional<PrefixMatch> ByPrefix(const Node& match, std::size_t rule, std::size_t index) {
  const Node* uri = Given(match, "uri");
  const std::string_view prefix = uri == nullptr ? std::string_view() : TextOf(*uri, "prefix");
  if (prefix.empty()) {
    return std::nullopt;
  }
  PrefixMatch found{.rule = rule,
                    .match = index,
                    .prefix = prefix,
                    .port = IntegerOf(match, "port"),
                    .method = Condition(Given(match, "method")),
                    .authority = Condition(Given(match, "authority")),
                    .headers = Conditions(match, "headers"),
                    .query_params = Conditions(match, "queryParams"),
                    .without_headers = Conditions(match, "withoutHeaders")};
  if (found.method.empty()) {
    found.method = "exact:GET";
  }
  return found;
}

bool CoversConditions(const std::map<std::string_view, std::string>& former,
                      const std::map<std::string_view, std::string>& latter) {
  return former.size() == latter.size() &&
         std::ranges::all_of(former, [&latter](const auto& condition) {
           const auto found = latter.find(condition.first);
           return found != latter.end() && condition.second.starts_with(found->second);
         });
}

bool Covers(const PrefixMatch& former, const PrefixMatch& latter) {
  return latter.prefix.starts_with(former.prefix) && latter.prefix != former.prefix &&
         former.port == latter.port && former.method.starts_with(latter.method) &&
         former.authority.starts_with(latter.authority) &&
         CoversConditions(former.headers, latter.headers) &&
         CoversConditions(former.query_params, latter.query_params) &&
         CoversConditions(former.without_headers, latter.without_headers);
}

// Whether everything fits a match entry: it has a name at most, or a uri that always matches.
bool IsCatchAll(const Node& match) {
  for (const Node* child = match.first; child != nullptr; child = child->next) {
    const bool empty =
        (child->kind == Node::Kind::kMap || child->kind == Node::Kind::kList) && child->count == 0;
    if (child->key != "name" && child->key != "statPrefix" && !child->is_null() && !empty &&
        (child->key != "uri" || !MatchesEveryUri(*child))) {
      return false;
    }
  }
  return true;
}

class Walk {
 public:
  explicit Walk(bool http) : http_(http) {}

  void Take(const At& rule, std::size_t index) {
    if (catch_all_) {
      rule.Warn(fmt::format("never reached, rule [{}] before it matches everything", *catch_all_));
      return;
    }
    const Node* matches = Given(rule.node(), "match");
    if (matches == nullptr || matches->count == 0) {
      catch_all_ = index;
      return;
    }
    const At list = rule.Field(*matches);
    std::size_t repeated = 0;
    std::size_t position = 0;
    for (const Node* match = matches->first; match != nullptr; match = match->next, ++position) {
      repeated += TakeMatch(list.Item(*match, position), index, position) ? 1 : 0;
    }
    if (repeated == matches->count) {
      rule.Warn("never reached, earlier rules have all of its matches");
    }
  }

 private:
  // Whether an earlier one is the same.
  bool TakeMatch(const At& match, std::size_t index, std::size_t position) {
    const auto [earlier, added] = seen_.emplace(Canonical(match.node(), !http_), index);
    if (!added) {
      match.Warn(fmt::format("never decides, rule [{}] has the same match", earlier->second));
      return true;
    }
    if (IsCatchAll(match.node())) {
      catch_all_ = index;
    }
    if (http_ && prefixes_.size() < kMostPrefixes) {
      ComparePrefix(match, index, position);
    }
    return false;
  }

  void ComparePrefix(const At& match, std::size_t index, std::size_t position) {
    auto found = ByPrefix(match.node(), index, position);
    if (!found) {
      return;
    }
    const auto former = std::ranges::find_if(
        prefixes_, [&found](const PrefixMatch& one) { return Covers(one, *found); });
    if (former != prefixes_.end()) {
      match.Warn(fmt::format("never decides, match [{}] of rule [{}] has the shorter prefix \"{}\"",
                             former->match, former->rule, former->prefix));
    }
    prefixes_.push_back(*std::move(found));
  }

  // Each is compared with all before it; no rule that people write has as many.
  static constexpr std::size_t kMostPrefixes = 1000;

  bool http_;
  std::optional<std::size_t> catch_all_;
  std::map<std::string, std::size_t> seen_;  // match -> rule
  std::vector<PrefixMatch> prefixes_;
};

}  // namespace

void CheckReach(const At& spec, std::string_view list) {
  WithField(spec, list, [&list](const At& rules) {
    Walk walk(list == "http");
    std::size_t index = 0;
    if (rules.node().kind != Node::Kind::kList) {
      return;
    }
    for (const Node* child = rules.node().first; child != nullptr; child = child->next, ++index) {
      if (child->kind == Node::Kind::kMap) {
        walk.Take(rules.Item(*child, index), index);
      }
    }
  });
}

}  // namespace vsplit::parse
