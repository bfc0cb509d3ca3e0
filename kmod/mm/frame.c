// SPDX-License-Identifier: GPL-2.0
#include <linux/highmem.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

#include "../compat/compat.h"
#include "../core/content.h"
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

/**
 * vmdedup_frame_alloc() - allocate a frame that has no content yet
 * @gfp: how, its page in any case charged to whom the caller says: merging is no
 *	way out of the limit of a memory cgroup
 *
 * Return: a frame that is in no tree, or NULL.
 */
struct vmdedup_frame *vmdedup_frame_alloc(gfp_t gfp)
{
	struct vmdedup_frame *frame;

	/* It is of no size beside its page. */
	frame = kmem_cache_alloc(frame_cache, gfp & ~__GFP_ACCOUNT);
	if (!frame)
		return NULL;
	frame->page = alloc_page(gfp | __GFP_HIGHMEM | __GFP_ACCOUNT);
	if (!frame->page) {
		kmem_cache_free(frame_cache, frame);
		return NULL;
	}
	return frame;
}

/**
 * vmdedup_frame_fill() - give a frame a page's content
 * @frame: in no tree
 * @src: a page with a reference; it may be written to meanwhile
 * @key: domain and checksum that the content must have
 * @seed: of the checksum
 *
 * Does not sleep.
 *
 * Return: false if the page changed and the checksum is another one; the frame may
 * be filled anew then.
 */
bool vmdedup_frame_fill(struct vmdedup_frame *frame, struct page *src,
			const struct vmdedup_key *key, u64 seed)
{
	void *addr;
	u64 sum;

	if (PageHWPoison(src))
		return false;
	frame->node.key = *key;
	atomic_set(&frame->users, 0);
	frame->bad = VMDEDUP_GOOD;
	copy_highpage(frame->page, src);
	addr = kmap_local_page(frame->page);
	sum = vmdedup_content_sum(addr, seed);
	kunmap_local(addr);
	if (sum != key->sum)
		return false;
	__SetPageUptodate(frame->page);
	set_page_private(frame->page, frame_cookie);
	return true;
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
 * vmdedup_frame_sum() - checksum of a frame's content as it is now
 * @frame: a frame, in use
 * @seed: of its trust domain
 * @buf: out: the content; room for a page
 * @sum: out
 *
 * For who goes through memory that nobody has read for long, and so may be the
 * first to meet an error: the kernel survives that, where the machine lets it.
 *
 * Return: 0, or -EHWPOISON if the memory cannot be read.
 */
int vmdedup_frame_sum(struct vmdedup_frame *frame, u64 seed, void *buf, u64 *sum)
{
	unsigned long left;
	void *addr;

	if (PageHWPoison(frame->page))
		return -EHWPOISON;
	addr = kmap_local_page(frame->page);
	left = copy_mc_to_kernel(buf, addr, PAGE_SIZE);
	kunmap_local(addr);
	if (left) {
		vmdedup_frame_poison(frame);
		return -EHWPOISON;
	}
	*sum = vmdedup_content_sum(buf, seed);
	return 0;
}

static void flip(struct page *page, unsigned int bit)
{
	u8 *addr = kmap_local_page(page);

	addr[bit / BITS_PER_BYTE] ^= 1 << bit % BITS_PER_BYTE;
	kunmap_local(addr);
}

/**
 * vmdedup_frame_repair() - put a corrupt frame's content right, if that can be done
 * @frame: a frame that the caller has taken out of the tree
 * @seed: of its trust domain
 * @buf: its content, by vmdedup_frame_sum(); used
 *
 * The one time that a frame is written to: if it is a single bit that is wrong,
 * the checksum tells which. All who map the frame have it right at once. May
 * sleep.
 *
 * Return: true if the content is what it was.
 */
bool vmdedup_frame_repair(struct vmdedup_frame *frame, u64 seed, void *buf)
{
	u64 sum = frame->node.key.sum, now;
	int bit = vmdedup_content_flipped(buf, seed, sum);

	if (bit < 0)
		return false;
	flip(frame->page, bit);
	/* As it is in memory: it may have changed since it was read. */
	if (!vmdedup_frame_sum(frame, seed, buf, &now) && now == sum)
		return true;
	if (!PageHWPoison(frame->page))
		flip(frame->page, bit);
	return false;
}

/**
 * vmdedup_frame_poison() - have the kernel know that a frame's memory is bad
 * @frame: a frame
 *
 * Its page is not given to anybody any more, once it is free, and shows up in
 * HardwareCorrupted of /proc/meminfo. Mappings stay: the kernel has no way to
 * find those of a page like this. What vm.memory_failure_recovery asks for is
 * done, which may be a panic. May sleep.
 */
void vmdedup_frame_poison(struct vmdedup_frame *frame)
{
#ifdef CONFIG_MEMORY_FAILURE
	/* It says that it could not do more than to mark the page. */
	if (!PageHWPoison(frame->page))
		memory_failure(page_to_pfn(frame->page), 0);
#else
	/* Without a mark, what keeps it from being used again is a reference. */
	get_page(frame->page);
#endif
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
 *
 * One that is poisoned is not read, and equals nothing.
 */
bool vmdedup_pages_equal(struct page *a, struct page *b)
{
	void *addr_a, *addr_b;
	bool equal;

	if (PageHWPoison(a) || PageHWPoison(b))
		return false;
	addr_a = kmap_local_page(a);
	addr_b = kmap_local_page(b);
	equal = !memcmp(addr_a, addr_b, PAGE_SIZE);
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
	return !vmdedup_frame_bad(frame) &&
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
