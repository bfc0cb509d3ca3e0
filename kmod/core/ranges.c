// SPDX-License-Identifier: GPL-2.0
#include "ranges.h"

/*
 * What lies below is cut anew by the firmware at each boot, and now and then
 * as one piece with what lies above.
 */
#define LOW_MEMORY	0x100000ULL

static int range_cmp(const void *a, const void *b)
{
	const struct vmdedup_range *ra = a, *rb = b;

	if (ra->start != rb->start)
		return ra->start < rb->start ? -1 : 1;
	if (ra->gpa != rb->gpa)
		return ra->gpa < rb->gpa ? -1 : 1;
	return 0;
}

/**
 * vmdedup_ranges_cut() - cut a slot where others are not to follow it
 * @out: room for VMDEDUP_RANGE_CUTS
 * @slot: the slot
 *
 * Return: into how many ranges.
 */
unsigned int vmdedup_ranges_cut(struct vmdedup_range *out,
				const struct vmdedup_range *slot)
{
	out[0] = *slot;
	if (slot->gpa >= LOW_MEMORY ||
	    slot->end - slot->start <= LOW_MEMORY - slot->gpa)
		return 1;
	out[1] = *slot;
	out[1].start += LOW_MEMORY - slot->gpa;
	out[1].gpa = LOW_MEMORY;
	out[0].end = out[1].start;
	return 2;
}

static bool same_place(const struct vmdedup_range *a,
		       const struct vmdedup_range *b)
{
	return a->start - a->gpa == b->start - b->gpa;
}

/* Is all of a range in sorted slots, at its place? Tells the first of them. */
static bool covered(const struct vmdedup_range *range,
		    const struct vmdedup_range *want, unsigned int nwant,
		    u32 *slot)
{
	u64 done = range->start;
	unsigned int i;

	for (i = 0; i < nwant && want[i].start <= done; i++) {
		if (want[i].end <= done || !same_place(&want[i], range))
			continue;
		if (done == range->start)
			*slot = want[i].slot;
		done = want[i].end;
		if (done >= range->end)
			return true;
	}
	return false;
}

/* Which of those there are stay; @next gets these, still in order. */
static unsigned int keep(const struct vmdedup_range *want, unsigned int nwant,
			 struct vmdedup_range *have, unsigned int nhave,
			 struct vmdedup_range *next, u64 now, u64 grace)
{
	unsigned int i, kept = 0;

	for (i = 0; i < nhave; i++) {
		if (covered(&have[i], want, nwant, &have[i].slot))
			have[i].gone = 0;
		else if (!have[i].gone)
			have[i].gone = now;
		else if (now - have[i].gone >= grace)
			continue;
		next[kept++] = have[i];
	}
	return kept;
}

/**
 * vmdedup_ranges_plan() - decide what is to be registered from now on
 * @want: what the slots cover; may overlap; is sorted here
 * @nwant: how many
 * @have: what is registered: in order of addresses, without overlaps
 * @nhave: how many, at most @max
 * @next: out: what is to be, likewise; what has an id is one of @have, the
 *	others are new
 * @max: room in @next
 * @now: the time, not 0
 * @grace: for so long what is not covered any more stays all the same: an
 *	emulator changes a slot by removing it first
 * @left: out: how many ranges did not find room
 *
 * Each address is in one range of @next at the most. Where slots overlap in the
 * host, what is registered comes first, and then what begins first.
 *
 * Return: how many there are in @next.
 */
unsigned int vmdedup_ranges_plan(struct vmdedup_range *want, unsigned int nwant,
				 struct vmdedup_range *have, unsigned int nhave,
				 struct vmdedup_range *next, unsigned int max,
				 u64 now, u64 grace, unsigned int *left)
{
	unsigned int kept, nr, i, k = 0;
	u64 done = 0;

	*left = 0;
	sort(want, nwant, sizeof(*want), range_cmp, NULL);
	kept = keep(want, nwant, have, nhave, next, now, grace);
	nr = kept;
	for (i = 0; i < nwant; i++) {
		u64 pos = max(want[i].start, done);

		/* Up to @pos all is spoken for; next[k] may be in the way. */
		while (pos < want[i].end) {
			u64 end = want[i].end;

			while (k < kept && next[k].end <= pos)
				k++;
			if (k < kept && next[k].start <= pos) {
				pos = next[k].end;
				continue;
			}
			if (k < kept)
				end = min(end, next[k].start);
			if (nr < max) {
				next[nr] = want[i];
				next[nr].start = pos;
				next[nr].end = end;
				next[nr].gpa += pos - want[i].start;
				next[nr].id = 0;
				next[nr].gone = 0;
				nr++;
			} else {
				(*left)++;
			}
			pos = end;
		}
		done = max(done, want[i].end);
	}
	sort(next, nr, sizeof(*next), range_cmp, NULL);
	return nr;
}
