// SPDX-License-Identifier: Apache-2.0
#include "matches.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client.h"
#include "scene.h"
#include "vsplit/objects.h"

namespace vsplit::resolve {
namespace {

bool IsOurClient(const Scene& scene, const Match& match, RuleList list) {
  // An http match that lists the gateway "mesh" does not look at the source any more
  // (sourceMatchHTTP in core/route/route.go).
  if (list == RuleList::kHttp && !match.gateways.empty()) {
    return true;
  }
  return (match.source_namespace.empty() || IsInNamespace(scene, match.source_namespace)) &&
         (match.source_labels.empty() || IsSelected(scene, match.source_labels));
}

void AddOnce(const std::string& word, std::vector<std::string>& words) {
  if (std::ranges::find(words, word) == words.end()) {
    words.push_back(word);
  }
}

}  // namespace

std::string_view WordOf(RuleList list) {
  switch (list) {
    case RuleList::kHttp:
      return "http";
    case RuleList::kTls:
      return "tls";
    case RuleList::kTcp:
      break;
  }
  return "tcp";
}

Fit FitOf(const Scene& scene, const Match& match, RuleList list, std::uint16_t port) {
  if (match.port.value_or(port) != port || !IncludesMesh(match.gateways)) {
    return Fit::kElsewhere;
  }
  if (!IsOurClient(scene, match, list)) {
    return Fit::kOtherClients;
  }
  return match.request_fields.empty() && match.sni_hosts.empty() ? Fit::kAlways : Fit::kPerhaps;
}

Fit FitOf(const Scene& scene, const Rule& rule, RuleList list, std::uint16_t port) {
  if (rule.matches.empty()) {
    return list == RuleList::kTls ? Fit::kElsewhere : Fit::kAlways;
  }
  Fit best = Fit::kElsewhere;
  for (const Match& match : rule.matches) {
    best = std::max(best, FitOf(scene, match, list, port));
  }
  return best;
}

bool Names(const Rule& rule, std::uint16_t port) {
  return std::ranges::any_of(rule.matches,
                             [port](const Match& match) { return match.port == port; });
}

std::string Conditions(const Rule& rule, Fit fit) {
  std::vector<std::string> words;
  for (const Match& match : rule.matches) {
    if (fit == Fit::kPerhaps) {
      for (const std::string& field : match.request_fields) {
        AddOnce(field, words);
      }
      if (!match.sni_hosts.empty()) {
        AddOnce("sniHosts", words);
      }
    } else {
      if (!match.source_labels.empty()) {
        AddOnce("sourceLabels", words);
      }
      if (!match.source_namespace.empty()) {
        AddOnce("sourceNamespace", words);
      }
    }
  }
  return Join(words);
}

}  // namespace vsplit::resolve
