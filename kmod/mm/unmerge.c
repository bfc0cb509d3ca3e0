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
	mmput(mm);
	return err;
}

/* One at a time: each makes sure that memory suffices, for itself. */
static DEFINE_MUTEX(unmerge_lock);

/*
 * Take an mmap_lock for reading with unmerge_lock held, which is dropped while that
 * has to be waited for: others' unmerging is not to wait for a process that keeps
 * its lock. So others may have used the memory that was found to suffice; which is
 * looked at again for each page table.
 */
static int lock_mm(struct mm_struct *mm)
{
	lockdep_assert_held(&unmerge_lock);
	while (!mmap_read_trylock(mm)) {
		bool locked;

		mutex_unlock(&unmerge_lock);
		locked = vmdedup_mm_wait(mm);
		if (locked)
			mmap_read_unlock(mm);
		mutex_lock(&unmerge_lock);
		if (!locked)
			return -EINTR;
	}
	return 0;
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

static int unmerge_mm(struct mm_struct *mm, unsigned long addr,
		      unsigned long end, unsigned long *found, u64 *pages)
{
	int err = 0;

	while (addr < end && !err) {
		unsigned int nr;

		err = lock_mm(mm);
		if (err)
			return err;
		addr = vmdedup_find_merged(mm, addr, end, found, &nr);
		/* Others may have used it since we looked. */
		if (nr && !vmdedup_room_for(mm, nr))
			err = -ENOMEM;
		else
			err = break_found(mm, found, nr, pages);
		mmap_read_unlock(mm);
		cond_resched();
		if (!err && addr < end && fatal_signal_pending(current))
			err = -EINTR;
	}
	return err;
}

/* How many pages would be given private copies. */
static int count_mm(struct mm_struct *mm, unsigned long addr, unsigned long end,
		    unsigned long *found, unsigned long *pages)
{
	*pages = 0;
	while (addr < end) {
		unsigned int nr;
		int err = lock_mm(mm);

		if (err)
			return err;
		addr = vmdedup_find_merged(mm, addr, end, found, &nr);
		mmap_read_unlock(mm);
		*pages += nr;
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/* Add what a region needs to what others do. -ENOMEM: there is no room for all. */
static int add_region(struct vmdedup_room *room, struct vmdedup_region *region,
		      unsigned long *found)
{
	struct mm_struct *mm = region->space->mm;
	unsigned long pages;
	int err;

	if (!mmget_not_zero(mm))
		return -ENOENT;
	err = count_mm(mm, region->start, region->end, found, &pages);
	if (!err)
		err = vmdedup_room_add(room, mm, pages);
	mmput(mm);
	return err;
}

/* Is there room for private copies of all that is merged in a region? */
static int check_room(struct vmdedup_region *region, unsigned long *found)
{
	struct vmdedup_room room;
	int err;

	vmdedup_room_begin(&room);
	err = add_region(&room, region, found);
	vmdedup_room_end(&room);
	return err;
}

static int unmerge_frozen(struct vmdedup_region *region, unsigned long *found,
			  u64 *pages)
{
	struct mm_struct *mm = region->space->mm;
	int err;

	if (!mmget_not_zero(mm))
		return -ENOENT;
	err = unmerge_mm(mm, region->start, region->end, found, pages);
	mmput(mm);
	return err;
}

/* Room for the addresses of one page table's pages, or NULL. */
static unsigned long *found_alloc(void)
{
	return kmalloc_array(VMDEDUP_RUN_MAX, sizeof(unsigned long), GFP_KERNEL);
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
 * memory does not suffice, on the host or in one of the process' memory cgroups:
 * if that is known beforehand nothing is done; -EINTR on a fatal signal. On an
 * error the region is not frozen.
 */
int vmdedup_unmerge_region(struct vmdedup_region *region, bool stay_frozen,
			   u64 *pages)
{
	unsigned long *found = found_alloc();
	int err;

	*pages = 0;
	if (!found)
		return -ENOMEM;
	if (mutex_lock_killable(&unmerge_lock)) {
		kfree(found);
		return -EINTR;
	}
	err = check_room(region, found);
	if (!err && !set_frozen(region, true))
		err = -ENOENT;
	if (!err) {
		err = unmerge_frozen(region, found, pages);
		vmdedup_ledger_forget(region);
		if (err || !stay_frozen)
			set_frozen(region, false);
		trace_vmdedup_unmerge(region->id, *pages, err);
	}
	mutex_unlock(&unmerge_lock);
	kfree(found);
	return err;
}

/**
 * vmdedup_unmerge_check() - would memory suffice to unmerge every region?
 *
 * May sleep.
 *
 * Return: 0; -ENOMEM if it would not, on the host or in a memory cgroup; -EINTR
 * on a fatal signal.
 */
int vmdedup_unmerge_check(void)
{
	unsigned long *found = found_alloc();
	struct vmdedup_region *region;
	struct vmdedup_room room;
	int err = 0;
	u64 id = 0;

	if (!found)
		return -ENOMEM;
	if (mutex_lock_killable(&unmerge_lock)) {
		kfree(found);
		return -EINTR;
	}
	vmdedup_room_begin(&room);
	while (!err && (region = vmdedup_region_next(id))) {
		id = region->id;
		err = add_region(&room, region, found);
		if (err == -ENOENT)
			err = 0;	/* has just gone */
		vmdedup_region_put(region);
	}
	vmdedup_room_end(&room);
	mutex_unlock(&unmerge_lock);
	kfree(found);
	return err;
}
