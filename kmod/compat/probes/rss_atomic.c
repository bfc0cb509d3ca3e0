// SPDX-License-Identifier: GPL-2.0
/* Is mm_struct.rss_stat a struct with an array of atomics? */
#include <linux/mm_types.h>

void vmdedup_probe(struct mm_struct *mm);
void vmdedup_probe(struct mm_struct *mm)
{
	atomic_long_inc(&mm->rss_stat.count[MM_FILEPAGES]);
}
