/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a connection that was split: remembered under its socket's cookie when it is decided,
 * counted when it opens, forgotten when it ends.
 *
 * With sockops a connection counts from its SYN to TCP_CLOSE, so that connect()s that never send
 * one (no route, TCP_FASTOPEN_CONNECT without data) never count; sock_release then only sweeps up
 * what never left CLOSE. Without sockops it counts from connect() to sock_release.
 */
#pragma once

#include "address.h"
#include "health.h"
#include "limit.h"
#include "maps.h"
#include "options.h"
#include "route.h"

/* Set by the agent before it loads the object. */
const volatile __u32 observe = 1; /* sockops is attached */

/* The state of the connection's endpoint; nothing when the id belongs to somebody else by now, or
 * the connection went to the address that was asked for. */
static inline struct endpoint_state* endpoint_of(const struct connection_value* connection) {
  KEY(id, connection->endpoint);
  struct endpoint_state* state = bpf_map_lookup_elem(&endpoint_state, &id);
  return state && id && connection->generation >= state->since ? state : 0;
}

static inline struct route_counter* counter_of(__u32 index, __u64 generation) {
  KEY(key, index);
  struct route_counter* counter = bpf_map_lookup_elem(&route_counters, &key);
  return counter && generation >= counter->since ? counter : 0;
}

/*
 * Adds to the active counts of an endpoint and a route, and to `opened` when n is 1. The ids may
 * have been given to somebody else since the decision: then `since` is newer, and the connection
 * belongs to nobody any more.
 */
static void count_active(const struct connection_value* connection, __s32 n) {
  struct endpoint_state* state = endpoint_of(connection);
  if (state) {
    ADD(state->active, n);
    if (n > 0)
      ADD(state->opened, 1);
  }
  struct route_counter* counter = counter_of(connection->counter, connection->generation);
  if (counter) {
    ADD(counter->active, n);
    if (n > 0)
      ADD(counter->opened, 1);
  }
}

/* What a connection has carried, as the kernel's own TCP_INFO counts it (SYN and FIN included). */
static void count_end(const struct connection_value* connection, __u64 sent, __u64 received,
                      int failed) {
  struct endpoint_state* state = endpoint_of(connection);
  if (state) {
    if (failed)
      ADD(state->failed, 1);
    if (sent)
      ADD(state->sent, sent);
    if (received)
      ADD(state->received, received);
    if (failed &&
        (connection->flags & (CONNECTION_EJECTS | CONNECTION_ABORTED)) == CONNECTION_EJECTS)
      note_failure(connection->endpoint, state);
  }
  struct route_counter* counter = counter_of(connection->counter, connection->generation);
  if (counter) {
    if (failed)
      ADD(counter->failed, 1);
    if (sent)
      ADD(counter->sent, sent);
    if (received)
      ADD(counter->received, received);
  }
}

/* A connect() that has been refused; by max_connections, or for want of an endpoint. */
static void count_refused(const struct decision* d) {
  struct route_counter* counter = counter_of((__u32)d->counter, d->generation);
  if (d->verdict != VERDICT_LIMIT) {
    if (counter)
      ADD(counter->refused_no_endpoint, 1);
    return;
  }
  struct cluster_state* cluster = cluster_state_of((__u32)d->cluster);
  if (counter)
    ADD(counter->refused_limit, 1);
  if (cluster)
    ADD(cluster->refused_limit, 1);
}

/*
 * Forgets the connection of this socket, takes it out of the active counts if it is in them, and
 * gives back its place.
 * The copy left in `ended` tells the caller what it was. Whoever deletes the entry ends it: two
 * hooks may meet here when the agent switches observation on or off. Returns whether there was one.
 */
static int forget(__u64 cookie, struct connection_value* ended) {
  struct connection_key key = {.cookie = cookie};
  struct connection_value* connection = bpf_map_lookup_elem(&connections, &key);
  if (!connection)
    return 0;
  *ended = *connection;
  if (bpf_map_delete_elem(&connections, &key))
    return 0;
  if (ended->flags & CONNECTION_COUNTED)
    count_active(ended, -1);
  if (ended->flags & CONNECTION_POOLED)
    give_back(ended->workload, ended->cluster);
  if (ended->flags & CONNECTION_BY_RELEASE) {
    struct total_value* block = totals_block();
    if (block)
      ADD(block->release_tracked, -1);
  }
  return 1;
}

/* A connect() left untouched because no word of its frontend could be read. */
static inline void count_stale(void) {
  struct total_value* block = totals_block();
  if (block)
    ADD(block->stale, 1);
}

/* Whether some living connection will only be ended by sock_release. */
static inline int release_matters(void) {
  if (!observe)
    return 1;
  struct total_value* block = totals_block();
  return block && READ_ONCE(block->release_tracked) > 0;
}

/*
 * Whether a socket that connects may have been connected before, in a way that nobody has ended yet
 * and that matters: it would go on to be counted, or to hold a place.
 */
static inline int leftovers_matter(void) {
  if (!observe)
    return 1;
  struct total_value* block = totals_block();
  return block && (READ_ONCE(block->release_tracked) > 0 || READ_ONCE(block->pooled) > 0);
}

/* Kept out of its caller's stack, which is deep enough. */
static __noinline void forget_leftover(__u64 cookie) {
  struct connection_value ended;
  forget(cookie, &ended);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ &&
                   __builtin_offsetof(struct connection_value, flags) == 18 &&
                   __builtin_offsetof(struct connection_value, endpoint) == 20 &&
                   __builtin_offsetof(struct connection_value, counter) == 24 &&
                   __builtin_offsetof(struct connection_value, workload) == 28 &&
                   __builtin_offsetof(struct connection_value, cluster) == 48 &&
                   __builtin_offsetof(struct connection_value, timeout_ms) == 52,
               "the words below");

/*
 * Fills in the entry of a connection, word by word: from an agent without CAP_PERFMON, 6.1's
 * verifier takes no second write into a word of the stack that it could track the first one of.
 */
static inline void describe(struct connection_value* connection, const struct frontend_key* asked,
                            const struct decision* d, __u16 flags, __u32 timeout_ms) {
  __u64* words = (__u64*)connection;
  const __u64* address = (const __u64*)asked->address;
  __u64 third = asked->port | (__u64)flags << 16 | (__u64)d->endpoint << 32;
  __u64 fourth = d->counter | d->workload << 32;
  __u64 last = d->cluster | (__u64)timeout_ms << 32;
  WHOLE(third);
  WHOLE(fourth);
  WHOLE(last);
  words[0] = address[0];
  words[1] = address[1];
  words[2] = third;
  words[3] = fourth;
  words[4] = d->generation;
  words[5] = bpf_ktime_get_ns();
  words[6] = last;
}

/* Remembers what was decided for the socket of this cookie. `asked` is aligned to 8 bytes. Returns
 * whether there was room. */
static int remember(__u64 cookie, const struct frontend_key* asked, const struct decision* d,
                    __u16 flags, __u32 timeout_ms) {
  struct connection_key key = {.cookie = cookie};
  struct connection_value connection;
  if (!observe)
    flags |= CONNECTION_COUNTED | CONNECTION_BY_RELEASE;
  describe(&connection, asked, d, flags, timeout_ms);
  struct total_value* block = totals_block();
  if (bpf_map_update_elem(&connections, &key, &connection, BPF_ANY)) {
    if (block)
      ADD(block->untracked, 1);
    return 0;
  }
  if (!observe) {
    count_active(&connection, 1);
    if (block)
      ADD(block->release_tracked, 1);
  }
  return 1;
}

/* Whether this is where the connection was sent. `peer` is aligned to 8 bytes. */
static inline int is_endpoint(const struct connection_value* connection, const __u8* peer,
                              __u16 port) {
  const __u64* halves = (const __u64*)peer;
  const __u64* theirs = (const __u64*)connection->address;
  if (connection->flags & CONNECTION_PASSED) /* the policy alone knows to which port */
    return !((theirs[0] ^ halves[0]) | (theirs[1] ^ halves[1]));
  KEY(id, connection->endpoint);
  const struct endpoint_state* state = bpf_map_lookup_elem(&endpoint_state, &id);
  if (!state)
    return 0;
  theirs = (const __u64*)state->address;
  return !((theirs[0] ^ halves[0]) | (theirs[1] ^ halves[1]) | (state->port ^ port));
}

/*
 * The callback that marks sockets whose establishment matters: it comes at retransmissions only,
 * and is switched off again then. So that of all others is not looked up.
 */
#define MARK_CB_FLAG BPF_SOCK_OPS_RTO_CB_FLAG

/* sockops: the SYN of a connection is about to be sent. */
static inline void on_connect(struct bpf_sock_ops* ops) {
  struct connection_key key = {.cookie = bpf_get_socket_cookie(ops)};
  struct connection_value* connection = bpf_map_lookup_elem(&connections, &key);
  if (!observe || !connection || connection->flags & CONNECTION_COUNTED)
    return;
  __u8 peer[16] __attribute__((aligned(8)));
  if (ops->family == 2 /* AF_INET */)
    write_words(peer, 0, 0, MAPPED_WORD, ops->remote_ip4);
  else
    /* Word by word: the context takes no wider loads. */
    write_words(peer, READ_ONCE(ops->remote_ip6[0]), READ_ONCE(ops->remote_ip6[1]),
                READ_ONCE(ops->remote_ip6[2]), READ_ONCE(ops->remote_ip6[3]));
  if (!is_endpoint(connection, peer, (__u16)bpf_ntohl(ops->remote_port))) {
    /* An earlier connect() of this socket was split and came to nothing; this one is not ours. */
    struct connection_value ended;
    forget(key.cookie, &ended);
    return;
  }
  int flags = ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG;
  if (connection->flags & CONNECTION_EJECTS || connection->timeout_ms)
    flags |= MARK_CB_FLAG;
  bpf_sock_ops_cb_flags_set(ops, flags);
  connection->flags |= CONNECTION_COUNTED;
  count_active(connection, 1);
}

/* sockops: a connection whose establishment matters is established. */
static inline void on_established(struct bpf_sock_ops* ops) {
  struct connection_key key = {.cookie = bpf_get_socket_cookie(ops)};
  const struct connection_value* connection = bpf_map_lookup_elem(&connections, &key);
  if (!connection)
    return;
  bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags & ~MARK_CB_FLAG);
  if (connection->timeout_ms)
    end_timeout(ops, connection->timeout_ms);
  if (connection->flags & CONNECTION_EJECTS && endpoint_of(connection))
    note_success(connection->endpoint);
}

/* sockops: the socket enters CLOSE. */
static inline void on_close(struct bpf_sock_ops* ops) {
  int failed = ops->args[0] == BPF_TCP_SYN_SENT;
  struct connection_value ended;
  if (forget(bpf_get_socket_cookie(ops), &ended))
    count_end(&ended, ops->bytes_acked, ops->bytes_received, failed);
}

/* sock_release: the application gives up a connection that is not established, which says nothing
 * about the endpoint. */
static inline void on_abort(__u64 cookie) {
  struct connection_key key = {.cookie = cookie};
  struct connection_value* connection = bpf_map_lookup_elem(&connections, &key);
  if (connection)
    connection->flags |= CONNECTION_ABORTED;
}
