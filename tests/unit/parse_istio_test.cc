// SPDX-License-Identifier: Apache-2.0
// VirtualService and DestinationRule: what is kept, what is wrong, what is taken in with a
// warning.
#include <gtest/gtest.h>

#include <chrono>
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

// A warning about a field that needs the request.
std::string HttpWarning(int column, std::string_view field) {
  return "line 7:" + std::to_string(column) + ": warning: VirtualService default/v: spec.http[0]." +
         std::string(field) + ": needs the request, not enforced\n";
}

// The problems of a DestinationRule with this below spec.trafficPolicy, in one line, which is
// line 6.
std::string PolicyProblems(std::string_view policy) {
  return Problems(
      DestinationRuleWith("  host: a\n  trafficPolicy: {" + std::string(policy) + "}\n"));
}

std::string PolicyWarning(int column, std::string_view field, std::string_view message) {
  return "line 6:" + std::to_string(column) +
         ": warning: DestinationRule default/d: spec.trafficPolicy" + std::string(field) + ": " +
         std::string(message) + "\n";
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
       .matches = {{.name = "m",
                    .port = 80,
                    .request = {{{"uri", ""}, {.kind = StringMatch::Kind::kPrefix, .text = "/"}}}},
                   {.port = 81,
                    .request = {{{"uri", ""}, {.kind = StringMatch::Kind::kRegex, .text = ".*"}}}}},
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
        subset: A_b
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
      "\"A_b\", a DNS label (letters, digits, -) is allowed\n"
      "line 13:15: VirtualService default/v: spec.http[0].route[1].weight: found -10, an "
      "integer from 0 to 2147483647 is allowed\n"
      "line 14:5: warning: VirtualService default/v: spec.http[0].timeout: needs the request, not "
      "enforced\n"
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
            "line 5:11" + at + "[0]: found host \"*\", which is allowed for gateways only\n");
  EXPECT_EQ(Problems(VirtualServiceWith("  hosts: [a]\n")),
            "line 5:3: VirtualService default/v: spec: found no rules, at least one of http, tcp, "
            "tls is required\n");
}

TEST(Parse, FieldsThatNeedTheRequestAreWarnedOf) {
  for (const std::string field :
       {"timeout: 1s", "retries: {attempts: 1}", "fault: {abort: {httpStatus: 500}}",
        "mirror: {host: m}", "mirrors: [{destination: {host: m}}]", "mirrorPercentage: {value: 1}",
        "corsPolicy: {allowMethods: [GET]}", "rewrite: {uri: /}",
        "headers: {request: {set: {a: b}}}"}) {
    EXPECT_EQ(HttpProblems(field), HttpWarning(41, field.substr(0, field.find(':'))));
  }
  for (const std::string field :
       {"uri: {prefix: /a}", "uri: {exact: /}", "scheme: {exact: https}", "method: {exact: GET}",
        "authority: {exact: a}", "headers: {x: {exact: a}}", "queryParams: {x: {exact: a}}",
        "withoutHeaders: {x: {}}"}) {
    EXPECT_EQ(HttpProblems("match: [{" + field + "}]"),
              HttpWarning(50, "match[0]." + field.substr(0, field.find(':'))));
  }
}

TEST(Parse, MatchesThatEveryRequestFulfilsAreNotWarnedOf) {
  for (const std::string field :
       {"uri: {prefix: /}", "uri: {regex: .*}", "headers: {}", "ignoreUriCase: true"}) {
    EXPECT_EQ(HttpProblems("match: [{" + field + "}]"), "") << field;
  }
}

TEST(Parse, WhatMatchesAskOfTheRequestIsKept) {
  using Kind = StringMatch::Kind;
  const ParseResult parsed = Parse(VirtualServiceWith(R"(
  hosts: [a]
  http:
  - match:
    - {uri: {prefix: /}, method: {exact: GET}, headers: {x: {regex: a+}, z: {}}, ignoreUriCase: true}
    route: [{destination: {host: a}}]
)"));
  const auto& spec = parsed.objects.at(0).spec.Get<VirtualService>();
  const Match& match = spec.http.at(0).matches.at(0);
  EXPECT_TRUE(match.ignore_uri_case);
  EXPECT_EQ(match.request_fields, (std::vector<std::string>{"method", "headers"}));
  EXPECT_EQ(match.request, (decltype(match.request){
                               {{"uri", ""}, {.kind = Kind::kPrefix, .text = "/"}},
                               {{"method", ""}, {.kind = Kind::kExact, .text = "GET"}},
                               {{"headers", "x"}, {.kind = Kind::kRegex, .text = "a+"}},
                               {{"headers", "z"}, {}},
                           }));
}

TEST(Parse, ActionsWithoutARouteAreWarnedOf) {
  for (const std::string field : {"redirect: {uri: /}", "directResponse: {status: 200}"}) {
    EXPECT_EQ(Problems(VirtualServiceWith("  hosts: [a]\n  http:\n  - {" + field + "}\n")),
              HttpWarning(6, field.substr(0, field.find(':'))));
  }
}

TEST(Parse, MisspeltFieldsInsideThoseAreFoundToo) {
  EXPECT_EQ(HttpProblems("retries: {atempts: 1, backoff: 1s}"),
            HttpWarning(41, "retries") +
                "line 7:51: VirtualService default/v: spec.http[0].retries.atempts: unknown field, "
                "did you mean \"attempts\"?\n");
  EXPECT_EQ(HttpProblems("match: [{headers: {x: {exakt: a}}}]"),
            HttpWarning(50, "match[0].headers") +
                "line 7:64: VirtualService default/v: spec.http[0].match[0].headers[x].exakt: "
                "unknown field, did you mean \"exact\"?\n");
}

TEST(Parse, RulesAboutTheSourceAreKept) {
  const auto spec = OneSpec<VirtualService>(VirtualServiceWith(R"(
  hosts: [a]
  exportTo: [.]
  http:
  - match: [{sourceLabels: {a: b}, sourceNamespace: ns, gateways: [ns/g, mesh]}]
    delegate: {name: d, namespace: x}
  tcp:
  - match: [{destinationSubnets: [10.0.0.0/8]}]
    route: [{destination: {host: a}}]
  tls:
  - match: [{sniHosts: [a]}]
    route: [{destination: {host: a}}]
)"));
  EXPECT_EQ(spec.export_to, std::vector<std::string>{"."});
  const Match about_source{
      .gateways = {"ns/g", "mesh"}, .source_labels = {{"a", "b"}}, .source_namespace = "ns"};
  EXPECT_EQ(spec.http,
            (std::vector<Rule>{{.matches = {about_source}, .delegate = Delegate{"d", "x"}}}));
  EXPECT_EQ(spec.tcp[0].matches, (std::vector<Match>{{.destination_subnets = {"10.0.0.0/8"}}}));
  EXPECT_EQ(spec.tls[0].matches, (std::vector<Match>{{.sni_hosts = {"a"}}}));
}

TEST(Parse, DelegatesHaveHttpRulesOnly) {
  EXPECT_EQ(Problems(VirtualServiceWith("  http: [{route: [{destination: {host: a}}]}]\n")), "");
  const std::string only =
      ": not allowed without hosts: others delegate to this VirtualService, which may hold http "
      "rules only\n";
  EXPECT_EQ(Problems(VirtualServiceWith("  gateways: [mesh]\n"
                                        "  http: [{route: [{destination: {host: a}}]}]\n"
                                        "  tcp: [{route: [{destination: {host: a}}]}]\n")),
            "line 5:3: VirtualService default/v: spec.gateways" + only +
                "line 7:3: VirtualService default/v: spec.tcp" + only);
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

TEST(Parse, BlocksOfAPolicyThatNoConnectCanHonourAreWarnedOfAtEveryLevel) {
  EXPECT_EQ(PolicyProblems("connectionPool: {http: {maxRetries: 1}, tcp: {connectTimeout: 30ms}}"),
            PolicyWarning(36, ".connectionPool.http", "needs the request, not enforced"));
  EXPECT_EQ(PolicyProblems("portLevelSettings: [{port: {number: 1}, tls: {mode: SIMPLE}}]"),
            PolicyWarning(59, ".portLevelSettings[0].tls",
                          "needs TLS, which connections are not given; not enforced"));
  EXPECT_EQ(PolicyProblems("loadBalancer: {consistentHash: {httpHeaderName: x}}"),
            PolicyWarning(51, ".loadBalancer.consistentHash.httpHeaderName",
                          "needs the request, not enforced"));
  EXPECT_EQ(PolicyProblems("tunnel: {targetHost: a.b, targetPort: 1}"),
            PolicyWarning(19, ".tunnel", "needs a tunnel, not enforced"));
}

TEST(Parse, PoliciesAreKeptWhole) {
  const auto spec = OneSpec<DestinationRule>(DestinationRuleWith(R"(
  host: a
  workloadSelector: {matchLabels: {a: b}}
  exportTo: [.]
  trafficPolicy:
    connectionPool: {tcp: {maxConnections: 7, idleTimeout: 0s}}
    outlierDetection: {consecutive5xxErrors: 2, interval: 5s}
    loadBalancer:
      consistentHash: {useSourceIp: true, maglev: {tableSize: 101}}
      warmup: {duration: 1m}
      localityLbSetting: {failoverPriority: [topology.kubernetes.io/zone]}
)"));
  EXPECT_EQ(spec.workload_selector, (Labels{{"a", "b"}}));
  EXPECT_EQ(spec.export_to, std::vector<std::string>{"."});
  PolicySettings expected;
  expected.connection_pool =
      ConnectionPool{.max_connections = 7, .idle_timeout = std::chrono::milliseconds(0)};
  expected.outlier_detection =
      OutlierDetection{.consecutive_5xx_errors = 2, .interval = std::chrono::seconds(5)};
  expected.load_balancer = LoadBalancer{
      .consistent_hash = ConsistentHash{.use_source_ip = true, .maglev_table_size = 101},
      .locality = LocalityLoadBalancer{.failover_priority = {"topology.kubernetes.io/zone"}},
      .warmup = Warmup{.duration = std::chrono::minutes(1)}};
  EXPECT_EQ(spec.traffic_policy, TrafficPolicy{.settings = expected});
}

TEST(Parse, DestinationRulesAreChecked) {
  const std::string at = ": DestinationRule default/d: spec";
  EXPECT_EQ(
      Problems(DestinationRuleWith("  host: 10.0.0.1\n  subsets: [{labels: {}}, {name: a}, "
                                   "{name: a}, {name: A_, labels: {a b: c}}]\n")),
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
          ".subsets[3].name: found \"A_\", a DNS label (letters, digits, -) is allowed\n"
          "line 6:69" +
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
            PolicyWarning(55, ".portLevelSettings[0].port.number",
                          "found 0, no service has such a port"));
  EXPECT_EQ(PolicyProblems("portLevelSettings: [{port: {number: 1}}]"),
            PolicyProblem(39, ".portLevelSettings[0]",
                          "found no settings for this port, at least one of loadBalancer, "
                          "connectionPool, outlierDetection, tls is required"));
}

TEST(Parse, DurationsAreGosInWholeMilliseconds) {
  const auto of = [](const std::string& duration) {
    return PolicyProblems("loadBalancer: {warmup: {duration: " + duration + "}}");
  };
  for (const std::string good : {"1s", "1.5s", "1h2m3s", "1ms", "0.001s", "1000us"}) {
    EXPECT_EQ(of(good), "") << good;
  }
  for (const std::string bad : {"0s", "1", "s", "1.5ms", "-1s", "1d", "1s2", "99999999999h"}) {
    EXPECT_NE(of(bad), "") << bad;
  }
  EXPECT_EQ(of("1d"), PolicyProblem(53, ".loadBalancer.warmup.duration",
                                    "found \"1d\", a duration of at least 1ms, such as \"1.5s\" is "
                                    "allowed"));
  EXPECT_EQ(of("1.5ms"), PolicyProblem(53, ".loadBalancer.warmup.duration",
                                       "found \"1.5ms\", a duration of whole milliseconds, such as "
                                       "\"1.5s\" is allowed"));
}

}  // namespace
}  // namespace vsplit
