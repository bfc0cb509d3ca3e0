/* SPDX-License-Identifier: GPL-2.0 */
/* Counting pages by state, and finding those that are merged. */
#ifndef VMDEDUP_MM_COUNT_H
#define VMDEDUP_MM_COUNT_H

#include "../core/runs.h"
#include "table.h"

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
 * @count: its pages; all are of one chunk
 */
struct vmdedup_seen {
	bool any;
	struct vmdedup_count count;
};

struct vmdedup_visit;

void vmdedup_count_pte(const struct vmdedup_look *look,
		       struct vmdedup_count *count);
void vmdedup_count_pmd(const struct vmdedup_look *look, unsigned long nr,
		       struct vmdedup_count *count);
unsigned long vmdedup_count(struct mm_struct *mm, unsigned long addr,
			    unsigned long end, struct vmdedup_count *count);
unsigned long vmdedup_count_chunk(struct mm_struct *mm, unsigned long addr,
				  struct vmdedup_visit *visit,
				  struct vmdedup_seen *seen);
unsigned long vmdedup_find_merged(struct mm_struct *mm, unsigned long addr,
				  unsigned long end,
				  unsigned long found[VMDEDUP_RUN_MAX],
				  unsigned int *nr);

#endif /* VMDEDUP_MM_COUNT_H */
