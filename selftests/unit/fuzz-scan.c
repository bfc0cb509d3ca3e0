// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz targets for what decides which pages are looked at: the filter, the
 * schedule of chunks, and both with the trees in a scanner of a few pages.
 */
#include "fuzz.h"

#include "core/filter.h"
#include "core/schedule.h"
#include "core/stable.h"
#include "core/unstable.h"

/* Passes in a generation of the filter, and those that candidates are kept for. */
#define GENERATION	16
#define EPOCH		(GENERATION * VMDEDUP_FILTER_EPOCH)
#define KEEP		(VMDEDUP_SCHEDULE_PERIOD + 8)

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
	} else if (!broken && chunk->heat) {
		chunk->heat--;
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

/* A scanner of few pages: what is merged is equal, what is equal is merged */

#define REGIONS		4
#define CHUNKS		8
#define CHUNK_PAGES	4
#define PAGES		(CHUNKS * CHUNK_PAGES)

struct frame {
	struct vmdedup_frame frame;	/* first */
	unsigned int mapped;
	u8 content;
};

struct page {
	struct frame *frame;
	u8 content;
	bool was_merged;
};

struct scanner {
	struct vmdedup_filter filter;
	struct vmdedup_filter_line line[2];
	struct vmdedup_tree stable, unstable;
	struct vmdedup_schedule schedule[CHUNKS];
	struct page page[PAGES];
	/* Of each region, which may change. */
	u8 domain[REGIONS];
	u64 pass;
	u64 now;
};

static struct scanner sim;

static u64 mix(u64 x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static u8 domain_of(unsigned int i)
{
	return sim.domain[i / (PAGES / REGIONS)];
}

/* Contents come in pairs with one sketch. */
static u64 sketch_of(unsigned int i)
{
	return mix(domain_of(i) * 1000 + sim.page[i].content / 2 + 1);
}

static struct vmdedup_key key_of(unsigned int i)
{
	u64 sum = mix(domain_of(i) * 1000 + sim.page[i].content + 7777);

	return (struct vmdedup_key){ domain_of(i), sum };
}

static void page_unshare(struct page *page)
{
	if (page->frame)
		page->frame->mapped--;
	page->frame = NULL;
}

static void page_merge(unsigned int i, struct frame *frame)
{
	struct vmdedup_schedule *schedule = &sim.schedule[i / CHUNK_PAGES];
	struct page *page = &sim.page[i];

	shim_assert(frame->content == page->content);
	shim_assert(frame->frame.node.key.domain == domain_of(i));
	shim_assert(!page->frame);
	if (vmdedup_schedule_cold(schedule, sim.now))
		return;
	page->frame = frame;
	page->was_merged = true;
	frame->mapped++;
	vmdedup_schedule_gave(schedule, 1);
}

static void scan_pair(unsigned int i, unsigned int other)
{
	struct frame *frame;

	/* What was noted may have changed since. */
	if (domain_of(other) != domain_of(i) || sim.page[other].frame ||
	    sim.page[other].content != sim.page[i].content)
		return;
	frame = calloc(1, sizeof(*frame));
	shim_assert(frame);
	frame->frame.node.key = key_of(i);
	frame->content = sim.page[i].content;
	shim_assert(vmdedup_stable_add(&sim.stable, &frame->frame) ==
		    &frame->frame);
	vmdedup_filter_mark(&sim.filter, sketch_of(i));
	page_merge(i, frame);
	page_merge(other, frame);
	vmdedup_stable_put(&frame->frame);
	vmdedup_unstable_forget(&sim.unstable, &frame->frame.node.key);
}

static void scan_page(unsigned int i, unsigned int interval)
{
	struct vmdedup_key key = key_of(i);
	struct vmdedup_place other;
	struct vmdedup_frame *frame;
	struct vmdedup_cand *cand;

	if (sim.page[i].frame ||
	    vmdedup_filter_note(&sim.filter, sketch_of(i), i,
				1 + interval / GENERATION) == VMDEDUP_SEEN_HERE)
		return;
	frame = vmdedup_stable_get(&sim.stable, &key);
	if (frame) {
		page_merge(i, (struct frame *)frame);
		vmdedup_stable_put(frame);
		return;
	}
	cand = vmdedup_cand_alloc();
	shim_assert(cand);
	cand->node.key = key;
	cand->place = (struct vmdedup_place){ 0, i };
	if (vmdedup_unstable_note(&sim.unstable, &cand, sim.pass, &other) ==
	    VMDEDUP_FOUND_OTHER)
		scan_pair(i, other.vpn);
	vmdedup_cand_free(cand);
}

static void scan_chunk(unsigned int chunk, bool all)
{
	struct vmdedup_schedule *schedule = &sim.schedule[chunk];
	unsigned int i, first = chunk * CHUNK_PAGES, merged = 0, broken = 0;
	unsigned int interval = vmdedup_schedule_interval(schedule);
	enum vmdedup_visiting what;

	what = vmdedup_schedule_ask(schedule, sim.pass, sim.now, all);
	if (what == VMDEDUP_VISIT_NOT)
		return;
	for (i = first; i < first + CHUNK_PAGES; i++) {
		/* Eight are enough for it to be in vain: count each twice. */
		merged += 2 * sim.page[i].was_merged;
		broken += 2 * (sim.page[i].was_merged && !sim.page[i].frame);
		sim.page[i].was_merged = sim.page[i].frame;
	}
	vmdedup_schedule_broken(schedule, sim.now, merged, broken);
	if (what == VMDEDUP_VISIT_COUNT ||
	    vmdedup_schedule_cold(schedule, sim.now))
		return;
	vmdedup_schedule_seen(schedule, sim.pass);
	for (i = first; i < first + CHUNK_PAGES; i++)
		scan_page(i, interval);
}

static enum vmdedup_sweep frame_visit(struct vmdedup_node *node, void *arg)
{
	struct frame *frame = (struct frame *)vmdedup_frame_of(node);
	bool *all = arg;

	shim_assert(vmdedup_stable_idle(&frame->frame));
	return *all || !frame->mapped ? VMDEDUP_SWEEP_ERASE : VMDEDUP_SWEEP_KEEP;
}

static void frame_release(struct vmdedup_node *node, void *arg)
{
	(void)arg;
	free(vmdedup_frame_of(node));
}

static enum vmdedup_sweep mark_visit(struct vmdedup_node *node, void *arg)
{
	struct frame *frame = (struct frame *)vmdedup_frame_of(node);

	(void)arg;
	vmdedup_filter_mark(&sim.filter, mix(node->key.domain * 1000 +
					     frame->content / 2 + 1));
	return VMDEDUP_SWEEP_KEEP;
}

static void sweep_frames(bool all)
{
	static const struct vmdedup_sweep_ops ops = {
		.visit = frame_visit,
		.release = frame_release,
	};

	vmdedup_tree_sweep(&sim.stable, &ops, &all);
}

static void scan_pass(bool all)
{
	static const struct vmdedup_sweep_ops marks = {
		.visit = mark_visit,
		.release = frame_release,
	};
	unsigned int chunk;

	sim.pass++;
	for (chunk = 0; chunk < CHUNKS; chunk++)
		scan_chunk(chunk, all);
	sweep_frames(false);
	vmdedup_unstable_age(&sim.unstable, sim.pass, KEEP);
	if (sim.pass % GENERATION == 0) {
		vmdedup_filter_sweep(&sim.filter);
		vmdedup_tree_sweep(&sim.stable, &marks, NULL);
	}
}

/* Frames of the old domain are left to those who have them. */
static void change_domain(unsigned int region, u8 domain)
{
	sim.domain[region] = domain;
}

/* Is what a page shares a frame of the domain that it is in now? */
static bool is_current(unsigned int i)
{
	const struct frame *frame = sim.page[i].frame;

	return !frame || frame->frame.node.key.domain == domain_of(i);
}

/* Are all equal pages of a domain one, but for what was shared before? */
static bool all_merged(void)
{
	unsigned int i, j;

	for (i = 0; i < PAGES; i++) {
		const struct page *page = &sim.page[i];

		shim_assert(!page->frame || page->frame->content == page->content);
		for (j = 0; j < i; j++) {
			const struct page *other = &sim.page[j];

			if (page->content == other->content &&
			    domain_of(i) == domain_of(j) &&
			    is_current(i) && is_current(j) &&
			    (!page->frame || page->frame != other->frame))
				return false;
		}
	}
	return true;
}

void fuzz_scanner(void)
{
	unsigned int i;
	bool all;

	memset(&sim, 0, sizeof(sim));
	vmdedup_filter_init(&sim.filter, sim.line, ARRAY_SIZE(sim.line),
			    fuzz_take_u64());
	vmdedup_tree_init(&sim.stable);
	vmdedup_tree_init(&sim.unstable);
	shim_assert(!vmdedup_cand_cache_init());
	sim.pass = fuzz_take() << 8;
	sim.now = fuzz_take() << 8;
	for (i = 0; i < PAGES; i++)
		sim.page[i].content = i;
	for (i = 0; i < REGIONS; i++)
		sim.domain[i] = 1 + i % 2;
	all = fuzz_take() & 1;
	while (fuzz_more()) {
		u8 op = fuzz_take(), arg = fuzz_take();

		switch (op % 8) {
		case 0:
			scan_pass(arg & 1);
			sim.now += arg / 16;
			break;
		case 1:
			change_domain(arg % REGIONS, 1 + arg / REGIONS % 3);
			break;
		case 2:
			page_unshare(&sim.page[arg % PAGES]);
			break;
		default:
			i = arg % PAGES;
			page_unshare(&sim.page[i]);
			sim.page[i].content = op / 8 % 12;
		}
	}
	/* Nothing changes any more: two epochs are enough but for mishaps. */
	sim.now += VMDEDUP_SCHEDULE_COLD_MAX;
	for (i = 0; i < 8 * EPOCH && (i % GENERATION || !all_merged()); i++)
		scan_pass(all || i % VMDEDUP_SCHEDULE_PERIOD == 0);
	shim_assert(all_merged());
	sweep_frames(true);
	vmdedup_unstable_age(&sim.unstable, sim.pass, 0);
	vmdedup_cand_cache_exit();
	shim_assert(!shim_live());
}
