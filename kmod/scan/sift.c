// SPDX-License-Identifier: GPL-2.0
#include <linux/hash.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "../core/content.h"
#include "../core/filter.h"
#include "../core/sketch.h"
#include "../mm/space.h"
#include "engine.h"
#include "sift.h"

/* Pages that the smallest filter is for. */
#define PAGES_MIN	8192ULL
/* A filter takes no more than this part of all memory, */
#define MEMORY_SHARE	128
/* and this part of what is available when it is made. */
#define TABLE_SHARE	8
/* It is made anew when that many times as large as it need be. */
#define SHRINK		4
/*
 * Pages that are sketched before it is judged whether that was worth it; and as many
 * as all guests have, if that is more: it is on behalf of all of them.
 */
#define SCORE_PAGES	32768ULL
/* How far ahead of what is noted memory is asked for, sketches. */
#define AHEAD		8

/* Held for reading to use the filter, for writing to replace it. */
static DECLARE_RWSEM(filter_sem);
static struct vmdedup_filter filter;
/* What its table takes; read without a lock. */
static u64 table_bytes;
/* Pages that it was made for, and that guests had at that time. */
static u64 planned, populated;
/* Who ages or replaces it. */
static DEFINE_MUTEX(upkeep_lock);

/* How often it has forgotten all. */
static u32 epoch;
/* What it knew is lost, since this was last asked for. */
static bool lost;

static unsigned int lines = VMDEDUP_SKETCH_MIN;
static DEFINE_SPINLOCK(score_lock);
static struct vmdedup_sketch_score total; /* under score_lock */

/**
 * vmdedup_sift_bytes() - memory that the filter takes
 */
u64 vmdedup_sift_bytes(void)
{
	return READ_ONCE(table_bytes);
}

/* Shared frames, whose pages nobody scans any more, are in no filter but so. */
struct marker {
	struct vmdedup_sketcher sketcher;
	u64 domain;
	bool any;
};

static enum vmdedup_sweep mark_visit(struct vmdedup_node *node, void *arg)
{
	struct vmdedup_frame *frame = vmdedup_frame_of(node);
	struct marker *marker = arg;

	if (!marker->any || marker->domain != node->key.domain) {
		marker->any = true;
		marker->domain = node->key.domain;
		vmdedup_sketcher_init(&marker->sketcher,
				      vmdedup_content_seed(vmdedup_engine.boot_seed,
							   marker->domain),
				      READ_ONCE(lines));
	}
	if (PageHWPoison(frame->page))
		return VMDEDUP_SWEEP_KEEP;
	vmdedup_filter_mark(&filter, vmdedup_sketch_page(&marker->sketcher,
							 frame->page));
	return VMDEDUP_SWEEP_KEEP;
}

static void mark_release(struct vmdedup_node *node, void *arg)
{
	/* None is ever erased. */
}

static void mark_frames(void)
{
	static const struct vmdedup_sweep_ops ops = {
		.visit = mark_visit,
		.release = mark_release,
	};
	struct marker marker = {};

	lockdep_assert_held(&upkeep_lock);
	vmdedup_tree_sweep(&vmdedup_engine.stable, &ops, &marker);
}

/**
 * vmdedup_sift_mark() - a frame was made
 * @worker: by whom
 * @frame: in the stable tree and in use
 *
 * May sleep.
 */
void vmdedup_sift_mark(struct vmdedup_worker *worker,
		       struct vmdedup_frame *frame)
{
	u64 sketch = vmdedup_sketch_page(&worker->sketcher, frame->page);

	down_read(&filter_sem);
	if (filter.line)
		vmdedup_filter_mark(&filter, sketch);
	up_read(&filter_sem);
}

/*
 * A table of @nr lines, or of fewer where memory is short: it is no reason to have
 * the kernel kill somebody. Returns NULL if there is not even a small one.
 */
static struct vmdedup_filter_line *table_alloc(u64 *nr)
{
	struct vmdedup_filter_line *line;

	for (;; *nr /= 2) {
		u64 bytes = *nr * sizeof(*line);

		if (bytes >> PAGE_SHIFT <= max(si_mem_available(), 0L) / TABLE_SHARE) {
			line = __vmalloc(bytes, GFP_KERNEL | __GFP_ZERO |
					 __GFP_NOWARN | __GFP_NORETRY);
			if (line)
				return line;
		}
		if (*nr / 2 < vmdedup_filter_lines(PAGES_MIN))
			return NULL;
	}
}

/* Begin with an empty filter for so many pages; keeps the old one if it must. */
static void replace(u64 pages)
{
	u64 limit = ((u64)totalram_pages() << PAGE_SHIFT) / MEMORY_SHARE /
		    sizeof(struct vmdedup_filter_line);
	struct vmdedup_filter_line *line, *old;
	u64 nr;

	lockdep_assert_held(&upkeep_lock);
	pages = max(pages, PAGES_MIN);
	nr = min(vmdedup_filter_lines(pages), max(limit, 1ULL));
	if (nr == filter.nr_lines)
		return;
	line = table_alloc(&nr);
	if (!line)
		return;
	down_write(&filter_sem);
	old = filter.line;
	vmdedup_filter_init(&filter, line, nr, get_random_u64());
	WRITE_ONCE(table_bytes, nr * sizeof(*line));
	WRITE_ONCE(epoch, epoch + 1);
	up_write(&filter_sem);
	vfree(old);
	planned = min(pages, nr * VMDEDUP_FILTER_SLOTS);
	/* Others may be here now: begin with few lines again. */
	WRITE_ONCE(lines, VMDEDUP_SKETCH_MIN);
	WRITE_ONCE(lost, true);
}

/*
 * How many sketches there are: anonymous pages of all guests, which merged ones
 * are none of, and shared frames.
 */
static u64 count_populated(u64 *merged)
{
	u64 id = 0, last = vmdedup_space_newest();
	u64 pages = vmdedup_tree_count(&vmdedup_engine.stable);
	struct vmdedup_space *space;

	*merged = 0;
	while ((space = vmdedup_space_next(id, last))) {
		id = space->id;
		pages += get_mm_counter(space->mm, MM_ANONPAGES);
		/* As the kernel counts them; what else it counts so is little. */
		*merged += get_mm_counter(space->mm, MM_FILEPAGES);
		vmdedup_space_put(space);
		cond_resched();
	}
	return pages;
}

/**
 * vmdedup_sift_prepare() - have a filter that is large enough
 *
 * To be called before a pass: guests may have come, or have grown. What the
 * filter knew is lost if it is replaced. May sleep.
 *
 * Return: pages of all guests that a pass over all chunks has to look at.
 */
u64 vmdedup_sift_prepare(void)
{
	u64 merged, pages = count_populated(&merged);

	mutex_lock(&upkeep_lock);
	if (!filter.line || pages > populated + populated / 8) {
		replace(pages);
		WRITE_ONCE(populated, pages);
	} else if (pages < planned / SHRINK) {
		/* Merged pages need no place in it, but for their frames. */
		replace(pages + pages / 4);
		WRITE_ONCE(populated, pages);
	} else if (atomic_read(&filter.refused) > planned / 2) {
		replace(planned + planned / 4);
	}
	/* With other sketches, or none: those of frames to begin with. */
	if (READ_ONCE(lost) && filter.line)
		mark_frames();
	mutex_unlock(&upkeep_lock);
	return pages + merged;
}

/**
 * vmdedup_sift_lost() - is what the filter knew of no use any more?
 *
 * Is true once, and then not before it is so again. Two passes over all chunks
 * bring it back: after the first it is known of all pages that have a sketch that
 * others have, after the second it was told of each of them.
 */
bool vmdedup_sift_lost(void)
{
	return READ_ONCE(lost) && xchg(&lost, false);
}

/* All was forgotten. Is the table too large? Not all of guests' memory is registered. */
static void epoch_end(void)
{
	u64 merged;

	lockdep_assert_held(&upkeep_lock);
	WRITE_ONCE(epoch, epoch + 1);
	if (filter.used >= planned / SHRINK)
		return;
	replace(filter.used * 2);
	WRITE_ONCE(populated, count_populated(&merged));
}

/**
 * vmdedup_sift_age() - end a generation of the filter
 *
 * May sleep.
 */
void vmdedup_sift_age(void)
{
	mutex_lock(&upkeep_lock);
	if (filter.line) {
		vmdedup_filter_sweep(&filter);
		mark_frames();
		if (filter.generation % VMDEDUP_FILTER_EPOCH == 0)
			epoch_end();
	}
	mutex_unlock(&upkeep_lock);
}

/**
 * vmdedup_sift_forget() - do without a filter until the next pass
 *
 * May sleep.
 */
void vmdedup_sift_forget(void)
{
	struct vmdedup_filter_line *line;

	mutex_lock(&upkeep_lock);
	down_write(&filter_sem);
	line = filter.line;
	memset(&filter, 0, sizeof(filter));
	WRITE_ONCE(table_bytes, 0);
	up_write(&filter_sem);
	planned = 0;
	WRITE_ONCE(populated, 0);
	vfree(line);
	mutex_unlock(&upkeep_lock);
}

/**
 * vmdedup_sift_score() - tell how well sketches did
 * @score: of a chunk, in a pass that looks at all of them: so each has its share
 *
 * Heeded by vmdedup_sift_begin(): the sketches of all pages change then, so
 * what the filter knows is of no use any more (see vmdedup_sift_lost()), and is
 * forgotten in time.
 */
void vmdedup_sift_score(const struct vmdedup_sketch_score *score)
{
	unsigned int now = READ_ONCE(lines), next = now;

	spin_lock(&score_lock);
	total.pages += score->pages;
	total.alone += score->alone;
	if (total.pages >= max(SCORE_PAGES, READ_ONCE(populated))) {
		next = vmdedup_sketch_adapt(now, &total);
		memset(&total, 0, sizeof(total));
	}
	if (next != now) {
		WRITE_ONCE(lines, next);
		WRITE_ONCE(lost, true);
	}
	spin_unlock(&score_lock);
}

/**
 * vmdedup_sift_begin() - get ready to sketch a region
 * @worker: with the seed of the region's domain
 */
void vmdedup_sift_begin(struct vmdedup_worker *worker)
{
	unsigned int nr = READ_ONCE(lines);

	if (worker->sketcher.seed == worker->seed && worker->sketcher.nr == nr)
		return;
	vmdedup_sketcher_init(&worker->sketcher, worker->seed, nr);
	worker->zero_sketch = vmdedup_sketch_page(&worker->sketcher,
						  ZERO_PAGE(0));
}

/* Generations of the filter within which a chunk is looked at again. */
static unsigned int life_of(const struct vmdedup_worker *worker)
{
	return 1 + worker->visit.interval / VMDEDUP_SIFT_PASSES;
}

static bool is_hit(struct vmdedup_worker *worker,
		   const struct vmdedup_sample *sample)
{
	if (sample->sketch == worker->zero_sketch)
		return true;
	if (!filter.line)
		return false;
	/* Two places with one number would be taken for one, which is no harm. */
	return vmdedup_filter_note(&filter, sample->sketch,
				   worker->region->id << 40 ^ sample->vpn,
				   life_of(worker)) == VMDEDUP_SEEN_ELSEWHERE;
}

/*
 * A huge page is hashed as a whole, or it would never be found worth splitting. And
 * not again, at first, if there are so few hits that it would be kept anyway: there
 * is no more in it that others have. Drops all hits if it is not to be hashed.
 */
static void thin_huge(struct vmdedup_worker *worker, unsigned int pages)
{
	struct vmdedup_credit *credit = &worker->visit.credit;
	struct vmdedup_chunk *chunk = &worker->chunk;
	bool kept = chunk->nr < vmdedup_engine_split_pages();

	if (kept ? !credit->debt : vmdedup_credit_good(credit, pages))
		return;
	if (kept)
		vmdedup_worker_kept(worker, chunk->nr);
	else
		worker->score.alone += chunk->nr;
	chunk->nr = 0;
}

/*
 * Drop hits of a chunk that has had too many hashed for nothing, but for those
 * whose turn it is. @pages of it were sketched.
 *
 * Equal pages have to have their turn at the same time, and for as long as it takes
 * the filter to see both. Zero pages wait for nobody: a few of them, each time, tell
 * whether there are more.
 */
static void thin(struct vmdedup_worker *worker, unsigned int pages)
{
	struct vmdedup_visit *visit = &worker->visit;
	struct vmdedup_chunk *chunk = &worker->chunk;
	unsigned int i, nr = 0;

	if (vmdedup_credit_good(&visit->credit, pages))
		return;
	for (i = 0; i < chunk->nr; i++) {
		struct vmdedup_sample *sample = &chunk->sample[i];
		bool zero = sample->sketch == worker->zero_sketch;
		u64 who = zero ? hash_64(sample->vpn, 64) : sample->sketch;
		u32 when = zero ? visit->pass : READ_ONCE(epoch);

		if (vmdedup_credit_allows(&visit->credit, pages, chunk->nr, nr,
					  who, when))
			chunk->sample[nr++] = *sample;
	}
	/* What was not looked at would have been alone, going by the others. */
	worker->score.alone += chunk->nr - nr;
	chunk->nr = nr;
}

/**
 * vmdedup_sift() - drop the pages of a chunk that are alone
 * @worker: with a chunk walked in @worker->region
 *
 * On request all pages stay. Without memory for a filter only those stay that may
 * be all zero: to hash all others would take more memory than a filter. And if too
 * many were hashed for nothing, not all stay that may have company. May sleep.
 */
void vmdedup_sift(struct vmdedup_worker *worker)
{
	struct vmdedup_chunk *chunk = &worker->chunk;
	unsigned int i, nr = 0, sketched = chunk->nr;

	worker->tally.ev[VMDEDUP_EV_pages_scanned] += chunk->nr;
	worker->part.ev[VMDEDUP_EV_pages_scanned] += chunk->nr;
	worker->score.pages += chunk->nr;
	down_read(&filter_sem);
	for (i = 0; i < chunk->nr; i++) {
		if (filter.line && i + AHEAD < chunk->nr)
			vmdedup_filter_prefetch(&filter,
						chunk->sample[i + AHEAD].sketch);
		if (is_hit(worker, &chunk->sample[i]) || worker->patient)
			chunk->sample[nr++] = chunk->sample[i];
	}
	up_read(&filter_sem);
	chunk->nr = nr;
	if (!worker->patient && chunk->huge)
		thin_huge(worker, sketched);
	else if (!worker->patient)
		thin(worker, sketched);
	worker->visit.sketched = sketched;
}
