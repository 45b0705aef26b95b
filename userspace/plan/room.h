// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "vsplit/plan.h"

namespace vsplit {

// Waits, and then removes what only programs that ran before could still look for: the entries of
// source routes that were put out of force, and the places of frontends behind which no search goes
// on. Both become as they are then.
void AddWait(std::set<std::pair<std::uint32_t, std::uint32_t>>& retired_sources,
             FrontendSpace& places, Operations& operations);

}  // namespace vsplit
