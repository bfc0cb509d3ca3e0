// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/user_namespace.h>

#include <uapi/linux/vmdedup.h>

#include "../mm/exclude.h"
#include "../scan/engine.h"
#include "../scan/scanner.h"
#include "kapi.h"

/* Reasons to look again that there were, and where to wait for the next. */
static atomic_t changes = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(changes_wait);

/**
 * vmdedup_kapi_payer() - who answers for what is discovered of a process
 * @task: one of its; the caller keeps it
 * @payer: out: the user
 *
 * As for what it would register itself: see vmdedup_due_payer(). Any context.
 *
 * Return: whether there is a limit for them; as by hand, not for a process that may
 * use as much as it likes (CAP_SYS_RESOURCE in the initial user namespace): a host may
 * well run all of its guests as root.
 */
bool vmdedup_kapi_payer(struct task_struct *task, kuid_t *payer)
{
	const struct cred *cred;
	bool limited;

	rcu_read_lock();
	cred = __task_cred(task);
	*payer = vmdedup_due_payer(cred);
	limited = cred->user_ns != &init_user_ns ||
		  !cap_raised(cred->cap_effective, CAP_SYS_RESOURCE);
	rcu_read_unlock();
	return limited;
}
EXPORT_SYMBOL_GPL(vmdedup_kapi_payer);

/**
 * vmdedup_kapi_owner_init() - set up an owner of discovered regions
 * @owner: of one guest
 * @payer: who answers for it, and for its regions
 * @limit: how many guests they may have, or VMDEDUP_NO_LIMIT: neither guests nor
 *	regions are counted
 *
 * May sleep.
 *
 * Return: 0, until vmdedup_kapi_owner_release(); -EDQUOT if they have as many;
 * -ENOMEM.
 */
int vmdedup_kapi_owner_init(struct vmdedup_owner *owner, kuid_t payer,
			    unsigned int limit)
{
	return vmdedup_owner_init_guest(owner, payer, limit);
}
EXPORT_SYMBOL_GPL(vmdedup_kapi_owner_init);

/**
 * vmdedup_kapi_owner_release() - drop all regions of an owner
 * @owner: the owner; it may be freed afterwards
 *
 * Waits for those at work in the regions. May sleep; the caller holds no lock
 * that is taken while memory is worked on, mmap_lock above all.
 */
void vmdedup_kapi_owner_release(struct vmdedup_owner *owner)
{
	vmdedup_owner_release(owner);
}
EXPORT_SYMBOL_GPL(vmdedup_kapi_owner_release);

/**
 * vmdedup_kapi_register() - look after a range of a guest's memory
 * @args: the request: all but @flags, @payer and @limit, which are set here. The
 *	caller keeps @args->mm by a reference of its own (mmgrab() will do: a region of an
 *	address space that has ended is removed by and by)
 *
 * What is mapped in the range is not looked at: memory that cannot be merged is
 * skipped when it is scanned, and counted by reason. What it takes of the kernel's
 * memory is charged to the memory cgroup of @args->mm. May sleep, for seconds even
 * with @args->wait; the caller holds no lock that is taken while memory is worked on.
 *
 * Return: 0 with @args->region_id set;
 * -EINVAL if the range is empty, not of whole pages, or not in user space;
 * -EEXIST if a region is in the way, whose id is in @args->region_id;
 * -EDQUOT if the guests of that user have as many as discovery takes for one;
 * -ENOSPC if there are too many regions; -ENOMEM.
 */
int vmdedup_kapi_register(struct vmdedup_register_args *args)
{
	int err;

	if (!args->owner || !PAGE_ALIGNED(args->start) ||
	    !PAGE_ALIGNED(args->end) || args->start >= args->end ||
	    args->end > args->mm->task_size)
		return -EINVAL;
	args->flags = VMDEDUP_REGION_DISCOVERED;
	args->payer = args->owner->due.payer;
	args->limit = args->owner->due.counted ? VMDEDUP_MAX_FOUND_USER :
						 VMDEDUP_NO_LIMIT;
	err = vmdedup_region_register(args);
	if (!err)
		vmdedup_scanner_welcome();
	return err;
}
EXPORT_SYMBOL_GPL(vmdedup_kapi_register);

/**
 * vmdedup_kapi_drop() - drop a region of an owner
 * @owner: the owner
 * @id: the region; it is no error if it has gone already
 *
 * The region stays if somebody else has registered it, too. May sleep, as
 * vmdedup_kapi_owner_release().
 */
void vmdedup_kapi_drop(struct vmdedup_owner *owner, u64 id)
{
	vmdedup_owner_drop(owner, id);
}
EXPORT_SYMBOL_GPL(vmdedup_kapi_drop);

/**
 * vmdedup_kapi_set_slot() - the same memory is in another memory slot now
 * @id: the region; it is no error if it has gone already
 * @slot: the slot
 *
 * May sleep.
 */
void vmdedup_kapi_set_slot(u64 id, unsigned int slot)
{
	struct vmdedup_region *region = vmdedup_region_get(id);

	if (!region)
		return;
	WRITE_ONCE(region->slot, slot);
	vmdedup_region_put(region);
}
EXPORT_SYMBOL_GPL(vmdedup_kapi_set_slot);

/**
 * vmdedup_kapi_discover() - are guests to be discovered?
 *
 * The tunable "discover". If not, no discovered region is to be left. Any
 * context.
 */
bool vmdedup_kapi_discover(void)
{
	return READ_ONCE(vmdedup_tunables.discover);
}
EXPORT_SYMBOL_GPL(vmdedup_kapi_discover);

/**
 * vmdedup_kapi_excluded() - is a process not to be discovered?
 * @pid: of the process (thread group)
 *
 * May sleep.
 */
bool vmdedup_kapi_excluded(struct pid *pid)
{
	return vmdedup_excluded(pid);
}
EXPORT_SYMBOL_GPL(vmdedup_kapi_excluded);

/**
 * vmdedup_kapi_changes() - a number that changes with what the two above tell
 *
 * Read it before asking them, and ask again when it has changed: who does so
 * misses nothing. Any context.
 */
unsigned int vmdedup_kapi_changes(void)
{
	return atomic_read_acquire(&changes);
}
EXPORT_SYMBOL_GPL(vmdedup_kapi_changes);

/**
 * vmdedup_kapi_wait() - where to wait for vmdedup_kapi_changes() to change
 */
struct wait_queue_head *vmdedup_kapi_wait(void)
{
	return &changes_wait;
}
EXPORT_SYMBOL_GPL(vmdedup_kapi_wait);

/**
 * vmdedup_kapi_look_again() - there is a reason to look for guests at once
 *
 * The tunable "discover" was written, or it was said of a process whether it is
 * excluded: to be called when that holds already.
 */
void vmdedup_kapi_look_again(void)
{
	atomic_inc_return_release(&changes);
	wake_up(&changes_wait);
}
