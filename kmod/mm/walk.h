/* SPDX-License-Identifier: GPL-2.0 */
/* Walking an address space. */
#ifndef VMDEDUP_MM_WALK_H
#define VMDEDUP_MM_WALK_H

#include <uapi/linux/vmdedup.h>

#include "../core/schedule.h"
#include "table.h"

struct vm_area_struct;

/**
 * struct vmdedup_walk_ops - what to do with what is found
 * @pte: with the page table locked, for each PTE that is not none; for pages, up
 *	to VMDEDUP_RUN_MAX times per table
 * @batch: before the lock is dropped after a call or more of @pte, or NULL
 * @pmd: with the PMD locked, for a huge page; @addr to @end is the part of it
 *	that is wanted
 */
struct vmdedup_walk_ops {
	void (*pte)(struct vmdedup_look *look, unsigned long addr, void *arg);
	void (*batch)(void *arg);
	void (*pmd)(struct vmdedup_look *look, unsigned long addr,
		    unsigned long end, void *arg);
};

/**
 * struct vmdedup_walker - how to walk
 * @skip: which mappings to leave out
 * @scan: what to do with the others
 * @cold: what to do with chunks that @chunk says are to be counted only
 * @left: what to do with mappings that are left out but may have merged pages,
 *	or NULL
 * @vma: for a part of a mapping that is left out, or NULL
 * @chunk: before a page table or a huge page is looked at, or NULL; may sleep
 * @tables: end the walk after this many page tables or huge pages
 * @arg: for the callbacks
 */
struct vmdedup_walker {
	enum vmdedup_skip (*skip)(struct vm_area_struct *vma);
	const struct vmdedup_walk_ops *scan;
	const struct vmdedup_walk_ops *cold;
	const struct vmdedup_walk_ops *left;
	void (*vma)(enum vmdedup_skip reason, unsigned long pages, void *arg);
	enum vmdedup_visiting (*chunk)(unsigned long addr, void *arg);
	unsigned int tables;
	void *arg;
};

unsigned long vmdedup_walk(struct mm_struct *mm, unsigned long addr,
			   unsigned long end, struct vmdedup_walker *walker);

#endif /* VMDEDUP_MM_WALK_H */
