// SPDX-License-Identifier: Apache-2.0
// How endpoints are grouped for a client by where both of them run. What is expected is what
// Istio's pilot sends for the same objects.
#include <gtest/gtest.h>

#include <string>

#include "resolve_registry_text.h"
#include "resolve_text.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

// x.example.com with endpoints in five places. `metadata`: more members of its metadata.
std::string Places(const std::string& metadata = "") {
  return Entry("x",
               "hosts: [x.example.com], addresses: [10.9.0.1], resolution: STATIC, "
               "ports: [{number: 80, name: tcp, protocol: TCP}], endpoints: ["
               "{address: 1.1.1.1, locality: eu/a/r1, labels: {v: one}}, "
               "{address: 1.1.1.2, locality: eu/a/r2, weight: 3, labels: {v: two}}, "
               "{address: 1.1.1.3, locality: eu/b, network: far}, "
               "{address: 1.1.1.4, locality: us/a, labels: {v: one}}, "
               "{address: 1.1.1.5, locality: ap/a}]",
               metadata);
}

std::string Rule(const std::string& policy) {
  return Policy("x.example.com", "trafficPolicy: {" + policy + "}");
}

// With this localityLbSetting, and with outlierDetection.
std::string FailsOver(const std::string& setting) {
  return Rule("outlierDetection: {consecutive5xxErrors: 5}, loadBalancer: {localityLbSetting: {" +
              setting + "}}");
}

Client InEurope() {
  return {.ns = "default",
          .labels = {{"v", "two"}},
          .node = "n1",
          .locality = {.region = "eu", .zone = "a", .subzone = "r1"}};
}

std::string GroupsFor(const std::string& yaml) {
  return GroupsAt(yaml, "x.example.com", InEurope());
}

// All in one group, as if nothing ran anywhere.
constexpr const char* kTogether = "p0 [1.1.1.1:80 1.1.1.2:80*3 1.1.1.3:80 1.1.1.4:80 1.1.1.5:80]";

TEST(Locality, DoesNotCountUnlessEndpointsCanBeEjected) {
  EXPECT_EQ(GroupsFor(Places()), kTogether);
  EXPECT_EQ(GroupsFor(Places() + Rule("loadBalancer: {localityLbSetting: "
                                      "{failover: [{from: eu, to: ap}]}}")),
            kTogether);
}

TEST(Locality, OutlierDetectionAloneMakesPriorities) {
  const std::string groups =
      "p0 eu/a/r1 [1.1.1.1:80]; p1 eu/a/r2 [1.1.1.2:80*3]; p2 eu/b [1.1.1.3:80]; "
      "p3 [1.1.1.4:80 1.1.1.5:80]";
  EXPECT_EQ(GroupsFor(Places() + Rule("outlierDetection: {consecutive5xxErrors: 5}")), groups);
  EXPECT_EQ(GroupsFor(Places() + Rule("outlierDetection: {consecutive5xxErrors: 0}")), groups);
}

TEST(Locality, IsOffWhereTheRuleSaysSo) {
  EXPECT_EQ(GroupsFor(Places() + FailsOver("enabled: false")), kTogether);
  EXPECT_EQ(GroupsFor(Places("annotations: {networking.istio.io/traffic-distribution: "
                             "PreferClose}") +
                      FailsOver("enabled: false")),
            kTogether);
}

TEST(Locality, RegionFailsOverToTheOneThatIsGivenFirst) {
  EXPECT_EQ(GroupsFor(Places() + FailsOver("failover: [{from: eu, to: ap}]")),
            "p0 w1 eu/a/r1 [1.1.1.1:80]; p1 w3 eu/a/r2 [1.1.1.2:80*3]; p2 w1 eu/b [1.1.1.3:80]; "
            "p3 w1 ap/a [1.1.1.5:80]; p4 w1 us/a [1.1.1.4:80]");
}

TEST(Locality, DistributionGivesPlacesTheirShareRoundedUp) {
  EXPECT_EQ(GroupsFor(Places() + Rule("loadBalancer: {localityLbSetting: {distribute: ["
                                      "{from: us/*, to: {'us/*': 100}}, "
                                      "{from: eu/a/*, to: {'eu/a/*': 70, 'eu/b/*': 30}}]}}")),
            "p0 w18 eu/a/r1 [1.1.1.1:80]; p0 w53 eu/a/r2 [1.1.1.2:80*3]; p0 w30 eu/b [1.1.1.3:80]");
}

TEST(Locality, DistributionForOthersLeavesPlacesTheirWeight) {
  EXPECT_EQ(GroupsFor(Places() + Rule("loadBalancer: {localityLbSetting: {distribute: ["
                                      "{from: us/*, to: {'us/*': 100}}]}}")),
            "p0 w1 ap/a [1.1.1.5:80]; p0 w1 eu/a/r1 [1.1.1.1:80]; p0 w3 eu/a/r2 [1.1.1.2:80*3]; "
            "p0 w1 eu/b [1.1.1.3:80]; p0 w1 us/a [1.1.1.4:80]");
}

TEST(Locality, FailoverPriorityComparesLabelsInOrder) {
  EXPECT_EQ(GroupsFor(Places() + FailsOver("failoverPriority: [topology.kubernetes.io/region, "
                                           "topology.kubernetes.io/zone]")),
            "p0 w1 eu/a/r1 [1.1.1.1:80]; p0 w3 eu/a/r2 [1.1.1.2:80*3]; p1 w1 eu/b [1.1.1.3:80]; "
            "p2 w1 ap/a [1.1.1.5:80]; p2 w1 us/a [1.1.1.4:80]");
}

TEST(Locality, FailoverPriorityComparesWithTheClientOrWithAValue) {
  EXPECT_EQ(GroupsFor(Places() + FailsOver("failoverPriority: [v]")),
            "p0 w3 eu/a/r2 [1.1.1.2:80*3]; p1 w1 ap/a [1.1.1.5:80]; p1 w1 eu/a/r1 [1.1.1.1:80]; "
            "p1 w1 eu/b [1.1.1.3:80]; p1 w1 us/a [1.1.1.4:80]");
  EXPECT_EQ(
      GroupsFor(Places() + FailsOver("failoverPriority: [v=one, topology.kubernetes.io/region]")),
      "p0 w1 eu/a/r1 [1.1.1.1:80]; p1 w1 us/a [1.1.1.4:80]; p2 w1 ap/a [1.1.1.5:80]; "
      "p2 w3 eu/a/r2 [1.1.1.2:80*3]; p2 w1 eu/b [1.1.1.3:80]");
}

TEST(Locality, AnotherNetworkIsTheLastResort) {
  EXPECT_EQ(GroupsFor(Places() + FailsOver("failoverPriority: [topology.istio.io/network, "
                                           "topology.kubernetes.io/region]")),
            "p0 w1 eu/a/r1 [1.1.1.1:80]; p0 w3 eu/a/r2 [1.1.1.2:80*3]; p1 w1 ap/a [1.1.1.5:80]; "
            "p1 w1 us/a [1.1.1.4:80]; p2 w1 eu/b [1.1.1.3:80]");
}

TEST(Locality, RegionsCountBehindTheLabelsWhereBothAreGiven) {
  EXPECT_EQ(
      GroupsFor(Places() + FailsOver("failoverPriority: [v], failover: [{from: eu, to: us}]")),
      "p0 w3 eu/a/r2 [1.1.1.2:80*3]; p1 w1 eu/a/r1 [1.1.1.1:80]; p2 w1 eu/b [1.1.1.3:80]; "
      "p3 w1 us/a [1.1.1.4:80]; p4 w1 ap/a [1.1.1.5:80]");
}

TEST(Locality, TrafficDistributionNeedsNoOutlierDetection) {
  const std::string annotation = "annotations: {networking.istio.io/traffic-distribution: ";
  EXPECT_EQ(GroupsFor(Places(annotation + "PreferClose}")),
            "p0 w1 eu/a/r1 [1.1.1.1:80]; p0 w3 eu/a/r2 [1.1.1.2:80*3]; p1 w1 ap/a [1.1.1.5:80]; "
            "p1 w1 us/a [1.1.1.4:80]; p2 w1 eu/b [1.1.1.3:80]");
  EXPECT_EQ(GroupsFor(Places(annotation + "prefersamenode}")),
            "p0 w1 eu/a/r1 [1.1.1.1:80]; p1 w3 eu/a/r2 [1.1.1.2:80*3]; p2 w1 ap/a [1.1.1.5:80]; "
            "p2 w1 us/a [1.1.1.4:80]; p3 w1 eu/b [1.1.1.3:80]");
}

TEST(Locality, TrafficDistributionOfTheNamespaceIsForThoseWithoutOne) {
  const std::string ns =
      "{kind: Namespace, apiVersion: v1, metadata: {name: default, annotations: "
      "{networking.istio.io/traffic-distribution: PreferClose}}}\n---\n";
  EXPECT_EQ(GroupsFor(Places() + ns),
            GroupsFor(Places("annotations: {networking.istio.io/traffic-distribution: "
                             "PreferClose}")));
  EXPECT_EQ(GroupsFor(Places("annotations: {networking.istio.io/traffic-distribution: Any}") + ns),
            kTogether);
}

TEST(Locality, OfAPodIsItsLabelElseItsNode) {
  const std::string yaml =
      Slices(
          "{addresses: [10.1.0.1], targetRef: {kind: Pod, name: a}}, "
          "{addresses: [10.1.0.2], targetRef: {kind: Pod, name: b}}, "
          "{addresses: [10.1.0.3]}") +
      PodAt("a", "10.1.0.1", "", "n1") + PodAt("b", "10.1.0.2", "istio-locality: us.a", "n1") +
      NodeIn("n1", "eu", "a") + Policy("s", "trafficPolicy: {outlierDetection: {}}");
  EXPECT_EQ(GroupsAt(yaml, "s.default.svc.cluster.local", InEurope()),
            "p0 eu/a [10.1.0.1:8080]; p1 [10.1.0.2:8080 10.1.0.3:8080]");
}

TEST(Locality, EndpointsThatAreNotReadyCountAsUnhealthyOnes) {
  const std::string yaml = Slices(
      "{addresses: [10.1.0.1]}, {addresses: [10.1.0.2], conditions: "
      "{ready: false, terminating: false}}, {addresses: [10.1.0.3], "
      "conditions: {ready: false, terminating: true}}");
  const std::string host = "s.default.svc.cluster.local";
  EXPECT_EQ(GroupsAt(yaml, host, {}), "p0 [10.1.0.1:8080]");
  EXPECT_EQ(GroupsAt(yaml + Policy("s", "trafficPolicy: {outlierDetection: {}}"), host, {}),
            "p0 [10.1.0.1:8080] -1");
  EXPECT_EQ(GroupsAt(yaml + Policy("s",
                                   "trafficPolicy: {outlierDetection: "
                                   "{minHealthPercent: 50}}"),
                     host, {}),
            "p0 [10.1.0.1:8080]");
}

TEST(Locality, NobodyPanicsWhereDistributionIsAsked) {
  const auto percent = [](const std::string& spec) {
    const std::string yaml =
        Slices("{addresses: [10.1.0.1]}", spec) +
        Policy("s", "trafficPolicy: {outlierDetection: {minHealthPercent: 40}}");
    return Resolve(StoreOf(yaml), "s.default.svc.cluster.local", {}, Client{})
        .ports.at(0)
        .clusters.at(0)
        .settings.panic_percent;
  };
  EXPECT_EQ(percent(""), 40U);
  EXPECT_EQ(percent("trafficDistribution: PreferClose"), 0U);
}

// Service s with a slice for each family: pods a and b have both families, c has IPv4 alone.
// Pod b is not ready.
std::string TwoFamilies() {
  const auto pod = [](const std::string& name, const std::string& ips, const std::string& node) {
    return "{kind: Pod, apiVersion: v1, metadata: {name: " + name +
           ", namespace: default}, spec: {nodeName: " + node +
           "}, status: {phase: Running, podIPs: [" + ips + "]}}\n---\n";
  };
  const auto slice = [](const std::string& family, const std::string& endpoints) {
    return "{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: s-" +
           family.substr(3) +
           ", namespace: default, labels: {kubernetes.io/service-name: s}}, addressType: " +
           family + ", ports: [{name: tcp, port: 8080}], endpoints: [" + endpoints + "]}\n---\n";
  };
  const auto endpoint = [](const std::string& address, const std::string& name,
                           const std::string& ready) {
    return "{addresses: ['" + address + "'], conditions: {ready: " + ready +
           ", terminating: false}, targetRef: {kind: Pod, name: " + name + ", namespace: default}}";
  };
  return Document("Service", "s",
                  "clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00:96::1'], ports: [{name: "
                  "tcp, port: 80, targetPort: 8080}]") +
         slice("IPv4", endpoint("10.1.0.1", "a", "true") + ", " +
                           endpoint("10.1.0.2", "b", "false") + ", " +
                           endpoint("10.1.0.3", "c", "true")) +
         slice("IPv6",
               endpoint("fd00:1::1", "a", "true") + ", " + endpoint("fd00:1::2", "b", "false")) +
         pod("a", "{ip: 10.1.0.1}, {ip: 'fd00:1::1'}", "n1") +
         pod("b", "{ip: 10.1.0.2}, {ip: 'fd00:1::2'}", "n1") + pod("c", "{ip: 10.1.0.3}", "n2") +
         NodeIn("n1", "eu", "a") + NodeIn("n2", "eu", "b");
}

TEST(Locality, PodOfTwoFamiliesCountsOnce) {
  const std::string host = "s.default.svc.cluster.local";
  EXPECT_EQ(GroupsAt(TwoFamilies() + Policy("s", "trafficPolicy: {outlierDetection: {}}"), host,
                     InEurope()),
            "p0 eu/a [10.1.0.1:8080 [fd00:1::1]:8080] -1; p1 eu/b [10.1.0.3:8080]");
  EXPECT_EQ(GroupsAt(TwoFamilies() +
                         Policy("s",
                                "trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: ["
                                "{from: eu/*, to: {'eu/*': 100}}]}}}"),
                     host, InEurope()),
            "p0 w67 eu/a [10.1.0.1:8080 [fd00:1::1]:8080] -1; p0 w34 eu/b [10.1.0.3:8080]");
}

}  // namespace
}  // namespace vsplit
