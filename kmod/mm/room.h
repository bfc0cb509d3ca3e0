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

bool vmdedup_room_on_host(u64 pages);
bool vmdedup_room_for(struct mm_struct *mm, unsigned long pages);
bool vmdedup_room_promise(struct mm_struct *mm, unsigned long pages);
void vmdedup_room_used(unsigned long pages);

#endif /* VMDEDUP_MM_ROOM_H */
