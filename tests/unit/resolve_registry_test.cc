// SPDX-License-Identifier: Apache-2.0
// Services and ServiceEntries as one registry: at which addresses they are dialled, and which
// endpoints they have. What is expected is what Istio's pilot sends for the same objects.
#include <gtest/gtest.h>

#include <string>

#include "resolve_registry_text.h"
#include "resolve_text.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

constexpr const char* kHost = "x.example.com";

// ServiceEntry x with this resolution and port 80; `more`: other fields.
std::string Static(const std::string& more) {
  return Entry("x",
               "hosts: [x.example.com], ports: [{number: 80, name: tcp, protocol: TCP}], "
               "resolution: STATIC, " +
                   more);
}

std::string Dns(const std::string& more, const std::string& resolution = "DNS") {
  return Entry("x",
               "hosts: [x.example.com], addresses: [10.9.0.1], ports: [{number: 80, name: tcp, "
               "protocol: TCP, targetPort: 8080}], resolution: " +
                   resolution + more);
}

IpAddress Ip(const char* text) {
  return ParseIpAddress(text).value_or(IpAddress{});
}

TEST(Registry, ServiceEntryIsDialledAtItsAddressesAndSubnets) {
  EXPECT_EQ(PortsAt(Static("addresses: [10.9.0.2, 10.10.0.0/16, 10.9.0.1/32, 'fd00::/64'], "
                           "endpoints: [{address: 1.1.1.1}, {address: 'fd01::1'}]"),
                    kHost),
            "80 10.9.0.1 10.9.0.2 10.10.0.0/16 fd00::/64: p0 [1.1.1.1:80 [fd01::1]:80]");
}

TEST(Registry, WithoutAddressesAnyAddressOnATcpPortIsMeant) {
  EXPECT_EQ(PortsAt(Static("endpoints: [{address: 1.1.1.1}]"), kHost),
            "80 0.0.0.0/0: p0 [1.1.1.1:80]");
}

TEST(Registry, WithoutAddressesRequestsNameTheHostOnOtherPorts) {
  const std::string yaml =
      Entry("x",
            "hosts: [x.example.com], resolution: STATIC, ports: [{number: 80, name: a, "
            "protocol: HTTP}, {number: 443, name: b, protocol: TLS}, {number: 81, name: c, "
            "protocol: TCP}], endpoints: [{address: 1.1.1.1}]");
  EXPECT_EQ(PortsAt(yaml, kHost), "80: untouched; 443: untouched; 81 0.0.0.0/0: p0 [1.1.1.1:81]");
}

TEST(Registry, AllocatedAddressesAreDialledUnlessTheyAreTurnedOff) {
  const auto entry = [](const std::string& resolution, const std::string& labels) {
    return "{kind: ServiceEntry, apiVersion: networking.istio.io/v1, metadata: {name: x, "
           "namespace: default, labels: {" +
           labels + "}}, spec: {hosts: [x.example.com, y.example.com], resolution: " + resolution +
           ", ports: [{number: 80, name: http, protocol: HTTP}]}, status: {addresses: [{value: "
           "240.240.0.1, host: x.example.com}, {value: 240.240.0.2, host: y.example.com}]}}";
  };
  EXPECT_EQ(PortsAt(entry("NONE", ""), kHost), "");
  EXPECT_EQ(PortsAt(entry("DNS", ""), kHost), "80 240.240.0.1: p0 [x.example.com:80]");
  EXPECT_EQ(PortsAt(entry("DNS", "networking.istio.io/enable-autoallocate-ip: 'false'"), kHost),
            "");
}

TEST(Registry, ResolutionNoneKeepsTheAddressAndMayChangeThePort) {
  EXPECT_EQ(PortsAt(Entry("x",
                          "hosts: [x.example.com], addresses: [10.10.0.0/16], resolution: "
                          "NONE, ports: [{number: 80, name: a, protocol: TCP, targetPort: "
                          "8080}, {number: 81, name: b, protocol: TCP}]"),
                    kHost),
            "80 10.10.0.0/16: passthrough to 8080; 81 10.10.0.0/16: passthrough");
}

TEST(Registry, PortOfAnEndpointIsItsOwnElseTheTargetElseTheDialledOne) {
  const std::string yaml =
      Entry("x",
            "hosts: [x.example.com], addresses: [10.9.0.1], resolution: STATIC, ports: "
            "[{number: 80, name: a, protocol: TCP, targetPort: 8080}, {number: 81, name: b, "
            "protocol: TCP}], endpoints: [{address: 1.1.1.1, ports: {a: 5000}}, {address: "
            "1.1.1.2, ports: {b: 5001}}]");
  EXPECT_EQ(PortsAt(yaml, kHost),
            "80 10.9.0.1: p0 [1.1.1.1:5000 1.1.1.2:8080]; 81 10.9.0.1: p0 [1.1.1.1:81 "
            "1.1.1.2:5001]");
}

TEST(Registry, AnEndpointThatIsNamedTwiceCountsOnce) {
  EXPECT_EQ(PortsAt(Static("addresses: [10.9.0.1], endpoints: [{address: 1.1.1.1, weight: 2}, "
                           "{address: 1.1.1.1}]"),
                    kHost),
            "80 10.9.0.1: p0 [1.1.1.1:80*2]");
}

TEST(Registry, SelectorTakesReadyPodsAndWorkloadEntriesOfItsNamespace) {
  const std::string pods =
      PodAt("ready", "2.1.1.1", "app: x", "n1", "conditions: [{type: Ready, status: 'True'}]") +
      PodAt("unready", "2.1.1.2", "app: x", "n1", "conditions: [{type: Ready, status: 'False'}]") +
      PodAt("failed", "2.1.1.3", "app: x", "n1", "phase: Failed") +
      PodAt("pending", "2.1.1.4", "app: x", "n1", "phase: Pending") +
      PodAt("other", "2.1.1.5", "app: z", "n1");
  const std::string entries =
      Document("WorkloadEntry", "w1",
               "address: 1.1.1.1, weight: 4, ports: {tcp: 5000}, labels: "
               "{app: z}",
               "labels: {app: x}") +
      Document("WorkloadEntry", "w2", "address: 1.1.1.2, labels: {app: x}") +
      Document("WorkloadEntry", "w3", "address: 1.1.1.3, labels: {app: x}", "labels: {app: z}") +
      Document("WorkloadEntry", "w4", "address: 1.1.1.4, labels: {app: x}", "namespace: other") +
      Document("WorkloadEntry", "w5", "address: host.example.com, labels: {app: x}") +
      Document("WorkloadEntry", "w6", "address: 'unix:///run/x', labels: {app: x}");
  EXPECT_EQ(PortsAt(Static("addresses: [10.9.0.1], workloadSelector: {labels: {app: x}}") + pods +
                        entries,
                    kHost),
            "80 10.9.0.1: p0 [1.1.1.1:5000*4 1.1.1.2:80 2.1.1.1:80]");
}

TEST(Registry, ServiceSelectsWorkloadEntriesBesideItsSlices) {
  const std::string service =
      Document("Service", "s",
               "clusterIP: 10.96.0.1, selector: {app: x}, ports: [{name: tcp, port: "
               "80, targetPort: 8080}, {name: tcp-n, port: 81, targetPort: named}]");
  const std::string entries =
      Document("WorkloadEntry", "w1", "address: 1.1.1.1, ports: {named: 5000}",
               "labels: {app: x}") +
      Document("WorkloadEntry", "w2", "address: 1.1.1.2, ports: {tcp: 5001}", "labels: {app: x}");
  EXPECT_EQ(PortsAt(service + entries, "s.default.svc.cluster.local"),
            "80 10.96.0.1: p0 [1.1.1.1:8080 1.1.1.2:5001]; 81 10.96.0.1: p0 [1.1.1.1:5000]");
}

TEST(Registry, NamesAreLeftToBeResolvedWhereThereAreNoAnswers) {
  EXPECT_EQ(PortsAt(Dns(""), kHost), "80 10.9.0.1: p0 [x.example.com:8080]");
  EXPECT_EQ(
      PortsAt(Dns(", endpoints: [{address: a.example.com, weight: 2}, {address: 1.2.3.4}]"), kHost),
      "80 10.9.0.1: p0 [a.example.com:8080*2 1.2.3.4:8080]");
}

TEST(Registry, EveryAddressOfANameIsAnEndpointAndTheFirstOfRoundRobin) {
  const DnsAnswers names{{"a.example.com", {Ip("1.0.0.1"), Ip("1.0.0.2")}}};
  const ResolveOptions options{.names = &names};
  const std::string endpoints = ", endpoints: [{address: a.example.com, weight: 2}]";
  EXPECT_EQ(PortsAt(Dns(endpoints), kHost, {}, options),
            "80 10.9.0.1: p0 [1.0.0.1:8080*2 1.0.0.2:8080*2]");
  EXPECT_EQ(PortsAt(Dns(endpoints, "DNS_ROUND_ROBIN"), kHost, {}, options),
            "80 10.9.0.1: p0 [1.0.0.1:8080*2]");
}

TEST(Registry, NamesWithoutAnAddressAreSaidToBeMissing) {
  const DnsAnswers names;
  const ResolvedHost host =
      Resolve(StoreOf(Dns("")), kHost, ResolveOptions{.names = &names}, Client{});
  ASSERT_EQ(host.ports.size(), 1U);
  EXPECT_EQ(host.ports[0].clusters[0].broken,
            "no address of x.example.com is known, for ServiceEntry default/x port 80");
  EXPECT_EQ(host.dependencies.names, std::set<HostName>{"x.example.com"});
}

TEST(Registry, NamesAreNoEndpointsOfStaticOnes) {
  EXPECT_EQ(PortsAt(Static("addresses: [10.9.0.1], workloadSelector: {labels: {app: x}}") +
                        Document("WorkloadEntry", "w", "address: a.example.com, labels: {app: x}"),
                    kHost),
            "80 10.9.0.1: p0 []");
}

TEST(Registry, DynamicDnsHasNoEndpointsBeforeTheRequest) {
  const std::string yaml =
      Entry("x",
            "hosts: ['*.example.com'], resolution: DYNAMIC_DNS, ports: [{number: 80, name: a, "
            "protocol: HTTP}]") +
      Slices("{addresses: [10.1.0.1]}") +
      Document("VirtualService", "v",
               "hosts: [s], tcp: [{route: [{destination: {host: '*.example.com'}}]}]");
  const ResolvedHost host = Resolve(StoreOf(yaml), "s.default.svc.cluster.local", {}, Client{});
  ASSERT_EQ(host.ports.size(), 1U);
  EXPECT_EQ(host.ports[0].clusters[0].broken,
            "the names of ServiceEntry default/x are resolved from requests (DYNAMIC_DNS)");
}

// Two ServiceEntries of one host, whose second has this namespace and these other fields.
std::string Twice(const std::string& ns, const std::string& resolution = "STATIC") {
  return Static("addresses: [10.9.0.1], endpoints: [{address: 1.1.1.1}]") +
         Entry("z",
               "hosts: [x.example.com], addresses: [10.9.0.2], resolution: " + resolution +
                   ", ports: [{number: 80, name: tcp, protocol: TCP}, {number: 81, name: tcp2, "
                   "protocol: TCP}], endpoints: [{address: 2.1.1.1}]",
               "namespace: " + ns);
}

TEST(Registry, ServiceEntriesOfOneNamespaceShareTheHost) {
  EXPECT_EQ(PortsAt(Twice("default"), kHost),
            "80 10.9.0.1 10.9.0.2: p0 [1.1.1.1:80 2.1.1.1:80]; 81 10.9.0.2: p0 [2.1.1.1:81]");
}

TEST(Registry, PortsOfAnotherResolutionLeadNowhere) {
  EXPECT_EQ(PortsAt(Twice("default", "DNS"), kHost),
            "80 10.9.0.1 10.9.0.2: p0 [1.1.1.1:80 2.1.1.1:80]; 81 10.9.0.2: broken");
}

TEST(Registry, HostOfSeveralNamespacesIsThatOfTheClientsOwn) {
  const std::string first = "80 10.9.0.1: p0 [1.1.1.1:80]";
  const std::string second = "80 10.9.0.2: p0 [2.1.1.1:80]; 81 10.9.0.2: p0 [2.1.1.1:81]";
  const std::string not_first = "; 80 10.9.0.1: untouched";
  const std::string not_second = "; 80 10.9.0.2: untouched; 81 10.9.0.2: untouched";
  EXPECT_EQ(PortsAt(Twice("other"), kHost, {.ns = "default"}), first + not_second);
  EXPECT_EQ(PortsAt(Twice("other"), kHost, {.ns = "other"}), second + not_first);
  EXPECT_EQ(PortsAt(Twice("other"), kHost, {.ns = "third"}), first + not_second);
}

TEST(Registry, ServiceGoesBeforeAServiceEntryOfItsHost) {
  const std::string squatter =
      Entry("x",
            "hosts: [s.default.svc.cluster.local], addresses: [10.9.0.9], resolution: NONE, "
            "ports: [{number: 80, name: tcp, protocol: TCP}]",
            "namespace: aaa");
  EXPECT_EQ(PortsAt(squatter + Slices("{addresses: [10.1.0.1]}"), "s.default.svc.cluster.local"),
            "80 10.96.0.1: p0 [10.1.0.1:8080]; 80 10.9.0.9: untouched");
}

TEST(Registry, HeadlessServiceIsDialledAtItsReadyPodsAndKeepsThem) {
  const std::string yaml = Slices(
      "{addresses: [10.1.0.1]}, {addresses: [10.1.0.2], conditions: {ready: false, "
      "terminating: false}}");
  std::string headless = yaml;
  headless.replace(headless.find("clusterIP: 10.96.0.1"), 20, "clusterIP: None");
  EXPECT_EQ(PortsAt(headless, "s.default.svc.cluster.local"), "80 10.1.0.1: passthrough");
}

TEST(Registry, InternalTrafficPolicyLocalKeepsToTheNode) {
  const std::string yaml =
      Slices(
          "{addresses: [10.1.0.1], targetRef: {kind: Pod, name: a}}, {addresses: [10.1.0.2], "
          "targetRef: {kind: Pod, name: b}}",
          "internalTrafficPolicy: Local") +
      PodAt("a", "10.1.0.1", "", "n1") + PodAt("b", "10.1.0.2", "", "n2");
  Asked asked;
  const ResolvedHost host = Resolve(StoreOf(yaml), "s.default.svc.cluster.local", {},
                                    {.ns = "default", .node = "n2"}, &asked);
  EXPECT_EQ(ToText(host.ports.at(0).clusters.at(0)), "p0 [10.1.0.2:8080]");
  EXPECT_EQ(asked.node, "n2");
}

TEST(Registry, SubsetsSelectByWhereAWorkloadRuns) {
  const auto chosen = [](const std::string& label) {
    const std::string yaml =
        Static(
            "addresses: [10.9.0.1], endpoints: [{address: 1.1.1.1, locality: eu/a/r1}, {address: "
            "1.1.1.2, network: far, labels: {istio-locality: us.b}}]") +
        Policy(kHost, "subsets: [{name: v, labels: {" + label + "}}]") +
        Document("VirtualService", "v",
                 "hosts: [x.example.com], tcp: [{route: [{destination: {host: x.example.com, "
                 "subset: v}}]}]");
    return GroupsAt(yaml, kHost, {});
  };
  EXPECT_EQ(chosen("topology.kubernetes.io/region: eu"), "p0 [1.1.1.1:80]");
  EXPECT_EQ(chosen("topology.kubernetes.io/zone: b"), "p0 [1.1.1.2:80]");
  EXPECT_EQ(chosen("topology.istio.io/subzone: r1"), "p0 [1.1.1.1:80]");
  EXPECT_EQ(chosen("topology.istio.io/network: far"), "p0 [1.1.1.2:80]");
  EXPECT_EQ(chosen("topology.istio.io/cluster: Kubernetes"), "p0 [1.1.1.1:80 1.1.1.2:80]");
  EXPECT_EQ(chosen("topology.kubernetes.io/region: ap"), "p0 []");
}

// ---- what touches them -------------------------------------------------------------------------

std::set<HostName> TouchedBy(const std::string& store, const std::string& before,
                             const std::string& after) {
  const auto object = [](const std::string& yaml) {
    return yaml.empty() ? nullptr
                        : std::make_shared<const Object>(std::move(ObjectsOf(yaml).at(0)));
  };
  const ObjectPtr old = object(before);
  const ObjectPtr now = object(after);
  return TouchedBy(
             StoreOf(store),
             {.key = (now ? now : old)->key, .before = old, .after = now, .resource_version = 2})
      .hosts;
}

TEST(Registry, WorkloadTouchesTheHostsThatSelectItBeforeOrAfter) {
  const std::string store =
      Static("addresses: [10.9.0.1], workloadSelector: {labels: {app: x}}") +
      Entry("z",
            "hosts: [y.example.com], resolution: STATIC, workloadSelector: {labels: {app: z}}, "
            "ports: [{number: 80, name: tcp, protocol: TCP}]");
  EXPECT_EQ(TouchedBy(store, PodAt("p", "2.1.1.1", "app: x"), PodAt("p", "2.1.1.1", "app: z")),
            (std::set<HostName>{"x.example.com", "y.example.com"}));
  EXPECT_EQ(
      TouchedBy(store, "", Document("WorkloadEntry", "w", "address: 1.1.1.1", "labels: {app: x}")),
      std::set<HostName>{"x.example.com"});
  EXPECT_EQ(TouchedBy(store, PodAt("p", "2.1.1.1", "app: none"), ""), std::set<HostName>{});
}

TEST(Registry, ReadinessOfAPodTouchesTheHostsThatSelectIt) {
  const std::string store = Static("addresses: [10.9.0.1], workloadSelector: {labels: {app: x}}");
  EXPECT_EQ(
      TouchedBy(
          store,
          PodAt("p", "2.1.1.1", "app: x", "n1", "conditions: [{type: Ready, status: 'True'}]"),
          PodAt("p", "2.1.1.1", "app: x", "n1", "conditions: [{type: Ready, status: 'False'}]")),
      std::set<HostName>{"x.example.com"});
}

TEST(Registry, NamespaceTouchesItsServicesWhenItsTrafficDistributionChanges) {
  const auto ns = [](const std::string& metadata) {
    return "{kind: Namespace, apiVersion: v1, metadata: {name: default, " + metadata + "}}";
  };
  const std::string store =
      Static("endpoints: [{address: 1.1.1.1}]") + Slices("{addresses: [10.1.0.1]}");
  EXPECT_EQ(TouchedBy(store, ns("labels: {a: b}"),
                      ns("annotations: {networking.istio.io/traffic-distribution: PreferClose}")),
            (std::set<HostName>{"s.default.svc.cluster.local", "x.example.com"}));
  EXPECT_EQ(TouchedBy(store, ns("labels: {a: b}"), ns("labels: {a: c}")), std::set<HostName>{});
}

TEST(Registry, ServiceEntryThatRulesNameIsAHost) {
  const std::string entry = Static("endpoints: [{address: 1.1.1.1}]");
  EXPECT_EQ(HostsWithRules(StoreOf(entry), false), std::vector<HostName>{});
  EXPECT_EQ(HostsWithRules(StoreOf(entry), true), std::vector<HostName>{"x.example.com"});
  EXPECT_EQ(HostsWithRules(StoreOf(entry + Policy("'*.example.com'", "subsets: []")), false),
            std::vector<HostName>{"x.example.com"});
}

TEST(Registry, AliasIsFollowedOnceAndHasPortsOfItsOwn) {
  const auto alias = [](const std::string& name, const std::string& target,
                        const std::string& ports = "") {
    return Document("Service", name,
                    "type: ExternalName, externalName: " + target +
                        (ports.empty() ? "" : ", ports: [" + ports + "]"));
  };
  const std::string host = "s.default.svc.cluster.local";
  const std::string aliases = alias("one", host) + alias("two", "one.default.svc.cluster.local") +
                              alias("other", host, "{name: a, port: 81}");
  const auto cluster = [&](const std::string& destination) {
    const ResolvedCluster found =
        Resolve(StoreOf(Slices("{addresses: [10.1.0.1]}") + aliases +
                        Document("VirtualService", "v",
                                 "hosts: [s], tcp: [{route: [{destination: {host: " + destination +
                                     "}}]}]")),
                host, {}, Client{})
            .ports.at(0)
            .clusters.at(0);
    return found.name + (found.broken.empty() ? "" : ": " + found.broken);
  };
  EXPECT_EQ(cluster("one"), "outbound|80||" + host);
  EXPECT_EQ(cluster("two"),
            "outbound|80||one.default.svc.cluster.local: \"two.default.svc.cluster.local\" is an "
            "alias of \"one.default.svc.cluster.local\", which is one itself");
  EXPECT_EQ(cluster("other"), "outbound|81||" + host + ": Service default/s has no port 81");
}

}  // namespace
}  // namespace vsplit
