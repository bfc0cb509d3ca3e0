/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes with memory of known content, registered with both systems.
 *
 * Contents come in extents of 8 pages, as those of files in page caches do. An
 * extent is zero, or common to all processes, or to two of them, or unique, each
 * at another place in each process; the share of what is not unique rises from
 * none at the begin to twice the average. At the end is the memory that is
 * written all the time, each page of it within 5 s.
 */
#ifndef VMDEDUP_BENCH_WORKLOAD_H
#define VMDEDUP_BENCH_WORKLOAD_H

#include "../engine/util.h"

#define WL_MAX		64
#define WL_EXTENT	8U	/* pages */

enum kind { WL_UNIQUE, WL_ZERO, WL_COMMON, WL_PAIR, WL_HOT };

/* Of each kind, in percent of the memory; unique is what is left. */
struct mix {
	unsigned int zero, common, pair, hot;
};

extern const struct mix mix_usual, mix_unique, mix_merged;

struct workload {
	unsigned int nr;
	size_t pages;		/* of each process */
	bool huge;
	const struct mix *mix;
	uint64_t possible;	/* pages that perfect merging saves */
	uint64_t distinct;	/* contents that are shared */
	uint64_t zero;		/* zero pages */
	struct peer peer[WL_MAX];
	uint64_t addr[WL_MAX];
};

/* What touching a page to write to it took, in ns. */
struct latency {
	double p50, p99, p999, max;
	uint64_t samples;
};

/* Which pages to touch. */
enum touch {
	TOUCH_UNMERGED,	/* of those that are never merged, for a while */
	TOUCH_ANY,	/* of all, for a while */
	TOUCH_COMMON,	/* each of those that are common, once */
	TOUCH_ZERO,	/* each of those that are zero, once */
};

/* Start the processes, fill their memory, have KSM told that it may merge. */
struct workload *wl_start(const struct mix *mix, unsigned int mib, bool huge);
/* Allocate and fill the memory anew, with the same contents. */
void wl_refill(struct workload *wl);
void wl_register(struct workload *wl);
void wl_unregister(struct workload *wl);
/* Let the processes write, or not. */
void wl_write(struct workload *wl, bool on);
/* Compare each byte with what it has to be; ends the program if one is wrong. */
void wl_verify(struct workload *wl);
/* Have the first process touch pages while the others are idle. */
void wl_touch(struct workload *wl, enum touch what, struct latency *latency);
/* Pages that are saved now, counted in the page tables. */
uint64_t wl_saved(struct workload *wl);
/* Huge pages that are mapped as such. */
uint64_t wl_huge(struct workload *wl);
uint64_t wl_cpu_ns(struct workload *wl);
/* Compares the program that looks at all contents with what we know. */
void wl_ask_oracle(struct workload *wl);
void wl_end(struct workload *wl);

/* Pages compared with what they had to be, so far. */
extern uint64_t wl_verified;

#endif /* VMDEDUP_BENCH_WORKLOAD_H */
