// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/sched.h>

#include "../mm/news.h"
#include "../mm/space.h"
#include "watch.h"

/*
 * Memory is low if less is available than would be needed if all that is saved
 * were written to, and 1/64 of all memory; it is no longer when there is 1/32 of
 * all memory to spare.
 */
#define LOW_SHIFT	6
#define ENOUGH_SHIFT	5

/**
 * vmdedup_watch_storms() - which guests write to what was merged?
 *
 * To be called after each pass. May sleep.
 */
void vmdedup_watch_storms(void)
{
	struct vmdedup_news news = { .type = VMDEDUP_EVENT_COW_STORM };
	struct vmdedup_space *space;
	u64 id = 0;

	while ((space = vmdedup_space_next(id))) {
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
 * For the scanner's thread only.
 */
void vmdedup_watch_reserve(u64 saved_bytes)
{
	static bool low;
	struct vmdedup_news news = {
		.type = VMDEDUP_EVENT_RESERVE_LOW,
		.available = (u64)max(si_mem_available(), 0L) << PAGE_SHIFT,
	};
	u64 total = (u64)totalram_pages() << PAGE_SHIFT;

	if (!low && news.available < saved_bytes + (total >> LOW_SHIFT)) {
		low = true;
		vmdedup_news_send(&news);
	} else if (low &&
		   news.available >= saved_bytes + (total >> ENOUGH_SHIFT)) {
		low = false;
	}
}
