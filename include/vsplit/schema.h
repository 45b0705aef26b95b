/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the agent and the kernel: key and value of every table, included by the BPF
 * programs (C) and by the agent (C++). This is the file format of the product.
 *
 * Every number is in host byte order; every address is 16 bytes in network order, IPv4 as
 * ::ffff:a.b.c.d. No struct has padding: the layout checks prove it, so keys hash and compare as
 * bytes. Fields named `zero` are always 0.
 *
 * Rows of `routes` and `endpoints` never change while a program may read them: a new generation is
 * written into free rows, and one store to control.active_generation turns it on.
 */
#pragma once

#include <linux/types.h>

#ifdef __cplusplus
#include <type_traits>
#define VSPLIT_LAYOUT(type, size)               \
  static_assert(sizeof(struct type) == (size)); \
  static_assert(std::has_unique_object_representations_v<struct type>)
namespace vsplit {
#else
#define VSPLIT_LAYOUT(type, size) _Static_assert(sizeof(struct type) == (size), #type)
#endif

/* Of this file. Raised whenever a size or a meaning below changes. */
#define VSPLIT_SCHEMA 1

/* ---- control: array of one, mmapable ---- */

/* control_value.flags */
#define CONTROL_PASSTHROUGH 1u /* the kill switch: leave every new connect() untouched */

struct control_value {
  __u32 schema;            /* VSPLIT_SCHEMA of the agent that made the tables; 0: not yet made */
  __u32 flags;             /* CONTROL_* */
  __u64 active_generation; /* the newest generation in force; 0: none yet */
};
VSPLIT_LAYOUT(control_value, 16);

/* ---- frontends: open-addressing hash in an array, mmapable, a cache line each ---- */

/*
 * What an application connects to: address, port and protocol, and with them all that its route
 * changes while connections are made, so that finding a frontend costs one cache line. A frontend
 * lies at the first place from frontend_place() on that was free when it was put there, at most
 * FRONTEND_PROBES places on; its place is its id as long as it exists.
 *
 * Two words, each `generation << ROUTE_ROW_BITS | route row`. In force is the newest one whose
 * generation is not newer than control.active_generation. Row 0 means: no route, leave the
 * connection untouched.
 *
 * Three sequences: the numbers of the next connections, counted by the kernel. Each set of weights
 * has one of its own, which its route row names; the others are those of earlier weights.
 */
#define ROUTE_ROW_BITS 24
#define ROUTE_ROW_MASK ((1u << ROUTE_ROW_BITS) - 1)

#define FRONTEND_PROBES 64
#define FRONTEND_SEQUENCES 3

/* frontend_value.state */
#define FRONTEND_FREE 0 /* nobody is here, nor was: the search ends */
#define FRONTEND_USED 1
#define FRONTEND_GONE 2 /* nobody is here, the address is all zero: the search goes on */

struct frontend_value {
  __u8 address[16];
  __u16 port;
  __u8 protocol; /* IPPROTO_TCP */
  __u8 state;    /* FRONTEND_* */
  __u32 zero;
  __u64 words[2];
  __u64 next[FRONTEND_SEQUENCES];
};
VSPLIT_LAYOUT(frontend_value, 64);

/* The same, as it is asked for. */
struct frontend_key {
  __u8 address[16];
  __u16 port;
  __u8 protocol; /* IPPROTO_TCP */
  __u8 zero;
};
VSPLIT_LAYOUT(frontend_key, 20);

/* ---- routes: array by row, mmapable, two cache lines each ---- */

/* route_value.policy */
#define POLICY_EXACT 0  /* every block of `total` connections holds exactly the weights */
#define POLICY_RANDOM 1 /* the kernel's pseudo-random numbers, as Envoy does */

/* route_cluster.algorithm, Istio's LoadBalancerSettings.SimpleLB */
#define ALGORITHM_LEAST_REQUEST 0 /* two random choices, the one with fewer active connections */
#define ALGORITHM_ROUND_ROBIN 1
#define ALGORITHM_RANDOM 2

/* One weighted cluster of a route, with its endpoints for the frontend's address family. */
struct route_cluster {
  __u32 bound;    /* positions below this one, and not below the cluster before, are this one's */
  __u32 first;    /* its endpoints are the rows first ... first + count - 1 of `endpoints` */
  __u16 count;    /* 0: nothing to send to, its share of the connections is refused */
  __u8 algorithm; /* ALGORITHM_* */
  __u8 zero;
  __u32 counter; /* index into `route_counters` */
  __u32 cluster; /* cluster id: key of `clusters` */
};
VSPLIT_LAYOUT(route_cluster, 20);

#define ROUTE_CLUSTERS 4 /* in one row */
#define ROUTE_ROWS 16    /* in one chain of rows */
#define ROUTE_CLUSTERS_MAX (ROUTE_CLUSTERS * ROUTE_ROWS)

#define SEQUENCE_NONE 255 /* one cluster, or POLICY_RANDOM: nothing is numbered */

/* What a frontend does: weighted clusters and how to draw among them. Row 0 is never used. What a
 * canary of two clusters needs lies in the first cache line. */
struct route_value {
  __u32 total;   /* S: sum of the weights divided by their greatest common divisor, >= 1 */
  __u32 stride;  /* coprime to total */
  __u32 seed;    /* of the rotation between blocks */
  __u32 next;    /* row with the next ROUTE_CLUSTERS clusters, 0 for none */
  __u8 policy;   /* POLICY_* */
  __u8 count;    /* clusters in this row, 1 ... ROUTE_CLUSTERS */
  __u8 sequence; /* which of frontend_value.next, or SEQUENCE_NONE */
  __u8 zero;
  struct route_cluster clusters[ROUTE_CLUSTERS];
  __u32 host;       /* host id: key of `hosts` */
  __u64 generation; /* that wrote this row */
  __u32
      turns[ROUTE_CLUSTERS]; /* per cluster index into `turns` for ALGORITHM_ROUND_ROBIN, else 0 */
};
VSPLIT_LAYOUT(route_value, 128);

/* ---- endpoints: array by row, mmapable ---- */

/* Dense, so that all of a small cluster is one cache line; who it is stands in `endpoint_state`. */
struct endpoint_value {
  __u32 endpoint; /* endpoint id: index into `endpoint_state` */
  __u32 zero;
};
VSPLIT_LAYOUT(endpoint_value, 8);

/* ---- turns: array, mmapable, a cache line each ---- */

/* Of one cluster under ALGORITHM_ROUND_ROBIN. */
struct turn_value {
  __u64 next; /* number of the next connection, from 0; the kernel adds to it atomically */
  __u64 zero[7];
};
VSPLIT_LAYOUT(turn_value, 64);

/* ---- endpoint_state: array by endpoint id, mmapable, a cache line each ---- */

/*
 * One pod address and port in one cluster. The agent writes the upper part once, when it gives the
 * id away; the kernel counts in the lower part. An id is given to another endpoint with a newer
 * `since`, and a connection that was chosen in an older generation no longer counts.
 */
#define SINCE_NOBODY (~0ull) /* the id was given up: no connection counts here any more */

struct endpoint_state {
  __u8 address[16];
  __u16 port;
  __u16 zero;
  __u32 cluster; /* cluster id */
  __u64 since;   /* generation of the first use of this id for this endpoint; 0: never used */
  /* counted by the kernel */
  __s32 active;   /* connections opened and not yet closed */
  __u32 failed;   /* opened, and closed without ever being established */
  __u64 opened;   /* with observation: SYN sent; without: chosen in connect() */
  __u64 sent;     /* bytes acknowledged by the endpoint, added when a connection closes */
  __u64 received; /* bytes received from the endpoint, added when a connection closes */
};
VSPLIT_LAYOUT(endpoint_state, 64);

/* ---- route_counters: array, mmapable, a cache line each ---- */

/* The same for one cluster of one frontend's route. Keeps its index as long as the route has it. */
struct route_counter {
  __u32 frontend; /* frontend id */
  __u32 cluster;  /* cluster id */
  __u64 since;    /* as endpoint_state.since */
  /* counted by the kernel */
  __s32 active;
  __u32 failed;
  __u64 opened;
  __u64 refused_no_endpoint; /* connect() refused because the cluster has no endpoint */
  __u64 sent;
  __u64 received;
  __u64 zero;
};
VSPLIT_LAYOUT(route_counter, 64);

/* ---- totals: array of one, mmapable ---- */

struct total_value {
  __u64 untracked; /* split, but not remembered: `connections` was full */
  __u64 stale;     /* left untouched: no word of the frontend was readable in WORD_TRIES tries */
  __s64 release_tracked; /* living connections that only sock_release will end */
  __u64 zero[5];
};
VSPLIT_LAYOUT(total_value, 64);

#define WORD_TRIES 8

/* ---- connections: hash by socket cookie, preallocated, bounded ---- */

struct connection_key {
  __u64 cookie; /* of the socket, as `ss -e` prints it (sk:) */
};
VSPLIT_LAYOUT(connection_key, 8);

/* connection_value.flags */
#define CONNECTION_COUNTED 1u    /* is in the active counts */
#define CONNECTION_BY_RELEASE 2u /* counted without sockops: is in total_value.release_tracked */

struct connection_value {
  __u8 address[16]; /* the application asked for */
  __u16 port;       /* the application asked for */
  __u16 flags;      /* CONNECTION_* */
  __u32 endpoint;   /* endpoint id */
  __u32 counter;    /* index into `route_counters` */
  __u32 zero;
  __u64 generation; /* the decision was taken in */
  __u64 time;       /* of the decision, CLOCK_MONOTONIC, ns */
};
VSPLIT_LAYOUT(connection_value, 48);

/* ---- clusters, hosts: hash by id, for people and for the agent's restart ---- */

#define HOST_NAME_SIZE 256    /* with the terminating NUL; a DNS name has at most 253 */
#define CLUSTER_NAME_SIZE 384 /* outbound|65535|<subset 63>|<host 253> and NUL */

struct name_key {
  __u32 id; /* from 1 */
};
VSPLIT_LAYOUT(name_key, 4);

struct host_value {
  char name[HOST_NAME_SIZE];
};
VSPLIT_LAYOUT(host_value, 256);

struct cluster_value {
  char name[CLUSTER_NAME_SIZE]; /* outbound|80|safe|reviews.default.svc.cluster.local */
};
VSPLIT_LAYOUT(cluster_value, 384);

/* ---- the syscall twin: the same decision on the live tables, without a socket ---- */

/* decision.verdict */
#define VERDICT_UNTOUCHED 0 /* none of ours */
#define VERDICT_SPLIT 1     /* rewritten to the endpoint */
#define VERDICT_REFUSED 2   /* no endpoint in the chosen cluster: ECONNREFUSED */
#define VERDICT_STALE 3     /* see total_value.stale */

/*
 * What the kernel decides about one connect(). Whole words throughout: from an agent without
 * CAP_PERFMON, 6.1's verifier takes no second write into a word of the stack that it could track
 * the first one of.
 */
struct decision {
  __u64 generation; /* of the route */
  __u64 number;     /* connection number in the route's sequence, 0 without one */
  __u64 verdict;    /* VERDICT_* */
  __u64 frontend;   /* frontend id */
  __u64 row;        /* route row */
  __u64 position;   /* u in [0, total) */
  __u64 cluster;    /* cluster id */
  __u64 counter;    /* index into `route_counters` */
  __u64 endpoint_row;
  __u64 endpoint;   /* endpoint id */
  __u8 address[16]; /* of the endpoint */
  __u64 port;       /* of the endpoint */
};
VSPLIT_LAYOUT(decision, 104);

/* decide_context.flags */
#define DECIDE_DRAW \
  1u /* take the connection number, as connect() does; else only look at the next one */

/* Context of the `vsplit_decide` program: what is asked, and the answer. */
struct decide_context {
  struct frontend_key asked;
  __u32 flags; /* DECIDE_* */
  struct decision decision;
};
VSPLIT_LAYOUT(decide_context, 128);

#ifdef __cplusplus
} /* namespace vsplit */
#endif
