// SPDX-License-Identifier: Apache-2.0
// Which rules are about a wildcard (R5, R6), and which services a rule's destinations lead to (R9).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "resolve_rules_text.h"
#include "vsplit/address.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

using testing::HasSubstr;

constexpr std::string_view kWide = "*.wide.org";

// A ServiceEntry for all of wide.org, with one port.
std::string Wide(const std::string& port) {
  return IstioObject(
      "ServiceEntry", "default", "wide",
      "hosts: ['*.wide.org'], addresses: [10.3.0.1], resolution: NONE, ports: [{number: "
      "80, name: p, protocol: " +
          port + "}]");
}

std::string RulesFor(const std::string& name, const std::string& host, const std::string& list,
                     int day = 1) {
  return IstioObject("VirtualService", "default", name, "hosts: ['" + host + "'], " + list, day);
}

std::string WideOutcome(const std::string& yaml) {
  return Outcome(Resolve(Aged(yaml), HostName(kWide), {}, In("default")));
}

TEST(Wildcards, TcpRulesOfNarrowerHostsCountInTheOrderOfAge) {
  const std::string wide = RulesFor("w", "*.org", "tcp: [{" + To("w") + "}]", 2);
  for (const std::string host : {"a.wide.org", "*.wide.org", "*.a.wide.org"}) {
    const auto narrow = [&host](int day) {
      return RulesFor("narrow", host, "tcp: [{" + To("narrow") + "}]", day);
    };
    EXPECT_EQ(WideOutcome(Wide("TCP") + wide + narrow(1)), "80 narrow") << host;
    EXPECT_EQ(WideOutcome(Wide("TCP") + wide + narrow(3)), "80 w") << host;
    EXPECT_EQ(WideOutcome(Wide("TCP") + narrow(1)), "80 narrow") << host;
  }
  EXPECT_EQ(WideOutcome(Wide("TCP") + RulesFor("narrow", "a.org", "tcp: [{" + To("narrow") + "}]")),
            "80 plain");
}

TEST(Wildcards, HttpRulesOfNarrowerHostsNeedTheHostHeader) {
  const std::string narrow = RulesFor("narrow", "a.wide.org", "http: [{" + To("narrow") + "}]");
  EXPECT_EQ(WideOutcome(Wide("HTTP") + narrow), "80 plain");
  EXPECT_EQ(
      WideOutcome(Wide("HTTP") + narrow + RulesFor("w", "*.org", "http: [{" + To("w") + "}]", 2)),
      "80 w");
  const ResolvedHost host =
      Resolve(Aged(Wide("HTTP") + narrow), HostName(kWide), {}, In("default"));
  EXPECT_EQ(ToString(host.verdicts.at(0)),
            "VirtualService default/narrow: spec.http[0]: *.wide.org:80: not enforced: needs the "
            "request: only its Host header tells a.wide.org from others of *.wide.org");
}

TEST(Wildcards, OlderOfTwoWithTheWildcardItselfHidesTheOther) {
  EXPECT_EQ(
      WideOutcome(Wide("HTTP") +
                  RulesFor("a", "*.wide.org", "http: [{match: [{port: 81}], " + To("a") + "}]") +
                  RulesFor("b", "*.wide.org", "http: [{" + To("b") + "}]", 2)),
      "80 plain");
}

std::string TlsFor(const std::string& name, const std::string& host, const std::string& sni) {
  return RulesFor(name, host, "tls: [{match: [{sniHosts: ['" + sni + "']}], " + To(name) + "}]");
}

TEST(Wildcards, TlsRulesDecideUnlessTheNamesLeadToSeveral) {
  const std::string whole = TlsFor("w", "*.wide.org", "*.wide.org");
  const std::string narrow = TlsFor("narrow", "a.wide.org", "a.wide.org");
  EXPECT_EQ(WideOutcome(Wide("TLS") + whole), "80 w");
  EXPECT_EQ(WideOutcome(Wide("TLS") + whole + narrow), "80 plain");
  EXPECT_EQ(WideOutcome(Wide("TLS") + narrow), "80 untouched");
  const ResolvedHost host = Resolve(Aged(Wide("TLS") + narrow), HostName(kWide), {}, In("default"));
  EXPECT_THAT(ToString(host.verdicts.at(0)),
              HasSubstr("not enforced: needs the request: sniHosts"));
}

TEST(Wildcards, NameWithinOneIsSaidToBeFoundThere) {
  const ResolvedHost host =
      Resolve(Aged(Wide("TCP") + RulesFor("narrow", "a.wide.org", "tcp: [{" + To("narrow") + "}]")),
              "a.wide.org", {}, In("default"));
  EXPECT_EQ(
      ToString(host.verdicts.at(0)),
      "VirtualService default/narrow: spec.tcp[0]: a.wide.org: not enforced: \"a.wide.org\" has no "
      "address of its own, it is one of the names of \"*.wide.org\" of ServiceEntry "
      "default/wide");
}

// ---- destinations ------------------------------------------------------------------------------

// A Service of the namespace that is exported as given.
std::string Hidden(
    const std::string& ns, const std::string& exports,
    const std::string& spec = "clusterIP: 10.96.0.8, ports: [{name: tcp, port: 90}]") {
  return "{kind: Service, apiVersion: v1, metadata: {name: hidden, namespace: " + ns +
         ", annotations: {networking.istio.io/exportTo: '" + exports + "'}}, spec: {" + spec +
         "}}\n---\n";
}

// Why the destination hidden.default fails, from this namespace.
std::string WhyBroken(const std::string& yaml, const std::string& ns,
                      const std::string& list = "tcp") {
  const std::string rule = Rules("default", "a",
                                 list +
                                     ": [{route: [{destination: {host: "
                                     "hidden.default.svc.cluster.local}}]}]");
  const ResolvedHost host = Resolve(Aged(Reviews("{name: " + list + ", port: 90}") + rule + yaml),
                                    HostName(kHost), {}, In(ns));
  return host.ports.at(0).clusters.at(0).broken;
}

TEST(Destinations, ServicesOfTheClientsNamespaceNeedNotBeExported) {
  const std::string empty = "no ready endpoint of Service default/hidden port 90";
  const std::string unseen = "\"hidden.default.svc.cluster.local\" is not exported to the client";
  for (const std::string list : {"tcp", "http"}) {
    EXPECT_EQ(WhyBroken(Hidden("default", "~"), "default", list), empty);
    EXPECT_EQ(WhyBroken(Hidden("default", "shop"), "default", list), empty);
    EXPECT_EQ(WhyBroken(Hidden("default", "~"), "shop", list), unseen);
    EXPECT_EQ(WhyBroken(Hidden("default", "shop"), "shop", list), empty);
    EXPECT_EQ(WhyBroken(Hidden("default", "~,shop"), "shop", list), unseen);
  }
}

TEST(Destinations, HiddenServiceCannotBeDialled) {
  const ResolvedHost host =
      Resolve(Aged(Hidden("default", "~")), "hidden.default.svc.cluster.local", {}, In("default"));
  EXPECT_EQ(Outcome(host), "90 untouched");
}

TEST(Destinations, HiddenAliasStandsForItsTargetOnTcpPortsAlone) {
  const std::string alias = Hidden("default", "~",
                                   "type: ExternalName, externalName: " + std::string(kHost) +
                                       ", ports: [{name: tcp, port: 90}]");
  EXPECT_EQ(WhyBroken(alias, "default"), "no ready endpoint of Service default/reviews port 90");
  EXPECT_NE(WhyBroken(alias, "default", "http"),
            "no ready endpoint of Service default/reviews port 90");
}

TEST(Destinations, WhatIsExportedGoesBeforeWhatIsHidden) {
  const auto entry = [](const std::string& ns, const std::string& exports, int day = 1) {
    return IstioObject("ServiceEntry", ns, "e",
                       "hosts: [hidden.default.svc.cluster.local], ports: [{number: 90, name: tcp, "
                       "protocol: TCP}], resolution: STATIC, exportTo: ['" +
                           exports + "']",
                       day);
  };
  const auto why = [](const std::string& object) {
    return "no ready endpoint of " + object + " port 90";
  };
  EXPECT_EQ(WhyBroken(entry("default", "~"), "default"), why("ServiceEntry default/e"));
  EXPECT_EQ(WhyBroken(entry("default", "~") + entry("shop", "*", 2), "default"),
            why("ServiceEntry shop/e"));
  // But a Service goes before a ServiceEntry, and what the Sidecar does not show is not there.
  EXPECT_EQ(WhyBroken(Hidden("default", "~") + entry("shop", "*", 2), "default"),
            why("Service default/hidden"));
  EXPECT_EQ(WhyBroken(entry("default", "~") + entry("shop", "*", 2) +
                          IstioObject("Sidecar", "default", "s", "egress: [{hosts: ['./*']}]"),
                      "default"),
            why("ServiceEntry default/e"));
}

}  // namespace
}  // namespace vsplit
