// SPDX-License-Identifier: Apache-2.0
// What kubectl reads before it asks for objects.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "api_backend.h"
#include "vsplit/api.h"

namespace vsplit {
namespace {

using Json = nlohmann::json;

constexpr const char* kAggregated =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

class Discovery : public testing::Test {
 protected:
  Response Get(const std::string& target, const std::string& accept = "application/json, */*",
               const std::string& tag = "") {
    return Answer({.method = "GET", .target = target, .accept = accept, .if_none_match = tag},
                  backend_.Make());
  }
  Json Body(const std::string& target) { return Json::parse(Get(target).body); }

  StoreBackend backend_;
};

std::string Header(const Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) {
      return value;
    }
  }
  return "";
}

const Json* Find(const Json& list, const std::string& field, const std::string& value) {
  for (const Json& one : list) {
    if (one.value(field, "") == value) {
      return &one;
    }
  }
  return nullptr;
}

TEST_F(Discovery, AggregatedNamesItsFormAndEveryVersion) {
  const Response response = Get("/apis", kAggregated);
  EXPECT_EQ(response.content_type,
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  EXPECT_EQ(Header(response, "Vary"), "Accept");
  const Json list = Json::parse(response.body);
  EXPECT_EQ(list["apiVersion"], "apidiscovery.k8s.io/v2");
  const Json& group = list["items"][1];
  EXPECT_EQ(group["metadata"]["name"], "networking.istio.io");
  ASSERT_EQ(group["versions"].size(), 3U);
  EXPECT_EQ(group["versions"][0]["version"], "v1");
  EXPECT_EQ(group["versions"][2]["version"], "v1alpha3");
  const Json* rules = Find(group["versions"][0]["resources"], "resource", "virtualservices");
  ASSERT_NE(rules, nullptr);
  EXPECT_EQ((*rules)["shortNames"], Json({"vs"}));
  EXPECT_EQ((*rules)["scope"], "Namespaced");
  EXPECT_EQ((*rules)["responseKind"]["kind"], "VirtualService");
  EXPECT_EQ((*rules)["subresources"][0]["subresource"], "status");
  const Json core = Json::parse(Get("/api", kAggregated).body);
  EXPECT_EQ(core["items"][0]["metadata"], Json::object());
  EXPECT_EQ(core["items"][0]["versions"][0]["version"], "v1");
}

TEST_F(Discovery, AggregatedInTheFormThatTheClientKnows) {
  const Response response = Get(
      "/apis",
      "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json");
  EXPECT_EQ(Json::parse(response.body)["apiVersion"], "apidiscovery.k8s.io/v2beta1");
  EXPECT_EQ(response.content_type,
            "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList");
}

TEST_F(Discovery, KnownTagIsAnsweredWithoutTheDocument) {
  const std::string tag = Header(Get("/apis", kAggregated), "ETag");
  EXPECT_EQ(tag.size(), 66U);
  const Response again = Get("/apis", kAggregated, tag);
  EXPECT_EQ(again.status, 304U);
  EXPECT_EQ(again.body, "");
  EXPECT_EQ(Get("/apis", "application/json, */*", tag).status, 200U);  // another document
}

TEST_F(Discovery, OneDocumentForEachGroupAndVersion) {
  EXPECT_EQ(Body("/api"), Json::parse(R"({"kind":"APIVersions","versions":["v1"]})"));
  const Json groups = Body("/apis");
  EXPECT_EQ(groups["kind"], "APIGroupList");
  const Json* istio = Find(groups["groups"], "name", "networking.istio.io");
  ASSERT_NE(istio, nullptr);
  EXPECT_EQ((*istio)["preferredVersion"]["groupVersion"], "networking.istio.io/v1");
  EXPECT_EQ(Body("/apis/networking.istio.io")["versions"], (*istio)["versions"]);
  for (const char* path : {"/api/v1", "/apis/discovery.k8s.io/v1", "/apis/networking.istio.io/v1",
                           "/apis/networking.istio.io/v1alpha3"}) {
    const Json list = Body(path);
    EXPECT_EQ(list["kind"], "APIResourceList") << path;
    EXPECT_FALSE(list["resources"].empty()) << path;
  }
  const Json core = Body("/api/v1")["resources"];
  EXPECT_NE(Find(core, "name", "services/status"), nullptr);
  EXPECT_EQ((*Find(core, "name", "namespaces"))["namespaced"], false);
  EXPECT_EQ((*Find(core, "name", "events"))["verbs"], Json({"get", "list", "watch"}));
  EXPECT_EQ(Find(core, "name", "events/status"), nullptr);
  EXPECT_NE(
      Find(Body("/apis/authorization.k8s.io/v1")["resources"], "name", "selfsubjectaccessreviews"),
      nullptr);
  EXPECT_EQ(Get("/apis/apps").status, 404U);
  EXPECT_EQ(Get("/apis/networking.istio.io/v2").status, 404U);
  EXPECT_EQ(Get("/api/v2").status, 404U);
}

TEST_F(Discovery, VersionIsOfTheApiThatIsSpoken) {
  const Json version = Body("/version?timeout=5s");
  EXPECT_EQ(version["minor"], "32");
  EXPECT_EQ(version["gitVersion"], "v1.32.0+vsplit.0.1");
}

}  // namespace
}  // namespace vsplit
