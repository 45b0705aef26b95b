// SPDX-License-Identifier: Apache-2.0
// Lists: which objects, in which form, how many at a time.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "api_backend.h"
#include "table.h"
#include "vsplit/api.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

using Json = nlohmann::json;

constexpr const char* kTable =
    "application/json;as=Table;v=v1;g=meta.k8s.io,"
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
constexpr const char* kServices = "/api/v1/namespaces/default/services";
constexpr const char* kRules = "/apis/networking.istio.io/v1/namespaces/default/virtualservices";

class Lists : public testing::Test {
 protected:
  Response Call(const std::string& method, const std::string& target, const std::string& body = "",
                const std::string& accept = "application/json") {
    return Answer({.method = method, .target = target, .accept = accept, .body = body}, backend_);
  }
  Json Get(const std::string& target, const std::string& accept = "application/json") {
    return Json::parse(Call("GET", target, "", accept).body);
  }
  void AddService(const std::string& name, const std::string& labels = "") {
    const Response response = Call(
        "POST", kServices,
        fmt::format(
            R"({{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{}","labels":{{{}}}}},)"
            R"("spec":{{"clusterIP":"10.96.0.7","ports":[{{"port":80}}]}}}})",
            name, labels));
    ASSERT_EQ(response.status, 201U) << response.body;
  }

  StoreBackend store_;
  Backend backend_ = store_.Make();
};

std::vector<std::string> Names(const Json& list) {
  std::vector<std::string> names;
  for (const Json& item : list["items"]) {
    names.push_back(item["metadata"]["name"]);
  }
  return names;
}

using Strings = std::vector<std::string>;

TEST_F(Lists, HoldWhatTheSelectorsMatch) {
  AddService("a", R"("app":"web")");
  AddService("b", R"("app":"db")");
  const std::string services = kServices;
  EXPECT_EQ(Names(Get(services + "?labelSelector=app%3Dweb")), Strings{"a"});
  EXPECT_EQ(Names(Get(services + "?labelSelector=app%21%3Dweb")), Strings{"b"});
  EXPECT_EQ(Names(Get(services + "?fieldSelector=metadata.name%3Db")), Strings{"b"});
  EXPECT_EQ(Names(Get(services + "?fieldSelector=metadata.name%3Db&labelSelector=app%3Dweb")),
            Strings{});
  const Response refused = Call("GET", services + "?fieldSelector=spec.x%3Dy");
  EXPECT_EQ(refused.status, 400U);
  EXPECT_EQ(Json::parse(refused.body)["message"], "field label not supported: spec.x");
}

TEST_F(Lists, PagesAreOfOneVersion) {
  for (const char* name : {"a", "b", "c", "d"}) {
    AddService(name);
  }
  const std::string services = kServices;
  Json page = Get(services + "?limit=2");
  EXPECT_EQ(Names(page), (Strings{"a", "b"}));
  EXPECT_EQ(page["metadata"]["remainingItemCount"], 2);
  const std::string version = page["metadata"]["resourceVersion"];
  const std::string next = page["metadata"]["continue"];
  // Meanwhile one of the rest goes, one comes, one of those before is gone.
  Call("DELETE", services + "/c");
  Call("DELETE", services + "/a");
  AddService("cc");
  page = Get(services + "?limit=2&continue=" + next);
  EXPECT_EQ(Names(page), (Strings{"c", "d"}));
  EXPECT_EQ(page["metadata"]["resourceVersion"], version);
  EXPECT_FALSE(page["metadata"].contains("continue"));
  EXPECT_EQ(Names(Get(services + "?resourceVersion=1&resourceVersionMatch=Exact")), Strings{"a"});
  EXPECT_EQ(Names(Get(services)), (Strings{"b", "cc", "d"}));
}

TEST_F(Lists, RefuseWhatCannotBeListed) {
  AddService("a");
  const std::string services = kServices;
  EXPECT_EQ(Call("GET", services + "?continue=x").status, 400U);
  EXPECT_EQ(Call("GET", services + "?limit=many").status, 400U);
  EXPECT_EQ(Call("GET", services + "?limit=-1").status, 400U);
  EXPECT_EQ(Call("GET", services + "?resourceVersionMatch=Other").status, 400U);
  const Response future = Call("GET", services + "?resourceVersion=99");
  EXPECT_EQ(future.status, 504U);
  EXPECT_EQ(Json::parse(future.body)["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
  EXPECT_EQ(Json::parse(future.body)["details"]["retryAfterSeconds"], 1);
  EXPECT_EQ(future.headers,
            (std::vector<std::pair<std::string, std::string>>{{"Retry-After", "1"}}));
  EXPECT_EQ(Call("GET", services + "/a?resourceVersion=1").status, 200U);
  EXPECT_EQ(Call("GET", services + "/a?resourceVersion=99").status, 504U);
  EXPECT_EQ(Call("GET", services + "/a?resourceVersion=x").status, 400U);
}

TEST_F(Lists, OldVersionsAreForgotten) {
  Store store;
  store.Load({}, 100);
  backend_.store = &store;
  EXPECT_EQ(Call("GET", std::string(kServices) + "?continue=100/default/0").status, 200U);
  const Response gone = Call("GET", std::string(kServices) + "?continue=99/default/0");
  EXPECT_EQ(gone.status, 410U);
  EXPECT_EQ(Json::parse(gone.body)["reason"], "Expired");
}

TEST_F(Lists, TableHasTheColumnsOfItsKind) {
  const Response posted = Call(
      "POST", kRules,
      R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"web"},)"
      R"("spec":{"hosts":["web"],"http":[{"route":[{"destination":{"host":"web","subset":"safe"},)"
      R"("weight":90},{"destination":{"host":"web","subset":"risky"},"weight":10}]}]}})");
  ASSERT_EQ(posted.status, 201U) << posted.body;
  const Json table = Get(kRules, kTable);
  EXPECT_EQ(table["kind"], "Table");
  EXPECT_EQ(table["apiVersion"], "meta.k8s.io/v1");
  Strings narrow;
  Strings wide;
  for (const Json& column : table["columnDefinitions"]) {
    (column["priority"] == 0 ? narrow : wide).push_back(column["name"]);
  }
  EXPECT_EQ(narrow, (Strings{"Name", "Hosts", "Weights", "Enforced", "Age"}));
  EXPECT_EQ(wide, (Strings{"Gateways", "Reason"}));
  const Json& row = table["rows"][0];
  EXPECT_EQ(row["cells"],
            Json::parse(R"(["web","[\"web\"]","safe:90,risky:10",null,"0s",null,null])"));
  EXPECT_EQ(row["object"]["kind"], "PartialObjectMetadata");
  EXPECT_EQ(row["object"]["metadata"]["name"], "web");
  EXPECT_FALSE(row["object"].contains("spec"));
  const std::string rules = kRules;
  EXPECT_EQ(Get(rules + "?includeObject=Object", kTable)["rows"][0]["object"]["kind"],
            "VirtualService");
  EXPECT_FALSE(Get(rules + "?includeObject=None", kTable)["rows"][0].contains("object"));
  EXPECT_EQ(Call("GET", rules + "?includeObject=Some", "", kTable).status, 400U);
  const Json one = Get(rules + "/web", kTable);
  EXPECT_EQ(one["rows"].size(), 1U);
}

TEST_F(Lists, TableOfServices) {
  AddService("a");
  EXPECT_EQ(Get(kServices, kTable)["rows"][0]["cells"],
            Json::parse(R"(["a","ClusterIP","10.96.0.7","<none>","80/TCP","0s","<none>"])"));
}

// As kubectl 1.32 shows them beside an API server: the age is not always behind all that is narrow.
TEST_F(Lists, TableOfNodes) {
  ASSERT_EQ(
      Call("POST", "/api/v1/nodes",
           R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n","labels":{)"
           R"("node-role.kubernetes.io/worker":"","node-role.kubernetes.io/control-plane":"",)"
           R"("kubernetes.io/role":""}},)"
           R"("status":{"addresses":[{"type":"Hostname","address":"n"},{"type":"InternalIP",)"
           R"("address":"10.0.0.1"}],"nodeInfo":{"kubeletVersion":"v1.32.2"}}})")
          .status,
      201U);
  const Json table = Get("/api/v1/nodes", kTable);
  Strings columns;
  for (const Json& column : table["columnDefinitions"]) {
    columns.push_back(column["name"]);
  }
  EXPECT_EQ(columns, (Strings{"Name", "Status", "Roles", "Age", "Version", "Internal-IP",
                              "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"}));
  EXPECT_EQ(table["rows"][0]["cells"],
            Json::parse(R"(["n","Unknown","control-plane,worker","0s","v1.32.2","10.0.0.1",)"
                        R"("<none>","<unknown>","<unknown>","<unknown>"])"));
}

TEST_F(Lists, TableOfPods) {
  ASSERT_EQ(
      Call("POST", "/api/v1/namespaces/default/pods",
           R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"nodeName":"n",)"
           R"("containers":[{"name":"c"}],"readinessGates":[{"conditionType":"a/b"},)"
           R"({"conditionType":"c/d"}]},"status":{"phase":"Running","podIP":"10.0.0.2",)"
           R"("conditions":[{"type":"a/b","status":"True"}]}})")
          .status,
      201U);
  EXPECT_EQ(Get("/api/v1/pods", kTable)["rows"][0]["cells"],
            Json::parse(R"(["p","0/1","Running",0,"0s","10.0.0.2","n","<none>","1/2"])"));
}

TEST_F(Lists, MetadataAlone) {
  AddService("a");
  const Json list =
      Get(kServices,
          "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json");
  EXPECT_EQ(list["kind"], "PartialObjectMetadataList");
  EXPECT_EQ(list["items"][0]["kind"], "PartialObjectMetadata");
  EXPECT_EQ(list["items"][0].size(), 3U);
  EXPECT_EQ(Get(std::string(kServices) + "/a",
                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")["kind"],
            "PartialObjectMetadata");
}

TEST_F(Lists, ProtobufIsNotPreferredToWhatThereIs) {
  AddService("a");
  EXPECT_EQ(Get(kServices, "application/vnd.kubernetes.protobuf,application/json")["kind"],
            "ServiceList");
}

TEST(Table, AgesAsKubectlSaysThem) {
  const std::string since = "2024-10-10T07:03:57Z";
  EXPECT_EQ(AgeOf(since, "2024-10-10T07:03:57Z"), "0s");
  EXPECT_EQ(AgeOf(since, "2024-10-10T07:05:56Z"), "119s");
  EXPECT_EQ(AgeOf(since, "2024-10-10T07:05:57Z"), "2m");
  EXPECT_EQ(AgeOf(since, "2024-10-10T07:07:04Z"), "3m7s");
  EXPECT_EQ(AgeOf(since, "2024-10-10T08:03:57Z"), "60m");
  EXPECT_EQ(AgeOf(since, "2024-10-10T11:13:57Z"), "4h10m");
  EXPECT_EQ(AgeOf(since, "2024-10-11T07:03:57Z"), "24h");
  EXPECT_EQ(AgeOf(since, "2024-10-13T09:03:57Z"), "3d2h");
  EXPECT_EQ(AgeOf(since, "2025-10-10T07:03:57Z"), "365d");
  EXPECT_EQ(AgeOf(since, "2027-10-10T07:03:57Z"), "3y");
  EXPECT_EQ(AgeOf(since, "2024-10-10T07:03:00Z"), "0s");
  EXPECT_EQ(AgeOf("", since), "<unknown>");
  EXPECT_EQ(AgeOf("2024-13-10T07:03:57Z", since), "<unknown>");
}

}  // namespace
}  // namespace vsplit
