// SPDX-License-Identifier: Apache-2.0
// What is in force of one frontend, taken apart, so that the parts that do not change can go over
// to the new route; and whether that is all of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/policy.h"
#include "vsplit/schema.h"

namespace vsplit {

struct OldGroup {
  group_value row{};
  bool endpoints_kept = false;  // its endpoint rows go over
  bool hash_kept = false;
};

struct OldCluster {
  route_cluster row{};
  std::uint32_t weight = 0;
  policy_value policy{};         // of a managed one
  std::vector<OldGroup> groups;  // of a plain one at most one
  bool taken = false;            // a cluster of the new route goes on from here
  bool policy_kept = false;      // its policy row goes over, with all that it names
  bool turn_kept = false;

  bool managed() const { return (row.flags & CLUSTER_MANAGED) != 0; }
};

struct OldRoute {
  std::vector<std::uint32_t> rows;
  route_value head{};
  std::vector<OldCluster> clusters;
  bool kept = false;   // goes over whole
  bool taken = false;  // a new route goes on from here
  bool sequence_kept = false;
};

struct OldFrontend {
  std::uint32_t head = 0;  // row; 0: no route
  OldRoute everyone;
  std::map<std::uint32_t, std::uint32_t> sources;  // head row by workload id
  std::map<std::uint32_t, OldRoute> routes;        // of sources, by head row
  std::set<std::uint32_t> staying;                 // workloads whose entries stay as they are
};

OldFrontend TakeApart(const Tables& tables, std::uint32_t head);

// A route of the image, and the variant of each of its clusters (ClusterKey).
struct WantedRoute {
  const ImageRoute* route = nullptr;
  std::vector<std::uint32_t> variants;
  bool v4 = true;
};
// A frontend of the image.
struct WantedFrontend {
  const ImageFrontend& image;
  WantedRoute everyone;
  std::vector<WantedRoute> sources;              // as in the image
  std::map<std::string, std::size_t> source_of;  // index of its route, by workload
};
WantedFrontend WantedOf(const ImageFrontend& image, bool v4);

bool SameEndpoints(const Tables& tables, const group_value& row,
                   const std::vector<Endpoint>& wanted);
// Settings and groups of a managed cluster; `policy` is PolicyRow(wanted).
bool SameManaged(const Tables& tables, const OldCluster& old, const policy_value& policy,
                 const ImageCluster& wanted);
// All that the rows of a route say. What changes in place is not compared.
bool SameRoute(const Tables& tables, const OldRoute& old, const WantedRoute& wanted);

}  // namespace vsplit
