/* SPDX-License-Identifier: GPL-2.0 */
/* What keeps the scanner's threads together from taking too much. */
#ifndef VMDEDUP_SCAN_PACER_H
#define VMDEDUP_SCAN_PACER_H

#include <linux/types.h>

int vmdedup_pacer_tuning(void);
void vmdedup_pacer_tuned(void);
u64 vmdedup_pacer_owe_cpu(u64 ran);
u64 vmdedup_pacer_owe(u64 all_pages, u64 pages, u64 ran);

#endif /* VMDEDUP_SCAN_PACER_H */
