// SPDX-License-Identifier: GPL-2.0
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "exclude.h"

/* What an operator names one by one need not be many. */
#define EXCLUDE_MAX	4096

struct exclude {
	struct list_head node;
	struct pid *pid;
};

static DEFINE_MUTEX(exclude_lock);
/* These under exclude_lock: */
static LIST_HEAD(excludes);
static unsigned int nr_excludes;

static void exclude_del(struct exclude *ex)
{
	lockdep_assert_held(&exclude_lock);
	list_del(&ex->node);
	put_pid(ex->pid);
	kfree(ex);
	nr_excludes--;
}

static bool pid_gone(struct pid *pid)
{
	bool gone;

	rcu_read_lock();
	gone = !pid_task(pid, PIDTYPE_TGID);
	rcu_read_unlock();
	return gone;
}

/* Find a process; those that have gone are forgotten on the way. */
static struct exclude *exclude_find(struct pid *pid)
{
	struct exclude *ex, *next, *found = NULL;

	lockdep_assert_held(&exclude_lock);
	list_for_each_entry_safe(ex, next, &excludes, node) {
		if (ex->pid == pid)
			found = ex;
		else if (pid_gone(ex->pid))
			exclude_del(ex);
	}
	return found;
}

static int exclude_add(struct pid *pid)
{
	struct exclude *ex;

	lockdep_assert_held(&exclude_lock);
	if (nr_excludes >= EXCLUDE_MAX)
		return -ENOSPC;
	ex = kzalloc(sizeof(*ex), GFP_KERNEL);
	if (!ex)
		return -ENOMEM;
	ex->pid = get_pid(pid);
	list_add_tail(&ex->node, &excludes);
	nr_excludes++;
	return 0;
}

/**
 * vmdedup_exclude_set() - exclude a process from discovery, or no longer
 * @pid: of the process (thread group)
 * @excluded: whether
 *
 * Setting what is set already is no error. May sleep.
 *
 * Return: 0; -ENOSPC if too many processes are excluded, or -ENOMEM.
 */
int vmdedup_exclude_set(struct pid *pid, bool excluded)
{
	struct exclude *ex;
	int err = 0;

	mutex_lock(&exclude_lock);
	ex = exclude_find(pid);
	if (excluded && !ex)
		err = exclude_add(pid);
	else if (!excluded && ex)
		exclude_del(ex);
	mutex_unlock(&exclude_lock);
	return err;
}

/**
 * vmdedup_excluded() - is a process excluded from discovery?
 * @pid: of the process (thread group)
 *
 * May sleep.
 */
bool vmdedup_excluded(struct pid *pid)
{
	bool found;

	mutex_lock(&exclude_lock);
	found = exclude_find(pid);
	mutex_unlock(&exclude_lock);
	return found;
}

/**
 * vmdedup_exclude_exit() - forget all
 */
void vmdedup_exclude_exit(void)
{
	struct exclude *ex, *next;

	mutex_lock(&exclude_lock);
	list_for_each_entry_safe(ex, next, &excludes, node)
		exclude_del(ex);
	mutex_unlock(&exclude_lock);
}
