// SPDX-License-Identifier: GPL-2.0
/*
 * Workers on both trees at once, as the engine has them. Objects are really
 * freed, so ASan sees a frame that went while somebody could still find it;
 * built with TSan as well, for what is not ordered.
 */
#include "test.h"

#include "core/stable.h"
#include "core/unstable.h"
#include "model.h"

#define THREADS		4
#define KEYS		32
#define MAPPINGS	64

/*
 * vmdedup_tree_count() reads without the lock what is written with plain
 * stores under it. In the kernel's memory model these do not tear.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:vmdedup_tree_count\n";
}

/* What is known of a page here. */
struct page {
	struct vmdedup_key key;
	atomic_t mappings;
	atomic_t refs;
	/* How often it was mapped, in all and, not atomic, by each worker. */
	atomic_t ever;
	unsigned int by[THREADS];
};

static struct vmdedup_tree stable, unstable;
static atomic_t generation, made, freed, merged;

static void page_put(struct page *page)
{
	if (atomic_dec_and_test(&page->refs))
		free(page);
}

static struct vmdedup_frame *frame_new(const struct vmdedup_key *key)
{
	struct vmdedup_frame *frame = malloc(sizeof(*frame));
	struct page *page = malloc(sizeof(*page));

	shim_assert(frame && page);
	*page = (struct page){ .key = *key, .refs = ATOMIC_INIT(1) };
	*frame = (struct vmdedup_frame){ .node.key = *key, .page = page };
	return frame;
}

static void frame_free(struct vmdedup_frame *frame)
{
	page_put(frame->page);
	free(frame);
}

struct worker {
	pthread_t thread;
	unsigned int id;
	u64 rng;
	unsigned int loops;
	struct page *mapped[MAPPINGS];
	unsigned int nr_mapped;
};

/* Whoever uses a frame may map its page. */
static void map(struct worker *w, struct vmdedup_frame *frame,
		const struct vmdedup_key *key)
{
	struct page *page = frame->page;

	shim_assert(page->key.domain == key->domain);
	shim_assert(page->key.sum == key->sum);
	if (w->nr_mapped == MAPPINGS)
		return;
	atomic_inc(&page->refs);
	atomic_inc(&page->mappings);
	atomic_inc(&page->ever);
	page->by[w->id]++;
	w->mapped[w->nr_mapped++] = page;
}

/* As a copy-on-write break does: the frame hears nothing of it. */
static void unmap(struct worker *w)
{
	struct page *page;

	if (!w->nr_mapped)
		return;
	page = w->mapped[--w->nr_mapped];
	atomic_dec(&page->mappings);
	page_put(page);
}

static enum vmdedup_sweep sweep_visit(struct vmdedup_node *node, void *arg)
{
	struct vmdedup_frame *frame = vmdedup_frame_of(node);
	bool idle = vmdedup_stable_idle(frame);
	unsigned int i, n = 0;

	(void)arg;
	/* Users first, mappings then: see vmdedup_stable_idle(). */
	if (!idle || atomic_read(&frame->page->mappings))
		return VMDEDUP_SWEEP_KEEP;
	/* What former users did before the put is visible now. */
	for (i = 0; i < THREADS; i++)
		n += frame->page->by[i];
	shim_assert((int)n == atomic_read(&frame->page->ever));
	return VMDEDUP_SWEEP_ERASE;
}

static void sweep_release(struct vmdedup_node *node, void *arg)
{
	struct vmdedup_frame *frame = vmdedup_frame_of(node);

	(void)arg;
	/* Nobody has found a way to it since it was looked at. */
	shim_assert(vmdedup_stable_idle(frame));
	shim_assert(!atomic_read(&frame->page->mappings));
	frame_free(frame);
	atomic_inc(&freed);
}

static void sweep_stable(void)
{
	static const struct vmdedup_sweep_ops ops = {
		.visit = sweep_visit,
		.release = sweep_release,
	};

	vmdedup_tree_sweep(&stable, &ops, NULL);
}

/* Two places have one content: make a frame, or find that there is one. */
static void merge(struct worker *w, const struct vmdedup_key *key)
{
	struct vmdedup_frame *mine = frame_new(key);
	struct vmdedup_frame *frame = vmdedup_stable_add(&stable, mine);

	if (frame == mine)
		atomic_inc(&made);
	else
		frame_free(mine);
	vmdedup_unstable_forget(&unstable, key);
	vmdedup_stable_dup(frame);
	map(w, frame, key);
	vmdedup_stable_put(frame);
	map(w, frame, key);
	vmdedup_stable_put(frame);
	atomic_inc(&merged);
}

static void look_at_page(struct worker *w, const struct vmdedup_key *key)
{
	struct vmdedup_place other, place = {
		rng_below(&w->rng, 2), rng_below(&w->rng, 4),
	};
	struct vmdedup_frame *frame = vmdedup_stable_get(&stable, key);
	struct vmdedup_cand *cand;

	if (frame) {
		map(w, frame, key);
		vmdedup_stable_put(frame);
		return;
	}
	vmdedup_unstable_peek(&unstable, key, &place);
	cand = vmdedup_cand_alloc(GFP_KERNEL);
	shim_assert(cand);
	cand->node.key = *key;
	cand->place = place;
	if (vmdedup_unstable_note(&unstable, &cand, atomic_read(&generation),
				  &other) == VMDEDUP_FOUND_OTHER) {
		shim_assert(other.region < 2 && other.vpn < 4);
		merge(w, key);
	}
	vmdedup_cand_free(cand);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int i;

	for (i = 0; i < w->loops; i++) {
		u64 k = rng_below(&w->rng, KEYS);
		/* Half of the keys in one shard. */
		struct vmdedup_key key = {
			k % 3, (k % 2 ? k << 59 : 0) | k,
		};

		switch (rng_below(&w->rng, 100)) {
		case 0:
			sweep_stable();
			break;
		case 1:
			vmdedup_unstable_age(&unstable,
					     atomic_inc_return(&generation), 2);
			break;
		case 2 ... 5:
			vmdedup_unstable_forget(&unstable, &key);
			break;
		case 6 ... 8:
			vmdedup_stable_has(&stable, &key);
			shim_assert(vmdedup_tree_count(&stable) <= KEYS);
			shim_assert(vmdedup_tree_count(&unstable) <= KEYS);
			break;
		case 9 ... 60:
			unmap(w);
			break;
		default:
			look_at_page(w, &key);
		}
	}
	while (w->nr_mapped)
		unmap(w);
	return NULL;
}

static void everything_at_once(void **state)
{
	struct worker worker[THREADS] = {};
	unsigned int i;

	(void)state;
	vmdedup_tree_init(&stable);
	vmdedup_tree_init(&unstable);
	assert_int_equal(vmdedup_cand_cache_init(), 0);
	for (i = 0; i < THREADS; i++) {
		worker[i].id = i;
		worker[i].rng = i;
		worker[i].loops = 60000;
		assert_int_equal(pthread_create(&worker[i].thread, NULL, work,
						&worker[i]), 0);
	}
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(worker[i].thread, NULL), 0);

	sweep_stable();
	assert_int_equal(vmdedup_tree_count(&stable), 0);
	assert_int_equal(atomic_read(&made), atomic_read(&freed));
	vmdedup_unstable_age(&unstable, 0, 0);
	assert_int_equal(vmdedup_tree_count(&unstable), 0);
	vmdedup_cand_cache_exit();
	assert_int_equal(shim_live(), 0);
	/* It did what it is here for. */
	assert_in_range(atomic_read(&freed), 100, ~0U);
	assert_in_range(atomic_read(&merged), atomic_read(&made), ~0U);
}

static pthread_barrier_t barrier;

static void *add_one(void *arg)
{
	struct vmdedup_frame *mine = arg;

	pthread_barrier_wait(&barrier);
	return vmdedup_stable_add(&stable, mine);
}

/* All add the same key: one wins, and all use the winner's. */
static void one_winner(void **state)
{
	unsigned int round, i;

	(void)state;
	vmdedup_tree_init(&stable);
	assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
	for (round = 0; round < 200; round++) {
		struct vmdedup_frame frame[THREADS] = {}, *winner = NULL;
		pthread_t thread[THREADS];
		void *got;

		for (i = 0; i < THREADS; i++) {
			frame[i].node.key.domain = round;
			assert_int_equal(pthread_create(&thread[i], NULL,
							add_one, &frame[i]), 0);
		}
		for (i = 0; i < THREADS; i++) {
			assert_int_equal(pthread_join(thread[i], &got), 0);
			assert_true(!winner || got == winner);
			winner = got;
		}
		for (i = 0; i < THREADS; i++)
			assert_int_equal(atomic_read(&frame[i].users),
					 &frame[i] == winner ? THREADS : 0);
		assert_int_equal(vmdedup_tree_count(&stable), 1);
		spin_lock(&stable.shard[0].lock);
		vmdedup_shard_erase(&stable.shard[0], &winner->node);
		spin_unlock(&stable.shard[0].lock);
	}
	pthread_barrier_destroy(&barrier);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_at_once),
		cmocka_unit_test(one_winner),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
