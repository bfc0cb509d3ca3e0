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
 * struct vmdedup_room - what several processes need together
 * @pages: all of them
 * @cgroups: by id, those in each memory cgroup that has a limit
 */
struct vmdedup_room {
	unsigned long pages;
	struct xarray cgroups;
};

void vmdedup_room_begin(struct vmdedup_room *room);
int vmdedup_room_add(struct vmdedup_room *room, struct mm_struct *mm,
		     unsigned long pages);
void vmdedup_room_end(struct vmdedup_room *room);
bool vmdedup_room_for(struct mm_struct *mm, unsigned long pages);

#endif /* VMDEDUP_MM_ROOM_H */
