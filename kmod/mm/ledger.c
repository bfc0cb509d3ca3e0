// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "ledger.h"

/* Cells dropped under one hold of the region's lock. */
#define DROP_BATCH	64
/* Pages of a chunk. */
#define CHUNK_PAGES	VMDEDUP_RUN_MAX

static atomic_long_t nr_cells;

/**
 * vmdedup_ledger_bytes() - memory that cells take
 */
u64 vmdedup_ledger_bytes(void)
{
	return atomic_long_read(&nr_cells) * sizeof(struct vmdedup_cell);
}

/* Change a cell, and with it the sums. */
static void cell_set(struct vmdedup_region *region, struct vmdedup_cell *cell,
		     const struct vmdedup_cell *new)
{
	s64 merged = new->merged - cell->merged;
	s64 zero = new->zero - cell->zero;
	s64 unique = new->unique - cell->unique;
	u64 *sum = region->ledger.value;

	lockdep_assert_held(&region->lock);
	sum[VMDEDUP_LEDGER_merged] += merged;
	sum[VMDEDUP_LEDGER_zero] += zero;
	sum[VMDEDUP_LEDGER_unique] += unique;
	sum[VMDEDUP_LEDGER_resident] += merged + zero + unique;
	sum[VMDEDUP_LEDGER_saved_bytes] += (s64)new->saved - cell->saved +
					   zero * (s64)PAGE_SIZE;
	region->zero_made += new->made - cell->made;
	*cell = *new;
}

static void cell_drop(struct vmdedup_region *region, unsigned long index,
		      struct vmdedup_cell *cell)
{
	static const struct vmdedup_cell none;

	cell_set(region, cell, &none);
	xa_erase(&region->cells, index);
	kfree(cell);
	atomic_long_dec(&nr_cells);
}

static struct vmdedup_cell *cell_find(struct vmdedup_region *region,
				      unsigned long index)
{
	lockdep_assert_held(&region->lock);
	return xa_load(&region->cells, index);
}

/* Have a cell for a chunk; without memory there is none until the next visit. */
static void cell_prepare(struct vmdedup_region *region, unsigned long index)
{
	struct vmdedup_cell *cell;

	if (xa_load(&region->cells, index))
		return;
	cell = kzalloc(sizeof(*cell), GFP_KERNEL | __GFP_NOWARN);
	if (!cell)
		return;
	if (xa_insert(&region->cells, index, cell, GFP_KERNEL | __GFP_NOWARN))
		kfree(cell);	/* somebody else's is there, or no memory */
	else
		atomic_long_inc(&nr_cells);
}

/**
 * vmdedup_ledger_charge() - add to a COUNTER of a region
 * @region: with a reference; may be dead
 * @item: which
 * @n: how much
 *
 * Any context that may take a spinlock.
 */
void vmdedup_ledger_charge(struct vmdedup_region *region,
			   enum vmdedup_ledger_item item, u64 n)
{
	struct vmdedup_space *space = region->space;

	if (!n)
		return;
	spin_lock(&region->lock);
	if (region->dead) {
		spin_lock(&space->lock);
		space->gone.value[item] += n;
		spin_unlock(&space->lock);
	} else {
		region->ledger.value[item] += n;
	}
	spin_unlock(&region->lock);
}

/**
 * vmdedup_ledger_fold() - a region dies: its COUNTERs become its guest's
 * @region: the registry lock is held
 */
void vmdedup_ledger_fold(struct vmdedup_region *region)
{
	struct vmdedup_space *space = region->space;

	spin_lock(&region->lock);
	spin_lock(&space->lock);
	vmdedup_ledger_add_counters(&space->gone, &region->ledger);
	spin_unlock(&space->lock);
	WRITE_ONCE(region->dead, true);
	spin_unlock(&region->lock);
}

/* Drop the cells of chunks from @first to @last, while nothing else changes. */
static void drop_range(struct vmdedup_region *region, unsigned long first,
		       unsigned long last, const struct vmdedup_visit *visit)
{
	struct vmdedup_cell *cell;
	unsigned long index;
	unsigned int nr;

	do {
		nr = 0;
		spin_lock(&region->lock);
		if (visit && (region->merging ||
			      region->changes != visit->changes)) {
			spin_unlock(&region->lock);
			return;
		}
		xa_for_each_range(&region->cells, index, cell, first, last) {
			cell_drop(region, index, cell);
			if (++nr == DROP_BATCH)
				break;
		}
		spin_unlock(&region->lock);
		cond_resched();
	} while (nr == DROP_BATCH);
}

/**
 * vmdedup_ledger_forget() - what is known of a region's pages holds no longer
 * @region: with a reference
 *
 * Its merged pages were given private copies, for one, which is not to be taken
 * for the work of a guest. May sleep.
 */
void vmdedup_ledger_forget(struct vmdedup_region *region)
{
	spin_lock(&region->lock);
	region->changes++;
	spin_unlock(&region->lock);
	drop_range(region, 0, ULONG_MAX, NULL);
}

/**
 * vmdedup_ledger_free() - free a region's cells
 * @region: nobody uses it any more
 *
 * May sleep.
 */
void vmdedup_ledger_free(struct vmdedup_region *region)
{
	drop_range(region, 0, ULONG_MAX, NULL);
	xa_destroy(&region->cells);
}

/**
 * vmdedup_ledger_merge_begin() - somebody is about to merge in a region
 * @region: with a reference
 */
void vmdedup_ledger_merge_begin(struct vmdedup_region *region)
{
	spin_lock(&region->lock);
	region->merging++;
	spin_unlock(&region->lock);
}

/**
 * vmdedup_ledger_merged() - pages of one chunk were merged
 * @region: after vmdedup_ledger_merge_begin()
 * @vpn: a page of the chunk
 * @merged: pages now mapped to shared frames
 * @zero: pages now mapped to the zero page
 * @saved: bytes that @merged save
 */
void vmdedup_ledger_merged(struct vmdedup_region *region, u64 vpn, u64 merged,
			   u64 zero, u64 saved)
{
	struct vmdedup_cell *cell, new;

	spin_lock(&region->lock);
	cell = cell_find(region, vpn / CHUNK_PAGES);
	if (cell) {
		new = *cell;
		new.merged = min_t(u64, CHUNK_PAGES, new.merged + merged);
		new.zero = min_t(u64, CHUNK_PAGES, new.zero + zero);
		new.made = min_t(u64, CHUNK_PAGES, new.made + zero);
		new.unique -= min_t(u64, new.unique, merged + zero);
		new.saved = min_t(u64, CHUNK_PAGES * PAGE_SIZE,
				  new.saved + saved);
		cell_set(region, cell, &new);
	}
	spin_unlock(&region->lock);
}

/**
 * vmdedup_ledger_merge_end() - undo vmdedup_ledger_merge_begin()
 * @region: the region
 */
void vmdedup_ledger_merge_end(struct vmdedup_region *region)
{
	spin_lock(&region->lock);
	region->merging--;
	region->changes++;
	spin_unlock(&region->lock);
}

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

/* Write down what was found in the open chunk; returns what was broken. */
static u64 visit_close(struct vmdedup_visit *visit)
{
	struct vmdedup_region *region = visit->region;
	const struct vmdedup_count *seen = &visit->seen;
	struct vmdedup_cell *cell, new;
	u64 broken = 0;

	visit->open = false;
	if (!visit->valid || !seen->resident)
		return 0;	/* a cell that is there is dropped later */
	if (visit->index > visit->clean)
		drop_range(region, visit->clean, visit->index - 1, visit);
	visit->clean = visit->index + 1;
	cell_prepare(region, visit->index);

	spin_lock(&region->lock);
	visit->valid = !region->merging && region->changes == visit->changes;
	cell = cell_find(region, visit->index);
	if (visit->valid && cell) {
		new.merged = seen->merged;
		new.zero = seen->zero;
		new.made = min(cell->made, new.zero);
		new.unique = seen->resident - seen->merged - seen->zero;
		new.saved = seen->saved - (seen->zero << PAGE_SHIFT);
		broken = cell_broken(cell, &new);
		cell_set(region, cell, &new);
		visit->changes = ++region->changes;
	}
	spin_unlock(&region->lock);
	if (broken) {
		vmdedup_ledger_charge(region, VMDEDUP_LEDGER_cow_breaks, broken);
		spin_lock(&region->space->lock);
		region->space->broken += broken;
		spin_unlock(&region->space->lock);
	}
	return broken;
}

/**
 * vmdedup_visit_begin() - begin at a region's first chunk
 * @visit: out
 * @region: with a reference, which the visit uses until vmdedup_visit_end()
 */
void vmdedup_visit_begin(struct vmdedup_visit *visit,
			 struct vmdedup_region *region)
{
	memset(visit, 0, sizeof(*visit));
	visit->region = region;
	visit->clean = region->start >> PMD_SHIFT;
}

/**
 * vmdedup_visit_look() - about to look at the page tables
 * @visit: the visit
 */
void vmdedup_visit_look(struct vmdedup_visit *visit)
{
	struct vmdedup_region *region = visit->region;

	if (visit->open)
		return;
	spin_lock(&region->lock);
	visit->valid = !region->merging;
	visit->changes = region->changes;
	spin_unlock(&region->lock);
}

/**
 * vmdedup_visit_step() - page tables were looked at
 * @visit: after vmdedup_visit_look()
 * @next: up to where
 * @seen: what was found on the way; all else was empty
 *
 * May sleep.
 *
 * Return: how many merged pages were found private again.
 */
u64 vmdedup_visit_step(struct vmdedup_visit *visit, unsigned long next,
		       const struct vmdedup_seen *seen)
{
	unsigned long index = seen->at >> PMD_SHIFT;
	u64 broken = 0;

	if (seen->any) {
		if (visit->open && visit->index != index)
			broken += visit_close(visit);
		if (!visit->open)
			memset(&visit->seen, 0, sizeof(visit->seen));
		visit->open = true;
		visit->index = index;
		vmdedup_count_add(&visit->seen, &seen->count);
	}
	/* The rest of the chunk may be in another mapping. */
	if (visit->open && next >> PMD_SHIFT > visit->index)
		broken += visit_close(visit);
	return broken;
}

/**
 * vmdedup_visit_end() - end a visit
 * @visit: the visit
 * @complete: was all of the region looked at?
 *
 * May sleep.
 *
 * Return: how many merged pages were found private again.
 */
u64 vmdedup_visit_end(struct vmdedup_visit *visit, bool complete)
{
	struct vmdedup_region *region = visit->region;
	unsigned long last = (region->end - 1) >> PMD_SHIFT;
	u64 broken = 0;

	if (!complete)
		return 0;
	if (visit->open)
		broken = visit_close(visit);
	if (visit->clean <= last) {
		vmdedup_visit_look(visit);
		if (visit->valid)
			drop_range(region, visit->clean, last, visit);
	}
	return broken;
}
