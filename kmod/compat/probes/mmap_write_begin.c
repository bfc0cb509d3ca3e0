// SPDX-License-Identifier: GPL-2.0
/* Does a sequence count tell of those who hold an mmap_lock for writing? */
#include <linux/mm.h>
#include <linux/mmap_lock.h>

void vmdedup_probe(struct mm_struct *mm);
void vmdedup_probe(struct mm_struct *mm)
{
	mm_lock_seqcount_begin(mm);
}
