// SPDX-License-Identifier: Apache-2.0
// An explanation as JSON and as text.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "json.h"
#include "live.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

// Whose route it is.
std::string SourceOf(const Explained& explained) {
  return explained.source.empty() ? "everyone" : explained.source;
}

std::string_view VerdictName(std::uint64_t verdict) {
  switch (verdict) {
    case VERDICT_SPLIT:
      return "split";
    case VERDICT_REFUSED:
      return "refused";
    case VERDICT_STALE:
      return "stale";
    case VERDICT_LIMIT:
      return "limit";
    case VERDICT_PASSED:
      return "passed";
    default:
      return "untouched";
  }
}

SocketAddress EndpointOf(const decision& next) {
  SocketAddress address{.port = static_cast<std::uint16_t>(next.port)};
  std::ranges::copy(next.address, address.ip.bytes.begin());
  return address;
}

std::string ClusterOf(const Live& live, const decision& next) {
  const auto name = live.tables.cluster_names.find(static_cast<std::uint32_t>(next.cluster));
  return name == live.tables.cluster_names.end() ? std::string() : name->second;
}

Json NextJson(const Live& live, const ExplainedRoute& explained) {
  if (!explained.next) {
    return {{"unavailable", explained.next.error().message}};
  }
  const decision& next = *explained.next;
  Json json = {{"verdict", VerdictName(next.verdict)},
               {"number", next.number},
               {"position", next.position},
               {"cluster", ClusterOf(live, next)}};
  if (next.verdict == VERDICT_SPLIT) {
    json["endpoint"] = ToString(EndpointOf(next));
    json["workload"] = WorkloadOf(live, EndpointOf(next).ip);
  }
  return json;
}

std::string NextText(const Live& live, const ExplainedRoute& explained) {
  if (!explained.next) {
    return fmt::format("    next: unknown: {}\n", explained.next.error().message);
  }
  const decision& next = *explained.next;
  const bool numbered = explained.route.policy == Policy::kExact && explained.route.total > 1;
  const std::string which =
      numbered ? fmt::format("connection {} is at position {}", next.number, next.position)
               : "a connection now";
  switch (next.verdict) {
    case VERDICT_SPLIT: {
      const SocketAddress endpoint = EndpointOf(next);
      const std::string workload = WorkloadOf(live, endpoint.ip);
      return fmt::format("    next: {}, goes to {}{} of {}\n", which, ToString(endpoint),
                         workload.empty() ? "" : " (" + workload + ")", ClusterOf(live, next));
    }
    case VERDICT_REFUSED:
      return fmt::format("    next: {}, is refused: {} has no endpoint\n", which,
                         ClusterOf(live, next));
    case VERDICT_LIMIT:
      return fmt::format("    next: {}, is refused: maxConnections of {} is reached\n", which,
                         ClusterOf(live, next));
    case VERDICT_PASSED:
      return fmt::format("    next: {}, goes to the address dialled, port {}, by {}\n", which,
                         next.port, ClusterOf(live, next));
    default:
      return "    next: is left untouched\n";
  }
}

// What sets it apart from a plain, healthy endpoint.
std::string StateText(const LiveEndpoint& endpoint) {
  std::string text;
  if (endpoint.priority != 0) {
    text += fmt::format(", priority {}", endpoint.priority);
  }
  if (endpoint.weight != 1) {
    text += fmt::format(", weight {}", endpoint.weight);
  }
  if (endpoint.ejected.count() > 0) {
    text += fmt::format(", EJECTED for {:.1f}s more: {}",
                        std::chrono::duration<double>(endpoint.ejected).count(), endpoint.why);
  }
  return text;
}

std::string ClusterText(const LiveCluster& cluster, std::uint32_t total) {
  std::string text = fmt::format(
      "    positions {}-{} ({:.2f}%): {} {}\n      opened {}, active {}, failed {}, refused {}\n",
      cluster.first, cluster.bound - 1, 100.0 * (cluster.bound - cluster.first) / total,
      cluster.name, ToString(cluster.algorithm), cluster.counts.opened, cluster.counts.active,
      cluster.counts.failed, cluster.counts.refused);
  if (cluster.endpoints.empty()) {
    text += "      no endpoint of this address family" +
            (cluster.broken.empty() ? "" : ": " + cluster.broken) + "\n";
  }
  for (const LiveEndpoint& endpoint : cluster.endpoints) {
    text += fmt::format(
        "      endpoint {}{}: active {}, opened {}, failed {}{}\n", ToString(endpoint.address),
        endpoint.workload.empty() ? "" : " (" + endpoint.workload + ")", endpoint.counts.active,
        endpoint.counts.opened, endpoint.counts.failed, StateText(endpoint));
  }
  return text;
}

std::string VerdictText(const Verdict& verdict) {
  return fmt::format("{} {}: {}{}\n", ToString(verdict.object), verdict.path,
                     ToString(verdict.kind), verdict.reason.empty() ? "" : ", " + verdict.reason);
}

}  // namespace

std::string ExplainedJson(const Live& live, const Explained& explained) {
  Json json = {{"kind", "Explanation"},
               {"from", explained.from},
               {"source", SourceOf(explained)},
               {"to", explained.to},
               {"host", explained.host},
               {"port", explained.port},
               {"generation", explained.generation},
               {"rule", explained.decided ? ToJson(*explained.decided) : Json()},
               {"passed_over", Json::array()},
               {"settings", Json::array()},
               {"untouched", explained.untouched},
               {"routes", Json::array()}};
  for (const Verdict& verdict : explained.passed_over) {
    json["passed_over"].push_back(ToJson(verdict));
  }
  for (const Verdict& verdict : explained.settings) {
    json["settings"].push_back(ToJson(verdict));
  }
  for (const ExplainedRoute& one : explained.routes) {
    Json route = ToJson(one.route);
    for (std::size_t i = 0; i < one.route.clusters.size(); ++i) {
      route["clusters"][i]["positions"] = {one.route.clusters[i].first,
                                           one.route.clusters[i].bound - 1};
    }
    route["next"] = NextJson(live, one);
    json["routes"].push_back(std::move(route));
  }
  return Dump(json);
}

std::string ExplainedText(const Live& live, const Explained& explained) {
  std::string text = fmt::format(
      "{}{}, from {} (source class: {})\n", explained.host.empty() ? explained.to : explained.host,
      explained.host.empty() ? "" : fmt::format(":{}", explained.port),
      explained.from.empty() ? "anywhere" : explained.from, SourceOf(explained));
  if (!explained.untouched.empty()) {
    text += "  left untouched: " + explained.untouched + "\n";
  } else if (explained.decided) {
    text += "  decided by " + VerdictText(*explained.decided);
  } else {
    text += "  decided by no rule: the plain service\n";
  }
  for (const Verdict& verdict : explained.passed_over) {
    text += "  passed over " + VerdictText(verdict);
  }
  for (const Verdict& verdict : explained.settings) {
    text += "  setting " + VerdictText(verdict);
  }
  for (const ExplainedRoute& one : explained.routes) {
    text += fmt::format("  frontend {}: {}, {} positions, generation {}\n",
                        ToString(one.route.frontend.address), ToString(one.route.policy),
                        one.route.total, explained.generation);
    for (const LiveCluster& cluster : one.route.clusters) {
      text += ClusterText(cluster, one.route.total);
    }
    text += NextText(live, one);
  }
  return text;
}

}  // namespace vsplit
