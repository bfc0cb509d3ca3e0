// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "../compat/compat.h"
#include "access.h"

static struct workqueue_struct *ends;

/**
 * vmdedup_mm_wait() - wait for an mmap_lock, for reading
 * @mm: whose
 *
 * For who keeps nobody waiting meanwhile, having entered no region: a process can
 * keep its own lock for as long as it likes. May sleep.
 *
 * Return: true if the lock is held, false on a fatal signal.
 */
bool vmdedup_mm_wait(struct mm_struct *mm)
{
	return !mmap_read_lock_killable(mm);
}

static bool mm_trylock(struct mm_struct *mm, bool writing)
{
	return writing ? vmdedup_compat_mmap_write_trylock(mm) :
			 mmap_read_trylock(mm);
}

/**
 * vmdedup_mm_lock() - take an mmap_lock, without waiting for long
 * @mm: whose
 * @writing: for writing; else for reading
 * @ticks: in, out: so many may be waited, this time and the next ones
 * @entered: the region's, that was entered: whoever is to remove the region, or to
 *	unmerge it, waits until it is left, and is not kept waiting; or NULL
 *
 * May sleep.
 *
 * Return: true if the lock is held, until vmdedup_mm_unlock(); false if it was not to
 * be had, or on a fatal signal.
 */
bool vmdedup_mm_lock(struct mm_struct *mm, bool writing, unsigned int *ticks,
		     struct rw_semaphore *entered)
{
	while (!mm_trylock(mm, writing)) {
		if (!*ticks || fatal_signal_pending(current) ||
		    (entered && rwsem_is_contended(entered)))
			return false;
		--*ticks;
		schedule_timeout_uninterruptible(1);
	}
	return true;
}

/**
 * vmdedup_mm_lock_step() - take an mmap_lock for reading, for one step of many
 * @mm: whose
 * @patient: for who asks, and has as much time for each step; else for the scanner,
 *	for which all others wait
 * @all: in, out: the scanner may wait so many ticks for all steps; VMDEDUP_WAIT_STEPS
 * @entered: as with vmdedup_mm_lock()
 *
 * May sleep.
 *
 * Return: as with vmdedup_mm_lock().
 */
bool vmdedup_mm_lock_step(struct mm_struct *mm, bool patient,
			  unsigned int *all, struct rw_semaphore *entered)
{
	unsigned int ticks = vmdedup_mm_ticks(patient), left;
	bool locked;

	if (!patient)
		ticks = min(ticks, *all);
	left = ticks;
	locked = vmdedup_mm_lock(mm, false, &left, entered);
	if (!patient)
		*all -= ticks - left;
	return locked;
}

/**
 * vmdedup_mm_unlock() - undo vmdedup_mm_lock()
 * @mm: whose
 * @writing: as then
 */
void vmdedup_mm_unlock(struct mm_struct *mm, bool writing)
{
	if (writing)
		mmap_write_unlock(mm);
	else
		mmap_read_unlock(mm);
}

static void end_work(struct work_struct *work)
{
	mmput(container_of(work, struct mm_struct, async_put_work));
	module_put(THIS_MODULE);
}

/* May the end of an address space wait for I/O that somebody else is to end? */
static bool may_hang(struct mm_struct *mm)
{
#ifdef CONFIG_AIO
	return rcu_access_pointer(mm->ioctx_table);
#else
	return false;
#endif
}

/**
 * vmdedup_mm_put() - let go of an address space that was kept by mm_users
 * @mm: which
 *
 * If this was its last user, the memory comes to its end, which a workqueue sees to. If
 * that may take for ever, it is one of our own: it would have all else that is in the
 * system's wait. While it is at that the module is in use. Does not sleep.
 */
void vmdedup_mm_put(struct mm_struct *mm)
{
	if (!may_hang(mm)) {
		mmput_async(mm);
		return;
	}
	/* Who is the only one is so until mmput(): nobody else queues it. */
	if (atomic_add_unless(&mm->mm_users, -1, 1))
		return;
	if (!try_module_get(THIS_MODULE)) {
		mmput_async(mm);
		return;
	}
	INIT_WORK(&mm->async_put_work, end_work);
	queue_work(ends, &mm->async_put_work);
}

/**
 * vmdedup_access_init() - to be called first
 *
 * May sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int vmdedup_access_init(void)
{
	ends = alloc_workqueue("vmdedup_ends", WQ_UNBOUND, 0);
	return ends ? 0 : -ENOMEM;
}

/**
 * vmdedup_access_exit() - to be called last
 *
 * What is queued has let go of the module; it may be about to return. May sleep.
 */
void vmdedup_access_exit(void)
{
	destroy_workqueue(ends);
}
