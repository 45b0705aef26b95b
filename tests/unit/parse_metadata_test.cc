// SPDX-License-Identifier: Apache-2.0
// Kinds, metadata, Lists.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "parse_text.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

TEST(Parse, KindsAndVersionsHaveToBeKnown) {
  EXPECT_EQ(
      Problems("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"),
      "line 2:7: Deployment default/d: kind: found \"Deployment\", allowed are Namespace, Node, "
      "Pod, Service, EndpointSlice, WorkloadEntry, ServiceEntry, DestinationRule, VirtualService, "
      "Sidecar, List\n");
  EXPECT_EQ(Problems("apiVersion: v1\nkind: Servce\nmetadata: {name: d}\n"),
            "line 2:7: Servce default/d: kind: found \"Servce\", did you mean \"Service\"?\n");
  EXPECT_EQ(
      Problems("apiVersion: networking.istio.io/v2\nkind: VirtualService\n"),
      "line 1:13: VirtualService: apiVersion: found \"networking.istio.io/v2\", allowed for a "
      "VirtualService: networking.istio.io/v1, networking.istio.io/v1beta1, "
      "networking.istio.io/v1alpha3\n");
}

TEST(Parse, TheDefaultNamespaceIsChecked) {
  const std::string pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a";
  for (const char* ns : {"A", "a.b", "a/b", "x\",\"labels\":{\"", "\xA1"}) {
    const ParseResult result = Parse(pod + "}\n", {.default_namespace = ns});
    EXPECT_TRUE(result.objects.empty()) << ns;
    ASSERT_EQ(result.diagnostics.size(), 1U) << ns;
    EXPECT_EQ(ToString(result.diagnostics[0]),
              std::string("line 3:11: Pod ") + ns + "/a: metadata.namespace: found \"" + ns +
                  "\" beside it, a DNS label (a-z, 0-9, -) is allowed");
    EXPECT_EQ(Parse(pod + ", namespace: b}\n", {.default_namespace = ns}).objects.size(), 1U);
    EXPECT_EQ(Parse(pod + "}\n", {.default_namespace = ns, .stored = true}).objects.size(), 1U);
  }
}

TEST(Parse, NamesAndNamespacesAreChecked) {
  const auto of = [](const std::string& kind, const std::string& metadata) {
    return Problems("apiVersion: v1\nkind: " + kind + "\nmetadata: " + metadata + "\n");
  };
  EXPECT_EQ(of("Namespace", "{labels: {}}"),
            "line 3:11: Namespace: metadata.name: missing, it is required\n");
  EXPECT_EQ(of("Namespace", "{name: a.b}"),
            "line 3:18: Namespace a.b: metadata.name: found \"a.b\", a DNS label (a-z, 0-9, -) is "
            "allowed\n");
  EXPECT_EQ(of("Node", "{name: a.b, namespace: c}"),
            "line 3:34: Node a.b: metadata.namespace: found \"c\", a Node has no namespace\n");
  EXPECT_EQ(
      of("Pod", "{name: A}"),
      "line 3:18: Pod default/A: metadata.name: found \"A\", a DNS name (a-z, 0-9, - and .) is "
      "allowed\n");
  EXPECT_EQ(
      of("Pod", "{name: a, labels: {-a: x, b: \"c d\"}}"),
      "line 3:30: Pod default/a: metadata.labels[-a]: found key \"-a\", at most 63 letters, "
      "digits, -, _ and . with a letter or digit at both ends are allowed, after an optional "
      "DNS name and /\n"
      "line 3:40: Pod default/a: metadata.labels[b]: found \"c d\", at most 63 letters, digits, "
      "-, _ and . with a letter or digit at both ends are allowed\n");
}

TEST(Parse, FinalizersAndOwnersAreChecked) {
  const auto of = [](const std::string& metadata) {
    return Problems("apiVersion: v1\nkind: Pod\nmetadata: {name: a, " + metadata + "}\n");
  };
  EXPECT_EQ(of("finalizers: [example.com/guard], ownerReferences: [{apiVersion: v1, kind: Pod, "
               "name: b, uid: u, controller: true, blockOwnerDeletion: false}]"),
            "");
  EXPECT_EQ(of("finalizers: [a b]"),
            "line 3:34: Pod default/a: metadata.finalizers[0]: found \"a b\", at most 63 letters, "
            "digits, -, _ and . are allowed, after an optional DNS name and /\n");
  EXPECT_EQ(of("finalizers: x"),
            "line 3:33: Pod default/a: metadata.finalizers: found \"x\", a list is allowed\n");
  EXPECT_EQ(of("ownerReferences: [{kind: \"\", name: b, uid: u, controler: true}]"),
            "line 3:39: Pod default/a: metadata.ownerReferences[0].apiVersion: missing, it is "
            "required\n"
            "line 3:46: Pod default/a: metadata.ownerReferences[0].kind: found \"\", a name is "
            "required\n"
            "line 3:67: Pod default/a: metadata.ownerReferences[0].controler: unknown field, did "
            "you mean \"controller\"?\n");
}

TEST(Parse, AnnotationsAreAtMost256KiB) {
  const auto of = [](std::size_t bytes) {
    return Problems("apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {key: " +
                    std::string(bytes, 'v') + "}}\n");
  };
  EXPECT_EQ(of(262'141), "");
  EXPECT_EQ(of(262'142),
            "line 3:34: Pod default/a: metadata.annotations: found 262145 bytes of keys and "
            "values, at most 262144 are allowed\n");
}

TEST(Parse, UnknownFieldsAreDroppedWhereThatIsAskedFor) {
  constexpr const char* kText =
      "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"x\":1,\"name\":\"a\"},"
      "\"spec\":{\"nodeNam\":\"b\"},\"y\":[2]}";
  ParseOptions options;
  EXPECT_TRUE(Parse(kText, options).objects.empty());
  options.field_validation = FieldValidation::kWarn;
  ParseResult result = Parse(kText, options);
  ASSERT_EQ(result.objects.size(), 1u);
  EXPECT_EQ(result.objects[0].json,
            R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{}})");
  ASSERT_EQ(result.diagnostics.size(), 3u);
  for (const Diagnostic& diagnostic : result.diagnostics) {
    EXPECT_EQ(diagnostic.reason, Diagnostic::Reason::kUnknownField);
    EXPECT_EQ(diagnostic.severity, Diagnostic::Severity::kWarning);
  }
  options.field_validation = FieldValidation::kIgnore;
  result = Parse(kText, options);
  EXPECT_EQ(result.objects.size(), 1u);
  EXPECT_TRUE(result.diagnostics.empty());
}

TEST(Parse, MistakesSayOfWhichKindTheyAre) {
  const ParseResult result = Parse(
      "apiVersion: v1\nkind: Service\nmetadata: {name: a, name: b}\n"
      "spec: {type: 7, ports: [{name: p}, {name: q, port: 70000, prt: 1}]}\n");
  std::string reasons;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    reasons += diagnostic.path + " " + std::to_string(static_cast<int>(diagnostic.reason)) + "\n";
  }
  using Reason = Diagnostic::Reason;
  const auto number = [](Reason reason) { return std::to_string(static_cast<int>(reason)) + "\n"; };
  EXPECT_EQ(reasons, "metadata.name " + number(Reason::kDuplicateField) + "spec.type " +
                         number(Reason::kType) + "spec.ports[0].port " + number(Reason::kMissing) +
                         "spec.ports[1].port " + number(Reason::kInvalid) + "spec.ports[1].prt " +
                         number(Reason::kUnknownField));
}

TEST(Parse, PlainDocumentsAreReadWithoutAKind) {
  const Result<PlainDocument> yaml =
      ReadPlain("# a comment\nspec: {weight: 010, enabled: yes}\nlist:\n- 1.5\n", TextFormat::kAny);
  ASSERT_TRUE(yaml);
  EXPECT_EQ(yaml->json, R"({"spec":{"weight":8,"enabled":true},"list":[1.5]})");
  const Result<PlainDocument> json =
      ReadPlain(R"({"a":{"b":1,"b":2},"a.b":[{"c":1,"c":1}]})", TextFormat::kJson);
  ASSERT_TRUE(json);
  EXPECT_EQ(json->duplicates, (std::vector<std::string>{"a.b", "a.b[0].c"}));
  const auto failure = [](const std::string& text, TextFormat format) {
    const Result<PlainDocument> document = ReadPlain(text, format);
    return document ? "" : document.error().message;
  };
  EXPECT_EQ(failure("", TextFormat::kAny), "found no document, one is expected");
  EXPECT_EQ(failure("{}\n---\n{}\n", TextFormat::kYaml),
            "found several documents, one is expected");
  EXPECT_EQ(failure("a: .inf\n", TextFormat::kYaml),
            "line 1:4: a: found number .inf, a finite number is allowed");
  EXPECT_EQ(failure(std::string(100, '['), TextFormat::kJson).substr(0, 74),
            "line 1:65: [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]");
}

TEST(Parse, DefaultNamespaceIsForObjectsThatNameNone) {
  const ParseOptions options{.default_namespace = "shop"};
  const ParseResult result = Parse(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n"
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\n---\n"
      "apiVersion: v1\nkind: Node\nmetadata: {name: a}\n",
      options);
  ASSERT_EQ(result.objects.size(), 3u);
  EXPECT_EQ(ToString(result.objects[0].key), "Pod shop/a");
  EXPECT_EQ(ToString(result.objects[1].key), "Pod b/a");
  EXPECT_EQ(ToString(result.objects[2].key), "Node a");
}

TEST(Parse, ListsAreReadAsTheirItems) {
  const ParseResult result = Parse(
      "apiVersion: v1\nkind: List\nmetadata: {resourceVersion: \"\"}\nitems:\n"
      "- apiVersion: v1\n  kind: Node\n  metadata: {name: a}\n"
      "- apiVersion: v1\n  kind: Pod\n  metadata: {name: b}\n  spec: {nodeNam: a}\n"
      "- {kind: List}\n");
  ASSERT_EQ(result.objects.size(), 1u);
  EXPECT_EQ(result.objects[0].json, R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}})");
  ASSERT_EQ(result.diagnostics.size(), 2u);
  EXPECT_EQ(ToString(result.diagnostics[0]),
            "line 11:10: Pod default/b: items[1].spec.nodeNam: unknown field, did you mean "
            "\"nodeName\"?");
  EXPECT_EQ(ToString(result.diagnostics[1]),
            "line 12:3: List: items[2]: found a List in a List, objects are allowed");
}

}  // namespace
}  // namespace vsplit
