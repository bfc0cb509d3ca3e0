// SPDX-License-Identifier: GPL-2.0
#include "credit.h"
#include "runs.h"

/*
 * Debts, for each page of a chunk. It is good for two full looks: of two equal
 * pages the one that was seen first is not hashed before the second pass.
 */
#define GOOD	VMDEDUP_CREDIT_PRICE
#define MOST	(VMDEDUP_CREDIT_PRICE * 3)
/*
 * A visit costs as much as sketching so many pages, whatever there is to be seen: so
 * it pays for as many. The last few pages of a chunk that are not merged would wait
 * for a long time otherwise, for the sake of what was hashed of all the others.
 */
#define FEW	64
/* What it takes off that a page is merged: it was hashed now, and before. */
#define WORTH	2
/* 2^32 / golden ratio: the multiples of it are spread evenly. */
#define GOLDEN	0x9e3779b9U

/* Of a chunk of which nothing can be written down. */
const struct vmdedup_credit vmdedup_credit_unknown = {
	.debt = GOOD * VMDEDUP_RUN_MAX + 1,
	.pages = VMDEDUP_RUN_MAX,
};

/* What a chunk counts as, pages. */
static unsigned int count(const struct vmdedup_credit *credit,
			  unsigned int pages)
{
	return max_t(unsigned int, max_t(unsigned int, pages, FEW),
		     credit->pages);
}

/* As much debt as a chunk can have at all. */
static unsigned int most(const struct vmdedup_credit *credit,
			 unsigned int pages)
{
	return count(credit, pages) * MOST;
}

/**
 * vmdedup_credit_good() - may all be hashed that is worth it?
 * @credit: of a chunk
 * @pages: pages of it that are sketched
 */
bool vmdedup_credit_good(const struct vmdedup_credit *credit,
			 unsigned int pages)
{
	return credit->debt <= count(credit, pages) * GOOD;
}

/**
 * vmdedup_credit_limit() - how many pages may be hashed?
 * @credit: of a chunk
 * @pages: pages of it that are sketched
 *
 * Return: pages at the most; at least all, where vmdedup_credit_good().
 */
unsigned int vmdedup_credit_limit(const struct vmdedup_credit *credit,
				  unsigned int pages)
{
	unsigned int limit = most(credit, pages);

	return (limit - min_t(unsigned int, limit, credit->debt)) /
	       VMDEDUP_CREDIT_PRICE;
}

/**
 * vmdedup_credit_turn() - is it somebody's turn to be hashed?
 * @credit: of a chunk
 * @pages: pages of it that are sketched
 * @hits: those of them that there is reason to hash, not 0
 * @who: a number, random in its lower or its upper half
 * @when: number of the occasion
 *
 * The turn of each comes as often as is paid for, on average, and after no more
 * than some times as long.
 */
bool vmdedup_credit_turn(const struct vmdedup_credit *credit,
			 unsigned int pages, unsigned int hits, u64 who,
			 u32 when)
{
	u32 phase = (u32)(who ^ who >> 32) + when * GOLDEN;

	return (u64)phase * hits * VMDEDUP_CREDIT_PRICE <
	       (u64)count(credit, pages) << 32;
}

/**
 * vmdedup_credit_allows() - may a page be hashed?
 * @credit: of its chunk
 * @pages: pages of it that are sketched
 * @hits: those of them that there is reason to hash
 * @taken: those of them that are to be hashed already
 * @who: see vmdedup_credit_turn()
 * @when: likewise
 */
bool vmdedup_credit_allows(const struct vmdedup_credit *credit,
			   unsigned int pages, unsigned int hits,
			   unsigned int taken, u64 who, u32 when)
{
	return vmdedup_credit_good(credit, pages) ||
	       (taken < vmdedup_credit_limit(credit, pages) &&
		vmdedup_credit_turn(credit, pages, hits, who, when));
}

/**
 * vmdedup_credit_spend() - pages of a chunk were looked at
 * @credit: its
 * @pages: pages of it that were sketched, VMDEDUP_RUN_MAX at the most
 * @hashed: those of them that are hashed, as many as were allowed at the most
 */
void vmdedup_credit_spend(struct vmdedup_credit *credit, unsigned int pages,
			  unsigned int hashed)
{
	unsigned int debt = credit->debt + hashed * VMDEDUP_CREDIT_PRICE;

	debt -= min(debt, max_t(unsigned int, pages, FEW));
	credit->pages = max(pages, credit->pages / 2U);
	/* It may have been that of pages which are gone. */
	credit->debt = min(debt, most(credit, 0));
}

static void take_off(struct vmdedup_credit *credit, unsigned int hashed)
{
	unsigned int debt = credit->debt;

	credit->debt -= min(debt, hashed * VMDEDUP_CREDIT_PRICE);
}

/**
 * vmdedup_credit_merged() - pages of a chunk were merged: it was worth it
 * @credit: its
 * @merged: how many
 */
void vmdedup_credit_merged(struct vmdedup_credit *credit, unsigned int merged)
{
	take_off(credit, merged * WORTH);
}

/**
 * vmdedup_credit_return() - pages that were hashed were not tried to be merged
 * @credit: of their chunk
 * @hashed: how many
 */
void vmdedup_credit_return(struct vmdedup_credit *credit, unsigned int hashed)
{
	take_off(credit, hashed);
}
