// SPDX-License-Identifier: Apache-2.0
// Objects written by one request each: what of a document is kept, and what is refused.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "api_call.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

TEST_F(ApiWrites, ServersMetadataIsNotTheClients) {
  const Json created = Body(
      201, Call("POST", kRules,
                Rule(R"(,"uid":"mine","generation":7,"creationTimestamp":null,"selfLink":"/x",)"
                     R"("deletionTimestamp":"2020-01-01T00:00:00Z","labels":{"a":"b"},)"
                     R"("finalizers":["x.y/z"],"ownerReferences":[{"apiVersion":"v1",)"
                     R"("kind":"Pod","name":"p","uid":"u"}])")));
  Json metadata = created["metadata"];
  metadata.erase("managedFields");
  EXPECT_EQ(metadata.dump(),
            R"({"name":"web","labels":{"a":"b"},"finalizers":["x.y/z"],"ownerReferences":)"
            R"([{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u"}],"namespace":"default",)"
            R"("uid":"uid-1","resourceVersion":"1","generation":1,)"
            R"("creationTimestamp":"2024-10-10T07:03:57Z"})");
}

TEST_F(ApiWrites, SpecComesBackAsGivenInEveryVersion) {
  std::string rule = Rule("", "", 0);
  rule.replace(rule.find(R"("hosts")"), 7, R"("gateways":[],"exportTo":["*"],"hosts")");
  Body(201, Call("POST", kRules, rule));
  for (const char* version : {"v1", "v1beta1", "v1alpha3"}) {
    std::string target = web_;
    target.replace(target.find("/v1/"), 4, std::string("/") + version + "/");
    const Json object = Get(target);
    EXPECT_EQ(object["apiVersion"], std::string("networking.istio.io/") + version);
    EXPECT_EQ(object["spec"], Json::parse(rule)["spec"]);
  }
}

TEST_F(ApiWrites, WhatChangesNothingKeepsItsVersion) {
  const Json created = Body(201, Call("POST", kRules, Rule()));
  EXPECT_EQ(Body(200, Call("PUT", web_, Rule())), created);
  EXPECT_EQ(Body(200, Call("PATCH", web_, R"({"spec":{"hosts":["web"]}})", kMerge)), created);
  std::string alpha = Rule();
  alpha.replace(alpha.find("/v1"), 3, "/v1alpha3");
  std::string target = web_;
  target.replace(target.find("/v1/"), 4, "/v1alpha3/");
  EXPECT_EQ(Body(200, Call("PUT", target, alpha))["metadata"]["resourceVersion"], "1");
  EXPECT_EQ(backend_.store().resource_version(), 1U);
}

TEST_F(ApiWrites, GenerationFollowsTheSpecAlone) {
  Body(201, Call("POST", kRules, Rule()));
  const Json labelled = Body(200, Call("PUT", web_, Rule(R"(,"labels":{"a":"b"})")));
  EXPECT_EQ(labelled["metadata"]["generation"], 1);
  EXPECT_EQ(labelled["metadata"]["resourceVersion"], "2");
  EXPECT_EQ(Body(200, Call("PUT", web_, Rule("", "", 50)))["metadata"]["generation"], 2);
}

TEST_F(ApiWrites, PreconditionsOfAPutAreItsMetadata) {
  Body(201, Call("POST", kRules, Rule()));
  EXPECT_EQ(Call("PUT", web_, Rule(R"(,"resourceVersion":"1")", "", 50)).status, 200U);
  const Response stale = Call("PUT", web_, Rule(R"(,"resourceVersion":"1")", "", 60));
  EXPECT_EQ(stale.status, 409U);
  EXPECT_EQ(Message(stale),
            "Operation cannot be fulfilled on virtualservices.networking.istio.io \"web\": the "
            "object has been modified; please apply your changes to the latest version and try "
            "again");
  EXPECT_EQ(Message(Call("PUT", web_, Rule(R"(,"uid":"other")"))),
            "Operation cannot be fulfilled on virtualservices.networking.istio.io \"web\": "
            "Precondition failed: UID in precondition: other, UID in object meta: uid-1");
}

TEST_F(ApiWrites, NamesAreGenerated) {
  std::string rule = Rule();
  rule.replace(rule.find(R"("name":"web")"), 12, R"("generateName":"web-")");
  EXPECT_EQ(Body(201, Call("POST", kRules, rule))["metadata"]["name"], "web-x7b2c");
  EXPECT_EQ(Call("POST", kRules, rule).status, 409U);
}

TEST_F(ApiWrites, UnknownFieldsAreWhatTheClientWantsThemToBe) {
  std::string rule = Rule();
  rule.replace(rule.find("weight"), 6, "weigth");
  const std::string strict =
      "VirtualService in version \"v1\" cannot be handled as a VirtualService: strict decoding "
      "error: unknown field \"spec.http[0].route[0].weigth\", did you mean \"weight\"?";
  const std::string target = std::string(kRules) + "?fieldValidation=";
  const Response refused = Call("POST", target + "Strict", rule);
  EXPECT_EQ(refused.status, 400U);
  EXPECT_EQ(Message(refused), strict);
  EXPECT_EQ(Message(Call("POST", kRules, rule)), strict);  // kubectl 1.20 says nothing
  const Response warned = Call("POST", target + "Warn&dryRun=All", rule);
  EXPECT_EQ(warned.warnings,
            std::vector<std::string>{"unknown field \"spec.http[0].route[0].weigth\", did you "
                                     "mean \"weight\"?"});
  EXPECT_FALSE(Body(201, warned)["spec"]["http"][0]["route"][0].contains("weigth"));
  EXPECT_TRUE(Call("POST", target + "Ignore&dryRun=All", rule).warnings.empty());
  user_agent_ = "flagger/1.41";
  EXPECT_EQ(Call("POST", kRules, rule).warnings, warned.warnings);
  EXPECT_EQ(Message(Call("POST", target + "Maybe", rule)),
            "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: "
            "\"Maybe\": supported values: \"Ignore\", \"Strict\", \"Warn\"");
}

TEST_F(ApiWrites, FieldsThatAreThereTwiceAreStrictMistakes) {
  const std::string rule = Rule(R"(,"labels":{"a":"1","a":"2"})");
  EXPECT_EQ(Message(Call("POST", kRules, rule)),
            "VirtualService in version \"v1\" cannot be handled as a VirtualService: strict "
            "decoding error: duplicate field \"metadata.labels.a\"");
  const Response warned = Call("POST", std::string(kRules) + "?fieldValidation=Warn", rule);
  EXPECT_EQ(warned.warnings, std::vector<std::string>{"duplicate field \"metadata.labels.a\""});
  EXPECT_EQ(Body(201, warned)["metadata"]["labels"]["a"], "2");
}

TEST_F(ApiWrites, MistakesAreCauses) {
  std::string rule = Rule("", "", -1);
  rule.replace(rule.find(R"(["web"])"), 7, "7");
  const Json status = Body(422, Call("POST", kRules, rule));
  EXPECT_EQ(status["message"],
            "VirtualService.networking.istio.io \"web\" is invalid: [spec.hosts: found number 7, "
            "a list is allowed, spec.http[0].route[0].weight: found -1, an integer from 0 to "
            "2147483647 is allowed]");
  EXPECT_EQ(status["reason"], "Invalid");
  EXPECT_EQ(
      status["details"].dump(),
      R"({"name":"web","group":"networking.istio.io","kind":"VirtualService","causes":)"
      R"([{"reason":"FieldValueTypeInvalid","message":"found number 7, a list is allowed",)"
      R"("field":"spec.hosts"},{"reason":"FieldValueInvalid","message":"found -1, an )"
      R"(integer from 0 to 2147483647 is allowed","field":"spec.http[0].route[0].weight"}]})");
}

TEST_F(ApiWrites, HostileBodiesAreRefused) {
  EXPECT_EQ(Call("POST", kRules, std::string(std::size_t{4} << 20, ' ')).status, 413U);
  EXPECT_EQ(Call("POST", kRules, std::string(100'000, '[')).status, 400U);
  EXPECT_EQ(Call("POST", kRules, R"({"a":1e999})").status, 400U);
  std::string wide = R"({"a0":0)";
  for (int field = 1; field < 5001; ++field) {
    wide += ",\"a" + std::to_string(field) + "\":0";
  }
  EXPECT_NE(Message(Call("POST", kRules, wide + "}")).find("more than 5000 fields in one map"),
            std::string::npos);
  EXPECT_EQ(Call("POST", kRules, "[]").status, 400U);
  EXPECT_EQ(Call("POST", kRules, R"({"kind":7,"metadata":[]})").status, 400U);
  EXPECT_EQ(Call("POST", kRules,
                 R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService",)"
                 R"("metadata":[]})")
                .status,
            422U);
}

// ---- status ------------------------------------------------------------------------------------

TEST_F(ApiWrites, StatusOfOthersIsKeptBesideTheAgents) {
  Body(201, Call("POST", kRules, Rule("", R"(,"status":{"x":1})")));
  EXPECT_EQ(Get(web_)["status"].dump(), R"({"observedGeneration":1})");
  const std::string status = web_ + "/status";
  const Json patched =
      Body(200, Call("PATCH", status,
                     R"({"metadata":{"labels":{"a":"b"}},"spec":{"hosts":["other"]},"status":)"
                     R"({"observedGeneration":9,"conditions":[{"type":"Ready","status":"True"}]}})",
                     kMerge));
  const char* const whole =
      R"({"observedGeneration":1,"conditions":[{"type":"Ready","status":"True"}]})";
  EXPECT_EQ(patched["status"].dump(), whole);
  EXPECT_EQ(patched["spec"]["hosts"].dump(), R"(["web"])");
  EXPECT_FALSE(patched["metadata"].contains("labels"));
  EXPECT_EQ(patched["metadata"]["generation"], 1);
  EXPECT_EQ(patched["metadata"]["resourceVersion"], "2");
  EXPECT_EQ(Get(status), patched);
  const Json put = Body(200, Call("PUT", web_, Rule("", R"(,"status":{"x":1})", 50)));
  EXPECT_EQ(put["status"].dump(), whole);
  EXPECT_EQ(Body(200, Call("PUT", status, put.dump())), put);
  EXPECT_EQ(Call("PATCH", std::string(kRules) + "/nobody/status", "{}", kMerge).status, 404U);
}

TEST_F(ApiWrites, StatusOfCoreKindsIsWhatIsWritten) {
  const std::string pods = "/api/v1/namespaces/default/pods";
  const std::string pod = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","uid":"k"})";
  Body(201, Call("POST", pods, pod + R"(,"status":{"podIP":"10.0.0.1"}})"));
  EXPECT_EQ(Get(pods + "/p")["metadata"]["uid"], "k");
  EXPECT_EQ(Body(200, Call("PUT", pods + "/p", pod + "}"))["status"]["podIP"], "10.0.0.1");
  EXPECT_EQ(Body(200, Call("PATCH", pods + "/p/status", R"({"status":{"phase":"Running"}})",
                           kMerge))["status"]
                .dump(),
            R"({"podIP":"10.0.0.1","phase":"Running"})");
  EXPECT_EQ(
      Call("GET", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/e/status").status,
      404U);
}

// kubectl takes for granted that a port of an EndpointSlice has a protocol.
TEST_F(ApiWrites, PortsOfSlicesAreFilledIn) {
  const std::string slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
  const std::string slice =
      R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"e"},)"
      R"("addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"]}],"ports":[{"port":80}]})";
  constexpr const char* kFilled = R"([{"port":80,"name":"","protocol":"TCP"}])";
  EXPECT_EQ(Body(201, Call("POST", slices, slice))["ports"].dump(), kFilled);
  EXPECT_EQ(Body(200, Call("PUT", slices + "/e", slice))["metadata"]["resourceVersion"], "1");
  EXPECT_EQ(Get(slices + "/e")["metadata"]["generation"], 1);
  const Json labelled = Body(200, Call("PATCH", slices + "/e?fieldManager=l",
                                       R"({"metadata":{"labels":{"a":"b"}}})", kMerge));
  EXPECT_EQ(labelled["metadata"]["managedFields"][1]["fieldsV1"].dump(),
            R"({"f:metadata":{"f:labels":{".":{},"f:a":{}}}})");
}

TEST_F(ApiWrites, PortsOfSlicesThatAFileBroughtAreFilledInWhereTheyAreShown) {
  const std::string apply = "/apis/vsplit.io/v1/apply?namespace=default&source=f";
  EXPECT_EQ(Call("POST", apply,
                 R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":)"
                 R"({"name":"e"},"addressType":"IPv4","endpoints":[],)"
                 R"("ports":[{"name":"a","port":80},{"name":"b","port":53,"protocol":"UDP"}]})")
                .status,
            200U);
  EXPECT_EQ(Get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/e")["ports"].dump(),
            R"([{"name":"a","port":80,"protocol":"TCP"},{"name":"b","port":53,"protocol":"UDP"}])");
}

TEST_F(ApiWrites, TheNamespaceOfTheUrlIsChecked) {
  for (const char* ns : {"A", "a%2Fb", "x%22%2C%22labels%22%3A%7B", "%A1"}) {
    const std::string target =
        "/apis/networking.istio.io/v1/namespaces/" + std::string(ns) + "/virtualservices";
    const Json refusal = Body(422, Call("POST", target, Rule()));
    EXPECT_EQ(refusal["details"]["causes"][0]["field"], "metadata.namespace");
    Body(422, Call("POST", "/apis/vsplit.io/v1/apply?namespace=" + std::string(ns), Rule()));
  }
  EXPECT_EQ(backend_.store().Count(Kind::kVirtualService), 0U);
}

// Who has one in Kubernetes 1.32.
TEST_F(ApiWrites, CoreKindsHaveNoGeneration) {
  Body(201, Call("POST", kRules, Rule()));
  EXPECT_TRUE(Get(web_)["metadata"].contains("generation"));
  for (const auto& [collection, kind] :
       {std::pair("/api/v1/namespaces", "Namespace"), std::pair("/api/v1/nodes", "Node"),
        std::pair(kServices, "Service"), std::pair("/api/v1/namespaces/default/pods", "Pod")}) {
    const std::string spec =
        std::string(kind) == "Service" ? R"(,"spec":{"ports":[{"port":80}]})" : "";
    const Json created = Body(201, Call("POST", collection,
                                        R"({"apiVersion":"v1","kind":")" + std::string(kind) +
                                            R"(","metadata":{"name":"x"})" + spec + "}"));
    EXPECT_FALSE(created["metadata"].contains("generation")) << created;
  }
}

// As an API server: kubectl selects a namespace by the label.
TEST_F(ApiWrites, NamespacesHaveTheirLabelAndPhase) {
  const std::string shop =
      R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"},"spec":{},"status":{}})";
  const Json created = Body(201, Call("POST", "/api/v1/namespaces", shop));
  EXPECT_EQ(created["metadata"]["labels"].dump(), R"({"kubernetes.io/metadata.name":"shop"})");
  EXPECT_EQ(created["status"].dump(), R"({"phase":"Active"})");
  EXPECT_FALSE(created["metadata"]["managedFields"][0]["fieldsV1"].contains("f:status"));
  const Json label = Body(
      200, Call("PATCH", "/api/v1/namespaces/shop", R"({"metadata":{"labels":null}})", kMerge));
  EXPECT_EQ(label["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"]);
  EXPECT_EQ(
      Call("PATCH", "/api/v1/namespaces/shop", R"({"metadata":{"labels":"x"}})", kMerge).status,
      422U);
  EXPECT_EQ(Body(200, Call("PATCH", "/api/v1/namespaces/shop/status",
                           R"({"status":{"phase":"Terminating"}})", kMerge))["status"]["phase"],
            "Terminating");
  EXPECT_EQ(
      Body(200,
           Call("PUT", "/api/v1/namespaces/shop",
                R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}})"))["status"]
                                                                                        ["phase"],
      "Terminating");
}

// ---- protobuf, which `kubectl create namespace` and `create service` send -----------------------

// A field of a message: its bytes behind their number and size, or a number.
std::string Proto(unsigned number, const std::string& bytes) {
  EXPECT_LT(bytes.size(), 16384U);
  std::string field;
  for (const std::size_t value : {std::size_t{number} << 3U | 2U, bytes.size()}) {
    if (value > 127) {
      field += static_cast<char>((value & 127U) | 128U);
    }
    field += static_cast<char>(value > 127 ? value >> 7U : value);
  }
  return field + bytes;
}

std::string Proto(unsigned number, unsigned value) {
  const std::string field = Proto(number, std::string(value, 'x'));  // its size is written alike
  const std::string head = field.substr(0, field.size() - value);
  return static_cast<char>(head.front() - 2) + head.substr(1);
}

// As kubectl sends an object.
std::string Enveloped(const std::string& kind, const std::string& object) {
  return std::string("k8s\0", 4) + Proto(1, Proto(1, "v1") + Proto(2, kind)) + Proto(2, object) +
         Proto(3, "") + Proto(4, "");
}

constexpr const char* kProtobuf = "application/vnd.kubernetes.protobuf";

TEST_F(ApiWrites, NamespacesComeAsProtobuf) {
  const std::string name = Proto(1, "shop") + Proto(2, "") + Proto(8, "") +
                           Proto(11, Proto(1, "a") + Proto(2, "b")) + Proto(14, "x.y/z");
  const std::string body =
      Enveloped("Namespace", Proto(1, name) + Proto(2, "") + Proto(3, Proto(1, "")));
  const Json created = Body(201, Call("POST", "/api/v1/namespaces", body, kProtobuf));
  EXPECT_EQ(created["metadata"]["name"], "shop");
  EXPECT_EQ(created["metadata"]["labels"]["a"], "b");
  EXPECT_EQ(created["metadata"]["finalizers"].dump(), R"(["x.y/z"])");
  EXPECT_EQ(Call("POST", "/api/v1/namespaces", body, kProtobuf).status, 409U);
  for (std::size_t size = 0; size < body.size() - 4; ++size) {
    const unsigned status =
        Call("POST", "/api/v1/namespaces", body.substr(0, size), kProtobuf).status;
    EXPECT_TRUE(status == 400 || status == 422) << size << ": " << status;
  }
}

TEST_F(ApiWrites, ServicesComeAsProtobuf) {
  const std::string named = Proto(1, "a") + Proto(2, "TCP") + Proto(3, 80U) +
                            Proto(4, Proto(1, 1U) + Proto(2, 0U) + Proto(3, "web")) + Proto(5, 0U);
  const std::string numbered =
      Proto(1, "b") + Proto(3, 81U) + Proto(4, Proto(1, 0U) + Proto(2, 8081U) + Proto(3, ""));
  const std::string spec = Proto(1, named) + Proto(1, numbered) +
                           Proto(2, Proto(1, "app") + Proto(2, "web")) + Proto(3, "") +
                           Proto(4, "ClusterIP") + Proto(12, 0U) + Proto(13, 1U);
  const std::string metadata = Proto(1, Proto(1, "web"));
  const Json created = Body(
      201, Call("POST", kServices, Enveloped("Service", metadata + Proto(2, spec)), kProtobuf));
  EXPECT_EQ(created["spec"].dump(),
            R"({"ports":[{"name":"a","protocol":"TCP","port":80,"targetPort":"web"},)"
            R"({"name":"b","port":81,"targetPort":8081}],"selector":{"app":"web"},)"
            R"("type":"ClusterIP","publishNotReadyAddresses":true})");
}

TEST_F(ApiWrites, OptionsOfDeletionsComeAsProtobuf) {
  Body(201, Call("POST", kRules, Rule()));
  const auto status = [&](const std::string& options) {
    return Call("DELETE", web_, Enveloped("DeleteOptions", options), kProtobuf).status;
  };
  EXPECT_EQ(status(Proto(2, Proto(1, "another"))), 409U);
  EXPECT_EQ(status(Proto(4, "Sideways")), 422U);
  EXPECT_EQ(status(Proto(99, "new")), 400U);
  EXPECT_EQ(status(Proto(5, "All")), 200U);
  Get(web_);
  EXPECT_EQ(status(Proto(1, 1U) + Proto(2, Proto(1, "uid-1")) + Proto(4, "Background")), 200U);
  EXPECT_EQ(Call("GET", web_).status, 404U);
}

TEST_F(ApiWrites, ProtobufThatIsNotUnderstoodIsRefused) {
  const std::string metadata = Proto(1, Proto(1, "web"));
  const auto refusal = [&](const std::string& object, const std::string& kind = "Service") {
    return Message(Call("POST", kServices, Enveloped(kind, object), kProtobuf));
  };
  EXPECT_EQ(refusal(metadata + Proto(2, Proto(99, "new"))),
            "the body: found the field 99, which is not understood");
  EXPECT_EQ(refusal(Proto(1, 7U)), "the body: malformed protobuf");
  EXPECT_EQ(refusal(Proto(1, Proto(1, "\xa1"))), "the body: malformed protobuf");
  EXPECT_EQ(Call("DELETE", web_, Enveloped("DeleteOptions", Proto(4, "\xa1")), kProtobuf).status,
            400U);
  EXPECT_EQ(refusal(metadata, "Pod"),
            "the kind of the object (Pod) does not match the kind of the URL (Service)");
  std::string many;
  for (int i = 0; i <= 5000; ++i) {
    many += Proto(5, "a");
  }
  EXPECT_EQ(Message(Call("POST", kServices, std::string("k8s\0", 4) + many, kProtobuf)),
            "the body: found more than 5000 fields in one message");
  EXPECT_EQ(Call("POST", kRules, Enveloped("VirtualService", metadata), kProtobuf).status, 415U);
  Body(201, Call("POST", kServices,
                 Enveloped("Service", metadata + Proto(2, Proto(1, Proto(3, 80U)))), kProtobuf));
  const std::string status = Enveloped("Service", metadata + Proto(3, Proto(1, "")));
  EXPECT_EQ(Call("PUT", std::string(kServices) + "/web/status", status, kProtobuf).status, 415U);
}

// ---- deletion ----------------------------------------------------------------------------------

TEST_F(ApiWrites, ObjectsWithFinalizersGoWithTheLastOfThem) {
  Body(201, Call("POST", kRules, Rule(R"(,"finalizers":["x.y/z","u.v/w"])")));
  const Json marked = Body(200, Call("DELETE", web_, R"({"propagationPolicy":"Background"})"));
  EXPECT_EQ(marked["metadata"]["deletionTimestamp"], "2024-10-10T07:03:57Z");
  EXPECT_EQ(marked["metadata"]["deletionGracePeriodSeconds"], 0);
  EXPECT_EQ(marked["metadata"]["generation"], 2);
  EXPECT_EQ(Body(200, Call("DELETE", web_)), marked);
  const Json fewer =
      Body(200, Call("PATCH", web_,
                     R"({"metadata":{"finalizers":["x.y/z"],"deletionTimestamp":null}})", kMerge));
  EXPECT_EQ(fewer["metadata"]["deletionTimestamp"], "2024-10-10T07:03:57Z");
  EXPECT_EQ(fewer["metadata"]["generation"], 2);
  EXPECT_EQ(Call("PATCH", web_, R"({"metadata":{"finalizers":["n.e/w","x.y/z"]}})", kMerge).status,
            422U);
  EXPECT_EQ(Body(200, Call("PATCH", web_, R"({"metadata":{"finalizers":null}})", kMerge))["kind"],
            "VirtualService");
  EXPECT_EQ(Call("GET", web_).status, 404U);
}

TEST_F(ApiWrites, DeleteOptionsAreHonouredOrRefused) {
  Body(201, Call("POST", kRules, Rule()));
  EXPECT_EQ(Message(Call("DELETE", web_, R"({"propagationPolicy":"Slowly"})")),
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: "
            "\"Slowly\": supported values: \"Background\", \"Foreground\", \"Orphan\"");
  EXPECT_EQ(Message(Call("DELETE", web_, R"({"preconditions":{"resourceVersion":"7"}})")),
            "Operation cannot be fulfilled on virtualservices.networking.istio.io \"web\": "
            "Precondition failed: ResourceVersion in precondition: 7, ResourceVersion in object "
            "meta: 1");
  EXPECT_EQ(Call("DELETE", web_, R"({"dryRun":["All"]})").status, 200U);
  EXPECT_EQ(Get(web_)["metadata"]["name"], "web");
  EXPECT_EQ(Body(200, Call("DELETE", web_,
                           R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":1,)"
                           R"("propagationPolicy":"Foreground"})"))["status"],
            "Success");
  EXPECT_EQ(Call("GET", web_).status, 404U);
}

TEST_F(ApiWrites, CollectionsAreDeletedByWhatIsSelected) {
  const auto add = [this](const std::string& name, const std::string& metadata) {
    std::string rule = Rule(metadata);
    rule.replace(rule.find("\"web\""), 5, "\"" + name + "\"");
    Body(201, Call("POST", kRules, rule));
  };
  add("a", R"(,"labels":{"x":"1"})");
  add("b", R"(,"labels":{"x":"1"},"finalizers":["f.g/h"])");
  add("c", "");
  const std::string selected = std::string(kRules) + "?labelSelector=x%3D1";
  EXPECT_EQ(Body(200, Call("DELETE", selected, R"({"dryRun":["All"]})"))["items"].size(), 2U);
  EXPECT_EQ(backend_.store().Count(Kind::kVirtualService), 3U);
  const Json list = Body(200, Call("DELETE", selected, R"({"propagationPolicy":"Background"})"));
  EXPECT_EQ(list["kind"], "VirtualServiceList");
  EXPECT_EQ(list["items"].size(), 2U);
  EXPECT_EQ(Call("GET", std::string(kRules) + "/a").status, 404U);
  EXPECT_TRUE(Get(std::string(kRules) + "/b")["metadata"].contains("deletionTimestamp"));
  EXPECT_EQ(Body(200, Call("DELETE", std::string(kRules) + "?labelSelector=none"))["items"].size(),
            0U);
  EXPECT_EQ(Call("DELETE", std::string(kRules) + "?labelSelector=%3D").status, 400U);
  EXPECT_EQ(backend_.store().Count(Kind::kVirtualService), 2U);
}

}  // namespace
}  // namespace vsplit
