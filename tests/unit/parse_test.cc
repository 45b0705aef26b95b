// SPDX-License-Identifier: Apache-2.0
// Documents: YAML, JSON, scalars, places, limits.
#include "vsplit/parse.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "parse_text.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

std::string ReadFile(const std::string& name) {
  std::ifstream file(std::string(VSPLIT_TESTDATA) + "/" + name);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

// A Namespace with one label, whose value is written like this.
std::string LabelWritten(std::string_view value) {
  return "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns\n  labels:\n    key: " +
         std::string(value);
}

std::string LabelRead(std::string_view value) {
  return OneObject(LabelWritten(value)).labels["key"];
}

// ---- the two forms of the canary ---------------------------------------------------------------

TEST(Parse, KialisExportAndTheTrimmedFormSayTheSame) {
  const Object kiali = OneObject(ReadFile("virtual-service-kiali.yaml"));
  const Object plain = OneObject(ReadFile("virtual-service-plain.yaml"));
  EXPECT_EQ(ToString(kiali.key), "VirtualService default/fleetman-staff-service");
  EXPECT_EQ(kiali.key, plain.key);
  EXPECT_EQ(kiali.spec, plain.spec);
  EXPECT_EQ(kiali.given_resource_version, "68084");
  EXPECT_EQ(kiali.given_creation_timestamp, "2024-10-10T07:03:57Z");
  EXPECT_EQ(kiali.labels, (Labels{{"kiali_wizard", "weighted_routing"}}));
  EXPECT_EQ(plain.labels, Labels{});
}

TEST(Parse, CanaryHasItsWeights) {
  const auto spec = OneSpec<VirtualService>(ReadFile("virtual-service-plain.yaml"));
  const std::string host = "fleetman-staff-service.default.svc.cluster.local";
  EXPECT_EQ(spec.hosts, std::vector<std::string>{host});
  ASSERT_EQ(spec.http.size(), 1u);
  EXPECT_EQ(spec.http[0].routes,
            (std::vector<RouteDestination>{{.host = host, .subset = "safe", .weight = 90},
                                           {.host = host, .subset = "risky", .weight = 10}}));
}

TEST(Parse, AllVersionsOfIstioAreTheSameKind) {
  for (const std::string version : {"v1", "v1beta1", "v1alpha3"}) {
    const Object object =
        OneObject("apiVersion: networking.istio.io/" + version +
                  "\nkind: DestinationRule\nmetadata: {name: d}\nspec: {host: h}");
    EXPECT_EQ(object.kind(), Kind::kDestinationRule);
    EXPECT_EQ(object.api_version, "networking.istio.io/" + version);
  }
}

// ---- JSON and YAML -----------------------------------------------------------------------------

void ExpectRoundTrip(const Object& yaml) {
  const Object json = OneObject(yaml.json.str());
  EXPECT_EQ(json.key, yaml.key);
  EXPECT_EQ(json.spec, yaml.spec);
  EXPECT_EQ(json.json, yaml.json);
  EXPECT_EQ(OneObject(JsonToYaml(yaml.json.str())).json, yaml.json);
}

TEST(Parse, JsonOfAnObjectReadsBackAsTheSameObject) {
  ExpectRoundTrip(OneObject(ReadFile("virtual-service-kiali.yaml")));
  ExpectRoundTrip(OneObject(ReadFile("virtual-service-plain.yaml")));
}

TEST(Parse, JsonTextKeepsOrderAndKinds) {
  const Object object = OneObject(
      "kind: Namespace\napiVersion: v1\nmetadata:\n  name: ns\n  annotations: {a: \"1\", b: "
      "'x\"y'}\n"
      "  managedFields: [2, 0x10, 1.50, off, ~, {}, []]\n");
  EXPECT_EQ(object.json,
            R"({"kind":"Namespace","apiVersion":"v1","metadata":{"name":"ns","annotations":)"
            R"({"a":"1","b":"x\"y"},"managedFields":[2,16,1.5,false,null,{},[]]}})");
}

TEST(Parse, YamlIsWrittenAsKubectlDoes) {
  EXPECT_EQ(JsonToYaml(R"({"a":{"b":[1,"1",{"c":"on","d":""}],"e":[],"f":{}},"g":[[true],null]})"),
            "a:\n  b:\n  - 1\n  - \"1\"\n  - c: \"on\"\n    d: \"\"\n  e: []\n  f: {}\n"
            "g:\n- - true\n- null\n");
}

TEST(Parse, StringsSurviveBeingWrittenAsYaml) {
  const std::string json =
      R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"ns","annotations":{)"
      R"("a":"line\nline\n","b":" x","c":"- x","d":"a: b","e":"a #b","f":"#","g":"yes","h":"1e3",)"
      R"("i":"\u0001\u007f","j":"~","k":"'","l":"x:","m":"-","n":"\n\n","o":"a\n\n","p":"é",)"
      R"("q":"--- x","r":"%","s":"12:30:00","t":"-x","u":"a\nb","v":"x ","w":"*a","x":"{}"}}})";
  const std::string yaml = JsonToYaml(json);
  EXPECT_EQ(OneObject(yaml).json, json) << yaml;
}

TEST(Parse, JsonProblemsHaveTheSamePlacesAsYamlProblems) {
  const std::string json =
      "{\n \"apiVersion\": \"v1\", \"kind\": \"Pod\",\n"
      " \"metadata\": {\"name\": \"p\"},\n \"spec\": {\"nodeName\": 7, "
      "\"hostNetwrok\": true,\n  \"nodeNames\" :\"a\\\"b\"}}";
  const std::string expected =
      "line 4:23: Pod default/p: spec.nodeName: found number 7, a string is allowed; quote it\n"
      "line 4:26: Pod default/p: spec.hostNetwrok: unknown field, did you mean \"hostNetwork\"?\n"
      "line 5:3: Pod default/p: spec.nodeNames: unknown field, did you mean \"nodeName\"?\n";
  EXPECT_EQ(Problems(json), expected);
  ParseOptions yaml;
  yaml.format = TextFormat::kYaml;
  EXPECT_EQ(Problems(json, yaml), expected);
}

TEST(Parse, SeveralJsonValuesAndYamlAfterThemAreRead) {
  const std::string json = R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"ns"}})";
  EXPECT_EQ(Parse(json + "\n" + json + json).objects.size(), 3u);
  EXPECT_EQ(Parse(json + "\n---\n" + json + "\n---\nkind: x").objects.size(), 2u);
  EXPECT_EQ(Problems(json + "\n---\n" + json + "\n---\nkind: x"),
            "line 5:1: x: apiVersion: missing, it is required\n");
  EXPECT_EQ(Problems(json + "\nx"), "line 2:1: found text after the end of a JSON value\n");
}

TEST(Parse, BrokenTextIsOneProblem) {
  EXPECT_EQ(Problems("{\"a\": 1,\n  b}"),
            "line 2:3: found text that is no JSON: syntax error while parsing object key - invalid "
            "literal; last read: '1,<U+000A>  b'; expected string literal\n");
  EXPECT_EQ(Problems("a: b\n c: d"), "line 2:3: found text that is no YAML: illegal map value\n");
  EXPECT_EQ(Problems("[a] b", ParseOptions{.format = TextFormat::kYaml}),
            "line 1:1: found a list, a map is allowed\n"
            "line 1:5: found text after the end of a document, \"---\" begins another one\n");
  EXPECT_EQ(Problems("a: \xff"),
            "line 1:4: found byte 0xff, text in UTF-8 without control characters is allowed\n");
  EXPECT_EQ(Problems(std::string_view("a: b\n\0", 6)),
            "line 2:1: found byte 0x00, text in UTF-8 without control characters is allowed\n");
  EXPECT_EQ(Problems("just words"), "line 1:1: found \"just words\", a map is allowed\n");
}

TEST(Parse, EmptyDocumentsAreNothing) {
  for (const std::string_view text :
       {"", "\n", "---\n", "---\n---\n# nothing\n", "null", "\xEF\xBB\xBF"}) {
    EXPECT_EQ(Problems(text), "") << text;
  }
  EXPECT_EQ(Parse(LabelWritten("x") + "\n...\n" + LabelWritten("z")).objects.size(), 2u);
}

// ---- scalars -----------------------------------------------------------------------------------

std::string LabelProblem(const std::string& found) {
  return "line 6:10: Namespace ns: metadata.labels[key]: found " + found +
         ", a string is allowed; quote it\n";
}

TEST(Parse, UnquotedBooleansAreThoseOfKubectl) {
  for (const std::string text : {"y", "Y", "yes", "No", "on", "OFF", "true", "False"}) {
    EXPECT_EQ(Problems(LabelWritten(text)), LabelProblem("boolean " + text));
  }
}

TEST(Parse, UnquotedNumbersAreThoseOfKubectl) {
  for (const std::string text : {"1", "-1", "0x1F", "0o17", "017", "0b11", "1_000", "1.5", ".5",
                                 "1e3", "18446744073709551615"}) {
    EXPECT_EQ(Problems(LabelWritten(text)), LabelProblem("number " + text));
  }
  EXPECT_EQ(Problems(LabelWritten(".inf")),
            "line 6:10: Namespace ns: metadata.labels.key: found number .inf, a finite number is "
            "allowed\n" +
                LabelProblem("number .inf"));
}

TEST(Parse, OtherScalarsAreStrings) {
  for (const std::string text : {"yep", "1.2.3", "0x", "0b2x", "v1", "2024-10-10", "oN", "nULL"}) {
    EXPECT_EQ(LabelRead(text), text);
  }
  EXPECT_EQ(LabelRead("\"y\""), "y");
  EXPECT_EQ(LabelRead("'1'"), "1");
  EXPECT_EQ(LabelRead("!!str on"), "on");
  EXPECT_EQ(LabelRead("null"), "");  // like no value at all
}

TEST(Parse, KeysThatAreNoStringsAreProblems) {
  EXPECT_EQ(Problems("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns\n  labels: {on: a}\n"),
            "line 5:12: Namespace ns: metadata.labels: found boolean on as a key, a string is "
            "allowed; quote it\n");
  EXPECT_EQ(Problems("? [a]\n: b\n"),
            "line 1:3: found a map or list as a key, a string is allowed\n");
}

TEST(Parse, TagsMustFit) {
  EXPECT_EQ(Problems(LabelWritten("!!binary aGk=")),
            "line 6:10: metadata.labels.key: found tag \"tag:yaml.org,2002:binary\" on \"aGk=\", "
            "which it does not fit\n");
}

TEST(Parse, FieldsMayNotBeThereTwice) {
  EXPECT_EQ(Problems("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns\n  name: m\n"),
            "line 5:3: Namespace ns: metadata.name: found this field twice, first in line 4\n");
  EXPECT_EQ(
      Problems(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"ns"},"kind":"Pod"})"),
      "line 1:64: Namespace ns: kind: found this field twice, first in line 1\n");
}

TEST(Parse, LargeMapsWithFieldsTwiceAreReadInGoodTime) {
  std::string text = "{";
  for (int name = 0; name < 20'000; ++name) {
    text += "\"" + std::to_string(name) + "\":0,";
  }
  text += R"("7":0,"7":0,"19999":0})";
  EXPECT_EQ(Problems(text),
            "line 1:1: kind: missing, it is required\n"
            "line 1:1: apiVersion: missing, it is required\n"
            "line 1:188892: 7: found this field twice, first in line 1\n"
            "line 1:188904: 19999: found this field twice, first in line 1\n");
}

// ---- aliases -----------------------------------------------------------------------------------

TEST(Parse, AliasesAndMergesAreExpanded) {
  const Object object = OneObject(
      "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns\n"
      "  labels: &l {a: \"1\", b: \"2\"}\n  annotations: {<<: *l, b: \"3\"}\n");
  EXPECT_EQ(object.labels, (Labels{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(object.annotations, (Labels{{"a", "1"}, {"b", "3"}}));
  EXPECT_EQ(object.json, R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"ns",)"
                         R"("labels":{"a":"1","b":"2"},"annotations":{"b":"3","a":"1"}}})");
}

TEST(Parse, BombsEndAtTheLimitOfWhatAliasesAdd) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int level = 1; level < 10; ++level) {
    const std::string one = "*a" + std::to_string(level - 1);
    bomb += "a" + std::to_string(level) + ": &a" + std::to_string(level) + " [" + one;
    for (int count = 1; count < 10; ++count) {
      bomb += "," + one;
    }
    bomb += "]\n";
  }
  EXPECT_EQ(Problems(bomb),
            "line 5:38: a4[7]: found aliases that add 101218 values, at most 100000 "
            "are allowed\n");
}

TEST(Parse, AliasesOfLongTextEndAtTheLimitOfTheirBytes) {
  const std::string text = "a: &a {key: " + std::string(97, 'x') + "}\nb: &b [*a, *a]\nc: *b\n";
  EXPECT_EQ(Problems(text, ParseLimits{.alias_bytes = 399}),
            "line 3:4: c: found aliases that add 400 bytes, at most 399 are allowed\n");
}

TEST(Parse, AnAliasInsideItsOwnValueIsAProblem) {
  EXPECT_EQ(Problems("a: &a [*a]"),
            "line 1:8: a[0]: found an alias inside the value that it names\n");
}

// ---- limits ------------------------------------------------------------------------------------

TEST(Parse, LimitsSayWhatTheyAre) {
  EXPECT_EQ(Problems("abcdef", ParseLimits{.bytes = 5}), "found 6 bytes, at most 5 are allowed\n");
  EXPECT_EQ(Problems("---\n---\n---\n", ParseLimits{.documents = 2}),
            "line 3:1: found more than 2 documents, at most 2 are allowed\n");
  EXPECT_EQ(Problems("{}{}{}", ParseLimits{.documents = 1, .diagnostics = 9}),
            "line 1:1: kind: missing, it is required\n"
            "line 1:1: apiVersion: missing, it is required\n"
            "line 1:3: found more than 1 documents, at most 1 are allowed\n");
  EXPECT_EQ(Problems("a: [1, 2]\n", ParseLimits{.nodes = 3}),
            "line 1:8: a[1]: found more than 3 values, at most 3 are allowed\n");
  EXPECT_EQ(
      Problems("{a: {c: 1, d: 2}, b: [1, 2, 3]}\n", ParseLimits{.map_fields = 2}).find("fields"),
      std::string::npos);
  EXPECT_EQ(Problems("a: {c: 1, d: 2, e: 3}\n", ParseLimits{.map_fields = 2}),
            "line 1:20: a.e: found more than 2 fields in one map, at most 2 are allowed\n");
  EXPECT_EQ(Problems(R"({"a":1,"b":2,"c":3})", ParseLimits{.map_fields = 2}),
            "line 1:18: c: found more than 2 fields in one map, at most 2 are allowed\n");
  EXPECT_EQ(Problems("a: &a x\nb: [*a, *a]\n", ParseLimits{.aliases = 1}),
            "line 2:9: b[1]: found more than 1 aliases, at most 1 are allowed\n");
  EXPECT_EQ(
      Problems("a: " + std::string(9000, 'x'), ParseLimits{.yaml_token_bytes = 5000}),
      "line 1:1: a: found a scalar or a map or list in brackets longer than 5000 bytes, at most "
      "5000 are allowed in YAML\n");
}

// Two bytes each, behind one of one byte: the 200th byte would cut a character.
TEST(Parse, PathsShowTwoHundredBytesOfAKey) {
  std::string key = "a";
  std::string shown = "a";
  for (int i = 0; i < 1000; ++i) {
    key += "\u00e4";
    shown += i < 99 ? "\u00e4" : "";
  }
  const std::string problems = Problems("{\"" + key + "\": {\"b\": 1, \"b\": 2}}");
  EXPECT_NE(problems.find(": " + shown + ".b: found this field twice, first in line 1\n"),
            std::string::npos)
      << problems;
}

std::string Repeat(std::string_view text, std::size_t times) {
  std::string repeated;
  while (times-- > 0) {
    repeated += text;
  }
  return repeated;
}

void ExpectTooDeep(const std::string& text) {
  const std::string problems = Problems(text);
  EXPECT_EQ(problems.substr(problems.find("found")),
            "found maps and lists nested deeper than 64 levels, at most 64 are allowed\n");
}

TEST(Parse, DepthIsLimitedWhateverTheForm) {
  std::string blocks;
  for (std::size_t level = 0; level < 70; ++level) {
    blocks += std::string(level, ' ') + "a:\n";
  }
  ExpectTooDeep(blocks);
  for (const std::size_t levels : {65U, 100'000U, 1'000'000U}) {
    ExpectTooDeep(Repeat("[", levels));
    ExpectTooDeep(Repeat(R"({"a":)", levels));
    ExpectTooDeep("a: " + Repeat("[", levels) + Repeat("]", levels));
    ExpectTooDeep("a: " + Repeat("{a: ", levels));
    ExpectTooDeep(Repeat("- ", levels));
  }
  EXPECT_EQ(Parse("a: " + Repeat("[", 63) + Repeat("]", 63)).diagnostics.size(), 2u);
}

TEST(Parse, TooManyProblemsEndReading) {
  EXPECT_EQ(Problems("a: 1\n---\nb: 2\n---\nc: 3\n", ParseLimits{.diagnostics = 3}),
            "line 1:1: kind: missing, it is required\n"
            "line 1:1: apiVersion: missing, it is required\n"
            "line 3:1: kind: missing, it is required\n"
            "line 3:1: found 3 errors so far, the rest of the text is not read\n");
}

TEST(Parse, TooManyProblemsOfOneDocumentAreNotKept) {
  std::string text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ns\n";
  for (int line = 0; line < 5000; ++line) {
    text += "  field" + std::to_string(line) + ": 1\n";
  }
  const ParseResult result = Parse(text);
  ASSERT_EQ(result.diagnostics.size(), 1001u);
  EXPECT_EQ(
      ToString(result.diagnostics[999]),
      "line 1004:3: Namespace ns: metadata.field999: unknown field, allowed are annotations, "
      "creationTimestamp, deletionGracePeriodSeconds, deletionTimestamp, finalizers, generateName, "
      "generation, labels, managedFields, name, namespace, ownerReferences, resourceVersion, "
      "selfLink, uid");
  EXPECT_EQ(ToString(result.diagnostics[1000]),
            "line 1:1: found 1000 errors so far, the rest of the text is not read");
}

// ---- several objects ---------------------------------------------------------------------------

TEST(Parse, ObjectsWithoutProblemsAreGivenNextToThoseWithSome) {
  const ParseResult result = Parse(LabelWritten("1") + "\n---\n" + LabelWritten("good"));
  EXPECT_EQ(result.diagnostics.size(), 1u);
  EXPECT_EQ(result.objects.size(), 1u);
}

}  // namespace
}  // namespace vsplit
