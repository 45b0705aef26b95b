/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Route -> cluster -> endpoint: the whole decision about one connect(), on the live tables. Called
 * by the connect hooks and by their twin; knows no socket.
 */
#pragma once

#include "address.h"
#include "managed.h"
#include "maps.h"
#include "number.h"
#include "route.h"
#include "source.h"
#include "vsplit/split.h"

/* Where the route's connections are numbered. */
static inline __u64* sequence_of(struct frontend_value* frontend, const struct route_value* route) {
  __u32 which = route->sequence;
  if (which < FRONTEND_SEQUENCES)
    return &frontend->next[which];
  if (which != SEQUENCE_TURN)
    return 0;
  KEY(turn, route->turn);
  struct turn_value* own = bpf_map_lookup_elem(&turns, &turn);
  return own ? &own->next : 0;
}

/* The position in [0, total) of this connection, by the route's policy. */
static inline __u32 draw_position(struct frontend_value* frontend, const struct route_value* route,
                                  struct decision* d, int draw) {
  __u32 total = route->total;
  if (total <= 1)
    return 0;
  if (route->policy == POLICY_RANDOM)
    return split_scale(bpf_get_prandom_u32(), total);
  __u64* next = sequence_of(frontend, route);
  if (!next)
    return 0;
  d->number = next_number(next, draw);
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

/* One of a plain cluster's count >= 1 endpoints. */
static struct endpoint_state* pick_endpoint(const struct route_cluster* cluster,
                                            struct decision* d) {
  if (cluster->count > 1 && cluster->algorithm == ALGORITHM_LEAST_REQUEST)
    return least_request(cluster, d);
  return choose(cluster->first + split_scale(bpf_get_prandom_u32(), cluster->count), d);
}

/* Whether the policy has to know who asks. */
static inline int policy_asks(const struct policy_value* policy) {
  return policy->max_connections != NO_LIMIT || policy->algorithm == ALGORITHM_MAGLEV;
}

/* In a managed cluster. Nothing, and a verdict, where no endpoint is needed or there is none. */
static __always_inline struct endpoint_state* pick_managed(const struct route_cluster* cluster,
                                                           const struct frontend_key* asked,
                                                           struct decision* d, int draw,
                                                           const struct asker* asker) {
  __u32 row = cluster->first;
  const struct policy_value* policy = policy_in(row);
  if (!policy)
    return 0;
  d->policy = row;
  __u32 client = 0;
  if (policy_asks(policy)) {
    const struct workload_value* workload = who_asks(asker);
    d->workload = workload ? workload->workload : 0;
    client = hash_of_asker(workload, is_ipv4(asked->address), asker);
  }
  if (policy->algorithm == ALGORITHM_PASSTHROUGH) {
    d->verdict = VERDICT_PASSED;
    d->port = policy->port ? policy->port : asked->port;
    return 0;
  }
  KEY(at, managed_row(row, cluster->cluster, client, draw));
  return at == NOWHERE ? 0 : choose(at, d);
}

/* Fills in everything below the route. */
static __always_inline void decide_route(struct decision* d, const struct frontend_key* asked,
                                         struct frontend_value* frontend,
                                         const struct route_value* head, int draw,
                                         const struct asker* asker) {
  d->position = draw_position(frontend, head, d, draw);
  __u32 at = cluster_at(d->source_row, d->position);
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
  struct endpoint_state* endpoint = cluster->flags & CLUSTER_MANAGED
                                        ? pick_managed(cluster, asked, d, draw, asker)
                                        : pick_endpoint(cluster, d);
  if (!endpoint)
    return;
  d->verdict = VERDICT_SPLIT;
  __u64* address = (__u64*)d->address;
  const __u64* theirs = (const __u64*)endpoint->address;
  address[0] = theirs[0];
  address[1] = theirs[1];
  d->port = endpoint->port;
}

/* A route is in force: whose it is, and what it says. */
static __always_inline void decide_source(struct decision* d, const struct frontend_key* asked,
                                          struct frontend_value* frontend, int draw,
                                          const struct asker* asker) {
  KEY(row, d->row);
  struct route_value* route = bpf_map_lookup_elem(&routes, &row);
  if (!route)
    return;
  if (route->flags & (ROUTE_SOURCES | ROUTE_ASKS)) {
    row = row_of_asker(d, route->flags, asker);
    if (!d->workload && draw)
      count_unknown_source();
    route = bpf_map_lookup_elem(&routes, &row);
    if (!route)
      return;
  }
  d->source_row = row;
  if (route->count)
    decide_route(d, asked, frontend, route, draw, asker);
}

/*
 * The decision for what is asked (aligned to 8 bytes). `d` is all zero; its verdict says what
 * became of it.
 */
static __always_inline void decide(struct decision* d, const struct frontend_key* asked, int draw,
                                   const struct asker* asker) {
  const __u64* halves = (const __u64*)asked->address;
  KEY(id, frontend_at(halves[0], halves[1], asked->port, asked->protocol));
  struct control_value* block = control_block();
  if (!block)
    return;
  struct frontend_value* frontend = bpf_map_lookup_elem(&frontends, &id);
  __u32 flags = READ_ONCE(block->flags);
  __u64 word = frontend ? word_in_force(block, frontend) : 0;
  if (!(word & ROUTE_ROW_MASK) && flags & CONTROL_SUBNETS) {
    id = subnet_at(halves[0], halves[1], asked->port, asked->protocol);
    frontend = bpf_map_lookup_elem(&frontends, &id);
    word = frontend ? word_in_force(block, frontend) : 0;
  }
  if (!frontend)
    return;
  d->frontend = id;
  if (flags & CONTROL_PASSTHROUGH)
    return;
  if (word == NO_WORD) {
    d->verdict = VERDICT_STALE;
    return;
  }
  d->generation = word >> ROUTE_ROW_BITS;
  d->row = word & ROUTE_ROW_MASK;
  if (d->row)
    decide_source(d, asked, frontend, draw, asker);
}
