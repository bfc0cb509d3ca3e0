/* SPDX-License-Identifier: GPL-2.0 */
/* Carrying a part of a region through the pipeline. */
#ifndef VMDEDUP_SCAN_SEGMENT_H
#define VMDEDUP_SCAN_SEGMENT_H

#include "../mm/visit.h"
#include "worker.h"

/**
 * struct vmdedup_segment - a part of a region
 * @region: with a reference
 * @start: where it begins: where the region does, or a chunk
 * @end: where it ends, likewise
 */
struct vmdedup_segment {
	struct vmdedup_region *region;
	unsigned long start;
	unsigned long end;
};

void vmdedup_segment_begin(struct vmdedup_worker *worker,
			   const struct vmdedup_segment *segment,
			   enum vmdedup_purpose purpose, u16 pass);
bool vmdedup_segment_step(struct vmdedup_worker *worker, unsigned long *addr);
void vmdedup_segment_done(struct vmdedup_worker *worker, bool complete);

#endif /* VMDEDUP_SCAN_SEGMENT_H */
