// SPDX-License-Identifier: Apache-2.0
// Kinds, metadata, Lists.
#include <gtest/gtest.h>

#include <string>

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
