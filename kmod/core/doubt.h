/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Doubt: how much is a guest's memory trusted to be worth hashing?
 *
 * A page whose sketch was seen elsewhere is read as a whole, which costs as much
 * as the sketches of sixteen others, and is in vain if nobody has an equal one. Who
 * wants to make the scanner work hard has pages that are nearly equal: no choice of
 * lines tells those apart. So what is hashed in vain in an address space is
 * limited to one page in VMDEDUP_DOUBT_PART of those looked at: half of what the
 * sketches cost. Where it was more, only some of the sketches are believed in
 * each pass, others in the next one. They are chosen by the sketch, so that pages
 * which may be equal are looked at in the same pass; all of them come round.
 */
#ifndef VMDEDUP_CORE_DOUBT_H
#define VMDEDUP_CORE_DOUBT_H

#include "gate.h"

#define VMDEDUP_DOUBT_PART	32
#define VMDEDUP_DOUBT_MAX	5	/* 2^5 is enough if all is in vain */

/**
 * struct vmdedup_doubt - of one address space
 * @pass: that is under way
 * @level: one sketch of 2^@level is believed
 * @pages: looked at since it was judged
 * @hashed: those of them that were hashed
 * @merged: those that were merged, for their own sake or as a partner
 */
struct vmdedup_doubt {
	u16 pass;
	u8 level;
	u64 pages;
	u64 hashed;
	u64 merged;
};

void vmdedup_doubt_begin(struct vmdedup_doubt *doubt, u16 pass);
bool vmdedup_doubt_believes(unsigned int level, u64 sketch, u16 pass);

#endif /* VMDEDUP_CORE_DOUBT_H */
