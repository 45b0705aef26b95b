// SPDX-License-Identifier: Apache-2.0
#include "services.h"

#include <fmt/core.h>

#include <string>

namespace vsplit::bench {
namespace {

std::string PodIp(int service, int endpoint) {
  return fmt::format("10.{}.{}.{}", 1 + service / 256, service % 256, 1 + endpoint);
}

}  // namespace

std::string SliceOf(int service, bool first_ready, int endpoints) {
  std::string text = fmt::format(R"(---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: service-{0}-1
  namespace: default
  labels:
    kubernetes.io/service-name: service-{0}
addressType: IPv4
ports:
- name: http
  port: 8080
  protocol: TCP
endpoints:
)",
                                 service);
  for (int endpoint = 0; endpoint < endpoints; ++endpoint) {
    text += fmt::format(R"(- addresses:
  - {2}
  conditions:
    ready: {3}
    serving: {3}
    terminating: false
  nodeName: node-{1}
  targetRef:
    kind: Pod
    name: service-{0}-{1}
    namespace: default
)",
                        service, endpoint, PodIp(service, endpoint), first_ready || endpoint > 0);
  }
  return text;
}

std::string ServiceOf(int service) {
  return fmt::format(R"(---
apiVersion: v1
kind: Service
metadata:
  name: service-{0}
  namespace: default
spec:
  clusterIP: 172.16.{1}.{2}
  selector:
    app: service-{0}
  ports:
  - name: http
    port: 80
    protocol: TCP
    targetPort: 8080
)",
                     service, service / 256, service % 256);
}

std::string DestinationRuleOf(int service) {
  return fmt::format(R"(---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: service-{0}
  namespace: default
spec:
  host: service-{0}.default.svc.cluster.local
  subsets:
  - name: safe
    labels:
      version: safe
  - name: risky
    labels:
      version: risky
)",
                     service);
}

namespace {

// `first_rule`: lines of an http rule before the one that splits.
std::string VirtualServiceWith(const std::string& first_rule, int service, int risky) {
  return fmt::format(R"(---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: service-{0}
  namespace: default
spec:
  hosts:
  - service-{0}.default.svc.cluster.local
  http:
{3}  - route:
    - destination:
        host: service-{0}.default.svc.cluster.local
        subset: safe
      weight: {1}
    - destination:
        host: service-{0}.default.svc.cluster.local
        subset: risky
      weight: {2}
)",
                     service, 100 - risky, risky, first_rule);
}

}  // namespace

std::string VirtualServiceOf(int service, int risky) {
  return VirtualServiceWith("", service, risky);
}

std::string VirtualServiceBySource(int service, int risky) {
  const std::string rule = fmt::format(R"(  - match:
    - sourceLabels:
        team: red
    route:
    - destination:
        host: service-{}.default.svc.cluster.local
        subset: risky
)",
                                       service);
  return VirtualServiceWith(rule, service, risky);
}

std::string PodOf(int service, int endpoint) {
  return fmt::format(R"(---
apiVersion: v1
kind: Pod
metadata:
  name: service-{0}-{1}
  namespace: default
  labels:
    app: service-{0}
    version: {2}
spec:
  nodeName: node-{1}
status:
  phase: Running
  podIPs:
  - ip: {3}
)",
                     service, endpoint, endpoint % 2 == 0 ? "safe" : "risky",
                     PodIp(service, endpoint));
}

std::string PodsOf(int service) {
  std::string text;
  for (int endpoint = 0; endpoint < kEndpoints; ++endpoint) {
    text += PodOf(service, endpoint);
  }
  return text;
}

std::string ClientPodOf(int pod) {
  return fmt::format(R"(---
apiVersion: v1
kind: Pod
metadata:
  name: client-{0}
  namespace: clients-{1}
  uid: 00000000-0000-0000-0000-{0:012}
  labels:
    app: client-{0}
    team: {2}
spec:
  nodeName: {3}
status:
  phase: Running
  podIPs:
  - ip: 10.255.{4}.{5}
)",
                     pod, pod % 3, pod % 2 == 0 ? "red" : "blue", kClientNode, pod / 250,
                     1 + pod % 250);
}

std::string RulesOf(int service) {
  return ServiceOf(service) + SliceOf(service) + DestinationRuleOf(service) +
         VirtualServiceOf(service);
}

}  // namespace vsplit::bench
