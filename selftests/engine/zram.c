// SPDX-License-Identifier: GPL-2.0
/* A device in memory to swap to. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

#include "util.h"
#include "zram.h"

#define SWAP_BYTES (64UL << 20)

/* The header that mkswap writes: version, last page, and the magic. */
static int make_swap(const char *dev)
{
	uint32_t info[3] = { 1, SWAP_BYTES / PG - 1, 0 };
	char page[PG] = { 0 };
	int fd = open(dev, O_RDWR | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	memcpy(page + 1024, info, sizeof(info));
	memcpy(page + PG - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, page, PG, 0) != (ssize_t)PG)
		ret = -EIO;
	if (fsync(fd))
		ret = -EIO;
	close(fd);
	return ret;
}

int zram_begin(char *dev, size_t size)
{
	char path[64], text[32];
	long long n;

	if (access("/sys/class/zram-control", F_OK) &&
	    system("modprobe zram num_devices=1 2>/dev/null"))
		return -1;
	n = read_number("/sys/class/zram-control/hot_add");
	if (n < 0)
		return -1;
	snprintf(path, sizeof(path), "/sys/block/zram%lld/disksize", n);
	snprintf(text, sizeof(text), "%lu", SWAP_BYTES);
	snprintf(dev, size, "/dev/zram%lld", n);
	/* The node may take a moment to appear. */
	for (int i = 0; i < 500 && access(dev, F_OK); i++)
		usleep(10000);
	if (write_text(path, text) || make_swap(dev) ||
	    swapon(dev, SWAP_FLAG_PREFER | 0x7fff))
		return -1;
	return n;
}

void zram_end(int n, const char *dev)
{
	char text[32];

	swapoff(dev);
	snprintf(text, sizeof(text), "/sys/block/zram%d/reset", n);
	write_text(text, "1");
	snprintf(text, sizeof(text), "%d", n);
	write_text("/sys/class/zram-control/hot_remove", text);
}
