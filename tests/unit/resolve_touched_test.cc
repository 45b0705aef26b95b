// SPDX-License-Identifier: Apache-2.0
// The promise that recomputing the touched hosts is as good as recomputing all of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "resolve_text.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Random objects as text: few names, so that they meet often.
class World {
 public:
  std::string Next() {
    switch (random_() % 14) {
      case 0:
        return Service();
      case 1:
        return Slice();
      case 2:
        return "{kind: Node, apiVersion: v1, metadata: {name: " + Of({"n0", "n1"}) +
               ", labels: {topology.kubernetes.io/zone: " + Of({"a", "b"}) + "}}}";
      case 3:
        return DestinationRule();
      case 4:
        return VirtualService();
      case 5:
        return ServiceEntry();
      case 6:
        return WorkloadEntry();
      case 7:
        return Sidecar();
      case 8:
        return Delegates();
      default:
        return Pod();
    }
  }
  bool Chance(unsigned in) { return random_() % in == 0; }

 private:
  std::string Of(const std::vector<std::string>& words) { return words[random_() % words.size()]; }
  std::string Meta(const std::string& name) {
    return "metadata: {name: " + name + ", namespace: " + Of({"a", "a", "a", "b"});
  }
  std::string Host() {
    return Of({"s0", "s0", "s1", "s0.a.svc.cluster.local", "s1.b.svc.cluster.local"});
  }
  std::string RuleHost() {
    return Chance(4) ? Of({"'*.a.svc.cluster.local'", "'*.cluster.local'", "x.org", "'*.org'",
                           "'*.x.org'"})
                     : Host();
  }
  std::string Service() {
    return "{kind: Service, apiVersion: v1, " + Meta(Of({"s0", "s1"})) + "}, spec: {" +
           Of({"clusterIP: 10.96.0.1", "clusterIP: 10.96.0.2", "clusterIP: 10.96.0.3",
               "clusterIP: None", "type: ExternalName, externalName: s0.a.svc.cluster.local"}) +
           ", ports: [{port: 80, name: " + Of({"http", "http", "tcp"}) + "}" +
           Of({"", ", {port: 81, name: tcp-b}"}) + "]}}";
  }
  std::string Slice() {
    return "{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, " + Meta(Of({"e0", "e1"})) +
           ", labels: {kubernetes.io/service-name: " + Of({"s0", "s1"}) +
           "}}, addressType: IPv4, ports: [{name: " + Of({"http", "http", "tcp"}) +
           ", port: 8080}], endpoints: [{addresses: [10.1.0." + Of({"1", "2"}) +
           "]}, {addresses: [10.1.0.4], targetRef: {kind: Pod, name: " + Of({"p0", "p1"}) + "}}]}";
  }
  std::string Pod() {
    return "{kind: Pod, apiVersion: v1, " + Meta(Of({"p0", "p1", "p2"})) +
           ", labels: {version: " + Of({"v1", "v2"}) + "}}, spec: {nodeName: " + Of({"n0", "n1"}) +
           "}, status: {podIP: 10.1.0." + Of({"1", "2", "3"}) +
           ", phase: " + Of({"Running", "Running", "Succeeded"}) + "}}";
  }
  std::string DestinationRule() {
    return "{kind: DestinationRule, apiVersion: networking.istio.io/v1, " + Meta(Of({"d0", "d1"})) +
           "}, spec: {host: " + RuleHost() +
           ", trafficPolicy: {loadBalancer: {simple: " + Of({"RANDOM", "ROUND_ROBIN"}) +
           "}}, subsets: [{name: v1, labels: {version: " + Of({"v1", "v2"}) + "}}" +
           Of({"", ", {name: v2, labels: {topology.kubernetes.io/zone: a}}"}) + "]}}";
  }
  std::string ServiceEntry() {
    return "{kind: ServiceEntry, apiVersion: networking.istio.io/v1, " + Meta(Of({"s0", "s1"})) +
           "}, spec: {hosts: [" + Of({"x.org", "s0.a.svc.cluster.local", "'*.org'"}) +
           "], addresses: [10.97.0." + Of({"1", "2"}) + "], ports: [{number: 80, name: tcp, " +
           "protocol: TCP}], resolution: STATIC, " +
           Of({"workloadSelector: {labels: {version: v1}}", "endpoints: [{address: 10.2.0.1}]"}) +
           Of({"", ", exportTo: ['.']", ", exportTo: ['~']"}) + "}}";
  }
  std::string WorkloadEntry() {
    return "{kind: WorkloadEntry, apiVersion: networking.istio.io/v1, " + Meta(Of({"w0", "w1"})) +
           ", labels: {version: " + Of({"v1", "v2"}) + "}}, spec: {address: 10.3.0." +
           Of({"1", "2"}) + "}}";
  }
  std::string Sidecar() {
    return "{kind: Sidecar, apiVersion: networking.istio.io/v1, " + Meta(Of({"c0", "c1"})) +
           "}, spec: {egress: [{hosts: ['" + Of({"./*", "a/*", "*/*"}) + "']}]}}";
  }
  // A root and the delegate of the same number.
  std::string Delegates() {
    const std::string number = Of({"0", "1"});
    const std::string start =
        "{kind: VirtualService, apiVersion: networking.istio.io/v1, metadata: "
        "{namespace: a, name: ";
    return Chance(2) ? start + "root" + number + "}, spec: {hosts: [" + RuleHost() +
                           "], http: [{delegate: {name: leaf" + number + "}}]}}"
                     : start + "leaf" + number +
                           "}, spec: {http: [{route: [{destination: {host: " + Host() +
                           ", subset: v1}}]}]}}";
  }
  std::string VirtualService() {
    return "{kind: VirtualService, apiVersion: networking.istio.io/v1, " +
           Meta(Of({"v0", "v1", "v2"})) + "}, spec: {hosts: [" + RuleHost() + "], " +
           Of({"", "", "exportTo: ['.'], "}) + Of({"http", "http", "tcp"}) + ": [{" +
           Of({"", "", "match: [{port: 81}], ", "match: [{sourceNamespace: b}], ",
               "match: [{sourceLabels: {version: v1}}], "}) +
           "route: [{destination: {host: " + Host() + ", subset: " + Of({"v1", "v2"}) +
           "}, weight: " + Of({"0", "1"}) + "}, {destination: {host: " + Host() +
           "}, weight: 2}]}]}}";
  }

  // NOLINTNEXTLINE(bugprone-random-generator-seed): the same world every time
  std::mt19937 random_{4};
};

using Answers = std::map<HostName, HostMeaning>;

HostMeaning AnswerFor(const Store& store, const HostName& host) {
  static const std::vector<Workload> kWorkloads{
      {.name = "a/p0", .client = {.ns = "a", .labels = {{"version", "v1"}}, .node = "n0"}},
      {.name = "b/p1", .client = {.ns = "b", .labels = {{"version", "v2"}}, .node = "n0"}}};
  return ResolveAll(store, host, {}, AnonymousClient("n0", {}), kWorkloads);
}

Answers AllAnswers(const Store& store) {
  Answers answers;
  for (const HostName& host : HostsWithRules(store, false)) {
    answers[host] = AnswerFor(store, host);
  }
  return answers;
}

// Recomputes the hosts that the change touches, as the agent does. Gives how many.
std::size_t Update(const Store& store, const Change& change, Answers& answers) {
  Touched touched = TouchedBy(store, change);
  for (const auto& [host, answer] : answers) {
    if (Intersect(answer.everyone.dependencies, touched.dependencies)) {
      touched.hosts.insert(host);
    }
  }
  for (const HostName& host : touched.hosts) {
    if (HasRules(store, host, false)) {
      answers[host] = AnswerFor(store, host);
    } else {
      answers.erase(host);
    }
  }
  return touched.hosts.size();
}

// Every object one write; deletes those that are there when `erase`.
std::vector<Write> WritesOf(const Store& store, std::vector<Object> objects, bool erase) {
  std::vector<Write> writes;
  for (Object& object : objects) {
    const bool present = store.Find(object.key) != nullptr;
    writes.push_back({.mode = erase && present ? Write::Mode::kDelete : Write::Mode::kApply,
                      .object = std::move(object)});
  }
  return writes;
}

// One transaction of one or two random changes, one in six of them deletions.
std::vector<Change> RandomChanges(World& world, Store& store) {
  std::string text = world.Next();
  if (world.Chance(3)) {
    text += "\n---\n" + world.Next();
  }
  const auto changes = store.Stage(WritesOf(store, ObjectsOf(text), world.Chance(6)),
                                   {.now = "2024-01-01T00:00:00Z", .uids = {"u", "v"}});
  EXPECT_TRUE(changes.has_value()) << text;
  store.Keep();
  return changes.value();
}

TEST(Resolve, RecomputingTouchedHostsIsRecomputingAll) {
  constexpr std::size_t kSteps = 1500;
  World world;
  Store store;
  Answers answers;
  std::size_t recomputed = 0;
  for (std::size_t step = 0; step < kSteps; ++step) {
    for (const Change& change : RandomChanges(world, store)) {
      recomputed += Update(store, change, answers);
    }
    ASSERT_EQ(answers, AllAnswers(store)) << "step " << step;
  }
  // Else the walk would say nothing about hosts that are left out.
  EXPECT_LT(recomputed, kSteps * 2);
  EXPECT_GT(recomputed, kSteps / 2);
}

Touched TouchedByApply(Store& store, std::string_view yaml) {
  const auto changes = store.Stage(WritesOf(store, ObjectsOf(yaml), false),
                                   {.now = "2024-01-01T00:00:00Z", .uids = {"u"}});
  store.Keep();
  return TouchedBy(store, changes->at(0));
}

TEST(Resolve, ServiceAndItsSlicesTouchTheirHost) {
  Store store;
  EXPECT_THAT(TouchedByApply(store,
                             "{kind: Service, apiVersion: v1, metadata: {name: s}, "
                             "spec: {ports: [{port: 80}]}}")
                  .hosts,
              ElementsAre("s.default.svc.cluster.local"));
  const Touched touched =
      TouchedByApply(store,
                     "{kind: EndpointSlice, apiVersion: discovery.k8s.io/v1, metadata: {name: e, "
                     "labels: {kubernetes.io/service-name: s}}, addressType: IPv4, ports: [], "
                     "endpoints: []}");
  EXPECT_THAT(touched.hosts, ElementsAre("s.default.svc.cluster.local"));
  EXPECT_THAT(touched.dependencies.hosts, ElementsAre("s.default.svc.cluster.local"));
}

TEST(Resolve, PodTouchesNothingUnlessWhatCountsChanges) {
  Store store;
  const std::string pod = "{kind: Pod, apiVersion: v1, metadata: {name: p, labels: {a: ";
  EXPECT_THAT(TouchedByApply(store, pod + "b}}}").dependencies.pods,
              ElementsAre(ObjectKey{Kind::kPod, "default", "p"}));
  EXPECT_THAT(TouchedByApply(store, pod + "b}, annotations: {x: z}}}").dependencies.pods,
              IsEmpty());
  EXPECT_THAT(TouchedByApply(store, pod + "c}}}").dependencies.pods,
              ElementsAre(ObjectKey{Kind::kPod, "default", "p"}));
}

TEST(Resolve, MovedRuleTouchesTheHostItLeavesAndTheHostItComesTo) {
  Store store;
  const std::string rule =
      "{kind: DestinationRule, apiVersion: networking.istio.io/v1, metadata: {name: d}, spec: "
      "{host: ";
  TouchedByApply(store, rule + "one.org}}");
  EXPECT_THAT(TouchedByApply(store, rule + "two.org}}").hosts, ElementsAre("one.org", "two.org"));
}

TEST(Resolve, RuleForANameTouchesTheWildcardAroundIt) {
  Store store;
  const std::string entry =
      "{kind: ServiceEntry, apiVersion: networking.istio.io/v1, metadata: {name: e}, spec: {hosts: "
      "['*.wide.org'], addresses: [10.0.0.1], resolution: NONE, ports: [{number: 80, name: tcp, "
      "protocol: TCP}]}}";
  TouchedByApply(store, entry);
  EXPECT_THAT(HostsWithRules(store, false), IsEmpty());
  const auto rule = [&store](const std::string& kind, const std::string& spec) {
    return TouchedByApply(store, "{kind: " + kind +
                                     ", apiVersion: networking.istio.io/v1, metadata: {name: r}, "
                                     "spec: {" +
                                     spec + "}}")
        .hosts;
  };
  EXPECT_THAT(rule("DestinationRule", "host: a.wide.org"), ElementsAre("a.wide.org"));
  EXPECT_THAT(HostsWithRules(store, false), ElementsAre("a.wide.org"));
  EXPECT_THAT(
      rule("VirtualService", "hosts: ['*.a.wide.org'], tcp: [{route: [{destination: {host: b}}]}]"),
      ElementsAre("*.wide.org"));
  EXPECT_THAT(HostsWithRules(store, false), ElementsAre("*.wide.org", "a.wide.org"));
}

// Else its connections would go by the entry's rule: of two frontends the narrower counts.
TEST(Resolve, ServiceInASubnetWithRulesIsServedToo) {
  Store store;
  TouchedByApply(store,
                 "{kind: Service, apiVersion: v1, metadata: {name: s}, "
                 "spec: {clusterIP: 10.0.0.1, ports: [{port: 80}]}}");
  TouchedByApply(store,
                 "{kind: ServiceEntry, apiVersion: networking.istio.io/v1, metadata: {name: e}, "
                 "spec: {hosts: [wide.org], addresses: [10.0.0.0/8], resolution: STATIC, "
                 "ports: [{number: 80, name: tcp, protocol: TCP}]}}");
  EXPECT_THAT(HostsWithRules(store, false), IsEmpty());
  const std::string rule =
      "{kind: DestinationRule, apiVersion: networking.istio.io/v1, metadata: {name: d}, spec: "
      "{host: ";
  EXPECT_THAT(TouchedByApply(store, rule + "wide.org}}").hosts,
              ElementsAre("s.default.svc.cluster.local", "wide.org"));
  EXPECT_THAT(HostsWithRules(store, false), ElementsAre("s.default.svc.cluster.local", "wide.org"));
  EXPECT_TRUE(HasRules(store, "s.default.svc.cluster.local", false));
  TouchedByApply(store, rule + "narrow.org}}");
  EXPECT_THAT(HostsWithRules(store, false), ElementsAre("narrow.org"));
}

}  // namespace
}  // namespace vsplit
