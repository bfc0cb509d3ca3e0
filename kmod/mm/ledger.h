/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ledger: what is known of each region's pages.
 *
 * The kernel tells nobody when it copies a page that is written to, or unmaps
 * one; so what is known is what was seen at the last visit. A region is visited
 * in chunks of 2 MiB, and of each that had pages a cell remembers their states.
 * The region's sums are always those over its cells, so that they can be told
 * at once, and are right as soon as nothing changes any more and all was
 * visited once again: by a pass, or by a recount.
 *
 * A visit looks at the page tables of a chunk, and writes down afterwards what
 * it found. If anybody has merged in the region meanwhile, or another visit was
 * faster, what it found is out of date and is dropped.
 */
#ifndef VMDEDUP_MM_LEDGER_H
#define VMDEDUP_MM_LEDGER_H

#include "region.h"
#include "walk.h"

/**
 * struct vmdedup_cell - what is known of a chunk
 * @merged: pages mapped to a shared frame
 * @zero: pages mapped to the zero page
 * @made: how many of those by us
 * @unique: pages present and neither
 * @saved: bytes that @merged save
 */
struct vmdedup_cell {
	u16 merged;
	u16 zero;
	u16 made;
	u16 unique;
	u32 saved;
};

/**
 * struct vmdedup_visit - on the way through a region
 * @region: which
 * @clean: cells of the chunks before this one are up to date
 * @open: a chunk was seen in part
 * @index: which
 * @seen: what was found in it so far
 * @valid: nobody merged when we looked
 * @changes: region->changes at that time
 */
struct vmdedup_visit {
	struct vmdedup_region *region;
	unsigned long clean;
	bool open;
	unsigned long index;
	struct vmdedup_count seen;
	bool valid;
	unsigned int changes;
};

void vmdedup_visit_begin(struct vmdedup_visit *visit,
			 struct vmdedup_region *region);
void vmdedup_visit_look(struct vmdedup_visit *visit);
u64 vmdedup_visit_step(struct vmdedup_visit *visit, unsigned long next,
		       const struct vmdedup_seen *seen);
u64 vmdedup_visit_end(struct vmdedup_visit *visit, bool complete);

void vmdedup_ledger_merge_begin(struct vmdedup_region *region);
void vmdedup_ledger_merged(struct vmdedup_region *region, u64 vpn, u64 merged,
			   u64 zero, u64 saved);
void vmdedup_ledger_merge_end(struct vmdedup_region *region);

void vmdedup_ledger_charge(struct vmdedup_region *region,
			   enum vmdedup_ledger_item item, u64 n);
void vmdedup_ledger_fold(struct vmdedup_region *region);
void vmdedup_ledger_forget(struct vmdedup_region *region);
void vmdedup_ledger_free(struct vmdedup_region *region);
u64 vmdedup_ledger_bytes(void);

#endif /* VMDEDUP_MM_LEDGER_H */
