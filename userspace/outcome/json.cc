// SPDX-License-Identifier: Apache-2.0
// Outcomes for programs.
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
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

double Rounded(double share) {
  constexpr double kPlaces = 1e6;
  return std::round(share * kPlaces) / kPlaces;
}

Json RuleOf(const ResolvedPort& port) {
  if (port.rule_object.name.empty()) {
    return nullptr;
  }
  return {{"object", ToString(port.rule_object)}, {"path", port.rule_path}};
}

Json ClustersOf(const ResolvedPort& port) {
  std::uint64_t total = 0;
  for (const ResolvedCluster& cluster : port.clusters) {
    total += cluster.weight;
  }
  Json list = Json::array();
  for (const ResolvedCluster& cluster : port.clusters) {
    const double share = static_cast<double>(cluster.weight) / static_cast<double>(total);
    list.push_back({{"name", cluster.name}, {"weight", cluster.weight}, {"share", Rounded(share)}});
  }
  return list;
}

Json SplitOf(const Outcome& outcome) {
  Json list = Json::array();
  for (const EndpointShare& share : outcome.split) {
    Json entry = {{"endpoint", share.endpoint},
                  {"cluster", share.cluster},
                  {"p", Rounded(share.probability)}};
    if (!share.why.empty()) {
      entry["why"] = share.why;
    }
    list.push_back(std::move(entry));
  }
  return list;
}

Json SettingsOf(const ClusterSettings& settings) {
  Json json = {{"algorithm", ToString(settings.algorithm)}};
  if (settings.max_connections) {
    json["max_connections"] = *settings.max_connections;
  }
  if (settings.connect_timeout) {
    json["connect_timeout_ms"] = settings.connect_timeout->count();
  }
  if (settings.ejection) {
    json["ejection"] = {{"failures", settings.ejection->failures},
                        {"field", settings.ejection->field},
                        {"interval_ms", settings.ejection->interval.count()},
                        {"base_ms", settings.ejection->base.count()},
                        {"max_percent", settings.ejection->max_percent}};
  }
  if (settings.panic_percent > 0) {
    json["panic_percent"] = settings.panic_percent;
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

Json ToJson(const Outcome& outcome, const HostName& host) {
  const ResolvedPort& port = outcome.port;
  Json addresses = Json::array();
  for (const IpPrefix& address : port.addresses) {
    addresses.push_back(ToString(address));
  }
  Json json = {
      {"host", host},           {"addresses", std::move(addresses)}, {"port", port.port},
      {"port_name", port.name}, {"protocol", WordOf(port.protocol)}, {"rule", RuleOf(port)}};
  if (!port.untouched.empty()) {
    json["untouched"] = port.untouched;
  } else {
    json["routes"] = Json::array(
        {{{"match", nullptr}, {"clusters", ClustersOf(port)}, {"split", SplitOf(outcome)}}});
    json["clusters"] = Json::object();
    for (const ResolvedCluster& cluster : port.clusters) {
      json["clusters"][cluster.name] = SettingsOf(cluster.settings);
    }
  }
  return json;
}

}  // namespace

std::string ToJson(const std::vector<HostOutcomes>& hosts, const Client& client) {
  Json connections = Json::array();
  Json verdicts = Json::array();
  for (const auto& [host, outcomes, of_host] : hosts) {
    for (const Outcome& outcome : outcomes) {
      connections.push_back(ToJson(outcome, host));
    }
    for (const Verdict& verdict : of_host) {
      verdicts.push_back(VerdictOf(verdict, host));
    }
  }
  const Json answer = {{"source",
                        {{"namespace", client.ns},
                         {"labels", client.labels},
                         {"node", client.node},
                         {"locality", ToString(client.locality)}}},
                       {"connections", std::move(connections)},
                       {"verdicts", std::move(verdicts)}};
  return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace vsplit
