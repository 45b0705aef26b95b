// SPDX-License-Identifier: Apache-2.0
#include "vsplit/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "store_objects.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A VirtualService as a document: `metadata` and `rest` are more members of theirs.
Object MakeDocument(const std::string& metadata, const std::string& rest) {
  return Make("default", "x", VirtualService{.hosts = {"reviews"}},
              R"({"kind":"VirtualService","metadata":{"name":"x")" + metadata + "}" + rest + "}");
}

TEST(Store, CreatedObjectGetsVersionOfTheStore) {
  Store store;
  Object given = MakeService("default", "x");
  given.given_creation_timestamp = "1999-01-01T00:00:00Z";
  given.given_resource_version = "77";
  const Change change = Apply(store, std::move(given));
  EXPECT_EQ(change.before, nullptr);
  EXPECT_EQ(change.resource_version, 1U);
  EXPECT_EQ(change.after->version, (Version{.resource_version = 1,
                                            .generation = 1,
                                            .uid = "uid-0",
                                            .creation_timestamp = std::string(kNow)}));
  EXPECT_EQ(store.Find({.kind = Kind::kService, .ns = "default", .name = "x"}), change.after);
  EXPECT_EQ(store.resource_version(), 1U);
}

TEST(Store, ReplacedObjectKeepsUidAndCreation) {
  Store store;
  const Change created = Apply(store, MakeService("default", "x"));
  ASSERT_TRUE(
      store.Stage({{.mode = Write::Mode::kApply, .object = MakeService("default", "x", 81)}},
                  {.now = "2030-01-01T00:00:00Z", .uids = {"other"}}));
  store.Keep();
  const ObjectPtr now = store.Find(created.key);
  EXPECT_EQ(now->version, (Version{.resource_version = 2,
                                   .generation = 2,
                                   .uid = "uid-0",
                                   .creation_timestamp = std::string(kNow)}));
  EXPECT_EQ(now->spec.Get<Service>().ports.at(0).port, 81);
}

TEST(Store, WhatIsTouchedHasANewVersionAndNothingElse) {
  Store store;
  const Change created = Apply(store, MakeService("default", "x"));
  int kept = 0;
  store.OnKeep([&kept] { ++kept; });
  const ObjectKey absent{.kind = Kind::kService, .ns = "default", .name = "y"};
  const std::vector<Change> changes = store.Touch({created.key, absent});
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].before, created.after);
  EXPECT_EQ(changes[0].resource_version, 2U);
  store.Keep();
  EXPECT_EQ(kept, 1);
  const ObjectPtr now = store.Find(created.key);
  EXPECT_EQ(now->version, (Version{.resource_version = 2,
                                   .generation = 1,
                                   .uid = "uid-0",
                                   .creation_timestamp = std::string(kNow)}));
  EXPECT_EQ(now->json, created.after->json);
  EXPECT_EQ(store.recent().changes.back().after, now);
  store.Touch({created.key});
  store.Undo();
  EXPECT_EQ(store.Find(created.key), now);
  EXPECT_EQ(store.resource_version(), 2U);
  EXPECT_EQ(Apply(store, MakeService("default", "x")).after, now);
}

TEST(Store, PodKeepsTheUidThatItComesWith) {
  Store store;
  EXPECT_EQ(Apply(store, Make("default", "web-0", Pod{.uid = "u1"})).after->version.uid, "u1");
  const Change again = Apply(store, Make("default", "web-0", Pod{.uid = "u2"}));
  EXPECT_EQ(again.after->version.uid, "u2");
  EXPECT_FALSE(again.unchanged());
  EXPECT_EQ(Apply(store, Make("default", "web-1", Pod{})).after->version.uid, "uid-0");
  EXPECT_TRUE(Apply(store, Make("default", "web-0", Pod{})).unchanged());
  EXPECT_TRUE(Apply(store, Make("default", "web-1", Pod{.uid = "uid-0"})).unchanged());
  const Change moved = Apply(store, Make("default", "web-0", Pod{.node_name = "n1"}));
  EXPECT_EQ(moved.after->version.uid, "u2");
  EXPECT_EQ(moved.after->spec.Get<Pod>().uid, "u2");
}

TEST(Store, VersionIsOneCounterForAllKindsAndDeletions) {
  Store store;
  Apply(store, MakeService("default", "x"));
  EXPECT_EQ(Apply(store, MakeRoute("x", {"x"})).resource_version, 2U);
  const auto deleted = Stage(store, Write::Mode::kDelete, MakeService("default", "x"));
  store.Keep();
  EXPECT_EQ(deleted->at(0).resource_version, 3U);
  EXPECT_EQ(deleted->at(0).after, nullptr);
  EXPECT_EQ(deleted->at(0).before->version.resource_version, 1U);
  EXPECT_EQ(Apply(store, MakeService("default", "x")).after->version.resource_version, 4U);
}

TEST(Store, RemembersWhatWasKeptAndTellsOfIt) {
  Store store;
  store.Load({}, 5);
  int told = 0;
  store.OnKeep([&told] { ++told; });
  EXPECT_EQ(store.recent().forgotten, 5U);
  const Change created = Apply(store, MakeService("default", "x"));
  Apply(store, MakeService("default", "x"));  // unchanged
  ASSERT_TRUE(Stage(store, Write::Mode::kApply, MakeService("default", "y")));
  EXPECT_EQ(store.recent().changes.size(), 1U);  // not yet kept
  store.Undo();
  ASSERT_TRUE(Stage(store, Write::Mode::kDelete, MakeService("default", "x")));
  store.Keep();
  const RecentChanges& recent = store.recent();
  ASSERT_EQ(recent.changes.size(), 2U);
  EXPECT_EQ(recent.changes[0].after, created.after);
  EXPECT_EQ(recent.changes[0].resource_version, 6U);
  EXPECT_EQ(recent.changes[1].before, created.after);
  EXPECT_EQ(recent.changes[1].resource_version, 7U);
  EXPECT_EQ(recent.forgotten, 5U);
  EXPECT_EQ(told, 2);
}

TEST(Store, ForgetsTheOldestChangesWhenThereAreTooMany) {
  Store store;
  constexpr int kMore = 10'005;
  for (int i = 0; i < kMore; ++i) {
    Apply(store, MakeService("default", "x", static_cast<std::uint16_t>(i + 1)));
  }
  EXPECT_EQ(store.recent().changes.size(), 10'000U);
  EXPECT_EQ(store.recent().forgotten, 5U);
  EXPECT_EQ(store.recent().changes.front().resource_version, 6U);
}

TEST(Store, EqualObjectIsUnchangedAndKeepsItsText) {
  Store store;
  const Change first =
      Apply(store, MakeDocument(R"(,"managedFields":[{"manager":"kiali","time":"1"}])",
                                R"(,"spec":{"hosts":["reviews"],"http":[]},"status":{"x":1})"));
  Object equal = MakeDocument(R"(,"uid":"u","resourceVersion":"9","generation":4,
                                 "namespace":"default","creationTimestamp":null,
                                 "managedFields":[{"manager":"kiali","time":"2"}],
                                 "selfLink":"/x")",
                              R"(,"status":{"x":1},"spec":{"http":[],"hosts":["reviews"]})");
  equal.json = equal.json.str().insert(1, R"("apiVersion":"networking.istio.io/v1beta1",)");
  const Change again = Apply(store, equal);
  EXPECT_TRUE(again.unchanged());
  EXPECT_EQ(again.after, first.after);
  EXPECT_EQ(again.resource_version, 0U);
  EXPECT_EQ(store.resource_version(), 1U);
}

TEST(Store, StatusAndManagersChangeAnObjectButNotItsGeneration) {
  constexpr const char* kSpec = R"(,"spec":{"hosts":["reviews"]})";
  Store store;
  Apply(store, MakeDocument("", kSpec));
  const Change status = Apply(store, MakeDocument("", std::string(kSpec) + R"(,"status":{"x":1})"));
  EXPECT_EQ(status.resource_version, 2U);
  EXPECT_EQ(status.after->version.generation, 1);
  const Change managed = Apply(store, MakeDocument(R"(,"managedFields":[{"manager":"m"}])", kSpec));
  EXPECT_EQ(managed.resource_version, 3U);
  EXPECT_EQ(managed.after->version.generation, 1);
}

TEST(Store, MetadataAloneKeepsGeneration) {
  Store store;
  Apply(store, MakeDocument("", R"(,"spec":{"hosts":["reviews"]})"));
  const Change change = Apply(
      store, MakeDocument(R"(,"annotations":{"note":"y"})", R"(,"spec":{"hosts":["reviews"]})"));
  EXPECT_FALSE(change.unchanged());
  EXPECT_EQ(change.after->version.resource_version, 2U);
  EXPECT_EQ(change.after->version.generation, 1);
}

TEST(Store, DeletionThatBeginsRaisesGenerationOnce) {
  Store store;
  Object rule = MakeService("default", "x");
  Apply(store, rule);
  rule.deleting = true;
  EXPECT_EQ(Apply(store, rule).after->version.generation, 2);
  rule.labels = {{"a", "b"}};
  EXPECT_EQ(Apply(store, rule).after->version.generation, 2);
}

TEST(Store, SpecThatOnlyTheTextShowsRaisesGeneration) {
  Store store;
  Apply(store, MakeDocument("", R"(,"spec":{"http":[{"timeout":"1s"}]})"));
  const Change change = Apply(store, MakeDocument("", R"(,"spec":{"http":[{"timeout":"2s"}]})"));
  EXPECT_EQ(change.after->version.generation, 2);
}

TEST(Store, StatusOfPodIsContentButNotSpec) {
  Store store;
  const std::string spec = R"({"spec":{"nodeName":"n"},"status":{"phase":)";
  Apply(store, Make("default", "p", Pod{.phase = "Pending"}, spec + R"("Pending"}})"));
  const Change change =
      Apply(store, Make("default", "p", Pod{.phase = "Running"}, spec + R"("Running"}})"));
  EXPECT_EQ(change.after->version.resource_version, 2U);
  EXPECT_EQ(change.after->version.generation, 1);
}

TEST(Store, EndpointsOfSliceAreSpecAndItsLabelsAreNot) {
  Store store;
  EndpointSlice slice{.address_type = "IPv4", .service = "x"};
  Apply(store, Make("default", "s", slice, R"({"metadata":{"labels":{"a":"b"}},"endpoints":[]})"));
  slice.service = "y";
  EXPECT_EQ(Apply(store, Make("default", "s", slice, R"({"metadata":{},"endpoints":[]})"))
                .after->version.generation,
            1);
  slice.endpoints.push_back({.ready = true});
  EXPECT_EQ(Apply(store, Make("default", "s", slice, R"({"metadata":{},"endpoints":[{}]})"))
                .after->version.generation,
            2);
}

TEST(Store, CreateOfExistingObjectFails) {
  Store store;
  Apply(store, MakeService("default", "x"));
  EXPECT_EQ(Stage(store, Write::Mode::kCreate, MakeService("default", "x")).error(),
            (Error{.message = R"(services "x" already exists)", .reason = Error::Reason::kExists}));
  EXPECT_TRUE(Stage(store, Write::Mode::kCreate, MakeService("other", "x")));
}

TEST(Store, ReplaceAndDeleteOfMissingObjectFail) {
  Store store;
  const Error missing{.message = R"(virtualservices.networking.istio.io "x" not found)",
                      .reason = Error::Reason::kNotFound};
  EXPECT_EQ(Stage(store, Write::Mode::kReplace, MakeRoute("x", {})).error(), missing);
  EXPECT_EQ(Stage(store, Write::Mode::kDelete, MakeRoute("x", {})).error(), missing);
}

TEST(Store, StaleResourceVersionIsConflict) {
  Store store;
  Apply(store, MakeRoute("x", {"a"}));
  Apply(store, MakeRoute("x", {"b"}));
  Object stale = MakeRoute("x", {"c"});
  stale.given_resource_version = "1";
  const Error conflict{
      .message =
          "Operation cannot be fulfilled on virtualservices.networking.istio.io \"x\": the object "
          "has "
          "been modified; please apply your changes to the latest version and try again",
      .reason = Error::Reason::kConflict};
  EXPECT_EQ(Stage(store, Write::Mode::kReplace, stale).error(), conflict);
  EXPECT_EQ(Stage(store, Write::Mode::kDelete, stale).error(), conflict);
}

TEST(Store, PresentResourceVersionAndNoneAreAccepted) {
  Store store;
  Apply(store, MakeRoute("x", {"a"}));
  for (const char* given : {"1", "", "0"}) {
    Object object = MakeRoute("x", {"c"});
    object.given_resource_version = given;
    EXPECT_TRUE(Stage(store, Write::Mode::kReplace, object)) << given;
    store.Undo();
  }
}

// By mode, name and first host; "taken" where the object is.
std::string Told(const std::vector<Write>& writes) {
  std::string text;
  for (const Write& write : writes) {
    if (write.object.key.name.empty()) {
      text += "taken ";
      continue;
    }
    const auto* route = write.object.spec.Find<VirtualService>();
    text += (write.mode == Write::Mode::kDelete ? "-" : "+") + write.object.key.name.str() +
            (route != nullptr && !route->hosts.empty() ? "=" + route->hosts[0] : "") + " ";
  }
  return text;
}

std::vector<Write> ManyWrites() {
  std::vector<Write> writes;
  writes.push_back({.object = MakeRoute("same", {"a"})});
  writes.push_back({.object = MakeRoute("new", {"overruled"})});
  writes.push_back({.mode = Write::Mode::kDelete, .object = MakeRoute("old", {})});
  writes.push_back({.object = MakeRoute("changed", {"b"})});
  writes.push_back({.object = MakeRoute("new", {"c"})});
  return writes;
}

TEST(Store, WritesThatAreNotKeptCanBeStagedAgain) {
  Store store;
  for (const char* name : {"same", "old", "changed"}) {
    Apply(store, MakeRoute(name, {"a"}));
  }
  const std::string told = Told(ManyWrites());
  std::vector<Write> writes = ManyWrites();
  for (int time = 0; time < 2; ++time) {
    const auto changes =
        store.Stage(std::move(writes), {.now = "", .uids = std::vector<std::string>(5)});
    ASSERT_TRUE(changes);
    EXPECT_EQ(Told(writes), "+same=a +new=overruled -old taken taken ");
    GiveBack(*changes, writes);
    store.Undo();
    EXPECT_EQ(Told(writes), told);
  }
  writes.push_back({.mode = Write::Mode::kCreate, .object = MakeRoute("old", {})});
  writes[2] = {.object = MakeRoute("last", {"d"})};
  const std::string failing = Told(writes);
  EXPECT_FALSE(store.Stage(std::move(writes), {.now = "", .uids = std::vector<std::string>(6)}));
  EXPECT_EQ(Told(writes), failing);
}

TEST(Store, OneFailingWriteUndoesAllOfThem) {
  Store store;
  const Change kept = Apply(store, MakeService("default", "a"));
  const auto changes =
      store.Stage({{.mode = Write::Mode::kApply, .object = MakeService("default", "a", 81)},
                   {.mode = Write::Mode::kCreate, .object = MakeService("default", "b")},
                   {.mode = Write::Mode::kDelete, .object = MakeService("default", "c")}},
                  Context());
  EXPECT_EQ(changes.error().message, R"(services "c" not found)");
  EXPECT_THAT(store.List(Kind::kService), ElementsAre(kept.after));
  EXPECT_EQ(store.resource_version(), 1U);
  EXPECT_TRUE(Apply(store, MakeService("default", "a")).unchanged());
}

TEST(Store, StagedStateIsVisibleUntilUndo) {
  Store store;
  ASSERT_TRUE(Stage(store, Write::Mode::kCreate, MakeRoute("x", {"reviews"})));
  EXPECT_THAT(Names(store.VirtualServicesFor("reviews.default.svc.cluster.local")),
              ElementsAre("x"));
  store.Undo();
  EXPECT_THAT(store.VirtualServicesFor("reviews.default.svc.cluster.local"), IsEmpty());
  EXPECT_EQ(store.Count(Kind::kVirtualService), 0U);
  EXPECT_EQ(store.resource_version(), 0U);
}

TEST(Store, LaterWriteOfSameObjectCounts) {
  Store store;
  const auto changes =
      store.Stage({{.mode = Write::Mode::kApply, .object = MakeService("default", "a", 1)},
                   {.mode = Write::Mode::kApply, .object = MakeService("default", "b", 2)},
                   {.mode = Write::Mode::kApply, .object = MakeService("default", "a", 3)}},
                  Context());
  ASSERT_EQ(changes->size(), 2U);
  EXPECT_EQ(changes->at(0).key.name, "b");
  EXPECT_EQ(changes->at(1).after->spec.Get<Service>().ports.at(0).port, 3);
  EXPECT_EQ(changes->at(1).after->version, (Version{.resource_version = 2,
                                                    .generation = 1,
                                                    .uid = "uid-2",
                                                    .creation_timestamp = std::string(kNow)}));
}

TEST(Store, ListsAreOrderedByNamespaceAndName) {
  Store store;
  for (const auto& [ns, name] : {std::pair("b", "1"), {"a", "2"}, {"ab", "0"}, {"a", "1"}}) {
    Apply(store, MakeService(ns, name));
  }
  Apply(store, MakeRoute("v", {}));
  EXPECT_THAT(Names(store.List(Kind::kService)), ElementsAre("1", "2", "0", "1"));
  EXPECT_THAT(Names(store.List(Kind::kService, "a")), ElementsAre("1", "2"));
  EXPECT_THAT(store.List(Kind::kService, "aa"), IsEmpty());
  EXPECT_EQ(store.Count(Kind::kService), 4U);
}

TEST(Store, LoadedObjectsKeepTheirVersions) {
  Store store;
  Object object = MakeRoute("x", {"reviews"});
  object.version = {.resource_version = 7,
                    .generation = 3,
                    .uid = "u",
                    .creation_timestamp = "2020-01-01T00:00:00Z"};
  store.Load({object}, 9);
  EXPECT_EQ(store.Find(object.key)->version, object.version);
  EXPECT_EQ(store.VirtualServicesFor("reviews.default.svc.cluster.local").size(), 1U);
  EXPECT_EQ(Apply(store, MakeRoute("x", {"ratings"})).after->version,
            (Version{.resource_version = 10,
                     .generation = 4,
                     .uid = "u",
                     .creation_timestamp = "2020-01-01T00:00:00Z"}));
}

TEST(StoreDeathTest, SecondStageBeforeKeepAborts) {
  Store store;
  ASSERT_TRUE(Stage(store, Write::Mode::kApply, MakeService("default", "x")));
  EXPECT_DEATH(Apply(store, MakeService("default", "y")),
               "broken promise: what was staged is kept or undone before the next");
}

TEST(StoreTest, AMirroredObjectKeepsTheVersionOfItsOwnServer) {
  Store store;
  Object object = MakeService("default", "a");
  object.version = {.generation = 7, .uid = "u", .creation_timestamp = "2020-01-01T00:00:00Z"};
  ASSERT_TRUE(Stage(store, Write::Mode::kMirror, object));
  store.Keep();
  const ObjectPtr stored = store.Find(object.key);
  EXPECT_EQ(stored->version, (Version{.resource_version = 1,
                                      .generation = 7,
                                      .uid = "u",
                                      .creation_timestamp = "2020-01-01T00:00:00Z"}));
  // The same again is no change; another object of the same name is one.
  ASSERT_TRUE(Stage(store, Write::Mode::kMirror, object).value().at(0).unchanged());
  store.Keep();
  object.version.uid = "v";
  EXPECT_EQ(Stage(store, Write::Mode::kMirror, object).value().at(0).after->version.uid, "v");
  store.Keep();
}

}  // namespace
}  // namespace vsplit
