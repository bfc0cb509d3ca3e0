/* SPDX-License-Identifier: GPL-2.0 */
/* The scanning kernel thread. */
#ifndef VMDEDUP_SCAN_SCANNER_H
#define VMDEDUP_SCAN_SCANNER_H

int vmdedup_scanner_start(void);
void vmdedup_scanner_stop(void);
void vmdedup_scanner_tuned(void);
void vmdedup_scanner_welcome(void);

#endif /* VMDEDUP_SCAN_SCANNER_H */
