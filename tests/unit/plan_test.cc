// SPDX-License-Identifier: Apache-2.0
// Plans against a model of the kernel's side: tables as plain arrays, a reader as the BPF programs
// read, and a record of every row that a running program might still look at.
#include "vsplit/plan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/schema.h"
#include "vsplit/split.h"

namespace vsplit {
namespace {

SocketAddress At(const std::string& text) {
  return *ParseSocketAddress(text);
}

struct Sizes {
  std::uint32_t frontends = 64, routes = 64, endpoints = 256, states = 256, turns = 64,
                counters = 128, clusters = 64, hosts = 64;
};

// The tables as the kernel holds them.
class Model {
 public:
  explicit Model(const Sizes& sizes = {})
      : frontends_(sizes.frontends),
        routes_(sizes.routes),
        endpoints_(sizes.endpoints),
        states_(sizes.states),
        counters_(sizes.counters),
        sizes_(sizes) {}

  RawTables Raw() const {
    RawTables raw;
    raw.control = {.schema = VSPLIT_SCHEMA, .active_generation = generation_};
    raw.frontends = frontends_;
    raw.routes = routes_;
    raw.endpoints = endpoints_;
    raw.endpoint_states = states_;
    raw.counters = counters_;
    raw.turns = sizes_.turns;
    raw.clusters = sizes_.clusters;
    raw.hosts = sizes_.hosts;
    raw.cluster_names.assign(clusters_.begin(), clusters_.end());
    raw.host_names.assign(hosts_.begin(), hosts_.end());
    return raw;
  }

  void Do(const Operation& operation) {
    std::visit([this](const auto& op) { Do(op); }, operation);
  }

  // What a program finds for this frontend, by reading as bpf/route.h and bpf/choose.h do; every
  // row that it looks at is one that nobody may write to until the next Wait.
  std::optional<ImageFrontend> Lookup(const Frontend& frontend) {
    const frontend_key key = KeyOf(frontend);
    std::uint64_t halves[2];
    std::copy_n(key.address, 16, reinterpret_cast<std::uint8_t*>(halves));
    const auto mask = static_cast<std::uint32_t>(frontends_.size() - 1);
    const std::uint32_t first = frontend_place(halves[0], halves[1], key.port, mask);
    for (std::uint32_t i = 0; i < FRONTEND_PROBES; ++i) {
      const frontend_value& value = frontends_[(first + i) & mask];
      if (value.state == FRONTEND_FREE) {
        return std::nullopt;
      }
      if (value.state == FRONTEND_USED && value.port == key.port &&
          std::ranges::equal(value.address, key.address)) {
        seen_frontends_.insert((first + i) & mask);
        return LookupRoute(InForce(value));
      }
    }
    return std::nullopt;
  }

  std::vector<std::string> broken;  // rules of the tables that an operation broke
  int waits = 0;

 private:
  std::uint32_t InForce(const frontend_value& value) const {
    std::uint64_t best = 0;
    for (const std::uint64_t word : value.words) {
      if (word >> ROUTE_ROW_BITS <= generation_) {
        best = std::max(best, word);
      }
    }
    return static_cast<std::uint32_t>(best & ROUTE_ROW_MASK);
  }

  std::optional<ImageFrontend> LookupRoute(std::uint32_t row) {
    if (row == 0) {
      return std::nullopt;
    }
    ImageRoute image{.host = hosts_.at(routes_.at(row).host),
                     .policy = static_cast<Policy>(routes_.at(row).policy),
                     .stride = routes_.at(row).stride,
                     .clusters = {}};
    std::uint32_t below = 0;
    for (; row != 0; row = routes_.at(row).next) {
      seen_routes_.insert(row);
      const route_value& route = routes_.at(row);
      for (std::size_t i = 0; i < route.count; ++i) {
        image.clusters.push_back(LookupCluster(route.clusters[i], below));
        below = route.clusters[i].bound;
      }
    }
    return ImageFrontend{.everyone = std::move(image), .sources = {}};
  }

  ImageCluster LookupCluster(const route_cluster& cluster, std::uint32_t below) {
    ImageCluster image{.name = clusters_.at(cluster.cluster),
                       .weight = cluster.bound - below,
                       .settings = {.algorithm = static_cast<Algorithm>(cluster.algorithm)},
                       .groups = {}};
    EndpointGroup group;
    EXPECT_EQ(counters_.at(cluster.counter).cluster, cluster.cluster);
    for (std::uint32_t row = cluster.first; row < cluster.first + cluster.count; ++row) {
      seen_endpoints_.insert(row);
      const endpoint_state& state = states_.at(endpoints_.at(row).endpoint);
      EXPECT_EQ(state.cluster, cluster.cluster);
      seen_states_.insert(endpoints_.at(row).endpoint);
      SocketAddress address{.port = state.port};
      std::ranges::copy(state.address, address.ip.bytes.begin());
      group.endpoints.push_back({.address = address, .name = {}});
    }
    if (!group.endpoints.empty()) {
      image.groups.push_back(group);
    }
    return image;
  }

  void Forbid(const std::set<std::uint32_t>& seen, std::uint32_t row, const std::string& what) {
    if (seen.contains(row)) {
      broken.push_back(fmt::format("{} {} changes under a reader", what, row));
    }
  }

  void Do(const WriteHost& op) { hosts_[op.id] = op.name; }
  void Do(const WriteCluster& op) { clusters_[op.id] = op.name; }
  void Do(const DeleteHost& op) { hosts_.erase(op.id); }
  void Do(const DeleteCluster& op) { clusters_.erase(op.id); }
  void Do(const WriteEndpointState& op) {
    Forbid(seen_states_, op.id, "endpoint_state");
    states_.at(op.id) = op.value;
  }
  void Do(const WriteCounter& op) { counters_.at(op.index) = op.value; }
  void Do(const WriteTurn& op) { EXPECT_LT(op.id, sizes_.turns); }
  void Do(const WriteEndpoint& op) {
    Forbid(seen_endpoints_, op.row, "endpoint row");
    endpoints_.at(op.row) = op.value;
  }
  void Do(const WriteRoute& op) {
    Forbid(seen_routes_, op.row, "route row");
    routes_.at(op.row) = op.value;
  }
  void Do(const WriteWord& op) { frontends_.at(op.frontend).words[op.which] = op.word; }
  void Do(const InsertFrontend& op) {
    Forbid(seen_frontends_, op.frontend, "frontend place");
    const frontend_key key = KeyOf(op.key);
    frontend_value value{.port = key.port, .protocol = key.protocol, .state = FRONTEND_USED};
    std::ranges::copy(key.address, value.address);
    frontends_.at(op.frontend) = value;
  }
  void Do(const StartSequence& op) {
    if (!started_.emplace(op.frontend, op.which).second) {
      broken.push_back(fmt::format("sequence {} of {} starts again", op.which, op.frontend));
    }
  }
  void Do(const Commit& op) { generation_ = op.generation; }
  void Do(const DeleteFrontend& op) { frontends_.at(op.frontend).state = FRONTEND_GONE; }
  void Do(const ClearFrontend& op) { frontends_.at(op.frontend).state = FRONTEND_FREE; }
  void Do(const FreeEndpointState& op) { states_.at(op.id).since = SINCE_NOBODY; }
  void Do(const FreeCounter& op) { counters_.at(op.index).since = SINCE_NOBODY; }
  void Do(const Retire& /*op*/) {}
  void Do(const RetireSequence& /*op*/) {}
  void Do(const Wait& /*op*/) {
    ++waits;
    seen_frontends_.clear();
    seen_routes_.clear();
    seen_endpoints_.clear();
    seen_states_.clear();
    started_.clear();
  }

  std::uint64_t generation_ = 0;
  std::vector<frontend_value> frontends_;
  std::vector<route_value> routes_;
  std::vector<endpoint_value> endpoints_;
  std::vector<endpoint_state> states_;
  std::vector<route_counter> counters_;
  std::map<std::uint32_t, std::string> hosts_, clusters_;
  Sizes sizes_;
  std::set<std::uint32_t> seen_frontends_, seen_routes_, seen_endpoints_, seen_states_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> started_;
};

ImageFrontend Route(const std::string& host,
                    const std::vector<std::tuple<std::string, std::uint32_t, int>>& clusters) {
  ImageRoute route{.host = host, .policy = Policy::kExact, .stride = 1, .clusters = {}};
  for (const auto& [name, weight, endpoints] : clusters) {
    ImageCluster& cluster = route.clusters.emplace_back(ImageCluster{name, weight, {}, {}});
    EndpointGroup group;
    for (int i = 0; i < endpoints; ++i) {
      group.endpoints.push_back({.address = At(fmt::format("10.1.0.{}:8080", i + 1)), .name = {}});
    }
    if (endpoints > 0) {
      cluster.groups.push_back(group);
    }
  }
  return {.everyone = std::move(route), .sources = {}};
}

Frontend Service(int number) {
  return {At(fmt::format("10.96.0.{}:80", number))};
}

// An agent and its kernel.
class PlanTest : public ::testing::Test {
 protected:
  explicit PlanTest(const Sizes& sizes = {}) : model_(sizes), tables_(*Adopt(model_.Raw())) {
    Run(MakeRepair(tables_).operations);
  }

  void Run(const std::vector<Operation>& operations) {
    for (const Operation& operation : operations) {
      model_.Do(operation);
      Advance(tables_, operation);
    }
  }

  Plan PlanTo(const TableImage& wanted) {
    const Result<Plan> plan = MakePlan(tables_, ChangeTo(tables_, wanted));
    EXPECT_TRUE(plan) << plan.error().message;
    return plan ? *plan : Plan{};
  }

  void Put(const TableImage& wanted) {
    Run(PlanTo(wanted).operations);
    EXPECT_EQ(Decode(tables_), wanted);
  }

  std::vector<std::string> Texts(const Plan& plan) {
    std::vector<std::string> texts;
    for (const Operation& operation : plan.operations) {
      texts.push_back(ToString(operation));
    }
    return texts;
  }

  Model model_;
  Tables tables_;
};

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
  for (int round = 0; round < 150; ++round) {
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
  EXPECT_GT(model_.waits, 15) << "rows were never reused";
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
            "tables: frontend 10.96.0.1:80: endpoint row 4000 makes no sense");
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
