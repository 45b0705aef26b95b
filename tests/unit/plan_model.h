// SPDX-License-Identifier: Apache-2.0
// A model of the kernel's side: tables as plain arrays, a reader as the BPF programs read, and a
// record of every row that a running program might still look at.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/policy.h"
#include "vsplit/schema.h"
#include "vsplit/split.h"

namespace vsplit {

inline SocketAddress At(const std::string& text) {
  return ParseSocketAddress(text).value_or(SocketAddress{});
}

struct Sizes {
  std::uint32_t frontends = 64, routes = 64, endpoints = 256, states = 256, turns = 64,
                counters = 128, clusters = 64, hosts = 64, policies = 64, groups = 128,
                hash_rows = 512, sources = 64, workloads = 16, subnets = 16;
};

// The tables as the kernel holds them.
class Model {
 public:
  explicit Model(const Sizes& sizes = {})
      : frontends_(sizes.frontends),
        routes_(sizes.routes),
        policies_(sizes.policies),
        groups_(sizes.groups),
        hash_rows_(sizes.hash_rows),
        endpoints_(sizes.endpoints),
        states_(sizes.states),
        healths_(sizes.states),
        cluster_states_(sizes.clusters),
        counters_(sizes.counters),
        sizes_(sizes) {}

  RawTables Raw() const {
    RawTables raw;
    raw.control = {.schema = VSPLIT_SCHEMA,
                   .flags = uses_subnets_ ? CONTROL_SUBNETS : 0,
                   .active_generation = generation_};
    raw.frontends = frontends_;
    raw.routes = routes_;
    raw.policies = policies_;
    raw.groups = groups_;
    raw.endpoints = endpoints_;
    raw.endpoint_states = states_;
    raw.cluster_states = cluster_states_;
    raw.counters = counters_;
    raw.levels = levels_;
    raw.turns = sizes_.turns;
    raw.clusters = sizes_.clusters;
    raw.hosts = sizes_.hosts;
    raw.hash_rows = sizes_.hash_rows;
    raw.source_routes = sizes_.sources;
    raw.workloads = sizes_.workloads;
    raw.subnets = sizes_.subnets;
    for (const auto& [id, op] : clusters_) {
      cluster_value value{.name = {}, .variant = op.variant};
      op.name.copy(value.name, sizeof(value.name) - 1);
      raw.cluster_names.emplace_back(name_key{id}, value);
    }
    for (const auto& [id, name] : hosts_) {
      host_value value{};
      name.copy(value.name, sizeof(value.name) - 1);
      raw.host_names.emplace_back(name_key{id}, value);
    }
    for (const auto& [key, row] : sources_) {
      raw.source_entries.emplace_back(source_key{key.first, key.second}, source_value{row});
    }
    for (const auto& [cgroup, value] : workloads_) {
      raw.workload_entries.emplace_back(workload_key{cgroup}, value);
    }
    for (const auto& [subnet, frontend] : subnets_) {
      raw.subnet_entries.emplace_back(SubnetKeyOf(subnet), subnet_value{frontend});
    }
    return raw;
  }

  void Do(const Operation& operation) {
    std::visit([this](const auto& op) { Do(op); }, operation);
  }

  // What programs find for this frontend, by reading as bpf/route.h and bpf/choose.h do: everyone's
  // route, and those of the workloads that are known. Every row that they look at is one that
  // nobody may write to until the next Wait.
  std::optional<ImageFrontend> Lookup(const Frontend& frontend) {
    const std::optional<std::uint32_t> place = PlaceOf(frontend);
    const std::uint32_t head = place ? InForce(frontends_.at(*place)) : 0;
    if (head == 0 ||
        (frontend.prefix < FRONTEND_EXACT && (!uses_subnets_ || subnets_.at(frontend) != *place))) {
      return std::nullopt;
    }
    seen_["frontend place"].insert(*place);
    const __u8 flags = routes_.at(head).flags;
    ImageFrontend image{
        .everyone = LookupRoute(head), .asks = (flags & ROUTE_ASKS) != 0, .sources = {}};
    for (const auto& [cgroup, workload] : workloads_) {
      const auto entry = sources_.find({head, workload.workload});
      if ((flags & ROUTE_SOURCES) == 0 || entry == sources_.end()) {
        continue;
      }
      seen_sources_.insert(entry->first);
      AddSource(image.sources, workload.name, LookupRoute(entry->second));
    }
    std::ranges::sort(image.sources, {}, &SourceRoute::workloads);
    return image;
  }

  std::map<std::string, ImageWorkload> LookupWorkloads() const {
    std::map<std::string, ImageWorkload> known;
    for (const auto& [cgroup, value] : workloads_) {
      ImageWorkload workload{.cgroup = cgroup, .level = value.level, .ips = {}};
      IpAddress ip;
      std::ranges::copy(value.address4, ip.bytes.begin());
      if (ip != IpAddress{}) {
        workload.ips.push_back(ip);
      }
      known.emplace(value.name, workload);
    }
    return known;
  }

  // Slots of the table of the only group of a cluster, by the endpoint that has them.
  std::vector<SocketAddress> Slots(const Frontend& frontend) {
    const route_value& route = routes_.at(InForce(frontends_.at(PlaceOf(frontend).value_or(0))));
    const policy_value& policy = policies_.at(route.clusters[0].first);
    const group_value& group = groups_.at(policy.first_group);
    std::vector<SocketAddress> slots;
    for (std::uint32_t slot = 0; slot < policy.hash_size; ++slot) {
      const hash_row& row = hash_rows_.at(group.hash_first + slot / HASH_SLOTS);
      slots.push_back(AddressIn(group.first + row.index[slot % HASH_SLOTS]));
    }
    return slots;
  }

  endpoint_health& Health(std::uint32_t id) { return healths_.at(id); }
  cluster_state& State(std::uint32_t id) { return cluster_states_.at(id); }
  const source_levels_value& levels() const { return levels_; }
  std::size_t source_entries() const { return sources_.size(); }
  std::size_t subnets() const { return subnets_.size(); }
  bool uses_subnets() const { return uses_subnets_; }

  std::vector<std::string> broken;  // rules of the tables that an operation broke
  int waits = 0;

 private:
  std::optional<std::uint32_t> PlaceOf(const Frontend& frontend) const {
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
      if (value.state == FRONTEND_USED && value.port == key.port && value.prefix == key.prefix &&
          std::ranges::equal(value.address, key.address)) {
        return (first + i) & mask;
      }
    }
    return std::nullopt;
  }

  static void AddSource(std::vector<SourceRoute>& sources, const std::string& workload,
                        ImageRoute route) {
    const auto same = std::ranges::find(sources, route, &SourceRoute::route);
    SourceRoute& source = same == sources.end() ? sources.emplace_back() : *same;
    source.workloads.push_back(workload);
    std::ranges::sort(source.workloads);
    source.route = std::move(route);
  }

  std::uint32_t InForce(const frontend_value& value) const {
    std::uint64_t best = 0;
    for (const std::uint64_t word : value.words) {
      if (word >> ROUTE_ROW_BITS <= generation_) {
        best = std::max(best, word);
      }
    }
    return static_cast<std::uint32_t>(best & ROUTE_ROW_MASK);
  }

  ImageRoute LookupRoute(std::uint32_t row) {
    const route_value& head = routes_.at(row);
    ImageRoute image{.host = hosts_.at(head.host),
                     .policy = static_cast<Policy>(head.policy),
                     .stride = head.stride,
                     .clusters = {}};
    if (head.count > 0) {
      const route_counter& counter = counters_.at(head.clusters[0].counter);
      image.idle_timeout = std::chrono::milliseconds(counter.idle_timeout_ms);
      image.max_connection_duration = std::chrono::milliseconds(counter.max_duration_ms);
    }
    Turn(head.turn);
    std::uint32_t below = 0;
    for (; row != 0; row = routes_.at(row).next) {
      seen_["route row"].insert(row);
      const route_value& route = routes_.at(row);
      for (std::size_t i = 0; i < route.count; ++i) {
        image.clusters.push_back(LookupCluster(route.clusters[i], below));
        below = route.clusters[i].bound;
      }
    }
    return image;
  }

  ImageCluster LookupCluster(const route_cluster& cluster, std::uint32_t below) {
    ImageCluster image{.name = clusters_.at(cluster.cluster).name,
                       .weight = cluster.bound - below,
                       .settings = {.algorithm = static_cast<Algorithm>(cluster.algorithm)},
                       .groups = {}};
    EXPECT_EQ(counters_.at(cluster.counter).cluster, cluster.cluster);
    if ((cluster.flags & CLUSTER_MANAGED) != 0) {
      LookupManaged(cluster, image);
    } else if (cluster.count > 0) {
      image.groups.push_back(
          {.locality = {},
           .endpoints = LookupEndpoints(cluster.first, cluster.count, cluster.cluster)});
    }
    return image;
  }

  void LookupManaged(const route_cluster& cluster, ImageCluster& image) {
    seen_["policy row"].insert(cluster.first);
    const policy_value& policy = policies_.at(cluster.first);
    const cluster_state& state = cluster_states_.at(cluster.cluster);
    EXPECT_EQ(policy.algorithm, cluster.algorithm);
    ClusterSettings& settings = image.settings;
    settings.panic_percent = policy.panic_percent;
    settings.port = policy.port;
    settings.maglev_size = policy.hash_size == 0 ? settings.maglev_size : policy.hash_size;
    if (policy.max_connections != NO_LIMIT) {
      settings.max_connections = policy.max_connections;
    }
    if ((policy.flags & MANAGED_SOCKET) != 0) {
      settings.connect_timeout = std::chrono::milliseconds(policy.connect_timeout_ms);
    }
    if ((policy.flags & MANAGED_EJECTS) != 0) {
      settings.ejection = Ejection{.failures = state.failures, .field = {}};
    }
    if ((policy.flags & MANAGED_WARMS) != 0) {
      settings.warmup = SlowStart{.duration = std::chrono::milliseconds(policy.warmup_ms)};
    }
    Turn(policy.turn);
    for (std::uint32_t row = policy.first_group; row < policy.first_group + policy.groups; ++row) {
      seen_["group row"].insert(row);
      const group_value& group = groups_.at(row);
      image.groups.push_back(
          {.priority = group.level,
           .weight = group.weight,
           .locality = {},
           .endpoints = LookupEndpoints(group.first, group.count, cluster.cluster),
           .unready = group.unready});
      for (std::uint32_t i = 0; i < policy.hash_size && group.count > 0; ++i) {
        const std::uint32_t at = group.hash_first + i / HASH_SLOTS;
        seen_["hash row"].insert(at);
        EXPECT_LT(hash_rows_.at(at).index[i % HASH_SLOTS], group.count);
      }
    }
  }

  void Turn(std::uint32_t turn) {
    if (turn != 0) {
      seen_["turn"].insert(turn);
    }
  }

  SocketAddress AddressIn(std::uint32_t row) const {
    const endpoint_state& state = states_.at(endpoints_.at(row).endpoint);
    SocketAddress address{.port = state.port};
    std::ranges::copy(state.address, address.ip.bytes.begin());
    return address;
  }

  std::vector<Endpoint> LookupEndpoints(std::uint32_t first, std::uint32_t count,
                                        std::uint32_t cluster) {
    std::vector<Endpoint> endpoints;
    std::uint32_t below = 0;
    for (std::uint32_t row = first; row < first + count; ++row) {
      const std::uint32_t id = endpoints_.at(row).endpoint;
      seen_["endpoint row"].insert(row);
      seen_["endpoint_state"].insert(id);
      EXPECT_EQ(states_.at(id).cluster, cluster);
      endpoints.push_back(
          {.address = AddressIn(row), .name = {}, .weight = endpoints_.at(row).bound - below});
      below = endpoints_.at(row).bound;
    }
    return endpoints;
  }

  void Forbid(std::string_view what, std::uint32_t row) {
    if (const auto seen = seen_.find(what); seen != seen_.end() && seen->second.contains(row)) {
      broken.push_back(fmt::format("{} {} changes under a reader", what, row));
    }
  }

  void Do(const WriteHost& op) { hosts_[op.id] = op.name; }
  void Do(const WriteCluster& op) {
    clusters_[op.id] = op;
    cluster_states_.at(op.id) = {};
  }
  void Do(const WriteClusterState& op) {
    cluster_state& state = cluster_states_.at(op.id);
    const cluster_state before = state;
    state = op.value;
    std::ranges::copy(before.ejected, state.ejected);
    state.ejections = before.ejections;
    state.refused_limit = before.refused_limit;
  }
  void Do(const DeleteHost& op) { hosts_.erase(op.id); }
  void Do(const DeleteCluster& op) { clusters_.erase(op.id); }
  void Do(const WriteEndpointState& op) {
    Forbid("endpoint_state", op.id);
    states_.at(op.id) = op.value;
    healths_.at(op.id) = {.born = 1};
  }
  void Do(const RenewHealth& op) { healths_.at(op.id) = {.born = 1}; }
  void Do(const WriteCounter& op) { counters_.at(op.index) = op.value; }
  void Do(const WriteTimeouts& op) {
    counters_.at(op.index).idle_timeout_ms = op.value.idle;
    counters_.at(op.index).max_duration_ms = op.value.max_duration;
  }
  void Do(const WriteTurn& op) {
    Forbid("turn", op.id);
    EXPECT_LT(op.id, sizes_.turns);
  }
  void Do(const WriteEndpoint& op) {
    Forbid("endpoint row", op.row);
    endpoints_.at(op.row) = op.value;
  }
  void Do(const WriteHashRows& op) {
    for (std::uint32_t i = 0; i < op.rows.size(); ++i) {
      Forbid("hash row", op.first + i);
      hash_rows_.at(op.first + i) = op.rows[i];
    }
  }
  void Do(const WriteGroup& op) {
    Forbid("group row", op.row);
    groups_.at(op.row) = op.value;
  }
  void Do(const WritePolicy& op) {
    Forbid("policy row", op.row);
    policies_.at(op.row) = op.value;
  }
  void Do(const WriteRoute& op) {
    Forbid("route row", op.row);
    routes_.at(op.row) = op.value;
    for (const auto& [key, row] : sources_) {
      if (key.first == op.row || row == op.row) {
        broken.push_back(
            fmt::format("route row {} still has an entry of workload {}", op.row, key.second));
      }
    }
  }
  void Do(const WriteWord& op) { frontends_.at(op.frontend).words[op.which] = op.word; }
  void Do(const InsertFrontend& op) {
    Forbid("frontend place", op.frontend);
    const frontend_key key = KeyOf(op.key);
    frontend_value value{
        .port = key.port, .protocol = key.protocol, .state = FRONTEND_USED, .prefix = key.prefix};
    std::ranges::copy(key.address, value.address);
    frontends_.at(op.frontend) = value;
  }
  void Do(const StartSequence& op) {
    if (!started_.emplace(op.frontend, op.which).second) {
      broken.push_back(fmt::format("sequence {} of {} starts again", op.which, op.frontend));
    }
  }
  void Do(const InsertSubnet& op) { subnets_[op.key] = op.frontend; }
  void Do(const UseSubnets& op) { uses_subnets_ = op.on; }
  void Do(const InsertSource& op) {
    ForbidSource(op.row, op.workload);
    sources_[{op.row, op.workload}] = op.source_row;
  }
  void Do(const Commit& op) { generation_ = op.generation; }
  void Do(const WriteWorkload& op) { workloads_[op.value.cgroup] = ValueOf(op); }
  void Do(const DeleteWorkload& op) { workloads_.erase(op.cgroup); }
  void Do(const SweepPools& op) { EXPECT_TRUE(std::ranges::is_sorted(op.living)); }
  void Do(const WriteLevels& op) { levels_ = op.value; }
  void Do(const DeleteSubnet& op) { subnets_.erase(op.key); }
  void Do(const DeleteSource& op) {
    ForbidSource(op.row, op.workload);
    EXPECT_EQ(sources_.erase({op.row, op.workload}), 1U);
  }
  void Do(const DeleteFrontend& op) { frontends_.at(op.frontend).state = FRONTEND_GONE; }
  void Do(const ClearFrontend& op) { frontends_.at(op.frontend).state = FRONTEND_FREE; }
  void Do(const FreeEndpointState& op) { states_.at(op.id).since = SINCE_NOBODY; }
  void Do(const FreeCounter& op) { counters_.at(op.index).since = SINCE_NOBODY; }
  void Do(const Retire& /*op*/) {}
  void Do(const RetireSequence& /*op*/) {}
  void Do(const RetireSource& /*op*/) {}
  void Do(const Wait& /*op*/) {
    ++waits;
    seen_.clear();
    seen_sources_.clear();
    started_.clear();
  }

  void ForbidSource(std::uint32_t row, std::uint32_t workload) {
    if (seen_sources_.contains({row, workload})) {
      broken.push_back(
          fmt::format("source {} of route row {} changes under a reader", workload, row));
    }
  }

  std::uint64_t generation_ = 0;
  bool uses_subnets_ = false;
  std::vector<frontend_value> frontends_;
  std::vector<route_value> routes_;
  std::vector<policy_value> policies_;
  std::vector<group_value> groups_;
  std::vector<hash_row> hash_rows_;
  std::vector<endpoint_value> endpoints_;
  std::vector<endpoint_state> states_;
  std::vector<endpoint_health> healths_;
  std::vector<cluster_state> cluster_states_;
  std::vector<route_counter> counters_;
  source_levels_value levels_{};
  std::map<std::uint32_t, std::string> hosts_;
  std::map<std::uint32_t, WriteCluster> clusters_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> sources_;
  std::map<std::uint64_t, workload_value> workloads_;
  std::map<Frontend, std::uint32_t> subnets_;
  Sizes sizes_;
  std::map<std::string_view, std::unordered_set<std::uint32_t>> seen_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> seen_sources_, started_;
};

// ---- images ----

inline EndpointGroup Group(int endpoints, std::uint32_t priority = 0) {
  EndpointGroup group{.priority = priority, .locality = {}, .endpoints = {}};
  for (int i = 0; i < endpoints; ++i) {
    group.endpoints.push_back(
        {.address = At(fmt::format("10.1.{}.{}:8080", priority, i + 1)), .name = {}});
  }
  return group;
}

inline ImageCluster Cluster(const std::string& name, std::uint32_t weight, int endpoints) {
  ImageCluster cluster{.name = name, .weight = weight, .settings = {}, .groups = {}};
  if (endpoints > 0) {
    cluster.groups.push_back(Group(endpoints));
  }
  return cluster;
}

inline ImageFrontend Route(
    const std::string& host,
    const std::vector<std::tuple<std::string, std::uint32_t, int>>& clusters) {
  ImageFrontend frontend{.everyone = {.host = host, .clusters = {}}, .sources = {}};
  for (const auto& [name, weight, endpoints] : clusters) {
    frontend.everyone.clusters.push_back(Cluster(name, weight, endpoints));
  }
  return frontend;
}

inline Frontend Service(int number) {
  return {At(fmt::format("10.96.0.{}:80", number))};
}

// An agent and its kernel.
class PlanTest : public ::testing::Test {
 protected:
  explicit PlanTest(const Sizes& sizes = {}) : model_(sizes), tables_(Adopt(model_.Raw()).value()) {
    Run(MakeRepair(tables_).operations);
  }

  void Run(const Operations& operations) {
    for (const Operation& operation : operations) {
      model_.Do(operation);
      Advance(tables_, operation);
    }
  }

  Plan PlanTo(const TableImage& wanted) const {
    const Result<Plan> plan = MakePlan(tables_, ChangeTo(tables_, wanted));
    EXPECT_TRUE(plan) << plan.error().message;
    return plan ? *plan : Plan{};
  }

  void Put(const TableImage& wanted) {
    Run(PlanTo(wanted).operations);
    EXPECT_EQ(ToString(Decode(tables_)), ToString(AsDecoded(wanted)));
    EXPECT_FALSE(PlanTo(wanted).changes()) << "it is in force";
  }

  static std::vector<std::string> Texts(const Plan& plan) {
    std::vector<std::string> texts;
    for (const Operation& operation : plan.operations) {
      texts.push_back(ToString(operation));
    }
    return texts;
  }

  // An agent that starts again.
  void Restart() {
    const Result<Tables> adopted = Adopt(model_.Raw());
    ASSERT_TRUE(adopted) << adopted.error().message;
    tables_ = *adopted;
    Run(MakeRepair(tables_).operations);
  }

  Model model_;
  Tables tables_;
};

}  // namespace vsplit
