// SPDX-License-Identifier: Apache-2.0
// Typed objects, as the user wrote them: Kubernetes core/v1 and discovery.k8s.io/v1, Istio
// networking.istio.io (v1, v1beta1 and v1alpha3 are the same kind). Passive data; what may be in
// them is decided by parse.h, what they mean by resolve.h.
#pragma once

#include <boost/container/flat_map.hpp>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/boxed.h"
#include "vsplit/boxed_variant.h"
#include "vsplit/document_text.h"
#include "vsplit/interned_string.h"
#include "vsplit/uid.h"

namespace vsplit {

enum class Kind {
  kNamespace,
  kNode,
  kPod,
  kService,
  kEndpointSlice,
  kWorkloadEntry,
  kServiceEntry,
  kDestinationRule,
  kVirtualService,
  kSidecar,
};

// Names of a kind, and where the Kubernetes API serves it.
struct KindInfo {
  Kind kind;
  std::string_view name;      // "VirtualService"
  std::string_view plural;    // "virtualservices"
  std::string_view singular;  // "virtualservice"
  std::string_view shorts;    // "vs"; several are separated by a blank; may be empty
  std::string_view group;     // "networking.istio.io"; "" for the core group
  std::string_view versions;  // "v1 v1beta1 v1alpha3", the preferred one first
  bool namespaced;
};

// Every kind once, in the order of Kind: what others refer to comes before what refers to it.
const std::vector<KindInfo>& Kinds();
const KindInfo& InfoOf(Kind kind);
bool IsRule(Kind kind);  // VirtualService or DestinationRule: their status says what holds of them
std::string_view PreferredVersion(const KindInfo& info);  // "v1"
// "networking.istio.io/v1", "v1"
std::string ApiVersion(const KindInfo& info, std::string_view version);

struct ObjectKey {
  Kind kind{};
  InternedString ns;  // "" for kinds without namespace
  InternedString name;

  auto operator<=>(const ObjectKey&) const = default;
};

std::string ToString(const ObjectKey& key);  // "VirtualService default/fleetman", "Node n1"

// Sorted. There are many with few labels each.
using Labels = boost::container::flat_map<InternedString, InternedString, std::less<>>;

// Whether every label of the selector is there with the same value. An empty selector selects all.
bool Selects(const Labels& selector, const Labels& labels);

// What the store gives an object when it takes it in; a user's own values for these are ignored.
struct Version {
  std::uint64_t resource_version = 0;  // grows with every change of any object; 0: not stored
  std::int64_t generation = 0;         // grows with every change of this object's spec, from 1
  Uid uid;
  InternedString creation_timestamp;  // RFC 3339, UTC, whole seconds: "2024-10-10T07:03:57Z"

  bool operator==(const Version&) const = default;
};

// ---- Kubernetes --------------------------------------------------------------------------------

struct Namespace {
  bool operator==(const Namespace&) const = default;
};

struct Node {
  bool operator==(const Node&) const = default;
};

struct Pod {
  Uid uid;  // metadata.uid as written; the kubelet names the pod's cgroup after it
  InternedString node_name;
  bool host_network = false;
  std::vector<IpAddress> ips;  // status.podIPs, or status.podIP alone
  InternedString phase;
  std::optional<bool> ready;  // its condition Ready; absent: nobody says

  bool operator==(const Pod&) const = default;
};

struct ServicePort {
  InternedString name;
  std::uint16_t port = 0;
  InternedString protocol = "TCP";  // TCP, UDP, SCTP
  InternedString app_protocol;
  InternedString target_port;  // a number or a name, as written; empty: the same as port

  bool operator==(const ServicePort&) const = default;
};

struct Service {
  InternedString type = "ClusterIP";   // ClusterIP, NodePort, LoadBalancer, ExternalName
  std::vector<IpAddress> cluster_ips;  // empty: headless, ExternalName, or none allocated yet
  bool headless = false;               // clusterIP: None
  InternedString external_name;
  std::vector<ServicePort> ports;
  Labels selector;
  InternedString internal_traffic_policy = "Cluster";  // Cluster, Local
  InternedString traffic_distribution;
  bool publish_not_ready_addresses = false;

  bool operator==(const Service&) const = default;
};

struct SlicePort {
  InternedString name;
  std::optional<std::uint16_t> port;  // absent: all ports, as Kubernetes defines it
  InternedString protocol = "TCP";
  InternedString app_protocol;

  bool operator==(const SlicePort&) const = default;
};

struct SliceEndpoint {
  std::vector<IpAddress> addresses;  // consumers use the first one only (EndpointSlice API)
  std::optional<bool> ready;
  std::optional<bool> serving;
  std::optional<bool> terminating;
  std::optional<ObjectKey> pod;  // targetRef of kind Pod
  InternedString hostname;
  InternedString node_name;
  InternedString zone;

  bool operator==(const SliceEndpoint&) const = default;
};

struct EndpointSlice {
  InternedString address_type;  // IPv4, IPv6, FQDN
  InternedString service;       // label kubernetes.io/service-name; empty: belongs to no Service
  std::vector<SlicePort> ports;
  std::vector<SliceEndpoint> endpoints;

  bool operator==(const EndpointSlice&) const = default;
};

// ---- Istio: ServiceEntry, WorkloadEntry --------------------------------------------------------

// An object of its own, or an element of ServiceEntry.endpoints.
struct WorkloadEntry {
  std::string address;                         // IP, DNS name, or "unix://..."; may be empty
  std::map<std::string, std::uint16_t> ports;  // by name of the service port
  Labels labels;                               // spec.labels; metadata.labels win over these
  std::string network;
  std::string locality;  // "region/zone/subzone", trailing parts may be absent
  std::string service_account;
  std::uint32_t weight = 0;  // 0: not given, counts as 1

  bool operator==(const WorkloadEntry&) const = default;
};

enum class Resolution { kNone, kStatic, kDns, kDnsRoundRobin, kDynamicDns };

struct ServiceEntryPort {
  std::uint16_t number = 0;
  std::string name;
  std::string protocol;           // as written; empty: not declared
  std::uint16_t target_port = 0;  // 0: the same as number

  bool operator==(const ServiceEntryPort&) const = default;
};

// status.addresses[]: what somebody allocated for one of the hosts.
struct AllocatedAddress {
  std::string host;  // one of spec.hosts; may be empty in what old versions of Istio wrote
  IpAddress ip;

  bool operator==(const AllocatedAddress&) const = default;
};

struct ServiceEntry {
  std::vector<std::string> hosts;
  std::vector<std::string> addresses;  // IP or CIDR, as written: ParseIpPrefix reads them
  std::vector<ServiceEntryPort> ports;
  std::string location = "MESH_EXTERNAL";  // or MESH_INTERNAL
  Resolution resolution = Resolution::kNone;
  std::vector<WorkloadEntry> endpoints;
  std::optional<Labels> workload_selector;
  std::vector<std::string> export_to;
  std::vector<AllocatedAddress> allocated;

  bool operator==(const ServiceEntry&) const = default;
};

// ---- Istio: DestinationRule --------------------------------------------------------------------

enum class SimpleLoadBalancer { kLeastRequest, kRoundRobin, kRandom, kPassthrough };

struct ConsistentHash {
  bool use_source_ip = false;
  std::string request_key;  // the field that needs the request ("httpHeaderName"), if that is used
  std::uint64_t maglev_table_size = 0;  // 0: not given
  std::uint64_t minimum_ring_size = 0;  // 0: not given

  bool operator==(const ConsistentHash&) const = default;
};

struct LocalityDistribute {
  std::string from;
  std::map<std::string, std::uint32_t> to;  // locality -> percent

  bool operator==(const LocalityDistribute&) const = default;
};

struct LocalityFailover {
  std::string from;
  std::string to;

  bool operator==(const LocalityFailover&) const = default;
};

struct LocalityLoadBalancer {
  std::optional<bool> enabled;
  std::vector<LocalityDistribute> distribute;
  std::vector<LocalityFailover> failover;
  std::vector<std::string> failover_priority;

  bool operator==(const LocalityLoadBalancer&) const = default;
};

struct Warmup {
  std::chrono::milliseconds duration{};
  std::optional<double> minimum_percent;
  std::optional<double> aggression;

  bool operator==(const Warmup&) const = default;
};

struct LoadBalancer {
  std::optional<SimpleLoadBalancer> simple;
  std::optional<ConsistentHash> consistent_hash;
  std::optional<LocalityLoadBalancer> locality;
  std::optional<Warmup> warmup;

  bool operator==(const LoadBalancer&) const = default;
};

struct TcpKeepalive {
  std::uint32_t probes = 0;
  std::chrono::milliseconds time{};
  std::chrono::milliseconds interval{};

  bool operator==(const TcpKeepalive&) const = default;
};

struct ConnectionPool {
  std::optional<std::int32_t> max_connections;
  std::optional<std::chrono::milliseconds> connect_timeout;
  std::optional<std::chrono::milliseconds> idle_timeout;
  std::optional<std::chrono::milliseconds> max_connection_duration;
  std::optional<TcpKeepalive> tcp_keepalive;

  bool operator==(const ConnectionPool&) const = default;
};

struct OutlierDetection {
  std::optional<std::uint32_t> consecutive_5xx_errors;
  std::optional<std::uint32_t> consecutive_gateway_errors;
  std::optional<std::uint32_t> consecutive_local_origin_failures;
  bool split_external_local_origin_errors = false;
  std::optional<std::chrono::milliseconds> interval;
  std::optional<std::chrono::milliseconds> base_ejection_time;
  std::int32_t max_ejection_percent = 0;  // 0: not given
  std::int32_t min_health_percent = 0;

  bool operator==(const OutlierDetection&) const = default;
};

// The blocks that a level of a DestinationRule may set; each replaces the outer level's block
// whole.
struct PolicySettings {
  std::optional<LoadBalancer> load_balancer;
  std::optional<ConnectionPool> connection_pool;
  std::optional<OutlierDetection> outlier_detection;
  std::string tls_mode;  // empty: no tls block; DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL
  // Those given that no connect() can honour, by their path in here: "tunnel",
  // "connectionPool.http", ...
  std::vector<std::string> unenforced_fields;

  bool operator==(const PolicySettings&) const = default;
};

// Replaces everything of its level for one service port: omitted blocks are Istio's defaults.
struct PortPolicy {
  std::uint16_t port = 0;
  PolicySettings settings;

  bool operator==(const PortPolicy&) const = default;
};

struct TrafficPolicy {
  PolicySettings settings;
  std::vector<PortPolicy> port_level_settings;

  bool operator==(const TrafficPolicy&) const = default;
};

struct Subset {
  std::string name;
  Labels labels;
  Boxed<TrafficPolicy> traffic_policy;

  bool operator==(const Subset&) const = default;
};

struct DestinationRule {
  std::string host;  // as written: short, full or wildcard
  std::vector<std::string> export_to;
  std::optional<Labels> workload_selector;
  std::vector<Subset> subsets;
  Boxed<TrafficPolicy> traffic_policy;

  bool operator==(const DestinationRule&) const = default;
};

// ---- Istio: VirtualService ---------------------------------------------------------------------

// What an http match asks of a text of the request.
struct StringMatch {
  enum class Kind {
    kAny,  // none of the others, or an empty text: that it is there
    kExact,
    kPrefix,
    kRegex,
  };
  Kind kind = Kind::kAny;
  std::string text;

  bool operator==(const StringMatch&) const = default;
};

// One entry of a `match` list; its conditions are ANDed.
struct Match {
  std::string name;
  std::optional<std::uint16_t> port;  // of the service, as dialled
  std::vector<std::string> gateways;
  Labels source_labels;
  std::string source_namespace;
  std::vector<std::string> destination_subnets;  // tcp, tls
  std::vector<std::string> sni_hosts;            // tls
  // http: what it asks of the request, by field ("uri"), and in headers, withoutHeaders and
  // queryParams by name.
  std::map<std::pair<std::string, std::string>, StringMatch> request;
  bool ignore_uri_case = false;
  std::vector<std::string> request_fields;  // those fields of `request` that some request fails

  bool operator==(const Match&) const = default;
};

struct RouteDestination {
  std::string host;  // as written
  std::string subset;
  std::optional<std::uint16_t> port;
  std::int32_t weight = 0;

  bool operator==(const RouteDestination&) const = default;
};

struct Delegate {
  std::string name;
  std::string ns;

  bool operator==(const Delegate&) const = default;
};

// One element of spec.http, spec.tls or spec.tcp.
struct Rule {
  std::string name;
  std::vector<Match> matches;  // ORed; empty: matches everything
  std::vector<RouteDestination> routes;
  std::optional<Delegate> delegate;
  std::vector<std::string>
      request_fields;  // http: those given that need the request, "timeout", ...

  bool operator==(const Rule&) const = default;
};

struct VirtualService {
  std::vector<std::string> hosts;  // as written
  std::vector<std::string> gateways;
  std::vector<std::string> export_to;
  std::vector<Rule> http;
  std::vector<Rule> tls;
  std::vector<Rule> tcp;

  bool operator==(const VirtualService&) const = default;
};

// ---- Istio: Sidecar ----------------------------------------------------------------------------

struct SidecarEgress {
  std::optional<std::uint16_t> port;  // of the services; absent: all
  std::string bind;
  std::vector<std::string> hosts;  // "ns/host", "./host", "*/host", "~/*", "~ns/host"

  bool operator==(const SidecarEgress&) const = default;
};

// What its workloads may see. The parts about a proxy's own listeners are not kept.
struct Sidecar {
  std::optional<Labels> workload_selector;
  std::vector<SidecarEgress> egress;
  std::string outbound_traffic_policy;  // ALLOW_ANY, REGISTRY_ONLY; empty: not given

  bool operator==(const Sidecar&) const = default;
};

// ---- any of them -------------------------------------------------------------------------------

// In the order of Kind.
using Spec = BoxedVariant<Namespace, Node, Pod, Service, EndpointSlice, WorkloadEntry, ServiceEntry,
                          DestinationRule, VirtualService, Sidecar>;

struct Object {
  ObjectKey key;
  InternedString api_version;  // as written: "networking.istio.io/v1alpha3"
  Labels labels;
  Labels annotations;
  bool deleting = false;                    // metadata.deletionTimestamp is set
  InternedString given_creation_timestamp;  // metadata.creationTimestamp as written, or empty
  InternedString given_resource_version;    // metadata.resourceVersion as written, or empty
  Spec spec;
  DocumentText json;  // the whole document as given, as one JSON text in the order of the fields
  Version version;    // filled in by the store

  Kind kind() const { return key.kind; }
};

using ObjectPtr = std::shared_ptr<const Object>;

// To which namespaces a Service or ServiceEntry is exported, in the words of exportTo; empty: the
// default. A Service says it by annotation "networking.istio.io/exportTo" (Istio,
// pilot/pkg/serviceregistry/kube/conversion.go).
std::vector<std::string> ServiceExports(const Object& service);

// The label of a Pod or WorkloadEntry, null if it has none of this name: its metadata's, else, for
// a WorkloadEntry, that of its spec.
const std::string* WorkloadLabel(const Object& workload, const std::string& name);

}  // namespace vsplit
