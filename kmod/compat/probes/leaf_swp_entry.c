// SPDX-License-Identifier: GPL-2.0
/* Are migration entries swp_entry_t? */
#include <linux/swap.h>
#include <linux/swapops.h>

bool vmdedup_probe(pte_t pte);
bool vmdedup_probe(pte_t pte)
{
	return is_migration_entry(pte_to_swp_entry(pte));
}
