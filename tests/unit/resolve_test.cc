// SPDX-License-Identifier: Apache-2.0
#include "vsplit/resolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "resolve_text.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::string_view kHost = "reviews.default.svc.cluster.local";

// Service reviews with this list of ports, pods v1 and v2, and subsets of these names.
std::string Reviews(const std::string& ports) {
  return "kind: Service\napiVersion: v1\nmetadata: {name: reviews}\n"
         "spec: {clusterIP: 10.96.0.7, ports: [" +
         ports + "]}\n---\n" + R"(
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: reviews-1, labels: {kubernetes.io/service-name: reviews}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.1.0.1], targetRef: {kind: Pod, name: v1}}
- {addresses: [10.1.0.2], targetRef: {kind: Pod, name: v2}}
---
{kind: Pod, apiVersion: v1, metadata: {name: v1, labels: {version: v1}}, status: {podIP: 10.1.0.1}}
---
{kind: Pod, apiVersion: v1, metadata: {name: v2, labels: {version: v2}}, status: {podIP: 10.1.0.2}}
---
kind: DestinationRule
apiVersion: networking.istio.io/v1
metadata: {name: reviews}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
)";
}

// A VirtualService for host reviews with this spec.
std::string Rules(const std::string& spec, const std::string& name = "rules",
                  const std::string& host = "reviews") {
  return "kind: VirtualService\napiVersion: networking.istio.io/v1\nmetadata: {name: " + name +
         "}\nspec: {hosts: ['" + host + "'], " + spec + "}\n---\n";
}

// "http: [{route: [...]}]" with this list and subset.
std::string To(const std::string& list, const std::string& subset, const std::string& more = "") {
  return list + ": [{" + more + "route: [{destination: {host: reviews, subset: " + subset + "}}]}]";
}

// One word for each port: what it reads and where it leads.
std::string Ports(const std::string& yaml, const ResolveOptions& options = {}) {
  std::string text;
  for (const ResolvedPort& port : Resolve(StoreOf(yaml), HostName(kHost), options, {}).ports) {
    text += (text.empty() ? "" : " ") + std::to_string(port.port);
    for (const ResolvedCluster& cluster : port.clusters) {
      text += " " + cluster.name.substr(0, cluster.name.find("|reviews")) + "*" +
              std::to_string(cluster.weight);
    }
  }
  return text;
}

// The verdicts about VirtualServices without what they all have in common.
std::vector<std::string> Verdicts(const std::string& yaml, const ResolveOptions& options = {}) {
  std::vector<std::string> texts;
  for (const Verdict& verdict : Resolve(StoreOf(yaml), HostName(kHost), options, {}).verdicts) {
    if (verdict.object.kind == Kind::kVirtualService) {
      texts.push_back(verdict.object.name + " " + verdict.path + " " +
                      std::to_string(verdict.port) + " " + ToString(verdict.kind) +
                      (verdict.reason.empty() ? "" : ": " + verdict.reason));
    }
  }
  return texts;
}

TEST(Resolve, PortNameOrAppProtocolDecidesWhichListIsRead) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"{name: http, port: 80}", "http"},
      {"{name: x, appProtocol: HTTP, port: 80}", "http"},
      {"{name: http2, port: 80}", "http"},
      {"{name: grpc, port: 80}", "http"},
      {"{name: grpc-web-x, port: 80}", "http"},
      {"{name: tcp, port: 80}", "tcp"},
      {"{name: mongo-db, port: 80}", "tcp"},
      {"{name: redis, port: 80}", "tcp"},
      {"{name: https, port: 443}", "plain"},
      {"{name: tls-x, port: 443}", "plain"},
      {"{name: tcp, appProtocol: http, port: 80}", "http"},
      {"{name: http, appProtocol: tcp, port: 80}", "tcp"},
      {"{name: x, appProtocol: kubernetes.io/h2c, port: 80}", "http"},
      {"{name: x, appProtocol: kubernetes.io/wss, port: 80}", "plain"},
      {"{name: web, port: 3306}", "tcp"},
  };
  for (const auto& [port, list] : cases) {
    const ResolvedHost host =
        Resolve(StoreOf(Reviews(port) + Rules(To("http", "v1") + ", " + To("tcp", "v2"))),
                HostName(kHost), {}, {});
    const std::string path = host.ports.at(0).rule_path;
    EXPECT_EQ(path, list == "plain" ? "" : "spec." + list + "[0]") << port;
  }
}

TEST(Resolve, UndeclaredPortReadsTheListThatIsThereUnlessToldOtherwise) {
  const std::string port = "{name: web, port: 80}";
  const std::string http = Reviews(port) + Rules(To("http", "v1"));
  const std::string both = Reviews(port) + Rules(To("http", "v1") + ", " + To("tcp", "v2"));
  EXPECT_EQ(Ports(http), "80 outbound|80|v1*1");
  EXPECT_EQ(Ports(both), "80 outbound|80|v2*1");
  EXPECT_EQ(Ports(both, {.undeclared = UndeclaredPorts::kHttp}), "80 outbound|80|v1*1");
  EXPECT_EQ(Ports(http, {.undeclared = UndeclaredPorts::kTcp}), "80 outbound|80|*1");
  EXPECT_THAT(Verdicts(both),
              ElementsAre("rules spec.http[0] 80 not enforced: port 80 declares no protocol and is "
                          "read as tcp",
                          "rules spec.tcp[0] 80 enforced"));
}

TEST(Resolve, RuleThatNamesOnlyAnotherPortDoesNotMakeAnUndeclaredPortTcp) {
  EXPECT_EQ(Ports(Reviews("{name: a, port: 80}, {name: b, port: 81}") +
                  Rules(To("http", "v1") + ", " + To("tcp", "v2", "match: [{port: 81}], "))),
            "80 outbound|80|v1*1 81 outbound|81|v2*1");
}

TEST(Resolve, UdpPortsAreLeftOut) {
  const std::string yaml = Reviews("{name: dns, port: 53, protocol: UDP}, {name: http, port: 80}") +
                           Rules(To("http", "v1", "match: [{port: 53}], "));
  EXPECT_EQ(Ports(yaml), "80 outbound|80|*1");
  EXPECT_THAT(Verdicts(yaml), ElementsAre("rules spec.http[0] 53 not enforced: port 53 is udp"));
}

TEST(Resolve, FirstRuleForThePortDecidesAndLaterOnesAreUnreachable) {
  const std::string yaml = Reviews("{name: http, port: 80}, {name: http-b, port: 81}") +
                           Rules(
                               "http: [{match: [{port: 81}], route: [{destination: {host: "
                               "reviews, subset: v2}}]}, {route: [{destination: {host: "
                               "reviews}}]}, {route: [{destination: {host: reviews}}]}]");
  EXPECT_EQ(Ports(yaml), "80 outbound|80|*1 81 outbound|81|v2*1");
  EXPECT_THAT(Verdicts(yaml),
              ElementsAre("rules spec.http[0] 81 approximated: per connection, not per request",
                          "rules spec.http[1] 80 approximated: per connection, not per request",
                          "rules spec.http[1] 81 not enforced: unreachable after spec.http[0]",
                          "rules spec.http[2] 80 not enforced: unreachable after spec.http[1]",
                          "rules spec.http[2] 81 not enforced: unreachable after spec.http[0]"));
}

TEST(Resolve, OnlyTheNameDecidesBetweenRulesOfTheSameAge) {
  const std::string yaml = Reviews("{name: http, port: 80}") + Rules(To("http", "v2"), "b") +
                           Rules(To("http", "v1"), "a");
  EXPECT_EQ(Ports(yaml), "80 outbound|80|v1*1");
  EXPECT_THAT(Verdicts(yaml),
              ElementsAre("a spec.http[0] 80 approximated: per connection, not per request",
                          "b spec.http[0] 80 not enforced: shadowed by VirtualService default/a, "
                          "whose host is the same"));
}

TEST(Resolve, LongerWildcardGoesBeforeShorterOne) {
  EXPECT_EQ(
      Ports(Reviews("{name: http, port: 80}") + Rules(To("http", "v1"), "a", "*.cluster.local") +
            Rules(To("http", "v2"), "b", "*.default.svc.cluster.local")),
      "80 outbound|80|v2*1");
}

TEST(Resolve, TcpRulesOfAllVirtualServicesAreOneList) {
  const std::string yaml = Reviews("{name: tcp, port: 80}, {name: tcp-b, port: 81}") +
                           Rules(To("tcp", "v1", "match: [{port: 80}], "), "a", "*.cluster.local") +
                           Rules(To("tcp", "v2"), "b");
  EXPECT_EQ(Ports(yaml), "80 outbound|80|v1*1 81 outbound|81|v2*1");
  EXPECT_THAT(
      Verdicts(yaml),
      ElementsAre("a spec.tcp[0] 80 enforced",
                  "b spec.tcp[0] 80 not enforced: unreachable after spec.tcp[0] of VirtualService "
                  "default/a",
                  "b spec.tcp[0] 81 enforced"));
}

// Two rules, the first with these matches, which are refused when they are written.
ResolvedHost WithMatches(std::vector<Match> matches) {
  std::vector<Object> objects =
      ObjectsOf(Reviews("{name: http, port: 80}") + Rules(To("http", "v1")));
  auto& spec = objects.back().spec.Get<VirtualService>();
  spec.http.push_back(spec.http[0]);
  spec.http[0].matches = std::move(matches);
  Store store;
  store.Load(std::move(objects), 1);
  return Resolve(store, HostName(kHost), {}, {});
}

TEST(Resolve, RuleThatCannotBeDecidedLeavesThePortToThePlainService) {
  const ResolvedHost host =
      WithMatches({{.source_labels = {{"app", "web"}}}, {.request_fields = {"uri"}}});
  EXPECT_EQ(host.ports.at(0).rule_path, "");
  ASSERT_EQ(host.verdicts.size(), 4U);
  EXPECT_EQ(host.verdicts[0].reason, "needs the request: uri");
  EXPECT_EQ(host.verdicts[1].reason, "spec.http[0] comes first and cannot be decided at connect()");
}

TEST(Resolve, OneMatchWithoutConditionMakesTheRuleCertain) {
  EXPECT_EQ(WithMatches({{.request_fields = {"uri"}}, {.port = 80}}).ports.at(0).rule_path,
            "spec.http[0]");
}

TEST(Resolve, MatchBoundToAGatewayIsNotAboutPods) {
  const ResolvedHost host = WithMatches({{.gateways = {"istio-system/ingress"}}});
  EXPECT_EQ(host.ports.at(0).rule_path, "spec.http[1]");
  EXPECT_EQ(host.verdicts.at(0).reason, "its matches are bound to gateways only");
}

TEST(Resolve, VerdictsPrintAsOneLine) {
  EXPECT_EQ(ToString(Verdict{.kind = Verdict::Kind::kNotEnforced,
                             .object = {Kind::kVirtualService, "default", "x"},
                             .path = "spec.tcp[0]",
                             .host = "h",
                             .port = 80,
                             .reason = "why"}),
            "VirtualService default/x: spec.tcp[0]: h:80: not enforced: why");
  EXPECT_EQ(ToString(Verdict{
                .object = {Kind::kDestinationRule, "default", "x"}, .path = "spec", .host = "h"}),
            "DestinationRule default/x: spec: h: enforced");
}

TEST(Resolve, DependsOnThePodsOnlyWhereASubsetSelectsThem) {
  const std::string yaml = Reviews("{name: http, port: 80}");
  EXPECT_THAT(Resolve(StoreOf(yaml), HostName(kHost), {}, {}).dependencies.pods, IsEmpty());
  EXPECT_THAT(
      Resolve(StoreOf(yaml + Rules(To("http", "v1"))), HostName(kHost), {}, {}).dependencies.pods,
      UnorderedElementsAre(ObjectKey{Kind::kPod, "default", "v1"},
                           ObjectKey{Kind::kPod, "default", "v2"}));
}

TEST(Resolve, DependsOnTheHostsItSendsTo) {
  EXPECT_THAT(Resolve(StoreOf(Reviews("{name: http, port: 80}") +
                              Rules("http: [{route: [{destination: {host: ratings}, weight: 1}, "
                                    "{destination: {host: x.org}, weight: 1}]}]")),
                      HostName(kHost), {}, {})
                  .dependencies.hosts,
              UnorderedElementsAre("*.cluster.local", "*.default.svc.cluster.local", "*.local",
                                   "*.org", "*.svc.cluster.local", kHost,
                                   "ratings.default.svc.cluster.local", "x.org"));
}

TEST(Resolve, HostsAreThoseThatRulesNameOrCover) {
  const Store store =
      StoreOf(Reviews("{name: http, port: 80}") + Rules(To("tcp", "v1"), "a", "x.org") +
              Rules(To("tcp", "v1"), "b", "*.shop.svc.cluster.local") + R"(
{kind: Service, apiVersion: v1, metadata: {name: cart, namespace: shop}, spec: {ports: [{port: 1}]}}
---
{kind: Service, apiVersion: v1, metadata: {name: idle}, spec: {ports: [{port: 1}]}}
)");
  EXPECT_THAT(HostsWithRules(store, false),
              ElementsAre("cart.shop.svc.cluster.local", kHost, "x.org"));
  EXPECT_THAT(
      HostsWithRules(store, true),
      ElementsAre("cart.shop.svc.cluster.local", "idle.default.svc.cluster.local", kHost, "x.org"));
  EXPECT_TRUE(HasRules(store, "x.org", false));
  EXPECT_FALSE(HasRules(store, "gone.shop.svc.cluster.local", false));
  EXPECT_FALSE(HasRules(store, "idle.default.svc.cluster.local", false));
  EXPECT_TRUE(HasRules(store, "idle.default.svc.cluster.local", true));
}

}  // namespace
}  // namespace vsplit
