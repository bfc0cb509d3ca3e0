/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which ranges of an address space to register, given a virtual machine's
 * memory slots and what is registered already.
 *
 * Slots come and go all the time without the memory behind them changing: at
 * each boot the firmware has the low ones cut anew, and an emulator replaces a
 * slot by two. A region must survive that, as what is known of it would be lost
 * with it. So a range stays for as long as slots cover it at the same place in
 * the guest, however they are cut.
 */
#ifndef VMDEDUP_CORE_RANGES_H
#define VMDEDUP_CORE_RANGES_H

#include "gate.h"

/**
 * struct vmdedup_range - memory of a guest
 * @start: first address, in the host's process
 * @end: first address after it
 * @gpa: guest-physical address of @start
 * @id: region that it is registered as; 0: not yet
 * @gone: when it was first found to be covered no more; 0: it is covered
 * @slot: memory slot that it begins in
 */
struct vmdedup_range {
	u64 start;
	u64 end;
	u64 gpa;
	u64 id;
	u64 gone;
	u32 slot;
};

/* Ranges that a slot can be cut into. */
#define VMDEDUP_RANGE_CUTS	2

unsigned int vmdedup_ranges_cut(struct vmdedup_range *out,
				const struct vmdedup_range *slot);
unsigned int vmdedup_ranges_plan(struct vmdedup_range *want, unsigned int nwant,
				 struct vmdedup_range *have, unsigned int nhave,
				 struct vmdedup_range *next, unsigned int max,
				 u64 now, u64 grace, unsigned int *left);

#endif /* VMDEDUP_CORE_RANGES_H */
