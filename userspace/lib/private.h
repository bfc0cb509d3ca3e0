/* SPDX-License-Identifier: LGPL-2.1 */
#ifndef _VMDEDUP_PRIVATE_H
#define _VMDEDUP_PRIVATE_H

#include "vmdedup.h"

/**
 * struct vmdedup_ops - the system calls that change something
 * @open: returns a file descriptor or -errno
 * @ioctl: returns 0 or -errno
 * @close: as close(2)
 * @set: writes a text to a file of sysfs; returns 0 or -errno
 *
 * Tests put a device of their own here.
 */
struct vmdedup_ops {
	int (*open)(void *data, const char *path);
	int (*ioctl)(void *data, int fd, unsigned long request, void *arg);
	void (*close)(void *data, int fd);
	int (*set)(void *data, int dir, const char *name, const char *text);
};

struct vmdedup_ctx {
	const struct vmdedup_ops *ops;
	void *ops_data;
	int fd;
	char *sysfs_dir;
};

void vmdedup_set_ops(struct vmdedup_ctx *ctx, const struct vmdedup_ops *ops, void *data);

#endif /* _VMDEDUP_PRIVATE_H */
