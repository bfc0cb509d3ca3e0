// SPDX-License-Identifier: GPL-2.0
#include <linux/freezer.h>
#include <linux/ktime.h>
#include <linux/topology.h>

#include "engine.h"
#include "pacer.h"
#include "pass.h"
#include "scanner.h"
#include "sift.h"

/* See vmdedup_sift_lost(). */
#define RELEARN_PASSES	2

/**
 * vmdedup_pass_init() - set up before the first pass
 * @pass: all zero
 */
void vmdedup_pass_init(struct vmdedup_pass *pass)
{
	mutex_init(&pass->lock);
}

/**
 * vmdedup_pass_begin() - begin a pass
 * @pass: not under way
 * @all: is there reason to look at all chunks?
 *
 * May sleep.
 */
void vmdedup_pass_begin(struct vmdedup_pass *pass, bool all)
{
	pass->pages = vmdedup_sift_prepare();
	pass->nr++;
	if (vmdedup_sift_lost())
		pass->relearn = RELEARN_PASSES;
	pass->all = all || pass->relearn ||
		    pass->nr % VMDEDUP_SCHEDULE_PERIOD == 0;
	pass->relearn -= !!pass->relearn;
	pass->began = ktime_get_ns();
	mutex_lock(&pass->lock);
	pass->last_known = pass->fresh.id;
	pass->known.id = 0;
	pass->last_fresh = U64_MAX;
	pass->turn = false;
	pass->fresh_found = false;
	pass->cut = false;
	memset(&pass->total, 0, sizeof(pass->total));
	mutex_unlock(&pass->lock);
}

/* Take the next segment; false if there is none left. */
static bool pass_take(struct vmdedup_pass *pass,
		      struct vmdedup_segment *segment,
		      enum vmdedup_purpose *purpose)
{
	struct vmdedup_lane *fresh, *known, *lane = NULL;
	/* Where it runs just now; it may be elsewhere soon. */
	int node = numa_node_id();

	mutex_lock(&pass->lock);
	pass->cut |= !vmdedup_scanner_scanning();
	if (pass->cut)
		goto out;
	known = vmdedup_queue_lane(&pass->known, node, pass->last_known,
				   pass->nr, pass->all);
	/* What comes from now on is for the next pass. */
	if (!known && pass->last_fresh == U64_MAX)
		pass->last_fresh = vmdedup_region_newest();
	fresh = vmdedup_queue_lane(&pass->fresh, node, pass->last_fresh,
				   pass->nr, pass->all);
	pass->turn = !pass->turn;
	pass->fresh_found |= !!fresh;
	lane = fresh && (pass->turn || !known) ? fresh : known;
	if (lane) {
		*purpose = lane->purpose;
		vmdedup_lane_take(lane, segment);
	}
out:
	mutex_unlock(&pass->lock);
	return lane;
}

/* A region cannot be worked in now: do not try with each of its segments. */
static void pass_give_up(struct vmdedup_pass *pass,
			 struct vmdedup_region *region)
{
	mutex_lock(&pass->lock);
	vmdedup_queue_drop(&pass->fresh, region);
	vmdedup_queue_drop(&pass->known, region);
	mutex_unlock(&pass->lock);
}

/* Report what was done since the last time; returns pages seen. */
static u64 report(struct vmdedup_worker *worker, struct vmdedup_tally *done)
{
	u64 seen = worker->tally.ev[VMDEDUP_EV_pages_scanned] +
		   worker->tally.passed;

	vmdedup_account_tally(&worker->tally);
	vmdedup_tally_add(done, &worker->tally);
	memset(&worker->tally, 0, sizeof(worker->tally));
	return seen;
}

/*
 * Sleep if we are ahead by a tick or more; less is left to add up. Jobs are
 * carried out before, while they are fresh.
 */
static void keep_pace(struct vmdedup_pass *pass, struct vmdedup_worker *worker,
		      u64 pages)
{
	u64 now = vmdedup_worker_cpu_time();
	/* Before it is asked what is owed: what changes later ends the pause. */
	int tuning = vmdedup_pacer_tuning();
	u64 ns = vmdedup_pacer_owe(pass->pages, pages, now - worker->paced);

	worker->paced = now;
	if (ns < TICK_NSEC)
		return;
	vmdedup_flush(worker);
	vmdedup_scanner_pause(nsecs_to_jiffies(ns), tuning);
}

static void work_on(struct vmdedup_pass *pass, struct vmdedup_worker *worker,
		    const struct vmdedup_segment *segment,
		    enum vmdedup_purpose purpose, struct vmdedup_tally *done,
		    void (*chores)(void))
{
	unsigned long addr = segment->start;
	bool more = true;

	vmdedup_segment_begin(worker, segment, purpose, pass->nr);
	for (;;) {
		/* In this order: see vmdedup_engine.epoch and set_run(). */
		vmdedup_worker_enter_epoch(worker);
		if (!more || !vmdedup_scanner_scanning())
			break;
		more = vmdedup_segment_step(worker, &addr);
		if (!more && addr < segment->end)
			pass_give_up(pass, segment->region);
		keep_pace(pass, worker, report(worker, done));
		if (chores)
			chores();
		try_to_freeze();
	}
	vmdedup_segment_done(worker, addr >= segment->end);
	report(worker, done);
}

/**
 * vmdedup_pass_work() - work on a pass until nothing is left to be taken
 * @pass: under way
 * @worker: of this thread
 * @chores: what else to do in between, or NULL
 *
 * Returns at once if scanning is stopped. May sleep.
 */
void vmdedup_pass_work(struct vmdedup_pass *pass,
		       struct vmdedup_worker *worker, void (*chores)(void))
{
	struct vmdedup_tally done = {};
	struct vmdedup_segment segment;
	enum vmdedup_purpose purpose;

	while (pass_take(pass, &segment, &purpose)) {
		work_on(pass, worker, &segment, purpose, &done, chores);
		vmdedup_region_put(segment.region);
	}
	mutex_lock(&pass->lock);
	vmdedup_tally_add(&pass->total, &done);
	mutex_unlock(&pass->lock);
}

/**
 * vmdedup_pass_end() - end a pass
 * @pass: nobody works on it any more; perhaps something is left
 */
void vmdedup_pass_end(struct vmdedup_pass *pass)
{
	mutex_lock(&pass->lock);
	vmdedup_queue_drop(&pass->fresh, NULL);
	vmdedup_queue_drop(&pass->known, NULL);
	mutex_unlock(&pass->lock);
}
