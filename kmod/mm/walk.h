/* SPDX-License-Identifier: GPL-2.0 */
/* Walking an address space: the first stage of the pipeline. */
#ifndef VMDEDUP_MM_WALK_H
#define VMDEDUP_MM_WALK_H

#include "../core/runs.h"
#include "../core/stats.h"
#include "table.h"

/**
 * struct vmdedup_sample - a page that may be merged
 * @page: the page
 * @vpn: where it was found
 * @sum: its checksum, by a later stage
 * @zero: is it all zero, likewise
 */
struct vmdedup_sample {
	struct page *page;
	u64 vpn;
	u64 sum;
	bool zero;
};

/**
 * struct vmdedup_count - pages of a range by state
 * @resident: present, all of the following
 * @merged: mapped to shared frames
 * @zero: mapped to the zero page
 * @saved: bytes: of each merged page (1 - 1/mappings) pages, of each zero
 *	page one
 */
struct vmdedup_count {
	u64 resident;
	u64 merged;
	u64 zero;
	u64 saved;
};

static inline void vmdedup_count_add(struct vmdedup_count *sum,
				     const struct vmdedup_count *part)
{
	sum->resident += part->resident;
	sum->merged += part->merged;
	sum->zero += part->zero;
	sum->saved += part->saved;
}

/**
 * struct vmdedup_seen - what was found below one PMD entry
 * @any: was there a page table, or a huge page?
 * @at: an address that it maps, if so
 * @count: its pages; all are of one 2 MiB chunk
 */
struct vmdedup_seen {
	bool any;
	unsigned long at;
	struct vmdedup_count count;
};

/**
 * struct vmdedup_chunk - the pages found below one PMD entry
 * @nr: how many
 * @huge: the huge page that all of them are parts of, or NULL; a reference is
 *	held to it, or else to each page
 * @seen: these and all others that were found there
 * @sample: the pages
 */
struct vmdedup_chunk {
	unsigned int nr;
	struct page *huge;
	struct vmdedup_seen seen;
	struct vmdedup_sample sample[VMDEDUP_RUN_MAX];
};

unsigned long vmdedup_walk(struct mm_struct *mm, unsigned long addr,
			   unsigned long end, struct vmdedup_chunk *chunk,
			   struct vmdedup_tally *tally);
void vmdedup_chunk_put(struct vmdedup_chunk *chunk);
struct page *vmdedup_walk_page(struct mm_struct *mm, u64 vpn);

unsigned long vmdedup_count(struct mm_struct *mm, unsigned long addr,
			    unsigned long end, struct vmdedup_count *count);
unsigned long vmdedup_count_chunk(struct mm_struct *mm, unsigned long addr,
				  unsigned long end, struct vmdedup_seen *seen);

unsigned long vmdedup_walk_merged(struct mm_struct *mm, unsigned long addr,
				  unsigned long end,
				  unsigned long found[VMDEDUP_RUN_MAX],
				  unsigned int *nr);

#endif /* VMDEDUP_MM_WALK_H */
