// SPDX-License-Identifier: GPL-2.0
/* Are migration entries softleaf_t? */
#include <linux/mm.h>
#include <linux/swap.h>
#include <linux/leafops.h>

bool vmdedup_probe(pte_t pte);
bool vmdedup_probe(pte_t pte)
{
	return softleaf_is_migration(softleaf_from_pte(pte));
}
