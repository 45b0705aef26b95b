// SPDX-License-Identifier: Apache-2.0
// Store and host in, meaning out: which addresses the host has, what each of its ports does with a
// connection, which pods that leads to, and for every rule whether it is enforced, and if not why.
// Rules: Istio's, by the numbers of userspace/resolve/README.md; EndpointSlice conditions as Istio
// reads them (R14). Pure.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit {

// Protocol of a service port, Istio's P-rules (pkg/config/kube/conversion.go).
enum class PortProtocol { kHttp, kTls, kTcp, kUndeclared, kUdp };

// Which list an undeclared port reads, where Istio would sniff the bytes.
enum class UndeclaredPorts {
  kAsWritten,  // the list that the VirtualService has; tcp if it has both
  kTcp,
  kHttp,
};

struct ResolveOptions {
  UndeclaredPorts undeclared = UndeclaredPorts::kAsWritten;
  Policy policy = Policy::kExact;  // unless the VirtualService says "vsplit.io/policy"
  std::string root_namespace = "istio-system";
};

struct Verdict {
  enum class Kind {
    kEnforced,
    kApproximated,  // per connection, where Istio decides per request
    kNotEnforced,
  };
  Kind kind = Kind::kEnforced;
  ObjectKey object;  // the VirtualService or DestinationRule
  std::string path;  // "spec.http[0]"
  HostName host;
  std::uint16_t port = 0;  // of the service; 0: all of them
  std::string reason;      // one sentence; empty for kEnforced

  auto operator<=>(const Verdict&) const = default;
};

std::string ToString(Verdict::Kind kind);  // "enforced", "approximated", "not enforced"
// "VirtualService default/fleetman: spec.http[0]: fleetman.default.svc.cluster.local:80:
// approximated: per connection, not per request"
std::string ToString(const Verdict& verdict);

struct ResolvedCluster {
  std::string name;          // "outbound|80|safe|reviews.default.svc.cluster.local"
  std::uint32_t weight = 0;  // as written; 1 for a single destination
  Algorithm algorithm = Algorithm::kLeastRequest;
  std::vector<SocketAddress> endpoints;  // ready ones, both families, sorted, each once
  // Why it has no endpoints although the rule names it ("no Service ..."), or none for one of the
  // families that the host has addresses of: what is sent to it is refused.
  std::string broken;

  bool operator==(const ResolvedCluster&) const = default;
};

struct ResolvedPort {
  std::uint16_t port = 0;
  std::string name;
  PortProtocol protocol = PortProtocol::kTcp;
  Policy policy = Policy::kExact;
  ObjectKey rule_object;                  // name is empty: no rule, the plain service
  std::string rule_path;                  // "spec.http[0]"
  std::vector<ResolvedCluster> clusters;  // in the order of the rule, those of weight 0 left out

  bool operator==(const ResolvedPort&) const = default;
};

// What the answer was made of; a change to any of these may change it.
// (VirtualServices are not among them: they touch by themselves all hosts that they can change.)
struct Dependencies {
  std::set<HostName> hosts;     // their Service, slices, DestinationRules
  std::set<ObjectKey> pods;     // and the Nodes, where a subset selects by place
  std::set<IpAddress> pod_ips;  // where a slice names no pod

  bool operator==(const Dependencies&) const = default;
};
bool Intersect(const Dependencies& left, const Dependencies& right);

struct ResolvedHost {
  HostName host;
  std::vector<IpAddress> addresses;  // the frontends: cluster IPs of both families
  std::vector<ResolvedPort> ports;   // TCP only, in the order of the Service
  std::vector<Verdict> verdicts;     // for every rule of every object about this host
  Dependencies dependencies;

  bool operator==(const ResolvedHost&) const = default;
};

// A host without a Service has no addresses and no ports, and its rules say so in their verdicts.
ResolvedHost Resolve(const Store& store, const HostName& host, const ResolveOptions& options);

// The hosts that rules name (VirtualService hosts, DestinationRule host; wildcards: every Service
// they cover), or with `all` those of every Service too. Sorted.
std::vector<HostName> HostsWithRules(const Store& store, bool all);
// Whether this one is among them (all: whether it is or has a Service), without looking at others.
bool HasRules(const Store& store, const HostName& host, bool all);

// Which hosts a change touches by itself (those that its objects name or are about, before and
// after; wildcards as above), and the dependencies through which others may be touched.
struct Touched {
  std::set<HostName> hosts;
  Dependencies dependencies;
};
Touched TouchedBy(const Store& store, const Change& change);

}  // namespace vsplit
