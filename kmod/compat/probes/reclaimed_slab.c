// SPDX-License-Identifier: GPL-2.0
/* Are pages that reclaim has freed counted as slab? */
#include <linux/mm.h>
#include <linux/swap.h>

void vmdedup_probe(struct reclaim_state *state);
void vmdedup_probe(struct reclaim_state *state)
{
	state->reclaimed_slab++;
}
