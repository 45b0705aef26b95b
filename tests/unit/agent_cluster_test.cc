// SPDX-License-Identifier: Apache-2.0
// What becomes of the objects of an API server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cluster.h"
#include "cluster_reports.h"
#include "kubernetes_server.h"
#include "vsplit/api.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/report.h"
#include "vsplit/result.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"
#include "wanted.h"

namespace vsplit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr seconds kLong{30};  // for what has to come; a test that works takes milliseconds

std::string Metadata(const std::string& name, int version) {
  return R"("metadata":{"name":")" + name + R"(","namespace":"default","uid":"u-)" + name +
         R"(","generation":7,"creationTimestamp":"2024-10-10T07:03:57Z","resourceVersion":")" +
         std::to_string(version) + "\"}";
}

std::string ServiceJson(const std::string& name, int version) {
  return EventLine("ADDED", R"({"kind":"Service","apiVersion":"v1",)" + Metadata(name, version) +
                                R"(,"spec":{"ports":[{"port":80}]}})");
}

std::string RuleJson(const std::string& name, int version, const std::string& host) {
  return EventLine("ADDED", R"({"kind":"DestinationRule","apiVersion":"networking.istio.io/v1",)" +
                                Metadata(name, version) + R"(,"spec":{"host":")" + host +
                                R"(","subsets":[{"name":"v1","labels":{"version":"v1"}}]}})");
}

std::string End(int version) {
  return Bookmark(version, true);
}

class ClusterTest : public testing::Test {
 protected:
  ClusterTest() {
    options.kubernetes.server = {.tls = false, .host = "127.0.0.1", .port = server.port()};
    options.kubernetes.min_retry = milliseconds(10);
    options.node = "n1";
    options.domain = "cluster.local";
    options.gather = milliseconds(1);
    options.pause = milliseconds(0);
    options.patience = milliseconds(100);
    options.retry = milliseconds(20);
    options.source.keep = [this](const std::string& source) -> Result<void> {
      if (keep_fails) {
        return Fail("the disk is full");
      }
      kept.push_back(source);
      return {};
    };
  }

  void Start() {
    Result<std::unique_ptr<ClusterFollower>> started = ClusterFollower::Start(
        loop, options, store, [this](std::vector<Write>& writes) { return Put(writes); });
    ASSERT_TRUE(started) << started.error().message;
    follower = *std::move(started);
  }

  // As the agent: all or nothing.
  Result<Applied> Put(std::vector<Write>& writes) {
    ++transactions;
    during();
    for (const Write& write : writes) {
      if (write.object.key.name == poison) {
        return Fail("it does not fit", Error::Reason::kFull);
      }
    }
    Result<std::vector<Change>> changes = store.Stage(
        std::move(writes), {.now = "2030-01-01T00:00:00Z", .uids = std::vector<std::string>(100)});
    if (!changes) {
      return tl::unexpected<Error>(changes.error());
    }
    store.Keep();
    return Applied{.changes = *std::move(changes)};
  }

  void Until(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + kLong;
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << Told();
      loop.run_one_for(milliseconds(20));
    }
  }

  milliseconds PauseBefore(const std::string& collection, const std::string& line,
                           milliseconds took);

  bool Asked(const std::string& part) const {
    return std::ranges::any_of(server.asked, [&](const std::string& target) {
      return target.find(part) != std::string::npos;
    });
  }

  // For a test that waits in vain.
  std::string Told() const {
    std::string text;
    for (const Feature& feature : follower->Status()) {
      text += feature.name + ": " + feature.reason + "\n";
    }
    for (const std::string& target : server.asked) {
      text += target + "\n";
    }
    return text;
  }

  std::vector<std::string> Services() const {
    std::vector<std::string> names;
    for (const ObjectPtr& object : store.List(Kind::kService)) {
      names.push_back(object->key.name);
    }
    return names;
  }

  // Every collection is empty, but for what a test says.
  std::function<std::string(const std::string& target)> first = [](const std::string&) {
    return End(10);
  };
  boost::asio::io_context loop;
  KubernetesServer server{loop, [this](const KubernetesServer::Client& client) {
                            return KubernetesAnswer{.body = first(client.target), .watch = true};
                          }};
  ClusterOptions options;
  Store store;
  std::unique_ptr<ClusterFollower> follower;
  std::string poison;
  std::function<void()> during = [] {};  // a transaction
  int transactions = 0;
  bool keep_fails = false;
  std::vector<std::string> kept;  // whose the objects are, as the disk was told
};

Object OldService() {
  return {.key = {.kind = Kind::kService, .ns = "default", .name = "old"},
          .spec = Service{},
          .json = "{}"};
}

// Every collection is empty but for the namespace that tells clusters apart.
std::function<std::string(const std::string&)> ClusterWithUid(const std::string& uid) {
  return [uid](const std::string& target) {
    return target.find("/namespaces?") == std::string::npos
               ? End(10)
               : EventLine("ADDED",
                           R"({"metadata":{"name":"kube-system","resourceVersion":"5","uid":")" +
                               uid + R"("}})") +
                     End(10);
  };
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(ClusterTest, NothingIsInForceBeforeTheWholePictureIs) {
  bool slices = false;
  first = [&](const std::string& target) -> std::string {
    if (Contains(target, "endpointslices") && !slices) {
      return "";
    }
    return Contains(target, "/services") ? ServiceJson("a", 5) + End(6) : End(6);
  };
  Start();
  loop.run_for(milliseconds(100));
  EXPECT_THAT(Services(), IsEmpty());
  EXPECT_FALSE(follower->in_force());
  server.Send("endpointslices", End(6));
  Until([&] { return follower->in_force(); });
  EXPECT_THAT(Services(), ElementsAre("a"));
  EXPECT_EQ(transactions, 1);
}

TEST_F(ClusterTest, ObjectsKeepTheVersionThatTheServerGaveThem) {
  first = [](const std::string& target) {
    return Contains(target, "/services") ? ServiceJson("a", 5) + End(6) : End(6);
  };
  Start();
  Until([&] { return follower->in_force(); });
  const ObjectPtr object = store.Find({.kind = Kind::kService, .ns = "default", .name = "a"});
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(object->version.uid, "u-a");
  EXPECT_EQ(object->version.generation, 7);
  EXPECT_EQ(object->version.creation_timestamp, "2024-10-10T07:03:57Z");
}

TEST_F(ClusterTest, WhatOnlyTheDiskKnowsGoesWithTheFirstPicture) {
  store.Load({OldService()}, 1);
  options.source.known = "server 127.0.0.1:" + server.port();
  bool away = true;
  first = [&](const std::string& target) -> std::string {
    return Contains(target, "/services") && away ? "" : End(6);
  };
  Start();
  loop.run_for(milliseconds(50));
  EXPECT_THAT(Services(), ElementsAre("old"));  // the server may be away
  server.Send("/services", End(6));
  Until([&] { return follower->in_force(); });
  EXPECT_THAT(Services(), IsEmpty());
}

TEST_F(ClusterTest, WhatIsOfNoClusterOrAnotherStaysInForceAndNothingIsTaken) {
  first = ClusterWithUid("u-1");
  store.Load({OldService()}, 1);
  for (const std::string known : {"", "cluster u-0"}) {
    options.source.known = known;
    Start();
    Until([&] { return Contains(follower->why_not_in_force(), "holds objects of"); });
    EXPECT_THAT(follower->why_not_in_force(),
                HasSubstr("objects of " + (known.empty() ? "no cluster" : known) +
                          ", and this is cluster u-1"));
    EXPECT_THAT(follower->Status().at(0).reason, HasSubstr("--replace-state"));
    server.Send("/services", ServiceJson("a", 20));
    loop.run_for(milliseconds(50));
    EXPECT_THAT(Services(), ElementsAre("old"));
    EXPECT_EQ(transactions, 0);
    EXPECT_THAT(kept, IsEmpty());
    follower.reset();
  }
}

TEST_F(ClusterTest, WhatIsOfAnotherClusterGoesWhereThatIsWanted) {
  first = ClusterWithUid("u-1");
  store.Load({OldService()}, 1);
  options.source.known = "cluster u-0";
  options.source.replace = true;
  Start();
  Until([&] { return follower->in_force(); });
  EXPECT_THAT(Services(), IsEmpty());
  EXPECT_THAT(kept, ElementsAre("cluster u-1"));
  EXPECT_EQ(follower->why_not_in_force(), "");
}

// By whatever address the cluster is reached.
TEST_F(ClusterTest, TheSameClusterGoesOnWhereItWas) {
  first = ClusterWithUid("u-1");
  store.Load({OldService()}, 1);
  options.source.known = "cluster u-1";
  Start();
  Until([&] { return follower->in_force(); });
  EXPECT_THAT(Services(), IsEmpty());
  EXPECT_THAT(kept, IsEmpty());
}

TEST_F(ClusterTest, NothingIsTakenBeforeTheDiskKnowsWhoseItIs) {
  keep_fails = true;
  first = [](const std::string& target) {
    return Contains(target, "/services") ? ServiceJson("a", 5) + End(6) : End(6);
  };
  Start();
  Until([&] { return follower->why_not_in_force() == "the disk is full"; });
  EXPECT_THAT(Services(), IsEmpty());
  keep_fails = false;
  Until([&] { return follower->in_force(); });
  EXPECT_THAT(Services(), ElementsAre("a"));
  EXPECT_THAT(kept, ElementsAre("server 127.0.0.1:" + server.port()));
}

TEST_F(ClusterTest, ManyChangesAreFewTransactions) {
  options.gather = milliseconds(300);  // far longer than they are on their way
  Start();
  Until([&] { return follower->in_force(); });
  transactions = 0;
  std::string text;
  for (int i = 0; i < 50; ++i) {
    text += ServiceJson("s" + std::to_string(i), 20 + i);
  }
  server.Send("/services", text);
  Until([&] { return store.Count(Kind::kService) == 50; });
  EXPECT_LE(transactions, 5);
}

// From the end of a transaction that takes `took`, in which the server sends `line`, to the next
// one.
milliseconds ClusterTest::PauseBefore(const std::string& collection, const std::string& line,
                                      milliseconds took) {
  std::chrono::steady_clock::time_point ended;
  std::optional<std::chrono::steady_clock::duration> pause;
  during = [&] {
    const auto began = std::chrono::steady_clock::now();
    if (ended != std::chrono::steady_clock::time_point{}) {
      pause = began - ended;
      return;
    }
    server.Send(collection, line);
    std::this_thread::sleep_for(took);
    ended = std::chrono::steady_clock::now();
  };
  server.Send("/services", ServiceJson("a", 20));
  Until([&] { return pause.has_value(); });
  during = [] {};
  return std::chrono::duration_cast<milliseconds>(*pause);
}

TEST_F(ClusterTest, ATransactionThatTakesLongLetsMoreComeTogether) {
  Start();
  Until([&] { return follower->in_force(); });
  EXPECT_GE(PauseBefore("/services", ServiceJson("b", 21), milliseconds(100)), milliseconds(99));
}

TEST_F(ClusterTest, BetweenTransactionsIsAPause) {
  options.pause = milliseconds(100);
  Start();
  Until([&] { return follower->in_force(); });
  EXPECT_GE(PauseBefore("/services", ServiceJson("b", 21), milliseconds(0)), milliseconds(99));
}

TEST_F(ClusterTest, ARuleDoesNotWaitForMore) {
  Start();
  Until([&] { return follower->in_force(); });
  const std::string rule = RuleJson("r", 21, "reviews");
  EXPECT_LT(PauseBefore("/destinationrules", rule, milliseconds(1'000)), milliseconds(900));
}

TEST_F(ClusterTest, NoTransactionIsLongEnoughToHoldUpOthersForLong) {
  options.most = milliseconds(20);
  Start();
  Until([&] { return follower->in_force(); });
  EXPECT_LT(PauseBefore("/services", ServiceJson("b", 21), milliseconds(1'000)), milliseconds(900));
}

TEST_F(ClusterTest, OneObjectThatDoesNotFitHoldsUpNoOther) {
  poison = "b";
  first = [](const std::string& target) {
    return Contains(target, "/services")
               ? ServiceJson("a", 5) + ServiceJson("b", 5) + ServiceJson("c", 5) + End(6)
               : End(6);
  };
  Start();
  Until([&] { return follower->in_force(); });
  EXPECT_THAT(Services(), ElementsAre("a", "c"));
  ASSERT_EQ(follower->failed().size(), 1u);
  EXPECT_THAT(follower->failed().begin()->second.why, HasSubstr("does not fit"));
  poison.clear();
  Until([&] { return follower->failed().empty(); });
  EXPECT_THAT(Services(), ElementsAre("a", "b", "c"));
}

TEST_F(ClusterTest, StatusIsThatOfTheGenerationThatTheServerHas) {
  const ObjectKey key = {.kind = Kind::kDestinationRule, .ns = "default", .name = "r"};
  first = [](const std::string& target) {
    return Contains(target, "destinationrules") ? RuleJson("r", 5, "web") + End(6) : End(6);
  };
  Start();
  std::set<ObjectKey> heard;
  bool told = false;  // that it is in force
  follower->OnNews([&](const std::set<ObjectKey>& keys) {
    heard.insert(keys.begin(), keys.end());
    told = told || follower->in_force();
  });
  const auto status = [&] {
    return ClusterStatusOf(key, *follower, store, [](const Object& object) {
      return "generation " + std::to_string(object.version.generation);
    });
  };
  Until([&] { return follower->in_force(); });
  EXPECT_TRUE(told);
  EXPECT_EQ(heard, std::set{key});
  EXPECT_EQ(status(), "generation 7");
  EXPECT_THAT(ClusterTroubles(*follower), IsEmpty());

  // It cannot be put into force.
  poison = "r";
  std::string changed = RuleJson("r", 8, "other");
  changed.replace(changed.find(":7,"), 3, ":8,");
  server.Send("destinationrules", changed);
  Until([&] { return !follower->failed().empty(); });
  EXPECT_THAT(status(), HasSubstr(R"("observedGeneration":8)"));
  EXPECT_THAT(status(), HasSubstr("generation 7 stays in force: it does not fit"));
  EXPECT_THAT(status(), HasSubstr(R"("type":"Accepted","status":"True")"));
  EXPECT_THAT(status(), HasSubstr(R"("type":"Programmed","status":"False","reason":"Failed")"));
  Until([&] { return follower->failed().at(key).times > 1; });  // it is tried again
  ASSERT_EQ(ClusterTroubles(*follower).size(), 1U);
  EXPECT_EQ(ClusterTroubles(*follower).front().reason, "NotProgrammed");
  EXPECT_EQ(ClusterTroubles(*follower).front().uid, "u-r");
  poison.clear();
  Until([&] { return follower->failed().empty(); });
  EXPECT_EQ(status(), "generation 8");
  EXPECT_THAT(ClusterTroubles(*follower), IsEmpty());

  // It is not valid.
  std::string refused = RuleJson("r", 9, "");
  refused.replace(refused.find(":7,"), 3, ":9,");
  server.Send("destinationrules", refused);
  Until([&] { return !follower->source().refused().empty(); });
  EXPECT_THAT(status(), HasSubstr(R"("type":"Accepted","status":"False","reason":"Invalid")"));
  EXPECT_THAT(status(), HasSubstr("generation 8 stays in force: "));
  ASSERT_EQ(ClusterTroubles(*follower).size(), 1U);
  EXPECT_EQ(ClusterTroubles(*follower).front().reason, "Refused");
  EXPECT_THAT(ClusterTroubles(*follower).front().note, testing::StartsWith("spec.host: "));
  EXPECT_EQ(status().find("generation 9 "), std::string::npos);
}

TEST_F(ClusterTest, StatusOfARuleIsNotPartOfIt) {
  const ObjectKey key = {.kind = Kind::kDestinationRule, .ns = "default", .name = "r"};
  first = [](const std::string& target) {
    return Contains(target, "destinationrules") ? RuleJson("r", 5, "web") + End(6) : End(6);
  };
  Start();
  Until([&] { return follower->in_force(); });
  const ObjectPtr before = store.Find(key);
  int news = 0;
  follower->OnNews([&](const std::set<ObjectKey>&) { ++news; });
  std::string changed = RuleJson("r", 8, "web");
  changed.insert(changed.find(R"("spec")"), R"("status":{"conditions":[]},)");
  server.Send("destinationrules", changed);
  Until([&] { return news > 0 && follower->source().FindRule(key)->resource_version == "8"; });
  EXPECT_EQ(follower->source().FindRule(key)->status, R"({"conditions":[]})");
  loop.run_for(milliseconds(20));
  EXPECT_EQ(store.Find(key), before);
}

TEST_F(ClusterTest, TheWholePictureHasThePodsThatItsRulesAskAbout) {
  bool asked = false;
  first = [&](const std::string& target) -> std::string {
    if (Contains(target, "/namespaces/shop/pods")) {
      asked = true;
      return "";
    }
    return Contains(target, "destinationrules")
               ? RuleJson("r", 5, "web.shop.svc.cluster.local") + End(6)
               : End(6);
  };
  Start();
  Until([&] { return asked; });
  loop.run_for(milliseconds(50));
  EXPECT_FALSE(follower->in_force());
  server.Send("/namespaces/shop/pods", End(6));
  Until([&] { return follower->in_force(); });
  EXPECT_EQ(store.Count(Kind::kDestinationRule), 1u);
}

TEST_F(ClusterTest, LaterRulesDoNotWaitForeverForPods) {
  first = [&](const std::string& target) -> std::string {
    return Contains(target, "/namespaces/shop/pods") ? "" : End(6);
  };
  Start();
  Until([&] { return follower->in_force(); });
  server.Send("destinationrules", RuleJson("r", 15, "web.shop.svc.cluster.local"));
  Until([&] { return store.Count(Kind::kDestinationRule) == 1; });
}

TEST_F(ClusterTest, RulesThatComeTogetherWaitForTheirPods) {
  options.patience = seconds(30);
  first = [&](const std::string& target) -> std::string {
    return Contains(target, "/namespaces/shop/pods") ? "" : End(6);
  };
  Start();
  Until([&] { return follower->in_force(); });
  server.Send("/services", ServiceJson("a", 14));  // its transaction is about to come
  server.Send("destinationrules", RuleJson("r", 15, "web.shop.svc.cluster.local"));
  Until([&] { return Asked("/namespaces/shop/pods"); });
  loop.run_for(milliseconds(100));
  EXPECT_EQ(store.Count(Kind::kDestinationRule), 0u);
  server.Send("/namespaces/shop/pods", End(16));
  Until([&] { return store.Count(Kind::kDestinationRule) == 1; });
}

TEST_F(ClusterTest, PodsStayWhileWhatAskedForThemIsReplaced) {
  bool all = false;
  first = [&](const std::string& target) -> std::string {
    if (Contains(target, "/api/v1/pods?watch")) {
      all = true;
      return "";  // the list of all is on its way
    }
    return Contains(target, "/namespaces/shop/pods")
               ? EventLine("ADDED", R"({"metadata":{"name":"p","namespace":"shop",)"
                                    R"("resourceVersion":"5"}})") +
                     End(6)
           : Contains(target, "destinationrules")
               ? RuleJson("r", 5, "web.shop.svc.cluster.local") + End(6)
               : End(6);
  };
  Start();
  Until([&] { return follower->in_force(); });
  EXPECT_EQ(store.Count(Kind::kPod), 1u);
  server.Send("destinationrules", RuleJson("wide", 15, "*.local"));
  Until([&] { return all; });
  loop.run_for(milliseconds(300));  // longer than its patience
  EXPECT_EQ(store.Count(Kind::kPod), 1u);
}

// ---- which Pods matter -------------------------------------------------------------------------

Object Rule(const std::string& host, const std::string& ns = "default") {
  return {.key = {.kind = Kind::kDestinationRule, .ns = ns, .name = "r"},
          .spec = DestinationRule{.host = host,
                                  .subsets = {{.name = "v1", .labels = {{"version", "v1"}}}}}};
}

std::set<std::string> NamespacesOf(const Object& object) {
  return PodNamespacesOf(object, "cluster.local");
}

TEST(WantedTest, SubsetsAskAboutThePodsOfTheirHost) {
  EXPECT_THAT(NamespacesOf(Rule("web")), ElementsAre("default"));
  EXPECT_THAT(NamespacesOf(Rule("web.shop.svc.cluster.local")), ElementsAre("shop"));
  EXPECT_THAT(NamespacesOf(Rule("*.shop.svc.cluster.local")), ElementsAre("shop"));
  EXPECT_THAT(NamespacesOf(Rule("*.local")), ElementsAre(""));
  EXPECT_THAT(NamespacesOf(Rule("*")), ElementsAre(""));
  EXPECT_THAT(NamespacesOf(Rule("db.example.com")), IsEmpty());
}

TEST(WantedTest, SoDoFailoverPrioritiesAndSelectors) {
  Object rule = Rule("web");
  auto& spec = rule.spec.Get<DestinationRule>();
  spec.subsets.front().labels.clear();
  EXPECT_THAT(NamespacesOf(rule), IsEmpty());
  spec.traffic_policy = TrafficPolicy{};
  spec.traffic_policy->settings.load_balancer = LoadBalancer{};
  spec.traffic_policy->settings.load_balancer->locality =
      LocalityLoadBalancer{.failover_priority = {"team"}};
  EXPECT_THAT(NamespacesOf(rule), ElementsAre("default"));

  Object entry{.key = {.kind = Kind::kServiceEntry, .ns = "shop", .name = "e"},
               .spec = ServiceEntry{}};
  EXPECT_THAT(NamespacesOf(entry), IsEmpty());
  entry.spec.Get<ServiceEntry>().workload_selector = Labels{{"app", "db"}};
  EXPECT_THAT(NamespacesOf(entry), ElementsAre("shop"));
}

TEST(WantedTest, CollectionsFollowTheRules) {
  WantedCollections wanted("n1", "cluster.local");
  const Collection own{.kind = Kind::kPod, .field_selector = "spec.nodeName=n1"};
  const Collection shop{.kind = Kind::kPod, .ns = "shop"};
  EXPECT_TRUE(wanted.collections().contains(own));
  EXPECT_TRUE(wanted.collections().contains({.kind = Kind::kEndpointSlice}));
  EXPECT_FALSE(wanted.collections().contains({.kind = Kind::kPod}));
  wanted.Put(Rule("web.shop.svc.cluster.local"));
  EXPECT_TRUE(wanted.collections().contains(shop));
  Object other = Rule("*.shop.svc.cluster.local");
  other.key.name = "other";
  wanted.Put(other);
  wanted.Put(other);
  wanted.Remove(other.key);
  EXPECT_TRUE(wanted.collections().contains(shop));  // the first one still asks
  wanted.Remove(Rule("").key);
  EXPECT_FALSE(wanted.collections().contains(shop));
}

}  // namespace
}  // namespace vsplit
