// SPDX-License-Identifier: GPL-2.0
#include "content.h"

/**
 * vmdedup_content_is_zero() - is a page all zero?
 * @addr: PAGE_SIZE bytes
 *
 * The page may change meanwhile: the answer is a hint unless nobody can write
 * to it. Any context.
 */
bool vmdedup_content_is_zero(const void *addr)
{
	return !memchr_inv(addr, 0, PAGE_SIZE);
}

/**
 * vmdedup_content_seed() - the checksum seed of a trust domain
 * @boot_seed: random, drawn when the module was loaded
 * @domain: trust domain
 *
 * Nobody outside can tell which contents collide, and equal contents have
 * unrelated checksums in different domains. Any context.
 */
u64 vmdedup_content_seed(u64 boot_seed, u64 domain)
{
	return xxh64(&domain, sizeof(domain), boot_seed);
}

/**
 * vmdedup_content_sum() - checksum of a page
 * @addr: PAGE_SIZE bytes
 * @seed: from vmdedup_content_seed()
 *
 * Only ever proposes: equal checksums are a reason to compare the bytes.
 * Any context.
 */
u64 vmdedup_content_sum(const void *addr, u64 seed)
{
	return xxh64(addr, PAGE_SIZE, seed);
}

static void flip(void *addr, unsigned int bit)
{
	((u8 *)addr)[bit / BITS_PER_BYTE] ^= 1 << bit % BITS_PER_BYTE;
}

/**
 * vmdedup_content_flipped() - is a page one bit away from what it was?
 * @addr: PAGE_SIZE bytes that nobody else has; changed meanwhile, and put back
 * @seed: of the checksum that it had
 * @sum: that checksum
 *
 * Tries them all: that more than one bit has changed and one still fits happens
 * once in 2^49 times. Takes as long as to hash all of 128 MiB. May sleep.
 *
 * Return: the number of the bit that is wrong; or -1 if it is not just one.
 */
int vmdedup_content_flipped(void *addr, u64 seed, u64 sum)
{
	unsigned int bit;

	for (bit = 0; bit < PAGE_SIZE * BITS_PER_BYTE; bit++) {
		bool fits;

		flip(addr, bit);
		fits = vmdedup_content_sum(addr, seed) == sum;
		flip(addr, bit);
		if (fits)
			return bit;
		cond_resched();
	}
	return -1;
}
