/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared frames as pages.
 *
 * A frame's page is fresh from the allocator, is filled before anybody else
 * can see it, and is never anonymous, never on an LRU list and never mapped
 * writable. It is an ordinary reference-counted page: one reference for the
 * stable tree, one for each mapping. So it outlives this module.
 */
#ifndef VMDEDUP_MM_FRAME_H
#define VMDEDUP_MM_FRAME_H

#include <linux/mm.h>

#include "../core/stable.h"

/* More mappings of one frame than this would endanger its counters. */
#define VMDEDUP_FRAME_MAX_REFS	0x40000000

int vmdedup_frame_init(void);
void vmdedup_frame_exit(void);
struct vmdedup_frame *vmdedup_frame_alloc(gfp_t gfp);
bool vmdedup_frame_fill(struct vmdedup_frame *frame, struct page *src,
			const struct vmdedup_key *key, u64 seed);
void vmdedup_frame_free(struct vmdedup_frame *frame);
int vmdedup_frame_sum(struct vmdedup_frame *frame, u64 seed, void *buf, u64 *sum);
bool vmdedup_frame_repair(struct vmdedup_frame *frame, u64 seed, void *buf);
void vmdedup_frame_poison(struct vmdedup_frame *frame);
bool vmdedup_frame_owns(struct page *page);
bool vmdedup_frame_equals(struct vmdedup_frame *frame, struct page *page);
bool vmdedup_pages_equal(struct page *a, struct page *b);
void vmdedup_frame_map(struct page *page, struct mm_struct *mm);

/**
 * vmdedup_frame_bad() - is a frame's memory not to be trusted?
 * @frame: a frame
 *
 * A frame is on no LRU list: what memory_failure() does is to mark its page.
 */
static inline bool vmdedup_frame_bad(struct vmdedup_frame *frame)
{
	return READ_ONCE(frame->bad) || PageHWPoison(frame->page);
}

/**
 * vmdedup_frame_mappings() - how often a frame's page is mapped
 * @page: its page
 */
static inline int vmdedup_frame_mappings(struct page *page)
{
	return atomic_read(&page->_mapcount) + 1;
}

/**
 * vmdedup_frame_saves() - what one mapping of a shared frame saves
 * @page: its page
 *
 * Return: bytes: its part of what all of its mappings do.
 */
static inline u64 vmdedup_frame_saves(struct page *page)
{
	return PAGE_SIZE - PAGE_SIZE / max(vmdedup_frame_mappings(page), 1);
}

#endif /* VMDEDUP_MM_FRAME_H */
