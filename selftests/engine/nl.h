/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The generic netlink family, for tests: each answer in a struct, and errors
 * with the words that came with them.
 *
 * Functions return 0 or a negative errno unless told otherwise.
 */
#ifndef VMDEDUP_SELFTESTS_NL_H
#define VMDEDUP_SELFTESTS_NL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vmdedup_netlink.h>

struct nl_sock;
struct nl_msg;
struct nlmsghdr;

/**
 * struct vn - a connection
 * @sk: its socket
 * @family: number of the family
 * @stats: number of the group of that name
 * @events: likewise
 * @text: what the kernel said of the last error, or ""
 * @interrupted: the last dump had NLM_F_DUMP_INTR set somewhere
 * @messages: how many the last request was answered with
 */
struct vn {
	struct nl_sock *sk;
	int family;
	int stats;
	int events;
	char text[256];
	bool interrupted;
	unsigned int messages;
};

struct vn_stats {
#define VN_MEMBER(name, kind, what) uint64_t name;
	VMDEDUP_STATS(VN_MEMBER)
	uint64_t skipped[VMDEDUP_SKIP_SLOTS];
	uint64_t has;	/* a bit for each VMDEDUP_A_STATS_* there was */
};

struct vn_ledger {
	VMDEDUP_LEDGER(VN_MEMBER)
#undef VN_MEMBER
	uint64_t skipped[VMDEDUP_SKIP_SLOTS];
	uint64_t has;
};

struct vn_guest {
	uint64_t id, cgroup, domain, bytes;
	uint32_t pid, uid, regions;
	uint8_t kvm, excluded;
	char comm[32];
	uint64_t has;
	struct vn_ledger ledger;
};

struct vn_region {
	uint64_t id, guest, start, length, gpa;
	uint32_t pid, flags, slot;
	uint64_t has;
	struct vn_ledger ledger;
};

struct vn_event {
	uint64_t time, guest, region, start, length;
	uint64_t scanned, merged, broken, took_ns, available, reserve;
	uint64_t pfn, mappings, address;
	uint32_t type, pid;
	uint8_t kvm, repaired;
	char comm[32];
	uint64_t has;
};

int vn_open(struct vn *nl);
void vn_close(struct vn *nl);

int vn_stats(struct vn *nl, struct vn_stats *stats);
/* By @id if it is not 0, else by @pid. */
int vn_guest(struct vn *nl, uint64_t id, pid_t pid, struct vn_guest *guest);
int vn_region(struct vn *nl, uint64_t id, struct vn_region *region);
int vn_exclude(struct vn *nl, pid_t pid, int excluded);
/* Dumps: return how many there are, of which the first @max are stored. */
int vn_guests(struct vn *nl, struct vn_guest *guest, int max);
/* @guest 0: of all. */
int vn_regions(struct vn *nl, uint64_t guest, struct vn_region *region, int max);

/* Multicast: @group by its name. */
int vn_listen(struct vn *nl, const char *group);
int vn_leave(struct vn *nl, const char *group);
/* Wait for a message; -ETIMEDOUT. */
int vn_next_stats(struct vn *nl, int ms, struct vn_stats *stats);
int vn_next_event(struct vn *nl, int ms, struct vn_event *event);
/* Wait for an event of a type, and of a guest unless @guest is 0. */
int vn_wait_event(struct vn *nl, int ms, uint32_t type, uint64_t guest,
		  struct vn_event *event);

/* Raw: a request as the caller builds it, and what is answered. */
struct nl_msg *vn_request(struct vn *nl, int cmd, int flags);
/*
 * Send and free @msg; call @got for each answer. Returns the number of the error
 * message, or 0.
 */
int vn_talk(struct vn *nl, struct nl_msg *msg,
	    void (*got)(const struct nlmsghdr *nlh, void *arg), void *arg);

#endif /* VMDEDUP_SELFTESTS_NL_H */
