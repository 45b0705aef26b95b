// SPDX-License-Identifier: Apache-2.0
// Plans that put nothing into force: they make free again what nothing in force uses.
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "vsplit/plan.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

// Waits, and then clears the places of frontends behind which no search goes on.
void AddWait(FrontendSpace places, std::vector<Operation>& operations) {
  operations.emplace_back(Wait{});
  places.Recycle();
  for (const std::uint32_t place : places.Clearable()) {
    operations.emplace_back(ClearFrontend{place});
  }
}

}  // namespace

Plan MakeRepair(const Tables& tables) {
  Plan plan{{}, tables.generation};
  FrontendSpace places = tables.frontend_space;
  std::set<std::uint32_t> living;  // frontend ids
  for (const auto& [frontend, row] : tables.frontends) {
    for (std::uint32_t which = 0; which < row.words.size(); ++which) {
      if (row.words.at(which) >> ROUTE_ROW_BITS > tables.generation) {
        plan.operations.emplace_back(WriteWord{frontend, row.id, which, 0});
      }
    }
    if (tables.RowInForce(row) == 0) {
      plan.operations.emplace_back(DeleteFrontend{frontend, row.id});
      places.Retire(row.id);
    } else {
      living.insert(row.id);
    }
  }
  for (const auto& [key, index] : tables.counters) {
    if (!living.contains(key.first)) {
      plan.operations.emplace_back(FreeCounter{index, key.first, key.second});
    }
  }
  AddWait(std::move(places), plan.operations);
  return plan;
}

Plan MakeRoom(const Tables& tables) {
  Plan plan{{}, tables.generation};
  if (!tables.with_retired_sequences.empty()) {
    AddWait(tables.frontend_space, plan.operations);
  }
  return plan;
}

}  // namespace vsplit
