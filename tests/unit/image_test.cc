// SPDX-License-Identifier: Apache-2.0
#include "vsplit/image.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/policy.h"

namespace vsplit {
namespace {

SocketAddress At(std::string_view text) {
  return ParseSocketAddress(text).value_or(SocketAddress{});
}

// The canary of the tests: safe and risky at these weights, risky with these endpoints.
TableImage Canary(std::uint32_t safe, std::uint32_t risky, std::vector<SocketAddress> endpoints) {
  ImageRoute route{.host = "a.b.svc.cluster.local", .stride = risky};
  route.clusters.push_back({.name = "outbound|80|safe|a.b.svc.cluster.local",
                            .weight = safe,
                            .endpoints = {At("10.1.0.1:8080")}});
  route.clusters.push_back({.name = "outbound|80|risky|a.b.svc.cluster.local",
                            .weight = risky,
                            .algorithm = Algorithm::kRoundRobin,
                            .endpoints = std::move(endpoints)});
  TableImage image;
  image.frontends[{At("10.96.0.7:80")}] = route;
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
  EXPECT_EQ(Canary(9, 1, {}).frontends.begin()->second.total(), 10u);
  EXPECT_EQ(ImageRoute{}.total(), 0u);
}

TEST(Image, FrontendsAreOrderedByAddressThenPort) {
  TableImage image;
  for (const char* text : {"10.0.0.2:80", "[fd00::1]:80", "9.0.0.1:443", "9.0.0.1:80"}) {
    image.frontends[{At(text)}].host = "h";
  }
  EXPECT_EQ(ToString(image),
            "frontend 9.0.0.1:80/tcp h\n  route exact total 0 stride 1\n"
            "frontend 9.0.0.1:443/tcp h\n  route exact total 0 stride 1\n"
            "frontend 10.0.0.2:80/tcp h\n  route exact total 0 stride 1\n"
            "frontend [fd00::1]:80/tcp h\n  route exact total 0 stride 1\n");
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
  other.frontends[{At("10.96.0.8:80")}].host = "new";
  EXPECT_EQ(Difference(Canary(9, 1, {}), other),
            "- frontend 10.96.0.7:80/tcp a.b.svc.cluster.local\n"
            "-   route exact total 10 stride 1\n"
            "-     cluster outbound|80|safe|a.b.svc.cluster.local weight 9 least_request\n"
            "-       endpoint 10.1.0.1:8080\n"
            "-     cluster outbound|80|risky|a.b.svc.cluster.local weight 1 round_robin\n"
            "+ frontend 10.96.0.8:80/tcp new\n"
            "+   route exact total 0 stride 1\n");
}

TEST(Image, DifferenceOfOtherClustersShowsTheWholeRoute) {
  TableImage after = Canary(1, 1, {});
  std::swap(after.frontends.begin()->second.clusters[0],
            after.frontends.begin()->second.clusters[1]);
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

}  // namespace
}  // namespace vsplit
