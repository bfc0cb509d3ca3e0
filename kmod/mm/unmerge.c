// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "../compat/compat.h"
#include "../trace.h"
#include "access.h"
#include "ledger.h"
#include "room.h"
#include "unmerge.h"

/* Ticks to wait for a region's mmap_lock, besides what patience there is for all. */
#define GRACE	10

/**
 * vmdedup_count_region() - count a region's pages by state
 * @region: with a reference
 * @count: out
 *
 * May sleep.
 *
 * Return: 0, -ENOENT if its process is gone, -EINTR on a fatal signal.
 */
int vmdedup_count_region(struct vmdedup_region *region,
			 struct vmdedup_count *count)
{
	struct mm_struct *mm = region->space->mm;
	unsigned long addr = region->start;
	int err = 0;

	memset(count, 0, sizeof(*count));
	if (!mmget_not_zero(mm))
		return -ENOENT;
	while (addr < region->end && !err) {
		if (!vmdedup_mm_wait(mm)) {
			err = -EINTR;
			break;
		}
		addr = vmdedup_count(mm, addr, region->end, count);
		vmdedup_mm_unlock(mm, false);
		cond_resched();
		if (fatal_signal_pending(current))
			err = -EINTR;
	}
	vmdedup_mm_put(mm);
	return err;
}

/**
 * struct unmerging - a region that is being unmerged
 * @region: with a reference, and its process kept
 * @found: addresses of one page table's pages
 * @patience: ticks that there are, for all regions; or NULL: no end of them
 * @grace: ticks that there are for this one besides
 * @pages: so many have been given private copies
 */
struct unmerging {
	struct vmdedup_region *region;
	unsigned long *found;
	unsigned long *patience;
	unsigned int grace;
	u64 pages;
};

/* Take an mmap_lock for reading, for whom there is some patience. */
static bool lock_in_time(struct unmerging *u)
{
	unsigned long ticks = min_t(unsigned long, *u->patience, HZ);
	unsigned int left = ticks + u->grace, waited;
	bool locked;

	locked = vmdedup_mm_lock(u->region->space->mm, false, &left, NULL);
	waited = ticks + u->grace - left;
	*u->patience -= min_t(unsigned long, waited, ticks);
	if (waited > ticks)
		u->grace -= waited - ticks;
	return locked;
}

/* A process can keep its own for as long as it likes. */
static int lock_mm(struct unmerging *u)
{
	if (u->patience ? lock_in_time(u) :
			  vmdedup_mm_wait(u->region->space->mm))
		return 0;
	return fatal_signal_pending(current) ? -EINTR : -EBUSY;
}

/*
 * Break one mapping. FOLL_FORCE, because a mapping that was made read-only
 * after it was merged must be copied, too: what is written is nothing. FOLL_NOWAIT,
 * because a fault that has become userfaultfd's since the mapping was found is
 * answered when it pleases somebody else, or never; nobody waits for any other.
 */
static int break_one(struct mm_struct *mm, unsigned long addr)
{
	struct page *page;
	long got;

	got = vmdedup_compat_gup_remote(mm, addr, FOLL_WRITE | FOLL_FORCE |
					FOLL_NOWAIT, &page);
	if (got == 1)
		put_page(page);
	else if (!got)
		got = -EBUSY;
	return min(got, 0L);
}

/*
 * Break the mappings found in one page table, the mmap_lock being held.
 * Returns 0, -ENOMEM, or -EINTR on a fatal signal.
 */
static int break_found(struct unmerging *u, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		int err = break_one(u->region->space->mm, u->found[i]);

		if (err == -ENOMEM || err == -EINTR)
			return err;
		/* Any other error: the mapping has changed meanwhile. */
		if (!err)
			u->pages++;
	}
	return 0;
}

static int unmerge_mm(struct unmerging *u)
{
	struct mm_struct *mm = u->region->space->mm;
	unsigned long addr = u->region->start, end = u->region->end;
	int err = 0;

	while (addr < end && !err) {
		unsigned int nr;

		err = lock_mm(u);
		if (err)
			return err;
		addr = vmdedup_find_merged(mm, addr, end, u->found, &nr);
		/* Others may have used it since we looked. */
		if (nr && !vmdedup_room_for(mm, nr))
			err = -ENOMEM;
		else
			err = break_found(u, nr);
		vmdedup_mm_unlock(mm, false);
		cond_resched();
		if (!err && addr < end && fatal_signal_pending(current))
			err = -EINTR;
	}
	return err;
}

/* How many pages would be given private copies. */
static int count_mm(struct unmerging *u, unsigned long *pages)
{
	struct mm_struct *mm = u->region->space->mm;
	unsigned long addr = u->region->start;

	*pages = 0;
	while (addr < u->region->end) {
		unsigned int nr;
		int err = lock_mm(u);

		if (err)
			return err;
		addr = vmdedup_find_merged(mm, addr, u->region->end, u->found,
					   &nr);
		vmdedup_mm_unlock(mm, false);
		*pages += nr;
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/*
 * One more, or one less, who keeps others from merging in a region while it is being
 * unmerged. Waits for those at work in it. Returns -ENOENT if the region is dead.
 */
static int freeze(struct vmdedup_region *region)
{
	int err = 0;

	if (down_write_killable(&region->sem))
		return -EINTR;
	if (READ_ONCE(region->dead))
		err = -ENOENT;
	else
		region->frozen++;
	up_write(&region->sem);
	return err;
}

static void thaw(struct vmdedup_region *region)
{
	down_write(&region->sem);
	region->frozen--;
	up_write(&region->sem);
}

static int unmerge_frozen(struct unmerging *u, bool stay_frozen)
{
	struct vmdedup_region *region = u->region;
	int err = freeze(region);

	if (err)
		return err;
	err = unmerge_mm(u);
	vmdedup_ledger_forget(region);
	if (err || !stay_frozen)
		thaw(region);
	trace_vmdedup_unmerge(region->id, u->pages, err);
	return err;
}

/*
 * All that is merged in it, if there is room for that now. Of that nothing is kept for
 * it: who has others wait for his mmap_lock would keep it from them for as long. Two
 * who are at it at once may both find less later, and end with -ENOMEM.
 */
static int unmerge(struct unmerging *u, bool stay_frozen)
{
	unsigned long pages;
	int err;

	err = count_mm(u, &pages);
	if (err)
		return err;
	if (!vmdedup_room_for(u->region->space->mm, pages))
		return -ENOMEM;
	return unmerge_frozen(u, stay_frozen);
}

/* Room for the addresses of one page table's pages, or NULL. */
static unsigned long *found_alloc(void)
{
	return kmalloc_array(VMDEDUP_RUN_MAX, sizeof(unsigned long), GFP_KERNEL);
}

/**
 * vmdedup_unmerge_region() - give merged pages private copies
 * @region: with a reference
 * @stay_frozen: on success leave the region frozen, since it is going away
 * @patience: ticks that there are, for all regions, to wait for processes that keep
 *	their mmap_lock; NULL: as long as it takes, or until a fatal signal arrives
 * @pages: out: how many were given one, also on an error
 *
 * Every page mapped to the zero page gets one, too: which of them are ours
 * cannot be told. What userfaultfd would be asked about stays as it is. May sleep.
 *
 * Return: 0; -ENOENT if the region is dead or its process gone; -ENOMEM if
 * memory does not suffice, on the host or in one of the process' memory cgroups:
 * if that is known beforehand nothing is done; -EBUSY if its mmap_lock was not to
 * be had in time; -EINTR on a fatal signal. On an error the region is not frozen.
 */
int vmdedup_unmerge_region(struct vmdedup_region *region, bool stay_frozen,
			   unsigned long *patience, u64 *pages)
{
	struct unmerging u = {
		.region = region,
		.found = found_alloc(),
		.patience = patience,
		.grace = GRACE,
	};
	int err = -ENOENT;

	*pages = 0;
	if (!u.found)
		return -ENOMEM;
	if (mmget_not_zero(region->space->mm)) {
		err = unmerge(&u, stay_frozen);
		vmdedup_mm_put(region->space->mm);
	}
	kfree(u.found);
	*pages = u.pages;
	return err;
}

/* Add what a region needs; one that cannot be looked at now needs nothing. */
static int add_region(struct unmerging *u, struct vmdedup_room_sum *sum)
{
	struct mm_struct *mm = u->region->space->mm;
	unsigned long pages;
	int err;

	if (!mmget_not_zero(mm))
		return 0;
	err = count_mm(u, &pages);
	if (!err)
		err = vmdedup_room_sum_add(sum, mm, pages);
	vmdedup_mm_put(mm);
	return err == -EBUSY ? 0 : err;
}

/**
 * vmdedup_unmerge_check() - has the host memory enough to unmerge every region?
 *
 * Of those that memory cgroups have room for, too. May sleep.
 *
 * Return: 0; -ENOMEM if it has not; -EINTR on a fatal signal.
 */
int vmdedup_unmerge_check(void)
{
	unsigned long patience = 0;
	struct unmerging u = { .found = found_alloc(), .patience = &patience };
	u64 id = 0, last = vmdedup_region_newest();
	struct vmdedup_room_sum sum;
	int err = 0;

	if (!u.found)
		return -ENOMEM;
	vmdedup_room_sum_begin(&sum);
	while (!err && (u.region = vmdedup_region_next(id, last))) {
		id = u.region->id;
		u.grace = GRACE;
		err = add_region(&u, &sum);
		vmdedup_region_put(u.region);
	}
	kfree(u.found);
	if (!vmdedup_room_sum_end(&sum) && !err)
		err = -ENOMEM;
	return err;
}
