// SPDX-License-Identifier: Apache-2.0
// Store, host and client in, meaning out: which addresses the host has, what each of its ports does
// with a connection of this client, which endpoints that leads to, and for every rule whether it is
// enforced, and if not why. Rules: Istio's, by the numbers of userspace/resolve/README.md;
// EndpointSlice conditions as Istio reads them (R14). Pure.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/store.h"

namespace vsplit {

// Protocol of a service port, Istio's P-rules (pkg/config/kube/conversion.go).
enum class PortProtocol { kHttp, kTls, kTcp, kUndeclared, kUdp };
PortProtocol DeclaredProtocol(const ServicePort& port);

// Which list an undeclared port reads, where Istio would sniff the bytes.
enum class UndeclaredPorts {
  kAsWritten,  // the list that the VirtualService has; tcp if it has both
  kTcp,
  kHttp,
};

// ---- who connects ------------------------------------------------------------------------------

struct Client {
  std::string ns;     // empty: nobody in particular, who sees only what everybody sees
  Labels labels;      // of the pod, and where it runs (R14)
  std::string node;   // where it runs; empty: not known
  Locality locality;  // of the pod's own label, else of its node

  bool operator==(const Client&) const = default;
};

// A pod of this node.
struct Workload {
  std::string name;  // "default/web-0"
  Client client;
  std::uint64_t cgroup = 0;  // its id
  std::vector<IpAddress> ips;

  bool operator==(const Workload&) const = default;
};

// The client that a local pod is. `node`: its Node, or null.
Client ClientOf(const Object& pod, const Object* node);
// Who is not known to be a local pod, on this node.
Client AnonymousClient(const std::string& node, const Locality& locality);

// What an answer depended on of its client, with what was found there. A client of which the same
// holds gets the same answer.
struct Asked {
  std::optional<std::string> ns;
  std::optional<std::string> node;
  std::optional<Locality> locality;
  std::map<std::string, bool> namespaces;                    // whether it is in this one
  std::map<Labels, bool> selectors;                          // whether they select it
  std::map<std::string, std::optional<std::string>> labels;  // nothing: it has no such label

  bool HoldsFor(const Client& client) const;
  // Whether it depended on more than where the client runs: on which pod it is.
  bool tells_pods_apart() const;
  auto operator<=>(const Asked&) const = default;
};

// ---- what it finds -----------------------------------------------------------------------------

// The present addresses of DNS names; a name without any is not there.
using DnsAnswers = std::map<HostName, std::vector<IpAddress>>;

struct ResolveOptions {
  UndeclaredPorts undeclared = UndeclaredPorts::kAsWritten;
  Policy policy = Policy::kExact;  // unless the VirtualService says "vsplit.io/policy"
  std::string root_namespace = "istio-system";
  // Null: endpoints that have only a name keep it, without an address.
  const DnsAnswers* names = nullptr;
  bool registry_only = false;  // outboundTrafficPolicy of the mesh is REGISTRY_ONLY
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
  std::uint16_t port = 0;            // of the service; 0: all of them
  std::string reason;                // one sentence; empty for kEnforced
  std::vector<std::string> sources;  // Workload::name, sorted; empty: everyone else

  auto operator<=>(const Verdict&) const = default;
};

std::string ToString(Verdict::Kind kind);  // "enforced", "approximated", "not enforced"
// "VirtualService default/fleetman: spec.http[0]: fleetman.default.svc.cluster.local:80:
// approximated: per connection, not per request"; with sources " (from default/web and 3 more)"
// behind the host.
std::string ToString(const Verdict& verdict);

struct ResolvedCluster {
  std::string name;          // "outbound|80|safe|reviews.default.svc.cluster.local"
  std::uint32_t weight = 0;  // as written; 1 for a single destination
  HostName host;
  std::uint16_t port = 0;  // of the service
  std::string subset;
  ClusterSettings settings;
  std::vector<EndpointGroup> groups;  // of both families; without endpoints when it is broken
  // Why it has no endpoints although the rule names it ("no Service ..."), or none for one of the
  // families that the port has addresses of: what is sent to it is refused.
  std::string broken;

  bool operator==(const ResolvedCluster&) const = default;
};

// What connections to some addresses of a port of the host become. A port may be there several
// times, with addresses that are not the same: of two that contain an address the longer one
// counts.
struct ResolvedPort {
  std::uint16_t port = 0;
  std::string name;
  PortProtocol protocol = PortProtocol::kTcp;
  std::string_view declared;  // the same in Istio's word: "HTTP2", "MySQL", "UnsupportedProtocol"
  std::string ns;             // of the Service or ServiceEntry
  bool visible = true;        // false: exportTo or a Sidecar hides that from the client
  std::vector<IpPrefix> addresses;  // the frontends, of both families, sorted
  Policy policy = Policy::kExact;
  ObjectKey rule_object;                  // name is empty: no rule, the plain service
  std::string rule_path;                  // "spec.http[0]"
  std::vector<ResolvedCluster> clusters;  // in the order of the rule, those of weight 0 left out
  // Of the first destination; 0: unlimited.
  std::chrono::milliseconds idle_timeout{};
  std::chrono::milliseconds max_connection_duration{};
  std::string untouched;  // why connections stay as they are made; then there are no clusters

  bool operator==(const ResolvedPort&) const = default;
};

// What the answer was made of; a change to any of these may change it.
// (VirtualServices are not among them: they touch by themselves all hosts that they can change.)
struct Dependencies {
  std::set<HostName> hosts;     // their Service, slices, ServiceEntries, DestinationRules
  std::set<ObjectKey> pods;     // and the Nodes, where a subset selects by place
  std::set<IpAddress> pod_ips;  // where a slice names no pod
  std::set<HostName> names;     // looked up in ResolveOptions::names
  bool sidecars = false;        // clients' Sidecars decide what they see

  bool operator==(const Dependencies&) const = default;
};
bool Intersect(const Dependencies& left, const Dependencies& right);

struct ResolvedHost {
  HostName host;
  std::vector<ResolvedPort> ports;  // TCP only, in the order of the service
  std::vector<Verdict> verdicts;    // for every rule of every object about this host
  bool registry_only = false;       // what this client does not see is refused, not left alone
  Dependencies dependencies;

  bool operator==(const ResolvedHost&) const = default;
};

// A host without a service has no ports, and its rules say so in their verdicts. `asked`, unless
// null, takes up what the answer depended on.
ResolvedHost Resolve(const Store& store, const HostName& host, const ResolveOptions& options,
                     const Client& client, Asked* asked = nullptr);

// What a host means for some workloads that it does not mean for everyone.
struct SourceMeaning {
  std::vector<std::string> workloads;  // by name, sorted
  ResolvedHost host;                   // its verdicts name them as their sources

  bool operator==(const SourceMeaning&) const = default;
};

// Whom a host means the same to: all clients for whom the same holds.
struct AskedOf {
  std::size_t source = 0;  // of HostMeaning::sources, from 1; 0: what it means for everyone
  Asked asked;

  auto operator<=>(const AskedOf&) const = default;
};

struct HostMeaning {
  // For the anonymous client and each workload that `sources` does not name. Its dependencies are
  // those of all answers, also of those that came out the same.
  ResolvedHost everyone;
  bool asks = false;                   // whether it can depend on which pod connects
  std::vector<SourceMeaning> sources;  // each meaning once
  // Of each answer what it depended on: first the anonymous client's, then the others, sorted.
  // Empty when nothing about the client matters.
  std::vector<AskedOf> asked;

  // Everyone's, then those of the sources that everyone has not. That a rule is for other clients
  // is left out where one of them is here.
  std::vector<Verdict> verdicts() const;
  bool operator==(const HostMeaning&) const = default;
};

// `workloads`: sorted by name.
HostMeaning ResolveAll(const Store& store, const HostName& host, const ResolveOptions& options,
                       const Client& anonymous, const std::vector<Workload>& workloads);

// Workloads that come or go, while objects stay as they are. One that becomes another client does
// both.
struct WorkloadsChange {
  std::vector<const Workload*> gone, come;

  bool empty() const { return gone.empty() && come.empty(); }
};
WorkloadsChange ChangeOf(const std::vector<Workload>& before, const std::vector<Workload>& after);

// What becomes of a meaning by that, where the answers that are known tell.
struct Followed {
  bool known = false;                  // else it has to be resolved anew
  std::optional<HostMeaning> meaning;  // as ResolveAll would give it; nothing: as it was
};
Followed FollowWorkloads(const HostMeaning& meaning, const WorkloadsChange& change,
                         const Client& anonymous, const std::vector<Workload>& after);

// The hosts that rules name (VirtualService hosts, DestinationRule host; wildcards: every Service
// they cover), and those whose addresses may lie in a subnet of such a host; or with `all` those of
// every Service too. Sorted.
std::vector<HostName> HostsWithRules(const Store& store, bool all);

// The hosts of ServiceEntries that are this one or cover it.
std::set<HostName> WiderHosts(const Store& store, const HostName& host);
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
