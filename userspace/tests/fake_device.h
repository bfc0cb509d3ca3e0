/* SPDX-License-Identifier: GPL-2.0 */
/* A device with the contract of <linux/vmdedup.h>, without a kernel. */
#ifndef _FAKE_DEVICE_H
#define _FAKE_DEVICE_H

#include <stdint.h>
#include <sys/types.h>

#include "private.h"

#define FAKE_PAGE	4096ULL
#define FAKE_TASK_SIZE	(1ULL << 47)
#define FAKE_MAX	16

/**
 * struct fake_memory - something that is mapped
 * @start: first address
 * @length: bytes
 * @reason: why it cannot be merged, or VMDEDUP_SKIP_NONE
 */
struct fake_memory {
	uint64_t start;
	uint64_t length;
	uint32_t reason;
};

/**
 * struct fake_device - the device
 * @open_error: what open() returns, if not 0
 * @error: what the call number @error_at returns, if not 0
 * @error_at: counted from 1
 * @calls: ioctls so far
 * @pid: the process that exists
 * @forbidden: the process over which there is no permission
 * @memory: what @pid has mapped
 * @nr_memory: entries in @memory
 * @regions: what is registered
 * @nr_regions: entries in @regions
 * @last_id: the id given last
 * @last_flags: of the last call
 * @max_rounds: of the last merge
 * @refused: "NAME=VALUE\n" that sysfs refuses, or NULL
 * @set: how often a tunable was set
 */
struct fake_device {
	int open_error;
	int error;
	int error_at;
	int calls;
	pid_t pid;
	pid_t forbidden;
	struct fake_memory memory[FAKE_MAX];
	size_t nr_memory;
	struct vmdedup_query regions[FAKE_MAX];
	size_t nr_regions;
	uint64_t last_id;
	uint32_t last_flags;
	uint32_t max_rounds;
	const char *refused;
	int set;
};

extern const struct vmdedup_ops fake_ops;

void fake_map(struct fake_device *fake, uint64_t start, uint64_t length, uint32_t reason);
struct vmdedup_query *fake_region(struct fake_device *fake, pid_t pid, uint64_t start,
				  uint64_t length);

#endif /* _FAKE_DEVICE_H */
