// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fake_device.h"

#define FAKE_FD	1000

void fake_map(struct fake_device *fake, uint64_t start, uint64_t length, uint32_t reason)
{
	fake->memory[fake->nr_memory++] = (struct fake_memory){ start, length, reason };
}

struct vmdedup_query *fake_region(struct fake_device *fake, pid_t pid, uint64_t start,
				  uint64_t length)
{
	struct vmdedup_query *region = &fake->regions[fake->nr_regions++];

	memset(region, 0, sizeof(*region));
	region->size = sizeof(*region);
	region->region_id = ++fake->last_id;
	region->pid = pid;
	region->start = start;
	region->length = length;
	return region;
}

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len, uint64_t *bytes)
{
	uint64_t start = a > b ? a : b;
	uint64_t end = a + a_len < b + b_len ? a + a_len : b + b_len;

	if (start >= end)
		return false;
	*bytes = end - start;
	return true;
}

static int check_register(const struct fake_device *fake, const struct vmdedup_register *reg)
{
	bool all = reg->flags & VMDEDUP_REGISTER_ALL;

	if (reg->flags & ~(VMDEDUP_REGISTER_PERSIST | VMDEDUP_REGISTER_ALL) || reg->reserved ||
	    reg->pid < 0 || reg->start % FAKE_PAGE || reg->length % FAKE_PAGE)
		return -EINVAL;
	if (all ? reg->start || reg->length : !reg->length)
		return -EINVAL;
	if (reg->start + reg->length < reg->start || reg->start + reg->length > FAKE_TASK_SIZE)
		return -EOVERFLOW;
	if (reg->pid == fake->forbidden)
		return -EPERM;
	return reg->pid == fake->pid ? 0 : -ESRCH;
}

static void measure(const struct fake_device *fake, struct vmdedup_register *reg,
		    uint64_t length)
{
	uint64_t bytes;
	size_t i;

	reg->eligible = 0;
	reg->refused = 0;
	reg->reason = VMDEDUP_SKIP_NONE;
	for (i = 0; i < fake->nr_memory; i++) {
		if (!overlap(reg->start, length, fake->memory[i].start,
			     fake->memory[i].length, &bytes))
			continue;
		if (fake->memory[i].reason == VMDEDUP_SKIP_NONE) {
			reg->eligible += bytes;
			continue;
		}
		reg->refused += bytes;
		reg->reason = fake->memory[i].reason;
	}
}

static int find_overlap(struct fake_device *fake, struct vmdedup_register *reg, uint64_t length)
{
	struct vmdedup_query *region;
	uint64_t bytes;
	size_t i;

	for (i = 0; i < fake->nr_regions; i++) {
		region = &fake->regions[i];
		if (region->pid != reg->pid ||
		    !overlap(reg->start, length, region->start, region->length, &bytes))
			continue;
		reg->region_id = region->region_id;
		if (bytes != length)
			return -EEXIST;
		reg->out_flags = VMDEDUP_REGISTERED_EXISTS;
	}
	return 0;
}

static int fake_register(struct fake_device *fake, struct vmdedup_register *reg)
{
	uint64_t length = reg->flags & VMDEDUP_REGISTER_ALL ? FAKE_TASK_SIZE : reg->length;
	struct vmdedup_register answer = *reg;
	int err = check_register(fake, reg);

	if (err)
		return err;
	measure(fake, &answer, length);
	if (!answer.eligible && !answer.refused)
		return -EFAULT;
	err = answer.eligible ? find_overlap(fake, &answer, length) : -EOPNOTSUPP;
	if (!err && !(answer.out_flags & VMDEDUP_REGISTERED_EXISTS))
		answer.region_id = fake_region(fake, reg->pid, reg->start, length)->region_id;
	*reg = answer;
	return err;
}

static struct vmdedup_query *find(struct fake_device *fake, uint64_t id, bool next)
{
	size_t i;

	for (i = 0; i < fake->nr_regions; i++) {
		if (next ? fake->regions[i].region_id > id : fake->regions[i].region_id == id)
			return &fake->regions[i];
	}
	return NULL;
}

static int fake_unregister(struct fake_device *fake, struct vmdedup_unregister *unreg)
{
	struct vmdedup_query *region = find(fake, unreg->region_id, false);
	size_t after;

	if (!region)
		return -ENOENT;
	if (region->pid == fake->forbidden)
		return -EPERM;
	if (unreg->flags & VMDEDUP_UNREGISTER_UNMERGE)
		unreg->unmerged = region->merged + region->zero;
	after = fake->regions + fake->nr_regions - (region + 1);
	memmove(region, region + 1, after * sizeof(*region));
	fake->nr_regions--;
	return 0;
}

static int fake_query(struct fake_device *fake, struct vmdedup_query *query)
{
	struct vmdedup_query *region;
	uint32_t flags = query->flags;

	region = find(fake, query->region_id, flags & VMDEDUP_QUERY_NEXT);
	if (!region)
		return -ENOENT;
	*query = *region;
	query->flags = flags;
	return 0;
}

static int fake_merge(struct fake_device *fake, struct vmdedup_merge *merge)
{
	const struct vmdedup_query *region;
	size_t i, j;

	if (merge->flags & VMDEDUP_MERGE_ALL ? !!merge->region_id :
	    !find(fake, merge->region_id, false))
		return merge->region_id && !merge->flags ? -ENOENT : -EINVAL;
	fake->max_rounds = merge->max_rounds;
	merge->rounds = 2;
	for (i = 0; i < fake->nr_regions; i++) {
		region = &fake->regions[i];
		if (merge->region_id && merge->region_id != region->region_id)
			continue;
		merge->scanned += region->resident;
		merge->merged += region->merged;
		merge->zero += region->zero;
		for (j = 0; j < VMDEDUP_SKIP_SLOTS; j++)
			merge->skipped[j] += region->skipped[j];
	}
	return 0;
}

static int fake_open(void *data, const char *path)
{
	struct fake_device *fake = data;

	if (strcmp(path, "/dev/vmdedup"))
		return -ENOENT;
	return fake->open_error ? fake->open_error : FAKE_FD;
}

static int fake_ioctl(void *data, int fd, unsigned long request, void *arg)
{
	struct fake_device *fake = data;

	if (fd != FAKE_FD)
		return -EBADF;
	if (++fake->calls == fake->error_at)
		return fake->error;
	/* Each struct begins with @size and @flags. */
	fake->last_flags = ((uint32_t *)arg)[1];
	switch (request) {
	case VMDEDUP_IOC_REGISTER:
		return fake_register(fake, arg);
	case VMDEDUP_IOC_UNREGISTER:
		return fake_unregister(fake, arg);
	case VMDEDUP_IOC_QUERY:
		return fake_query(fake, arg);
	case VMDEDUP_IOC_MERGE:
		return fake_merge(fake, arg);
	}
	return -ENOTTY;
}

static void fake_close(void *data, int fd)
{
	(void)data;
	(void)fd;
}

static int fake_set(void *data, int dir, const char *name, const char *text)
{
	struct fake_device *fake = data;
	char both[256];
	int fd;

	snprintf(both, sizeof(both), "%s=%s", name, text);
	if (fake->refused && !strcmp(both, fake->refused))
		return -EINVAL;
	fake->set++;
	fd = openat(dir, name, O_WRONLY | O_TRUNC);
	if (fd < 0)
		return -errno;
	dprintf(fd, "%s", text);
	close(fd);
	return 0;
}

const struct vmdedup_ops fake_ops = {
	.open	= fake_open,
	.ioctl	= fake_ioctl,
	.close	= fake_close,
	.set	= fake_set,
};
