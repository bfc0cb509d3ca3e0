// SPDX-License-Identifier: GPL-2.0
#include "filter.h"

/* In a tag, beside the sketch's bits: */
#define TAG		0x3fff
#define ELSEWHERE	0x4000	/* seen at two places in this epoch */
#define WAS_ELSEWHERE	0x8000	/* in the one before */

/* In a state: */
#define PLACE		0x0f	/* hash of the place last seen at */
#define ODD		0x10	/* seen in an odd epoch */
#define LIFE_SHIFT	5	/* generations that it is remembered for */

/* Slots to a line that are filled when there are as many pages as planned for. */
#define LOAD		17

/**
 * vmdedup_filter_init() - set up an empty filter
 * @filter: out
 * @line: zeroed memory for the table; stays the caller's
 * @nr_lines: of so many lines, not 0
 * @salt: random
 */
void vmdedup_filter_init(struct vmdedup_filter *filter,
			 struct vmdedup_filter_line *line, u64 nr_lines,
			 u64 salt)
{
	BUILD_BUG_ON(sizeof(struct vmdedup_filter_line) != 64);
	filter->line = line;
	filter->nr_lines = nr_lines;
	filter->salt = salt;
	filter->generation = 0;
	filter->used = 0;
	atomic_set(&filter->refused, 0);
}

/**
 * vmdedup_filter_lines() - how large should a filter be?
 * @pages: to be noted
 *
 * Return: lines, at least 1.
 */
u64 vmdedup_filter_lines(u64 pages)
{
	return div64_u64(pages, LOAD) + 1;
}

/* The high bits choose the line, the low ones are the tag. */
static struct vmdedup_filter_line *line_of(const struct vmdedup_filter *filter,
					   u64 sketch)
{
	return &filter->line[(u64)((unsigned __int128)sketch *
				   filter->nr_lines >> 64)];
}

static u16 tag_of(u64 sketch)
{
	return (sketch & TAG) ?: 1;
}

static u8 odd_epoch(const struct vmdedup_filter *filter)
{
	return READ_ONCE(filter->generation) / VMDEDUP_FILTER_EPOCH % 2 ? ODD : 0;
}

static u8 hash_place(const struct vmdedup_filter *filter, u64 place)
{
	u64 x = (place ^ READ_ONCE(filter->salt)) * 0x9e3779b97f4a7c15ULL;

	return (x ^ (x >> 32)) * 0xd6e8feb86659fd93ULL >> 60;
}

static bool line_trylock(struct vmdedup_filter_line *line)
{
	return !READ_ONCE(line->lock) && !xchg_acquire(&line->lock, 1);
}

static void line_unlock(struct vmdedup_filter_line *line)
{
	smp_store_release(&line->lock, 0);
}

/* Returns the slot of a tag, or of the first 0, or else VMDEDUP_FILTER_SLOTS. */
static unsigned int line_find(const struct vmdedup_filter_line *line, u16 tag)
{
	unsigned int i;

	/* Slots are filled from the first on. */
	for (i = 0; i < VMDEDUP_FILTER_SLOTS; i++)
		if ((line->tag[i] & TAG) == tag || !line->tag[i])
			break;
	return i;
}

static enum vmdedup_seen slot_note(u16 *tag, u8 *state, u8 now)
{
	u8 life = max(*state >> LIFE_SHIFT, now >> LIFE_SHIFT);

	if ((*state & ODD) != (now & ODD))
		*tag = (*tag & TAG) | (*tag & ELSEWHERE ? WAS_ELSEWHERE : 0);
	else if ((*state & PLACE) != (now & PLACE))
		*tag |= ELSEWHERE;
	*state = (now & (PLACE | ODD)) | life << LIFE_SHIFT;
	return *tag & ~TAG ? VMDEDUP_SEEN_ELSEWHERE : VMDEDUP_SEEN_HERE;
}

/**
 * vmdedup_filter_prefetch() - have a sketch's line brought near
 * @filter: with a table
 * @sketch: which
 */
void vmdedup_filter_prefetch(const struct vmdedup_filter *filter, u64 sketch)
{
	prefetch(line_of(filter, sketch));
}

/**
 * vmdedup_filter_note() - note where a sketch was seen
 * @filter: with a table
 * @sketch: what
 * @place: where; a number that no two pages have in common
 * @life: generations within which it is looked at again, up to
 *	VMDEDUP_FILTER_LIFE_MAX
 *
 * Threads may do so at once: one that finds another at the same line leaves it
 * at that, and the page to the next time. Any context.
 *
 * Return: whether it was seen elsewhere too, in this epoch or the last.
 */
enum vmdedup_seen vmdedup_filter_note(struct vmdedup_filter *filter, u64 sketch,
				      u64 place, unsigned int life)
{
	struct vmdedup_filter_line *line = line_of(filter, sketch);
	enum vmdedup_seen seen = VMDEDUP_SEEN_HERE;
	u8 now = hash_place(filter, place) | odd_epoch(filter) |
		 min(life, (unsigned int)VMDEDUP_FILTER_LIFE_MAX) << LIFE_SHIFT;
	u16 tag = tag_of(sketch);
	unsigned int slot;

	if (!line_trylock(line))
		return VMDEDUP_SEEN_HERE;
	slot = line_find(line, tag);
	if (slot == VMDEDUP_FILTER_SLOTS) {
		atomic_inc(&filter->refused);
	} else if (!line->tag[slot]) {
		line->tag[slot] = tag;
		line->state[slot] = now;
	} else {
		seen = slot_note(&line->tag[slot], &line->state[slot], now);
	}
	line_unlock(line);
	return seen;
}

/* Forget what was not seen for long, and close the gaps; returns what is left. */
static unsigned int line_sweep(struct vmdedup_filter_line *line)
{
	unsigned int i, left = 0;

	for (i = 0; i < VMDEDUP_FILTER_SLOTS && line->tag[i]; i++) {
		u8 life = line->state[i] >> LIFE_SHIFT;

		if (!life)
			continue;
		line->tag[left] = line->tag[i];
		line->state[left++] = (line->state[i] & (PLACE | ODD)) |
				      (life - 1) << LIFE_SHIFT;
	}
	for (i = left; i < VMDEDUP_FILTER_SLOTS; i++)
		line->tag[i] = 0;
	return left;
}

/**
 * vmdedup_filter_sweep() - end a generation and begin the next
 * @filter: with a table
 *
 * Others may note meanwhile; some of what they note when an epoch ends is taken
 * for being seen elsewhere. Only one may sweep. May sleep.
 */
void vmdedup_filter_sweep(struct vmdedup_filter *filter)
{
	u64 i, used = 0, generation = filter->generation + 1;

	atomic_set(&filter->refused, 0);
	if (generation % VMDEDUP_FILTER_EPOCH == 0)
		WRITE_ONCE(filter->salt,
			   filter->salt * 0x5851f42d4c957f2dULL + 1);
	WRITE_ONCE(filter->generation, generation);
	for (i = 0; i < filter->nr_lines; i++) {
		struct vmdedup_filter_line *line = &filter->line[i];

		while (!line_trylock(line))
			cond_resched();
		used += line_sweep(line);
		line_unlock(line);
		if (i % 4096 == 0)
			cond_resched();
	}
	filter->used = used;
}
