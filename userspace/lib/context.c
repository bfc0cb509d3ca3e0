// SPDX-License-Identifier: LGPL-2.1
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "private.h"

#define DEVICE_PATH	"/dev/" VMDEDUP_DEVICE_NAME
#define SYSFS_DIR	"/sys/class/misc/" VMDEDUP_DEVICE_NAME

static int device_open(void *data, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	(void)data;
	return fd < 0 ? -errno : fd;
}

static int device_ioctl(void *data, int fd, unsigned long request, void *arg)
{
	(void)data;
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static void device_close(void *data, int fd)
{
	(void)data;
	close(fd);
}

static int sysfs_set(void *data, int dir, const char *name, const char *text)
{
	size_t len = strlen(text);
	int fd, err = 0;

	(void)data;
	fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_TRUNC);
	if (fd < 0)
		return -errno;
	errno = 0;
	/* In one go, as each write() is a value to the kernel. */
	if (write(fd, text, len) != (ssize_t)len)
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

static const struct vmdedup_ops device_ops = {
	.open	= device_open,
	.ioctl	= device_ioctl,
	.close	= device_close,
	.set	= sysfs_set,
};

int vmdedup_new(struct vmdedup_ctx **ctxp)
{
	struct vmdedup_ctx *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return -ENOMEM;
	ctx->ops = &device_ops;
	ctx->fd = -1;
	vmdedup_set_link_ops(ctx, NULL, NULL);
	ctx->sysfs_dir = strdup(SYSFS_DIR);
	if (!ctx->sysfs_dir) {
		free(ctx);
		return -ENOMEM;
	}
	*ctxp = ctx;
	return 0;
}

void vmdedup_free(struct vmdedup_ctx *ctx)
{
	if (!ctx)
		return;
	if (ctx->fd >= 0)
		ctx->ops->close(ctx->ops_data, ctx->fd);
	vmdedup_news_close(ctx);
	vmdedup_link_close(ctx);
	free(ctx->sysfs_dir);
	free(ctx);
}

void vmdedup_set_ops(struct vmdedup_ctx *ctx, const struct vmdedup_ops *ops, void *data)
{
	ctx->ops = ops;
	ctx->ops_data = data;
}

int vmdedup_set_sysfs_dir(struct vmdedup_ctx *ctx, const char *dir)
{
	char *copy = strdup(dir);

	if (!copy)
		return -ENOMEM;
	free(ctx->sysfs_dir);
	ctx->sysfs_dir = copy;
	return 0;
}

int vmdedup_open(struct vmdedup_ctx *ctx)
{
	int fd;

	if (ctx->fd >= 0)
		return 0;
	fd = ctx->ops->open(ctx->ops_data, DEVICE_PATH);
	if (fd < 0)
		return fd;
	ctx->fd = fd;
	return 0;
}
