// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>

#include "count.h"
#include "frame.h"
#include "visit.h"
#include "vma.h"
#include "walk.h"

/**
 * vmdedup_count_pte() - count a page
 * @look: what its PTE stands for
 * @count: is added to
 */
void vmdedup_count_pte(const struct vmdedup_look *look,
		       struct vmdedup_count *count)
{
	switch (look->kind) {
	case VMDEDUP_HOLE:
		return;
	case VMDEDUP_ZERO:
		count->zero++;
		count->saved += PAGE_SIZE;
		break;
	case VMDEDUP_MERGED:
		count->merged++;
		count->saved += vmdedup_frame_saves(look->page);
		break;
	case VMDEDUP_SKIP:
		if (look->reason == VMDEDUP_SKIP_SWAPPED ||
		    look->reason == VMDEDUP_SKIP_UFFD ||
		    look->reason == VMDEDUP_SKIP_POISONED)
			return;
		break;
	case VMDEDUP_PAGE:
		break;
	}
	count->resident++;
}

/**
 * vmdedup_count_pmd() - count pages of a huge page
 * @look: what its PMD stands for
 * @nr: how many pages
 * @count: is added to
 */
void vmdedup_count_pmd(const struct vmdedup_look *look, unsigned long nr,
		       struct vmdedup_count *count)
{
	count->resident += nr;
	if (look->kind == VMDEDUP_ZERO) {
		count->zero += nr;
		count->saved += nr << PAGE_SHIFT;
	}
}

static void count_pte(struct vmdedup_look *look, unsigned long addr, void *arg)
{
	vmdedup_count_pte(look, arg);
}

static void count_pmd(struct vmdedup_look *look, unsigned long addr,
		      unsigned long end, void *arg)
{
	vmdedup_count_pmd(look, (end - addr) >> PAGE_SHIFT, arg);
}

static const struct vmdedup_walk_ops count_ops = {
	.pte = count_pte,
	.pmd = count_pmd,
};

/**
 * vmdedup_count() - count pages by state
 * @mm: address space, mmap_lock held for reading
 * @addr: where to begin, a page's address
 * @end: where to stop
 * @count: is added to; mappings that cannot hold merged pages do not count
 *
 * Bounded: see vmdedup_walk().
 *
 * Return: where to go on; @end when all was counted.
 */
unsigned long vmdedup_count(struct mm_struct *mm, unsigned long addr,
			    unsigned long end, struct vmdedup_count *count)
{
	struct vmdedup_walker walker = {
		.skip = vmdedup_vma_skip_merged,
		.scan = &count_ops,
		.tables = 16,
		.arg = count,
	};

	return vmdedup_walk(mm, addr, end, &walker);
}

struct visitor {
	struct vmdedup_count count; /* first: what count_ops get */
	struct vmdedup_visit *visit;
};

static enum vmdedup_visiting visitor_chunk(unsigned long addr, void *arg)
{
	struct visitor *visitor = arg;

	return vmdedup_visit_chunk(visitor->visit, addr);
}

/**
 * vmdedup_count_chunk() - count on a visit, below one PMD entry
 * @mm: address space, mmap_lock held for reading
 * @addr: where to begin, a page's address
 * @visit: the visit, up to whose end
 * @seen: out
 *
 * Return: where to go on; @visit->end when all was seen.
 */
unsigned long vmdedup_count_chunk(struct mm_struct *mm, unsigned long addr,
				  struct vmdedup_visit *visit,
				  struct vmdedup_seen *seen)
{
	struct visitor visitor = { .visit = visit };
	struct vmdedup_walker walker = {
		.skip = vmdedup_vma_skip_merged,
		.scan = &count_ops,
		.cold = &count_ops,
		.chunk = visitor_chunk,
		.tables = 1,
		.arg = &visitor,
	};

	addr = vmdedup_walk(mm, addr, visit->end, &walker);
	seen->any = !walker.tables;
	seen->count = visitor.count;
	return addr;
}

struct finder {
	unsigned long *found;
	unsigned int nr;
};

static void find_pte(struct vmdedup_look *look, unsigned long addr, void *arg)
{
	struct finder *finder = arg;

	/* Memory that is poisoned must not be copied. */
	if (look->kind == VMDEDUP_MERGED && PageHWPoison(look->page))
		return;
	if (look->kind == VMDEDUP_MERGED || look->kind == VMDEDUP_ZERO ||
	    (look->kind == VMDEDUP_SKIP && look->reason == VMDEDUP_SKIP_FOREIGN))
		finder->found[finder->nr++] = addr;
}

static void find_pmd(struct vmdedup_look *look, unsigned long addr,
		     unsigned long end, void *arg)
{
	/* A huge page is nobody's shared frame, nor ours the huge zero page. */
}

static const struct vmdedup_walk_ops find_ops = {
	.pte = find_pte,
	.pmd = find_pmd,
};

/**
 * vmdedup_find_merged() - find pages mapped to shared frames or the zero page
 * @mm: address space, mmap_lock held for reading
 * @addr: where to begin, a page's address
 * @end: where to stop
 * @found: out: addresses of such pages of one page table, those of frames
 *	that an earlier load of the module left behind included, those that are
 *	poisoned not
 * @nr: out: how many
 *
 * Bounded: see vmdedup_walk().
 *
 * Return: where to go on; @end when all was seen.
 */
unsigned long vmdedup_find_merged(struct mm_struct *mm, unsigned long addr,
				  unsigned long end,
				  unsigned long found[VMDEDUP_RUN_MAX],
				  unsigned int *nr)
{
	struct finder finder = { .found = found };
	struct vmdedup_walker walker = {
		.skip = vmdedup_vma_skip_merged,
		.scan = &find_ops,
		.tables = 1,
		.arg = &finder,
	};
	unsigned long next = vmdedup_walk(mm, addr, end, &walker);

	*nr = finder.nr;
	return next;
}
