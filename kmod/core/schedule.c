// SPDX-License-Identifier: GPL-2.0
#include "schedule.h"

/* Visits that may give nothing before a chunk is looked at less often. */
#define PATIENCE	1
/* Then it takes so many to come down to one in VMDEDUP_SCHEDULE_PERIOD. */
#define IDLE_MAX	(PATIENCE + 5)
#define HEAT_MAX	6
/*
 * In vain: so many pages were written to, and so many parts of what was merged at
 * all, or lately.
 */
#define VAIN_PAGES	8
#define VAIN_PART	4
#define VAIN_LATELY	2

/**
 * vmdedup_schedule_interval() - how often to look at a chunk
 * @schedule: the chunk's
 *
 * Return: in one of so many passes.
 */
unsigned int vmdedup_schedule_interval(const struct vmdedup_schedule *schedule)
{
	if (schedule->idle <= PATIENCE)
		return 1;
	return 1U << (min_t(unsigned int, schedule->idle, IDLE_MAX) - PATIENCE);
}

/**
 * vmdedup_schedule_cold() - is a chunk to be left alone?
 * @schedule: the chunk's
 * @now: the time, seconds; it wraps
 */
bool vmdedup_schedule_cold(const struct vmdedup_schedule *schedule, u16 now)
{
	/* What is longer ahead than it can be set is in the past. */
	u16 left = schedule->until - now;

	return schedule->heat && left && left <= VMDEDUP_SCHEDULE_COLD_MAX;
}

/**
 * vmdedup_schedule_ask() - what to do with a chunk in a pass
 * @schedule: the chunk's
 * @pass: number of the pass
 * @now: the time, seconds
 * @all: is there reason to look at all of them?
 *
 * Those left alone because merging is in vain are not merged even then.
 *
 * Return: what to do.
 */
enum vmdedup_visiting
vmdedup_schedule_ask(const struct vmdedup_schedule *schedule, u16 pass,
		     u16 now, bool all)
{
	u16 ago = pass - schedule->last;

	if (!schedule->met)
		return VMDEDUP_VISIT_SCAN;
	if (vmdedup_schedule_cold(schedule, now))
		return all ? VMDEDUP_VISIT_COUNT : VMDEDUP_VISIT_NOT;
	if (all || ago >= vmdedup_schedule_interval(schedule))
		return VMDEDUP_VISIT_SCAN;
	return VMDEDUP_VISIT_NOT;
}

/**
 * vmdedup_schedule_seen() - a chunk was scanned
 * @schedule: the chunk's
 * @pass: number of the pass
 */
void vmdedup_schedule_seen(struct vmdedup_schedule *schedule, u16 pass)
{
	schedule->met = 1;
	schedule->last = pass;
	if (schedule->idle < IDLE_MAX)
		schedule->idle++;
}

/**
 * vmdedup_schedule_gave() - pages of a chunk were merged
 * @schedule: the chunk's
 * @pages: how many
 */
void vmdedup_schedule_gave(struct vmdedup_schedule *schedule,
			   unsigned int pages)
{
	schedule->idle = 0;
	schedule->gave = min(schedule->gave + pages, (unsigned int)S16_MAX);
}

/**
 * vmdedup_schedule_again() - pages of a chunk could not be merged just now
 * @schedule: the chunk's
 *
 * The visit is not to count as one that gave nothing.
 */
void vmdedup_schedule_again(struct vmdedup_schedule *schedule)
{
	if (schedule->idle)
		schedule->idle--;
}

/**
 * vmdedup_schedule_broken() - merged pages of a chunk were compared
 * @schedule: the chunk's
 * @now: the time, seconds
 * @merged: how many there were at the visit before, and were merged since
 * @broken: how many of them were written to since
 *
 * What happened in vain is forgiven when nothing was written to for as long as it
 * was left alone: a visit may come by at once after pages were merged.
 *
 * Return: true if merging was in vain, so that it is left alone for a while.
 */
bool vmdedup_schedule_broken(struct vmdedup_schedule *schedule, u16 now,
			     unsigned int merged, unsigned int broken)
{
	bool vain = broken >= VAIN_PAGES &&
		    (broken >= merged / VAIN_PART ||
		     broken >= schedule->gave / VAIN_LATELY);

	BUILD_BUG_ON(1U << HEAT_MAX != VMDEDUP_SCHEDULE_COLD_MAX);
	schedule->gave = 0;
	if (vain) {
		if (schedule->heat < HEAT_MAX)
			schedule->heat++;
		schedule->until = now + (1U << schedule->heat);
	} else if (!broken && schedule->heat &&
		   !vmdedup_schedule_cold(schedule, now) &&
		   (u16)(now - schedule->until) >= 1U << schedule->heat) {
		schedule->heat--;
		schedule->until = now;
	}
	return vain;
}
