/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a policy sets on the application's own socket before its SYN: connect timeout and keepalive.
 * Whatever the application has set itself stays. Kernels before 6.1 do not tell a program what is
 * set, and there nothing is.
 */
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "maps.h"

/* Of asm-generic/socket.h and linux/tcp.h, which need the C library. */
#define SOL_SOCKET 1
#define SO_KEEPALIVE 9
#define SOL_TCP 6
#define TCP_KEEPIDLE 4
#define TCP_KEEPINTVL 5
#define TCP_KEEPCNT 6
#define TCP_USER_TIMEOUT 18

/* Whether the option can be read and is 0: not set by the application. */
static __always_inline int is_unset(void* ctx, int level, int option) {
  int value = -1;
  return !bpf_getsockopt(ctx, level, option, &value, sizeof(value)) && !value;
}

static __always_inline void set_option(void* ctx, int level, int option, __u32 value) {
  bpf_setsockopt(ctx, level, option, &value, sizeof(value));
}

static __always_inline void keep_alive(struct bpf_sock_addr* ctx,
                                       const struct policy_value* policy) {
  if (!(policy->keepalive_time_s | policy->keepalive_interval_s | policy->keepalive_probes) ||
      !is_unset(ctx, SOL_SOCKET, SO_KEEPALIVE))
    return;
  set_option(ctx, SOL_SOCKET, SO_KEEPALIVE, 1);
  if (policy->keepalive_time_s)
    set_option(ctx, SOL_TCP, TCP_KEEPIDLE, policy->keepalive_time_s);
  if (policy->keepalive_interval_s)
    set_option(ctx, SOL_TCP, TCP_KEEPINTVL, policy->keepalive_interval_s);
  if (policy->keepalive_probes)
    set_option(ctx, SOL_TCP, TCP_KEEPCNT, policy->keepalive_probes);
}

/*
 * A connect timeout bounds the time until the connection is established. TCP_USER_TIMEOUT bounds
 * the SYN, but goes on to bound what comes after: end_timeout takes it back, which takes sockops.
 *
 * What may be set, in ms; 0 for nothing.
 */
static __always_inline __u32 timeout_for(struct bpf_sock_addr* ctx,
                                         const struct policy_value* policy) {
  if (!policy->connect_timeout_ms || !is_unset(ctx, SOL_TCP, TCP_USER_TIMEOUT))
    return 0;
  return policy->connect_timeout_ms;
}

static __always_inline void begin_timeout(struct bpf_sock_addr* ctx, __u32 timeout_ms) {
  if (timeout_ms)
    set_option(ctx, SOL_TCP, TCP_USER_TIMEOUT, timeout_ms);
}

/* Unless the application has set another meanwhile. */
static __always_inline void end_timeout(struct bpf_sock_ops* ops, __u32 timeout_ms) {
  __u32 value = 0;
  if (!bpf_getsockopt(ops, SOL_TCP, TCP_USER_TIMEOUT, &value, sizeof(value)) && value == timeout_ms)
    set_option(ops, SOL_TCP, TCP_USER_TIMEOUT, 0);
}
