// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include "telemetry_model.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

// Connection 17 is at position 9, which is risky's.
Decider Risky(Canary& canary, std::uint32_t verdict = VERDICT_SPLIT) {
  return [&canary, verdict](const Frontend&) -> Result<decision> {
    decision next{.generation = 1, .number = 17, .verdict = verdict, .position = 9};
    next.cluster = canary.tables().cluster_ids.at(Canary::Name("risky"));
    std::ranges::copy(At("10.1.0.21:8080").ip.bytes, next.address);
    next.port = 8080;
    return next;
  };
}

std::string Text(Canary& canary, const std::string& from, const std::string& to,
                 std::uint32_t verdict = VERDICT_SPLIT) {
  const Result<Explained> explained = Explain(canary.View(), from, to, Risky(canary, verdict));
  return explained ? ExplainedText(canary.View(), *explained) : explained.error().message;
}

constexpr const char* kRules =
    "  decided by VirtualService shop/web spec.http[1]: enforced\n"
    "  passed over VirtualService shop/web spec.http[0]: not enforced, match.uri needs L7\n"
    "  frontend 10.96.0.7:80: exact, 10 positions, generation 1\n"
    "    positions 0-8 (90.00%): outbound|80|safe|web.shop.svc.cluster.local least_request\n"
    "      opened 0, active 0, failed 0, refused 0\n"
    "      endpoint 10.1.0.11:8080: active 0, opened 0, failed 0\n"
    "    positions 9-9 (10.00%): outbound|80|risky|web.shop.svc.cluster.local least_request\n"
    "      opened 0, active 0, failed 0, refused 0\n"
    "      endpoint 10.1.0.21:8080 (shop/risky-1): active 3, opened 10, failed 2\n";

TEST(Explain, NamesRuleBoundsEndpointsAndTheNextChoice) {
  Canary canary;
  canary.State("risky", "10.1.0.21:8080") = {.active = 3, .failed = 2, .opened = 10};
  EXPECT_EQ(Text(canary, "shop/risky-1", "web:80"),
            std::string("web.shop.svc.cluster.local:80, from shop/risky-1 (source class: "
                        "everyone)\n") +
                kRules +
                "    next: connection 17 is at position 9, goes to 10.1.0.21:8080 (shop/risky-1) "
                "of outbound|80|risky|web.shop.svc.cluster.local\n");
  const std::string refused = Text(canary, "", "10.96.0.7:80", VERDICT_REFUSED);
  EXPECT_TRUE(
      refused.ends_with("    next: connection 17 is at position 9, is refused: "
                        "outbound|80|risky|web.shop.svc.cluster.local has no endpoint\n"))
      << refused;
  EXPECT_TRUE(refused.starts_with("web.shop.svc.cluster.local:80, from anywhere (source class"));
}

// shop/risky-1 gets risky alone, and one failed connection ejects there.
void GiveSourceOfItsOwn(Canary& canary) {
  ImageCluster risky = Canary::Cluster("risky", 1, "10.1.0.21:8080");
  risky.settings.ejection = Ejection{.failures = 1, .field = "consecutive5xxErrors"};
  ImageFrontend frontend = Everyone({.host = Canary::kHost,
                                     .stride = 1,
                                     .clusters = {Canary::Cluster("safe", 9, "10.1.0.11:8080"),
                                                  Canary::Cluster("risky", 1, "10.1.0.21:8080")}});
  frontend.sources.push_back({.workloads = {"shop/risky-1"},
                              .route = {.host = Canary::kHost, .stride = 1, .clusters = {risky}}});
  ImageChange change;
  change.frontends[Frontend{At("10.96.0.7:80")}] = frontend;
  change.workloads["shop/risky-1"] = ImageWorkload{.cgroup = 7, .level = 1, .ips = {}};
  canary.Change(change);
}

TEST(Explain, PodWithARouteOfItsOwnIsToldThatOne) {
  Canary canary;
  GiveSourceOfItsOwn(canary);
  const std::string own = Text(canary, "shop/risky-1", "web:80");
  EXPECT_TRUE(own.starts_with(
      "web.shop.svc.cluster.local:80, from shop/risky-1 (source class: shop/risky-1)\n"))
      << own;
  EXPECT_EQ(own.find("|safe|"), std::string::npos) << own;
  const std::string others = Text(canary, "", "10.96.0.7:80");
  EXPECT_NE(others.find("(source class: everyone)"), std::string::npos) << others;
  EXPECT_NE(others.find("|safe|"), std::string::npos) << others;
}

TEST(Explain, EjectedEndpointIsShownWithTheReasonAndTheTimeLeft) {
  Canary canary;
  GiveSourceOfItsOwn(canary);
  const std::optional<LiveRoute> route =
      ReadRoute(canary.View(), {At("10.96.0.7:80")}, "shop/risky-1");
  ASSERT_TRUE(route);
  EXPECT_EQ(route->clusters.at(0).endpoints.at(0).ejected, std::chrono::milliseconds(0));
  canary.Eject("10.1.0.21:8080", std::chrono::seconds(120));
  const std::string text = Text(canary, "shop/risky-1", "web:80");
  EXPECT_NE(text.find(", EJECTED for 20.0s more: 1 failed connection in a row "
                      "(consecutive5xxErrors)\n"),
            std::string::npos)
      << text;
  EXPECT_NE(SplitJson(canary.View(), {}).find("\"ejected_ms\":20000"), std::string::npos);
}

TEST(Explain, RefusalByALimitIsNamed) {
  Canary canary;
  EXPECT_TRUE(Text(canary, "", "web.shop:80", VERDICT_LIMIT)
                  .ends_with("is refused: maxConnections of "
                             "outbound|80|risky|web.shop.svc.cluster.local is reached\n"));
}

TEST(Explain, OfSeveralPartsOfAPortTheOneThatIsDialledDecides) {
  Canary canary;
  const Frontend subnet{.address = At("10.97.0.0:80"), .prefix = 96 + 24};
  ImageChange change;
  change.frontends[subnet] = Everyone({.host = Canary::kHost,
                                       .stride = 1,
                                       .clusters = {Canary::Cluster("safe", 1, "10.1.0.11:8080")}});
  canary.Change(change);
  ResolvedPort part = canary.resolved().ports[0];
  part.addresses = {subnet.addresses()};
  part.rule_path = "spec.http[7]";
  canary.resolved().ports.push_back(part);
  canary.resolved().verdicts.push_back(
      {Verdict::Kind::kEnforced, part.rule_object, part.rule_path, Canary::kHost, 80, ""});
  const std::string there = Text(canary, "", "10.97.0.5:80");
  EXPECT_NE(there.find("decided by VirtualService shop/web spec.http[7]"), std::string::npos)
      << there;
  const std::string elsewhere = Text(canary, "", "10.96.0.7:80");
  EXPECT_NE(elsewhere.find("decided by VirtualService shop/web spec.http[1]"), std::string::npos)
      << elsewhere;
  EXPECT_NE(SplitJson(canary.View(), {}).find(R"("rule":"VirtualService shop/web spec.http[7]")"),
            std::string::npos);
}

TEST(Explain, AFieldOfTheRuleThatDecidesIsNotPassedOver) {
  Canary canary;
  canary.resolved().verdicts.push_back(
      {Verdict::Kind::kNotEnforced, canary.resolved().ports[0].rule_object, "spec.http[1].mirror",
       Canary::kHost, 80, "needs the request"});
  const std::string text = Text(canary, "", "web.shop:80");
  EXPECT_EQ(text.find("passed over VirtualService shop/web spec.http[1].mirror"), std::string::npos)
      << text;
  EXPECT_NE(text.find("setting VirtualService shop/web spec.http[1].mirror: not enforced"),
            std::string::npos)
      << text;
}

TEST(Explain, JsonSaysTheSame) {
  Canary canary;
  const Result<Explained> explained = Explain(canary.View(), "", "web.shop:80", Risky(canary));
  ASSERT_TRUE(explained) << explained.error().message;
  const std::string json = ExplainedJson(canary.View(), *explained);
  EXPECT_EQ(
      json.find(R"({"kind":"Explanation","from":"","source":"everyone","to":"web.shop:80",)"
                R"("host":"web.shop.svc.cluster.local","port":80,"generation":1,)"
                R"("rule":{"verdict":"enforced","object":"VirtualService shop/web",)"
                R"("path":"spec.http[1]","host":"web.shop.svc.cluster.local","port":80,)"
                R"("reason":""},"passed_over":[{"verdict":"not enforced",)"
                R"("object":"VirtualService shop/web","path":"spec.http[0]",)"
                R"("host":"web.shop.svc.cluster.local","port":80,"reason":"match.uri needs L7"}],)"
                R"("settings":[],"untouched":"","routes":[{"frontend":"10.96.0.7:80",)"),
      0U)
      << json;
  EXPECT_NE(json.find(R"("positions":[0,8]})"), std::string::npos) << json;
  EXPECT_TRUE(json.ends_with(
      R"("positions":[9,9]}],"next":{"verdict":"split","number":17,"position":9,)"
      R"("cluster":"outbound|80|risky|web.shop.svc.cluster.local","endpoint":"10.1.0.21:8080",)"
      R"("workload":"shop/risky-1"}}]})"
      "\n"))
      << json;
}

TEST(Explain, CompletesHostsAsAPodsResolverDoes) {
  Canary canary;
  for (const char* to : {"web:80", "WEB:80", "web.shop:80", "web.shop.svc:80",
                         "web.shop.svc.cluster.local:80", "web.shop.svc.cluster.local.:80"}) {
    EXPECT_TRUE(Text(canary, "shop/risky-1", to).starts_with("web.shop.svc.cluster.local:80,"))
        << to;
  }
  EXPECT_EQ(Text(canary, "", "web:80"),
            "there is no host \"web\" as seen from namespace \"default\"");
}

TEST(Explain, SaysWhyAConnectionIsLeftUntouched) {
  Canary canary;
  EXPECT_EQ(Text(canary, "", "10.96.0.9:80"),
            "10.96.0.9:80, from anywhere (source class: everyone)\n"
            "  left untouched: 10.96.0.9:80 is not the address of a host that is served\n");
  EXPECT_EQ(Text(canary, "", "plain.shop:80"),
            "plain.shop.svc.cluster.local:80, from anywhere (source class: everyone)\n"
            "  left untouched: no rule names plain.shop.svc.cluster.local\n");
  canary.resolved().ports[0].addresses.clear();
  EXPECT_NE(Text(canary, "", "web.shop:80")
                .find("left untouched: web.shop.svc.cluster.local has no address to connect to"),
            std::string::npos);
}

TEST(Explain, RefusesWhatCannotBeAsked) {
  Canary canary;
  EXPECT_EQ(Text(canary, "", "web"), "to \"web\" is not HOST:PORT");
  EXPECT_EQ(Text(canary, "", "web:http"), "to \"web:http\" is not HOST:PORT");
  EXPECT_EQ(Text(canary, "", "web:0"), "to \"web:0\" is not HOST:PORT");
  EXPECT_EQ(Text(canary, "risky-1", "web:80"), "from \"risky-1\" is not NAMESPACE/POD");
  EXPECT_EQ(Text(canary, "shop/none", "web:80"), "there is no Pod shop/none");
  EXPECT_EQ(Text(canary, "shop/risky-1", "web:81"),
            "web.shop.svc.cluster.local has no TCP port 81; it has: 80");
}

TEST(Explain, ShowsTheRouteWhereTheKernelCannotBeAsked) {
  const Canary canary;
  const Result<Explained> explained =
      Explain(canary.View(), "", "10.96.0.7:80", [](const Frontend&) -> Result<decision> {
        return Fail("the kernel is older than 5.15", Error::Reason::kNotFound);
      });
  ASSERT_TRUE(explained);
  EXPECT_TRUE(ExplainedText(canary.View(), *explained)
                  .ends_with("    next: unknown: the kernel is older than 5.15\n"));
  EXPECT_TRUE(ExplainedJson(canary.View(), *explained)
                  .ends_with("\"next\":{\"unavailable\":\"the kernel is older than 5.15\"}}]}\n"));
}

TEST(Explain, ShowsSettingsThatAreNotEnforcedAndWhyAClusterIsEmpty) {
  Canary canary;
  canary.resolved().verdicts.push_back({Verdict::Kind::kNotEnforced,
                                        {Kind::kDestinationRule, "shop", "web"},
                                        "spec.trafficPolicy.tls",
                                        Canary::kHost,
                                        0,
                                        "needs a proxy"});
  canary.resolved().ports[0].clusters = {
      {.name = Canary::Name("risky"), .broken = "no pod has the labels"}};
  ImageChange change;
  change.frontends[Frontend{At("10.96.0.7:80")}] =
      Everyone({.host = Canary::kHost,
                .clusters = {{.name = Canary::Name("risky"), .settings = {}, .groups = {}}}});
  canary.Change(change);
  const std::string text = Text(canary, "", "web.shop:80", VERDICT_REFUSED);
  EXPECT_NE(text.find("  setting DestinationRule shop/web spec.trafficPolicy.tls: not enforced, "
                      "needs a proxy\n"),
            std::string::npos)
      << text;
  EXPECT_TRUE(text.ends_with(
      "      no endpoint of this address family: no pod has the labels\n"
      "    next: a connection now, is refused: outbound|80|risky|web.shop.svc.cluster.local has "
      "no endpoint\n"))
      << text;
}

}  // namespace
}  // namespace vsplit
