// SPDX-License-Identifier: Apache-2.0
// Agreement with Istio: testdata/validation/*.yaml, beside them what Istio says of each document.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "parse_text.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(VSPLIT_TESTDATA) / "validation";

std::string ReadFile(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream) << path;
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::vector<std::string> LinesOf(const fs::path& path) {
  std::istringstream stream(ReadFile(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

// Names of documents that are allowed to differ, and have to.
std::set<std::string> Differences() {
  std::set<std::string> names;
  for (const std::string& line : LinesOf(kFolder / "differences.txt")) {
    if (!line.starts_with('#')) {
      names.insert(line.substr(0, line.find(' ')));
    }
  }
  return names;
}

std::string Findings(const ParseResult& result, const ParsedDocument& document) {
  std::string text;
  for (std::size_t i = document.first; i < document.end; ++i) {
    text += "\n  " + ToString(result.diagnostics[i]);
  }
  return text;
}

// "invalid VirtualService a" and so on, as the expected lines have it; `istio` is such a line. Of
// warnings we may have more.
std::string VerdictOf(const ParseResult& result, const ParsedDocument& document,
                      const std::string& istio) {
  const bool more = istio.starts_with("valid ");
  const auto first = result.diagnostics.begin() + static_cast<std::ptrdiff_t>(document.first);
  const auto last = result.diagnostics.begin() + static_cast<std::ptrdiff_t>(document.end);
  const bool warned = !more && std::any_of(first, last, [](const Diagnostic& diagnostic) {
    return !diagnostic.message.ends_with("not enforced");  // which Istio never says
  });
  const std::string verdict = !document.valid ? "invalid" : warned ? "warned" : "valid";
  return verdict + " " + document.kind + " " + document.name +
         (istio.starts_with(verdict) ? "" : Findings(result, document));
}

class Agreement : public testing::TestWithParam<std::string> {};

TEST_P(Agreement, IsWithIstioOnEveryDocument) {
  const std::set<std::string> differences = Differences();
  const ParseResult result = Parse(ReadFile(kFolder / (GetParam() + ".yaml")));
  const std::vector<std::string> expected = LinesOf(kFolder / (GetParam() + ".expected"));
  ASSERT_EQ(result.documents.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::string verdict = VerdictOf(result, result.documents[i], expected[i]);
    if (differences.contains(result.documents[i].name)) {
      EXPECT_NE(verdict, expected[i]);
    } else {
      EXPECT_EQ(verdict, expected[i]);
    }
  }
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".yaml") {
      names.push_back(entry.path().stem().string());
    }
  }
  std::ranges::sort(names);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Parse, Agreement, testing::ValuesIn(Names()), [](const auto& file) {
  std::string name = file.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

// ---- what is said ------------------------------------------------------------------------------

std::string HttpProblems(std::string_view rule) {
  return Problems(VirtualServiceWith("  hosts: [a]\n  http:\n  - {" + std::string(rule) + "}\n"));
}

std::string At(int column, std::string_view path) {
  return "line 7:" + std::to_string(column) + ": VirtualService default/v: spec.http[0]." +
         std::string(path) + ": ";
}

TEST(Parse, FaultsInsideOfWhatNeedsTheRequestHaveTheirPlace) {
  const std::string route = "route: [{destination: {host: b}}], ";
  const auto warning = [](std::string_view field) {
    return "line 7:41: warning: VirtualService default/v: spec.http[0]." + std::string(field) +
           ": needs the request, not enforced\n";
  };
  EXPECT_EQ(HttpProblems(route + "fault: {abort: {httpStatus: 100}}"),
            warning("fault") + At(69, "fault.abort.httpStatus") +
                "found 100, an HTTP status from 200 to 600 is allowed\n");
  EXPECT_EQ(HttpProblems(route + "retries: {attempts: 1, retryOn: sometimes}"),
            warning("retries") + At(73, "retries.retryOn") +
                "found \"sometimes\", conditions of Envoy's x-envoy-retry-on or HTTP statuses are "
                "allowed, separated by commas alone\n");
  EXPECT_EQ(HttpProblems(route + "headers: {request: {set: {':path': x}}}"),
            warning("headers") + At(67, "headers.request.set[:path]") +
                "found header \":path\", which may not be changed\n");
}

TEST(Parse, RegularExpressionsAreCompiled) {
  EXPECT_EQ(HttpProblems("match: [{uri: {regex: 'a('}}], route: [{destination: {host: b}}]"),
            "line 7:15: warning: VirtualService default/v: spec.http[0].match[0].uri: needs the "
            "request, not enforced\n" +
                At(28, "match[0].uri.regex") +
                "found \"a(\", a regular expression of RE2 is allowed: missing ): a(\n");
}

TEST(Parse, ActionsThatExcludeEachOtherAreNamed) {
  EXPECT_EQ(HttpProblems("directResponse: {status: 200}, route: [{destination: {host: b}}]"),
            "line 7:6: warning: VirtualService default/v: spec.http[0].directResponse: needs the "
            "request, not enforced\n" +
                At(37, "route") + "found beside directResponse, one of them is allowed\n");
  EXPECT_EQ(HttpProblems("name: x"),
            "line 7:5: VirtualService default/v: spec.http[0]: found no action, one of route, "
            "redirect, directResponse is required\n");
}

TEST(Parse, RulesThatNeverDecideAreNamed) {
  EXPECT_EQ(
      Problems(VirtualServiceWith("  hosts: [a]\n  tcp:\n"
                                  "  - {match: [{port: 1}], route: [{destination: {host: b}}]}\n"
                                  "  - {match: [{port: 1}], route: [{destination: {host: c}}]}\n")),
      "line 8:5: warning: VirtualService default/v: spec.tcp[1]: never reached, earlier rules "
      "have all of its matches\n"
      "line 8:14: warning: VirtualService default/v: spec.tcp[1].match[0]: never decides, rule "
      "[0] has the same match\n");
}

TEST(Parse, WarningsHideNoErrorAndEndNoText) {
  const std::string headers = "{destination: {host: b}, headers: {request: {set: {a: b}}}}";
  const std::string problems = HttpProblems("route: [" + headers + ", " + headers + "]");
  EXPECT_NE(problems.find("found only weights of 0"), std::string::npos) << problems;
  const std::string one = VirtualServiceWith(
      "  hosts: [a]\n  http: [{timeout: 1s, route: [{destination: {host: b}}]}]\n---\n");
  const ParseResult result = Parse(one + one + one, {.limits = {.diagnostics = 2}});
  EXPECT_EQ(result.objects.size(), 3u);
  EXPECT_EQ(result.diagnostics.size(), 2u);
}

TEST(Parse, NullIsNoValueOfAField) {
  EXPECT_EQ(HttpProblems("timeout: null, route: [{destination: {host: b}}]"),
            At(15, "timeout") + "found null, leave the field out instead\n");
}

TEST(Parse, StoredObjectsAreKeptWhateverIsWrongWithThem) {
  const std::string text =
      R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"v"},)"
      R"("spec":{"hosts":["a"],"http":[{"timeout":"0s","route":[{"destination":{"host":"b"}}]}]}})";
  EXPECT_TRUE(Parse(text).objects.empty());
  EXPECT_EQ(Parse(text, {.stored = true}).objects.size(), 1u);
}

TEST(Parse, EveryDocumentIsAccountedFor) {
  const ParseResult result = Parse(
      "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: "
      "a}}\n"
      "- {apiVersion: v1, kind: Namespace, metadata: {name: B}}\n---\n"
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: x}\n---\n"
      "apiVersion: networking.istio.io/v1\nkind: VirtualServce\nmetadata: {name: v}\n---\n{\n");
  std::string seen;
  for (const ParsedDocument& document : result.documents) {
    seen += document.kind + " " + document.ns + "/" + document.name +
            (document.known ? "" : " unknown") + (document.valid ? " valid\n" : "\n");
  }
  EXPECT_EQ(
      seen,
      "Namespace /a valid\nNamespace /B\nDeployment x/d unknown\nVirtualServce default/v\n /\n");
}

}  // namespace
}  // namespace vsplit
