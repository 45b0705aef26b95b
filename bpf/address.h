/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Context <-> schema addresses: 16 bytes in network order and a port in host order, both families.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Of an IPv4-mapped address, the third word in network order. */
#define MAPPED_WORD bpf_htonl(0x0000ffff)

/* Addresses are copied by words: verifier and compiler both like that better than 16 bytes. */
static inline void write_words(__u8* address, __u32 w0, __u32 w1, __u32 w2, __u32 w3) {
  __u32* words = (__u32*)address;
  words[0] = w0;
  words[1] = w1;
  words[2] = w2;
  words[3] = w3;
}

static inline __u32 word_of(const __u8* address, int index) {
  return ((const __u32*)address)[index];
}

static inline int is_ipv4(const __u8* address) {
  const __u64* halves = (const __u64*)address;
  return !halves[0] && word_of(address, 2) == MAPPED_WORD;
}

static inline __u16 asked_port(const struct bpf_sock_addr* ctx) {
  return bpf_ntohs((__u16)ctx->user_port);
}

static inline void read_address4(const struct bpf_sock_addr* ctx, __u8* address) {
  write_words(address, 0, 0, MAPPED_WORD, ctx->user_ip4);
}

static inline void read_address6(const struct bpf_sock_addr* ctx, __u8* address) {
  write_words(address, ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]);
}

static inline void write_address4(struct bpf_sock_addr* ctx, const __u8* address, __u16 port) {
  ctx->user_ip4 = word_of(address, 3);
  ctx->user_port = bpf_htons(port);
}

/* An IPv4-mapped address stays one: the socket then speaks IPv4, as the application asked. */
static inline void write_address6(struct bpf_sock_addr* ctx, const __u8* address, __u16 port) {
  ctx->user_ip6[0] = word_of(address, 0);
  ctx->user_ip6[1] = word_of(address, 1);
  ctx->user_ip6[2] = word_of(address, 2);
  ctx->user_ip6[3] = word_of(address, 3);
  ctx->user_port = bpf_htons(port);
}
