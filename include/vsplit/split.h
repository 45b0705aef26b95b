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

/* ---- groups of endpoints: Envoy's load_balancer_context_base.cc, with its overprovisioning ----
 */

#define SPLIT_OVERPROVISION 140u /* per cent */

/* Health of a priority level in per cent: `healthy` of `endpoints` are. */
static inline __u32 split_health(__u32 healthy, __u32 endpoints) {
  __u64 percent = endpoints ? (__u64)SPLIT_OVERPROVISION * healthy / endpoints : 0;
  return percent < 100 ? (__u32)percent : 100;
}

/* How much of the load a level takes, in per cent, as far as the levels before have left so much.
 * `sum` is the health of all levels together, at most 100; >= 1. */
static inline __u32 split_load(__u32 health, __u32 sum) {
  return health * 100 / sum;
}

/* Whether a level is so ill that all of its endpoints are used. */
static inline int split_panics(__u32 healthy, __u32 endpoints, __u32 panic_percent) {
  return panic_percent && (!endpoints || (__u64)100 * healthy < (__u64)panic_percent * endpoints);
}

/* Weight of a group within its level: its own, less as its endpoints are ill. In hundredths. */
static inline __u64 split_group_weight(__u32 weight, __u32 healthy, __u32 endpoints) {
  __u64 all = (__u64)100 * endpoints;
  __u64 healthful = (__u64)SPLIT_OVERPROVISION * healthy;
  return endpoints ? (__u64)weight * (healthful < all ? healthful : all) / endpoints : 0;
}

/* Maps 64 uniform bits to [0, range), 0 for an empty range. */
static inline __u64 split_modulo(__u64 uniform, __u64 range) {
  return range ? uniform % range : 0;
}

/* ---- one endpoint against another ---- */

/* Whether a has not more connections per weight than b. */
static inline int split_fewer(__u32 active_a, __u32 weight_a, __u32 active_b, __u32 weight_b) {
  return (__u64)active_a * weight_b <= (__u64)active_b * weight_a;
}

/* In per cent, between what stands for the step of the warmup that has begun and the one after it:
 * `age` of `duration` have passed, in `steps` steps. age < duration. */
static inline __u32 split_warmup_step(__u32 age, __u32 duration, __u32 steps) {
  return (__u32)((__u64)age * steps / duration);
}
static inline __u32 split_warmup(__u32 before, __u32 after, __u32 age, __u32 duration,
                                 __u32 steps) {
  __u64 part = (__u64)age * steps % duration;
  return (__u32)((before * (duration - part) + after * part) / duration);
}

/* ---- ejection: Envoy's outlier_detection_impl.cc ---- */

/* Whether one more of a cluster's endpoints may be ejected. */
static inline int split_may_eject(__u32 ejected, __u32 endpoints, __u32 max_percent) {
  return (__u64)100 * (ejected + 1ull) <= (__u64)max_percent * endpoints;
}

/* How many ejections the next one counts as: those before, one forgotten per interval since. */
static inline __u32 split_backoff(__u32 before, __u64 since_ms, __u32 interval_ms) {
  __u64 forgotten = interval_ms ? since_ms / interval_ms : 0;
  return forgotten < before ? before - (__u32)forgotten + 1 : 1;
}

/* How long the ejection lasts that counts as `backoff`. */
static inline __u32 split_ejection_ms(__u32 base_ms, __u32 max_ms, __u32 backoff) {
  __u64 ms = (__u64)base_ms * backoff;
  return ms < max_ms ? (__u32)ms : max_ms;
}

#ifdef __cplusplus
} /* namespace vsplit */
#endif
