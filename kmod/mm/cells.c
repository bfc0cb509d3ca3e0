// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "cells.h"
#include "charge.h"

/* Cells dropped under one hold of the region's lock. */
#define DROP_BATCH	64

static struct kmem_cache *cell_cache;
static atomic_long_t nr_cells;

/**
 * vmdedup_cells_init() - set up before any region is made
 * Return: 0 or -ENOMEM.
 */
int vmdedup_cells_init(void)
{
	cell_cache = kmem_cache_create("vmdedup_cell",
				       sizeof(struct vmdedup_cell), 0, 0, NULL);
	return cell_cache ? 0 : -ENOMEM;
}

/** vmdedup_cells_exit() - undo vmdedup_cells_init() */
void vmdedup_cells_exit(void)
{
	kmem_cache_destroy(cell_cache);
}

/**
 * vmdedup_cells_bytes() - memory that cells take
 */
u64 vmdedup_cells_bytes(void)
{
	return atomic_long_read(&nr_cells) * sizeof(struct vmdedup_cell);
}

/**
 * vmdedup_cell_find() - the cell of a chunk
 * @region: locked
 * @index: the chunk's: address >> PMD_SHIFT
 *
 * Return: the cell, or NULL.
 */
struct vmdedup_cell *vmdedup_cell_find(struct vmdedup_region *region,
				       unsigned long index)
{
	lockdep_assert_held(&region->lock);
	return xa_load(&region->cells, index);
}

static void cell_make(struct vmdedup_region *region, unsigned long index,
		      gfp_t gfp)
{
	struct vmdedup_cell *cell = kmem_cache_zalloc(cell_cache, gfp);

	if (!cell)
		return;
	spin_lock(&region->lock);
	cell->stamp = ++region->changes;
	spin_unlock(&region->lock);
	if (xa_insert(&region->cells, index, cell, gfp))
		/* Somebody else's is there, or no memory. */
		kmem_cache_free(cell_cache, cell);
	else
		atomic_long_inc(&nr_cells);
}

/**
 * vmdedup_cell_prepare() - have a cell for a chunk
 * @region: not locked
 * @index: the chunk's
 * @wait: may memory be waited for? see vmdedup_charge_gfp()
 *
 * It is charged to whoever's memory it is of: there is one for each chunk that they
 * have touched since it was looked at last, which may be more than they have at a
 * time. Without memory there is none until the next time.
 *
 * Return: whether there was one.
 */
bool vmdedup_cell_prepare(struct vmdedup_region *region, unsigned long index,
			  bool wait)
{
	struct vmdedup_charge charge;

	if (xa_load(&region->cells, index))
		return true;
	vmdedup_charge_begin(&charge, region->space->mm);
	cell_make(region, index, vmdedup_charge_gfp(wait));
	vmdedup_charge_end(&charge);
	return xa_load(&region->cells, index);
}

/**
 * vmdedup_cell_set() - change a cell, and with it the sums
 * @region: locked
 * @cell: the cell
 * @new: what it is to be, but for its stamp
 */
void vmdedup_cell_set(struct vmdedup_region *region, struct vmdedup_cell *cell,
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
	cell->stamp = ++region->changes;
}

/**
 * vmdedup_cell_drop() - forget what is known of a chunk
 * @region: locked
 * @index: the chunk's
 * @cell: its cell, in which nobody merges
 */
void vmdedup_cell_drop(struct vmdedup_region *region, unsigned long index,
		       struct vmdedup_cell *cell)
{
	static const struct vmdedup_cell none;

	vmdedup_cell_set(region, cell, &none);
	xa_erase(&region->cells, index);
	kmem_cache_free(cell_cache, cell);
	atomic_long_dec(&nr_cells);
}

/**
 * vmdedup_cells_drop() - likewise, of a range of chunks
 * @region: not locked
 * @first: index of the first
 * @last: of the last
 * @since: but not what has changed since region->changes had this value; or NULL
 *
 * Those in which somebody merges stay. May sleep.
 */
void vmdedup_cells_drop(struct vmdedup_region *region, unsigned long first,
			unsigned long last, const u32 *since)
{
	struct vmdedup_cell *cell;
	unsigned long index;
	unsigned int nr;

	do {
		nr = 0;
		spin_lock(&region->lock);
		xa_for_each_range(&region->cells, index, cell, first, last) {
			if (++nr > DROP_BATCH)
				break;
			first = index + 1;
			if (!cell->merging &&
			    (!since || (s32)(cell->stamp - *since) <= 0))
				vmdedup_cell_drop(region, index, cell);
		}
		spin_unlock(&region->lock);
		cond_resched();
	} while (nr > DROP_BATCH);
}
