// SPDX-License-Identifier: GPL-2.0
/*
 * Spares: a candidate and a frame at hand, for the next content that is to be noted
 * and the next pair that is to be merged.
 *
 * Both are charged to the memory cgroup of the guest whose chunk is worked on: who
 * has many of them would use more memory than it may have. At its limit, the kernel
 * reclaims from that cgroup before it gives any, and may put the caller to sleep;
 * which must not be for as long as somebody else's mmap_lock is held, nor again and
 * again, since all other guests wait for the scanner. But a cgroup that is full of
 * file cache is to have its guest merged all the same: so what is not there at once
 * is waited for with no lock held, some times in each segment.
 */
#include "../mm/charge.h"
#include "../mm/frame.h"
#include "worker.h"

/* Each finds a few dozen pages, if there is anything to be reclaimed. */
#define WAITS	2

static bool have_both(const struct vmdedup_worker *worker)
{
	return worker->spare && worker->frame;
}

static bool get_both(struct vmdedup_worker *worker, bool wait)
{
	gfp_t gfp = vmdedup_charge_gfp(wait);
	struct vmdedup_charge charge;

	vmdedup_charge_begin(&charge, worker->region->space->mm);
	if (!worker->spare)
		worker->spare = vmdedup_cand_alloc(gfp);
	if (!worker->frame)
		worker->frame = vmdedup_frame_alloc(gfp);
	vmdedup_charge_end(&charge);
	return have_both(worker);
}

/**
 * vmdedup_spare_begin() - nothing was waited for yet
 * @worker: at the begin of a segment
 */
void vmdedup_spare_begin(struct vmdedup_worker *worker)
{
	worker->waits = WAITS;
}

/**
 * vmdedup_spare_get() - have both spares at hand, if that needs no waiting
 * @worker: in a segment
 *
 * Does not sleep.
 */
bool vmdedup_spare_get(struct vmdedup_worker *worker)
{
	return have_both(worker) || get_both(worker, false);
}

/**
 * vmdedup_spare_wait() - likewise, if there is anything to be had
 * @worker: in a segment
 *
 * To be called after vmdedup_spare_get(), with no lock held. May sleep, for some
 * seconds even; not if that was in vain in this segment.
 */
bool vmdedup_spare_wait(struct vmdedup_worker *worker)
{
	if (!worker->waits)
		return false;
	worker->waits--;
	if (get_both(worker, true))
		return true;
	worker->waits = 0;
	return false;
}

/**
 * vmdedup_spare_drop() - have none
 * @worker: at the end of a segment
 *
 * They are charged to this guest, whose cgroup they would keep.
 */
void vmdedup_spare_drop(struct vmdedup_worker *worker)
{
	vmdedup_cand_free(worker->spare);
	worker->spare = NULL;
	if (worker->frame)
		vmdedup_frame_free(worker->frame);
	worker->frame = NULL;
}
