// SPDX-License-Identifier: Apache-2.0
// Service, EndpointSlice, Pod, Node, Namespace: what is kept, what is wrong.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "parse_text.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

IpAddress Ip(std::string_view text) {
  const auto address = ParseIpAddress(text);
  EXPECT_TRUE(address) << text;
  return address.value_or(IpAddress{});
}

std::string SliceWith(std::string_view fields) {
  return "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: e, labels: "
         "{kubernetes.io/service-name: s}}\n" +
         std::string(fields);
}

TEST(Parse, ServiceKeepsAddressesPortsAndSelector) {
  const auto spec = OneSpec<Service>(ServiceWith(R"(
  type: NodePort
  clusterIP: 10.0.0.1
  clusterIPs: [10.0.0.1, "fd00::1"]
  ipFamilyPolicy: PreferDualStack
  sessionAffinity: None
  internalTrafficPolicy: Cluster
  publishNotReadyAddresses: true
  selector: {app: a}
  ports:
  - {name: http, port: 80, targetPort: web, nodePort: 30000, appProtocol: http}
  - {name: dns, port: 53, protocol: UDP, targetPort: 5353}
)"));
  Service expected;
  expected.type = "NodePort";
  expected.cluster_ips = {Ip("10.0.0.1"), Ip("fd00::1")};
  expected.publish_not_ready_addresses = true;
  expected.selector = {{"app", "a"}};
  expected.ports = {{.name = "http", .port = 80, .app_protocol = "http", .target_port = "web"},
                    {.name = "dns", .port = 53, .protocol = "UDP", .target_port = "5353"}};
  EXPECT_EQ(spec, expected);
}

TEST(Parse, HeadlessAndExternalServicesHaveNoAddress) {
  const auto headless = OneSpec<Service>(ServiceWith("  clusterIP: None\n  clusterIPs: [None]\n"));
  EXPECT_TRUE(headless.headless);
  EXPECT_TRUE(headless.cluster_ips.empty());
  const auto external =
      OneSpec<Service>(ServiceWith("  type: ExternalName\n  externalName: a.com\n"));
  EXPECT_EQ(external.external_name, "a.com");
  const auto fresh = OneSpec<Service>(ServiceWith("  clusterIP: \"\"\n  ports: [{port: 80}]\n"));
  EXPECT_FALSE(fresh.headless);
  EXPECT_TRUE(fresh.cluster_ips.empty());
}

TEST(Parse, ServicesAreChecked) {
  const std::string at = ": Service default/s: spec";
  EXPECT_EQ(Problems(ServiceWith("  clusterIP: 10.0.0.256\n  ports:\n  - {port: 0, protocol: tcp}\n"
                                 "  - {name: Web, port: 80, targetPort: 70000}\n"
                                 "  - {name: a, port: \"80\"}\n")),
            "line 5:14" + at +
                ".clusterIP: found \"10.0.0.256\", an IP address is allowed\n"
                "line 7:5" +
                at +
                ".ports[0].name: missing, it is required\n"
                "line 7:12" +
                at +
                ".ports[0].port: found 0, an integer from 1 to 65535 is allowed\n"
                "line 7:25" +
                at +
                ".ports[0].protocol: found \"tcp\", allowed are TCP, UDP, SCTP\n"
                "line 8:12" +
                at +
                ".ports[1].name: found \"Web\", a DNS label (a-z, 0-9, -) is allowed\n"
                "line 8:39" +
                at +
                ".ports[1].targetPort: found 70000, an integer from 1 to 65535 is "
                "allowed\n"
                "line 9:21" +
                at + ".ports[2].port: found \"80\", an integer from 1 to 65535 is allowed\n");
  EXPECT_EQ(Problems(ServiceWith(
                "  ports: [{name: a, port: 1}, {name: a, port: 2}, {name: b, port: 1}]\n")),
            "line 5:31" + at +
                ".ports[1]: found name \"a\" twice\n"
                "line 5:51" +
                at + ".ports[2]: found port 1/TCP twice\n");
  EXPECT_EQ(Problems(ServiceWith(
                "  clusterIP: 1.1.1.1\n  clusterIPs: [1.1.1.2]\n  ports: [{port: 1}]\n")),
            "line 5:3" + at +
                ": found clusterIP 1.1.1.1 and clusterIPs[0] 1.1.1.2, the same is "
                "allowed\n");
  EXPECT_EQ(Problems(ServiceWith("  type: ClusterIP\n")),
            "line 5:3" + at + ".ports: missing, it is required\n");
  EXPECT_EQ(Problems("apiVersion: v1\nkind: Service\nmetadata: {name: 1a}\n"),
            "line 1:1: Service default/1a: spec: missing, it is required\n"
            "line 3:18: Service default/1a: metadata.name: found \"1a\", a DNS label (a-z, 0-9, -) "
            "that starts with a letter is allowed\n");
}

TEST(Parse, ServicesSayWhereTheirEndpointsMayBe) {
  const auto service =
      OneSpec<Service>(ServiceWith("  ports: [{port: 1}]\n  internalTrafficPolicy: Local\n"
                                   "  trafficDistribution: PreferClose\n"));
  EXPECT_EQ(service.internal_traffic_policy, "Local");
  EXPECT_EQ(service.traffic_distribution, "PreferClose");
}

TEST(Parse, EndpointSliceKeepsEndpointsAndConditions) {
  const auto spec = OneSpec<EndpointSlice>(SliceWith(R"(
addressType: IPv6
ports: [{name: http, port: 8080, protocol: TCP}, {}]
endpoints:
- addresses: ["fd00::1"]
  conditions: {ready: true, serving: null, terminating: false}
  targetRef: {kind: Pod, name: p, uid: x}
  nodeName: n1
  zone: z
  hints: {forZones: [{name: z}]}
- addresses: ["fd00::2"]
  targetRef: {kind: Node, name: p}
  deprecatedTopology: {a: b}
)"));
  EndpointSlice expected;
  expected.address_type = "IPv6";
  expected.service = "s";
  expected.ports = {{.name = "http", .port = 8080}, {}};
  expected.endpoints = {{.addresses = {Ip("fd00::1")},
                         .ready = true,
                         .terminating = false,
                         .pod = ObjectKey{Kind::kPod, "default", "p"},
                         .node_name = "n1",
                         .zone = "z"},
                        {.addresses = {Ip("fd00::2")}}};
  EXPECT_EQ(spec, expected);
}

TEST(Parse, EndpointSlicesAreChecked) {
  const std::string at = ": EndpointSlice default/e: ";
  EXPECT_EQ(Problems(SliceWith("addressType: IPv4\nports: [{name: a}, {name: a}]\nendpoints:\n"
                               "- {conditions: {redy: true}}\n- addresses: [\"::1\", x]\n"
                               "- addresses: []\n")),
            "line 5:8" + at +
                "ports: found name \"a\" twice\n"
                "line 7:3" +
                at +
                "endpoints[0].addresses: missing, it is required\n"
                "line 7:17" +
                at +
                "endpoints[0].conditions.redy: unknown field, did you mean \"ready\"?\n"
                "line 8:15" +
                at +
                "endpoints[1].addresses[0]: found \"::1\", an IPv4 address is allowed, "
                "as addressType says\n"
                "line 8:22" +
                at +
                "endpoints[1].addresses[1]: found \"x\", an IP address is allowed\n"
                "line 9:14" +
                at + "endpoints[2].addresses: found 0 addresses, 1 to 100 are allowed\n");
  EXPECT_EQ(Problems(SliceWith("endpoints: []\n")),
            "line 1:1" + at + "addressType: missing, it is required\n");
  EXPECT_TRUE(
      OneSpec<EndpointSlice>(SliceWith("addressType: FQDN\nendpoints: [{addresses: [a.b]}]\n"))
          .endpoints.at(0)
          .addresses.empty());
}

TEST(Parse, PodKeepsAddressesAndNode) {
  const auto pod = [](std::string_view rest) {
    return OneSpec<Pod>("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n" + std::string(rest));
  };
  Pod expected;
  expected.node_name = "n1";
  expected.host_network = true;
  expected.ips = {Ip("10.0.0.1"), Ip("fd00::1")};
  expected.phase = "Running";
  EXPECT_EQ(pod("spec: {nodeName: n1, hostNetwork: true, containers: [{anything: goes}]}\n"
                "status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: "
                "\"fd00::1\"}]}\n"),
            expected);
  EXPECT_EQ(pod("status: {podIP: 10.0.0.1}\n").ips, std::vector<IpAddress>{Ip("10.0.0.1")});
  EXPECT_EQ(pod("status: {podIP: \"\"}\n"), Pod{});
}

TEST(Parse, PodKeepsItsUid) {
  const auto pod = OneSpec<Pod>("apiVersion: v1\nkind: Pod\nmetadata: {name: p, uid: 6f0a-11}\n");
  EXPECT_EQ(pod.uid, "6f0a-11");
}

TEST(Parse, ObjectsAsAClusterStoresThemAreAccepted) {
  EXPECT_EQ(Problems(R"(apiVersion: v1
kind: Node
metadata:
  name: n1
  creationTimestamp: null
  generation: 3
  resourceVersion: "7"
  uid: u
  selfLink: /x
  generateName: n
  deletionGracePeriodSeconds: 1
  ownerReferences: [{apiVersion: v1, kind: Node, name: x, uid: z}]
  finalizers: [a/b]
  managedFields: [{manager: m, fieldsV1: {"f:status": {"k:{\"type\":\"Ready\"}": {}}}}]
spec: {podCIDR: 10.0.0.0/24, podCIDRs: [10.0.0.0/24], providerID: x, taints: [], unschedulable: true}
status: {addresses: [], allocatable: {cpu: 1}, capacity: {}, conditions: [], daemonEndpoints: {}, images: [], nodeInfo: {}, runtimeHandlers: [], features: {}, volumesInUse: [], volumesAttached: []}
---
apiVersion: v1
kind: Namespace
metadata: {name: a, deletionTimestamp: "2024-10-10T07:03:57Z"}
spec: {finalizers: [kubernetes]}
status: {phase: Active}
)"),
            "");
  EXPECT_EQ(
      Problems("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\nspec: {finalizer: []}\n"),
      "line 4:8: Namespace a: spec.finalizer: unknown field, did you mean \"finalizers\"?\n");
}

TEST(Objects, NamesOfKindsAreThoseOfTheApi) {
  std::string names;
  for (const KindInfo& info : Kinds()) {
    EXPECT_EQ(InfoOf(info.kind).name, info.name);
    names += std::string(info.name) + " ";
  }
  EXPECT_EQ(names,
            "Namespace Node Pod Service EndpointSlice WorkloadEntry ServiceEntry DestinationRule "
            "VirtualService Sidecar ");
}

TEST(Objects, SelectorsNeedEveryLabel) {
  EXPECT_TRUE(Selects({}, {}));
  EXPECT_TRUE(Selects({{"a", "1"}}, {{"a", "1"}, {"b", "2"}}));
  EXPECT_FALSE(Selects({{"a", "1"}, {"c", "3"}}, {{"a", "1"}, {"b", "2"}}));
  EXPECT_FALSE(Selects({{"a", "2"}}, {{"a", "1"}}));
}

}  // namespace
}  // namespace vsplit
