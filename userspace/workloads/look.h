// SPDX-License-Identifier: Apache-2.0
// What the file system says about cgroups.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vsplit/workloads.h"

namespace vsplit {

// Nothing: no such cgroup. `path` is below `mount`.
std::optional<PodCgroup> LookAt(const std::string& mount, const std::string& path);

// The kubelet's pods roots, as paths below the mount: at most 4 levels deep, where a node in a
// container (kind) has them.
std::vector<std::string> FindPodsRoots(const std::string& mount);

}  // namespace vsplit
