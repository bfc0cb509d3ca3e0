/* SPDX-License-Identifier: GPL-2.0 */
/* Merging on request. */
#ifndef VMDEDUP_SCAN_REQUEST_H
#define VMDEDUP_SCAN_REQUEST_H

#include <linux/mm_types.h>

#include "../core/stats.h"

/* Passes that a merge request makes unless it says how many. */
#define VMDEDUP_DEFAULT_ROUNDS	3

/**
 * struct vmdedup_merge_request - scan and merge now
 * @region: id of a region, or 0 for all that @may says yes to
 * @may: may the caller manage this address space of this process?
 * @max_rounds: passes at the most, at least 1
 * @rounds: out: passes made
 * @total: out: events of all passes; skips of the last one
 */
struct vmdedup_merge_request {
	u64 region;
	bool (*may)(struct mm_struct *mm, struct pid *pid);
	unsigned int max_rounds;
	unsigned int rounds;
	struct vmdedup_tally total;
};

int vmdedup_merge_now(struct vmdedup_merge_request *req);

#endif /* VMDEDUP_SCAN_REQUEST_H */
