// SPDX-License-Identifier: GPL-2.0
/*
 * Faults on request, in a debug build only (make VMDEDUP_DEBUG=1):
 *
 *	echo PFN BIT > /sys/kernel/debug/vmdedup/flip
 *
 * inverts a bit, 0 to 32767, of the shared frame with that page frame number.
 */
#include <linux/bitops.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../scan/engine.h"
#include "api.h"

/* What tells such a build from others. */
MODULE_INFO(inject, "1");

static struct dentry *dir;

/* The frame with a page frame number, in use; or NULL. */
static struct vmdedup_frame *frame_by_pfn(unsigned long pfn)
{
	struct vmdedup_cursor cursor = {};
	struct vmdedup_frame *frame;

	while ((frame = vmdedup_stable_next(&vmdedup_engine.stable, &cursor))) {
		if (page_to_pfn(frame->page) == pfn)
			break;
		vmdedup_stable_put(frame);
		cond_resched();
	}
	return frame;
}

static ssize_t flip_write(struct file *file, const char __user *ubuf,
			  size_t count, loff_t *pos)
{
	struct vmdedup_frame *frame;
	unsigned long pfn;
	unsigned int bit;
	char buf[64];
	void *addr;

	if (count >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, count))
		return -EFAULT;
	buf[count] = '\0';
	if (sscanf(buf, "%lu %u", &pfn, &bit) != 2 ||
	    bit >= PAGE_SIZE * BITS_PER_BYTE)
		return -EINVAL;
	frame = frame_by_pfn(pfn);
	if (!frame)
		return -ENOENT;
	addr = kmap_local_page(frame->page);
	change_bit(bit, addr);
	kunmap_local(addr);
	vmdedup_stable_put(frame);
	return count;
}

static const struct file_operations flip_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = flip_write,
};

/** vmdedup_inject_init() - set up; without debugfs there is nothing */
void vmdedup_inject_init(void)
{
	dir = debugfs_create_dir("vmdedup", NULL);
	debugfs_create_file("flip", 0200, dir, NULL, &flip_fops);
}

/** vmdedup_inject_exit() - undo vmdedup_inject_init() */
void vmdedup_inject_exit(void)
{
	debugfs_remove(dir);
}
