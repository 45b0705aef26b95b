/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every table of the kernel side. What the keys and values mean is in vsplit/schema.h. The sizes
 * here are placeholders: the agent sets them before it loads the object. Arrays that the agent
 * writes or counts from are mmapable, so that it needs no system call for a row.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "vsplit/schema.h"

/*
 * A key on the stack, in a word of its own: from an agent without CAP_PERFMON, 6.1's verifier takes
 * no second write into a word that it could track the first one of.
 */
#define KEY(name, value) __u32 name __attribute__((aligned(8))) = (value)

#define TABLE_ARRAY(name, value_type, entries) \
  struct {                                     \
    __uint(type, BPF_MAP_TYPE_ARRAY);          \
    __uint(map_flags, BPF_F_MMAPABLE);         \
    __type(key, __u32);                        \
    __type(value, struct value_type);          \
    __uint(max_entries, entries);              \
  } name SEC(".maps")

#define TABLE_HASH(name, key_type, value_type, flags, entries) \
  struct {                                                     \
    __uint(type, BPF_MAP_TYPE_HASH);                           \
    __uint(map_flags, flags);                                  \
    __type(key, struct key_type);                              \
    __type(value, struct value_type);                          \
    __uint(max_entries, entries);                              \
  } name SEC(".maps")

/* Switches and the generation in force. */
TABLE_ARRAY(control, control_value, 1);
/* What an application connects to, and the route row in force. */
TABLE_ARRAY(frontends, frontend_value, 1);
/* Route row -> weighted clusters and how to draw among them. */
TABLE_ARRAY(routes, route_value, 1);
/* Endpoint row -> endpoint id. */
TABLE_ARRAY(endpoints, endpoint_value, 1);
/* How to choose in managed clusters, and among which groups of endpoints. */
TABLE_ARRAY(policies, policy_value, 1);
TABLE_ARRAY(groups, group_value, 1);
/* Maglev's tables. */
TABLE_ARRAY(hash_rows, hash_row, 1);
/* Whose turn it is in a cluster under round robin, and in a source's route. */
TABLE_ARRAY(turns, turn_value, 1);
/* Endpoint id -> who it is and what was counted. */
TABLE_ARRAY(endpoint_state, endpoint_state, 1);
/* Endpoint id -> whether it is ejected, and for how long it has been there. */
TABLE_ARRAY(endpoint_health, endpoint_health, 1);
/* Cluster id -> when its endpoints are ejected, and how many are. */
TABLE_ARRAY(cluster_state, cluster_state, 1);
/* Counter index -> what was counted for one cluster of one frontend. */
TABLE_ARRAY(route_counters, route_counter, 1);
/* What is counted for no route in particular. */
TABLE_ARRAY(totals, total_value, 1);
/* At which levels below the root of cgroup2 pods' cgroups lie. */
TABLE_ARRAY(source_levels, source_levels_value, 1);
/* Address and port -> frontend whose subnet is the longest that holds it. */
struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct subnet_key);
  __type(value, struct subnet_value);
  __uint(max_entries, 1);
} subnets SEC(".maps");
/* Who connects -> which route it takes instead of everyone's. */
TABLE_HASH(workloads, workload_key, workload_value, BPF_F_NO_PREALLOC, 1);
TABLE_HASH(source_routes, source_key, source_value, BPF_F_NO_PREALLOC, 1);
/* Who holds how many places under max_connections. */
TABLE_HASH(pools, pool_key, pool_value, BPF_F_NO_PREALLOC, 1);
/* Socket cookie -> the decision taken for the socket. */
TABLE_HASH(connections, connection_key, connection_value, 0, 1);
/* Names, for people and for the agent's restart. */
TABLE_HASH(clusters, name_key, cluster_value, BPF_F_NO_PREALLOC, 1);
TABLE_HASH(hosts, name_key, host_value, BPF_F_NO_PREALLOC, 1);

/*
 * Holds nothing that matters. Replacing an element of a map of maps returns only after every
 * program that was running has finished (kernel/bpf/syscall.c, maybe_wait_bpf_programs): the
 * agent's way to wait before it reuses rows and ids.
 */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 1);
  __type(key, __u32);
  __array(
      values, struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __type(key, __u32);
        __type(value, __u32);
        __uint(max_entries, 1);
      });
} barrier SEC(".maps");
