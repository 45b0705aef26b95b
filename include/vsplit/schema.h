/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the agent and the kernel: key and value of every table, included by the BPF
 * programs (C) and by the agent (C++). This is the file format of the product.
 *
 * Every number is in host byte order; every address is 16 bytes in network order, IPv4 as
 * ::ffff:a.b.c.d. No struct has padding: the layout checks prove it, so keys hash and compare as
 * bytes. Fields named `zero` are always 0.
 *
 * Rows of `routes`, `endpoints`, `policies`, `groups` and `hash_rows` never change while a program
 * may read them: a new generation is written into free rows, and one store to
 * control.active_generation turns it on.
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
#define VSPLIT_SCHEMA 2

/* ---- control: array of one, mmapable ---- */

/* control_value.flags */
#define CONTROL_PASSTHROUGH 1u /* the kill switch: leave every new connect() untouched */
/* `subnets` holds something: look there after an exact miss. In a byte of its own, so that the kill
 * switch can be thrown by writing one byte. */
#define CONTROL_SUBNETS 0x100u

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
 * A frontend may be a subnet: `prefix` says how many bits of the address count (96 + n for an IPv4
 * network), the others are 0. It lies at the hash place of its own address like any other, and
 * connections find it by `subnets`.
 *
 * Three sequences: the numbers of the next connections, counted by the kernel. Each set of weights
 * has one of its own, which its route row names; the others are those of earlier weights.
 */
#define ROUTE_ROW_BITS 24
#define ROUTE_ROW_MASK ((1u << ROUTE_ROW_BITS) - 1)

#define FRONTEND_PROBES 64
#define FRONTEND_SEQUENCES 3
#define FRONTEND_EXACT 128 /* frontend_value.prefix of a single address */

/* frontend_value.state */
#define FRONTEND_FREE 0 /* nobody is here, nor was: the search ends */
#define FRONTEND_USED 1
#define FRONTEND_GONE 2 /* nobody is here, the address is all zero: the search goes on */

struct frontend_value {
  __u8 address[16];
  __u16 port;
  __u8 protocol; /* IPPROTO_TCP */
  __u8 state;    /* FRONTEND_* */
  __u8 prefix;   /* bits of the address that count: FRONTEND_EXACT, or fewer for a subnet */
  __u8 zero[3];
  __u64 words[2];
  __u64 next[FRONTEND_SEQUENCES];
};
VSPLIT_LAYOUT(frontend_value, 64);

/* The same, as it is asked for. */
struct frontend_key {
  __u8 address[16];
  __u16 port;
  __u8 protocol; /* IPPROTO_TCP */
  __u8 prefix;   /* FRONTEND_EXACT when a connection asks */
};
VSPLIT_LAYOUT(frontend_key, 20);

/* ---- subnets: longest prefix match ---- */

#define SUBNET_FIXED_BITS 32 /* port and protocol always count */
/* A longer prefix whose route is not in force does not hide shorter ones: as many of them. */
#define SUBNET_TRIES 4

struct subnet_key {
  __u32 prefixlen; /* SUBNET_FIXED_BITS + frontend_value.prefix */
  __u16 port;
  __u8 protocol;
  __u8 zero;
  __u8 address[16];
};
VSPLIT_LAYOUT(subnet_key, 24);

struct subnet_value {
  __u32 frontend; /* frontend id */
};
VSPLIT_LAYOUT(subnet_value, 4);

/* ---- routes: array by row, mmapable, two cache lines each ---- */

/* route_value.policy */
#define POLICY_EXACT 0  /* every block of `total` connections holds exactly the weights */
#define POLICY_RANDOM 1 /* the kernel's pseudo-random numbers, as Envoy does */

/* route_cluster.algorithm, Istio's LoadBalancerSettings.SimpleLB */
#define ALGORITHM_LEAST_REQUEST 0 /* two random choices, the one with fewer active connections */
#define ALGORITHM_ROUND_ROBIN 1
#define ALGORITHM_RANDOM 2
#define ALGORITHM_MAGLEV 3      /* consistent hash of the source; managed clusters only */
#define ALGORITHM_PASSTHROUGH 4 /* the address that was asked for; managed clusters only */

/* route_cluster.flags */
#define CLUSTER_MANAGED 1 /* chosen by a row of `policies` */

/* One weighted cluster of a route, with its endpoints for the frontend's address family. */
struct route_cluster {
  __u32 bound;    /* positions below this one, and not below the cluster before, are this one's */
  __u32 first;    /* its endpoints are the rows first ... first + count - 1 of `endpoints`;
                     managed: row of `policies` */
  __u16 count;    /* 0: nothing to send to, its share of the connections is refused; managed: of all
                     groups, at most 65535; not looked at under ALGORITHM_PASSTHROUGH */
  __u8 algorithm; /* ALGORITHM_*; plain clusters: LEAST_REQUEST or RANDOM */
  __u8 flags;     /* CLUSTER_* */
  __u32 counter;  /* index into `route_counters` */
  __u32 cluster;  /* cluster id: key of `clusters` */
};
VSPLIT_LAYOUT(route_cluster, 20);

#define ROUTE_CLUSTERS 4 /* in one row */
#define ROUTE_ROWS 16    /* in one chain of rows */
#define ROUTE_CLUSTERS_MAX (ROUTE_CLUSTERS * ROUTE_ROWS)

#define SEQUENCE_NONE 255 /* one cluster, or POLICY_RANDOM: nothing is numbered */
#define SEQUENCE_TURN 254 /* a source's own route: its numbers are in `turns` */

/* route_value.flags, of the head row of everyone's route */
#define ROUTE_SOURCES 1 /* some source has a route of its own, in `source_routes` */
#define ROUTE_ASKS 2    /* the objects ask who connects: count sources that nobody knows */

/* What a frontend does: weighted clusters and how to draw among them. Row 0 is never used. What a
 * canary of two clusters needs lies in the first cache line. */
struct route_value {
  __u32 total;   /* S: sum of the weights divided by their greatest common divisor, >= 1 */
  __u32 stride;  /* coprime to total */
  __u32 seed;    /* of the rotation between blocks */
  __u32 next;    /* row with the next ROUTE_CLUSTERS clusters, 0 for none */
  __u8 policy;   /* POLICY_* */
  __u8 count;    /* clusters in this row, 1 ... ROUTE_CLUSTERS; 0 in a head row: leave the
                    connection untouched, others than this source may have a route */
  __u8 sequence; /* which of frontend_value.next, or SEQUENCE_* */
  __u8 flags;    /* ROUTE_* */
  struct route_cluster clusters[ROUTE_CLUSTERS];
  __u32 host;       /* host id: key of `hosts` */
  __u64 generation; /* that wrote this row */
  __u32 turn;       /* of a head row with SEQUENCE_TURN: index into `turns`, else 0 */
  __u32 zero[3];
};
VSPLIT_LAYOUT(route_value, 128);

/* ---- source_routes: hash by the head row of everyone's route and the workload ---- */

/*
 * Which route a workload takes instead. The row names the ruleset, because it is not used again
 * before a wait: an entry is inserted before the commit and deleted after a wait that follows the
 * one that puts its row out of force.
 */
struct source_key {
  __u32 row; /* head row of everyone's route */
  __u32 workload;
};
VSPLIT_LAYOUT(source_key, 8);

struct source_value {
  __u32 row; /* head row of the workload's own route */
};
VSPLIT_LAYOUT(source_value, 4);

/* ---- workloads: hash by cgroup id; source_levels: array of one, mmapable ---- */

#define WORKLOAD_NAME_SIZE 320 /* <namespace 63>/<pod 253> and NUL */

struct workload_key {
  __u64 cgroup; /* id of the pod's cgroup: the inode number of its folder */
};
VSPLIT_LAYOUT(workload_key, 8);

/* Inserted after the commit of the source routes that name it. Its id stays with its name. */
struct workload_value {
  __u32 workload;    /* id, from 1 */
  __u32 level;       /* of its cgroup, one of source_levels_value; for people */
  __u8 address4[16]; /* of the pod, all zero for none */
  __u8 address6[16];
  char name[WORKLOAD_NAME_SIZE]; /* default/web-6f9c-x2x */
};
VSPLIT_LAYOUT(workload_value, 360);

#define SOURCE_LEVELS 4

/* Where pods' cgroups lie below the root of cgroup2. Of the ancestors of who connects, at these
 * levels, the first that `workloads` knows counts. */
struct source_levels_value {
  __u32 level[SOURCE_LEVELS]; /* 0: none */
};
VSPLIT_LAYOUT(source_levels_value, 16);

/* ---- policies: array by row, mmapable ---- */

/* policy_value.flags */
#define MANAGED_EJECTS \
  1 /* failed connections eject endpoints: `cluster_state` says after how many */
#define MANAGED_WARMS 2  /* young endpoints get less: warmup_ms, warmup_percent */
#define MANAGED_SOCKET 4 /* connect_timeout_ms or keepalive_*: something is set on the socket */
#define MANAGED_IPV6 8   /* its endpoints' addresses are IPv6 */

#define POLICY_GROUPS 32 /* in one cluster */
#define WARMUP_STEPS 16
#define NO_LIMIT (~0u)

/* How to choose in a managed cluster: in one that is more than equal endpoints. */
struct policy_value {
  __u32 first_group; /* its groups are the rows first_group ... of `groups`, by ascending level */
  __u32 groups;      /* 1 ... POLICY_GROUPS; 0 under ALGORITHM_PASSTHROUGH */
  __u8 algorithm;    /* ALGORITHM_* */
  __u8 flags;        /* MANAGED_* */
  __u16 port;        /* ALGORITHM_PASSTHROUGH: to this port; 0: to the one asked for */
  __u32 turn;        /* ALGORITHM_ROUND_ROBIN: index into `turns`, else 0 */
  __u32 max_connections;      /* open ones of one workload; NO_LIMIT */
  __u32 connect_timeout_ms;   /* of the SYN; 0: the kernel's own */
  __u32 keepalive_time_s;     /* all three 0: as the application wants */
  __u32 keepalive_interval_s; /* 0: the kernel's own */
  __u32 keepalive_probes;     /* 0: the kernel's own */
  __u32 panic_percent;        /* fewer healthy ones in a level: all of it is used; 0: never */
  __u32 warmup_ms;            /* how long an endpoint is young */
  __u8 warmup_percent[WARMUP_STEPS]; /* of its weight, at the age of i / 15 of that, 1 ... 100 */
  __u32 hash_size; /* ALGORITHM_MAGLEV: entries of each group's table, a prime; else 0 */
  /* What warmup_percent was made of, for people. */
  __u32 warmup_minimum_percent;
  __u32 warmup_aggression_milli;
};
VSPLIT_LAYOUT(policy_value, 72);

/* ---- groups: array by row, mmapable ---- */

/* group_value.flags */
#define GROUP_EQUAL 1 /* all endpoints have weight 1 */

struct group_value {
  __u32 first;      /* its endpoints are the rows first ... first + count - 1 of `endpoints` */
  __u32 count;      /* at most 65535 */
  __u32 total;      /* sum of the endpoints' weights */
  __u32 weight;     /* among the groups of its level */
  __u32 unready;    /* further endpoints that get nothing, and count as unhealthy */
  __u32 level;      /* priority, 0 first; without gaps */
  __u32 flags;      /* GROUP_* */
  __u32 hash_first; /* ALGORITHM_MAGLEV: its table begins at this row of `hash_rows`; else 0 */
  __u32 stride;     /* coprime to total, for ALGORITHM_ROUND_ROBIN with unequal weights */
  __u32 zero;
};
VSPLIT_LAYOUT(group_value, 40);

/* ---- hash_rows: array by row, mmapable ---- */

#define HASH_SLOTS 4 /* in one row */

/* Slot s of a group's table is index[s % HASH_SLOTS] of row hash_first + s / HASH_SLOTS. */
struct hash_row {
  __u16 index[HASH_SLOTS]; /* of an endpoint within its group */
};
VSPLIT_LAYOUT(hash_row, 8);

/* ---- endpoints: array by row, mmapable ---- */

/* Dense, so that all of a small cluster is one cache line; who it is stands in `endpoint_state`. */
struct endpoint_value {
  __u32 endpoint; /* endpoint id: index into `endpoint_state` */
  __u32 bound;    /* sum of the weights of its group up to and including this one; equal weights:
                     1, 2, 3, ... */
};
VSPLIT_LAYOUT(endpoint_value, 8);

/* ---- turns: array, mmapable, a cache line each ---- */

/* Of one cluster under ALGORITHM_ROUND_ROBIN, or of one source's route. */
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

/* ---- endpoint_health: array by endpoint id, mmapable, a cache line each ---- */

/*
 * Of an endpoint in a cluster with MANAGED_EJECTS or MANAGED_WARMS. The agent writes all of it when
 * it gives the id away, and nothing afterwards. Times are CLOCK_MONOTONIC in ns.
 */
struct endpoint_health {
  __u64 ejected_until; /* later than now: gets nothing */
  __u32 failures;      /* connections that failed in a row */
  __u32 backoff;       /* ejections that make the next one longer; one less per interval without */
  __u64 ejections;     /* total */
  __u64 born;          /* when the id was given to this endpoint */
  __u64 zero[4];
};
VSPLIT_LAYOUT(endpoint_health, 64);

/* ---- cluster_state: array by cluster id, mmapable, a cache line each ---- */

/* Upper half of cluster_state.ejected: raised by each change, so that who has counted finds out
 * whether the count still holds. Lower half: endpoints that were ejected when that was written; the
 * next connection that finds any counts those that still are. */
#define EJECTED_VERSION_SHIFT 32

/* cluster_state.reason: fields of Istio's OutlierDetection */
#define EJECTION_CONSECUTIVE_5XX 1
#define EJECTION_GATEWAY 2
#define EJECTION_LOCAL_ORIGIN 3

struct cluster_state {
  /* the agent's; times in ms */
  __u32 failures; /* in a row that eject; 0: never */
  __u32 base_ms;  /* an ejection lasts this times the number of ejections, */
  __u32 max_ms;   /* and at most this; >= base_ms */
  __u32 interval_ms;
  __u32 max_percent;  /* of the endpoints may be ejected at one time */
  __u32 reason;       /* EJECTION_*, where `failures` comes from */
  __u32 endpoints[2]; /* of all groups, unready ones too; IPv4 and IPv6 ones */
  /* the kernel's */
  __u64 ejected[2];    /* version << EJECTED_VERSION_SHIFT | endpoints, by compare-and-swap only; of
                          IPv4 and of IPv6 endpoints, which no frontend mixes */
  __u64 ejections;     /* total */
  __u64 refused_limit; /* connect() refused by max_connections */
};
VSPLIT_LAYOUT(cluster_state, 64);

/* ---- pools: hash by workload and cluster ---- */

/* Connections that hold a place under max_connections, from connect() to their end. */
struct pool_key {
  __u32 workload; /* 0: everyone who is no workload that we know, together */
  __u32 cluster;
};
VSPLIT_LAYOUT(pool_key, 8);

struct pool_value {
  __s64 active;
};
VSPLIT_LAYOUT(pool_value, 8);

/* ---- route_counters: array, mmapable, two cache lines each ---- */

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
  __u64 refused_limit; /* connect() refused by max_connections */
  /* the agent's, for who ends connections */
  __u64 idle_timeout_ms; /* 0: none */
  __u64 max_duration_ms; /* 0: none */
  __u64 zero[6];
};
VSPLIT_LAYOUT(route_counter, 128);

/* ---- totals: array of one, mmapable ---- */

struct total_value {
  __u64 untracked; /* split, but not remembered: `connections` was full */
  __u64 stale;     /* left untouched: no word of the frontend was readable in WORD_TRIES tries */
  __s64 release_tracked; /* living connections that only sock_release will end */
  __u64 unknown_source;  /* took a route that asks who connects, and are no workload that we know */
  __u64 unlimited;       /* not held to max_connections: `pools` was full */
  __s64 pooled;          /* living connections that hold a place in `pools` */
  __u64 zero[2];
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
#define CONNECTION_POOLED 4u     /* holds a place of {workload, cluster} in `pools` */
#define CONNECTION_EJECTS 8u     /* its failure counts against the endpoint */
#define CONNECTION_PASSED 16u    /* to the address that was asked for; endpoint is 0 */
#define CONNECTION_ABORTED 32u   /* closed by the application before it was established */

struct connection_value {
  __u8 address[16]; /* the application asked for */
  __u16 port;       /* the application asked for */
  __u16 flags;      /* CONNECTION_* */
  __u32 endpoint;   /* endpoint id */
  __u32 counter;    /* index into `route_counters` */
  __u32 workload;   /* that connected; 0: nobody asked, or nobody knows */
  __u64 generation; /* the decision was taken in */
  __u64 time;       /* of the decision, CLOCK_MONOTONIC, ns */
  __u32 cluster;    /* cluster id */
  __u32 timeout_ms; /* TCP_USER_TIMEOUT that we set for the SYN; 0: none */
};
VSPLIT_LAYOUT(connection_value, 56);

/* ---- clusters, hosts: hash by id, for people and for the agent's restart ---- */

#define HOST_NAME_SIZE 256    /* with the terminating NUL; a DNS name has at most 253 */
#define CLUSTER_NAME_SIZE 380 /* outbound|65535|<subset 63>|<host 253> and NUL */

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
  __u32 variant; /* tells clusters of one name and different settings apart, from 0 */
};
VSPLIT_LAYOUT(cluster_value, 384);

/* ---- the twin of connect(): the same decision on the live tables, without a socket ---- */

/* decision.verdict */
#define VERDICT_UNTOUCHED 0 /* none of ours */
#define VERDICT_SPLIT 1     /* rewritten to the endpoint */
#define VERDICT_REFUSED 2   /* no endpoint in the chosen cluster: ECONNREFUSED */
#define VERDICT_STALE 3     /* see total_value.stale */
#define VERDICT_LIMIT 4     /* refused by max_connections: ECONNREFUSED */
#define VERDICT_PASSED 5    /* of ours, to the address asked for; `port` says which port */

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
  __u64 row;        /* head row of everyone's route */
  __u64 source_row; /* head row of the route taken: the same, or the source's own */
  __u64 workload;   /* that asks; 0: the route does not ask, or nobody knows */
  __u64 position;   /* u in [0, total) */
  __u64 cluster;    /* cluster id */
  __u64 counter;    /* index into `route_counters` */
  __u64 policy;     /* row of `policies`; 0: a plain cluster */
  __u64 endpoint_row;
  __u64 endpoint;   /* endpoint id */
  __u8 address[16]; /* of the endpoint */
  __u64 port;       /* of the endpoint */
};
VSPLIT_LAYOUT(decision, 128);

/* decide_context.flags */
#define DECIDE_DRAW \
  1u /* take the connection number, as connect() does; else only look at the next one */

/* What `vsplit_decide` is asked, and its answer: in the packet that it is run on, after an Ethernet
 * header of zeros. */
#define DECIDE_OFFSET 16

struct decide_context {
  struct frontend_key asked;
  __u32 flags;  /* DECIDE_* */
  __u64 cgroup; /* of the workload that asks, as in `workloads`; 0: nobody in particular */
  struct decision decision;
};
VSPLIT_LAYOUT(decide_context, 160);

#ifdef __cplusplus
} /* namespace vsplit */
#endif
