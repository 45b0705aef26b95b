// SPDX-License-Identifier: Apache-2.0
// Tables in the kernel and image wanted in, ordered operations out. The plan is a value; datapath.h
// carries it out, and the tests here carry it out on a model. Two rules make it safe (schema.h):
// rows never change while a program may read them, and nothing is in force before the one Commit.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "vsplit/image.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {

// Ids or rows of one table. An id is free, used, or retired: not used by what is in force any more,
// but perhaps by a program that is still running. Id 0 is never given away.
class IdSpace {
 public:
  explicit IdSpace(std::uint32_t capacity = 1);

  std::uint32_t capacity() const { return capacity_; }
  std::uint32_t used() const { return used_; }
  bool has_retired() const { return !retired_.empty(); }

  // The first of `count` neighbours that are free and become used; nothing when there are none.
  std::optional<std::uint32_t> Take(std::uint32_t count = 1);
  void Claim(std::uint32_t first, std::uint32_t count = 1);   // marks free ones used
  void Retire(std::uint32_t first, std::uint32_t count = 1);  // used -> retired
  void RetireRest();                                          // free -> retired
  void Recycle();                                             // retired -> free

  bool operator==(const IdSpace&) const = default;

 private:
  struct Range {
    std::uint32_t first, count;
    auto operator<=>(const Range&) const = default;
  };
  void Free(Range range);
  void TakeOut(std::uint32_t first, std::uint32_t count);

  std::uint32_t capacity_;
  std::uint32_t used_ = 0;
  std::vector<Range> free_;  // ascending, never touching
  std::vector<Range> retired_;
};

struct Capacities {
  std::uint32_t frontends = 0, routes = 0, endpoints = 0, endpoint_state = 0, sequences = 0,
                counters = 0, clusters = 0, hosts = 0;

  bool operator==(const Capacities&) const = default;
};

// ---- operations --------------------------------------------------------------------------------

struct WriteHost {
  std::uint32_t id;
  std::string name;
};
struct WriteCluster {
  std::uint32_t id;
  std::string name;
};
struct WriteEndpointState {
  std::uint32_t id;
  endpoint_state value;
};
struct WriteCounter {
  std::uint32_t index;
  route_counter value;
};
struct WriteSequence {
  std::uint32_t id;
  sequence_value value;
};
struct WriteEndpoint {
  std::uint32_t row;
  endpoint_value value;
};
struct WriteRoute {
  std::uint32_t row;
  route_value value;
};
struct WriteWord {
  std::uint32_t frontend;
  std::uint32_t which;
  std::uint64_t word;
};
struct InsertFrontend {
  frontend_key key;
  std::uint32_t frontend;
};
struct Commit {
  std::uint64_t generation;
};
struct DeleteFrontend {
  frontend_key key;
  std::uint32_t frontend;
};
struct DeleteHost {
  std::uint32_t id;
};
struct DeleteCluster {
  std::uint32_t id;
};
struct FreeEndpointState {
  std::uint32_t id;
};  // since = 0
struct FreeCounter {
  std::uint32_t index;
};  // since = 0
struct Retire {
  enum class Table { kFrontend, kRoute, kEndpoint, kSequence } table;
  std::uint32_t first, count;
};  // bookkeeping only
struct Wait {};  // until no program reads what was retired

using Operation =
    std::variant<WriteHost, WriteCluster, WriteEndpointState, WriteCounter, WriteSequence,
                 WriteEndpoint, WriteRoute, WriteWord, InsertFrontend, Commit, DeleteFrontend,
                 DeleteHost, DeleteCluster, FreeEndpointState, FreeCounter, Retire, Wait>;

struct Plan {
  std::vector<Operation> operations;
  std::uint64_t generation = 0;  // in force after it; the present one when nothing changes

  bool changes() const { return !operations.empty(); }
};

std::string ToString(const Operation& operation);

// ---- the tables --------------------------------------------------------------------------------

// What the kernel holds, counters apart: read once when the agent starts, and then kept true by
// Advance, operation by operation.
struct Tables {
  explicit Tables(const Capacities& capacities);

  std::uint64_t generation = 0;  // control.active_generation

  struct FrontendRow {
    std::uint32_t id = 0;
    std::array<std::uint64_t, 2> words{};
  };
  std::map<Frontend, FrontendRow> frontends;
  std::unordered_map<std::uint32_t, route_value> routes;        // by row
  std::unordered_map<std::uint32_t, endpoint_value> endpoints;  // by row
  std::unordered_map<std::uint32_t, std::string> host_names;    // by id
  std::unordered_map<std::uint32_t, std::string> cluster_names;
  std::unordered_map<std::string, std::uint32_t> host_ids;
  std::unordered_map<std::string, std::uint32_t> cluster_ids;
  // (cluster id, address) -> endpoint id, and (frontend id, cluster id) -> counter index
  std::map<std::pair<std::uint32_t, SocketAddress>, std::uint32_t> endpoint_ids;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> counters;
  // rows in force that name an endpoint id, a cluster, a host; 0: left behind
  std::unordered_map<std::uint32_t, std::uint32_t> endpoint_uses, cluster_uses, host_uses;

  IdSpace frontend_ids, route_rows, endpoint_rows, endpoint_state_ids, sequence_ids, counter_ids,
      cluster_id_space, host_id_space;
};

// ---- planning ----------------------------------------------------------------------------------

// What is in force: the image that the tables hold for the active generation.
TableImage Decode(const Tables& tables);

// The frontends to change: a route, or nothing for a frontend that is to be left untouched from now
// on. Those not named stay as they are.
struct ImageChange {
  std::map<Frontend, std::optional<ImageRoute>> frontends;
};

// What leads from everything that is in force to exactly this image.
ImageChange ChangeTo(const Tables& tables, const TableImage& wanted);

// Puts all of the change into force by one Commit; empty when it is in force already. kFull when a
// table has no room, with its name. Ids stay with their names, sequences with their weights.
Result<Plan> MakePlan(const Tables& tables, const ImageChange& change);

// The first plan after Tables were read: takes back what a dead agent had begun and not committed,
// removes names and frontends that nothing in force uses, and waits, so that the rest is free.
Plan MakeRepair(const Tables& tables);

// What the operation does to the tables. MakePlan and Advance together are a model of the kernel's
// side that tests run without one.
void Advance(Tables& tables, const Operation& operation);

}  // namespace vsplit
