// SPDX-License-Identifier: Apache-2.0
// What the tests of writes share: calls with a body, and objects to write.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "api_backend.h"
#include "vsplit/api.h"

namespace vsplit {

class ApiWrites : public testing::Test {
 protected:
  using Json = nlohmann::ordered_json;

  static constexpr const char* kRules =
      "/apis/networking.istio.io/v1/namespaces/default/virtualservices";
  static constexpr const char* kServices = "/api/v1/namespaces/default/services";
  static constexpr const char* kMerge = "application/merge-patch+json";
  static constexpr const char* kJsonPatch = "application/json-patch+json";
  static constexpr const char* kApplyPatch = "application/apply-patch+yaml";

  // A VirtualService of the name web, with more in its metadata and beside its spec.
  static std::string Rule(const std::string& metadata = "", const std::string& more = "",
                          int weight = 100) {
    return R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":)"
           R"("web")" +
           metadata + R"(},"spec":{"hosts":["web"],"http":[{"route":[{"destination":{"host":)" +
           R"("web"},"weight":)" + std::to_string(weight) + "}]}]}" + more + "}";
  }

  Response Call(const std::string& method, const std::string& target, const std::string& body = "",
                const std::string& type = "application/json") {
    return Answer({.method = method,
                   .target = target,
                   .content_type = type,
                   .accept = "application/json",
                   .body = body,
                   .user_agent = user_agent_},
                  backend_.Make());
  }

  // Of an answer of this status.
  Json Body(unsigned status, const Response& response) {
    EXPECT_EQ(response.status, status) << response.body;
    return Json::parse(response.body);
  }

  Json Get(const std::string& target) { return Body(200, Call("GET", target)); }

  static std::string Message(const Response& response) {
    return Json::parse(response.body)["message"];
  }

  std::string web_ = std::string(kRules) + "/web";
  std::string user_agent_ = "kubectl/v1.32.5 (linux/amd64) kubernetes/9894294";
  StoreBackend backend_;
};

}  // namespace vsplit
