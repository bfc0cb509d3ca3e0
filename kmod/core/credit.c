// SPDX-License-Identifier: GPL-2.0
#include "credit.h"

/*
 * Debts, for each page of a chunk. It is good for two full looks: of two equal
 * pages the one that was seen first is not hashed before the second pass.
 */
#define GOOD	VMDEDUP_CREDIT_PRICE
#define MOST	(VMDEDUP_CREDIT_PRICE * 3)
/* 2^32 / golden ratio: the multiples of it are spread evenly. */
#define GOLDEN	0x9e3779b9U

/**
 * vmdedup_credit_good() - may all be hashed that is worth it?
 * @credit: of a chunk
 * @pages: pages of it that are sketched
 */
bool vmdedup_credit_good(const struct vmdedup_credit *credit,
			 unsigned int pages)
{
	return credit->debt <= pages * GOOD;
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
	if (credit->debt >= pages * MOST)
		return 0;
	return (pages * MOST - credit->debt) / VMDEDUP_CREDIT_PRICE;
}

/**
 * vmdedup_credit_turn() - is it the turn of pages with a sketch?
 * @sketch: the sketch
 * @epoch: number of the epoch of the filter
 * @pages: pages of a chunk that were sketched
 * @hits: those of them that there is reason to hash, not 0
 *
 * The turn of each comes as often as is paid for, on average, and after no more
 * than some times as long.
 */
bool vmdedup_credit_turn(u64 sketch, u32 epoch, unsigned int pages,
			 unsigned int hits)
{
	u32 phase = (u32)(sketch ^ sketch >> 32) + epoch * GOLDEN;

	return (u64)phase * hits * VMDEDUP_CREDIT_PRICE < (u64)pages << 32;
}

/**
 * vmdedup_credit_spend() - a chunk was looked at
 * @credit: its
 * @pages: pages of it that were sketched
 * @hashed: those of them that were hashed, as many as were allowed at the most
 */
void vmdedup_credit_spend(struct vmdedup_credit *credit, unsigned int pages,
			  unsigned int hashed)
{
	unsigned int debt = credit->debt + hashed * VMDEDUP_CREDIT_PRICE;

	debt -= min(debt, pages);
	/* It may have been that of more pages, which are gone. */
	credit->debt = min(debt, pages * MOST);
}

/**
 * vmdedup_credit_return() - pages of a chunk were merged: it was worth it
 * @credit: its
 * @merged: how many
 */
void vmdedup_credit_return(struct vmdedup_credit *credit, unsigned int merged)
{
	unsigned int price = merged * VMDEDUP_CREDIT_PRICE;

	credit->debt -= min_t(unsigned int, credit->debt, price);
}
