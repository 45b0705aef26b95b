// SPDX-License-Identifier: Apache-2.0
// The text of operations.
#include <fmt/core.h>
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <variant>

#include "keys.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

// One line for each kind of operation.
class Printer {
 public:
  std::string operator()(const WriteHost& op) const {
    return fmt::format("host {} = {}", op.id, op.name);
  }
  std::string operator()(const WriteCluster& op) const {
    return fmt::format("cluster {} = {}", op.id, ClusterKey(op.name, op.variant));
  }
  std::string operator()(const WriteClusterState& op) const {
    return fmt::format("cluster_state {} = failures {} base {} max {} interval {} percent {} of {}",
                       op.id, op.value.failures, op.value.base_ms, op.value.max_ms,
                       op.value.interval_ms, op.value.max_percent,
                       op.value.endpoints[0] + op.value.endpoints[1]);
  }
  std::string operator()(const RenewHealth& op) const {
    return fmt::format("endpoint_health {} = born now", op.id);
  }
  std::string operator()(const WriteTimeouts& op) const {
    return fmt::format("route_counter {} = idle {} max {}", op.index, op.value.idle,
                       op.value.max_duration);
  }
  std::string operator()(const WriteHashRows& op) const {
    return fmt::format("hash rows {}..{}", op.first, op.first + op.rows.size() - 1);
  }
  std::string operator()(const WriteGroup& op) const {
    return fmt::format("group row {} = level {} weight {} endpoints {} from {}", op.row,
                       op.value.level, op.value.weight, op.value.count, op.value.first);
  }
  std::string operator()(const WritePolicy& op) const {
    return fmt::format("policy row {} = algorithm {} groups {} from {}", op.row, op.value.algorithm,
                       op.value.groups, op.value.first_group);
  }
  std::string operator()(const WriteEndpointState& op) const {
    return fmt::format("endpoint_state {} = {} of cluster {} since {}", op.id,
                       ToString(AddressOf(op.value.address, op.value.port)), op.value.cluster,
                       op.value.since);
  }
  std::string operator()(const WriteCounter& op) const {
    return fmt::format("route_counter {} = frontend {} cluster {} since {}", op.index,
                       op.value.frontend, op.value.cluster, op.value.since);
  }
  std::string operator()(const WriteTurn& op) const {
    return fmt::format("turn {} = from {}", op.id, op.value.next);
  }
  std::string operator()(const StartSequence& op) const {
    return fmt::format("frontend {} starts sequence {}", op.frontend, op.which);
  }
  std::string operator()(const ClearFrontend& op) const {
    return fmt::format("clear frontend place {}", op.frontend);
  }
  std::string operator()(const RetireSequence& op) const {
    return fmt::format("retire sequence {} of frontend {}", op.which, ToString(op.key.address));
  }
  std::string operator()(const WriteEndpoint& op) const {
    return fmt::format("endpoint row {} = {}", op.row, op.value.endpoint);
  }
  std::string operator()(const WriteRoute& op) const {
    return fmt::format("route row {} = sequence {} total {} clusters {} next {}", op.row,
                       op.value.sequence, op.value.total, op.value.count, op.value.next);
  }
  std::string operator()(const WriteWord& op) const {
    return fmt::format("frontend {} word {} = generation {} row {}", op.frontend, op.which,
                       op.word >> ROUTE_ROW_BITS, op.word & ROUTE_ROW_MASK);
  }
  std::string operator()(const InsertFrontend& op) const {
    return fmt::format("insert frontend {} = {}", ToString(op.key.address), op.frontend);
  }
  std::string operator()(const InsertSubnet& op) const {
    return fmt::format("insert subnet {} = {}", ToString(op.key), op.frontend);
  }
  std::string operator()(const UseSubnets& op) const {
    return op.on ? "look into subnets" : "do not look into subnets";
  }
  std::string operator()(const InsertSource& op) const {
    return fmt::format("source {} of route row {} = route row {}", op.name, op.row, op.source_row);
  }
  std::string operator()(const WriteWorkload& op) const {
    return fmt::format("workload {} = {} cgroup {}", op.id, op.name, op.value.cgroup);
  }
  std::string operator()(const DeleteWorkload& op) const {
    return fmt::format("delete workload of cgroup {}", op.cgroup);
  }
  std::string operator()(const SweepPools& /*op*/) const { return "sweep pools"; }
  std::string operator()(const WriteLevels& op) const {
    return fmt::format("levels {}", fmt::join(op.value.level, " "));
  }
  std::string operator()(const DeleteSubnet& op) const {
    return fmt::format("delete subnet {}", ToString(op.key));
  }
  std::string operator()(const DeleteSource& op) const {
    return fmt::format("delete source {} of route row {}", op.workload, op.row);
  }
  std::string operator()(const RetireSource& op) const {
    return fmt::format("retire source {} of route row {}", op.workload, op.row);
  }
  std::string operator()(const Commit& op) const {
    return fmt::format("commit generation {}", op.generation);
  }
  std::string operator()(const DeleteFrontend& op) const {
    return fmt::format("delete frontend {}", ToString(op.key.address));
  }
  std::string operator()(const DeleteHost& op) const {
    return fmt::format("delete host {}", op.id);
  }
  std::string operator()(const DeleteCluster& op) const {
    return fmt::format("delete cluster {}", op.id);
  }
  std::string operator()(const FreeEndpointState& op) const {
    return fmt::format("free endpoint_state {}", op.id);
  }
  std::string operator()(const FreeCounter& op) const {
    return fmt::format("free route_counter {}", op.index);
  }
  std::string operator()(const Retire& op) const {
    const std::string_view table = NameOf(op.table);
    return op.count == 1
               ? fmt::format("retire {} {}", table, op.first)
               : fmt::format("retire {}s {}..{}", table, op.first, op.first + op.count - 1);
  }
  std::string operator()(const Wait& /*op*/) const { return "wait"; }

 private:
  static std::string_view NameOf(Retire::Table table) {
    switch (table) {
      case Retire::Table::kRoute:
        return "route row";
      case Retire::Table::kEndpoint:
        return "endpoint row";
      case Retire::Table::kPolicy:
        return "policy row";
      case Retire::Table::kGroup:
        return "group row";
      case Retire::Table::kHash:
        return "hash row";
      case Retire::Table::kTurn:
        break;
    }
    return "turn";
  }
};

}  // namespace

std::string ToString(const Operation& operation) {
  return std::visit(Printer(), operation);
}

}  // namespace vsplit
