// SPDX-License-Identifier: Apache-2.0
// R3, R9, R10, R11 for different clients, and what a host means for all of them together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "resolve_rules_text.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Resolve, SourceLabelsAndNamespaceDecideForEachClient) {
  for (const std::string list : {"http", "tcp"}) {
    const std::string yaml =
        Reviews("{name: " + list + ", port: 80}") +
        Rules("default", "a",
              list + ": [{match: [{sourceLabels: {app: web}, sourceNamespace: shop}], " +
                  To("web") + "}, {match: [{sourceNamespace: shop}], " + To("shop") + "}, {" +
                  To("rest") + "}]");
    EXPECT_EQ(OutcomeFor(yaml, In("shop", {{"app", "web"}, {"x", "y"}})), "80 web") << list;
    EXPECT_EQ(OutcomeFor(yaml, In("shop", {{"app", "db"}})), "80 shop") << list;
    EXPECT_EQ(OutcomeFor(yaml, In("other", {{"app", "web"}})), "80 rest") << list;
    EXPECT_EQ(OutcomeFor(yaml, {}), "80 rest") << list;
  }
}

TEST(Resolve, HttpMatchThatListsMeshDoesNotLookAtTheSource) {
  const auto yaml = [](const std::string& list) {
    return Reviews("{name: " + list + ", port: 80}") +
           Rules("default", "a",
                 list + ": [{match: [{gateways: [mesh], sourceLabels: {app: web}}], " + To("v1") +
                     "}, {" + To("v2") + "}]");
  };
  EXPECT_EQ(OutcomeFor(yaml("http"), In("x")), "80 v1");
  EXPECT_EQ(OutcomeFor(yaml("tcp"), In("x")), "80 v2");
}

TEST(Resolve, VirtualServicesOfTheClientsNamespaceComeFirstIfPrivate) {
  const std::string yaml =
      Reviews("{name: http, port: 80}") +
      Rules("default", "public", "http: [{" + To("public") + "}]", 1) +
      Rules("shop", "mine", "exportTo: ['.'], http: [{" + To("mine") + "}]", 3) +
      Rules("default", "named", "exportTo: [shop, news], http: [{" + To("named") + "}]", 2);
  EXPECT_EQ(OutcomeFor(yaml, In("shop")), "80 mine");
  EXPECT_EQ(OutcomeFor(yaml, In("news")), "80 named");
  EXPECT_EQ(OutcomeFor(yaml, In("other")), "80 public");
  EXPECT_EQ(OutcomeFor(yaml, {}), "80 public");
}

TEST(Resolve, OlderPublicVirtualServiceBeatsTheClientsOwnPublicOne) {
  const std::string yaml = Reviews("{name: http, port: 80}") +
                           Rules("default", "b", "http: [{" + To("old") + "}]", 1) +
                           Rules("shop", "a", "http: [{" + To("new") + "}]", 2);
  EXPECT_EQ(OutcomeFor(yaml, In("shop")), "80 old");
}

TEST(Resolve, NextVirtualServiceStepsInOnlyForAnExactHost) {
  const std::string first = "http: [{match: [{sourceNamespace: shop}], " + To("shop") + "}]";
  const std::string second = "http: [{" + To("rest") + "}]";
  const std::string exact = Reviews("{name: http, port: 80}") + Rules("default", "a", first, 1) +
                            Rules("default", "b", second, 2);
  EXPECT_EQ(OutcomeFor(exact, In("other")), "80 rest");
  const std::string wildcard =
      Reviews("{name: http, port: 80}") +
      IstioObject("VirtualService", "default", "a", "hosts: ['*.svc.cluster.local'], " + first, 1) +
      IstioObject("VirtualService", "default", "b", "hosts: ['*.svc.cluster.local'], " + second, 2);
  EXPECT_EQ(OutcomeFor(wildcard, In("other")), "80 plain");
  EXPECT_EQ(OutcomeFor(wildcard, In("shop")), "80 shop");
}

TEST(Resolve, RuleThatNeedsTheRequestIsNotPassedOver) {
  const std::string yaml =
      Reviews("{name: http, port: 80}") +
      Rules("default", "a",
            "http: [{match: [{sourceNamespace: shop}], " + To("shop") +
                "}, {match: [{uri: {exact: /x}}], " + To("x") + "}, {" + To("rest") + "}]");
  EXPECT_EQ(OutcomeFor(yaml, In("shop")), "80 shop");
  EXPECT_EQ(OutcomeFor(yaml, In("other")), "80 plain");
}

// ---- destinationSubnets ------------------------------------------------------------------------

std::string TwoAddresses(const std::string& spec) {
  return "{kind: Service, apiVersion: v1, metadata: {name: reviews, namespace: default}, spec: "
         "{clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7, 'fd00::7'], ports: [{name: tcp, port: "
         "80}]}}\n---\n" +
         Rules("default", "a", spec);
}

TEST(Resolve, LongestSubnetDecidesWhateverTheOrderOfTheRules) {
  EXPECT_EQ(
      OutcomeFor(TwoAddresses("tcp: [{match: [{destinationSubnets: [10.0.0.0/8]}], " + To("wide") +
                              "}, {match: [{destinationSubnets: [10.96.0.0/16]}], " + To("narrow") +
                              "}, {" + To("rest") + "}]"),
                 {}),
      "80 narrow; 80 rest");
}

TEST(Resolve, AddressOutsideOfAllSubnetsIsThePlainService) {
  EXPECT_EQ(OutcomeFor(TwoAddresses("tcp: [{match: [{destinationSubnets: ['fd00::/8']}], " +
                                    To("six") + "}]"),
                       {}),
            "80 plain; 80 six");
}

TEST(Resolve, EveryAddressHasTheRuleOfTheLongestSubnetAmongMany) {
  constexpr int kAddresses = 64;
  constexpr int kRules = 40;
  std::string addresses;
  for (int i = 0; i < kAddresses; ++i) {
    addresses += (i == 0 ? "" : ", ") + std::string("10.0.0.") + std::to_string(i);
  }
  // Of every length, often nested, and some named twice: then the earlier rule has it.
  std::vector<IpPrefix> subnets;
  std::string rules;
  for (int i = 0; i < kRules; ++i) {
    const std::string subnet =
        "10.0.0." + std::to_string(i * 37 % kAddresses) + "/" + std::to_string(26 + i * 5 % 7);
    subnets.push_back(ParseIpPrefix(subnet).value_or(IpPrefix{}));
    rules += (i == 0 ? "" : ", ") + std::string("{match: [{destinationSubnets: [") + subnet +
             "]}], " + To("v" + std::to_string(i)) + "}";
  }
  const ResolvedHost host = Resolve(
      Aged(
          IstioObject("ServiceEntry", "default", "e",
                      "hosts: [" + std::string(kHost) + "], addresses: [" + addresses +
                          "], ports: [{number: 80, name: tcp, protocol: TCP}], resolution: STATIC, "
                          "endpoints: [{address: 10.1.0.1}]") +
          Rules("default", "a", "tcp: [" + rules + "]")),
      HostName(kHost), {}, {});
  std::size_t found = 0;
  for (const ResolvedPort& port : host.ports) {
    for (const IpPrefix& address : port.addresses) {
      const auto longer = [&](const IpPrefix& left, const IpPrefix& right) {
        const bool left_contains = left.Contains(address);
        return left_contains == right.Contains(address) ? left_contains && left.bits > right.bits
                                                        : left_contains;
      };
      const auto best = std::ranges::min_element(subnets, longer);
      const std::string path =
          best->Contains(address) ? "spec.tcp[" + std::to_string(best - subnets.begin()) + "]" : "";
      EXPECT_EQ(port.rule_path, path) << ToString(address);
      ++found;
    }
  }
  EXPECT_EQ(found, std::size_t{kAddresses});
}

TEST(Resolve, RulesAfterACatchAllHaveNoSubnets) {
  EXPECT_EQ(OutcomeFor(TwoAddresses("tcp: [{" + To("all") +
                                    "}, {match: [{destinationSubnets: [10.96.0.7]}], " +
                                    To("late") + "}]"),
                       {}),
            "80 10.96.0.7 fd00::7 all");
}

// ---- tls ---------------------------------------------------------------------------------------

std::string Tls(const std::string& rules) {
  return Reviews("{name: tls, port: 443}") + Rules("default", "a", "tls: [" + rules + "]");
}
std::string Sni(const std::string& name, const std::string& subset, const std::string& more = "") {
  return "{match: [{sniHosts: [" + name + "]" + more + "}], " + To(subset) + "}";
}

TEST(Resolve, TlsRuleForTheHostIsFollowed) {
  const std::string host(kHost);
  EXPECT_EQ(OutcomeFor(Tls(Sni(host, "v1")), {}), "443 v1");
  const std::string wide =
      Reviews("{name: tls, port: 443}") +
      IstioObject("VirtualService", "default", "a",
                  "hosts: ['*.default.svc.cluster.local'], tls: [" +
                      Sni("'*.default.svc.cluster.local'", "wide") + ", " + Sni(host, "v1") + "]");
  EXPECT_EQ(OutcomeFor(wide, {}), "443 v1");
  EXPECT_EQ(OutcomeFor(Tls(Sni(host, "v1", ", sourceNamespace: shop") + ", " + Sni(host, "v2")),
                       In("other")),
            "443 v2");
}

TEST(Resolve, TlsRulesForOtherNamesLeaveConnectionsAsTheyAre) {
  const std::string yaml = Reviews("{name: tls, port: 443}") +
                           IstioObject("VirtualService", "default", "a",
                                       "hosts: ['*.svc.cluster.local'], tls: [" +
                                           Sni("x.shop.svc.cluster.local", "v1") + "]");
  EXPECT_EQ(OutcomeFor(yaml, {}), "443 untouched");
}

TEST(Resolve, TlsRulesForOtherPortsOrClientsAreThePlainService) {
  EXPECT_EQ(OutcomeFor(Tls(Sni(std::string(kHost), "v1", ", port: 444")), {}), "443 plain");
  EXPECT_EQ(OutcomeFor(Tls(Sni(std::string(kHost), "v1", ", sourceNamespace: shop")), In("other")),
            "443 plain");
}

// ---- DestinationRules --------------------------------------------------------------------------

// Which load balancer the plain service has for the client.
Algorithm AlgorithmFor(const std::string& rules, const Client& client) {
  const ResolvedHost host =
      Resolve(Aged(Reviews("{name: http, port: 80}") +
                   "{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: e, "
                   "labels: {kubernetes.io/service-name: reviews}}, addressType: IPv4, ports: "
                   "[{name: http, port: 8080}], endpoints: [{addresses: [10.1.0.1]}]}\n---\n" +
                   rules),
              HostName(kHost), {}, client);
  return host.ports.at(0).clusters.at(0).settings.algorithm;
}

std::string Balance(const std::string& ns, const std::string& name, const std::string& algorithm,
                    const std::string& more = "", const std::string& host = std::string(kHost)) {
  return IstioObject(
      "DestinationRule", ns, name,
      "host: '" + host + "', trafficPolicy: {loadBalancer: {simple: " + algorithm + "}}" + more);
}

TEST(Resolve, DestinationRuleOfTheClientsNamespaceComesFirst) {
  const std::string rules = Balance("default", "a", "RANDOM") +
                            Balance("shop", "b", "ROUND_ROBIN") +
                            Balance("istio-system", "c", "LEAST_REQUEST");
  EXPECT_EQ(AlgorithmFor(rules, In("shop")), Algorithm::kRoundRobin);
  EXPECT_EQ(AlgorithmFor(rules, In("other")), Algorithm::kRandom);
  EXPECT_EQ(AlgorithmFor(rules, In("istio-system")), Algorithm::kRandom);
  EXPECT_EQ(AlgorithmFor(rules, {}), Algorithm::kRandom);
}

TEST(Resolve, WildcardInTheClientsNamespaceHidesTheServicesExactRule) {
  const std::string rules = Balance("default", "a", "RANDOM") +
                            Balance("shop", "b", "ROUND_ROBIN", "", "*.cluster.local");
  EXPECT_EQ(AlgorithmFor(rules, In("shop")), Algorithm::kRoundRobin);
}

TEST(Resolve, RuleWithASelectorThatDoesNotFitStillHidesTheServicesOwn) {
  const std::string selector = ", workloadSelector: {matchLabels: {app: web}}";
  const std::string rules =
      Balance("default", "a", "RANDOM") + Balance("shop", "b", "ROUND_ROBIN", selector);
  EXPECT_EQ(AlgorithmFor(rules, In("shop", {{"app", "web"}})), Algorithm::kRoundRobin);
  EXPECT_EQ(AlgorithmFor(rules, In("shop", {{"app", "db"}})), Algorithm::kLeastRequest);
  EXPECT_EQ(AlgorithmFor(rules, In("other", {{"app", "web"}})), Algorithm::kRandom);
}

TEST(Resolve, RuleThatIsNotExportedIsOnlyForItsOwnNamespace) {
  const std::string rules = Balance("default", "a", "RANDOM", ", exportTo: ['.']") +
                            Balance("istio-system", "c", "ROUND_ROBIN");
  EXPECT_EQ(AlgorithmFor(rules, In("default")), Algorithm::kRandom);
  EXPECT_EQ(AlgorithmFor(rules, In("shop")), Algorithm::kRoundRobin);
}

// ---- Sidecar -----------------------------------------------------------------------------------

TEST(Resolve, SidecarHidesWhatItDoesNotImport) {
  const std::string yaml =
      Reviews("{name: http, port: 80}, {name: http-b, port: 81}") +
      Rules("default", "a", "http: [{" + To("v1") + "}]") +
      IstioObject("Sidecar", "shop", "s", "egress: [{hosts: ['istio-system/*']}]") +
      IstioObject("Sidecar", "news", "s",
                  "egress: [{port: {number: 81, protocol: HTTP, name: x}, hosts: ['default/*']}, "
                  "{hosts: ['./*']}]") +
      IstioObject("Sidecar", "shop", "web",
                  "workloadSelector: {labels: {app: web}}, egress: [{hosts: ['*/*']}]");
  EXPECT_EQ(OutcomeFor(yaml, In("shop")), "80 untouched; 81 untouched");
  EXPECT_EQ(OutcomeFor(yaml, In("shop", {{"app", "web"}})), "80 v1; 81 v1");
  EXPECT_EQ(OutcomeFor(yaml, In("news")), "80 untouched; 81 v1");
  EXPECT_EQ(OutcomeFor(yaml, In("other")), "80 v1; 81 v1");
}

TEST(Resolve, SidecarOfTheRootNamespaceIsForAllThatHaveNone) {
  const std::string yaml =
      Reviews("{name: http, port: 80}") +
      IstioObject("Sidecar", "istio-system", "s", "egress: [{hosts: ['./*']}]") +
      IstioObject("Sidecar", "shop", "s", "egress: [{hosts: ['*/*', '~default/*']}]");
  EXPECT_EQ(OutcomeFor(yaml, In("default")), "80 plain");
  EXPECT_EQ(OutcomeFor(yaml, In("other")), "80 untouched");
  EXPECT_EQ(OutcomeFor(yaml, In("shop")), "80 untouched");
}

TEST(Resolve, SidecarWithASelectorThatDoesNotFitLeavesTheRootNamespaces) {
  const std::string yaml =
      Reviews("{name: http, port: 80}") +
      IstioObject("Sidecar", "shop", "web",
                  "workloadSelector: {labels: {app: web}}, egress: [{hosts: ['*/*']}]") +
      IstioObject("Sidecar", "istio-system", "s", "egress: [{hosts: ['./*']}]");
  EXPECT_EQ(OutcomeFor(yaml, In("shop", {{"app", "web"}})), "80 plain");
  EXPECT_EQ(OutcomeFor(yaml, In("shop", {{"app", "db"}})), "80 untouched");
}

TEST(Resolve, ListenerForAPortHidesWhatLaterOnesImportForHttpOnly) {
  const auto yaml = [](const std::string& protocol) {
    return Reviews("{name: " + protocol + ", port: 80}") +
           IstioObject("Sidecar", "shop", "s",
                       "egress: [{port: {number: 80, protocol: HTTP, name: x}, hosts: ['news/*']}, "
                       "{hosts: ['default/*']}]");
  };
  EXPECT_EQ(OutcomeFor(yaml("http"), In("shop")), "80 untouched");
  EXPECT_EQ(OutcomeFor(yaml("tcp"), In("shop")), "80 plain");
}

TEST(Resolve, RulesCountWhereTheListenerOfTheServiceHasThem) {
  const auto yaml = [](const std::string& ns) {
    return Reviews("{name: tcp, port: 80}") + Rules(ns, "a", "tcp: [{" + To("v1") + "}]") +
           IstioObject("Sidecar", "shop", "s",
                       "egress: [{port: {number: 80, protocol: TCP, name: x}, hosts: ['news/*']}, "
                       "{hosts: ['default/*']}]");
  };
  EXPECT_EQ(OutcomeFor(yaml("news"), In("shop")), "80 plain");
  EXPECT_EQ(OutcomeFor(yaml("default"), In("shop")), "80 v1");
}

TEST(Resolve, WhatIsNotSeenIsRefusedUnderRegistryOnly) {
  const std::string yaml =
      Reviews("{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}",
              "networking.istio.io/exportTo: news") +
      IstioObject("Sidecar", "shop", "s",
                  "outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: ['*/*']}]");
  EXPECT_EQ(OutcomeFor(yaml, In("news")), "80 plain");
  EXPECT_EQ(OutcomeFor(yaml, In("other")), "80 untouched");
  const ResolvedHost refused = Resolve(Aged(yaml), HostName(kHost), {}, In("shop"));
  ASSERT_EQ(refused.ports.size(), 1U);
  EXPECT_EQ(refused.ports[0].untouched, "");
  EXPECT_EQ(refused.ports[0].clusters.at(0).broken,
            "REGISTRY_ONLY: \"reviews.default.svc.cluster.local\" is not exported to the client");
}

// ---- all clients together ----------------------------------------------------------------------

Workload Pod(const std::string& ns, const std::string& name, const Labels& labels = {}) {
  return {.name = ns + "/" + name, .client = In(ns, labels)};
}

HostMeaning Meaning(const std::string& yaml, const std::vector<Workload>& workloads) {
  return ResolveAll(Aged(yaml), HostName(kHost), {}, AnonymousClient("n1", {}), workloads);
}

TEST(Resolve, SourcesWithOneMeaningAreOneGroup) {
  const HostMeaning meaning =
      Meaning(Reviews("{name: tcp, port: 80}") +
                  Rules("default", "a",
                        "tcp: [{match: [{sourceNamespace: shop}, {sourceLabels: {app: web}}], " +
                            To("v2") + "}, {" + To("v1") + "}]"),
              {Pod("shop", "b"), Pod("shop", "a"), Pod("x", "c", {{"app", "web"}}), Pod("x", "d")});
  EXPECT_TRUE(meaning.asks);
  EXPECT_EQ(Outcome(meaning.everyone), "80 v1");
  ASSERT_EQ(meaning.sources.size(), 1U);
  EXPECT_THAT(meaning.sources[0].workloads, ElementsAre("shop/a", "shop/b", "x/c"));
  EXPECT_EQ(Outcome(meaning.sources[0].host), "80 v2");
  std::vector<std::string> verdicts;
  for (const Verdict& verdict : meaning.verdicts()) {
    verdicts.push_back(ToString(verdict));
  }
  const std::string start = "VirtualService default/a: spec.tcp";
  EXPECT_THAT(verdicts, ElementsAre(start + "[1]: " + std::string(kHost) + ":80: enforced",
                                    start + "[0]: " + std::string(kHost) +
                                        ":80 (from shop/a and 2 more): enforced",
                                    start + "[1]: " + std::string(kHost) +
                                        ":80 (from shop/a and 2 more): not enforced: unreachable "
                                        "after spec.tcp[0]"));
}

TEST(Resolve, RuleWithoutConditionsOnTheSourceAsksNothing) {
  const HostMeaning meaning = Meaning(Reviews("{name: http, port: 80}") +
                                          Rules("default", "a", "http: [{" + To("v1") + "}]") +
                                          Balance("default", "d", "RANDOM"),
                                      {Pod("shop", "a"), Pod("default", "b")});
  EXPECT_FALSE(meaning.asks);
  EXPECT_THAT(meaning.sources, IsEmpty());
}

// Rules that tell apart by namespace, by labels, and by both.
std::string Particular() {
  return TwoAddresses("tcp: [{match: [{sourceNamespace: shop, sourceLabels: {app: web}}], " +
                      To("v2") + "}, {match: [{sourceLabels: {app: web}}, {sourceNamespace: " +
                      "shop, destinationSubnets: ['fd00::/8']}], " + To("v1") + "}]") +
         IstioObject("Sidecar", "news", "s", "egress: [{hosts: ['./*']}]");
}

// Those of these pods whose bit is set.
std::vector<Workload> Some(unsigned bits) {
  const std::vector<Workload> all = {Pod("news", "a"),
                                     Pod("other", "b"),
                                     Pod("shop", "c"),
                                     Pod("shop", "d", {{"app", "web"}}),
                                     Pod("shop", "e", {{"app", "web"}, {"x", "y"}}),
                                     Pod("x", "f", {{"app", "web"}})};
  std::vector<Workload> some;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if ((bits >> i & 1) != 0) {
      some.push_back(all[i]);
    }
  }
  return some;
}

TEST(Resolve, WhoComesAndGoesIsFollowedAsIfAllWereResolvedAnew) {
  constexpr unsigned kSets = 1U << 6;
  const Store store = Aged(Particular());
  const Client anonymous = AnonymousClient("n1", {});
  std::vector<HostMeaning> meanings;
  for (unsigned bits = 0; bits < kSets; ++bits) {
    meanings.push_back(ResolveAll(store, HostName(kHost), {}, anonymous, Some(bits)));
  }
  std::size_t known = 0;
  for (unsigned from = 0; from < kSets; ++from) {
    for (unsigned to = 0; to < kSets; ++to) {
      const std::vector<Workload> before = Some(from);
      const std::vector<Workload> after = Some(to);
      const Followed followed =
          FollowWorkloads(meanings[from], ChangeOf(before, after), anonymous, after);
      known += followed.known && from != to ? 1 : 0;
      if (followed.known) {
        EXPECT_EQ(followed.meaning.value_or(meanings[from]), meanings[to]) << from << " " << to;
      }
    }
  }
  EXPECT_GT(known, 0U);
}

TEST(Resolve, PodsThatAreAlikeAreNotResolvedAnew) {
  const auto follow = [](const std::vector<Workload>& before, const std::vector<Workload>& after) {
    return FollowWorkloads(Meaning(Particular(), before), ChangeOf(before, after),
                           AnonymousClient("n1", {}), after);
  };
  const Workload web = Pod("shop", "a", {{"app", "web"}});
  const Workload twin = Pod("shop", "b", {{"app", "web"}, {"only", "here"}});
  const Workload other = Pod("shop", "c");
  const Followed joined = follow({web}, {web, twin});
  ASSERT_TRUE(joined.meaning);
  EXPECT_THAT(joined.meaning->sources.at(0).workloads, ElementsAre("shop/a", "shop/b"));
  EXPECT_THAT(joined.meaning->sources.at(0).host.verdicts.at(0).sources,
              ElementsAre("shop/a", "shop/b"));
  const Followed left = follow({web, twin}, {web});
  ASSERT_TRUE(left.meaning);
  EXPECT_EQ(left.meaning, Meaning(Particular(), {web}));
  // Nobody else was in shop without the label, and the last one of a source takes its answer along.
  EXPECT_FALSE(follow({web}, {web, other}).known);
  EXPECT_FALSE(follow({web}, {}).known);
  // Who is in no namespace and has no label that is asked for is what everyone is.
  const Followed outsider = follow({web}, {Pod("other", "c"), web});
  EXPECT_TRUE(outsider.known);
  EXPECT_FALSE(outsider.meaning);
  // Where the client runs is not asked, and labels that no rule names are not.
  Workload moved = web;
  moved.client.node = "n2";
  moved.client.labels.emplace("new", "label");
  EXPECT_TRUE(follow({web}, {moved}).known);
  EXPECT_FALSE(follow({web}, {moved}).meaning);
}

TEST(Resolve, EveryAnswerHasTheFrontendsOfAll) {
  const HostMeaning meaning = Meaning(
      TwoAddresses("tcp: [{match: [{sourceNamespace: shop, destinationSubnets: ['fd00::/8']}], " +
                   To("six") + "}]") +
          IstioObject("Sidecar", "news", "s", "egress: [{hosts: ['./*']}]"),
      {Pod("shop", "a"), Pod("news", "b")});
  EXPECT_EQ(Outcome(meaning.everyone), "80 10.96.0.7 fd00::7 plain");
  ASSERT_EQ(meaning.sources.size(), 2U);
  EXPECT_EQ(Outcome(meaning.sources[0].host), "80 plain; 80 six");
  EXPECT_EQ(Outcome(meaning.sources[1].host), "80 10.96.0.7 fd00::7 untouched");
}

}  // namespace
}  // namespace vsplit
