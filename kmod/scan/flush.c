// SPDX-License-Identifier: GPL-2.0
/*
 * Flushing: carrying out merge jobs, sorted and in runs, one address space
 * after the other.
 */
#include <linux/mm.h>
#include <linux/mmap_lock.h>

#include "engine.h"
#include "worker.h"

static void merge_jobs(struct vmdedup_worker *worker, struct mm_struct *mm,
		       const struct vmdedup_job *jobs, unsigned int nr,
		       struct vmdedup_tally *tally)
{
	struct vmdedup_merge_opts opts = { .drain = worker->drain };
	unsigned int i, table_end = 0;

	mmap_read_lock(mm);
	for (i = 0; i < nr;) {
		unsigned int max = READ_ONCE(vmdedup_tunables.merge_run_pages);
		unsigned int len;

		if (i >= table_end) {
			len = vmdedup_jobs_same_table(jobs + i, nr - i);
			table_end = i + len;
			opts.split = len >=
				READ_ONCE(vmdedup_tunables.huge_split_pages);
		}
		len = vmdedup_jobs_run(jobs + i, nr - i, max);
		i += vmdedup_merge_run(mm, jobs + i, len, &opts, &worker->win,
				       tally);
		if (need_resched() || mmap_lock_is_contended(mm)) {
			mmap_read_unlock(mm);
			cond_resched();
			mmap_read_lock(mm);
		}
	}
	mmap_read_unlock(mm);
	worker->drain = opts.drain;
}

static void flush_region(struct vmdedup_worker *worker,
			 const struct vmdedup_job *jobs, unsigned int nr)
{
	struct vmdedup_region *region = vmdedup_region_get(jobs[0].place.region);
	struct vmdedup_tally tally = {};

	if (!region)
		return;
	if (vmdedup_region_enter(region)) {
		merge_jobs(worker, region->space->mm, jobs, nr, &tally);
		vmdedup_region_leave(region);
	}
	vmdedup_tally_add(&worker->tally, &tally);
	if (region == worker->region)
		vmdedup_tally_add(&worker->part, &tally);
	spin_lock(&region->lock);
	region->merges += tally.ev[VMDEDUP_EV_pages_merged] +
			  tally.ev[VMDEDUP_EV_pages_zero_merged];
	spin_unlock(&region->lock);
	vmdedup_region_put(region);
}

/**
 * vmdedup_flush() - carry out all jobs
 * @worker: its jobs are gone afterwards
 *
 * No lock is held. May sleep.
 */
void vmdedup_flush(struct vmdedup_worker *worker)
{
	struct vmdedup_job *jobs = worker->job;
	unsigned int nr = worker->nr_jobs, i, len;

	vmdedup_jobs_sort(jobs, nr);
	nr = vmdedup_jobs_unique(jobs, nr);
	for (i = 0; i < nr; i += len) {
		len = vmdedup_jobs_same_region(jobs + i, nr - i);
		flush_region(worker, jobs + i, len);
	}
	for (i = 0; i < nr; i++)
		if (jobs[i].frame)
			vmdedup_stable_put(jobs[i].frame);
	worker->nr_jobs = 0;
	vmdedup_account_window(worker->win.longest_ns);
	worker->win.longest_ns = 0;
}
