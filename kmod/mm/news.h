/* SPDX-License-Identifier: GPL-2.0 */
/*
 * News: what happens below, for whoever above wants to pass it on.
 *
 * A layer below does not know who listens. There is one reader at the most, set
 * while nothing happens yet, or any more.
 */
#ifndef VMDEDUP_MM_NEWS_H
#define VMDEDUP_MM_NEWS_H

#include <linux/types.h>
#include <uapi/linux/vmdedup_netlink.h>

struct vmdedup_region;
struct vmdedup_space;

/**
 * struct vmdedup_news - something happened
 * @type: what
 * @space: the guest, if it is of one
 * @region: the region, likewise
 * @scanned: pages looked at, of a pass
 * @merged: pages merged by a pass; those merged before a storm
 * @broken: merged pages found private again, by a pass or of a storm
 * @took_ns: how long a pass took
 * @available: bytes of memory available
 * @pfn: the number of a frame with a memory error
 * @mappings: how often it is mapped, in the region if there is one
 * @address: where first, in the region
 * @repaired: the content of a corrupt frame is what it was
 * @reserve: bytes held in reserve
 */
struct vmdedup_news {
	enum vmdedup_event_type type;
	struct vmdedup_space *space;
	struct vmdedup_region *region;
	u64 scanned;
	u64 merged;
	u64 broken;
	u64 took_ns;
	u64 available;
	u64 pfn;
	u64 mappings;
	u64 address;
	bool repaired;
	u64 reserve;
};

/*
 * A reader may be called with the registry lock held: it must not sleep for
 * long, nor call what takes that lock.
 */
typedef void (*vmdedup_news_reader)(const struct vmdedup_news *news);

void vmdedup_news_subscribe(vmdedup_news_reader reader);
void vmdedup_news_send(const struct vmdedup_news *news);

#endif /* VMDEDUP_MM_NEWS_H */
