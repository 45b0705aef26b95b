// SPDX-License-Identifier: Apache-2.0
// Plans of source routes, workloads and subnets.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "plan_model.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/policy.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

using std::chrono::milliseconds;

ImageWorkload Pod(int number, std::uint32_t level = 3) {
  return {.cgroup = 1000U + static_cast<std::uint64_t>(number),
          .level = level,
          .ips = {At(fmt::format("10.1.9.{}:1", number)).ip}};
}

SourceRoute Source(std::vector<std::string> workloads, const std::string& cluster) {
  return {.workloads = std::move(workloads),
          .route = {.host = "web", .clusters = {Cluster(cluster, 1, 1)}}};
}

// Everyone to "safe" and "risky", workload "a" to "risky" only.
TableImage Picky() {
  ImageFrontend frontend = Route("web", {{"safe", 9, 2}, {"risky", 1, 1}});
  frontend.asks = true;
  frontend.sources = {Source({"a"}, "risky")};
  return {.frontends = {{Service(1), frontend}}, .workloads = {{"a", Pod(1)}, {"c", Pod(3)}}};
}

class SourcesTest : public PlanTest {
 protected:
  std::uint32_t Head() const { return tables_.RowInForce(tables_.frontends.at(Service(1))); }
};

TEST_F(SourcesTest, RoutesFirstThenTheCommitThenWhoConnects) {
  TableImage image = Picky();
  image.workloads.erase("c");
  image.frontends.at(Service(1)).everyone.clusters.clear();
  const Plan plan = PlanTo(image);
  const std::uint32_t place = std::get<InsertFrontend>(plan.operations[0]).frontend;
  EXPECT_EQ(Texts(plan),
            (std::vector<std::string>{
                fmt::format("insert frontend 10.96.0.1:80 = {}", place), "host 1 = web",
                "route row 1 = sequence 255 total 1 clusters 0 next 0",
                fmt::format("frontend {} word 0 = generation 1 row 1", place), "cluster 1 = risky",
                fmt::format("route_counter 1 = frontend {} cluster 1 since 1", place),
                "endpoint_state 1 = 10.1.0.1:8080 of cluster 1 since 1", "endpoint row 1 = 1",
                "route row 2 = sequence 255 total 1 clusters 1 next 0",
                "source a of route row 1 = route row 2", "commit generation 1", "levels 3 0 0 0",
                "workload 1 = a cgroup 1001"}));
}

TEST_F(SourcesTest, AreReadBackAfterARestart) {
  Put(Picky());
  EXPECT_EQ(model_.Lookup(Service(1)), Picky().frontends.at(Service(1)));
  Restart();
  EXPECT_EQ(Decode(tables_), Picky());
  EXPECT_FALSE(PlanTo(Picky()).changes());
}

TEST_F(SourcesTest, ANewWorkloadOnlyInsertsItsEntry) {
  Put(Picky());
  TableImage image = Picky();
  image.frontends.at(Service(1)).sources[0].workloads = {"a", "b"};
  image.workloads["b"] = Pod(2);
  EXPECT_EQ(Texts(PlanTo(image)),
            (std::vector<std::string>{
                fmt::format("source b of route row {0} = route row {1}", Head(),
                            tables_.sources.at({Head(), tables_.workload_ids.at("a")})),
                "commit generation 2", "workload 3 = b cgroup 1002"}));
  Put(image);
}

TEST_F(SourcesTest, AWorkloadThatIsThereGetsARouteOnlyWithTheCommit) {
  Put(Picky());
  const std::uint32_t head = Head();
  TableImage image = Picky();
  image.frontends.at(Service(1)).sources[0].workloads = {"a", "c"};
  Put(image);
  EXPECT_NE(Head(), head) << "an entry below a head in force counts at once";
  EXPECT_EQ(model_.Lookup(Service(1)), image.frontends.at(Service(1)));
}

TEST_F(SourcesTest, AWorkloadThatLeavesTakesItsEntryAlongAfterAWait) {
  TableImage image = Picky();
  image.frontends.at(Service(1)).sources.push_back(Source({"b"}, "safe"));
  image.workloads["b"] = Pod(2);
  Put(image);
  const std::uint32_t head = Head();
  Put(Picky());
  EXPECT_EQ(Head(), head);
  EXPECT_EQ(model_.source_entries(), 2U);
  Run(MakeRoom(tables_).operations);
  EXPECT_EQ(model_.source_entries(), 1U);
  EXPECT_FALSE(MakeRoom(tables_).changes());
}

TEST_F(SourcesTest, WeightsOfEveryoneChangeWithoutTheRowsOfSources) {
  Put(Picky());
  const std::uint32_t row = tables_.sources.begin()->second;
  TableImage image = Picky();
  image.frontends.at(Service(1)).everyone.clusters[0].weight = 8;
  Put(image);
  EXPECT_EQ(tables_.sources.size(), 1U);
  EXPECT_EQ(tables_.sources.begin()->first.first, Head());
  EXPECT_EQ(tables_.sources.begin()->second, row);
}

TEST_F(SourcesTest, NumbersOfASourceGoOnWhenItsEndpointsChange) {
  TableImage image = Picky();
  ImageRoute& route = image.frontends.at(Service(1)).sources[0].route;
  route.clusters.push_back(Cluster("safe", 3, 2));
  Put(image);
  const auto turn = [this] { return tables_.routes.at(tables_.sources.begin()->second).turn; };
  const std::uint32_t before = turn();
  EXPECT_NE(before, 0U);
  route.clusters[1] = Cluster("safe", 3, 1);
  Put(image);
  EXPECT_EQ(turn(), before);
  route.clusters[1].weight = 4;
  Put(image);
  EXPECT_NE(turn(), before);
}

TEST_F(SourcesTest, TwoSourcesThatSwapRoutesSwapRows) {
  TableImage image = Picky();
  image.frontends.at(Service(1)).sources = {Source({"a"}, "risky"), Source({"c"}, "safe")};
  Put(image);
  image.frontends.at(Service(1)).sources = {Source({"a"}, "safe"), Source({"c"}, "risky")};
  const Plan plan = PlanTo(image);
  EXPECT_EQ(std::ranges::count_if(
                plan.operations,
                [](const Operation& op) { return std::holds_alternative<WriteRoute>(op); }),
            1)
      << "everyone's, for a new head";
  Run(plan.operations);
  EXPECT_EQ(Decode(tables_), image);
}

TEST_F(SourcesTest, SourcesThatEjectOtherwiseHaveAClusterOfTheirOwn) {
  TableImage image = Picky();
  ImageFrontend& frontend = image.frontends.at(Service(1));
  const Ejection ejection{.failures = 5, .field = {}};
  frontend.everyone.clusters[1].settings.ejection = ejection;
  frontend.sources[0].route.clusters[0].settings.ejection = ejection;
  Put(image);
  EXPECT_EQ(tables_.cluster_ids.size(), 2U);
  frontend.sources[0].route.clusters[0].settings.ejection->failures = 1;
  Put(image);
  EXPECT_EQ(tables_.cluster_ids.size(), 3U);
  Restart();
  EXPECT_EQ(Decode(tables_), image);
  frontend.sources[0].route.idle_timeout = milliseconds(1000);
  Put(image);
  EXPECT_EQ(Decode(tables_), image);
  EXPECT_EQ(model_.Lookup(Service(1))->everyone.idle_timeout, milliseconds(0));
}

TEST_F(SourcesTest, TimeoutsChangeInPlace) {
  Put(Picky());
  TableImage image = Picky();
  ImageFrontend& frontend = image.frontends.at(Service(1));
  frontend.everyone.idle_timeout = frontend.sources[0].route.idle_timeout = milliseconds(5000);
  frontend.everyone.max_connection_duration = milliseconds(7000);
  frontend.sources[0].route.max_connection_duration = milliseconds(7000);
  EXPECT_EQ(Texts(PlanTo(image)),
            (std::vector<std::string>{"commit generation 2", "route_counter 1 = idle 5000 max 7000",
                                      "route_counter 2 = idle 5000 max 7000"}));
  Put(image);
  EXPECT_EQ(model_.Lookup(Service(1)), frontend);
}

// ---- workloads ----

TEST_F(SourcesTest, AWorkloadKeepsItsIdInAnotherCgroup) {
  Put(Picky());
  const std::uint32_t id = tables_.workloads.at("a").id;
  TableImage image = Picky();
  image.workloads["a"].cgroup = 77;
  const std::vector<std::string> texts = Texts(PlanTo(image));
  EXPECT_EQ(texts, (std::vector<std::string>{"commit generation 2",
                                             fmt::format("workload {} = a cgroup 77", id),
                                             "delete workload of cgroup 1001"}));
  Put(image);
  EXPECT_EQ(model_.LookupWorkloads(), image.workloads);
}

TEST_F(SourcesTest, TwoWorkloadsMaySwapCgroups) {
  TableImage image = Picky();
  Put(image);
  std::swap(image.workloads["a"], image.workloads["c"]);
  Put(image);
  EXPECT_EQ(model_.LookupWorkloads(), image.workloads);
}

TEST_F(SourcesTest, IdsOfWorkloadsAreNeverGivenTwice) {
  std::set<std::uint32_t> ids;
  for (int i = 0; i < 40; ++i) {
    const std::string name = fmt::format("pod-{}", i);
    Put({.frontends = {}, .workloads = {{name, Pod(i)}}});
    EXPECT_TRUE(ids.insert(tables_.workloads.at(name).id).second) << i;
    if (i == 20) {
      Restart();
    }
  }
}

TEST_F(SourcesTest, LevelsAreThoseOfTheWorkloadsThatAreThere) {
  Put({.frontends = {}, .workloads = {{"a", Pod(1, 4)}, {"b", Pod(2, 2)}, {"c", Pod(3, 4)}}});
  EXPECT_EQ(std::vector(model_.levels().level, model_.levels().level + SOURCE_LEVELS),
            (std::vector<__u32>{2, 4, 0, 0}));
  Put({.frontends = {}, .workloads = {{"c", Pod(3, 4)}}});
  EXPECT_EQ(model_.levels().level[0], 4U);
  EXPECT_EQ(model_.levels().level[1], 0U);
}

TEST_F(SourcesTest, TooManyLevelsOrWorkloadsAreRefusedByName) {
  TableImage image;
  for (std::uint32_t level = 1; level <= SOURCE_LEVELS + 1; ++level) {
    image.workloads[fmt::format("pod-{}", level)] = Pod(static_cast<int>(level), level);
  }
  EXPECT_EQ(MakePlan(tables_, ChangeTo(tables_, image)).error().message,
            "the cgroups of pods lie at 5 different levels, at most 4 are possible");
  image.workloads.clear();
  for (int i = 0; i < 17; ++i) {
    image.workloads[fmt::format("pod-{}", i)] = Pod(i);
  }
  EXPECT_EQ(MakePlan(tables_, ChangeTo(tables_, image)).error().message,
            "table workloads is full: 0 of 16 in use, and 17 to write");
}

// ---- subnets ----

TEST_F(SourcesTest, SubnetsAreLookedForAsLongAsThereAreAny) {
  const Frontend wide{At("10.0.0.0:80"), 104};
  const Frontend narrow{At("10.0.0.0:80"), 112};
  Put({.frontends = {{wide, Route("web", {{"safe", 1, 1}})},
                     {narrow, Route("web", {{"risky", 1, 1}})}},
       .workloads = {}});
  EXPECT_TRUE(model_.uses_subnets());
  EXPECT_EQ(model_.Lookup(wide)->everyone.clusters[0].name, "safe");
  EXPECT_EQ(model_.Lookup(narrow)->everyone.clusters[0].name, "risky");
  Restart();
  Put({.frontends = {{wide, Route("web", {{"safe", 1, 1}})}}, .workloads = {}});
  EXPECT_TRUE(model_.uses_subnets());
  EXPECT_EQ(model_.subnets(), 1U);
  Put({});
  EXPECT_FALSE(model_.uses_subnets());
  EXPECT_EQ(model_.subnets(), 0U);
}

// ---- everything at once ----

class Images {
 public:
  explicit Images(unsigned seed) : random_(seed) {}

  TableImage Next() {
    TableImage image;
    for (const char* name : kNames) {
      if (Pick(4) != 0) {
        image.workloads[name] = Pod(name[0] + (Pick(5) == 0 ? 100 : 0), 3U + Below(2));
      }
    }
    for (int service = 0; service < 6; ++service) {
      if (Pick(4) != 0) {
        image.frontends.emplace(Key(service), SomeFrontend(service, image));
      }
    }
    return AsDecoded(std::move(image));
  }

  static Frontend Key(int service) {
    return service == 5 ? Frontend{At("10.96.0.0:80"), 112} : Service(service);
  }
  static constexpr int kServices = 6;

 private:
  static constexpr const char* kNames[] = {"a", "b", "c", "d"};

  int Pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  std::uint32_t Below(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }

  ImageFrontend SomeFrontend(int service, const TableImage& image) {
    const std::string host = fmt::format("host-{}", service % 3);
    ImageFrontend frontend{
        .everyone = SomeRoute(host, service), .asks = Pick(2) == 0, .sources = {}};
    for (const auto& [name, workload] : image.workloads) {
      if (Pick(3) != 0) {
        continue;
      }
      ImageRoute route = SomeRoute(host, service);
      route.stride = 1 + static_cast<std::uint32_t>(frontend.sources.size());  // no two the same
      frontend.sources.push_back({.workloads = {name}, .route = std::move(route)});
    }
    return frontend;
  }

  ImageRoute SomeRoute(const std::string& host, int service) {
    ImageRoute route{.host = host, .policy = static_cast<Policy>(Pick(2)), .clusters = {}};
    for (int i = Pick(6); i > 0; --i) {
      route.clusters.push_back(SomeCluster(fmt::format("cluster-{}-{}", service, i)));
    }
    if (!route.clusters.empty()) {
      route.idle_timeout = milliseconds(Pick(2) * 1000);
    }
    return route;
  }

  ImageCluster SomeCluster(std::string name) {
    ImageCluster cluster{
        .name = std::move(name), .weight = 1 + Below(4), .settings = {}, .groups = {}};
    for (std::uint32_t i = 0, groups = Below(3); i < groups; ++i) {
      cluster.groups.push_back(Group(1 + Pick(3), i));
      cluster.groups.back().endpoints[0].weight = Pick(3) == 0 ? 2 : 1;
      cluster.groups.back().endpoints.push_back(
          {.address = At(fmt::format("10.1.{}.9:8080", i)), .name = {}});
      cluster.groups.back().unready = Below(2);
    }
    if (Pick(2) == 0) {
      return cluster;
    }
    cluster.settings.algorithm = static_cast<Algorithm>(Pick(5));
    cluster.settings.maglev_size = 13;
    if (Pick(2) == 0) {
      cluster.settings.ejection = Ejection{.failures = 1 + Below(3), .field = {}};
    }
    if (Pick(3) == 0) {
      cluster.settings.max_connections = Below(5);
    }
    if (Pick(3) == 0) {
      cluster.settings.connect_timeout = milliseconds(1 + Pick(3));
    }
    return cluster;
  }

  std::mt19937 random_;
};

constexpr Sizes kRoomy{.frontends = 16,
                       .routes = 400,
                       .endpoints = 500,
                       .states = 600,
                       .turns = 200,
                       .counters = 800,
                       .clusters = 300,
                       .hosts = 16,
                       .policies = 300,
                       .groups = 400,
                       .hash_rows = 800,
                       .sources = 60,
                       .workloads = 16};

class EverythingTest : public PlanTest {
 protected:
  EverythingTest() : PlanTest(kRoomy) {}

  TableImage Read() {
    TableImage image;
    for (int service = 0; service < Images::kServices; ++service) {
      if (std::optional<ImageFrontend> found = model_.Lookup(Images::Key(service))) {
        image.frontends.emplace(Images::Key(service), *std::move(found));
      }
    }
    image.workloads = model_.LookupWorkloads();
    return image;
  }

  // Without what changes in place behind the commit, and only the sources that both images know in
  // the same cgroup.
  static TableImage Routes(TableImage image, const TableImage& left, const TableImage& right) {
    for (auto& [key, frontend] : image.frontends) {
      Strip(frontend.everyone);
      std::erase_if(frontend.sources, [&](const SourceRoute& source) {
        const std::string& name = source.workloads[0];
        return !left.workloads.contains(name) || !right.workloads.contains(name) ||
               left.workloads.at(name) != right.workloads.at(name);
      });
      for (SourceRoute& source : frontend.sources) {
        Strip(source.route);
      }
    }
    image.workloads.clear();
    return image;
  }

  static void Strip(ImageRoute& route) {
    route.idle_timeout = {};
    for (ImageCluster& cluster : route.clusters) {
      if (cluster.settings.ejection) {
        cluster.settings.ejection = Ejection{};
      }
    }
  }

  // What the model does not read back of an ejection.
  static TableImage AsRead(TableImage image) {
    const auto reduce = [](ImageRoute& route) {
      for (ImageCluster& cluster : route.clusters) {
        if (cluster.settings.ejection) {
          cluster.settings.ejection =
              Ejection{.failures = cluster.settings.ejection->failures, .field = {}};
        }
      }
    };
    for (auto& [key, frontend] : image.frontends) {
      reduce(frontend.everyone);
      for (SourceRoute& source : frontend.sources) {
        reduce(source.route);
      }
    }
    return image;
  }
};

TEST_F(EverythingTest, AReaderSeesTheOldOrTheNewRoutesAfterEveryOperation) {
  Images images(7);
  TableImage before;
  for (int round = 0; round < 60; ++round) {
    const TableImage after = images.Next();
    const TableImage old_routes = Routes(before, before, after);
    const TableImage new_routes = Routes(after, before, after);
    bool committed = false;
    for (const Operation& operation : PlanTo(after).operations) {
      model_.Do(operation);
      Advance(tables_, operation);
      committed |= std::holds_alternative<Commit>(operation);
      const TableImage read = Routes(Read(), before, after);
      ASSERT_TRUE(read == (committed ? new_routes : old_routes))
          << ToString(operation) << " in round " << round << "\n"
          << Difference(committed ? new_routes : old_routes, read);
    }
    ASSERT_EQ(model_.broken, std::vector<std::string>{}) << "round " << round;
    ASSERT_TRUE(Decode(tables_) == after) << Difference(after, Decode(tables_));
    ASSERT_TRUE(Read() == AsRead(after)) << Difference(AsRead(after), Read());
    before = after;
    if (round % 10 == 9) {
      Restart();
      ASSERT_EQ(Decode(tables_), after);
      ASSERT_FALSE(PlanTo(after).changes());
    }
  }
  EXPECT_GT(model_.waits, 15) << "rows were never reused";
}

TEST_F(EverythingTest, DyingAfterAnyOperationIsRepaired) {
  Images images(11);
  TableImage before = images.Next();
  Put(before);
  for (int round = 0; round < 4; ++round) {
    const TableImage after = images.Next();
    const Model model_before = model_;
    const Tables tables_before = tables_;
    const Plan plan = PlanTo(after);
    for (std::size_t died = 0; died <= plan.operations.size(); ++died) {
      model_ = model_before;
      tables_ = tables_before;
      Run({plan.operations.begin(), plan.operations.begin() + static_cast<std::ptrdiff_t>(died)});
      ASSERT_NO_FATAL_FAILURE(Restart());
      const bool committed = tables_.generation == plan.generation;
      const TableImage& in_force = committed ? after : before;
      const TableImage routes = Routes(in_force, before, after);
      ASSERT_TRUE(Routes(Decode(tables_), before, after) == routes)
          << died << "\n"
          << Difference(routes, Routes(Decode(tables_), before, after));
      ASSERT_TRUE(Routes(Read(), before, after) == routes) << died;
      Run(PlanTo(after).operations);
      Restart();
      ASSERT_TRUE(Decode(tables_) == after) << Difference(after, Decode(tables_));
      ASSERT_EQ(model_.broken, std::vector<std::string>{}) << died;
      if (died % 8 != 0) {
        continue;
      }
      Put({});
      Run(MakeRoom(tables_).operations);
      Restart();
      for (const IdSpace* space :
           {&tables_.route_space, &tables_.policy_space, &tables_.group_space, &tables_.hash_space,
            &tables_.endpoint_space, &tables_.turn_space}) {
        EXPECT_EQ(space->used(), 0U) << died;
      }
      EXPECT_EQ(tables_.frontend_space.used(), 0U);
      EXPECT_EQ(model_.source_entries(), 0U);
      EXPECT_TRUE(model_.LookupWorkloads().empty());
    }
    model_ = model_before;
    tables_ = tables_before;
    Put(after);
    before = after;
  }
}

}  // namespace
}  // namespace vsplit
