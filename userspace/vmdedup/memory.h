/* SPDX-License-Identifier: GPL-2.0 */
/* What kinds of memory a process has. */
#ifndef _MEMORY_H
#define _MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/**
 * struct memory - bytes present in writable mappings, by kind
 * @anon: private anonymous memory: what can be merged
 * @shared: MAP_SHARED: memfd, shmem, files
 * @hugetlb: hugetlbfs
 * @file: private mappings of files
 * @locked: of @anon: locked by mlock
 * @uffd: of @anon: registered with userfaultfd
 */
struct memory {
	uint64_t anon;
	uint64_t shared;
	uint64_t hugetlb;
	uint64_t file;
	uint64_t locked;
	uint64_t uffd;
};

/**
 * memory_parse() - add up what a smaps file tells
 * @file: as of /proc/PID/smaps
 * @memory: out
 *
 * Lines that it does not know are skipped.
 *
 * Return: 0, or -EIO if it could not be read.
 */
int memory_parse(FILE *file, struct memory *memory);

/**
 * memory_read() - that of a process
 * @proc: /proc
 * @pid: the process
 * @memory: out: all 0 on an error
 *
 * Return: 0 or -errno.
 */
int memory_read(const char *proc, pid_t pid, struct memory *memory);

#endif /* _MEMORY_H */
