// SPDX-License-Identifier: GPL-2.0
#include "stats.h"

/**
 * vmdedup_tally_add() - add one tally to another
 * @sum: is added to
 * @part: what is added
 *
 * The caller keeps both from changing.
 */
void vmdedup_tally_add(struct vmdedup_tally *sum,
		       const struct vmdedup_tally *part)
{
	unsigned int i;

	for (i = 0; i < VMDEDUP_EV_NR; i++)
		sum->ev[i] += part->ev[i];
	for (i = 0; i < VMDEDUP_SKIP_NR; i++)
		sum->skip[i] += part->skip[i];
	sum->zero_found += part->zero_found;
	sum->merged_found += part->merged_found;
	sum->saved_found += part->saved_found;
	sum->passed += part->passed;
}
