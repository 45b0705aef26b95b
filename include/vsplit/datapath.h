// SPDX-License-Identifier: Apache-2.0
// The only arrow into the kernel, and the only one back: loads the programs, attaches them by
// pinned links, finds the tables that are there, and carries out plans. Nothing here decides
// anything.
//
// Invariant: neither the end of this object nor of the process detaches or empties anything. What
// is pinned stays in force until Uninstall.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {

// Sizes of the tables when they are made; tables that are there keep theirs.
struct TableSizes {
  std::uint32_t frontends = 16'384;
  std::uint32_t endpoints = 131'072;     // of all clusters together
  std::uint32_t connections = 131'072;   // living ones that are remembered
  std::uint32_t hash_slots = 4'194'304;  // of all Maglev tables together, 2 bytes each
};

struct DatapathOptions {
  std::string pins = "/sys/fs/bpf/vsplit";  // folder on a bpffs; made if need be
  std::string cgroup;                       // folder of a cgroup2; empty: FindCgroup()
  bool observe = true;                      // with sockops
  TableSizes sizes;
};

// One program and the link that holds it.
struct Attachment {
  std::string program;    // "vsplit_connect4"
  std::string link;       // path of the pinned link
  bool attached = false;  // as the kernel says, when asked
  std::uint32_t program_id = 0;
  std::string trouble;  // why it is not attached; also for features that stay off
};

struct Feature {
  std::string name;  // "refuse with ECONNREFUSED", "explain", ...
  bool on = false;
  std::string reason;  // why it is off, and what happens instead
};

// The mount point of cgroup2 from the mount table (hybrid layouts too), and below it the kubelet's
// pods cgroup if there is one.
Result<std::string> FindCgroupMount();
// The one with the id `attached` comes first, if it is one of these: a kubelet that comes later
// does not move what is in force.
Result<std::string> FindCgroup(std::uint64_t attached = 0);

class Datapath {
 public:
  // Opens or makes the tables below `pins` and loads the programs. Nothing is attached yet.
  static Result<Datapath> Open(const DatapathOptions& options);

  Datapath(const Datapath&) = delete;
  Datapath& operator=(const Datapath&) = delete;
  Datapath(Datapath&&) noexcept;
  Datapath& operator=(Datapath&&) noexcept;
  ~Datapath();

  // What the tables say. Everything not in force counts as retired.
  Result<Tables> Read() const;

  // Carries out one operation, or all of a plan in order, keeping `tables` true.
  Result<void> Apply(const Operation& operation, Tables& tables);
  Result<void> Apply(const Plan& plan, Tables& tables);

  // Puts the loaded programs into force: new links are pinned, links that are there get the new
  // program in one step. With observe off a sockops link that is there is removed. Idempotent.
  Result<void> Attach();

  std::vector<Attachment> Attachments() const;  // asks the kernel
  std::vector<Feature> Features() const;
  const std::string& cgroup() const;
  bool observe() const;

  // The live tables, without a system call. Valid as long as this object.
  const control_value& control() const;
  const total_value& totals() const;
  std::span<const endpoint_state> endpoint_states() const;    // by endpoint id
  std::span<const endpoint_health> endpoint_healths() const;  // by endpoint id
  std::span<const cluster_state> cluster_states() const;      // by cluster id
  std::span<const route_counter> counters() const;            // by counter index
  std::span<const frontend_value> frontends() const;          // by frontend id
  Result<std::vector<std::pair<connection_key, connection_value>>> Connections() const;
  // Who holds how many places under max_connections; a copy.
  std::vector<std::pair<pool_key, pool_value>> Pools() const;

  // What the kernel's own code decides for this frontend, now, when a process in this cgroup asks
  // (its id as in `workloads`; 0: nobody in particular). With `draw` it takes the connection
  // number, as connect() does.
  Result<decision> Decide(const Frontend& frontend, bool draw, std::uint64_t cgroup = 0) const;

  // The kill switch.
  void SetPassthrough(bool on);

  // Detaches and removes everything below `pins`, then the folder. Fine if there is nothing.
  static Result<void> Uninstall(const std::string& pins);

 private:
  friend class Writer;
  struct State;
  explicit Datapath(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vsplit
