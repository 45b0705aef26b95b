// SPDX-License-Identifier: Apache-2.0
// The table image: everything the kernel is to run, as plain values with names instead of ids. What
// the compiler gives, what `vsplit get image` prints, and what the tables say when read back.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/policy.h"

namespace vsplit {

enum class Policy : std::uint8_t { kExact, kRandom };  // POLICY_*

// What an application connects to. TCP only.
struct Frontend {
  SocketAddress address;

  auto operator<=>(const Frontend&) const = default;
};

struct ImageCluster {
  std::string name;          // "outbound|80|safe|reviews.default.svc.cluster.local"
  std::uint32_t weight = 1;  // divided by the greatest common divisor of the route; >= 1
  Algorithm algorithm = Algorithm::kLeastRequest;
  std::vector<SocketAddress>
      endpoints;  // of the frontend's family, sorted, each once; at most 65535

  bool operator==(const ImageCluster&) const = default;
};

// Invariants: 1 to ROUTE_CLUSTERS_MAX clusters, the sum of the weights fits 32 bits, stride is
// coprime to it.
struct ImageRoute {
  HostName host;
  Policy policy = Policy::kExact;
  std::uint32_t stride = 1;
  std::vector<ImageCluster> clusters;

  std::uint32_t total() const;  // sum of the weights
  bool operator==(const ImageRoute&) const = default;
};

struct TableImage {
  std::map<Frontend, ImageRoute> frontends;

  bool operator==(const TableImage&) const = default;
};

// frontend 10.96.0.7:80/tcp reviews.default.svc.cluster.local
//   route exact total 10 stride 9
//     cluster outbound|80|safe|reviews.default.svc.cluster.local weight 9 least_request
//       endpoint 10.1.0.9:8080
std::string ToString(const TableImage& image);
std::string ToString(const Frontend& frontend);  // "10.96.0.7:80/tcp"
std::string ToString(Policy policy);             // "exact", "random"

// The lines in which two images differ, with "- " and "+ " in front, frontend by frontend; above
// them, with two blanks in front, the frontend and cluster they belong to. Empty for equal images.
std::string Difference(const TableImage& before, const TableImage& after);

}  // namespace vsplit
