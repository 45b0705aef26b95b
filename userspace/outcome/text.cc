// SPDX-License-Identifier: Apache-2.0
// Outcomes for people.
#include <fmt/core.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/outcome.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

constexpr double kPercent = 100;

// The verdicts of a host by the rule that they are about, and which of them was shown.
class Verdicts {
 public:
  explicit Verdicts(const std::vector<Verdict>& verdicts) {
    for (const Verdict& verdict : verdicts) {
      by_rule_.try_emplace({verdict.object, verdict.path, verdict.port}, &verdict);
    }
  }

  // Of the rule that the port has; null: it has none.
  const Verdict* Show(const ResolvedPort& port) {
    for (const std::uint16_t number : {port.port, std::uint16_t{0}}) {
      const auto found = by_rule_.find({port.rule_object, port.rule_path, number});
      if (found != by_rule_.end()) {
        shown_.insert(found->second);
        return found->second;
      }
    }
    return nullptr;
  }

  bool WasShown(const Verdict& verdict) const { return shown_.contains(&verdict); }

 private:
  std::map<std::tuple<ObjectKey, std::string_view, std::uint16_t>, const Verdict*> by_rule_;
  std::set<const Verdict*> shown_;
};

std::string Show(const IpPrefix& address, std::uint16_t port) {
  if (address.bits < 128) {
    return fmt::format("{} port {}", ToString(address), port);
  }
  return ToString(SocketAddress{.ip = address.address, .port = port});
}

void AddRule(const ResolvedPort& port, Verdicts& verdicts, std::string& text) {
  if (port.rule_object.name.empty()) {
    text += "  no rule: the plain service\n";
  } else {
    text += fmt::format("  {}: {}", ToString(port.rule_object), port.rule_path);
    if (const Verdict* verdict = verdicts.Show(port)) {
      text += fmt::format(": {}", ToString(verdict->kind));
      text += verdict->reason.empty() ? "" : ": " + verdict->reason;
    }
    text += "\n";
  }
  if (!port.untouched.empty()) {
    text += fmt::format("  untouched: {}\n", port.untouched);
  }
}

// What of the other rules of the host does not hold as written.
void AddOthers(const HostOutcomes& host, const Verdicts& verdicts, std::string& text) {
  std::string others;
  for (const Verdict& verdict : host.verdicts) {
    if (verdict.kind != Verdict::Kind::kEnforced && !verdicts.WasShown(verdict)) {
      others += fmt::format("  {}: {}:{} {}: {}\n", ToString(verdict.object), verdict.path,
                            verdict.port == 0 ? "" : fmt::format(" port {}:", verdict.port),
                            ToString(verdict.kind), verdict.reason);
    }
  }
  if (!others.empty()) {
    text += fmt::format("\n{} other rules\n{}", host.host, others);
  }
}

void AddClusters(const Outcome& outcome, std::string& text) {
  auto each = outcome.split.begin();  // those of the clusters follow one another
  for (const ResolvedCluster& cluster : outcome.port.clusters) {
    double share = 0;
    std::string endpoints;
    for (; each != outcome.split.end() && each->cluster == cluster.name; ++each) {
      share += each->probability;
      endpoints += fmt::format("    {:5.1f} % {}\n", kPercent * each->probability,
                               each->endpoint.empty() ? "refused: " + each->why : each->endpoint);
    }
    text += fmt::format("  {:5.1f} % {} {}\n{}", kPercent * share, cluster.name,
                        ToString(cluster.settings.algorithm), endpoints);
  }
}

}  // namespace

std::string ToText(const std::vector<HostOutcomes>& hosts) {
  std::string text;
  for (const HostOutcomes& host : hosts) {
    Verdicts verdicts(host.verdicts);
    for (const Outcome& outcome : host.outcomes) {
      text += text.empty() ? "" : "\n";
      for (const IpPrefix& address : outcome.port.addresses) {
        text += fmt::format("{} {} {}\n", host.host, Show(address, outcome.port.port),
                            WordOf(outcome.port.protocol));
      }
      AddRule(outcome.port, verdicts, text);
      AddClusters(outcome, text);
    }
    AddOthers(host, verdicts, text);
  }
  return text;
}

}  // namespace vsplit
