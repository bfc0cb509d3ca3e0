// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "content.h"

const struct mix mix_usual = { .zero = 10, .common = 25, .pair = 5, .hot = 10 };
const struct mix mix_unique;
const struct mix mix_merged = { .common = 100 };

void content_count(const struct mix *mix, size_t pages, struct counts *counts)
{
	uint32_t all = pages / WL_EXTENT;

	*counts = (struct counts) {
		.all = all,
		.zero = all * mix->zero / 100,
		.common = all * mix->common / 100,
		.pair = all * mix->pair / 100,
		.hot = all * mix->hot / 100,
	};
}

static void shuffle(struct extent *list, size_t nr, uint64_t *random)
{
	while (nr > 1) {
		size_t i = rnd(random) % nr--;
		struct extent swap = list[i];

		list[i] = list[nr];
		list[nr] = swap;
	}
}

static struct extent *list_shared(const struct counts *c, uint64_t *random)
{
	uint32_t nr = c->zero + c->common + c->pair, i, n = 0;
	struct extent *list = calloc(nr + 1, sizeof(*list));

	if (!list)
		return NULL;
	for (i = 0; i < c->zero; i++)
		list[n++].kind = WL_ZERO;
	for (i = 0; i < c->common; i++)
		list[n++] = (struct extent){ WL_COMMON, i };
	for (i = 0; i < c->pair; i++)
		list[n++] = (struct extent){ WL_PAIR, i };
	shuffle(list, nr, random);
	return list;
}

/* How many of @nr shared extents are among the first @at of @all. */
static uint64_t share(uint64_t nr, uint64_t at, uint64_t all)
{
	if (2 * nr > all)
		return nr * at / all;
	return nr * at / all * at / all;
}

struct extent *content_plan(const struct mix *mix, size_t pages, unsigned int nr)
{
	const uint32_t chunk = HPAGE_NR / WL_EXTENT;
	uint32_t still, at, end, i, done, shared;
	uint64_t random = 77 + nr;
	struct extent *plan, *list;
	struct counts c;

	content_count(mix, pages, &c);
	shared = c.zero + c.common + c.pair;
	still = c.all - c.hot;
	list = list_shared(&c, &random);
	plan = calloc(c.all, sizeof(*plan));
	if (!list || !plan) {
		free(list);
		free(plan);
		return NULL;
	}
	for (i = 0; i < c.all; i++)
		plan[i] = (struct extent){ i < still ? WL_UNIQUE : WL_HOT, i };
	for (at = 0, done = 0; at < still; at = end) {
		end = at + chunk < still ? at + chunk : still;
		for (i = at; done < share(shared, end, still) && i < end; i++)
			plan[i] = list[done++];
		shuffle(plan + at, end - at, &random);
	}
	free(list);
	return plan;
}

uint64_t content_seed(const struct extent *plan, unsigned int nr, size_t page,
		      uint32_t version)
{
	const struct extent *e = &plan[page / WL_EXTENT];
	uint64_t in = page % WL_EXTENT, seed;

	if (e->kind == WL_ZERO)
		return 0;
	seed = (uint64_t)e->kind << 60 | e->id * (uint64_t)WL_EXTENT | in;
	if (e->kind == WL_PAIR)
		seed |= (uint64_t)nr / 2 << 52;
	if (e->kind == WL_UNIQUE || e->kind == WL_HOT)
		seed |= (uint64_t)(nr + 1) << 52;
	seed ^= (uint64_t)version << 32;
	seed = rnd(&seed);
	return seed ?: 1;
}
