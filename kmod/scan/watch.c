// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#include "../mm/news.h"
#include "../mm/reserve.h"
#include "../mm/space.h"
#include "engine.h"
#include "watch.h"

/*
 * Memory is low if less is available than would be needed if all that is saved
 * were written to, and 1/64 of all memory; it is no longer when there is 1/32 of
 * all memory to spare.
 */
#define LOW_SHIFT	6
#define ENOUGH_SHIFT	5

/* Of who aims the reserve, so that the last one to do so knows all. */
static DEFINE_MUTEX(aim_lock);
static u64 saved_last; /* written under aim_lock */

/* As large as was asked for, or as a part of what is saved. */
static void aim_reserve(void)
{
	u64 fixed = (u64)READ_ONCE(vmdedup_tunables.reserve_mib) * SZ_1M;
	u64 part = div_u64(saved_last *
			   READ_ONCE(vmdedup_tunables.reserve_percent), 100);

	lockdep_assert_held(&aim_lock);
	vmdedup_reserve_aim(max(fixed, part) >> PAGE_SHIFT);
}

/**
 * vmdedup_watch_tuned() - a tunable was changed: heed it at once
 *
 * May sleep.
 */
void vmdedup_watch_tuned(void)
{
	mutex_lock(&aim_lock);
	aim_reserve();
	mutex_unlock(&aim_lock);
}

/**
 * vmdedup_watch_pending() - is there something saved, as far as is known here?
 *
 * If so, vmdedup_watch_reserve() is to be called again.
 */
bool vmdedup_watch_pending(void)
{
	return READ_ONCE(saved_last);
}

/**
 * vmdedup_watch_storms() - which guests write to what was merged?
 *
 * To be called after each pass. May sleep.
 */
void vmdedup_watch_storms(void)
{
	struct vmdedup_news news = { .type = VMDEDUP_EVENT_COW_STORM };
	u64 id = 0, last = vmdedup_space_newest();
	struct vmdedup_space *space;

	while ((space = vmdedup_space_next(id, last))) {
		id = space->id;
		news.space = space;
		if (vmdedup_space_storm(space, &news.merged, &news.broken))
			vmdedup_news_send(&news);
		vmdedup_space_put(space);
		cond_resched();
	}
}

/**
 * vmdedup_watch_reserve() - does memory suffice if everything is written to?
 * @saved_bytes: what that would take
 *
 * Also has the reserve follow it. For the scanner's thread only. May sleep.
 */
void vmdedup_watch_reserve(u64 saved_bytes)
{
	static bool low;
	struct vmdedup_news news = {
		.type = VMDEDUP_EVENT_RESERVE_LOW,
		.available = (u64)max(si_mem_available(), 0L) << PAGE_SHIFT,
	};
	u64 total = (u64)totalram_pages() << PAGE_SHIFT;
	u64 at_hand;

	mutex_lock(&aim_lock);
	WRITE_ONCE(saved_last, saved_bytes);
	aim_reserve();
	mutex_unlock(&aim_lock);

	news.reserve = vmdedup_reserve_pages() << PAGE_SHIFT;
	at_hand = news.available + news.reserve;
	if (!low && at_hand < saved_bytes + (total >> LOW_SHIFT)) {
		low = true;
		vmdedup_news_send(&news);
	} else if (low && at_hand >= saved_bytes + (total >> ENOUGH_SHIFT)) {
		low = false;
	}
}
