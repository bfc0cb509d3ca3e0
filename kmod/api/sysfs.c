// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/class/misc/vmdedup/: tunables at the top, counters in stats/. What
 * each means is in Documentation/ABI/testing/sysfs-class-misc-vmdedup.
 */
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/mutex.h>
#include <linux/sysfs.h>

#include "../mm/unmerge.h"
#include "../scan/engine.h"
#include "../scan/recount.h"
#include "../scan/scanner.h"
#include "../scan/scrub.h"
#include "../scan/watch.h"
#include "api.h"
#include "kapi.h"

/* Writers of tunables: run=2 works for a while, and must not be overtaken. */
static DEFINE_MUTEX(tunable_lock);

/* How long run=2 waits, in all, for processes that keep their mmap_lock. */
#define UNMERGE_PATIENCE	(30 * HZ)

/*
 * How often those are looked for that were registered meanwhile: as guests are that have
 * their memory in other slots by then. Who does so for ever has himself to blame.
 */
#define UNMERGE_ROUNDS	3

/*
 * Those after an id, one after the other; those that cannot be unmerged do not keep the
 * others from it. Returns @err, or if that is 0 what was wrong with the first of them.
 */
static int unmerge_after(u64 id, u64 last, unsigned long *patience, int err)
{
	struct vmdedup_region *region;
	u64 pages;

	while (err != -EINTR && (region = vmdedup_region_next(id, last))) {
		int one = vmdedup_unmerge_region(region, false, patience,
						 &pages);

		id = region->id;
		vmdedup_account_event(VMDEDUP_EV_pages_unmerged, pages);
		/* With -ENOENT it has just gone. */
		if (one == -EINTR || (one != -ENOENT && !err))
			err = one;
		vmdedup_region_put(region);
	}
	return err;
}

static int unmerge_each(void)
{
	unsigned long patience = UNMERGE_PATIENCE;
	unsigned int round;
	u64 done = 0;
	int err = 0;

	for (round = 0; round < UNMERGE_ROUNDS; round++) {
		u64 last = vmdedup_region_newest();

		err = unmerge_after(done, last, &patience, err);
		done = last;
	}
	vmdedup_account_sweep();
	return err;
}

/*
 * Undo all merges. The tunable says so at once: nothing is merged from then on, on
 * request either.
 */
static int unmerge_all(unsigned int old)
{
	int err;

	WRITE_ONCE(vmdedup_tunables.run, VMDEDUP_UNMERGED);
	vmdedup_engine_void_jobs();
	/* All of it or nothing, as far as can be known of the host's memory. */
	err = vmdedup_unmerge_check();
	if (err) {
		WRITE_ONCE(vmdedup_tunables.run, old);
		return err;
	}
	err = unmerge_each();
	/* What was undone is not to be done again at once. */
	if (err)
		WRITE_ONCE(vmdedup_tunables.run, VMDEDUP_STOPPED);
	return err;
}

static int set_run(unsigned int run)
{
	int err = 0;

	lockdep_assert_held(&tunable_lock);
	if (run == VMDEDUP_UNMERGED)
		err = unmerge_all(vmdedup_tunables.run);
	else
		WRITE_ONCE(vmdedup_tunables.run, run);
	/* A pass may have been cut short. */
	vmdedup_recount_want();
	return err;
}

static ssize_t tunable_store(const char *buf, size_t count, unsigned int *value,
			     unsigned int lo, unsigned int hi)
{
	unsigned int new;
	int err = 0;

	if (kstrtouint(buf, 0, &new) || new < lo || new > hi)
		return -EINVAL;
	if (mutex_lock_killable(&tunable_lock))
		return -EINTR;
	if (value == &vmdedup_tunables.run)
		err = set_run(new);
	else
		WRITE_ONCE(*value, new);
	mutex_unlock(&tunable_lock);
	vmdedup_scanner_tuned();
	vmdedup_scrub_wake();
	vmdedup_netlink_tuned();
	vmdedup_watch_tuned();
	if (value == &vmdedup_tunables.discover)
		vmdedup_kapi_look_again();
	return err ?: count;
}

#define TUNABLE_ATTR(name, lo, hi, def)					\
static ssize_t name##_show(struct device *dev,				\
			   struct device_attribute *attr, char *buf)	\
{									\
	return sysfs_emit(buf, "%u\n", READ_ONCE(vmdedup_tunables.name)); \
}									\
static ssize_t name##_store(struct device *dev,				\
			    struct device_attribute *attr,		\
			    const char *buf, size_t count)		\
{									\
	return tunable_store(buf, count, &vmdedup_tunables.name, lo, hi); \
}									\
static DEVICE_ATTR_RW(name);
VMDEDUP_TUNABLES(TUNABLE_ATTR)

#define STAT_ATTR(name, expr)						\
static ssize_t name##_show(struct device *dev,				\
			   struct device_attribute *attr, char *buf)	\
{									\
	return sysfs_emit(buf, "%llu\n", (unsigned long long)(expr));	\
}									\
static DEVICE_ATTR_RO(name);

#define EVENT_OR_GAUGE_ATTR(name, kind, what)				\
VMDEDUP_IF_COUNTER_##kind(						\
	STAT_ATTR(name, vmdedup_account_event_read(VMDEDUP_EV_##name)))	\
VMDEDUP_IF_GAUGE_##kind(						\
	STAT_ATTR(name, vmdedup_account_gauge(VMDEDUP_GAUGE_##name)))
VMDEDUP_STATS(EVENT_OR_GAUGE_ATTR)

#define SKIP_ATTR(NAME, name, text)					\
	STAT_ATTR(skip_##name, vmdedup_account_skip_read(VMDEDUP_SKIP_##NAME))
VMDEDUP_SKIP_REASONS(SKIP_ATTR)

/* The policy is a word; these are in the order of enum vmdedup_policy. */
static const char * const policy_name[] = {
#define POLICY_NAME(NAME, name) #name,
	VMDEDUP_POLICIES(POLICY_NAME)
#undef POLICY_NAME
};

static ssize_t domain_policy_show(struct device *dev,
				  struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", policy_name[vmdedup_space_policy()]);
}

/*
 * When it returns nothing is merged across domains of the new policy: but on -EINTR,
 * where the policy is changed all the same, what is begun still ends.
 */
static int set_policy(enum vmdedup_policy policy)
{
	struct vmdedup_region *region;
	u64 id = 0, last;
	int err = 0;

	lockdep_assert_held(&tunable_lock);
	vmdedup_space_set_policy(policy);
	/* What was found in the old domains is void; what is begun ends. */
	vmdedup_engine_void_jobs();
	last = vmdedup_region_newest();
	while (!err && (region = vmdedup_region_next(id, last))) {
		id = region->id;
		err = vmdedup_region_settle(region);
		vmdedup_region_put(region);
		cond_resched();
	}
	return err;
}

static ssize_t domain_policy_store(struct device *dev,
				   struct device_attribute *attr,
				   const char *buf, size_t count)
{
	int policy = sysfs_match_string(policy_name, buf), err = 0;

	if (policy < 0)
		return -EINVAL;
	if (mutex_lock_killable(&tunable_lock))
		return -EINTR;
	if (policy != vmdedup_space_policy())
		err = set_policy(policy);
	mutex_unlock(&tunable_lock);
	vmdedup_scanner_tuned();
	return err ?: count;
}
static DEVICE_ATTR_RW(domain_policy);

static struct attribute *tunable_attrs[] = {
	&dev_attr_domain_policy.attr,
#define TUNABLE_ENTRY(name, lo, hi, def) &dev_attr_##name.attr,
	VMDEDUP_TUNABLES(TUNABLE_ENTRY)
	NULL
};

static struct attribute *stat_attrs[] = {
#define STAT_ENTRY(name, kind, what) &dev_attr_##name.attr,
	VMDEDUP_STATS(STAT_ENTRY)
#define SKIP_ENTRY(NAME, name, text) &dev_attr_skip_##name.attr,
	VMDEDUP_SKIP_REASONS(SKIP_ENTRY)
	NULL
};

static const struct attribute_group tunable_group = {
	.attrs = tunable_attrs,
};

static const struct attribute_group stat_group = {
	.name = "stats",
	.attrs = stat_attrs,
};

const struct attribute_group *vmdedup_attr_groups[] = {
	&tunable_group,
	&stat_group,
	NULL
};
