// SPDX-License-Identifier: GPL-2.0
#include <linux/numa.h>
#include <linux/sizes.h>

#include "../mm/space.h"
#include "queue.h"

/* As much is handed out at a time. */
#define SEGMENT_SIZE	SZ_64M

static struct vmdedup_lane *lane_of(struct vmdedup_queue *queue, int node)
{
	return &queue->lane[(unsigned int)node % VMDEDUP_LANES];
}

static void lane_drop(struct vmdedup_lane *lane)
{
	vmdedup_region_put(lane->region);
	lane->region = NULL;
}

/* Have the next region in a lane, its own if that is free; false: none is left. */
static bool take_up(struct vmdedup_queue *queue, struct vmdedup_lane *lane,
		    u64 last, u16 pass, bool all)
{
	struct vmdedup_region *region = vmdedup_region_next(queue->id, last);
	int home;

	if (!region)
		return false;
	vmdedup_space_refresh(region->space);
	home = READ_ONCE(region->home);
	if (home != NUMA_NO_NODE && !lane_of(queue, home)->region)
		lane = lane_of(queue, home);
	queue->id = region->id;
	lane->region = region;
	lane->next = region->start;
	lane->purpose = all || vmdedup_space_stirred(region->space, pass) ?
			VMDEDUP_SCAN_ALL : VMDEDUP_SCAN_DUE;
	return true;
}

/**
 * vmdedup_queue_lane() - find something to hand out
 * @queue: of which
 * @node: to a thread that runs there
 * @last: id of the last region that may be
 * @pass: number of the pass
 * @all: look at all chunks?
 *
 * The pass is locked. May sleep.
 *
 * Return: a lane with a region, or NULL if there is none left.
 */
struct vmdedup_lane *vmdedup_queue_lane(struct vmdedup_queue *queue, int node,
					u64 last, u16 pass, bool all)
{
	struct vmdedup_lane *own = lane_of(queue, node);
	unsigned int i;

	/* As long as its own is empty, there is a free one. */
	while (!own->region && take_up(queue, own, last, pass, all))
		;
	for (i = 0; i < VMDEDUP_LANES; i++)
		if (lane_of(queue, node + i)->region)
			return lane_of(queue, node + i);
	return NULL;
}

/**
 * vmdedup_lane_take() - take a region's next segment
 * @lane: with a region
 * @segment: out; the caller puts its region
 */
void vmdedup_lane_take(struct vmdedup_lane *lane,
		       struct vmdedup_segment *segment)
{
	struct vmdedup_region *region = lane->region;
	unsigned long end = round_down(lane->next, SEGMENT_SIZE);

	/* Neither is to wrap at the end of the address space. */
	end = region->end - end > SEGMENT_SIZE ? end + SEGMENT_SIZE :
						 region->end;
	kref_get(&region->ref);
	segment->region = region;
	segment->start = lane->next;
	segment->end = end;
	lane->next = end;
	if (end == region->end)
		lane_drop(lane);
}

/**
 * vmdedup_queue_drop() - hand out no more of what was taken up
 * @queue: of which
 * @region: of this region, or of all if NULL
 */
void vmdedup_queue_drop(struct vmdedup_queue *queue,
			struct vmdedup_region *region)
{
	unsigned int i;

	for (i = 0; i < VMDEDUP_LANES; i++)
		if (queue->lane[i].region &&
		    (!region || queue->lane[i].region == region))
			lane_drop(&queue->lane[i]);
}
