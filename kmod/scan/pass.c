// SPDX-License-Identifier: GPL-2.0
/* Passes over a region, and merging on request. */
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/signal.h>

#include "../core/content.h"
#include "../trace.h"
#include "engine.h"
#include "pass.h"
#include "recount.h"
#include "watch.h"
#include "worker.h"

/* Without the scanner, generations that a candidate lives through requests. */
#define REQUEST_KEEP	8

/*
 * The domain can change while a region is being scanned, but not within a chunk.
 * No domain is 0.
 */
static void set_domain(struct vmdedup_worker *worker)
{
	u64 domain = READ_ONCE(worker->region->space->domain);

	if (domain == worker->domain)
		return;
	worker->domain = domain;
	worker->seed = vmdedup_content_seed(vmdedup_engine.boot_seed, domain);
}

/**
 * vmdedup_region_begin() - begin a pass over a region
 * @worker: between two regions
 * @region: with a reference, which the worker uses until
 *	vmdedup_region_done()
 */
void vmdedup_region_begin(struct vmdedup_worker *worker,
			  struct vmdedup_region *region)
{
	vmdedup_space_refresh(region->space);
	worker->region = region;
	set_domain(worker);
	vmdedup_visit_begin(&worker->visit, region);
	memset(&worker->part, 0, sizeof(worker->part));
}

/**
 * vmdedup_region_step() - carry one chunk through the pipeline
 * @worker: in a region; @epoch is of a time at which there was reason to scan
 * @addr: in: where to begin; out: where to go on, the region's end if all was
 *	seen
 *
 * May sleep.
 *
 * Return: true if there is more to do in the region; false if all was seen, or
 * if the region cannot be worked in now.
 */
bool vmdedup_region_step(struct vmdedup_worker *worker, unsigned long *addr)
{
	struct vmdedup_region *region = worker->region;
	struct mm_struct *mm = region->space->mm;
	struct vmdedup_tally walked = {};
	unsigned int nr, jobs;
	u64 vpn;

	vmdedup_worker_clock(worker);
	set_domain(worker);
	if (!vmdedup_region_enter(region))
		return false;
	if (!vmdedup_mm_lock(mm, worker->patient)) {
		vmdedup_region_leave(region);
		return false;
	}
	vmdedup_visit_look(&worker->visit);
	*addr = vmdedup_walk(mm, *addr, region->end, &worker->chunk, &walked);
	mmap_read_unlock(mm);
	vmdedup_region_leave(region);

	walked.ev[VMDEDUP_EV_cow_breaks] =
		vmdedup_visit_step(&worker->visit, *addr, &worker->chunk.seen);
	vmdedup_tally_add(&worker->tally, &walked);
	vmdedup_tally_add(&worker->part, &walked);
	nr = worker->chunk.nr;
	if (nr) {
		vpn = worker->chunk.sample[0].vpn;
		jobs = worker->nr_jobs;
		vmdedup_match(worker);
		trace_vmdedup_scan(region->id, vpn, nr, worker->nr_jobs - jobs);
	}
	if (worker->nr_jobs > VMDEDUP_JOBS_MAX - VMDEDUP_JOBS_PER_CHUNK)
		vmdedup_flush(worker);
	vmdedup_worker_charge(worker, region);
	cond_resched();
	return *addr < region->end;
}

/**
 * vmdedup_region_done() - end a pass over a region
 * @worker: in a region
 * @complete: was all of it seen?
 *
 * May sleep.
 */
void vmdedup_region_done(struct vmdedup_worker *worker, bool complete)
{
	struct vmdedup_region *region = worker->region;

	vmdedup_worker_clock(worker);
	worker->tally.ev[VMDEDUP_EV_cow_breaks] +=
		vmdedup_visit_end(&worker->visit, complete);
	vmdedup_flush(worker);
	vmdedup_ledger_charge(region, VMDEDUP_LEDGER_scanned,
			      worker->part.ev[VMDEDUP_EV_pages_scanned]);
	if (complete) {
		spin_lock(&region->lock);
		memcpy(region->ledger.skipped, worker->part.skip,
		       sizeof(region->ledger.skipped));
		spin_unlock(&region->lock);
	}
	worker->region = NULL;
}

static int pass_region(struct vmdedup_worker *worker,
		       struct vmdedup_region *region)
{
	unsigned long addr = region->start;
	bool more = true;

	vmdedup_region_begin(worker, region);
	vmdedup_worker_enter_epoch(worker);
	while (more && !fatal_signal_pending(current))
		more = vmdedup_region_step(worker, &addr);
	vmdedup_region_done(worker, addr >= region->end);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/* Do something with each region of a request. */
static int request_each(struct vmdedup_worker *worker,
			struct vmdedup_merge_request *req,
			int (*work)(struct vmdedup_worker *worker,
				    struct vmdedup_region *region))
{
	struct vmdedup_region *region;
	int err = 0;
	u64 id = 0;

	if (req->region) {
		region = vmdedup_region_get(req->region);
		if (!region)
			return -ENOENT;
		err = req->may(region->space->mm, region->space->pid) ? 0 : -EPERM;
		if (!err)
			err = work(worker, region);
		vmdedup_region_put(region);
		return err;
	}
	while (!err && (region = vmdedup_region_next(id))) {
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
	struct vmdedup_worker *worker = vmdedup_worker_alloc();
	u64 merged, last;
	int err;

	if (!worker)
		return -ENOMEM;
	worker->patient = true;
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
	if (READ_ONCE(vmdedup_tunables.run) != VMDEDUP_SCANNING) {
		vmdedup_engine_age(REQUEST_KEEP);
		vmdedup_watch_storms();
	}
	return err;
}
