/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Queues: regions that are handed out in segments.
 *
 * Regions are taken up in the order of their ids, and lie in lanes, one for the
 * memory of a node: a thread is given what is in the lane of the node that it
 * runs on, or, when nothing of that is left, what is in another.
 */
#ifndef VMDEDUP_SCAN_QUEUE_H
#define VMDEDUP_SCAN_QUEUE_H

#include "segment.h"

/* Of more nodes than that some share a lane. */
#define VMDEDUP_LANES	8

/**
 * struct vmdedup_lane - a region that is being handed out
 * @region: which, with a reference, or NULL
 * @next: where its next segment begins
 * @purpose: why it is scanned
 */
struct vmdedup_lane {
	struct vmdedup_region *region;
	unsigned long next;
	enum vmdedup_purpose purpose;
};

/**
 * struct vmdedup_queue - regions to be handed out
 * @id: of the last one that was taken up
 * @lane: by node
 */
struct vmdedup_queue {
	u64 id;
	struct vmdedup_lane lane[VMDEDUP_LANES];
};

struct vmdedup_lane *vmdedup_queue_lane(struct vmdedup_queue *queue, int node,
					u64 last, u16 pass, bool all);
void vmdedup_lane_take(struct vmdedup_lane *lane,
		       struct vmdedup_segment *segment);
void vmdedup_queue_drop(struct vmdedup_queue *queue,
			struct vmdedup_region *region);

#endif /* VMDEDUP_SCAN_QUEUE_H */
