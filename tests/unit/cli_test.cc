// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "agent.h"
#include "columns.h"
#include "files.h"
#include "kinds.h"
#include "split_view.h"
#include "table.h"
#include "verdicts.h"
#include "vsplit/json.h"
#include "vsplit/result.h"
#include "vsplit/text.h"

namespace vsplit {
namespace {

using std::chrono::seconds;

std::string KindOf(const std::string& word) {
  const KindName* kind = FindKind(word);
  return kind == nullptr ? "none" : std::string(kind->kind);
}

TEST(Cli, KindsGoByAllTheNamesThatKubectlKnows) {
  EXPECT_EQ(KindOf("vs"), "VirtualService");
  EXPECT_EQ(KindOf("VirtualService"), "VirtualService");
  EXPECT_EQ(KindOf("virtualservices.networking.istio.io"), "VirtualService");
  EXPECT_EQ(KindOf("virtualservices.v1beta1.networking.istio.io"), "VirtualService");
  EXPECT_EQ(KindOf("svc"), "Service");
  EXPECT_EQ(KindOf("services.v1"), "Service");
  EXPECT_EQ(KindOf("services.v1."), "Service");
  EXPECT_EQ(KindOf("vs.apps"), "none");
  EXPECT_EQ(KindOf(""), "none");
  EXPECT_EQ(KindOf("deployments"), "none");
}

TEST(Cli, ResourcePathsAreTheKubernetesApis) {
  EXPECT_EQ(ResourcePath(*FindKind("vs"), "default", "a/b"),
            "/apis/networking.istio.io/v1/namespaces/default/virtualservices/a%2Fb");
  EXPECT_EQ(ResourcePath(*FindKind("svc"), "", ""), "/api/v1/services");
  EXPECT_EQ(ResourcePath(*FindKind("no"), "default", "n1"), "/api/v1/nodes/n1");
}

TEST(Cli, AgesReadLikeKubectls) {
  EXPECT_EQ(Age(seconds(-5)), "0s");
  EXPECT_EQ(Age(seconds(119)), "119s");
  EXPECT_EQ(Age(seconds(120)), "2m");
  EXPECT_EQ(Age(seconds(310)), "5m10s");
  EXPECT_EQ(Age(seconds(3 * 3600 - 1)), "179m");
  EXPECT_EQ(Age(seconds(3 * 3600 + 60)), "3h1m");
  EXPECT_EQ(Age(seconds(47 * 3600)), "47h");
  EXPECT_EQ(Age(seconds(50 * 3600)), "2d2h");
  EXPECT_EQ(Age(seconds(8 * 86400)), "8d");
  const auto now = std::chrono::system_clock::from_time_t(1'728'543'837 + 61);
  EXPECT_EQ(AgeOf("2024-10-10T07:03:57Z", now), "61s");
  EXPECT_EQ(AgeOf("yesterday", now), "<unknown>");
}

TEST(Cli, TablesCountCharactersAndLeaveNoTrailingBlanks) {
  Table table({"A", "B"});
  table.Add({"██", "x"});
  table.Add({"long", ""});
  EXPECT_EQ(table.Text(1),
            " A      B\n"
            " ██     x\n"
            " long\n");
}

TEST(Cli, BytesAndSharesHaveUnits) {
  EXPECT_EQ(Bytes(1023), "1023 B");
  EXPECT_EQ(Bytes(1536), "1.5 KiB");
  EXPECT_EQ(Percent(1, 3), "33.3 %");
  EXPECT_EQ(Percent(0, 0), "-");
}

TEST(Cli, PlacesInJoinedFilesAreGivenInTheFiles) {
  const Manifest manifest = JoinTexts({{"a.yaml", "kind: A\nx: 1"}, {"b.json", "{\n}\n"}});
  EXPECT_EQ(manifest.text, "---\nkind: A\nx: 1\n---\n{\n}\n");
  EXPECT_EQ(manifest.Locate(manifest.Source() + ":3:1: one\n" + manifest.Source() + ":6:2: two"),
            "a.yaml:2:1: one\nb.json:2:2: two");
}

TEST(Cli, MoreThanOneTextMayHaveIsNotRead) {
  const Result<std::vector<NamedText>> texts = ReadTexts({"/dev/null", "/dev/zero"}, false);
  ASSERT_FALSE(texts);
  EXPECT_EQ(
      texts.error().message,
      "error: with \"/dev/zero\" there are more than 67108864 bytes to read, at most 67108864 "
      "are allowed");
}

TEST(Cli, ASingleFileIsSentAsItIs) {
  const Manifest manifest = JoinTexts({{"a.json", "{}"}});
  EXPECT_EQ(manifest.text, "{}");
  EXPECT_EQ(manifest.Source(), "a.json");
}

TEST(Cli, RefusalsReadLikeKubectls) {
  EXPECT_EQ(
      RefusalOf(404, R"({"kind":"Status","reason":"NotFound","message":"pods \"a\" not found"})")
          .message,
      "Error from server (NotFound): pods \"a\" not found");
  EXPECT_EQ(RefusalOf(422, R"({"reason":"Invalid","message":"one\ntwo"})").message,
            "Error from server (Invalid): nothing was changed because of all of these:\none\ntwo");
  EXPECT_EQ(RefusalOf(500, "oops\n").message, "Error from server (InternalServerError): oops");
}

TEST(Cli, UrlsAreEncoded) {
  EXPECT_EQ(UrlEncode("a-b_c.d~/&é"), "a-b_c.d~%2F%26%C3%A9");
}

Json VirtualServiceObject() {
  return Json::parse(R"({"metadata": {"name": "reviews", "namespace": "prod",
    "creationTimestamp": "2024-10-10T07:03:57Z"}, "spec": {"hosts": ["reviews"], "http": [{"route": [
    {"destination": {"host": "reviews", "subset": "v1"}, "weight": 90},
    {"destination": {"host": "reviews", "subset": "v2"}, "weight": 10}]}]}})");
}

TEST(Cli, WideColumnsComeBehindTheAge) {
  const KindName& kind = *FindKind("vs");
  const ColumnOptions options{.wide = true,
                              .with_namespace = true,
                              .with_kind = true,
                              .now = std::chrono::system_clock::from_time_t(1'728'543'837 + 5)};
  EXPECT_EQ(HeaderOf(kind, options),
            (Row{"NAMESPACE", "NAME", "GATEWAYS", "HOSTS", "AGE", "WEIGHTS"}));
  EXPECT_EQ(RowOf(kind, VirtualServiceObject(), options),
            (Row{"prod", "virtualservice.networking.istio.io/reviews", "", R"(["reviews"])", "5s",
                 "v1:90,v2:10"}));
}

TEST(Cli, VerdictsAreOneLine) {
  EXPECT_EQ(VerdictText(Json::parse(R"({"verdict": "not enforced", "object": "VirtualService a/b",
    "path": "spec.http[1]", "host": "h", "port": 80, "reason": "needs the request"})")),
            "VirtualService a/b: spec.http[1]: h:80: not enforced: needs the request");
  EXPECT_EQ(VerdictText(Json::parse(R"({"verdict": "enforced", "object": "VirtualService a/b",
    "path": "spec.tcp[0]", "host": "h", "port": 0, "reason": ""})")),
            "VirtualService a/b: spec.tcp[0]: h: enforced");
  EXPECT_EQ(VerdictText(Json::parse(R"({"verdict": "enforced", "object": "VirtualService a/b",
    "path": "spec.tcp[0]", "host": "h", "port": 80, "sources": ["a/x", "a/y", "a/z"]})")),
            "VirtualService a/b: spec.tcp[0]: h:80 (from a/x and 2 more): enforced");
}

Json SplitOf(int safe, int risky, int refused) {
  Json split =
      Json::parse(R"({"routes": [{"frontend": "10.96.0.7:80", "host": "reviews", "port": 80,
    "rule": "VirtualService default/reviews", "policy": "exact", "clusters": [
    {"name": "outbound|80|safe|reviews", "subset": "safe", "weight": 9, "active": 2, "failed": 0},
    {"name": "outbound|80||reviews", "subset": "", "weight": 1, "active": 0, "failed": 1}]}]})");
  Json& clusters = split["routes"][0]["clusters"];
  clusters[0]["opened"] = safe;
  clusters[0]["refused"] = 0;
  clusters[1]["opened"] = risky;
  clusters[1]["refused"] = refused;
  return split;
}

TEST(Cli, TheViewShowsTheTargetBesideWhatWasMeasured) {
  const Json before = SplitOf(850, 150, 0);
  const Json now = SplitOf(900, 190, 10);
  const ViewOptions options{.width = 90, .utf8 = false};
  EXPECT_EQ(
      SplitView(now, &before, options),
      "reviews:80   10.96.0.7:80   exact   VirtualService default/reviews\n"
      "  SUBSET    TARGET   NOW      TOTAL                  OPENED   ACTIVE   FAILED   REFUSED\n"
      "  safe      90.0 %   50.0 %   81.8 %   #####....|.   900      2        0        0\n"
      "  reviews   10.0 %   50.0 %   18.2 %   #|####.....   190      0        1        10\n");
  EXPECT_EQ(SplitView(now, nullptr, options),
            "reviews:80   10.96.0.7:80   exact   VirtualService default/reviews\n"
            "  SUBSET    TARGET   TOTAL                  OPENED   ACTIVE   FAILED   REFUSED\n"
            "  safe      90.0 %   81.8 %   ########.|.   900      2        0        0\n"
            "  reviews   10.0 %   18.2 %   #|#........   190      0        1        10\n");
}

TEST(Cli, ACounterThatWasBegunAnewCountsFromZero) {
  const Json before = SplitOf(850, 150, 0);
  const Json now = SplitOf(30, 10, 0);
  EXPECT_NE(SplitView(now, &before, {.utf8 = false}).find("90.0 %   75.0 %   75.0 %"),
            std::string::npos);
}

TEST(Cli, TheViewSaysWhyAClusterHasNoEndpoint) {
  Json now = SplitOf(1, 1, 0);
  now["routes"][0]["clusters"][0]["broken"] = "no ready pod has version=safe";
  const std::string view = SplitView(now, nullptr, {.utf8 = false});
  EXPECT_EQ(view.substr(view.rfind("\n  safe") + 1), "  safe: no ready pod has version=safe\n");
}

TEST(Cli, TheViewShowsPoolsAndEjectionsWhereThereAreSome) {
  Json now = SplitOf(900, 100, 0);
  Json& safe = now["routes"][0]["clusters"][0];
  safe["max_connections"] = 10;
  safe["limited"] = 34;
  safe["pools"] = Json::parse(
      R"([{"workload": "shop/web", "active": 10}, {"workload": "", "active": 10},
          {"workload": "shop/cart", "active": 9}])");
  Json& rest = now["routes"][0]["clusters"][1];
  rest["outlier_detection"] = true;
  rest["endpoints"] = Json::parse(
      R"([{"address": "10.1.0.21:8080", "workload": "shop/risky-1", "ejected_ms": 11400, "why": "5 in a row"},
          {"address": "10.1.0.22:8080", "workload": ""}])");
  EXPECT_EQ(SplitView(now, nullptr, {.width = 90, .utf8 = false}),
            "reviews:80   10.96.0.7:80   exact   VirtualService default/reviews\n"
            "  SUBSET    TARGET   TOTAL                  OPENED   ACTIVE   FAILED   REFUSED   POOL"
            "    OVERFLOW   EJECTED\n"
            "  safe      90.0 %   90.3 %   #########|.   900      2        0        0         10/10"
            "   34         -\n"
            "  reviews   10.0 %   9.7 %    #|.........   100      0        1        0         -"
            "       0          1/2\n"
            "  safe: the pool of shop/web is full: 10 of 10 connections (maxConnections)\n"
            "  safe: the pool of everyone else is full: 10 of 10 connections (maxConnections)\n"
            "  reviews: 10.1.0.21:8080 (shop/risky-1) is ejected for 12 s more: 5 in a row\n");
}

TEST(Cli, OfManyEjectionsTheFirstAreNamed) {
  Json now = SplitOf(1, 1, 0);
  Json& safe = now["routes"][0]["clusters"][0];
  safe["outlier_detection"] = true;
  for (int i = 0; i < 7; ++i) {
    safe["endpoints"].push_back({{"address", std::to_string(i)}, {"ejected_ms", 1}, {"why", "x"}});
  }
  const std::string view = SplitView(now, nullptr, {.utf8 = false});
  EXPECT_NE(view.find("\n  safe: 4 is ejected for 1 s more: x\n  safe: 2 more are ejected\n"),
            std::string::npos)
      << view;
  EXPECT_NE(view.find("   7/7\n"), std::string::npos) << view;
}

TEST(Cli, OnlyRoutesThatAreAskedForAreShown) {
  EXPECT_EQ(SplitView(SplitOf(1, 1, 0), nullptr, {.host = "ratings"}), "");
  EXPECT_NE(SplitView(SplitOf(1, 1, 0), nullptr, {.host = "10.96.0.7"}), "");
}

TEST(Cli, BarsMarkTheTarget) {
  EXPECT_EQ(Bar(0, 0, 4, false), "|....");
  EXPECT_EQ(Bar(1, 1, 4, false), "####|");
  EXPECT_EQ(Bar(0.5, 0.75, 4, true), "██·|·");
}

TEST(Cli, WhatIsAbsentOrOfAnotherTypeReadsAsEmpty) {
  const Json json = Json::parse(R"({"a": {"b": 1}, "c": "x"})");
  EXPECT_EQ(TextAt(json, "/a/b"), "1");
  EXPECT_EQ(TextAt(json, "/c/d"), "");
  EXPECT_EQ(IntegerAt(json, "/c"), 0);
  EXPECT_TRUE(ItemsAt(json, "/c").empty());
}

}  // namespace
}  // namespace vsplit
