/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A block device for direct I/O: a loop over a memfd. Its worker copies the data
 * some time after the pages were taken, so that there is a window to hit.
 */
#ifndef VMDEDUP_SELFTESTS_DISK_H
#define VMDEDUP_SELFTESTS_DISK_H

#include <stddef.h>
#include <stdint.h>

struct disk {
	int file;	/* what is on it */
	int loop;
	int fd;		/* the same, opened O_DIRECT; -1: no loop devices */
};

/* @pages of @seed + index are on it. Returns 0 or a negative errno. */
int disk_begin(struct disk *d, size_t pages, uint64_t seed);
void disk_end(struct disk *d);

#endif /* VMDEDUP_SELFTESTS_DISK_H */
