// SPDX-License-Identifier: Apache-2.0
// Store and client in, outcomes out: where connections of this client end, for every address and
// port there is, and how often. What `vsplit route` prints and what is compared with Istio. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

// In place of an endpoint: the address that was dialled.
inline constexpr std::string_view kOriginalDestination = "original destination";

// Where a connection ends, with its probability in the long run: by weights, priorities and
// readiness, as if no endpoint had connections or was ejected.
struct EndpointShare {
  std::string endpoint;  // "10.1.0.9:8080", "db.example.org:5432"; empty: the connection fails
  std::string cluster;   // its name
  double probability = 0;
  std::string why;  // it fails

  bool operator==(const EndpointShare&) const = default;
};
// How it fails in a word for programs: "unknown cluster", "no healthy endpoint", "black hole";
// empty: it does not.
std::string_view FailureOf(const EndpointShare& share);

// The endpoints of one cluster that can be reached from addresses of one family, those of
// probability 0 left out. The probabilities add up to 1. Envoy's rules: the priority by health with
// an overprovisioning factor of 1.4, within it the group by weight and health, within it the
// endpoint by weight, but for RANDOM, which does not look at weights.
std::vector<EndpointShare> EndpointShares(const ResolvedCluster& cluster, bool v4);

// What becomes of connections to some addresses of a port, all of one family.
struct Outcome {
  ResolvedPort port;  // its addresses are those of the family, one at least
  // Clusters in the order of the rule, each with its endpoints by priority, then address, then
  // port; probabilities are those of the connection. Empty when it stays untouched.
  std::vector<EndpointShare> split;

  bool operator==(const Outcome&) const = default;
};

struct HostOutcomes {
  HostName host;
  std::vector<Outcome> outcomes;  // as the service lists its ports, IPv4 first
  std::vector<Verdict> verdicts;  // of all rules about the host, in the order of the objects

  bool operator==(const HostOutcomes&) const = default;
};

// By host. Services without an address are not there.
std::vector<HostOutcomes> Outcomes(const Store& store, const ResolveOptions& options,
                                   const Client& client);

// A store of these objects, of which a later one replaces an earlier one of the same name. Those
// that do not say when they were created are all of one age.
Store StoreOf(std::vector<Object> objects);

// Who the answer is for, in the words of a command line.
struct ClientDescription {
  std::string pod;  // "NAMESPACE/NAME" of the store; then nothing else counts
  std::string ns = "default";
  Labels labels;
  std::string node;
  std::string locality;  // "REGION/ZONE/SUBZONE"; empty: the node's
};
Result<Client> ClientOf(const Store& store, const ClientDescription& description);

std::string_view WordOf(PortProtocol protocol);  // "http", "tls", "tcp", "undeclared", "udp"

// One block for each outcome: a line for each address, the rule, each cluster and each endpoint.
// Behind those of a host one for its other rules that are not enforced as written, if there are
// any.
std::string ToText(const std::vector<HostOutcomes>& hosts);
// {"source": {...}, "rejected": [],
//  "connections": [{"host", "namespace", "address", "port", ..., "routes": [...], "clusters"}],
//  "verdicts": [{"host", "port", "object", "path", "verdict", "reason"}]}
// One connection for each address, sorted by host, namespace, address, port. "port" of a verdict is
// 0 when it is about all ports of the host. tests/oracle/README.md has the fields.
std::string ToJson(const std::vector<HostOutcomes>& hosts, const Client& client);

}  // namespace vsplit
