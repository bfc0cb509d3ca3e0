// SPDX-License-Identifier: GPL-2.0
/*
 * Flushing: carrying out merge jobs, sorted and in runs, one address space
 * after the other.
 */
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/rwsem.h>

#include "../mm/access.h"
#include "../mm/ledger.h"
#include "engine.h"
#include "recount.h"
#include "worker.h"

static void put_frames(struct vmdedup_job *jobs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (jobs[i].frame)
			vmdedup_stable_put(jobs[i].frame);
}

/* The region, or the address space, is locked: all are left for another time. */
static void skip_jobs(struct vmdedup_region *region,
		      const struct vmdedup_job *jobs, unsigned int nr,
		      struct vmdedup_tally *tally)
{
	unsigned int i, len;

	tally->skip[VMDEDUP_SKIP_BUSY] += nr;
	for (i = 0; i < nr; i += len) {
		len = vmdedup_jobs_same_table(jobs + i, nr - i);
		vmdedup_ledger_again(region, jobs[i].place.vpn, len);
	}
}

/* Merge a run, of one chunk, and write it down in the ledger. */
static unsigned int merge_run(struct vmdedup_worker *worker,
			      struct vmdedup_region *region,
			      const struct vmdedup_job *jobs, unsigned int nr,
			      struct vmdedup_merge_opts *opts,
			      struct vmdedup_tally *tally)
{
	u64 vpn = jobs[0].place.vpn;
	struct vmdedup_tally run = {};
	bool noted;

	/* Found by a partner; or when it was not cold yet. */
	if (!worker->patient && vmdedup_ledger_cold(region, vpn)) {
		tally->skip[VMDEDUP_SKIP_COOLED] += nr;
		return nr;
	}
	noted = vmdedup_ledger_merge_begin(region, vpn);
	nr = vmdedup_merge_run(region->space->mm, jobs, nr, opts, &worker->win,
			       &run);
	if (noted)
		vmdedup_ledger_merge_end(region, vpn,
					 run.ev[VMDEDUP_EV_pages_merged],
					 run.ev[VMDEDUP_EV_pages_zero_merged],
					 run.saved);
	if (run.skip[VMDEDUP_SKIP_BUSY] || run.skip[VMDEDUP_SKIP_LRU])
		vmdedup_ledger_again(region, vpn,
				     run.skip[VMDEDUP_SKIP_LRU]);
	vmdedup_tally_add(tally, &run);
	return nr;
}

static void merge_jobs(struct vmdedup_worker *worker,
		       struct vmdedup_region *region,
		       const struct vmdedup_job *jobs, unsigned int nr,
		       struct vmdedup_tally *tally)
{
	struct vmdedup_merge_opts opts = {
		.drain = worker->drain,
	};
	struct mm_struct *mm = region->space->mm;
	unsigned int ticks = vmdedup_mm_ticks(worker->patient);
	unsigned int i, table_end = 0;

	if (!vmdedup_mm_lock(mm, false, &ticks, &region->sem)) {
		skip_jobs(region, jobs, nr, tally);
		return;
	}
	for (i = 0; i < nr;) {
		unsigned int max = READ_ONCE(vmdedup_tunables.merge_run_pages);
		bool write = opts.writing;
		unsigned int len, done;

		if (i >= table_end) {
			len = vmdedup_jobs_same_table(jobs + i, nr - i);
			table_end = i + len;
			opts.split = len >=
				vmdedup_engine_split_pages();
			opts.was_split = false;
		}
		len = vmdedup_jobs_run(jobs + i, nr - i, max);
		done = merge_run(worker, region, jobs + i, len, &opts, tally);
		i += done;
		write = !done || (write && opts.always_writing);
		if (i < nr && (write != opts.writing || need_resched() ||
			       rwsem_is_contended(&region->sem) ||
			       mmap_lock_is_contended(mm))) {
			vmdedup_mm_unlock(mm, opts.writing);
			cond_resched();
			opts.writing = write;
			/* Somebody waits to have the region; or for too long. */
			if (rwsem_is_contended(&region->sem) ||
			    !vmdedup_mm_lock(mm, write, &ticks, &region->sem)) {
				skip_jobs(region, jobs + i, nr - i, tally);
				goto out;
			}
		}
	}
	vmdedup_mm_unlock(mm, opts.writing);
out:
	worker->drain = opts.drain;
}

/* The zero page is everybody's; frames stay within their trust domain. */
static unsigned int same_domain(struct vmdedup_job *jobs, unsigned int nr,
				u64 domain)
{
	unsigned int i, kept = 0;

	for (i = 0; i < nr; i++) {
		if (jobs[i].frame && jobs[i].frame->node.key.domain != domain)
			vmdedup_stable_put(jobs[i].frame);
		else
			jobs[kept++] = jobs[i];
	}
	return kept;
}

/*
 * Is what a worker found still to be merged? Asked within the region, into which
 * run=2 and changes of the domain policy go after they have made the answer no.
 */
static bool wanted(const struct vmdedup_worker *worker)
{
	return worker->epoch == atomic_read(&vmdedup_engine.epoch) &&
	       READ_ONCE(vmdedup_tunables.run) != VMDEDUP_UNMERGED;
}

/* Carry out the jobs of one region, and give their frames up. */
static void flush_region(struct vmdedup_worker *worker,
			 struct vmdedup_job *jobs, unsigned int nr)
{
	struct vmdedup_region *region = vmdedup_region_get(jobs[0].place.region);
	struct vmdedup_tally tally = {};
	u64 merged;

	if (!region) {
		put_frames(jobs, nr);
		return;
	}
	nr = same_domain(jobs, nr, READ_ONCE(region->space->domain));
	if (vmdedup_region_enter(region, worker->patient)) {
		if (wanted(worker))
			merge_jobs(worker, region, jobs, nr, &tally);
		vmdedup_region_leave(region);
	} else {
		skip_jobs(region, jobs, nr, &tally);
	}
	put_frames(jobs, nr);
	vmdedup_tally_add(&worker->tally, &tally);
	if (region == worker->region)
		vmdedup_tally_add(&worker->part, &tally);
	merged = tally.ev[VMDEDUP_EV_pages_merged] +
		 tally.ev[VMDEDUP_EV_pages_zero_merged];
	vmdedup_ledger_charge(region, VMDEDUP_LEDGER_merges, merged);
	if (merged) {
		vmdedup_space_merged(region->space, merged);
		vmdedup_recount_want();
	}
	vmdedup_worker_charge(worker, region);
	vmdedup_region_put(region);
}

/**
 * vmdedup_flush() - carry out all jobs
 * @worker: its jobs are gone afterwards
 *
 * Jobs of an epoch that has passed are dropped, and all while run is 2. No lock is
 * held. May sleep.
 */
void vmdedup_flush(struct vmdedup_worker *worker)
{
	struct vmdedup_job *jobs = worker->job;
	unsigned int nr = worker->nr_jobs, i, len;

	if (!nr)
		return;
	/* What comes now is done for those whose pages are merged. */
	if (worker->region)
		vmdedup_worker_charge(worker, worker->region);
	vmdedup_jobs_sort(jobs, nr);
	nr = vmdedup_jobs_unique(jobs, nr);
	for (i = 0; i < nr; i += len) {
		len = vmdedup_jobs_same_region(jobs + i, nr - i);
		flush_region(worker, jobs + i, len);
	}
	worker->nr_jobs = 0;
	vmdedup_account_window(worker->win.longest_ns);
	worker->win.longest_ns = 0;
}
