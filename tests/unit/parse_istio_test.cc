// SPDX-License-Identifier: Apache-2.0
// VirtualService and DestinationRule: what is kept, what is wrong, what is refused for now.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "parse_text.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

// The problems of one http rule that routes to `a` and has this too; it is line 7.
std::string HttpProblems(std::string_view more) {
  return Problems(
      VirtualServiceWith("  hosts: [a]\n  http:\n  - {route: [{destination: {host: a}}], " +
                         std::string(more) + "}\n"));
}

std::string HttpRefused(int column, std::string_view field, std::string_view reason) {
  return "line 7:" + std::to_string(column) + ": VirtualService default/v: spec.http[0]." +
         std::string(field) + ": not supported: " + std::string(reason) + "\n";
}

// The problems of a DestinationRule with this below spec.trafficPolicy, in one line, which is
// line 6.
std::string PolicyProblems(std::string_view policy) {
  return Problems(
      DestinationRuleWith("  host: a\n  trafficPolicy: {" + std::string(policy) + "}\n"));
}

std::string PolicyProblem(int column, std::string_view field, std::string_view message) {
  return "line 6:" + std::to_string(column) + ": DestinationRule default/d: spec.trafficPolicy" +
         std::string(field) + ": " + std::string(message) + "\n";
}

// ---- VirtualService ----------------------------------------------------------------------------

TEST(Parse, VirtualServiceKeepsItsRules) {
  const auto spec = OneSpec<VirtualService>(VirtualServiceWith(R"(
  hosts: [a, "*.b.com"]
  gateways: [mesh, ns/g]
  exportTo: ["*"]
  http:
  - name: first
    match: [{name: m, port: 80, uri: {prefix: /}, statPrefix: s}, {uri: {regex: ".*"}, port: 81}]
    route: [{destination: {host: a, subset: s, port: {number: 8080}}, weight: 3}, {destination: {host: b}, weight: 0}]
  tcp:
  - match: [{port: 90}]
    route: [{destination: {host: c}}]
)"));
  VirtualService expected;
  expected.hosts = {"a", "*.b.com"};
  expected.gateways = {"mesh", "ns/g"};
  expected.export_to = {"*"};
  expected.http = {
      {.name = "first",
       .matches = {{.name = "m", .port = 80}, {.port = 81}},
       .routes = {{.host = "a", .subset = "s", .port = 8080, .weight = 3}, {.host = "b"}}}};
  expected.tcp = {{.matches = {{.port = 90}}, .routes = {{.host = "c"}}}};
  EXPECT_EQ(spec, expected);
}

TEST(Parse, AllProblemsAreFoundAtOnceInTheOrderOfTheText) {
  EXPECT_EQ(
      Problems(VirtualServiceWith(R"(  hosts: [a]
  http:
  - route:
    - destination: {host: "*"}
      wieght: 90
    - destination:
        host: b
        subset: A
      weight: -10
    timeout: 1s
  - route: [{weight: 1.5}]
  foo: 1
)")),
      "line 8:27: VirtualService default/v: spec.http[0].route[0].destination.host: found "
      "\"*\", the name of a service is allowed\n"
      "line 9:7: VirtualService default/v: spec.http[0].route[0].wieght: unknown field, did "
      "you mean \"weight\"?\n"
      "line 12:17: VirtualService default/v: spec.http[0].route[1].destination.subset: found "
      "\"A\", a DNS label (a-z, 0-9, -) is allowed\n"
      "line 13:15: VirtualService default/v: spec.http[0].route[1].weight: found -10, an "
      "integer from 0 to 2147483647 is allowed\n"
      "line 14:5: VirtualService default/v: spec.http[0].timeout: not supported: it needs the "
      "request, which connect() does not see\n"
      "line 15:5: warning: VirtualService default/v: spec.http[1]: never reached, rule [0] "
      "before it matches everything\n"
      "line 15:13: VirtualService default/v: spec.http[1].route[0].destination: missing, it "
      "is required\n"
      "line 15:22: VirtualService default/v: spec.http[1].route[0].weight: found 1.5, an "
      "integer from 0 to 2147483647 is allowed\n"
      "line 16:3: VirtualService default/v: spec.foo: unknown field, allowed are exportTo, "
      "gateways, hosts, http, tcp, tls\n");
}

TEST(Parse, WeightsHaveToAddUpToSomething) {
  const auto of = [](const std::string& routes) {
    return Problems(VirtualServiceWith("  hosts: [a]\n  tcp: [{route: [" + routes + "]}]\n"));
  };
  const std::string a = "{destination: {host: a}, weight: ";
  EXPECT_EQ(of(a + "0}"), "");
  EXPECT_EQ(of(a + "1}," + a + "0}"), "");
  EXPECT_EQ(of(a + "0}, {destination: {host: b}}"),
            "line 6:17: VirtualService default/v: spec.tcp[0].route: found only weights of 0, at "
            "least one of several destinations needs a weight\n");
  const std::string most = a + "2147483647}";
  EXPECT_EQ(of(most + "," + most + "," + a + "1}"), "");
  EXPECT_EQ(of(most + "," + most + "," + a + "2}"),
            "line 6:17: VirtualService default/v: spec.tcp[0].route: found weights that add up to "
            "4294967296, at most 4294967295 is allowed\n");
}

TEST(Parse, HostsOfAVirtualServiceAreChecked) {
  const auto of = [](const std::string& hosts) {
    return Problems(VirtualServiceWith("  hosts: [" + hosts +
                                       "]\n  tcp: [{route: [{destination: {host: a}}]}]\n"));
  };
  const std::string at = ": VirtualService default/v: spec.hosts";
  EXPECT_EQ(of("a, b.c, '*.d', 10.0.0.1, '*-x.e', A.b"), "");
  EXPECT_EQ(of("a_b"), "line 5:11" + at +
                           "[0]: found \"a_b\", a host name, possibly with \"*\" in "
                           "front, is allowed\n");
  EXPECT_EQ(of("a.*.b"), "line 5:11" + at +
                             "[0]: found \"a.*.b\", a host name, possibly with \"*\" "
                             "in front, is allowed\n");
  EXPECT_EQ(of("a, b, a"), "line 5:17" + at + "[2]: found host \"a\" twice\n");
  EXPECT_EQ(of("x.a.com, '*.com'"),
            "line 5:11" + at + "[0]: found host \"x.a.com\", which \"*.com\" covers already\n");
  EXPECT_EQ(of("'*.com', '*.a.com'"),
            "line 5:20" + at + "[1]: found host \"*.a.com\", which \"*.com\" covers already\n");
  EXPECT_EQ(of("'*'"),
            "line 5:10" + at + ": found host \"*\", which is allowed for gateways only\n");
  EXPECT_EQ(of(""), "line 5:3" + at +
                        ": not supported: a VirtualService without hosts is a delegate, "
                        "and delegates are not resolved\n");
  EXPECT_EQ(Problems(VirtualServiceWith("  hosts: [a]\n")),
            "line 5:3: VirtualService default/v: spec: found no rules, at least one of http, tcp, "
            "tls is required\n");
}

TEST(Parse, FieldsThatNeedTheRequestAreRefusedByName) {
  const std::string reason = "it needs the request, which connect() does not see";
  for (const std::string field :
       {"timeout: 1s", "retries: {attempts: 1}", "fault: {abort: {httpStatus: 500}}",
        "mirror: {host: m}", "mirrors: [{destination: {host: m}}]", "mirrorPercentage: {value: 1}",
        "mirrorPercent: 1", "corsPolicy: {allowMethods: [GET]}", "rewrite: {uri: /}",
        "redirect: {uri: /}", "directResponse: {status: 200}",
        "headers: {request: {set: {a: b}}}"}) {
    EXPECT_EQ(HttpProblems(field), HttpRefused(41, field.substr(0, field.find(':')), reason));
  }
  for (const std::string field :
       {"uri: {prefix: /a}", "uri: {exact: /}", "scheme: {exact: https}", "method: {exact: GET}",
        "authority: {exact: a}", "headers: {x: {exact: a}}", "queryParams: {x: {exact: a}}",
        "withoutHeaders: {x: {}}", "ignoreUriCase: true"}) {
    EXPECT_EQ(HttpProblems("match: [{" + field + "}]"),
              HttpRefused(50, "match[0]." + field.substr(0, field.find(':')), reason));
  }
}

TEST(Parse, MisspeltFieldsInsideRefusedOnesAreFoundToo) {
  EXPECT_EQ(HttpProblems("retries: {atempts: 1, backoff: 1s}"),
            HttpRefused(41, "retries", "it needs the request, which connect() does not see") +
                "line 7:51: VirtualService default/v: spec.http[0].retries.atempts: unknown field, "
                "did you mean \"attempts\"?\n");
  EXPECT_EQ(
      HttpProblems("match: [{headers: {x: {exakt: a}}}]"),
      HttpRefused(50, "match[0].headers", "it needs the request, which connect() does not see") +
          "line 7:64: VirtualService default/v: spec.http[0].match[0].headers[x].exakt: "
          "unknown field, did you mean \"exact\"?\n");
}

TEST(Parse, RulesAboutTheSourceAreRefusedByName) {
  const std::string reason = "rules that depend on who connects are not enforced";
  for (const std::string field :
       {"sourceLabels: {a: b}", "sourceNamespace: ns", "gateways: [ns/g]"}) {
    EXPECT_EQ(HttpProblems("match: [{" + field + "}]"),
              HttpRefused(50, "match[0]." + field.substr(0, field.find(':')), reason));
  }
  EXPECT_EQ(HttpProblems("match: [{gateways: [mesh]}]"), "");
  EXPECT_EQ(HttpProblems("delegate: {name: a}"),
            HttpRefused(41, "delegate", "delegates are not resolved"));
  EXPECT_EQ(
      Problems(VirtualServiceWith("  hosts: [a]\n  exportTo: [.]\n  tcp:\n"
                                  "  - match: [{destinationSubnets: [10.0.0.0/8]}]\n"
                                  "    route: [{destination: {host: a}}]\n")),
      "line 6:3: VirtualService default/v: spec.exportTo: not supported: rules are visible in "
      "all namespaces\n"
      "line 8:14: VirtualService default/v: spec.tcp[0].match[0].destinationSubnets: not "
      "supported: rules that depend on the address dialled are not enforced\n");
  EXPECT_EQ(
      Problems(VirtualServiceWith("  hosts: [a]\n  tls: [{match: [{sniHosts: [a]}], route: "
                                  "[{destination: {host: a}}]}]\n")),
      "line 6:3: VirtualService default/v: spec.tls: not supported: it needs the server name, "
      "which connect() does not see\n");
}

TEST(Parse, ListsThatAreThereTwiceAreNotAdded) {
  EXPECT_EQ(
      Problems(VirtualServiceWith("  hosts: [a, a]\n  hosts: 1\n  tcp: [{route: [{destination: "
                                  "{host: a}}]}]\n")),
      "line 5:14: VirtualService default/v: spec.hosts[1]: found host \"a\" twice\n"
      "line 6:3: VirtualService default/v: spec.hosts: found this field twice, first in line 5\n"
      "line 6:10: VirtualService default/v: spec.hosts: found number 1, a list is allowed\n");
}

TEST(Parse, PolicyAnnotationIsExactOrRandom) {
  const auto of = [](const std::string& policy) {
    return Problems(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: v\n"
        "  annotations: {vsplit.io/policy: " +
        policy +
        "}\n"
        "spec: {hosts: [a], tcp: [{route: [{destination: {host: a}}]}]}\n");
  };
  EXPECT_EQ(of("exact"), "");
  EXPECT_EQ(of("random"), "");
  EXPECT_EQ(of("sticky"),
            "line 5:35: VirtualService default/v: metadata.annotations[vsplit.io/policy]: "
            "found \"sticky\", allowed are exact, random\n");
}

// ---- DestinationRule ---------------------------------------------------------------------------

TEST(Parse, DestinationRuleKeepsSubsetsAndLoadBalancers) {
  const auto spec = OneSpec<DestinationRule>(DestinationRuleWith(R"(
  host: a
  trafficPolicy:
    loadBalancer: {simple: LEAST_CONN, localityLbSetting: {enabled: false}}
    tls: {mode: DISABLE}
    portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]
  subsets:
  - {name: s, labels: {v: "1"}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}
  - {name: t}
)"));
  DestinationRule expected;
  expected.host = "a";
  TrafficPolicy policy;
  policy.settings.load_balancer = LoadBalancer{.simple = SimpleLoadBalancer::kLeastRequest,
                                               .locality = LocalityLoadBalancer{.enabled = false}};
  policy.settings.tls_mode = "DISABLE";
  policy.port_level_settings = {
      {.port = 80,
       .settings = {.load_balancer = LoadBalancer{.simple = SimpleLoadBalancer::kRandom}}}};
  TrafficPolicy of_subset;
  of_subset.settings.load_balancer = LoadBalancer{.simple = SimpleLoadBalancer::kRoundRobin};
  expected.traffic_policy = policy;
  expected.subsets = {{.name = "s", .labels = {{"v", "1"}}, .traffic_policy = of_subset},
                      {.name = "t"}};
  EXPECT_EQ(spec, expected);
}

TEST(Parse, BlocksOfAPolicyAreRefusedByNameAtEveryLevel) {
  EXPECT_EQ(PolicyProblems("connectionPool: {tcp: {maxConnections: 1, connectTimeout: 30ms}}"),
            PolicyProblem(19, ".connectionPool",
                          "not supported: limits on connections are not enforced"));
  EXPECT_EQ(PolicyProblems("portLevelSettings: [{port: {number: 1}, outlierDetection: {}}]"),
            PolicyProblem(59, ".portLevelSettings[0].outlierDetection",
                          "not supported: endpoints are not ejected"));
  EXPECT_EQ(
      PolicyProblems("tls: {mode: SIMPLE}"),
      PolicyProblem(19, ".tls", "not supported: connections are split as they are, without TLS"));
  EXPECT_EQ(PolicyProblems("loadBalancer: {simple: PASSTHROUGH}"),
            PolicyProblem(34, ".loadBalancer.simple",
                          "not supported: PASSTHROUGH is not enforced, connections always go to an "
                          "endpoint"));
  EXPECT_EQ(PolicyProblems("loadBalancer: {consistentHash: {useSourceIp: true}}"),
            PolicyProblem(34, ".loadBalancer.consistentHash",
                          "not supported: endpoints are not chosen by a hash"));
  EXPECT_EQ(PolicyProblems("loadBalancer: {warmup: {duration: 1m}}"),
            PolicyProblem(34, ".loadBalancer.warmup",
                          "not supported: new endpoints get their full share at once"));
  EXPECT_EQ(PolicyProblems("loadBalancer: {localityLbSetting: {}}"),
            PolicyProblem(34, ".loadBalancer.localityLbSetting",
                          "not supported: endpoints are chosen without regard to where they are"));
  EXPECT_EQ(Problems(DestinationRuleWith("  host: a\n  workloadSelector: {matchLabels: {a: b}}\n"
                                         "  exportTo: [x]\n")),
            "line 6:3: DestinationRule default/d: spec.workloadSelector: not supported: rules that "
            "depend on who connects are not enforced\n"
            "line 7:3: DestinationRule default/d: spec.exportTo: not supported: rules are visible "
            "in all namespaces\n");
}

TEST(Parse, DestinationRulesAreChecked) {
  const std::string at = ": DestinationRule default/d: spec";
  EXPECT_EQ(
      Problems(DestinationRuleWith("  host: 10.0.0.1\n  subsets: [{labels: {}}, {name: a}, "
                                   "{name: a}, {name: A, labels: {a b: c}}]\n")),
      "line 5:9" + at +
          ".host: found \"10.0.0.1\", a host name, possibly with \"*\" in front, "
          "is allowed\n"
          "line 6:13" +
          at +
          ".subsets[0].name: missing, it is required\n"
          "line 6:38" +
          at +
          ".subsets[2]: found subset \"a\" twice\n"
          "line 6:56" +
          at +
          ".subsets[3].name: found \"A\", a DNS label (a-z, 0-9, -) is allowed\n"
          "line 6:68" +
          at +
          ".subsets[3].labels[a b]: found key \"a b\", at most 63 letters, "
          "digits, -, _ and . with a letter or digit at both ends are allowed, after an optional "
          "DNS name and /\n");
  EXPECT_EQ(
      PolicyProblems(""),
      PolicyProblem(18, "", "found a traffic policy without fields, at least one is required"));
  EXPECT_EQ(PolicyProblems("loadBalancer: {simple: FASTEST}"),
            PolicyProblem(42, ".loadBalancer.simple",
                          "found \"FASTEST\", allowed are UNSPECIFIED, LEAST_CONN, RANDOM, "
                          "PASSTHROUGH, ROUND_ROBIN, LEAST_REQUEST"));
  EXPECT_EQ(PolicyProblems("portLevelSettings: [{port: {number: 0}, tls: {}}]"),
            PolicyProblem(55, ".portLevelSettings[0].port.number",
                          "found 0, an integer from 1 to 65535 is allowed"));
  EXPECT_EQ(PolicyProblems("portLevelSettings: [{port: {number: 1}}]"),
            PolicyProblem(39, ".portLevelSettings[0]",
                          "found no settings for this port, at least one of loadBalancer, "
                          "connectionPool, outlierDetection, tls is required"));
}

TEST(Parse, DurationsAreGosInWholeMilliseconds) {
  const auto of = [](const std::string& duration) {
    const std::string problems =
        PolicyProblems("loadBalancer: {warmup: {duration: " + duration + "}}");
    const std::size_t line = problems.find('\n') + 1;
    return problems.substr(line);
  };
  for (const std::string good : {"1s", "1.5s", "1h2m3s", "1ms", "0.001s", "1000us"}) {
    EXPECT_EQ(of(good), "") << good;
  }
  for (const std::string bad : {"0s", "1", "s", "1.5ms", "-1s", "1d", "1s2", "99999999999h"}) {
    EXPECT_NE(of(bad), "") << bad;
  }
  EXPECT_EQ(of("1d"), PolicyProblem(53, ".loadBalancer.warmup.duration",
                                    "found \"1d\", a duration of whole milliseconds, at least 1ms, "
                                    "such as \"1.5s\" is allowed"));
}

}  // namespace
}  // namespace vsplit
