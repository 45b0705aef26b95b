// SPDX-License-Identifier: Apache-2.0
// Text in, findings out. What begins with IST was compared with istioctl's own analyzers.
#include "vsplit/analyze.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "resolve_text.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// "IST0101 VirtualService default/reviews: Referenced ..."; of the codes that begin so.
std::vector<std::string> Find(std::string_view yaml, std::string_view code) {
  const Store store = StoreOf(yaml);
  std::vector<std::string> lines;
  for (const Finding& finding : Analyze(store, ResolveOptions{}, AllPods(store))) {
    if (finding.code.starts_with(code)) {
      lines.push_back(finding.code + " " + ToString(finding.level) + " " + finding.object + ": " +
                      finding.message);
    }
  }
  return lines;
}

std::string ServiceText(const std::string& name, const std::string& ports) {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name +
         ", namespace: default}\nspec: {clusterIP: 10.96.0.7, ports: [" + ports + "]}\n";
}

std::string VirtualServiceText(const std::string& name, const std::string& spec,
                               const std::string& ns = "default") {
  return "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " + name +
         ", namespace: " + ns + "}\nspec: {" + spec + "}\n";
}

std::string DestinationRuleText(const std::string& name, const std::string& spec,
                                const std::string& ns = "default") {
  return "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " +
         name + ", namespace: " + ns + "}\nspec: {" + spec + "}\n";
}

std::string ServiceEntryText(const std::string& name, const std::string& spec) {
  return "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: " + name +
         ", namespace: default}\nspec: {" + spec + "}\n";
}

std::string PodText(const std::string& name, const std::string& labels) {
  return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name +
         ", namespace: default, labels: {" + labels + "}}\nspec: {nodeName: n1}\n";
}

const std::string& Reviews() {
  static const std::string text = ServiceText("reviews", "{name: http, port: 80}");
  return text;
}

TEST(Analyze, DestinationHasToExist) {
  EXPECT_THAT(
      Find(Reviews() +
               VirtualServiceText("v",
                                  "hosts: [reviews], http: [{route: [{destination: {host: nowhere}}"
                                  "]}], tcp: [{route: [{destination: {host: reviews, subset: v1, "
                                  "port: {number: 81}}}]}]"),
           "IST0101"),
      ElementsAre("IST0101 Error VirtualService default/v: Referenced host not found: \"nowhere\"",
                  "IST0101 Error VirtualService default/v: Referenced host+subset in "
                  "destinationrule not found: \"reviews+v1\"",
                  "IST0101 Error VirtualService default/v: Referenced host:port not found: "
                  "\"reviews:81\""));
}

TEST(Analyze, DestinationIsFoundByShortAndFullName) {
  const std::string route =
      "hosts: [reviews], http: [{route: [{weight: 1, destination: {host: reviews, subset: v1}}, "
      "{weight: 1, destination: {host: reviews.default.svc.cluster.local, subset: v1}}]}]";
  EXPECT_THAT(Find(Reviews() + VirtualServiceText("v", route) +
                       DestinationRuleText("d", "host: reviews, subsets: [{name: v1}]"),
                   "IST0101"),
              IsEmpty());
}

TEST(Analyze, WildcardServiceEntryIsFoundByItsSuffix) {
  EXPECT_THAT(
      Find(ServiceEntryText("e",
                            "hosts: [\"*.example.com\"], ports: [{number: 80, name: http, "
                            "protocol: HTTP}], resolution: NONE") +
               VirtualServiceText("v",
                                  "hosts: [a.example.com], http: [{route: [{destination: {host: "
                                  "a.example.com}}]}]"),
           "IST0101"),
      IsEmpty());
}

TEST(Analyze, DestinationOfServiceWithSeveralPortsNeedsOne) {
  EXPECT_THAT(
      Find(ServiceText("db", "{name: tcp, port: 5432}, {name: http, port: 80}") +
               VirtualServiceText("v", "hosts: [db], tcp: [{route: [{destination: {host: db}}]}]"),
           "IST0112"),
      ElementsAre("IST0112 Error VirtualService default/v: This VirtualService routes to a "
                  "service \"db\" that exposes multiple ports [5432 80]. Specifying a port "
                  "in the destination is required to disambiguate."));
}

TEST(Analyze, MeshHostsAreShared) {
  const std::string route = "http: [{route: [{destination: {host: reviews}}]}]";
  const std::string text =
      Reviews() + VirtualServiceText("b", "hosts: [reviews], " + route) +
      VirtualServiceText("a", "hosts: [reviews.default.svc.cluster.local], " + route, "client") +
      VirtualServiceText("g", "hosts: [reviews], gateways: [edge], " + route);
  const std::string message =
      "The VirtualServices client/a,default/b associated with mesh gateway define the same host "
      "*/reviews.default.svc.cluster.local which can lead to undefined behavior. This can be fixed "
      "by merging the conflicting VirtualServices into a single resource.";
  EXPECT_THAT(Find(text, "IST0109"),
              ElementsAre("IST0109 Error VirtualService client/a: " + message,
                          "IST0109 Error VirtualService default/b: " + message));
}

TEST(Analyze, PortNamesDeclareProtocols) {
  EXPECT_THAT(Find(ServiceText("a",
                               "{name: web, port: 80, targetPort: 8080}, {name: http-x, port: "
                               "81}, {name: db, port: 3306}"),
                   "IST0118"),
              ElementsAre("IST0118 Info Service default/a: Port name web (port: 80, targetPort: "
                          "8080) doesn't follow the naming convention of Istio port."));
}

TEST(Analyze, NamespacesOfKubernetesAreItsOwnBusiness) {
  std::string text = ServiceText("a", "{name: web, port: 80}");
  text.replace(text.find("default"), 7, "kube-system");
  EXPECT_THAT(Find(text, "IST"), IsEmpty());
}

TEST(Analyze, ServiceEntryOfTcpNeedsAddresses) {
  const std::string entry =
      "hosts: [db.example.com], resolution: DNS, ports: [{number: 80, name: tcp, protocol: TCP}]";
  EXPECT_THAT(Find(ServiceEntryText("e", entry), "IST0134"),
              ElementsAre("IST0134 Warning ServiceEntry default/e: ServiceEntry addresses are "
                          "required for this protocol."));
  EXPECT_THAT(Find(ServiceEntryText("e", entry + ", addresses: [240.0.0.1]"), "IST0134"),
              IsEmpty());
}

TEST(Analyze, ServiceEntriesAgreeOnProtocols) {
  const auto entry = [](const std::string& name, const std::string& protocol) {
    return ServiceEntryText(name,
                            "hosts: [a.example.com], resolution: DNS, ports: [{number: 80, name: "
                            "p, protocol: " +
                                protocol + "}]");
  };
  EXPECT_THAT(Find(entry("x", "HTTP") + entry("z", "http"), "IST0177"), IsEmpty());
  const std::string message =
      "Multiple ServiceEntries (default/x, default/z) define the same host \"a.example.com\" and "
      "port 80 with conflicting protocols (GRPC, HTTP).";
  EXPECT_THAT(Find(entry("x", "HTTP") + entry("z", "GRPC"), "IST0177"),
              ElementsAre("IST0177 Warning ServiceEntry default/x: " + message,
                          "IST0177 Warning ServiceEntry default/z: " + message));
}

TEST(Analyze, SubsetSelectsPodsByLabelsAndPlace) {
  EXPECT_THAT(
      Find(Reviews() + PodText("p", "version: v1") +
               DestinationRuleText("d",
                                   "host: reviews, subsets: [{name: v1, labels: {version: v1}}, "
                                   "{name: v2, labels: {version: v2}}, {name: here, labels: "
                                   "{kubernetes.io/hostname: n1}}]"),
           "IST0173"),
      ElementsAre("IST0173 Error DestinationRule default/d: The Subset v2 defined in the "
                  "DestinationRule does not select any pods. Which may lead to 503 UH "
                  "(NoHealthyUpstream)."));
}

TEST(Analyze, DestinationRuleNeedsAHost) {
  EXPECT_THAT(Find(DestinationRuleText("d", "host: nowhere"), "IST0174"),
              ElementsAre("IST0174 Warning DestinationRule default/d: The host nowhere defined in "
                          "the DestinationRule does not match any services in the mesh."));
}

TEST(Analyze, RulesBehindACatchAllAreNotReached) {
  EXPECT_THAT(
      Find(Reviews() +
               VirtualServiceText("v",
                                  "hosts: [reviews], http: [{route: [{destination: {host: "
                                  "reviews}}]}, {name: late, match: [{uri: {prefix: /a}}], route: "
                                  "[{destination: {host: reviews}}]}, {route: [{destination: "
                                  "{host: reviews}}]}]"),
           "IST0130"),
      ElementsAre("IST0130 Warning VirtualService default/v: VirtualService rule \"late\" not used "
                  "(route without matches defined before).",
                  "IST0130 Warning VirtualService default/v: VirtualService rule #2 not used (only "
                  "the last rule can have no matches)."));
}

TEST(Analyze, MatchesThatAreTakenDoNotCount) {
  const auto rule = [](const std::string& match) {
    return "{match: [" + match + "], route: [{destination: {host: reviews}}]}";
  };
  EXPECT_THAT(
      Find(Reviews() +
               VirtualServiceText("v", "hosts: [reviews], http: [" + rule("{uri: {prefix: /a}}") +
                                           ", " + rule("{name: again, uri: {prefix: /a}}") + ", " +
                                           rule("{uri: {prefix: /ab}}") + "]"),
           "IST013"),
      ElementsAre(
          "IST0130 Warning VirtualService default/v: VirtualService rule #1 not used (all matches "
          "used by prior rules).",
          "IST0131 Info VirtualService default/v: VirtualService rule #1 match \"again\" is not "
          "used "
          "(duplicate/overlapping match in rule #0).",
          "IST0131 Info VirtualService default/v: VirtualService rule #2 match #0 of prefix /ab is "
          "not used (duplicate/overlapping match in rule #0 of prefix /a on #0)."));
}

// R11, as Istio runs it.
TEST(Analyze, WildcardInTheClientsNamespaceHidesSubsets) {
  EXPECT_THAT(
      Find(Reviews() +
               DestinationRuleText("d", "host: reviews, subsets: [{name: v1}, {name: v2}]") +
               DestinationRuleText("wild", "host: \"*.svc.cluster.local\"", "client"),
           "VSPLIT03"),
      ElementsAre("VSPLIT03 Warning DestinationRule client/wild: Hides DestinationRule default/d "
                  "from clients in namespace client: subsets v1, v2 of it are unknown there, and "
                  "what is routed to them fails."));
}

TEST(Analyze, SelectorThatDoesNotFitHidesAllTheSame) {
  EXPECT_THAT(
      Find(Reviews() +
               DestinationRuleText(
                   "d", "host: reviews, trafficPolicy: {loadBalancer: {simple: RANDOM}}") +
               DestinationRuleText("some",
                                   "host: reviews.default.svc.cluster.local, workloadSelector: "
                                   "{matchLabels: {app: web}}, trafficPolicy: {loadBalancer: "
                                   "{simple: ROUND_ROBIN}}",
                                   "client"),
           "VSPLIT03"),
      ElementsAre("VSPLIT03 Warning DestinationRule client/some: Hides DestinationRule default/d "
                  "from clients that its workloadSelector does not select in namespace client: "
                  "nothing of its trafficPolicy counts there."));
}

TEST(Analyze, ExactRuleOfTheClientsNamespaceWithTheSameSubsetsIsNoTrap) {
  EXPECT_THAT(Find(Reviews() + DestinationRuleText("d", "host: reviews, subsets: [{name: v1}]") +
                       DestinationRuleText("mine",
                                           "host: reviews.default.svc.cluster.local, subsets: "
                                           "[{name: v1}]",
                                           "client"),
                   "VSPLIT03"),
              IsEmpty());
  EXPECT_THAT(
      Find(Reviews() +
               DestinationRuleText("d", "host: reviews, exportTo: [\".\"], subsets: [{name: v1}]") +
               DestinationRuleText("wild", "host: \"*.svc.cluster.local\"", "client"),
           "VSPLIT03"),
      IsEmpty())
      << "what nobody there sees cannot be hidden";
}

TEST(Analyze, VerdictsAreFindings) {
  EXPECT_THAT(Find(Reviews() + VirtualServiceText("v",
                                                  "hosts: [reviews], tcp: [{route: [{destination: "
                                                  "{host: reviews}}]}]"),
                   "VSPLIT"),
              ElementsAre(StartsWith("VSPLIT01 Warning VirtualService default/v: spec.tcp[0]: "
                                     "reviews.default.svc.cluster.local")));
}

TEST(Analyze, RefusedObjectsAreFindingsToo) {
  const std::vector<Finding> findings =
      FindingsOf({{.object = "VirtualService default/v", .path = "spec.hosts", .message = "bad"},
                  {.severity = Diagnostic::Severity::kWarning, .message = "fine"},
                  {.object = "Deployment default/d", .path = "kind", .message = "unknown"}});
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(ToString(findings.back()),
            "Info [VSPLIT04] (Deployment default/d) Not looked at: unknown");
  EXPECT_EQ(ToString(findings.front()),
            "Error [IST0106] (VirtualService default/v) Schema validation error: spec.hosts: bad");
  EXPECT_EQ(FindingsJson({findings.front()}),
            "[\n{\"code\":\"IST0106\",\"level\":\"Error\",\"object\":\"VirtualService default/v\","
            "\"message\":\"Schema validation error: spec.hosts: bad\"}\n]\n");
  EXPECT_EQ(FindingsJson({}), "[]\n");
}

TEST(Analyze, OfManyObjectsThatCollideAHundredAreNamed) {
  std::string text;
  for (int i = 100; i < 203; ++i) {
    text += VirtualServiceText("v" + std::to_string(i),
                               "hosts: [a], http: [{route: [{destination: {host: a}}]}]");
  }
  const std::vector<std::string> lines = Find(text, "IST0109");
  ASSERT_EQ(lines.size(), 103U);
  EXPECT_NE(lines[0].find("default/v198,default/v199 and 3 more associated"), std::string::npos)
      << lines[0];
}

// Each prefix begins with all those before it.
TEST(Analyze, OfManyMatchesThatCoverOneTenAreNamed) {
  std::string rules;
  std::string prefix = "/";
  for (int i = 0; i < 15; ++i) {
    rules += (i == 0 ? "{match: [{uri: {prefix: " : ", {match: [{uri: {prefix: ") + prefix +
             "}}], route: [{destination: {host: a}}]}";
    prefix += "a";
  }
  const std::string text = VirtualServiceText("v", "hosts: [a], http: [" + rules + "]");
  EXPECT_EQ(Find(text, "IST0131").size(), 45U + 5 * 10);
}

}  // namespace
}  // namespace vsplit
