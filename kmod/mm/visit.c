// SPDX-License-Identifier: GPL-2.0
#include <linux/ktime.h>
#include <linux/mm.h>

#include "ledger.h"
#include "visit.h"

/*
 * Merged pages that are private now. What was merged is lost by being written
 * to, and by being unmapped; but only the former leaves a page that was not
 * there. Where both go on in one chunk, what is unmapped can hide what is
 * written to: it is never too much.
 */
static unsigned int cell_broken(const struct vmdedup_cell *old,
				const struct vmdedup_cell *new)
{
	unsigned int lost = 0, gained = 0;

	if (old->merged > new->merged)
		lost += old->merged - new->merged;
	if (old->made > new->zero)
		lost += old->made - new->zero;
	if (new->unique > old->unique)
		gained = new->unique - old->unique;
	return min(lost, gained);
}

/* Returns what was broken. */
static unsigned int cell_update(struct vmdedup_visit *visit,
				struct vmdedup_cell *cell)
{
	const struct vmdedup_count *seen = &visit->seen;
	struct vmdedup_cell new = *cell;
	unsigned int broken;

	new.merged = seen->merged;
	new.zero = seen->zero;
	new.made = min(cell->made, new.zero);
	new.unique = seen->resident - seen->merged - seen->zero;
	new.saved = seen->saved - (seen->zero << PAGE_SHIFT);
	broken = cell_broken(cell, &new);
	/* Who only counts may come by too often to say that all is quiet. */
	if (broken || visit->visiting == VMDEDUP_VISIT_SCAN)
		visit->vain = vmdedup_schedule_broken(&new.schedule,
						      ktime_get_seconds(),
						      cell->merged + cell->made,
						      broken);
	if (visit->visiting == VMDEDUP_VISIT_SCAN &&
	    visit->purpose != VMDEDUP_SCAN_NOW)
		vmdedup_schedule_seen(&new.schedule, visit->pass);
	vmdedup_cell_set(visit->region, cell, &new);
	return broken;
}

/* Write down what was found in the open chunk. */
static void visit_close(struct vmdedup_visit *visit)
{
	struct vmdedup_region *region = visit->region;
	struct vmdedup_cell *cell;
	unsigned int broken = 0;

	visit->open = false;
	if (!visit->known || visit->visiting == VMDEDUP_VISIT_NOT)
		return;
	spin_lock(&region->lock);
	cell = vmdedup_cell_find(region, visit->index);
	/* A new stamp comes with all that is merged. */
	if (cell && !cell->merging && cell->stamp == visit->stamp) {
		broken = cell_update(visit, cell);
		if (!visit->seen.resident)
			vmdedup_cell_drop(region, visit->index, cell);
	}
	spin_unlock(&region->lock);
	if (!broken)
		return;
	visit->broken += broken;
	vmdedup_ledger_charge(region, VMDEDUP_LEDGER_cow_breaks, broken);
	spin_lock(&region->space->lock);
	region->space->broken += broken;
	spin_unlock(&region->space->lock);
}

/**
 * vmdedup_visit_begin() - begin with the first chunk of a part of a region
 * @visit: out: to be told the purpose, and the number of the pass
 * @region: with a reference, which the visit uses until vmdedup_visit_end()
 * @start: where the part begins: where the region does, or a chunk
 * @end: where it ends, likewise
 */
void vmdedup_visit_begin(struct vmdedup_visit *visit,
			 struct vmdedup_region *region, unsigned long start,
			 unsigned long end)
{
	memset(visit, 0, sizeof(*visit));
	visit->region = region;
	visit->start = start;
	visit->end = end;
	visit->clean = start >> PMD_SHIFT;
	spin_lock(&region->lock);
	visit->since = region->changes;
	spin_unlock(&region->lock);
}

static enum vmdedup_visiting visiting(struct vmdedup_visit *visit,
				      const struct vmdedup_cell *cell)
{
	switch (visit->purpose) {
	case VMDEDUP_COUNT_ALL:
		return VMDEDUP_VISIT_COUNT;
	case VMDEDUP_SCAN_NOW:
		return VMDEDUP_VISIT_SCAN;
	case VMDEDUP_SCAN_DUE:
	case VMDEDUP_SCAN_ALL:
		break;
	}
	if (!cell)
		return VMDEDUP_VISIT_SCAN;
	return vmdedup_schedule_ask(&cell->schedule, visit->pass,
				    ktime_get_seconds(),
				    visit->purpose == VMDEDUP_SCAN_ALL);
}

/* Begin with another chunk. */
static void visit_open(struct vmdedup_visit *visit, unsigned long index)
{
	struct vmdedup_region *region = visit->region;
	struct vmdedup_cell *cell;

	/* What is passed by on the way has no page tables. */
	if (index > visit->clean)
		vmdedup_cells_drop(region, visit->clean, index - 1,
				   &visit->since);
	visit->clean = index + 1;
	/* The mmap_lock is held. */
	visit->lacking |= !vmdedup_cell_prepare(region, index, false);

	spin_lock(&region->lock);
	cell = vmdedup_cell_find(region, index);
	visit->visiting = visiting(visit, cell);
	visit->interval = cell ? vmdedup_schedule_interval(&cell->schedule) : 1;
	visit->credit = cell ? cell->credit : vmdedup_credit_unknown;
	visit->known = cell && !cell->merging;
	visit->stamp = cell ? cell->stamp : 0;
	visit->since = region->changes;
	spin_unlock(&region->lock);

	visit->open = true;
	visit->vain = false;
	visit->index = index;
	memset(&visit->seen, 0, sizeof(visit->seen));
	visit->passed_over += visit->visiting == VMDEDUP_VISIT_NOT;
}

/**
 * vmdedup_visit_chunk() - about to look at a chunk's page table, or huge page
 * @visit: the visit
 * @addr: an address that it maps; they come in ascending order
 *
 * May sleep; the mmap_lock may be held.
 *
 * Return: what to do with it.
 */
enum vmdedup_visiting vmdedup_visit_chunk(struct vmdedup_visit *visit,
					  unsigned long addr)
{
	unsigned long index = addr >> PMD_SHIFT;

	/* It may be that of more than one mapping. */
	if (visit->open && visit->index != index)
		visit_close(visit);
	if (!visit->open)
		visit_open(visit, index);
	return visit->visiting;
}

/* Before any of it is merged, which makes up for it. */
static void spend(struct vmdedup_visit *visit)
{
	struct vmdedup_region *region = visit->region;
	struct vmdedup_cell *cell;

	spin_lock(&region->lock);
	cell = vmdedup_cell_find(region, visit->index);
	if (cell) {
		/* Nothing is hashed of what is to be left alone. */
		vmdedup_credit_spend(&cell->credit, visit->sketched,
				     visit->vain ? 0 : visit->hashed);
		visit->credit = cell->credit;
	}
	spin_unlock(&region->lock);
	visit->sketched = 0;
	visit->hashed = 0;
}

/**
 * vmdedup_visit_step() - page tables were looked at
 * @visit: after vmdedup_visit_chunk() for each of them
 * @next: up to where
 * @seen: what was found in the last one
 *
 * May sleep.
 */
void vmdedup_visit_step(struct vmdedup_visit *visit, unsigned long next,
			const struct vmdedup_seen *seen)
{
	if (seen->any)
		vmdedup_count_add(&visit->seen, &seen->count);
	/* The rest of the chunk may be in another mapping. */
	if (visit->open && next >> PMD_SHIFT > visit->index)
		visit_close(visit);
	if (visit->sketched && visit->purpose != VMDEDUP_SCAN_NOW)
		spend(visit);
	/* Once: it may take long, and finds memory for more than one, or none. */
	if (visit->lacking && !visit->waited) {
		visit->waited = true;
		vmdedup_cell_prepare(visit->region, visit->index, true);
	}
}

/**
 * vmdedup_visit_end() - end a visit
 * @visit: the visit
 * @complete: was all of the part looked at?
 *
 * May sleep.
 */
void vmdedup_visit_end(struct vmdedup_visit *visit, bool complete)
{
	unsigned long last = (visit->end - 1) >> PMD_SHIFT;

	if (!complete)
		return;
	if (visit->open)
		visit_close(visit);
	if (visit->clean <= last)
		vmdedup_cells_drop(visit->region, visit->clean, last,
				   &visit->since);
}
