// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "conditions.h"
#include "hosts.h"
#include "vsplit/disk.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

const ObjectKey kRule = {.kind = Kind::kVirtualService, .ns = "default", .name = "web"};

// A store with the rule, and hosts that it has verdicts about.
class ConditionsTest : public testing::Test {
 protected:
  ConditionsTest() {
    Object rule{.key = kRule};
    rule.spec = VirtualService{};
    Object service{.key = {.kind = Kind::kService, .ns = "default", .name = "web"}};
    service.spec = Service{};
    store.Load({service, rule}, 1);
  }

  // One verdict of this kind about the rule for this host, and what becomes of it.
  Conditions::News Judge(const HostName& host, Verdict::Kind kind, const std::string& now) {
    ServedHost served;
    served.meaning.everyone.host = host;
    served.meaning.everyone.verdicts = {
        {.kind = kind, .object = kRule, .path = "spec.http[0]", .host = host}};
    HostChange change;
    change.emplace(host, std::move(served));
    return conditions.Look(hosts.Take(std::move(change)), store, hosts, now);
  }

  Conditions::News Forget(const HostName& host, const std::string& now) {
    HostChange change;
    change.emplace(host, std::nullopt);
    return conditions.Look(hosts.Take(std::move(change)), store, hosts, now);
  }

  // "Accepted 1, Enforced 2, Programmed 2"
  std::string Since() const {
    std::string text;
    for (const auto& [type, since] : conditions.Since(kRule)) {
      text += (text.empty() ? "" : ", ") + type + " " + since;
    }
    return text;
  }

  Store store;
  ServedHosts hosts;
  Conditions conditions;
};

TEST_F(ConditionsTest, TimeMovesWithTheStatusOfItsConditionAlone) {
  EXPECT_EQ(conditions.Look({kRule}, store, hosts, "1").changed.size(), 3U);
  EXPECT_EQ(Since(), "Accepted 1, Enforced 1, Programmed 1");
  EXPECT_EQ(Judge("web", Verdict::Kind::kNotEnforced, "2").changed,
            (std::vector<StoredCondition>{
                {.object = kRule, .type = "Programmed", .holds = true, .since = "2"}}));
  EXPECT_EQ(Judge("web", Verdict::Kind::kEnforced, "3").changed,
            (std::vector<StoredCondition>{
                {.object = kRule, .type = "Enforced", .holds = true, .since = "3"}}));
  // Approximated holds as well.
  EXPECT_TRUE(Judge("web", Verdict::Kind::kApproximated, "4").changed.empty());
  EXPECT_EQ(Since(), "Accepted 1, Enforced 3, Programmed 2");
}

TEST_F(ConditionsTest, AnotherReasonIsNewsAsWell) {
  const std::set<ObjectKey> rule = {kRule};
  conditions.Look(rule, store, hosts, "1");
  EXPECT_EQ(Judge("web", Verdict::Kind::kEnforced, "2").restated, rule);
  EXPECT_TRUE(Judge("web", Verdict::Kind::kEnforced, "3").restated.empty());
  EXPECT_EQ(Judge("web", Verdict::Kind::kApproximated, "4").restated, rule);
  EXPECT_EQ(Judge("other", Verdict::Kind::kEnforced, "5").restated, rule);
  EXPECT_EQ(Forget("other", "6").restated, rule);
  EXPECT_TRUE(conditions.LookAtAll(store, hosts, "7").restated.empty());
}

TEST_F(ConditionsTest, AllHostsCount) {
  Judge("a", Verdict::Kind::kEnforced, "1");
  Judge("b", Verdict::Kind::kNotEnforced, "2");
  EXPECT_EQ(Since(), "Accepted 1, Enforced 2, Programmed 1");
  EXPECT_TRUE(Judge("c", Verdict::Kind::kEnforced, "3").changed.empty());
  Forget("b", "4");
  EXPECT_EQ(Since(), "Accepted 1, Enforced 4, Programmed 1");
  Forget("a", "5");
  EXPECT_EQ(Since(), "Accepted 1, Enforced 4, Programmed 1");
  Forget("c", "6");
  EXPECT_EQ(Since(), "Accepted 1, Enforced 6, Programmed 6");
}

TEST_F(ConditionsTest, AgentThatStartsGoesOnWhereTheLastOneEnded) {
  const StoredCondition stays = {
      .object = kRule, .type = "Enforced", .holds = false, .since = "long ago"};
  const StoredCondition differs = {
      .object = kRule, .type = "Programmed", .holds = true, .since = "long ago"};
  const ObjectKey gone = {.kind = Kind::kDestinationRule, .ns = "default", .name = "gone"};
  conditions.Load(
      {stays, differs, {.object = gone, .type = "Enforced", .holds = true, .since = "long ago"}});
  const Conditions::News news = conditions.LookAtAll(store, hosts, "1");
  EXPECT_EQ(Since(), "Accepted 1, Enforced long ago, Programmed 1");
  EXPECT_EQ(news.changed.size(), 2U);
  EXPECT_EQ(news.gone, std::vector{gone});
  EXPECT_TRUE(conditions.Since(gone).empty());
}

TEST_F(ConditionsTest, OnlyRulesHaveConditions) {
  const ObjectKey service = {.kind = Kind::kService, .ns = "default", .name = "web"};
  EXPECT_TRUE(conditions.Look({service}, store, hosts, "1").changed.empty());
  EXPECT_TRUE(conditions.Since(service).empty());
}

}  // namespace
}  // namespace vsplit
