/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * vmdedup - de-duplication of the memory of KVM guests
 *
 * The generic netlink interface: family "vmdedup"
 * ===============================================
 *
 * Statistics of the host, of guests and of regions; and news of them by
 * multicast. Documentation/netlink/specs/vmdedup.yaml describes the same.
 *
 * A guest is a process whose memory is looked after: its regions are those of
 * its address space. VMDEDUP_A_GUEST_KVM tells whether it was found as the
 * owner of a KVM virtual machine; else it was registered through /dev/vmdedup.
 *
 * Permission. VMDEDUP_CMD_GET_STATS is for everybody, as the same numbers are
 * in sysfs. All else needs CAP_NET_ADMIN in the initial user namespace, and so
 * does listening to the group "events". Both who asks, or joins the group, and who
 * opened the socket must have it. To a socket opened without, no events are sent,
 * which is no error; but on 6.1 only who joins counts, and no events are sent at
 * all if somebody may have joined without being asked.
 *
 * The GAUGEs of ledgers tell what was seen when memory was visited last, which is
 * not in each pass. At rest, when neither guests nor vmdedup change anything any
 * more, they are exact some time after somebody has asked: while the scanner is
 * stopped, some seconds; else, target_pass_secs at the most and some seconds, or
 * as soon as a pass has looked at all. Their sums over all guests are then the
 * host's.
 *
 * Dumps are in the order of the ids. Whatever exists from the first message to
 * the last is in it once; what comes or goes meanwhile may be. NLM_F_DUMP_INTR
 * is set if anything did.
 *
 * Errors. Requests that are refused change nothing and say why in words
 * (NLMSGERR_ATTR_MSG); but for dumps on 6.1, where the kernel has no way to.
 *	EINVAL		an attribute is missing, unknown or of the wrong kind,
 *			or there is no such id, nor ever will be
 *	ERANGE		a pid, or a switch, is out of range
 *	ENOENT		no such guest or region
 *	ESRCH		no process with that pid
 *	ENOSPC		too many processes are excluded
 *	EPERM		no permission
 *	EOPNOTSUPP	no such command, or it is none to dump with
 *	EBUSY, EAGAIN, ENOBUFS
 *			answers to other requests have not been read
 *	EMSGSIZE, ENOMEM, EINTR
 *
 * New commands, attributes, statistics, reasons and events are appended;
 * a reader skips what it does not know.
 */
#ifndef _UAPI_LINUX_VMDEDUP_NETLINK_H
#define _UAPI_LINUX_VMDEDUP_NETLINK_H

#include <linux/vmdedup.h>

#define VMDEDUP_GENL_NAME	"vmdedup"
#define VMDEDUP_GENL_VERSION	1

/* Messages of VMDEDUP_CMD_GET_STATS, each stats_interval_ms. */
#define VMDEDUP_MCGRP_STATS	"stats"
/* Messages of VMDEDUP_CMD_EVENT, as things happen. */
#define VMDEDUP_MCGRP_EVENTS	"events"

/**
 * enum vmdedup_cmd - what can be asked for
 * @VMDEDUP_CMD_UNSPEC: none
 * @VMDEDUP_CMD_GET_STATS: the host's counters: VMDEDUP_A_STATS
 * @VMDEDUP_CMD_GET_GUEST: one guest, by VMDEDUP_A_GUEST_ID or
 *	VMDEDUP_A_GUEST_PID within VMDEDUP_A_GUEST; or a dump of all
 * @VMDEDUP_CMD_GET_REGION: one region, by VMDEDUP_A_REGION_ID within
 *	VMDEDUP_A_REGION; or a dump of all, or of those with the
 *	VMDEDUP_A_REGION_GUEST_ID given
 * @VMDEDUP_CMD_SET_GUEST: change a guest: VMDEDUP_A_GUEST_PID and
 *	VMDEDUP_A_GUEST_EXCLUDED. An excluded process is not discovered any
 *	more; if it was, its regions go (merged pages stay merged)
 * @VMDEDUP_CMD_EVENT: something happened: VMDEDUP_A_EVENT
 */
enum vmdedup_cmd {
	VMDEDUP_CMD_UNSPEC,
	VMDEDUP_CMD_GET_STATS,
	VMDEDUP_CMD_GET_GUEST,
	VMDEDUP_CMD_GET_REGION,
	VMDEDUP_CMD_SET_GUEST,
	VMDEDUP_CMD_EVENT,

	__VMDEDUP_CMD_MAX,
	VMDEDUP_CMD_MAX = __VMDEDUP_CMD_MAX - 1
};

/* Of a message: nests. */
enum vmdedup_attr {
	VMDEDUP_A_UNSPEC,
	VMDEDUP_A_STATS,	/* nest: enum vmdedup_attr_stats */
	VMDEDUP_A_GUEST,	/* nest: enum vmdedup_attr_guest */
	VMDEDUP_A_REGION,	/* nest: enum vmdedup_attr_region */
	VMDEDUP_A_EVENT,	/* nest: enum vmdedup_attr_event */

	__VMDEDUP_A_MAX,
	VMDEDUP_A_MAX = __VMDEDUP_A_MAX - 1
};

/*
 * The host's statistics: X(name, kind, what). The names appear in sysfs
 * (stats/<name>) and in every listing. A COUNTER never decreases while the
 * module is loaded, a GAUGE tells the state. All are u64.
 */
#define VMDEDUP_STATS(X)						\
	X(full_scans,		COUNTER, "complete passes over all regions") \
	X(pages_scanned,	COUNTER, "pages whose content was looked at") \
	X(pages_hashed,		COUNTER,				\
	  "pages whose full checksum was computed: their sketch was seen elsewhere") \
	X(pages_merged,		COUNTER, "pages mapped to a shared frame") \
	X(pages_zero_merged,	COUNTER, "pages mapped to the zero page") \
	X(pages_unmerged,	COUNTER, "merged pages given a private copy on request") \
	X(cow_breaks,		COUNTER,				\
	  "merged pages found private again: they were written to")	\
	X(huge_split,		COUNTER, "huge pages split to merge in them") \
	X(huge_kept,		COUNTER, "huge pages met and left whole: too little to save") \
	X(merge_runs,		COUNTER, "runs of pages unmapped to merge them") \
	X(frames_made,		COUNTER, "shared frames allocated")	\
	X(frames_freed,		COUNTER, "shared frames with no mapping left, freed") \
	X(collisions,		COUNTER, "equal checksums of different content") \
	X(lru_drains,		COUNTER, "runs allowed to drain the LRU caches of all CPUs") \
	X(scan_ns,		COUNTER, "CPU time spent on scanning and merging, nanoseconds") \
	X(guests,		GAUGE,	 "guests with regions")		\
	X(regions,		GAUGE,	 "regions registered")		\
	X(pages_shared,		GAUGE,	 "shared frames in use")	\
	X(pages_sharing,	GAUGE,					\
	  "mappings of shared frames beyond the first: pages saved")	\
	X(pages_unshared,	GAUGE,	 "candidates: pages whose content was seen once") \
	X(pages_zero,		GAUGE,	 "zero page mappings found or made by the last pass") \
	X(saved_bytes,		GAUGE,	 "memory saved by pages_sharing and pages_zero") \
	X(metadata_bytes,	GAUGE,					\
	  "memory used to remember sketches, frames, candidates and chunks") \
	X(window_max_ns,	GAUGE,	 "longest time that a run was unmapped, nanoseconds") \
	X(frames_scrubbed,	COUNTER, "shared frames checked for memory errors") \
	X(scrub_rounds,		COUNTER, "complete rounds of checks over all shared frames") \
	X(scrub_ns,		COUNTER, "CPU time spent on these checks, nanoseconds") \
	X(frames_corrupt,	COUNTER,				\
	  "shared frames whose content had changed, taken out of use")	\
	X(frames_repaired,	COUNTER,				\
	  "of these, frames whose content was put right: one bit was wrong") \
	X(frames_poisoned,	COUNTER,				\
	  "shared frames marked as poisoned by the kernel, taken out of use") \
	X(frames_quarantined,	GAUGE,					\
	  "frames out of use for a memory error that are still kept for those who map them") \
	X(reserve_pages,	GAUGE,	 "free pages held in reserve")	\
	X(reserve_target,	GAUGE,	 "free pages to be held in reserve") \
	X(reserve_drained,	COUNTER,				\
	  "pages of the reserve given back because memory was short")

enum vmdedup_attr_stats {
	VMDEDUP_A_STATS_UNSPEC,
	VMDEDUP_A_STATS_PAD,
	VMDEDUP_A_STATS_SKIPPED,	/* nest: enum vmdedup_skip + 1: u64, since loading */
#define VMDEDUP_A_STATS_ENUM(name, kind, what) VMDEDUP_A_STATS_##name,
	VMDEDUP_STATS(VMDEDUP_A_STATS_ENUM)
#undef VMDEDUP_A_STATS_ENUM

	__VMDEDUP_A_STATS_MAX,
	VMDEDUP_A_STATS_MAX = __VMDEDUP_A_STATS_MAX - 1
};

/*
 * What is kept for each region, and summed up for each guest: X(name, kind,
 * what). All are u64. The COUNTERs of a guest include those of its regions
 * that have gone. Of the reasons why pages were skipped in the last pass that
 * looked at all of the region, those that are 0 are left out.
 */
#define VMDEDUP_LEDGER(X)						\
	X(resident,	GAUGE,	 "pages present, merged and zero ones included") \
	X(merged,	GAUGE,	 "pages mapped to a shared frame")	\
	X(zero,		GAUGE,	 "pages mapped to the zero page")	\
	X(unique,	GAUGE,	 "pages present and neither merged nor zero") \
	X(saved_bytes,	GAUGE,	 "memory saved here: of each merged page its part of the saving") \
	X(scanned,	COUNTER, "pages looked at")			\
	X(merges,	COUNTER, "pages merged, zero pages included")	\
	X(cow_breaks,	COUNTER, "merged pages found private again: they were written to") \
	X(scan_ns,	COUNTER, "CPU time spent on scanning and merging, nanoseconds")

enum vmdedup_attr_ledger {
	VMDEDUP_A_LEDGER_UNSPEC,
	VMDEDUP_A_LEDGER_PAD,
	VMDEDUP_A_LEDGER_SKIPPED,	/* nest: enum vmdedup_skip + 1: u64, see above */
#define VMDEDUP_A_LEDGER_ENUM(name, kind, what) VMDEDUP_A_LEDGER_##name,
	VMDEDUP_LEDGER(VMDEDUP_A_LEDGER_ENUM)
#undef VMDEDUP_A_LEDGER_ENUM

	__VMDEDUP_A_LEDGER_MAX,
	VMDEDUP_A_LEDGER_MAX = __VMDEDUP_A_LEDGER_MAX - 1
};

enum vmdedup_attr_guest {
	VMDEDUP_A_GUEST_UNSPEC,
	VMDEDUP_A_GUEST_PAD,
	VMDEDUP_A_GUEST_ID,		/* u64, never used again */
	VMDEDUP_A_GUEST_PID,		/* u32, in the initial namespace; absent if it has gone */
	VMDEDUP_A_GUEST_COMM,		/* string */
	VMDEDUP_A_GUEST_UID,		/* u32, real user, in the initial namespace */
	VMDEDUP_A_GUEST_CGROUP,		/* u64, inode of its memory cgroup's directory, if any */
	VMDEDUP_A_GUEST_DOMAIN,		/* u64, trust domain: equal in guests that may share */
	VMDEDUP_A_GUEST_KVM,		/* u8, 1: owner of a KVM virtual machine */
	VMDEDUP_A_GUEST_EXCLUDED,	/* u8, 1: not to be discovered */
	VMDEDUP_A_GUEST_REGIONS,	/* u32 */
	VMDEDUP_A_GUEST_BYTES,		/* u64, registered */
	VMDEDUP_A_GUEST_LEDGER,		/* nest: enum vmdedup_attr_ledger */

	__VMDEDUP_A_GUEST_MAX,
	VMDEDUP_A_GUEST_MAX = __VMDEDUP_A_GUEST_MAX - 1
};

enum vmdedup_attr_region {
	VMDEDUP_A_REGION_UNSPEC,
	VMDEDUP_A_REGION_PAD,
	VMDEDUP_A_REGION_ID,		/* u64 */
	VMDEDUP_A_REGION_GUEST_ID,	/* u64 */
	VMDEDUP_A_REGION_PID,		/* u32, as of its guest */
	VMDEDUP_A_REGION_START,		/* u64, first address */
	VMDEDUP_A_REGION_LENGTH,	/* u64, bytes */
	VMDEDUP_A_REGION_FLAGS,		/* u32, VMDEDUP_REGION_* */
	VMDEDUP_A_REGION_GPA,		/* u64, guest-physical; if VMDEDUP_REGION_DISCOVERED */
	VMDEDUP_A_REGION_SLOT,		/* u32, KVM's memslot; likewise */
	VMDEDUP_A_REGION_LEDGER,	/* nest: enum vmdedup_attr_ledger */

	__VMDEDUP_A_REGION_MAX,
	VMDEDUP_A_REGION_MAX = __VMDEDUP_A_REGION_MAX - 1
};

/* What can happen: X(NAME, name, what). */
#define VMDEDUP_EVENT_TYPES(X)						\
	X(GUEST_APPEARED,	guest_appeared,	"the first region of a guest is there") \
	X(GUEST_LEFT,		guest_left,	"the last region of a guest has gone") \
	X(REGION_REGISTERED,	region_registered, "a region is there") \
	X(REGION_GONE,		region_gone,	"a region has gone")	\
	X(PASS_FINISHED,	pass_finished,	"a pass over all regions is complete") \
	X(COW_STORM,		cow_storm,				\
	  "much of what was merged in a guest was written to since the last pass") \
	X(RESERVE_LOW,		reserve_low,				\
	  "memory might not suffice if guests write to what is merged, or the reserve drains") \
	X(FRAME_CORRUPT,	frame_corrupt,				\
	  "the content of a shared frame has changed: a memory error")	\
	X(FRAME_POISONED,	frame_poisoned,				\
	  "the kernel has marked a shared frame as poisoned")

enum vmdedup_event_type {
#define VMDEDUP_EVENT_TYPE_ENUM(NAME, name, what) VMDEDUP_EVENT_##NAME,
	VMDEDUP_EVENT_TYPES(VMDEDUP_EVENT_TYPE_ENUM)
#undef VMDEDUP_EVENT_TYPE_ENUM
	VMDEDUP_EVENT_NR
};

/*
 * Those that make sense for the type of the event are there. Of a frame with a
 * memory error, there is one event for each region that maps it; or one without
 * a region if none does, by the time that all have been searched.
 */
enum vmdedup_attr_event {
	VMDEDUP_A_EVENT_UNSPEC,
	VMDEDUP_A_EVENT_PAD,
	VMDEDUP_A_EVENT_TYPE,		/* u32, enum vmdedup_event_type */
	VMDEDUP_A_EVENT_TIME,		/* u64, CLOCK_BOOTTIME, nanoseconds */
	VMDEDUP_A_EVENT_GUEST_ID,	/* u64 */
	VMDEDUP_A_EVENT_PID,		/* u32 */
	VMDEDUP_A_EVENT_COMM,		/* string */
	VMDEDUP_A_EVENT_KVM,		/* u8 */
	VMDEDUP_A_EVENT_REGION_ID,	/* u64 */
	VMDEDUP_A_EVENT_START,		/* u64 */
	VMDEDUP_A_EVENT_LENGTH,		/* u64 */
	VMDEDUP_A_EVENT_SCANNED,	/* u64, pages: of the pass */
	VMDEDUP_A_EVENT_MERGED,		/* u64, pages: of the pass; before the storm */
	VMDEDUP_A_EVENT_BROKEN,		/* u64, pages: of the pass, of the storm */
	VMDEDUP_A_EVENT_TOOK_NS,	/* u64, the pass from begin to end */
	VMDEDUP_A_EVENT_AVAILABLE,	/* u64, bytes of memory available */
	VMDEDUP_A_EVENT_PFN,		/* u64, page frame number of a frame */
	VMDEDUP_A_EVENT_MAPPINGS,	/* u64, pages that map it: of the region, if any */
	VMDEDUP_A_EVENT_ADDRESS,	/* u64, that of the first of them in the region */
	VMDEDUP_A_EVENT_REPAIRED,	/* u8, 1: one bit was wrong, and was put right */
	VMDEDUP_A_EVENT_RESERVE,	/* u64, bytes held in reserve, not available */

	__VMDEDUP_A_EVENT_MAX,
	VMDEDUP_A_EVENT_MAX = __VMDEDUP_A_EVENT_MAX - 1
};

#endif /* _UAPI_LINUX_VMDEDUP_NETLINK_H */
