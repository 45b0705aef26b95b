// SPDX-License-Identifier: Apache-2.0
#include "vsplit/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): clock_gettime is POSIX

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "attach.h"
#include "handles.h"
#include "loader.h"
#include "state.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

template <class T>
Result<void> MapTable(const Loaded& loaded, const char* name, MappedTable<T>& table) {
  table = MappedTable<T>::Map(TableFd(loaded, name), TableSize(loaded, name));
  if (!table) {
    return FailErrno(fmt::format("map table {}", name));
  }
  return {};
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
