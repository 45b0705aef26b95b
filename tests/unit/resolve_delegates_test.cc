// SPDX-License-Identifier: Apache-2.0
// What becomes of the rules of a delegate (R5).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "resolve_rules_text.h"
#include "vsplit/address.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

TEST(Resolve, RulesOfADelegateTakeThePlaceOfTheRoots) {
  const std::string yaml =
      Reviews("{name: http, port: 80}, {name: http-b, port: 81}") +
      Rules("default", "root",
            "http: [{match: [{port: 81}], delegate: {name: d, namespace: shop}}, {" + To("rest") +
                "}]") +
      IstioObject("VirtualService", "shop", "d",
                  "http: [{match: [{port: 80}], " + To("never") +
                      "}, {match: [{sourceNamespace: x}], " + To("x") + "}, {" + To("d") + "}]");
  EXPECT_EQ(OutcomeFor(yaml, In("x")), "80 rest; 81 x");
  EXPECT_EQ(OutcomeFor(yaml, In("y")), "80 rest; 81 d");
}

TEST(Resolve, DelegateThatIsMissingOrNotExportedIsLeftOut) {
  const auto yaml = [](const std::string& name) {
    return Reviews("{name: http, port: 80}") +
           Rules(
               "default", "root",
               "http: [{delegate: {name: " + name + ", namespace: shop}}, {" + To("rest") + "}]") +
           IstioObject("VirtualService", "shop", "d", "exportTo: ['.'], http: [{" + To("d") + "}]");
  };
  EXPECT_EQ(OutcomeFor(yaml("d"), {}), "80 rest");
  EXPECT_EQ(OutcomeFor(yaml("none"), {}), "80 rest");
  EXPECT_THAT(ToString(Resolve(Aged(yaml("none")), HostName(kHost), {}, {}).verdicts.at(0)),
              "VirtualService default/root: spec.http[0]: reviews.default.svc.cluster.local: not "
              "enforced: no VirtualService shop/none");
}

// What a client of port 80 gets of a root with this match, whose delegate has one rule with that
// match: "80 d" is the rule, "80 rest" the root's next.
std::string Delegated(const std::string& root, const std::string& leaf) {
  return OutcomeFor(
      Reviews("{name: http, port: 80}") +
          Rules("default", "root",
                "http: [{match: [{" + root + "}], delegate: {name: d}}, {" + To("rest") + "}]") +
          IstioObject("VirtualService", "default", "d",
                      "http: [{match: [{" + leaf + "}], " + To("d") + "}]"),
      {});
}

TEST(Resolve, DelegatesMatchThatContradictsTheRootsIsLeftOut) {
  for (const auto& [root, leaf] : std::vector<std::pair<std::string, std::string>>{
           {"uri: {prefix: /a}", "uri: {prefix: /}"},
           {"uri: {prefix: /a}", "uri: {exact: /b}"},
           {"uri: {prefix: /a}", "uri: {}"},
           {"uri: {exact: /a}", "uri: {prefix: /a}"},
           {"uri: {exact: /a}", "uri: {exact: /ab}"},
           {"uri: {regex: .*}", "uri: {regex: .*}"},
           {"uri: {prefix: /}", "uri: {regex: .*}"},
           {"uri: {}", "uri: {prefix: /}"},
           {"scheme: {exact: http}", "scheme: {exact: https}"},
           {"method: {exact: GET}", "method: {prefix: G}"},
           {"authority: {exact: a}", "authority: {exact: b}"},
           {"headers: {x: {exact: a}}", "headers: {x: {exact: b}}"},
           {"headers: {x: {}}", "headers: {x: {}}"},
           {"withoutHeaders: {x: {prefix: ab}}", "withoutHeaders: {x: {prefix: a}}"},
           {"queryParams: {q: {exact: '1'}}", "queryParams: {q: {exact: '2'}}"},
           {"ignoreUriCase: true", "port: 80"},
           {"port: 80", "ignoreUriCase: true"}}) {
    EXPECT_EQ(Delegated(root, leaf), "80 rest") << root << " and " << leaf;
  }
}

TEST(Resolve, DelegatesMatchWithinTheRootsIsMerged) {
  for (const auto& [root, leaf] : std::vector<std::pair<std::string, std::string>>{
           {"uri: {prefix: /}", "port: 80"},
           {"uri: {prefix: /}", "uri: {prefix: /}"},
           {"ignoreUriCase: true", "ignoreUriCase: true, port: 80"}}) {
    EXPECT_EQ(Delegated(root, leaf), "80 d") << root << " and " << leaf;
  }
  // Undecided, so that the plain service gets the connection and no later rule.
  for (const auto& [root, leaf] : std::vector<std::pair<std::string, std::string>>{
           {"uri: {prefix: /a}", "port: 80"},
           {"uri: {prefix: /}", "uri: {exact: /a}"},
           {"uri: {exact: /a}", "uri: {exact: /a}"},
           {"headers: {x: {exact: a}}", "headers: {z: {exact: b}}"},
           {"headers: {x: {exact: a}}", "queryParams: {x: {exact: b}}"}}) {
    EXPECT_EQ(Delegated(root, leaf), "80 plain") << root << " and " << leaf;
  }
}

TEST(Resolve, DelegatesRuleKeepsTheAnswerOfItsRoot) {
  const std::string yaml =
      Reviews("{name: http, port: 80}") +
      Rules("default", "root",
            "http: [{delegate: {name: d}, directResponse: {status: 503}}, {" + To("rest") + "}]") +
      IstioObject("VirtualService", "default", "d", "http: [{" + To("d") + "}]");
  EXPECT_EQ(OutcomeFor(yaml, {}), "80 plain");
}

}  // namespace
}  // namespace vsplit
