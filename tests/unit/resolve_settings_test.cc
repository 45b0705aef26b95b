// SPDX-License-Identifier: Apache-2.0
// What the levels of a DestinationRule leave of its policy for one port of one subset. What is
// expected is what Istio's pilot sends for the same objects, and Envoy's defaults.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "resolve_registry_text.h"
#include "resolve_text.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

using std::chrono::milliseconds;

// Of the service s on port 80, or of its subset v, with this spec in the rule about it.
ResolvedCluster ClusterWith(const std::string& spec, bool subset = false) {
  const std::string yaml =
      Slices("{addresses: [10.1.0.1]}") + Policy("s", spec) +
      Document("VirtualService", "v",
               std::string("hosts: [s], tcp: [{route: [{destination: {host: s") +
                   (subset ? ", subset: v" : "") + "}}]}]");
  return Resolve(StoreOf(yaml), "s.default.svc.cluster.local", {}, Client{})
      .ports.at(0)
      .clusters.at(0);
}

ClusterSettings With(const std::string& policy) {
  return ClusterWith("trafficPolicy: {" + policy + "}").settings;
}

ClusterSettings SubsetWith(const std::string& policy, const std::string& subset) {
  return ClusterWith("trafficPolicy: {" + policy + "}, subsets: [{name: v, trafficPolicy: {" +
                         subset + "}}]",
                     true)
      .settings;
}

constexpr const char* kRandom = "loadBalancer: {simple: RANDOM}";
constexpr const char* kRoundRobin = "loadBalancer: {simple: ROUND_ROBIN}";
constexpr const char* kPool = "connectionPool: {tcp: {maxConnections: 7}}";

std::string OnPort(int port, const std::string& blocks) {
  return "portLevelSettings: [{port: {number: " + std::to_string(port) + "}, " + blocks + "}]";
}

TEST(Settings, SubsetReplacesTheBlocksThatItHas) {
  const ClusterSettings settings = SubsetWith(std::string(kRandom) + ", " + kPool, kRoundRobin);
  EXPECT_EQ(settings.algorithm, Algorithm::kRoundRobin);
  EXPECT_EQ(settings.max_connections, 7U);
}

TEST(Settings, EntryForThePortReplacesItsLevelWhole) {
  const std::string host = std::string(kPool) + ", outlierDetection: {}, ";
  const ClusterSettings settings = With(host + OnPort(80, kRandom));
  EXPECT_EQ(settings.algorithm, Algorithm::kRandom);
  EXPECT_EQ(settings.max_connections, std::nullopt);
  EXPECT_FALSE(settings.ejection);
  EXPECT_EQ(With(host + OnPort(81, kRandom)).max_connections, 7U);
}

TEST(Settings, SubsetBuildsOnTheEntryForThePort) {
  const ClusterSettings settings =
      SubsetWith(std::string(kPool) + ", " + OnPort(80, kRandom), "outlierDetection: {}");
  EXPECT_EQ(settings.algorithm, Algorithm::kRandom);
  EXPECT_EQ(settings.max_connections, std::nullopt);
  EXPECT_TRUE(settings.ejection.has_value());
}

TEST(Settings, EntryOfTheSubsetLeavesNothingOfTheHost) {
  const ClusterSettings settings =
      SubsetWith(std::string(kPool) + ", " + kRandom, OnPort(80, "outlierDetection: {}"));
  EXPECT_EQ(settings.algorithm, Algorithm::kLeastRequest);
  EXPECT_EQ(settings.max_connections, std::nullopt);
  EXPECT_TRUE(settings.ejection.has_value());
}

TEST(Settings, PassthroughOfTheHostCannotBeTakenBack) {
  const std::string passthrough = "loadBalancer: {simple: PASSTHROUGH}";
  EXPECT_EQ(With(passthrough).algorithm, Algorithm::kPassthrough);
  EXPECT_EQ(SubsetWith(passthrough, kRandom).algorithm, Algorithm::kPassthrough);
  EXPECT_EQ(SubsetWith(kRandom, passthrough).algorithm, Algorithm::kPassthrough);
  EXPECT_EQ(SubsetWith(kRandom, passthrough + ", " + OnPort(80, kRoundRobin)).algorithm,
            Algorithm::kPassthrough);
}

TEST(Settings, SourceAddressIsHashedIntoAMaglevTable) {
  const ClusterSettings plain = With("loadBalancer: {consistentHash: {useSourceIp: true}}");
  EXPECT_EQ(plain.algorithm, Algorithm::kMaglev);
  EXPECT_EQ(plain.maglev_size, 65537U);
  const ClusterSettings sized =
      With("loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 251}}}");
  EXPECT_EQ(sized.algorithm, Algorithm::kMaglev);
  EXPECT_EQ(sized.maglev_size, 251U);
  EXPECT_EQ(With("loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: "
                 "100}}}")
                .algorithm,
            Algorithm::kMaglev);
}

TEST(Settings, WhatNeedsTheRequestHasNoKeyAndIsDrawn) {
  EXPECT_EQ(With("loadBalancer: {consistentHash: {httpHeaderName: x-user}}").algorithm,
            Algorithm::kRandom);
}

// ---- what is hashed ----------------------------------------------------------------------------

// Services first and second, and rules for the first, on a port of this protocol. The
// DestinationRules have these specs; both services have two subsets, "hashed" among them.
std::string AlgorithmsOf(const std::string& protocol, const std::string& rule,
                         const std::string& first, const std::string& second = "") {
  const auto service = [&protocol](const std::string& name, int number) {
    const std::string text = std::to_string(number);
    return Entry(name, "hosts: [" + name + ".example.com], addresses: [10.9.0." + text +
                           "], resolution: STATIC, ports: [{number: 80, name: p, protocol: " +
                           protocol + "}], endpoints: [{address: 1.1.1." + text + "}]");
  };
  const auto policy = [](const std::string& name, const std::string& spec) {
    return Document("DestinationRule", name, "host: " + name + ".example.com, " + spec);
  };
  const std::string yaml =
      service("first", 1) + service("second", 2) + (first.empty() ? "" : policy("first", first)) +
      (second.empty() ? "" : policy("second", second)) +
      (rule.empty() ? "" : Document("VirtualService", "v", "hosts: [first.example.com], " + rule));
  const ResolvedHost host = Resolve(StoreOf(yaml), "first.example.com", {}, Client{});
  std::string text;
  for (const ResolvedCluster& cluster : host.ports.at(0).clusters) {
    text += (text.empty() ? "" : " ") + ToString(cluster.settings.algorithm);
  }
  return text;
}

std::string To(const std::string& name, const std::string& more = "") {
  return "{destination: {host: " + name + ".example.com" + more + "}, weight: 1}";
}

constexpr const char* kSource = "loadBalancer: {consistentHash: {useSourceIp: true}}";
constexpr const char* kHeader = "loadBalancer: {consistentHash: {httpHeaderName: x}}";

std::string Top(const std::string& policy) {
  return "trafficPolicy: {" + policy + "}";
}

TEST(Hash, OfSeveralDestinationsOnConnectionsTheFirstDecidesByItsHost) {
  const std::string both = "tcp: [{route: [" + To("first") + ", " + To("second") + "]}]";
  EXPECT_EQ(AlgorithmsOf("TCP", both, Top(kSource), Top(kSource)), "maglev maglev");
  EXPECT_EQ(AlgorithmsOf("TCP", both, Top(kSource), Top(kHeader)), "maglev maglev");
  EXPECT_EQ(AlgorithmsOf("TCP", both, Top(kHeader), Top(kSource)), "random random");
  EXPECT_EQ(AlgorithmsOf("TCP", both, "", Top(kSource)), "least_request random");
  const std::string subset = ", subset: hashed";
  const std::string subsets = "subsets: [{name: hashed, " + Top(kSource) + "}]";
  EXPECT_EQ(AlgorithmsOf("TCP", "tcp: [{route: [" + To("first", subset) + "]}]", subsets),
            "maglev");
  EXPECT_EQ(
      AlgorithmsOf("TCP", "tcp: [{route: [" + To("first", subset) + ", " + To("second") + "]}]",
                   subsets, Top(kSource)),
      "random random");
}

TEST(Hash, FirstDestinationOnConnectionsDecidesAlsoWithoutAWeight) {
  const std::string rule = "tcp: [{route: [{destination: {host: second.example.com}, weight: 0}, " +
                           To("first") + ", " + To("first", ", port: {number: 81}") + "]}]";
  EXPECT_EQ(AlgorithmsOf("TCP", rule, Top(kSource), Top(kHeader)), "random least_request");
  EXPECT_EQ(AlgorithmsOf("TCP", rule, Top(kHeader), Top(kSource)), "maglev least_request");
}

TEST(Hash, PortsOfAPolicyCountForRequestsOnly) {
  const std::string port = Top(OnPort(80, kSource));
  EXPECT_EQ(AlgorithmsOf("TCP", "", port), "random");
  EXPECT_EQ(AlgorithmsOf("TCP", "", Top(std::string(kSource) + ", " + OnPort(80, kHeader))),
            "maglev");
  EXPECT_EQ(AlgorithmsOf("HTTP", "", port), "maglev");
  const auto rule = [](const std::string& more) {
    return "http: [{route: [" + To("first", more) + "]}]";
  };
  EXPECT_EQ(AlgorithmsOf("HTTP", rule(""), port), "random");
  EXPECT_EQ(AlgorithmsOf("HTTP", rule(", port: {number: 80}"), port), "maglev");
}

TEST(Hash, AnyDestinationDecidesForRequests) {
  const std::string both = "http: [{route: [" + To("first") + ", " + To("second") + "]}]";
  EXPECT_EQ(AlgorithmsOf("HTTP", both, Top(kHeader), Top(kSource)), "maglev maglev");
  EXPECT_EQ(AlgorithmsOf("HTTP", both, Top(kHeader), Top(kHeader)), "random random");
}

TEST(Hash, WithoutOneWeightsCountAllTheSame) {
  const std::string yaml =
      Entry("x",
            "hosts: [x.example.com], addresses: [10.9.0.1], resolution: STATIC, ports: [{number: "
            "80, name: p, protocol: TCP}], endpoints: [{address: 1.1.1.1, weight: 3}, {address: "
            "1.1.1.2}]") +
      Policy("x.example.com", Top(kHeader));
  EXPECT_EQ(Resolve(StoreOf(yaml), "x.example.com", {}, Client{})
                .ports.at(0)
                .clusters.at(0)
                .settings.algorithm,
            Algorithm::kRoundRobin);
}

TEST(Settings, WarmupIsForAlgorithmsThatKnowWeights) {
  const std::string warmup = "warmup: {duration: 30s, minimumPercent: 20, aggression: 2}";
  const ClusterSettings settings = With("loadBalancer: {simple: ROUND_ROBIN, " + warmup + "}");
  EXPECT_EQ(settings.warmup,
            (SlowStart{.duration = milliseconds(30'000), .minimum_percent = 20, .aggression = 2}));
  EXPECT_EQ(With("loadBalancer: {warmup: {duration: 30s}}").warmup,
            (SlowStart{.duration = milliseconds(30'000), .minimum_percent = 10, .aggression = 1}));
  EXPECT_FALSE(With("loadBalancer: {simple: RANDOM, " + warmup + "}").warmup);
}

TEST(Settings, PoolLimitsAndSocketOptionsAreTaken) {
  const ClusterSettings settings = With(
      "connectionPool: {tcp: {maxConnections: 3, connectTimeout: 1500ms, tcpKeepalive: {time: "
      "7200s, interval: 1500ms, probes: 4}}}");
  EXPECT_EQ(settings.max_connections, 3U);
  EXPECT_EQ(settings.connect_timeout, milliseconds(1500));
  EXPECT_EQ(settings.keepalive, (Keepalive{.time_s = 7200, .interval_s = 2, .probes = 4}));
  EXPECT_EQ(With("connectionPool: {tcp: {}}").max_connections, std::nullopt);
}

TEST(Settings, EjectionHasEnvoysDefaults) {
  EXPECT_EQ(With("outlierDetection: {}").ejection, (Ejection{.failures = 5,
                                                             .field = "consecutive5xxErrors",
                                                             .interval = milliseconds(10'000),
                                                             .base = milliseconds(30'000),
                                                             .max = milliseconds(300'000),
                                                             .max_percent = 10}));
  EXPECT_FALSE(With(kPool).ejection);
}

TEST(Settings, SmallestCountThatIsEnforcedEjects) {
  const auto threshold = [](const std::string& fields) {
    const auto ejection = With("outlierDetection: {" + fields + "}").ejection;
    return ejection ? ejection->field + " " + std::to_string(ejection->failures) : "none";
  };
  EXPECT_EQ(threshold("consecutive5xxErrors: 3"), "consecutive5xxErrors 3");
  EXPECT_EQ(threshold("consecutive5xxErrors: 0"), "none");
  EXPECT_EQ(threshold("consecutiveGatewayErrors: 2"), "consecutiveGatewayErrors 2");
  EXPECT_EQ(threshold("consecutiveGatewayErrors: 7"), "consecutive5xxErrors 5");
  EXPECT_EQ(threshold("consecutive5xxErrors: 0, consecutiveGatewayErrors: 7"),
            "consecutiveGatewayErrors 7");
  EXPECT_EQ(threshold("consecutive5xxErrors: 0, consecutiveGatewayErrors: 0"), "none");
}

TEST(Settings, WhereOriginsAreSplitOnlyLocalFailuresCount) {
  const auto failures = [](const std::string& fields) {
    const ClusterSettings settings =
        With("outlierDetection: {splitExternalLocalOriginErrors: true, " + fields + "}");
    return settings.ejection ? settings.ejection->failures : 0;
  };
  EXPECT_EQ(failures("consecutive5xxErrors: 1"), 5U);
  EXPECT_EQ(failures("consecutiveLocalOriginFailures: 2"), 2U);
}

TEST(Settings, TimesAndSharesOfEjectionAreTaken) {
  const ClusterSettings settings = With(
      "outlierDetection: {interval: 1s, baseEjectionTime: 600s, maxEjectionPercent: 50, "
      "minHealthPercent: 30}");
  EXPECT_EQ(settings.panic_percent, 30U);
  ASSERT_TRUE(settings.ejection.has_value());
  EXPECT_EQ(settings.ejection->interval, milliseconds(1'000));
  EXPECT_EQ(settings.ejection->base, milliseconds(600'000));
  EXPECT_EQ(settings.ejection->max, milliseconds(600'000));
  EXPECT_EQ(settings.ejection->max_percent, 50U);
}

}  // namespace
}  // namespace vsplit
