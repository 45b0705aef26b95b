// SPDX-License-Identifier: Apache-2.0
#include "managed_fields.h"

#include <gtest/gtest.h>

#include <string>

#include "conflict.h"
#include "field_paths.h"
#include "field_schema.h"
#include "json.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr Kind kKind = Kind::kVirtualService;
constexpr const char* kVersion = "networking.istio.io/v1";
constexpr const char* kEarly = "2024-10-10T07:00:00Z";
constexpr const char* kLate = "2024-10-10T08:00:00Z";

Json Parsed(const std::string& text) {
  return Json::parse(text);
}

Writer By(const std::string& manager, const std::string& now = kEarly) {
  return {.manager = manager, .subresource = "", .api_version = kVersion, .now = now};
}

// An object with this spec and metadata.
Json Rule(const std::string& spec, const std::string& metadata = "") {
  return Parsed(R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService",)"
                R"("metadata":{"name":"r")" +
                (metadata.empty() ? "" : "," + metadata) + R"(},"spec":)" + spec + "}");
}

std::string Spec(const Json& document) {
  return document.contains("spec") ? document["spec"].dump() : "none";
}

// "kubectl Apply .spec.a .spec.b; other Update .spec.c"
std::string Owners(const Json& document) {
  std::string text;
  const ManagedFields managed = ReadManagedFields(document).value();
  for (const FieldManager& manager : managed) {
    text += (text.empty() ? "" : "; ") + manager.name + (manager.applies ? " Apply" : " Update");
    for (const FieldPath& path : manager.fields) {
      text += " " + ToString(path);
    }
  }
  return text;
}

Json Apply(const Json& live, const Json& applied, const Writer& writer, bool force = false) {
  const Result<ApplyOutcome> outcome = ApplyFields(kKind, live, applied, writer, force);
  EXPECT_TRUE(outcome);
  EXPECT_TRUE(outcome->conflicts.empty()) << ConflictFailure(outcome->conflicts).message;
  return outcome->document;
}

std::string Conflict(const Json& live, const Json& applied, const Writer& writer) {
  const Result<ApplyOutcome> outcome = ApplyFields(kKind, live, applied, writer, false);
  return outcome && !outcome->conflicts.empty() ? ConflictFailure(outcome->conflicts).message
                                                : "no conflict";
}

// The document after an update from `before` to it.
Json Updated(const Json& before, Json after, const Writer& writer) {
  ManagedFields managed = ReadManagedFields(before).value();
  RecordUpdate(kKind, before, after, writer, managed);
  WriteManagedFields(managed, after);
  return after;
}

// A path and whether it is whole (=) or a member (+) in each line.
std::string Fields(Kind kind, const Json& document) {
  const FieldSchema schema(kind);
  std::string text;
  for (const Field& field : FieldsOf(document, schema)) {
    text += ToString(field.path) + (field.whole ? "=" + field.value->dump() : "") +
            (field.member ? "+\n" : "\n");
    EXPECT_EQ(ValueAt(document, field.path, schema), field.value);
  }
  return text;
}

TEST(FieldPaths, ListsAreOneValueAndMapsAreNot) {
  EXPECT_EQ(Fields(kKind, Rule(R"({"hosts":["a","b"],"tls":{},"x":{"y":{"z":null}}})",
                               R"("uid":"u","labels":{"a.b/c":"d"},"finalizers":["e.f/g"],)"
                               R"("ownerReferences":[{"uid":"o","name":"n"}],"managedFields":[])")),
            ".metadata.labels\n.metadata.labels.a.b/c=\"d\"+\n"
            ".metadata.finalizers\n.metadata.finalizers[=\"e.f/g\"]=\"e.f/g\"+\n"
            ".metadata.ownerReferences\n"
            ".metadata.ownerReferences[uid=\"o\"]={\"uid\":\"o\",\"name\":\"n\"}+\n"
            ".spec\n.spec.hosts=[\"a\",\"b\"]+\n.spec.tls={}+\n"
            ".spec.x\n.spec.x.y\n.spec.x.y.z=null+\n");
}

TEST(FieldPaths, ItemsAreToldApartByWhatKubernetesSays) {
  EXPECT_EQ(Fields(Kind::kService,
                   Parsed(R"({"spec":{"selector":{"a":"b"},"ports":[{"port":80},{"port":80,)"
                          R"("protocol":"UDP"}],"externalIPs":["1.2.3.4"]}})")),
            ".spec\n.spec.selector={\"a\":\"b\"}+\n.spec.ports\n"
            ".spec.ports[port=80,protocol=\"TCP\"]+\n"
            ".spec.ports[port=80,protocol=\"TCP\"].port=80+\n"
            ".spec.ports[port=80,protocol=\"UDP\"]+\n"
            ".spec.ports[port=80,protocol=\"UDP\"].port=80+\n"
            ".spec.ports[port=80,protocol=\"UDP\"].protocol=\"UDP\"+\n"
            ".spec.externalIPs=[\"1.2.3.4\"]+\n");
  // Twice the same, and without what tells it apart: one value.
  EXPECT_EQ(Fields(Kind::kService, Parsed(R"({"spec":{"ports":[{"port":80},{"port":80}]}})")),
            ".spec\n.spec.ports=[{\"port\":80},{\"port\":80}]+\n");
  EXPECT_EQ(Fields(Kind::kService, Parsed(R"({"spec":{"ports":[{"name":"a"}]}})")),
            ".spec\n.spec.ports=[{\"name\":\"a\"}]+\n");
  EXPECT_EQ(Fields(Kind::kServiceEntry, Parsed(R"({"spec":{"ports":[{"number":1}]}})")),
            ".spec\n.spec.ports\n.spec.ports[number=1]+\n.spec.ports[number=1].number=1+\n");
  EXPECT_EQ(Fields(Kind::kPod, Parsed(R"({"spec":{"initContainers":[{"name":"c","env":[{"name":)"
                                      R"("e","valueFrom":{"fieldRef":{"fieldPath":"x"}}}]}]}})")),
            ".spec\n.spec.initContainers\n.spec.initContainers[name=\"c\"]+\n"
            ".spec.initContainers[name=\"c\"].name=\"c\"+\n"
            ".spec.initContainers[name=\"c\"].env\n"
            ".spec.initContainers[name=\"c\"].env[name=\"e\"]+\n"
            ".spec.initContainers[name=\"c\"].env[name=\"e\"].name=\"e\"+\n"
            ".spec.initContainers[name=\"c\"].env[name=\"e\"].valueFrom\n"
            ".spec.initContainers[name=\"c\"].env[name=\"e\"].valueFrom.fieldRef="
            "{\"fieldPath\":\"x\"}+\n");
}

TEST(FieldPaths, FieldsV1ReadsBackAsTheSameSet) {
  const FieldSet set{{"f:m"}, {"f:m", "f:x"}, {"f:e"}, {"f:a", "v:\"b\""}};
  const Json fields = ToFieldsV1(set);
  EXPECT_EQ(fields.dump(), R"({"f:a":{"v:\"b\"":{}},"f:e":{},"f:m":{".":{},"f:x":{}}})");
  EXPECT_EQ(FromFieldsV1(fields), set);
  EXPECT_EQ(FromFieldsV1(Parsed(R"({"f:e":{".":{}},"f:n":7,"x":{}})")),
            (FieldSet{{"f:e"}, {"f:n"}}));
}

TEST(FieldPaths, RemovingLeavesMapsAndListsThatNothingIsLeftOf) {
  const Json document =
      Parsed(R"({"a":{"b":{"c":1}},"d":{"e":1,"f":{}},"spec":{"ports":[{"port":1,"name":"x"}]}})");
  const auto without = [&](const FieldSet& gone) {
    return Without(document, gone, FieldSchema(Kind::kService)).dump();
  };
  EXPECT_EQ(without({{"f:a", "f:b", "f:c"}, {"f:d", "f:e"}, {"f:x", "f:y"}}),
            R"({"a":{"b":{}},"d":{"f":{}},"spec":{"ports":[{"port":1,"name":"x"}]}})");
  const std::string item = R"(k:{"port":1,"protocol":"TCP"})";
  EXPECT_EQ(without({{"f:a"}, {"f:d"}, {"f:spec", "f:ports", item, "f:name"}}),
            R"({"spec":{"ports":[{"port":1}]}})");
  EXPECT_EQ(without({{"f:a"}, {"f:d"}, {"f:spec", "f:ports", item}}), R"({"spec":{"ports":[]}})");
}

TEST(FieldPaths, MergedItemsComeInTheOrderOfBoth) {
  const auto merged = [](const std::string& live, const std::string& applied) {
    const auto document = [](const std::string& names) {
      Json conditions = Json::array();
      for (const char name : names) {
        conditions.push_back({{"type", std::string(1, name)}});
      }
      return Json{{"status", {{"conditions", conditions}}}};
    };
    const Json both = Merged(document(live), document(applied), FieldSchema(Kind::kPod));
    std::string names;
    for (const Json& item : both.at("status").at("conditions")) {
      names += item["type"].get<std::string>();
    }
    return names;
  };
  EXPECT_EQ(merged("abc", "c"), "abc");
  EXPECT_EQ(merged("abc", "d"), "abcd");
  EXPECT_EQ(merged("abc", "ca"), "bca");
  EXPECT_EQ(merged("abcd", "db"), "acdb");
  EXPECT_EQ(merged("ab", "xb"), "axb");
  EXPECT_EQ(merged("", "ba"), "ba");
  EXPECT_EQ(merged("ab", ""), "ab");
}

TEST(ManagedFields, UpdateOwnsWhatItChangesAndNobodyElseDoes) {
  const Json created = Updated({}, Rule(R"({"a":1,"b":{"c":1,"d":1}})"), By("one"));
  EXPECT_EQ(Owners(created), "one Update .spec .spec.a .spec.b .spec.b.c .spec.b.d");
  EXPECT_EQ(created["metadata"]["managedFields"][0].dump(),
            R"({"manager":"one","operation":"Update","apiVersion":"networking.istio.io/v1",)"
            R"("time":"2024-10-10T07:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:spec":)"
            R"({".":{},"f:a":{},"f:b":{".":{},"f:c":{},"f:d":{}}}}})");
  const Json changed = Updated(created, Rule(R"({"a":1,"b":{"c":2}})"), By("two", kLate));
  EXPECT_EQ(Owners(changed), "one Update .spec .spec.a .spec.b; two Update .spec.b.c");
  const Json same = Updated(changed, Rule(R"({"b":{"c":2},"a":1})"), By("three", kLate));
  EXPECT_EQ(same["metadata"]["managedFields"], changed["metadata"]["managedFields"]);
}

TEST(ManagedFields, TimeIsOfTheLastValueThatWasGiven) {
  const auto time = [](const Json& document) {
    return document["metadata"]["managedFields"][0]["time"].get<std::string>();
  };
  const Json created = Updated({}, Rule(R"({"a":1,"b":1})"), By("one"));
  const Json fewer = Updated(created, Rule(R"({"a":1})"), By("one", kLate));
  EXPECT_EQ(Owners(fewer), "one Update .spec .spec.a");
  EXPECT_EQ(time(fewer), time(created));
  EXPECT_EQ(time(Updated(created, Rule(R"({"a":2,"b":1})"), By("one", kLate))), kLate);
}

TEST(ManagedFields, ManyUpdatersBecomeAncient) {
  Json document = Updated({}, Rule("{}", R"("labels":{"a":"0"})"), By("0"));
  for (int i = 1; i < 13; ++i) {
    Json next = document;
    next["metadata"]["labels"]["l" + std::to_string(i)] = "x";
    const std::string time = "2024-10-10T07:00:" + std::to_string(10 + i) + "Z";
    document = Updated(document, next, By(std::to_string(i), time));
  }
  EXPECT_EQ(document["metadata"]["managedFields"].size(), 10U);
  EXPECT_EQ(Owners(document).find(
                "ancient-changes Update .metadata.labels "
                ".metadata.labels.a .metadata.labels.l1 .metadata.labels.l2 .metadata.labels.l3 "
                ".spec; 4 Update .metadata.labels.l4"),
            0U)
      << Owners(document);
}

TEST(Apply, CreatesTheDocumentAsItIs) {
  const Json document = Apply({}, Rule(R"({"hosts":["a"],"x":{"y":1}})"), By("kubectl"));
  EXPECT_EQ(Spec(document), R"({"hosts":["a"],"x":{"y":1}})");
  EXPECT_EQ(Owners(document), "kubectl Apply .spec.hosts .spec.x.y");
  EXPECT_EQ(Apply(document, Rule(R"({"hosts":["a"],"x":{"y":1}})"), By("kubectl", kLate)),
            document);
}

TEST(Apply, FieldsThatAreLeftOutGo) {
  Json live =
      Apply({}, Rule(R"({"a":1,"b":{"c":1,"d":2},"e":1})", R"("labels":{"l":"1"})"), By("kubectl"));
  live = Apply(live, Rule(R"({"b":{"d":2},"f":3})"), By("kubectl", kLate));
  EXPECT_EQ(Spec(live), R"({"b":{"d":2},"f":3})");
  EXPECT_EQ(live["metadata"]["name"], "r");
  EXPECT_FALSE(live["metadata"].contains("labels"));
  EXPECT_EQ(live["metadata"]["managedFields"][0]["time"], kLate);
}

TEST(Apply, MapsAndListsThatOthersOwnStay) {
  const std::string ports = R"({"number":1,"name":"a"})";
  const auto entry = [](const std::string& items) {
    return Parsed(R"({"metadata":{"name":"r"},"spec":{"ports":[)" + items + "]}}");
  };
  Json live = Updated({}, Rule(R"({"a":{}})"), By("other"));
  live = Apply(live, Rule(R"({"a":{"b":1},"c":{"d":1}})"), By("kubectl"));
  live = Apply(live, Rule("{}"), By("kubectl"));
  EXPECT_EQ(Spec(live), R"({"a":{}})");
  EXPECT_EQ(Owners(live), "kubectl Apply .spec; other Update .spec .spec.a");
  const auto apply = [](const Json& before, const Json& applied, const Writer& writer) {
    return ApplyFields(Kind::kServiceEntry, before, applied, writer, false)->document;
  };
  ManagedFields managed;
  Json empty = entry("");
  RecordUpdate(Kind::kServiceEntry, {}, empty, By("other"), managed);
  WriteManagedFields(managed, empty);
  Json listed = apply(empty, entry(ports), By("kubectl"));
  EXPECT_EQ(Spec(listed), R"({"ports":[{"number":1,"name":"a"}]})");
  listed = apply(listed, entry(""), By("kubectl"));
  EXPECT_EQ(Spec(listed), R"({"ports":[]})");
  EXPECT_EQ(Owners(listed), "other Update .spec .spec.ports");
}

TEST(Apply, WhatChangesHandsAloneHasNoTime) {
  const auto times = [](const Json& document) { return document["metadata"]["managedFields"]; };
  const Json live = Apply({}, Rule(R"({"a":1,"b":1})"), By("one"));
  const Json shared = times(Apply(live, Rule(R"({"a":1})"), By("two", kLate)));
  EXPECT_FALSE(shared[0].contains("time"));
  EXPECT_EQ(shared[0]["manager"], "two");
  EXPECT_EQ(shared[1]["time"], times(live)[0]["time"]);
}

TEST(Apply, FieldsOfOthersStay) {
  Json live = Apply({}, Rule(R"({"a":1,"b":{"c":1}})", R"("finalizers":["x.y/z"])"), By("one"));
  live = Apply(live, Rule(R"({"a":1,"b":{"d":2}})", R"("finalizers":["u.v/w"])"), By("two"));
  EXPECT_EQ(Owners(live),
            "one Apply .metadata.finalizers[=\"x.y/z\"] .spec.a .spec.b.c; "
            "two Apply .metadata.finalizers[=\"u.v/w\"] .spec.a .spec.b.d");
  live = Apply(live, Rule(R"({"b":{"c":1}})"), By("one"));
  EXPECT_EQ(Spec(live), R"({"a":1,"b":{"c":1,"d":2}})");
  EXPECT_EQ(live["metadata"]["finalizers"].dump(), R"(["u.v/w"])");
}

TEST(Apply, AnotherValueThanAnotherManagersIsAConflict) {
  Json live = Apply({}, Rule(R"({"http":[1],"x":{"y":1}})"), By("kubectl"));
  EXPECT_EQ(Conflict(live, Rule(R"({"http":[2]})"), By("other")),
            R"(Apply failed with 1 conflict: conflict with "kubectl": .spec.http)");
  live = Updated(live, Rule(R"({"http":[1],"x":{"y":2},"z":1})"), By("edit"));
  EXPECT_EQ(Conflict(live, Rule(R"({"http":[2],"x":{"y":3},"z":2})"), By("other")),
            "Apply failed with 3 conflicts: conflicts with \"edit\" using networking.istio.io/v1:\n"
            "- .spec.x.y\n- .spec.z\nconflicts with \"kubectl\":\n- .spec.http");
  EXPECT_EQ(Conflict(live, Rule(R"({"x":7})"), By("other")),
            "Apply failed with 1 conflict: conflict with \"edit\" using networking.istio.io/v1: "
            ".spec.x.y");
  EXPECT_EQ(Conflict(live, Rule(R"({"z":{"deep":1}})"), By("other")),
            "Apply failed with 1 conflict: conflict with \"edit\" using networking.istio.io/v1: "
            ".spec.z");
  EXPECT_EQ(Conflict(live, Rule(R"({"http":[1],"x":{}})"), By("other")), "no conflict");
  const Failure failure =
      ConflictFailure(ApplyFields(kKind, live, Rule(R"({"http":[2]})"), By("o"), false)->conflicts);
  EXPECT_EQ(failure.code, 409U);
  ASSERT_EQ(failure.causes.size(), 1U);
  EXPECT_EQ(failure.causes[0].reason, "FieldManagerConflict");
  EXPECT_EQ(failure.causes[0].field, ".spec.http");
  EXPECT_EQ(failure.causes[0].message, "conflict with \"kubectl\"");
}

TEST(Apply, ForceTakesFields) {
  Json live = Apply({}, Rule(R"({"a":1,"b":1})"), By("one"));
  live = Apply(live, Rule(R"({"a":2})"), By("two"), true);
  EXPECT_EQ(Spec(live), R"({"a":2,"b":1})");
  EXPECT_EQ(Owners(live), "one Apply .spec.b; two Apply .spec.a");
}

TEST(Apply, ObjectsThatNobodyTrackedBelongToBeforeFirstApply) {
  const Json live = Rule(R"({"a":1,"b":1})");
  EXPECT_EQ(Conflict(live, Rule(R"({"a":2})"), By("other")),
            "Apply failed with 1 conflict: conflict with \"before-first-apply\" using "
            "networking.istio.io/v1: .spec.a");
  EXPECT_EQ(Owners(Apply(live, Rule(R"({"a":1})"), By("other"))),
            "other Apply .spec.a; before-first-apply Update .spec .spec.a .spec.b");
}

TEST(Apply, KubectlTakesWhatItAppliedFromTheClientSide) {
  const std::string last =
      R"("annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"spec\":{\"a\":1}}"})";
  const Json live = Updated({}, Rule(R"({"a":1,"b":1})", last), By("kubectl-client-side-apply"));
  EXPECT_NE(Conflict(live, Rule(R"({"a":2,"b":2})"), By("kubectl")), "no conflict");
  EXPECT_NE(Conflict(live, Rule(R"({"a":2})"), By("other")), "no conflict");
  const Json applied = Apply(live, Rule(R"({"a":2})"), By("kubectl"));
  EXPECT_EQ(Spec(applied), R"({"a":2,"b":1})");
  EXPECT_EQ(applied["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"],
            R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService",)"
            R"("metadata":{"name":"r"},"spec":{"a":2}})"
            "\n");
}

TEST(ManagedFields, BrokenOnesAreRefusedByName) {
  const auto failure = [](const std::string& list) {
    const Result<ManagedFields> managed =
        ReadManagedFields(Rule("{}", R"("managedFields":)" + list));
    return managed ? "" : managed.error().message;
  };
  EXPECT_EQ(failure("7"), "metadata.managedFields: a list of at most 200 managers is allowed");
  EXPECT_EQ(failure("[7]"), "metadata.managedFields[0]: found no map");
  EXPECT_EQ(failure(R"([{"manager":"m","operation":"Own"}])"),
            R"(metadata.managedFields[0].operation: found "Own", allowed are Apply, Update)");
  EXPECT_EQ(failure(R"([{"operation":"Apply","fieldsType":"V2"}])"),
            R"(metadata.managedFields[0].fieldsType: found "V2", FieldsV1 is allowed)");
  EXPECT_EQ(failure("null"), "");
}

}  // namespace
}  // namespace vsplit
