// SPDX-License-Identifier: Apache-2.0
#include "candidates.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "client.h"
#include "delegates.h"
#include "matches.h"
#include "scene.h"
#include "visibility.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

enum class Standing { kPrivate, kByName, kPublic, kHidden };

Standing StandingOf(const Scene& scene, const std::string& ns,
                    const std::vector<std::string>& export_to) {
  if (IsPublic(export_to)) {
    return Standing::kPublic;
  }
  const auto lists = [&export_to](const std::string& word) {
    return std::ranges::find(export_to, word) != export_to.end();
  };
  if (lists("~")) {
    return Standing::kHidden;
  }
  if ((lists(".") || lists(ns)) && IsInNamespace(scene, ns)) {
    return Standing::kPrivate;
  }
  const auto names_client = [&](const std::string& word) {
    return word != "." && word != ns && IsInNamespace(scene, word);
  };
  return std::ranges::any_of(export_to, names_client) ? Standing::kByName : Standing::kHidden;
}

HostName MostSpecificPattern(const std::vector<HostName>& patterns, const HostName& host) {
  HostName best;
  for (const HostName& pattern : patterns) {
    if (pattern == host) {
      return pattern;
    }
    if (HostCovers(pattern, host) && pattern.size() > best.size()) {
      best = pattern;
    }
  }
  return best;
}

Candidate CandidateOf(const Scene& scene, const ObjectPtr& object, const HostName& host) {
  const auto& spec = object->spec.Get<VirtualService>();
  Candidate candidate{.object = object};
  for (const std::string& written : spec.hosts) {
    candidate.hosts.push_back(QualifyHost(written, object->key.ns, scene.store.domain()));
  }
  candidate.pattern = MostSpecificPattern(candidate.hosts, host);
  for (const RuleList list : {RuleList::kHttp, RuleList::kTls, RuleList::kTcp}) {
    candidate.rules.at(static_cast<std::size_t>(list)) = RulesOf(scene, object, list);
  }
  return candidate;
}

}  // namespace

std::vector<Candidate> CandidatesFor(const Scene& scene, const HostName& host) {
  std::vector<ObjectPtr> objects = scene.store.VirtualServicesFor(host);
  SortByPrecedence(objects);
  std::vector<std::pair<Standing, Candidate>> standing;
  for (const ObjectPtr& object : objects) {
    const auto& spec = object->spec.Get<VirtualService>();
    Candidate candidate = CandidateOf(scene, object, host);
    Standing place = Standing::kHidden;
    if (!IncludesMesh(spec.gateways)) {
      candidate.excluded = fmt::format("bound to gateways only: {}", Join(spec.gateways));
    } else {
      place = StandingOf(scene, object->key.ns, spec.export_to);
      candidate.for_others = place == Standing::kHidden;
      candidate.excluded =
          candidate.for_others ? fmt::format("exported only to \"{}\"", Join(spec.export_to)) : "";
    }
    standing.emplace_back(place, std::move(candidate));
  }
  std::ranges::stable_sort(standing, {}, [](const auto& entry) { return entry.first; });
  std::vector<Candidate> candidates;
  candidates.reserve(standing.size());
  for (auto& [place, candidate] : standing) {
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

}  // namespace vsplit::resolve
