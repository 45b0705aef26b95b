// SPDX-License-Identifier: Apache-2.0
// Watches, piece by piece.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "api_backend.h"
#include "vsplit/api.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;
using Clock = Stream::Clock;

constexpr const char* kServices = "/api/v1/namespaces/default/services";

class Watches : public testing::Test {
 protected:
  Response Call(const std::string& method, const std::string& target, const std::string& body = "",
                const std::string& accept = "application/json") {
    return Answer({.method = method, .target = target, .accept = accept, .body = body}, backend_);
  }
  std::shared_ptr<Stream> Watch(const std::string& parameters,
                                const std::string& accept = "application/json") {
    Response response =
        Call("GET", std::string(kServices) + "?watch=true&" + parameters, "", accept);
    EXPECT_EQ(response.status, 200U) << response.body;
    EXPECT_NE(response.stream, nullptr) << response.body;
    return response.stream;
  }
  void Put(const std::string& name, const std::string& app, const std::string& ns = "default") {
    const std::string body = fmt::format(
        R"({{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{}","labels":{{"app":"{}"}}}},)"
        R"("spec":{{"ports":[{{"port":80}}]}}}})",
        name, app);
    const std::string services = "/api/v1/namespaces/" + ns + "/services";
    if (Call("GET", services + "/" + name).status == 404) {
      ASSERT_EQ(Call("POST", services, body).status, 201U);
    } else {
      ASSERT_EQ(Call("PUT", services + "/" + name, body).status, 200U);
    }
  }
  void Delete(const std::string& name) {
    ASSERT_EQ(Call("DELETE", std::string(kServices) + "/" + name).status, 200U);
  }

  StoreBackend store_;
  Backend backend_ = store_.Make();
};

std::vector<Json> Events(Stream& stream, Clock::time_point now = Clock::now()) {
  std::vector<Json> events;
  std::istringstream lines(stream.Take(now));
  for (std::string line; std::getline(lines, line);) {
    events.push_back(Json::parse(line));
  }
  return events;
}

// "ADDED a 1"
Strings Texts(Stream& stream, Clock::time_point now = Clock::now()) {
  Strings texts;
  for (const Json& event : Events(stream, now)) {
    const Json& metadata = event["object"]["metadata"];
    texts.push_back(event["type"].get<std::string>() + " " + metadata.value("name", "-") + " " +
                    metadata.value("resourceVersion", "-"));
  }
  return texts;
}

TEST_F(Watches, TellWhatComesBehindTheVersion) {
  Put("a", "web");
  const auto watch = Watch("resourceVersion=1");
  EXPECT_EQ(Texts(*watch), Strings{});
  Put("b", "web");
  Put("a", "db");
  EXPECT_EQ(Texts(*watch), (Strings{"ADDED b 2", "MODIFIED a 3"}));
  EXPECT_EQ(Texts(*watch), Strings{});
  Delete("b");
  EXPECT_EQ(Texts(*watch), Strings{"DELETED b 4"});
  EXPECT_FALSE(watch->ended());
}

TEST_F(Watches, WithoutAVersionBeginWithWhatIsThere) {
  Put("a", "web");
  Put("b", "web");
  Delete("a");
  for (const char* parameters : {"", "resourceVersion=0"}) {
    const auto watch = Watch(parameters);
    EXPECT_EQ(Texts(*watch), Strings{"ADDED b 2"});
  }
}

TEST_F(Watches, KeepToNamespaceAndKind) {
  const auto watch = Watch("resourceVersion=0");
  Put("a", "web", "other");
  EXPECT_EQ(Texts(*watch), Strings{});
  Response all = Call("GET", "/api/v1/services?watch=1");
  EXPECT_EQ(Texts(*all.stream), Strings{"ADDED a 1"});
  Response pods = Call("GET", "/api/v1/pods?watch=true");
  EXPECT_EQ(Texts(*pods.stream), Strings{});
}

TEST_F(Watches, WhatStopsMatchingIsDeleted) {
  Put("a", "db");
  const auto watch = Watch("resourceVersion=0&labelSelector=app%3Dweb");
  EXPECT_EQ(Texts(*watch), Strings{});
  Put("a", "web");
  Put("a", "db");
  EXPECT_EQ(Texts(*watch), (Strings{"ADDED a 2", "DELETED a 3"}));
  Put("a", "x");
  EXPECT_EQ(Texts(*watch), Strings{});
}

TEST_F(Watches, OfOneObject) {
  Put("a", "db");
  Put("b", "db");
  const auto watch = Watch("resourceVersion=0&fieldSelector=metadata.name%3Db");
  EXPECT_EQ(Texts(*watch), Strings{"ADDED b 2"});
  Response named = Call("GET", std::string(kServices) + "/a?watch=true");
  EXPECT_EQ(Texts(*named.stream), Strings{"ADDED a 1"});
}

TEST_F(Watches, MarkTheEndOfWhatIsThere) {
  Put("a", "web");
  const auto watch =
      Watch("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
  const std::vector<Json> events = Events(*watch);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0]["type"], "ADDED");
  EXPECT_EQ(events[1]["type"], "BOOKMARK");
  EXPECT_EQ(events[1]["object"]["kind"], "Service");
  EXPECT_EQ(events[1]["object"]["metadata"]["resourceVersion"], "1");
  EXPECT_EQ(events[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
  EXPECT_EQ(Call("GET", std::string(kServices) + "?watch=true&sendInitialEvents=true").status,
            422U);
}

TEST_F(Watches, BookmarksAndTheEndComeInTime) {
  Put("a", "web");
  const Clock::time_point now = Clock::now();
  const auto watch = Watch("resourceVersion=1&allowWatchBookmarks=true&timeoutSeconds=100");
  EXPECT_EQ(Texts(*watch, now), Strings{});
  EXPECT_LE(watch->due(), Clock::now() + std::chrono::seconds(60));
  Put("x", "web", "other");
  EXPECT_EQ(Texts(*watch, now + std::chrono::seconds(61)), Strings{"BOOKMARK - 2"});
  EXPECT_FALSE(watch->ended());
  EXPECT_EQ(Texts(*watch, now + std::chrono::seconds(102)), Strings{"BOOKMARK - 2"});
  EXPECT_TRUE(watch->ended());
  const auto plain = Watch("resourceVersion=1&timeoutSeconds=1");
  EXPECT_EQ(Texts(*plain, now + std::chrono::seconds(5)), Strings{});
  EXPECT_TRUE(plain->ended());
}

TEST_F(Watches, OfTooOldVersionsEndWithAnError) {
  Store store;
  store.Load({}, 50);
  backend_.store = &store;
  const auto watch = Watch("resourceVersion=49");
  const std::vector<Json> events = Events(*watch);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["type"], "ERROR");
  EXPECT_EQ(events[0]["object"]["code"], 410);
  EXPECT_EQ(events[0]["object"]["reason"], "Expired");
  EXPECT_EQ(events[0]["object"]["message"], "too old resource version: 49 (50)");
  EXPECT_TRUE(watch->ended());
  EXPECT_EQ(Texts(*Watch("resourceVersion=50")), Strings{});
}

TEST_F(Watches, OfTheFutureWait) {
  const auto watch = Watch("resourceVersion=2");
  Put("a", "web");
  Put("b", "web");
  EXPECT_EQ(Texts(*watch), Strings{});
  Put("c", "web");
  EXPECT_EQ(Texts(*watch), Strings{"ADDED c 3"});
}

TEST_F(Watches, SayTheColumnsOfATableOnce) {
  Put("a", "web");
  Put("b", "web");
  const auto watch =
      Watch("resourceVersion=0", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
  const std::vector<Json> events = Events(*watch);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0]["object"]["kind"], "Table");
  EXPECT_EQ(events[0]["object"]["rows"][0]["cells"][0], "a");
  EXPECT_FALSE(events[0]["object"]["columnDefinitions"].empty());
  EXPECT_TRUE(events[1]["object"]["columnDefinitions"].is_null());
}

TEST_F(Watches, LargeAnswersComeInPieces) {
  for (int i = 0; i < 800; ++i) {
    Put("s" + std::to_string(i), "web");
  }
  const auto watch = Watch("resourceVersion=0");
  std::size_t pieces = 0;
  std::size_t events = 0;
  for (std::string piece = watch->Take(Clock::now()); !piece.empty();
       piece = watch->Take(Clock::now())) {
    EXPECT_LE(piece.size(), 300'000U);
    events += static_cast<std::size_t>(std::ranges::count(piece, '\n'));
    ++pieces;
  }
  EXPECT_EQ(events, 800U);
  EXPECT_GT(pieces, 1U);
}

TEST_F(Watches, RefuseWhatIsNoWatch) {
  const std::string services = kServices;
  EXPECT_EQ(Call("GET", services + "?watch=maybe").status, 400U);
  EXPECT_EQ(Call("GET", services + "?watch=true&resourceVersion=x").status, 400U);
  EXPECT_EQ(Call("GET", services + "?watch=true&timeoutSeconds=x").status, 400U);
  EXPECT_EQ(Call("GET", services + "?watch=true&fieldSelector=a%3Db").status, 400U);
  EXPECT_EQ(Call("GET", services + "?watch=false").stream, nullptr);
}

}  // namespace
}  // namespace vsplit
