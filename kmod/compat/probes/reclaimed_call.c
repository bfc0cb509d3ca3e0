// SPDX-License-Identifier: GPL-2.0
/* Is there a call to tell that reclaim has freed pages? */
#include <linux/mm.h>
#include <linux/swap.h>

void vmdedup_probe(void);
void vmdedup_probe(void)
{
	mm_account_reclaimed_pages(1);
}
