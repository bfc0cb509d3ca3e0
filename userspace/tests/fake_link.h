/* SPDX-License-Identifier: GPL-2.0 */
/* A kernel with the contract of <linux/vmdedup_netlink.h>, at the end of libnl. */
#ifndef _FAKE_LINK_H
#define _FAKE_LINK_H

#include "private.h"

#define FAKE_FAMILY		29
#define FAKE_GROUP_STATS	7
#define FAKE_GROUP_EVENTS	8
#define FAKE_REGIONS		16

struct nl_msg;

/**
 * struct fake_queue - messages to be received
 * @messages: them
 * @first: to be received next
 * @count: entries in @messages
 */
struct fake_queue {
	struct nl_msg **messages;
	size_t first;
	size_t count;
};

/**
 * struct fake_link - the kernel
 * @absent: the module is not loaded
 * @unprivileged: what needs CAP_NET_ADMIN is refused
 * @error: what the request number @error_at gets, if not 0
 * @error_at: counted from 1
 * @text: what the kernel says in words about @error; or NULL
 * @interrupt: so many dumps are marked as interrupted
 * @mute: requests get no answer
 * @no_text: words are not told: an old kernel
 * @requests: of the family so far
 * @dumps: of these
 * @mangle: changes an answer of the family; returns its new length
 * @mangle_data: for @mangle
 * @stats: the host's
 * @guests: in the order of the ids
 * @nr_guests: entries in @guests
 * @regions: in the order of the ids
 * @nr_regions: entries in @regions
 * @no_process: there is none with this pid
 * @excluded: the process that was excluded last, negative: included
 * @groups: bits: which were joined
 * @answers: to requests
 * @news: to who listens
 * @news_sk: who listens
 * @eventfd: readable while there is something in @news
 */
struct fake_link {
	bool absent;
	bool unprivileged;
	int error;
	unsigned int error_at;
	const char *text;
	unsigned int interrupt;
	bool mute;
	bool no_text;
	unsigned int requests;
	unsigned int dumps;
	size_t (*mangle)(void *data, unsigned char *buf, size_t len);
	void *mangle_data;

	struct vmdedup_stats stats;
	struct vmdedup_guest *guests;
	size_t nr_guests;
	struct vmdedup_region regions[FAKE_REGIONS];
	size_t nr_regions;
	uint32_t no_process;
	int excluded;
	unsigned int groups;

	struct fake_queue answers;
	struct fake_queue news;
	struct nl_sock *news_sk;
	int eventfd;
};

extern const struct vmdedup_link_ops fake_link_ops;

/* There is one at a time: libnl's callbacks take no argument. */
void fake_link_setup(struct fake_link *fake);
void fake_link_teardown(struct fake_link *fake);

struct vmdedup_guest *fake_guest(struct fake_link *fake, uint64_t id, uint32_t pid,
				 const char *comm);
struct vmdedup_region *fake_link_region(struct fake_link *fake, uint64_t id,
					const struct vmdedup_guest *guest);

/* Messages of the family, as the kernel makes them. */
struct nl_msg *fake_stats_message(const struct vmdedup_stats *stats);
struct nl_msg *fake_guest_message(const struct vmdedup_guest *guest);
struct nl_msg *fake_region_message(const struct vmdedup_region *region);
/* Has the attributes of @event->has. */
struct nl_msg *fake_event_message(const struct vmdedup_event *event);

/* Has it received by who listens, also from now on; frees it. */
void fake_link_news(struct fake_link *fake, struct nl_msg *msg);

#endif /* _FAKE_LINK_H */
