// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "../compat/compat.h"
#include "../trace.h"
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
		mmap_read_lock(mm);
		addr = vmdedup_count(mm, addr, region->end, count);
		mmap_read_unlock(mm);
		cond_resched();
		if (fatal_signal_pending(current))
			err = -EINTR;
	}
	mmput(mm);
	return err;
}

/*
 * Break one mapping. FOLL_FORCE, because a mapping that was made read-only
 * after it was merged must be copied, too: what is written is nothing.
 */
static int break_one(struct mm_struct *mm, unsigned long addr)
{
	struct page *page;
	int locked = 1;
	long got;

	got = vmdedup_compat_gup_remote(mm, addr, FOLL_WRITE | FOLL_FORCE,
					&page, &locked);
	if (got == 1)
		put_page(page);
	if (!locked)
		mmap_read_lock(mm);
	return min(got, 0L);
}

static int unmerge_mm(struct mm_struct *mm, unsigned long addr,
		      unsigned long end, unsigned long *found, u64 *pages)
{
	int err = 0;

	while (addr < end && !err) {
		unsigned int nr, i;

		mmap_read_lock(mm);
		addr = vmdedup_walk_merged(mm, addr, end, found, &nr);
		for (i = 0; i < nr && !err; i++) {
			err = break_one(mm, found[i]);
			if (!err)
				++*pages;
			else if (err != -ENOMEM)
				err = 0;	/* has changed meanwhile */
		}
		mmap_read_unlock(mm);
		cond_resched();
		if (fatal_signal_pending(current))
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
	struct mm_struct *mm = region->space->mm;
	unsigned long *found;
	int err;

	*pages = 0;
	err = check_room(region);
	if (err)
		return err;
	found = kmalloc_array(VMDEDUP_RUN_MAX, sizeof(*found), GFP_KERNEL);
	if (!found)
		return -ENOMEM;
	/* Wait for those at work in it, and have nobody begin. */
	down_write(&region->sem);
	err = region->dead || region->frozen ? -ENOENT : 0;
	if (!err)
		region->frozen = true;
	up_write(&region->sem);
	if (err)
		goto out_free;
	if (mmget_not_zero(mm)) {
		err = unmerge_mm(mm, region->start, region->end, found, pages);
		mmput(mm);
	} else {
		err = -ENOENT;
	}
	if (err || !stay_frozen) {
		down_write(&region->sem);
		region->frozen = false;
		up_write(&region->sem);
	}
	trace_vmdedup_unmerge(region->id, *pages, err);
out_free:
	kfree(found);
	return err;
}
