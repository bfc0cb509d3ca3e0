// SPDX-License-Identifier: GPL-2.0
/*
 * Frames have no reverse mapping, which would cost memory for each page merged.
 * Who maps one is asked so seldom that page tables can be searched for it.
 */
#include <linux/mm.h>
#include <linux/sched.h>

#include "access.h"
#include "sharers.h"
#include "vma.h"
#include "walk.h"

/* Page tables looked at under one hold of the mmap_lock. */
#define TABLES	16

struct search {
	struct vmdedup_sought *sought;
	unsigned int nr;
};

static void search_pte(struct vmdedup_look *look, unsigned long addr, void *arg)
{
	struct search *search = arg;
	unsigned int i;

	if (look->kind != VMDEDUP_MERGED)
		return;
	for (i = 0; i < search->nr; i++) {
		struct vmdedup_sought *sought = &search->sought[i];

		if (look->page != sought->page)
			continue;
		if (!sought->mappings++)
			sought->first = addr;
		return;
	}
}

static void search_pmd(struct vmdedup_look *look, unsigned long addr,
		       unsigned long end, void *arg)
{
	/* No shared frame is part of a huge page. */
}

static const struct vmdedup_walk_ops search_ops = {
	.pte = search_pte,
	.pmd = search_pmd,
};

/**
 * vmdedup_sharers_find() - look for mappings of frames in a region
 * @region: with a reference
 * @sought: which frames; what was found is written there
 * @nr: how many, VMDEDUP_SOUGHT_MAX at the most
 * @go_on: asked now and then: false ends the search
 *
 * What is merged or unmapped meanwhile may be found or not. If the region's locks
 * cannot be had for long, the rest of it is left out. May sleep.
 */
void vmdedup_sharers_find(struct vmdedup_region *region,
			  struct vmdedup_sought *sought, unsigned int nr,
			  bool (*go_on)(void))
{
	struct mm_struct *mm = region->space->mm;
	struct search search = { .sought = sought, .nr = nr };
	unsigned int i, ticks = VMDEDUP_WAIT_STEPS;
	unsigned long addr = region->start;

	for (i = 0; i < nr; i++)
		sought[i].mappings = 0;
	while (addr < region->end && go_on()) {
		struct vmdedup_walker walker = {
			.skip = vmdedup_vma_skip_merged,
			.scan = &search_ops,
			.tables = TABLES,
			.arg = &search,
		};

		if (!vmdedup_region_enter(region, false))
			return;
		if (!vmdedup_mm_lock_step(mm, false, &ticks, &region->sem)) {
			vmdedup_region_leave(region);
			return;
		}
		addr = vmdedup_walk(mm, addr, region->end, &walker);
		vmdedup_mm_unlock(mm, false);
		vmdedup_region_leave(region);
		cond_resched();
	}
}
