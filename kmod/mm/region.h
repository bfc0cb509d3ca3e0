/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Regions, and who holds them.
 *
 * A region is found by its id under RCU and kept by a reference; one that was
 * removed is dead, and whoever means to change anything in it asks under @sem.
 *
 * Lock order: registry -> region->sem -> mmap_lock. The registry lock is not
 * held while memory is worked on.
 */
#ifndef VMDEDUP_MM_REGION_H
#define VMDEDUP_MM_REGION_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/pid.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/xarray.h>

#include "../core/stats.h"
#include "dues.h"
#include "space.h"

#define VMDEDUP_MAX_REGIONS	65536
/*
 * Of these, discovery takes the first seven eighths only, so that there is always
 * room for who registers by hand; and a quarter for one user, as many hosts have
 * all of their guests run as one: at 20 slots each, 800 of them.
 */
#define VMDEDUP_MAX_FOUND	(VMDEDUP_MAX_REGIONS / 8 * 7)
#define VMDEDUP_MAX_FOUND_USER	(VMDEDUP_MAX_REGIONS / 4)

/**
 * struct vmdedup_region - a page range of a space
 * @ref: one of the registry, and of whoever uses it
 * @rcu: to free it
 * @id: never used again
 * @space: where
 * @node: in @space->regions, under the registry lock
 * @holds: the files that registered it, under the registry lock
 * @start: first address
 * @end: first address after it
 * @flags: VMDEDUP_REGION_*; changed under the registry lock
 * @due: of who made it VMDEDUP_REGION_PERSIST, likewise
 * @gpa: guest-physical address of @start, with VMDEDUP_REGION_DISCOVERED
 * @slot: KVM's memslot, likewise
 * @dead: it is being removed; set once, under @lock and the registry lock
 * @frozen: so many are unmerging its pages: do not merge; under @sem
 * @home: node that most of its pages seem to be on, or NUMA_NO_NODE; a guess
 * @sem: held for reading by who merges in it; for writing, to wait for them
 * @lock: protects what follows
 * @ledger: what is known of it; once it is dead, COUNTERs go on in
 *	@space->gone
 * @zero_made: of the zero pages in @ledger, those that we have made
 * @cells: of each of its chunks with pages what is known, see cells.h
 * @changes: counts changes of cells
 * @skipping: pages skipped in the pass @skip_pass so far, by reason
 * @skip_pass: see vmdedup_ledger_skips()
 * @skip_bytes: how much of it was scanned in that pass
 */
struct vmdedup_region {
	struct kref ref;
	struct rcu_head rcu;
	u64 id;
	struct vmdedup_space *space;
	struct list_head node;
	struct list_head holds;
	unsigned long start;
	unsigned long end;
	unsigned int flags;
	struct vmdedup_due due;
	u64 gpa;
	unsigned int slot;
	bool dead;
	unsigned int frozen;
	int home;
	struct rw_semaphore sem;
	spinlock_t lock; /* of all that follows */
	struct vmdedup_ledger ledger;
	u64 zero_made;
	struct xarray cells;
	u32 changes;
	u64 skipping[VMDEDUP_SKIP_NR];
	u16 skip_pass;
	unsigned long skip_bytes;
};

/**
 * struct vmdedup_owner - a file or a discovered guest, as a holder of regions
 * @holds: what it registered, under the registry lock
 * @discovers: a guest; its regions are VMDEDUP_REGION_DISCOVERED
 * @due: of the guest
 */
struct vmdedup_owner {
	struct list_head holds;
	bool discovers;
	struct vmdedup_due due;
};

/**
 * struct vmdedup_register_args - a request to register
 * @mm: address space; the caller keeps it
 * @pid: its process
 * @uid: that process' real user
 * @start: first address, page aligned
 * @end: first address after it, page aligned
 * @flags: VMDEDUP_REGION_*
 * @gpa: see struct vmdedup_region
 * @slot: likewise
 * @owner: who holds it, or NULL with VMDEDUP_REGION_PERSIST
 * @payer: for whom the registration counts
 * @limit: how many they may have, or VMDEDUP_NO_LIMIT
 * @wait: with VMDEDUP_REGION_DISCOVERED: see vmdedup_charge_gfp()
 * @region_id: out: the region; with -EEXIST the one in the way
 * @existed: out: within a region that was there
 */
struct vmdedup_register_args {
	struct mm_struct *mm;
	struct pid *pid;
	kuid_t uid;
	unsigned long start;
	unsigned long end;
	unsigned int flags;
	u64 gpa;
	unsigned int slot;
	struct vmdedup_owner *owner;
	kuid_t payer;
	unsigned int limit;
	bool wait;
	u64 region_id;
	bool existed;
};

/**
 * struct vmdedup_survey - what a range is made of
 * @eligible: bytes that can be merged
 * @refused: by reason, bytes that cannot
 */
struct vmdedup_survey {
	u64 eligible;
	u64 refused[VMDEDUP_SKIP_NR];
};

void vmdedup_region_survey(struct mm_struct *mm, unsigned long start,
			   unsigned long end, struct vmdedup_survey *survey);
int vmdedup_region_register(struct vmdedup_register_args *args);
bool vmdedup_region_remove(struct vmdedup_region *region);
void vmdedup_region_remove_all(void);
bool vmdedup_region_gone(const struct vmdedup_region *region);
int vmdedup_region_refusal(const struct vmdedup_region *region);
bool vmdedup_region_reap(void);
int vmdedup_region_settle(struct vmdedup_region *region);
unsigned long vmdedup_region_count(void);
unsigned int vmdedup_region_generation(void);
u64 vmdedup_region_newest(void);

struct vmdedup_region *vmdedup_region_get(u64 id);
struct vmdedup_region *vmdedup_region_next(u64 id, u64 last);
void vmdedup_region_put(struct vmdedup_region *region);

void vmdedup_owner_init(struct vmdedup_owner *owner);
int vmdedup_owner_init_guest(struct vmdedup_owner *owner, kuid_t payer,
			     unsigned int limit);
void vmdedup_owner_drop(struct vmdedup_owner *owner, u64 id);
void vmdedup_owner_release(struct vmdedup_owner *owner);

bool vmdedup_region_enter(struct vmdedup_region *region, bool patient);
void vmdedup_region_leave(struct vmdedup_region *region);

#endif /* VMDEDUP_MM_REGION_H */
