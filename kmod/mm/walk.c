// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "vma.h"
#include "walk.h"

/* PMD entries looked at per call: bounds the time that the lock is held. */
#define WALK_STEPS	4096
/* What it costs to find that a chunk is to be left out, in these. */
#define ASK_STEPS	16U
/* Pages looked at under one hold of a page table's lock. */
#define TABLE_BATCH	64

static bool walk_huge(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
		      unsigned long end, const struct vmdedup_walk_ops *ops,
		      void *arg)
{
	spinlock_t *ptl = pmd_lock(mm, pmd);
	pmd_t val = READ_ONCE(*pmd);
	bool huge = vmdedup_pmd_is_huge(val);

	if (huge) {
		struct vmdedup_look look = vmdedup_look_pmd(val);

		ops->pmd(&look, addr, end, arg);
	}
	spin_unlock(ptl);
	return huge;
}

/* Look at some entries of a page table; false if there is none. */
static bool walk_batch(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
		       unsigned long end, const struct vmdedup_walk_ops *ops,
		       void *arg)
{
	struct vmdedup_table table;
	pte_t *pte;

	if (!vmdedup_table_lock(mm, pmd, addr, &table))
		return false;
	for (pte = table.pte; addr < end; addr += PAGE_SIZE, pte++) {
		struct vmdedup_look look;
		pte_t val = READ_ONCE(*pte);

		if (pte_none(val))
			continue;
		look = vmdedup_look_pte(val);
		ops->pte(&look, addr, arg);
	}
	if (ops->batch)
		ops->batch(arg);
	vmdedup_table_unlock(&table);
	return true;
}

static bool walk_table(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
		       unsigned long end, const struct vmdedup_walk_ops *ops,
		       void *arg)
{
	bool any = false;

	while (addr < end) {
		unsigned long stop = min(end, addr + TABLE_BATCH * PAGE_SIZE);

		if (!walk_batch(mm, pmd, addr, stop, ops, arg))
			break;
		any = true;
		addr = stop;
	}
	return any;
}

/* Look at what one PMD entry maps; false if there is nothing. */
static bool walk_pmd(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
		     unsigned long end, const struct vmdedup_walk_ops *ops,
		     struct vmdedup_walker *walker, unsigned int *steps)
{
	if (walker->chunk) {
		*steps -= min(*steps, ASK_STEPS);
		switch (walker->chunk(addr, walker->arg)) {
		case VMDEDUP_VISIT_NOT:
			return false;
		case VMDEDUP_VISIT_COUNT:
			if (ops == walker->scan)
				ops = walker->cold;
			break;
		case VMDEDUP_VISIT_SCAN:
			break;
		}
	}
	return (vmdedup_pmd_is_huge(READ_ONCE(*pmd)) &&
		walk_huge(mm, pmd, addr, end, ops, walker->arg)) ||
	       walk_table(mm, pmd, addr, end, ops, walker->arg);
}

/* Walk [addr, end) of one mapping; returns where it stopped. */
static unsigned long walk_vma(struct mm_struct *mm, unsigned long addr,
			      unsigned long end,
			      const struct vmdedup_walk_ops *ops,
			      struct vmdedup_walker *walker,
			      unsigned int *steps)
{
	while (addr < end && *steps && walker->tables) {
		unsigned long next;
		pmd_t *pmd = vmdedup_pmd(mm, addr, &next);

		if (!next || next > end)
			next = end;
		--*steps;
		if (pmd && !pmd_none(READ_ONCE(*pmd)) &&
		    walk_pmd(mm, pmd, addr, next, ops, walker, steps))
			walker->tables--;
		addr = next;
	}
	return addr;
}

/* Of one that is left out, look only at what was merged before it was. */
static unsigned long walk_left(struct vm_area_struct *vma, unsigned long addr,
			       unsigned long end,
			       struct vmdedup_walker *walker,
			       unsigned int *steps)
{
	if (!walker->left || vmdedup_vma_skip_merged(vma) != VMDEDUP_ELIGIBLE) {
		--*steps;
		return end;
	}
	return walk_vma(vma->vm_mm, addr, end, walker->left, walker, steps);
}

/**
 * vmdedup_walk() - walk an address space
 * @mm: address space, mmap_lock held for reading
 * @addr: where to begin, a page's address
 * @end: where to stop
 * @walker: how
 *
 * May sleep if a callback does.
 *
 * Return: where it stopped: @end, or earlier after enough tables or steps.
 */
unsigned long vmdedup_walk(struct mm_struct *mm, unsigned long addr,
			   unsigned long end, struct vmdedup_walker *walker)
{
	unsigned int steps = WALK_STEPS;

	mmap_assert_locked(mm);
	while (addr < end && steps && walker->tables) {
		struct vm_area_struct *vma = find_vma(mm, addr);
		enum vmdedup_skip reason;
		unsigned long stop;

		if (!vma || vma->vm_start >= end)
			return end;
		addr = max(addr, vma->vm_start);
		stop = min(end, vma->vm_end);
		reason = walker->skip(vma);
		if (reason == VMDEDUP_ELIGIBLE) {
			addr = walk_vma(mm, addr, stop, walker->scan, walker,
					&steps);
		} else {
			stop = walk_left(vma, addr, stop, walker, &steps);
			if (walker->vma)
				walker->vma(reason, (stop - addr) >> PAGE_SHIFT,
					    walker->arg);
			addr = stop;
		}
	}
	return addr;
}
