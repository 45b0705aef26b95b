// SPDX-License-Identifier: Apache-2.0
// Names against a DNS server of the test's own.
#include "vsplit/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "names_dns.h"
#include "vsplit/address.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr seconds kLong{30};  // for what has to come; a test that works takes milliseconds

class NamesTest : public testing::Test {
 protected:
  NamesTest() {
    options.servers = {server.address()};
    options.min_ttl = milliseconds(10);
    options.min_retry = milliseconds(10);
    options.max_retry = milliseconds(40);
    options.timeout = milliseconds(20);
    options.tries = 1;
  }

  void Start() {
    Result<Names> started = Names::Start(
        loop, options, [this](const std::set<std::string>& some) { changes.push_back(some); });
    ASSERT_TRUE(started) << started.error().message;
    names.emplace(*std::move(started));
  }

  // Runs the loop until it holds.
  void Until(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + kLong;
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      loop.run_one_for(milliseconds(100));
    }
  }

  const NameAnswer& Answer(const std::string& name) const { return names->answers().at(name); }

  std::vector<std::string> Addresses(const std::string& name) const {
    std::vector<std::string> texts;
    for (const IpAddress& ip : Answer(name).addresses) {
      texts.push_back(ToString(ip));
    }
    return texts;
  }

  boost::asio::io_context loop;
  DnsServer server{loop};
  NamesOptions options;
  std::optional<Names> names;
  std::vector<std::set<std::string>> changes;
};

TEST_F(NamesTest, AddressesOfBothFamiliesAreSortedAndCountOnce) {
  server.records["db.example.com"] = {.addresses = {"fd00::7", "10.0.0.9", "10.0.0.8", "10.0.0.9"},
                                      .ttl = 60};
  Start();
  EXPECT_EQ(names->Want({"db.example.com"}), 0u);
  EXPECT_FALSE(Answer("db.example.com").answered);
  Until([&] { return !changes.empty(); });
  EXPECT_THAT(changes, ElementsAre(std::set<std::string>{"db.example.com"}));
  EXPECT_THAT(Addresses("db.example.com"), ElementsAre("10.0.0.8", "10.0.0.9", "fd00::7"));
  EXPECT_TRUE(Answer("db.example.com").answered);
}

TEST_F(NamesTest, NameIsAskedForAgainWhenTheShortestTtlHasPassed) {
  options.max_ttl = milliseconds(50);  // of the alias' one second
  server.records["db.example.com"] = {
      .addresses = {"10.0.0.8"}, .ttl = 3600, .alias = "db-1.example.com", .alias_ttl = 1};
  Start();
  names->Want({"db.example.com"});
  Until([&] { return server.asked["db.example.com"] == 1; });
  server.records["db.example.com"].addresses = {"10.0.0.9"};
  Until([&] { return changes.size() == 2; });
  EXPECT_THAT(Addresses("db.example.com"), ElementsAre("10.0.0.9"));
}

TEST_F(NamesTest, AnswerLikeTheLastOneIsNoChange) {
  server.records["db.example.com"] = {.addresses = {"10.0.0.8"}, .ttl = 1};
  options.max_ttl = milliseconds(10);
  Start();
  names->Want({"db.example.com"});
  Until([&] { return server.asked["db.example.com"] >= 4; });
  EXPECT_EQ(changes.size(), 1u);
}

TEST_F(NamesTest, LastGoodAnswerStaysWhileTheServerFails) {
  options.max_ttl = milliseconds(10);
  server.records["db.example.com"] = {.addresses = {"10.0.0.8"}};
  Start();
  names->Want({"db.example.com"});
  Until([&] { return !changes.empty(); });
  server.failing = true;
  Until([&] { return !Answer("db.example.com").trouble.empty(); });
  EXPECT_THAT(Addresses("db.example.com"), ElementsAre("10.0.0.8"));
  server.failing = false;
  server.records["db.example.com"].addresses = {"10.0.0.9"};
  Until([&] { return changes.size() == 2; });
  EXPECT_THAT(Addresses("db.example.com"), ElementsAre("10.0.0.9"));
  EXPECT_EQ(Answer("db.example.com").trouble, "");
}

TEST_F(NamesTest, ServerThatDoesNotAnswerIsAskedAgain) {
  server.silent = true;
  server.records["db.example.com"] = {.addresses = {"10.0.0.8"}};
  Start();
  names->Want({"db.example.com"});
  Until([&] { return !Answer("db.example.com").trouble.empty(); });
  EXPECT_FALSE(Answer("db.example.com").answered);
  server.silent = false;
  Until([&] { return !changes.empty(); });
  EXPECT_THAT(Addresses("db.example.com"), ElementsAre("10.0.0.8"));
}

TEST_F(NamesTest, WhatAnAgentBeforeKnewStaysWhileTheServerFails) {
  server.failing = true;
  Start();
  const IpAddress before = ParseIpAddress("10.0.0.8").value_or(IpAddress{});
  names->Want({"db.example.com", "new.example.com"},
              {{"db.example.com", {before}}, {"other.example.com", {before}}});
  EXPECT_TRUE(Answer("db.example.com").answered);
  EXPECT_FALSE(Answer("new.example.com").answered);
  Until([&] {
    return !Answer("db.example.com").trouble.empty() && !Answer("new.example.com").trouble.empty();
  });
  EXPECT_THAT(Addresses("db.example.com"), ElementsAre("10.0.0.8"));
  EXPECT_EQ(names->answers().size(), 2u);
  EXPECT_THAT(changes, IsEmpty());

  server.failing = false;
  server.records["db.example.com"] = {.addresses = {"10.0.0.9"}};
  Until([&] { return !changes.empty() && Answer("db.example.com").trouble.empty(); });
  EXPECT_THAT(Addresses("db.example.com"), ElementsAre("10.0.0.9"));
}

TEST_F(NamesTest, AnswerLikeTheOneKnownBeforeIsNoChange) {
  server.records["db.example.com"] = {.addresses = {"10.0.0.8"}, .ttl = 1};
  options.max_ttl = milliseconds(10);
  Start();
  names->Want({"db.example.com"},
              {{"db.example.com", {ParseIpAddress("10.0.0.8").value_or(IpAddress{})}}});
  Until([&] { return server.asked["db.example.com"] >= 3; });
  EXPECT_THAT(changes, IsEmpty());
}

TEST_F(NamesTest, NameThatDoesNotExistAnyMoreHasNoAddresses) {
  options.max_ttl = milliseconds(10);
  server.records["db.example.com"] = {.addresses = {"10.0.0.8"}};
  Start();
  names->Want({"db.example.com"});
  Until([&] { return !changes.empty(); });
  server.records.clear();
  Until([&] { return changes.size() == 2; });
  EXPECT_THAT(Addresses("db.example.com"), IsEmpty());
  EXPECT_TRUE(Answer("db.example.com").answered);
}

TEST_F(NamesTest, NameNoLongerWantedIsForgotten) {
  server.records["a.example.com"] = {.addresses = {"10.0.0.8"}};
  server.records["b.example.com"] = {.addresses = {"10.0.0.9"}};
  options.max_ttl = milliseconds(10);
  Start();
  names->Want({"a.example.com", "b.example.com"});
  Until([&] { return Answer("a.example.com").answered && Answer("b.example.com").answered; });
  names->Want({"b.example.com"});
  EXPECT_FALSE(names->answers().contains("a.example.com"));
  loop.poll();
  const int asked = server.asked["a.example.com"];
  const int until = server.asked["b.example.com"] + 3;
  Until([&] { return server.asked["b.example.com"] >= until; });
  EXPECT_EQ(server.asked["a.example.com"], asked);
}

TEST_F(NamesTest, NamesAndAddressesAreBounded) {
  options.max_names = 2;
  options.max_addresses = 1;
  options.max_questions = 1;
  server.records["a.example.com"] = {.addresses = {"10.0.0.9", "10.0.0.8"}};
  server.records["b.example.com"] = {.addresses = {"10.0.0.7"}};
  Start();
  EXPECT_EQ(names->Want({"a.example.com", "b.example.com", "c.example.com"}), 1u);
  Until([&] { return Answer("a.example.com").answered && Answer("b.example.com").answered; });
  EXPECT_THAT(Addresses("a.example.com"), ElementsAre("10.0.0.8"));
  EXPECT_EQ(names->answers().size(), 2u);
}

TEST_F(NamesTest, MayEndWithQuestionsUnderWay) {
  server.silent = true;
  Start();
  names->Want({"a.example.com"});
  Until([&] { return server.asked["a.example.com"] == 1; });
  names.reset();
  loop.poll();
  EXPECT_THAT(changes, IsEmpty());
}

TEST(NamesScheduleTest, TtlIsKeptWithinItsBounds) {
  const NamesOptions options;
  EXPECT_EQ(RefreshAfter(options, seconds(30)), seconds(30));
  EXPECT_EQ(RefreshAfter(options, seconds(1)), seconds(5));
  EXPECT_EQ(RefreshAfter(options, seconds(86'400)), seconds(3600));
  EXPECT_EQ(RefreshAfter(options, seconds(0)), seconds(60));
}

TEST(NamesScheduleTest, FailuresDoubleTheWaitUpToAMinute) {
  const NamesOptions options;
  EXPECT_EQ(RetryAfter(options, 1, 0), seconds(1));
  EXPECT_EQ(RetryAfter(options, 2, 0), seconds(2));
  EXPECT_EQ(RetryAfter(options, 6, 0), seconds(32));
  EXPECT_EQ(RetryAfter(options, 7, 0), seconds(60));
  EXPECT_EQ(RetryAfter(options, 1'000'000, 0), seconds(60));
  EXPECT_EQ(RetryAfter(options, 7, 0.5), seconds(45));
}

}  // namespace
}  // namespace vsplit
