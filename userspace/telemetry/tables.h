// SPDX-License-Identifier: Apache-2.0
// How full the tables are.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "vsplit/plan.h"

namespace vsplit {

struct TableFill {
  std::string_view table;
  std::uint32_t used = 0;
  std::uint32_t capacity = 0;  // that can be used: id 0 is never given away
};

std::vector<TableFill> FillOf(const Tables& tables);

}  // namespace vsplit
