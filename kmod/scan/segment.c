// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/sched.h>

#include "../core/content.h"
#include "../mm/access.h"
#include "../mm/ledger.h"
#include "../trace.h"
#include "engine.h"
#include "segment.h"
#include "sift.h"

/*
 * The domain can change while a region is being scanned, but not within a chunk.
 * No domain is 0.
 */
static void set_domain(struct vmdedup_worker *worker)
{
	u64 domain = READ_ONCE(worker->region->space->domain);

	if (domain != worker->domain) {
		worker->domain = domain;
		worker->seed = vmdedup_content_seed(vmdedup_engine.boot_seed,
						    domain);
	}
	vmdedup_sift_begin(worker);
}

/**
 * vmdedup_segment_begin() - begin with a part of a region
 * @worker: between two parts
 * @segment: which; is used until vmdedup_segment_done()
 * @purpose: why
 * @pass: number of the pass, unless on request
 */
void vmdedup_segment_begin(struct vmdedup_worker *worker,
			   const struct vmdedup_segment *segment,
			   enum vmdedup_purpose purpose, u16 pass)
{
	worker->region = segment->region;
	set_domain(worker);
	vmdedup_visit_begin(&worker->visit, segment->region, segment->start,
			    segment->end);
	worker->visit.purpose = purpose;
	worker->visit.pass = pass;
	vmdedup_spare_begin(worker);
	memset(&worker->part, 0, sizeof(worker->part));
	worker->ticks = VMDEDUP_WAIT_STEPS;
}

/* One page is as good as any: guests' memory is kept on a node as a whole. */
static void note_home(struct vmdedup_region *region, struct page *page)
{
	int node = page_to_nid(page);

	if (READ_ONCE(region->home) != node)
		WRITE_ONCE(region->home, node);
}

/* Sketch a chunk, and keep what is worth a look. Returns pages sketched. */
static unsigned int sample(struct vmdedup_worker *worker, unsigned long *addr,
			   struct vmdedup_tally *walked)
{
	struct mm_struct *mm = worker->region->space->mm;
	unsigned int nr;

	*addr = vmdedup_sample_chunk(mm, *addr, &worker->visit,
				     &worker->sketcher, &worker->chunk, walked);
	nr = worker->chunk.nr;
	if (nr)
		note_home(worker->region, worker->chunk.sample[0].page);
	vmdedup_sift(worker);
	vmdedup_chunk_hold(mm, &worker->chunk);
	/* Some may have been merged by another just now, and were paid for. */
	worker->visit.hashed = worker->chunk.nr;
	return nr;
}

/**
 * vmdedup_segment_step() - carry one chunk through the pipeline
 * @worker: in a segment; @epoch is of a time at which there was reason to scan
 * @addr: in: where to begin; out: where to go on, the segment's end if all was
 *	seen
 *
 * May sleep.
 *
 * Return: true if there is more to do in the segment; false if all was seen, or
 * if the region cannot be worked in now.
 */
bool vmdedup_segment_step(struct vmdedup_worker *worker, unsigned long *addr)
{
	struct vmdedup_region *region = worker->region;
	struct mm_struct *mm = region->space->mm;
	struct vmdedup_tally walked = {};
	unsigned int nr, jobs;

	vmdedup_worker_clock(worker);
	set_domain(worker);
	if (!vmdedup_region_enter(region, worker->patient))
		return false;
	if (!vmdedup_mm_lock_step(mm, worker->patient, &worker->ticks,
				  &region->sem)) {
		vmdedup_region_leave(region);
		return false;
	}
	nr = sample(worker, addr, &walked);
	vmdedup_mm_unlock(mm, false);
	vmdedup_region_leave(region);

	vmdedup_visit_step(&worker->visit, *addr, &worker->chunk.seen);
	vmdedup_tally_add(&worker->tally, &walked);
	vmdedup_tally_add(&worker->part, &walked);
	jobs = worker->nr_jobs;
	if (worker->visit.vain && !worker->patient)
		vmdedup_chunk_put(&worker->chunk);
	vmdedup_match(worker);
	if (nr)
		trace_vmdedup_scan(region->id,
				   worker->visit.index * VMDEDUP_CHUNK_PAGES,
				   nr, worker->nr_jobs - jobs);
	if (worker->nr_jobs > VMDEDUP_JOBS_MAX - VMDEDUP_JOBS_PER_CHUNK)
		vmdedup_flush(worker);
	vmdedup_worker_charge(worker, region);
	cond_resched();
	return *addr < worker->visit.end;
}

/**
 * vmdedup_segment_done() - end a segment
 * @worker: in a segment
 * @complete: was all of it seen?
 *
 * May sleep.
 */
void vmdedup_segment_done(struct vmdedup_worker *worker, bool complete)
{
	struct vmdedup_region *region = worker->region;
	struct vmdedup_visit *visit = &worker->visit;

	vmdedup_worker_clock(worker);
	vmdedup_visit_end(visit, complete);
	worker->tally.ev[VMDEDUP_EV_cow_breaks] += visit->broken;
	vmdedup_flush(worker);
	vmdedup_ledger_charge(region, VMDEDUP_LEDGER_scanned,
			      worker->part.ev[VMDEDUP_EV_pages_scanned]);
	if (complete && !visit->passed_over)
		vmdedup_ledger_skips(region, visit->pass,
				     visit->end - visit->start,
				     worker->part.skip);
	worker->region = NULL;
	vmdedup_spare_drop(worker);
}
