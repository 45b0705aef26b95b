/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frontend -> the route in force. */
#pragma once

#include "maps.h"

/* One load, not torn, not repeated. */
#define READ_ONCE(place) (*(const volatile typeof(place)*)&(place))

static inline struct control_value* control_block(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&control, &zero);
}

static inline struct total_value* totals_block(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&totals, &zero);
}

#define NO_WORD (~0ull)

/*
 * The word in force: of the two, the newest whose generation is not newer than the active one. When
 * the agent has committed twice between our two reads both are newer, and reading again helps.
 * NO_WORD after CURRENT_TRIES of that.
 */
static __u64 word_in_force(const struct control_value* block, const struct current_value* row) {
  for (int i = 0; i < CURRENT_TRIES; i++) {
    __u64 active = READ_ONCE(block->active_generation);
    __u64 a = READ_ONCE(row->words[0]);
    __u64 b = READ_ONCE(row->words[1]);
    __u64 newer = a > b ? a : b;
    __u64 older = a > b ? b : a;
    if (newer >> ROUTE_ROW_BITS <= active)
      return newer;
    if (older >> ROUTE_ROW_BITS <= active)
      return older;
  }
  return NO_WORD;
}
