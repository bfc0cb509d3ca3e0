// SPDX-License-Identifier: GPL-2.0
/*
 * The module's counters, and the sweep over the stable tree.
 *
 * Copy-on-write breaks and exits happen in the core kernel without a word to
 * us, so how many mappings a frame has is counted by looking at all frames;
 * on the way those that nobody maps any more are freed.
 */
#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/user_namespace.h>

#include "../mm/cells.h"
#include "../mm/frame.h"
#include "../mm/region.h"
#include "../mm/reserve.h"
#include "engine.h"
#include "quarantine.h"
#include "sift.h"

/* Sweeps that nobody asks for take no more than this part of the time. */
#define SWEEP_SHARE	20

/**
 * struct sweep - what a sweep over the frames has found
 * @shared: frames mapped
 * @sharing: their mappings beyond the first of each
 * @freed: frames that nobody maps any more
 */
struct sweep {
	u64 shared;
	u64 sharing;
	u64 freed;
};

static atomic64_t events[VMDEDUP_EV_NR];
static atomic64_t skips[VMDEDUP_SKIP_NR];
static atomic64_t window_max;

static DEFINE_MUTEX(sweep_lock);
/* These under sweep_lock: */
static u64 sweep_ended;
static u64 sweep_took;
/* What the last one has found; written under sweep_lock, too. */
static DEFINE_SPINLOCK(last_lock);
static struct sweep last_sweep;

/**
 * vmdedup_account_tally() - add up what a worker has done
 * @tally: the worker's counts
 *
 * Any context.
 */
void vmdedup_account_tally(const struct vmdedup_tally *tally)
{
	unsigned int i;

	for (i = 0; i < VMDEDUP_EV_NR; i++)
		if (tally->ev[i])
			atomic64_add(tally->ev[i], &events[i]);
	for (i = 0; i < VMDEDUP_SKIP_NR; i++)
		if (tally->skip[i])
			atomic64_add(tally->skip[i], &skips[i]);
}

/**
 * vmdedup_account_event() - count something
 * @event: what
 * @n: how often
 */
void vmdedup_account_event(enum vmdedup_event event, u64 n)
{
	atomic64_add(n, &events[event]);
}

/**
 * vmdedup_account_window() - a run was unmapped
 * @ns: for how long
 */
void vmdedup_account_window(u64 ns)
{
	s64 old = atomic64_read(&window_max);

	while (ns > old && !atomic64_try_cmpxchg(&window_max, &old, ns))
		;
}

/**
 * vmdedup_account_event_read() - read a counter
 * @event: which
 */
u64 vmdedup_account_event_read(enum vmdedup_event event)
{
	/* It is drained where nobody may be told. */
	if (event == VMDEDUP_EV_reserve_drained)
		return vmdedup_reserve_drained();
	return atomic64_read(&events[event]);
}

/**
 * vmdedup_account_skip_read() - read how often a reason was met
 * @reason: which
 */
u64 vmdedup_account_skip_read(enum vmdedup_skip reason)
{
	return atomic64_read(&skips[reason]);
}

static enum vmdedup_sweep sweep_visit(struct vmdedup_node *node, void *arg)
{
	struct vmdedup_frame *frame = vmdedup_frame_of(node);
	struct sweep *sweep = arg;
	bool idle = vmdedup_stable_idle(frame);
	int mappings = vmdedup_frame_mappings(frame->page);

	/* A poisoned one is to be shared with nobody else. */
	if (PageHWPoison(frame->page)) {
		WRITE_ONCE(frame->bad, VMDEDUP_POISONED);
		return VMDEDUP_SWEEP_ERASE;
	}
	if (mappings > 0) {
		sweep->shared++;
		sweep->sharing += mappings - 1;
	}
	return idle && mappings <= 0 ? VMDEDUP_SWEEP_ERASE : VMDEDUP_SWEEP_KEEP;
}

static void sweep_release(struct vmdedup_node *node, void *arg)
{
	struct vmdedup_frame *frame = vmdedup_frame_of(node);
	struct sweep *sweep = arg;

	if (frame->bad) {
		vmdedup_quarantine_add(frame);
		return;
	}
	sweep->freed++;
	vmdedup_frame_free(frame);
}

static struct sweep sweep_locked(void)
{
	static const struct vmdedup_sweep_ops ops = {
		.visit = sweep_visit,
		.release = sweep_release,
	};
	struct sweep sweep = {};

	lockdep_assert_held(&sweep_lock);
	vmdedup_tree_sweep(&vmdedup_engine.stable, &ops, &sweep);
	vmdedup_quarantine_mappings(&sweep.shared, &sweep.sharing);
	sweep_ended = ktime_get_ns();
	vmdedup_account_event(VMDEDUP_EV_frames_freed, sweep.freed);
	spin_lock(&last_lock);
	last_sweep = sweep;
	spin_unlock(&last_lock);
	return sweep;
}

static bool sweep_is_due(void)
{
	lockdep_assert_held(&sweep_lock);
	return ktime_get_ns() - sweep_ended >= sweep_took * SWEEP_SHARE;
}

/*
 * Statistics are for everybody, but with much shared memory a sweep takes seconds, and
 * many times that where the reader has but little CPU time; in which the scanner has to
 * wait. So who is not privileged is told what the last one has found, which is that of
 * a moment ago while there is anything to be found; and so are those who listen to
 * multicast. Nor do these have the regions removed that are gone.
 */
static bool reader_may_work(void)
{
	return !(current->flags & PF_KTHREAD) &&
	       ns_capable_noaudit(&init_user_ns, CAP_SYS_ADMIN);
}

static struct sweep sweep_read(bool may_work)
{
	struct sweep sweep;

	if (may_work) {
		mutex_lock(&sweep_lock);
		sweep = sweep_locked();
		mutex_unlock(&sweep_lock);
	} else {
		spin_lock(&last_lock);
		sweep = last_sweep;
		spin_unlock(&last_lock);
	}
	return sweep;
}

/**
 * vmdedup_account_sweep() - free frames that nobody maps
 *
 * May sleep.
 */
void vmdedup_account_sweep(void)
{
	mutex_lock(&sweep_lock);
	sweep_locked();
	mutex_unlock(&sweep_lock);
}

static u64 zero_pages(void)
{
	struct vmdedup_region *region;
	u64 id = 0, last = vmdedup_region_newest(), zero = 0;

	while ((region = vmdedup_region_next(id, last))) {
		id = region->id;
		spin_lock(&region->lock);
		zero += region->ledger.value[VMDEDUP_LEDGER_zero];
		spin_unlock(&region->lock);
		vmdedup_region_put(region);
		cond_resched();
	}
	return zero;
}

/**
 * vmdedup_account_sweep_if_due() - likewise, unless it would take too much
 * @saved: out: bytes saved, if it was done
 *
 * May sleep.
 *
 * Return: true if it was done.
 */
bool vmdedup_account_sweep_if_due(u64 *saved)
{
	struct sweep sweep;
	bool due;

	/* Somebody else is at it. */
	if (!mutex_trylock(&sweep_lock))
		return false;
	due = sweep_is_due();
	if (due) {
		u64 began = ktime_get_ns();

		sweep = sweep_locked();
		/* Others may have less CPU time, and take many times as long. */
		sweep_took = sweep_ended - began;
	}
	mutex_unlock(&sweep_lock);
	if (due)
		*saved = (sweep.sharing + zero_pages()) << PAGE_SHIFT;
	return due;
}

static u64 metadata_bytes(void)
{
	return (vmdedup_tree_count(&vmdedup_engine.stable) +
		vmdedup_quarantine_count()) * sizeof(struct vmdedup_frame) +
	       vmdedup_tree_count(&vmdedup_engine.unstable) *
	       sizeof(struct vmdedup_cand) + vmdedup_cells_bytes() +
	       vmdedup_sift_bytes();
}

/* Those that need no counting. */
static u64 gauge(enum vmdedup_gauge which)
{
	switch (which) {
	case VMDEDUP_GAUGE_guests:
		return vmdedup_space_count();
	case VMDEDUP_GAUGE_regions:
		return vmdedup_region_count();
	case VMDEDUP_GAUGE_pages_unshared:
		return vmdedup_tree_count(&vmdedup_engine.unstable);
	case VMDEDUP_GAUGE_metadata_bytes:
		return metadata_bytes();
	case VMDEDUP_GAUGE_window_max_ns:
		return atomic64_read(&window_max);
	case VMDEDUP_GAUGE_frames_quarantined:
		return vmdedup_quarantine_count();
	case VMDEDUP_GAUGE_pages_zero:
		return zero_pages();
	case VMDEDUP_GAUGE_reserve_pages:
		return vmdedup_reserve_pages();
	case VMDEDUP_GAUGE_reserve_target:
		return vmdedup_reserve_target();
	case VMDEDUP_GAUGE_pages_shared:
	case VMDEDUP_GAUGE_pages_sharing:
	case VMDEDUP_GAUGE_saved_bytes:
		break;
	}
	return 0;
}

/**
 * vmdedup_account_gauge() - read a part of the state
 * @which: which
 *
 * Mappings are counted anew for who is privileged: the time is the reader's own.
 * May sleep.
 */
u64 vmdedup_account_gauge(enum vmdedup_gauge which)
{
	bool may_work = reader_may_work();
	struct sweep sweep;

	/* What is gone is not to be counted. */
	if (may_work)
		vmdedup_region_reap();
	switch (which) {
	case VMDEDUP_GAUGE_pages_shared:
		return sweep_read(may_work).shared;
	case VMDEDUP_GAUGE_pages_sharing:
		return sweep_read(may_work).sharing;
	case VMDEDUP_GAUGE_saved_bytes:
		sweep = sweep_read(may_work);
		return (sweep.sharing + zero_pages()) << PAGE_SHIFT;
	default:
		return gauge(which);
	}
}

/**
 * vmdedup_account_read() - read all statistics
 * @stats: out
 *
 * May sleep.
 */
void vmdedup_account_read(struct vmdedup_stats *stats)
{
	bool may_work = reader_may_work();
	u64 *value = stats->value;
	struct sweep sweep;
	unsigned int i;

	if (may_work)
		vmdedup_region_reap();
	sweep = sweep_read(may_work);
#define READ_STAT(name, kind, what)					\
	value[VMDEDUP_STAT_##name] =					\
		VMDEDUP_IF_COUNTER_##kind(				\
			vmdedup_account_event_read(VMDEDUP_EV_##name))	\
		VMDEDUP_IF_GAUGE_##kind(gauge(VMDEDUP_GAUGE_##name));
	VMDEDUP_STATS(READ_STAT)
#undef READ_STAT
	value[VMDEDUP_STAT_pages_shared] = sweep.shared;
	value[VMDEDUP_STAT_pages_sharing] = sweep.sharing;
	value[VMDEDUP_STAT_saved_bytes] =
		(sweep.sharing + value[VMDEDUP_STAT_pages_zero]) << PAGE_SHIFT;
	for (i = 0; i < VMDEDUP_SKIP_NR; i++)
		stats->skipped[i] = vmdedup_account_skip_read(i);
}
