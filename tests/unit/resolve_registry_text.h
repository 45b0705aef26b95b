// SPDX-License-Identifier: Apache-2.0
// Objects of the registry as YAML, and what becomes of connections to them as text.
#pragma once

#include <string>

#include "resolve_text.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"

namespace vsplit {

// One document. `metadata`: more members of its metadata.
inline std::string Document(const std::string& kind, const std::string& name,
                            const std::string& spec, const std::string& metadata = "") {
  const std::string group = kind == "Service" || kind == "Pod" ? "v1" : "networking.istio.io/v1";
  return "{kind: " + kind + ", apiVersion: " + group + ", metadata: {name: " + name +
         (metadata.find("namespace:") == std::string::npos ? ", namespace: default" : "") +
         (metadata.empty() ? "" : ", " + metadata) + "}, spec: {" + spec + "}}\n---\n";
}

inline std::string Entry(const std::string& name, const std::string& spec,
                         const std::string& metadata = "") {
  return Document("ServiceEntry", name, spec, metadata);
}

// A DestinationRule.
inline std::string Policy(const std::string& host, const std::string& spec) {
  return Document("DestinationRule", "policy", "host: " + host + ", " + spec);
}

// Service s with port 80, and its one EndpointSlice.
inline std::string Slices(const std::string& endpoints, const std::string& spec = "") {
  return Document("Service", "s",
                  "clusterIP: 10.96.0.1, ports: [{name: tcp, port: 80, targetPort: 8080}]" +
                      (spec.empty() ? "" : ", " + spec)) +
         "{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: s-1, namespace: "
         "default, labels: {kubernetes.io/service-name: s}}, addressType: IPv4, ports: [{name: "
         "tcp, port: 8080}], endpoints: [" +
         endpoints + "]}\n---\n";
}

inline std::string PodAt(const std::string& name, const std::string& ip,
                         const std::string& labels = "", const std::string& node = "n1",
                         const std::string& status = "phase: Running") {
  return "{kind: Pod, apiVersion: v1, metadata: {name: " + name +
         ", namespace: default, labels: {" + labels + "}}, spec: {nodeName: " + node +
         "}, status: {podIP: " + ip + ", " + status + "}}\n---\n";
}

inline std::string NodeIn(const std::string& name, const std::string& region,
                          const std::string& zone) {
  return "{kind: Node, apiVersion: v1, metadata: {name: " + name +
         ", labels: {topology.kubernetes.io/region: " + region +
         ", topology.kubernetes.io/zone: " + zone + "}}}\n---\n";
}

// "p0 w3 eu/a [10.1.0.1:80 10.1.0.2:80*2] -1": the weight where localities share by it, the number
// of those that are not ready.
inline std::string ToText(const ResolvedCluster& cluster) {
  if (cluster.settings.algorithm == Algorithm::kPassthrough) {
    return "passthrough" +
           (cluster.settings.port == 0 ? "" : " to " + std::to_string(cluster.settings.port));
  }
  const bool weighs = [&] {
    for (const EndpointGroup& group : cluster.groups) {
      if (group.weight != 1) {
        return true;
      }
    }
    return false;
  }();
  std::string text;
  for (const EndpointGroup& group : cluster.groups) {
    text += (text.empty() ? "p" : "; p") + std::to_string(group.priority);
    text += weighs ? " w" + std::to_string(group.weight) : "";
    text += group.locality.empty() ? "" : " " + group.locality;
    std::string list;
    for (const Endpoint& endpoint : group.endpoints) {
      const std::string address = endpoint.address.ip == IpAddress{}
                                      ? endpoint.name + ":" + std::to_string(endpoint.address.port)
                                      : ToString(endpoint.address);
      list += (list.empty() ? "" : " ") + address +
              (endpoint.weight == 1 ? "" : "*" + std::to_string(endpoint.weight));
    }
    text += " [" + list + "]";
    text += group.unready == 0 ? "" : " -" + std::to_string(group.unready);
  }
  return text.empty() ? "broken" : text;
}

// Of the first cluster of the first port.
inline std::string GroupsAt(const std::string& yaml, const std::string& host, const Client& client,
                            const ResolveOptions& options = {}) {
  const ResolvedHost resolved = Resolve(StoreOf(yaml), host, options, client);
  if (resolved.ports.empty() || resolved.ports.front().clusters.empty()) {
    return "none";
  }
  return ToText(resolved.ports.front().clusters.front());
}

// "80 10.9.0.1: GROUPS | GROUPS; 81 ...", or "untouched".
inline std::string PortsAt(const std::string& yaml, const std::string& host,
                           const Client& client = {}, const ResolveOptions& options = {}) {
  std::string text;
  for (const ResolvedPort& port : Resolve(StoreOf(yaml), host, options, client).ports) {
    text += (text.empty() ? "" : "; ") + std::to_string(port.port);
    for (const IpPrefix& address : port.addresses) {
      text += " " + ToString(address);
    }
    text += port.untouched.empty() ? ":" : ": untouched";
    for (const ResolvedCluster& cluster : port.clusters) {
      text += (text.back() == ':' ? " " : " | ") + ToText(cluster);
    }
  }
  return text;
}

}  // namespace vsplit
