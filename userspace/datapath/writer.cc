// SPDX-License-Identifier: Apache-2.0
// Operations of a plan, carried out on the tables in the kernel.
#include <bpf/bpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <tl/expected.hpp>
#include <variant>

#include "handles.h"
#include "loader.h"
#include "state.h"
#include "vsplit/datapath.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

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

}  // namespace

// Carries out one operation on the tables in the kernel.
class Writer {
 public:
  explicit Writer(Datapath::State& state) : s_(state) {}

  Result<void> operator()(const WriteHost& op) const {
    host_value value{};
    op.name.copy(value.name, sizeof(value.name) - 1);
    return Insert("hosts", name_key{op.id}, value);
  }
  Result<void> operator()(const WriteCluster& op) const {
    cluster_value value{.name = {}, .variant = op.variant};
    op.name.copy(value.name, sizeof(value.name) - 1);
    Result<void> clean = Put(s_.cluster_states, op.id, {});
    return clean ? Insert("clusters", name_key{op.id}, value) : clean;
  }
  // Word by word: programs use them. The threshold last, when it stands for the others.
  Result<void> operator()(const WriteClusterState& op) const {
    if (!s_.cluster_states.Reach(op.id)) {
      return FailErrno("map table cluster_state");
    }
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
    Result<void> born = Put(s_.endpoint_healths, op.id, {.born = Now()});
    return born ? Put(s_.endpoint_states, op.id, op.value) : born;
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
    if (!op.rows.empty() && !s_.hash_rows.Reach(op.first + op.rows.size() - 1)) {
      return FailErrno("map table hash_rows");
    }
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
    if (!s_.frontends.Reach(op.frontend)) {
      return FailErrno("map table frontends");
    }
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
  static Result<void> Put(MappedTable<T>& table, std::uint32_t row, const T& value) {
    if (!table.Reach(row)) {
      return FailErrno("map more of a table");
    }
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

  Datapath::State& s_;
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

}  // namespace vsplit
