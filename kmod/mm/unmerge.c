// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "../compat/compat.h"
#include "../trace.h"
#include "ledger.h"
#include "room.h"
#include "unmerge.h"

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
		mmap_read_unlock(mm);
		cond_resched();
		if (fatal_signal_pending(current))
			err = -EINTR;
	}
	mmput_async(mm);
	return err;
}

/*
 * Take an mmap_lock for reading. A process can keep its own for as long as it likes:
 * who unmerges that of all has so many ticks to wait, and once they are used up
 * tries a few times only.
 */
static int lock_mm(struct mm_struct *mm, unsigned long *patience)
{
	unsigned long began = jiffies;
	bool locked;

	if (patience) {
		locked = vmdedup_mm_lock(mm, *patience);
		*patience -= min(jiffies - began, *patience);
	} else {
		locked = vmdedup_mm_wait(mm);
	}
	if (locked)
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
 * Returns 0 or -ENOMEM.
 */
static int break_found(struct mm_struct *mm, const unsigned long *found,
		       unsigned int nr, u64 *pages)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < nr && err != -ENOMEM; i++) {
		err = break_one(mm, found[i]);
		if (!err)
			++*pages;
	}
	/* Any other error: the mapping has changed meanwhile. */
	return err == -ENOMEM ? err : 0;
}

/* What is done, of the pages that were promised, is no longer to be. */
static void keep_promise(unsigned long *promised, unsigned long pages)
{
	pages = min(pages, *promised);
	*promised -= pages;
	vmdedup_room_used(pages);
}

static int unmerge_mm(struct vmdedup_region *region, unsigned long *found,
		      unsigned long *patience, unsigned long *promised,
		      u64 *pages)
{
	struct mm_struct *mm = region->space->mm;
	unsigned long addr = region->start, end = region->end;
	int err = 0;

	while (addr < end && !err) {
		unsigned int nr;

		err = lock_mm(mm, patience);
		if (err)
			return err;
		addr = vmdedup_find_merged(mm, addr, end, found, &nr);
		/* Others may have used it since we looked. */
		if (nr && !vmdedup_room_for(mm, nr))
			err = -ENOMEM;
		else
			err = break_found(mm, found, nr, pages);
		mmap_read_unlock(mm);
		keep_promise(promised, nr);
		cond_resched();
		if (!err && addr < end && fatal_signal_pending(current))
			err = -EINTR;
	}
	return err;
}

/* How many pages would be given private copies. */
static int count_mm(struct vmdedup_region *region, unsigned long *found,
		    unsigned long *patience, unsigned long *pages)
{
	struct mm_struct *mm = region->space->mm;
	unsigned long addr = region->start;

	*pages = 0;
	while (addr < region->end) {
		unsigned int nr;
		int err = lock_mm(mm, patience);

		if (err)
			return err;
		addr = vmdedup_find_merged(mm, addr, region->end, found, &nr);
		mmap_read_unlock(mm);
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

static int unmerge_frozen(struct vmdedup_region *region, bool stay_frozen,
			  unsigned long *found, unsigned long *patience,
			  unsigned long *promised, u64 *pages)
{
	int err = freeze(region);

	if (err)
		return err;
	err = unmerge_mm(region, found, patience, promised, pages);
	vmdedup_ledger_forget(region);
	if (err || !stay_frozen)
		thaw(region);
	trace_vmdedup_unmerge(region->id, *pages, err);
	return err;
}

/* All that is merged in it, if there is room for that; its process is kept. */
static int unmerge(struct vmdedup_region *region, bool stay_frozen,
		   unsigned long *found, unsigned long *patience, u64 *pages)
{
	unsigned long promised;
	int err;

	err = count_mm(region, found, patience, &promised);
	if (err)
		return err;
	if (!vmdedup_room_promise(region->space->mm, promised))
		return -ENOMEM;
	err = unmerge_frozen(region, stay_frozen, found, patience, &promised, pages);
	vmdedup_room_used(promised);
	return err;
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
	unsigned long *found = found_alloc();
	int err = -ENOENT;

	*pages = 0;
	if (!found)
		return -ENOMEM;
	if (mmget_not_zero(region->space->mm)) {
		err = unmerge(region, stay_frozen, found, patience, pages);
		/* As in vmdedup_region_leave(). */
		mmput_async(region->space->mm);
	}
	kfree(found);
	return err;
}

/* Add what a region needs; one that cannot be looked at now needs nothing. */
static int add_region(struct vmdedup_region *region, unsigned long *found,
		      unsigned long *patience, u64 *sum)
{
	unsigned long pages = 0;
	int err;

	if (!mmget_not_zero(region->space->mm))
		return 0;
	err = count_mm(region, found, patience, &pages);
	mmput_async(region->space->mm);
	*sum += pages;
	return err == -EINTR ? err : 0;
}

/**
 * vmdedup_unmerge_check() - has the host memory enough to unmerge every region?
 * @patience: ticks that there are to wait for processes that keep their mmap_lock
 *
 * May sleep.
 *
 * Return: 0; -ENOMEM if it has not; -EINTR on a fatal signal.
 */
int vmdedup_unmerge_check(unsigned long *patience)
{
	unsigned long *found = found_alloc();
	struct vmdedup_region *region;
	u64 id = 0, last = vmdedup_region_newest(), sum = 0;
	int err = 0;

	if (!found)
		return -ENOMEM;
	while (!err && (region = vmdedup_region_next(id, last))) {
		id = region->id;
		err = add_region(region, found, patience, &sum);
		vmdedup_region_put(region);
	}
	kfree(found);
	if (!err && !vmdedup_room_on_host(sum))
		err = -ENOMEM;
	return err;
}
