// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "store_objects.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// Everything that can be read from a store, by identity.
std::set<const Object*> Objects(const std::vector<ObjectPtr>& objects) {
  std::set<const Object*> all;
  for (const ObjectPtr& object : objects) {
    all.insert(object.get());
  }
  return all;
}

IpAddress Address(const char* text) {
  return ParseIpAddress(text).value_or(IpAddress{});
}

TEST(Store, SlicesAreFoundByTheirService) {
  Store store;
  Apply(store, Make("default", "s1", EndpointSlice{.service = "x"}));
  Apply(store, Make("default", "s0", EndpointSlice{.service = "x"}));
  Apply(store, Make("other", "s2", EndpointSlice{.service = "x"}));
  Apply(store, Make("default", "s3", EndpointSlice{}));
  EXPECT_THAT(Names(store.SlicesOf("default", "x")), ElementsAre("s0", "s1"));
  EXPECT_THAT(store.SlicesOf("default", ""), IsEmpty());
  Apply(store, Make("default", "s0", EndpointSlice{.service = "y"}));
  EXPECT_THAT(Names(store.SlicesOf("default", "x")), ElementsAre("s1"));
  EXPECT_THAT(Names(store.SlicesOf("default", "y")), ElementsAre("s0"));
}

TEST(Store, PodsAreFoundByEachOfTheirAddresses) {
  Store store;
  const IpAddress v4 = Address("10.1.0.9");
  const IpAddress v6 = Address("fd00::9");
  Apply(store, Make("default", "a", Pod{.host_network = true, .ips = {v4, v6}}));
  Apply(store, Make("default", "b", Pod{.host_network = true, .ips = {v4}}));
  EXPECT_THAT(Names(store.PodsWithIp(v4)), ElementsAre("a", "b"));
  EXPECT_THAT(Names(store.PodsWithIp(v6)), ElementsAre("a"));
  ASSERT_TRUE(Stage(store, Write::Mode::kDelete, Make("default", "a", Pod{})));
  EXPECT_THAT(Names(store.PodsWithIp(v4)), ElementsAre("b"));
  EXPECT_THAT(store.PodsWithIp(v6), IsEmpty());
}

TEST(Store, RulesAreFoundByExactAndWildcardHosts) {
  Store store;
  Apply(store, MakeRoute("short", {"reviews", "other"}));
  Apply(store, MakeRoute("full", {"reviews.default.svc.cluster.local", "*.cluster.local"}));
  Apply(store, MakeRoute("deep", {"*.default.svc.cluster.local"}));
  Apply(store, MakeRoute("all", {"*"}));
  Apply(store, MakeRoute("elsewhere", {"reviews.prod", "*.example.com"}));
  EXPECT_THAT(Names(store.VirtualServicesFor("reviews.default.svc.cluster.local")),
              ElementsAre("all", "deep", "full", "short"));
  EXPECT_THAT(Names(store.VirtualServicesFor("reviews.prod")), ElementsAre("all", "elsewhere"));
  EXPECT_THAT(Names(store.VirtualServicesFor("a.b.example.com")), ElementsAre("all", "elsewhere"));
  EXPECT_THAT(Names(store.VirtualServicesFor("example.com")), ElementsAre("all"));
}

TEST(Store, WildcardsFindTheRulesOfNarrowerHosts) {
  Store store;
  Apply(store, MakeRoute("exact", {"a.example.com"}));
  Apply(store, MakeRoute("deep", {"*.a.example.com", "b.org"}));
  Apply(store, MakeRoute("wide", {"*.com"}));
  Apply(store, MakeRoute("other", {"example.com", "aexample.com"}));
  EXPECT_THAT(Names(store.VirtualServicesFor("*.example.com")),
              ElementsAre("deep", "exact", "wide"));
  EXPECT_THAT(Names(store.VirtualServicesFor("*")), ElementsAre("deep", "exact", "other", "wide"));
  EXPECT_THAT(Names(store.VirtualServicesFor("*.org")), ElementsAre("deep"));
  Apply(store, MakeRoute("deep", {"b.org"}));
  EXPECT_THAT(Names(store.VirtualServicesFor("*.example.com")), ElementsAre("exact", "wide"));
}

TEST(Store, ServiceEntriesAreFoundByTheirHostsAndWhatTheseCover) {
  Store store;
  Apply(store, Make("default", "wide", ServiceEntry{.hosts = {"*.example.com", "x.org"}}));
  Apply(store, Make("default", "exact", ServiceEntry{.hosts = {"A.example.com"}}));
  EXPECT_THAT(Names(store.ServiceEntriesFor("*.example.com")), ElementsAre("wide"));
  EXPECT_THAT(Names(store.ServiceEntriesFor("a.example.com")), ElementsAre("exact"));
  EXPECT_THAT(Names(store.ServiceEntriesFor("*.com")), IsEmpty());
  EXPECT_THAT(Names(store.ServiceEntriesCovering("a.example.com")), ElementsAre("exact", "wide"));
  EXPECT_THAT(Names(store.ServiceEntriesCovering("*.a.example.com")), ElementsAre("wide"));
  EXPECT_THAT(Names(store.ServiceEntriesCovering("example.com")), IsEmpty());
}

TEST(Store, RootsAreFoundByTheirDelegates) {
  Store store;
  VirtualService root{.hosts = {"x"}};
  root.http.resize(2);
  root.http[0].delegate = Delegate{.name = "leaf", .ns = ""};
  root.http[1].delegate = Delegate{.name = "leaf", .ns = "other"};
  Apply(store, Make("default", "root", root));
  EXPECT_THAT(Names(store.DelegatingTo("default", "leaf")), ElementsAre("root"));
  EXPECT_THAT(Names(store.DelegatingTo("other", "leaf")), ElementsAre("root"));
  EXPECT_THAT(store.DelegatingTo("default", "root"), IsEmpty());
  ASSERT_TRUE(Stage(store, Write::Mode::kDelete, Make("default", "root", VirtualService{})));
  EXPECT_THAT(store.DelegatingTo("other", "leaf"), IsEmpty());
}

TEST(Store, DestinationRulesAreQualifiedWithTheirNamespaceAndTheDomain) {
  Store store;
  store.SetDomain("corp.example");
  Apply(store, Make("prod", "d", DestinationRule{.host = "Reviews"}));
  Apply(store, Make("prod", "w", DestinationRule{.host = "*-x.prod.svc.corp.example"}));
  EXPECT_THAT(Names(store.DestinationRulesFor("reviews.prod.svc.corp.example")), ElementsAre("d"));
  EXPECT_THAT(Names(store.DestinationRulesFor("v-x.prod.svc.corp.example")), ElementsAre("w"));
  EXPECT_THAT(store.DestinationRulesFor("reviews.prod.svc.cluster.local"), IsEmpty());
}

// One random object out of few, so that writes meet each other in keys and in index words.
Object RandomObject(std::mt19937& random) {
  const auto pick = [&random](std::uint64_t n) { return random() % n; };
  const std::string name = "n" + std::to_string(pick(4));
  const std::string ns = pick(2) == 0 ? "default" : "other";
  const std::vector<std::string> hosts = {"a", "b.default.svc.cluster.local", "*",
                                          "*.cluster.local", "*.default.svc.cluster.local"};
  switch (pick(5)) {
    case 0:
      return MakeService(ns, name, static_cast<std::uint16_t>(1 + pick(2)));
    case 1:
      return Make(ns, name, EndpointSlice{.service = pick(2) == 0 ? "a" : "b"});
    case 2:
      return Make(ns, name,
                  Pod{.ips = {IpAddress{{1}}, IpAddress{{static_cast<std::uint8_t>(pick(3))}}}});
    case 3:
      return Make(ns, name, DestinationRule{.host = hosts[pick(5)]});
    default:
      return Make(ns, name, VirtualService{.hosts = {hosts[pick(5)], hosts[pick(5)]}});
  }
}

// All answers of all queries about the few words that RandomObject uses.
std::vector<std::set<const Object*>> Answers(const Store& store) {
  std::vector<std::set<const Object*>> answers;
  for (const KindInfo& info : Kinds()) {
    answers.push_back(Objects(store.List(info.kind)));
  }
  for (const char* ns : {"default", "other"}) {
    for (const char* name : {"a", "b"}) {
      answers.push_back(Objects(store.SlicesOf(ns, name)));
      answers.push_back(Objects(store.VirtualServicesFor(ServiceHost(ns, name, "cluster.local"))));
      answers.push_back(Objects(store.DestinationRulesFor(ServiceHost(ns, name, "cluster.local"))));
    }
  }
  for (std::uint8_t i = 0; i < 3; ++i) {
    answers.push_back(Objects(store.PodsWithIp(IpAddress{{i}})));
  }
  return answers;
}

std::set<const Object*> Filter(const Store& store, Kind kind, const auto& wanted) {
  std::set<const Object*> found;
  for (const ObjectPtr& object : store.List(kind)) {
    if (wanted(*object)) {
      found.insert(object.get());
    }
  }
  return found;
}

bool IsAbout(const Object& object, const HostName& host) {
  const auto covers = [&](const std::string& pattern) {
    return HostCovers(QualifyHost(pattern, object.key.ns, "cluster.local"), host);
  };
  if (const auto* rule = object.spec.Find<DestinationRule>()) {
    return covers(rule->host);
  }
  return std::ranges::any_of(object.spec.Get<VirtualService>().hosts, covers);
}

// What the indexes should answer, by looking at every object.
std::vector<std::set<const Object*>> SlowAnswers(const Store& store) {
  std::vector<std::set<const Object*>> answers;
  for (const KindInfo& info : Kinds()) {
    answers.push_back(Objects(store.List(info.kind)));
  }
  for (const char* ns : {"default", "other"}) {
    for (const char* name : {"a", "b"}) {
      const auto about = [&](const Object& object) {
        return IsAbout(object, ServiceHost(ns, name, "cluster.local"));
      };
      answers.push_back(Filter(store, Kind::kEndpointSlice, [&](const Object& object) {
        return object.key.ns == ns && object.spec.Get<EndpointSlice>().service == name;
      }));
      answers.push_back(Filter(store, Kind::kVirtualService, about));
      answers.push_back(Filter(store, Kind::kDestinationRule, about));
    }
  }
  for (std::uint8_t i = 0; i < 3; ++i) {
    answers.push_back(Filter(store, Kind::kPod, [&](const Object& object) {
      return std::ranges::count(object.spec.Get<Pod>().ips, IpAddress{{i}}) > 0;
    }));
  }
  return answers;
}

std::vector<Write> RandomWrites(std::mt19937& random) {
  std::vector<Write> writes;
  for (std::uint64_t n = random() % 6; n-- > 0;) {
    const auto mode = random() % 4 == 0 ? Write::Mode::kDelete : Write::Mode::kApply;
    writes.push_back({.mode = mode, .object = RandomObject(random)});
  }
  return writes;
}

// Stages the writes, and then keeps or undoes them; whether they could be staged.
bool StageAndCheck(Store& store, std::vector<Write> writes, bool keep) {
  const auto before = Answers(store);
  const std::uint64_t version = store.resource_version();
  const bool staged = store.Stage(std::move(writes), Context()).has_value();
  EXPECT_EQ(Answers(store), SlowAnswers(store));
  if (staged && keep) {
    store.Keep();
    return true;
  }
  if (staged) {
    store.Undo();
  }
  EXPECT_EQ(Answers(store), before);
  EXPECT_EQ(store.resource_version(), version);
  return staged;
}

TEST(Store, IndexesAnswerAsASearchOfAllObjectsDoesAndUndoRestoresThem) {
  std::mt19937 random(3);  // NOLINT(bugprone-random-generator-seed): the same run every time
  Store store;
  int failed = 0;
  for (int round = 0; round < 2000 && !HasFailure(); ++round) {
    std::vector<Write> writes = RandomWrites(random);
    failed += StageAndCheck(store, std::move(writes), random() % 2 == 0) ? 0 : 1;
  }
  EXPECT_GT(failed, 100);
}

TEST(Store, ShortHostIsQualifiedAndOthersStay) {
  const std::map<std::string, std::string> full = {{"reviews", "reviews.ns.svc.cluster.local"},
                                                   {"reviews.prod", "reviews.prod"},
                                                   {"*", "*"},
                                                   {"*-x", "*-x.ns.svc.cluster.local"},
                                                   {"*.Example.com.", "*.example.com"},
                                                   {"10.0.0.1", "10.0.0.1"},
                                                   {"fd00::1", "fd00::1"},
                                                   {"", ""}};
  for (const auto& [host, expected] : full) {
    EXPECT_EQ(QualifyHost(host, "ns", "cluster.local"), expected) << host;
  }
}

TEST(Store, HostOfServiceAndServiceOfHostAreInverse) {
  EXPECT_EQ(ServiceHost("prod", "reviews", "cluster.local"), "reviews.prod.svc.cluster.local");
  EXPECT_THAT(ServiceOfHost("reviews.prod.svc.cluster.local", "cluster.local"),
              testing::Optional(Pair("prod", "reviews")));
  for (const char* other :
       {"reviews.prod", "reviews.svc.cluster.local", "a.reviews.prod.svc.cluster.local",
        "*.prod.svc.cluster.local", "reviews.prod.svc.example.com", ".prod.svc.cluster.local",
        "reviews..svc.cluster.local", "cluster.local", "", "reviews.prod.svccluster.local"}) {
    EXPECT_EQ(ServiceOfHost(other, "cluster.local"), std::nullopt) << other;
  }
}

TEST(Store, WildcardHostCoversEverySuffixOfItsOwn) {
  EXPECT_TRUE(HostCovers("a.x", "a.x"));
  EXPECT_TRUE(HostCovers("*.x", "a.x"));
  EXPECT_TRUE(HostCovers("*.x", "a.b.x"));
  EXPECT_TRUE(HostCovers("*-x.y", "v-x.y"));
  EXPECT_TRUE(HostCovers("*", "anything"));
  EXPECT_TRUE(HostCovers("*.x", "*.a.x"));
}

TEST(Store, HostCoversNothingWiderOrOther) {
  EXPECT_FALSE(HostCovers("*.x", "x"));
  EXPECT_FALSE(HostCovers("*.x", "ax"));
  EXPECT_FALSE(HostCovers("*.a.x", "*.x"));
  EXPECT_FALSE(HostCovers("a.x", "*.x"));
  EXPECT_FALSE(HostCovers("a.x", "b.x"));
}

}  // namespace
}  // namespace vsplit
