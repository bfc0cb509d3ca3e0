/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the engine's tests have in common: the calls of /dev/vmdedup and its
 * sysfs files, pages of known content, what /proc tells about memory, and a
 * second process that runs functions on request.
 *
 * Functions return 0 or a negative errno unless told otherwise.
 */
#ifndef VMDEDUP_SELFTESTS_UTIL_H
#define VMDEDUP_SELFTESTS_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vmdedup.h>

#define PG	4096UL
#define HPAGE	(2UL << 20)
#define HPAGE_NR	(HPAGE / PG)

#define VD_DEV		"/dev/vmdedup"
#define VD_SYSFS	"/sys/class/misc/vmdedup/"

/* The device. */

/*
 * Open the device with all regions of earlier users forgotten, background
 * scanning off and every tunable at its default: what a fixture starts with.
 * Returns the descriptor, or -ENOENT without a device.
 */
int vd_begin(void);
void vd_end(int fd);

int vd_open(void);
int vd_register(int fd, const void *start, size_t bytes, uint64_t *id);
int vd_register_raw(int fd, struct vmdedup_register *r);
int vd_unregister(int fd, uint64_t id, uint32_t flags, uint64_t *unmerged);
/* @flags: VMDEDUP_QUERY_*; @q may be NULL. */
int vd_query(int fd, uint64_t id, uint32_t flags, struct vmdedup_query *q);
/* @id 0: all regions; @m may be NULL. */
int vd_merge(int fd, uint64_t id, struct vmdedup_merge *m);
/* Forget every region, whoever registered it. */
void vd_forget_all(int fd);

/* sysfs: the number in a file, or -1. */
long long vd_get(const char *name);
int vd_set(const char *name, long long value);
int vd_set_text(const char *name, const char *text);
/* A counter below stats/. */
long long vd_stat(const char *name);
/* Wait until @name has risen by @by, but not forever; tells whether it did. */
bool vd_stat_rises(const char *name, long long from, long long by);
/*
 * Wait for something that memory may have to be left alone for before, for up to
 * five minutes. For seconds, not passes: these take no time meanwhile.
 */
bool in_the_end(bool (*done)(long long arg), long long arg);

/* Pages of known content. */

/* Private anonymous memory that never becomes huge pages; NULL: no memory. */
char *pg_map(size_t pages);
/*
 * Room for @chunks huge pages, aligned, nothing in it yet, with @advice (MADV_*)
 * on whether to use them; NULL: no memory, or none of them on this kernel.
 */
char *chunk_map(size_t chunks, int advice);
/*
 * Have children not inherit pages, as QEMU does: those that one shares are not
 * merged. Returns 0 or a negative errno.
 */
int pg_keep(char *p, size_t pages);
/* Two areas as of pg_map() of equal pages, filled with seed + index. */
int pg_map_pair(size_t pages, uint64_t seed, char **a, char **b);
/* The content that belongs to @seed; seed 0 is all zero. */
void pg_fill(void *page, uint64_t seed);
bool pg_is(const void *page, uint64_t seed);
/* Fill with, or count the pages that differ from, seed + index. */
void pg_fill_range(char *p, size_t pages, uint64_t seed);
size_t pg_wrong(const char *p, size_t pages, uint64_t seed);
/* Read from each page: those that are not there yet are mapped to the zero page. */
void pg_read(const volatile char *p, size_t pages);
/*
 * How many, of what there are so many of only to be thorough: @n, divided by
 * VMDEDUP_SCALE from the environment where the kernel is as many times as slow.
 */
size_t scaled(size_t n);
/* Time that passes, in milliseconds. */
long long now_ms(void);
/* A small, quick random number generator. */
uint64_t rnd(uint64_t *state);

/* What the kernel tells about memory; @pid 0 is the caller. */

#define PM_PRESENT	(1ULL << 63)
#define PM_SWAP		(1ULL << 62)
#define PM_SOFT_DIRTY	(1ULL << 55)
#define PM_PFN		((1ULL << 55) - 1)

#define KPF_LRU_BIT		5
#define KPF_ANON_BIT		12
#define KPF_THP_BIT		22
#define KPF_ZERO_PAGE_BIT	24

int pm_read(pid_t pid, const void *addr, size_t pages, uint64_t *entry);
/* Frame number; 0 where no page is present. */
int pm_pfns(pid_t pid, const void *addr, size_t pages, uint64_t *pfn);
uint64_t pm_pfn(const void *addr);
/* How many of @pages are in the same frames at @a of one process, @b of another; or -1. */
long long pm_same(pid_t pid_a, const void *a, pid_t pid_b, const void *b, size_t pages);
uint64_t kpage_flags(uint64_t pfn);
uint64_t kpage_count(uint64_t pfn);
bool pfn_is_zero_page(uint64_t pfn);

/* A line of /proc/vmstat, folded over all CPUs first; or -1. */
long long vmstat(const char *name);
/*
 * "Name:  123 kB" in /proc/PID/status, in /proc/meminfo, or summed over
 * [addr, addr + bytes).
 */
long long status_kb(pid_t pid, const char *name);
long long meminfo_kb(const char *name);
long long smaps_kb(const void *addr, size_t bytes, const char *name);

int write_text(const char *path, const char *text);
long long read_number(const char *path);
/*
 * Whether the kernel has the assertions of CONFIG_DEBUG_VM, two of which are wrong
 * about merged pages: see "Limits" in README.md, and lab/noassert.config.
 */
bool kernel_asserts(void);

/* A second process. */

struct peer {
	pid_t pid;
	int to;
	int from;
};

typedef uint64_t (*peer_fn)(uint64_t a, uint64_t b, uint64_t c);

/* What peer_call() returns when the peer is no more. */
#define PEER_DEAD	UINT64_MAX

/*
 * Fork a process that runs the functions it is told to. It has the caller's
 * memory as it is now, none of its descriptors above 2, and dies with it.
 */
int peer_start(struct peer *p);
uint64_t peer_call(struct peer *p, peer_fn fn, uint64_t a, uint64_t b,
		   uint64_t c);
/* Its two halves, to have several peers work at once. */
int peer_send(struct peer *p, peer_fn fn, uint64_t a, uint64_t b, uint64_t c);
uint64_t peer_wait(struct peer *p);
/* Let it exit. Returns the wait status, or -1. */
int peer_stop(struct peer *p);
int peer_kill(struct peer *p);

/* Functions for peer_call(). */

/* pg_map(a); returns the address. */
uint64_t do_map(uint64_t pages, uint64_t b, uint64_t c);
/* Open the device (once) and register; returns the region's id or 0. */
uint64_t do_register(uint64_t addr, uint64_t pages, uint64_t c);
/* pg_fill_range() and pg_wrong(). */
uint64_t do_fill(uint64_t addr, uint64_t pages, uint64_t seed);
uint64_t do_wrong(uint64_t addr, uint64_t pages, uint64_t seed);
/* Go into a memory cgroup, whose path is at @path; returns 0 or errno. */
uint64_t do_enter_cgroup(uint64_t path, uint64_t b, uint64_t c);
/* setresuid(); returns 0 or errno. */
uint64_t do_setuid(uint64_t uid, uint64_t b, uint64_t c);

/* Fixtures: set @fd or skip without a device. */
#define VD_SETUP(fd) do {						\
	(fd) = vd_begin();						\
	if ((fd) == -ENOENT || (fd) == -ENXIO)				\
		SKIP(return, "no " VD_DEV);				\
	ASSERT_LE(0, (fd));						\
} while (0)

#endif /* VMDEDUP_SELFTESTS_UTIL_H */
