/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel tells about time and memory spent. */
#ifndef VMDEDUP_BENCH_METER_H
#define VMDEDUP_BENCH_METER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* CPU time of a process, and of all kernel threads whose names begin so. */
uint64_t cpu_ns_of(pid_t pid);
uint64_t cpu_ns_of_kthreads(const char *prefix);
/* Time in which the processors were not idle. */
uint64_t cpu_ns_busy(void);

/*
 * Pages saved since meter_zero(), by the kernel's own count of what is mapped:
 * less anonymous memory, and more of others' in the case of vmdedup's frames.
 * Right if nobody allocates meanwhile; quick.
 */
void meter_zero(void);
int64_t meter_saved(void);

/* Pages saved in a set of mappings: those present, less the frames behind. */
struct frames;
struct frames *frames_begin(void);
void frames_add(struct frames *frames, pid_t pid, uint64_t addr, size_t pages);
uint64_t frames_saved(struct frames *frames);

/* Memory of the kernel's, in bytes. */
struct books {
	int64_t named;		/* slabs and vmalloc of one name */
	int64_t all;		/* all slabs, vmalloc, per-CPU memory */
};

/* @prefix: of slab caches; also the name of a module. */
void books_read(const char *prefix, struct books *books);

/* A number that the oracle prints. */
int64_t oracle_pages(const char *command, const char *key);

#endif /* VMDEDUP_BENCH_METER_H */
