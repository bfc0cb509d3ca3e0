/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all workers share: the trees, the tunables, the counters.
 */
#ifndef VMDEDUP_SCAN_ENGINE_H
#define VMDEDUP_SCAN_ENGINE_H

#include "../core/runs.h"
#include "../core/stable.h"
#include "../core/stats.h"
#include "../core/unstable.h"

enum vmdedup_run {
	VMDEDUP_STOPPED,
	VMDEDUP_SCANNING,
	VMDEDUP_UNMERGED,	/* as STOP, after everything was unmerged */
};

#define VMDEDUP_THREADS_MAX	64U

/* Tunables that are numbers: X(name, smallest, largest, default). */
#define VMDEDUP_TUNABLES(X)						\
	X(run,			0, VMDEDUP_UNMERGED, VMDEDUP_SCANNING) \
	X(scan_rate,		0, 1000000000, 0)			\
	X(target_pass_secs,	1, 86400, 60)				\
	X(huge_split_pages,	1, VMDEDUP_RUN_MAX, VMDEDUP_RUN_MAX / 4) \
	X(merge_run_pages,	1, VMDEDUP_RUN_MAX, 64)			\
	X(cpu_limit,		0, 100, 0)				\
	X(stats_interval_ms,	100, 3600000, 1000)			\
	X(discover,		0, 1, 1)				\
	X(threads,		0, VMDEDUP_THREADS_MAX, 0)		\
	X(scrub_secs,		0, 604800, 3600)			\
	X(reserve_mib,		0, INT_MAX, 0)				\
	X(reserve_percent,	0, 100, 0)				\
	X(max_regions,		0, VMDEDUP_MAX_REGIONS, 1024)

/**
 * struct vmdedup_tunables - see Documentation/ABI for each
 *
 * Read and written whole words at any time with READ_ONCE() and WRITE_ONCE();
 * whoever writes has checked the limits.
 */
struct vmdedup_tunables {
#define VMDEDUP_TUNABLE_MEMBER(name, lo, hi, def) unsigned int name;
	VMDEDUP_TUNABLES(VMDEDUP_TUNABLE_MEMBER)
#undef VMDEDUP_TUNABLE_MEMBER
};

/**
 * struct vmdedup_engine - the trees
 * @stable: shared frames
 * @unstable: candidates
 * @boot_seed: of all checksums
 * @gen: generation of candidates, see vmdedup_unstable_age()
 * @epoch: jobs found before it last changed are void: run=2 raises it, so that
 *	what it unmerges is not merged again by jobs that are under way. Who
 *	carries jobs out looks at it with the region entered; and nobody is in
 *	a region when it is unmerged
 */
struct vmdedup_engine {
	struct vmdedup_tree stable;
	struct vmdedup_tree unstable;
	u64 boot_seed;
	atomic_t gen;
	atomic_t epoch;
};

extern struct vmdedup_engine vmdedup_engine;
extern struct vmdedup_tunables vmdedup_tunables;

int vmdedup_engine_init(void);
void vmdedup_engine_exit(void);
void vmdedup_engine_age(u32 keep);
void vmdedup_engine_void_jobs(void);
void vmdedup_engine_feel_pressure(void);
unsigned int vmdedup_engine_split_pages(void);

/* account.c */
void vmdedup_account_tally(const struct vmdedup_tally *tally);
void vmdedup_account_event(enum vmdedup_event event, u64 n);
void vmdedup_account_window(u64 ns);
u64 vmdedup_account_event_read(enum vmdedup_event event);
u64 vmdedup_account_skip_read(enum vmdedup_skip reason);
void vmdedup_account_sweep(void);
bool vmdedup_account_sweep_if_due(u64 *saved);
u64 vmdedup_account_gauge(enum vmdedup_gauge which);
void vmdedup_account_read(struct vmdedup_stats *stats);

#endif /* VMDEDUP_SCAN_ENGINE_H */
