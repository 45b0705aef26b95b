/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Managed cluster -> endpoint. An endpoint is drawn by the algorithm as if all were well; one that
 * is ejected, or young and unlucky, is drawn again: so the others keep their proportions. Global
 * functions take and give numbers only, so that the verifier looks at each of them once.
 */
#pragma once

#include "group.h"
#include "health.h"
#include "maps.h"
#include "number.h"
#include "route.h"
#include "vsplit/split.h"

#define DRAW_TRIES 16

/* How endpoints are drawn: the try in the lower bits, and these. */
#define DRAW_TRY 0xff
#define DRAW_TAKE 0x100    /* take numbers, as connect() does */
#define DRAW_EJECTED 0x200 /* ejected ones may be used */

/* One step of a binary search: `low` rows of the group have bounds not above the position, and
 * perhaps `step` more. */
__noinline __u32 search_step(__u32 group_row, __u32 position, __u32 low, __u32 step) {
  const struct group_value* group = group_in(group_row);
  if (!group || low + step >= group->count)
    return low;
  KEY(row, group->first + low + step - 1);
  const struct endpoint_value* endpoint = bpf_map_lookup_elem(&endpoints, &row);
  return endpoint && endpoint->bound <= position ? low + step : low;
}

/* The row of the endpoint whose share holds this position in [0, total). */
__noinline __u32 row_at(__u32 group_row, __u32 position) {
  const struct group_value* group = group_in(group_row);
  if (!group || !group->count)
    return NOWHERE;
  if (group->flags & GROUP_EQUAL)
    return group->first + (position < group->count ? position : group->count - 1);
  __u32 low = 0;
  UNROLLED
  for (__u32 step = 1u << 15; step; step /= 2) /* count < 2^16 */
    low = search_step(group_row, position, low, step);
  return group->first + low;
}

/* Of the hash table of the group; `try` leads to other places when the first are of no use. */
static inline __u32 hashed_row(const struct policy_value* policy, const struct group_value* group,
                               __u32 client, __u32 try) {
  if (!policy->hash_size)
    return NOWHERE;
  __u32 slot = split_hash(client + ((__u64)try << 32)) % policy->hash_size;
  KEY(row, group->hash_first + slot / HASH_SLOTS);
  const struct hash_row* entry = bpf_map_lookup_elem(&hash_rows, &row);
  __u32 index = entry ? entry->index[slot % HASH_SLOTS] : NOWHERE;
  return index < group->count ? group->first + index : NOWHERE;
}

static inline __u32 turn_position(const struct policy_value* policy,
                                  const struct group_value* group, __u32 how) {
  KEY(key, policy->turn);
  struct turn_value* turn = bpf_map_lookup_elem(&turns, &key);
  if (!turn || !group->total)
    return 0;
  __u64 number = next_number(&turn->next, how & DRAW_TAKE);
  if (!(how & DRAW_TAKE))
    number += how & DRAW_TRY;
  if (group->flags & GROUP_EQUAL)
    return number % group->total;
  return split_position(number, group->total, group->stride, 0);
}

/* What the algorithm says in this try. */
__noinline __u32 drawn_row(__u32 policy_row, __u32 group_row, __u32 client, __u32 how) {
  const struct policy_value* policy = policy_in(policy_row);
  const struct group_value* group = group_in(group_row);
  if (!policy || !group)
    return NOWHERE;
  if (policy->algorithm == ALGORITHM_MAGLEV)
    return hashed_row(policy, group, client, how & DRAW_TRY);
  if (policy->algorithm == ALGORITHM_ROUND_ROBIN)
    return row_at(group_row, turn_position(policy, group, how));
  return row_at(group_row, split_scale(bpf_get_prandom_u32(), group->total));
}

/* Whether a young endpoint may be used this time: as often as its share says. */
static inline int is_warm(const struct policy_value* policy, const struct endpoint_health* health,
                          __u64 now) {
  __u64 age = (now - health->born) / NANOSECONDS_PER_MS;
  if (health->born > now || age >= policy->warmup_ms)
    return 1;
  __u32 step = split_warmup_step((__u32)age, policy->warmup_ms, WARMUP_STEPS - 1);
  if (step >= WARMUP_STEPS - 1)
    return 1;
  __u32 percent = split_warmup(policy->warmup_percent[step], policy->warmup_percent[step + 1],
                               (__u32)age, policy->warmup_ms, WARMUP_STEPS - 1);
  return split_scale(bpf_get_prandom_u32(), 100) < percent;
}

/* Whether the endpoint in this row may be used. */
__noinline __u32 is_fit(__u32 policy_row, __u32 row, __u32 how) {
  const struct policy_value* policy = policy_in(policy_row);
  KEY(key, row);
  const struct endpoint_value* endpoint = bpf_map_lookup_elem(&endpoints, &key);
  if (!policy || !endpoint)
    return 0;
  const struct endpoint_health* health = health_of(endpoint->endpoint);
  if (!health)
    return 0;
  __u64 now = bpf_ktime_get_ns();
  if (!(how & DRAW_EJECTED) && READ_ONCE(health->ejected_until) > now)
    return 0;
  return !(policy->flags & MANAGED_WARMS) || is_warm(policy, health, now);
}

/* Any of the group's endpoints that are not ejected. */
static inline __u32 any_healthy_row(__u32 group_row) {
  const struct group_value* group = group_in(group_row);
  if (!group)
    return NOWHERE;
  __u32 ejected = count_ejected(group->first, group->count);
  if (ejected >= group->count)
    return NOWHERE;
  return healthy_row(group->first, group->count,
                     split_scale(bpf_get_prandom_u32(), group->count - ejected));
}

/* The row of an endpoint that may be used; NOWHERE if there is none. */
__noinline __u32 fit_row(__u32 policy_row, __u32 group_row, __u32 client, __u32 how) {
  const struct policy_value* policy = policy_in(policy_row);
  if (!policy)
    return NOWHERE;
  if (!(policy->flags & (MANAGED_EJECTS | MANAGED_WARMS)))
    return drawn_row(policy_row, group_row, client, how);
  UNROLLED
  for (int i = 0; i < DRAW_TRIES; i++) {
    __u32 row = drawn_row(policy_row, group_row, client, how);
    if (is_fit(policy_row, row, how))
      return row;
    how++; /* the next try */
    WHOLE(how);
  }
  return any_healthy_row(group_row);
}

/* Weight of the endpoint in this row. */
static inline __u32 weight_in(const struct group_value* group, __u32 row,
                              const struct endpoint_value* endpoint) {
  if (group->flags & GROUP_EQUAL || row == group->first)
    return group->flags & GROUP_EQUAL ? 1 : endpoint->bound;
  KEY(before, row - 1);
  const struct endpoint_value* lower = bpf_map_lookup_elem(&endpoints, &before);
  return lower ? endpoint->bound - lower->bound : 1;
}

/* Active connections << 32 | weight of the endpoint in this row. */
__noinline __u64 burden_in(__u32 group_row, __u32 row) {
  const struct group_value* group = group_in(group_row);
  KEY(key, row);
  const struct endpoint_value* endpoint = bpf_map_lookup_elem(&endpoints, &key);
  if (!group || !endpoint)
    return 0;
  KEY(id, endpoint->endpoint);
  const struct endpoint_state* state = bpf_map_lookup_elem(&endpoint_state, &id);
  __s32 active = state ? READ_ONCE(state->active) : 0;
  return (__u64)(active > 0 ? active : 0) << 32 | weight_in(group, row, endpoint);
}

/* Tries to find a second endpoint that is another than the first. */
#define RIVAL_TRIES 4

/* Of two endpoints drawn by their weights, the one with fewer connections per weight. */
static inline __u32 least_request_row(__u32 policy_row, __u32 group_row, __u32 how) {
  __u32 row = fit_row(policy_row, group_row, 0, how);
  __u32 rival = row;
  UNROLLED
  for (int i = 0; i < RIVAL_TRIES; i++) {
    if (rival == row)
      rival = fit_row(policy_row, group_row, 0, how);
  }
  if (rival == row || rival == NOWHERE)
    return row;
  __u64 ours = burden_in(group_row, row);
  __u64 theirs = burden_in(group_row, rival);
  return split_fewer(ours >> 32, (__u32)ours, theirs >> 32, (__u32)theirs) ? row : rival;
}

/* 64 bits: the same ones for a client each time where the algorithm hashes, else at random. */
static inline __u64 uniform_bits(const struct policy_value* policy, __u32 client) {
  if (policy->algorithm == ALGORITHM_MAGLEV)
    return (__u64)split_hash(client + (1ull << 40)) << 32 | split_hash(client + (1ull << 41));
  return (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
}

/* The row of `endpoints` for a connection to this cluster, or NOWHERE. `client` is hashed. */
__noinline __u32 managed_row(__u32 policy_row, __u32 cluster, __u32 client, __u32 draw) {
  const struct policy_value* policy = policy_in(policy_row);
  if (!policy)
    return NOWHERE;
  __u32 how = draw ? DRAW_TAKE : 0;
  __u32 group = policy->first_group;
  if (policy->groups != 1 || policy->flags & MANAGED_EJECTS)
    group = choose_group(policy_row, cluster, uniform_bits(policy, client));
  if (group == NOWHERE)
    return NOWHERE;
  if (group & IN_PANIC)
    how |= DRAW_EJECTED;
  group &= ~IN_PANIC;
  if (policy->algorithm == ALGORITHM_LEAST_REQUEST)
    return least_request_row(policy_row, group, how);
  return fit_row(policy_row, group, client, how);
}
