/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Merge jobs, and how they are cut into runs.
 *
 * Matching finds jobs in any order; merging wants runs: consecutive pages of
 * one region within one page table, so that the lock, the notifier and the
 * TLB flush are paid once for many pages.
 */
#ifndef VMDEDUP_CORE_RUNS_H
#define VMDEDUP_CORE_RUNS_H

#include "stable.h"
#include "unstable.h"

/* Pages mapped by one page table, and the longest run. */
#define VMDEDUP_RUN_MAX		512U

/**
 * struct vmdedup_job - map a shared frame at a place
 * @place: where
 * @frame: which, in use (vmdedup_stable_get()); NULL for the zero page
 */
struct vmdedup_job {
	struct vmdedup_place place;
	struct vmdedup_frame *frame;
};

void vmdedup_jobs_sort(struct vmdedup_job *jobs, unsigned int nr);
unsigned int vmdedup_jobs_unique(struct vmdedup_job *jobs, unsigned int nr);
unsigned int vmdedup_jobs_run(const struct vmdedup_job *jobs, unsigned int nr,
			      unsigned int max);
unsigned int vmdedup_jobs_same_table(const struct vmdedup_job *jobs,
				     unsigned int nr);
unsigned int vmdedup_jobs_same_region(const struct vmdedup_job *jobs,
				      unsigned int nr);

#endif /* VMDEDUP_CORE_RUNS_H */
