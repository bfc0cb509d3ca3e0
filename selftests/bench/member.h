/* SPDX-License-Identifier: GPL-2.0 */
/* What a process of the workload can be told to do: see peer_call(). */
#ifndef VMDEDUP_BENCH_MEMBER_H
#define VMDEDUP_BENCH_MEMBER_H

#include "workload.h"

/* Before the processes are forked: what they share with who forks them. */
int member_prepare(void);
/* Where do_touch() leaves its result. */
const struct latency *member_latency(void);

/* Who am I, and how many pages with which mix; returns the address or 0. */
uint64_t do_setup(uint64_t nr, uint64_t pages, uint64_t mix);
/* These return 0, or what went wrong. */
/* Map and fill, and tell KSM. */
uint64_t do_refill(uint64_t huge, uint64_t b, uint64_t c);
uint64_t do_vmdedup(uint64_t on, uint64_t b, uint64_t c);
uint64_t do_write(uint64_t on, uint64_t b, uint64_t c);
uint64_t do_touch(uint64_t what, uint64_t seconds, uint64_t c);
/* Returns how many pages are wrong. */
uint64_t do_verify(uint64_t a, uint64_t b, uint64_t c);
/* Returns the kB that are mapped as huge pages. */
uint64_t do_huge(uint64_t a, uint64_t b, uint64_t c);

#endif /* VMDEDUP_BENCH_MEMBER_H */
