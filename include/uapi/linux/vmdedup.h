/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * vmdedup - de-duplication of the memory of KVM guests
 *
 * The ioctl interface of /dev/vmdedup
 * ===================================
 *
 * Each call takes a pointer to a struct whose first member, @size, is the
 * size of that struct as the caller knows it. A caller that is older than
 * the kernel passes a smaller one (the missing members read as zero and are
 * not written); a caller that is newer passes a larger one, and is served as
 * long as what the kernel does not know is zero. Flags and reserved members
 * that the kernel does not know are refused.
 *
 * A region is a page range of one address space. Registering it allows
 * vmdedup to merge equal pages of it with equal pages of other regions of
 * the same trust domain (by default: of the same real user). Contents never
 * change by it: a write to a merged page gets a private copy.
 *
 * Lifetime. A region goes away with the address space, when the last file
 * that registered it is closed (unless VMDEDUP_REGISTER_PERSIST was given),
 * or by VMDEDUP_IOC_UNREGISTER. Pages that are merged by then stay merged
 * unless VMDEDUP_UNREGISTER_UNMERGE asks for private copies: the core kernel
 * looks after them.
 *
 * Overlap. A page belongs to one region at the most. Registering a range that
 * lies within an existing region is not an error: the id of that region is
 * returned with VMDEDUP_REGISTERED_EXISTS set, and it lives as long as the
 * longest-lived of its registrations. A range that overlaps an existing
 * region only in part is refused with EEXIST and @region_id names that
 * region.
 *
 * Limits. A registration is counted for the real user who made it, in a user
 * namespace for the user who made the outermost of these (unless that is root),
 * for as long as it lasts and whosoever's memory it is of: a region that two files
 * have registered counts twice, and once more if it is to persist. What a caller
 * with CAP_SYS_RESOURCE in the initial user namespace registers does not count. What
 * is discovered is counted apart, for the user of the guest, and has a limit of its
 * own: a quarter of all regions that there can be. Another eighth is never
 * discovery's.
 *
 * Permission. A caller may register and manage the memory of its own address
 * space; that of another process needs CAP_SYS_PTRACE in the user namespace
 * of that address space.
 *
 * Errors. On an error nothing was changed (ENOMEM of unmerging and EINTR apart,
 * which may come when a part is done) and, EEXIST and EOPNOTSUPP of register
 * apart, nothing was written to the struct.
 *
 * Any call:
 *	E2BIG		@size is larger than the kernel's struct and the part
 *			that the kernel does not know is not zero; or it is
 *			larger than a page
 *	EFAULT		the struct cannot be read or written
 *	EINVAL		@size is smaller than the first version of the struct,
 *			an unknown flag or reserved member is set, or as below
 *	ENOTTY		no such call
 *	ENOMEM		out of memory
 *	EINTR		a fatal signal arrived
 * Register:
 *	EINVAL		@start or @length is not a multiple of the page size,
 *			@length is zero, or @pid is negative; with
 *			VMDEDUP_REGISTER_ALL, @start or @length is not zero
 *	EOVERFLOW	@start + @length wraps around or lies beyond the end of
 *			user space
 *	ESRCH		no process @pid, or it has no memory of its own
 *			(a kernel thread, a zombie)
 *	EPERM		no permission over process @pid
 *	EFAULT		nothing is mapped in the range
 *	EOPNOTSUPP	something is mapped in the range, but none of it can
 *			be merged: @reason tells why, @refused how much
 *	EEXIST		partial overlap, see above
 *	EDQUOT		the caller has not CAP_SYS_RESOURCE, and as many
 *			registrations as sysfs' max_regions allows are counted
 *			for its real user, see below
 *	ENOSPC		too many regions
 * Unregister, query, merge:
 *	ENOENT		no such region (with VMDEDUP_QUERY_NEXT: no more)
 *	EPERM		no permission over that region
 *	EINVAL		merge: @max_rounds is too large, or @region_id is not 0
 *			with VMDEDUP_MERGE_ALL
 *	ENOMEM		unregister with VMDEDUP_UNREGISTER_UNMERGE: not enough
 *			free memory for the private copies, or not enough room
 *			for them within the limits of the process' memory
 *			cgroups; the region stays. That is found out before
 *			anything is done, unless others take the memory meanwhile
 *
 * While run in sysfs is 2 a merge finds nothing to do. Unmerging leaves what
 * userfaultfd would have to be asked about: pages that are write-protected by it.
 */
#ifndef _UAPI_LINUX_VMDEDUP_H
#define _UAPI_LINUX_VMDEDUP_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define VMDEDUP_DEVICE_NAME	"vmdedup"

/*
 * Why a page was not merged: X(NAME, name, text). The names appear in sysfs
 * (stats/skip_<name>) and in every listing. New reasons are appended.
 */
#define VMDEDUP_SKIP_REASONS(X)						\
	X(SHARED,	shared,		"shared memory (MAP_SHARED, memfd, shmem)") \
	X(HUGETLB,	hugetlb,	"hugetlbfs memory")		\
	X(SPECIAL,	special,	"device or other special mapping") \
	X(FILE,		file,		"private mapping of a file")	\
	X(LOCKED,	locked,		"memory locked by mlock")	\
	X(UFFD,		uffd,		"registered with userfaultfd")	\
	X(VOLATILE,	volatile,	"given up by MADV_FREE or droppable") \
	X(PINNED,	pinned,		"pinned for device I/O")	\
	X(KSM,		ksm,		"already merged by KSM")	\
	X(HUGE,		huge,		"huge page with too little to save") \
	X(HUGE_PART,	huge_part,	"part of a huge page that is mapped in pieces") \
	X(SWAPPED,	swapped,	"swapped out")			\
	X(MIGRATING,	migrating,	"being moved by the kernel")	\
	X(LRU,		lru,		"in transit to or off the LRU lists") \
	X(POISONED,	poisoned,	"memory error (poisoned)")	\
	X(DEVICE,	device,		"device memory")		\
	X(FOREIGN,	foreign,	"shared frame of an earlier load") \
	X(CHANGED,	changed,	"changed while it was being merged") \
	X(BUSY,		busy,		"in use elsewhere in the kernel") \
	X(NOMEM,	nomem,		"no memory for a shared frame")	\
	X(COOLED,	cooled,		"written to soon after merging: left alone for a while") \
	X(FORKED,	forked,		"still shared with another process since a fork")

enum vmdedup_skip {
#define VMDEDUP_SKIP_ENUM(NAME, name, text) VMDEDUP_SKIP_##NAME,
	VMDEDUP_SKIP_REASONS(VMDEDUP_SKIP_ENUM)
#undef VMDEDUP_SKIP_ENUM
	VMDEDUP_SKIP_NR
};

/* Slots in the arrays below: room for reasons to come. */
#define VMDEDUP_SKIP_SLOTS	32
/* @reason when there is nothing to explain. */
#define VMDEDUP_SKIP_NONE	0xffffffffU

/* The region outlives the file that registered it. */
#define VMDEDUP_REGISTER_PERSIST	(1U << 0)
/* The whole address space, and what is mapped in it later. */
#define VMDEDUP_REGISTER_ALL		(1U << 1)

/* The range was within a region that existed already. */
#define VMDEDUP_REGISTERED_EXISTS	(1U << 0)

/**
 * struct vmdedup_register - register a page range
 * @size: sizeof(struct vmdedup_register)
 * @flags: VMDEDUP_REGISTER_*
 * @pid: process as seen by the caller, or 0 for the caller itself
 * @reserved: 0
 * @start: first address, a multiple of the page size
 * @length: bytes, a multiple of the page size
 * @region_id: out: id of the region; ids are never used again
 * @eligible: out: bytes of the range, as it is mapped now, that can be merged
 * @refused: out: mapped bytes of the range that cannot
 * @reason: out: enum vmdedup_skip, what most of @refused is, or
 *	VMDEDUP_SKIP_NONE
 * @out_flags: out: VMDEDUP_REGISTERED_*
 */
struct vmdedup_register {
	__u32 size;
	__u32 flags;
	__s32 pid;
	__u32 reserved;
	__aligned_u64 start;
	__aligned_u64 length;
	__aligned_u64 region_id;
	__aligned_u64 eligible;
	__aligned_u64 refused;
	__u32 reason;
	__u32 out_flags;
};

/* Give every page of the region a private copy again. */
#define VMDEDUP_UNREGISTER_UNMERGE	(1U << 0)

/**
 * struct vmdedup_unregister - forget a region
 * @size: sizeof(struct vmdedup_unregister)
 * @flags: VMDEDUP_UNREGISTER_*
 * @region_id: which
 * @unmerged: out: pages that were given a private copy
 */
struct vmdedup_unregister {
	__u32 size;
	__u32 flags;
	__aligned_u64 region_id;
	__aligned_u64 unmerged;
};

/* The region with the smallest id above @region_id that the caller may see. */
#define VMDEDUP_QUERY_NEXT		(1U << 0)
/* Count the pages now; else what is known since they were looked at last is told. */
#define VMDEDUP_QUERY_COUNT		(1U << 1)

/* Region flags: */
#define VMDEDUP_REGION_PERSIST		(1U << 0)
#define VMDEDUP_REGION_ALL		(1U << 1)
/* Found as guest-physical memory of a KVM virtual machine. */
#define VMDEDUP_REGION_DISCOVERED	(1U << 2)

/**
 * struct vmdedup_query - what is known of a region
 * @size: sizeof(struct vmdedup_query)
 * @flags: VMDEDUP_QUERY_*
 * @region_id: in: which; out: the region described
 * @start: out: first address
 * @length: out: bytes
 * @pid: out: a process with that address space, in the caller's view, or 0
 * @uid: out: its real user, in the caller's view
 * @region_flags: out: VMDEDUP_REGION_*
 * @reserved: 0
 * @resident: out: pages present, merged and zero ones included
 * @merged: out: pages mapped to a shared frame
 * @zero: out: pages mapped to the zero page
 * @unique: out: pages present and neither merged nor zero
 * @saved: out: bytes saved here: for each merged page its part of the saving
 *	(1 - 1/sharers of a page), for each zero page all of it
 * @scanned: out: pages looked at since registration
 * @merges: out: pages merged since registration, zero pages included
 * @skipped: out: by enum vmdedup_skip, the pages not merged in the last
 *	pass that looked at all of the region
 */
struct vmdedup_query {
	__u32 size;
	__u32 flags;
	__aligned_u64 region_id;
	__aligned_u64 start;
	__aligned_u64 length;
	__s32 pid;
	__u32 uid;
	__u32 region_flags;
	__u32 reserved;
	__aligned_u64 resident;
	__aligned_u64 merged;
	__aligned_u64 zero;
	__aligned_u64 unique;
	__aligned_u64 saved;
	__aligned_u64 scanned;
	__aligned_u64 merges;
	__aligned_u64 skipped[VMDEDUP_SKIP_SLOTS];
};

/* Every region that the caller may manage; @region_id is 0. */
#define VMDEDUP_MERGE_ALL		(1U << 0)

/**
 * struct vmdedup_merge - scan and merge now, and wait for it
 * @size: sizeof(struct vmdedup_merge)
 * @flags: VMDEDUP_MERGE_*
 * @region_id: which
 * @max_rounds: passes at the most, up to 1000; a pass that merges nothing is
 *	the last, unless it is the first and met huge pages; 0: the default
 * @rounds: out: passes made
 * @scanned: out: pages looked at
 * @merged: out: pages now mapped to a shared frame
 * @zero: out: pages now mapped to the zero page
 * @skipped: out: pages not merged in the last pass, by enum vmdedup_skip
 *
 * Works whatever sysfs' run says. A fatal signal ends it early with EINTR;
 * what was merged by then stays merged.
 */
struct vmdedup_merge {
	__u32 size;
	__u32 flags;
	__aligned_u64 region_id;
	__u32 max_rounds;
	__u32 rounds;
	__aligned_u64 scanned;
	__aligned_u64 merged;
	__aligned_u64 zero;
	__aligned_u64 skipped[VMDEDUP_SKIP_SLOTS];
};

#define VMDEDUP_IOC_MAGIC	0xED
#define VMDEDUP_IOC_REGISTER	_IO(VMDEDUP_IOC_MAGIC, 0x00)
#define VMDEDUP_IOC_UNREGISTER	_IO(VMDEDUP_IOC_MAGIC, 0x01)
#define VMDEDUP_IOC_QUERY	_IO(VMDEDUP_IOC_MAGIC, 0x02)
#define VMDEDUP_IOC_MERGE	_IO(VMDEDUP_IOC_MAGIC, 0x03)

#endif /* _UAPI_LINUX_VMDEDUP_H */
