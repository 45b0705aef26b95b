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
} run;

SEC("syscall")
int split_run(void* ctx) {
  for (__u32 i = 0; i < NUMBERS; i++) {
    __u32 position = split_position(run.first + i, run.total, run.stride, run.seed);
    run.positions[i] = position;
    run.seconds[i] = split_second(i % run.count, position * 0x9e3779b9u, run.count);
    run.places[i] = frontend_place(run.first, run.first + i, i, run.total - 1);
  }
  return 0;
}
