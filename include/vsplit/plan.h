// SPDX-License-Identifier: Apache-2.0
// Tables in the kernel and image wanted in, ordered operations out. The plan is a value; datapath.h
// carries it out, and the tests here carry it out on a model. Two rules make it safe (schema.h):
// rows never change while a program may read them, and nothing is in force before the one Commit.
//
// Three things change in place, behind the commit: what ejects (cluster_state), the timeouts
// (route_counter) and the workloads.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {

// Ids or rows of one table. An id is free, used, or retired: not used by what is in force any more,
// but perhaps by a program that is still running. Id 0 is never given away.
class IdSpace {
 public:
  explicit IdSpace(std::uint32_t capacity = 1);  // ids 1 ... capacity - 1, all free
  // Used are the ids marked so; all others count as retired.
  static IdSpace FromUsed(const std::vector<bool>& used);

  std::uint32_t capacity() const { return capacity_; }
  std::uint32_t used() const { return used_; }

  // The first of `count` free neighbours, which become used; nothing when there are none.
  std::optional<std::uint32_t> Take(std::uint32_t count = 1);
  void Claim(std::uint32_t first, std::uint32_t count = 1);   // free -> used
  void Retire(std::uint32_t first, std::uint32_t count = 1);  // used -> retired
  void Recycle();                                             // retired -> free
  void Free(std::uint32_t id);                                // used -> free

  bool operator==(const IdSpace&) const = default;

 private:
  struct Range {
    std::uint32_t first, count;
    auto operator<=>(const Range&) const = default;
  };
  void Normalize();

  std::uint32_t capacity_;
  std::uint32_t used_ = 0;
  std::vector<Range> free_;  // ascending, never touching
  std::vector<Range> retired_;
};

// The places of `frontends`: an open-addressing hash (schema.h). Half of them may be used, so that
// searches stay short.
class FrontendSpace {
 public:
  explicit FrontendSpace(std::uint32_t places = 2);  // a power of two

  std::uint32_t capacity() const { return static_cast<std::uint32_t>(states_.size() / 2); }
  std::uint32_t used() const { return used_; }

  // Where a new frontend goes; nothing when there is no place within FRONTEND_PROBES.
  std::optional<std::uint32_t> PlaceFor(const Frontend& frontend) const;
  void Claim(std::uint32_t place);    // free or gone -> used
  void Retire(std::uint32_t place);   // used -> retired
  void Clear(std::uint32_t place);    // gone -> free
  void SetGone(std::uint32_t place);  // when adopting
  void Recycle();                     // retired -> gone
  // Gone places behind which no search has to go on; in the order in which they may be cleared.
  std::vector<std::uint32_t> Clearable() const;

  bool operator==(const FrontendSpace&) const = default;

 private:
  enum class State : std::uint8_t { kFree, kUsed, kRetired, kGone };
  std::vector<State> states_;
  std::uint32_t used_ = 0;
  std::uint32_t retired_ = 0;
  std::uint32_t gone_ = 0;
};

// ---- operations --------------------------------------------------------------------------------

struct WriteHost {
  std::uint32_t id;
  std::string name;
};
struct WriteCluster {  // and its state: nothing ejected
  std::uint32_t id;
  std::string name;
  std::uint32_t variant = 0;
};
struct WriteClusterState {  // the agent's part, in place
  std::uint32_t id;
  cluster_state value;
};
struct WriteEndpointState {  // and its health: born now
  std::uint32_t id;
  endpoint_state value;
};
struct RenewHealth {  // of an endpoint that was in no cluster: born now
  std::uint32_t id;
};
struct WriteCounter {
  std::uint32_t index;
  route_counter value;
};
struct Timeouts {  // ms; 0: none
  std::uint64_t idle = 0, max_duration = 0;

  bool operator==(const Timeouts&) const = default;
};
struct WriteTimeouts {  // in place
  std::uint32_t index;
  Timeouts value;
};
struct WriteTurn {
  std::uint32_t id;
  turn_value value;
};
struct WriteEndpoint {
  std::uint32_t row;
  endpoint_value value;
};
struct WriteHashRows {
  std::uint32_t first;
  std::vector<hash_row> rows;
};
struct WriteGroup {
  std::uint32_t row;
  group_value value;
};
struct WritePolicy {
  std::uint32_t row;
  policy_value value;
};
struct WriteRoute {
  std::uint32_t row;
  route_value value;
};
struct WriteWord {
  Frontend key;
  std::uint32_t frontend;
  std::uint32_t which;
  std::uint64_t word;
};
struct StartSequence {  // at number 0
  Frontend key;
  std::uint32_t frontend;
  std::uint32_t which;
};
struct InsertFrontend {
  Frontend key;
  std::uint32_t frontend;
};
struct InsertSubnet {
  Frontend key;
  std::uint32_t frontend;
};
struct UseSubnets {  // CONTROL_SUBNETS
  bool on;
};
struct InsertSource {  // `row` is the head of everyone's route
  std::uint32_t row;
  std::uint32_t workload;
  std::uint32_t source_row;
  std::string name;
};
struct Commit {
  std::uint64_t generation;
};
struct WriteWorkload {
  std::uint32_t id;
  std::string name;
  ImageWorkload value;
};
struct DeleteWorkload {
  std::uint64_t cgroup;
  std::string name;  // empty: it goes on with another cgroup
};
struct SweepPools {                   // places that nobody holds, of workloads that are no more
  std::vector<std::uint32_t> living;  // ids, ascending
};
struct WriteLevels {
  source_levels_value value;
};
struct DeleteSubnet {
  Frontend key;
};
struct DeleteSource {
  std::uint32_t row;
  std::uint32_t workload;
};
struct DeleteFrontend {
  Frontend key;
  std::uint32_t frontend;
};
struct DeleteHost {
  std::uint32_t id;
};
struct DeleteCluster {
  std::uint32_t id;
};
struct FreeEndpointState {  // since = SINCE_NOBODY
  std::uint32_t id;
  std::uint32_t cluster;
  SocketAddress address;
};
struct FreeCounter {  // since = SINCE_NOBODY
  std::uint32_t index;
  std::uint32_t frontend;
  std::uint32_t cluster;
};
struct ClearFrontend {  // gone -> free
  std::uint32_t frontend;
};
struct Retire {  // bookkeeping only
  enum class Table { kRoute, kEndpoint, kTurn, kPolicy, kGroup, kHash } table;
  std::uint32_t first, count;
};
struct RetireSequence {  // bookkeeping only
  Frontend key;
  std::uint32_t which;
};
struct RetireSource {  // bookkeeping only
  std::uint32_t row;
  std::uint32_t workload;
};
struct Wait {};  // until no program reads what was retired

using Operation =
    std::variant<WriteHost, WriteCluster, WriteClusterState, WriteEndpointState, RenewHealth,
                 WriteCounter, WriteTimeouts, WriteTurn, WriteEndpoint, WriteHashRows, WriteGroup,
                 WritePolicy, WriteRoute, WriteWord, InsertFrontend, StartSequence, InsertSubnet,
                 UseSubnets, InsertSource, Commit, WriteWorkload, DeleteWorkload, SweepPools,
                 WriteLevels, DeleteSubnet, DeleteSource, DeleteFrontend, ClearFrontend, DeleteHost,
                 DeleteCluster, FreeEndpointState, FreeCounter, Retire, RetireSequence,
                 RetireSource, Wait>;

using Operations = std::vector<Operation>;

struct Plan {
  Operations operations;
  std::uint64_t generation = 0;  // in force after it; the present one when nothing changes

  bool changes() const { return !operations.empty(); }
};

std::string ToString(const Operation& operation);

// ---- the tables --------------------------------------------------------------------------------

// The tables as they lie in the kernel: for arrays a view, for hashes a copy.
struct RawTables {
  control_value control{};
  std::span<const frontend_value> frontends;
  std::span<const route_value> routes;
  std::span<const policy_value> policies;
  std::span<const group_value> groups;
  std::span<const endpoint_value> endpoints;
  std::span<const endpoint_state> endpoint_states;
  std::span<const cluster_state> cluster_states;
  std::span<const route_counter> counters;
  source_levels_value levels{};
  // Capacities.
  std::uint32_t turns = 0, clusters = 0, hosts = 0, hash_rows = 0, source_routes = 0, workloads = 0,
                subnets = 0;
  std::vector<std::pair<name_key, cluster_value>> cluster_names;
  std::vector<std::pair<name_key, host_value>> host_names;
  std::vector<std::pair<source_key, source_value>> source_entries;
  std::vector<std::pair<workload_key, workload_value>> workload_entries;
  std::vector<std::pair<subnet_key, subnet_value>> subnet_entries;
};

// What the kernel holds, counts apart: adopted once when the agent starts, and then kept true by
// Advance, operation by operation. Names that nothing in force uses any more keep their ids, and
// with them their counts, until the room is needed.
struct Tables {
  std::uint64_t generation = 0;  // control.active_generation

  struct FrontendRow {
    std::uint32_t id = 0;  // its place in `frontends`
    std::array<std::uint64_t, 2> words{};
    std::uint32_t retired_sequences = 0;  // bit set of those not to be started before a Wait

    bool operator==(const FrontendRow&) const = default;
  };
  std::map<Frontend, FrontendRow> frontends;
  // Rows in force, and those written for the next generation; by row. Of the rows of `hash_rows`
  // only the room is known: their groups say what is in them.
  std::unordered_map<std::uint32_t, route_value> routes;
  std::unordered_map<std::uint32_t, policy_value> policies;
  std::unordered_map<std::uint32_t, group_value> groups;
  std::unordered_map<std::uint32_t, endpoint_value> endpoints;
  std::unordered_map<std::uint32_t, std::string> host_names;  // by id
  std::unordered_map<std::uint32_t, std::string> cluster_names;
  std::unordered_map<std::string, std::uint32_t> host_ids;
  std::unordered_map<std::string, std::uint32_t> cluster_ids;         // by ClusterKey()
  std::unordered_map<std::uint32_t, std::uint32_t> cluster_variants;  // by id, those that are not 0
  std::unordered_map<std::uint32_t, cluster_state> cluster_states;  // by id, those that ever eject
  std::map<std::pair<std::uint32_t, SocketAddress>, std::uint32_t> endpoint_ids;  // by cluster id
  std::unordered_map<std::uint32_t, SocketAddress> endpoint_addresses;            // by endpoint id
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t>
      counters;                                          // frontend, cluster id
  std::unordered_map<std::uint32_t, Timeouts> timeouts;  // by counter index, those that have any
  // How many endpoint rows name an endpoint id, how many route rows a cluster id or a host id.
  std::unordered_map<std::uint32_t, std::uint32_t> endpoint_uses, cluster_uses, host_uses;

  // Entries of `source_routes` by head row of everyone's route and workload id: those in force or
  // for the next generation, and those to be deleted after the next Wait.
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> sources;
  std::set<std::pair<std::uint32_t, std::uint32_t>> retired_sources;

  struct Workload {
    std::uint32_t id = 0;
    ImageWorkload value;

    bool operator==(const Workload&) const = default;
  };
  std::map<std::string, Workload> workloads;                      // by name, those in the table
  std::unordered_map<std::uint32_t, std::string> workload_names;  // by id, of entries too
  std::unordered_map<std::string, std::uint32_t> workload_ids;
  std::uint32_t next_workload = 1;           // ids are never given twice
  std::vector<std::uint64_t> stray_cgroups;  // what a dead agent left in `workloads`
  source_levels_value levels{};

  std::map<Frontend, std::uint32_t> subnets;  // entries; frontend ids
  bool uses_subnets = false;                  // CONTROL_SUBNETS

  std::vector<Frontend> with_retired_sequences;

  FrontendSpace frontend_space;
  IdSpace route_space, policy_space, group_space, hash_space, endpoint_space, state_space,
      turn_space, counter_space, cluster_space, host_space;
  std::uint32_t source_capacity = 0, workload_capacity = 0, subnet_capacity = 0;

  // The route row in force of a frontend; 0 for none.
  std::uint32_t RowInForce(const FrontendRow& frontend) const;
};

// The key of Tables::cluster_ids. Variant 0 is everyone's; another one is that of sources whose
// rules eject or end connections otherwise, which have states and counts of their own.
std::string ClusterKey(const std::string& name, std::uint32_t variant);

// One group of a cluster that is in force. A plain cluster is one group at level 0, weight 1.
struct GroupRow {
  group_value value{};
  std::vector<std::uint32_t> endpoints;  // endpoint ids
};
std::vector<GroupRow> GroupsOf(const Tables& tables, const route_cluster& cluster);
// The row of `policies` that chooses in it; null for a plain one.
const policy_value* PolicyOf(const Tables& tables, const route_cluster& cluster);

// Takes over what lies in the tables. Fails when they contradict themselves.
Result<Tables> Adopt(const RawTables& raw);

// ---- planning ----------------------------------------------------------------------------------

// What is in force: all of it, or one frontend.
TableImage Decode(const Tables& tables);
std::optional<ImageFrontend> DecodeFrontend(const Tables& tables, const Frontend& frontend);

// The frontends and workloads to change: what they are from now on, or nothing for those that go.
// Those not named stay as they are.
struct ImageChange {
  std::map<Frontend, std::optional<ImageFrontend>> frontends;
  std::map<std::string, std::optional<ImageWorkload>> workloads;
};

// The image as the tables would say it: without names of endpoints and localities, which they do
// not hold, and what a plain cluster does not need.
TableImage AsDecoded(TableImage image);

// What leads from everything that is in force to exactly this image.
ImageChange ChangeTo(const Tables& tables, const TableImage& wanted);

// Puts all of the change into force by one Commit; empty when it is in force already. kFull when a
// table has no room, with its name. Ids stay with their names, sequences with their weights. A
// workload that has a route of its own should be in force or part of the same change.
Result<Plan> MakePlan(const Tables& tables, const ImageChange& change);

// The first plan after Tables were read: takes back what a dead agent had begun and not committed,
// removes names and frontends that nothing in force uses, and waits, so that the rest is free.
Plan MakeRepair(const Tables& tables);

// For idle moments: what is retired becomes free, so that the next new weights of a frontend find a
// sequence without a Wait of their own. Empty when no sequence is retired; other room runs out so
// rarely that its Wait can be part of the plan that needs it.
Plan MakeRoom(const Tables& tables);

frontend_key KeyOf(const Frontend& frontend);
subnet_key SubnetKeyOf(const Frontend& subnet);
workload_value ValueOf(const WriteWorkload& workload);

// What the operation does to the tables. MakePlan and Advance together are a model of the kernel's
// side that tests run without one.
void Advance(Tables& tables, const Operation& operation);

}  // namespace vsplit
