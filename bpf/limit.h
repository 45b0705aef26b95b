/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * maxConnections: each workload may have so many connections open to a cluster. A place is taken in
 * connect() and given back with the connection's entry, however it ends.
 */
#pragma once

#include "maps.h"
#include "route.h"

static inline struct pool_value* pool_of(__u32 workload, __u32 cluster) {
  struct pool_key key = {.workload = workload, .cluster = cluster};
  return bpf_map_lookup_elem(&pools, &key);
}

/* The same, made if need be. Nothing when there is no room. */
static inline struct pool_value* make_pool(__u32 workload, __u32 cluster) {
  struct pool_value* pool = pool_of(workload, cluster);
  if (pool)
    return pool;
  struct pool_key key = {.workload = workload, .cluster = cluster};
  struct pool_value none = {};
  bpf_map_update_elem(&pools, &key, &none, BPF_NOEXIST);
  return bpf_map_lookup_elem(&pools, &key);
}

/* Whether somebody else's connections have used up the limit. */
static inline int pool_is_full(const struct decision* d, __u32 limit) {
  const struct pool_value* pool = pool_of(d->workload, d->cluster);
  return limit == 0 || (pool && READ_ONCE(pool->active) >= limit);
}

/* How taking a place went. */
#define PLACE_TAKEN 0
#define PLACE_REFUSED 1
#define PLACE_UNLIMITED 2 /* there is no pool to take one from */

static inline int take_place(const struct decision* d, __u32 limit) {
  struct total_value* block = totals_block();
  struct pool_value* pool = make_pool(d->workload, d->cluster);
  if (!block)
    return PLACE_UNLIMITED;
  if (!pool) {
    ADD(block->unlimited, 1);
    return limit ? PLACE_UNLIMITED : PLACE_REFUSED;
  }
#ifdef VSPLIT_NO_FETCH
  __s64 before = READ_ONCE(pool->active);
  ADD(pool->active, 1);
#else
  __s64 before = ADD(pool->active, 1);
#endif
  if (before >= limit) {
    ADD(pool->active, -1);
    return PLACE_REFUSED;
  }
  ADD(block->pooled, 1);
  return PLACE_TAKEN;
}

static inline void give_back(__u32 workload, __u32 cluster) {
  struct pool_value* pool = pool_of(workload, cluster);
  struct total_value* block = totals_block();
  if (pool)
    ADD(pool->active, -1);
  if (block)
    ADD(block->pooled, -1);
}
