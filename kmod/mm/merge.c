// SPDX-License-Identifier: GPL-2.0
/*
 * The merge itself.
 *
 * Invariant: no write is ever lost. Bytes are compared while the page is
 * mapped nowhere, locked, and known to have no reference but those of the
 * kernel's reverse mapping and ours; whoever wants to write to it waits for
 * the migration entry that stands in its place. What replaces the entry is
 * either the page itself, or a frame that was found equal and that nobody
 * can write to.
 *
 * migrate_vma_setup() does the taking away (it is made for devices that keep
 * memory of their own, see Documentation/mm/hmm.rst); with no destination
 * given, migrate_vma_finalize() puts back what has not been replaced.
 */
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pgtable.h>

#include "../compat/compat.h"
#include "../core/content.h"
#include "../trace.h"
#include "frame.h"
#include "merge.h"
#include "table.h"
#include "vma.h"

static void merge_skip(const struct vmdedup_job *job, enum vmdedup_skip reason,
		       struct vmdedup_tally *tally)
{
	tally->skip[reason]++;
	trace_vmdedup_skip(job->place.region, job->place.vpn, reason);
}

static bool page_has_content(struct page *page, struct vmdedup_frame *frame)
{
	bool zero;
	void *addr;

	if (frame)
		return vmdedup_frame_equals(frame, page);
	addr = kmap_local_page(page);
	zero = vmdedup_content_is_zero(addr);
	kunmap_local(addr);
	return zero;
}

/* Compare what was taken away; win->take is left for what is equal. */
static unsigned int window_compare(struct vmdedup_window *win,
				   const struct vmdedup_job *jobs,
				   unsigned int nr, struct vmdedup_tally *tally)
{
	unsigned int i, equal = 0;

	for (i = 0; i < nr; i++) {
		struct page *page = migrate_pfn_to_page(win->src[i]);

		win->take[i] = false;
		if (!page && win->src[i] & MIGRATE_PFN_MIGRATE) {
			/* From 6.12 on, splitting a huge page does this. */
			if (win->splitting && !jobs[i].frame)
				tally->ev[VMDEDUP_EV_pages_zero_merged]++;
			else
				merge_skip(&jobs[i], VMDEDUP_SKIP_CHANGED, tally);
		} else if (!page || !(win->src[i] & MIGRATE_PFN_MIGRATE)) {
			merge_skip(&jobs[i], VMDEDUP_SKIP_BUSY, tally);
		} else if (PageHWPoison(page) ||
			   (jobs[i].frame && vmdedup_frame_bad(jobs[i].frame))) {
			merge_skip(&jobs[i], VMDEDUP_SKIP_POISONED, tally);
		} else if (vmdedup_folio_given_up(page_folio(page), false)) {
			/* MADV_FREE works by CPU-local batches: only now seen. */
			merge_skip(&jobs[i], VMDEDUP_SKIP_VOLATILE, tally);
		} else if (!page_has_content(page, jobs[i].frame)) {
			merge_skip(&jobs[i], VMDEDUP_SKIP_CHANGED, tally);
		} else {
			win->take[i] = true;
			equal++;
		}
	}
	return equal;
}

/* Put a shared frame, or the zero page, where a migration entry is. */
static void install(struct vm_area_struct *vma, unsigned long addr, pte_t *ptep,
		    struct page *frame)
{
	pte_t old = READ_ONCE(*ptep), pte;

	if (frame) {
		pte = mk_pte(frame, vma->vm_page_prot);
		vmdedup_frame_map(frame, vma->vm_mm);
	} else {
		pte = pte_mkspecial(pfn_pte(page_to_pfn(ZERO_PAGE(addr)),
					    vma->vm_page_prot));
		vmdedup_compat_rss_add(vma->vm_mm, MM_ANONPAGES, -1);
	}
	pte = pte_wrprotect(pte);
	/* The content is the same as before: so is what checkpointing sees. */
	if (pte_swp_soft_dirty(old))
		pte = pte_mksoft_dirty(pte);
	set_pte_at(vma->vm_mm, addr, ptep, pte);
}

static void window_install(struct vm_area_struct *vma,
			   struct vmdedup_window *win,
			   const struct vmdedup_job *jobs, unsigned int nr,
			   struct vmdedup_tally *tally)
{
	unsigned long addr = jobs[0].place.vpn << PAGE_SHIFT, next;
	pmd_t *pmd = vmdedup_pmd(vma->vm_mm, addr, &next);
	struct vmdedup_table table;
	unsigned int i;

	if (!pmd || !vmdedup_table_lock(vma->vm_mm, pmd, addr, &table)) {
		for (i = 0; i < nr; i++)
			if (win->take[i])
				merge_skip(&jobs[i], VMDEDUP_SKIP_BUSY, tally);
		return;
	}
	for (i = 0; i < nr; i++, addr += PAGE_SIZE) {
		struct page *frame = jobs[i].frame ? jobs[i].frame->page : NULL;
		pte_t pte = READ_ONCE(table.pte[i]);

		if (!win->take[i])
			continue;
		/* Meanwhile it may have been unmapped by MADV_DONTNEED. */
		if (pte_none(pte) || pte_present(pte) ||
		    vmdedup_compat_leaf(pte) != VMDEDUP_LEAF_MIGRATION ||
		    vmdedup_compat_leaf_page(pte) !=
		    migrate_pfn_to_page(win->src[i]) ||
		    (frame && page_ref_count(frame) > VMDEDUP_FRAME_MAX_REFS)) {
			merge_skip(&jobs[i], VMDEDUP_SKIP_BUSY, tally);
			continue;
		}
		install(vma, addr, &table.pte[i], frame);
		if (frame)
			tally->saved += vmdedup_frame_saves(frame);
		tally->ev[frame ? VMDEDUP_EV_pages_merged :
				  VMDEDUP_EV_pages_zero_merged]++;
	}
	vmdedup_table_unlock(&table);
}

/* Take away, compare, replace, give back: all jobs are of one page table. */
static void merge_window(struct vm_area_struct *vma,
			 const struct vmdedup_job *jobs, unsigned int nr,
			 struct vmdedup_window *win, struct vmdedup_tally *tally)
{
	unsigned long start = jobs[0].place.vpn << PAGE_SHIFT;
	struct migrate_vma args = {
		.vma = vma,
		.src = win->src,
		.dst = win->dst,
		.start = start,
		.end = start + ((unsigned long)nr << PAGE_SHIFT),
		/* Who keeps pages of a device would know its own; NULL may be one. */
		.pgmap_owner = win,
		.flags = MIGRATE_VMA_SELECT_SYSTEM,
	};
	u64 before, ns;
	unsigned int i;

	memset(win->dst, 0, nr * sizeof(win->dst[0]));
	before = ktime_get_ns();
	if (migrate_vma_setup(&args)) {
		for (i = 0; i < nr; i++)
			merge_skip(&jobs[i], VMDEDUP_SKIP_BUSY, tally);
		return;
	}
	tally->ev[VMDEDUP_EV_merge_runs]++;
	if (window_compare(win, jobs, nr, tally))
		window_install(vma, win, jobs, nr, tally);
	migrate_vma_pages(&args);
	migrate_vma_finalize(&args);
	ns = ktime_get_ns() - before;
	win->longest_ns = max(win->longest_ns, ns);
	trace_vmdedup_merge(jobs[0].place.region, jobs[0].place.vpn, nr, ns);
}

/* Why not to ask the kernel for this page, as it is now. */
static enum vmdedup_skip page_refused(struct vm_area_struct *vma,
				      struct vmdedup_look *look)
{
	enum vmdedup_skip reason;

	if (look->kind == VMDEDUP_SKIP)
		return look->reason;
	if (look->kind != VMDEDUP_PAGE)
		return VMDEDUP_SKIP_CHANGED;
	reason = vmdedup_look_closely(vma, look->page);
	if (reason == VMDEDUP_ELIGIBLE && !folio_test_lru(page_folio(look->page)))
		reason = VMDEDUP_SKIP_LRU;
	return reason;
}

/*
 * Look at the pages of a page table before taking any away: a page taken in
 * vain makes a guest wait for nothing. Fills win->ask and counts what is
 * refused. Returns how many jobs were looked at, less than @nr if what
 * follows needs a drain: the kernel drains the LRU caches while it holds the
 * whole run unmapped, so only a run of one page may ask for it. With that one
 * drained, the rest is to be found on the LRU lists.
 */
static unsigned int prefilter(struct vm_area_struct *vma,
			      struct vmdedup_table *table,
			      const struct vmdedup_job *jobs, unsigned int nr,
			      struct vmdedup_merge_opts *opts,
			      struct vmdedup_window *win,
			      struct vmdedup_tally *tally)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct vmdedup_look look;
		enum vmdedup_skip reason;

		look = vmdedup_look_pte(READ_ONCE(table->pte[i]));
		reason = page_refused(vma, &look);
		if (reason == VMDEDUP_SKIP_LRU && opts->drain) {
			if (i)
				return i;
			opts->drain = false;
			tally->ev[VMDEDUP_EV_lru_drains]++;
			win->ask[0] = true;
			return 1;
		}
		win->ask[i] = reason == VMDEDUP_ELIGIBLE;
		/* As in window_compare(). */
		if (look.kind == VMDEDUP_ZERO && opts->was_split)
			tally->ev[VMDEDUP_EV_pages_zero_merged]++;
		else if (!win->ask[i])
			merge_skip(&jobs[i], reason, tally);
	}
	return nr;
}

/*
 * Is this a good moment to have a huge page split?
 *
 * When migrate_vma_setup() of 6.1 and 6.12 meets one that is locked it gives up, but
 * keeps the reference that it has taken: the huge page would never be freed. Whoever
 * locks one by way of a mapping, as madvise() and ksmd do, is kept out by the
 * mmap_lock, which is held for writing; but not a write fault, which may do with the
 * lock of the mapping alone, and locks what is not exclusive: vmdedup_look_pmd() skips
 * that. Reclaim and compaction take them off the LRU
 * list before they lock them, and who moves one on request does, too. What is left is
 * the moment between this and the call, in which the shrinker of huge pages that are
 * partly unmapped, or memory failure, may lock it.
 *
 * One to which there is a reference besides that of the mapping could not be split.
 */
static bool may_split(struct vm_area_struct *vma, pmd_t *pmd)
{
	spinlock_t *ptl = pmd_lock(vma->vm_mm, pmd); /* keeps the page mapped */
	pmd_t val = READ_ONCE(*pmd);
	struct vmdedup_look look;
	bool may = false;

	if (vmdedup_pmd_is_huge(val)) {
		/* It may be the huge zero page by now, or one that is skipped. */
		look = vmdedup_look_pmd(val);
		may = look.kind == VMDEDUP_PAGE &&
		      folio_test_lru(page_folio(look.page)) &&
		      folio_ref_count(page_folio(look.page)) == 1 &&
		      vmdedup_look_closely(vma, look.page) == VMDEDUP_ELIGIBLE;
	}
	spin_unlock(ptl);
	return may;
}

/* Split the huge page of a job, by merging that job alone; if it may be. */
static bool merge_splitting(struct vm_area_struct *vma, pmd_t *pmd,
			    const struct vmdedup_job *job,
			    struct vmdedup_merge_opts *opts,
			    struct vmdedup_window *win,
			    struct vmdedup_tally *tally)
{
	bool tried;

	mmap_assert_write_locked(vma->vm_mm);
	tried = may_split(vma, pmd);
	win->splitting = true;
	if (tried)
		merge_window(vma, job, 1, win, tally);
	win->splitting = false;
	opts->was_split = tried && !vmdedup_pmd_is_huge(READ_ONCE(*pmd));
	if (opts->was_split)
		tally->ev[VMDEDUP_EV_huge_split]++;
	return tried;
}

/* Of a huge page, merge the first job, or refuse all. */
static unsigned int merge_in_huge(struct vm_area_struct *vma, pmd_t *pmd,
				  const struct vmdedup_job *jobs,
				  unsigned int nr,
				  struct vmdedup_merge_opts *opts,
				  struct vmdedup_window *win,
				  struct vmdedup_tally *tally)
{
	enum vmdedup_skip reason = VMDEDUP_SKIP_HUGE;
	unsigned int i;

	if (opts->split) {
		if (merge_splitting(vma, pmd, jobs, opts, win, tally)) {
			/* Once, whatever came of it. */
			opts->split = false;
			return 1;
		}
		reason = VMDEDUP_SKIP_BUSY;
	}
	for (i = 0; i < nr; i++)
		merge_skip(&jobs[i], reason, tally);
	return nr;
}

static unsigned int merge_in_table(struct vm_area_struct *vma,
				   struct vmdedup_table *table,
				   const struct vmdedup_job *jobs,
				   unsigned int nr,
				   struct vmdedup_merge_opts *opts,
				   struct vmdedup_window *win,
				   struct vmdedup_tally *tally)
{
	unsigned int i, len;

	nr = prefilter(vma, table, jobs, nr, opts, win, tally);
	vmdedup_table_unlock(table);
	for (i = 0; i < nr; i += len) {
		len = 1;
		if (!win->ask[i])
			continue;
		while (i + len < nr && win->ask[i + len])
			len++;
		merge_window(vma, jobs + i, len, win, tally);
	}
	return nr;
}

/**
 * vmdedup_merge_run() - merge a run
 * @mm: address space, mmap_lock held, for writing if opts->writing says so
 * @jobs: consecutive pages of one page table
 * @nr: how many, at least 1
 * @opts: what may be done
 * @win: working memory; @longest_ns is kept up
 * @tally: results are counted here, a reason for each page not merged
 *
 * May sleep.
 *
 * Return: how many jobs were dealt with. A run may be cut, at the end of
 * a mapping for one; the caller comes again with the rest. 0 if the mmap_lock has
 * to be held for writing: see vmdedup_look_closely(), and may_split().
 */
unsigned int vmdedup_merge_run(struct mm_struct *mm,
			       const struct vmdedup_job *jobs, unsigned int nr,
			       struct vmdedup_merge_opts *opts,
			       struct vmdedup_window *win,
			       struct vmdedup_tally *tally)
{
	unsigned long addr = jobs[0].place.vpn << PAGE_SHIFT, next;
	struct vm_area_struct *vma = vma_lookup(mm, addr);
	enum vmdedup_skip reason = VMDEDUP_SKIP_CHANGED;
	struct vmdedup_table table;
	bool huge;
	pmd_t *pmd;

	mmap_assert_locked(mm);
	opts->always_writing = vma && vma->vm_flags & VM_MERGEABLE;
	if (vma)
		reason = vmdedup_vma_skip(vma);
	if (reason != VMDEDUP_ELIGIBLE) {
		merge_skip(&jobs[0], reason, tally);
		return 1;
	}
	nr = min_t(unsigned long, nr, (vma->vm_end - addr) >> PAGE_SHIFT);
	pmd = vmdedup_pmd(mm, addr, &next);
	huge = pmd && vmdedup_pmd_is_huge(READ_ONCE(*pmd));
	if (!opts->writing &&
	    (opts->always_writing || (huge && opts->split)))
		return 0;
	if (huge)
		return merge_in_huge(vma, pmd, jobs, nr, opts, win, tally);
	if (pmd && vmdedup_table_lock(mm, pmd, addr, &table))
		return merge_in_table(vma, &table, jobs, nr, opts, win, tally);
	merge_skip(&jobs[0], VMDEDUP_SKIP_CHANGED, tally);
	return 1;
}
