// SPDX-License-Identifier: Apache-2.0
// IST0130, IST0131: rules and matches behind others that take everything first. Istio's own test
// (pkg/config/validation/validation.go, analyzeUnreachable*Rules), on the document as written:
// matches are compared whole.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "findings.h"
#include "vsplit/analyze.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::analyze {
namespace {

using Json = nlohmann::json;

std::string TextOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

const Json& ListAt(const Json& object, const char* key) {
  static const Json none = Json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : none;
}

// "exact:x", "prefix:x", or nothing for what is not compared (regex).
std::string ExactOrPrefix(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) {
    return "";
  }
  const std::string exact = TextOf(*found, "exact");
  const std::string prefix = TextOf(*found, "prefix");
  if (!exact.empty()) {
    return "exact:" + exact;
  }
  return prefix.empty() ? "" : "prefix:" + prefix;
}

using Conditions = std::map<std::string, std::string>;

Conditions ConditionsOf(const Json& match, const char* key) {
  Conditions conditions;
  if (const auto found = match.find(key); found != match.end() && found->is_object()) {
    for (const auto& [name, value] : found->items()) {
      conditions[name] = ExactOrPrefix(*found, name.c_str());
    }
  }
  return conditions;
}

// A match by the beginning of the path.
struct PrefixMatch {
  std::string rule;
  std::string name;
  std::string prefix;
  Json port;
  std::string method;
  std::string authority;
  std::vector<Conditions> conditions;  // headers, parameters, headers that must not be there
};

std::optional<PrefixMatch> PrefixMatchOf(const Json& match, std::string rule, std::string name) {
  const auto uri = match.find("uri");
  if (uri == match.end() || !uri->is_object()) {
    return std::nullopt;
  }
  PrefixMatch out{.rule = std::move(rule), .name = std::move(name)};
  out.prefix = TextOf(*uri, "prefix");
  out.port = match.value("port", Json());
  out.method = ExactOrPrefix(match, "method");
  out.method = out.method.empty() ? "exact:GET" : out.method;
  out.authority = ExactOrPrefix(match, "authority");
  for (const char* key : {"headers", "queryParams", "withoutHeaders"}) {
    out.conditions.push_back(ConditionsOf(match, key));
  }
  return out.prefix.empty() ? std::nullopt : std::optional(std::move(out));
}

bool CoversText(std::string_view earlier, std::string_view later) {
  return earlier.starts_with(later);
}

bool Covers(const Conditions& earlier, const Conditions& later) {
  if (earlier.size() != later.size()) {
    return false;
  }
  return std::ranges::all_of(earlier, [&later](const auto& condition) {
    const auto found = later.find(condition.first);
    return found != later.end() && CoversText(condition.second, found->second);
  });
}

bool Covers(const PrefixMatch& earlier, const PrefixMatch& later) {
  if (!later.prefix.starts_with(earlier.prefix) || earlier.port != later.port ||
      !CoversText(earlier.method, later.method) ||
      !CoversText(earlier.authority, later.authority)) {
    return false;
  }
  for (std::size_t i = 0; i < earlier.conditions.size(); ++i) {
    if (!Covers(earlier.conditions[i], later.conditions[i])) {
      return false;
    }
  }
  return true;
}

// One list of rules of one object.
class Reach {
 public:
  Reach(const Json& rules, bool http, std::string object, Findings& out)
      : rules_(rules), http_(http), object_(std::move(object)), out_(out) {}

  void Check() {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      if (rules_[i].is_object()) {
        CheckRule(i);
      }
    }
    CheckPrefixes();
  }

 private:
  // Names are for http only, where an element may have one.
  std::string NameOf(const Json& element, std::size_t index) const {
    const std::string name = http_ ? TextOf(element, "name") : "";
    return name.empty() ? fmt::format("#{}", index) : fmt::format("\"{}\"", name);
  }

  void CheckRule(std::size_t index) {
    const Json& rule = rules_[index];
    const Json& matches = ListAt(rule, "match");
    const std::string name = NameOf(rule, index);
    if (matches.empty()) {
      if (all_taken_) {
        Unreachable(name, "only the last rule can have no matches");
      }
      all_taken_ = true;
      return;
    }
    std::size_t duplicates = 0;
    for (std::size_t i = 0; i < matches.size(); ++i) {
      if (all_taken_) {
        Unreachable(name, "route without matches defined before");
        continue;
      }
      duplicates += CheckMatch(matches[i], i, index) ? 1 : 0;
    }
    if (duplicates == matches.size()) {
      Unreachable(name, "all matches used by prior rules");
    }
  }

  // Whether it was there before.
  bool CheckMatch(Json match, std::size_t index, std::size_t rule) {
    const std::string rule_name = NameOf(rules_[rule], rule);
    const std::string name = NameOf(match, index);
    if (http_ && match.is_object()) {
      match.erase("name");
    }
    const auto [seen, fresh] = seen_.emplace(match.dump(), rule);
    if (!fresh) {
      Ineffective(rule_name, name, NameOf(rules_[seen->second], seen->second));
      return true;
    }
    if (http_ && match.is_object()) {
      if (auto prefix = PrefixMatchOf(match, rule_name, name)) {
        prefixes_.push_back(*std::move(prefix));
      }
    }
    return false;
  }

  // Of all that cover a match the first ones are named.
  void CheckPrefixes() {
    constexpr std::size_t kMost = 10;
    for (std::size_t j = 1; j < prefixes_.size(); ++j) {
      const PrefixMatch& later = prefixes_[j];
      std::size_t named = 0;
      for (std::size_t i = 0; i < j && named < kMost; ++i) {
        const PrefixMatch& earlier = prefixes_[i];
        if (earlier.prefix != later.prefix && Covers(earlier, later)) {
          Ineffective(later.rule, later.name + " of prefix " + later.prefix,
                      earlier.name + " of prefix " + earlier.prefix + " on " + earlier.rule);
          ++named;
        }
      }
    }
  }

  void Unreachable(const std::string& rule, const std::string& reason) {
    out_.push_back({.code = "IST0130",
                    .level = Finding::Level::kWarning,
                    .object = object_,
                    .message = fmt::format("VirtualService rule {} not used ({}).", rule, reason)});
  }

  void Ineffective(const std::string& rule, const std::string& match, const std::string& other) {
    out_.push_back({.code = "IST0131",
                    .level = Finding::Level::kInfo,
                    .object = object_,
                    .message = fmt::format("VirtualService rule {} match {} is not used "
                                           "(duplicate/overlapping match in rule {}).",
                                           rule, match, other)});
  }

  const Json& rules_;
  bool http_;
  std::string object_;
  Findings& out_;
  bool all_taken_ = false;                   // by a rule without matches
  std::map<std::string, std::size_t> seen_;  // matches, and the rule of each
  std::vector<PrefixMatch> prefixes_;
};

}  // namespace

void CheckReach(const Store& store, Findings& out) {
  for (const ObjectPtr& object : store.List(Kind::kVirtualService)) {
    const Json document = Json::parse(object->json.str(), nullptr, false);
    const auto spec = document.is_object() ? document.find("spec") : document.end();
    if (spec == document.end() || !spec->is_object()) {
      continue;
    }
    for (const char* list : {"http", "tcp", "tls"}) {
      Reach(ListAt(*spec, list), std::string_view(list) == "http", ToString(object->key), out)
          .Check();
    }
  }
}

}  // namespace vsplit::analyze
