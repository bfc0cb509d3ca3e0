// SPDX-License-Identifier: GPL-2.0
/*
 * Recounts: visits that only look.
 *
 * While the scanner runs, each pass brings the ledger up to date, but for chunks
 * that it passes over. A recount does for all, after something was merged or
 * undone and whenever somebody has asked for the ledger since the last one; while
 * the scanner runs, not more often than it is to look at all memory. So the
 * ledger is right at rest, for whoever asks twice; and costs nothing where nobody
 * asks.
 *
 * A page's part of the saving depends on how many others share it by now: that
 * is why a recount follows what was merged last.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "../mm/access.h"
#include "../mm/visit.h"
#include "engine.h"
#include "recount.h"

/* Recounts take no more than this part of the time. */
#define RECOUNT_SHARE	20

static bool wanted;
/* Of the scanner's thread: */
static u64 ended, took;

/**
 * vmdedup_recount_want() - the ledger is out of date, or somebody reads it
 *
 * Any context.
 */
void vmdedup_recount_want(void)
{
	if (!READ_ONCE(wanted))
		WRITE_ONCE(wanted, true);
}

/**
 * vmdedup_recount_region() - bring the ledger of a region up to date
 * @region: with a reference
 * @patient: wait for its locks, until a fatal signal arrives
 * @go_on: asked for each chunk, or NULL
 *
 * May sleep.
 *
 * Return: true if all of it was looked at.
 */
bool vmdedup_recount_region(struct vmdedup_region *region, bool patient,
			    bool (*go_on)(void))
{
	struct mm_struct *mm = region->space->mm;
	unsigned int ticks = VMDEDUP_WAIT_STEPS;
	unsigned long addr = region->start;
	struct vmdedup_visit visit;

	vmdedup_visit_begin(&visit, region, region->start, region->end);
	visit.purpose = VMDEDUP_COUNT_ALL;
	while (addr < region->end) {
		struct vmdedup_seen seen;

		if ((go_on && !go_on()) || fatal_signal_pending(current) ||
		    !vmdedup_region_enter(region, patient))
			break;
		if (!vmdedup_mm_lock_step(mm, patient, &ticks, &region->sem)) {
			vmdedup_region_leave(region);
			break;
		}
		addr = vmdedup_count_chunk(mm, addr, &visit, &seen);
		vmdedup_mm_unlock(mm, false);
		vmdedup_region_leave(region);
		vmdedup_visit_step(&visit, addr, &seen);
		cond_resched();
	}
	vmdedup_visit_end(&visit, addr >= region->end);
	vmdedup_account_event(VMDEDUP_EV_cow_breaks, visit.broken);
	return addr >= region->end;
}

/**
 * vmdedup_recount_if_due() - recount all regions, if there is need and time
 * @after: not before the last one is so long ago, ns
 * @go_on: asked for each chunk: false ends the recount
 *
 * For the scanner's thread only. May sleep.
 */
void vmdedup_recount_if_due(u64 after, bool (*go_on)(void))
{
	struct vmdedup_region *region;
	u64 began = ktime_get_ns(), id = 0, last = vmdedup_region_newest();
	bool all = true;

	if (!READ_ONCE(wanted) || !go_on() ||
	    began - ended < max(took * RECOUNT_SHARE, after))
		return;
	/* Before anything is looked at: what happens meanwhile counts anew. */
	xchg(&wanted, false);
	while (go_on() && (region = vmdedup_region_next(id, last))) {
		id = region->id;
		all &= vmdedup_recount_region(region, false, go_on);
		vmdedup_region_put(region);
		cond_resched();
	}
	if (!all || !go_on())
		vmdedup_recount_want();
	ended = ktime_get_ns();
	took = ended - began;
}
