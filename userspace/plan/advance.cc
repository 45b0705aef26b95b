// SPDX-License-Identifier: Apache-2.0
// What an operation does to the tables, and its text.
#include <fmt/core.h>

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>

#include "keys.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

using Uses = std::unordered_map<std::uint32_t, std::uint32_t>;

void Release(Uses& uses, std::uint32_t id) {
  const auto found = uses.find(id);
  if (found != uses.end() && --found->second == 0) {
    uses.erase(found);
  }
}

class Advancer {
 public:
  explicit Advancer(Tables& tables) : t_(tables) {}

  void operator()(const WriteHost& op) const {
    t_.host_space.Claim(op.id);
    t_.host_names[op.id] = op.name;
    t_.host_ids[op.name] = op.id;
  }
  void operator()(const WriteCluster& op) const {
    t_.cluster_space.Claim(op.id);
    t_.cluster_names[op.id] = op.name;
    t_.cluster_ids[op.name] = op.id;
  }
  void operator()(const WriteEndpointState& op) const {
    t_.state_space.Claim(op.id);
    const SocketAddress address = AddressOf(op.value.address, op.value.port);
    t_.endpoint_ids[{op.value.cluster, address}] = op.id;
    t_.endpoint_addresses[op.id] = address;
  }
  void operator()(const WriteCounter& op) const {
    t_.counter_space.Claim(op.index);
    t_.counters[{op.value.frontend, op.value.cluster}] = op.index;
  }
  void operator()(const WriteTurn& op) const { t_.turn_space.Claim(op.id); }
  void operator()(const WriteEndpoint& op) const {
    t_.endpoint_space.Claim(op.row);
    t_.endpoints[op.row] = op.value;
    ++t_.endpoint_uses[op.value.endpoint];
  }
  void operator()(const WriteRoute& op) const {
    t_.route_space.Claim(op.row);
    t_.routes[op.row] = op.value;
    ++t_.host_uses[op.value.host];
    for (const route_cluster& cluster : std::span(op.value.clusters, op.value.count)) {
      ++t_.cluster_uses[cluster.cluster];
    }
  }
  void operator()(const WriteWord& op) const {
    const auto found = t_.frontends.find(op.key);
    if (found != t_.frontends.end()) {
      found->second.words.at(op.which) = op.word;
    }
  }
  void operator()(const InsertFrontend& op) const {
    t_.frontend_space.Claim(op.frontend);
    t_.frontends[op.key] = {op.frontend, {}};
  }
  void operator()(const Commit& op) const { t_.generation = op.generation; }
  void operator()(const StartSequence& op) const {
    const auto found = t_.frontends.find(op.key);
    if (found != t_.frontends.end()) {
      found->second.retired_sequences &= ~(1U << op.which);
    }
  }
  void operator()(const DeleteFrontend& op) const {
    t_.frontends.erase(op.key);
    t_.frontend_space.Retire(op.frontend);
  }
  void operator()(const ClearFrontend& op) const { t_.frontend_space.Clear(op.frontend); }
  void operator()(const RetireSequence& op) const {
    const auto found = t_.frontends.find(op.key);
    if (found != t_.frontends.end()) {
      found->second.retired_sequences |= 1U << op.which;
      t_.with_retired_sequences.push_back(op.key);
    }
  }
  void operator()(const DeleteHost& op) const {
    t_.host_ids.erase(t_.host_names.at(op.id));
    t_.host_names.erase(op.id);
    t_.host_space.Free(op.id);
  }
  void operator()(const DeleteCluster& op) const {
    t_.cluster_ids.erase(t_.cluster_names.at(op.id));
    t_.cluster_names.erase(op.id);
    t_.cluster_space.Free(op.id);
  }
  void operator()(const FreeEndpointState& op) const {
    t_.endpoint_ids.erase({op.cluster, op.address});
    t_.endpoint_addresses.erase(op.id);
    t_.state_space.Retire(op.id);
  }
  void operator()(const FreeCounter& op) const {
    t_.counters.erase({op.frontend, op.cluster});
    t_.counter_space.Retire(op.index);
  }
  void operator()(const Retire& op) const {
    switch (op.table) {
      case Retire::Table::kTurn:
        t_.turn_space.Retire(op.first, op.count);
        break;
      case Retire::Table::kRoute:
        t_.route_space.Retire(op.first, op.count);
        RetireRoutes(op);
        break;
      case Retire::Table::kEndpoint:
        t_.endpoint_space.Retire(op.first, op.count);
        RetireEndpoints(op);
        break;
    }
  }
  void operator()(const Wait& /*op*/) const {
    t_.frontend_space.Recycle();
    t_.route_space.Recycle();
    t_.endpoint_space.Recycle();
    t_.turn_space.Recycle();
    t_.state_space.Recycle();
    t_.counter_space.Recycle();
    for (const Frontend& frontend : t_.with_retired_sequences) {
      const auto found = t_.frontends.find(frontend);
      if (found != t_.frontends.end()) {
        found->second.retired_sequences = 0;
      }
    }
    t_.with_retired_sequences.clear();
  }

 private:
  void RetireRoutes(const Retire& op) const {
    for (std::uint32_t row = op.first; row < op.first + op.count; ++row) {
      const auto route = t_.routes.extract(row);
      Release(t_.host_uses, route.mapped().host);
      for (const route_cluster& cluster :
           std::span(route.mapped().clusters, route.mapped().count)) {
        Release(t_.cluster_uses, cluster.cluster);
      }
    }
  }
  void RetireEndpoints(const Retire& op) const {
    for (std::uint32_t row = op.first; row < op.first + op.count; ++row) {
      Release(t_.endpoint_uses, t_.endpoints.extract(row).mapped().endpoint);
    }
  }

  Tables& t_;
};

// One line for each kind of operation.
class Printer {
 public:
  std::string operator()(const WriteHost& op) const {
    return fmt::format("host {} = {}", op.id, op.name);
  }
  std::string operator()(const WriteCluster& op) const {
    return fmt::format("cluster {} = {}", op.id, op.name);
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
    switch (op.table) {
      case Retire::Table::kRoute:
        return fmt::format("retire route row {}", op.first);
      case Retire::Table::kEndpoint:
        return fmt::format("retire endpoint rows {}..{}", op.first, op.first + op.count - 1);
      case Retire::Table::kTurn:
        break;
    }
    return fmt::format("retire turn {}", op.first);
  }
  std::string operator()(const Wait& /*op*/) const { return "wait"; }
};

}  // namespace

void Advance(Tables& tables, const Operation& operation) {
  std::visit(Advancer(tables), operation);
}

std::string ToString(const Operation& operation) {
  return std::visit(Printer(), operation);
}

}  // namespace vsplit
