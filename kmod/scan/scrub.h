/* SPDX-License-Identifier: GPL-2.0 */
/* Looking for memory errors in shared frames. */
#ifndef VMDEDUP_SCAN_SCRUB_H
#define VMDEDUP_SCAN_SCRUB_H

int vmdedup_scrub_start(void);
void vmdedup_scrub_stop(void);
void vmdedup_scrub_wake(void);

#endif /* VMDEDUP_SCAN_SCRUB_H */
