// SPDX-License-Identifier: Apache-2.0
// Service (core/v1) and EndpointSlice (discovery.k8s.io/v1) of Kubernetes 1.32.
#include <fmt/core.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "document.h"
#include "fields.h"
#include "kinds.h"
#include "syntax.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

constexpr std::string_view kProtocols = "TCP UDP SCTP";

void ReadProtocol(const At& at, std::string& out) {
  ReadOneOf(at, kProtocols, out);
}

void ReadPortLabel(const At& at, std::string& out) {
  ReadString(at, out);
  if (!out.empty() && !IsDnsLabel(out)) {
    at.NotAllowed("a DNS label (a-z, 0-9, -) is allowed");
  }
}

// A number or a name.
void ReadTargetPort(const At& at, std::string& out) {
  const Node& node = at.node();
  if (node.kind == Node::Kind::kInteger) {
    std::uint16_t port = 0;
    ReadPort(at, port);
    out = std::to_string(port);
  } else if (node.kind == Node::Kind::kString && IsPortName(node.text)) {
    out = node.text;
  } else {
    at.NotAllowed("a port from 1 to 65535, or the name of one, is allowed");
  }
}

// ---- Service -----------------------------------------------------------------------------------

constexpr auto kServicePortFields = std::to_array<Field<ServicePort>>({
    {"name", Into<&ServicePort::name, ReadPortLabel>},
    {"port", Into<&ServicePort::port, ReadPort>},
    {"protocol", Into<&ServicePort::protocol, ReadProtocol>},
    {"appProtocol", Into<&ServicePort::app_protocol, ReadString>},
    {"targetPort", Into<&ServicePort::target_port, ReadTargetPort>},
});
constexpr Shape<ServicePort> kServicePort = {"ServicePort", kServicePortFields, "nodePort"};

void ReadServicePort(const At& at, ServicePort& out) {
  ReadMap(at, kServicePort, out);
  if (at.node().kind == Node::Kind::kMap && at.node().Find("port") == nullptr) {
    at.Missing("port");
  }
}

// Names: each once, and all there when there are several. Numbers: each once by protocol.
void ReadServicePorts(const At& at, std::vector<ServicePort>& out) {
  List<ServicePort, ReadServicePort>(at, out);
  std::set<std::string_view> names;
  std::set<std::pair<std::uint16_t, std::string_view>> numbers;
  const Node* child = at.node().first;
  for (std::size_t index = 0; index < out.size(); ++index, child = child->next) {
    const ServicePort& port = out[index];
    const At item = at.Item(*child, index);
    if (out.size() > 1 && port.name.empty()) {
      item.Missing("name");
    }
    if (!port.name.empty() && !names.insert(port.name).second) {
      item.Error(fmt::format("found name \"{}\" twice", port.name));
    }
    if (port.port != 0 && !numbers.emplace(port.port, port.protocol).second) {
      item.Error(fmt::format("found port {}/{} twice", port.port, port.protocol));
    }
  }
}

void ReadClusterIp(const At& at, std::vector<IpAddress>& ips, bool& headless) {
  if (at.node().kind == Node::Kind::kString && at.node().text == "None") {
    headless = true;
  } else if (at.node().kind != Node::Kind::kString || !at.node().text.empty()) {
    ReadIp(at, ips.emplace_back());
  }
}

struct ServiceSpec {
  Service service;
  std::vector<IpAddress> first_ip;  // clusterIP: at most one
};

void ReadOneClusterIp(const At& at, ServiceSpec& out) {
  ReadClusterIp(at, out.first_ip, out.service.headless);
}

void ReadClusterIps(const At& at, ServiceSpec& out) {
  if (!at.Is(Node::Kind::kList)) {
    return;
  }
  std::size_t index = 0;
  for (const Node* child = at.node().first; child != nullptr; child = child->next) {
    ReadClusterIp(at.Item(*child, index++), out.service.cluster_ips, out.service.headless);
  }
}

template <auto member, auto read>
void IntoService(const At& at, ServiceSpec& out) {
  ReadInto<read>(at, out.service.*member);
}

void ReadServiceType(const At& at, std::string& out) {
  ReadOneOf(at, "ClusterIP NodePort LoadBalancer ExternalName", out);
}

void ReadInternalPolicy(const At& at, std::string& out) {
  ReadOneOf(at, "Cluster Local", out);
}

void ReadDistribution(const At& at, std::string& out) {
  ReadOneOf(at, "PreferClose PreferSameZone PreferSameNode", out);
}

constexpr auto kServiceSpecFields = std::to_array<Field<ServiceSpec>>({
    {"type", IntoService<&Service::type, ReadServiceType>},
    {"clusterIP", ReadOneClusterIp},
    {"clusterIPs", ReadClusterIps},
    {"externalName", IntoService<&Service::external_name, ReadString>},
    {"ports", IntoService<&Service::ports, ReadServicePorts>},
    {"selector", IntoService<&Service::selector, ReadLabels>},
    {"internalTrafficPolicy", IntoService<&Service::internal_traffic_policy, ReadInternalPolicy>},
    {"trafficDistribution", IntoService<&Service::traffic_distribution, ReadDistribution>},
    {"publishNotReadyAddresses", IntoService<&Service::publish_not_ready_addresses, ReadBool>},
});
constexpr Shape<ServiceSpec> kServiceSpec = {
    "ServiceSpec", kServiceSpecFields,
    "externalIPs sessionAffinity loadBalancerIP loadBalancerSourceRanges externalTrafficPolicy "
    "healthCheckNodePort sessionAffinityConfig ipFamilies ipFamilyPolicy "
    "allocateLoadBalancerNodePorts loadBalancerClass"};

void ReadServiceSpec(const At& at, Service& out) {
  ServiceSpec spec;
  ReadMap(at, kServiceSpec, spec);
  out = std::move(spec.service);
  if (out.cluster_ips.empty()) {
    out.cluster_ips = spec.first_ip;
  } else if (!spec.first_ip.empty() && spec.first_ip.front() != out.cluster_ips.front()) {
    at.Error(fmt::format("found clusterIP {} and clusterIPs[0] {}, the same is allowed",
                         ToString(spec.first_ip.front()), ToString(out.cluster_ips.front())));
  }
  if (out.headless && !out.cluster_ips.empty()) {
    at.Error("found None among cluster addresses, None alone is allowed");
  }
  const bool external = out.type == "ExternalName";
  if (external && out.external_name.empty()) {
    at.Missing("externalName");
  }
  if (!external && !out.headless && at.node().kind == Node::Kind::kMap && out.ports.empty()) {
    at.Missing("ports");
  }
}

struct Ignored {};
constexpr Shape<Ignored> kServiceStatus = {"ServiceStatus", {}, "loadBalancer conditions"};

void ReadServiceStatus(const At& at, Service& /*out*/) {
  Ignored ignored;
  ReadMap(at, kServiceStatus, ignored);
}

constexpr auto kServiceFields = std::to_array<Field<Service>>({
    {"spec", ReadServiceSpec},
    {"status", ReadServiceStatus},
});

// ---- EndpointSlice -----------------------------------------------------------------------------

void ReadOptionalPort(const At& at, std::optional<std::uint16_t>& out) {
  ReadPort(at, out.emplace());
}

constexpr auto kSlicePortFields = std::to_array<Field<SlicePort>>({
    {"name", Into<&SlicePort::name, ReadPortLabel>},
    {"port", Into<&SlicePort::port, ReadOptionalPort>},
    {"protocol", Into<&SlicePort::protocol, ReadProtocol>},
    {"appProtocol", Into<&SlicePort::app_protocol, ReadString>},
});
constexpr Shape<SlicePort> kSlicePort = {"EndpointPort", kSlicePortFields, ""};

void ReadSlicePort(const At& at, SlicePort& out) {
  ReadMap(at, kSlicePort, out);
}

constexpr auto kConditionFields = std::to_array<Field<SliceEndpoint>>({
    {"ready", Into<&SliceEndpoint::ready, Optional<bool, ReadBool>>},
    {"serving", Into<&SliceEndpoint::serving, Optional<bool, ReadBool>>},
    {"terminating", Into<&SliceEndpoint::terminating, Optional<bool, ReadBool>>},
});
constexpr Shape<SliceEndpoint> kConditions = {"EndpointConditions", kConditionFields, ""};

void ReadConditions(const At& at, SliceEndpoint& out) {
  ReadMap(at, kConditions, out);
}

struct TargetReference {
  std::string kind;
  std::string ns;
  std::string name;
};

constexpr auto kTargetFields = std::to_array<Field<TargetReference>>({
    {"kind", Into<&TargetReference::kind, ReadString>},
    {"namespace", Into<&TargetReference::ns, ReadString>},
    {"name", Into<&TargetReference::name, ReadString>},
});
constexpr Shape<TargetReference> kTarget = {"ObjectReference", kTargetFields,
                                            "uid apiVersion resourceVersion fieldPath"};

void ReadTarget(const At& at, SliceEndpoint& out) {
  TargetReference target;
  ReadMap(at, kTarget, target);
  if (target.kind == "Pod") {
    out.pod =
        ObjectKey{.kind = Kind::kPod, .ns = std::move(target.ns), .name = std::move(target.name)};
  }
}

// The addresses are looked at when the slice's address type is known.
void ReadAddresses(const At& at, SliceEndpoint& /*out*/) {
  at.Is(Node::Kind::kList);
}

constexpr auto kEndpointFields = std::to_array<Field<SliceEndpoint>>({
    {"addresses", ReadAddresses},
    {"conditions", ReadConditions},
    {"hostname", Into<&SliceEndpoint::hostname, ReadString>},
    {"targetRef", ReadTarget},
    {"nodeName", Into<&SliceEndpoint::node_name, ReadString>},
    {"zone", Into<&SliceEndpoint::zone, ReadString>},
});
constexpr Shape<SliceEndpoint> kEndpoint = {"Endpoint", kEndpointFields,
                                            "deprecatedTopology hints"};

void ReadEndpoint(const At& at, SliceEndpoint& out) {
  ReadMap(at, kEndpoint, out);
  const Node* addresses = at.node().Find("addresses");
  if (at.node().kind == Node::Kind::kMap && (addresses == nullptr || addresses->is_null())) {
    at.Missing("addresses");
  }
}

void ReadAddressType(const At& at, std::string& out) {
  ReadOneOf(at, "IPv4 IPv6 FQDN", out);
}

constexpr auto kSliceFields = std::to_array<Field<EndpointSlice>>({
    {"addressType", Into<&EndpointSlice::address_type, ReadAddressType>},
    {"ports", Into<&EndpointSlice::ports, List<SlicePort, ReadSlicePort>>},
    {"endpoints", Into<&EndpointSlice::endpoints, List<SliceEndpoint, ReadEndpoint>>},
});

void ReadAddress(const At& at, bool v4, IpAddress& out) {
  ReadIp(at, out);
  const bool found_v4 = at.node().text.find(':') == std::string_view::npos;
  if (ParseIpAddress(at.node().text) && found_v4 != v4) {
    at.NotAllowed(v4 ? "an IPv4 address is allowed, as addressType says"
                     : "an IPv6 address is allowed, as addressType says");
  }
}

void ReadAddressesOf(const At& endpoint, const EndpointSlice& slice, SliceEndpoint& out) {
  const Node* list = endpoint.node().Find("addresses");
  if (list == nullptr || list->kind != Node::Kind::kList) {
    return;
  }
  const At at = endpoint.Field(*list);
  constexpr std::uint32_t kMost = 100;
  if (list->count == 0 || list->count > kMost) {
    at.Error(fmt::format("found {} addresses, 1 to {} are allowed", list->count, kMost));
  }
  if (slice.address_type == "FQDN") {
    return;
  }
  std::size_t index = 0;
  for (const Node* child = list->first; child != nullptr; child = child->next) {
    ReadAddress(at.Item(*child, index++), slice.address_type == "IPv4",
                out.addresses.emplace_back());
  }
}

void ReadAllAddresses(const At& root, EndpointSlice& slice) {
  const Node* endpoints = root.node().Find("endpoints");
  if (endpoints == nullptr || slice.address_type.empty()) {
    return;
  }
  const At list = root.Field(*endpoints);
  std::size_t index = 0;
  for (const Node* child = endpoints->first; child != nullptr && index < slice.endpoints.size();
       child = child->next, ++index) {
    ReadAddressesOf(list.Item(*child, index), slice, slice.endpoints[index]);
  }
}

void CheckSlicePorts(const At& root, const EndpointSlice& slice) {
  std::set<std::string_view> names;
  for (const SlicePort& port : slice.ports) {
    if (!names.insert(port.name).second) {
      root.Field(*root.node().Find("ports"))
          .Error(fmt::format("found name \"{}\" twice", port.name));
    }
  }
}

}  // namespace

void ReadService(const At& root, Object& object) {
  auto& service = object.spec.Emplace<Service>();
  ReadMap(root, Shape<Service>{"Service", kServiceFields, kHeaderFields}, service);
  RequireSpec(root);
}

void ReadEndpointSlice(const At& root, Object& object) {
  auto& slice = object.spec.Emplace<EndpointSlice>();
  ReadMap(root, Shape<EndpointSlice>{"EndpointSlice", kSliceFields, kHeaderFields}, slice);
  if (slice.address_type.empty() && root.node().Find("addressType") == nullptr) {
    root.Missing("addressType");
  }
  ReadAllAddresses(root, slice);
  CheckSlicePorts(root, slice);
  for (SliceEndpoint& endpoint : slice.endpoints) {
    if (endpoint.pod && endpoint.pod->ns.empty()) {
      endpoint.pod->ns = object.key.ns;
    }
  }
  const auto service = object.labels.find("kubernetes.io/service-name");
  if (service != object.labels.end()) {
    slice.service = service->second;
  }
}

}  // namespace vsplit::parse
