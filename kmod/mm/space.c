// SPDX-License-Identifier: GPL-2.0
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "../compat/compat.h"
#include "registry.h"
#include "space.h"

DEFINE_MUTEX(vmdedup_registry_lock); /* of what is below, and in region.c */
/* Spaces by id. Changed under the registry lock, read under RCU. */
static DEFINE_XARRAY(spaces);
/* These under the registry lock: */
static unsigned long nr_spaces;
static u64 last_id;
static enum vmdedup_policy policy = VMDEDUP_POLICY_UID;

/* The policy is in the top byte, so that domains of two are never equal. */
#define DOMAIN_SHIFT	56
/* Beyond all numbers of cgroups, which begin to count at 0 in each boot. */
#define NO_CGROUP	BIT_ULL(DOMAIN_SHIFT - 1)
/* A storm: this many of the pages merged before, and this part of them. */
#define STORM_PAGES	256
#define STORM_PART	4
/* Stirred: more than so many pages, and more than this part of all. */
#define STIR_PAGES	256
#define STIR_PART	256
/* More pages than there are. */
#define NOBODY_KNOWS	(S64_MAX / 2)

static u64 domain_of(struct vmdedup_space *space)
{
	enum vmdedup_policy now = READ_ONCE(policy);
	u64 who = 0;

	lockdep_assert_held(&space->lock);
	switch (now) {
	case VMDEDUP_POLICY_UID:
		who = __kuid_val(space->uid);
		break;
	case VMDEDUP_POLICY_CGROUP:
		/* Where it is not known, nobody is in the same one. */
		who = space->cgroup ?: NO_CGROUP | space->id;
		break;
	case VMDEDUP_POLICY_PROCESS:
		who = space->id;
		break;
	case VMDEDUP_POLICY_HOST:
	case VMDEDUP_POLICY_NR:
		break;
	}
	return ((u64)now + 1) << DOMAIN_SHIFT |
	       (who & (BIT_ULL(DOMAIN_SHIFT) - 1));
}

/* Inode number of a task's memory cgroup's directory, or 0. */
static u64 cgroup_of(struct task_struct *task)
{
	u64 ino = 0;
#ifdef CONFIG_MEMCG
	struct mem_cgroup *memcg;

	if (mem_cgroup_disabled())
		return 0;
	rcu_read_lock();
	memcg = mem_cgroup_from_task(task);
	if (memcg)
		ino = cgroup_ino(memcg->css.cgroup);
	rcu_read_unlock();
#endif
	return ino;
}

/* What a space knows of its process; and from that its domain. */
static void space_learn(struct vmdedup_space *space, struct task_struct *task)
{
	char comm[TASK_COMM_LEN];
	u64 cgroup = 0, domain;

	if (task) {
		get_task_comm(comm, task);
		cgroup = cgroup_of(task);
	}
	spin_lock(&space->lock);
	if (task) {
		memcpy(space->comm, comm, sizeof(comm));
		WRITE_ONCE(space->uid, task_uid(task));
		space->cgroup = cgroup;
	}
	domain = domain_of(space);
	/* There are others to share with now: look at all of it. */
	if (domain != space->domain)
		space->expected = NOBODY_KNOWS;
	WRITE_ONCE(space->domain, domain);
	spin_unlock(&space->lock);
}

/**
 * vmdedup_space_refresh() - see whose an address space is now
 * @space: the space
 *
 * A process can change its user, dropping privileges for one, or be moved to
 * another cgroup: from then on it belongs to another trust domain. What it
 * shares already it goes on sharing; nobody compares it with the old domain any
 * more.
 */
void vmdedup_space_refresh(struct vmdedup_space *space)
{
	struct task_struct *task;

	rcu_read_lock();
	task = vmdedup_compat_task(space->mm, space->pid);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	space_learn(space, task);
	if (task)
		put_task_struct(task);
}

static void space_free(struct kref *ref)
{
	struct vmdedup_space *space = container_of(ref, struct vmdedup_space, ref);

	mmdrop(space->mm);
	put_pid(space->pid);
	kfree_rcu(space, rcu);
}

/**
 * vmdedup_space_put() - drop a reference
 * @space: the space
 */
void vmdedup_space_put(struct vmdedup_space *space)
{
	kref_put(&space->ref, space_free);
}

/*
 * The registry's regions hold the reference that keeps a space in the xarray;
 * a space whose last region has gone is unlinked at once.
 */
struct vmdedup_space *vmdedup_space_find(struct mm_struct *mm)
{
	struct vmdedup_space *space;
	unsigned long id;

	lockdep_assert_held(&vmdedup_registry_lock);
	xa_for_each(&spaces, id, space)
		if (space->mm == mm)
			return space;
	return NULL;
}

/*
 * Make zeroed memory a space: linked in, with a reference. On an error, which it
 * returns, the memory is the caller's still.
 */
int vmdedup_space_make(struct vmdedup_space *space,
		       const struct vmdedup_register_args *args)
{
	int err;

	lockdep_assert_held(&vmdedup_registry_lock);
	kref_init(&space->ref);
	INIT_LIST_HEAD(&space->regions);
	spin_lock_init(&space->lock);
	/* As with regions. */
	space->id = last_id + 1;
	WRITE_ONCE(last_id, space->id);
	space->mm = args->mm;
	space->pid = args->pid;
	space->uid = args->uid;
	mmgrab(space->mm);
	get_pid(space->pid);
	vmdedup_space_refresh(space);
	/* From here on others can find it. */
	err = xa_err(xa_store(&spaces, space->id, space, GFP_KERNEL));
	if (err) {
		mmdrop(space->mm);
		put_pid(space->pid);
		return err;
	}
	WRITE_ONCE(nr_spaces, nr_spaces + 1);
	return 0;
}

void vmdedup_space_unlink_if_empty(struct vmdedup_space *space)
{
	lockdep_assert_held(&vmdedup_registry_lock);
	if (!list_empty(&space->regions))
		return;
	xa_erase(&spaces, space->id);
	WRITE_ONCE(nr_spaces, nr_spaces - 1);
}

/**
 * vmdedup_space_get() - find a space
 * @id: its id
 *
 * Return: the space with a reference, or NULL.
 */
struct vmdedup_space *vmdedup_space_get(u64 id)
{
	struct vmdedup_space *space;

	rcu_read_lock();
	space = xa_load(&spaces, id);
	if (space && !kref_get_unless_zero(&space->ref))
		space = NULL;
	rcu_read_unlock();
	return space;
}

/**
 * vmdedup_space_newest() - the largest id so far
 */
u64 vmdedup_space_newest(void)
{
	return READ_ONCE(last_id);
}

/**
 * vmdedup_space_next() - find the space after an id
 * @id: any id; 0 finds the first
 * @last: none with an id above, as with vmdedup_region_next()
 *
 * Return: the space with the smallest id above, with a reference, or NULL.
 */
struct vmdedup_space *vmdedup_space_next(u64 id, u64 last)
{
	struct vmdedup_space *space;
	unsigned long index = id;

	rcu_read_lock();
	do {
		space = xa_find_after(&spaces, &index, last, XA_PRESENT);
	} while (space && !kref_get_unless_zero(&space->ref));
	rcu_read_unlock();
	return space;
}

/**
 * vmdedup_space_get_by_pid() - find a process' space
 * @pid: of the process (thread group)
 *
 * Return: the space with a reference, or NULL.
 */
struct vmdedup_space *vmdedup_space_get_by_pid(struct pid *pid)
{
	u64 id = 0, last = vmdedup_space_newest();
	struct vmdedup_space *space;

	while ((space = vmdedup_space_next(id, last))) {
		if (space->pid == pid)
			return space;
		id = space->id;
		vmdedup_space_put(space);
	}
	return NULL;
}

/**
 * vmdedup_space_count() - how many spaces there are
 */
unsigned long vmdedup_space_count(void)
{
	return READ_ONCE(nr_spaces);
}

/**
 * vmdedup_space_pid() - number of a space's process
 * @space: the space
 *
 * Return: its number in the initial namespace; 0 if it has gone, since the
 * number may be somebody else's then.
 */
pid_t vmdedup_space_pid(struct vmdedup_space *space)
{
	pid_t nr = 0;

	rcu_read_lock();
	if (pid_task(space->pid, PIDTYPE_TGID))
		nr = pid_nr(space->pid);
	rcu_read_unlock();
	return nr;
}

/**
 * vmdedup_space_sum() - add up a space's regions
 * @space: the space
 * @sum: out
 *
 * May sleep.
 */
void vmdedup_space_sum(struct vmdedup_space *space,
		       struct vmdedup_space_sum *sum)
{
	struct vmdedup_region *region;

	memset(sum, 0, sizeof(*sum));
	/* Keeps counters from moving from a region to @gone meanwhile. */
	mutex_lock(&vmdedup_registry_lock);
	list_for_each_entry(region, &space->regions, node) {
		sum->regions++;
		sum->bytes += region->end - region->start;
		spin_lock(&region->lock);
		vmdedup_ledger_add(&sum->ledger, &region->ledger);
		spin_unlock(&region->lock);
	}
	spin_lock(&space->lock);
	vmdedup_ledger_add_counters(&sum->ledger, &space->gone);
	spin_unlock(&space->lock);
	mutex_unlock(&vmdedup_registry_lock);
}

/**
 * vmdedup_space_storm() - was much of what was merged written to?
 * @space: the space
 * @merged: out: pages that were merged when this was asked last, by us
 * @broken: out: pages of them found private since
 *
 * Begins to count anew. May sleep.
 *
 * Return: true if these were STORM_PAGES and one in STORM_PART.
 */
bool vmdedup_space_storm(struct vmdedup_space *space, u64 *merged, u64 *broken)
{
	struct vmdedup_region *region;
	u64 now = 0;

	mutex_lock(&vmdedup_registry_lock);
	list_for_each_entry(region, &space->regions, node) {
		spin_lock(&region->lock);
		now += region->ledger.value[VMDEDUP_LEDGER_merged] +
		       region->zero_made;
		spin_unlock(&region->lock);
	}
	mutex_unlock(&vmdedup_registry_lock);

	spin_lock(&space->lock);
	*merged = space->merged;
	*broken = space->broken;
	space->merged = now;
	space->broken = 0;
	spin_unlock(&space->lock);
	return *broken >= STORM_PAGES && *broken >= *merged / STORM_PART;
}

/**
 * vmdedup_space_stirred() - has much memory come or gone?
 * @space: the space
 * @pass: the number of the pass that asks; there is one answer for each, and one
 *	who asks at a time
 *
 * Pages that are written to after they were merged, new ones and those that are
 * unmapped all change how many anonymous pages the kernel counts.
 *
 * Return: true if it is reason to look at all of its chunks.
 */
bool vmdedup_space_stirred(struct vmdedup_space *space, u16 pass)
{
	s64 now;

	if (space->pass == pass)
		return space->stirred;
	now = vmdedup_compat_rss(space->mm, MM_ANONPAGES) +
	      vmdedup_compat_rss(space->mm, MM_SWAPENTS);
	spin_lock(&space->lock);
	space->stirred = abs(now - space->expected) >
			 max_t(s64, STIR_PAGES, now / STIR_PART);
	space->expected = now;
	spin_unlock(&space->lock);
	space->pass = pass;
	return space->stirred;
}

/**
 * vmdedup_space_merged() - pages of a space were merged
 * @space: the space
 * @pages: how many
 */
void vmdedup_space_merged(struct vmdedup_space *space, u64 pages)
{
	spin_lock(&space->lock);
	space->expected -= pages;
	spin_unlock(&space->lock);
}

/**
 * vmdedup_space_policy() - who may share with whom
 */
enum vmdedup_policy vmdedup_space_policy(void)
{
	return READ_ONCE(policy);
}

/**
 * vmdedup_space_set_policy() - change who may share with whom
 * @new: the policy
 *
 * When it returns every space is in its new domain. What was found, or begun,
 * in the old ones is not waited for. May sleep.
 */
void vmdedup_space_set_policy(enum vmdedup_policy new)
{
	struct vmdedup_space *space;
	u64 id = 0, last;

	/* A space is made before, and found below; or after. */
	mutex_lock(&vmdedup_registry_lock);
	WRITE_ONCE(policy, new);
	mutex_unlock(&vmdedup_registry_lock);
	last = vmdedup_space_newest();
	while ((space = vmdedup_space_next(id, last))) {
		id = space->id;
		vmdedup_space_refresh(space);
		vmdedup_space_put(space);
		cond_resched();
	}
}
