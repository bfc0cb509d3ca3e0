/* SPDX-License-Identifier: GPL-2.0 */
/* Whole regions at once: counting their pages, undoing their merges. */
#ifndef VMDEDUP_MM_UNMERGE_H
#define VMDEDUP_MM_UNMERGE_H

#include "count.h"
#include "region.h"

int vmdedup_count_region(struct vmdedup_region *region,
			 struct vmdedup_count *count);
int vmdedup_unmerge_region(struct vmdedup_region *region, bool stay_frozen,
			   unsigned long *patience, u64 *pages);
int vmdedup_unmerge_check(void);

#endif /* VMDEDUP_MM_UNMERGE_H */
