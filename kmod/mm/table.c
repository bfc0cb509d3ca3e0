// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/pgtable.h>

#include "../compat/compat.h"
#include "../core/runs.h"
#include "frame.h"
#include "table.h"
#include "vma.h"

/* Arrays for the pages of one table are of this size. */
static_assert(PTRS_PER_PTE == VMDEDUP_RUN_MAX);

/**
 * vmdedup_pmd() - find the PMD entry of an address
 * @mm: address space, mmap_lock held for reading
 * @addr: address
 * @next: out: the next address that can have another PMD entry; may wrap to 0
 *
 * Return: the entry, which may hold anything, or NULL if there is none: then
 * nothing is mapped up to *@next.
 */
pmd_t *vmdedup_pmd(struct mm_struct *mm, unsigned long addr,
		   unsigned long *next)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud, pudval;

	*next = (addr & PGDIR_MASK) + PGDIR_SIZE;
	if (pgd_none(*pgd) || pgd_bad(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	*next = (addr & P4D_MASK) + P4D_SIZE;
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	*next = (addr & PUD_MASK) + PUD_SIZE;
	pudval = READ_ONCE(*pud);
	if (pud_none(pudval) || pud_bad(pudval))
		return NULL;
	*next = (addr & PMD_MASK) + PMD_SIZE;
	return pmd_offset(pud, addr);
}

/**
 * vmdedup_table_lock() - lock the page table below a PMD entry
 * @mm: address space, mmap_lock held for reading
 * @pmd: from vmdedup_pmd()
 * @addr: address
 * @table: out: the locked table
 *
 * Return: false if there is no page table (any more); nothing is locked then.
 */
bool vmdedup_table_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
			struct vmdedup_table *table)
{
	pmd_t val;

	rcu_read_lock();
again:
	val = READ_ONCE(*pmd);
	if (pmd_none(val) || !pmd_present(val) || vmdedup_pmd_is_huge(val) ||
	    pmd_bad(val))
		goto none;
	table->ptl = pte_lockptr(mm, &val);
	spin_lock(table->ptl);
	/* It may be another table now, or only have been accessed. */
	if (unlikely(!pmd_same(val, READ_ONCE(*pmd)))) {
		spin_unlock(table->ptl);
		goto again;
	}
	table->pte = pte_offset_kernel(&val, addr);
	return true;
none:
	rcu_read_unlock();
	return false;
}

/**
 * vmdedup_table_unlock() - undo vmdedup_table_lock()
 * @table: the table
 */
void vmdedup_table_unlock(struct vmdedup_table *table)
{
	spin_unlock(table->ptl);
	rcu_read_unlock();
}

/**
 * vmdedup_pmd_is_huge() - does this entry map a huge page?
 * @pmd: value of a PMD entry
 *
 * Unless the page table lock of the entry is held, it may be over already.
 */
bool vmdedup_pmd_is_huge(pmd_t pmd)
{
	return pmd_present(pmd) && pmd_trans_huge(pmd);
}

static struct vmdedup_look skip(enum vmdedup_skip reason)
{
	return (struct vmdedup_look){ .kind = VMDEDUP_SKIP, .reason = reason };
}

static struct vmdedup_look look_nonpresent(pte_t pte)
{
	switch (vmdedup_compat_leaf(pte)) {
	case VMDEDUP_LEAF_MIGRATION:
		return skip(VMDEDUP_SKIP_MIGRATING);
	case VMDEDUP_LEAF_DEVICE:
		return skip(VMDEDUP_SKIP_DEVICE);
	case VMDEDUP_LEAF_POISON:
		return skip(VMDEDUP_SKIP_POISONED);
	case VMDEDUP_LEAF_MARKER:
		return skip(VMDEDUP_SKIP_UFFD);
	case VMDEDUP_LEAF_SWAP:
		break;
	}
	return skip(VMDEDUP_SKIP_SWAPPED);
}

/**
 * vmdedup_folio_given_up() - given up by MADV_FREE, and not written to since?
 * @folio: anonymous folio
 * @entry_dirty: is the page table entry dirty? False if there is none any more:
 *	then the folio's own flag has it.
 */
bool vmdedup_folio_given_up(struct folio *folio, bool entry_dirty)
{
	return !folio_test_swapbacked(folio) && !entry_dirty &&
	       !folio_test_dirty(folio);
}

/* Have others mapped this page, since a fork? A small one. */
static bool mapped_elsewhere(struct page *page)
{
	if (PageAnonExclusive(page))
		return false;
	return atomic_read(&page_folio(page)->_mapcount) > 0; /* counts from -1 */
}

/* What both sizes of anonymous pages are checked for. */
static enum vmdedup_skip folio_skip(struct folio *folio, bool entry_dirty)
{
	if (folio_is_zone_device(folio))
		return VMDEDUP_SKIP_DEVICE;
	if (folio_test_ksm(folio))
		return VMDEDUP_SKIP_KSM;
	if (vmdedup_folio_given_up(folio, entry_dirty))
		return VMDEDUP_SKIP_VOLATILE;
	if (folio_maybe_dma_pinned(folio))
		return VMDEDUP_SKIP_PINNED;
	return VMDEDUP_ELIGIBLE;
}

/**
 * vmdedup_look_pte() - what does a PTE of an eligible mapping stand for?
 * @pte: the entry; its page table is locked
 */
struct vmdedup_look vmdedup_look_pte(pte_t pte)
{
	struct vmdedup_look look = { .kind = VMDEDUP_PAGE };
	enum vmdedup_skip reason;
	struct folio *folio;

	if (pte_none(pte))
		return (struct vmdedup_look){ .kind = VMDEDUP_HOLE };
	if (!pte_present(pte))
		return look_nonpresent(pte);
	if (is_zero_pfn(pte_pfn(pte)))
		return pte_uffd_wp(pte) ? skip(VMDEDUP_SKIP_UFFD) :
			(struct vmdedup_look){ .kind = VMDEDUP_ZERO };
	if (pte_special(pte))
		return skip(VMDEDUP_SKIP_SPECIAL);
	look.page = pte_page(pte);
	folio = page_folio(look.page);
	if (!folio_test_anon(folio)) {
		if (pte_uffd_wp(pte))
			return skip(VMDEDUP_SKIP_UFFD);
		if (!vmdedup_frame_owns(look.page))
			return skip(PageHWPoison(look.page) ?
				    VMDEDUP_SKIP_POISONED : VMDEDUP_SKIP_FOREIGN);
		look.kind = VMDEDUP_MERGED;
		return look;
	}
	if (PageHWPoison(look.page))
		return skip(VMDEDUP_SKIP_POISONED);
	reason = folio_skip(folio, pte_dirty(pte));
	if (reason != VMDEDUP_ELIGIBLE)
		return skip(reason);
	if (folio_test_large(folio))
		return skip(VMDEDUP_SKIP_HUGE_PART);
	if (mapped_elsewhere(look.page))
		return skip(VMDEDUP_SKIP_FORKED);
	if (pte_uffd_wp(pte))
		return skip(VMDEDUP_SKIP_UFFD);
	return look;
}

/**
 * vmdedup_look_pmd() - what does a huge PMD of an eligible mapping stand for?
 * @pmd: an entry for which vmdedup_pmd_is_huge(); its lock is held
 *
 * Return: VMDEDUP_PAGE with the head page, VMDEDUP_ZERO for the huge zero
 * page, or VMDEDUP_SKIP.
 */
struct vmdedup_look vmdedup_look_pmd(pmd_t pmd)
{
	struct vmdedup_look look = { .kind = VMDEDUP_PAGE };
	enum vmdedup_skip reason;
	struct folio *folio;

	look.page = pmd_page(pmd);
	folio = page_folio(look.page);
	/* Anonymous mappings know but one huge page that is not anonymous. */
	if (!folio_test_anon(folio))
		return (struct vmdedup_look){ .kind = VMDEDUP_ZERO };
	if (folio_test_has_hwpoisoned(folio))
		return skip(VMDEDUP_SKIP_POISONED);
	reason = folio_skip(folio, pmd_dirty(pmd));
	if (reason != VMDEDUP_ELIGIBLE)
		return skip(reason);
	/* Even if others have it no more: see may_split(). */
	if (!PageAnonExclusive(look.page))
		return skip(VMDEDUP_SKIP_FORKED);
	if (pmd_uffd_wp(pmd))
		return skip(VMDEDUP_SKIP_UFFD);
	return look;
}

/**
 * vmdedup_look_closely() - can a page be taken away from its mapping?
 * @vma: the mapping; its mmap_lock is held
 * @page: was found with VMDEDUP_PAGE; the page table, or the lock of the huge PMD,
 *	is still held
 *
 * What is taken away must be found again by the kernel's reverse mapping. Of a
 * page of KSM that finds only the mappings that are in KSM's stable tree, where they
 * get to a while after the page has become KSM's. So none may become so from here
 * on. ksmd makes it so by way of a mapping, whose mmap_lock it holds for reading:
 * where ksmd may work in this one, vmdedup_merge_run() wants the lock held for
 * writing, and of any other mapping there is none.
 *
 * A page that is not exclusive, after a fork or for the way in which it was swapped
 * in, others may have without mapping it: in the swap cache, or as somebody moves it,
 * who has locked it. The caller has no reference to it.
 *
 * Return: VMDEDUP_ELIGIBLE, or why not.
 */
enum vmdedup_skip vmdedup_look_closely(struct vm_area_struct *vma,
				       struct page *page)
{
	enum vmdedup_skip reason = VMDEDUP_ELIGIBLE;
	struct folio *folio = page_folio(page);
	bool unshared = PageAnonExclusive(page) || vmdedup_vma_alone(vma);

	if (!folio_trylock(folio))
		return VMDEDUP_SKIP_BUSY;
	if (folio_test_ksm(folio))
		reason = VMDEDUP_SKIP_KSM;
	else if (!unshared && (mapped_elsewhere(page) || folio_test_swapcache(folio)))
		reason = VMDEDUP_SKIP_FORKED;
	else if (!unshared && folio_ref_count(folio) > 1)
		reason = VMDEDUP_SKIP_BUSY;
	folio_unlock(folio);
	return reason;
}
