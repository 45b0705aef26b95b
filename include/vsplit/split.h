/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The arithmetic of a choice: which cluster the n-th connection of a route belongs to, and which of
 * a cluster's endpoints are compared. No map access, no randomness of its own: compiled into the
 * BPF programs and, natively, into the tests, which compare the two.
 *
 * Exact policy. S is the route's total, n the number of the connection, q = n / S its block, p = n
 * mod S its place in the block. The position is u = (p * stride + rotation(q)) mod S. stride is
 * coprime to S, so u takes every value once per block: each block of S connections holds exactly
 * the weights. The rotation moves every block by a hash, so that a client that always takes every
 * k-th connection sees the same shares as everyone else.
 */
#pragma once

#include <linux/types.h>

#ifdef __cplusplus
namespace vsplit {
#endif

/* A well-mixed 32-bit hash of x (the finalizer of splitmix64, upper half). */
static inline __u32 split_hash(__u64 x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  x ^= x >> 31;
  return (__u32)(x >> 32);
}

/* Maps a uniform 32-bit number to [0, range) without a division. range >= 1. */
static inline __u32 split_scale(__u32 uniform, __u32 range) {
  return (__u32)(((__u64)uniform * range) >> 32);
}

/* The position in [0, total) of connection `number` under the exact policy. total >= 1. */
static inline __u32 split_position(__u64 number, __u32 total, __u32 stride, __u32 seed) {
  __u64 block = number / total;
  __u64 place = number % total;
  __u32 rotation = split_scale(split_hash(block + ((__u64)seed << 32)), total);
  return (__u32)((place * stride + rotation) % total);
}

/*
 * Where the search for a frontend begins, in a table of mask + 1 places (a power of two). The
 * address as its two halves, in the byte order of memory.
 */
static inline __u32 frontend_place(__u64 upper, __u64 lower, __u16 port, __u32 mask) {
  return split_hash(lower + upper * 0x9e3779b97f4a7c15ull + ((__u64)port << 17)) & mask;
}

/* The second of two different choices among count >= 2 endpoints, the first being `first`. */
static inline __u32 split_second(__u32 first, __u32 uniform, __u32 count) {
  __u32 second = first + 1 + split_scale(uniform, count - 1);
  return second >= count ? second - count : second;
}

#ifdef __cplusplus
} /* namespace vsplit */
#endif
