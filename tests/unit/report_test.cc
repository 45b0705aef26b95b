// SPDX-License-Identifier: Apache-2.0
// Who writes, and what: by given times, without a server.
#include "vsplit/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "event_writer.h"
#include "lease.h"
#include "pace.h"
#include "status_patch.h"
#include "status_writer.h"
#include "vsplit/json.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"

namespace vsplit::report {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const Time kStart{seconds(1'000'000)};
constexpr const char* kLeasePath =
    "/apis/coordination.k8s.io/v1/namespaces/vsplit-system/leases/vsplit-status";

// ---- the Lease ---------------------------------------------------------------------------------

// A server's Lease, of which agents ask as time passes.
class LeaseTest : public testing::Test {
 protected:
  ApiAnswer Serve(const ApiRequest& request) {
    asked.push_back(request.method);
    if (away) {
      return {.trouble = "connect: refused"};
    }
    const Json body = Json::parse(request.body, nullptr, false);
    if (request.method == "GET") {
      return stored.is_null() ? ApiAnswer{.status = 404, .body = "{}"} : Answer(200);
    }
    const bool fresh = request.method == "POST";
    if (fresh != stored.is_null() ||
        (!fresh && TextAt(body, "/metadata/resourceVersion") != std::to_string(version))) {
      return {.status = 409, .body = R"({"message":"the object has been modified"})"};
    }
    stored = body;
    ++version;
    return Answer(fresh ? 201 : 200);
  }
  ApiAnswer Answer(unsigned status) {
    stored["metadata"]["resourceVersion"] = std::to_string(version);
    return {.status = status, .body = stored.dump()};
  }

  // Asks until there is to be waited; returns how long.
  milliseconds Try(Lease& lease) {
    for (int i = 0; i < 5; ++i) {
      lease.Take(Serve(lease.Next(now, Wall())), now);
      if (const milliseconds wait = lease.Wait(0); wait.count() > 0) {
        return wait;
      }
    }
    ADD_FAILURE() << "asks without end";
    return {};
  }

  std::string Wall() const { return std::to_string((now - kStart).count()); }

  Lease Agent(const std::string& identity) { return Lease({.identity = identity}); }

  Time now = kStart;
  Json stored;
  int version = 1;
  bool away = false;
  std::vector<std::string> asked;
};

TEST_F(LeaseTest, FirstAgentMakesItAndRenewsItWithoutReading) {
  Lease a = Agent("a");
  EXPECT_FALSE(a.Holds(now));
  EXPECT_EQ(Try(a), seconds(2));
  EXPECT_TRUE(a.Holds(now));
  EXPECT_EQ(stored["spec"].dump(),
            R"({"holderIdentity":"a","leaseDurationSeconds":15,"acquireTime":"0",)"
            R"("renewTime":"0","leaseTransitions":0})");
  now += seconds(2);
  Try(a);
  EXPECT_EQ(stored["spec"]["acquireTime"], "0");
  EXPECT_EQ(stored["spec"]["renewTime"], Wall());
  EXPECT_THAT(asked, ElementsAre("GET", "POST", "PUT"));
  EXPECT_TRUE(a.Holds(now + milliseconds(9'999)));
  EXPECT_FALSE(a.Holds(now + seconds(10)));
}

TEST_F(LeaseTest, AnotherWaitsAsLongAsTheHolderRenews) {
  Lease a = Agent("a");
  Lease b = Agent("b");
  Try(a);
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(Try(b), seconds(2));
    EXPECT_FALSE(b.Holds(now));
    EXPECT_EQ(b.holder(), "a");
    now += seconds(2);
    Try(a);
    EXPECT_TRUE(a.Holds(now));
  }
}

TEST_F(LeaseTest, AnotherTakesItWhenTheRecordHasNotChangedForItsDuration) {
  Lease a = Agent("a");
  Lease b = Agent("b");
  Try(a);
  now += seconds(100);  // b has only now come to see it, whatever its renewTime says
  Try(b);
  now += milliseconds(14'999);
  Try(b);
  EXPECT_FALSE(b.Holds(now));
  now += milliseconds(1);
  Try(b);
  EXPECT_TRUE(b.Holds(now));
  EXPECT_EQ(stored["spec"]["holderIdentity"], "b");
  EXPECT_EQ(stored["spec"]["leaseTransitions"], 1);
}

TEST_F(LeaseTest, DurationThatTheRecordSaysCounts) {
  Lease b = Agent("b");
  stored = {{"metadata", Json::object()},
            {"spec", {{"holderIdentity", "a"}, {"leaseDurationSeconds", 60}}}};
  Try(b);
  now += seconds(59);
  Try(b);
  EXPECT_FALSE(b.Holds(now));
  now += seconds(1);
  Try(b);
  EXPECT_TRUE(b.Holds(now));
}

TEST_F(LeaseTest, HolderThatCannotRenewCeasesBeforeAnotherBegins) {
  Lease a = Agent("a");
  Lease b = Agent("b");
  Try(a);
  Try(b);
  const Time last = now;
  away = true;
  while (a.Holds(now)) {
    EXPECT_LT(now, last + seconds(10));
    now += Try(a);
  }
  away = false;
  now = last + milliseconds(14'999);
  Try(b);
  EXPECT_FALSE(b.Holds(now));
  EXPECT_FALSE(a.Holds(now));
}

TEST_F(LeaseTest, OfTwoAtOnceOneHasIt) {
  Lease a = Agent("a");
  Lease b = Agent("b");
  const auto get = [&](Lease& lease) { lease.Take(Serve(lease.Next(now, "w")), now); };
  get(a);
  get(b);  // both have seen that there is none
  get(a);
  get(b);
  EXPECT_TRUE(a.Holds(now));
  EXPECT_FALSE(b.Holds(now));
  EXPECT_EQ(b.trouble(), "");
  Try(b);
  EXPECT_EQ(b.holder(), "a");
  EXPECT_THAT(asked, ElementsAre("GET", "GET", "POST", "POST", "GET"));
}

TEST_F(LeaseTest, ReleaseLetsAnotherTakeItAtOnce) {
  Lease a = Agent("a");
  Lease b = Agent("b");
  Try(a);
  const std::optional<ApiRequest> release = a.Release(now, "later");
  ASSERT_TRUE(release);
  EXPECT_EQ(release->target, kLeasePath);
  EXPECT_EQ(Serve(*release).status, 200U);
  EXPECT_FALSE(a.Holds(now));
  EXPECT_EQ(a.Release(now, "later"), std::nullopt);
  EXPECT_FALSE(stored["spec"].contains("holderIdentity"));
  Try(b);
  EXPECT_TRUE(b.Holds(now));
}

TEST_F(LeaseTest, DeletedLeaseIsMadeAgain) {
  Lease a = Agent("a");
  Try(a);
  stored = Json();
  now += seconds(2);
  Try(a);  // conflicts
  now += seconds(2);
  Try(a);
  EXPECT_TRUE(a.Holds(now));
  EXPECT_EQ(stored["spec"]["holderIdentity"], "a");
}

TEST_F(LeaseTest, WithoutRightsItAsksEachMinute) {
  Lease a = Agent("a");
  a.Next(now, "w");
  a.Take({.status = 403, .body = R"({"message":"leases is forbidden"})"}, now);
  EXPECT_EQ(a.trouble(), "HTTP status 403: leases is forbidden");
  EXPECT_EQ(a.Wait(0), seconds(60));
  Try(a);
  EXPECT_TRUE(a.Holds(now));
  EXPECT_EQ(a.trouble(), "");
}

TEST_F(LeaseTest, GarbageIsNoLease) {
  Lease a = Agent("a");
  a.Next(now, "w");
  a.Take({.status = 200, .body = "<html>"}, now);
  EXPECT_EQ(a.trouble(), "the server sent no Lease");
  EXPECT_FALSE(a.Holds(now));
}

// ---- the patch ---------------------------------------------------------------------------------

std::string Condition(const std::string& type, const std::string& status, int generation,
                      const std::string& since) {
  return R"({"type":")" + type + R"(","status":")" + status +
         R"(","reason":"R","message":"m","lastTransitionTime":")" + since +
         R"(","observedGeneration":)" + std::to_string(generation) + "}";
}
std::string Status(int generation, const std::string& conditions) {
  return R"({"observedGeneration":)" + std::to_string(generation) + R"(,"conditions":[)" +
         conditions + "]}";
}

TEST(StatusPatch, ObjectWithoutStatusGetsAllOfIt) {
  EXPECT_EQ(StatusPatch({.resource_version = "7"}, Status(2, Condition("P", "True", 2, "a")), "z"),
            R"({"metadata":{"resourceVersion":"7"},"status":)" +
                Status(2, Condition("P", "True", 2, "a")) + "}");
}

TEST(StatusPatch, SameButTimesIsNoPatch) {
  const ServerObject held{.status = Status(2, Condition("P", "True", 2, "a"))};
  EXPECT_EQ(StatusPatch(held, Status(2, Condition("P", "True", 2, "b")), "z"), std::nullopt);
  // Istio's definition allows a generation as text, too.
  std::string text = held.status.str();
  text.replace(text.find(":2"), 2, R"(:"2")");
  EXPECT_EQ(StatusPatch({.status = text}, Status(2, Condition("P", "True", 2, "b")), "z"),
            std::nullopt);
  EXPECT_NE(StatusPatch(held, Status(3, Condition("P", "True", 3, "b")), "z"), std::nullopt);
  std::string other = held.status.str();
  other.replace(other.find(R"("m")"), 3, R"("n")");
  EXPECT_NE(StatusPatch({.status = other}, Status(2, Condition("P", "True", 2, "b")), "z"),
            std::nullopt);
}

TEST(StatusPatch, ConditionsOfOthersStay) {
  const ServerObject held{.resource_version = "7",
                          .status = R"({"validationMessages":[],"conditions":[)" +
                                    Condition("Reconciled", "True", 1, "a") + "," +
                                    Condition("P", "True", 1, "a") + "]}"};
  EXPECT_EQ(StatusPatch(held, Status(2, Condition("P", "True", 2, "b")), "z"),
            R"({"metadata":{"resourceVersion":"7"},"status":)" +
                Status(2, Condition("Reconciled", "True", 1, "a") + "," +
                              Condition("P", "True", 2, "a")) +
                "}");
}

TEST(StatusPatch, TimeMovesWithTheStatusAlone) {
  const ServerObject held{.status = Status(1, Condition("P", "False", 1, "a"))};
  EXPECT_THAT(*StatusPatch(held, Status(2, Condition("P", "True", 2, "b")), "z"),
              HasSubstr(R"("lastTransitionTime":"z")"));
  EXPECT_THAT(*StatusPatch(held, Status(2, Condition("P", "False", 2, "b")), "z"),
              HasSubstr(R"("lastTransitionTime":"a")"));
}

TEST(StatusPatch, GarbageOnTheServerIsReplaced) {
  for (const char* garbage :
       {"null", "[]", "7", R"({"conditions":7})", R"({"conditions":[7,null]})"}) {
    EXPECT_THAT(*StatusPatch({.status = garbage}, Status(2, Condition("P", "True", 2, "a")), "z"),
                HasSubstr(Condition("P", "True", 2, "a")))
        << garbage;
  }
}

// ---- the pace ----------------------------------------------------------------------------------

TEST(Queue, WhatWasTouchedLastAndWhatWaitsLongestComeInTurn) {
  const auto rule = [](const char* name) {
    return ObjectKey{.kind = Kind::kVirtualService, .ns = "default", .name = name};
  };
  Queue queue;
  queue.Touch(rule("a"), kStart);
  queue.Touch(rule("b"), kStart + seconds(1));
  queue.Touch(rule("c"), kStart + seconds(2));
  queue.Touch(rule("d"), kStart + seconds(3));
  queue.Later(rule("e"), kStart + seconds(100));
  queue.Touch(rule("b"), kStart + seconds(4));  // again: it was changed meanwhile
  const Time now = kStart + seconds(5);
  EXPECT_EQ(queue.Take(now), rule("b"));
  EXPECT_EQ(queue.Take(now), rule("a"));
  EXPECT_EQ(queue.Take(now), rule("d"));
  EXPECT_EQ(queue.Take(now), rule("c"));
  EXPECT_EQ(queue.Take(now), std::nullopt);
  EXPECT_EQ(queue.Due(), kStart + seconds(100));
}

TEST(Queue, NobodyWaitsForEverBecauseAllAreTouchedAgainAndAgain) {
  const auto rule = [](const std::string& name) {
    return ObjectKey{.kind = Kind::kVirtualService, .ns = "default", .name = name};
  };
  Queue queue;
  std::set<ObjectKey> taken;
  for (int second = 0; second < 20; ++second) {
    for (const char* name : {"a", "b", "c", "d", "e"}) {
      queue.Touch(rule(name), kStart + seconds(second));
    }
    taken.insert(*queue.Take(kStart + seconds(second)));
  }
  EXPECT_EQ(taken.size(), 5U);
}

TEST(Budget, LetsABurstThroughAndThenOneEachInterval) {
  Budget budget({.burst = 3, .interval = milliseconds(50)});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(budget.Next(kStart), kStart);
    budget.Spend(kStart);
  }
  EXPECT_EQ(budget.Next(kStart), kStart + milliseconds(50));
  budget.Spend(kStart + milliseconds(50));
  EXPECT_EQ(budget.Next(kStart), kStart + milliseconds(100));
  budget.Pause(kStart + seconds(5));
  EXPECT_EQ(budget.Next(kStart), kStart + seconds(5));
  const Time later = kStart + seconds(100);
  budget.Spend(later);
  budget.Spend(later);
  EXPECT_EQ(budget.Next(later), later);
}

// ---- which status is written -------------------------------------------------------------------

ObjectKey Rule(const std::string& name) {
  return {.kind = Kind::kVirtualService, .ns = "default", .name = name};
}

class StatusWriterTest : public testing::Test {
 protected:
  StatusWriterTest() {
    Hold("web", 1, 1);
    source.rules = [this] {
      std::vector<ObjectKey> keys;
      for (const auto& [key, object] : held) {
        keys.push_back(key);
      }
      return keys;
    };
    source.held = [this](const ObjectKey& key) {
      const auto found = held.find(key);
      return found == held.end() ? nullptr : &found->second;
    };
    source.wanted = [this](const ObjectKey& key) { return wanted[key]; };
    source.now = [] { return "now"; };
  }

  void Hold(const std::string& name, int version, int generation, const std::string& status = "") {
    held[Rule(name)] = {.resource_version = std::to_string(version),
                        .version = {.generation = generation},
                        .status = status};
    wanted[Rule(name)] = Status(generation, Condition("P", "True", generation, "a"));
  }

  StatusWriter Writer() { return {options, source}; }
  static ApiAnswer Moved(int version) {
    return {.status = 200,
            .body = R"({"metadata":{"resourceVersion":")" + std::to_string(version) + "\"}}"};
  }

  std::map<ObjectKey, ServerObject> held;
  std::map<ObjectKey, std::string> wanted;
  ReportOptions options;
  ReportSource source;
};

TEST_F(StatusWriterTest, HolderWritesWhatDiffersAndNobodyElse) {
  StatusWriter writer = Writer();
  writer.Touch({Rule("web")}, kStart);
  EXPECT_EQ(writer.Next(kStart), std::nullopt);
  Hold("same", 1, 1, wanted[Rule("web")]);
  writer.Begin(kStart);
  const std::optional<ApiRequest> request = writer.Next(kStart);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "PATCH");
  EXPECT_EQ(request->target,
            "/apis/networking.istio.io/v1/namespaces/default/virtualservices/web/status"
            "?fieldManager=vsplit");
  EXPECT_EQ(request->content_type, "application/merge-patch+json");
  writer.Take(Moved(2), kStart, 0);
  EXPECT_EQ(writer.Next(kStart), std::nullopt);
  EXPECT_EQ(writer.Due(), std::nullopt);
}

TEST_F(StatusWriterTest, LooksAtSoManyRulesAtATime) {
  for (int i = 0; i < 1'000; ++i) {
    const std::string name = "same-" + std::to_string(i);
    Hold(name, 1, 1);
    held[Rule(name)].status = wanted[Rule(name)];
  }
  StatusWriter writer = Writer();
  writer.Begin(kStart);
  int calls = 1;
  while (!writer.Next(kStart)) {
    ASSERT_EQ(writer.Due(), kStart);
    ++calls;
  }
  EXPECT_GT(calls, 5);
}

TEST_F(StatusWriterTest, TimesAreInWholeSeconds) {
  held[Rule("web")].status = Status(1, Condition("P", "False", 1, "a"));
  source.now = [] { return "2030-01-01T00:00:00.123456Z"; };
  StatusWriter writer = Writer();
  writer.Begin(kStart);
  EXPECT_THAT(writer.Next(kStart)->body, HasSubstr(R"("2030-01-01T00:00:00Z")"));
}

TEST_F(StatusWriterTest, WaitsForTheWatchBeforeItWritesAgain) {
  StatusWriter writer = Writer();
  writer.Begin(kStart);
  ASSERT_TRUE(writer.Next(kStart));
  writer.Take(Moved(2), kStart, 0);
  wanted[Rule("web")] = Status(1, Condition("P", "False", 1, "a"));
  const Time later = kStart + seconds(5);
  writer.Touch({Rule("web")}, later);
  EXPECT_EQ(writer.Next(later), std::nullopt);  // under a version that is old would conflict
  held[Rule("web")].resource_version = "2";
  writer.Touch({Rule("web")}, later);
  EXPECT_TRUE(writer.Next(later));
}

TEST_F(StatusWriterTest, WhatMakesNoDifferenceIsNotWrittenAgain) {
  StatusWriter writer = Writer();
  writer.Begin(kStart);
  ASSERT_TRUE(writer.Next(kStart));
  writer.Take(Moved(1), kStart, 0);  // the server drops what its definition does not know
  const Time later = kStart + seconds(5);
  writer.Touch({Rule("web")}, later);
  EXPECT_EQ(writer.Next(later), std::nullopt);
  wanted[Rule("web")] = Status(1, Condition("P", "False", 1, "a"));
  writer.Touch({Rule("web")}, later);
  EXPECT_TRUE(writer.Next(later));
}

TEST_F(StatusWriterTest, RestsBetweenWritesUnlessTheGenerationIsNew) {
  StatusWriter writer = Writer();
  writer.Begin(kStart);
  ASSERT_TRUE(writer.Next(kStart));
  writer.Take(Moved(2), kStart, 0);
  const std::string written = wanted[Rule("web")];
  Hold("web", 2, 1, written);
  wanted[Rule("web")] = Status(1, Condition("P", "False", 1, "a"));
  writer.Touch({Rule("web")}, kStart);
  EXPECT_EQ(writer.Next(kStart), std::nullopt);
  EXPECT_EQ(writer.Due(), kStart + options.rest);
  Hold("web", 3, 2, written);
  writer.Touch({Rule("web")}, kStart);
  EXPECT_TRUE(writer.Next(kStart));
}

TEST_F(StatusWriterTest, ConflictIsTriedAgainWithWhatTheServerHasThen) {
  StatusWriter writer = Writer();
  writer.Begin(kStart);
  ASSERT_TRUE(writer.Next(kStart));
  writer.Take({.status = 409, .body = "{}"}, kStart, 0);
  EXPECT_EQ(writer.trouble(), "");
  EXPECT_EQ(writer.Next(kStart), std::nullopt);
  Hold("web", 9, 1);
  writer.Touch({Rule("web")}, kStart);  // does not cut the wait short
  EXPECT_EQ(writer.Due(), kStart + options.min_retry);
  const std::optional<ApiRequest> again = writer.Next(kStart + options.min_retry);
  ASSERT_TRUE(again);
  EXPECT_THAT(again->body, StartsWith(R"({"metadata":{"resourceVersion":"9"})"));
}

TEST_F(StatusWriterTest, WithoutRightsItWaitsAndSaysSo) {
  Hold("other", 1, 1);
  held[{.kind = Kind::kDestinationRule, .ns = "default", .name = "dr"}] = {};
  wanted[{.kind = Kind::kDestinationRule, .ns = "default", .name = "dr"}] =
      Status(1, Condition("P", "True", 1, "a"));
  StatusWriter writer = Writer();
  writer.Begin(kStart);
  int refused = 0;
  while (const std::optional<ApiRequest> request = writer.Next(kStart)) {
    const bool rule = request->target.find("virtualservices") != std::string::npos;
    refused += rule ? 1 : 0;
    writer.Take(rule ? ApiAnswer{.status = 403, .body = R"({"message":"no"})"} : Moved(2), kStart,
                0);
  }
  EXPECT_EQ(refused, 1);  // of two
  EXPECT_EQ(writer.trouble(), "HTTP status 403: no");
  EXPECT_EQ(writer.Due(), kStart + options.refused);
  EXPECT_TRUE(writer.Next(kStart + options.refused));
  writer.Take(Moved(2), kStart + options.refused, 0);
  EXPECT_EQ(writer.trouble(), "");
}

TEST_F(StatusWriterTest, ServerThatAsksForPatienceGetsIt) {
  StatusWriter writer = Writer();
  writer.Begin(kStart);
  ASSERT_TRUE(writer.Next(kStart));
  writer.Take({.status = 429, .retry_after = seconds(7)}, kStart, 0);
  EXPECT_EQ(writer.Due(), kStart + seconds(7));
  EXPECT_EQ(writer.Next(kStart + milliseconds(6'999)), std::nullopt);
  EXPECT_TRUE(writer.Next(kStart + seconds(7)));
}

TEST_F(StatusWriterTest, RuleThatIsGoneIsForgotten) {
  StatusWriter writer = Writer();
  writer.Begin(kStart);
  ASSERT_TRUE(writer.Next(kStart));
  held.clear();
  writer.Take({.status = 404, .body = "{}"}, kStart, 0);
  EXPECT_EQ(writer.trouble(), "");
  EXPECT_EQ(writer.Next(kStart + seconds(60)), std::nullopt);
  EXPECT_EQ(writer.Due(), std::nullopt);
}

TEST_F(StatusWriterTest, NothingIsWrittenAfterTheEnd) {
  StatusWriter writer = Writer();
  writer.Begin(kStart);
  ASSERT_TRUE(writer.Next(kStart));
  writer.End();
  writer.Take({.status = 500, .body = "{}"}, kStart, 0);
  EXPECT_EQ(writer.Due(), std::nullopt);
  EXPECT_EQ(writer.trouble(), "");
}

// ---- Events ------------------------------------------------------------------------------------

class EventWriterTest : public testing::Test {
 protected:
  static ObjectTrouble Trouble(std::uint64_t times, const std::string& note = "it does not fit") {
    return {.object = Rule("web"),
            .uid = "u-1",
            .reason = "NotProgrammed",
            .note = note,
            .times = times};
  }
  // The next request, as "METHOD TARGET BODY", and that it succeeds.
  std::string Tell(Time now) {
    const std::optional<ApiRequest> request = writer.Next(now, "now");
    if (!request) {
      return "";
    }
    writer.Take({.status = request->method == "POST" ? 201U : 200U, .body = "{}"}, now, 0);
    return request->method + " " + request->target + " " + request->body;
  }

  ReportOptions options{.node = "n1"};
  EventWriter writer{options};
};

TEST_F(EventWriterTest, SaysWhatIsWrongWithWhichObject) {
  writer.Set({Trouble(1)}, kStart);
  EXPECT_EQ(writer.Due(), kStart);
  const std::optional<ApiRequest> request = writer.Next(kStart, "now");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->target,
            "/apis/events.k8s.io/v1/namespaces/default/events?fieldManager=vsplit");
  Json event = Json::parse(request->body);
  EXPECT_THAT(event["metadata"]["name"].get<std::string>(), StartsWith("web."));
  event.erase("metadata");
  EXPECT_EQ(
      event.dump(),
      R"({"apiVersion":"events.k8s.io/v1","kind":"Event","eventTime":"now",)"
      R"("reportingController":"vsplit.io/agent","reportingInstance":"n1","action":"Program",)"
      R"("reason":"NotProgrammed","type":"Warning","note":"it does not fit",)"
      R"("regarding":{"apiVersion":"networking.istio.io/v1","kind":"VirtualService",)"
      R"("namespace":"default","name":"web","uid":"u-1"}})");
}

TEST_F(EventWriterTest, SaysAgainHowOftenAndEverMoreRarely) {
  writer.Set({Trouble(1)}, kStart);
  EXPECT_THAT(Tell(kStart), StartsWith("POST "));
  writer.Set({Trouble(1)}, kStart);
  EXPECT_EQ(writer.Due(), std::nullopt);
  writer.Set({Trouble(9)}, kStart);
  EXPECT_EQ(writer.Due(), kStart + seconds(60));
  EXPECT_EQ(Tell(kStart + seconds(59)), "");
  EXPECT_THAT(Tell(kStart + seconds(60)),
              EndsWith(R"( {"series":{"count":9,"lastObservedTime":"now"}})"));
  writer.Set({Trouble(10)}, kStart + seconds(60));
  EXPECT_EQ(writer.Due(), kStart + seconds(180));
}

TEST_F(EventWriterTest, WhatComesBackSoonIsTheSame) {
  writer.Set({Trouble(3)}, kStart);
  Tell(kStart);
  writer.Set({}, kStart);
  EXPECT_EQ(writer.Due(), std::nullopt);
  writer.Set({Trouble(1)}, kStart + seconds(60));
  EXPECT_THAT(Tell(kStart + seconds(60)), HasSubstr(R"("count":4)"));
  writer.Set({}, kStart + seconds(700));
  writer.Set({Trouble(1)}, kStart + seconds(701));
  EXPECT_THAT(Tell(kStart + seconds(701)), StartsWith("POST "));
}

TEST_F(EventWriterTest, AnotherTroubleIsAnotherEvent) {
  writer.Set({Trouble(1)}, kStart);
  Tell(kStart);
  writer.Set({Trouble(1, "another")}, kStart);
  EXPECT_THAT(Tell(kStart), HasSubstr("another"));
}

TEST_F(EventWriterTest, EventThatTheServerHasForgottenIsMadeAnew) {
  writer.Set({Trouble(1)}, kStart);
  Tell(kStart);
  writer.Set({Trouble(2)}, kStart + seconds(60));
  ASSERT_EQ(writer.Next(kStart + seconds(60), "now")->method, "PATCH");
  writer.Take({.status = 404, .body = "{}"}, kStart + seconds(60), 0);
  EXPECT_EQ(writer.trouble(), "");
  const std::string again = Tell(kStart + seconds(61));
  EXPECT_THAT(again, StartsWith("POST "));
  EXPECT_THAT(again, HasSubstr(R"("series":{"count":2)"));
}

TEST_F(EventWriterTest, NoMoreThanTheBudget) {
  std::vector<ObjectTrouble> many;
  for (int i = 0; i < 2'000; ++i) {
    many.push_back(Trouble(1));
    many.back().object.name = "rule-" + std::to_string(i);
  }
  writer.Set(many, kStart);
  unsigned told = 0;
  while (!Tell(kStart).empty()) {
    ++told;
  }
  EXPECT_EQ(told, options.event_pace.burst);
  EXPECT_EQ(writer.Due(), kStart + options.event_pace.interval);
}

TEST_F(EventWriterTest, WithoutRightsItWaitsAndSaysSo) {
  writer.Set({Trouble(1)}, kStart);
  ASSERT_TRUE(writer.Next(kStart, "now"));
  writer.Take({.status = 403, .body = R"({"message":"events is forbidden"})"}, kStart, 0);
  EXPECT_EQ(writer.trouble(), "HTTP status 403: events is forbidden");
  EXPECT_EQ(writer.Due(), kStart + options.refused);
  EXPECT_THAT(Tell(kStart + options.refused), StartsWith("POST "));
  EXPECT_EQ(writer.trouble(), "");
}

TEST_F(EventWriterTest, NamespaceThatIsGoneIsNoTrouble) {
  writer.Set({Trouble(1)}, kStart);
  ASSERT_TRUE(writer.Next(kStart, "now"));
  writer.Take({.status = 403,
               .body = R"({"message":"unable to create: namespace default is being terminated"})"},
              kStart, 0);
  EXPECT_EQ(writer.trouble(), "");
  EXPECT_EQ(writer.Due(), std::nullopt);
}

}  // namespace
}  // namespace vsplit::report
