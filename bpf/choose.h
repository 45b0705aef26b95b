/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Route -> cluster -> endpoint: the whole decision about one connect(), on the live tables. Called
 * by the connect hooks and by their syscall twin; knows no socket.
 */
#pragma once

#include "maps.h"
#include "route.h"
#include "vsplit/split.h"

/* The number of the next connection; with `draw` it is taken. */
static inline __u64 next_number(struct sequence_value* sequence, int draw) {
  if (!draw)
    return READ_ONCE(sequence->next);
#ifdef VSPLIT_NO_FETCH
  /* Before 5.12 an atomic add gives nothing back: two CPUs may read the same number. */
  __u64 number = READ_ONCE(sequence->next);
  __sync_fetch_and_add(&sequence->next, 1);
  return number;
#else
  return __sync_fetch_and_add(&sequence->next, 1);
#endif
}

/* The position in [0, total) of this connection, by the route's policy. */
static inline __u32 draw_position(const struct route_value* route, struct decision* d, int draw) {
  __u32 total = route->total;
  if (total <= 1)
    return 0;
  if (route->policy == POLICY_RANDOM)
    return split_scale(bpf_get_prandom_u32(), total);
  __u32 id = route->sequence;
  struct sequence_value* sequence = bpf_map_lookup_elem(&sequences, &id);
  if (!sequence)
    return 0;
  d->number = next_number(sequence, draw);
  return split_position(d->number, total, route->stride, sequence->seed);
}

/* The cluster whose share holds this position; a route of many clusters is a chain of rows. */
static struct route_cluster* cluster_at(struct route_value* route, __u32 position) {
  for (int i = 0; i < ROUTE_ROWS; i++) {
    for (int j = 0; j < ROUTE_CLUSTERS; j++) {
      if (position < route->clusters[j].bound)
        return &route->clusters[j];
    }
    __u32 next = route->next;
    if (!next)
      return 0;
    route = bpf_map_lookup_elem(&routes, &next);
    if (!route)
      return 0;
  }
  return 0;
}

/* Connections now open to the endpoint in this row. */
static inline __s32 active_at(__u32 row) {
  struct endpoint_value* endpoint = bpf_map_lookup_elem(&endpoints, &row);
  if (!endpoint)
    return 0;
  __u32 id = endpoint->endpoint;
  struct endpoint_state* state = bpf_map_lookup_elem(&endpoint_state, &id);
  return state ? READ_ONCE(state->active) : 0;
}

/* Which of the cluster's count >= 1 endpoints, by its algorithm. */
static __u32 pick_endpoint(const struct route_cluster* cluster, int draw) {
  __u32 count = cluster->count;
  if (count == 1)
    return 0;
  if (cluster->algorithm == ALGORITHM_ROUND_ROBIN) {
    __u32 id = cluster->sequence;
    struct sequence_value* sequence = bpf_map_lookup_elem(&sequences, &id);
    return sequence ? next_number(sequence, draw) % count : 0;
  }
  __u32 first = split_scale(bpf_get_prandom_u32(), count);
  if (cluster->algorithm == ALGORITHM_RANDOM)
    return first;
  __u32 second = split_second(first, bpf_get_prandom_u32(), count);
  return active_at(cluster->first + second) < active_at(cluster->first + first) ? second : first;
}

/* Fills in everything below the frontend. `d` is all zero but for its frontend. */
static inline void decide_route(struct decision* d, struct route_value* route, int draw) {
  d->position = draw_position(route, d, draw);
  struct route_cluster* cluster = cluster_at(route, d->position);
  if (!cluster)
    return;
  d->cluster = cluster->cluster;
  d->counter = cluster->counter;
  d->verdict = VERDICT_REFUSED;
  if (!cluster->count)
    return;
  __u32 row = cluster->first + pick_endpoint(cluster, draw);
  struct endpoint_value* endpoint = bpf_map_lookup_elem(&endpoints, &row);
  if (!endpoint)
    return;
  d->verdict = VERDICT_SPLIT;
  d->endpoint_row = row;
  d->endpoint = endpoint->endpoint;
  __builtin_memcpy(d->address, endpoint->address, sizeof(d->address));
  d->port = endpoint->port;
}

/* The decision for what is asked. `d` is all zero; its verdict says what became of it. */
static __always_inline void decide(struct decision* d, const struct frontend_key* asked, int draw) {
  struct frontend_value* frontend = bpf_map_lookup_elem(&frontends, asked);
  if (!frontend)
    return;
  struct control_value* block = control_block();
  if (!block || READ_ONCE(block->flags) & CONTROL_PASSTHROUGH)
    return;
  d->frontend = frontend->frontend;
  struct current_value* words = bpf_map_lookup_elem(&current, &d->frontend);
  if (!words)
    return;
  __u64 word = word_in_force(block, words);
  if (word == NO_WORD) {
    d->verdict = VERDICT_STALE;
    return;
  }
  d->generation = word >> ROUTE_ROW_BITS;
  d->row = word & ROUTE_ROW_MASK;
  if (!d->row)
    return;
  struct route_value* route = bpf_map_lookup_elem(&routes, &d->row);
  if (route)
    decide_route(d, route, draw);
}
