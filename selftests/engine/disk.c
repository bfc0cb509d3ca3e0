// SPDX-License-Identifier: GPL-2.0
/* A block device for direct I/O. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "disk.h"
#include "util.h"

static void loop_begin(struct disk *d)
{
	struct loop_config config = { .fd = d->file };
	char name[32];
	int control, n;

	if (access("/dev/loop-control", F_OK) &&
	    system("modprobe loop 2>/dev/null"))
		return;
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return;
	n = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (n < 0)
		return;
	snprintf(name, sizeof(name), "/dev/loop%d", n);
	for (int i = 0; i < 500 && access(name, F_OK); i++)
		usleep(10000);
	d->loop = open(name, O_RDWR | O_CLOEXEC);
	if (d->loop < 0 || ioctl(d->loop, LOOP_CONFIGURE, &config))
		return;
	d->fd = open(name, O_RDWR | O_DIRECT | O_CLOEXEC);
}

int disk_begin(struct disk *d, size_t pages, uint64_t seed)
{
	char page[PG];

	*d = (struct disk) { .file = -1, .loop = -1, .fd = -1 };
	d->file = memfd_create("disk", MFD_CLOEXEC);
	if (d->file < 0)
		return -errno;
	for (size_t i = 0; i < pages; i++) {
		pg_fill(page, seed + i);
		if (pwrite(d->file, page, PG, i * PG) != (ssize_t)PG)
			return -EIO;
	}
	loop_begin(d);
	return 0;
}

void disk_end(struct disk *d)
{
	if (d->fd >= 0)
		close(d->fd);
	if (d->loop >= 0) {
		ioctl(d->loop, LOOP_CLR_FD);
		close(d->loop);
	}
	if (d->file >= 0)
		close(d->file);
}
