// SPDX-License-Identifier: LGPL-2.1
/*
 * A look at a few pages from everywhere, before all are read: contents that come
 * up several times there have very many copies, and are not to be left to the
 * sample. Which ones are found does not depend on the hashes the sample goes by,
 * so both together stay unbiased.
 */
#include <errno.h>
#include <stdlib.h>

#include "estimate_private.h"

/* Pages looked at; a content with 1 of 4000 pages is found with 97 %. */
#define PILOT_PAGES	32768
#define PILOT_COPIES	3

int est_pilot_init(struct est_pilot *pilot, uint64_t pages)
{
	pilot->one_of = pages / PILOT_PAGES + 1;
	pilot->nr = 0;
	/* It is a matter of chance how many there will be. */
	pilot->hashes = calloc(2 * PILOT_PAGES, sizeof(*pilot->hashes));
	return pilot->hashes ? 0 : -ENOMEM;
}

bool est_pilot_takes(const struct est_pilot *pilot, const struct vmdedup_estimate *est,
		     uint32_t proc, uint64_t addr)
{
	uint64_t hash = (addr ^ est->options.seed) * 0x9e3779b97f4a7c15 + proc;

	hash = (hash ^ hash >> 32) * 0xbf58476d1ce4e5b9;
	return pilot->nr < 2 * PILOT_PAGES && (hash >> 16) % pilot->one_of == 0;
}

void est_pilot_add(struct est_pilot *pilot, uint64_t hash)
{
	pilot->hashes[pilot->nr++] = hash;
}

static int compare(const void *x, const void *y)
{
	const uint64_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

void est_pilot_finish(struct est_pilot *pilot, struct est_table *table)
{
	size_t i, n, heavy = 0;

	qsort(pilot->hashes, pilot->nr, sizeof(*pilot->hashes), compare);
	for (i = 0; i < pilot->nr; i += n) {
		for (n = 1; i + n < pilot->nr && pilot->hashes[i + n] == pilot->hashes[i]; n++)
			;
		/* In place: it is never ahead of what is read. */
		if (n >= PILOT_COPIES)
			pilot->hashes[heavy++] = pilot->hashes[i];
	}
	table->heavy = pilot->hashes;
	table->nr_heavy = heavy;
	pilot->hashes = NULL;
}
