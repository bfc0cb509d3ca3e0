/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The filter: which sketches were seen at one place only, which at more?
 *
 * A hash table of cache lines without chains. A line has room for 21 sketches,
 * of which it keeps 13 bits each and eleven bits of state: some 3.6 bytes a page
 * if lines are filled to six sevenths. What it says may be wrong, both ways: two
 * sketches can have the same bits (two pages in a thousand), which costs a
 * checksum in vain; and a pair can be taken for one place (one in 255), or not
 * fit in, which delays its merge. Those that find no room take turns.
 *
 * Time goes in generations. A sketch is forgotten when it was not seen for as
 * many as was said when it was: pages that are looked at seldom are remembered
 * for longer. After VMDEDUP_FILTER_EPOCH generations all is forgotten, and places
 * and lines are hashed anew, so that no pair is missed for ever.
 *
 * Shared frames are marked, after each generation again: whatever has their
 * sketch is elsewhere, too.
 */
#ifndef VMDEDUP_CORE_FILTER_H
#define VMDEDUP_CORE_FILTER_H

#include "gate.h"

#define VMDEDUP_FILTER_SLOTS	21
#define VMDEDUP_FILTER_EPOCH	4
#define VMDEDUP_FILTER_LIFE_MAX	(VMDEDUP_FILTER_EPOCH - 1)

/**
 * struct vmdedup_filter_line - one cache line of it
 * @tag: part of a sketch and four bits of state; 0 for a free slot
 * @state: the rest of it
 * @lock: 1 while somebody is at it
 */
struct vmdedup_filter_line {
	u16 tag[VMDEDUP_FILTER_SLOTS];
	u8 state[VMDEDUP_FILTER_SLOTS];
	u8 lock;
} __aligned(64);

/**
 * struct vmdedup_filter - a filter
 * @line: the table, or NULL while there is none
 * @nr_lines: how many
 * @salt: of the hashes of places and lines, another one in each epoch
 * @generation: how many have ended
 * @used: slots in use, as of the last sweep; before all was forgotten, if it was
 * @refused: sketches that did not fit in since then
 */
struct vmdedup_filter {
	struct vmdedup_filter_line *line;
	u64 nr_lines;
	u64 salt;
	u64 generation;
	u64 used;
	atomic_t refused;
};

enum vmdedup_sighting {
	VMDEDUP_SEEN_HERE,	/* at no other place, as far as is known */
	VMDEDUP_SEEN_ELSEWHERE,
};

void vmdedup_filter_init(struct vmdedup_filter *filter,
			 struct vmdedup_filter_line *line, u64 nr_lines,
			 u64 salt);
u64 vmdedup_filter_lines(u64 pages);
void vmdedup_filter_prefetch(const struct vmdedup_filter *filter, u64 sketch);
enum vmdedup_sighting vmdedup_filter_note(struct vmdedup_filter *filter,
					  u64 sketch, u64 place,
					  unsigned int life);
void vmdedup_filter_mark(struct vmdedup_filter *filter, u64 sketch);
void vmdedup_filter_sweep(struct vmdedup_filter *filter);

#endif /* VMDEDUP_CORE_FILTER_H */
