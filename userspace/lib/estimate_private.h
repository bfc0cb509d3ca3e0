/* SPDX-License-Identifier: LGPL-2.1 */
/* What the parts of the estimate share: smaps -> read -> table -> count. */
#ifndef _VMDEDUP_ESTIMATE_PRIVATE_H
#define _VMDEDUP_ESTIMATE_PRIVATE_H

#include <stdio.h>

#include "estimate.h"
#include "estimate_table.h"

#define EST_PAGE	4096UL

/**
 * struct est_mapping - an entry of /proc/PID/smaps
 * @start: first address
 * @end: the address after the last
 * @present: pages that are there, zero page and swapped ones not counted
 * @huge: whether some of it is in huge pages
 * @reason: enum vmdedup_skip, why it cannot be merged, or VMDEDUP_SKIP_NONE
 */
struct est_mapping {
	uint64_t start;
	uint64_t end;
	uint64_t present;
	bool huge;
	uint32_t reason;
};

/**
 * struct est_mappings - the mappings of a process
 * @mappings: by address
 * @count: entries in @mappings
 * @is_file: of the one being parsed: whether it is a file's
 * @has_flags: whether its VmFlags were seen
 */
struct est_mappings {
	struct est_mapping *mappings;
	size_t count;
	bool is_file;
	bool has_flags;
};

/**
 * struct est_proc - a process
 * @guest: what is told of it
 * @mappings: as they were when it was added
 * @domain: by policy: the index of the first process of its domain
 * @zero_own: pages of zeroes whose frames nobody else maps
 */
struct est_proc {
	struct vmdedup_estimate_guest guest;
	struct est_mappings mappings;
	uint32_t domain[VMDEDUP_ESTIMATE_POLICY_NR];
	uint64_t zero_own;
};

/**
 * struct est_huge - a huge page that nobody else maps
 * @proc: index of its process
 * @zero: pages of zeroes in it
 * @heavy: pages of it whose content is found in very many places
 * @sampled: other pages of it that are in the table
 * @useful: by policy: those of @sampled that have an equal
 * @kept: bits by policy: it is not to be split
 */
struct est_huge {
	uint32_t proc;
	uint16_t zero;
	uint16_t heavy;
	uint16_t sampled;
	uint16_t useful[VMDEDUP_ESTIMATE_POLICY_NR];
	uint8_t kept;
};

struct vmdedup_estimate {
	struct vmdedup_estimate_options options;
	struct est_table table;
	struct est_proc *procs;
	size_t nr_procs;
	struct est_huge *huge;
	size_t nr_huge;
	bool frames_known;
	struct vmdedup_estimate_result result;
};

/**
 * struct est_page - one present page, for est_add_page()
 * @proc: index of the process
 * @pfn: its frame, or 0 if unknown
 * @huge: index of its huge page + 1, or 0
 * @alone: nobody else maps its frame
 * @fixed: it cannot be merged
 * @zero_page: its frame is known to be the zero page
 */
struct est_page {
	uint32_t proc;
	uint64_t pfn;
	size_t huge;
	bool alone;
	bool fixed;
	bool zero_page;
};

/* est_add_page() - count a page of that content; 0, -ENOMEM or -ENOSPC */
int est_add_page(struct vmdedup_estimate *est, const struct est_page *page,
		 const void *content);

/* est_hash() - of a page's content */
uint64_t est_hash(const struct vmdedup_estimate *est, const void *content);

/* est_add_huge() - a huge page; its index + 1, or 0 for lack of memory */
size_t est_add_huge(struct vmdedup_estimate *est, uint32_t proc);

/**
 * est_smaps_line() - take a line of /proc/PID/smaps
 * @list: what is known by now; zeroed before the first line
 * @line: the line
 *
 * Return: 0, -EPROTO for a line that cannot be, or -ENOMEM.
 */
int est_smaps_line(struct est_mappings *list, const char *line);

/**
 * est_smaps_read() - parse a whole smaps file
 * @file: the file
 * @list: out: to be released by est_smaps_free(); empty on an error
 *
 * Return: 0, -EPROTO, -ENOMEM, or what reading says.
 */
int est_smaps_read(FILE *file, struct est_mappings *list);

/* est_smaps_free() - release a list */
void est_smaps_free(struct est_mappings *list);

/* est_read() - read the memory of all processes; see vmdedup_estimate_read() */
int est_read(struct vmdedup_estimate *est, vmdedup_estimate_progress_t progress, void *data);

/**
 * struct est_pilot - hashes of some pages, to find the contents with many copies
 * @one_of: every page is taken with a probability of 1 in so many
 * @hashes: of the pages taken
 * @nr: entries in @hashes
 */
struct est_pilot {
	uint64_t one_of;
	uint64_t *hashes;
	size_t nr;
};

/**
 * est_pilot_init() - begin
 * @pilot: the pilot
 * @pages: how many there are to choose from
 *
 * Return: 0 or -ENOMEM.
 */
int est_pilot_init(struct est_pilot *pilot, uint64_t pages);

/* est_pilot_takes() - whether that page shall be given to est_pilot_add() */
bool est_pilot_takes(const struct est_pilot *pilot, const struct vmdedup_estimate *est,
		     uint32_t proc, uint64_t addr);

/* est_pilot_add() - a page was read */
void est_pilot_add(struct est_pilot *pilot, uint64_t hash);

/* est_pilot_finish() - what was found more often is heavy from now on */
void est_pilot_finish(struct est_pilot *pilot, struct est_table *table);

/* est_count() - fill in the result from the table; 0 or -ENOMEM */
int est_count(struct vmdedup_estimate *est);

/* est_open() - open /proc/@pid/@name for reading, or /proc/@name for pid 0 */
int est_open(const struct vmdedup_estimate *est, pid_t pid, const char *name);

#endif /* _VMDEDUP_ESTIMATE_PRIVATE_H */
