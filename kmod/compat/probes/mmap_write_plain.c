// SPDX-License-Identifier: GPL-2.0
/* Is nothing to be done after an mmap_lock was taken for writing? */
#include <linux/mm.h>
#include <linux/mmap_lock.h>

/* Clashes with the one of the kernel if there is one. */
struct vmdedup_probe {
	int none;
} mm_lock_seqcount_begin;
