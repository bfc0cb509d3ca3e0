/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fuzzer of all that userspace can reach: the calls of /dev/vmdedup, the
 * netlink family, the tunables, and the memory underneath.
 *
 * A call is made from one number, so that it can be made again: which numbers
 * were made into calls, in which order, is all that there is to a sequence.
 */
#ifndef VMDEDUP_SELFTESTS_FUZZ_H
#define VMDEDUP_SELFTESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util.h"

#define FZ_ARENA	64	/* pages whose content is known */
#define FZ_SCRATCH	16	/* pages with which anything is done */
#define FZ_HUGE		512	/* pages of a huge page, if there are any */
#define FZ_FDS		4
#define FZ_SOCKETS	3
#define FZ_IDS		32
#define FZ_CONTENTS	24	/* that the arena can have */

/**
 * struct fz_world - what all calls of a process share
 * @id: ids of regions that were registered, of all processes
 * @fd: files of the device; /dev/null when closed, so that the number stays ours
 * @socket: likewise, of the netlink family
 * @family: its number
 * @group: likewise, of its groups "stats" and "events"
 * @arena: content is seed @shadow of each page
 * @huge: content as of fz_huge_seed()
 * @scratch: content is of no interest
 * @pid: of processes of all kinds, and numbers of none
 * @admin: is the process privileged?
 */
struct fz_world {
	uint64_t *id;
	int fd[FZ_FDS];
	int socket[FZ_SOCKETS];
	int family;
	int group[2];
	char *arena;
	char *huge;
	char *scratch;
	uint64_t shadow[FZ_ARENA];
	pid_t pid[8];
	bool admin;
};

extern struct fz_world fz_world;

/**
 * struct fz - one who makes calls
 * @dice: where choices come from, from one call to the next
 * @racing: others make calls in this process meanwhile
 * @who: number of the thread, of @threads
 * @threads: how many there are
 * @buf: four pages, of which the first and the last are not mapped
 * @did: the call in words
 * @bad: what was wrong with it, or ""
 * @kind: for the tally: which kind of call it was
 * @err: and what came of it
 */
struct fz {
	uint64_t dice;
	bool racing;
	unsigned int who;
	unsigned int threads;
	unsigned char *buf;
	char did[160];
	char bad[160];
	unsigned int kind;
	int err;
};

/* Kinds of calls, for the tally. */
enum {
	FZ_REGISTER, FZ_UNREGISTER, FZ_QUERY, FZ_MERGE,	/* as in the table of calls */
	FZ_UNKNOWN, FZ_REOPEN, FZ_NETLINK, FZ_DUMP, FZ_SOCKET, FZ_SYSFS, FZ_MEMORY,
	FZ_KINDS
};

/* A number below @limit. */
unsigned int fz_pick(struct fz *z, unsigned int limit);
/* True in one of so many calls. */
bool fz_rarely(struct fz *z, unsigned int one_in);
/* Keeps the first complaint only. */
void fz_complain(struct fz *z, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* An id of a region, or something like one. */
uint64_t fz_id(struct fz *z);
uint64_t fz_huge_seed(unsigned int page);

void fz_ioctl(struct fz *z);
void fz_netlink(struct fz *z);
void fz_sysfs(struct fz *z);
void fz_memory(struct fz *z);

#endif /* VMDEDUP_SELFTESTS_FUZZ_H */
