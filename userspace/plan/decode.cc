// SPDX-License-Identifier: Apache-2.0
// Reading the image out of the tables.
#include <linux/in.h>  // IWYU pragma: keep, for IPPROTO_TCP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "keys.h"
#include "managed.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/policy.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

std::vector<EndpointGroup> DecodeGroups(const Tables& tables, const route_cluster& cluster) {
  std::vector<EndpointGroup> groups;
  for (const GroupRow& row : GroupsOf(tables, cluster)) {
    EndpointGroup& group = groups.emplace_back();
    group.priority = row.value.level;
    group.weight = row.value.weight;
    group.unready = row.value.unready;
    std::uint32_t below = 0;
    for (std::uint32_t i = 0; i < row.value.count; ++i) {
      const std::uint32_t bound = tables.endpoints.at(row.value.first + i).bound;
      group.endpoints.push_back({.address = tables.endpoint_addresses.at(row.endpoints[i]),
                                 .name = {},
                                 .weight = bound - below});
      below = bound;
    }
  }
  return groups;
}

ClusterSettings DecodeSettings(const Tables& tables, const route_cluster& cluster) {
  const policy_value* policy = PolicyOf(tables, cluster);
  if (policy == nullptr) {
    return {.algorithm = static_cast<Algorithm>(cluster.algorithm)};
  }
  const auto state = tables.cluster_states.find(cluster.cluster);
  return SettingsOf(*policy,
                    state == tables.cluster_states.end() ? cluster_state{} : state->second);
}

Timeouts TimeoutsOf(const Tables& tables, const route_value& head) {
  const auto found =
      head.count == 0 ? tables.timeouts.end() : tables.timeouts.find(head.clusters[0].counter);
  return found == tables.timeouts.end() ? Timeouts{} : found->second;
}

ImageRoute DecodeRoute(const Tables& tables, std::uint32_t row) {
  const route_value& head = tables.routes.at(row);
  const Timeouts timeouts = TimeoutsOf(tables, head);
  ImageRoute image{.host = tables.host_names.at(head.host),
                   .policy = static_cast<Policy>(head.policy),
                   .stride = head.stride,
                   .clusters = {},
                   .idle_timeout = std::chrono::milliseconds(timeouts.idle),
                   .max_connection_duration = std::chrono::milliseconds(timeouts.max_duration)};
  std::uint32_t below = 0;
  while (row != 0) {
    const route_value& route = tables.routes.at(row);
    for (const route_cluster& cluster : std::span(route.clusters, route.count)) {
      image.clusters.push_back({.name = tables.cluster_names.at(cluster.cluster),
                                .weight = cluster.bound - std::exchange(below, cluster.bound),
                                .settings = DecodeSettings(tables, cluster),
                                .groups = DecodeGroups(tables, cluster)});
    }
    row = route.next;
  }
  return image;
}

std::vector<SourceRoute> DecodeSources(const Tables& tables, std::uint32_t head) {
  std::map<std::uint32_t, std::vector<std::string>> workloads;  // by head row of their route
  for (auto it = tables.sources.lower_bound({head, 0});
       it != tables.sources.end() && it->first.first == head; ++it) {
    const auto name = tables.workload_names.find(it->first.second);
    if (name != tables.workload_names.end()) {
      workloads[it->second].push_back(name->second);
    }
  }
  std::vector<SourceRoute> sources;
  for (auto& [row, names] : workloads) {
    // Routes that have become the same may still have rows of their own.
    ImageRoute route = DecodeRoute(tables, row);
    const auto same = std::ranges::find(sources, route, &SourceRoute::route);
    SourceRoute& source = same == sources.end() ? sources.emplace_back() : *same;
    source.workloads.insert(source.workloads.end(), names.begin(), names.end());
    std::ranges::sort(source.workloads);
    source.route = std::move(route);
  }
  std::ranges::sort(sources, {}, &SourceRoute::workloads);
  return sources;
}

void MakeAsDecoded(ImageCluster& cluster) {
  const bool plain = IsPlain(cluster);
  cluster.settings = plain ? ClusterSettings{.algorithm = cluster.settings.algorithm}
                           : SettingsOf(PolicyRow(cluster, true), StateOf(cluster.settings));
  if (cluster.settings.algorithm == Algorithm::kPassthrough) {
    cluster.groups.clear();
  }
  for (EndpointGroup& group : cluster.groups) {
    group.locality.clear();
    group.unready = plain ? 0 : group.unready;
    group.weight = plain ? 1 : group.weight;
    for (Endpoint& endpoint : group.endpoints) {
      endpoint.name.clear();
    }
  }
  if (plain && !cluster.groups.empty() && cluster.groups[0].endpoints.empty()) {
    cluster.groups.clear();
  }
}

void MakeAsDecoded(ImageRoute& route) {
  for (ImageCluster& cluster : route.clusters) {
    MakeAsDecoded(cluster);
  }
}

}  // namespace

frontend_key KeyOf(const Frontend& frontend) {
  frontend_key key{.protocol = IPPROTO_TCP, .prefix = frontend.prefix};
  CopyAddress(frontend.address, key.address, key.port);
  return key;
}

subnet_key SubnetKeyOf(const Frontend& subnet) {
  subnet_key key{.prefixlen = SUBNET_FIXED_BITS + __u32{subnet.prefix}, .protocol = IPPROTO_TCP};
  CopyAddress(subnet.address, key.address, key.port);
  return key;
}

workload_value ValueOf(const WriteWorkload& workload) {
  workload_value value{.workload = workload.id, .level = workload.value.level};
  workload.name.copy(value.name, sizeof(value.name) - 1);
  for (const IpAddress& ip : workload.value.ips) {
    std::ranges::copy(ip.bytes, ip.is_v4() ? value.address4 : value.address6);
  }
  return value;
}

std::string ClusterKey(const std::string& name, std::uint32_t variant) {
  // A cluster's name has no blank.
  return variant == 0 ? name : name + " " + std::to_string(variant);
}

std::uint32_t Tables::RowInForce(const FrontendRow& frontend) const {
  std::uint64_t word = 0;
  for (const std::uint64_t candidate : frontend.words) {
    if (candidate >> ROUTE_ROW_BITS <= generation) {
      word = std::max(word, candidate);
    }
  }
  return static_cast<std::uint32_t>(word & ROUTE_ROW_MASK);
}

const policy_value* PolicyOf(const Tables& tables, const route_cluster& cluster) {
  return (cluster.flags & CLUSTER_MANAGED) != 0 ? &tables.policies.at(cluster.first) : nullptr;
}

std::vector<GroupRow> GroupsOf(const Tables& tables, const route_cluster& cluster) {
  std::vector<GroupRow> groups;
  if (const policy_value* policy = PolicyOf(tables, cluster)) {
    for (std::uint32_t i = 0; i < policy->groups; ++i) {
      groups.push_back({.value = tables.groups.at(policy->first_group + i), .endpoints = {}});
    }
  } else if (cluster.count > 0) {
    groups.push_back({.value = {.first = cluster.first,
                                .count = cluster.count,
                                .total = cluster.count,
                                .weight = 1,
                                .flags = GROUP_EQUAL,
                                .stride = 1},
                      .endpoints = {}});
  }
  for (GroupRow& group : groups) {
    for (std::uint32_t i = 0; i < group.value.count; ++i) {
      group.endpoints.push_back(tables.endpoints.at(group.value.first + i).endpoint);
    }
  }
  return groups;
}

TableImage AsDecoded(TableImage image) {
  for (auto& [key, frontend] : image.frontends) {
    MakeAsDecoded(frontend.everyone);
    for (SourceRoute& source : frontend.sources) {
      MakeAsDecoded(source.route);
    }
  }
  return image;
}

std::optional<ImageFrontend> DecodeFrontend(const Tables& tables, const Frontend& frontend) {
  const auto found = tables.frontends.find(frontend);
  const std::uint32_t row = found == tables.frontends.end() ? 0 : tables.RowInForce(found->second);
  if (row == 0) {
    return std::nullopt;
  }
  return ImageFrontend{.everyone = DecodeRoute(tables, row),
                       .asks = (tables.routes.at(row).flags & ROUTE_ASKS) != 0,
                       .sources = DecodeSources(tables, row)};
}

TableImage Decode(const Tables& tables) {
  TableImage image;
  for (const auto& [frontend, row] : tables.frontends) {
    if (std::optional<ImageFrontend> found = DecodeFrontend(tables, frontend)) {
      image.frontends.emplace_hint(image.frontends.end(), frontend, *std::move(found));
    }
  }
  for (const auto& [name, workload] : tables.workloads) {
    image.workloads.emplace_hint(image.workloads.end(), name, workload.value);
  }
  return image;
}

ImageChange ChangeTo(const Tables& tables, const TableImage& wanted) {
  ImageChange change;
  for (const auto& [frontend, row] : tables.frontends) {
    change.frontends.emplace(frontend, std::nullopt);
  }
  for (const auto& [frontend, meaning] : wanted.frontends) {
    change.frontends.insert_or_assign(frontend, meaning);
  }
  for (const auto& [name, workload] : tables.workloads) {
    change.workloads.emplace(name, std::nullopt);
  }
  for (const auto& [name, workload] : wanted.workloads) {
    change.workloads.insert_or_assign(name, workload);
  }
  return change;
}

}  // namespace vsplit
