// SPDX-License-Identifier: Apache-2.0
#include "candidates.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "clusters.h"
#include "scene.h"
#include "visibility.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

bool MayBeTrue(const Match& match, std::uint16_t port) {
  return match.port.value_or(port) == port && IncludesMesh(match.gateways);
}

// What the match asks of the client or the request; empty when nothing.
std::string ConditionOf(const Match& match) {
  if (!match.request_fields.empty()) {
    return fmt::format("needs the request: {}", Join(match.request_fields));
  }
  if (!match.sni_hosts.empty()) {
    return "needs the request: sniHosts";
  }
  if (!match.destination_subnets.empty()) {
    return "destinationSubnets are not supported yet";
  }
  if (!match.source_labels.empty() || !match.source_namespace.empty()) {
    return fmt::format("{}: sources are not told apart yet",
                       match.source_labels.empty() ? "sourceNamespace" : "sourceLabels");
  }
  return "";
}

HostName MostSpecificPattern(const Scene& scene, const Object& object, const VirtualService& spec,
                             const HostName& host) {
  HostName best;
  for (const std::string& written : spec.hosts) {
    HostName pattern = QualifyHost(written, object.key.ns, scene.store.domain());
    if (pattern == host) {
      return pattern;
    }
    if (HostCovers(pattern, host) && pattern.size() > best.size()) {
      best = std::move(pattern);
    }
  }
  return best;
}

std::string WhyExcluded(const VirtualService& spec) {
  if (!IncludesMesh(spec.gateways)) {
    return fmt::format("bound to gateways only: {}", Join(spec.gateways));
  }
  if (!IsPublic(spec.export_to)) {
    return fmt::format("exported only to \"{}\", sources are not told apart yet",
                       Join(spec.export_to));
  }
  return "";
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

const std::vector<Rule>& RulesOf(const VirtualService& spec, RuleList list) {
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

std::vector<Candidate> CandidatesFor(const Scene& scene, const HostName& host) {
  std::vector<ObjectPtr> objects = scene.store.VirtualServicesFor(host);
  SortByPrecedence(objects);
  std::vector<Candidate> candidates;
  for (const ObjectPtr& object : objects) {
    const auto& spec = std::get<VirtualService>(object->spec);
    candidates.push_back({.object = object,
                          .spec = &spec,
                          .pattern = MostSpecificPattern(scene, *object, spec, host),
                          .excluded = WhyExcluded(spec)});
  }
  return candidates;
}

bool Survives(const Rule& rule, std::uint16_t port) {
  return rule.matches.empty() || std::ranges::any_of(rule.matches, [port](const Match& match) {
           return MayBeTrue(match, port);
         });
}

bool Names(const Rule& rule, std::uint16_t port) {
  return std::ranges::any_of(rule.matches,
                             [port](const Match& match) { return match.port == port; });
}

std::string Uncertainty(const Rule& rule, std::uint16_t port) {
  std::string condition;
  for (const Match& match : rule.matches) {
    if (!MayBeTrue(match, port)) {
      continue;
    }
    condition = ConditionOf(match);
    if (condition.empty()) {
      break;
    }
  }
  if (!condition.empty()) {
    return condition;
  }
  if (rule.delegate) {
    return "delegates are not supported yet";
  }
  if (rule.routes.empty()) {
    return fmt::format("needs the request: {}", Join(rule.request_fields));
  }
  return HasWeight(rule) ? "" : "no destination has a weight";
}

}  // namespace vsplit::resolve
