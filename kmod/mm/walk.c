// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "frame.h"
#include "vma.h"
#include "walk.h"

/* PMD entries looked at per call: bounds the time that the lock is held. */
#define WALK_STEPS	4096

/**
 * struct walker - what to do with what is found
 * @skip: which mappings to leave out
 * @pte: with the page table locked, for each PTE that is not none; may be
 *	called for pages up to VMDEDUP_RUN_MAX times per table
 * @pmd: with the PMD locked, for a huge page; @addr to @end is the part of it
 *	that is wanted
 * @vma: for a part of a mapping that is left out, or NULL
 * @left_pte: as @pte, for mappings that are left out but may have merged pages
 * @left_pmd: as @pmd, likewise; both or none
 * @tables: end the walk after this many page tables or huge pages
 * @arg: for the callbacks
 * @last: out: an address of the last page table or huge page met
 */
struct walker {
	enum vmdedup_skip (*skip)(struct vm_area_struct *vma);
	void (*pte)(struct vmdedup_look *look, unsigned long addr, void *arg);
	void (*pmd)(struct vmdedup_look *look, unsigned long addr,
		    unsigned long end, void *arg);
	void (*vma)(enum vmdedup_skip reason, unsigned long pages, void *arg);
	void (*left_pte)(struct vmdedup_look *look, unsigned long addr,
			 void *arg);
	void (*left_pmd)(struct vmdedup_look *look, unsigned long addr,
			 unsigned long end, void *arg);
	unsigned int tables;
	void *arg;
	unsigned long last;
};

static bool walk_huge(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
		      unsigned long end, struct walker *walker)
{
	spinlock_t *ptl = pmd_lock(mm, pmd);
	pmd_t val = READ_ONCE(*pmd);
	bool huge = vmdedup_pmd_is_huge(val);

	if (huge) {
		struct vmdedup_look look = vmdedup_look_pmd(val);

		walker->pmd(&look, addr, end, walker->arg);
	}
	spin_unlock(ptl);
	return huge;
}

static bool walk_table(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
		       unsigned long end, struct walker *walker)
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
		walker->pte(&look, addr, walker->arg);
	}
	vmdedup_table_unlock(&table);
	return true;
}

/* Walk [addr, end) of one mapping; returns where it stopped. */
static unsigned long walk_vma(struct mm_struct *mm, unsigned long addr,
			      unsigned long end, struct walker *walker,
			      unsigned int *steps)
{
	while (addr < end && *steps && walker->tables) {
		unsigned long next;
		pmd_t *pmd = vmdedup_pmd(mm, addr, &next);
		pmd_t val;

		if (!next || next > end)
			next = end;
		--*steps;
		if (pmd) {
			val = READ_ONCE(*pmd);
			if ((vmdedup_pmd_is_huge(val) &&
			     walk_huge(mm, pmd, addr, next, walker)) ||
			    walk_table(mm, pmd, addr, next, walker)) {
				walker->tables--;
				walker->last = addr;
			}
		}
		addr = next;
	}
	return addr;
}

/* Of one that is left out, look only at what was merged before it was. */
static unsigned long walk_left(struct vm_area_struct *vma, unsigned long addr,
			       unsigned long end, struct walker *walker,
			       unsigned int *steps)
{
	struct walker left = {
		.pte = walker->left_pte,
		.pmd = walker->left_pmd,
		.tables = walker->tables,
		.arg = walker->arg,
		.last = walker->last,
	};

	if (!left.pte || vmdedup_vma_skip_merged(vma) != VMDEDUP_ELIGIBLE) {
		--*steps;
		return end;
	}
	addr = walk_vma(vma->vm_mm, addr, end, &left, steps);
	walker->tables = left.tables;
	walker->last = left.last;
	return addr;
}

/*
 * Walk [addr, end) of an address space whose mmap_lock is held for reading.
 * Returns where it stopped: @end, or earlier after enough tables or steps.
 */
static unsigned long walk(struct mm_struct *mm, unsigned long addr,
			  unsigned long end, struct walker *walker)
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
			addr = walk_vma(mm, addr, stop, walker, &steps);
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

static void count_pte(struct vmdedup_look *look, unsigned long addr, void *arg)
{
	struct vmdedup_count *count = arg;

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

static void count_pmd(struct vmdedup_look *look, unsigned long addr,
		      unsigned long end, void *arg)
{
	struct vmdedup_count *count = arg;
	unsigned long nr = (end - addr) >> PAGE_SHIFT;

	count->resident += nr;
	if (look->kind == VMDEDUP_ZERO) {
		count->zero += nr;
		count->saved += nr << PAGE_SHIFT;
	}
}

struct sampler {
	struct vmdedup_chunk *chunk;
	struct vmdedup_tally *tally;
};

static void sample_add(struct vmdedup_chunk *chunk, struct page *page,
		       unsigned long addr)
{
	struct vmdedup_sample *sample = &chunk->sample[chunk->nr++];

	sample->page = page;
	sample->vpn = addr >> PAGE_SHIFT;
}

static void sample_pte(struct vmdedup_look *look, unsigned long addr, void *arg)
{
	struct sampler *sampler = arg;

	count_pte(look, addr, &sampler->chunk->seen.count);
	if (look->kind == VMDEDUP_PAGE) {
		get_page(look->page);
		sample_add(sampler->chunk, look->page, addr);
		return;
	}
	sampler->tally->passed++;
	if (look->kind == VMDEDUP_SKIP)
		sampler->tally->skip[look->reason]++;
}

static void left_pte(struct vmdedup_look *look, unsigned long addr, void *arg)
{
	struct sampler *sampler = arg;

	count_pte(look, addr, &sampler->chunk->seen.count);
	sampler->tally->passed++;
}

static void sample_pmd(struct vmdedup_look *look, unsigned long addr,
		       unsigned long end, void *arg)
{
	struct sampler *sampler = arg;
	struct vmdedup_chunk *chunk = sampler->chunk;
	unsigned long nr = (end - addr) >> PAGE_SHIFT;
	struct page *page;

	count_pmd(look, addr, end, &chunk->seen.count);
	if (look->kind == VMDEDUP_SKIP)
		sampler->tally->skip[look->reason] += nr;
	if (look->kind != VMDEDUP_PAGE) {
		sampler->tally->passed++;
		return;
	}
	get_page(look->page);
	chunk->huge = look->page;
	page = look->page + ((addr & ~PMD_MASK) >> PAGE_SHIFT);
	for (; addr < end; addr += PAGE_SIZE)
		sample_add(chunk, page++, addr);
}

static void left_pmd(struct vmdedup_look *look, unsigned long addr,
		     unsigned long end, void *arg)
{
	struct sampler *sampler = arg;

	count_pmd(look, addr, end, &sampler->chunk->seen.count);
	sampler->tally->passed++;
}

static void sample_vma(enum vmdedup_skip reason, unsigned long pages, void *arg)
{
	struct sampler *sampler = arg;

	sampler->tally->skip[reason] += pages;
}

/**
 * vmdedup_walk() - collect the next pages that may be merged
 * @mm: address space, mmap_lock held for reading
 * @addr: where to begin, a page's address
 * @end: where to stop
 * @chunk: out: pages of one page table or huge page, perhaps none; to be
 *	given up by vmdedup_chunk_put()
 * @tally: what is skipped is counted here
 *
 * Return: where to go on; @end when all was seen.
 */
unsigned long vmdedup_walk(struct mm_struct *mm, unsigned long addr,
			   unsigned long end, struct vmdedup_chunk *chunk,
			   struct vmdedup_tally *tally)
{
	struct sampler sampler = { .chunk = chunk, .tally = tally };
	struct walker walker = {
		.skip = vmdedup_vma_skip,
		.pte = sample_pte,
		.pmd = sample_pmd,
		.vma = sample_vma,
		.left_pte = left_pte,
		.left_pmd = left_pmd,
		.tables = 1,
		.arg = &sampler,
	};

	chunk->nr = 0;
	chunk->huge = NULL;
	memset(&chunk->seen, 0, sizeof(chunk->seen));
	addr = walk(mm, addr, end, &walker);
	chunk->seen.any = !walker.tables;
	chunk->seen.at = walker.last;
	return addr;
}

/**
 * vmdedup_chunk_put() - give up the pages of a chunk
 * @chunk: the chunk; is empty afterwards
 */
void vmdedup_chunk_put(struct vmdedup_chunk *chunk)
{
	unsigned int i;

	if (chunk->huge)
		put_page(chunk->huge);
	else
		for (i = 0; i < chunk->nr; i++)
			put_page(chunk->sample[i].page);
	chunk->huge = NULL;
	chunk->nr = 0;
}

/**
 * vmdedup_walk_page() - get the page at a place, if it may be merged
 * @mm: address space, mmap_lock held for reading
 * @vpn: page number of the address
 *
 * Return: the page with a reference, or NULL.
 */
struct page *vmdedup_walk_page(struct mm_struct *mm, u64 vpn)
{
	unsigned long addr = vpn << PAGE_SHIFT, next;
	struct vm_area_struct *vma = vma_lookup(mm, addr);
	struct vmdedup_table table;
	struct vmdedup_look look;
	struct page *page = NULL;
	spinlock_t *ptl; /* of the PMD */
	pmd_t *pmd, val;

	if (!vma || vmdedup_vma_skip(vma) != VMDEDUP_ELIGIBLE)
		return NULL;
	pmd = vmdedup_pmd(mm, addr, &next);
	if (!pmd)
		return NULL;
	if (vmdedup_table_lock(mm, pmd, addr, &table)) {
		look = vmdedup_look_pte(READ_ONCE(*table.pte));
		if (look.kind == VMDEDUP_PAGE) {
			page = look.page;
			get_page(page);
		}
		vmdedup_table_unlock(&table);
		return page;
	}
	ptl = pmd_lock(mm, pmd);
	val = READ_ONCE(*pmd);
	if (vmdedup_pmd_is_huge(val)) {
		look = vmdedup_look_pmd(val);
		if (look.kind == VMDEDUP_PAGE) {
			page = look.page + ((addr & ~PMD_MASK) >> PAGE_SHIFT);
			get_page(page);
		}
	}
	spin_unlock(ptl);
	return page;
}

/**
 * vmdedup_count() - count pages by state
 * @mm: address space, mmap_lock held for reading
 * @addr: where to begin, a page's address
 * @end: where to stop
 * @count: is added to; mappings that cannot hold merged pages do not count
 *
 * Bounded like vmdedup_walk().
 *
 * Return: where to go on; @end when all was counted.
 */
unsigned long vmdedup_count(struct mm_struct *mm, unsigned long addr,
			    unsigned long end, struct vmdedup_count *count)
{
	struct walker walker = {
		.skip = vmdedup_vma_skip_merged,
		.pte = count_pte,
		.pmd = count_pmd,
		.tables = 16,
		.arg = count,
	};

	return walk(mm, addr, end, &walker);
}

/**
 * vmdedup_count_chunk() - likewise, below one PMD entry
 * @mm: address space, mmap_lock held for reading
 * @addr: where to begin, a page's address
 * @end: where to stop
 * @seen: out
 *
 * Return: where to go on; @end when all was seen.
 */
unsigned long vmdedup_count_chunk(struct mm_struct *mm, unsigned long addr,
				  unsigned long end, struct vmdedup_seen *seen)
{
	struct walker walker = {
		.skip = vmdedup_vma_skip_merged,
		.pte = count_pte,
		.pmd = count_pmd,
		.tables = 1,
		.arg = &seen->count,
	};

	memset(seen, 0, sizeof(*seen));
	addr = walk(mm, addr, end, &walker);
	seen->any = !walker.tables;
	seen->at = walker.last;
	return addr;
}

struct finder {
	unsigned long *found;
	unsigned int nr;
};

static void find_pte(struct vmdedup_look *look, unsigned long addr, void *arg)
{
	struct finder *finder = arg;

	if (look->kind == VMDEDUP_MERGED || look->kind == VMDEDUP_ZERO ||
	    (look->kind == VMDEDUP_SKIP && look->reason == VMDEDUP_SKIP_FOREIGN))
		finder->found[finder->nr++] = addr;
}

static void find_pmd(struct vmdedup_look *look, unsigned long addr,
		     unsigned long end, void *arg)
{
	/* A huge page is nobody's shared frame, nor ours the huge zero page. */
}

/**
 * vmdedup_walk_merged() - find pages mapped to shared frames or the zero page
 * @mm: address space, mmap_lock held for reading
 * @addr: where to begin, a page's address
 * @end: where to stop
 * @found: out: addresses of such pages of one page table, those of frames
 *	that an earlier load of the module left behind included
 * @nr: out: how many
 *
 * Bounded like vmdedup_walk().
 *
 * Return: where to go on; @end when all was seen.
 */
unsigned long vmdedup_walk_merged(struct mm_struct *mm, unsigned long addr,
				  unsigned long end,
				  unsigned long found[VMDEDUP_RUN_MAX],
				  unsigned int *nr)
{
	struct finder finder = { .found = found };
	struct walker walker = {
		.skip = vmdedup_vma_skip_merged,
		.pte = find_pte,
		.pmd = find_pmd,
		.tables = 1,
		.arg = &finder,
	};
	unsigned long next = walk(mm, addr, end, &walker);

	*nr = finder.nr;
	return next;
}
