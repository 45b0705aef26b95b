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
static inline __u64 next_number(__u64* next, int draw) {
  if (!draw)
    return READ_ONCE(*next);
#ifdef VSPLIT_NO_FETCH
  /* Before 5.12 an atomic add gives nothing back: two CPUs may read the same number. */
  __u64 number = READ_ONCE(*next);
  __sync_fetch_and_add(next, 1);
  return number;
#else
  return __sync_fetch_and_add(next, 1);
#endif
}

/* The position in [0, total) of this connection, by the route's policy. */
static inline __u32 draw_position(struct frontend_value* frontend, const struct route_value* route,
                                  struct decision* d, int draw) {
  __u32 total = route->total;
  if (total <= 1)
    return 0;
  if (route->policy == POLICY_RANDOM)
    return split_scale(bpf_get_prandom_u32(), total);
  __u32 which = route->sequence;
  if (which >= FRONTEND_SEQUENCES)
    return 0;
  d->number = next_number(&frontend->next[which], draw);
  return split_position(d->number, total, route->stride, route->seed);
}

/*
 * The cluster whose share holds this position, as row * ROUTE_CLUSTERS + its place in the row, or
 * NOWHERE; a route of many clusters is a chain of rows.
 */
__noinline __u32 cluster_at(__u32 head, __u32 position) {
  KEY(row, head);
  UNROLLED
  for (int i = 0; i < ROUTE_ROWS; i++) {
    struct route_value* route = bpf_map_lookup_elem(&routes, &row);
    if (!route)
      return NOWHERE;
    UNROLLED
    for (int j = 0; j < ROUTE_CLUSTERS; j++) {
      if (position < route->clusters[j].bound)
        return row * ROUTE_CLUSTERS + j;
    }
    row = route->next;
    if (!row)
      return NOWHERE;
  }
  return NOWHERE;
}

/* The endpoint id in this row; 0 for none. */
static inline __u32 endpoint_in(__u32 row) {
  KEY(key, row);
  struct endpoint_value* endpoint = bpf_map_lookup_elem(&endpoints, &key);
  return endpoint ? endpoint->endpoint : 0;
}

/* Whoever is in this row becomes the choice. */
static inline struct endpoint_state* choose(__u32 row, struct decision* d) {
  KEY(endpoint, endpoint_in(row));
  d->endpoint_row = row;
  d->endpoint = endpoint;
  return bpf_map_lookup_elem(&endpoint_state, &endpoint);
}

/* Of two different endpoints drawn at random, the one with fewer connections now open. */
static inline struct endpoint_state* least_request(const struct route_cluster* cluster,
                                                   struct decision* d) {
  __u32 first = split_scale(bpf_get_prandom_u32(), cluster->count);
  __u32 second = split_second(first, bpf_get_prandom_u32(), cluster->count);
  KEY(rival, endpoint_in(cluster->first + second));
  struct endpoint_state* a = choose(cluster->first + first, d);
  struct endpoint_state* b = bpf_map_lookup_elem(&endpoint_state, &rival);
  if (!a || !b || READ_ONCE(a->active) <= READ_ONCE(b->active))
    return a;
  d->endpoint_row = cluster->first + second;
  d->endpoint = rival;
  return b;
}

/* One of the cluster's count >= 1 endpoints, by its algorithm. */
static struct endpoint_state* pick_endpoint(const struct route_cluster* cluster, __u32 turn,
                                            struct decision* d, int draw) {
  __u32 count = cluster->count;
  __u32 index = 0;
  if (count > 1 && cluster->algorithm == ALGORITHM_LEAST_REQUEST)
    return least_request(cluster, d);
  if (count > 1 && cluster->algorithm == ALGORITHM_RANDOM)
    index = split_scale(bpf_get_prandom_u32(), count);
  if (count > 1 && cluster->algorithm == ALGORITHM_ROUND_ROBIN) {
    KEY(key, turn);
    struct turn_value* next = bpf_map_lookup_elem(&turns, &key);
    if (next)
      index = next_number(&next->next, draw) % count;
  }
  return choose(cluster->first + index, d);
}

/* Fills in everything below the route. */
static inline void decide_route(struct decision* d, struct frontend_value* frontend,
                                const struct route_value* head, int draw) {
  d->position = draw_position(frontend, head, d, draw);
  __u32 at = cluster_at(d->row, d->position);
  KEY(row, at / ROUTE_CLUSTERS);
  const struct route_value* route = bpf_map_lookup_elem(&routes, &row);
  if (at == NOWHERE || !route)
    return;
  const struct route_cluster* cluster = &route->clusters[at % ROUTE_CLUSTERS];
  d->cluster = cluster->cluster;
  d->counter = cluster->counter;
  d->verdict = VERDICT_REFUSED;
  if (!cluster->count)
    return;
  struct endpoint_state* endpoint =
      pick_endpoint(cluster, route->turns[at % ROUTE_CLUSTERS], d, draw);
  if (!endpoint)
    return;
  d->verdict = VERDICT_SPLIT;
  __u64* address = (__u64*)d->address;
  const __u64* theirs = (const __u64*)endpoint->address;
  address[0] = theirs[0];
  address[1] = theirs[1];
  d->port = endpoint->port;
}

/* The decision for what is asked (aligned to 8 bytes). `d` is all zero; its verdict says what
 * became of it. */
static inline void decide(struct decision* d, const struct frontend_key* asked, int draw) {
  const __u64* halves = (const __u64*)asked->address;
  KEY(id, frontend_at(halves[0], halves[1], asked->port, asked->protocol));
  struct frontend_value* frontend = bpf_map_lookup_elem(&frontends, &id);
  if (!frontend)
    return;
  d->frontend = id;
  struct control_value* block = control_block();
  if (!block || READ_ONCE(block->flags) & CONTROL_PASSTHROUGH)
    return;
  __u64 word = word_in_force(block, frontend);
  if (word == NO_WORD) {
    d->verdict = VERDICT_STALE;
    return;
  }
  d->generation = word >> ROUTE_ROW_BITS;
  KEY(row, word & ROUTE_ROW_MASK);
  d->row = row;
  if (!row)
    return;
  struct route_value* route = bpf_map_lookup_elem(&routes, &row);
  if (route)
    decide_route(d, frontend, route, draw);
}
