/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Managed cluster -> group of endpoints: first a priority level, which gets the share of the load
 * that its health allows, then a group within it by weight. As Envoy does it: the level's load
 * spills over to the next one when less than 100 / 1.4 per cent of it are healthy.
 *
 * In steps that pass numbers: each is a global function, so that the verifier looks at it once and
 * not once for each way through the one before. What is healthy is counted anew in each step; when
 * nobody is ejected, that is no work.
 */
#pragma once

#include "health.h"
#include "maps.h"
#include "route.h"
#include "vsplit/split.h"

/* Beside a level or the row of a group: it is in panic, ejected endpoints are used as well. */
#define IN_PANIC (1u << 31)

static inline const struct policy_value* policy_in(__u32 row) {
  KEY(key, row);
  return bpf_map_lookup_elem(&policies, &key);
}

static inline const struct group_value* group_in(__u32 row) {
  KEY(key, row);
  return bpf_map_lookup_elem(&groups, &key);
}

/* Where endpoints of the cluster may be ejected: the word that counts them, else nothing. */
static inline __u64* ejected_of(const struct policy_value* policy, __u32 cluster) {
  if (!CAN_EJECT || !(policy->flags & MANAGED_EJECTS))
    return 0;
  struct cluster_state* state = cluster_state_of(cluster);
  if (!state)
    return 0;
  __u32 family = policy->flags / MANAGED_IPV6 & 1;
  WHOLE(family);
  return &state->ejected[family];
}

/* Goes over the groups of a policy; `i` counts them. */
#define EACH_GROUP(policy, group)                                                  \
  UNROLLED                                                                         \
  for (__u32 i = 0; i < POLICY_GROUPS; i++)                                        \
    if (i >= (policy)->groups || !((group) = group_in((policy)->first_group + i))) \
      break;                                                                       \
    else

/* Ejections that are over leave the count, unless somebody was ejected meanwhile. */
static inline void correct_ejected(__u64* word, __u64 before, __u32 ejected) {
#ifndef VSPLIT_NO_FETCH
  __sync_val_compare_and_swap(word, before, ejected_word(before, ejected));
#endif
}

/* How many endpoints of the policy in this row are ejected now. */
__noinline __u32 now_ejected(__u32 row, __u32 cluster) {
  const struct policy_value* policy = policy_in(row);
  WHOLE(cluster); /* an argument that is not used would not be passed */
  __u64* word = policy ? ejected_of(policy, cluster) : 0;
  __u64 before = word ? READ_ONCE(*word) : 0;
  if (!policy || !word || !(__u32)before)
    return 0;
  __u32 ejected = 0;
  const struct group_value* group;
  EACH_GROUP(policy, group) ejected += count_ejected(group->first, group->count);
  if (ejected != (__u32)before)
    correct_ejected(word, before, ejected);
  return ejected;
}

static inline __u32 healthy_in(const struct group_value* group, __u32 ejecting) {
  return ejecting ? group->count - count_ejected(group->first, group->count) : group->count;
}

struct level {
  __u32 endpoints; /* unready ones too; 0: there is no such level */
  __u32 healthy;
};

static __always_inline struct level level_of(__u32 row, __u32 level, __u32 ejecting) {
  struct level sums = {};
  const struct policy_value* policy = policy_in(row);
  if (!policy)
    return sums;
  const struct group_value* group;
  EACH_GROUP(policy, group) {
    if (group->level != level)
      continue;
    sums.endpoints += group->count + group->unready;
    sums.healthy += healthy_in(group, ejecting);
  }
  return sums;
}

/* In the next functions, `ejecting` says that some endpoint of the cluster is ejected. */

#define NO_LEVEL (~0u)

/* Health of a level in per cent, or NO_LEVEL. */
__noinline __u32 level_health(__u32 row, __u32 level, __u32 ejecting) {
  struct level sums = level_of(row, level, ejecting);
  return sums.endpoints ? split_health(sums.healthy, sums.endpoints) : NO_LEVEL;
}

/* Whether a level is so ill that all of its endpoints are used, or NO_LEVEL. */
__noinline __u32 level_panics(__u32 row, __u32 level, __u32 ejecting, __u32 panic_percent) {
  struct level sums = level_of(row, level, ejecting);
  return sums.endpoints ? split_panics(sums.healthy, sums.endpoints, panic_percent) : NO_LEVEL;
}

/* Endpoints of a level; 0: there is no such level. */
__noinline __u32 level_size(__u32 row, __u32 level) {
  return level_of(row, level, 0).endpoints;
}

/* Health of all levels together, at most 100. */
__noinline __u32 all_health(__u32 row, __u32 ejecting) {
  __u32 sum = 0;
  UNROLLED
  for (__u32 level = 0; level < POLICY_GROUPS; level++) {
    __u32 health = level_health(row, level, ejecting);
    if (health == NO_LEVEL)
      break;
    sum += health;
  }
  return sum < 100 ? sum : 100;
}

__noinline __u32 all_sizes(__u32 row) {
  __u32 sum = 0;
  UNROLLED
  for (__u32 level = 0; level < POLICY_GROUPS; level++) {
    __u32 size = level_size(row, level);
    if (!size)
      break;
    sum += size;
  }
  return sum;
}

__noinline __u32 all_panic(__u32 row, __u32 ejecting, __u32 panic_percent) {
  UNROLLED
  for (__u32 level = 0; level < POLICY_GROUPS; level++) {
    __u32 panics = level_panics(row, level, ejecting, panic_percent);
    if (panics != 1)
      return panics == NO_LEVEL;
  }
  return 1;
}

/* The level that holds `draw` of 100 when the healthy ones share the load; NO_LEVEL for what
 * rounding leaves over. `sum`: all_health(). */
__noinline __u32 level_by_health(__u32 row, __u32 ejecting, __u32 sum, __u32 draw) {
  if (!sum)
    return NO_LEVEL;
  UNROLLED
  for (__u32 level = 0; level < POLICY_GROUPS; level++) {
    __u32 health = level_health(row, level, ejecting);
    if (health == NO_LEVEL)
      break;
    __u32 load = split_load(health, sum);
    if (draw < load)
      return level;
    draw -= load;
  }
  return NO_LEVEL;
}

/* The level that holds `draw` of 100 when they share the load by their sizes, which add up to
 * `sum`. What rounding leaves over is the first one's. */
__noinline __u32 level_by_size(__u32 row, __u32 sum, __u32 draw) {
  if (!sum)
    return 0;
  UNROLLED
  for (__u32 level = 0; level < POLICY_GROUPS; level++) {
    __u32 size = level_size(row, level);
    if (!size)
      break;
    __u32 load = (__u32)((__u64)size * 100 / sum);
    if (draw < load)
      return level;
    draw -= load;
  }
  return 0;
}

__noinline __u32 first_healthy_level(__u32 row, __u32 ejecting) {
  UNROLLED
  for (__u32 level = 0; level < POLICY_GROUPS; level++) {
    __u32 health = level_health(row, level, ejecting);
    if (health)
      return health == NO_LEVEL ? NO_LEVEL : level;
  }
  return NO_LEVEL;
}

/* A level by `draw` of 100, with IN_PANIC; NO_LEVEL when nobody is healthy. */
static inline __u32 choose_level(const struct policy_value* policy, __u32 row, __u32 ejecting,
                                 __u32 draw) {
  __u32 sum = all_health(row, ejecting);
  /* While some level can take it all, none is in panic. */
  __u32 panic_percent = sum < 100 ? policy->panic_percent : 0;
  if (panic_percent && all_panic(row, ejecting, panic_percent))
    return level_by_size(row, all_sizes(row), draw) | IN_PANIC;
  __u32 level = level_by_health(row, ejecting, sum, draw);
  if (level == NO_LEVEL)
    level = first_healthy_level(row, ejecting);
  if (level == NO_LEVEL || !panic_percent)
    return level;
  return level_panics(row, level, ejecting, panic_percent) ? level | IN_PANIC : level;
}

#define NO_GROUP (~0ull)

/* Weight of the group with this index among those of a level (with IN_PANIC); 0 if it is in another
 * one. In panic every endpoint of the level counts alike, wherever it is. */
__noinline __u64 group_weight(__u32 row, __u32 index, __u32 ejecting, __u32 level) {
  const struct policy_value* policy = policy_in(row);
  const struct group_value* group =
      policy && index < policy->groups ? group_in(policy->first_group + index) : 0;
  if (!group)
    return NO_GROUP;
  if (group->level != (level & ~IN_PANIC))
    return 0;
  if (level & IN_PANIC)
    return group->total;
  return split_group_weight(group->weight, healthy_in(group, ejecting),
                            group->count + group->unready);
}

/* Sum of the weights of the groups in a level (with IN_PANIC). */
__noinline __u64 level_weight(__u32 row, __u32 ejecting, __u32 level) {
  __u64 sum = 0;
  UNROLLED
  for (__u32 i = 0; i < POLICY_GROUPS; i++) {
    __u64 weight = group_weight(row, i, ejecting, level);
    if (weight == NO_GROUP)
      break;
    sum += weight;
  }
  return sum;
}

/* The index of the group of a level (with IN_PANIC) whose share holds this position. */
__noinline __u32 group_by_weight(__u32 row, __u32 ejecting, __u32 level, __u64 position) {
  UNROLLED
  for (__u32 i = 0; i < POLICY_GROUPS; i++) {
    __u64 weight = group_weight(row, i, ejecting, level);
    if (weight == NO_GROUP)
      break;
    if (position < weight)
      return i;
    position -= weight;
  }
  return NOWHERE;
}

/* The only group of a policy: the same as below, by the one count that there is. */
static inline __u32 only_group(const struct policy_value* policy, __u32 ejecting) {
  const struct group_value* group = group_in(policy->first_group);
  if (!group)
    return NOWHERE;
  __u32 endpoints = group->count + group->unready;
  __u32 healthy = group->count - ejecting;
  __u32 health = split_health(healthy, endpoints);
  if (health < 100 && split_panics(healthy, endpoints, policy->panic_percent))
    return policy->first_group | IN_PANIC;
  return health ? policy->first_group : NOWHERE;
}

/* A group of the policy in this row, by 64 uniform bits: its row, with IN_PANIC; NOWHERE when
 * nobody is healthy. */
__noinline __u32 choose_group(__u32 row, __u32 cluster, __u64 uniform) {
  const struct policy_value* policy = policy_in(row);
  if (!policy)
    return NOWHERE;
  __u32 ejecting = now_ejected(row, cluster);
  if (policy->groups == 1)
    return ejecting ? only_group(policy, ejecting) : policy->first_group;
  __u32 level = choose_level(policy, row, ejecting, split_modulo(uniform, 100));
  if (level == NO_LEVEL)
    return NOWHERE;
  __u64 sum = level_weight(row, ejecting, level);
  __u32 index = group_by_weight(row, ejecting, level, split_modulo(uniform / 100, sum));
  return index == NOWHERE ? NOWHERE : (policy->first_group + index) | (level & IN_PANIC);
}
