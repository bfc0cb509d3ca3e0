// SPDX-License-Identifier: GPL-2.0
/* Fuzz targets for what decides which pages are looked at. */
#include "fuzz.h"

#include "core/filter.h"
#include "core/schedule.h"

/* The filter, one line of it, with fewer sketches than have room in it */

#define SKETCHES	16
#define PLACES		16

struct known_sketch {
	bool is;
	bool frame;
	bool elsewhere;
	u8 place;
	u8 life;
};

/*
 * The filter may take two places for one, but then it does so for each sketch, and
 * to the end of the epoch.
 */
enum alike { NOT_KNOWN, ALIKE, UNLIKE };

static enum alike alike[PLACES][PLACES];

static void learn(u8 a, u8 b, enum alike what)
{
	unsigned int i;

	shim_assert(alike[a][b] == NOT_KNOWN || alike[a][b] == what);
	alike[a][b] = what;
	alike[b][a] = what;
	for (i = 0; what == ALIKE && i < PLACES; i++)
		shim_assert(alike[a][i] == NOT_KNOWN ||
			    alike[b][i] == NOT_KNOWN ||
			    alike[a][i] == alike[b][i]);
}

static void check_note(struct vmdedup_filter *filter, struct known_sketch *known,
		       u64 sketch, u8 place, u8 life)
{
	bool elsewhere = vmdedup_filter_note(filter, sketch, place, life) ==
			 VMDEDUP_SEEN_ELSEWHERE;

	life = min_t(u8, life, VMDEDUP_FILTER_LIFE_MAX);
	if (!known->is) {
		shim_assert(!elsewhere);
		*known = (struct known_sketch){
			.is = true, .place = place, .life = life,
		};
		return;
	}
	if (known->frame) {
		shim_assert(elsewhere);
		return;
	}
	if (known->elsewhere)
		shim_assert(elsewhere);
	else if (known->place == place)
		shim_assert(!elsewhere);
	else
		learn(known->place, place, elsewhere ? UNLIKE : ALIKE);
	known->elsewhere = elsewhere;
	known->place = place;
	known->life = max(known->life, life);
}

static void check_sweep(struct vmdedup_filter *filter, struct known_sketch *known)
{
	unsigned int i, left = 0;
	bool all;

	vmdedup_filter_sweep(filter);
	all = filter->generation % VMDEDUP_FILTER_EPOCH == 0;
	if (all)
		memset(alike, 0, sizeof(alike));
	for (i = 0; i < SKETCHES; i++) {
		/* At the end of an epoch those count that there were. */
		left += known[i].is && (all || known[i].life);
		if (all || !known[i].life)
			known[i].is = false;
		else
			known[i].life--;
	}
	shim_assert(filter->used == left);
}

void fuzz_filter(void)
{
	static struct vmdedup_filter_line line;
	struct known_sketch known[SKETCHES] = {};
	struct vmdedup_filter filter;

	memset(&line, 0, sizeof(line));
	memset(alike, 0, sizeof(alike));
	vmdedup_filter_init(&filter, &line, 1, fuzz_take_u64());
	while (fuzz_more()) {
		u8 op = fuzz_take(), arg = fuzz_take(), k = arg % SKETCHES;
		/* Their low bits tell them apart, in spite of the high ones. */
		u64 sketch = fuzz_take_u64() << 16 | (k + 1);

		switch (op % 8) {
		case 0:
			check_sweep(&filter, known);
			break;
		case 1:
			vmdedup_filter_mark(&filter, sketch);
			known[k] = (struct known_sketch){
				.is = true, .frame = true,
				.life = VMDEDUP_FILTER_LIFE_MAX,
			};
			break;
		default:
			check_note(&filter, &known[k], sketch, arg / SKETCHES,
				   op / 8 % 6);
		}
	}
}

/* The filter, with more than it has room for: it forgets, but never invents */

#define CROWD_LINES	3
#define CROWD		4000U

static void check_line(const struct vmdedup_filter_line *line)
{
	const u16 tag = 0x0fff;
	unsigned int i, j;

	shim_assert(!line->lock);
	for (i = 0; i < VMDEDUP_FILTER_SLOTS && line->tag[i]; i++) {
		shim_assert(line->tag[i] & tag);
		for (j = 0; j < i; j++)
			shim_assert((line->tag[i] ^ line->tag[j]) & tag);
	}
	for (; i < VMDEDUP_FILTER_SLOTS; i++)
		shim_assert(!line->tag[i]);
}

void fuzz_filter_crowded(void)
{
	static struct vmdedup_filter_line line[CROWD_LINES];
	/* Of each sketch: a place and one, or more than one of them. */
	static u16 where[CROWD];
	const u16 many = 0xffff;
	struct vmdedup_filter filter;
	unsigned int i;

	memset(line, 0, sizeof(line));
	memset(where, 0, sizeof(where));
	vmdedup_filter_init(&filter, line, CROWD_LINES, fuzz_take_u64());
	while (fuzz_more()) {
		u8 op = fuzz_take();
		unsigned int k = (fuzz_take() << 8 | fuzz_take()) % CROWD;
		/* All of it differs, the tag as well. */
		u64 sketch = (k + 1) * 0x9e3779b97f4a7000ULL | (k + 1);
		u16 place = fuzz_take() + 1;

		if (op % 16 == 0) {
			vmdedup_filter_sweep(&filter);
			if (filter.generation % VMDEDUP_FILTER_EPOCH == 0)
				memset(where, 0, sizeof(where));
			shim_assert(filter.used <=
				    CROWD_LINES * VMDEDUP_FILTER_SLOTS);
			shim_assert(!atomic_read(&filter.refused));
		} else if (op % 16 == 1) {
			vmdedup_filter_mark(&filter, sketch);
			where[k] = many;
		} else {
			enum vmdedup_sighting seen;

			where[k] = !where[k] || where[k] == place ? place : many;
			seen = vmdedup_filter_note(&filter, sketch, place, op / 16);
			shim_assert(seen == VMDEDUP_SEEN_HERE || where[k] == many);
		}
	}
	for (i = 0; i < CROWD_LINES; i++)
		check_line(&line[i]);
}

/* The schedule of a chunk: counted without wrapping around */

struct known_chunk {
	bool met;
	u64 last;	/* pass */
	u64 until;	/* seconds */
	u64 cooled;	/* when @until was set */
	unsigned int gave;
	unsigned int heat;
	unsigned int idle;
};

static unsigned int known_interval(const struct known_chunk *chunk)
{
	unsigned int interval = 1, i;

	for (i = 1; i < chunk->idle && interval < VMDEDUP_SCHEDULE_PERIOD; i++)
		interval *= 2;
	return interval;
}

static void known_broken(struct known_chunk *chunk, u64 now, unsigned int merged,
			 unsigned int broken, bool vain)
{
	shim_assert(vain == (broken >= 8 && (broken >= merged / 4 ||
					     broken >= chunk->gave / 2)));
	chunk->gave = 0;
	if (vain) {
		chunk->heat = min(chunk->heat + 1, 6U);
		chunk->cooled = now;
		chunk->until = now + (1U << chunk->heat);
	} else if (!broken && chunk->heat &&
		   now >= chunk->until + (1U << chunk->heat)) {
		chunk->heat--;
		chunk->cooled = now;
		chunk->until = now;
	}
}

static void check_ask(const struct vmdedup_schedule *schedule,
		      const struct known_chunk *chunk, u64 pass, u64 now)
{
	bool cold = chunk->heat && now < chunk->until;
	enum vmdedup_visiting some, all;

	some = vmdedup_schedule_ask(schedule, pass, now, false);
	all = vmdedup_schedule_ask(schedule, pass, now, true);
	shim_assert(vmdedup_schedule_interval(schedule) == known_interval(chunk));
	if (!chunk->met) {
		shim_assert(some == VMDEDUP_VISIT_SCAN && all == some);
	} else if (cold) {
		shim_assert(now - chunk->cooled < VMDEDUP_SCHEDULE_COLD_MAX);
		shim_assert(some == VMDEDUP_VISIT_NOT);
		shim_assert(all == VMDEDUP_VISIT_COUNT);
	} else {
		shim_assert(all == VMDEDUP_VISIT_SCAN);
		shim_assert(some == (pass - chunk->last >= known_interval(chunk) ?
				     VMDEDUP_VISIT_SCAN : VMDEDUP_VISIT_NOT));
	}
}

void fuzz_schedule(void)
{
	struct vmdedup_schedule schedule = {};
	struct known_chunk chunk = {};
	u64 pass = fuzz_take_u64() & 0xffff, now = fuzz_take_u64() & 0xffff;
	unsigned int quiet = 0;

	while (fuzz_more()) {
		u8 op = fuzz_take();
		unsigned int arg = fuzz_take() * 3;
		enum vmdedup_visiting what;

		/* Hours are of no interest: an operator may see a pause then. */
		if (now - chunk.until < 32768 || now < chunk.until)
			now += op >> 4;
		pass++;
		check_ask(&schedule, &chunk, pass, now);
		what = vmdedup_schedule_ask(&schedule, pass, now, op & 8);
		/* However seldom, but not never: unless it is cold. */
		quiet = what == VMDEDUP_VISIT_SCAN ||
			vmdedup_schedule_cold(&schedule, now) ? 0 : quiet + 1;
		shim_assert(quiet < 2 * VMDEDUP_SCHEDULE_PERIOD);
		if (what == VMDEDUP_VISIT_SCAN) {
			vmdedup_schedule_seen(&schedule, pass);
			chunk.met = true;
			chunk.last = pass;
			chunk.idle = min(chunk.idle + 1, 100U);
		}
		if ((op & 7) == 1) {
			vmdedup_schedule_gave(&schedule, arg);
			chunk.idle = 0;
			chunk.gave = min(chunk.gave + arg, 32767U);
		} else if ((op & 7) == 2) {
			unsigned int broken = fuzz_take() * 2;
			bool vain = vmdedup_schedule_broken(&schedule, now, arg,
							    broken);

			known_broken(&chunk, now, arg, broken, vain);
		}
	}
}
