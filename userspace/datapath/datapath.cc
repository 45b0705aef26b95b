// SPDX-License-Identifier: Apache-2.0
#include "vsplit/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): clock_gettime is POSIX

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>
#include <variant>
#include <vector>

#include "attach.h"
#include "handles.h"
#include "loader.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {

struct Datapath::State {
  DatapathOptions options;
  Loaded loaded;
  MappedTable<control_value> control;
  MappedTable<frontend_value> frontends;
  MappedTable<route_value> routes;
  MappedTable<policy_value> policies;
  MappedTable<group_value> groups;
  MappedTable<hash_row> hash_rows;
  MappedTable<endpoint_value> endpoints;
  MappedTable<turn_value> turns;
  MappedTable<struct endpoint_state> endpoint_states;
  MappedTable<struct endpoint_health> endpoint_healths;
  MappedTable<struct cluster_state> cluster_states;
  MappedTable<route_counter> counters;
  MappedTable<total_value> totals;
  MappedTable<source_levels_value> levels;
};

namespace {

template <class T>
Result<void> MapTable(const Loaded& loaded, const char* name, MappedTable<T>& table) {
  table = MappedTable<T>::Map(TableFd(loaded, name), TableSize(loaded, name));
  if (!table) {
    return FailErrno(fmt::format("map table {}", name));
  }
  return {};
}

// Programs read these words while we write them: whole, and after everything written before.
void Publish(__u64& word, __u64 value) {
  std::atomic_ref<__u64>(word).store(value, std::memory_order_release);
}

void Publish(__u32& word, __u32 value) {
  std::atomic_ref<__u32>(word).store(value, std::memory_order_release);
}

// As the kernel's bpf_ktime_get_ns().
std::uint64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// All entries of a table that is no array.
template <class Key, class Value>
std::vector<std::pair<Key, Value>> ReadAll(int fd) {
  std::vector<std::pair<Key, Value>> entries;
  Key key{};
  Value value{};
  const Key* before = nullptr;
  for (Key next{}; bpf_map_get_next_key(fd, before, &next) == 0; before = &key) {
    key = next;
    if (bpf_map_lookup_elem(fd, &key, &value) == 0) {
      entries.emplace_back(key, value);
    }
  }
  return entries;
}

}  // namespace

Datapath::Datapath(std::unique_ptr<State> state) : state_(std::move(state)) {}
Datapath::Datapath(Datapath&&) noexcept = default;
Datapath& Datapath::operator=(Datapath&&) noexcept = default;
Datapath::~Datapath() = default;

Result<Datapath> Datapath::Open(const DatapathOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  if (options.cgroup.empty()) {
    Result<std::string> found = FindCgroup(AttachedCgroup(options.pins));
    if (!found) {
      return tl::unexpected<Error>(found.error());
    }
    state->options.cgroup = *std::move(found);
  }
  Result<Loaded> loaded = Load(state->options);
  if (!loaded) {
    return tl::unexpected<Error>(loaded.error());
  }
  state->loaded = *std::move(loaded);
  const Loaded& tables = state->loaded;
  for (Result<void> mapped :
       {MapTable(tables, "control", state->control),
        MapTable(tables, "frontends", state->frontends), MapTable(tables, "routes", state->routes),
        MapTable(tables, "policies", state->policies), MapTable(tables, "groups", state->groups),
        MapTable(tables, "hash_rows", state->hash_rows),
        MapTable(tables, "endpoints", state->endpoints), MapTable(tables, "turns", state->turns),
        MapTable(tables, "endpoint_state", state->endpoint_states),
        MapTable(tables, "endpoint_health", state->endpoint_healths),
        MapTable(tables, "cluster_state", state->cluster_states),
        MapTable(tables, "source_levels", state->levels),
        MapTable(tables, "route_counters", state->counters),
        MapTable(tables, "totals", state->totals)}) {
    if (!mapped) {
      return tl::unexpected<Error>(mapped.error());
    }
  }
  state->control.entries()[0].schema = VSPLIT_SCHEMA;
  return Datapath(std::move(state));
}

Result<Tables> Datapath::Read() const {
  const Loaded& loaded = state_->loaded;
  RawTables raw;
  raw.control = control();
  raw.frontends = state_->frontends.entries();
  raw.routes = state_->routes.entries();
  raw.policies = state_->policies.entries();
  raw.groups = state_->groups.entries();
  raw.endpoints = state_->endpoints.entries();
  raw.endpoint_states = state_->endpoint_states.entries();
  raw.cluster_states = state_->cluster_states.entries();
  raw.counters = state_->counters.entries();
  raw.levels = state_->levels.entries()[0];
  raw.turns = TableSize(loaded, "turns");
  raw.clusters = TableSize(loaded, "clusters");
  raw.hosts = TableSize(loaded, "hosts");
  raw.hash_rows = TableSize(loaded, "hash_rows");
  raw.source_routes = TableSize(loaded, "source_routes");
  raw.workloads = TableSize(loaded, "workloads");
  raw.subnets = TableSize(loaded, "subnets");
  raw.cluster_names = ReadAll<name_key, cluster_value>(TableFd(loaded, "clusters"));
  raw.host_names = ReadAll<name_key, host_value>(TableFd(loaded, "hosts"));
  raw.source_entries = ReadAll<source_key, source_value>(TableFd(loaded, "source_routes"));
  raw.workload_entries = ReadAll<workload_key, workload_value>(TableFd(loaded, "workloads"));
  raw.subnet_entries = ReadAll<subnet_key, subnet_value>(TableFd(loaded, "subnets"));
  return Adopt(raw);
}

// Carries out one operation on the tables in the kernel.
class Writer {
 public:
  explicit Writer(const Datapath::State& state) : s_(state) {}

  Result<void> operator()(const WriteHost& op) const {
    host_value value{};
    op.name.copy(value.name, sizeof(value.name) - 1);
    return Insert("hosts", name_key{op.id}, value);
  }
  Result<void> operator()(const WriteCluster& op) const {
    cluster_value value{.name = {}, .variant = op.variant};
    op.name.copy(value.name, sizeof(value.name) - 1);
    s_.cluster_states.entries()[op.id] = {};
    return Insert("clusters", name_key{op.id}, value);
  }
  // Word by word: programs use them. The threshold last, when it stands for the others.
  Result<void> operator()(const WriteClusterState& op) const {
    struct cluster_state& state = s_.cluster_states.entries()[op.id];
    Publish(state.base_ms, op.value.base_ms);
    Publish(state.max_ms, op.value.max_ms);
    Publish(state.interval_ms, op.value.interval_ms);
    Publish(state.max_percent, op.value.max_percent);
    Publish(state.reason, op.value.reason);
    Publish(state.endpoints[0], op.value.endpoints[0]);
    Publish(state.endpoints[1], op.value.endpoints[1]);
    Publish(state.failures, op.value.failures);
    return {};
  }
  Result<void> operator()(const WriteEndpointState& op) const {
    s_.endpoint_healths.entries()[op.id] = {.born = Now()};
    return Put(s_.endpoint_states, op.id, op.value);
  }
  Result<void> operator()(const RenewHealth& op) const {
    return Put(s_.endpoint_healths, op.id, {.born = Now()});
  }
  Result<void> operator()(const WriteCounter& op) const {
    return Put(s_.counters, op.index, op.value);
  }
  Result<void> operator()(const WriteTimeouts& op) const {
    route_counter& counter = s_.counters.entries()[op.index];
    Publish(counter.idle_timeout_ms, op.value.idle);
    Publish(counter.max_duration_ms, op.value.max_duration);
    return {};
  }
  Result<void> operator()(const WriteTurn& op) const { return Put(s_.turns, op.id, op.value); }
  Result<void> operator()(const WriteEndpoint& op) const {
    return Put(s_.endpoints, op.row, op.value);
  }
  Result<void> operator()(const WriteHashRows& op) const {
    std::ranges::copy(op.rows, s_.hash_rows.entries().begin() + op.first);
    return {};
  }
  Result<void> operator()(const WriteGroup& op) const { return Put(s_.groups, op.row, op.value); }
  Result<void> operator()(const WritePolicy& op) const {
    return Put(s_.policies, op.row, op.value);
  }
  Result<void> operator()(const WriteRoute& op) const { return Put(s_.routes, op.row, op.value); }
  Result<void> operator()(const WriteWord& op) const {
    Publish(s_.frontends.entries()[op.frontend].words[op.which], op.word);
    return {};
  }
  // Its state last: whoever sees it used sees the rest.
  Result<void> operator()(const InsertFrontend& op) const {
    const frontend_key key = KeyOf(op.key);
    frontend_value& place = s_.frontends.entries()[op.frontend];
    frontend_value value{
        .port = key.port, .protocol = key.protocol, .state = place.state, .prefix = key.prefix};
    std::ranges::copy(key.address, value.address);
    place = value;
    std::atomic_ref<__u8>(place.state).store(FRONTEND_USED, std::memory_order_release);
    return {};
  }
  Result<void> operator()(const StartSequence& op) const {
    Publish(s_.frontends.entries()[op.frontend].next[op.which], 0);
    return {};
  }
  Result<void> operator()(const ClearFrontend& op) const {
    return SetState(op.frontend, FRONTEND_FREE);
  }
  Result<void> operator()(const RetireSequence& /*op*/) const { return {}; }
  Result<void> operator()(const Commit& op) const {
    Publish(s_.control.entries()[0].active_generation, op.generation);
    return {};
  }
  Result<void> operator()(const InsertSubnet& op) const {
    return Insert("subnets", SubnetKeyOf(op.key), subnet_value{op.frontend});
  }
  Result<void> operator()(const UseSubnets& op) const {
    const std::atomic_ref<__u32> flags(s_.control.entries()[0].flags);
    if (op.on) {
      flags.fetch_or(CONTROL_SUBNETS);
    } else {
      flags.fetch_and(~CONTROL_SUBNETS);
    }
    return {};
  }
  Result<void> operator()(const InsertSource& op) const {
    return Insert("source_routes", source_key{op.row, op.workload}, source_value{op.source_row});
  }
  Result<void> operator()(const WriteWorkload& op) const {
    return Insert("workloads", workload_key{op.value.cgroup}, ValueOf(op));
  }
  Result<void> operator()(const DeleteWorkload& op) const {
    return Delete("workloads", workload_key{op.cgroup});
  }
  Result<void> operator()(const SweepPools& op) const {
    for (const auto& [key, value] : ReadAll<pool_key, pool_value>(TableFd(s_.loaded, "pools"))) {
      if (value.active > 0 || key.workload == 0 ||
          std::ranges::binary_search(op.living, key.workload)) {
        continue;
      }
      if (Result<void> deleted = Delete("pools", key); !deleted) {
        return deleted;
      }
    }
    return {};
  }
  Result<void> operator()(const WriteLevels& op) const {
    source_levels_value& levels = s_.levels.entries()[0];
    for (int i = 0; i < SOURCE_LEVELS; ++i) {
      Publish(levels.level[i], op.value.level[i]);
    }
    return {};
  }
  Result<void> operator()(const DeleteSubnet& op) const {
    return Delete("subnets", SubnetKeyOf(op.key));
  }
  Result<void> operator()(const DeleteSource& op) const {
    return Delete("source_routes", source_key{op.row, op.workload});
  }
  Result<void> operator()(const DeleteFrontend& op) const {
    // Without its key too: whoever reads the place while it is given to another frontend must not
    // take the old address for the new one's.
    Result<void> gone = SetState(op.frontend, FRONTEND_GONE);
    std::ranges::fill(s_.frontends.entries()[op.frontend].address, __u8{0});
    return gone;
  }
  Result<void> operator()(const DeleteHost& op) const { return Delete("hosts", name_key{op.id}); }
  Result<void> operator()(const DeleteCluster& op) const {
    return Delete("clusters", name_key{op.id});
  }
  Result<void> operator()(const FreeEndpointState& op) const {
    Publish(s_.endpoint_states.entries()[op.id].since, SINCE_NOBODY);
    return {};
  }
  Result<void> operator()(const FreeCounter& op) const {
    Publish(s_.counters.entries()[op.index].since, SINCE_NOBODY);
    return {};
  }
  Result<void> operator()(const Retire& /*op*/) const { return {}; }
  Result<void> operator()(const RetireSource& /*op*/) const { return {}; }
  // Replacing an element of a map of maps returns when all running programs have finished.
  Result<void> operator()(const Wait& /*op*/) const {
    const UniqueFd inner(
        bpf_map_create(BPF_MAP_TYPE_ARRAY, "barrier", sizeof(__u32), sizeof(__u32), 1, nullptr));
    const std::uint32_t key = 0;
    const int fd = inner.get();
    if (!inner || bpf_map_update_elem(TableFd(s_.loaded, "barrier"), &key, &fd, BPF_ANY) != 0) {
      return FailErrno("wait for running programs");
    }
    return {};
  }

 private:
  Result<void> SetState(std::uint32_t frontend, __u8 state) const {
    std::atomic_ref<__u8>(s_.frontends.entries()[frontend].state)
        .store(state, std::memory_order_release);
    return {};
  }

  template <class T>
  static Result<void> Put(const MappedTable<T>& table, std::uint32_t row, const T& value) {
    table.entries()[row] = value;
    return {};
  }

  template <class Key, class Value>
  Result<void> Insert(const char* table, const Key& key, const Value& value) const {
    if (bpf_map_update_elem(TableFd(s_.loaded, table), &key, &value, BPF_ANY) != 0) {
      return FailErrno(fmt::format("write table {}", table));
    }
    return {};
  }

  template <class Key>
  Result<void> Delete(const char* table, const Key& key) const {
    if (bpf_map_delete_elem(TableFd(s_.loaded, table), &key) != 0 && errno != ENOENT) {
      return FailErrno(fmt::format("delete from table {}", table));
    }
    return {};
  }

  const Datapath::State& s_;
};

Result<void> Datapath::Apply(const Operation& operation, Tables& tables) {
  if (Result<void> written = std::visit(Writer(*state_), operation); !written) {
    return written;
  }
  Advance(tables, operation);
  return {};
}

Result<void> Datapath::Apply(const Plan& plan, Tables& tables) {
  for (const Operation& operation : plan.operations) {
    if (Result<void> applied = Apply(operation, tables); !applied) {
      return applied;
    }
  }
  return {};
}

Result<void> Datapath::Attach() {
  if (Result<void> attached = AttachAll(state_->loaded, state_->options); !attached) {
    return attached;
  }
  if (!state_->loaded.renewed) {
    return {};
  }
  Result<void> placed = PutRenewedInPlace(state_->options);
  state_->loaded.renewed = !placed;
  return placed;
}

std::vector<Attachment> Datapath::Attachments() const {
  return AskAttachments(state_->options);
}

std::vector<Feature> Datapath::Features() const {
  const Loaded& loaded = state_->loaded;
  const auto feature = [](std::string_view name, bool on, std::string_view reason) {
    return Feature{std::string(name), on, on ? "" : std::string(reason)};
  };
  return {
      feature("observe", state_->options.observe,
              "switched off (--observe=off): bytes and failures are not counted"),
      feature("counts of MPTCP connections", state_->options.observe,
              "without sockops nobody sees them end: they stay in the active counts"),
      feature("refuse with ECONNREFUSED", loaded.refuses,
              "the kernel is older than 5.18: a refused connect() fails with EPERM"),
      feature("exact numbers", loaded.fetches,
              "the kernel is older than 5.12: two CPUs may take the same connection number"),
      feature("ejection", loaded.ejects && state_->options.observe,
              loaded.ejects ? "without sockops nobody sees a connection fail"
                            : "the kernel is older than 5.17: endpoints that fail are not ejected"),
      feature("connect timeout", loaded.sets_options && state_->options.observe,
              loaded.sets_options
                  ? "without sockops nobody would take it back once a connection is established"
                  : "the kernel is older than 6.1: connections keep the kernel's own timeout"),
      feature("keepalive", loaded.sets_options,
              "the kernel is older than 6.1: connections keep what the application sets"),
  };
}

const std::string& Datapath::cgroup() const {
  return state_->options.cgroup;
}
bool Datapath::observe() const {
  return state_->options.observe;
}
const control_value& Datapath::control() const {
  return state_->control.entries()[0];
}
const total_value& Datapath::totals() const {
  return state_->totals.entries()[0];
}
std::span<const endpoint_state> Datapath::endpoint_states() const {
  return state_->endpoint_states.entries();
}
std::span<const endpoint_health> Datapath::endpoint_healths() const {
  return state_->endpoint_healths.entries();
}
std::span<const cluster_state> Datapath::cluster_states() const {
  return state_->cluster_states.entries();
}
std::span<const route_counter> Datapath::counters() const {
  return state_->counters.entries();
}
std::span<const frontend_value> Datapath::frontends() const {
  return state_->frontends.entries();
}

Result<std::vector<std::pair<connection_key, connection_value>>> Datapath::Connections() const {
  std::vector<std::pair<connection_key, connection_value>> connections;
  const int fd = TableFd(state_->loaded, "connections");
  std::vector<connection_key> keys(1024);
  std::vector<connection_value> values(keys.size());
  std::uint32_t batch = 0;
  for (bool first = true;; first = false) {
    auto count = static_cast<__u32>(keys.size());
    const int result = bpf_map_lookup_batch(fd, first ? nullptr : &batch, &batch, keys.data(),
                                            values.data(), &count, nullptr);
    if (result != 0 && errno != ENOENT) {
      return FailErrno("read table connections");
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      connections.emplace_back(keys[i], values[i]);
    }
    if (result != 0) {
      return connections;
    }
  }
}

std::vector<std::pair<pool_key, pool_value>> Datapath::Pools() const {
  return ReadAll<pool_key, pool_value>(TableFd(state_->loaded, "pools"));
}

Result<decision> Datapath::Decide(const Frontend& frontend, bool draw, std::uint64_t cgroup) const {
  decide_context context{};
  context.asked = KeyOf(frontend);
  context.asked.prefix = FRONTEND_EXACT;
  context.flags = draw ? DECIDE_DRAW : 0;
  context.cgroup = cgroup;
  // The program's packet: the context behind what the kernel takes for an Ethernet header.
  std::array<std::byte, DECIDE_OFFSET + sizeof(context)> packet{};
  std::memcpy(packet.data() + DECIDE_OFFSET, &context, sizeof(context));
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.data_in = options.data_out = packet.data();
  options.data_size_in = options.data_size_out = packet.size();
  const bpf_program* program =
      bpf_object__find_program_by_name(state_->loaded.object.get(), "vsplit_decide");
  if (bpf_prog_test_run_opts(bpf_program__fd(program), &options) != 0) {
    return FailErrno("run vsplit_decide");
  }
  std::memcpy(&context, packet.data() + DECIDE_OFFSET, sizeof(context));
  return context.decision;
}

void Datapath::SetPassthrough(bool on) {
  const std::atomic_ref<__u32> flags(state_->control.entries()[0].flags);
  if (on) {
    flags.fetch_or(CONTROL_PASSTHROUGH);
  } else {
    flags.fetch_and(~CONTROL_PASSTHROUGH);
  }
}

Result<void> Datapath::Uninstall(const std::string& pins) {
  std::error_code error;
  if (!std::filesystem::exists(pins, error)) {
    return {};
  }
  if (Result<void> ours = CheckPinFolder(pins); !ours) {
    return ours;
  }
  DetachAll(pins);
  for (const std::string& folder : {pins + "/links", pins}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      if (IsOurPin(entry.path().filename().string()) &&
          !std::filesystem::remove(entry.path(), error) && error) {
        return FailErrno(fmt::format("remove {}", entry.path().string()), error.value());
      }
    }
    if (!std::filesystem::remove(folder, error) && error) {
      return FailErrno(fmt::format("remove {}", folder), error.value());
    }
  }
  return {};
}

}  // namespace vsplit
