// SPDX-License-Identifier: Apache-2.0
// The table image: everything the kernel is to run, as plain values with names instead of ids. What
// the compiler gives, what `vsplit get image` prints, and what the tables say when read back.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/policy.h"

namespace vsplit {

enum class Policy : std::uint8_t { kExact, kRandom };  // POLICY_*

// What an application connects to: one address, or all of a subnet. TCP only.
struct Frontend {
  SocketAddress address;
  // Leading bits of the 16-byte address that count, those of IPv4 from 96 on; the others are 0.
  std::uint8_t prefix = 128;

  IpPrefix addresses() const { return {.address = address.ip, .bits = prefix}; }
  auto operator<=>(const Frontend&) const = default;
};

// The groups hold endpoints of the frontend's family, whose weights have no common divisor within
// their group; together at most 65535 endpoints in 32 groups, the priorities ascending from 0.
struct ImageCluster {
  std::string name;          // "outbound|80|safe|reviews.default.svc.cluster.local"
  std::uint32_t weight = 1;  // divided by the greatest common divisor of the route; >= 1
  ClusterSettings settings;
  std::vector<EndpointGroup> groups;

  bool operator==(const ImageCluster&) const = default;
};

// Whether the kernel needs no more than the list of endpoints: one group of equals, LEAST_REQUEST
// or RANDOM, and nothing that ejects, limits or warms up.
bool IsPlain(const ImageCluster& cluster);

// Invariants: at most ROUTE_CLUSTERS_MAX clusters, the sum of the weights fits 32 bits, stride is
// coprime to it. No clusters: connections are left as they were dialled.
struct ImageRoute {
  HostName host;
  Policy policy = Policy::kExact;
  std::uint32_t stride = 1;
  std::vector<ImageCluster> clusters;
  std::chrono::milliseconds idle_timeout{};             // 0: none
  std::chrono::milliseconds max_connection_duration{};  // 0: none

  std::uint32_t total() const;  // sum of the weights
  bool operator==(const ImageRoute&) const = default;
};

struct SourceRoute {
  std::vector<std::string> workloads;  // names, sorted; each in one route of a frontend only
  ImageRoute route;                    // differs from everyone's

  bool operator==(const SourceRoute&) const = default;
};

struct ImageFrontend {
  ImageRoute everyone;               // who has no route below
  bool asks = false;                 // rules could tell sources apart: an unknown one is counted
  std::vector<SourceRoute> sources;  // by their first workload

  bool operator==(const ImageFrontend&) const = default;
};

// A pod of this node, as the kernel knows who connects.
struct ImageWorkload {
  std::uint64_t cgroup = 0;    // id: the inode number of its folder
  std::uint32_t level = 0;     // of the cgroup below the root of the hierarchy
  std::vector<IpAddress> ips;  // at most one of each family, IPv4 first

  bool operator==(const ImageWorkload&) const = default;
};

struct TableImage {
  std::map<Frontend, ImageFrontend> frontends;
  std::map<std::string, ImageWorkload> workloads;  // by "NAMESPACE/NAME"

  bool operator==(const TableImage&) const = default;
};

// The stride of the exact policy (split.h). For two weights the smaller one, which makes the
// sequence perfectly even (a Beatty sequence); for more a number coprime to their sum with small
// partial quotients. The weights have no common divisor and none of them is 0.
std::uint32_t ChooseStride(const std::vector<std::uint32_t>& weights);

// Settings, groups and sources are shown where they are not the default.
//
// frontend 10.96.0.7:80/tcp reviews.default.svc.cluster.local
//   route exact total 10 stride 9
//     cluster outbound|80|safe|reviews.default.svc.cluster.local weight 9 least_request
//       endpoint 10.1.0.9:8080
//     cluster outbound|80|risky|reviews.default.svc.cluster.local weight 1 least_request
//       eject after 5 failures (consecutive5xxErrors) for 30s to 300s, 10s, at most 10%
//       group priority 0 weight 1 eu/eu-a unready 2
//         endpoint 10.1.0.21:8080 weight 3
//   source default/client
//   route untouched
// workload default/client cgroup 4711 level 3 10.1.0.31
std::string ToString(const TableImage& image);
std::string ToString(const Frontend& frontend);  // "10.96.0.7:80/tcp", "10.0.0.0/8:80/tcp"
std::string ToString(Policy policy);             // "exact", "random"

// The lines in which two images differ, with "- " and "+ " in front, frontend by frontend; above
// them, with two blanks in front, those they belong to. Empty for equal images.
std::string Difference(const TableImage& before, const TableImage& after);

}  // namespace vsplit
