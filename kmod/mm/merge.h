/* SPDX-License-Identifier: GPL-2.0 */
/* Merging a run of pages: the last stage of the pipeline. */
#ifndef VMDEDUP_MM_MERGE_H
#define VMDEDUP_MM_MERGE_H

#include <linux/mm_types.h>
#include <linux/mutex.h>

#include "../core/runs.h"
#include "../core/stats.h"

/*
 * Twice as many as there are pages in a run: when a page table goes while
 * migrate_vma_setup() looks at it, it begins anew behind what it has noted.
 */
#define VMDEDUP_WINDOW_SLOTS	(2 * VMDEDUP_RUN_MAX)

/**
 * struct vmdedup_window - a run of pages taken away from their mappings
 * @src: for migrate_vma_setup()
 * @dst: likewise; stays empty, the kernel moves nothing for us
 * @ask: which jobs of the run are worth taking the page away for
 * @take: which pages of a part of the run were taken away and found equal
 * @splitting: to take away the first one splits a huge page
 * @longest_ns: longest time for which a run was unmapped
 */
struct vmdedup_window {
	unsigned long src[VMDEDUP_WINDOW_SLOTS];
	unsigned long dst[VMDEDUP_WINDOW_SLOTS];
	bool ask[VMDEDUP_RUN_MAX];
	bool take[VMDEDUP_RUN_MAX];
	bool splitting;
	u64 longest_ns;
};

/**
 * struct vmdedup_merge_opts - what a merge may do
 * @split: the huge page at hand may be split; is reset once that was tried
 * @was_split: it was split just now; if that has mapped parts of it to the
 *	zero page already, they count as merged
 * @writing: the mmap_lock is held for writing
 * @always_writing: out: of the mapping at hand that is so for each run
 * @drain: a page in the LRU cache of a CPU may be asked for, which drains
 *	those of all; is reset by the first run that does so
 */
struct vmdedup_merge_opts {
	bool split;
	bool was_split;
	bool drain;
	bool writing;
	bool always_writing;
};

unsigned int vmdedup_merge_run(struct mm_struct *mm,
			       const struct vmdedup_job *jobs, unsigned int nr,
			       struct vmdedup_merge_opts *opts,
			       struct vmdedup_window *win,
			       struct vmdedup_tally *tally);

#endif /* VMDEDUP_MM_MERGE_H */
