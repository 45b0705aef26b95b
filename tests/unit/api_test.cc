// SPDX-License-Identifier: Apache-2.0
#include "vsplit/api.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <utility>

#include "api_backend.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr const char* kService = R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},)"
                                 R"("spec":{"clusterIP":"10.96.0.7","ports":[{"port":80}]}})";
constexpr const char* kRule =
    R"({"apiVersion":"networking.istio.io/v1alpha3","kind":"VirtualService",)"
    R"("metadata":{"name":"web","namespace":"default"},)"
    R"("spec":{"hosts":["web"],"http":[{"route":[{"destination":{"host":"web"}}]}]}})";
constexpr const char* kServices = "/api/v1/namespaces/default/services";
constexpr const char* kRules = "/apis/networking.istio.io/v1/namespaces/default/virtualservices";
constexpr const char* kAlphaRules =
    "/apis/networking.istio.io/v1alpha3/namespaces/default/virtualservices";
constexpr const char* kApply = "/apis/vsplit.io/v1/apply";

class Api : public testing::Test {
 protected:
  Response Call(const std::string& method, const std::string& target, const std::string& body = "",
                const std::string& type = "application/json", const std::string& accept = "") {
    return Answer(
        {.method = method, .target = target, .content_type = type, .accept = accept, .body = body},
        backend_.Make());
  }
  std::string Body(const std::string& method, const std::string& target,
                   const std::string& body = "") {
    return Call(method, target, body).body;
  }

  StoreBackend backend_;
};

std::string Status(unsigned code, const std::string& reason, const std::string& message,
                   const std::string& details = "") {
  return R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":")" +
         message + R"(","reason":")" + reason + '"' +
         (details.empty() ? "" : R"(,"details":)" + details) + ",\"code\":" + std::to_string(code) +
         "}\n";
}

TEST_F(Api, ObjectComesBackAsGivenWithTheStoresMetadata) {
  const Response posted = Call("POST", kServices, kService);
  EXPECT_EQ(posted.status, 201U);
  EXPECT_EQ(posted.body,
            R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","managedFields":)"
            R"([{"manager":"unknown","operation":"Update","apiVersion":"v1",)"
            R"("time":"2024-10-10T07:03:57Z","fieldsType":"FieldsV1","fieldsV1":)"
            R"({"f:spec":{"f:clusterIP":{},"f:ports":{".":{},"k:{\"port\":80,\"protocol\":)"
            R"(\"TCP\"}":{".":{},"f:port":{}}}}}}],"namespace":"default",)"
            R"("uid":"uid-1","resourceVersion":"1",)"
            R"("creationTimestamp":"2024-10-10T07:03:57Z"},)"
            R"("spec":{"clusterIP":"10.96.0.7","ports":[{"port":80}]}})"
            "\n");
  const Response got = Call("GET", std::string(kServices) + "/web");
  EXPECT_EQ(got.status, 200U);
  EXPECT_EQ(got.body, posted.body);
}

TEST_F(Api, ListNamesItsKindAndTheStoresVersion) {
  EXPECT_EQ(Body("GET", "/api/v1/services"),
            R"({"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"0"},)"
            R"("items":[]})"
            "\n");
  Call("POST", kServices, kService);
  const std::string all = Body("GET", "/api/v1/services");
  EXPECT_NE(all.find(R"("metadata":{"resourceVersion":"1"},"items":[{"apiVersion":"v1")"),
            std::string::npos)
      << all;
  EXPECT_EQ(Body("GET", kServices), all);
  EXPECT_NE(Body("GET", "/api/v1/namespaces/other/services").find(R"("items":[])"),
            std::string::npos);
}

TEST_F(Api, EveryKindIsListedInEachOfItsVersions) {
  for (const KindInfo& info : Kinds()) {
    std::istringstream versions{std::string(info.versions)};
    for (std::string version; versions >> version;) {
      const std::string api_version =
          info.group.empty() ? version : fmt::format("{}/{}", info.group, version);
      const std::string target =
          fmt::format("/{}/{}/{}", info.group.empty() ? "api" : "apis", api_version, info.plural);
      const Response list = Call("GET", target);
      EXPECT_EQ(list.status, 200U) << target;
      EXPECT_EQ(list.body, fmt::format(R"({{"kind":"{}List","apiVersion":"{}","metadata":)"
                                       R"({{"resourceVersion":"0"}},"items":[]}})"
                                       "\n",
                                       info.name, api_version));
    }
  }
}

TEST_F(Api, ObjectIsShownInTheVersionAskedFor) {
  EXPECT_EQ(Call("POST", kAlphaRules, kRule).status, 201U);
  const std::string shown = Body("GET", std::string(kRules) + "/web");
  EXPECT_EQ(shown.find(R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService")"), 0U)
      << shown;
}

TEST_F(Api, StatusIsTheAgentsNotTheUsers) {
  std::string rule = kRule;
  rule.insert(rule.size() - 1, R"(,"status":{"observedGeneration":77})");
  EXPECT_EQ(Call("POST", kAlphaRules, rule).status, 201U);
  for (const std::string& path : {std::string(kRules) + "/web", std::string(kRules)}) {
    const std::string shown = Body("GET", path);
    EXPECT_NE(shown.find(R"("status":{"observedGeneration":1})"), std::string::npos) << shown;
    EXPECT_EQ(shown.find("77"), std::string::npos) << shown;
  }
  Call("POST", kServices, kService);
  EXPECT_EQ(Body("GET", std::string(kServices) + "/web").find("observedGeneration"),
            std::string::npos);
}

TEST_F(Api, AnswersInYamlWhenAskedTo) {
  Call("POST", kServices, kService);
  const Response yaml =
      Call("GET", std::string(kServices) + "/web", "", "", "application/yaml, */*");
  EXPECT_EQ(yaml.content_type, "application/yaml");
  EXPECT_EQ(yaml.body.find("apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n"), 0U)
      << yaml.body;
  const Response json =
      Call("GET", std::string(kServices) + "/web", "", "", "application/json, application/yaml");
  EXPECT_EQ(json.content_type, "application/json");
}

TEST_F(Api, ReadsYamlBodies) {
  const std::string yaml =
      "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n";
  EXPECT_EQ(Call("POST", kServices, yaml, "application/yaml; charset=utf-8").status, 201U);
  EXPECT_EQ(Call("POST", kServices, yaml, "text/html").status, 415U);
  EXPECT_EQ(Call("POST", kServices, yaml, "text/html").body,
            Status(415, "UnsupportedMediaType",
                   R"(the body is \"text/html\", accepted media types are application/json and )"
                   "application/yaml"));
}

TEST_F(Api, PutReplacesWhatIsThereAndNothingElse) {
  EXPECT_EQ(Body("PUT", std::string(kServices) + "/web", kService),
            Status(404, "NotFound", R"(services \"web\" not found)",
                   R"({"name":"web","kind":"services"})"));
  Call("POST", kServices, kService);
  std::string changed = kService;
  changed.replace(changed.find(":80"), 3, ":81");
  const Response put = Call("PUT", std::string(kServices) + "/web", changed);
  EXPECT_EQ(put.status, 200U);
  EXPECT_NE(put.body.find(R"("resourceVersion":"2")"), std::string::npos) << put.body;
}

TEST_F(Api, StaleVersionIsAConflict) {
  Call("POST", kServices, kService);
  std::string stale = kService;
  stale.replace(stale.find(R"({"name":"web")"), 13, R"({"name":"web","resourceVersion":"99")");
  EXPECT_EQ(
      Body("PUT", std::string(kServices) + "/web", stale),
      Status(409, "Conflict",
             R"(Operation cannot be fulfilled on services \"web\": the object has been modified; )"
             "please apply your changes to the latest version and try again",
             R"({"name":"web","kind":"services"})"));
}

TEST_F(Api, WhatIsNotEnforcedComesBackAsWarnings) {
  const std::string rule =
      R"({"apiVersion":"networking.istio.io/v1alpha3","kind":"VirtualService",)"
      R"("metadata":{"name":"v"},"spec":{"hosts":["a"],"http":[{"timeout":"1s",)"
      R"("route":[{"destination":{"host":"a"}}]}]}})";
  EXPECT_EQ(Call("POST", kAlphaRules, rule).warnings,
            std::vector<std::string>{"spec.http[0].timeout: needs the request, not enforced"});
}

TEST_F(Api, PostOfWhatIsThereIsRefused) {
  Call("POST", kAlphaRules, kRule);
  EXPECT_EQ(
      Body("POST", kAlphaRules, kRule),
      Status(409, "AlreadyExists", R"(virtualservices.networking.istio.io \"web\" already exists)",
             R"({"name":"web","group":"networking.istio.io","kind":"virtualservices"})"));
}

TEST_F(Api, PathAndBodyHaveToAgree) {
  EXPECT_EQ(Body("PUT", std::string(kServices) + "/other", kService),
            Status(400, "BadRequest",
                   "the name of the object (web) does not match the name on the URL (other)"));
  EXPECT_EQ(
      Body("POST", "/apis/networking.istio.io/v1alpha3/namespaces/other/virtualservices", kRule),
      Status(400, "BadRequest",
             "the namespace of the object (default) does not match the namespace on the URL "
             "(other)"));
  EXPECT_EQ(Body("POST", kRules, kRule),
            Status(400, "BadRequest",
                   "the API version in the data (networking.istio.io/v1alpha3) does not match the "
                   "expected API version (networking.istio.io/v1)"));
  EXPECT_EQ(Body("POST", kServices, kRule),
            Status(400, "BadRequest",
                   "the kind of the object (VirtualService) does not match the kind of the URL "
                   "(Service)"));
  EXPECT_EQ(Body("POST", kServices, std::string(kService) + kService).find("{\"kind\":\"Status\""),
            0U);
}

TEST_F(Api, DeleteAnswersWithTheUidAndHonoursPreconditions) {
  Call("POST", kServices, kService);
  const std::string web = std::string(kServices) + "/web";
  EXPECT_EQ(Call("DELETE", web, R"({"preconditions":{"uid":"another"}})").status, 409U);
  EXPECT_EQ(Call("DELETE", web, R"({"preconditions":{"resourceVersion":"99"}})").status, 409U);
  EXPECT_EQ(Call("DELETE", web, R"({"dryRun":["All"]})").status, 200U);
  EXPECT_EQ(Body("DELETE", web, R"({"propagationPolicy":"Background"})"),
            R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success",)"
            R"("details":{"name":"web","group":"","kind":"services","uid":"uid-1"}})"
            "\n");
  EXPECT_EQ(Call("DELETE", web).status, 404U);
}

TEST_F(Api, BrokenDeleteOptionsAreBadRequests) {
  Call("POST", kServices, kService);
  const std::string web = std::string(kServices) + "/web";
  EXPECT_EQ(Body("DELETE", web, "[1]"),
            Status(400, "BadRequest", "the body of a DELETE is empty or DeleteOptions"));
  EXPECT_EQ(Body("DELETE", web, R"({"preconditions":{"age":"1"}})"),
            Status(400, "BadRequest", "broken DeleteOptions: preconditions.age"));
  EXPECT_EQ(Body("DELETE", web, R"({"dryRun":true})"),
            Status(400, "BadRequest", "broken DeleteOptions"));
  EXPECT_EQ(Body("DELETE", web, std::string(100'000, '[')),
            Status(400, "BadRequest", "the body of a DELETE is larger than 65536 bytes"));
  EXPECT_EQ(backend_.store().Count(Kind::kService), 1U);
}

TEST_F(Api, DryRunChangesNothing) {
  EXPECT_EQ(Call("POST", std::string(kServices) + "?dryRun=All", kService).status, 201U);
  EXPECT_EQ(Call("POST", std::string(kApply) + "?dryRun=All", kService).status, 200U);
  EXPECT_EQ(backend_.store().Count(Kind::kService), 0U);
  EXPECT_EQ(Body("POST", std::string(kServices) + "?dryRun=None", kService),
            Status(400, "BadRequest", R"(invalid dryRun \"None\", the only value is \"All\")"));
}

TEST_F(Api, UnknownPathsAreNotFound) {
  for (const char* path :
       {"/", "/api/v2/services", "/api/v1/namespaces/default/nodes",
        "/apis/networking.istio.io/v1/services", "/api/v1/services/web",
        "/api/v1/namespaces/default/services/web/scale", "/apis/vsplit.io/v1/nothing"}) {
    EXPECT_EQ(Body("GET", path),
              Status(404, "NotFound", "the server could not find the requested resource"))
        << path;
  }
}

TEST_F(Api, WrongMethodNamesTheRightOnes) {
  EXPECT_EQ(Call("POST", std::string(kServices) + "/web").status, 405U);
  EXPECT_EQ(Call("POST", std::string(kServices) + "/web").allow, "GET, PUT, PATCH, DELETE");
  EXPECT_EQ(Call("DELETE", std::string(kServices) + "/web/status").allow, "GET, PUT, PATCH");
  EXPECT_EQ(Call("PATCH", kServices).allow, "GET, POST, DELETE");
  EXPECT_EQ(Call("POST", "/api/v1/services").allow, "GET");
  EXPECT_EQ(Call("GET", kApply).allow, "POST");
  EXPECT_EQ(Call("POST", "/metrics").allow, "GET");
}

TEST_F(Api, BrokenTargetsAreBadRequests) {
  EXPECT_EQ(Call("GET", "services").status, 400U);
  EXPECT_EQ(Body("GET", "/api/v1/%zz"),
            Status(400, "BadRequest", R"(broken percent escape in \"/api/v1/%zz\")"));
  EXPECT_EQ(Call("GET", "/api/v1/services?a=%2").status, 400U);
}

TEST_F(Api, HealthReadinessAndViews) {
  EXPECT_EQ(Body("GET", "/healthz"), "ok");
  EXPECT_EQ(Body("GET", "/readyz?verbose"), "ok");
  backend_.not_ready = {"program vsplit_connect4 is not attached: no link is pinned"};
  const Response unready = Call("GET", "/readyz");
  EXPECT_EQ(unready.status, 503U);
  EXPECT_EQ(unready.body,
            "not ready: program vsplit_connect4 is not attached: no link is pinned\n");
  EXPECT_EQ(Call("GET", "/metrics").content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(Body("GET", "/metrics"), "vsplit_generation 1\n");
  EXPECT_EQ(Body("GET", "/apis/vsplit.io/v1/image"), "frontend 10.96.0.7:80/tcp x\n");
  EXPECT_EQ(Body("GET", "/apis/vsplit.io/v1/status"), "{\"generation\":1}\n");
  EXPECT_EQ(Body("GET", "/apis/vsplit.io/v1/analyze"), "[]\n");
  EXPECT_EQ(Body("GET", "/apis/vsplit.io/v1/split"), "{\"routes\":[]}\n");
}

TEST_F(Api, ExplainIsJsonOrText) {
  const std::string explain = "/apis/vsplit.io/v1/explain?from=default%2Fclient&to=";
  EXPECT_EQ(Body("GET", explain + "web%3A80"), "{\"from\":\"default/client\"}\n");
  EXPECT_EQ(Call("GET", explain + "web:80", "", "", "text/plain").body, "web:80\n");
  EXPECT_EQ(Body("GET", explain),
            Status(400, "BadRequest",
                   R"(the parameter \"to\" is missing: HOST:PORT, what the client connects to)"));
  EXPECT_EQ(Body("GET", explain + "80"),
            Status(400, "BadRequest", R"(to \"80\" is not HOST:PORT)"));
  EXPECT_EQ(Body("GET", explain + "nowhere:80"),
            Status(404, "NotFound", R"(there is no host \"nowhere\")"));
}

TEST_F(Api, ErrorsOfTheBackendHaveTheirCodes) {
  const std::pair<Error::Reason, unsigned> cases[] = {{Error::Reason::kSystem, 500},
                                                      {Error::Reason::kInvalid, 422},
                                                      {Error::Reason::kConflict, 409},
                                                      {Error::Reason::kFull, 507}};
  for (const auto& [reason, code] : cases) {
    backend_.failure = {"it went wrong", reason};
    EXPECT_EQ(Call("POST", kApply, kService).status, code);
  }
  EXPECT_EQ(Body("POST", kApply, kService), Status(507, "InsufficientStorage", "it went wrong"));
}

}  // namespace
}  // namespace vsplit
