// SPDX-License-Identifier: Apache-2.0
#include "checks.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "document.h"
#include "fields.h"
#include "syntax.h"

namespace vsplit::parse {

const Node* Given(const Node& map, std::string_view field) {
  const Node* node = map.Find(field);
  return node == nullptr || node->is_null() ? nullptr : node;
}

std::string_view TextOf(const Node& map, std::string_view field) {
  const Node* node = map.Find(field);
  return node == nullptr || node->kind != Node::Kind::kString ? std::string_view() : node->text;
}

std::int64_t IntegerOf(const Node& map, std::string_view field) {
  const Node* node = map.Find(field);
  const bool number =
      node != nullptr && (node->kind == Node::Kind::kInteger || node->kind == Node::Kind::kFloat);
  return number ? WholeNumber(*node).value_or(0) : 0;
}

void CheckOneOf(const At& at, std::string_view fields) {
  std::string_view first;
  for (const std::string_view field : SplitNames(fields)) {
    const Node* node = Given(at.node(), field);
    if (node == nullptr) {
      continue;
    }
    if (!first.empty()) {
      at.Field(*node).ErrorAtKey(fmt::format("found beside {}, one of them is allowed", first));
      return;
    }
    first = field;
  }
}

void CheckDuration(const At& at) {
  const auto duration =
      at.node().kind == Node::Kind::kString ? ParseDuration(at.node().text) : std::nullopt;
  if (duration && *duration % std::chrono::milliseconds(1) != std::chrono::nanoseconds(0)) {
    at.NotAllowed("a duration of whole milliseconds, such as \"1.5s\" is allowed");
  }
}

void CheckPercentage(const At& at, bool fine) {
  constexpr double kMost = 100;
  constexpr double kLeast = 0.0001;
  const Node* node = Given(at.node(), "value");
  if (node == nullptr) {
    return;
  }
  double value = 0;
  std::from_chars(node->text.data(), node->text.data() + node->text.size(), value);
  const bool number = node->kind == Node::Kind::kInteger || node->kind == Node::Kind::kFloat;
  if (number && (value < 0 || value > kMost || (fine && value > 0 && value < kLeast))) {
    at.Field(*node).NotAllowed(fine ? "0, or a percentage from 0.0001 to 100 is allowed"
                                    : "a percentage from 0 to 100 is allowed");
  }
}

namespace {

// "(?<name>" as "(?P<name>", which older versions of RE2 want.
std::string WithOldGroupNames(std::string_view regex) {
  constexpr std::string_view kOpen = "(?<";
  std::string old;
  for (std::size_t at = regex.find(kOpen); at != std::string_view::npos; at = regex.find(kOpen)) {
    const std::size_t end = at + kOpen.size();
    const bool name = end < regex.size() && regex[end] != '=' && regex[end] != '!';
    old.append(regex.substr(0, at)).append(name ? "(?P<" : kOpen);
    regex.remove_prefix(end);
  }
  return old.append(regex);
}

}  // namespace

void CheckRegex(const At& at) {
  constexpr std::size_t kLongest = 1024;
  const Node& node = at.node();
  if (node.kind != Node::Kind::kString) {
    return;
  }
  if (node.text.empty() || node.text.size() > kLongest) {
    at.Error(fmt::format("found a regular expression of {} bytes, 1 to {} are allowed",
                         node.text.size(), kLongest));
    return;
  }
  const re2::RE2 expression(WithOldGroupNames(node.text), re2::RE2::Quiet);
  if (!expression.ok()) {
    at.NotAllowed(fmt::format("a regular expression of RE2 is allowed: {}", expression.error()));
  }
}

void CheckStringMatch(const At& at, bool empty_prefix) {
  if (!empty_prefix) {
    WithField(at, "prefix", [](const At& prefix) {
      if (prefix.node().kind == Node::Kind::kString && prefix.node().text.empty()) {
        prefix.NotAllowed("a prefix that is not empty is allowed");
      }
    });
  }
  WithField(at, "regex", CheckRegex);
}

void CheckSocketFile(const At& at, std::string_view path) {
  const bool abstract = path.starts_with('@');
  if (!abstract && (!path.starts_with('/') || path.ends_with('/'))) {
    at.NotAllowed("unix:// is followed by an absolute path of a file, or by @ and a name");
  }
}

namespace {

constexpr std::size_t kLabelValueBytes = 63;

bool IsNamespacePattern(std::string_view entry, Exported what) {
  return entry == "." || entry == "*" || (entry == "~" && what == Exported::kServiceEntry) ||
         IsHostLabel(entry);
}

// What all entries of an exportTo say together: `exported`, "." as the rule's namespace `ns`.
void CheckExported(const At& list, std::string_view ns, Exported what,
                   const std::set<std::string_view>& exported, std::size_t entries) {
  for (const std::string_view alone : {"*", "~"}) {
    if (entries > 1 && exported.contains(alone)) {
      list.Error(fmt::format("found \"{}\" among others, it is allowed alone", alone));
    }
  }
  const bool own_only = exported.size() == 1 && exported.contains(ns);
  if (what == Exported::kRuleWithSelector && !exported.empty() && !own_only) {
    list.Error(fmt::format(
        R"(a rule with a workloadSelector is for its own namespace: "." or "{}" is allowed)", ns));
  }
}

}  // namespace

void CheckExportTo(const At& spec, std::string_view ns, Exported what) {
  std::set<std::string_view> exported;
  std::size_t entries = 0;
  EachItemOf(spec, "exportTo", [&](const At& item) {
    if (item.node().kind != Node::Kind::kString) {
      return;
    }
    ++entries;
    const std::string_view entry = item.node().text;
    if (!IsNamespacePattern(entry, what)) {
      item.NotAllowed(what == Exported::kServiceEntry
                          ? R"(".", "*", "~" or the name of a namespace is allowed)"
                          : R"(".", "*" or the name of a namespace is allowed)");
    } else if (!exported.insert(entry == "." ? ns : entry).second) {
      item.Error(fmt::format("found namespace \"{}\" twice", entry == "." ? ns : entry));
    }
  });
  WithField(spec, "exportTo",
            [&](const At& list) { CheckExported(list, ns, what, exported, entries); });
}

void CheckLength(const At& at, std::size_t most) {
  if (at.node().kind == Node::Kind::kString && at.node().text.size() > most) {
    at.Error(fmt::format("found {} bytes, at most {} are allowed", at.node().text.size(), most));
  }
}

void CheckSelector(const At& selector, std::string_view labels) {
  const Node* map = Given(selector.node(), labels);
  if (selector.node().kind == Node::Kind::kMap && (map == nullptr || map->count == 0)) {
    selector.Warn("found no labels: this selects every workload of the namespace");
  }
  EachEntryOf(selector, labels, [](const At& entry) {
    const bool star = entry.name().find('*') != std::string_view::npos ||
                      entry.node().text.find('*') != std::string_view::npos;
    if (entry.name().empty()) {
      entry.ErrorAtKey("found an empty key, the name of a label is allowed");
    } else if (star) {
      entry.Error("found \"*\", wildcards are not allowed in selectors");
    }
    CheckLength(entry, kLabelValueBytes);
  });
}

void CheckGateways(const At& list) {
  bool checked = true;
  EachItem(list, [&checked](const At& item) {
    if (item.node().kind != Node::Kind::kString) {
      return;
    }
    const std::string_view name = item.node().text;
    const std::size_t slash = name.find('/');
    const bool whole = slash != std::string_view::npos;
    const bool valid =
        whole ? IsHostLabel(name.substr(0, slash)) && IsHostLabel(name.substr(slash + 1))
              : IsFqdn(name);
    constexpr std::string_view kAllowed =
        "\"mesh\" or the name of a gateway as namespace/name is allowed";
    if (!valid && checked) {
      item.NotAllowed(kAllowed);
    } else if (!valid) {
      item.Warn(fmt::format("found {}, {}", item.Found(), kAllowed));
    } else if (!whole && name.find('.') != std::string_view::npos) {
      item.Warn(fmt::format("found {}, the name of a gateway is better written as namespace/name",
                            item.Found()));
    }
    checked = checked && whole;
  });
}

}  // namespace vsplit::parse
