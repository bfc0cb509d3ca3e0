// SPDX-License-Identifier: GPL-2.0
#include "sketch.h"

/* Of so many pages one has to be a hit for nothing. */
#define ALONE_PART	2

/* A 64 x 64 bit multiplication folded: each input bit reaches all of the output. */
static __always_inline u64 fold(u64 a, u64 b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (u64)product ^ (u64)(product >> 64);
}

/* A stream of random numbers from a seed: splitmix64, Steele et al. 2014. */
static u64 stream(u64 *state)
{
	u64 x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/**
 * vmdedup_sketcher_init() - draw positions and keys
 * @sketcher: out
 * @seed: secret, of the trust domain: equal seeds make equal sketchers
 * @nr: lines to look at; kept within the limits
 *
 * The positions of fewer lines are among those of more. Any context.
 */
void vmdedup_sketcher_init(struct vmdedup_sketcher *sketcher, u64 seed,
			   unsigned int nr)
{
	u64 state = seed, taken = 0;
	unsigned int i, line;

	nr = min_t(unsigned int, nr, VMDEDUP_SKETCH_MAX);
	nr = max_t(unsigned int, nr, VMDEDUP_SKETCH_MIN);
	sketcher->seed = seed;
	sketcher->nr = nr;
	for (i = 0; i < VMDEDUP_SKETCH_WORDS; i++)
		sketcher->secret[i] = stream(&state);
	for (i = 0; i < nr; i++) {
		do {
			line = stream(&state) % VMDEDUP_SKETCH_PAGE_LINES;
		} while (taken & (1ULL << line));
		taken |= 1ULL << line;
	}
	for (i = 0, line = 0; line < VMDEDUP_SKETCH_PAGE_LINES; line++)
		if (taken & (1ULL << line))
			sketcher->offset[i++] = line * VMDEDUP_SKETCH_LINE;
}

/**
 * vmdedup_sketch_prefetch() - have the lines of a page brought near
 * @sketcher: how
 * @addr: the page, PAGE_SIZE bytes
 *
 * A sketch costs little but the wait for memory: call this some pages ahead.
 */
void vmdedup_sketch_prefetch(const struct vmdedup_sketcher *sketcher,
			     const void *addr)
{
	unsigned int i;

	for (i = 0; i < sketcher->nr; i++)
		prefetch((const char *)addr + sketcher->offset[i]);
}

/**
 * vmdedup_sketch() - sketch a page
 * @sketcher: how
 * @addr: the page, PAGE_SIZE bytes, aligned to a word
 *
 * Whoever does not know the seed cannot make pages whose sketches collide, but
 * by leaving the lines equal that are looked at; that only costs time. The page
 * may change meanwhile. Any context.
 *
 * Return: never 0.
 */
u64 vmdedup_sketch(const struct vmdedup_sketcher *sketcher, const void *addr)
{
	const u64 *secret = sketcher->secret;
	u64 a = sketcher->seed, b = secret[0], c = secret[1], d = secret[2];
	unsigned int i;

	for (i = 0; i < sketcher->nr; i++) {
		const u64 *word = addr + sketcher->offset[i];

		a = fold(a ^ READ_ONCE(word[0]), secret[0] ^ READ_ONCE(word[1]));
		b = fold(b ^ READ_ONCE(word[2]), secret[1] ^ READ_ONCE(word[3]));
		c = fold(c ^ READ_ONCE(word[4]), secret[2] ^ READ_ONCE(word[5]));
		d = fold(d ^ READ_ONCE(word[6]), secret[3] ^ READ_ONCE(word[7]));
	}
	a = fold(a ^ secret[4], b ^ secret[5]) ^
	    fold(c ^ secret[6], d ^ secret[7]);
	return a ?: 1;
}

/**
 * vmdedup_sketch_adapt() - should more lines be looked at?
 * @nr: lines looked at now
 * @score: what came of it
 *
 * All pages pay for each line, those of guests whose pages are told apart well,
 * too: so this is decided by the majority of them, and not by the few who may
 * have been made to be alike. What those cost is limited by other means, see
 * credit.h.
 *
 * Return: lines to look at from now on, never fewer: they are not to change to
 * and fro, since what the filter knows is lost each time.
 */
unsigned int vmdedup_sketch_adapt(unsigned int nr,
				  const struct vmdedup_sketch_score *score)
{
	if (score->alone <= score->pages / ALONE_PART)
		return nr;
	return min_t(unsigned int, nr * 2, VMDEDUP_SKETCH_MAX);
}
