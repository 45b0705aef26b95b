// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "api_backend.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

constexpr const char* kApply = "/apis/vsplit.io/v1/apply?namespace=shop&source=shop.yaml";
constexpr const char* kDelete = "/apis/vsplit.io/v1/delete?namespace=shop";
constexpr const char* kTwo =
    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n---\n"
    "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec: {ports: [{port: 80}]}\n";

class Transaction : public testing::Test {
 protected:
  Response Post(const std::string& target, const std::string& body) {
    return Answer({.method = "POST",
                   .target = target,
                   .content_type = "application/yaml",
                   .accept = "",
                   .body = body},
                  backend_.Make());
  }

  StoreBackend backend_;
};

std::string ResultLine(const std::string& name, const std::string& result) {
  return R"({"kind":"Service","plural":"services","group":"","namespace":"shop","name":")" + name +
         R"(","result":")" + result + "\"}";
}

TEST_F(Transaction, SaysWhatBecameOfEachObject) {
  const Response first = Post(kApply, kTwo);
  EXPECT_EQ(first.status, 200U);
  const std::regex times(R"re("(parse|total)":\d+)re");
  EXPECT_EQ(std::regex_replace(first.body, times, "\"$1\":1"),
            R"({"kind":"ApplyResult","generation":7,"results":[)" + ResultLine("web", "created") +
                "," + ResultLine("cart", "created") +
                R"(],"verdicts":[],"warnings":[],)"
                R"("nanoseconds":{"parse":1,"resolve":0,"disk":0,"kernel":0,"total":1}})"
                "\n");
  std::string changed = kTwo;
  changed.replace(changed.find("port: 80"), 8, "port: 81");
  const std::string second = Post(kApply, changed).body;
  EXPECT_NE(second.find(ResultLine("web", "configured")), std::string::npos) << second;
  EXPECT_NE(second.find(ResultLine("cart", "unchanged")), std::string::npos) << second;
}

TEST_F(Transaction, LeavesWhatControllersWrote) {
  constexpr const char* kRule =
      "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web}\n"
      "spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}\n"
      "status: {x: 1}\n";
  const ObjectKey key{.kind = Kind::kVirtualService, .ns = "shop", .name = "web"};
  const std::string path = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/web";
  Post(kApply, kRule);
  EXPECT_EQ(backend_.store().Find(key)->json.str().find("status"), std::string::npos);
  const auto patch = [&](const std::string& target, const std::string& body) {
    const Response response = Answer({.method = "PATCH",
                                      .target = target,
                                      .content_type = "application/merge-patch+json",
                                      .accept = "",
                                      .body = body},
                                     backend_.Make());
    EXPECT_EQ(response.status, 200U) << response.body;
  };
  patch(path + "/status", R"({"status":{"y":2}})");
  patch(path, R"({"metadata":{"finalizers":["a.b/c"],"managedFields":[{"manager":"m","operation":)"
              R"("Update","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:hosts":{}}}}]}})");
  std::string changed = kRule;
  changed.replace(changed.find("[web]"), 5, "[other]");
  EXPECT_NE(Post(kApply, changed).body.find("configured"), std::string::npos);
  std::string text = backend_.store().Find(key)->json.str();
  EXPECT_NE(text.find(R"("status":{"y":2})"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("finalizers":["a.b/c"])"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("manager":"vsplit","operation":"Update")"), std::string::npos) << text;
  EXPECT_EQ(text.find(R"("manager":"m")"), std::string::npos) << text;
  EXPECT_NE(Post(kApply, changed).body.find("unchanged"), std::string::npos);
  EXPECT_NE(Post(kDelete, changed).body.find("configured"), std::string::npos);
  Post(kApply, changed);
  text = backend_.store().Find(key)->json.str();
  EXPECT_NE(text.find("deletionTimestamp"), std::string::npos) << text;
  patch(path, R"({"metadata":{"finalizers":[]}})");
  EXPECT_EQ(backend_.store().Find(key), nullptr);
}

TEST_F(Transaction, ADryRunSaysWhichLinesOfTheImageChange) {
  const std::string body = Post(std::string(kApply) + "&dryRun=All", kTwo).body;
  EXPECT_NE(body.find(R"("difference":"+ line\n",)"), std::string::npos) << body;
}

TEST_F(Transaction, IsRefusedAsAWholeWithEveryMistake) {
  const Response response =
      Post(kApply, std::string(kTwo) +
                       "---\napiVersion: v1\nkind: Service\nmetadata: {name: web2}\n"
                       "spec: {ports: [{port: 80, appProtocol: 2}]}\n"
                       "---\napiVersion: v1\nkind: Service\nmetadata: {name: web3}\n"
                       "spec: {ports: [{port: 80, name: 1}]}\n");
  EXPECT_EQ(response.status, 422U);
  EXPECT_EQ(backend_.store().Count(Kind::kService), 0U);
  EXPECT_EQ(
      response.body,
      R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":)"
      R"("shop.yaml:14:40: Service shop/web2: spec.ports[0].appProtocol: found number 2, a string is )"
      R"(allowed; quote it\n)"
      R"(shop.yaml:19:33: Service shop/web3: spec.ports[0].name: found number 1, a string is )"
      R"(allowed; quote it","reason":"Invalid","details":{"causes":[)"
      R"({"reason":"FieldValueTypeInvalid","message":"found number 2, a string is allowed; quote it",)"
      R"("field":"spec.ports[0].appProtocol"},)"
      R"({"reason":"FieldValueTypeInvalid","message":"found number 1, a string is allowed; quote it",)"
      R"("field":"spec.ports[0].name"}]},"code":422})"
      "\n");
}

TEST_F(Transaction, WithoutObjectsIsABadRequest) {
  EXPECT_EQ(Post(kApply, "# nothing\n").status, 400U);
}

TEST_F(Transaction, DeletesAllOrNothing) {
  Post(kApply, kTwo);
  const std::string web(kTwo, std::string(kTwo).find("---"));
  EXPECT_EQ(Post(kDelete, web).status, 200U);
  const Response absent = Post(kDelete, kTwo);
  EXPECT_EQ(absent.status, 404U);
  EXPECT_NE(absent.body.find(R"("message":"services \"web\" not found")"), std::string::npos)
      << absent.body;
  EXPECT_EQ(backend_.store().Count(Kind::kService), 1U);
  const Response rest = Post(std::string(kDelete) + "&ignoreNotFound=true", kTwo);
  EXPECT_EQ(rest.status, 200U);
  EXPECT_NE(rest.body.find("\"results\":[" + ResultLine("cart", "deleted") + "]"),
            std::string::npos)
      << rest.body;
  EXPECT_EQ(backend_.store().Count(Kind::kService), 0U);
  EXPECT_EQ(Post(std::string(kDelete) + "&ignoreNotFound=perhaps", kTwo).status, 400U);
}

}  // namespace
}  // namespace vsplit
