/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls of the module, each with what is to hold before and after it: to be made
 * while something goes wrong.
 */
#ifndef VMDEDUP_SELFTESTS_CALLS_H
#define VMDEDUP_SELFTESTS_CALLS_H

#include "nl.h"
#include "util.h"

#define SCENE_N		6		/* pages with a partner */
#define SCENE_ALL	(SCENE_N + 1)	/* and one of zeroes */

/**
 * struct scene - what the calls are made with
 * @fd: the device
 * @fd2: a second descriptor, or -1
 * @nl: a connection
 * @a: an area of SCENE_ALL pages
 * @b: another one, of equal pages
 * @id: their regions
 * @seed: of their contents
 * @m: what merging said last
 * @stats: likewise netlink
 * @guest: likewise
 * @region: likewise
 */
struct scene {
	int fd;
	int fd2;
	struct vn nl;
	char *a;
	char *b;
	uint64_t id[2];
	uint64_t seed;
	struct vmdedup_merge m;
	struct vn_stats stats;
	struct vn_guest guest;
	struct vn_region region;
};

/**
 * struct call - what is to be tried
 * @name: for messages
 * @sites: it is known to make so many allocations at least
 * @sure: it never fails
 * @enobufs: netlink may say so, too, that it has no memory
 * @before: prepares; once for each try
 * @run: the call; returns 0 or -errno
 * @check: is all as it must be, given what @run returned?
 * @undo: takes back what a call that succeeded has done
 */
struct call {
	const char *name;
	unsigned int sites;
	bool sure;
	bool enobufs;
	bool (*before)(struct scene *self);
	int (*run)(struct scene *self);
	bool (*check)(struct scene *self, int err);
	bool (*undo)(struct scene *self);
};

extern const struct call calls[];
extern const size_t calls_nr;

const struct call *call_find(const char *name);

/* Make the two areas; tells whether it could. */
bool scene_set(struct scene *self, uint64_t seed);
/* Fill them with what was never seen before, in pages of their own. */
bool fresh(struct scene *self);
/* Is the memory what it was filled with? */
bool contents_right(struct scene *self);
/* Both areas registered and merged. */
bool before_merged(struct scene *self);
/* No region is left. */
bool undo_all(struct scene *self);
/*
 * Give all up, the memory, too. Tells whether then, by and by, nothing is kept of
 * what no region needs any more.
 */
bool leave(struct scene *self);

#endif /* VMDEDUP_SELFTESTS_CALLS_H */
