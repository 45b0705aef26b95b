// SPDX-License-Identifier: Apache-2.0
// What `kubectl auth` asks.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "api_backend.h"
#include "vsplit/api.h"

namespace vsplit {
namespace {

using Json = nlohmann::json;

constexpr const char* kProtobuf = "application/vnd.kubernetes.protobuf";

class Reviews : public testing::Test {
 protected:
  Response Post(const std::string& path, const std::string& body,
                const std::string& type = "application/json") {
    return Answer({.method = "POST",
                   .target = "/apis/" + path,
                   .content_type = type,
                   .accept = std::string(kProtobuf) + ",application/json",
                   .body = body,
                   .user = "ada"},
                  backend_.Make());
  }

  // "yes", or why not.
  std::string MayI(const std::string& spec) {
    const Response response = Post("authorization.k8s.io/v1/selfsubjectaccessreviews",
                                   R"({"kind":"SelfSubjectAccessReview","spec":{)" + spec + "}}");
    EXPECT_EQ(response.status, 201U) << response.body;
    const Json status = Json::parse(response.body)["status"];
    return status["allowed"] == true ? "yes" : status["reason"].get<std::string>();
  }
  std::string MayI(const std::string& verb, const std::string& group, const std::string& resource,
                   const std::string& subresource = "") {
    return MayI(R"("resourceAttributes":{"namespace":"default","verb":")" + verb +
                R"(","group":")" + group + R"(","resource":")" + resource + R"(","subresource":")" +
                subresource + R"("})");
  }
  std::string MayIAsk(const std::string& verb, const std::string& path) {
    return MayI(R"("nonResourceAttributes":{"verb":")" + verb + R"(","path":")" + path + R"("})");
  }

  StoreBackend backend_;
};

TEST_F(Reviews, WhatIsServedIsAllowed) {
  const std::string istio = "networking.istio.io";
  EXPECT_EQ(MayI("update", istio, "virtualservices"), "yes");
  EXPECT_EQ(MayI("*", istio, "*"), "yes");
  EXPECT_EQ(MayI("patch", istio, "virtualservices", "status"), "yes");
  EXPECT_EQ(MayI("delete", istio, "virtualservices", "status"),
            "virtualservices do not have the verb \"delete\"");
  EXPECT_EQ(MayI("get", istio, "virtualservices", "scale"), "this agent does not serve it");
  EXPECT_EQ(MayI("list", "", "events"), "yes");
  EXPECT_EQ(MayI("create", "", "events"), "events do not have the verb \"create\"");
  EXPECT_EQ(MayI("get", "", "secrets"), "this agent does not serve it");
  EXPECT_EQ(MayI("get", "apps", "pods"), "this agent does not serve it");
  EXPECT_EQ(MayI("create", "authorization.k8s.io", "selfsubjectaccessreviews"), "yes");
  EXPECT_EQ(MayIAsk("get", "/metrics"), "yes");
  EXPECT_EQ(MayIAsk("get", "/openapi/v3/api/v1"), "yes");
  EXPECT_EQ(MayIAsk("get", "/logs"), "this agent does not serve it");
  EXPECT_EQ(MayIAsk("post", "/metrics"), "this agent does not serve it");
}

TEST_F(Reviews, WhoOnlyReadsMayOnlyRead) {
  backend_.read_only = "follows";
  EXPECT_EQ(MayI("update", "networking.istio.io", "virtualservices"), "follows");
  EXPECT_EQ(MayI("*", "", "pods"), "follows");
  EXPECT_EQ(MayI("watch", "", "pods"), "yes");
  EXPECT_EQ(MayI("create", "authentication.k8s.io", "selfsubjectreviews"), "yes");
  EXPECT_EQ(MayIAsk("post", "/apis/vsplit.io/v1/apply"), "follows");
}

TEST_F(Reviews, ProtobufIsUnderstood) {
  // runtime.Unknown{typeMeta, raw: SelfSubjectAccessReview{spec: {resourceAttributes: {namespace:
  // "default", verb: "update", group: "networking.istio.io", resource: "virtualservices"}}}}
  const std::string attributes =
      "\x0a\x07"
      "default\x12\x06update\x1a\x13networking.istio.io\x2a\x0fvirtualservices";
  const auto field = [](char key, const std::string& bytes) {
    return std::string(1, key) + static_cast<char>(bytes.size()) + bytes;
  };
  const std::string body = std::string("k8s\0", 4) + field('\x0a', field('\x0a', "x")) +
                           field('\x12', field('\x12', field('\x0a', attributes)));
  const Response response =
      Post("authorization.k8s.io/v1/selfsubjectaccessreviews", body, kProtobuf);
  EXPECT_EQ(response.status, 201U);
  const Json review = Json::parse(response.body);
  EXPECT_EQ(review["spec"]["resourceAttributes"]["resource"], "virtualservices");
  EXPECT_EQ(review["status"]["allowed"], true);
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_GE(
        Post("authorization.k8s.io/v1/selfsubjectaccessreviews", body.substr(0, size), kProtobuf)
            .status,
        400U);
  }
}

TEST_F(Reviews, MistakesAreTold) {
  const std::string path = "authorization.k8s.io/v1/selfsubjectaccessreviews";
  EXPECT_EQ(Post(path, "{}").status, 422U);
  EXPECT_EQ(Post(path, "[]").status, 400U);
  EXPECT_EQ(Post(path, R"({"spec":7})").status, 400U);
  EXPECT_EQ(Post(path, "x", kProtobuf).status, 400U);
  EXPECT_EQ(Post(path, "{}", "text/html").status, 415U);
  EXPECT_EQ(Answer({.method = "GET", .target = "/apis/" + path}, backend_.Make()).allow, "POST");
}

TEST_F(Reviews, RulesAreWhatIsServed) {
  const auto rules = [this] {
    return Json::parse(Post("authorization.k8s.io/v1/selfsubjectrulesreviews",
                            R"({"spec":{"namespace":"default"}})")
                           .body)["status"];
  };
  const Json all = rules();
  EXPECT_EQ(all["incomplete"], false);
  const auto about = [](const Json& status, const std::string& name) {
    for (const Json& rule : status["resourceRules"]) {
      if (rule["resources"][0] == name) {
        return rule["verbs"].dump();
      }
    }
    return std::string("nothing");
  };
  EXPECT_EQ(about(all, "virtualservices/status"), R"(["get","patch","update"])");
  EXPECT_EQ(about(all, "events"), R"(["get","list","watch"])");
  EXPECT_EQ(about(all, "secrets"), "nothing");
  backend_.read_only = "follows";
  EXPECT_EQ(about(rules(), "virtualservices"), R"(["get","list","watch"])");
  EXPECT_LT(rules()["nonResourceRules"].size(), all["nonResourceRules"].size());
}

TEST_F(Reviews, UsersAreToldWhoTheyAre) {
  const Response response = Post("authentication.k8s.io/v1/selfsubjectreviews", "");
  EXPECT_EQ(response.status, 201U);
  EXPECT_EQ(Json::parse(response.body)["status"]["userInfo"],
            Json::parse(R"({"username":"ada","groups":["system:authenticated"]})"));
}

}  // namespace
}  // namespace vsplit
