// SPDX-License-Identifier: Apache-2.0
#include "vsplit/outcome.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

using testing::ElementsAre;
using Json = nlohmann::ordered_json;

Endpoint EndpointAt(const std::string& address, std::uint32_t weight = 1) {
  return {.address = ParseSocketAddress(address).value(), .name = "", .weight = weight};
}

std::vector<std::pair<std::string, double>> SharesOf(const ResolvedCluster& cluster,
                                                     bool v4 = true) {
  std::vector<std::pair<std::string, double>> shares;
  for (const EndpointShare& share : EndpointShares(cluster, v4)) {
    shares.emplace_back(share.endpoint.empty() ? share.why : share.endpoint, share.probability);
  }
  return shares;
}

auto Share(const std::string& endpoint, double probability) {
  return testing::Pair(endpoint, testing::DoubleNear(probability, 1e-9));
}

TEST(Outcome, EndpointsOfOneGroupShareByWeight) {
  const ResolvedCluster cluster{
      .groups = {{.endpoints = {EndpointAt("10.1.0.1:80"), EndpointAt("10.1.0.2:80", 3)}}}};
  EXPECT_THAT(SharesOf(cluster),
              ElementsAre(Share("10.1.0.1:80", 0.25), Share("10.1.0.2:80", 0.75)));
}

TEST(Outcome, RandomDoesNotLookAtWeights) {
  const ResolvedCluster cluster{
      .settings = {.algorithm = Algorithm::kRandom},
      .groups = {{.endpoints = {EndpointAt("10.1.0.1:80"), EndpointAt("10.1.0.2:80", 3)}}}};
  EXPECT_THAT(SharesOf(cluster), ElementsAre(Share("10.1.0.1:80", 0.5), Share("10.1.0.2:80", 0.5)));
}

TEST(Outcome, PassthroughGoesWhereItWasDialled) {
  const ResolvedCluster cluster{.settings = {.algorithm = Algorithm::kPassthrough}};
  EXPECT_THAT(SharesOf(cluster), ElementsAre(Share("original destination", 1)));
}

TEST(Outcome, OnlyEndpointsOfTheFamilyThatWasDialledAreReached) {
  const ResolvedCluster cluster{
      .groups = {{.endpoints = {EndpointAt("10.1.0.1:80"), EndpointAt("[fd00::1]:80")}}}};
  EXPECT_THAT(SharesOf(cluster), ElementsAre(Share("10.1.0.1:80", 1)));
  EXPECT_THAT(SharesOf(cluster, false), ElementsAre(Share("[fd00::1]:80", 1)));
}

TEST(Outcome, ANameIsReachedFromBothFamilies) {
  const ResolvedCluster cluster{
      .groups = {{.endpoints = {{.address = {.ip = {}, .port = 443}, .name = "db.example.org"}}}}};
  EXPECT_THAT(SharesOf(cluster), ElementsAre(Share("db.example.org:443", 1)));
  EXPECT_THAT(SharesOf(cluster, false), ElementsAre(Share("db.example.org:443", 1)));
}

// 1.4 * 1/2 = 70 % stay in the first level.
TEST(Outcome, AHalfHealthyLevelKeepsSeventyPercent) {
  const ResolvedCluster cluster{
      .groups = {{.priority = 0, .endpoints = {EndpointAt("10.1.0.1:80")}, .unready = 1},
                 {.priority = 1, .endpoints = {EndpointAt("10.1.0.2:80")}}}};
  EXPECT_THAT(SharesOf(cluster), ElementsAre(Share("10.1.0.1:80", 0.7), Share("10.1.0.2:80", 0.3)));
}

// 1.4 * 1/4 = 35 % and 35 %: less than all, so both are scaled to the whole.
TEST(Outcome, LevelsThatTogetherLackHealthAreScaled) {
  const ResolvedCluster cluster{
      .groups = {{.priority = 0, .endpoints = {EndpointAt("10.1.0.1:80")}, .unready = 3},
                 {.priority = 1, .endpoints = {EndpointAt("10.1.0.2:80")}, .unready = 3}}};
  EXPECT_THAT(SharesOf(cluster), ElementsAre(Share("10.1.0.1:80", 0.5), Share("10.1.0.2:80", 0.5)));
}

// Weights 80 and 20; of the second only 1.4 * 1/2 counts: 14.
TEST(Outcome, GroupsShareByWeightAndHealth) {
  const ResolvedCluster cluster{
      .groups = {
          {.weight = 80, .endpoints = {EndpointAt("10.1.0.1:80"), EndpointAt("10.1.0.2:80")}},
          {.weight = 20, .endpoints = {EndpointAt("10.1.0.3:80")}, .unready = 1}}};
  EXPECT_THAT(SharesOf(cluster),
              ElementsAre(Share("10.1.0.1:80", 40.0 / 94), Share("10.1.0.2:80", 40.0 / 94),
                          Share("10.1.0.3:80", 14.0 / 94)));
}

TEST(Outcome, NobodyHealthyIsAFailureWithItsReason) {
  const ResolvedCluster cluster{.groups = {{.unready = 2}}, .broken = "no ready endpoint of x"};
  EXPECT_THAT(SharesOf(cluster), ElementsAre(Share("no ready endpoint of x", 1)));
}

constexpr const char* kCanary = R"(
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec:
  clusterIP: 10.96.0.7
  ports: [{name: tcp, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: reviews-1, namespace: default, labels: {version: v1}}
status: {podIP: 10.1.0.1, phase: Running}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: reviews-a, namespace: default, labels: {kubernetes.io/service-name: reviews}}
addressType: IPv4
ports: [{name: tcp, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.1.0.1], targetRef: {kind: Pod, name: reviews-1, namespace: default}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  tcp:
  - route:
    - {destination: {host: reviews, subset: v1}, weight: 90}
    - {destination: {host: reviews, subset: v2}, weight: 10}
)";

std::vector<HostOutcomes> CanaryOutcomes() {
  const Store store = StoreOf(Parse(kCanary).objects);
  return Outcomes(store, {}, ClientOf(store, {.pod = "default/reviews-1"}).value());
}

TEST(Outcome, TextHasABlockForEachAddress) {
  EXPECT_EQ(ToText(CanaryOutcomes()),
            R"(reviews.default.svc.cluster.local 10.96.0.7:80 tcp
  VirtualService default/reviews: spec.tcp[0]: enforced
   90.0 % outbound|80|v1|reviews.default.svc.cluster.local least_request
     90.0 % 10.1.0.1:8080
   10.0 % outbound|80|v2|reviews.default.svc.cluster.local least_request
     10.0 % refused: no ready endpoint of Service default/reviews port 80 has the labels of subset "v2"
)");
}

TEST(Outcome, JsonHasClustersAndEndpointsWithTheirShares) {
  const Json answer = Json::parse(ToJson(CanaryOutcomes(), {.ns = "default"}));
  ASSERT_EQ(answer.at("connections").size(), 1U);
  const Json& connection = answer.at("connections").at(0);
  EXPECT_EQ(connection.at("rule").dump(),
            R"({"object":"VirtualService default/reviews","path":"spec.tcp[0]"})");
  const Json& route = connection.at("routes").at(0);
  EXPECT_EQ(
      route.at("clusters").at(0).dump(),
      R"({"name":"outbound|80|v1|reviews.default.svc.cluster.local","weight":90,"share":0.9})");
  EXPECT_EQ(
      route.at("split").at(0).dump(),
      R"({"endpoint":"10.1.0.1:8080","cluster":"outbound|80|v1|reviews.default.svc.cluster.local","p":0.9})");
  EXPECT_EQ(route.at("split").at(1).at("why"), "no healthy endpoint");
}

TEST(Outcome, JsonHasDurationsAndPoliciesInEnvoysWords) {
  std::string text = kCanary;
  text.replace(text.find("  subsets: [{name: v1"), 0, R"(  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    connectionPool: {tcp: {connectTimeout: 90.5s, maxConnections: 7}}
    outlierDetection: {minHealthPercent: 30}
)");
  const Store store = StoreOf(Parse(text).objects);
  const Json answer = Json::parse(ToJson(Outcomes(store, {}, {.ns = "default"}), {}));
  Json cluster = answer.at("connections").at(0).at("clusters").begin().value();
  cluster.erase("ejection");
  EXPECT_EQ(
      cluster.dump(),
      R"({"lb_policy":"ROUND_ROBIN","connect_timeout":"1m30.5s","max_connections":7,"panic_threshold":30})");
}

TEST(Outcome, JsonIsSortedAsIstiosAnswersAre) {
  std::string text = kCanary;
  text.replace(text.find("clusterIP: 10.96.0.7"), 20, "clusterIPs: [10.96.0.70, 10.96.0.8]");
  const std::size_t first = text.find("subset: v1");
  const std::size_t second = text.find("subset: v2");
  text[first + 9] = '2';
  text[second + 9] = '1';
  const Store store = StoreOf(Parse(text).objects);
  const Json answer = Json::parse(ToJson(Outcomes(store, {}, {.ns = "default"}), {}));
  const Json& connections = answer.at("connections");
  ASSERT_EQ(connections.size(), 2U);
  EXPECT_EQ(connections.at(0).at("address"), "10.96.0.70");
  EXPECT_EQ(connections.at(1).at("address"), "10.96.0.8");
  const Json& clusters = connections.at(0).at("routes").at(0).at("clusters");
  EXPECT_EQ(clusters.at(0).at("weight"), 10);  // of v1, which the rule names second
  EXPECT_EQ(clusters.at(1).at("weight"), 90);
}

std::size_t CountOf(std::string_view part, std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; ++at) {
    ++count;
  }
  return count;
}

// The canary's service with two addresses, and a range with rules for some of its subnets.
Store ManySubnets(int rules, int subnets) {
  std::string text = kCanary;
  text.replace(text.find("clusterIP: 10.96.0.7"), 20, "clusterIPs: [10.96.0.7, \"fd00::7\"]");
  text += R"(---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wide, namespace: default}
spec:
  hosts: [wide.example.org]
  addresses: [10.0.0.0/8]
  ports: [{number: 80, name: tcp, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 10.1.0.9}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: wide, namespace: default}
spec:
  hosts: [wide.example.org]
  tcp:
)";
  for (int rule = 0; rule < rules; ++rule) {
    text += "  - match: [{destinationSubnets: [";
    for (int subnet = 0; subnet < subnets; ++subnet) {
      text += (subnet == 0 ? "10." : ", 10.") + std::to_string(rule) + "." +
              std::to_string(subnet) + ".0/24";
    }
    text += "]}]\n    route: [{destination: {host: wide.example.org}}]\n";
  }
  ParseResult parsed = Parse(text);
  EXPECT_TRUE(parsed.diagnostics.empty()) << ToString(parsed.diagnostics.front());
  return StoreOf(std::move(parsed.objects));
}

TEST(Outcome, AddressesOfOneRuleAndFamilyAreOneOutcome) {
  const std::vector<HostOutcomes> hosts = Outcomes(ManySubnets(3, 20), {}, {.ns = "default"});
  ASSERT_EQ(hosts.size(), 2U);
  EXPECT_EQ(hosts[0].host, "reviews.default.svc.cluster.local");
  ASSERT_EQ(hosts[0].outcomes.size(), 2U);
  EXPECT_TRUE(hosts[0].outcomes[0].port.addresses.at(0).address.is_v4());
  EXPECT_FALSE(hosts[0].outcomes[1].port.addresses.at(0).address.is_v4());
  EXPECT_EQ(hosts[1].host, "wide.example.org");
  ASSERT_EQ(hosts[1].outcomes.size(), 4U);
  for (const Outcome& outcome : hosts[1].outcomes) {
    EXPECT_EQ(outcome.port.addresses.size(), outcome.port.rule_path.empty() ? 1U : 20U);
  }
}

// However many addresses and rules there are: the text grows as theirs does, and JSON has one
// connection for each address.
TEST(Outcome, AddressesAndVerdictsAreWrittenOnce) {
  constexpr int kRules = 30;
  constexpr int kSubnets = 40;
  const std::vector<HostOutcomes> hosts =
      Outcomes(ManySubnets(kRules, kSubnets), {}, {.ns = "default"});
  const std::string text = ToText(hosts);
  const std::string json = ToJson(hosts, {.ns = "default"});
  EXPECT_EQ(CountOf("/24\"", json), kRules * kSubnets);
  EXPECT_EQ(CountOf("/24 port 80", text), kRules * kSubnets);
  EXPECT_EQ(CountOf("\"verdict\":", json), kRules + 3U);  // the canary and its two subsets
  EXPECT_EQ(CountOf("10.1.0.9:80", text), kRules + 1U);
}

TEST(Outcome, AClientCanBeDescribedOrBeAPod) {
  const Store store = StoreOf(Parse(kCanary).objects);
  const Client pod = ClientOf(store, {.pod = "default/reviews-1"}).value();
  EXPECT_EQ(pod.ns, "default");
  EXPECT_EQ(pod.labels.at("version"), "v1");
  const Client described =
      ClientOf(store, {.ns = "prod", .node = "n1", .locality = "eu/eu-a"}).value();
  EXPECT_EQ(described.locality, (Locality{.region = "eu", .zone = "eu-a"}));
  EXPECT_EQ(described.labels.at("topology.kubernetes.io/zone"), "eu-a");
  EXPECT_EQ(ClientOf(store, {.pod = "default/other"}).error().message,
            "there is no Pod \"default/other\" among the objects");
  EXPECT_EQ(ClientOf(store, {.pod = "other"}).error().message, "\"other\" is not NAMESPACE/NAME");
}

TEST(Outcome, OfObjectsWithOneNameTheLastCounts) {
  std::vector<Object> objects = Parse(kCanary).objects;
  Object last = objects.back();
  last.labels["last"] = "yes";
  objects.push_back(last);
  const Store store = StoreOf(std::move(objects));
  EXPECT_EQ(store.Find(last.key)->labels.at("last"), "yes");
}

}  // namespace
}  // namespace vsplit
