// SPDX-License-Identifier: GPL-2.0
#include "filter.h"

/* In a tag, beside the sketch's bits: */
#define TAG		0x1fff
#define ELSEWHERE	0x2000	/* seen at two places in this epoch */
#define PLACE_SHIFT	14	/* the place's high bits */

/* In a state: */
#define PLACE_LOW	0x3f	/* its low bits */
#define PLACE_LOW_BITS	6
#define LIFE_SHIFT	6	/* generations that it is remembered for */

/* Hashes of places; no page has the last one, which stands for a frame. */
#define FRAME		255

/* Odd, for a multiplication that loses nothing. */
#define LINE_HASH	0x9e3779b97f4a7c15ULL

/* How often a line is tried for a frame. */
#define MARK_TRIES	1000

/* One sketch, unpacked. */
struct slot {
	u16 tag;
	bool elsewhere;
	u8 place;
	u8 life;
};

/* Slots to a line that are filled when there are as many pages as planned for. */
#define LOAD		18

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

/*
 * The line is another one in each epoch: those that found no room in a line, or
 * take turns there with one another, meet others then. The low bits are the tag.
 */
static struct vmdedup_filter_line *line_of(const struct vmdedup_filter *filter,
					   u64 sketch)
{
	u64 hash = (sketch ^ READ_ONCE(filter->salt)) * LINE_HASH;

	return &filter->line[mul_u64_u64_shr(hash, filter->nr_lines, 64)];
}

static struct slot slot_get(const struct vmdedup_filter_line *line,
			    unsigned int i)
{
	u16 tag = line->tag[i];
	u8 state = line->state[i];

	return (struct slot){
		.tag = tag & TAG,
		.elsewhere = tag & ELSEWHERE,
		.place = tag >> PLACE_SHIFT << PLACE_LOW_BITS |
			 (state & PLACE_LOW),
		.life = state >> LIFE_SHIFT,
	};
}

static void slot_set(struct vmdedup_filter_line *line, unsigned int i,
		     const struct slot *slot)
{
	line->tag[i] = slot->tag | (slot->elsewhere ? ELSEWHERE : 0) |
		       slot->place >> PLACE_LOW_BITS << PLACE_SHIFT;
	line->state[i] = (slot->place & PLACE_LOW) | slot->life << LIFE_SHIFT;
}

static u16 tag_of(u64 sketch)
{
	return (sketch & TAG) ?: 1;
}

static u8 hash_place(const struct vmdedup_filter *filter, u64 place)
{
	u64 x = (place ^ READ_ONCE(filter->salt)) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93ULL;
	return (x >> 32) * FRAME >> 32;
}

static bool line_trylock(struct vmdedup_filter_line *line)
{
	/* Others are not to wait for one who does not run. */
	preempt_disable();
	if (!READ_ONCE(line->lock) && !xchg_acquire(&line->lock, 1))
		return true;
	preempt_enable();
	return false;
}

static void line_unlock(struct vmdedup_filter_line *line)
{
	/* What was written under the lock comes before. */
	smp_store_release(&line->lock, 0);
	preempt_enable();
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

/* @now was seen, which is known as @slot already. */
static void slot_see(struct slot *slot, const struct slot *now)
{
	/* It lives as long as the frame is there, which marks it again. */
	if (slot->place == FRAME)
		return;
	slot->life = max(slot->life, now->life);
	slot->elsewhere |= slot->place != now->place;
	slot->place = now->place;
}

/* A slot that one is to have for which there is no room. */
static unsigned int slot_for(u64 sketch)
{
	return (sketch >> 16) % VMDEDUP_FILTER_SLOTS;
}

/*
 * There is no room: have the place of one that was seen here only, as it may have
 * ours the next time. So that none is left out for ever.
 */
static void line_take_turns(struct vmdedup_filter *filter,
			    struct vmdedup_filter_line *line, u64 sketch,
			    const struct slot *now)
{
	unsigned int i = slot_for(sketch);

	atomic_inc(&filter->refused);
	if (!slot_get(line, i).elsewhere)
		slot_set(line, i, now);
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
 * Return: whether it was seen elsewhere too, in this epoch.
 */
enum vmdedup_sighting vmdedup_filter_note(struct vmdedup_filter *filter,
					  u64 sketch, u64 place,
					  unsigned int life)
{
	struct vmdedup_filter_line *line = line_of(filter, sketch);
	struct slot slot, now = {
		.tag = tag_of(sketch),
		.place = hash_place(filter, place),
		.life = min_t(unsigned int, life, VMDEDUP_FILTER_LIFE_MAX),
	};
	unsigned int i;

	slot = now;
	if (!line_trylock(line))
		return VMDEDUP_SEEN_HERE;
	i = line_find(line, now.tag);
	if (i == VMDEDUP_FILTER_SLOTS) {
		line_take_turns(filter, line, sketch, &now);
	} else {
		if (line->tag[i]) {
			slot = slot_get(line, i);
			slot_see(&slot, &now);
		}
		slot_set(line, i, &slot);
	}
	line_unlock(line);
	return slot.elsewhere ? VMDEDUP_SEEN_ELSEWHERE : VMDEDUP_SEEN_HERE;
}

/**
 * vmdedup_filter_mark() - a sketch is that of a shared frame
 * @filter: with a table
 * @sketch: which
 *
 * Holds for VMDEDUP_FILTER_LIFE_MAX generations, or to the end of the epoch. In a
 * line that is full it takes another's place: frames are shared, most pages are
 * not. If others are at the line for long it is left at that until the next time.
 * Does not sleep.
 */
void vmdedup_filter_mark(struct vmdedup_filter *filter, u64 sketch)
{
	struct vmdedup_filter_line *line = line_of(filter, sketch);
	struct slot mark = {
		.tag = tag_of(sketch),
		.elsewhere = true,
		.place = FRAME,
		.life = VMDEDUP_FILTER_LIFE_MAX,
	};
	unsigned int i, tries = MARK_TRIES;

	while (!line_trylock(line)) {
		if (!--tries)
			return;
		cpu_relax();
	}
	i = line_find(line, mark.tag);
	if (i == VMDEDUP_FILTER_SLOTS) {
		atomic_inc(&filter->refused);
		i = slot_for(sketch);
	}
	slot_set(line, i, &mark);
	line_unlock(line);
}

/* Forget all; returns how much that was. */
static unsigned int line_clear(struct vmdedup_filter_line *line)
{
	unsigned int used;

	for (used = 0; used < VMDEDUP_FILTER_SLOTS && line->tag[used]; used++)
		line->tag[used] = 0;
	return used;
}

/* Forget what was not seen for long, and close the gaps; returns what is left. */
static unsigned int line_sweep(struct vmdedup_filter_line *line)
{
	unsigned int i, left = 0;

	for (i = 0; i < VMDEDUP_FILTER_SLOTS && line->tag[i]; i++) {
		struct slot slot = slot_get(line, i);

		if (!slot.life)
			continue;
		slot.life--;
		slot_set(line, left++, &slot);
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
 * for being seen elsewhere, or is forgotten at once. Only one may sweep. May sleep.
 */
void vmdedup_filter_sweep(struct vmdedup_filter *filter)
{
	u64 i, used = 0, generation = filter->generation + 1;
	bool ends_epoch = generation % VMDEDUP_FILTER_EPOCH == 0;

	atomic_set(&filter->refused, 0);
	if (ends_epoch)
		WRITE_ONCE(filter->salt,
			   filter->salt * 0x5851f42d4c957f2dULL + 1);
	WRITE_ONCE(filter->generation, generation);
	for (i = 0; i < filter->nr_lines; i++) {
		struct vmdedup_filter_line *line = &filter->line[i];

		while (!line_trylock(line))
			cpu_relax();
		used += ends_epoch ? line_clear(line) : line_sweep(line);
		line_unlock(line);
		if (i % 4096 == 0)
			cond_resched();
	}
	filter->used = used;
}
