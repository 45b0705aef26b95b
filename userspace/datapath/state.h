// SPDX-License-Identifier: Apache-2.0
// What a Datapath holds: the loaded programs, and the tables mapped into the agent.
#pragma once

#include <bpf/bpf.h>

#include <utility>
#include <vector>

#include "handles.h"
#include "loader.h"
#include "mapped_table.h"
#include "vsplit/datapath.h"
#include "vsplit/schema.h"

namespace vsplit {

struct Datapath::State {
  DatapathOptions options;
  Loaded loaded;
  MappedTable<control_value> control;
  MappedTable<frontend_value> frontends;
  MappedTable<route_value> routes;
  MappedTable<policy_value> policies;
  MappedTable<group_value> groups;
  MappedTable<hash_row> hash_rows;
  MappedTable<endpoint_value> endpoints;
  MappedTable<turn_value> turns;
  MappedTable<struct endpoint_state> endpoint_states;
  MappedTable<struct endpoint_health> endpoint_healths;
  MappedTable<struct cluster_state> cluster_states;
  MappedTable<route_counter> counters;
  MappedTable<total_value> totals;
  MappedTable<source_levels_value> levels;
};

// All entries of a table that is no array.
template <class Key, class Value>
std::vector<std::pair<Key, Value>> ReadAll(int fd) {
  std::vector<std::pair<Key, Value>> entries;
  Key key{};
  Value value{};
  const Key* before = nullptr;
  for (Key next{}; bpf_map_get_next_key(fd, before, &next) == 0; before = &key) {
    key = next;
    if (bpf_map_lookup_elem(fd, &key, &value) == 0) {
      entries.emplace_back(key, value);
    }
  }
  return entries;
}

}  // namespace vsplit
