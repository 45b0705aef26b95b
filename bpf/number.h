/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers of connections: what the exact policy and round robin count with. */
#pragma once

#include <linux/types.h>

#include "route.h"

/* The number of the next connection; with `draw` it is taken. */
static inline __u64 next_number(__u64* next, int draw) {
  if (!draw)
    return READ_ONCE(*next);
#ifdef VSPLIT_NO_FETCH
  /* Before 5.12 an atomic add gives nothing back: two CPUs may read the same number. */
  __u64 number = READ_ONCE(*next);
  __sync_fetch_and_add(next, 1);
  return number;
#else
  return __sync_fetch_and_add(next, 1);
#endif
}
