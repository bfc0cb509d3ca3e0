/* SPDX-License-Identifier: GPL-2.0 */
/* The scanning kernel threads. */
#ifndef VMDEDUP_SCAN_SCANNER_H
#define VMDEDUP_SCAN_SCANNER_H

#include <linux/types.h>

/* Guests come first. */
#define VMDEDUP_SCAN_NICE	5

int vmdedup_scanner_start(void);
void vmdedup_scanner_stop(void);
void vmdedup_scanner_tuned(void);
void vmdedup_scanner_welcome(void);
bool vmdedup_scanner_scanning(void);
void vmdedup_scanner_pause(unsigned long ticks, int tuning);

#endif /* VMDEDUP_SCAN_SCANNER_H */
