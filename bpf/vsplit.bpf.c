/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The hooks: every function that the kernel calls, and nothing else. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "choose.h"
#include "limit.h"
#include "maps.h"
#include "observe.h"
#include "options.h"
#include "source.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define ALLOW 1
#define REFUSE 0
#define ECONNREFUSED 111

/*
 * libbpf's prototype takes an int, for which the compiler negates in 32 bits and loses the proof
 * that kernels from 7.2 on want: the argument, as 64 bits, lies in [-4095, 0].
 */
static long (*const set_retval)(long retval) = (void*)BPF_FUNC_set_retval;

/* Where Envoy closes the connection: nothing to send to, or too many open ones. Before 5.18 the
 * application sees EPERM. */
static inline int refuse(const struct decision* d) {
  count_refused(d);
  if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_set_retval))
    set_retval(-ECONNREFUSED);
  return REFUSE;
}

/* Of a socket that may be split: TCP, MPTCP's subflows included. */
static inline int is_tcp(const struct bpf_sock_addr* ctx) {
  return ctx->type == 1 /* SOCK_STREAM */ && ctx->protocol == IPPROTO_TCP;
}

static inline int is_ours(const struct decision* d) {
  return d->verdict == VERDICT_SPLIT || d->verdict == VERDICT_PASSED;
}

/*
 * Lets a connection to a managed cluster begin: takes a place where they are limited, remembers it,
 * and sets on its socket what the policy says. Returns ALLOW or REFUSE.
 */
static __noinline int begin_managed(struct bpf_sock_addr* ctx, const struct frontend_key* asked,
                                    struct decision* d, __u64 cookie) {
  __u16 flags = d->verdict == VERDICT_PASSED ? CONNECTION_PASSED : 0;
  const struct policy_value* policy = policy_in((__u32)d->policy);
  if (!policy)
    return ALLOW;
  if (policy->max_connections != NO_LIMIT) {
    int place = take_place(d, policy->max_connections);
    if (place == PLACE_REFUSED) {
      d->verdict = VERDICT_LIMIT;
      return refuse(d);
    }
    flags |= place == PLACE_TAKEN ? CONNECTION_POOLED : 0;
  }
  if (observe && policy->flags & MANAGED_EJECTS && !(flags & CONNECTION_PASSED))
    flags |= CONNECTION_EJECTS;
  __u32 timeout_ms = observe && policy->flags & MANAGED_SOCKET ? timeout_for(ctx, policy) : 0;
  if (remember(cookie, asked, d, flags, timeout_ms))
    begin_timeout(ctx, timeout_ms);
  else if (flags & CONNECTION_POOLED)
    give_back((__u32)d->workload, (__u32)d->cluster);
  if (policy->flags & MANAGED_SOCKET)
    keep_alive(ctx, policy);
  return ALLOW;
}

/* All of a connect() but for reading and writing its address. Returns ALLOW or REFUSE. */
static __always_inline int split(struct bpf_sock_addr* ctx, const struct frontend_key* asked,
                                 struct decision* d) {
  if (!is_tcp(ctx))
    return ALLOW;
  const struct asker asker = {.task = 1};
  decide(d, asked, 1, &asker);
  if (leftovers_matter())
    forget_leftover(bpf_get_socket_cookie(ctx));
  if (is_ours(d) && d->policy)
    return begin_managed(ctx, asked, d, bpf_get_socket_cookie(ctx));
  if (is_ours(d))
    remember(bpf_get_socket_cookie(ctx), asked, d, 0, 0);
  if (d->verdict == VERDICT_REFUSED)
    return refuse(d);
  if (d->verdict == VERDICT_STALE)
    count_stale();
  return ALLOW;
}

SEC("cgroup/connect4")
int vsplit_connect4(struct bpf_sock_addr* ctx) {
  struct frontend_key asked __attribute__((aligned(8))) = {
      .port = asked_port(ctx), .protocol = IPPROTO_TCP, .prefix = FRONTEND_EXACT};
  struct decision d = {};
  read_address4(ctx, asked.address);
  int verdict = split(ctx, &asked, &d);
  if (d.verdict == VERDICT_SPLIT)
    write_address4(ctx, d.address, d.port);
  else if (d.verdict == VERDICT_PASSED)
    ctx->user_port = bpf_htons(d.port);
  return verdict;
}

SEC("cgroup/connect6")
int vsplit_connect6(struct bpf_sock_addr* ctx) {
  struct frontend_key asked __attribute__((aligned(8))) = {
      .port = asked_port(ctx), .protocol = IPPROTO_TCP, .prefix = FRONTEND_EXACT};
  struct decision d = {};
  read_address6(ctx, asked.address);
  int verdict = split(ctx, &asked, &d);
  if (d.verdict == VERDICT_SPLIT)
    write_address6(ctx, d.address, d.port);
  else if (d.verdict == VERDICT_PASSED)
    ctx->user_port = bpf_htons(d.port);
  return verdict;
}

/* The connection of this socket, if it is the one to this peer: the socket may have been connected
 * again, to somebody who is none of ours. */
static inline struct connection_value* connection_to(struct bpf_sock_addr* ctx, const __u8* peer) {
  struct connection_key key = {.cookie = bpf_get_socket_cookie(ctx)};
  struct connection_value* connection = bpf_map_lookup_elem(&connections, &key);
  return connection && is_endpoint(connection, peer, asked_port(ctx)) ? connection : 0;
}

SEC("cgroup/getpeername4")
int vsplit_getpeer4(struct bpf_sock_addr* ctx) {
  __u8 peer[16] __attribute__((aligned(8)));
  read_address4(ctx, peer);
  struct connection_value* connection = connection_to(ctx, peer);
  if (connection)
    write_address4(ctx, connection->address, connection->port);
  return ALLOW;
}

SEC("cgroup/getpeername6")
int vsplit_getpeer6(struct bpf_sock_addr* ctx) {
  __u8 peer[16] __attribute__((aligned(8)));
  read_address6(ctx, peer);
  struct connection_value* connection = connection_to(ctx, peer);
  if (connection)
    write_address6(ctx, connection->address, connection->port);
  return ALLOW;
}

SEC("sockops")
int vsplit_sockops(struct bpf_sock_ops* ops) {
  if (ops->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
    on_connect(ops);
  else if (ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB &&
           ops->bpf_sock_ops_cb_flags & MARK_CB_FLAG)
    on_established(ops);
  else if (ops->op == BPF_SOCK_OPS_STATE_CB && ops->args[1] == BPF_TCP_CLOSE)
    on_close(ops);
  return 1;
}

SEC("cgroup/sock_release")
int vsplit_release(struct bpf_sock* sk) {
  int left_close = sk->protocol == IPPROTO_TCP && sk->state != BPF_TCP_CLOSE;
  if (left_close && !release_matters()) { /* sockops will see its end */
    if (sk->state == BPF_TCP_SYN_SENT)
      on_abort(bpf_get_socket_cookie(sk));
    return 1;
  }
  struct connection_value ended;
  forget(bpf_get_socket_cookie(sk), &ended);
  return 1;
}

/*
 * The decision about a connect() without one: for `explain`, tests and benchmarks. Run on a packet
 * that holds the context and nothing else: programs that are run on their own context sleep, and
 * such ones may not look into `subnets`.
 */
SEC("tc")
int vsplit_decide(struct __sk_buff* packet) {
  struct decide_context* ctx = (void*)(long)packet->data + DECIDE_OFFSET;
  if ((void*)(ctx + 1) > (void*)(long)packet->data_end)
    return 1;
  struct frontend_key asked __attribute__((aligned(8))) = ctx->asked;
  const struct asker asker = {.cgroup = ctx->cgroup};
  struct decision d = {};
  decide(&d, &asked, ctx->flags & DECIDE_DRAW, &asker);
  const struct policy_value* policy = is_ours(&d) && d.policy ? policy_in((__u32)d.policy) : 0;
  if (policy && policy->max_connections != NO_LIMIT && pool_is_full(&d, policy->max_connections))
    d.verdict = VERDICT_LIMIT;
  ctx->decision = d;
  return 0;
}
