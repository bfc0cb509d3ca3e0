/* SPDX-License-Identifier: LGPL-2.1 */
/*
 * libvmdedup over generic netlink: statistics of the host, of guests and of
 * regions, and news of them. Included by <vmdedup/vmdedup.h>, whose rules hold.
 *
 * What the attributes mean is written in <linux/vmdedup_netlink.h>. What the
 * kernel did not send reads as 0; what this version does not know is skipped.
 * The structs here grow with the library's soname.
 */
#ifndef _VMDEDUP_NETLINK_H
#define _VMDEDUP_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vmdedup_netlink.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As TASK_COMM_LEN of the kernel. */
#define VMDEDUP_COMM_MAX	16

struct vmdedup_ctx;
struct vmdedup_values;

/**
 * struct vmdedup_stats - the host's statistics
 * @skipped: pages not merged since loading, by enum vmdedup_skip
 *
 * The other members are those of VMDEDUP_STATS.
 */
struct vmdedup_stats {
	__u64 skipped[VMDEDUP_SKIP_SLOTS];
#define VMDEDUP_STATS_MEMBER(name, kind, what) uint64_t name;
	VMDEDUP_STATS(VMDEDUP_STATS_MEMBER)
#undef VMDEDUP_STATS_MEMBER
};

/**
 * struct vmdedup_ledger - what is known of the pages of a region or guest
 * @skipped: pages not merged in the last pass that looked at all of a region,
 *	by enum vmdedup_skip
 *
 * The other members are those of VMDEDUP_LEDGER.
 */
struct vmdedup_ledger {
	__u64 skipped[VMDEDUP_SKIP_SLOTS];
#define VMDEDUP_LEDGER_MEMBER(name, kind, what) uint64_t name;
	VMDEDUP_LEDGER(VMDEDUP_LEDGER_MEMBER)
#undef VMDEDUP_LEDGER_MEMBER
};

/* Whether the kernel sent the attribute VMDEDUP_A_<attr> of a struct below. */
#define VMDEDUP_HAS(object, attr)	((object)->has >> VMDEDUP_A_##attr & 1)

/**
 * struct vmdedup_guest - a process whose memory is looked after
 * @has: bit per enum vmdedup_attr_guest: sent by the kernel
 * @regions: how many
 * @id: never used again
 * @cgroup: inode number of its memory cgroup's directory, or 0
 * @domain: trust domain: equal in guests that may share
 * @bytes: registered
 * @pid: in the initial namespace, or 0 if it has gone
 * @uid: real user
 * @kvm: owner of a KVM virtual machine
 * @excluded: not to be discovered
 * @comm: what the process calls itself: not to be trusted on a terminal
 * @ledger: the sums over its regions
 */
struct vmdedup_guest {
	uint32_t has;
	uint32_t regions;
	uint64_t id;
	uint64_t cgroup;
	uint64_t domain;
	uint64_t bytes;
	uint32_t pid;
	uint32_t uid;
	uint8_t kvm;
	uint8_t excluded;
	char comm[VMDEDUP_COMM_MAX];
	struct vmdedup_ledger ledger;
};

/**
 * struct vmdedup_region - a range of an address space
 * @has: bit per enum vmdedup_attr_region: sent by the kernel
 * @flags: VMDEDUP_REGION_*
 * @id: never used again
 * @guest_id: its guest
 * @start: first address
 * @length: bytes
 * @gpa: guest-physical address of @start, if it was discovered
 * @pid: as of its guest
 * @slot: KVM's memslot, if it was discovered
 * @ledger: its pages
 */
struct vmdedup_region {
	uint32_t has;
	uint32_t flags;
	uint64_t id;
	uint64_t guest_id;
	uint64_t start;
	uint64_t length;
	uint64_t gpa;
	uint32_t pid;
	uint32_t slot;
	struct vmdedup_ledger ledger;
};

/**
 * struct vmdedup_event - something that happened
 * @has: bit per enum vmdedup_attr_event: makes sense for @type
 * @type: enum vmdedup_event_type, or a later one
 * @time: CLOCK_BOOTTIME, nanoseconds
 * @guest_id: whom it is about
 * @region_id: what it is about
 * @start: of that region: first address
 * @length: of that region: bytes
 * @scanned: pages: of the pass
 * @merged: pages: of the pass; of a storm: what was merged before
 * @broken: pages: of the pass, of the storm
 * @took_ns: the pass from begin to end
 * @available: bytes of memory available
 * @pfn: page frame number of a shared frame
 * @mappings: pages that map it: of that region, if there is one
 * @address: where the first of them is in it
 * @repaired: one bit of it was wrong, and was put right
 * @reserve: bytes held in reserve
 * @pid: of the guest
 * @kvm: the guest is the owner of a KVM virtual machine
 * @comm: of the guest: not to be trusted on a terminal
 */
struct vmdedup_event {
	uint32_t has;
	uint32_t type;
	uint64_t time;
	uint64_t guest_id;
	uint64_t region_id;
	uint64_t start;
	uint64_t length;
	uint64_t scanned;
	uint64_t merged;
	uint64_t broken;
	uint64_t took_ns;
	uint64_t available;
	uint64_t pfn;
	uint64_t mappings;
	uint64_t address;
	uint64_t reserve;
	uint32_t pid;
	uint8_t kvm;
	uint8_t repaired;
	char comm[VMDEDUP_COMM_MAX];
};

/**
 * struct vmdedup_message - one message of the kernel
 * @cmd: which member is there: VMDEDUP_CMD_GET_STATS, _GET_GUEST, _GET_REGION
 *	or _EVENT
 * @stats: the host
 * @guest: one guest
 * @region: one region
 * @event: something happened
 */
struct vmdedup_message {
	uint32_t cmd;
	union {
		struct vmdedup_stats stats;
		struct vmdedup_guest guest;
		struct vmdedup_region region;
		struct vmdedup_event event;
	};
};

/* struct vmdedup_guests - a dump, in the order of the ids */
struct vmdedup_guests {
	size_t count;
	struct vmdedup_guest *guests;
};

/* struct vmdedup_regions - a dump, in the order of the ids */
struct vmdedup_regions {
	size_t count;
	struct vmdedup_region *regions;
};

enum vmdedup_field_set {
	VMDEDUP_FIELDS_STATS,
	VMDEDUP_FIELDS_LEDGER,
	VMDEDUP_FIELDS_GUEST,
	VMDEDUP_FIELDS_REGION,
	VMDEDUP_FIELDS_EVENT,
};

enum vmdedup_field_type {
	VMDEDUP_FIELD_U64,
	VMDEDUP_FIELD_U32,
	VMDEDUP_FIELD_U8,
	VMDEDUP_FIELD_TEXT,
};

/**
 * struct vmdedup_field - a member of one of the structs above, by its name
 * @name: the attribute's name in lower case
 * @what: what it is, in words; NULL but for statistics and ledgers
 * @attr: the attribute's number
 * @offset: of the member in the struct
 * @type: of the member
 * @counter: never decreases while the module is loaded
 */
struct vmdedup_field {
	const char *name;
	const char *what;
	uint16_t attr;
	uint16_t offset;
	enum vmdedup_field_type type;
	bool counter;
};

/**
 * vmdedup_fields() - the members of a struct, for those who list them all
 * @set: of which struct
 * @count: out: how many
 *
 * Arrays by reason, nested ledgers and @has are not among them.
 *
 * Return: them, in the order of the attributes.
 */
const struct vmdedup_field *vmdedup_fields(enum vmdedup_field_set set, size_t *count);

/**
 * vmdedup_field_number() - the value of a member
 * @field: which; not a VMDEDUP_FIELD_TEXT
 * @object: the struct that it is a member of
 *
 * Return: the value.
 */
uint64_t vmdedup_field_number(const struct vmdedup_field *field, const void *object);

/**
 * vmdedup_event_name() - the name of a kind of event
 * @type: enum vmdedup_event_type
 *
 * Return: the name as in VMDEDUP_EVENT_TYPES, or NULL if this version does not
 * know it.
 */
const char *vmdedup_event_name(uint32_t type);

/**
 * vmdedup_event_text() - a kind of event in words
 * @type: enum vmdedup_event_type
 *
 * Return: words for a person, or NULL if this version does not know it.
 */
const char *vmdedup_event_text(uint32_t type);

/**
 * vmdedup_connect() - find the module's netlink family
 * @ctx: the context
 *
 * Does nothing when that was done before. Needs no privilege.
 *
 * Return: 0; -ENOENT when the module is not loaded; or another errno: see
 * vmdedup_explain_connect().
 */
int vmdedup_connect(struct vmdedup_ctx *ctx);

/**
 * vmdedup_stats_get() - the host's statistics
 * @ctx: the context, connected
 * @stats: out
 *
 * Return: 0; -ENOTCONN; -EBADMSG when the answer makes no sense; or what the
 * kernel says, see vmdedup_explain_request().
 */
int vmdedup_stats_get(struct vmdedup_ctx *ctx, struct vmdedup_stats *stats);

/**
 * vmdedup_stats_values() - the statistics as vmdedup_read_stats() has them
 * @stats: the statistics
 * @values: out: to be released by vmdedup_values_free(); empty on an error
 *
 * Return: 0 or -ENOMEM.
 */
int vmdedup_stats_values(const struct vmdedup_stats *stats, struct vmdedup_values *values);

/**
 * vmdedup_guest_by_id() - one guest
 * @ctx: the context, connected
 * @id: its id
 * @guest: out
 *
 * Return: as vmdedup_stats_get(); -ENOENT if there is none; -EPERM.
 */
int vmdedup_guest_by_id(struct vmdedup_ctx *ctx, uint64_t id, struct vmdedup_guest *guest);

/**
 * vmdedup_guest_by_pid() - the guest that a process is
 * @ctx: the context, connected
 * @pid: in the initial namespace
 * @guest: out
 *
 * Return: as vmdedup_guest_by_id(); -ESRCH if there is no such process.
 */
int vmdedup_guest_by_pid(struct vmdedup_ctx *ctx, uint32_t pid, struct vmdedup_guest *guest);

/**
 * vmdedup_guests_dump() - all guests
 * @ctx: the context, connected
 * @guests: out: to be released by vmdedup_guests_free(); empty on an error
 *
 * Whatever exists all the time is in the list once. A dump during which guests
 * came or went is made again, a few times; if that goes on, the last one is
 * returned, which may have those in it or not.
 *
 * Return: as vmdedup_stats_get(); -EPERM; -EOVERFLOW for more than a million.
 */
int vmdedup_guests_dump(struct vmdedup_ctx *ctx, struct vmdedup_guests *guests);

/* vmdedup_guests_free() - release a dump; it is empty afterwards */
void vmdedup_guests_free(struct vmdedup_guests *guests);

/**
 * vmdedup_region_get() - one region
 * @ctx: the context, connected
 * @id: its id
 * @region: out
 *
 * Return: as vmdedup_guest_by_id().
 */
int vmdedup_region_get(struct vmdedup_ctx *ctx, uint64_t id, struct vmdedup_region *region);

/**
 * vmdedup_regions_dump() - all regions, or those of a guest
 * @ctx: the context, connected
 * @guest_id: the guest, or 0 for all
 * @regions: out: to be released by vmdedup_regions_free(); empty on an error
 *
 * Return: as vmdedup_guests_dump(); -ENOENT if there is no such guest.
 */
int vmdedup_regions_dump(struct vmdedup_ctx *ctx, uint64_t guest_id,
			 struct vmdedup_regions *regions);

/* vmdedup_regions_free() - release a dump; it is empty afterwards */
void vmdedup_regions_free(struct vmdedup_regions *regions);

/**
 * vmdedup_guest_exclude() - say whether a process may be discovered
 * @ctx: the context, connected
 * @pid: in the initial namespace
 * @excluded: true: no more; if it was, its regions go. false: again
 *
 * Return: 0; -ENOTCONN; or what the kernel says: -ESRCH, -EPERM ...
 */
int vmdedup_guest_exclude(struct vmdedup_ctx *ctx, uint32_t pid, bool excluded);

/* What can be listened to. */
#define VMDEDUP_NEWS_STATS	(1U << 0)	/* each stats_interval_ms */
#define VMDEDUP_NEWS_EVENTS	(1U << 1)	/* as things happen */

/**
 * vmdedup_subscribe() - have the kernel tell news from now on
 * @ctx: the context, connected
 * @news: VMDEDUP_NEWS_*
 *
 * Return: 0; -ENOTCONN; -EPERM: events are for root; or another errno.
 */
int vmdedup_subscribe(struct vmdedup_ctx *ctx, unsigned int news);

/**
 * vmdedup_news_fd() - what to poll for news
 * @ctx: the context, subscribed
 *
 * It is readable when there may be news, which vmdedup_receive() must be asked
 * for with a timeout of 0 until it says -EAGAIN. Only to be polled.
 *
 * Return: a file descriptor that belongs to the context, or -ENOTCONN.
 */
int vmdedup_news_fd(struct vmdedup_ctx *ctx);

/**
 * vmdedup_receive() - the next piece of news
 * @ctx: the context, subscribed
 * @message: out: VMDEDUP_CMD_GET_STATS or VMDEDUP_CMD_EVENT
 * @timeout_ms: how long to wait; -1: for ever
 *
 * Return: 0; -EAGAIN when the time is over; -EINTR after a signal; -ENOBUFS
 * when some were lost, as they were not received in time; -EBADMSG for one
 * that makes no sense; -ENOTCONN. After all but the last it can be called again.
 */
int vmdedup_receive(struct vmdedup_ctx *ctx, struct vmdedup_message *message, int timeout_ms);

/**
 * vmdedup_kernel_text() - what the kernel said about the last request
 * @ctx: the context
 *
 * Return: printable text, valid until the next request; empty if it said
 * nothing in words.
 */
const char *vmdedup_kernel_text(const struct vmdedup_ctx *ctx);

/**
 * vmdedup_explain_connect() - why connecting failed and what to do
 * @err: what vmdedup_connect() returned
 * @buf: where to write, VMDEDUP_EXPLAIN_MAX bytes are always enough
 * @len: size of @buf
 *
 * Return: @buf, terminated and without a full stop or a newline.
 */
const char *vmdedup_explain_connect(int err, char *buf, size_t len);

/**
 * vmdedup_explain_request() - why a request failed and what to do
 * @ctx: the context
 * @err: what the last request of the context returned
 * @buf: where to write, VMDEDUP_EXPLAIN_MAX bytes are always enough
 * @len: size of @buf
 *
 * Return: @buf, terminated and without a full stop or a newline.
 */
const char *vmdedup_explain_request(const struct vmdedup_ctx *ctx, int err,
				    char *buf, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* _VMDEDUP_NETLINK_H */
