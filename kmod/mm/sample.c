// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "sample.h"
#include "visit.h"
#include "vma.h"
#include "walk.h"

/* How far ahead of what is sketched memory is asked for, pages. */
#define AHEAD		8

/**
 * struct sampler - what vmdedup_sample_chunk() needs on its way
 * @sketcher: how to sketch
 * @chunk: the samples
 * @sketched: so many of them were sketched
 * @visit: which chunks
 * @tally: what is skipped
 */
struct sampler {
	const struct vmdedup_sketcher *sketcher;
	struct vmdedup_chunk *chunk;
	unsigned int sketched;
	struct vmdedup_visit *visit;
	struct vmdedup_tally *tally;
};

static void sample_prefetch(struct sampler *sampler, unsigned int i)
{
	void *addr;

	if (i >= sampler->chunk->nr)
		return;
	addr = kmap_local_page(sampler->chunk->sample[i].page);
	vmdedup_sketch_prefetch(sampler->sketcher, addr);
	kunmap_local(addr);
}

/*
 * Sketch what was sampled and not sketched yet. The pages stay where they are:
 * their page table is locked, or a reference is held to the huge page.
 */
static void sample_sketch(void *arg)
{
	struct sampler *sampler = arg;
	struct vmdedup_chunk *chunk = sampler->chunk;
	unsigned int i = sampler->sketched;

	for (; i < chunk->nr; i++) {
		struct vmdedup_sample *sample = &chunk->sample[i];

		sample_prefetch(sampler, i + AHEAD);
		sample->sketch = vmdedup_sketch_page(sampler->sketcher,
						     sample->page);
	}
	sampler->sketched = chunk->nr;
}

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

	vmdedup_count_pte(look, &sampler->chunk->seen.count);
	if (look->kind == VMDEDUP_PAGE) {
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

	vmdedup_count_pte(look, &sampler->chunk->seen.count);
	sampler->tally->passed++;
}

/* Left alone for a while. */
static void cooled_pte(struct vmdedup_look *look, unsigned long addr, void *arg)
{
	struct sampler *sampler = arg;

	left_pte(look, addr, arg);
	if (look->kind == VMDEDUP_PAGE)
		sampler->tally->skip[VMDEDUP_SKIP_COOLED]++;
}

static void sample_pmd(struct vmdedup_look *look, unsigned long addr,
		       unsigned long end, void *arg)
{
	struct sampler *sampler = arg;
	struct vmdedup_chunk *chunk = sampler->chunk;
	unsigned long nr = (end - addr) >> PAGE_SHIFT;
	struct page *page;

	vmdedup_count_pmd(look, nr, &chunk->seen.count);
	if (look->kind == VMDEDUP_SKIP)
		sampler->tally->skip[look->reason] += nr;
	if (look->kind != VMDEDUP_PAGE) {
		sampler->tally->passed++;
		return;
	}
	get_page(look->page);
	chunk->huge = look->page;
	chunk->held = true;
	page = look->page + ((addr & ~PMD_MASK) >> PAGE_SHIFT);
	for (; addr < end; addr += PAGE_SIZE)
		sample_add(chunk, page++, addr);
}

static void left_pmd(struct vmdedup_look *look, unsigned long addr,
		     unsigned long end, void *arg)
{
	struct sampler *sampler = arg;

	vmdedup_count_pmd(look, (end - addr) >> PAGE_SHIFT,
			  &sampler->chunk->seen.count);
	sampler->tally->passed++;
}

static void sample_vma(enum vmdedup_skip reason, unsigned long pages, void *arg)
{
	struct sampler *sampler = arg;

	sampler->tally->skip[reason] += pages;
}

static enum vmdedup_visiting sample_chunk(unsigned long addr, void *arg)
{
	struct sampler *sampler = arg;

	return vmdedup_visit_chunk(sampler->visit, addr);
}

static const struct vmdedup_walk_ops sample_ops = {
	.pte = sample_pte,
	.batch = sample_sketch,
	.pmd = sample_pmd,
};

static const struct vmdedup_walk_ops cold_ops = {
	.pte = cooled_pte,
	.pmd = left_pmd,
};

static const struct vmdedup_walk_ops left_ops = {
	.pte = left_pte,
	.pmd = left_pmd,
};

/**
 * vmdedup_sample_chunk() - sketch the next pages that may be merged
 * @mm: address space, mmap_lock held for reading
 * @addr: where to begin, a page's address
 * @visit: which chunks to look at, up to where
 * @sketcher: how to sketch
 * @chunk: out: pages of one page table or huge page, perhaps none; to be
 *	given up by vmdedup_chunk_put()
 * @tally: what is skipped is counted here
 *
 * Unless they are parts of a huge page no references are taken to the pages:
 * until vmdedup_chunk_hold() they are but numbers. May sleep.
 *
 * Return: where to go on; @visit->end when all was seen.
 */
unsigned long vmdedup_sample_chunk(struct mm_struct *mm, unsigned long addr,
				   struct vmdedup_visit *visit,
				   const struct vmdedup_sketcher *sketcher,
				   struct vmdedup_chunk *chunk,
				   struct vmdedup_tally *tally)
{
	struct sampler sampler = {
		.sketcher = sketcher,
		.chunk = chunk,
		.visit = visit,
		.tally = tally,
	};
	struct vmdedup_walker walker = {
		.skip = vmdedup_vma_skip,
		.scan = &sample_ops,
		.cold = &cold_ops,
		.left = &left_ops,
		.vma = sample_vma,
		.chunk = sample_chunk,
		.tables = 1,
		.arg = &sampler,
	};

	chunk->nr = 0;
	chunk->held = false;
	chunk->huge = NULL;
	memset(&chunk->seen, 0, sizeof(chunk->seen));
	addr = vmdedup_walk(mm, addr, visit->end, &walker);
	chunk->seen.any = !walker.tables;
	if (chunk->huge)
		sample_sketch(&sampler);
	return addr;
}

struct holder {
	struct vmdedup_chunk *chunk;
	unsigned int at;
	unsigned int held;
};

static void hold_pte(struct vmdedup_look *look, unsigned long addr, void *arg)
{
	struct holder *holder = arg;
	struct vmdedup_chunk *chunk = holder->chunk;
	u64 vpn = addr >> PAGE_SHIFT;

	while (holder->at < chunk->nr && chunk->sample[holder->at].vpn < vpn)
		holder->at++;
	if (holder->at == chunk->nr || chunk->sample[holder->at].vpn != vpn)
		return;
	if (look->kind == VMDEDUP_PAGE &&
	    look->page == chunk->sample[holder->at].page) {
		get_page(look->page);
		chunk->sample[holder->held++] = chunk->sample[holder->at];
	}
	holder->at++;
}

static void hold_pmd(struct vmdedup_look *look, unsigned long addr,
		     unsigned long end, void *arg)
{
	/* Made huge since it was walked: the next pass sees it so. */
}

static const struct vmdedup_walk_ops hold_ops = {
	.pte = hold_pte,
	.pmd = hold_pmd,
};

/**
 * vmdedup_chunk_hold() - take references to the pages of a chunk
 * @mm: address space, mmap_lock held for reading
 * @chunk: from vmdedup_sample_chunk(); perhaps with fewer pages by now, in their
 *	order
 *
 * Pages that are gone from their places are dropped from the chunk.
 */
void vmdedup_chunk_hold(struct mm_struct *mm, struct vmdedup_chunk *chunk)
{
	struct holder holder = { .chunk = chunk };
	struct vmdedup_walker walker = {
		.skip = vmdedup_vma_skip,
		.scan = &hold_ops,
		.tables = 1,
		.arg = &holder,
	};

	if (chunk->held)
		return;
	if (chunk->nr)
		vmdedup_walk(mm, chunk->sample[0].vpn << PAGE_SHIFT,
			     (chunk->sample[chunk->nr - 1].vpn + 1) << PAGE_SHIFT,
			     &walker);
	chunk->nr = holder.held;
	chunk->held = true;
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
	else if (chunk->held)
		for (i = 0; i < chunk->nr; i++)
			put_page(chunk->sample[i].page);
	chunk->huge = NULL;
	chunk->held = false;
	chunk->nr = 0;
}

/**
 * vmdedup_sample_page() - get the page at a place, if it may be merged
 * @mm: address space, mmap_lock held for reading
 * @vpn: page number of the address
 *
 * Return: the page with a reference, or NULL.
 */
struct page *vmdedup_sample_page(struct mm_struct *mm, u64 vpn)
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
