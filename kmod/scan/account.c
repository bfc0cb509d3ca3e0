// SPDX-License-Identifier: GPL-2.0
/*
 * The module's counters, and the sweep over the stable tree.
 *
 * Copy-on-write breaks and exits happen in the core kernel without a word to
 * us, so how many mappings a frame has is counted by looking at all frames;
 * on the way those that nobody maps any more are freed.
 */
#include <linux/atomic.h>
#include <linux/ktime.h>
#include <linux/mutex.h>

#include "../mm/frame.h"
#include "../mm/region.h"
#include "engine.h"

/* Housekeeping's sweeps take no more than this part of the time. */
#define SWEEP_SHARE	20

static atomic64_t events[VMDEDUP_EV_NR];
static atomic64_t skips[VMDEDUP_SKIP_NR];
static atomic64_t window_max;

static DEFINE_MUTEX(sweep_lock);
/* These under sweep_lock: */
static u64 pages_shared;
static u64 pages_sharing;
static u64 sweep_ended;
static u64 sweep_took;

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

struct sweep {
	u64 shared;
	u64 sharing;
	u64 freed;
};

static enum vmdedup_sweep sweep_visit(struct vmdedup_node *node, void *arg)
{
	struct vmdedup_frame *frame = vmdedup_frame_of(node);
	struct sweep *sweep = arg;
	bool idle = vmdedup_stable_idle(frame);
	int mappings = vmdedup_frame_mappings(frame->page);

	if (mappings > 0) {
		sweep->shared++;
		sweep->sharing += mappings - 1;
	}
	/* A poisoned one is to be shared with nobody else. */
	if (idle && (mappings <= 0 || PageHWPoison(frame->page)))
		return VMDEDUP_SWEEP_ERASE;
	return VMDEDUP_SWEEP_KEEP;
}

static void sweep_release(struct vmdedup_node *node, void *arg)
{
	struct sweep *sweep = arg;

	sweep->freed++;
	vmdedup_frame_free(vmdedup_frame_of(node));
}

static void sweep_locked(void)
{
	static const struct vmdedup_sweep_ops ops = {
		.visit = sweep_visit,
		.release = sweep_release,
	};
	struct sweep sweep = {};
	u64 began = ktime_get_ns();

	lockdep_assert_held(&sweep_lock);
	vmdedup_tree_sweep(&vmdedup_engine.stable, &ops, &sweep);
	pages_shared = sweep.shared;
	pages_sharing = sweep.sharing;
	sweep_ended = ktime_get_ns();
	sweep_took = sweep_ended - began;
	vmdedup_account_event(VMDEDUP_EV_frames_freed, sweep.freed);
}

/**
 * vmdedup_account_sweep() - count mappings, free frames without any
 *
 * May sleep.
 */
void vmdedup_account_sweep(void)
{
	mutex_lock(&sweep_lock);
	sweep_locked();
	mutex_unlock(&sweep_lock);
}

/**
 * vmdedup_account_sweep_if_due() - likewise, unless it would take too much
 *
 * May sleep.
 */
void vmdedup_account_sweep_if_due(void)
{
	mutex_lock(&sweep_lock);
	if (ktime_get_ns() - sweep_ended >= sweep_took * SWEEP_SHARE)
		sweep_locked();
	mutex_unlock(&sweep_lock);
}

static u64 zero_pages(void)
{
	struct vmdedup_region *region;
	u64 id = 0, zero = 0;

	while ((region = vmdedup_region_next(id))) {
		id = region->id;
		spin_lock(&region->lock);
		zero += region->last.zero_found +
			region->last.ev[VMDEDUP_EV_pages_zero_merged];
		spin_unlock(&region->lock);
		vmdedup_region_put(region);
		cond_resched();
	}
	return zero;
}

static u64 metadata_bytes(void)
{
	return vmdedup_tree_count(&vmdedup_engine.stable) *
	       sizeof(struct vmdedup_frame) +
	       vmdedup_tree_count(&vmdedup_engine.unstable) *
	       sizeof(struct vmdedup_cand);
}

/* Counts anew: the time is the reader's own. */
static void count_shared(u64 *shared, u64 *sharing)
{
	mutex_lock(&sweep_lock);
	sweep_locked();
	*shared = pages_shared;
	*sharing = pages_sharing;
	mutex_unlock(&sweep_lock);
}

/**
 * vmdedup_account_gauge() - read a part of the state
 * @gauge: which
 *
 * May sleep.
 */
u64 vmdedup_account_gauge(enum vmdedup_gauge gauge)
{
	u64 shared, sharing;

	/* What is gone is not to be counted. */
	vmdedup_region_reap();
	switch (gauge) {
	case VMDEDUP_GAUGE_regions:
		return vmdedup_region_count();
	case VMDEDUP_GAUGE_pages_shared:
		count_shared(&shared, &sharing);
		return shared;
	case VMDEDUP_GAUGE_pages_sharing:
		count_shared(&shared, &sharing);
		return sharing;
	case VMDEDUP_GAUGE_pages_unshared:
		return vmdedup_tree_count(&vmdedup_engine.unstable);
	case VMDEDUP_GAUGE_pages_zero:
		return zero_pages();
	case VMDEDUP_GAUGE_saved_bytes:
		count_shared(&shared, &sharing);
		return (sharing + zero_pages()) << PAGE_SHIFT;
	case VMDEDUP_GAUGE_metadata_bytes:
		return metadata_bytes();
	case VMDEDUP_GAUGE_window_max_ns:
		return atomic64_read(&window_max);
	}
	return 0;
}
