// SPDX-License-Identifier: GPL-2.0
/*
 * Quarantine: frames that are in no tree any more because their memory is bad.
 *
 * Those who map one go on doing so. If it was more than a bit, nobody knows what
 * the right content was, so nothing better can be put there; and to take it away is
 * to kill a guest which may never look at it. A guest that writes to such a page
 * gets a copy with the fault in it. But nobody else comes to share the frame, those
 * who do are named, and its memory is never used again: not even if the content
 * could be put right, for what failed once does so again.
 *
 * A frame is kept here, and counts as shared, for as long as it is mapped.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/sched.h>

#include "../mm/frame.h"
#include "../mm/news.h"
#include "../mm/sharers.h"
#include "engine.h"
#include "quarantine.h"
#include "scrub.h"

static DEFINE_MUTEX(quarantine_lock);
/* These under it; but who tends it alone takes out of them. */
static LIST_HEAD(untold);	/* nobody was told yet */
static LIST_HEAD(told);
static unsigned long nr_frames;

static struct vmdedup_frame *frame_at(struct list_head *list)
{
	return container_of(list, struct vmdedup_frame, node.list);
}

/**
 * vmdedup_quarantine_add() - put a frame under quarantine
 * @frame: in no tree any more, because it is bad
 *
 * May sleep.
 */
void vmdedup_quarantine_add(struct vmdedup_frame *frame)
{
	bool poisoned = frame->bad == VMDEDUP_POISONED;

	vmdedup_account_event(poisoned ? VMDEDUP_EV_frames_poisoned :
					 VMDEDUP_EV_frames_corrupt, 1);
	if (frame->bad == VMDEDUP_REPAIRED)
		vmdedup_account_event(VMDEDUP_EV_frames_repaired, 1);
	if (poisoned)
		pr_err_ratelimited("frame %#lx is poisoned; it is mapped %d times\n",
				   page_to_pfn(frame->page),
				   vmdedup_frame_mappings(frame->page));
	mutex_lock(&quarantine_lock);
	list_add_tail(&frame->node.list, &untold);
	WRITE_ONCE(nr_frames, nr_frames + 1);
	mutex_unlock(&quarantine_lock);
	vmdedup_scrub_wake();
}

/**
 * vmdedup_quarantine_count() - how many frames are under quarantine
 */
unsigned long vmdedup_quarantine_count(void)
{
	return READ_ONCE(nr_frames);
}

static void add_mappings(struct list_head *list, u64 *shared, u64 *sharing)
{
	struct list_head *pos;

	lockdep_assert_held(&quarantine_lock);
	list_for_each(pos, list) {
		int mappings = vmdedup_frame_mappings(frame_at(pos)->page);

		if (mappings > 0) {
			++*shared;
			*sharing += mappings - 1;
		}
		cond_resched();
	}
}

/**
 * vmdedup_quarantine_mappings() - how often frames under quarantine are mapped
 * @shared: is added to: frames that are
 * @sharing: is added to: their mappings beyond the first of each
 *
 * May sleep.
 */
void vmdedup_quarantine_mappings(u64 *shared, u64 *sharing)
{
	if (!vmdedup_quarantine_count())
		return;
	mutex_lock(&quarantine_lock);
	add_mappings(&untold, shared, sharing);
	add_mappings(&told, shared, sharing);
	mutex_unlock(&quarantine_lock);
}

static void send_news(const struct vmdedup_frame *frame,
		      struct vmdedup_region *region, u64 mappings,
		      unsigned long address)
{
	struct vmdedup_news news = {
		.type = frame->bad == VMDEDUP_POISONED ?
			VMDEDUP_EVENT_FRAME_POISONED :
			VMDEDUP_EVENT_FRAME_CORRUPT,
		.space = region ? region->space : NULL,
		.region = region,
		.pfn = page_to_pfn(frame->page),
		.mappings = mappings,
		.address = address,
		.repaired = frame->bad == VMDEDUP_REPAIRED,
	};

	vmdedup_news_send(&news);
}

/* Look for those who map some frames, and tell of each region that does. */
static void tell(struct vmdedup_frame **frames, unsigned int nr,
		 bool (*go_on)(void))
{
	struct vmdedup_sought sought[VMDEDUP_SOUGHT_MAX];
	bool found[VMDEDUP_SOUGHT_MAX] = {};
	struct vmdedup_region *region;
	unsigned int i;
	u64 id = 0, last = vmdedup_region_newest();

	for (i = 0; i < nr; i++)
		sought[i].page = frames[i]->page;
	while (go_on() && (region = vmdedup_region_next(id, last))) {
		id = region->id;
		vmdedup_sharers_find(region, sought, nr, go_on);
		for (i = 0; i < nr; i++) {
			if (!sought[i].mappings)
				continue;
			found[i] = true;
			send_news(frames[i], region, sought[i].mappings,
				  sought[i].first);
		}
		vmdedup_region_put(region);
		cond_resched();
	}
	/* Nobody who is known, by now. */
	for (i = 0; i < nr; i++)
		if (!found[i])
			send_news(frames[i], NULL,
				  vmdedup_frame_mappings(frames[i]->page), 0);
}

static unsigned int take_untold(struct vmdedup_frame **frames)
{
	struct list_head *pos;
	unsigned int nr = 0;

	mutex_lock(&quarantine_lock);
	list_for_each(pos, &untold) {
		if (nr == VMDEDUP_SOUGHT_MAX)
			break;
		frames[nr++] = frame_at(pos);
	}
	mutex_unlock(&quarantine_lock);
	return nr;
}

static void release(struct vmdedup_frame *frame)
{
	vmdedup_frame_poison(frame);
	vmdedup_account_event(VMDEDUP_EV_frames_freed, 1);
	vmdedup_frame_free(frame);
}

/* Nobody comes to use a frame that is in no tree: see vmdedup_stable_idle(). */
static bool unused(struct vmdedup_frame *frame)
{
	return vmdedup_stable_idle(frame) &&
	       vmdedup_frame_mappings(frame->page) <= 0;
}

/* Frames that nobody maps any more, or all, leave. */
static void release_some(bool all)
{
	struct list_head *pos, *next;
	LIST_HEAD(leaving);

	mutex_lock(&quarantine_lock);
	if (all)
		list_splice_init(&untold, &told);
	list_for_each_safe(pos, next, &told) {
		if (all || unused(frame_at(pos))) {
			list_move(pos, &leaving);
			WRITE_ONCE(nr_frames, nr_frames - 1);
		}
		cond_resched();
	}
	mutex_unlock(&quarantine_lock);
	list_for_each_safe(pos, next, &leaving) {
		list_del(pos);
		release(frame_at(pos));
		cond_resched();
	}
}

/**
 * vmdedup_quarantine_tend() - tell of new frames, free those nobody maps
 * @go_on: asked now and then: false ends it
 *
 * For one thread only. May sleep.
 */
void vmdedup_quarantine_tend(bool (*go_on)(void))
{
	struct vmdedup_frame *frames[VMDEDUP_SOUGHT_MAX];
	unsigned int nr, i;

	if (!vmdedup_quarantine_count())
		return;
	while (go_on() && (nr = take_untold(frames))) {
		tell(frames, nr, go_on);
		mutex_lock(&quarantine_lock);
		for (i = 0; i < nr; i++)
			list_move_tail(&frames[i]->node.list, &told);
		mutex_unlock(&quarantine_lock);
	}
	if (go_on())
		release_some(false);
}

/**
 * vmdedup_quarantine_exit() - forget the frames under quarantine
 *
 * Nobody uses them any more. Those that are mapped go on being mapped; the core
 * kernel never hands out their memory again. May sleep.
 */
void vmdedup_quarantine_exit(void)
{
	release_some(true);
}
