// SPDX-License-Identifier: Apache-2.0
#include "routes.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <tl/expected.hpp>
#include <vector>

#include "allotment.h"
#include "managed.h"
#include "old.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/policy.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

// route_cluster.count of a managed cluster: whether there is anybody, and for people how many.
std::uint16_t CountOf(const ImageCluster& cluster) {
  if (cluster.settings.algorithm == Algorithm::kPassthrough) {
    return 1;
  }
  std::size_t count = 0;
  for (const EndpointGroup& group : cluster.groups) {
    count += group.endpoints.size();
  }
  return static_cast<std::uint16_t>(
      std::min<std::size_t>(count, std::numeric_limits<std::uint16_t>::max()));
}

void RetireRows(Retire::Table table, std::uint32_t first, std::uint32_t count,
                Operations& operations) {
  if (count > 0) {
    operations.emplace_back(Retire{table, first, count});
  }
}

void RetireCluster(const OldCluster& cluster, Operations& operations) {
  if (cluster.policy_kept) {
    return;
  }
  for (const OldGroup& group : cluster.groups) {
    if (!group.endpoints_kept) {
      RetireRows(Retire::Table::kEndpoint, group.row.first, group.row.count, operations);
    }
    if (!group.hash_kept) {
      RetireRows(Retire::Table::kHash, group.row.hash_first, HashRows(cluster.policy, group.row),
                 operations);
    }
  }
  if (!cluster.managed()) {
    return;
  }
  RetireRows(Retire::Table::kGroup, cluster.policy.first_group, cluster.policy.groups, operations);
  if (!cluster.turn_kept) {
    RetireRows(Retire::Table::kTurn, cluster.policy.turn, cluster.policy.turn == 0 ? 0 : 1,
               operations);
  }
  RetireRows(Retire::Table::kPolicy, cluster.row.first, 1, operations);
}

}  // namespace

bool IsNumbered(const ImageRoute& route) {
  return route.policy == Policy::kExact && route.clusters.size() > 1;
}

Result<std::uint32_t> RouteWriter::Write(std::uint32_t frontend, const WantedRoute& wanted,
                                         const Numbering& numbering, __u8 flags, std::uint32_t host,
                                         OldRoute& old) {
  const ImageRoute& route = *wanted.route;
  // A route without clusters has a row too: that it leaves connections untouched.
  std::vector<WriteRoute> rows(
      std::max<std::size_t>(1, (route.clusters.size() + ROUTE_CLUSTERS - 1) / ROUTE_CLUSTERS));
  for (WriteRoute& write : rows) {
    const Result<std::uint32_t> id = allotment_.NewRoute();
    if (!id) {
      return tl::unexpected<Error>(id.error());
    }
    write = {*id, {}};
    write.value.generation = generation_;
    write.value.sequence = numbering.sequence;
    write.value.seed = numbering.seed;
    write.value.total = std::max(route.total(), 1U);
    write.value.stride = route.stride;
    write.value.host = host;
    write.value.policy = static_cast<__u8>(route.policy);
  }
  rows.front().value.flags = flags;
  rows.front().value.turn = numbering.turn;
  std::uint32_t bound = 0;
  for (std::size_t i = 0; i < route.clusters.size(); ++i) {
    bound += route.clusters[i].weight;
    route_value& value = rows[i / ROUTE_CLUSTERS].value;
    route_cluster& slot = value.clusters[value.count++];
    slot.bound = bound;
    if (Result<void> filled =
            FillCluster(frontend, route.clusters[i], wanted.variants[i], wanted.v4, old, slot);
        !filled) {
      return tl::unexpected<Error>(filled.error());
    }
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].value.next = i + 1 < rows.size() ? rows[i + 1].row : 0;
    operations_.emplace_back(rows[i]);
  }
  return rows.front().row;
}

Result<void> RouteWriter::FillCluster(std::uint32_t frontend, const ImageCluster& wanted,
                                      std::uint32_t variant, bool v4, OldRoute& old,
                                      route_cluster& slot) {
  const Result<std::uint32_t> cluster = allotment_.ClusterId(wanted.name, variant);
  if (!cluster) {
    return tl::unexpected<Error>(cluster.error());
  }
  const Result<std::uint32_t> counter = allotment_.CounterIndex(frontend, *cluster);
  if (!counter) {
    return tl::unexpected<Error>(counter.error());
  }
  slot.cluster = *cluster;
  slot.counter = *counter;
  slot.algorithm = static_cast<__u8>(wanted.settings.algorithm);
  slot.count = CountOf(wanted);
  const auto same = std::ranges::find_if(old.clusters, [&](const OldCluster& candidate) {
    return candidate.row.cluster == *cluster && !candidate.taken;
  });
  OldCluster* before = same == old.clusters.end() ? nullptr : &*same;
  if (before != nullptr) {
    before->taken = true;
  }
  if (!IsPlain(wanted)) {
    return FillManaged(wanted, v4, before, slot);
  }
  if (slot.count == 0) {
    return {};
  }
  if (OldGroup* group = SameGroupOf(before, wanted.groups[0].endpoints)) {
    group->endpoints_kept = true;
    slot.first = group->row.first;
    return {};
  }
  const Result<std::uint32_t> first = WriteEndpoints(wanted.groups[0].endpoints, *cluster);
  if (!first) {
    return tl::unexpected<Error>(first.error());
  }
  slot.first = *first;
  return {};
}

Result<void> RouteWriter::FillManaged(const ImageCluster& wanted, bool v4, OldCluster* before,
                                      route_cluster& slot) {
  slot.flags = CLUSTER_MANAGED;
  policy_value policy = PolicyRow(wanted, v4);
  if (before != nullptr && before->managed() && SameManaged(t_, *before, policy, wanted)) {
    before->policy_kept = true;
    slot.first = before->row.first;
    return {};
  }
  if (Result<void> taken = TakeTurn(before, policy); !taken) {
    return taken;
  }
  if (policy.groups > 0) {
    const Result<std::uint32_t> first = WriteGroups(wanted, policy, before, slot.cluster);
    if (!first) {
      return tl::unexpected<Error>(first.error());
    }
    policy.first_group = *first;
  }
  const Result<std::uint32_t> row = allotment_.NewPolicy();
  if (!row) {
    return tl::unexpected<Error>(row.error());
  }
  slot.first = *row;
  operations_.emplace_back(WritePolicy{*row, policy});
  return {};
}

Result<void> RouteWriter::TakeTurn(OldCluster* before, policy_value& policy) {
  if (policy.algorithm != ALGORITHM_ROUND_ROBIN) {
    return {};
  }
  if (before != nullptr && before->policy.turn != 0) {
    before->turn_kept = true;
    policy.turn = before->policy.turn;
    return {};
  }
  const Result<std::uint32_t> made = allotment_.NewTurn();
  if (!made) {
    return tl::unexpected<Error>(made.error());
  }
  policy.turn = *made;
  return {};
}

Result<std::uint32_t> RouteWriter::WriteGroups(const ImageCluster& wanted,
                                               const policy_value& policy, OldCluster* before,
                                               std::uint32_t cluster) {
  Result<std::uint32_t> first = allotment_.NewGroups(policy.groups);
  for (std::uint32_t i = 0; first && i < policy.groups; ++i) {
    WriteGroup write{*first + i, GroupRowOf(wanted.groups[i], wanted.settings.algorithm)};
    if (const Result<void> filled =
            FillGroup(wanted.groups[i], policy, before, cluster, write.value);
        !filled) {
      return tl::unexpected<Error>(filled.error());
    }
    operations_.emplace_back(write);
  }
  return first;
}

Result<void> RouteWriter::FillGroup(const EndpointGroup& wanted, const policy_value& policy,
                                    OldCluster* before, std::uint32_t cluster, group_value& row) {
  if (wanted.endpoints.empty()) {
    return {};
  }
  OldGroup* same = SameGroupOf(before, wanted.endpoints);
  if (same != nullptr) {
    same->endpoints_kept = true;
    row.first = same->row.first;
  } else {
    const Result<std::uint32_t> first = WriteEndpoints(wanted.endpoints, cluster);
    if (!first) {
      return tl::unexpected<Error>(first.error());
    }
    row.first = *first;
  }
  if (policy.hash_size == 0) {
    return {};
  }
  if (same != nullptr && before->policy.hash_size == policy.hash_size) {
    same->hash_kept = true;
    row.hash_first = same->row.hash_first;
    return {};
  }
  const Result<std::uint32_t> first = allotment_.NewHashRows(HashRows(policy, row));
  if (!first) {
    return tl::unexpected<Error>(first.error());
  }
  row.hash_first = *first;
  operations_.emplace_back(WriteHashRows{*first, MaglevTable(wanted.endpoints, policy.hash_size)});
  return {};
}

Result<std::uint32_t> RouteWriter::WriteEndpoints(const std::vector<Endpoint>& wanted,
                                                  std::uint32_t cluster) {
  const auto count = static_cast<std::uint32_t>(wanted.size());
  Result<std::uint32_t> first = allotment_.NewEndpoints(count);
  std::uint32_t bound = 0;
  for (std::uint32_t i = 0; first && i < count; ++i) {
    const Result<std::uint32_t> id = allotment_.StateId(cluster, wanted[i].address);
    if (!id) {
      return tl::unexpected<Error>(id.error());
    }
    bound += wanted[i].weight;
    operations_.emplace_back(WriteEndpoint{*first + i, {.endpoint = *id, .bound = bound}});
  }
  return first;
}

OldGroup* RouteWriter::SameGroupOf(OldCluster* before, const std::vector<Endpoint>& wanted) const {
  if (before == nullptr) {
    return nullptr;
  }
  const auto same = std::ranges::find_if(before->groups, [&](const OldGroup& group) {
    return !group.endpoints_kept && SameEndpoints(t_, group.row, wanted);
  });
  return same == before->groups.end() ? nullptr : &*same;
}

void RetireRest(const OldRoute& old, Operations& operations) {
  if (old.kept) {
    return;
  }
  for (const std::uint32_t row : old.rows) {
    RetireRows(Retire::Table::kRoute, row, 1, operations);
  }
  for (const OldCluster& cluster : old.clusters) {
    RetireCluster(cluster, operations);
  }
}

}  // namespace vsplit
