/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who connects: the workload of a connect(), by the cgroup it is made in. */
#pragma once

#include "maps.h"
#include "route.h"

/* Who asks for a decision. The hooks ask for the task that runs; their twin for a cgroup.
 */
struct asker {
  int task;     /* the task that runs; a constant in every caller, for not every program may ask */
  __u64 cgroup; /* else: a key of `workloads` */
};

static inline void count_unknown_source(void) {
  struct total_value* block = totals_block();
  if (block)
    ADD(block->unknown_source, 1);
}

static inline struct workload_value* workload_of(__u64 cgroup) {
  struct workload_key key = {.cgroup = cgroup};
  return bpf_map_lookup_elem(&workloads, &key);
}

/* Of the task that runs: containers have cgroups below that of their pod. */
static inline struct workload_value* workload_of_task(void) {
  KEY(zero, 0);
  struct source_levels_value* levels = bpf_map_lookup_elem(&source_levels, &zero);
  if (!levels)
    return 0;
  UNROLLED
  for (int i = 0; i < SOURCE_LEVELS; i++) {
    __u32 level = READ_ONCE(levels->level[i]);
    if (!level)
      return 0;
    struct workload_value* workload = workload_of(bpf_get_current_ancestor_cgroup_id((int)level));
    if (workload)
      return workload;
  }
  return 0;
}

static __always_inline struct workload_value* who_asks(const struct asker* asker) {
  return asker->task ? workload_of_task() : workload_of(asker->cgroup);
}

/*
 * The head row of the route for who asks: everyone's, or a workload's own. `d` has everyone's and
 * its frontend; who asks is noted there.
 */
static __always_inline __u32 row_of_asker(struct decision* d, __u8 flags,
                                          const struct asker* asker) {
  struct workload_value* workload = who_asks(asker);
  struct source_key key = {.row = d->row, .workload = workload ? workload->workload : 0};
  d->workload = key.workload;
  if (!key.workload || !(flags & ROUTE_SOURCES))
    return key.row;
  const struct source_value* own = bpf_map_lookup_elem(&source_routes, &key);
  return own ? own->row : key.row;
}

/*
 * What stands for a client in a consistent hash: its pod's address of the family that it connects
 * with, for others their cgroup. `ipv4`: the family.
 */
static __always_inline __u32 hash_of_asker(const struct workload_value* workload, int ipv4,
                                           const struct asker* asker) {
  if (!workload)
    return split_hash(asker->task ? bpf_get_current_cgroup_id() : asker->cgroup);
  const __u64* four = (const __u64*)workload->address4;
  const __u64* six = (const __u64*)workload->address6;
  /* Both are read, once: a pointer to one or the other is one that branches have moved, see
   * family_of. */
  __u64 short_one = READ_ONCE(four[1]);
  __u64 long_one = READ_ONCE(six[1]) + READ_ONCE(six[0]) * 0x9e3779b97f4a7c15ull;
  return split_hash(ipv4 ? short_one : long_one);
}
