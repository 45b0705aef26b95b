// SPDX-License-Identifier: Apache-2.0
// Outcomes for people.
#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/outcome.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

constexpr double kPercent = 100;

bool IsOfRule(const Verdict& verdict, const ResolvedPort& port) {
  return verdict.object == port.rule_object && verdict.path == port.rule_path;
}

std::string Show(const Outcome& outcome) {
  const IpPrefix& address = outcome.address;
  if (address.bits < 128) {
    return fmt::format("{} port {}", ToString(address), outcome.port.port);
  }
  return ToString(SocketAddress{.ip = address.address, .port = outcome.port.port});
}

void AddRule(const Outcome& outcome, std::string& text) {
  const ResolvedPort& port = outcome.port;
  if (port.rule_object.name.empty()) {
    text += "  no rule: the plain service\n";
  } else {
    text += fmt::format("  {}: {}", ToString(port.rule_object), port.rule_path);
    const auto verdict = std::ranges::find_if(
        outcome.verdicts, [&port](const Verdict& each) { return IsOfRule(each, port); });
    if (verdict != outcome.verdicts.end()) {
      text += fmt::format(": {}", ToString(verdict->kind));
      text += verdict->reason.empty() ? "" : ": " + verdict->reason;
    }
    text += "\n";
  }
  if (!port.untouched.empty()) {
    text += fmt::format("  untouched: {}\n", port.untouched);
  }
}

// What of the other rules does not hold as written.
void AddOthers(const Outcome& outcome, std::string& text) {
  for (const Verdict& verdict : outcome.verdicts) {
    if (verdict.kind != Verdict::Kind::kEnforced && !IsOfRule(verdict, outcome.port)) {
      text += fmt::format("  {}: {}: {}: {}\n", ToString(verdict.object), verdict.path,
                          ToString(verdict.kind), verdict.reason);
    }
  }
}

void AddClusters(const Outcome& outcome, std::string& text) {
  for (const ResolvedCluster& cluster : outcome.port.clusters) {
    double share = 0;
    std::string endpoints;
    for (const EndpointShare& each : outcome.split) {
      if (each.cluster != cluster.name) {
        continue;
      }
      share += each.probability;
      endpoints += fmt::format("    {:5.1f} % {}\n", kPercent * each.probability,
                               each.endpoint.empty() ? "refused: " + each.why : each.endpoint);
    }
    text += fmt::format("  {:5.1f} % {} {}\n{}", kPercent * share, cluster.name,
                        ToString(cluster.settings.algorithm), endpoints);
  }
}

}  // namespace

std::string ToText(const std::vector<Outcome>& outcomes) {
  std::string text;
  for (const Outcome& outcome : outcomes) {
    text += text.empty() ? "" : "\n";
    text += fmt::format("{} {} {}\n", outcome.host, Show(outcome), WordOf(outcome.port.protocol));
    AddRule(outcome, text);
    AddClusters(outcome, text);
    AddOthers(outcome, text);
  }
  return text;
}

}  // namespace vsplit
