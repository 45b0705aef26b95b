// SPDX-License-Identifier: Apache-2.0
// The mount table, read for cgroup2. Pure.
#pragma once

#include <istream>
#include <optional>
#include <string>

namespace vsplit {

// Where a /proc/self/mountinfo has cgroup2: the first mount of the whole hierarchy, else the first
// of a part of it (a bind mount); of mounts at one place the one that is seen there. Nothing: it
// has none.
std::optional<std::string> CgroupMountIn(std::istream& mountinfo);

}  // namespace vsplit
