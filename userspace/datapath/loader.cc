// SPDX-License-Identifier: Apache-2.0
#include "loader.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <linux/bpf_common.h>
#include <linux/btf.h>
#include <linux/magic.h>
#include <sys/statfs.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "handles.h"
#include "vsplit/datapath.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"
#include "vsplit_core.skel.h"
#include "vsplit_core_no_fetch.skel.h"

namespace vsplit {
namespace {

// bpffs reserves names with a dot.
constexpr std::string_view kRenewed = "next_";

// The last lines that libbpf and the verifier wrote. libbpf has one print function for the process.
std::string& LibbpfLines() {
  static std::string lines;
  return lines;
}

int KeepLines(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) {
    return 0;
  }
  va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, format, again);
  va_end(again);
  std::string line(static_cast<std::size_t>(std::max(length, 0)) + 1, '\0');
  std::vsnprintf(line.data(), line.size(), format, arguments);
  line.pop_back();
  std::string& lines = LibbpfLines();
  lines += line;
  constexpr std::size_t kKept = 2000;
  if (lines.size() > kKept) {
    lines.erase(0, lines.size() - kKept);
  }
  return length;
}

tl::unexpected<Error> FailLibbpf(std::string_view context, int error) {
  std::string lines = std::exchange(LibbpfLines(), {});
  while (!lines.empty() && lines.back() == '\n') {
    lines.pop_back();
  }
  std::ranges::replace(lines, '\n', ';');
  const std::error_code code(error < 0 ? -error : error, std::generic_category());
  return Fail(fmt::format("{}: {}{}{}", context, code.message(), lines.empty() ? "" : ": ", lines));
}

Result<void> MakePinFolder(const std::string& pins) {
  std::error_code error;
  std::filesystem::create_directories(pins + "/links", error);
  if (error) {
    return FailErrno(fmt::format("make the pins folder {}", pins), error.value());
  }
  Result<void> good = CheckPinFolder(pins);
  if (!good) {
    std::filesystem::remove(pins + "/links", error);
    std::filesystem::remove(pins, error);
  }
  return good;
}

struct PinnedMap {
  UniqueFd fd;
  bpf_map_info info{};
};

// The map pinned at this path; no fd when there is none.
PinnedMap OpenPinned(const std::string& path) {
  PinnedMap pinned{UniqueFd(bpf_obj_get(path.c_str())), {}};
  __u32 size = sizeof(pinned.info);
  if (pinned.fd && bpf_obj_get_info_by_fd(pinned.fd.get(), &pinned.info, &size) != 0) {
    pinned.fd = UniqueFd();
  }
  return pinned;
}

// The layout of the pinned tables: the first field of `control`, whatever the layout; 0 for none.
std::uint32_t PinnedSchema(const std::string& pins) {
  const PinnedMap control = OpenPinned(pins + "/control");
  if (!control.fd || control.info.value_size < sizeof(std::uint32_t)) {
    return 0;
  }
  std::vector<std::byte> value(control.info.value_size);
  const std::uint32_t key = 0;
  std::uint32_t schema = 0;
  if (bpf_map_lookup_elem(control.fd.get(), &key, value.data()) == 0) {
    std::copy_n(value.data(), sizeof(schema), reinterpret_cast<std::byte*>(&schema));
  }
  return schema;
}

// Entries that a table is made for: room for twice of what may be in force, so that all of it can
// be replaced in one generation. In force may be, on average over all F frontends, a route for
// everyone and one for some sources, with two clusters each.
std::uint32_t WantedSize(std::string_view table, const TableSizes& sizes) {
  constexpr std::uint32_t kSpare = 64;
  if (table == "frontends") {
    return std::bit_ceil(2 * sizes.frontends);  // half of an open-addressing hash may be used
  }
  if (table == "hosts") {
    return 2 * sizes.frontends + kSpare;
  }
  if (table == "routes" || table == "turns" || table == "route_counters" || table == "clusters" ||
      table == "cluster_state") {
    return 4 * sizes.frontends + kSpare;
  }
  if (table == "policies" || table == "groups") {
    return 8 * sizes.frontends + kSpare;
  }
  if (table == "endpoint_state" || table == "endpoint_health") {
    return 2 * sizes.endpoints + kSpare;
  }
  if (table == "endpoints") {  // a cluster that both routes have is there twice
    return 4 * sizes.endpoints + kSpare;
  }
  if (table == "hash_rows") {
    return 2 * (sizes.hash_slots / HASH_SLOTS) + kSpare;
  }
  // Memory for their entries comes as it is needed; for the buckets, of the next power of two.
  if (table == "source_routes") {
    return 32 * sizes.frontends;
  }
  if (table == "workloads" || table == "subnets") {
    return sizes.frontends;
  }
  if (table == "pools") {
    return sizes.connections;
  }
  return table == "connections" ? sizes.connections : 1;  // control, totals, source_levels, barrier
}

Result<void> BindTables(bpf_object* object, const DatapathOptions& options,
                        std::string_view prefix) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (bpf_map__is_internal(map)) {
      continue;
    }
    const std::string name = bpf_map__name(map);
    const std::string path = fmt::format("{}/{}{}", options.pins, prefix, name);
    const PinnedMap pinned = OpenPinned(path);
    const std::uint32_t size =
        pinned.fd ? pinned.info.max_entries : WantedSize(name, options.sizes);
    int error = bpf_map__set_max_entries(map, size);
    if (error == 0) {
      error = bpf_map__set_pin_path(map, path.c_str());
    }
    if (error != 0) {
      return FailLibbpf(fmt::format("table {}", name), error);
    }
  }
  return {};
}

// The constants of the object (`const volatile` in its source), by name.
Result<void> SetConstants(bpf_object* object, bool observe) {
  bpf_map* rodata = nullptr;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    rodata = bpf_map__is_internal(map) ? map : rodata;
  }
  std::size_t size = 0;
  const auto* initial = static_cast<const std::byte*>(bpf_map__initial_value(rodata, &size));
  const btf* types = bpf_object__btf(object);
  const int section = btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC);
  if (initial == nullptr || section < 0) {
    return Fail("BPF object has no constants");
  }
  std::vector<std::byte> bytes(initial, initial + size);
  const std::uint32_t places =
      bpf_map__max_entries(bpf_object__find_map_by_name(object, "frontends"));
  const std::array<std::pair<std::string_view, std::uint32_t>, 2> constants{
      {{"observe", observe ? 1 : 0}, {"frontend_mask", places - 1}}};
  const btf_type* type = btf__type_by_id(types, static_cast<__u32>(section));
  std::size_t set = 0;
  for (int i = 0; i < btf_vlen(type); ++i) {
    const btf_var_secinfo& variable = btf_var_secinfos(type)[i];
    const std::string_view name =
        btf__name_by_offset(types, btf__type_by_id(types, variable.type)->name_off);
    for (const auto& [constant, value] : constants) {
      if (name == constant && variable.size == sizeof(value)) {
        std::memcpy(bytes.data() + variable.offset, &value, sizeof(value));
        ++set;
      }
    }
  }
  if (set != constants.size() ||
      bpf_map__set_initial_value(rodata, bytes.data(), bytes.size()) != 0) {
    return Fail("BPF object lacks a constant");
  }
  return {};
}

// Whether the running kernel knows this helper at all, by its own BTF.
bool KernelHas(std::string_view helper) {
  const std::unique_ptr<btf, Releaser<btf__free>> kernel(btf__load_vmlinux_btf());
  const int id = kernel ? btf__find_by_name_kind(kernel.get(), "bpf_func_id", BTF_KIND_ENUM) : -1;
  if (id < 0) {
    return false;
  }
  const btf_type* type = btf__type_by_id(kernel.get(), static_cast<__u32>(id));
  for (int i = 0; i < btf_vlen(type); ++i) {
    if (helper == btf__name_by_offset(kernel.get(), btf_enum(type)[i].name_off)) {
      return true;
    }
  }
  return false;
}

// Whether an atomic add gives the old value back, by loading a program that does so.
bool KernelFetches() {
  const std::array<bpf_insn, 5> program{
      bpf_insn{.code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = -8},
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = 1},
      bpf_insn{.code = BPF_STX | BPF_ATOMIC | BPF_DW,
               .dst_reg = BPF_REG_10,
               .src_reg = BPF_REG_1,
               .off = -8,
               .imm = BPF_ADD | BPF_FETCH},
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
      bpf_insn{.code = BPF_JMP | BPF_EXIT}};
  const UniqueFd fd(bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "fetch", "Dual BSD/GPL",
                                  program.data(), program.size(), nullptr));
  return static_cast<bool>(fd);
}

Result<BpfObject> LoadOne(const void* bytes, std::size_t size, const DatapathOptions& options,
                          std::string_view prefix) {
  LibbpfLines().clear();
  BpfObject object(bpf_object__open_mem(bytes, size, nullptr));
  if (!object) {
    return FailLibbpf("open BPF object", errno);
  }
  if (Result<void> bound = BindTables(object.get(), options, prefix); !bound) {
    return tl::unexpected<Error>(bound.error());
  }
  if (Result<void> set = SetConstants(object.get(), options.observe); !set) {
    return tl::unexpected<Error>(set.error());
  }
  if (const int error = bpf_object__load(object.get()); error != 0) {
    return FailLibbpf("load BPF object", error);
  }
  return object;
}

void RemoveRenewed(const std::string& pins) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(pins, error)) {
    if (entry.path().filename().string().starts_with(kRenewed)) {
      std::filesystem::remove(entry.path(), error);
    }
  }
}

}  // namespace

const std::vector<HookedProgram>& HookedPrograms() {
  static const std::vector<HookedProgram> programs = {
      {"vsplit_release", "sock_release", BPF_CGROUP_INET_SOCK_RELEASE},
      {"vsplit_sockops", "sockops", BPF_CGROUP_SOCK_OPS},
      {"vsplit_getpeer4", "getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
      {"vsplit_getpeer6", "getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
      {"vsplit_connect4", "connect4", BPF_CGROUP_INET4_CONNECT},
      {"vsplit_connect6", "connect6", BPF_CGROUP_INET6_CONNECT},
  };
  return programs;
}

Result<Loaded> Load(const DatapathOptions& options) {
  libbpf_set_print(KeepLines);
  if (Result<void> made = MakePinFolder(options.pins); !made) {
    return tl::unexpected<Error>(made.error());
  }
  Loaded loaded;
  const std::uint32_t schema = PinnedSchema(options.pins);
  loaded.renewed = schema != 0 && schema != VSPLIT_SCHEMA;
  RemoveRenewed(options.pins);
  const std::string_view prefix = loaded.renewed ? kRenewed : "";
  loaded.refuses = KernelHas("BPF_FUNC_set_retval");
  loaded.ejects = KernelHas("BPF_FUNC_loop");
  // bpf_setsockopt() in connect() takes what we set from 6.1 on, which has this helper too.
  loaded.sets_options = KernelHas("BPF_FUNC_ktime_get_tai_ns");
  loaded.fetches = KernelFetches();
  std::size_t size = 0;
  const void* bytes =
      loaded.fetches ? vsplit_core::elf_bytes(&size) : vsplit_core_no_fetch::elf_bytes(&size);
  Result<BpfObject> object = LoadOne(bytes, size, options, prefix);
  if (!object) {
    return tl::unexpected<Error>(object.error());
  }
  loaded.object = *std::move(object);
  return loaded;
}

Result<void> PutRenewedInPlace(const DatapathOptions& options) {
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(options.pins, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kRenewed)) {
      names.push_back(name.substr(kRenewed.size()));
    }
  }
  // `control` tells which layout is there: last.
  std::partition(names.begin(), names.end(),
                 [](const std::string& name) { return name != "control"; });
  for (const std::string& name : names) {
    const std::string to = options.pins + "/" + name;
    std::filesystem::rename(fmt::format("{}/{}{}", options.pins, kRenewed, name), to, error);
    if (error) {
      return FailErrno(fmt::format("pin {}", to), error.value());
    }
  }
  return {};
}

Result<void> CheckPinFolder(const std::string& pins) {
  struct statfs status{};
  if (statfs(pins.c_str(), &status) != 0) {
    return FailErrno(fmt::format("pins folder {}", pins));
  }
  if (static_cast<std::uint32_t>(status.f_type) != BPF_FS_MAGIC) {
    return Fail(
        fmt::format("pins folder {} is not on a bpffs (mount -t bpf bpf /sys/fs/bpf)", pins));
  }
  return {};
}

bool IsOurPin(std::string_view name) {
  static constexpr std::array<std::string_view, 22> kTables = {
      "control",         "frontends",     "routes",         "policies",    "groups",
      "hash_rows",       "endpoints",     "turns",          "totals",      "endpoint_state",
      "endpoint_health", "cluster_state", "route_counters", "connections", "source_routes",
      "workloads",       "source_levels", "subnets",        "pools",       "clusters",
      "hosts",           "barrier"};
  if (name.starts_with(kRenewed)) {
    name.remove_prefix(kRenewed.size());
  }
  if (name.ends_with("_new")) {
    name.remove_suffix(4);
  }
  return std::ranges::find(kTables, name) != kTables.end() ||
         std::ranges::any_of(HookedPrograms(),
                             [name](const HookedProgram& hooked) { return name == hooked.link; });
}

int TableFd(const Loaded& loaded, const char* name) {
  return bpf_object__find_map_fd_by_name(loaded.object.get(), name);
}

std::uint32_t TableSize(const Loaded& loaded, const char* name) {
  return bpf_map__max_entries(bpf_object__find_map_by_name(loaded.object.get(), name));
}

}  // namespace vsplit
