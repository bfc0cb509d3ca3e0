/* SPDX-License-Identifier: GPL-2.0 */
/* Frames whose memory is bad. */
#ifndef VMDEDUP_SCAN_QUARANTINE_H
#define VMDEDUP_SCAN_QUARANTINE_H

#include "../core/stable.h"

void vmdedup_quarantine_add(struct vmdedup_frame *frame);
unsigned long vmdedup_quarantine_count(void);
void vmdedup_quarantine_mappings(u64 *shared, u64 *sharing);
void vmdedup_quarantine_tend(bool (*go_on)(void));
void vmdedup_quarantine_exit(void);

#endif /* VMDEDUP_SCAN_QUARANTINE_H */
