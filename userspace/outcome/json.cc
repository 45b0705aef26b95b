// SPDX-License-Identifier: Apache-2.0
// Outcomes for programs, in the shape of what Istio's own code was asked (tests/oracle/README.md).
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/outcome.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kUntouchedCluster = "PassthroughCluster";
constexpr std::string_view kBlackHoleCluster = "BlackHoleCluster";
constexpr std::string_view kUnknownCluster = "unknown cluster";

// To six places; a whole number as one, as Go writes it.
Json Number(double value) {
  constexpr double kPlaces = 1e6;
  const double rounded = std::round(value * kPlaces) / kPlaces;
  const double whole = std::round(rounded);
  return rounded == whole ? Json(static_cast<std::int64_t>(whole)) : Json(rounded);
}

// "1m30s", "1.5s", "250ms": as Go writes a time.Duration.
std::string Duration(std::chrono::milliseconds duration) {
  const auto hours = std::chrono::duration_cast<std::chrono::hours>(duration);
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(duration - hours);
  const std::chrono::duration<double> rest = duration - hours - minutes;
  if (duration < std::chrono::seconds(1)) {
    return fmt::format("{}ms", duration.count());
  }
  const std::string seconds = fmt::format("{}s", rest.count());
  if (hours.count() > 0) {
    return fmt::format("{}h{}m{}", hours.count(), minutes.count(), seconds);
  }
  return minutes.count() > 0 ? fmt::format("{}m{}", minutes.count(), seconds) : seconds;
}

std::string_view PolicyOf(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kLeastRequest:
      return "LEAST_REQUEST";
    case Algorithm::kRoundRobin:
      return "ROUND_ROBIN";
    case Algorithm::kRandom:
      return "RANDOM";
    case Algorithm::kMaglev:
      return "MAGLEV";
    case Algorithm::kPassthrough:
      break;
  }
  return "CLUSTER_PROVIDED";
}

Json RuleOf(const ResolvedPort& port) {
  if (port.rule_object.name.empty()) {
    return nullptr;
  }
  return {{"object", ToString(port.rule_object)}, {"path", port.rule_path}};
}

// By name, as in Istio's answers; one that is there twice keeps its order.
std::vector<const ResolvedCluster*> SortedClusters(const ResolvedPort& port) {
  std::vector<const ResolvedCluster*> clusters;
  for (const ResolvedCluster& cluster : port.clusters) {
    clusters.push_back(&cluster);
  }
  std::ranges::stable_sort(clusters, {}, &ResolvedCluster::name);
  return clusters;
}

Json ClustersOf(const ResolvedPort& port) {
  std::uint64_t total = 0;
  for (const ResolvedCluster& cluster : port.clusters) {
    total += cluster.weight;
  }
  Json list = Json::array();
  for (const ResolvedCluster* cluster : SortedClusters(port)) {
    const double share = static_cast<double>(cluster->weight) / static_cast<double>(total);
    list.push_back(
        {{"name", cluster->name}, {"weight", cluster->weight}, {"share", Number(share)}});
  }
  return list;
}

Json SplitOf(const Outcome& outcome) {
  std::vector<const EndpointShare*> shares;
  for (const EndpointShare& share : outcome.split) {
    shares.push_back(&share);
  }
  std::ranges::stable_sort(shares, {}, &EndpointShare::cluster);
  Json list = Json::array();
  for (const EndpointShare* share : shares) {
    Json entry = {{"endpoint", share->endpoint},
                  {"cluster", share->cluster},
                  {"p", Number(share->probability)}};
    if (!share->why.empty()) {
      entry["why"] = FailureOf(*share);
      entry["reason"] = share->why;
    }
    list.push_back(std::move(entry));
  }
  return list;
}

Json SettingsOf(const ClusterSettings& settings) {
  Json json = {{"lb_policy", PolicyOf(settings.algorithm)}};
  if (settings.connect_timeout) {
    json["connect_timeout"] = Duration(*settings.connect_timeout);
  }
  if (settings.max_connections) {
    json["max_connections"] = *settings.max_connections;
  }
  json["panic_threshold"] = settings.panic_percent;
  if (settings.ejection) {
    json["ejection"] = {{"failures", settings.ejection->failures},
                        {"field", settings.ejection->field},
                        {"interval_ms", settings.ejection->interval.count()},
                        {"base_ms", settings.ejection->base.count()},
                        {"max_percent", settings.ejection->max_percent}};
  }
  if (settings.warmup) {
    json["warmup_ms"] = settings.warmup->duration.count();
  }
  if (settings.keepalive) {
    json["keepalive"] = {{"time_s", settings.keepalive->time_s},
                         {"interval_s", settings.keepalive->interval_s},
                         {"probes", settings.keepalive->probes}};
  }
  return json;
}

Json ClusterOf(const Outcome& outcome, const ResolvedCluster& cluster) {
  const bool missing = std::ranges::any_of(outcome.split, [&cluster](const EndpointShare& share) {
    return share.cluster == cluster.name && FailureOf(share) == kUnknownCluster;
  });
  if (missing) {
    return {{"missing", true}};
  }
  return cluster.name == kBlackHoleCluster ? Json::object() : SettingsOf(cluster.settings);
}

Json VerdictOf(const Verdict& verdict, const HostName& host) {
  Json entry = {{"host", host},
                {"port", verdict.port},
                {"object", ToString(verdict.object)},
                {"path", verdict.path},
                {"verdict", ToString(verdict.kind)}};
  if (!verdict.reason.empty()) {
    entry["reason"] = verdict.reason;
  }
  return entry;
}

// The bytes that the answer is about: those that the port declares; where it declares nothing,
// those of the list of rules that was read.
std::string_view BytesOf(const ResolvedPort& port) {
  if (port.protocol != PortProtocol::kUndeclared) {
    return WordOf(port.protocol);
  }
  return port.rule_path.starts_with("spec.http") ? "http" : "tcp";
}

// What there is to say but to which address.
Json ConnectionOf(const Outcome& outcome, const HostName& host) {
  const ResolvedPort& port = outcome.port;
  Json json = {{"host", host},
               {"namespace", port.ns},
               {"address", ""},
               {"port", port.port},
               {"port_name", port.name},
               {"declared", port.declared},
               {"visible", port.visible},
               {"protocol", BytesOf(port)},
               {"rule", RuleOf(port)}};
  Json route = {{"match", nullptr}};
  Json clusters = Json::object();
  if (port.untouched.empty()) {
    route["clusters"] = ClustersOf(port);
    route["split"] = SplitOf(outcome);
    for (const ResolvedCluster* cluster : SortedClusters(port)) {
      clusters[cluster->name] = ClusterOf(outcome, *cluster);
    }
  } else {
    json["untouched"] = port.untouched;
    route["clusters"] = Json::array({{{"name", kUntouchedCluster}, {"weight", 1}, {"share", 1}}});
    route["split"] = Json::array(
        {{{"endpoint", kOriginalDestination}, {"cluster", kUntouchedCluster}, {"p", 1}}});
    clusters[kUntouchedCluster] = {{"lb_policy", PolicyOf(Algorithm::kPassthrough)}};
  }
  json["routes"] = Json::array({std::move(route)});
  json["clusters"] = std::move(clusters);
  return json;
}

// As Istio's answers are sorted: by host, namespace, address as text, port, bytes.
void Sort(std::vector<Json>& connections) {
  std::ranges::stable_sort(connections, {}, [](const Json& connection) {
    return std::tuple(connection.at("host").get_ref<const std::string&>(),
                      connection.at("namespace").get_ref<const std::string&>(),
                      connection.at("address").get_ref<const std::string&>(),
                      connection.at("port").get<std::uint16_t>(),
                      connection.at("protocol").get_ref<const std::string&>());
  });
}

Json SourceOf(const Client& client) {
  Json json = {{"namespace", client.ns}};
  if (!client.labels.empty()) {
    json["labels"] = client.labels;
  }
  if (!client.node.empty()) {
    json["node"] = client.node;
  }
  if (const std::string locality = ToString(client.locality); !locality.empty()) {
    json["locality"] = locality;
  }
  return json;
}

}  // namespace

std::string_view FailureOf(const EndpointShare& share) {
  if (share.why.empty()) {
    return "";
  }
  if (share.cluster == kBlackHoleCluster) {
    return "black hole";
  }
  return share.why.starts_with("no ready endpoint") ? "no healthy endpoint" : kUnknownCluster;
}

std::string ToJson(const std::vector<HostOutcomes>& hosts, const Client& client) {
  std::vector<Json> connections;
  Json verdicts = Json::array();
  for (const auto& [host, outcomes, of_host] : hosts) {
    for (const Outcome& outcome : outcomes) {
      Json connection = ConnectionOf(outcome, host);
      for (const IpPrefix& address : outcome.port.addresses) {
        connection["address"] = ToString(address);
        connections.push_back(connection);
      }
    }
    for (const Verdict& verdict : of_host) {
      verdicts.push_back(VerdictOf(verdict, host));
    }
  }
  Sort(connections);
  const Json answer = {{"source", SourceOf(client)},
                       {"rejected", Json::array()},
                       {"connections", std::move(connections)},
                       {"verdicts", std::move(verdicts)}};
  return answer.dump(1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace vsplit
