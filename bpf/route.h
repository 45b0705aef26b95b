/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frontend -> the route in force. */
#pragma once

#include "maps.h"
#include "vsplit/split.h"

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

/* Places of `frontends`, a power of two, less one. Set by the agent before it loads the object. */
const volatile __u32 frontend_mask = 0;

/* The frontend that is asked for; its place goes to `id`. `asked` is aligned to 8 bytes. */
static struct frontend_value* find_frontend(const struct frontend_key* asked, __u32* id) {
  const __u64* halves = (const __u64*)asked->address;
  __u32 place = frontend_place(halves[0], halves[1], asked->port, frontend_mask);
  for (int i = 0; i < FRONTEND_PROBES; i++) {
    *id = (place + i) & frontend_mask;
    struct frontend_value* frontend = bpf_map_lookup_elem(&frontends, id);
    if (!frontend || frontend->state == FRONTEND_FREE)
      return 0;
    const __u64* theirs = (const __u64*)frontend->address;
    if (theirs[1] == halves[1] && theirs[0] == halves[0] && frontend->port == asked->port &&
        frontend->protocol == asked->protocol && frontend->state == FRONTEND_USED)
      return frontend;
  }
  return 0;
}

#define NO_WORD (~0ull)

/*
 * The word in force: of the two, the newest whose generation is not newer than the active one. When
 * the agent has committed twice between our two reads both are newer, and reading again helps.
 * NO_WORD after WORD_TRIES of that.
 */
static __u64 word_in_force(const struct control_value* block, const struct frontend_value* row) {
  for (int i = 0; i < WORD_TRIES; i++) {
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
