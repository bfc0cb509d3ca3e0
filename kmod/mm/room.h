/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Room: does memory suffice for private copies of what is merged?
 *
 * Of the host's memory, and in the memory cgroups of each process: where it does
 * not, whoever makes the copies has the kernel kill somebody. An answer holds for
 * the moment, since others use memory, too.
 */
#ifndef VMDEDUP_MM_ROOM_H
#define VMDEDUP_MM_ROOM_H

#include <linux/mm_types.h>
#include <linux/xarray.h>

/**
 * struct vmdedup_room_sum - what many processes need together
 * @cgroups: those with a limit, and pages in them
 * @pages: of the host
 */
struct vmdedup_room_sum {
	struct xarray cgroups;
	u64 pages;
};

bool vmdedup_room_for(struct mm_struct *mm, unsigned long pages);
void vmdedup_room_sum_begin(struct vmdedup_room_sum *sum);
int vmdedup_room_sum_add(struct vmdedup_room_sum *sum, struct mm_struct *mm,
			 unsigned long pages);
bool vmdedup_room_sum_end(struct vmdedup_room_sum *sum);

#endif /* VMDEDUP_MM_ROOM_H */
