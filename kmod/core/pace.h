/* SPDX-License-Identifier: GPL-2.0 */
/* How long to sleep so that scanning keeps to its rate, and its CPU time. */
#ifndef VMDEDUP_CORE_PACE_H
#define VMDEDUP_CORE_PACE_H

#include "gate.h"

/* In automatic mode never slower than this: 100 MiB/s of 4 KiB pages. */
#define VMDEDUP_PACE_MIN_RATE	25600ULL

/**
 * struct vmdedup_pace - how far behind or ahead of the rate we are
 * @due: when what was done so far should have been done, ns
 */
struct vmdedup_pace {
	u64 due;
};

u64 vmdedup_pace_rate(u64 scan_rate, u64 pass_pages, u64 target_secs);
u64 vmdedup_pace_sleep(struct vmdedup_pace *pace, u64 now, u64 pages, u64 rate);
u64 vmdedup_pace_cpu(struct vmdedup_pace *pace, u64 now, u64 ran,
		     unsigned int percent);

#endif /* VMDEDUP_CORE_PACE_H */
