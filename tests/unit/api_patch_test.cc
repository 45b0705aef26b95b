// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "api_call.h"
#include "vsplit/api.h"

namespace vsplit {
namespace {

TEST_F(ApiWrites, MergePatchChangesWhatItNames) {
  Body(201, Call("POST", kRules, Rule(R"(,"labels":{"a":"1","b":"2"})")));
  const Json patched = Body(200, Call("PATCH", web_,
                                      R"({"metadata":{"labels":{"a":null,"c":"3"}},"spec":)"
                                      R"({"gateways":["mesh"]}})",
                                      kMerge));
  EXPECT_EQ(patched["metadata"]["labels"].dump(), R"({"b":"2","c":"3"})");
  EXPECT_EQ(patched["spec"].dump(),
            R"({"hosts":["web"],"http":[{"route":[{"destination":{"host":"web"},"weight":100}]}],)"
            R"("gateways":["mesh"]})");
  EXPECT_EQ(patched["metadata"]["generation"], 2);
  EXPECT_EQ(Call("PATCH", web_, "[]", kMerge).status, 400U);
  EXPECT_EQ(Call("PATCH", web_, "{", kMerge).status, 400U);
  EXPECT_EQ(Call("PATCH", std::string(kRules) + "/nobody", "{}", kMerge).status, 404U);
}

TEST_F(ApiWrites, PatchMayHaveAPrecondition) {
  Body(201, Call("POST", kRules, Rule()));
  EXPECT_EQ(
      Call("PATCH", web_, R"({"metadata":{"resourceVersion":"7","labels":{"a":"b"}}})", kMerge)
          .status,
      409U);
  EXPECT_EQ(
      Call("PATCH", web_, R"({"metadata":{"resourceVersion":"1","labels":{"a":"b"}}})", kMerge)
          .status,
      200U);
  EXPECT_EQ(Call("PATCH", web_, R"({"metadata":{"name":"other"}})", kMerge).status, 400U);
  EXPECT_EQ(Call("PATCH", web_, R"({"spec":{"hosts":7}})", kMerge).status, 422U);
}

TEST_F(ApiWrites, PatchInADryRunChangesNothing) {
  const Json created = Body(201, Call("POST", kRules, Rule()));
  const Json patched =
      Body(200, Call("PATCH", web_ + "?dryRun=All", R"({"spec":{"hosts":["b"]}})", kMerge));
  EXPECT_EQ(patched["spec"]["hosts"].dump(), R"(["b"])");
  EXPECT_EQ(Get(web_), created);
  // `kubectl diff` shows what differs: no version that nobody gave out.
  EXPECT_EQ(patched["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"]);
  EXPECT_EQ(patched["metadata"]["generation"], 2);
}

TEST_F(ApiWrites, WhatADryRunWouldMakeIsNotInForce) {
  const Json created = Body(201, Call("POST", std::string(kRules) + "?dryRun=All", Rule()));
  EXPECT_FALSE(created["metadata"].contains("resourceVersion"));
  EXPECT_FALSE(created.contains("status"));
  Body(201, Call("POST", kRules, Rule(R"(,"finalizers":["x.y/z"])")));
  const Json marked = Body(200, Call("DELETE", web_, R"({"dryRun":["All"]})"));
  EXPECT_TRUE(marked["metadata"].contains("deletionTimestamp"));
  EXPECT_EQ(marked["metadata"]["resourceVersion"], "1");
}

TEST_F(ApiWrites, JsonPatchDoesItsOperations) {
  Body(201, Call("POST", kRules, Rule()));
  const Json patched =
      Body(200, Call("PATCH", web_,
                     R"([{"op":"test","path":"/spec/http/0/route/0","value":{"weight":100,)"
                     R"("destination":{"host":"web"}}},)"
                     R"({"op":"replace","path":"/spec/http/0/route/0/weight","value":50},)"
                     R"({"op":"copy","from":"/spec/http/0/route/0","path":"/spec/http/0/route/-"},)"
                     R"({"op":"add","path":"/metadata/labels","value":{"a~b":"c"}},)"
                     R"({"op":"remove","path":"/metadata/labels/a~0b"}])",
                     kJsonPatch));
  EXPECT_EQ(patched["spec"]["http"][0]["route"].dump(),
            R"([{"destination":{"host":"web"},"weight":50},)"
            R"({"destination":{"host":"web"},"weight":50}])");
  EXPECT_FALSE(patched["metadata"].contains("labels"));  // nothing is left of them
}

TEST_F(ApiWrites, JsonPatchThatFailsSaysWhere) {
  Body(201, Call("POST", kRules, Rule()));
  const auto message = [this](const std::string& patch) {
    const Response response = Call("PATCH", web_, patch, kJsonPatch);
    EXPECT_EQ(response.status, 422U);
    return Message(response);
  };
  EXPECT_EQ(message(R"([{"op":"test","path":"/spec/hosts/0","value":"b"}])"),
            "operation 0 (test /spec/hosts/0): found \"web\"");
  EXPECT_EQ(message(R"([{"op":"remove","path":"/spec/nothing"}])"),
            "operation 0 (remove /spec/nothing): key 'nothing' not found");
  EXPECT_EQ(message(R"([{"op":"add","path":"/spec/http/7","value":1}])").substr(0, 32),
            "operation 0 (add /spec/http/7): ");
  EXPECT_EQ(message("[7]"), "operation 0: found no map");
  EXPECT_EQ(message("{}"), "a JSON patch is a list of at most 10000 operations");
  EXPECT_EQ(message(R"([{"op":"replace","path":"","value":7}])"),
            "the patch makes something of the object that is none");
  EXPECT_EQ(message(R"([{"op":"shuffle","path":"/spec"}])").substr(0, 29),
            "operation 0 (shuffle /spec): ");
}

TEST_F(ApiWrites, JsonPatchThatGrowsWithoutBoundIsRefused) {
  Body(201, Call("POST", kRules, Rule()));
  const auto copies = [](const std::string& first, const std::string& operation, int times) {
    std::string patch = "[" + first;
    for (int i = 0; i < times; ++i) {
      patch += "," + operation;
    }
    return patch + "]";
  };
  const std::string nested = std::string(40, '[') + std::string(40, ']');
  std::string inner = "/spec/x";
  for (int i = 0; i < 39; ++i) {
    inner += "/0";
  }
  const Response deep =
      Call("PATCH", web_,
           R"([{"op":"add","path":"/spec/x","value":)" + nested + R"(},{"op":"add","path":")" +
               inner + R"(/-","value":)" + nested + "}]",
           kJsonPatch);
  EXPECT_EQ(deep.status, 422U);
  EXPECT_NE(Message(deep).find("nests maps and lists deeper than 64 levels"), std::string::npos)
      << Message(deep);
  const Response wide =
      Call("PATCH", web_,
           copies(R"({"op":"add","path":"/spec/x","value":")" + std::string(100'000, 'x') + R"("})",
                  R"({"op":"copy","from":"/spec/x","path":"/spec/y"})", 40),
           kJsonPatch);
  EXPECT_EQ(wide.status, 422U);
  EXPECT_NE(Message(wide).find("copies more than 3145728 bytes"), std::string::npos)
      << Message(wide);
  EXPECT_EQ(Call("PATCH", web_,
                 copies(R"({"op":"test","path":"/kind","value":"VirtualService"})",
                        R"({"op":"test","path":"/kind","value":"VirtualService"})", 10'000),
                 kJsonPatch)
                .status,
            422U);
}

TEST_F(ApiWrites, OtherPatchesAreNotSupported) {
  Body(201, Call("POST", kRules, Rule()));
  const Response response = Call("PATCH", web_, "{}", "application/strategic-merge-patch+json");
  EXPECT_EQ(response.status, 415U);
  EXPECT_EQ(Message(response),
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json-patch+json, application/merge-patch+json, "
            "application/apply-patch+yaml");
}

TEST_F(ApiWrites, CoreKindsTakeStrategicPatches) {
  constexpr const char* kStrategic = "application/strategic-merge-patch+json";
  const std::string web = std::string(kServices) + "/web";
  Body(201, Call("POST", kServices,
                 R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","finalizers":)"
                 R"(["a.b/c","d.e/f"]},"spec":{"selector":{"app":"web","x":"y"},"ports":)"
                 R"([{"name":"a","port":80},{"name":"b","port":81},{"name":"c","port":82}]}})"));
  const auto ports = [&](const std::string& patch) {
    return Body(200, Call("PATCH", web, patch, kStrategic))["spec"]["ports"].dump();
  };
  EXPECT_EQ(ports(R"({"spec":{"$setElementOrder/ports":[{"port":83},{"port":82},{"port":80}],)"
                  R"("ports":[{"port":80,"targetPort":8080},{"name":"d","port":83},)"
                  R"({"$patch":"delete","port":81}]}})"),
            R"([{"name":"d","port":83},{"name":"c","port":82},)"
            R"({"name":"a","port":80,"targetPort":8080}])");
  // What Kubernetes 1.32 makes of the same: what is new comes first, others keep their places.
  EXPECT_EQ(ports(R"({"spec":{"ports":[{"name":"e","port":84}]}})"),
            R"([{"name":"e","port":84},{"name":"d","port":83},{"name":"c","port":82},)"
            R"({"name":"a","port":80,"targetPort":8080}])");
  EXPECT_EQ(ports(R"({"spec":{"$setElementOrder/ports":[{"port":80},{"port":84}],)"
                  R"("ports":[{"name":"f","port":80}]}})"),
            R"([{"name":"d","port":83},{"name":"c","port":82},)"
            R"({"name":"f","port":80,"targetPort":8080},{"name":"e","port":84}])");
  EXPECT_EQ(ports(R"({"spec":{"ports":[{"$patch":"replace"},{"port":90}]}})"), R"([{"port":90}])");
  const Json merged =
      Body(200, Call("PATCH", web,
                     R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a.b/c"],"finalizers":)"
                     R"(["g.h/i","d.e/f"],"labels":{"l":"1"}},"spec":{"selector":{"x":null}}})",
                     kStrategic));
  EXPECT_EQ(merged["metadata"]["finalizers"].dump(), R"(["g.h/i","d.e/f"])");
  EXPECT_EQ(merged["metadata"]["labels"].dump(), R"({"l":"1"})");
  EXPECT_EQ(merged["spec"]["selector"].dump(), R"({"app":"web"})");
  EXPECT_EQ(Body(200, Call("PATCH", web,
                           R"({"spec":{"selector":{"$patch":"replace","z":"1"}},"metadata":)"
                           R"({"labels":{"$patch":"delete"}}})",
                           kStrategic))["spec"]["selector"]
                .dump(),
            R"({"z":"1"})");
  EXPECT_EQ(Body(200, Call("PATCH", web, R"({"spec":{"selector":{"$retainKeys":["n"],"n":"1"}}})",
                           kStrategic))["spec"]["selector"]
                .dump(),
            R"({"n":"1"})");
}

TEST_F(ApiWrites, StrategicPatchesMergeLongLists) {
  const auto finalizers = [](int from, int to) {
    Json list = Json::array();
    for (int i = from; i < to; ++i) {
      list.push_back("a.b/f" + std::to_string(i));
    }
    return list;
  };
  const Json object = {{"apiVersion", "v1"},
                       {"kind", "Service"},
                       {"metadata", {{"name", "web"}, {"finalizers", finalizers(0, 4000)}}},
                       {"spec", {{"ports", {{{"port", 80}}}}}}};
  Body(201, Call("POST", kServices, object.dump()));
  const Json patch = {{"metadata",
                       {{"$deleteFromPrimitiveList/finalizers", finalizers(0, 2000)},
                        {"$setElementOrder/finalizers", finalizers(2000, 6000)},
                        {"finalizers", finalizers(4000, 6000)}}}};
  const Json merged = Body(200, Call("PATCH", std::string(kServices) + "/web", patch.dump(),
                                     "application/strategic-merge-patch+json"));
  EXPECT_EQ(merged["metadata"]["finalizers"], finalizers(2000, 6000));
}

// Whoever reads the object pays for the square of their number.
TEST_F(ApiWrites, NoPatchMakesAMapOfTooManyFields) {
  const auto labels = [](int from, int to) {
    Json map = Json::object();
    for (int i = from; i < to; ++i) {
      map["l" + std::to_string(i)] = "";
    }
    return Json{{"metadata", {{"labels", map}}}}.dump();
  };
  Body(201, Call("POST", kRules, Rule()));
  Body(200, Call("PATCH", web_, labels(0, 4000), kMerge));
  EXPECT_EQ(Call("PATCH", web_, labels(4000, 8000), kMerge).status, 422U);
  Json finalizers = Json::array();
  for (int i = 0; i < 6000; ++i) {
    finalizers.push_back("a.b/f" + std::to_string(i));
  }
  EXPECT_EQ(
      Call("PATCH", web_, Json{{"metadata", {{"finalizers", finalizers}}}}.dump(), kMerge).status,
      422U);  // of managedFields, in which each item is a field
}

// As in Kubernetes, whose order of the two does not matter.
TEST_F(ApiWrites, StrategicPatchesDeleteItemsBeforeTheyMerge) {
  Body(201, Call("POST", kServices,
                 R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{"ports":)"
                 R"([{"name":"a","port":80,"targetPort":8080},{"name":"b","port":81}]}})"));
  EXPECT_EQ(Body(200, Call("PATCH", std::string(kServices) + "/web",
                           R"({"spec":{"ports":[{"name":"c","port":80},)"
                           R"({"$patch":"delete","port":80}]}})",
                           "application/strategic-merge-patch+json"))["spec"]["ports"]
                .dump(),
            R"([{"name":"c","port":80},{"name":"b","port":81}])");
}

TEST_F(ApiWrites, BrokenStrategicPatchesAreBadRequests) {
  constexpr const char* kStrategic = "application/strategic-merge-patch+json";
  Body(201, Call("POST", kServices,
                 R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},)"
                 R"("spec":{"ports":[{"port":80}]}})"));
  for (const std::string& patch :
       {std::string("[]"), std::string(R"({"$patch":"shuffle"})"),
        std::string(R"({"$patch":"merge","spec":{"$retainKeys":"ports"}})"),
        std::string(R"({"spec":{"ports":[{"name":"a"}]}})"),
        std::string(R"({"spec":{"$deleteFromPrimitiveList/ports":[80]}})"),
        std::string(R"({"spec":{"$setElementOrder/nothing":[1]}})")}) {
    EXPECT_EQ(Call("PATCH", std::string(kServices) + "/web", patch, kStrategic).status, 400U)
        << patch;
  }
}

// ---- who manages what --------------------------------------------------------------------------

TEST_F(ApiWrites, ManagersAreRecorded) {
  const Json created =
      Body(201, Call("POST", std::string(kRules) + "?fieldManager=kubectl-create", Rule()));
  EXPECT_EQ(created["metadata"]["managedFields"].dump(),
            R"([{"manager":"kubectl-create","operation":"Update","apiVersion":)"
            R"("networking.istio.io/v1","time":"2024-10-10T07:03:57Z","fieldsType":"FieldsV1",)"
            R"("fieldsV1":{"f:spec":{".":{},"f:hosts":{},"f:http":{}}}}])");
  Body(200, Call("PATCH", web_, R"({"spec":{"hosts":["b"]}})", kMerge));
  Json managers = Get(web_)["metadata"]["managedFields"];
  ASSERT_EQ(managers.size(), 2U);
  EXPECT_EQ(managers[0]["manager"], "kubectl");  // of the User-Agent
  EXPECT_EQ(managers[0]["fieldsV1"].dump(), R"({"f:spec":{"f:hosts":{}}})");
  EXPECT_EQ(managers[1]["fieldsV1"].dump(), R"({"f:spec":{".":{},"f:http":{}}})");
  Body(200, Call("PATCH", web_ + "/status?fieldManager=s", R"({"status":{"x":1}})", kMerge));
  managers = Get(web_)["metadata"]["managedFields"];
  ASSERT_EQ(managers.size(), 3U);
  EXPECT_EQ(managers[2]["subresource"], "status");
  EXPECT_EQ(managers[2]["fieldsV1"].dump(), R"({"f:status":{".":{},"f:x":{}}})");
}

TEST_F(ApiWrites, ManagersAreTakenAsGivenAndMayBeReset) {
  Body(201, Call("POST", kRules, Rule()));
  const Json given =
      Body(200, Call("PATCH", web_,
                     R"([{"op":"replace","path":"/metadata/managedFields","value":[{"manager":)"
                     R"("m","operation":"Apply","apiVersion":"networking.istio.io/v1",)"
                     R"("fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:hosts":{}}}}]}])",
                     kJsonPatch));
  EXPECT_EQ(given["metadata"]["managedFields"][0]["manager"], "m");
  EXPECT_EQ(given["metadata"]["managedFields"].size(), 1U);
  EXPECT_EQ(Call("PATCH", web_, R"({"metadata":{"managedFields":[7]}})", kMerge).status, 422U);
  EXPECT_EQ(Body(200, Call("PATCH", web_, R"({"metadata":{"managedFields":[]}})", kMerge)), given);
  EXPECT_FALSE(
      Body(200, Call("PATCH", web_, R"({"metadata":{"managedFields":[{}]}})", kMerge))["metadata"]
          .contains("managedFields"));
  EXPECT_FALSE(
      Body(200, Call("PATCH", web_, R"({"spec":{"hosts":["c"]}})", kMerge))["metadata"].contains(
          "managedFields"));
}

TEST_F(ApiWrites, ServerSideApplyCreatesAndChanges) {
  const std::string by_one = web_ + "?fieldManager=one";
  const std::string yaml =
      "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: web\n"
      "  labels: {a: b}\nspec:\n  hosts: [web]\n  http:\n  - route:\n    - destination: {host: "
      "web}\n";
  Body(201, Call("PATCH", by_one, yaml, kApplyPatch));
  EXPECT_EQ(Body(200, Call("PATCH", by_one, yaml, kApplyPatch))["metadata"]["resourceVersion"],
            "1");
  const Json without = Body(200, Call("PATCH", by_one, Rule("", "", 100), kApplyPatch));
  EXPECT_FALSE(without["metadata"].contains("labels"));
  EXPECT_EQ(without["metadata"]["generation"], 2);
  const Response conflict =
      Call("PATCH", web_ + "?fieldManager=two", Rule("", "", 50), kApplyPatch);
  EXPECT_EQ(conflict.status, 409U);
  EXPECT_EQ(conflict.body,
            R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":)"
            R"("Apply failed with 1 conflict: conflict with \"one\": .spec.http","reason":)"
            R"("Conflict","details":{"causes":[{"reason":"FieldManagerConflict","message":)"
            R"("conflict with \"one\"","field":".spec.http"}]},"code":409})"
            "\n");
  Body(200, Call("PATCH", web_ + "?fieldManager=two&force=true", Rule("", "", 50), kApplyPatch));
  EXPECT_EQ(Get(web_)["metadata"]["managedFields"].size(), 2U);
}

TEST_F(ApiWrites, ServerSideApplyOfAStatusIsOfThatAlone) {
  Body(201, Call("POST", kRules, Rule()));
  const Json applied =
      Body(200, Call("PATCH", web_ + "/status?fieldManager=s",
                     Rule(R"(,"labels":{"a":"b"})", R"(,"status":{"x":{"y":1}})", 7), kApplyPatch));
  EXPECT_EQ(applied["status"].dump(), R"({"observedGeneration":1,"x":{"y":1}})");
  EXPECT_FALSE(applied["metadata"].contains("labels"));
  EXPECT_EQ(applied["spec"]["http"][0]["route"][0]["weight"], 100);
  EXPECT_EQ(
      Call("PATCH", std::string(kRules) + "/no/status?fieldManager=s", Rule(), kApplyPatch).status,
      404U);
}

TEST_F(ApiWrites, ServerSideApplyHasItsRules) {
  EXPECT_EQ(Message(Call("PATCH", web_, Rule(), kApplyPatch)),
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required "
            "for apply patch");
  const std::string by_one = web_ + "?fieldManager=one";
  EXPECT_EQ(Message(Call("PATCH", by_one, Rule(R"(,"managedFields":[])"), kApplyPatch)),
            "metadata.managedFields must be nil");
  EXPECT_EQ(Call("PATCH", by_one, Rule(R"(,"uid":"u")"), kApplyPatch).status, 404U);
  EXPECT_EQ(Call("PATCH", by_one, "metadata: {name: web}\n", kApplyPatch).status, 400U);
  EXPECT_EQ(Call("PATCH", by_one, "- 1\n", kApplyPatch).status, 400U);
  Body(201, Call("PATCH", by_one, Rule(), kApplyPatch));
  EXPECT_EQ(Message(Call("PATCH", web_ + "?force=true", "{}", kMerge)),
            "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for "
            "non-apply patch");
  EXPECT_EQ(Call("PATCH", by_one, Rule(R"(,"resourceVersion":"9")"), kApplyPatch).status, 409U);
}

}  // namespace
}  // namespace vsplit
