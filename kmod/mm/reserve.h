/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The reserve: free pages that are held back, for the time when guests write to
 * what is merged and memory would run out.
 *
 * The kernel takes them when a node is short of memory, through a shrinker, and
 * when it is about to kill somebody. They are taken out of what is free, slowly,
 * when there has been no such need for a while.
 */
#ifndef VMDEDUP_MM_RESERVE_H
#define VMDEDUP_MM_RESERVE_H

#include <linux/types.h>

int vmdedup_reserve_init(void);
void vmdedup_reserve_exit(void);
void vmdedup_reserve_aim(u64 pages);
u64 vmdedup_reserve_pages(void);
u64 vmdedup_reserve_target(void);
u64 vmdedup_reserve_drained(void);

#endif /* VMDEDUP_MM_RESERVE_H */
