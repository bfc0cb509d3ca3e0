/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Cells: what is known of each chunk of a region that has pages.
 *
 * A chunk is what one PMD entry maps: 2 MiB. Cells are found under the region's
 * lock, and are somebody else's business as soon as it is dropped. The region's
 * sums are always those over its cells.
 */
#ifndef VMDEDUP_MM_CELLS_H
#define VMDEDUP_MM_CELLS_H

#include "../core/credit.h"
#include "../core/runs.h"
#include "../core/schedule.h"
#include "region.h"

/* Pages of a chunk. */
#define VMDEDUP_CHUNK_PAGES	VMDEDUP_RUN_MAX

/**
 * struct vmdedup_cell - what is known of a chunk
 * @merged: pages mapped to a shared frame
 * @zero: pages mapped to the zero page
 * @made: how many of those by us
 * @unique: pages present and neither
 * @saved: bytes that @merged save
 * @stamp: of the last change: no two cells of a region ever have the same
 * @schedule: when to look at it again
 * @credit: how much to hash of it
 * @merging: how many merge in it now
 */
struct vmdedup_cell {
	u16 merged;
	u16 zero;
	u16 made;
	u16 unique;
	u32 saved;
	u32 stamp;
	struct vmdedup_schedule schedule;
	struct vmdedup_credit credit;
	u32 merging;
};

int vmdedup_cells_init(void);
void vmdedup_cells_exit(void);
u64 vmdedup_cells_bytes(void);

struct vmdedup_cell *vmdedup_cell_find(struct vmdedup_region *region,
				       unsigned long index);
bool vmdedup_cell_prepare(struct vmdedup_region *region, unsigned long index,
			  bool wait);
void vmdedup_cell_set(struct vmdedup_region *region, struct vmdedup_cell *cell,
		      const struct vmdedup_cell *new);
void vmdedup_cell_drop(struct vmdedup_region *region, unsigned long index,
		       struct vmdedup_cell *cell);
void vmdedup_cells_drop(struct vmdedup_region *region, unsigned long first,
			unsigned long last, const u32 *since);

#endif /* VMDEDUP_MM_CELLS_H */
