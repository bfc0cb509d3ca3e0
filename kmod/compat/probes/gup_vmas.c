// SPDX-License-Identifier: GPL-2.0
/* Does get_user_pages_remote() take an array of VMAs? */
#include <linux/mm.h>

long vmdedup_probe(struct mm_struct *mm, struct page **p, int *locked);
long vmdedup_probe(struct mm_struct *mm, struct page **p, int *locked)
{
	return get_user_pages_remote(mm, 0, 1, 0, p, NULL, locked);
}
