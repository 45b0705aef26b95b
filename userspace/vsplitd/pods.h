// SPDX-License-Identifier: Apache-2.0
// The pods of this node: as clients for resolve.h, and as what tells the kernel who connects.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"
#include "vsplit/workloads.h"

namespace vsplit {

using CgroupHints = std::map<ObjectKey, CgroupHint>;
// Looks for cgroups; those that it does not find are left out.
using CgroupFinder = std::function<std::map<ObjectKey, PodCgroup>(const CgroupHints&)>;

struct NodeOptions {
  std::string name;                  // as spec.nodeName of Pods
  std::optional<Locality> locality;  // instead of the Node's labels
  std::string cgroup_mount;
};

// A value: a transaction makes a new one, and it is kept or thrown away with it.
struct LocalPods {
  CgroupHints hints;                           // all of them
  Client anonymous;                            // who is none of them
  std::vector<Workload> workloads;             // those whose cgroup was found, by name
  std::map<std::string, ImageWorkload> image;  // the same, for the kernel

  bool operator==(const LocalPods&) const = default;
};

// Whether the change can make other pods of them.
bool ConcernsPods(const Change& change, const NodeOptions& node, const LocalPods& pods);
// As they are after the changes, which the store holds already.
LocalPods PodsAfter(const std::vector<Change>& changes, const Store& store, const NodeOptions& node,
                    const LocalPods& before, const CgroupFinder& find);
// From nothing.
LocalPods FindPods(const Store& store, const NodeOptions& node, const CgroupFinder& find);

// What the kernel's table of workloads is to change.
std::map<std::string, std::optional<ImageWorkload>> Difference(
    const std::map<std::string, ImageWorkload>& before,
    const std::map<std::string, ImageWorkload>& after);

}  // namespace vsplit
