// SPDX-License-Identifier: Apache-2.0
#include "vsplit/telemetry.h"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "telemetry_model.h"
#include "vsplit/address.h"
#include "vsplit/datapath.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

// The families whose names begin so, in order.
std::string Families(const std::string& text, const std::string& prefix) {
  std::string found;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at) + 1;
    const std::string line = text.substr(at, end - at);
    const std::size_t name = line.starts_with("# ") ? 7 : 0;
    if (line.compare(name, prefix.size(), prefix) == 0) {
      found += line;
    }
    at = end;
  }
  return found;
}

TEST(Telemetry, SplitShowsSharesAndCountsOfEachCluster) {
  Canary canary;
  canary.Counter("safe") = {.active = 2, .failed = 1, .opened = 90, .sent = 5, .received = 6};
  canary.Counter("risky").refused_no_endpoint = 4;
  canary.State("risky", "10.1.0.21:8080") = {.active = 1, .opened = 10};
  EXPECT_EQ(
      SplitJson(canary.View(), std::chrono::nanoseconds(1234)),
      R"({"generation":1,"time":1234,"routes":[{"frontend":"10.96.0.7:80",)"
      R"("host":"web.shop.svc.cluster.local","port":80,)"
      R"("rule":"VirtualService shop/web spec.http[1]","policy":"exact","total":10,"clusters":[)"
      R"({"name":"outbound|80|safe|web.shop.svc.cluster.local","subset":"safe","weight":9,)"
      R"("share":0.9,"opened":90,"active":2,"failed":1,"refused":0,"sent":5,"received":6,)"
      R"("endpoints":[{"address":"10.1.0.11:8080","workload":"","opened":0,"active":0,"failed":0,)"
      R"("sent":0,"received":0}]},)"
      R"({"name":"outbound|80|risky|web.shop.svc.cluster.local","subset":"risky","weight":1,)"
      R"("share":0.1,"opened":0,"active":0,"failed":0,"refused":4,"sent":0,"received":0,)"
      R"("endpoints":[{"address":"10.1.0.21:8080","workload":"shop/risky-1","opened":10,)"
      R"("active":1,"failed":0,"sent":0,"received":0}]}]}]})"
      "\n");
}

TEST(Telemetry, SplitShowsLimitsAndWhoHasReachedThem) {
  Canary canary;
  ImageCluster safe = Canary::Cluster("safe", 9, "10.1.0.11:8080");
  safe.settings.max_connections = 3;
  ImageCluster risky = Canary::Cluster("risky", 1, "10.1.0.21:8080");
  risky.settings.ejection = Ejection{.failures = 5, .field = "consecutive5xxErrors"};
  ImageChange change;
  change.frontends[Frontend{At("10.96.0.7:80")}] =
      Everyone({.host = Canary::kHost, .stride = 1, .clusters = {safe, risky}});
  canary.Change(change);
  canary.Hold("safe", 3);
  canary.Hold("risky", 7);  // without a limit it is nobody's business
  canary.Counter("safe").refused_limit = 2;
  const auto split = nlohmann::json::parse(SplitJson(canary.View(), {}));
  const auto& clusters = split["routes"][0]["clusters"];
  EXPECT_EQ(clusters[0]["max_connections"], 3);
  EXPECT_EQ(clusters[0]["limited"], 2);
  EXPECT_EQ(clusters[0]["pools"].dump(), R"([{"active":3,"workload":""}])");
  EXPECT_FALSE(clusters[0].contains("outlier_detection"));
  EXPECT_EQ(clusters[1]["outlier_detection"], true);
  EXPECT_FALSE(clusters[1].contains("max_connections"));
  EXPECT_FALSE(clusters[1].contains("pools"));
}

Verdict About(Verdict::Kind kind, const std::string& path, const std::string& reason = "") {
  return {.kind = kind,
          .object = {Kind::kVirtualService, "shop", "web"},
          .path = path,
          .host = "web",
          .port = 80,
          .reason = reason};
}

// The condition of this type, "STATUS REASON: MESSAGE".
std::string ConditionOf(const std::string& type, const std::vector<Verdict>& verdicts) {
  Object object;
  object.version.generation = 3;
  object.version.creation_timestamp = "2024-10-10T07:03:57Z";
  const auto status = nlohmann::json::parse(ObjectStatusJson(object, verdicts, {}));
  EXPECT_EQ(status["observedGeneration"], 3);
  for (const auto& condition : status["conditions"]) {
    EXPECT_EQ(condition["observedGeneration"], 3);
    EXPECT_EQ(condition["lastTransitionTime"], "2024-10-10T07:03:57Z");
    if (condition["type"] == type) {
      return condition["status"].get<std::string>() + " " + condition["reason"].get<std::string>() +
             ": " + condition["message"].get<std::string>();
    }
  }
  return "none";
}

TEST(Telemetry, ObjectThatNobodyIsMadeOfIsAcceptedAndUnused) {
  EXPECT_EQ(ConditionOf("Accepted", {}), "True Accepted: valid");
  EXPECT_EQ(ConditionOf("Programmed", {}), "False Unused: no host that is served is made of it");
  EXPECT_EQ(ConditionOf("Enforced", {}), "False Unused: no host that is served is made of it");
}

TEST(Telemetry, RulesThatAreNotEnforcedAreNamedInTheConditions) {
  const Verdict whole = About(Verdict::Kind::kEnforced, "spec.tcp[0]");
  const Verdict nearly = About(Verdict::Kind::kApproximated, "spec.http[0]", "per connection");
  const Verdict lost = About(Verdict::Kind::kNotEnforced, "spec.http[1]", "needs the request");
  EXPECT_EQ(ConditionOf("Programmed", {lost}),
            "True Programmed: compiled into the tables in force");
  EXPECT_EQ(ConditionOf("Enforced", {whole}), "True Enforced: every rule, as written");
  EXPECT_EQ(ConditionOf("Enforced", {whole, nearly}),
            "True Approximated: spec.http[0]: web:80: approximated: per connection");
  EXPECT_EQ(ConditionOf("Enforced", {whole, nearly, lost}),
            "False PartlyEnforced: spec.http[1]: web:80: not enforced: needs the request; "
            "spec.http[0]: web:80: approximated: per connection");
  EXPECT_EQ(ConditionOf("Enforced", {lost}),
            "False NotEnforced: spec.http[1]: web:80: not enforced: needs the request");
  EXPECT_TRUE(ConditionOf("Enforced", std::vector(12, lost)).ends_with("; and 2 more"));
}

TEST(Telemetry, EveryConditionHasTheTimeOfItsOwn) {
  const std::string created = "2024-10-10T07:03:57Z";
  const std::string later = "2024-11-01T00:00:00Z";
  Object object;
  object.version.creation_timestamp = created;
  const auto status =
      nlohmann::json::parse(ObjectStatusJson(object, {}, {{"Enforced", later}, {"Other", "x"}}));
  ASSERT_EQ(status["conditions"].size(), 3U);
  for (const auto& condition : status["conditions"]) {
    EXPECT_EQ(condition["lastTransitionTime"], condition["type"] == "Enforced" ? later : created);
  }
}

// Of a rule that only some pods lack both are said: what holds for everyone, and for whom not.
TEST(Telemetry, EachGroupOfSourcesHasItsVerdictInTheConditions) {
  Verdict everyone = About(Verdict::Kind::kEnforced, "spec.tcp[1]");
  everyone.host = "web.shop.svc.cluster.local";
  Verdict some = About(Verdict::Kind::kNotEnforced, "spec.tcp[1]", "unreachable after spec.tcp[0]");
  some.host = everyone.host;
  some.sources = {"shop/a", "shop/b", "shop/c"};
  Verdict other = About(Verdict::Kind::kNotEnforced, "spec.tcp[0]", "for other clients");
  other.host = everyone.host;
  other.sources = {"x/d"};
  EXPECT_EQ(ConditionOf("Enforced", {everyone, some, other}),
            "False PartlyEnforced: "
            "spec.tcp[1]: web.shop.svc.cluster.local:80 (from shop/a and 2 more): not enforced: "
            "unreachable after spec.tcp[0]; "
            "spec.tcp[0]: web.shop.svc.cluster.local:80 (from x/d): not enforced: "
            "for other clients");
}

TEST(Telemetry, StatusHasAVerdictForEachGroupOfSources) {
  Canary canary;
  AgentStatus status;
  status.rules = {About(Verdict::Kind::kEnforced, "spec.tcp[0]"),
                  About(Verdict::Kind::kNotEnforced, "spec.tcp[0]", "unreachable")};
  status.rules[1].sources = {"shop/a", "shop/b"};
  const auto json = nlohmann::json::parse(StatusJson(canary.View(), status));
  ASSERT_EQ(json["rules"].size(), 2U);
  EXPECT_FALSE(json["rules"][0].contains("sources"));
  EXPECT_EQ(json["rules"][1]["sources"], nlohmann::json({"shop/a", "shop/b"}));
  EXPECT_EQ(json["rules"][1]["verdict"], "not enforced");
}

// What tells when a condition changes says the same as the condition.
TEST(Telemetry, ConditionsOfATallyAreThoseOfTheStatus) {
  const Verdict whole = About(Verdict::Kind::kEnforced, "spec.tcp[0]");
  const Verdict nearly = About(Verdict::Kind::kApproximated, "spec.http[0]", "per connection");
  const Verdict lost = About(Verdict::Kind::kNotEnforced, "spec.http[1]", "needs the request");
  const std::vector<std::vector<Verdict>> cases = {{},     {whole},         {nearly},
                                                   {lost}, {whole, nearly}, {whole, nearly, lost}};
  for (const std::vector<Verdict>& verdicts : cases) {
    VerdictTally tally;
    tally.Add(lost);
    for (const Verdict& verdict : verdicts) {
      tally.Add(verdict);
    }
    tally.Remove(lost);
    for (const auto& [type, holds] : ConditionsOf(tally)) {
      EXPECT_TRUE(ConditionOf(type, verdicts).starts_with(holds ? "True" : "False")) << type;
    }
    EXPECT_EQ(ConditionsOf(tally).size(), 3U);
  }
}

TEST(Telemetry, FrontendWithoutRouteIsNotInTheSplit) {
  Canary canary;
  ImageChange change;
  change.frontends[Frontend{At("10.96.0.7:80")}] = std::nullopt;
  canary.Change(change);
  EXPECT_EQ(SplitJson(canary.View(), {}), "{\"generation\":2,\"time\":0,\"routes\":[]}\n");
  EXPECT_FALSE(ReadRoute(canary.View(), {At("10.96.0.7:80")}));
  EXPECT_FALSE(ReadRoute(canary.View(), {At("10.96.0.9:80")}));
}

TEST(Telemetry, StatusNamesProgramsTablesAndRules) {
  Canary canary;
  canary.Counter("safe").opened = 90;
  canary.resolved().verdicts.resize(1);
  AgentStatus status{
      .version = "1.2.3",
      .cgroup = "/sys/fs/cgroup/pods",
      .pins = "/sys/fs/bpf/vsplit",
      .observe = false,
      .control = {.schema = 1, .flags = CONTROL_PASSTHROUGH, .active_generation = 1},
      .totals = {.untracked = 5, .stale = 6, .unknown_source = 7, .unlimited = 8},
      .attachments = {{"vsplit_connect4", "/sys/fs/bpf/vsplit/links/connect4", false, 7, "gone"}},
      .features = {{"observe", false, "switched off"}},
      .rules = canary.resolved().verdicts,
      .hosts = 1};
  status.around = {.pods = 3,
                   .unknown_pods = {"shop/late"},
                   .names = 2,
                   .failing_names = {{"db.example.com", "timeout"}},
                   .ended = {{"idle_timeout", 4}},
                   .features = {{"idleTimeout", false, "may not enter namespaces"}},
                   .kubeconfig = "/run/vsplit/kubeconfig"};
  status.unsettled = "a table is full";
  const std::string json = StatusJson(canary.View(), status);
  const std::size_t tables = json.find(R"("tables":[)");
  const std::size_t totals = json.find(R"(],"totals")");
  EXPECT_EQ(
      json.substr(0, tables),
      R"({"version":"1.2.3","generation":1,"passthrough":true,"cgroup":"/sys/fs/cgroup/pods",)"
      R"("pins":"/sys/fs/bpf/vsplit","observe":false,"attachments":[{"program":"vsplit_connect4",)"
      R"("link":"/sys/fs/bpf/vsplit/links/connect4","attached":false,"program_id":7,)"
      R"("trouble":"gone"}],"features":[{"name":"observe","on":false,"reason":"switched off"},)"
      R"({"name":"idleTimeout","on":false,"reason":"may not enter namespaces"}],)");
  EXPECT_NE(json.find(R"({"name":"frontends","used":1,"capacity":)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"({"name":"endpoint_state","used":2,"capacity":31})"), std::string::npos)
      << json;
  EXPECT_EQ(
      json.substr(totals),
      R"(],"totals":{"opened":90,"active":0,"failed":0,"refused":0,"sent":0,"received":0,)"
      R"("untracked":5,"stale":6,"unknown_source":7,"unlimited":8},"untracked":5,"rules":[{"verdict":"not enforced",)"
      R"("object":"VirtualService shop/web","path":"spec.http[0]",)"
      R"("host":"web.shop.svc.cluster.local","port":80,"reason":"match.uri needs L7"}],)"
      R"("hosts":1,"around":{"pods":3,"unknown_pods":["shop/late"],"names":2,)"
      R"("failing_names":{"db.example.com":"timeout"},"names_left_out":0,)"
      R"("ended":{"idle_timeout":4},"kubeconfig":"/run/vsplit/kubeconfig","kube_trouble":""},)"
      R"("pools":[],"unsettled":"a table is full","objects":{"Pod":2,"Service":1}})"
      "\n");
}

TEST(Telemetry, MetricsCountPodsAndNames) {
  const std::string text = MetricsText(Canary().View(),
                                       {.around = {.pods = 3,
                                                   .unknown_pods = {"a/b"},
                                                   .names = 2,
                                                   .failing_names = {{"db.example.com", "timeout"}},
                                                   .ended = {{"idle_timeout", 4}}}},
                                       {});
  EXPECT_EQ(Families(text, "vsplit_pods"),
            "# HELP vsplit_pods Pods of this node, by whether their cgroup was found.\n"
            "# TYPE vsplit_pods gauge\n"
            "vsplit_pods{cgroup=\"found\"} 3\n"
            "vsplit_pods{cgroup=\"unknown\"} 1\n");
  EXPECT_NE(text.find("vsplit_dns_names{result=\"answered\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("vsplit_dns_names{result=\"failing\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("vsplit_connections_ended_total{reason=\"idle_timeout\"} 4\n"),
            std::string::npos);
}

TEST(Telemetry, MetricsCountEachClusterOfAFrontend) {
  Canary canary;
  canary.Counter("safe") = {.active = -1, .failed = 1, .opened = 90, .sent = 5, .received = 6};
  canary.Counter("risky").refused_no_endpoint = 4;
  const std::string text = MetricsText(canary.View(), {}, {});
  const std::string safe =
      R"({frontend="10.96.0.7:80",host="web.shop.svc.cluster.local",port="80",)"
      R"(cluster="outbound|80|safe|web.shop.svc.cluster.local",subset="safe")";
  const std::string risky =
      R"({frontend="10.96.0.7:80",host="web.shop.svc.cluster.local",port="80",)"
      R"(cluster="outbound|80|risky|web.shop.svc.cluster.local",subset="risky")";
  EXPECT_EQ(Families(text, "vsplit_connections_opened_total"),
            "# HELP vsplit_connections_opened_total Connections opened to this cluster of a "
            "frontend.\n"
            "# TYPE vsplit_connections_opened_total counter\n"
            "vsplit_connections_opened_total" +
                safe + "} 90\nvsplit_connections_opened_total" + risky + "} 0\n");
  EXPECT_EQ(
      Families(text, "vsplit_connections_active{"),
      "vsplit_connections_active" + safe + "} -1\nvsplit_connections_active" + risky + "} 0\n");
  EXPECT_EQ(Families(text, "vsplit_connections_refused_total{"),
            "vsplit_connections_refused_total" + safe +
                ",reason=\"no_endpoint\"} 0\nvsplit_connections_refused_total" + risky +
                ",reason=\"no_endpoint\"} 4\n");
  EXPECT_EQ(Families(text, "vsplit_bytes_total{")
                .find("vsplit_bytes_total" + safe +
                      ",direction=\"sent\"} 5\n"
                      "vsplit_bytes_total" +
                      safe + ",direction=\"received\"} 6\n"),
            0U);
}

TEST(Telemetry, MetricsCountEjections) {
  Canary canary;
  canary.Eject("10.1.0.21:8080", std::chrono::seconds(120));  // the view is at 100 s
  const std::string text = MetricsText(canary.View(), {}, {});
  const auto sample = [&text](const std::string& family, const std::string& endpoint) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(family + "{") &&
          line.find("endpoint=\"" + endpoint + "\"") != std::string::npos) {
        return line.substr(line.rfind(' ') + 1);
      }
    }
    return std::string("none");
  };
  EXPECT_EQ(sample("vsplit_endpoint_ejections_total", "10.1.0.21:8080"), "1");
  EXPECT_EQ(sample("vsplit_endpoint_ejected", "10.1.0.21:8080"), "1");
  EXPECT_EQ(sample("vsplit_endpoint_ejections_total", "10.1.0.11:8080"), "0");
  EXPECT_EQ(sample("vsplit_endpoint_ejected", "10.1.0.11:8080"), "0");
}

TEST(Telemetry, MetricsCountEachEndpoint) {
  Canary canary;
  canary.State("risky", "10.1.0.21:8080") = {.active = 1, .failed = 2, .opened = 10};
  const std::string text = MetricsText(canary.View(), {}, {});
  const std::string risky =
      R"({cluster="outbound|80|risky|web.shop.svc.cluster.local",)"
      R"(host="web.shop.svc.cluster.local",endpoint="10.1.0.21:8080",workload="shop/risky-1"} )";
  for (const auto& [name, value] : {std::pair{"vsplit_endpoint_connections_opened_total", "10"},
                                    {"vsplit_endpoint_connections_active", "1"},
                                    {"vsplit_endpoint_connections_failed_total", "2"}}) {
    EXPECT_NE(text.find(std::string(name) + risky + value + "\n"), std::string::npos) << text;
  }
}

TEST(Telemetry, MetricsSayWhatIsInForceAndEscapeLabels) {
  const Canary canary;
  const AgentStatus status{.version = "1 \"beta\" \\ 2\n3",
                           .control = {.schema = 1, .flags = 0, .active_generation = 9},
                           .totals = {.untracked = 5},
                           .attachments = {{"vsplit_connect4", "", true, 7, ""}},
                           .rules = canary.View().host(Canary::kHost)->verdicts};
  const std::string text = MetricsText(canary.View(), status, {});
  EXPECT_EQ(Families(text, "vsplit_build_info{"),
            "vsplit_build_info{version=\"1 \\\"beta\\\" \\\\ 2\\n3\"} 1\n");
  EXPECT_EQ(Families(text, "vsplit_generation"),
            "# HELP vsplit_generation Generation of the tables that is in force.\n"
            "# TYPE vsplit_generation gauge\nvsplit_generation 9\n");
  EXPECT_EQ(Families(text, "vsplit_program_attached{"),
            "vsplit_program_attached{program=\"vsplit_connect4\"} 1\n");
  EXPECT_EQ(Families(text, "vsplit_rules{"),
            "vsplit_rules{verdict=\"enforced\"} 1\nvsplit_rules{verdict=\"approximated\"} 0\n"
            "vsplit_rules{verdict=\"not enforced\"} 2\n");
  EXPECT_EQ(Families(text, "vsplit_connections_untracked_total"),
            "# HELP vsplit_connections_untracked_total Connections that were split and not "
            "counted: the table of connections was full.\n"
            "# TYPE vsplit_connections_untracked_total counter\n"
            "vsplit_connections_untracked_total 5\n");
  EXPECT_EQ(Families(text, "vsplit_table_capacity{table=\"endpoint_state\""),
            "vsplit_table_capacity{table=\"endpoint_state\"} 31\n");
}

TEST(Telemetry, DurationsFallIntoCumulativeBuckets) {
  const Canary canary;
  ApplyRecord record;
  record.results["applied"] = 2;
  record.durations["disk"].Add(std::chrono::milliseconds(1));  // on a bound: within it
  record.durations["disk"].Add(std::chrono::seconds(20));
  EXPECT_EQ(Families(MetricsText(canary.View(), {}, record), "vsplit_appl"),
            "# HELP vsplit_applies_total Transactions, by their result.\n"
            "# TYPE vsplit_applies_total counter\n"
            "vsplit_applies_total{result=\"applied\"} 2\n"
            "# HELP vsplit_apply_duration_seconds How long the phases of a transaction took.\n"
            "# TYPE vsplit_apply_duration_seconds histogram\n"
            "vsplit_apply_duration_seconds_bucket{phase=\"disk\",le=\"0.0001\"} 0\n"
            "vsplit_apply_duration_seconds_bucket{phase=\"disk\",le=\"0.0003\"} 0\n"
            "vsplit_apply_duration_seconds_bucket{phase=\"disk\",le=\"0.001\"} 1\n"
            "vsplit_apply_duration_seconds_bucket{phase=\"disk\",le=\"0.003\"} 1\n"
            "vsplit_apply_duration_seconds_bucket{phase=\"disk\",le=\"0.01\"} 1\n"
            "vsplit_apply_duration_seconds_bucket{phase=\"disk\",le=\"0.03\"} 1\n"
            "vsplit_apply_duration_seconds_bucket{phase=\"disk\",le=\"0.1\"} 1\n"
            "vsplit_apply_duration_seconds_bucket{phase=\"disk\",le=\"1\"} 1\n"
            "vsplit_apply_duration_seconds_bucket{phase=\"disk\",le=\"10\"} 1\n"
            "vsplit_apply_duration_seconds_bucket{phase=\"disk\",le=\"+Inf\"} 2\n"
            "vsplit_apply_duration_seconds_sum{phase=\"disk\"} 20.001\n"
            "vsplit_apply_duration_seconds_count{phase=\"disk\"} 2\n");
}

}  // namespace
}  // namespace vsplit
