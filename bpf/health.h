/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Outlier detection, reduced to what the kernel sees: connections that were never established eject
 * their endpoint for a time, and time alone lets it back. It needs no agent.
 */
#pragma once

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "maps.h"
#include "route.h"
#include "vsplit/split.h"

#define NANOSECONDS_PER_MS 1000000ull

/*
 * Endpoints are counted with bpf_loop. Kernels before 5.17 lack it, and eject nobody; those before
 * 5.13 would not even take a program that names a callback it never calls.
 */
#ifdef VSPLIT_NO_FETCH
#define CAN_EJECT 0
#else
#define CAN_EJECT bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)
#endif

static inline struct cluster_state* cluster_state_of(__u32 cluster) {
  KEY(id, cluster);
  return bpf_map_lookup_elem(&cluster_state, &id);
}

static inline struct endpoint_health* health_of(__u32 endpoint) {
  KEY(id, endpoint);
  return bpf_map_lookup_elem(&endpoint_health, &id);
}

/* The word of cluster_state.ejected after a change of its count. */
static inline __u64 ejected_word(__u64 before, __u32 count) {
  return ((before >> EJECTED_VERSION_SHIFT) + 1) << EJECTED_VERSION_SHIFT | count;
}

/* ---- counting ---- */

#ifndef VSPLIT_NO_FETCH

struct health_count {
  __u64 now;
  __u32 first;   /* row of `endpoints` */
  __u32 skip;    /* healthy ones to pass over before `found` */
  __u32 ejected; /* so far */
  __u32 found;   /* row of the healthy one after them, NOWHERE for none */
};

static long count_health(__u32 index, struct health_count* count) {
  KEY(row, count->first + index);
  const struct endpoint_value* endpoint = bpf_map_lookup_elem(&endpoints, &row);
  const struct endpoint_health* health = endpoint ? health_of(endpoint->endpoint) : 0;
  if (!health || READ_ONCE(health->ejected_until) > count->now)
    count->ejected++;
  else if (index - count->ejected == count->skip)
    count->found = row;
  return 0;
}

#endif

/* How many of these rows of `endpoints` are ejected now. */
__noinline __u32 count_ejected(__u32 first, __u32 rows) {
#ifndef VSPLIT_NO_FETCH
  struct health_count count = {
      .now = bpf_ktime_get_ns(), .first = first, .skip = NOWHERE, .found = NOWHERE};
  if (CAN_EJECT) {
    bpf_loop(rows, count_health, &count, 0);
    return count.ejected;
  }
#endif
  return 0;
}

/* The row of the healthy endpoint after `skip` healthy ones; NOWHERE for none. */
__noinline __u32 healthy_row(__u32 first, __u32 rows, __u32 skip) {
#ifndef VSPLIT_NO_FETCH
  struct health_count count = {
      .now = bpf_ktime_get_ns(), .first = first, .skip = skip, .found = NOWHERE};
  if (CAN_EJECT) {
    bpf_loop(rows, count_health, &count, 0);
    return count.found;
  }
#endif
  return first;
}

/* ---- a connection has failed, or not ---- */

#define SWAP_TRIES 4 /* of a compare-and-swap */

#ifndef VSPLIT_NO_FETCH

/*
 * Of an endpoint's address: 0 for IPv4, 1 for IPv6. A global function, of which the verifier only
 * knows that it gives a number: from an agent without CAP_PERFMON it takes no pointer that branches
 * have moved by different constants.
 */
__noinline __u32 family_of(__u32 endpoint) {
  KEY(id, endpoint);
  const struct endpoint_state* state = bpf_map_lookup_elem(&endpoint_state, &id);
  return state ? !is_ipv4(state->address) : 0;
}

/* Notes one more ejected endpoint, if the cluster may have one. Returns whether it does. */
static inline int count_ejection(struct cluster_state* cluster, __u32 family) {
  __u64* word = &cluster->ejected[family];
  __u32 all = cluster->endpoints[family];
  UNROLLED
  for (int i = 0; i < SWAP_TRIES; i++) {
    __u64 before = READ_ONCE(*word);
    __u32 ejected = (__u32)before;
    if (!split_may_eject(ejected, all, cluster->max_percent))
      return 0;
    if (__sync_val_compare_and_swap(word, before, ejected_word(before, ejected + 1)) == before)
      return 1;
  }
  return 0;
}

/*
 * Ejects an endpoint that has failed often enough. The endpoint is claimed first, so that of two
 * failures that meet here one ejects it; who may not eject it after all gives it back.
 */
static inline void eject(struct cluster_state* cluster, struct endpoint_health* health,
                         __u32 family) {
  __u64 now = bpf_ktime_get_ns();
  __u64 before = READ_ONCE(health->ejected_until);
  if (before > now)
    return;
  __u32 backoff = split_backoff(READ_ONCE(health->backoff), (now - before) / NANOSECONDS_PER_MS,
                                cluster->interval_ms);
  __u64 ms = split_ejection_ms(cluster->base_ms, cluster->max_ms, backoff);
  __u64 until = now + ms * NANOSECONDS_PER_MS;
  if (__sync_val_compare_and_swap(&health->ejected_until, before, until) != before)
    return;
  if (!count_ejection(cluster, family)) {
    __sync_val_compare_and_swap(&health->ejected_until, until, before);
    return;
  }
  health->backoff = backoff;
  health->failures = 0;
  __sync_fetch_and_add(&health->ejections, 1);
  __sync_fetch_and_add(&cluster->ejections, 1);
}

#endif

/* A connection to the endpoint of this state was never established. Those that were under way when
 * it was ejected say nothing about how it is when it comes back. */
static inline void note_failure(__u32 endpoint, const struct endpoint_state* state) {
#ifndef VSPLIT_NO_FETCH
  struct cluster_state* cluster = cluster_state_of(state->cluster);
  struct endpoint_health* health = health_of(endpoint);
  if (!CAN_EJECT || !cluster || !health || !cluster->failures ||
      READ_ONCE(health->ejected_until) > bpf_ktime_get_ns())
    return;
  __u32 failures = __sync_fetch_and_add(&health->failures, 1) + 1;
  if (failures >= cluster->failures)
    eject(cluster, health, family_of(endpoint) & 1);
#endif
}

/* One was. */
static inline void note_success(__u32 endpoint) {
  struct endpoint_health* health = health_of(endpoint);
  if (health && READ_ONCE(health->failures))
    health->failures = 0;
}
