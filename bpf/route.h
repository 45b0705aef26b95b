/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frontend -> the route in force. */
#pragma once

#include "maps.h"
#include "vsplit/split.h"

/* One load, not torn, not repeated. */
#define READ_ONCE(place) (*(const volatile typeof(place)*)&(place))

static inline struct control_value* control_block(void) {
  KEY(zero, 0);
  return bpf_map_lookup_elem(&control, &zero);
}

static inline struct total_value* totals_block(void) {
  KEY(zero, 0);
  return bpf_map_lookup_elem(&totals, &zero);
}

/* The compiler keeps this value in one register, and stores it in one piece. */
#define WHOLE(value) __asm__ volatile("" : "+r"(value))

#define ADD(place, n) __sync_fetch_and_add(&(place), n)

/* Places of `frontends`, a power of two, less one. Set by the agent before it loads the object. */
const volatile __u32 frontend_mask = 0;

#define NOWHERE (~0u)

/*
 * Loops are unrolled. Without CAP_PERFMON the verifier also follows the branches that a processor
 * may mispredict, and a loop that is mispredicted to go on never ends. The functions with loops are
 * global, so that it looks at each once and not once for each way that leads there.
 */
#define UNROLLED _Pragma("clang loop unroll(full)")

/* Where the frontend that is asked for lies in `frontends`, or NOWHERE. */
__noinline __u32 frontend_at(__u64 upper, __u64 lower, __u32 port, __u32 protocol) {
  __u32 place = frontend_place(upper, lower, port, frontend_mask);
  UNROLLED
  for (int i = 0; i < FRONTEND_PROBES; i++) {
    KEY(at, (place + i) & frontend_mask);
    struct frontend_value* frontend = bpf_map_lookup_elem(&frontends, &at);
    if (!frontend)
      return NOWHERE;
    __u8 state = READ_ONCE(frontend->state);
    const __u64* theirs = (const __u64*)frontend->address;
    __u64 differs = (theirs[0] ^ upper) | (theirs[1] ^ lower) | (frontend->port ^ port) |
                    (frontend->protocol ^ protocol) | (frontend->prefix ^ FRONTEND_EXACT) |
                    (state ^ FRONTEND_USED);
    if (!differs)
      return at;
    if (state == FRONTEND_FREE)
      return NOWHERE;
  }
  return NOWHERE;
}

#define NO_WORD (~0ull)

/*
 * The word in force: of the two, the newest whose generation is not newer than the active one. When
 * the agent has committed twice between our two reads both are newer, and reading again helps.
 * NO_WORD after WORD_TRIES of that.
 */
static __u64 word_in_force(const struct control_value* block, const struct frontend_value* row) {
  UNROLLED
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

/*
 * The frontend with a route in force whose subnet is the longest that holds this address, or
 * NOWHERE. A frontend is in `subnets` before its route is in force and after it was, and must not
 * hide a wider one meanwhile.
 */
__noinline __u32 subnet_at(__u64 upper, __u64 lower, __u32 port, __u32 protocol) {
  struct subnet_key key = {
      .prefixlen = SUBNET_FIXED_BITS + 128, .port = port, .protocol = protocol};
  struct control_value* block = control_block();
  __u64* halves = (__u64*)key.address;
  halves[0] = upper;
  halves[1] = lower;
  UNROLLED
  for (int i = 0; i < SUBNET_TRIES; i++) {
    const struct subnet_value* subnet = bpf_map_lookup_elem(&subnets, &key);
    if (!subnet)
      return NOWHERE;
    KEY(id, subnet->frontend);
    const struct frontend_value* frontend = bpf_map_lookup_elem(&frontends, &id);
    if (!frontend || !block)
      return NOWHERE;
    if (word_in_force(block, frontend) & ROUTE_ROW_MASK)
      return id;
    if (!frontend->prefix)
      return NOWHERE;
    key.prefixlen = SUBNET_FIXED_BITS + frontend->prefix - 1;
  }
  return NOWHERE;
}
