// SPDX-License-Identifier: Apache-2.0
// Plans of plain routes against a model of the kernel's side, with a reader that looks after every
// operation.
#include "vsplit/plan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "plan_model.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/policy.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

TEST_F(PlanTest, WritesRowsThenTheWordThenCommits) {
  const Plan plan = PlanTo({{{Service(7), Route("web", {{"safe", 9, 1}, {"risky", 1, 0}})}}});
  const std::uint32_t place = std::get<InsertFrontend>(plan.operations[0]).frontend;
  EXPECT_EQ(
      Texts(plan),
      (std::vector<std::string>{
          fmt::format("insert frontend 10.96.0.7:80 = {}", place), "host 1 = web",
          fmt::format("frontend {} starts sequence 0", place), "cluster 1 = safe",
          fmt::format("route_counter 1 = frontend {} cluster 1 since 1", place),
          "endpoint_state 1 = 10.1.0.1:8080 of cluster 1 since 1", "endpoint row 1 = 1",
          "cluster 2 = risky",
          fmt::format("route_counter 2 = frontend {} cluster 2 since 1", place),
          "route row 1 = sequence 0 total 10 clusters 2 next 0",
          fmt::format("frontend {} word 0 = generation 1 row 1", place), "commit generation 1"}));
}

TEST_F(PlanTest, AWeightChangeWritesOneRowOneWordAndCommits) {
  Put({{{Service(7), Route("web", {{"safe", 9, 3}, {"risky", 1, 1}})}}});
  const Plan plan = PlanTo({{{Service(7), Route("web", {{"safe", 1, 3}, {"risky", 1, 1}})}}});
  const std::uint32_t place = tables_.frontends.at(Service(7)).id;
  EXPECT_EQ(Texts(plan),
            (std::vector<std::string>{fmt::format("frontend {} starts sequence 1", place),
                                      "route row 2 = sequence 1 total 2 clusters 2 next 0",
                                      fmt::format("frontend {} word 1 = generation 2 row 2", place),
                                      "commit generation 2", "retire route row 1",
                                      "retire sequence 0 of frontend 10.96.0.7:80"}));
}

TEST_F(PlanTest, NewEndpointsKeepTheSequenceAndTheIds) {
  Put({{{Service(7), Route("web", {{"safe", 9, 3}, {"risky", 1, 1}})}}});
  const auto ids = tables_.endpoint_ids;
  const Plan plan = PlanTo({{{Service(7), Route("web", {{"safe", 9, 2}, {"risky", 1, 1}})}}});
  const std::vector<std::string> texts = Texts(plan);
  EXPECT_EQ(std::ranges::count_if(texts,
                                  [](const auto& text) {
                                    return text.find("starts") != std::string::npos ||
                                           text.find("endpoint_state") != std::string::npos;
                                  }),
            0);
  Run(plan.operations);
  EXPECT_EQ(tables_.endpoint_ids, ids);
}

TEST_F(PlanTest, NothingToDoIsAnEmptyPlan) {
  const TableImage image{{{Service(7), Route("web", {{"safe", 9, 3}, {"risky", 1, 1}})}}};
  Put(image);
  EXPECT_FALSE(PlanTo(image).changes());
  EXPECT_EQ(PlanTo(image).generation, 1U);
}

TEST_F(PlanTest, ThreeWeightChangesNeedNoWaitAndNeverRestartASequenceInUse) {
  for (std::uint32_t i = 1; i <= 30; ++i) {
    Put({{{Service(7), Route("web", {{"safe", i, 3}, {"risky", 1, 1}})}}});
    if (i == 3) {
      EXPECT_EQ(model_.waits, 1) << "but for the first one";
    }
  }
  EXPECT_EQ(model_.broken, std::vector<std::string>{});
}

TEST_F(PlanTest, AfterAnIdleMomentNoWeightChangeWaits) {
  for (std::uint32_t weight = 1; weight < 12; ++weight) {
    Put({{{Service(1), Route("web", {{"safe", 13, 3}, {"risky", weight, 1}})}}});
    const int waits = model_.waits;
    Run(MakeRoom(tables_).operations);
    EXPECT_EQ(model_.waits - waits, weight == 1 ? 0 : 1) << "the first weights retire nothing";
    EXPECT_EQ(MakeRoom(tables_).changes(), false);
    const Plan next = PlanTo({{{Service(1), Route("web", {{"safe", 13, 3}, {"other", 1, 1}})}}});
    EXPECT_TRUE(std::ranges::none_of(next.operations, [](const Operation& operation) {
      return std::holds_alternative<Wait>(operation);
    }));
  }
  EXPECT_EQ(model_.broken, std::vector<std::string>{});
}

TEST_F(PlanTest, AnEndpointThatComesBackHasItsOldId) {
  Put({{{Service(7), Route("web", {{"safe", 1, 3}})}}});
  const std::uint32_t cluster = tables_.cluster_ids.at("safe");
  const std::uint32_t id = tables_.endpoint_ids.at({cluster, At("10.1.0.3:8080")});
  Put({{{Service(7), Route("web", {{"safe", 1, 2}})}}});
  Put({{{Service(7), Route("web", {{"safe", 1, 3}})}}});
  EXPECT_EQ(tables_.endpoint_ids.at({cluster, At("10.1.0.3:8080")}), id);
}

// Random images, one after the other; a reader looks after every single operation.
TEST_F(PlanTest, AReaderSeesTheOldOrTheNewImageAfterEveryOperation) {
  std::mt19937 random(7);
  const auto pick = [&random](int below) {
    return static_cast<int>(random() % static_cast<unsigned>(below));
  };
  const auto some_image = [&] {
    TableImage image;
    for (int service = 0; service < 12; ++service) {
      if (pick(3) == 0) {
        continue;
      }
      std::vector<std::tuple<std::string, std::uint32_t, int>> clusters;
      for (int i = 0; i <= pick(7); ++i) {
        clusters.emplace_back(fmt::format("cluster-{}-{}", service, i), 1 + pick(9), pick(6));
      }
      ImageFrontend route = Route(fmt::format("host-{}", service % 5), clusters);
      route.everyone.clusters[0].settings.algorithm = static_cast<Algorithm>(pick(3));
      image.frontends.emplace(Service(service), std::move(route));
    }
    return image;
  };
  const auto read = [this] {
    TableImage image;
    for (int service = 0; service < 12; ++service) {
      if (std::optional<ImageFrontend> route = model_.Lookup(Service(service))) {
        image.frontends.emplace(Service(service), *std::move(route));
      }
    }
    return image;
  };
  TableImage before;
  for (int round = 0; round < 80; ++round) {
    const TableImage after = some_image();
    bool committed = false;
    for (const Operation& operation : PlanTo(after).operations) {
      model_.Do(operation);
      Advance(tables_, operation);
      committed |= std::holds_alternative<Commit>(operation);
      ASSERT_EQ(read(), committed ? after : before) << ToString(operation);
    }
    ASSERT_EQ(model_.broken, std::vector<std::string>{}) << "round " << round;
    ASSERT_EQ(Decode(tables_), after);
    before = after;
    if (round % 10 == 9) {  // an agent that starts again
      tables_ = *Adopt(model_.Raw());
      ASSERT_EQ(Decode(tables_), after);
      Run(MakeRepair(tables_).operations);
    }
  }
  EXPECT_GT(model_.waits, 10) << "rows were never reused";
}

TEST_F(PlanTest, DyingAfterAnyOperationIsRepaired) {
  const TableImage before{{{Service(1), Route("web", {{"safe", 9, 3}, {"risky", 1, 1}})},
                           {Service(2), Route("web", {{"safe", 1, 3}})}}};
  const TableImage after{{{Service(1), Route("web", {{"safe", 1, 2}, {"other", 1, 1}})},
                          {Service(3), Route("new", {{"third", 1, 3}})}}};
  Put(before);
  const Model model_before = model_;
  const Tables tables_before = tables_;
  const Plan plan = PlanTo(after);
  for (std::size_t died = 0; died <= plan.operations.size(); ++died) {
    model_ = model_before;
    tables_ = tables_before;
    Run({plan.operations.begin(), plan.operations.begin() + static_cast<std::ptrdiff_t>(died)});
    const Result<Tables> adopted = Adopt(model_.Raw());
    ASSERT_TRUE(adopted) << adopted.error().message;
    tables_ = *adopted;
    const bool committed = tables_.generation == 2;
    ASSERT_EQ(Decode(tables_), committed ? after : before) << died;
    Run(MakeRepair(tables_).operations);
    ASSERT_EQ(Decode(tables_), committed ? after : before) << died;
    Put(after);
    Put(before);
    Put({});
    EXPECT_EQ(tables_.frontend_space.used(), 0U);
    EXPECT_EQ(tables_.route_space.used(), 0U);
    EXPECT_EQ(tables_.endpoint_space.used(), 0U);
    EXPECT_EQ(model_.broken, std::vector<std::string>{}) << died;
  }
}

class SmallPlanTest : public PlanTest {
 protected:
  SmallPlanTest() : PlanTest({.frontends = 8, .routes = 6, .endpoints = 9, .states = 8}) {}
};

TEST_F(SmallPlanTest, LeftBehindNamesGiveWayWhenTheRoomIsNeeded) {
  for (int i = 0; i < 40; ++i) {
    Put({{{Service(i), Route(fmt::format("host-{}", i), {{fmt::format("c-{}", i), 1, 3}})}}});
  }
  EXPECT_EQ(model_.broken, std::vector<std::string>{});
}

TEST_F(SmallPlanTest, AFullTableIsNamedAndNothingChanges) {
  const TableImage image{{{Service(1), Route("web", {{"safe", 1, 3}})}}};
  Put(image);
  const Tables before = tables_;
  const Result<Plan> plan = MakePlan(
      tables_, ChangeTo(tables_, {{{Service(1), Route("web", {{"safe", 1, 3}, {"b", 1, 6}})}}}));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().reason, Error::Reason::kFull);
  EXPECT_EQ(plan.error().message,
            "table endpoints is full: 3 of 8 in use; raise --max-endpoints (tables are made anew "
            "after `vsplitd uninstall`)");
  EXPECT_EQ(Decode(before), image);
}

TEST_F(PlanTest, DamagedTablesAreNotAdopted) {
  Put({{{Service(1), Route("web", {{"safe", 1, 3}})}}});
  RawTables raw = model_.Raw();
  std::vector<route_value> routes(raw.routes.begin(), raw.routes.end());
  routes[1].clusters[0].first = 4000;
  raw.routes = routes;
  const Result<Tables> adopted = Adopt(raw);
  ASSERT_FALSE(adopted);
  EXPECT_EQ(adopted.error().message,
            "tables: frontend 10.96.0.1:80/tcp: endpoint row 4000 makes no sense");
}

TEST(IdSpaceTest, TakesNeighboursAndReusesOnlyWhatWasRecycled) {
  IdSpace space(8);
  EXPECT_EQ(space.Take(3), 1U);
  EXPECT_EQ(space.Take(3), 4U);
  EXPECT_EQ(space.Take(2), std::nullopt);
  space.Retire(2, 2);
  EXPECT_EQ(space.Take(2), std::nullopt);
  space.Recycle();
  EXPECT_EQ(space.Take(2), 2U);
  EXPECT_EQ(space.Take(), 7U);
  EXPECT_EQ(space.Take(), std::nullopt);
  EXPECT_EQ(space.used(), 7U);
}

TEST(FrontendSpaceTest, GonePlacesAreClearedOnlyWhenNoSearchGoesOnBehindThem) {
  FrontendSpace space(4);
  const Frontend frontend = Service(1);
  const std::uint32_t first = *space.PlaceFor(frontend);
  space.Claim(first);
  const std::uint32_t second = *space.PlaceFor(frontend);
  EXPECT_EQ(second, (first + 1) % 4);
  space.Claim(second);
  EXPECT_EQ(space.PlaceFor(frontend), std::nullopt);  // half full
  space.Retire(first);
  space.Recycle();
  EXPECT_EQ(space.Clearable(), std::vector<std::uint32_t>{});
  EXPECT_EQ(space.PlaceFor(frontend), first);
  space.Retire(second);
  space.Recycle();
  EXPECT_EQ(space.Clearable().size(), 2U);
}

}  // namespace
}  // namespace vsplit
