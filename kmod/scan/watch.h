/* SPDX-License-Identifier: GPL-2.0 */
/* Looking out for what an operator should hear of. */
#ifndef VMDEDUP_SCAN_WATCH_H
#define VMDEDUP_SCAN_WATCH_H

#include <linux/types.h>

void vmdedup_watch_storms(void);
void vmdedup_watch_tuned(void);
bool vmdedup_watch_pending(void);
void vmdedup_watch_reserve(u64 saved_bytes);

#endif /* VMDEDUP_SCAN_WATCH_H */
