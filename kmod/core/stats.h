/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is counted. The lists are in the UAPI header, and each statistic appears
 * under its name there wherever statistics are shown.
 */
#ifndef VMDEDUP_CORE_STATS_H
#define VMDEDUP_CORE_STATS_H

#include "gate.h"
#include <uapi/linux/vmdedup_netlink.h>

/* Of what stands in a list, keep one kind: VMDEDUP_IF_COUNTER_##kind(...) */
#define VMDEDUP_IF_COUNTER_COUNTER(...)	__VA_ARGS__
#define VMDEDUP_IF_COUNTER_GAUGE(...)
#define VMDEDUP_IF_GAUGE_COUNTER(...)
#define VMDEDUP_IF_GAUGE_GAUGE(...)	__VA_ARGS__
/* For a list of those. */
#define VMDEDUP_ITEM(item)		item,

/* The host's statistics, in the order of the list. */
enum vmdedup_stat {
#define VMDEDUP_STAT_ENUM(name, kind, what) VMDEDUP_STAT_##name,
	VMDEDUP_STATS(VMDEDUP_STAT_ENUM)
#undef VMDEDUP_STAT_ENUM
	VMDEDUP_STAT_NR
};

/* Those that add up since the module was loaded: never decrease. */
enum vmdedup_event {
#define VMDEDUP_EV_ENUM(name, kind, what) \
	VMDEDUP_IF_COUNTER_##kind(VMDEDUP_ITEM(VMDEDUP_EV_##name))
	VMDEDUP_STATS(VMDEDUP_EV_ENUM)
#undef VMDEDUP_EV_ENUM
	VMDEDUP_EV_NR
};

/* The state now. */
enum vmdedup_gauge {
#define VMDEDUP_GAUGE_ENUM(name, kind, what) \
	VMDEDUP_IF_GAUGE_##kind(VMDEDUP_ITEM(VMDEDUP_GAUGE_##name))
	VMDEDUP_STATS(VMDEDUP_GAUGE_ENUM)
#undef VMDEDUP_GAUGE_ENUM
};

/**
 * struct vmdedup_stats - all of the host's statistics
 * @value: by enum vmdedup_stat
 * @skipped: pages not merged, by reason
 */
struct vmdedup_stats {
	u64 value[VMDEDUP_STAT_NR];
	u64 skipped[VMDEDUP_SKIP_NR];
};

/* What is kept for each region and guest, in the order of the list. */
enum vmdedup_ledger_item {
#define VMDEDUP_LEDGER_ENUM(name, kind, what) VMDEDUP_LEDGER_##name,
	VMDEDUP_LEDGER(VMDEDUP_LEDGER_ENUM)
#undef VMDEDUP_LEDGER_ENUM
	VMDEDUP_LEDGER_NR
};

/**
 * struct vmdedup_ledger - what is kept for a region or a guest
 * @value: by enum vmdedup_ledger_item
 * @skipped: pages not merged in the last pass that looked at all, by reason
 */
struct vmdedup_ledger {
	u64 value[VMDEDUP_LEDGER_NR];
	u64 skipped[VMDEDUP_SKIP_NR];
};

/**
 * struct vmdedup_tally - counts of one piece of work, kept by who does it
 * @ev: events, to be added to the module's and the region's
 * @skip: pages not merged, by reason
 * @saved: bytes that pages merged here saved when they were: of each its part
 *	of what all sharers of the frame do; zero pages do not count
 * @passed: page table entries looked at that gave no page to scan
 */
struct vmdedup_tally {
	u64 ev[VMDEDUP_EV_NR];
	u64 skip[VMDEDUP_SKIP_NR];
	u64 saved;
	u64 passed;
};

void vmdedup_tally_add(struct vmdedup_tally *sum,
		       const struct vmdedup_tally *part);
void vmdedup_ledger_add(struct vmdedup_ledger *sum,
			const struct vmdedup_ledger *part);
void vmdedup_ledger_add_counters(struct vmdedup_ledger *sum,
				 const struct vmdedup_ledger *part);

#endif /* VMDEDUP_CORE_STATS_H */
