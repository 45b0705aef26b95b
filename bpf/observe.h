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
#include "maps.h"
#include "route.h"

/* Set by the agent before it loads the object. */
const volatile __u32 observe = 1; /* sockops is attached */

#define ADD(place, n) __sync_fetch_and_add(&(place), n)

/*
 * Adds to the active counts of an endpoint and a route, and to `opened` when n is 1. The ids may
 * have been given to somebody else since the decision: then `since` is newer, and the connection
 * belongs to nobody any more.
 */
static void count_active(const struct connection_value* connection, __s32 n) {
  KEY(id, connection->endpoint);
  struct endpoint_state* state = bpf_map_lookup_elem(&endpoint_state, &id);
  if (state && connection->generation >= state->since) {
    ADD(state->active, n);
    if (n > 0)
      ADD(state->opened, 1);
  }
  id = connection->counter;
  struct route_counter* counter = bpf_map_lookup_elem(&route_counters, &id);
  if (counter && connection->generation >= counter->since) {
    ADD(counter->active, n);
    if (n > 0)
      ADD(counter->opened, 1);
  }
}

/* What a connection has carried, as the kernel's own TCP_INFO counts it (SYN and FIN included). */
static void count_end(const struct connection_value* connection, __u64 sent, __u64 received,
                      int failed) {
  KEY(id, connection->endpoint);
  struct endpoint_state* state = bpf_map_lookup_elem(&endpoint_state, &id);
  if (state && connection->generation >= state->since) {
    if (failed)
      ADD(state->failed, 1);
    if (sent)
      ADD(state->sent, sent);
    if (received)
      ADD(state->received, received);
  }
  id = connection->counter;
  struct route_counter* counter = bpf_map_lookup_elem(&route_counters, &id);
  if (counter && connection->generation >= counter->since) {
    if (failed)
      ADD(counter->failed, 1);
    if (sent)
      ADD(counter->sent, sent);
    if (received)
      ADD(counter->received, received);
  }
}

static void count_refused(__u32 counter_index, __u64 generation) {
  KEY(index, counter_index);
  struct route_counter* counter = bpf_map_lookup_elem(&route_counters, &index);
  if (counter && generation >= counter->since)
    ADD(counter->refused_no_endpoint, 1);
}

/*
 * Forgets the connection of this socket, and takes it out of the active counts if it is in them.
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

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ &&
                   __builtin_offsetof(struct connection_value, flags) == 18 &&
                   __builtin_offsetof(struct connection_value, endpoint) == 20 &&
                   __builtin_offsetof(struct connection_value, counter) == 24,
               "the words below");

/* The compiler keeps this value in one register, and stores it in one piece. */
#define WHOLE(value) __asm__ volatile("" : "+r"(value))

/*
 * Fills in the entry of a connection, word by word: from an agent without CAP_PERFMON, 6.1's
 * verifier takes no second write into a word of the stack that it could track the first one of.
 */
static inline void describe(struct connection_value* connection, const struct frontend_key* asked,
                            const struct decision* d, __u16 flags) {
  __u64* words = (__u64*)connection;
  const __u64* address = (const __u64*)asked->address;
  __u64 third = asked->port | (__u64)flags << 16 | (__u64)d->endpoint << 32;
  __u64 fourth = d->counter;
  WHOLE(third);
  WHOLE(fourth);
  words[0] = address[0];
  words[1] = address[1];
  words[2] = third;
  words[3] = fourth;
  words[4] = d->generation;
  words[5] = bpf_ktime_get_ns();
}

/* Remembers what was decided for the socket of this cookie. `asked` is aligned to 8 bytes. */
static void remember(__u64 cookie, const struct frontend_key* asked, const struct decision* d) {
  struct connection_key key = {.cookie = cookie};
  struct connection_value connection;
  if (release_matters()) {
    /* A second connect() on one socket, the first of which nobody has ended yet. */
    forget(cookie, &connection);
  }
  describe(&connection, asked, d, observe ? 0 : CONNECTION_COUNTED | CONNECTION_BY_RELEASE);
  struct total_value* block = totals_block();
  if (bpf_map_update_elem(&connections, &key, &connection, BPF_ANY)) {
    if (block)
      ADD(block->untracked, 1);
    return;
  }
  if (!observe) {
    count_active(&connection, 1);
    if (block)
      ADD(block->release_tracked, 1);
  }
}

/* Whether this is the address of the endpoint that was chosen. `peer` is aligned to 8 bytes. */
static inline int is_endpoint(const struct connection_value* connection, const __u8* peer,
                              __u16 port) {
  KEY(id, connection->endpoint);
  const struct endpoint_state* state = bpf_map_lookup_elem(&endpoint_state, &id);
  if (!state)
    return 0;
  const __u64* theirs = (const __u64*)state->address;
  const __u64* halves = (const __u64*)peer;
  return !((theirs[0] ^ halves[0]) | (theirs[1] ^ halves[1]) | (state->port ^ port));
}

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
    bpf_map_delete_elem(&connections, &key);
    return;
  }
  bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
  connection->flags |= CONNECTION_COUNTED;
  count_active(connection, 1);
}

/* sockops: the socket enters CLOSE. */
static inline void on_close(struct bpf_sock_ops* ops) {
  int failed = ops->args[0] == BPF_TCP_SYN_SENT;
  struct connection_value ended;
  if (forget(bpf_get_socket_cookie(ops), &ended))
    count_end(&ended, ops->bytes_acked, ops->bytes_received, failed);
}
