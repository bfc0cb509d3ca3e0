// SPDX-License-Identifier: GPL-2.0
#include <linux/ktime.h>
#include <linux/mm.h>

#include "cells.h"
#include "ledger.h"

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

/**
 * vmdedup_ledger_skips() - pages of a part of a region were skipped
 * @region: with a reference
 * @pass: the number of the pass in which all parts of the region are scanned
 * @bytes: how large the part is
 * @skipped: pages by reason
 *
 * When all parts were, in the same pass, what they have told is made known: it
 * is always that of a complete pass.
 */
void vmdedup_ledger_skips(struct vmdedup_region *region, u16 pass,
			  unsigned long bytes, const u64 *skipped)
{
	unsigned int i;

	spin_lock(&region->lock);
	if (!region->skip_bytes || region->skip_pass != pass) {
		memset(region->skipping, 0, sizeof(region->skipping));
		region->skip_bytes = 0;
		region->skip_pass = pass;
	}
	for (i = 0; i < VMDEDUP_SKIP_NR; i++)
		region->skipping[i] += skipped[i];
	region->skip_bytes += bytes;
	if (region->skip_bytes == region->end - region->start) {
		memcpy(region->ledger.skipped, region->skipping,
		       sizeof(region->skipping));
		region->skip_bytes = 0;
	}
	spin_unlock(&region->lock);
}

/**
 * vmdedup_ledger_forget() - what is known of a region's pages holds no longer
 * @region: with a reference; nobody merges in it
 *
 * Its merged pages were given private copies, for one, which is not to be taken
 * for the work of a guest. May sleep.
 */
void vmdedup_ledger_forget(struct vmdedup_region *region)
{
	vmdedup_cells_drop(region, 0, ULONG_MAX, NULL);
}

/**
 * vmdedup_ledger_free() - free a region's cells
 * @region: nobody uses it any more
 *
 * May sleep.
 */
void vmdedup_ledger_free(struct vmdedup_region *region)
{
	vmdedup_cells_drop(region, 0, ULONG_MAX, NULL);
	xa_destroy(&region->cells);
}

/**
 * vmdedup_ledger_cold() - is a chunk to be left alone for a while?
 * @region: with a reference
 * @vpn: a page of the chunk
 */
bool vmdedup_ledger_cold(struct vmdedup_region *region, u64 vpn)
{
	struct vmdedup_cell *cell;
	bool cold;

	spin_lock(&region->lock);
	cell = vmdedup_cell_find(region, vpn / VMDEDUP_CHUNK_PAGES);
	cold = cell && vmdedup_schedule_cold(&cell->schedule,
					     ktime_get_seconds());
	spin_unlock(&region->lock);
	return cold;
}

/**
 * vmdedup_ledger_again() - pages of a chunk could not be merged just now
 * @region: with a reference
 * @vpn: a page of the chunk
 * @pages: that were not even tried
 *
 * It is not to be looked at less often for that, nor to less of it.
 */
void vmdedup_ledger_again(struct vmdedup_region *region, u64 vpn,
			  unsigned int pages)
{
	struct vmdedup_cell *cell;

	spin_lock(&region->lock);
	cell = vmdedup_cell_find(region, vpn / VMDEDUP_CHUNK_PAGES);
	if (cell) {
		vmdedup_schedule_again(&cell->schedule);
		vmdedup_credit_return(&cell->credit, pages);
	}
	spin_unlock(&region->lock);
}

/**
 * vmdedup_ledger_merge_begin() - somebody is about to merge in a chunk
 * @region: entered
 * @vpn: a page of the chunk
 *
 * Does not sleep.
 *
 * Return: whether it will be written down; without memory, not until the next
 * visit.
 */
bool vmdedup_ledger_merge_begin(struct vmdedup_region *region, u64 vpn)
{
	struct vmdedup_cell *cell;

	vmdedup_cell_prepare(region, vpn / VMDEDUP_CHUNK_PAGES, false);
	spin_lock(&region->lock);
	cell = vmdedup_cell_find(region, vpn / VMDEDUP_CHUNK_PAGES);
	if (cell)
		cell->merging++;
	spin_unlock(&region->lock);
	return cell;
}

/**
 * vmdedup_ledger_merge_end() - pages of one chunk were merged
 * @region: after vmdedup_ledger_merge_begin() that returned true
 * @vpn: a page of the chunk
 * @merged: pages now mapped to shared frames
 * @zero: pages now mapped to the zero page
 * @saved: bytes that @merged save
 */
void vmdedup_ledger_merge_end(struct vmdedup_region *region, u64 vpn,
			      u64 merged, u64 zero, u64 saved)
{
	struct vmdedup_cell *cell, new;

	spin_lock(&region->lock);
	/* Nobody drops it meanwhile. */
	cell = vmdedup_cell_find(region, vpn / VMDEDUP_CHUNK_PAGES);
	new = *cell;
	new.merging--;
	new.merged = min_t(u64, VMDEDUP_CHUNK_PAGES, new.merged + merged);
	new.zero = min_t(u64, VMDEDUP_CHUNK_PAGES, new.zero + zero);
	new.made = min_t(u64, VMDEDUP_CHUNK_PAGES, new.made + zero);
	new.unique -= min_t(u64, new.unique, merged + zero);
	new.saved = min_t(u64, VMDEDUP_CHUNK_PAGES * PAGE_SIZE,
			  new.saved + saved);
	if (merged || zero) {
		vmdedup_schedule_gave(&new.schedule, merged + zero);
		vmdedup_credit_merged(&new.credit, merged + zero);
	}
	vmdedup_cell_set(region, cell, &new);
	spin_unlock(&region->lock);
}
