/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The hooks: every function that the kernel calls, and nothing else. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "choose.h"
#include "maps.h"
#include "observe.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define ALLOW 1
#define REFUSE 0
#define ECONNREFUSED 111

/*
 * libbpf's prototype takes an int, for which the compiler negates in 32 bits and loses the proof
 * that kernels from 7.2 on want: the argument, as 64 bits, lies in [-4095, 0].
 */
static long (*const set_retval)(long retval) = (void*)BPF_FUNC_set_retval;

/* What Istio answers with 503: nothing to send to. Before 5.18 the application sees EPERM. */
static inline int refuse(const struct decision* d) {
  count_refused(d->counter, d->generation);
  if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_set_retval))
    set_retval(-ECONNREFUSED);
  return REFUSE;
}

/* Of a socket that may be split: TCP, MPTCP's subflows included. */
static inline int is_tcp(const struct bpf_sock_addr* ctx) {
  return ctx->type == 1 /* SOCK_STREAM */ && ctx->protocol == IPPROTO_TCP;
}

/* All of a connect() but for reading and writing its address. Returns ALLOW or REFUSE. */
static inline int split(struct bpf_sock_addr* ctx, const struct frontend_key* asked,
                        struct decision* d) {
  if (!is_tcp(ctx))
    return ALLOW;
  decide(d, asked, 1);
  if (d->verdict != VERDICT_SPLIT && release_matters()) {
    /* The socket may have been split before, and would be counted there until it is closed. */
    struct connection_value ended;
    forget(bpf_get_socket_cookie(ctx), &ended);
  }
  if (d->verdict == VERDICT_SPLIT)
    remember(bpf_get_socket_cookie(ctx), asked, d);
  else if (d->verdict == VERDICT_REFUSED)
    return refuse(d);
  else if (d->verdict == VERDICT_STALE)
    count_stale();
  return ALLOW;
}

SEC("cgroup/connect4")
int vsplit_connect4(struct bpf_sock_addr* ctx) {
  struct frontend_key asked
      __attribute__((aligned(8))) = {.port = asked_port(ctx), .protocol = IPPROTO_TCP};
  struct decision d = {};
  read_address4(ctx, asked.address);
  int verdict = split(ctx, &asked, &d);
  if (d.verdict == VERDICT_SPLIT)
    write_address4(ctx, d.address, d.port);
  return verdict;
}

SEC("cgroup/connect6")
int vsplit_connect6(struct bpf_sock_addr* ctx) {
  struct frontend_key asked
      __attribute__((aligned(8))) = {.port = asked_port(ctx), .protocol = IPPROTO_TCP};
  struct decision d = {};
  read_address6(ctx, asked.address);
  int verdict = split(ctx, &asked, &d);
  if (d.verdict == VERDICT_SPLIT)
    write_address6(ctx, d.address, d.port);
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
  else if (ops->op == BPF_SOCK_OPS_STATE_CB && ops->args[1] == BPF_TCP_CLOSE)
    on_close(ops);
  return 1;
}

SEC("cgroup/sock_release")
int vsplit_release(struct bpf_sock* sk) {
  int left_close = sk->protocol == IPPROTO_TCP && sk->state != BPF_TCP_CLOSE;
  if (left_close && !release_matters())
    return 1; /* sockops will see its end */
  struct connection_value ended;
  forget(bpf_get_socket_cookie(sk), &ended);
  return 1;
}

/* The decision about a connect() without one: for `explain`, tests and benchmarks. */
SEC("syscall")
int vsplit_decide(struct decide_context* ctx) {
  struct frontend_key asked __attribute__((aligned(8))) = ctx->asked;
  struct decision d = {};
  decide(&d, &asked, ctx->flags & DECIDE_DRAW);
  ctx->decision = d;
  return 0;
}
