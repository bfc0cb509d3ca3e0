/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page tables, as far as the kernel lets modules read them.
 *
 * pte_offset_map_lock() is not exported, so the last step is made by hand:
 * take the lock of the table that the PMD points to, under RCU because that
 * table may be on its way out, and look whether the PMD still says so.
 * Callers hold the mmap_lock for reading, which keeps the upper levels.
 */
#ifndef VMDEDUP_MM_TABLE_H
#define VMDEDUP_MM_TABLE_H

#include <linux/mm_types.h>
#include <uapi/linux/vmdedup.h>

/* What is found at an address. */
enum vmdedup_kind {
	VMDEDUP_HOLE,		/* nothing */
	VMDEDUP_ZERO,		/* the zero page */
	VMDEDUP_MERGED,		/* a shared frame */
	VMDEDUP_PAGE,		/* an anonymous page that could be merged */
	VMDEDUP_SKIP,		/* something else, see the reason */
};

/**
 * struct vmdedup_look - what a PTE stands for
 * @kind: what
 * @reason: why not to merge, with VMDEDUP_SKIP
 * @page: with VMDEDUP_MERGED and VMDEDUP_PAGE; no reference is taken
 */
struct vmdedup_look {
	enum vmdedup_kind kind;
	enum vmdedup_skip reason;
	struct page *page;
};

/**
 * struct vmdedup_table - a locked page table
 * @pte: entry of the address asked for
 * @ptl: the lock that is held
 */
struct vmdedup_table {
	pte_t *pte;
	spinlock_t *ptl; /* of the page table */
};

pmd_t *vmdedup_pmd(struct mm_struct *mm, unsigned long addr,
		   unsigned long *next);
bool vmdedup_table_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
			struct vmdedup_table *table);
void vmdedup_table_unlock(struct vmdedup_table *table);
bool vmdedup_pmd_is_huge(pmd_t pmd);
bool vmdedup_folio_given_up(struct folio *folio, bool entry_dirty);
struct vmdedup_look vmdedup_look_pte(pte_t pte);
struct vmdedup_look vmdedup_look_pmd(pmd_t pmd);
enum vmdedup_skip vmdedup_look_closely(struct vm_area_struct *vma,
				       struct page *page);

#endif /* VMDEDUP_MM_TABLE_H */
