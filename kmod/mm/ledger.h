/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ledger: what is known of each region's pages.
 *
 * The kernel tells nobody when it copies a page that is written to, or unmaps
 * one; so what is known is what was seen at the last visit (visit.h) and what
 * was merged since. A region is visited in chunks, and of each that had pages a
 * cell (cells.h) remembers their states. The region's sums are always those over
 * its cells, so that they can be told at once, and are right as soon as nothing
 * changes any more and all was visited once again: by a pass, or by a recount.
 */
#ifndef VMDEDUP_MM_LEDGER_H
#define VMDEDUP_MM_LEDGER_H

#include "region.h"

bool vmdedup_ledger_cold(struct vmdedup_region *region, u64 vpn);
bool vmdedup_ledger_merge_begin(struct vmdedup_region *region, u64 vpn);
void vmdedup_ledger_merge_end(struct vmdedup_region *region, u64 vpn,
			      u64 merged, u64 zero, u64 saved);

void vmdedup_ledger_again(struct vmdedup_region *region, u64 vpn,
			  unsigned int pages);

void vmdedup_ledger_charge(struct vmdedup_region *region,
			   enum vmdedup_ledger_item item, u64 n);
void vmdedup_ledger_skips(struct vmdedup_region *region, u16 pass,
			  unsigned long bytes, const u64 *skipped);
void vmdedup_ledger_fold(struct vmdedup_region *region);
void vmdedup_ledger_forget(struct vmdedup_region *region);
void vmdedup_ledger_free(struct vmdedup_region *region);

#endif /* VMDEDUP_MM_LEDGER_H */
