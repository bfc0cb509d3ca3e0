// SPDX-License-Identifier: GPL-2.0
#include <linux/highmem.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/vmstat.h>

#include "../compat/compat.h"
#include "../core/content.h"
#include "charge.h"
#include "frame.h"

static struct kmem_cache *frame_cache;
/* Tells our frames' pages (in page_private) from those of an earlier load. */
static unsigned long frame_cookie;

/**
 * vmdedup_frame_init() - set up before any frame is made
 * Return: 0 or -ENOMEM.
 */
int vmdedup_frame_init(void)
{
	frame_cookie = get_random_long() | 1;
	frame_cache = kmem_cache_create("vmdedup_frame",
					sizeof(struct vmdedup_frame), 0, 0,
					NULL);
	return frame_cache ? 0 : -ENOMEM;
}

/** vmdedup_frame_exit() - undo vmdedup_frame_init() */
void vmdedup_frame_exit(void)
{
	kmem_cache_destroy(frame_cache);
}

/*
 * A page charged to the memory cgroup of @mm, so that merging is no way out of
 * its limit. To find none at once is no disaster: do not have the kernel kill
 * somebody, or wait, for an optimization.
 */
static struct page *frame_page(struct mm_struct *mm)
{
	struct vmdedup_charge charge;
	struct page *page;

	vmdedup_charge_begin(&charge, mm);
	page = alloc_page(GFP_HIGHUSER | __GFP_ACCOUNT | __GFP_NOWARN |
			  __GFP_NORETRY);
	vmdedup_charge_end(&charge);
	return page;
}

/**
 * vmdedup_frame_make() - make a shared frame with a page's content
 * @mm: of the first sharer, whose memory cgroup is charged
 * @src: a page with a reference; it may be written to meanwhile
 * @key: domain and checksum that the content must have
 * @seed: of the checksum
 *
 * May sleep.
 *
 * Return: a frame that is in no tree; ERR_PTR(-EAGAIN) if the page changed
 * and the checksum is another one; ERR_PTR(-ENOMEM).
 */
struct vmdedup_frame *vmdedup_frame_make(struct mm_struct *mm,
					 struct page *src,
					 const struct vmdedup_key *key,
					 u64 seed)
{
	struct vmdedup_frame *frame;
	void *addr;
	u64 sum;

	frame = kmem_cache_alloc(frame_cache, GFP_KERNEL | __GFP_NOWARN |
				 __GFP_NORETRY);
	if (!frame)
		return ERR_PTR(-ENOMEM);
	frame->page = frame_page(mm);
	if (!frame->page) {
		kmem_cache_free(frame_cache, frame);
		return ERR_PTR(-ENOMEM);
	}
	frame->node.key = *key;
	atomic_set(&frame->users, 0);
	copy_highpage(frame->page, src);
	addr = kmap_local_page(frame->page);
	sum = vmdedup_content_sum(addr, seed);
	kunmap_local(addr);
	__SetPageUptodate(frame->page);
	set_page_private(frame->page, frame_cookie);
	if (sum != key->sum) {
		vmdedup_frame_free(frame);
		return ERR_PTR(-EAGAIN);
	}
	return frame;
}

/**
 * vmdedup_frame_free() - forget a frame
 * @frame: in no tree
 *
 * Its page is freed when its last mapping is gone. Does not sleep.
 */
void vmdedup_frame_free(struct vmdedup_frame *frame)
{
	set_page_private(frame->page, 0);
	put_page(frame->page);
	kmem_cache_free(frame_cache, frame);
}

/**
 * vmdedup_frame_owns() - is this the page of a frame of this load?
 * @page: a page that is not anonymous, found in an anonymous mapping
 */
bool vmdedup_frame_owns(struct page *page)
{
	return page_private(page) == frame_cookie;
}

/**
 * vmdedup_pages_equal() - compare two pages
 * @a: a page
 * @b: another one
 */
bool vmdedup_pages_equal(struct page *a, struct page *b)
{
	void *addr_a = kmap_local_page(a);
	void *addr_b = kmap_local_page(b);
	bool equal = !memcmp(addr_a, addr_b, PAGE_SIZE);

	kunmap_local(addr_b);
	kunmap_local(addr_a);
	return equal;
}

/**
 * vmdedup_frame_equals() - does a page have a frame's content?
 * @frame: the frame
 * @page: the page; the answer lasts only while nobody can write to it
 */
bool vmdedup_frame_equals(struct vmdedup_frame *frame, struct page *page)
{
	/* A frame is on no LRU list: memory_failure() only marks it. */
	return !PageHWPoison(frame->page) && !PageHWPoison(page) &&
	       vmdedup_pages_equal(frame->page, page);
}

/**
 * vmdedup_frame_map() - account one more mapping of a frame
 * @page: the frame's page
 * @mm: where it is about to be mapped instead of an anonymous page
 *
 * The page table lock is held. Mirrors what the core kernel takes back when
 * it unmaps a page that is not anonymous.
 */
void vmdedup_frame_map(struct page *page, struct mm_struct *mm)
{
	get_page(page);
	if (atomic_inc_and_test(&page->_mapcount))
		lruvec_stat_mod_folio(page_folio(page), NR_FILE_MAPPED, 1);
	vmdedup_compat_rss_add(mm, MM_ANONPAGES, -1);
	vmdedup_compat_rss_add(mm, MM_FILEPAGES, 1);
}
