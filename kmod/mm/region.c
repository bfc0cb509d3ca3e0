// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "access.h"
#include "charge.h"
#include "ledger.h"
#include "news.h"
#include "registry.h"
#include "vma.h"

/* One file's hold on one region. */
struct hold {
	struct list_head in_region;
	struct list_head in_owner;
	struct vmdedup_owner *owner;
	struct vmdedup_region *region;
	struct vmdedup_due due;
};

/*
 * What a request may need, allocated before the registry lock is taken: whoever is at
 * his cgroup's limit waits for himself. What is used up is NULL.
 */
struct parts {
	struct vmdedup_region *region;
	struct vmdedup_space *space;
	struct hold *hold;
};

/* Regions by id. Changed under the registry lock, read under RCU. */
static DEFINE_XARRAY(regions);
/* These under the registry lock: */
static unsigned long nr_regions;
static u64 last_id;
/* Changes whenever a region comes or goes; never 0. */
static unsigned int generation = 1;

static void region_free(struct kref *ref)
{
	struct vmdedup_region *region;

	region = container_of(ref, struct vmdedup_region, ref);
	vmdedup_ledger_free(region);
	vmdedup_space_put(region->space);
	kfree_rcu(region, rcu);
}

/**
 * vmdedup_region_get() - find a region
 * @id: its id
 *
 * Return: the region with a reference, or NULL.
 */
struct vmdedup_region *vmdedup_region_get(u64 id)
{
	struct vmdedup_region *region;

	rcu_read_lock();
	region = xa_load(&regions, id);
	if (region && !kref_get_unless_zero(&region->ref))
		region = NULL;
	rcu_read_unlock();
	return region;
}

/**
 * vmdedup_region_next() - find the region after an id
 * @id: any id; 0 finds the first
 * @last: none with an id above. Whoever goes through all asks for the newest before
 *	(vmdedup_region_newest()): a process that removes and registers its regions in
 *	turn is always ahead of who goes on for as long as there are any
 *
 * Return: the region with the smallest id above, with a reference, or NULL.
 */
struct vmdedup_region *vmdedup_region_next(u64 id, u64 last)
{
	struct vmdedup_region *region;
	unsigned long index = id;

	rcu_read_lock();
	do {
		region = xa_find_after(&regions, &index, last, XA_PRESENT);
	} while (region && !kref_get_unless_zero(&region->ref));
	rcu_read_unlock();
	return region;
}

/**
 * vmdedup_region_put() - drop a reference
 * @region: the region
 */
void vmdedup_region_put(struct vmdedup_region *region)
{
	kref_put(&region->ref, region_free);
}

/**
 * vmdedup_region_count() - how many regions there are
 */
unsigned long vmdedup_region_count(void)
{
	return READ_ONCE(nr_regions);
}

/**
 * vmdedup_region_generation() - a number that tells whether any came or went
 *
 * Return: never 0; another one whenever a region, and so a space, did.
 */
unsigned int vmdedup_region_generation(void)
{
	return READ_ONCE(generation);
}

/**
 * vmdedup_region_newest() - the largest id so far
 */
u64 vmdedup_region_newest(void)
{
	return READ_ONCE(last_id);
}

/**
 * vmdedup_region_enter() - begin to work in a region's memory
 * @region: with a reference
 * @patient: wait for who is about to remove or unmerge it, until a fatal signal
 *	arrives; which the scanner does not, for the sake of all others
 *
 * The region stays alive and its memory stays until vmdedup_region_leave(), for
 * which nobody is to be kept waiting for long: see vmdedup_mm_lock(). May sleep.
 *
 * Return: false if the region is dead or frozen, its process is gone, or there is
 * somebody that was not waited for.
 */
bool vmdedup_region_enter(struct vmdedup_region *region, bool patient)
{
	if (patient ? !!down_read_killable(&region->sem) :
		      !down_read_trylock(&region->sem))
		return false;
	if (READ_ONCE(region->dead) || region->frozen ||
	    !mmget_not_zero(region->space->mm)) {
		up_read(&region->sem);
		return false;
	}
	return true;
}

/**
 * vmdedup_region_leave() - undo vmdedup_region_enter()
 * @region: the region
 *
 * If this was the last user of the address space: see vmdedup_mm_put().
 */
void vmdedup_region_leave(struct vmdedup_region *region)
{
	struct mm_struct *mm = region->space->mm;

	up_read(&region->sem);
	vmdedup_mm_put(mm);
}

/**
 * vmdedup_region_survey() - what is mapped in a range
 * @mm: address space, mmap_lock held for reading
 * @start: first address
 * @end: first address after it
 * @survey: out
 */
void vmdedup_region_survey(struct mm_struct *mm, unsigned long start,
			   unsigned long end, struct vmdedup_survey *survey)
{
	struct vm_area_struct *vma;
	unsigned long addr = start;

	memset(survey, 0, sizeof(*survey));
	while (addr < end && (vma = find_vma(mm, addr)) && vma->vm_start < end) {
		enum vmdedup_skip reason = vmdedup_vma_skip(vma);
		u64 bytes = min(end, vma->vm_end) - max(addr, vma->vm_start);

		if (reason == VMDEDUP_ELIGIBLE)
			survey->eligible += bytes;
		else
			survey->refused[reason] += bytes;
		addr = vma->vm_end;
	}
}

static struct hold *hold_find(struct vmdedup_region *region,
			      struct vmdedup_owner *owner)
{
	struct hold *hold;

	list_for_each_entry(hold, &region->holds, in_region)
		if (hold->owner == owner)
			return hold;
	return NULL;
}

static void hold_add(struct hold *hold, struct vmdedup_region *region,
		     struct vmdedup_owner *owner)
{
	hold->owner = owner;
	hold->region = region;
	list_add(&hold->in_region, &region->holds);
	list_add(&hold->in_owner, &owner->holds);
}

static void hold_del(struct hold *hold)
{
	list_del(&hold->in_region);
	list_del(&hold->in_owner);
	vmdedup_due_drop(&hold->due);
	kfree(hold);
}

/* Was the same registered before, in the same way? */
static bool is_again(struct vmdedup_region *region,
		     struct vmdedup_register_args *args)
{
	return args->flags & VMDEDUP_REGION_PERSIST ?
	       region->flags & VMDEDUP_REGION_PERSIST :
	       !!hold_find(region, args->owner);
}

/* Make a request one of the holders, which it was not; its hold is used up. */
static void region_adopt(struct vmdedup_region *region,
			 struct vmdedup_register_args *args, struct parts *parts,
			 const struct vmdedup_due *due)
{
	struct hold *hold = parts->hold;

	lockdep_assert_held(&vmdedup_registry_lock);
	if (args->flags & VMDEDUP_REGION_DISCOVERED)
		WRITE_ONCE(region->space->kvm, true);
	if (hold) {
		hold->due = *due;
		hold_add(hold, region, args->owner);
		parts->hold = NULL;
	} else {
		WRITE_ONCE(region->flags, region->flags | VMDEDUP_REGION_PERSIST);
		region->due = *due;
	}
}

static int take_due(struct vmdedup_due *due,
		    const struct vmdedup_register_args *args)
{
	enum vmdedup_due_kind kind = args->flags & VMDEDUP_REGION_DISCOVERED ?
				     VMDEDUP_DUE_FOUND : VMDEDUP_DUE_ASKED;

	return vmdedup_due_take(due, kind, args->payer, args->limit);
}

/* Adopt a region that is there. Returns 1, or -errno. */
static int region_join(struct vmdedup_region *region,
		       struct vmdedup_register_args *args, struct parts *parts)
{
	struct vmdedup_due due;
	int err;

	if (is_again(region, args))
		return 1;
	err = take_due(&due, args);
	if (err)
		return err;
	region_adopt(region, args, parts, &due);
	return 1;
}

/* Returns 0 if the range is free, 1 if it was adopted, or -errno. */
static int region_overlap(struct vmdedup_space *space,
			  struct vmdedup_register_args *args, struct parts *parts)
{
	struct vmdedup_region *region;

	list_for_each_entry(region, &space->regions, node) {
		if (args->start >= region->end || args->end <= region->start)
			continue;
		args->region_id = region->id;
		/* What somebody has registered by hand is left to them. */
		if (args->flags & VMDEDUP_REGION_DISCOVERED)
			return -EEXIST;
		if (args->start < region->start || args->end > region->end)
			return -EEXIST;
		return region_join(region, args, parts);
	}
	return 0;
}

static void region_init(struct vmdedup_region *region,
			const struct vmdedup_register_args *args)
{
	kref_init(&region->ref);
	INIT_LIST_HEAD(&region->holds);
	init_rwsem(&region->sem);
	xa_init_flags(&region->cells, XA_FLAGS_ACCOUNT);
	spin_lock_init(&region->lock);
	region->start = args->start;
	region->end = args->end;
	region->flags = args->flags & ~VMDEDUP_REGION_PERSIST;
	region->gpa = args->gpa;
	region->slot = args->slot;
	region->home = NUMA_NO_NODE;
}

static void parts_free(struct parts *parts)
{
	kfree(parts->region);
	kfree(parts->space);
	kfree(parts->hold);
}

static bool parts_alloc(struct parts *parts, bool hold, gfp_t gfp)
{
	*parts = (struct parts){
		.region = kzalloc(sizeof(*parts->region), gfp),
		.space = kzalloc(sizeof(*parts->space), gfp),
		.hold = hold ? kzalloc(sizeof(*parts->hold), gfp) : NULL,
	};
	if (parts->region && parts->space && (parts->hold || !hold))
		return true;
	parts_free(parts);
	return false;
}

/* Charged to who asks; what nobody has asked for, to whose memory it is of. */
static bool parts_make(struct parts *parts,
		       const struct vmdedup_register_args *args)
{
	bool hold = !(args->flags & VMDEDUP_REGION_PERSIST), done;
	struct vmdedup_charge charge;

	if (args->flags & VMDEDUP_REGION_DISCOVERED) {
		vmdedup_charge_begin(&charge, args->mm);
		done = parts_alloc(parts, hold, vmdedup_charge_gfp(args->wait));
		vmdedup_charge_end(&charge);
	} else {
		done = parts_alloc(parts, hold, GFP_KERNEL_ACCOUNT);
	}
	if (done)
		region_init(parts->region, args);
	return done;
}

static void registry_changed(int more)
{
	lockdep_assert_held(&vmdedup_registry_lock);
	WRITE_ONCE(nr_regions, nr_regions + more);
	WRITE_ONCE(generation, generation + 1 ?: 1);
}

/* In the order in which a reader expects it, so under the registry lock. */
static void region_news(struct vmdedup_region *region, bool came)
{
	struct vmdedup_news news = { .space = region->space };
	struct list_head *regions = &region->space->regions;

	lockdep_assert_held(&vmdedup_registry_lock);
	if (came && list_is_singular(regions)) {
		news.type = VMDEDUP_EVENT_GUEST_APPEARED;
		vmdedup_news_send(&news);
	}
	news.type = came ? VMDEDUP_EVENT_REGION_REGISTERED :
			   VMDEDUP_EVENT_REGION_GONE;
	news.region = region;
	vmdedup_news_send(&news);
	if (!came && list_empty(regions)) {
		news.type = VMDEDUP_EVENT_GUEST_LEFT;
		news.region = NULL;
		vmdedup_news_send(&news);
	}
}

/* The space of a new region, with a reference. */
static int space_get_or_make(struct vmdedup_space **space,
			     const struct vmdedup_register_args *args,
			     struct parts *parts)
{
	int err;

	*space = vmdedup_space_find(args->mm);
	if (*space) {
		kref_get(&(*space)->ref);
		return 0;
	}
	err = vmdedup_space_make(parts->space, args);
	if (err)
		return err;
	*space = parts->space;
	parts->space = NULL;
	return 0;
}

/* Link a new region in. On an error nothing was done. */
static int region_link(struct vmdedup_register_args *args, struct parts *parts)
{
	struct vmdedup_region *region = parts->region;
	struct vmdedup_space *space;
	unsigned long room;
	int err;

	lockdep_assert_held(&vmdedup_registry_lock);
	room = args->flags & VMDEDUP_REGION_DISCOVERED ? VMDEDUP_MAX_FOUND :
							 VMDEDUP_MAX_REGIONS;
	if (nr_regions >= room)
		return -ENOSPC;
	err = space_get_or_make(&space, args, parts);
	if (err)
		return err;
	region->space = space;
	/* Before anybody can find it: see vmdedup_region_next(). */
	region->id = last_id + 1;
	WRITE_ONCE(last_id, region->id);
	list_add_tail(&region->node, &space->regions);
	/* From here on others can find it: all members are set. */
	err = xa_err(xa_store(&regions, region->id, region, GFP_KERNEL));
	if (err) {
		list_del(&region->node);
		vmdedup_space_unlink_if_empty(space);
		vmdedup_space_put(space);
		return err;
	}
	parts->region = NULL;
	registry_changed(1);
	return 0;
}

/* A region that is not there yet. On an error nothing was done. */
static int region_add(struct vmdedup_register_args *args, struct parts *parts)
{
	struct vmdedup_region *region = parts->region;
	struct vmdedup_due due;
	int err;

	err = take_due(&due, args);
	if (err)
		return err;
	err = region_link(args, parts);
	if (err) {
		vmdedup_due_drop(&due);
		return err;
	}
	args->region_id = region->id;
	region_adopt(region, args, parts, &due);
	region_news(region, true);
	return 0;
}

/**
 * vmdedup_region_register() - register a range
 * @args: the request; the caller has checked it, and may manage @args->mm
 *
 * May sleep.
 *
 * Return: 0, -EEXIST, -EDQUOT, -ENOSPC or -ENOMEM as the UAPI header says.
 */
int vmdedup_region_register(struct vmdedup_register_args *args)
{
	struct vmdedup_space *space;
	struct parts parts;
	int ret = 0;

	if (!parts_make(&parts, args))
		return -ENOMEM;
	mutex_lock(&vmdedup_registry_lock);
	space = vmdedup_space_find(args->mm);
	if (space)
		ret = region_overlap(space, args, &parts);
	args->existed = ret == 1;
	if (!ret)
		ret = region_add(args, &parts);
	mutex_unlock(&vmdedup_registry_lock);
	parts_free(&parts);
	return min(ret, 0);
}

/* Take a region out of the registry; the caller gets the registry's reference. */
static void region_unlink(struct vmdedup_region *region)
{
	struct hold *hold, *next;

	lockdep_assert_held(&vmdedup_registry_lock);
	vmdedup_ledger_fold(region);
	xa_erase(&regions, region->id);
	list_for_each_entry_safe(hold, next, &region->holds, in_region)
		hold_del(hold);
	vmdedup_due_drop(&region->due);
	list_del(&region->node);
	vmdedup_space_unlink_if_empty(region->space);
	registry_changed(-1);
	region_news(region, false);
}

/**
 * vmdedup_region_settle() - wait for those at work in a region
 * @region: with a reference
 *
 * Others may begin meanwhile. May sleep.
 *
 * Return: 0, or -EINTR on a fatal signal.
 */
int vmdedup_region_settle(struct vmdedup_region *region)
{
	if (down_write_killable(&region->sem))
		return -EINTR;
	up_write(&region->sem);
	return 0;
}

/* Wait for those at work in an unlinked region, and drop the reference. */
static void region_retire(struct vmdedup_region *region)
{
	down_write(&region->sem);
	up_write(&region->sem);
	vmdedup_region_put(region);
}

/**
 * vmdedup_region_remove() - remove a region
 * @region: with a reference
 *
 * When it returns nobody merges in the region any more. May sleep.
 *
 * Return: false if somebody else has removed it.
 */
bool vmdedup_region_remove(struct vmdedup_region *region)
{
	bool mine;

	mutex_lock(&vmdedup_registry_lock);
	mine = !region->dead;
	if (mine)
		region_unlink(region);
	mutex_unlock(&vmdedup_registry_lock);
	if (mine)
		region_retire(region);
	return mine;
}

/**
 * vmdedup_region_remove_all() - remove every region
 */
void vmdedup_region_remove_all(void)
{
	struct vmdedup_region *region;

	while ((region = vmdedup_region_next(0, U64_MAX))) {
		vmdedup_region_remove(region);
		vmdedup_region_put(region);
	}
}

/**
 * vmdedup_region_gone() - has the process of a region gone, or its memory?
 * @region: with a reference
 *
 * The region is there until it is reaped.
 */
bool vmdedup_region_gone(const struct vmdedup_region *region)
{
	return !atomic_read(&region->space->mm->mm_users);
}

/**
 * vmdedup_region_refusal() - what to say to who may not use a region
 * @region: with a reference
 *
 * Some kernels do not tell to whom a process that has gone belonged.
 *
 * Return: -ENOENT if the region is only there because it was not reaped yet, else
 * -EPERM.
 */
int vmdedup_region_refusal(const struct vmdedup_region *region)
{
	return vmdedup_region_gone(region) ? -ENOENT : -EPERM;
}

/**
 * vmdedup_region_reap() - remove the regions of processes that are gone
 *
 * May sleep.
 *
 * Return: true if there were any.
 */
bool vmdedup_region_reap(void)
{
	struct vmdedup_region *region;
	u64 id = 0, last = vmdedup_region_newest();
	bool any = false;

	while ((region = vmdedup_region_next(id, last))) {
		id = region->id;
		if (vmdedup_region_gone(region))
			any |= vmdedup_region_remove(region);
		vmdedup_region_put(region);
		cond_resched();
	}
	return any;
}

/*
 * One hold less. Returns the region if that was the last one: it is unlinked,
 * and the caller retires it.
 */
static struct vmdedup_region *hold_drop(struct hold *hold)
{
	struct vmdedup_region *region = hold->region;
	bool discovered = hold->owner->discovers;

	lockdep_assert_held(&vmdedup_registry_lock);
	hold_del(hold);
	if (list_empty(&region->holds) &&
	    !(region->flags & VMDEDUP_REGION_PERSIST)) {
		region_unlink(region);
		return region;
	}
	if (discovered)
		WRITE_ONCE(region->flags,
			   region->flags & ~VMDEDUP_REGION_DISCOVERED);
	return NULL;
}

/**
 * vmdedup_owner_drop() - an owner lets go of one region
 * @owner: the owner
 * @id: the region; one that has gone, or is not held, is no error
 *
 * The region goes if nobody else holds it. May sleep.
 */
void vmdedup_owner_drop(struct vmdedup_owner *owner, u64 id)
{
	struct vmdedup_region *region;
	struct hold *hold = NULL;

	mutex_lock(&vmdedup_registry_lock);
	region = xa_load(&regions, id);
	if (region)
		hold = hold_find(region, owner);
	region = hold ? hold_drop(hold) : NULL;
	mutex_unlock(&vmdedup_registry_lock);
	if (region)
		region_retire(region);
}

/**
 * vmdedup_owner_init() - set up a file as a holder of regions
 * @owner: the file's
 */
void vmdedup_owner_init(struct vmdedup_owner *owner)
{
	INIT_LIST_HEAD(&owner->holds);
	owner->discovers = false;
	owner->due = (struct vmdedup_due){};
}

/**
 * vmdedup_owner_init_guest() - set up a discovered guest as a holder of regions
 * @owner: the guest's
 * @payer: who answers for it
 * @limit: how many guests they may have, or VMDEDUP_NO_LIMIT
 *
 * May sleep.
 *
 * Return: 0; or -EDQUOT or -ENOMEM, and there is nothing to be released.
 */
int vmdedup_owner_init_guest(struct vmdedup_owner *owner, kuid_t payer,
			     unsigned int limit)
{
	int err;

	vmdedup_owner_init(owner);
	owner->discovers = true;
	mutex_lock(&vmdedup_registry_lock);
	err = vmdedup_due_take(&owner->due, VMDEDUP_DUE_GUEST, payer, limit);
	mutex_unlock(&vmdedup_registry_lock);
	return err;
}

/**
 * vmdedup_owner_release() - the file is closed, or the guest has gone
 * @owner: its
 *
 * Removes the regions that nobody else holds. May sleep.
 */
void vmdedup_owner_release(struct vmdedup_owner *owner)
{
	for (;;) {
		struct vmdedup_region *region = NULL;
		struct hold *hold;

		mutex_lock(&vmdedup_registry_lock);
		hold = list_first_entry_or_null(&owner->holds, struct hold,
						in_owner);
		if (hold)
			region = hold_drop(hold);
		else
			vmdedup_due_drop(&owner->due);
		mutex_unlock(&vmdedup_registry_lock);
		if (region)
			region_retire(region);
		if (!hold)
			return;
	}
}
