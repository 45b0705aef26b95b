// SPDX-License-Identifier: Apache-2.0
#include "vsplit/image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/policy.h"

namespace vsplit {
namespace {

SocketAddress At(std::string_view text) {
  return ParseSocketAddress(text).value_or(SocketAddress{});
}

EndpointGroup Group(const std::vector<SocketAddress>& addresses) {
  EndpointGroup group;
  for (const SocketAddress& address : addresses) {
    group.endpoints.push_back({.address = address, .name = {}});
  }
  return group;
}

// The canary of the tests: safe and risky at these weights, risky with these endpoints.
TableImage Canary(std::uint32_t safe, std::uint32_t risky,
                  const std::vector<SocketAddress>& endpoints) {
  ImageRoute route{.host = "a.b.svc.cluster.local", .stride = risky};
  route.clusters.push_back({.name = "outbound|80|safe|a.b.svc.cluster.local",
                            .weight = safe,
                            .settings = {},
                            .groups = {Group({At("10.1.0.1:8080")})}});
  route.clusters.push_back({.name = "outbound|80|risky|a.b.svc.cluster.local",
                            .weight = risky,
                            .settings = {.algorithm = Algorithm::kRoundRobin},
                            .groups = {Group(endpoints)}});
  TableImage image;
  image.frontends[{At("10.96.0.7:80")}].everyone = route;
  return image;
}

TEST(Image, PrintsFrontendRouteClustersAndEndpoints) {
  EXPECT_EQ(ToString(Canary(9, 1, {At("10.1.0.9:8080"), At("[fd00::9]:8080")})),
            "frontend 10.96.0.7:80/tcp a.b.svc.cluster.local\n"
            "  route exact total 10 stride 1\n"
            "    cluster outbound|80|safe|a.b.svc.cluster.local weight 9 least_request\n"
            "      endpoint 10.1.0.1:8080\n"
            "    cluster outbound|80|risky|a.b.svc.cluster.local weight 1 round_robin\n"
            "      endpoint 10.1.0.9:8080\n"
            "      endpoint [fd00::9]:8080\n");
}

TEST(Policy, LocalitiesLeaveOutTheEmptyPartsAtTheEnd) {
  EXPECT_EQ(ToString(Locality{"eu", "eu-a", "rack1"}), "eu/eu-a/rack1");
  EXPECT_EQ(ToString(Locality{"eu", "eu-a", ""}), "eu/eu-a");
  EXPECT_EQ(ToString(Locality{"eu", "", "rack1"}), "eu//rack1");
  EXPECT_EQ(ToString(Locality{}), "");
}

TEST(Image, TotalIsTheSumOfTheWeights) {
  EXPECT_EQ(Canary(9, 1, {}).frontends.begin()->second.everyone.total(), 10u);
  EXPECT_EQ(ImageRoute{}.total(), 0u);
}

TEST(Image, FrontendsAreOrderedByAddressThenPort) {
  TableImage image;
  for (const char* text : {"10.0.0.2:80", "[fd00::1]:80", "9.0.0.1:443", "9.0.0.1:80"}) {
    image.frontends[{At(text)}].everyone.host = "h";
  }
  EXPECT_EQ(ToString(image),
            "frontend 9.0.0.1:80/tcp h\n  route untouched\n"
            "frontend 9.0.0.1:443/tcp h\n  route untouched\n"
            "frontend 10.0.0.2:80/tcp h\n  route untouched\n"
            "frontend [fd00::1]:80/tcp h\n  route untouched\n");
}

TEST(Image, DifferenceOfEqualImagesIsEmpty) {
  EXPECT_EQ(Difference(Canary(9, 1, {}), Canary(9, 1, {})), "");
}

TEST(Image, DifferenceShowsOnlyTheLinesThatChanged) {
  EXPECT_EQ(Difference(Canary(9, 1, {At("10.1.0.9:8080")}), Canary(8, 2, {At("10.1.0.9:8080")})),
            "  frontend 10.96.0.7:80/tcp a.b.svc.cluster.local\n"
            "-   route exact total 10 stride 1\n"
            "+   route exact total 10 stride 2\n"
            "-     cluster outbound|80|safe|a.b.svc.cluster.local weight 9 least_request\n"
            "+     cluster outbound|80|safe|a.b.svc.cluster.local weight 8 least_request\n"
            "-     cluster outbound|80|risky|a.b.svc.cluster.local weight 1 round_robin\n"
            "+     cluster outbound|80|risky|a.b.svc.cluster.local weight 2 round_robin\n");
}

TEST(Image, DifferenceNamesTheClusterOfAnEndpointThatChanged) {
  EXPECT_EQ(Difference(Canary(9, 1, {At("10.1.0.8:80"), At("10.1.0.9:80")}),
                       Canary(9, 1, {At("10.1.0.7:80"), At("10.1.0.9:80")})),
            "  frontend 10.96.0.7:80/tcp a.b.svc.cluster.local\n"
            "      cluster outbound|80|risky|a.b.svc.cluster.local weight 1 round_robin\n"
            "+       endpoint 10.1.0.7:80\n"
            "-       endpoint 10.1.0.8:80\n");
}

TEST(Image, DifferenceShowsFrontendsThatComeAndGoWhole) {
  TableImage other;
  other.frontends[{At("10.96.0.8:80")}].everyone.host = "new";
  EXPECT_EQ(Difference(Canary(9, 1, {}), other),
            "- frontend 10.96.0.7:80/tcp a.b.svc.cluster.local\n"
            "-   route exact total 10 stride 1\n"
            "-     cluster outbound|80|safe|a.b.svc.cluster.local weight 9 least_request\n"
            "-       endpoint 10.1.0.1:8080\n"
            "-     cluster outbound|80|risky|a.b.svc.cluster.local weight 1 round_robin\n"
            "+ frontend 10.96.0.8:80/tcp new\n"
            "+   route untouched\n");
}

TEST(Image, DifferenceOfOtherClustersShowsTheWholeRoute) {
  TableImage after = Canary(1, 1, {});
  std::ranges::reverse(after.frontends.begin()->second.everyone.clusters);
  EXPECT_EQ(Difference(Canary(1, 1, {}), after),
            "- frontend 10.96.0.7:80/tcp a.b.svc.cluster.local\n"
            "-   route exact total 2 stride 1\n"
            "-     cluster outbound|80|safe|a.b.svc.cluster.local weight 1 least_request\n"
            "-       endpoint 10.1.0.1:8080\n"
            "-     cluster outbound|80|risky|a.b.svc.cluster.local weight 1 round_robin\n"
            "+ frontend 10.96.0.7:80/tcp a.b.svc.cluster.local\n"
            "+   route exact total 2 stride 1\n"
            "+     cluster outbound|80|risky|a.b.svc.cluster.local weight 1 round_robin\n"
            "+     cluster outbound|80|safe|a.b.svc.cluster.local weight 1 least_request\n"
            "+       endpoint 10.1.0.1:8080\n");
}

// Everything that an image can say, in one frontend.
TableImage Rich() {
  TableImage image = Canary(9, 1, {At("10.1.0.9:8080")});
  ImageFrontend& frontend = image.frontends.begin()->second;
  frontend.asks = true;
  frontend.everyone.idle_timeout = std::chrono::hours(1);
  frontend.everyone.max_connection_duration = std::chrono::milliseconds(1500);
  ImageCluster& risky = frontend.everyone.clusters[1];
  risky.settings.panic_percent = 50;
  risky.settings.ejection = Ejection{.failures = 5, .field = "consecutive5xxErrors"};
  risky.settings.warmup = SlowStart{.duration = std::chrono::minutes(1)};
  risky.settings.max_connections = 100;
  risky.settings.connect_timeout = std::chrono::milliseconds(250);
  risky.settings.keepalive = Keepalive{.time_s = 7200, .interval_s = 75, .probes = 9};
  EndpointGroup far = Group({At("10.1.0.10:8080"), At("10.1.0.11:8080")});
  far.priority = 1;
  far.locality = "eu/eu-b";
  far.unready = 2;
  far.endpoints[0].weight = 3;
  far.endpoints[1].name = "db.example.com";
  risky.groups.push_back(far);
  SourceRoute source{.workloads = {"default/a", "default/b"}, .route = frontend.everyone};
  source.route.idle_timeout = source.route.max_connection_duration = {};
  source.route.clusters.pop_back();
  source.route.clusters[0].settings.algorithm = Algorithm::kMaglev;
  frontend.sources = {source, {.workloads = {"default/c"}, .route = {.host = "a", .clusters = {}}}};
  image.workloads["default/a"] = {
      .cgroup = 4711, .level = 3, .ips = {At("10.1.0.31:1").ip, At("[fd00::31]:1").ip}};
  return image;
}

TEST(Image, PrintsSettingsGroupsAndSourcesWhereTheyAreNotTheDefault) {
  EXPECT_EQ(
      ToString(Rich()),
      "frontend 10.96.0.7:80/tcp a.b.svc.cluster.local tells sources apart\n"
      "  route exact total 10 stride 1 idle_timeout 3600s max_connection_duration 1500ms\n"
      "    cluster outbound|80|safe|a.b.svc.cluster.local weight 9 least_request\n"
      "      endpoint 10.1.0.1:8080\n"
      "    cluster outbound|80|risky|a.b.svc.cluster.local weight 1 round_robin max_connections "
      "100 "
      "connect_timeout 250ms keepalive 7200s/75s/9 panic below 50%\n"
      "      eject after 5 failures (consecutive5xxErrors) for 30s to 300s, interval 10s, at most "
      "10%\n"
      "      warmup 60s from 10% aggression 1\n"
      "      group priority 0 weight 1\n"
      "        endpoint 10.1.0.9:8080\n"
      "      group priority 1 weight 1 eu/eu-b unready 2\n"
      "        endpoint 10.1.0.10:8080 weight 3\n"
      "        endpoint 10.1.0.11:8080 db.example.com\n"
      "  source default/a default/b\n"
      "  route exact total 9 stride 1\n"
      "    cluster outbound|80|safe|a.b.svc.cluster.local weight 9 maglev 65537\n"
      "      endpoint 10.1.0.1:8080\n"
      "  source default/c\n"
      "  route untouched\n"
      "workload default/a cgroup 4711 level 3 10.1.0.31 fd00::31\n");
}

TEST(Image, SubnetsShowTheirPrefix) {
  EXPECT_EQ(ToString(Frontend{At("10.0.0.0:80"), 104}), "10.0.0.0/8:80/tcp");
  EXPECT_EQ(ToString(Frontend{At("[fd00::]:80"), 64}), "[fd00::/64]:80/tcp");
  EXPECT_EQ(ToString(Frontend{At("0.0.0.0:80"), 96}), "0.0.0.0/0:80/tcp");
}

TEST(Image, DifferenceShowsSettingsGroupsSourcesAndWorkloadsThatChanged) {
  TableImage after = Rich();
  ImageFrontend& frontend = after.frontends.begin()->second;
  frontend.everyone.clusters[1].settings.ejection.reset();
  frontend.everyone.clusters[1].groups[1].endpoints.pop_back();
  frontend.sources[0].route.clusters[0].groups[0].endpoints[0].weight = 2;
  frontend.sources.pop_back();
  after.workloads["default/a"].cgroup = 4712;
  EXPECT_EQ(
      Difference(Rich(), after),
      "  frontend 10.96.0.7:80/tcp a.b.svc.cluster.local tells sources apart\n"
      "      cluster outbound|80|risky|a.b.svc.cluster.local weight 1 round_robin max_connections "
      "100 connect_timeout 250ms keepalive 7200s/75s/9 panic below 50%\n"
      "-       eject after 5 failures (consecutive5xxErrors) for 30s to 300s, interval 10s, at "
      "most "
      "10%\n"
      "        group priority 1 weight 1 eu/eu-b unready 2\n"
      "-         endpoint 10.1.0.11:8080 db.example.com\n"
      "    source default/a default/b\n"
      "      cluster outbound|80|safe|a.b.svc.cluster.local weight 9 maglev 65537\n"
      "-       endpoint 10.1.0.1:8080\n"
      "+       endpoint 10.1.0.1:8080 weight 2\n"
      "-   source default/c\n"
      "-   route untouched\n"
      "- workload default/a cgroup 4711 level 3 10.1.0.31 fd00::31\n"
      "+ workload default/a cgroup 4712 level 3 10.1.0.31 fd00::31\n");
  EXPECT_EQ(Difference(Rich(), Rich()), "");
}

TEST(Image, PlainIsOneGroupOfEqualsWithoutSettings) {
  ImageCluster cluster{.name = "c", .settings = {}, .groups = {Group({At("10.1.0.1:80")})}};
  EXPECT_TRUE(IsPlain(cluster));
  EXPECT_TRUE(IsPlain({.name = "empty", .settings = {}, .groups = {}}));
  const auto with = [&](auto change) {
    ImageCluster changed = cluster;
    change(changed);
    return IsPlain(changed);
  };
  EXPECT_TRUE(with([](auto& c) { c.settings.algorithm = Algorithm::kRandom; }));
  EXPECT_TRUE(with([](auto& c) { c.groups[0].unready = 2; })) << "nowhere else to go";
  EXPECT_FALSE(with([](auto& c) { c.settings.algorithm = Algorithm::kRoundRobin; }));
  EXPECT_FALSE(with([](auto& c) { c.settings.ejection = Ejection{.failures = 1, .field = {}}; }));
  EXPECT_FALSE(with([](auto& c) { c.settings.max_connections = 1; }));
  EXPECT_FALSE(with([](auto& c) { c.settings.panic_percent = 1; }));
  EXPECT_FALSE(with([](auto& c) { c.groups.push_back(c.groups[0]); }));
  EXPECT_FALSE(with([](auto& c) {
    c.groups[0].endpoints.push_back({.address = At("10.1.0.2:80"), .name = {}, .weight = 2});
  }));
}

}  // namespace
}  // namespace vsplit
