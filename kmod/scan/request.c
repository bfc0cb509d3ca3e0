// SPDX-License-Identifier: GPL-2.0
/* Merging on request. */
#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "engine.h"
#include "recount.h"
#include "request.h"
#include "segment.h"
#include "watch.h"
#include "worker.h"

/* Generations that a candidate lives that a request has found. */
#define REQUEST_KEEP	8

static int pass_region(struct vmdedup_worker *worker,
		       struct vmdedup_region *region)
{
	struct vmdedup_segment all = {
		.region = region,
		.start = region->start,
		.end = region->end,
	};
	unsigned long addr = all.start;
	bool more = true;

	vmdedup_space_refresh(region->space);
	vmdedup_segment_begin(worker, &all, VMDEDUP_SCAN_NOW, 0);
	vmdedup_worker_enter_epoch(worker);
	while (more && !fatal_signal_pending(current))
		more = vmdedup_segment_step(worker, &addr);
	vmdedup_segment_done(worker, addr >= all.end);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/* Do something with each region of a request. */
static int request_each(struct vmdedup_worker *worker,
			struct vmdedup_merge_request *req,
			int (*work)(struct vmdedup_worker *worker,
				    struct vmdedup_region *region))
{
	u64 id = 0, last = vmdedup_region_newest();
	struct vmdedup_region *region;
	int err = 0;

	if (req->region) {
		region = vmdedup_region_get(req->region);
		if (!region)
			return -ENOENT;
		/* One that has gone may not be reaped yet. */
		if (!vmdedup_region_gone(region) &&
		    req->may(region->space->mm, region->space->pid))
			err = work(worker, region);
		else
			err = vmdedup_region_refusal(region);
		vmdedup_region_put(region);
		return err;
	}
	while (!err && (region = vmdedup_region_next(id, last))) {
		id = region->id;
		if (req->may(region->space->mm, region->space->pid))
			err = work(worker, region);
		else if (fatal_signal_pending(current))
			err = -EINTR;
		vmdedup_region_put(region);
		cond_resched();
	}
	return err;
}

static int recount_region(struct vmdedup_worker *worker,
			  struct vmdedup_region *region)
{
	vmdedup_recount_region(region, true, NULL);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static void request_add(struct vmdedup_merge_request *req,
			struct vmdedup_tally *round)
{
	memset(req->total.skip, 0, sizeof(req->total.skip));
	vmdedup_tally_add(&req->total, round);
	vmdedup_account_tally(round);
}

/*
 * A generation ends, once a second at the most: who asks again and again is not to
 * make the candidates of others old.
 */
static void request_age(void)
{
	static atomic_long_t aged;
	long last = atomic_long_read(&aged), now = jiffies;

	if (now - last >= HZ && atomic_long_try_cmpxchg(&aged, &last, now))
		vmdedup_engine_age(REQUEST_KEEP);
}

/**
 * vmdedup_merge_now() - scan and merge on request
 * @req: the request
 *
 * Passes over the region or regions until one merges nothing, or the limit is
 * reached. May sleep.
 *
 * Return: 0, -ENOENT, -EPERM, -ENOMEM or -EINTR as the UAPI header says.
 */
int vmdedup_merge_now(struct vmdedup_merge_request *req)
{
	struct vmdedup_worker *worker = vmdedup_worker_alloc(NUMA_NO_NODE,
							     GFP_KERNEL_ACCOUNT);
	u64 merged, last;
	int err;

	if (!worker)
		return -ENOMEM;
	worker->patient = true;
	/* The scanner keeps candidates for long, and sees to it that they pay. */
	if (READ_ONCE(vmdedup_tunables.run) == VMDEDUP_SCANNING)
		worker->age = VMDEDUP_SCAN_KEEP - REQUEST_KEEP;
	memset(&req->total, 0, sizeof(req->total));
	req->rounds = 0;
	do {
		memset(&worker->tally, 0, sizeof(worker->tally));
		worker->drain = true;
		err = request_each(worker, req, pass_region);
		request_add(req, &worker->tally);
		merged = worker->tally.ev[VMDEDUP_EV_pages_merged] +
			 worker->tally.ev[VMDEDUP_EV_pages_zero_merged];
		last = merged;
		req->rounds++;
		/* Of huge pages the first pass learns what to do in the next. */
		if (req->rounds == 1)
			merged += worker->tally.ev[VMDEDUP_EV_huge_kept];
	} while (!err && merged && req->rounds < req->max_rounds);
	/* What others share with a page merged last is not known yet. */
	if (!err && last)
		err = request_each(worker, req, recount_region);
	vmdedup_worker_free(worker);
	/* The scanner's passes do these; when it is off, do so here. */
	if (req->total.ev[VMDEDUP_EV_pages_scanned] &&
	    READ_ONCE(vmdedup_tunables.run) != VMDEDUP_SCANNING) {
		request_age();
		vmdedup_watch_storms();
	}
	return err;
}
