/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When to look at a chunk again.
 *
 * A chunk is looked at in one pass out of so many: in each one while it is new
 * and as long as pages are merged in it; else half as often after each visit
 * that gave nothing. And one in which merged pages are written to about as fast
 * as they are merged is left alone for some seconds, twice as long each time it
 * happens again.
 */
#ifndef VMDEDUP_CORE_SCHEDULE_H
#define VMDEDUP_CORE_SCHEDULE_H

#include "gate.h"

/* Of so many passes one looks at all chunks. */
#define VMDEDUP_SCHEDULE_PERIOD		32
/* The longest that a chunk is left alone, seconds. */
#define VMDEDUP_SCHEDULE_COLD_MAX	64

/**
 * struct vmdedup_schedule - of one chunk
 * @last: the pass in which it was looked at last
 * @until: when it may be merged in again if @heat is not 0, or when something was
 *	forgiven, seconds
 * @gave: pages merged in it since it was looked at
 * @idle: visits since anything was merged in it
 * @heat: how often, of late, merges in it were in vain
 * @met: it was looked at ever
 */
struct vmdedup_schedule {
	u16 last;
	u16 until;
	u16 gave;
	u8 idle;
	u8 heat:7;
	u8 met:1;
};

/* What to do with a chunk. */
enum vmdedup_visiting {
	VMDEDUP_VISIT_NOT,	/* leave it out */
	VMDEDUP_VISIT_COUNT,	/* look at its page tables only */
	VMDEDUP_VISIT_SCAN,
};

enum vmdedup_visiting
vmdedup_schedule_ask(const struct vmdedup_schedule *schedule, u16 pass,
		     u16 now, bool all);
bool vmdedup_schedule_cold(const struct vmdedup_schedule *schedule, u16 now);
unsigned int vmdedup_schedule_interval(const struct vmdedup_schedule *schedule);
void vmdedup_schedule_seen(struct vmdedup_schedule *schedule, u16 pass);
void vmdedup_schedule_gave(struct vmdedup_schedule *schedule,
			   unsigned int pages);
void vmdedup_schedule_again(struct vmdedup_schedule *schedule);
bool vmdedup_schedule_broken(struct vmdedup_schedule *schedule, u16 now,
			     unsigned int merged, unsigned int broken);

#endif /* VMDEDUP_CORE_SCHEDULE_H */
