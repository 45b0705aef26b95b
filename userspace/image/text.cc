// SPDX-License-Identifier: Apache-2.0
// The image as lines, each with those that belong to it below; printing and comparing walk these.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/policy.h"

namespace vsplit {
namespace {

// NOLINTBEGIN(misc-no-recursion): a tree, as deep as the text is indented
struct Block {
  std::string key;              // what it is among its neighbours
  std::string line;             // empty: not shown
  std::vector<Block> sequence;  // whose order means something
  std::vector<Block> set;       // ascending by key
};

Block Leaf(std::string key, std::string line) {
  return {.key = std::move(key), .line = std::move(line), .sequence = {}, .set = {}};
}

std::string Text(std::chrono::milliseconds duration) {
  return duration.count() % 1000 == 0 ? fmt::format("{}s", duration.count() / 1000)
                                      : fmt::format("{}ms", duration.count());
}

// Orders as the addresses do.
std::string KeyOf(const SocketAddress& address) {
  std::string key(address.ip.bytes.begin(), address.ip.bytes.end());
  key.push_back(static_cast<char>(address.port >> 8));
  key.push_back(static_cast<char>(address.port));
  return key;
}

Block EndpointBlock(const Endpoint& endpoint, std::string_view indent) {
  const bool named = !endpoint.name.empty();
  const bool resolved = endpoint.address.ip != IpAddress{};
  std::string who = resolved || !named ? ToString(endpoint.address)
                                       : fmt::format("{}:{}", endpoint.name, endpoint.address.port);
  if (resolved && named) {
    who += fmt::format(" {}", endpoint.name);
  }
  if (endpoint.weight != 1) {
    who += fmt::format(" weight {}", endpoint.weight);
  }
  return Leaf(KeyOf(endpoint.address) + endpoint.name, fmt::format("{}endpoint {}\n", indent, who));
}

std::vector<Block> EndpointBlocks(const EndpointGroup& group, std::string_view indent) {
  std::vector<Block> blocks;
  blocks.reserve(group.endpoints.size());
  for (const Endpoint& endpoint : group.endpoints) {
    blocks.push_back(EndpointBlock(endpoint, indent));
  }
  return blocks;
}

std::string AlgorithmText(const ClusterSettings& settings) {
  std::string text = ToString(settings.algorithm);
  if (settings.algorithm == Algorithm::kMaglev) {
    text += fmt::format(" {}", settings.maglev_size);
  }
  if (settings.algorithm == Algorithm::kPassthrough && settings.port != 0) {
    text += fmt::format(" to port {}", settings.port);
  }
  return text;
}

std::string LimitsText(const ClusterSettings& settings) {
  std::string text;
  if (settings.max_connections) {
    text += fmt::format(" max_connections {}", *settings.max_connections);
  }
  if (settings.connect_timeout) {
    text += fmt::format(" connect_timeout {}", Text(*settings.connect_timeout));
  }
  if (settings.keepalive) {
    const auto& [time, interval, probes] = *settings.keepalive;
    text += fmt::format(" keepalive {}s/{}s/{}", time, interval, probes);
  }
  if (settings.panic_percent != 0) {
    text += fmt::format(" panic below {}%", settings.panic_percent);
  }
  return text;
}

std::string EjectionLine(const ClusterSettings& settings) {
  if (!settings.ejection) {
    return "";
  }
  const Ejection& eject = *settings.ejection;
  return fmt::format("      eject after {} failures{} for {} to {}, interval {}, at most {}%\n",
                     eject.failures, eject.field.empty() ? "" : fmt::format(" ({})", eject.field),
                     Text(eject.base), Text(eject.max), Text(eject.interval), eject.max_percent);
}

std::string WarmupLine(const ClusterSettings& settings) {
  return settings.warmup
             ? fmt::format("      warmup {} from {}% aggression {}\n",
                           Text(settings.warmup->duration), settings.warmup->minimum_percent,
                           settings.warmup->aggression)
             : "";
}

// Whether the endpoints say it all.
bool IsWhole(const std::vector<EndpointGroup>& groups) {
  return groups.size() == 1 && groups[0].priority == 0 && groups[0].weight == 1 &&
         groups[0].locality.empty() && groups[0].unready == 0;
}

Block GroupBlock(const EndpointGroup& group) {
  std::string line = fmt::format("      group priority {} weight {}", group.priority, group.weight);
  if (!group.locality.empty()) {
    line += fmt::format(" {}", group.locality);
  }
  if (group.unready != 0) {
    line += fmt::format(" unready {}", group.unready);
  }
  return {.key = fmt::format("group {} {}", group.priority, group.locality),
          .line = line + "\n",
          .sequence = {},
          .set = EndpointBlocks(group, "        ")};
}

Block ClusterBlock(const ImageCluster& cluster) {
  Block block{.key = cluster.name,
              .line = fmt::format("    cluster {} weight {} {}{}\n", cluster.name, cluster.weight,
                                  AlgorithmText(cluster.settings), LimitsText(cluster.settings)),
              .sequence = {Leaf("eject", EjectionLine(cluster.settings)),
                           Leaf("warmup", WarmupLine(cluster.settings))},
              .set = {}};
  if (IsWhole(cluster.groups)) {
    block.set = EndpointBlocks(cluster.groups[0], "      ");
    return block;
  }
  for (const EndpointGroup& group : cluster.groups) {
    block.sequence.push_back(GroupBlock(group));
  }
  return block;
}

std::string RouteLine(const ImageRoute& route) {
  if (route.clusters.empty()) {
    return "  route untouched\n";
  }
  std::string line = fmt::format("  route {} total {} stride {}", ToString(route.policy),
                                 route.total(), route.stride);
  if (route.idle_timeout.count() != 0) {
    line += fmt::format(" idle_timeout {}", Text(route.idle_timeout));
  }
  if (route.max_connection_duration.count() != 0) {
    line += fmt::format(" max_connection_duration {}", Text(route.max_connection_duration));
  }
  return line + "\n";
}

// The line of the route, then its clusters.
std::vector<Block> RouteBlocks(const ImageRoute& route) {
  std::vector<Block> blocks = {Leaf("route", RouteLine(route))};
  for (const ImageCluster& cluster : route.clusters) {
    blocks.push_back(ClusterBlock(cluster));
  }
  return blocks;
}

Block SourceBlock(const SourceRoute& source) {
  std::string names;
  for (const std::string& workload : source.workloads) {
    names += fmt::format(" {}", workload);
  }
  return {.key = names,
          .line = fmt::format("  source{}\n", names),
          .sequence = RouteBlocks(source.route),
          .set = {}};
}

Block FrontendBlock(const Frontend& frontend, const ImageFrontend& wanted) {
  Block block{.key = KeyOf(frontend.address) + static_cast<char>(frontend.prefix),
              .line = fmt::format("frontend {} {}{}\n", ToString(frontend), wanted.everyone.host,
                                  wanted.asks ? " tells sources apart" : ""),
              .sequence = RouteBlocks(wanted.everyone),
              .set = {}};
  for (const SourceRoute& source : wanted.sources) {
    block.set.push_back(SourceBlock(source));
  }
  return block;
}

Block WorkloadBlock(const std::string& name, const ImageWorkload& workload) {
  std::string line =
      fmt::format("workload {} cgroup {} level {}", name, workload.cgroup, workload.level);
  for (const IpAddress& ip : workload.ips) {
    line += fmt::format(" {}", ToString(ip));
  }
  return Leaf(name, line + "\n");
}

// The mark is what stands before every line.
std::string Marked(std::string_view mark, const std::string& line) {
  return line.empty() ? "" : fmt::format("{}{}", mark, line);
}

void Print(const Block& block, std::string_view mark, std::string& text) {
  text += Marked(mark, block.line);
  for (const Block& part : block.sequence) {
    Print(part, mark, text);
  }
  for (const Block& part : block.set) {
    Print(part, mark, text);
  }
}

std::string Printed(const Block& block, std::string_view mark) {
  std::string text;
  Print(block, mark, text);
  return text;
}

std::string BlockDifference(const Block& before, const Block& after);

std::string SetDifference(const std::vector<Block>& before, const std::vector<Block>& after) {
  std::string text;
  auto old = before.begin();
  auto now = after.begin();
  while (old != before.end() || now != after.end()) {
    if (now == after.end() || (old != before.end() && old->key < now->key)) {
      text += Printed(*old++, "- ");
    } else if (old == before.end() || now->key < old->key) {
      text += Printed(*now++, "+ ");
    } else {
      text += BlockDifference(*old++, *now++);
    }
  }
  return text;
}

// Of two blocks with the same key.
std::string BlockDifference(const Block& before, const Block& after) {
  if (!std::ranges::equal(before.sequence, after.sequence, {}, &Block::key, &Block::key)) {
    // Other clusters, or the same in another order, share out the positions anew: nothing is as it
    // was.
    return Printed(before, "- ") + Printed(after, "+ ");
  }
  std::string below;
  for (std::size_t i = 0; i < before.sequence.size(); ++i) {
    below += BlockDifference(before.sequence[i], after.sequence[i]);
  }
  below += SetDifference(before.set, after.set);
  if (before.line != after.line) {
    return Marked("- ", before.line) + Marked("+ ", after.line) + below;
  }
  return below.empty() ? "" : Marked("  ", after.line) + below;
}

std::string FrontendDifference(const Frontend& frontend, const ImageFrontend& before,
                               const ImageFrontend& after) {
  if (before == after) {
    return "";
  }
  const Block old = FrontendBlock(frontend, before);
  const Block now = FrontendBlock(frontend, after);
  return before.everyone.host == after.everyone.host ? BlockDifference(old, now)
                                                     : Printed(old, "- ") + Printed(now, "+ ");
}

std::vector<Block> WorkloadBlocks(const TableImage& image) {
  std::vector<Block> blocks;
  blocks.reserve(image.workloads.size());
  for (const auto& [name, workload] : image.workloads) {
    blocks.push_back(WorkloadBlock(name, workload));
  }
  return blocks;
}

// NOLINTEND(misc-no-recursion)

}  // namespace

std::string ToString(const TableImage& image) {
  std::string text;
  for (const auto& [frontend, wanted] : image.frontends) {
    Print(FrontendBlock(frontend, wanted), "", text);
  }
  for (const Block& block : WorkloadBlocks(image)) {
    Print(block, "", text);
  }
  return text;
}

std::string ToString(const Frontend& frontend) {
  if (frontend.prefix == 128) {
    return ToString(frontend.address) + "/tcp";
  }
  const IpAddress& ip = frontend.address.ip;
  return ip.is_v4() && frontend.prefix >= 96
             ? fmt::format("{}/{}:{}/tcp", ToString(ip), frontend.prefix - 96,
                           frontend.address.port)
             : fmt::format("[{}/{}]:{}/tcp", ToString(ip), frontend.prefix, frontend.address.port);
}

std::string ToString(Policy policy) {
  return policy == Policy::kExact ? "exact" : "random";
}

std::string Difference(const TableImage& before, const TableImage& after) {
  std::string text;
  auto old = before.frontends.begin();
  auto now = after.frontends.begin();
  while (old != before.frontends.end() || now != after.frontends.end()) {
    if (now == after.frontends.end() ||
        (old != before.frontends.end() && old->first < now->first)) {
      text += Printed(FrontendBlock(old->first, old->second), "- ");
      ++old;
    } else if (old == before.frontends.end() || now->first < old->first) {
      text += Printed(FrontendBlock(now->first, now->second), "+ ");
      ++now;
    } else {
      text += FrontendDifference(now->first, old->second, now->second);
      ++old;
      ++now;
    }
  }
  return text + SetDifference(WorkloadBlocks(before), WorkloadBlocks(after));
}

}  // namespace vsplit
