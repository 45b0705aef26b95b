// SPDX-License-Identifier: Apache-2.0
// Service default/reviews and rules about it as YAML, and where clients of several namespaces get.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "resolve_text.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit {

inline constexpr std::string_view kHost = "reviews.default.svc.cluster.local";

// Service default/reviews with these ports and annotations.
inline std::string Reviews(const std::string& ports, const std::string& annotations = "") {
  return "{kind: Service, apiVersion: v1, metadata: {name: reviews, namespace: default, "
         "annotations: {" +
         annotations + "}}, spec: {clusterIP: 10.96.0.7, ports: [" + ports + "]}}\n---\n";
}

inline std::string IstioObject(const std::string& kind, const std::string& ns,
                               const std::string& name, const std::string& spec, int day = 1) {
  return "{kind: " + kind + ", apiVersion: networking.istio.io/v1, metadata: {name: " + name +
         ", namespace: " + ns + ", creationTimestamp: '2024-01-0" + std::to_string(day) +
         "T00:00:00Z'}, spec: {" + spec + "}}\n---\n";
}

inline std::string Rules(const std::string& ns, const std::string& name, const std::string& spec,
                         int day = 1) {
  return IstioObject("VirtualService", ns, name, "hosts: [" + std::string(kHost) + "], " + spec,
                     day);
}

// A route to this subset of reviews.
inline std::string To(const std::string& subset) {
  return "route: [{destination: {host: " + std::string(kHost) + ", subset: " + subset + "}}]";
}

// With the ages that the objects give.
inline Store Aged(const std::string& yaml) {
  std::vector<Object> objects = ObjectsOf(yaml);
  for (Object& object : objects) {
    object.version.creation_timestamp = object.given_creation_timestamp;
  }
  Store store;
  store.Load(std::move(objects), 1);
  return store;
}

inline Client In(const std::string& ns, const Labels& labels = {}) {
  return {.ns = ns, .labels = labels, .node = "n1"};
}

// Port, rule and subsets, for each port.
inline std::string Outcome(const ResolvedHost& host) {
  std::string text;
  for (const ResolvedPort& port : host.ports) {
    text += (text.empty() ? "" : "; ") + std::to_string(port.port);
    for (const IpPrefix& prefix : port.addresses) {
      text += prefix.bits == 128 && port.addresses.size() == 1 ? "" : " " + ToString(prefix);
    }
    text += port.untouched.empty() ? "" : " untouched";
    for (const ResolvedCluster& cluster : port.clusters) {
      text += " " + (cluster.subset.empty() ? "plain" : cluster.subset);
    }
  }
  return text;
}

inline std::string OutcomeFor(const std::string& yaml, const Client& client) {
  return Outcome(Resolve(Aged(yaml), HostName(kHost), {}, client));
}

}  // namespace vsplit
