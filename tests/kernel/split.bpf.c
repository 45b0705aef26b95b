/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The arithmetic of vsplit/split.h as the kernel runs it, for comparison with the native one. */
#include "vsplit/split.h"

#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/types.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define NUMBERS 256

/* What is asked, and the answers; one at a time. */
struct {
  __u64 first; /* number */
  __u32 total, stride, seed, count;
  __u32 positions[NUMBERS]; /* of first, first + 1, ... */
  __u32 seconds[NUMBERS];   /* split_second(i mod count, position, count) */
  __u32 places[NUMBERS];    /* frontend_place(first, first + i, i, total - 1) */
  __u32 healths[NUMBERS];   /* split_health(i, total) */
  __u64 weights[NUMBERS];   /* split_group_weight(stride, i, total) */
  __u32 fewer[NUMBERS];     /* split_fewer(position, i, total, stride) */
  __u32 warmups[NUMBERS];   /* split_warmup(i, 100, i, total, 15) */
  __u32 backoffs[NUMBERS];  /* split_backoff(i, first, total) */
  __u64 draws[NUMBERS];     /* split_modulo(first * (i + 1), total) */
} run;

/* Looked at by the verifier once, not for every number. */
__noinline int choices_at(__u32 i, __u32 position) {
  if (i >= NUMBERS)
    return 1;
  run.healths[i] = split_health(i, run.total);
  run.weights[i] = split_group_weight(run.stride, i, run.total);
  run.fewer[i] = split_fewer(position, i, run.total, run.stride);
  run.warmups[i] = split_warmup(i, 100, i, run.total, 15);
  run.backoffs[i] = split_backoff(i, run.first, run.total);
  run.draws[i] = split_modulo(run.first * (i + 1), run.total);
  return 0;
}

SEC("syscall")
int split_run(void* ctx) {
  for (__u32 i = 0; i < NUMBERS; i++) {
    __u32 position = split_position(run.first + i, run.total, run.stride, run.seed);
    run.positions[i] = position;
    run.seconds[i] = split_second(i % run.count, position * 0x9e3779b9u, run.count);
    run.places[i] = frontend_place(run.first, run.first + i, i, run.total - 1);
    choices_at(i, position);
  }
  return 0;
}
