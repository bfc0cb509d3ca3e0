/* SPDX-License-Identifier: LGPL-2.1 */
/*
 * libvmdedup: what de-duplication would save
 *
 * Reads the memory of processes and counts equal pages. Changes nothing, and
 * needs no kernel module: /proc/PID/smaps, pagemap and mem, which is for root,
 * or for the processes of one's own. Pages that are not present are not
 * touched. What processes write meanwhile is not seen or seen late, so the
 * result is an estimate; of processes that are stopped it is exact as long as
 * @level of the result is 0.
 *
 * Memory is bounded by adaptive distinct sampling: when too many contents are
 * known, only those are kept whose hash has one more leading zero bit, and each
 * stands for twice as many. (P. B. Gibbons, "Distinct Sampling for
 * Highly-Accurate Answers to Distinct Values Queries and Event Reports", VLDB
 * 2001.) Which contents are kept does not depend on how often or where they
 * occur, so all sums over them are unbiased.
 *
 * The functions return 0 or a negative errno.
 */
#ifndef _VMDEDUP_ESTIMATE_H
#define _VMDEDUP_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vmdedup.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How trust domains are drawn: X(NAME, name, who shares). */
#define VMDEDUP_ESTIMATE_POLICIES(X)					\
	X(HOST,		host,		"all processes")		\
	X(UID,		uid,		"processes of one user")	\
	X(CGROUP,	cgroup,		"processes of one cgroup")	\
	X(PROCESS,	process,	"each process for itself")

enum vmdedup_estimate_policy {
#define VMDEDUP_ESTIMATE_ENUM(NAME, name, text) VMDEDUP_ESTIMATE_##NAME,
	VMDEDUP_ESTIMATE_POLICIES(VMDEDUP_ESTIMATE_ENUM)
#undef VMDEDUP_ESTIMATE_ENUM
	VMDEDUP_ESTIMATE_POLICY_NR
};

/* Pages of a huge page. */
#define VMDEDUP_ESTIMATE_HUGE	512

/**
 * struct vmdedup_estimate_options - how to go about it
 * @proc_dir: NULL for /proc
 * @memory: bytes for the table of contents, at the most; 0: 64 MiB
 * @seed: of the hashes; 0: a random one
 * @split_pages: a huge page is split when that saves so many of its 512 pages;
 *	0: 128, the module's default
 * @all_memory: also memory that the module would never touch, as if it were
 *	private and anonymous (device mappings apart)
 */
struct vmdedup_estimate_options {
	const char *proc_dir;
	size_t memory;
	uint64_t seed;
	unsigned int split_pages;
	bool all_memory;
};

/**
 * struct vmdedup_estimate_guest - one process; in pages
 * @pid: process
 * @uid: its real user
 * @cgroup: its cgroup's path, or "" if unknown
 * @gone: it ended, or became unreadable, before all was read
 * @resident: read: @zero_page + @zero + @repeated + @others + @unique
 * @zero_page: mapped to the kernel's zero page already
 * @zero: other pages of zeroes only
 * @repeated: copies of the process' own pages, beyond the first of each content
 * @others: by policy: the first of each content that other processes of its
 *	domain have too
 * @unique: by policy: the first of each content that they do not have
 * @saved: what is saved already: of each frame its part
 * @huge: huge pages
 * @skipped: pages that cannot be merged, by enum vmdedup_skip. Those of
 *	mappings that were not read are not in @resident, nor those swapped out
 * @unreadable: could not be read
 */
struct vmdedup_estimate_guest {
	pid_t pid;
	uid_t uid;
	const char *cgroup;
	bool gone;
	uint64_t resident;
	uint64_t zero_page;
	uint64_t zero;
	uint64_t repeated;
	uint64_t others[VMDEDUP_ESTIMATE_POLICY_NR];
	uint64_t unique[VMDEDUP_ESTIMATE_POLICY_NR];
	uint64_t saved;
	uint64_t huge;
	uint64_t skipped[VMDEDUP_SKIP_SLOTS];
	uint64_t unreadable;
};

/**
 * struct vmdedup_estimate_answer - what one policy would give; in pages
 * @domains: trust domains
 * @distinct: different contents within a domain, summed up, zeroes not counted
 * @would_save: frames that would be freed, huge pages split wherever it helps
 * @error: half of the 95 % confidence interval of @would_save
 * @huge_helpful: huge pages in which anything would be saved
 * @huge_split: huge pages with enough to save
 * @would_save_split: as @would_save, with only @huge_split split
 * @error_split: of that, the choice of huge pages not counted
 */
struct vmdedup_estimate_answer {
	uint64_t domains;
	uint64_t distinct;
	uint64_t would_save;
	uint64_t error;
	uint64_t huge_helpful;
	uint64_t huge_split;
	uint64_t would_save_split;
	uint64_t error_split;
};

/**
 * struct vmdedup_estimate_result - the outcome; in pages
 * @nr_guests: entries in @guests
 * @guests: the processes, in the order in which they were added
 * @answers: by policy
 * @resident: sum over @guests
 * @saved: shared by now: mappings beyond the first of each frame, and all of
 *	the zero page
 * @huge: huge pages
 * @split_pages: as in the options, or the default
 * @level: contents were kept with a probability of 1 in 2^level
 * @kept: contents kept
 * @frames_known: the caller may see frame numbers. If not, what is shared by
 *	now is guessed, huge pages are not told apart, and KSM's pages count as
 *	others (the latter also on kernels that do not tell them apart)
 */
struct vmdedup_estimate_result {
	size_t nr_guests;
	struct vmdedup_estimate_guest *guests;
	struct vmdedup_estimate_answer answers[VMDEDUP_ESTIMATE_POLICY_NR];
	uint64_t resident;
	uint64_t saved;
	uint64_t huge;
	unsigned int split_pages;
	unsigned int level;
	uint64_t kept;
	bool frames_known;
};

struct vmdedup_estimate;

/**
 * vmdedup_estimate_progress_t - called after each few MiB that were read
 * @data: as given to vmdedup_estimate_read()
 * @done: pages read so far
 * @total: pages to read; may be exceeded
 *
 * May sleep, to be gentle.
 *
 * Return: true to go on.
 */
typedef bool (*vmdedup_estimate_progress_t)(void *data, uint64_t done, uint64_t total);

/**
 * vmdedup_estimate_new() - begin
 * @estp: out: to be released by vmdedup_estimate_free()
 * @options: how; NULL for defaults
 *
 * Return: 0, -ENOMEM, or -EINVAL for @memory below 64 KiB, @split_pages above
 * 512, or a page size that is not 4 KiB.
 */
int vmdedup_estimate_new(struct vmdedup_estimate **estp,
			 const struct vmdedup_estimate_options *options);

/**
 * vmdedup_estimate_add() - add a process
 * @est: the estimate
 * @pid: the process
 *
 * Return: 0; -EEXIST if it was added before; -ESRCH if there is no such process
 * or it has no memory of its own; -EACCES without permission; -EPROTO if its
 * smaps file is not understood; or -ENOMEM.
 */
int vmdedup_estimate_add(struct vmdedup_estimate *est, pid_t pid);

/**
 * vmdedup_estimate_add_guests() - add all processes that hold a KVM VM
 * @est: the estimate
 * @denied: out: processes that could not be looked at, or added
 *
 * Processes that cannot be added are left out.
 *
 * Return: 0, -ENOMEM, or what opening /proc says.
 */
int vmdedup_estimate_add_guests(struct vmdedup_estimate *est, size_t *denied);

/**
 * vmdedup_estimate_read() - read all memory, once
 * @est: the estimate
 * @progress: NULL for none
 * @data: for @progress
 *
 * Return: 0; -EINTR when @progress ended it; -ENOSPC when one content occurs in
 * so many places that the table does not hold it; -ENOMEM. What was read until
 * then counts.
 */
int vmdedup_estimate_read(struct vmdedup_estimate *est,
			  vmdedup_estimate_progress_t progress, void *data);

/**
 * vmdedup_estimate_result() - add up, once, as the last
 * @est: the estimate
 * @result: out: valid until @est is freed
 *
 * Return: 0 or -ENOMEM.
 */
int vmdedup_estimate_result(struct vmdedup_estimate *est,
			    const struct vmdedup_estimate_result **result);

/**
 * vmdedup_estimate_free() - release all of it
 * @est: the estimate, or NULL
 */
void vmdedup_estimate_free(struct vmdedup_estimate *est);

/**
 * vmdedup_estimate_policy_name() - how a policy is called
 * @policy: enum vmdedup_estimate_policy
 *
 * Return: the word as in sysfs' domain_policy, or NULL.
 */
const char *vmdedup_estimate_policy_name(unsigned int policy);

#ifdef __cplusplus
}
#endif

#endif /* _VMDEDUP_ESTIMATE_H */
