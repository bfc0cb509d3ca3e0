// SPDX-License-Identifier: GPL-2.0
/*
 * A fuzz target: filter, schedule, credit and trees in a scanner of few pages. What
 * is merged is equal, and what is equal is merged in the end.
 */
#include "fuzz.h"

#include "core/credit.h"
#include "core/filter.h"
#include "core/schedule.h"
#include "core/stable.h"
#include "core/unstable.h"

/* Passes in a generation of the filter, and those that candidates are kept for. */
#define GENERATION	16
#define EPOCH		(GENERATION * VMDEDUP_FILTER_EPOCH)
#define KEEP		(VMDEDUP_SCHEDULE_PERIOD + 8)

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
	struct vmdedup_credit credit[CHUNKS];
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
	vmdedup_credit_merged(&sim.credit[i / CHUNK_PAGES], 1);
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

static void match_page(unsigned int i)
{
	struct vmdedup_key key = key_of(i);
	struct vmdedup_place other;
	struct vmdedup_frame *frame;
	struct vmdedup_cand *cand;

	if (sim.page[i].frame)
		return;
	frame = vmdedup_stable_get(&sim.stable, &key);
	if (frame) {
		page_merge(i, (struct frame *)frame);
		vmdedup_stable_put(frame);
		return;
	}
	cand = vmdedup_cand_alloc(GFP_KERNEL);
	shim_assert(cand);
	cand->node.key = key;
	cand->place = (struct vmdedup_place){ 0, i };
	if (vmdedup_unstable_note(&sim.unstable, &cand, sim.pass, &other) ==
	    VMDEDUP_FOUND_OTHER)
		scan_pair(i, other.vpn);
	vmdedup_cand_free(cand);
}

static void scan_pages(unsigned int chunk, unsigned int interval)
{
	struct vmdedup_credit *credit = &sim.credit[chunk];
	unsigned int i, first = chunk * CHUNK_PAGES, hit[CHUNK_PAGES];
	unsigned int pages = 0, hits = 0, nr = 0;

	for (i = first; i < first + CHUNK_PAGES; i++) {
		if (sim.page[i].frame)
			continue;
		pages++;
		if (vmdedup_filter_note(&sim.filter, sketch_of(i), i,
					1 + interval / GENERATION) !=
		    VMDEDUP_SEEN_HERE)
			hit[hits++] = i;
	}
	shim_assert(!vmdedup_credit_good(credit, pages) ||
		    vmdedup_credit_limit(credit, pages) >= hits);
	for (i = 0; i < hits; i++)
		if (vmdedup_credit_allows(credit, pages, hits, nr,
					  sketch_of(hit[i]), sim.pass / EPOCH))
			hit[nr++] = hit[i];
	vmdedup_credit_spend(credit, pages, nr);
	for (i = 0; i < nr; i++)
		match_page(hit[i]);
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
	scan_pages(chunk, interval);
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
	/*
	 * Nothing changes any more: two epochs are enough but for mishaps, and for
	 * chunks with debts.
	 */
	sim.now += VMDEDUP_SCHEDULE_COLD_MAX;
	for (i = 0; i < 400 * EPOCH && (i % GENERATION || !all_merged()); i++) {
		scan_pass(all || i % VMDEDUP_SCHEDULE_PERIOD == 0);
		sim.now++;
	}
	shim_assert(all_merged());
	sweep_frames(true);
	vmdedup_unstable_age(&sim.unstable, sim.pass, 0);
	vmdedup_cand_cache_exit();
	shim_assert(!shim_live());
}
