// SPDX-License-Identifier: Apache-2.0
#include "vsplit/compile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/resolve.h"
#include "vsplit/split.h"

namespace vsplit {
namespace {

using Weights = std::vector<std::uint32_t>;

SocketAddress At(std::string_view text) {
  return ParseSocketAddress(text).value_or(SocketAddress{});
}

// Host "h" at 10.0.0.1, port 80, with one cluster "c0", "c1", ... for each weight.
ResolvedHost HostWith(const Weights& weights) {
  ResolvedHost host{.host = "h"};
  host.ports.push_back(
      {.port = 80, .name = "http", .addresses = {{.address = At("10.0.0.1:1").ip}}});
  for (const std::uint32_t weight : weights) {
    host.ports[0].clusters.push_back(
        {.name = "c" + std::to_string(host.ports[0].clusters.size()), .weight = weight});
  }
  return host;
}

HostMeaning Everyone(ResolvedHost host) {
  return {.everyone = std::move(host), .sources = {}};
}

std::string Text(const HostMeaning& host) {
  const auto image = Compile(host);
  return image ? ToString(*image) : image.error().message;
}

std::string Text(const ResolvedHost& host) {
  return Text(Everyone(host));
}

TEST(Compile, WeightsAreDividedByTheirGreatestCommonDivisor) {
  EXPECT_EQ(Text(HostWith({90, 10})),
            "frontend 10.0.0.1:80/tcp h\n"
            "  route exact total 10 stride 1\n"
            "    cluster c0 weight 9 least_request\n"
            "    cluster c1 weight 1 least_request\n");
}

TEST(Compile, AnySumOfWeightsIsRight) {
  EXPECT_EQ(Text(HostWith({3, 4})),
            "frontend 10.0.0.1:80/tcp h\n"
            "  route exact total 7 stride 3\n"
            "    cluster c0 weight 3 least_request\n"
            "    cluster c1 weight 4 least_request\n");
}

TEST(Compile, ZeroWeightClusterIsNotThere) {
  EXPECT_EQ(Text(HostWith({0, 30, 0, 60})),
            "frontend 10.0.0.1:80/tcp h\n"
            "  route exact total 3 stride 1\n"
            "    cluster c1 weight 1 least_request\n"
            "    cluster c3 weight 2 least_request\n");
}

TEST(Compile, OnlyDestinationGetsAllWhateverItsWeight) {
  const std::string all =
      "frontend 10.0.0.1:80/tcp h\n"
      "  route exact total 1 stride 1\n"
      "    cluster c0 weight 1 least_request\n";
  EXPECT_EQ(Text(HostWith({10})), all);
  EXPECT_EQ(Text(HostWith({0})), all);
}

TEST(Compile, FrontendGetsEndpointsOfItsOwnFamily) {
  ResolvedHost host = HostWith({1});
  host.ports[0].addresses.push_back({.address = At("[fd00::1]:1").ip});
  host.ports[0].clusters[0].groups = {
      {.endpoints = {
           {At("10.1.0.1:8080"), ""}, {At("10.1.0.2:8080"), ""}, {At("[fd00::11]:8080"), ""}}}};
  EXPECT_EQ(Text(host),
            "frontend 10.0.0.1:80/tcp h\n"
            "  route exact total 1 stride 1\n"
            "    cluster c0 weight 1 least_request\n"
            "      endpoint 10.1.0.1:8080\n"
            "      endpoint 10.1.0.2:8080\n"
            "frontend [fd00::1]:80/tcp h\n"
            "  route exact total 1 stride 1\n"
            "    cluster c0 weight 1 least_request\n"
            "      endpoint [fd00::11]:8080\n");
}

TEST(Compile, EveryPortAndAddressIsAFrontendWithItsPolicyAndAlgorithm) {
  ResolvedHost host = HostWith({1});
  host.ports.push_back(host.ports[0]);
  host.ports[1].port = 81;
  host.ports[1].policy = Policy::kRandom;
  host.ports[1].clusters[0].settings.algorithm = Algorithm::kRoundRobin;
  EXPECT_EQ(Text(host),
            "frontend 10.0.0.1:80/tcp h\n"
            "  route exact total 1 stride 1\n"
            "    cluster c0 weight 1 least_request\n"
            "frontend 10.0.0.1:81/tcp h\n"
            "  route random total 1 stride 1\n"
            "    cluster c0 weight 1 round_robin\n");
}

TEST(Compile, PortWithoutAddressesHasNoFrontends) {
  ResolvedHost host = HostWith({1});
  host.ports[0].addresses.clear();
  EXPECT_EQ(Text(host), "");
}

TEST(Compile, MoreClustersThanARouteHoldsAreAnError) {
  EXPECT_EQ(Text(HostWith(Weights(65, 1))),
            "h port 80: 65 clusters in one route, at most 64 are possible");
  EXPECT_TRUE(Compile(Everyone(HostWith(Weights(64, 1)))).has_value());
}

TEST(Compile, WeightsBeyond32BitsAreAnError) {
  EXPECT_EQ(Text(HostWith({2'147'483'647, 2'147'483'646, 3})),
            "h port 80: the weights add up to 4294967296, at most 4294967295 is possible");
}

TEST(Compile, MoreEndpointsThanAClusterHoldsAreAnError) {
  ResolvedHost host = HostWith({1});
  std::vector<Endpoint>& endpoints = host.ports[0].clusters[0].groups.emplace_back().endpoints;
  for (std::uint32_t i = 0; i < 65'536; ++i) {
    IpAddress ip = At("10.1.0.0:1").ip;
    ip.bytes[14] = static_cast<std::uint8_t>(i >> 8);
    ip.bytes[15] = static_cast<std::uint8_t>(i);
    endpoints.push_back({{ip, 80}, ""});
  }
  EXPECT_EQ(Text(host), "h port 80: 65536 endpoints in cluster \"c0\", at most 65535 are possible");
  endpoints.pop_back();
  EXPECT_TRUE(Compile(Everyone(host)).has_value());
}

// ---- groups ----

EndpointGroup Group(std::uint32_t priority, const std::vector<std::string_view>& addresses,
                    std::uint32_t unready = 0) {
  EndpointGroup group{.priority = priority, .locality = {}, .endpoints = {}, .unready = unready};
  for (const std::string_view address : addresses) {
    group.endpoints.push_back({.address = At(address), .name = {}});
  }
  return group;
}

// The only frontend of the host with these groups, of IPv4.
std::string GroupsText(std::vector<EndpointGroup> groups) {
  ResolvedHost host = HostWith({1});
  host.ports[0].clusters[0].groups = std::move(groups);
  const std::string text = Text(host);
  const std::string_view head =
      "frontend 10.0.0.1:80/tcp h\n"
      "  route exact total 1 stride 1\n"
      "    cluster c0 weight 1 least_request\n";
  EXPECT_TRUE(text.starts_with(head)) << text;
  return text.substr(std::min(head.size(), text.size()));
}

TEST(Compile, PrioritiesAreNumberedAnewWhereALevelHasNobodyOfTheFamily) {
  EXPECT_EQ(GroupsText({Group(0, {"[fd00::1]:80"}), Group(1, {"10.1.0.1:80"}),
                        Group(2, {"[fd00::2]:80", "10.1.0.2:80"})}),
            "      group priority 0 weight 1\n"
            "        endpoint 10.1.0.1:80\n"
            "      group priority 1 weight 1\n"
            "        endpoint 10.1.0.2:80\n");
}

TEST(Compile, UnreadyEndpointsCountInALevelThatHasReadyOnes) {
  EXPECT_EQ(GroupsText({Group(0, {"10.1.0.1:80"}), Group(0, {}, 2), Group(1, {}, 3),
                        Group(2, {"10.1.0.2:80"})}),
            "      group priority 0 weight 1\n"
            "        endpoint 10.1.0.1:80\n"
            "      group priority 0 weight 1 unready 2\n"
            "      group priority 1 weight 1\n"
            "        endpoint 10.1.0.2:80\n");
}

TEST(Compile, WeightsOfEndpointsAreDividedWithinTheirGroup) {
  EndpointGroup group = Group(0, {"10.1.0.1:80", "10.1.0.2:80"});
  group.endpoints[0].weight = 30;
  group.endpoints[1].weight = 20;
  EXPECT_EQ(GroupsText({group}),
            "      endpoint 10.1.0.1:80 weight 3\n"
            "      endpoint 10.1.0.2:80 weight 2\n");
  group.endpoints[1].weight = 30;
  EXPECT_EQ(GroupsText({group}),
            "      endpoint 10.1.0.1:80\n"
            "      endpoint 10.1.0.2:80\n");
}

TEST(Compile, NamesWithoutAnAddressAreNoEndpoints) {
  EndpointGroup group = Group(0, {"10.1.0.1:80"});
  group.endpoints.push_back({.address = {.ip = {}, .port = 80}, .name = "db.example.com"});
  EXPECT_EQ(GroupsText({group}), "      endpoint 10.1.0.1:80\n");
}

TEST(Compile, MoreThanTheTablesHoldIsAnErrorThatNamesTheCluster) {
  ResolvedHost host = HostWith({1});
  for (std::uint32_t i = 0; i < 33; ++i) {
    host.ports[0].clusters[0].groups.push_back(Group(0, {"10.1.0.1:80"}));
  }
  EXPECT_EQ(Text(host), "h port 80: 33 localities in cluster \"c0\", at most 32 are possible");
  host.ports[0].clusters[0].groups = {Group(0, {"10.1.0.1:80", "10.1.0.2:80"})};
  host.ports[0].clusters[0].groups[0].endpoints[0].weight = 4'294'967'295;
  EXPECT_EQ(Text(host),
            "h port 80: the weights of endpoints in cluster \"c0\" add up to 4294967296, at most "
            "4294967295 is possible");
}

// ---- sources ----

TEST(Compile, SourcesHaveRoutesOnlyWhereTheyDiffer) {
  ResolvedHost everyone = HostWith({9, 1});
  everyone.ports.push_back(everyone.ports[0]);
  everyone.ports[1].port = 81;
  ResolvedHost theirs = everyone;
  theirs.ports[0].clusters.pop_back();
  const HostMeaning host{.everyone = everyone,
                         .asks = true,
                         .sources = {{.workloads = {"default/a", "default/b"}, .host = theirs}}};
  EXPECT_EQ(Text(host),
            "frontend 10.0.0.1:80/tcp h tells sources apart\n"
            "  route exact total 10 stride 1\n"
            "    cluster c0 weight 9 least_request\n"
            "    cluster c1 weight 1 least_request\n"
            "  source default/a default/b\n"
            "  route exact total 1 stride 1\n"
            "    cluster c0 weight 1 least_request\n"
            "frontend 10.0.0.1:81/tcp h tells sources apart\n"
            "  route exact total 10 stride 1\n"
            "    cluster c0 weight 9 least_request\n"
            "    cluster c1 weight 1 least_request\n");
}

TEST(Compile, MeaningsThatAreOneRouteHereShareIt) {
  const ResolvedHost everyone = HostWith({9, 1});
  ResolvedHost first = everyone;
  first.ports[0].clusters.pop_back();
  ResolvedHost second = first;
  second.ports.push_back(second.ports[0]);
  second.ports[1].port = 81;
  EXPECT_EQ(Text(HostMeaning{.everyone = everyone,
                             .sources = {{.workloads = {"default/b"}, .host = first},
                                         {.workloads = {"default/a"}, .host = second}}}),
            "frontend 10.0.0.1:80/tcp h\n"
            "  route exact total 10 stride 1\n"
            "    cluster c0 weight 9 least_request\n"
            "    cluster c1 weight 1 least_request\n"
            "  source default/a default/b\n"
            "  route exact total 1 stride 1\n"
            "    cluster c0 weight 1 least_request\n"
            "frontend 10.0.0.1:81/tcp h\n"
            "  route untouched\n"
            "  source default/a\n"
            "  route exact total 1 stride 1\n"
            "    cluster c0 weight 1 least_request\n");
}

TEST(Compile, WhatASourceDoesNotSeeIsLeftUntouchedForIt) {
  ResolvedHost hidden = HostWith({1});
  hidden.ports[0].clusters.clear();
  hidden.ports[0].untouched = "not visible";
  hidden.ports[0].idle_timeout = std::chrono::hours(1);
  EXPECT_EQ(Text(HostMeaning{.everyone = HostWith({1}),
                             .sources = {{.workloads = {"default/a"}, .host = hidden}}}),
            "frontend 10.0.0.1:80/tcp h\n"
            "  route exact total 1 stride 1\n"
            "    cluster c0 weight 1 least_request\n"
            "  source default/a\n"
            "  route untouched\n");
  EXPECT_EQ(Text(hidden), "");
}

TEST(Compile, AnUntouchedAddressOfASteeredSubnetIsKeptOutOfIt) {
  ResolvedHost host = HostWith({1});
  host.ports[0].addresses = {{.address = At("10.0.0.0:1").ip, .bits = 104}};
  host.ports.push_back(HostWith({}).ports[0]);
  EXPECT_EQ(Text(host),
            "frontend 10.0.0.0/8:80/tcp h\n"
            "  route exact total 1 stride 1\n"
            "    cluster c0 weight 1 least_request\n"
            "frontend 10.0.0.1:80/tcp h\n"
            "  route untouched\n");
  host.ports[1].port = 81;
  EXPECT_FALSE(Text(host).ends_with("untouched\n"));
}

TEST(Compile, TimeoutsAndSettingsGoAlong) {
  ResolvedHost host = HostWith({1});
  host.ports[0].idle_timeout = std::chrono::hours(1);
  host.ports[0].max_connection_duration = std::chrono::hours(2);
  host.ports[0].clusters[0].settings.max_connections = 7;
  EXPECT_EQ(Text(host),
            "frontend 10.0.0.1:80/tcp h\n"
            "  route exact total 1 stride 1 idle_timeout 3600s max_connection_duration 7200s\n"
            "    cluster c0 weight 1 least_request max_connections 7\n");
}

// ---- the promises of the exact policy, against split.h -----------------------------------------

std::uint32_t Total(const Weights& weights) {
  return std::accumulate(weights.begin(), weights.end(), 0u);
}

// Index of the cluster of connection `number`.
std::size_t Pick(std::uint64_t number, const Weights& weights, std::uint32_t stride,
                 std::uint32_t seed) {
  std::uint32_t position = split_position(number, Total(weights), stride, seed);
  std::size_t index = 0;
  while (position >= weights[index]) {
    position -= weights[index++];
  }
  return index;
}

// How far, in connections, any cluster is from its share after any number of connections of these
// blocks. Fails when a block as a whole is not exact.
double WorstPrefix(const Weights& weights, std::uint32_t blocks) {
  const std::uint32_t total = Total(weights);
  const std::uint32_t stride = ChooseStride(weights);
  double worst = 0;
  for (std::uint32_t block = 0; block < blocks; ++block) {
    Weights seen(weights.size());
    for (std::uint32_t place = 1; place <= total; ++place) {
      ++seen[Pick(std::uint64_t{block} * total + place - 1, weights, stride, 7)];
      for (std::size_t i = 0; i < weights.size(); ++i) {
        const double share = double{1} * weights[i] * place / total;
        worst = std::max(worst, std::abs(seen[i] - share));
      }
    }
    EXPECT_EQ(seen, weights) << "block " << block;
  }
  return worst;
}

TEST(Compile, EveryPrefixOfEveryTwoWaySplitIsWithinOneConnection) {
  for (std::uint32_t total = 2; total <= 60; ++total) {
    for (std::uint32_t first = 1; first < total; ++first) {
      if (std::gcd(first, total) == 1) {
        EXPECT_LT(WorstPrefix({first, total - first}, 20), 1) << first << " of " << total;
      }
    }
  }
}

TEST(Compile, EveryPrefixOfAnySplitIsWithinThreeConnections) {
  std::mt19937 random(1);  // NOLINT(bugprone-random-generator-seed): the same cases every time
  for (int i = 0; i < 200; ++i) {
    Weights weights(3 + random() % 6);
    for (std::uint32_t& weight : weights) {
      weight = static_cast<std::uint32_t>(1 + random() % 60);
    }
    const std::uint32_t divisor =
        std::accumulate(weights.begin(), weights.end(), 0u, std::gcd<std::uint32_t, std::uint32_t>);
    for (std::uint32_t& weight : weights) {
      weight /= divisor;
    }
    EXPECT_LT(WorstPrefix(weights, 4), 3);
  }
}

TEST(Compile, ClientThatTakesEveryKthConnectionSeesTheSameShares) {
  for (const Weights& weights : {Weights{9, 1}, Weights{1, 1}, Weights{1, 2}, Weights{5, 3, 2}}) {
    const std::uint32_t stride = ChooseStride(weights);
    for (std::uint64_t k = 2; k <= 12; ++k) {
      constexpr int kTaken = 20'000;
      Weights seen(weights.size());
      for (std::uint64_t n = 0; n < kTaken; ++n) {
        ++seen[Pick(n * k, weights, stride, 7)];
      }
      for (std::size_t i = 0; i < weights.size(); ++i) {
        EXPECT_NEAR(double{1} * seen[i] / kTaken, double{1} * weights[i] / Total(weights), 0.02)
            << "cluster " << i << " of every " << k << "th";
      }
    }
  }
}

TEST(Compile, StrideOfTwoWeightsIsTheSmallerOne) {
  EXPECT_EQ(ChooseStride({9, 1}), 1u);
  EXPECT_EQ(ChooseStride({1, 1}), 1u);
  EXPECT_EQ(ChooseStride({3, 5}), 3u);
}

TEST(Compile, StrideOfMoreWeightsHasSmallPartialQuotients) {
  EXPECT_EQ(ChooseStride({1, 3, 4}), 5u);      // 8/5 = [1; 1, 1, 2]
  EXPECT_EQ(ChooseStride({30, 30, 29}), 55u);  // neighbours in the Fibonacci sequence
}

TEST(Compile, StrideIsCoprimeToTheTotalHoweverManyDivisorsThatHas) {
  // 223092870 is the product of the first nine primes.
  for (const std::uint32_t total :
       {3u, 4u, 6u, 30u, 210u, 9'699'690u, 223'092'870u, 4'294'967'295u, 4'294'967'294u}) {
    const std::uint32_t stride = ChooseStride({1, 1, total - 2});
    EXPECT_EQ(std::gcd(stride, total), 1u) << total;
    EXPECT_TRUE(total < 100 || (stride > total / 2 && stride < total / 3 * 2)) << total;
  }
  EXPECT_EQ(ChooseStride({1}), 1u);
}

}  // namespace
}  // namespace vsplit
