/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is counted. Each counter is defined here once and appears under this
 * name wherever statistics are shown.
 */
#ifndef VMDEDUP_CORE_STATS_H
#define VMDEDUP_CORE_STATS_H

#include "gate.h"
#include <uapi/linux/vmdedup.h>

/* Since the module was loaded: X(name, what). Never decrease. */
#define VMDEDUP_EVENTS(X)						\
	X(full_scans,		"complete passes over all regions")	\
	X(pages_scanned,	"pages whose content was looked at")	\
	X(pages_merged,		"pages mapped to a shared frame")	\
	X(pages_zero_merged,	"pages mapped to the zero page")	\
	X(pages_unmerged,	"merged pages given a private copy on request") \
	X(huge_split,		"huge pages split to merge in them")	\
	X(huge_kept,		"huge pages met and left whole: too little to save") \
	X(merge_runs,		"runs of pages unmapped to merge them")	\
	X(frames_made,		"shared frames allocated")		\
	X(frames_freed,		"shared frames with no mapping left, freed") \
	X(collisions,		"equal checksums of different content")	\
	X(lru_drains,		"runs allowed to drain the LRU caches of all CPUs")

/* The state now: X(name, what). */
#define VMDEDUP_GAUGES(X)						\
	X(regions,		"regions registered")			\
	X(pages_shared,		"shared frames in use")			\
	X(pages_sharing,	"mappings of shared frames beyond the first: pages saved") \
	X(pages_unshared,	"candidates: pages whose content was seen once") \
	X(pages_zero,		"zero page mappings found or made by the last pass") \
	X(saved_bytes,		"memory saved by pages_sharing and pages_zero") \
	X(metadata_bytes,	"memory used by frames' and candidates' nodes") \
	X(window_max_ns,	"longest time that a run was unmapped")

enum vmdedup_event {
#define VMDEDUP_EVENT_ENUM(name, what) VMDEDUP_EV_##name,
	VMDEDUP_EVENTS(VMDEDUP_EVENT_ENUM)
#undef VMDEDUP_EVENT_ENUM
	VMDEDUP_EV_NR
};

enum vmdedup_gauge {
#define VMDEDUP_GAUGE_ENUM(name, what) VMDEDUP_GAUGE_##name,
	VMDEDUP_GAUGES(VMDEDUP_GAUGE_ENUM)
#undef VMDEDUP_GAUGE_ENUM
};

/**
 * struct vmdedup_tally - counts of one piece of work, kept by who does it
 * @ev: events, to be added to the module's and the region's
 * @skip: pages not merged, by reason
 * @zero_found: pages found mapped to the zero page already
 * @merged_found: pages found mapped to a shared frame already
 * @saved_found: bytes that those save, each its part of what all sharers do
 * @passed: page table entries looked at that gave no page to scan
 */
struct vmdedup_tally {
	u64 ev[VMDEDUP_EV_NR];
	u64 skip[VMDEDUP_SKIP_NR];
	u64 zero_found;
	u64 merged_found;
	u64 saved_found;
	u64 passed;
};

void vmdedup_tally_add(struct vmdedup_tally *sum,
		       const struct vmdedup_tally *part);

#endif /* VMDEDUP_CORE_STATS_H */
