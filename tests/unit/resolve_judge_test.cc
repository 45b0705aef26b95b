// SPDX-License-Identifier: Apache-2.0
// What becomes of the parts of a DestinationRule that a connection cannot be given as written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "resolve_text.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kHost = "reviews.default.svc.cluster.local";

// Service reviews with a port of this name, and a DestinationRule for it with this spec.
ResolvedHost With(const std::string& port, const std::string& spec,
                  const std::string& annotations = "", const std::string& more = "") {
  return Resolve(StoreOf("{kind: Service, apiVersion: v1, metadata: {name: reviews}, spec: "
                         "{clusterIP: 10.96.0.7, ports: [{name: " +
                         port +
                         ", port: 80}]}}\n---\n{kind: DestinationRule, apiVersion: "
                         "networking.istio.io/v1, metadata: {name: d, annotations: {" +
                         annotations + "}}, spec: {host: reviews, " + spec + "}}\n---\n" + more),
                 HostName(kHost), {}, {});
}

// Path, kind and reason of the verdicts that say that something is not done as written.
std::vector<std::string> Reservations(const ResolvedHost& host) {
  std::vector<std::string> texts;
  for (const Verdict& verdict : host.verdicts) {
    if (verdict.kind != Verdict::Kind::kEnforced) {
      texts.push_back(verdict.path + " " + ToString(verdict.kind) + ": " + verdict.reason);
    }
  }
  return texts;
}

TEST(Resolve, PortToWhichTlsWouldBeBegunIsLeftAlone) {
  const std::string spec = "trafficPolicy: {tls: {mode: SIMPLE}}";
  const std::string reason = "DestinationRule default/d asks for TLS to " + std::string(kHost) +
                             " (mode SIMPLE), which nobody here would begin";
  const std::string rule =
      "{kind: VirtualService, apiVersion: networking.istio.io/v1, metadata: {name: v}, spec: "
      "{hosts: [reviews], tcp: [{route: [{destination: {host: reviews}}]}]}}";
  const ResolvedHost host = With("tcp", spec, "", rule);
  EXPECT_EQ(host.ports.at(0).untouched, reason);
  EXPECT_THAT(host.ports.at(0).clusters, IsEmpty());
  EXPECT_THAT(Reservations(host),
              ElementsAre("spec.tcp[0] not enforced: " + reason,
                          "spec.trafficPolicy.tls not enforced: connections are left as the "
                          "application makes them"));
}

TEST(Resolve, AnnotationAllowsPlainTextWhereTlsIsAskedFor) {
  const ResolvedHost host =
      With("tcp", "trafficPolicy: {tls: {mode: SIMPLE}}", "vsplit.io/plaintext: 'true'");
  EXPECT_EQ(host.ports.at(0).untouched, "");
  EXPECT_EQ(host.ports.at(0).clusters.size(), 1U);
  EXPECT_THAT(Reservations(host),
              ElementsAre("spec.trafficPolicy.tls not enforced: plain text is sent, as annotation "
                          "vsplit.io/plaintext says"));
}

TEST(Resolve, TlsForAnotherPortOrDisabledLeavesThePortAsItIs) {
  EXPECT_EQ(With("tcp", "trafficPolicy: {tls: {mode: DISABLE}}").ports.at(0).untouched, "");
  const ResolvedHost host =
      With("tcp",
           "trafficPolicy: {portLevelSettings: [{port: {number: 81}, tls: {mode: MUTUAL, "
           "clientCertificate: /c, privateKey: /k}}]}");
  EXPECT_EQ(host.ports.at(0).untouched, "");
  EXPECT_THAT(Reservations(host),
              ElementsAre("spec.trafficPolicy.portLevelSettings[0] not enforced: Service "
                          "default/reviews has no port 81"));
}

TEST(Resolve, LifetimesAreThoseOfTheHostsOwnLevel) {
  const std::string spec =
      "trafficPolicy: {connectionPool: {tcp: {idleTimeout: 5s, maxConnectionDuration: 1m}}}, "
      "subsets: [{name: v1, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 7s}}}}]";
  const ResolvedHost tcp = With("tcp", spec);
  EXPECT_EQ(tcp.ports.at(0).idle_timeout, std::chrono::seconds(5));
  EXPECT_EQ(tcp.ports.at(0).max_connection_duration, std::chrono::minutes(1));
  EXPECT_THAT(Reservations(tcp),
              ElementsAre("spec.subsets[0].trafficPolicy.connectionPool.tcp.idleTimeout not "
                          "enforced: Istio asks only the trafficPolicy of the host for it"));
  EXPECT_EQ(With("http", spec).ports.at(0).idle_timeout, std::chrono::seconds(0));
}

TEST(Resolve, WhatAFailedConnectionShowsIsAnApproximation) {
  EXPECT_THAT(
      Reservations(With("tcp",
                        "trafficPolicy: {connectionPool: {tcp: {connectTimeout: 1s}}, "
                        "outlierDetection: {consecutive5xxErrors: 3}}")),
      ElementsAre("spec.trafficPolicy.connectionPool.tcp.connectTimeout approximated: between two "
                  "of the kernel's SYN retries",
                  "spec.trafficPolicy.outlierDetection approximated: connections that fail are "
                  "counted, responses are not"));
  EXPECT_THAT(
      Reservations(With("tcp", "trafficPolicy: {outlierDetection: {consecutive5xxErrors: 0}}")),
      ElementsAre("spec.trafficPolicy.outlierDetection not enforced: nothing is counted that a "
                  "connection can show"));
}

}  // namespace
}  // namespace vsplit
