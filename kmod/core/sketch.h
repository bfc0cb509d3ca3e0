/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sketches: a hash of a few cache lines of a page, at secret positions.
 *
 * Equal pages have equal sketches. Of unequal pages most differ in so many
 * places that a few lines tell them apart, so a page whose sketch nobody else
 * has needs no further look; one whose sketch was seen elsewhere gets its full
 * checksum.
 */
#ifndef VMDEDUP_CORE_SKETCH_H
#define VMDEDUP_CORE_SKETCH_H

#include "gate.h"

#define VMDEDUP_SKETCH_LINE		64
#define VMDEDUP_SKETCH_WORDS		(VMDEDUP_SKETCH_LINE / sizeof(u64))
#define VMDEDUP_SKETCH_PAGE_LINES	(PAGE_SIZE / VMDEDUP_SKETCH_LINE)
#define VMDEDUP_SKETCH_MIN		4
#define VMDEDUP_SKETCH_MAX		16

/**
 * struct vmdedup_sketcher - how to sketch
 * @seed: of the trust domain
 * @secret: derived from it
 * @nr: lines looked at, VMDEDUP_SKETCH_MIN to VMDEDUP_SKETCH_MAX
 * @offset: of each from the begin of the page, bytes, in ascending order
 */
struct vmdedup_sketcher {
	u64 seed;
	u64 secret[VMDEDUP_SKETCH_WORDS];
	unsigned int nr;
	u16 offset[VMDEDUP_SKETCH_MAX];
};

/**
 * struct vmdedup_sketch_score - how well sketches tell pages apart
 * @pages: pages sketched
 * @alone: those of them whose sketch was seen elsewhere, but whose checksum
 *	nobody else had, this time and before; or so it seems, as it was not
 *	worth the cost of looking
 */
struct vmdedup_sketch_score {
	u64 pages;
	u64 alone;
};

void vmdedup_sketcher_init(struct vmdedup_sketcher *sketcher, u64 seed,
			   unsigned int nr);
void vmdedup_sketch_prefetch(const struct vmdedup_sketcher *sketcher,
			     const void *addr);
u64 vmdedup_sketch(const struct vmdedup_sketcher *sketcher, const void *addr);
unsigned int vmdedup_sketch_adapt(unsigned int nr,
				  const struct vmdedup_sketch_score *score);

#endif /* VMDEDUP_CORE_SKETCH_H */
