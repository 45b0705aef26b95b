// SPDX-License-Identifier: Apache-2.0
#include "vsplit/outcome.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

// What Istio's own tests give objects that do not say it.
constexpr std::string_view kCreated = "2024-01-01T00:00:00Z";

std::vector<EndpointShare> SplitOf(const ResolvedPort& port, bool v4) {
  const auto add = [](std::uint64_t sum, const ResolvedCluster& each) { return sum + each.weight; };
  const auto total = static_cast<double>(
      std::accumulate(port.clusters.begin(), port.clusters.end(), std::uint64_t{0}, add));
  std::vector<EndpointShare> split;
  for (const ResolvedCluster& cluster : port.clusters) {
    for (EndpointShare& share : EndpointShares(cluster, v4)) {
      share.probability *= cluster.weight / total;
      split.push_back(std::move(share));
    }
  }
  return split;
}

void AddOutcomes(ResolvedPort port, std::vector<Outcome>& outcomes) {
  const std::vector<IpPrefix> addresses = std::exchange(port.addresses, {});
  for (const bool v4 : {true, false}) {
    std::vector<IpPrefix> some;
    std::ranges::copy_if(addresses, std::back_inserter(some),
                         [v4](const IpPrefix& prefix) { return prefix.address.is_v4() == v4; });
    if (!some.empty()) {
      outcomes.push_back({.port = port, .split = SplitOf(port, v4)});
      outcomes.back().port.addresses = std::move(some);
    }
  }
}

Locality ParseLocality(std::string_view text) {
  std::array<std::string, 3> parts;
  for (std::string& part : parts) {
    const std::size_t end = text.find('/');
    part = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return {.region = parts[0], .zone = parts[1], .subzone = parts[2]};
}

Result<Client> ClientOfPod(const Store& store, const std::string& name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos) {
    return Fail(fmt::format("\"{}\" is not NAMESPACE/NAME", name), Error::Reason::kInvalid);
  }
  const ObjectPtr pod =
      store.Find({.kind = Kind::kPod, .ns = name.substr(0, slash), .name = name.substr(slash + 1)});
  if (pod == nullptr) {
    return Fail(fmt::format("there is no Pod \"{}\" among the objects", name),
                Error::Reason::kNotFound);
  }
  return ClientOf(*pod,
                  store.Find({.kind = Kind::kNode, .name = pod->spec.Get<Pod>().node_name}).get());
}

}  // namespace

std::vector<HostOutcomes> Outcomes(const Store& store, const ResolveOptions& options,
                                   const Client& client) {
  std::vector<HostOutcomes> hosts;
  for (const HostName& name : HostsWithRules(store, true)) {
    ResolvedHost host = Resolve(store, name, options, client);
    std::vector<Outcome> outcomes;
    for (ResolvedPort& port : host.ports) {
      AddOutcomes(std::move(port), outcomes);
    }
    if (!outcomes.empty()) {
      hosts.push_back(
          {.host = name, .outcomes = std::move(outcomes), .verdicts = std::move(host.verdicts)});
    }
  }
  return hosts;
}

std::string_view WordOf(PortProtocol protocol) {
  switch (protocol) {
    case PortProtocol::kHttp:
      return "http";
    case PortProtocol::kTls:
      return "tls";
    case PortProtocol::kTcp:
      return "tcp";
    case PortProtocol::kUndeclared:
      return "undeclared";
    case PortProtocol::kUdp:
      break;
  }
  return "udp";
}

Store StoreOf(std::vector<Object> objects) {
  std::map<ObjectKey, Object> latest;
  for (Object& object : objects) {
    object.version.creation_timestamp = object.given_creation_timestamp;
    if (object.given_creation_timestamp.empty()) {
      object.version.creation_timestamp = kCreated;
    }
    latest.insert_or_assign(object.key, std::move(object));
  }
  std::vector<Object> list;
  for (auto& [key, object] : latest) {
    list.push_back(std::move(object));
  }
  Store store;
  store.Load(std::move(list), 0);
  return store;
}

Result<Client> ClientOf(const Store& store, const ClientDescription& description) {
  if (!description.pod.empty()) {
    return ClientOfPod(store, description.pod);
  }
  Object pod{.key = {.kind = Kind::kPod, .ns = description.ns, .name = "client"},
             .labels = description.labels,
             .spec = Pod{.node_name = description.node}};
  if (description.locality.empty()) {
    return ClientOf(pod, store.Find({.kind = Kind::kNode, .name = description.node}).get());
  }
  const Locality locality = ParseLocality(description.locality);
  const Object node{.key = {.kind = Kind::kNode, .name = description.node},
                    .labels = {{"topology.kubernetes.io/region", locality.region},
                               {"topology.kubernetes.io/zone", locality.zone},
                               {"topology.istio.io/subzone", locality.subzone}},
                    .spec = Node{}};
  return ClientOf(pod, &node);
}

}  // namespace vsplit
