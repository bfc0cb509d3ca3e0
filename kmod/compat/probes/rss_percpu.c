// SPDX-License-Identifier: GPL-2.0
/* Is mm_struct.rss_stat an array of percpu counters? */
#include <linux/mm_types.h>

void vmdedup_probe(struct mm_struct *mm);
void vmdedup_probe(struct mm_struct *mm)
{
	percpu_counter_inc(&mm->rss_stat[MM_FILEPAGES]);
}
