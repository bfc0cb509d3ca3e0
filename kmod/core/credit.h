/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a chunk may cost: how many of its pages may be hashed?
 *
 * A page whose sketch was seen elsewhere is hashed, which costs as much as
 * sketching many; and whoever leaves most of their pages equal but for a few bytes
 * could have all of them hashed again and again for nothing. So each chunk has a
 * debt: a page that is hashed adds to it, a page that is merged takes off more,
 * and pages that are sketched pay it off little by little. Of a chunk with much of it
 * only so many pages are hashed as it pays for, and those take turns: all pages
 * with the same sketch, wherever they are, in the same epochs of the filter, which
 * has to see each of two equal pages before it says so.
 */
#ifndef VMDEDUP_CORE_CREDIT_H
#define VMDEDUP_CORE_CREDIT_H

#include "gate.h"

/*
 * So many pages sketched pay for one that is hashed, which costs as much as sixteen
 * of them. Then it is a third more at the most that a chunk costs in the long run,
 * what is merged in it aside.
 */
#define VMDEDUP_CREDIT_PRICE	48

/**
 * struct vmdedup_credit - of one chunk
 * @debt: pages to be sketched until what was hashed is paid for
 * @pages: as many as were sketched of late: it would not do to have few of them,
 *	for once, to get rid of the debt of many
 */
struct vmdedup_credit {
	u32 debt:20;
	u32 pages:12;
};

extern const struct vmdedup_credit vmdedup_credit_unknown;

bool vmdedup_credit_good(const struct vmdedup_credit *credit,
			 unsigned int pages);
unsigned int vmdedup_credit_limit(const struct vmdedup_credit *credit,
				  unsigned int pages);
bool vmdedup_credit_turn(const struct vmdedup_credit *credit,
			 unsigned int pages, unsigned int hits, u64 who,
			 u32 when);
bool vmdedup_credit_allows(const struct vmdedup_credit *credit,
			   unsigned int pages, unsigned int hits,
			   unsigned int taken, u64 who, u32 when);
void vmdedup_credit_spend(struct vmdedup_credit *credit, unsigned int pages,
			  unsigned int hashed);
void vmdedup_credit_merged(struct vmdedup_credit *credit, unsigned int merged);
void vmdedup_credit_return(struct vmdedup_credit *credit, unsigned int hashed);

#endif /* VMDEDUP_CORE_CREDIT_H */
