/* SPDX-License-Identifier: GPL-2.0 */
/* Keeping the ledger right when no pass does. */
#ifndef VMDEDUP_SCAN_RECOUNT_H
#define VMDEDUP_SCAN_RECOUNT_H

#include "../mm/region.h"

void vmdedup_recount_want(void);
bool vmdedup_recount_region(struct vmdedup_region *region, bool patient,
			    bool (*go_on)(void));
void vmdedup_recount_if_due(u64 after, bool (*go_on)(void));

#endif /* VMDEDUP_SCAN_RECOUNT_H */
