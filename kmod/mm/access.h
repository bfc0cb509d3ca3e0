/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Access to the address space of somebody else: its mmap_lock, and letting go of it.
 *
 * A process can keep its own mmap_lock for as long as it likes, by way of a file
 * system whose server is slow, say, and again and again; and the end of its memory can
 * wait for I/O that does not end. Whoever works for others, or keeps anybody waiting,
 * has a number of ticks to wait in all.
 */
#ifndef VMDEDUP_MM_ACCESS_H
#define VMDEDUP_MM_ACCESS_H

#include <linux/jiffies.h>
#include <linux/mm_types.h>
#include <linux/rwsem.h>

/*
 * In ticks: who asks waits for that long in a region that was entered, the scanner for
 * so long, and for so long in all of what it goes through in many steps.
 */
#define VMDEDUP_WAIT_ASKED	HZ
#define VMDEDUP_WAIT_SCANNER	10
#define VMDEDUP_WAIT_STEPS	(HZ / 4)

/**
 * vmdedup_mm_ticks() - how long may be waited in a region that was entered
 * @patient: by who asks; else by the scanner
 */
static inline unsigned int vmdedup_mm_ticks(bool patient)
{
	return patient ? VMDEDUP_WAIT_ASKED : VMDEDUP_WAIT_SCANNER;
}

bool vmdedup_mm_wait(struct mm_struct *mm);
bool vmdedup_mm_lock(struct mm_struct *mm, bool writing, unsigned int *ticks,
		     struct rw_semaphore *entered);
bool vmdedup_mm_lock_step(struct mm_struct *mm, bool patient,
			  unsigned int *all, struct rw_semaphore *entered);
void vmdedup_mm_unlock(struct mm_struct *mm, bool writing);
void vmdedup_mm_put(struct mm_struct *mm);

int vmdedup_access_init(void);
void vmdedup_access_exit(void);

#endif /* VMDEDUP_MM_ACCESS_H */
