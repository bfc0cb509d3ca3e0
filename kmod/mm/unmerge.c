// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "../compat/compat.h"
#include "../trace.h"
#include "ledger.h"
#include "unmerge.h"

/* Memory that must be left over when a region is unmerged: 1/64 of all. */
#define RESERVE_SHIFT	6

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
		if (!vmdedup_mm_lock(mm, true)) {
			err = -EINTR;
			break;
		}
		addr = vmdedup_count(mm, addr, region->end, count);
		mmap_read_unlock(mm);
		cond_resched();
		if (fatal_signal_pending(current))
			err = -EINTR;
	}
	mmput(mm);
	return err;
}

/* One at a time: each makes sure that memory suffices, for itself. */
static DEFINE_MUTEX(unmerge_lock);

/*
 * Break one mapping. FOLL_FORCE, because a mapping that was made read-only
 * after it was merged must be copied, too: what is written is nothing.
 * *@locked becomes 0 if the mmap_lock was dropped.
 */
static int break_one(struct mm_struct *mm, unsigned long addr, int *locked)
{
	struct page *page;
	long got;

	got = vmdedup_compat_gup_remote(mm, addr, FOLL_WRITE | FOLL_FORCE,
					&page, locked);
	if (got == 1)
		put_page(page);
	return min(got, 0L);
}

/*
 * Break the mappings found in one page table, the mmap_lock being held; it is
 * dropped. If that happens on the way, what else was found may have become
 * something else. Returns 0 or -ENOMEM, and in *@addr where to look next.
 */
static int break_found(struct mm_struct *mm, const unsigned long *found,
		       unsigned int nr, unsigned long *addr, u64 *pages)
{
	unsigned int i;
	int locked = 1, err = 0;

	for (i = 0; i < nr && locked && err != -ENOMEM; i++) {
		err = break_one(mm, found[i], &locked);
		if (!err)
			++*pages;
	}
	if (locked)
		mmap_read_unlock(mm);
	else
		*addr = found[i - 1] + PAGE_SIZE;
	/* Any other error: the mapping has changed meanwhile. */
	return err == -ENOMEM ? err : 0;
}

static int unmerge_mm(struct mm_struct *mm, unsigned long addr,
		      unsigned long end, unsigned long *found, u64 *pages)
{
	int err = 0;

	while (addr < end && !err) {
		unsigned int nr;

		if (!vmdedup_mm_lock(mm, true))
			return -EINTR;
		addr = vmdedup_find_merged(mm, addr, end, found, &nr);
		err = break_found(mm, found, nr, &addr, pages);
		cond_resched();
		if (!err && addr < end && fatal_signal_pending(current))
			err = -EINTR;
	}
	return err;
}

/* Is there room for private copies of all that is merged in a region? */
static int check_room(struct vmdedup_region *region)
{
	struct vmdedup_count count;
	long room = si_mem_available() - (totalram_pages() >> RESERVE_SHIFT);
	int err = vmdedup_count_region(region, &count);

	if (err)
		return err;
	return (s64)(count.merged + count.zero) > room ? -ENOMEM : 0;
}

static int unmerge_frozen(struct vmdedup_region *region, u64 *pages)
{
	struct mm_struct *mm = region->space->mm;
	unsigned long *found;
	int err = -ENOENT;

	found = kmalloc_array(VMDEDUP_RUN_MAX, sizeof(*found), GFP_KERNEL);
	if (!found)
		return -ENOMEM;
	if (mmget_not_zero(mm)) {
		err = unmerge_mm(mm, region->start, region->end, found, pages);
		mmput(mm);
	}
	kfree(found);
	return err;
}

/* Returns false if the region is dead. */
static bool set_frozen(struct vmdedup_region *region, bool frozen)
{
	bool alive;

	/* Wait for those at work in it. */
	down_write(&region->sem);
	alive = !READ_ONCE(region->dead);
	region->frozen = frozen;
	up_write(&region->sem);
	return alive;
}

/**
 * vmdedup_unmerge_region() - give merged pages private copies
 * @region: with a reference
 * @stay_frozen: on success leave the region frozen, since it is going away
 * @pages: out: how many were given one, also on an error
 *
 * Every page mapped to the zero page gets one, too: which of them are ours
 * cannot be told. May sleep.
 *
 * Return: 0; -ENOENT if the region is dead or its process gone; -ENOMEM if
 * memory does not suffice; -EINTR on a fatal signal. On an error the region
 * is not frozen.
 */
int vmdedup_unmerge_region(struct vmdedup_region *region, bool stay_frozen,
			   u64 *pages)
{
	int err;

	*pages = 0;
	if (mutex_lock_killable(&unmerge_lock))
		return -EINTR;
	err = check_room(region);
	if (!err && !set_frozen(region, true))
		err = -ENOENT;
	if (!err) {
		err = unmerge_frozen(region, pages);
		vmdedup_ledger_forget(region);
		if (err || !stay_frozen)
			set_frozen(region, false);
		trace_vmdedup_unmerge(region->id, *pages, err);
	}
	mutex_unlock(&unmerge_lock);
	return err;
}
