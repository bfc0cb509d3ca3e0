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
	sum->saved += part->saved;
	sum->passed += part->passed;
}

/**
 * vmdedup_ledger_add() - add one ledger to another
 * @sum: is added to
 * @part: what is added
 *
 * The caller keeps both from changing.
 */
void vmdedup_ledger_add(struct vmdedup_ledger *sum,
			const struct vmdedup_ledger *part)
{
	unsigned int i;

	for (i = 0; i < VMDEDUP_LEDGER_NR; i++)
		sum->value[i] += part->value[i];
	for (i = 0; i < VMDEDUP_SKIP_NR; i++)
		sum->skipped[i] += part->skipped[i];
}

/**
 * vmdedup_ledger_add_counters() - likewise, only what adds up since ever
 * @sum: is added to
 * @part: what is added
 */
void vmdedup_ledger_add_counters(struct vmdedup_ledger *sum,
				 const struct vmdedup_ledger *part)
{
#define LEDGER_ADD(name, kind, what)					\
	VMDEDUP_IF_COUNTER_##kind(sum->value[VMDEDUP_LEDGER_##name] +=	\
				  part->value[VMDEDUP_LEDGER_##name];)
	VMDEDUP_LEDGER(LEDGER_ADD)
#undef LEDGER_ADD
}
