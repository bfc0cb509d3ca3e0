// SPDX-License-Identifier: GPL-2.0
/*
 * A fuzz target for the core: bytes become operations, results are compared
 * with the models. With libFuzzer, or by itself:
 *
 *	fuzz-core [-n INPUTS] [-s SEED]	pseudo-random inputs, the same each time
 *	fuzz-core FILE...		the inputs in these files
 */
#include "shim.h"

#include "core/pace.h"
#include "core/runs.h"
#include "fuzz.h"
#include "model.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* The input. */
static const u8 *in, *in_end;

u8 fuzz_take(void)
{
	return in < in_end ? *in++ : 0;
}

u64 fuzz_take_u64(void)
{
	unsigned int i, n = fuzz_take() % 9;
	u64 v = 0;

	for (i = 0; i < n; i++)
		v = v << 8 | fuzz_take();
	return v;
}

bool fuzz_more(void)
{
	return in < in_end;
}

/* Keys that meet often, and the extremes. */
static struct vmdedup_key take_key(void)
{
	static const u64 domain[] = { 0, 1, 1000, ~0ULL };
	u8 a = fuzz_take(), b = fuzz_take();
	u64 sum = b >= 254 ? (b == 254 ? 0 : ~0ULL) :
			     (u64)(a >> 2 & 7) * 9 << 58 | b;

	return (struct vmdedup_key){ domain[a & 3], sum };
}

/* Trees */

static struct vmdedup_tree tree;
static struct model model;
static unsigned int depth;

static void tree_step(void);

static void tree_insert(void)
{
	struct vmdedup_node *node = malloc(sizeof(*node)), *old;
	struct vmdedup_shard *shard;

	shim_assert(node);
	memset(node, 0xa5, sizeof(*node));
	node->key = take_key();
	shard = vmdedup_tree_shard(&tree, &node->key);
	spin_lock(&shard->lock);
	old = vmdedup_shard_insert(shard, node);
	spin_unlock(&shard->lock);
	shim_assert(old == model_find(&model, &node->key));
	if (old)
		free(node);
	else
		shim_assert(model_insert(&model, node));
}

static void tree_erase(void)
{
	struct vmdedup_key key = take_key();
	struct vmdedup_shard *shard = vmdedup_tree_shard(&tree, &key);
	struct vmdedup_node *node;

	spin_lock(&shard->lock);
	node = vmdedup_shard_find(shard, &key);
	if (node)
		vmdedup_shard_erase(shard, node);
	spin_unlock(&shard->lock);
	shim_assert(node == model_find(&model, &key));
	if (node) {
		model_erase(&model, &key);
		free(node);
	}
}

/* Many at once, so that shards have more than a batch. */
static void tree_grow(void)
{
	unsigned int i, n = fuzz_take() % 100;
	u64 base = (u64)fuzz_take() << 56;

	for (i = 0; i < n; i++) {
		struct vmdedup_node *node = malloc(sizeof(*node));
		struct vmdedup_shard *shard;

		shim_assert(node);
		node->key = (struct vmdedup_key){ i & 1, base + i * 7 % 256 };
		if (!model_insert(&model, node)) {
			free(node);
			continue;
		}
		shard = vmdedup_tree_shard(&tree, &node->key);
		spin_lock(&shard->lock);
		shim_assert(!vmdedup_shard_insert(shard, node));
		spin_unlock(&shard->lock);
	}
}

struct fuzz_sweep {
	u8 mask;
	u8 want;
	struct vmdedup_key last;
	bool any;
	unsigned int erased;
};

static enum vmdedup_sweep fuzz_visit(struct vmdedup_node *node, void *arg)
{
	struct fuzz_sweep *s = arg;

	shim_assert(model_find(&model, &node->key) == node);
	/* In order, so none twice. */
	if (s->any && model_shard(&s->last) == model_shard(&node->key))
		shim_assert(s->last.domain < node->key.domain ||
			    (s->last.domain == node->key.domain &&
			     s->last.sum < node->key.sum));
	else if (s->any)
		shim_assert(model_shard(&s->last) < model_shard(&node->key));
	s->last = node->key;
	s->any = true;
	if ((node->key.sum & s->mask) != s->want)
		return VMDEDUP_SWEEP_KEEP;
	model_erase(&model, &node->key);
	s->erased++;
	return VMDEDUP_SWEEP_ERASE;
}

static void fuzz_release(struct vmdedup_node *node, void *arg)
{
	struct fuzz_sweep *s = arg;

	s->erased--;
	free(node);
	tree_step();
}

static void tree_sweep(void)
{
	static const struct vmdedup_sweep_ops ops = {
		.visit = fuzz_visit,
		.release = fuzz_release,
	};
	struct fuzz_sweep s = { .mask = fuzz_take() };

	/* One in a sweep is deep enough. */
	if (depth > 1)
		return;
	depth++;
	s.want = fuzz_take() & s.mask;
	vmdedup_tree_sweep(&tree, &ops, &s);
	shim_assert(!s.erased);
	depth--;
}

static void tree_step(void)
{
	struct vmdedup_key key;
	struct vmdedup_shard *shard;

	if (!fuzz_more())
		return;
	switch (fuzz_take() % 8) {
	case 0 ... 2:
		tree_insert();
		break;
	case 3 ... 4:
		tree_erase();
		break;
	case 5:
		tree_grow();
		break;
	case 6:
		tree_sweep();
		break;
	default:
		key = take_key();
		shard = vmdedup_tree_shard(&tree, &key);
		spin_lock(&shard->lock);
		shim_assert(vmdedup_shard_find(shard, &key) ==
			    model_find(&model, &key));
		spin_unlock(&shard->lock);
	}
}

static void fuzz_tree(void)
{
	unsigned int i;

	vmdedup_tree_init(&tree);
	shim_resched_hook = tree_step;
	while (fuzz_more())
		tree_step();
	shim_resched_hook = NULL;
	model_check_tree(&tree, &model);
	for (i = 0; i < model.nr; i++)
		free(model.node[i]);
	model_free(&model);
}

/* Candidates */

struct known {
	bool is;
	struct vmdedup_place place;
	u32 gen;
};

static void note(struct known *known, const struct vmdedup_key *key,
		 const struct vmdedup_place *place, u32 gen, bool moved)
{
	struct vmdedup_cand *cand = vmdedup_cand_alloc(GFP_KERNEL);
	struct vmdedup_place other;
	enum vmdedup_found found;

	shim_assert(cand);
	cand->node.key = *key;
	cand->place = *place;
	found = vmdedup_unstable_note(&tree, &cand, gen, &other);
	shim_assert(!cand == !known->is);
	shim_assert(found == (moved ? VMDEDUP_FOUND_OTHER :
			      known->is ? VMDEDUP_FOUND_SELF :
					  VMDEDUP_FOUND_NONE));
	if (moved)
		shim_assert(other.region == known->place.region &&
			    other.vpn == known->place.vpn);
	*known = (struct known){ true, *place, gen };
	vmdedup_cand_free(cand);
}

static void age(struct known *known, unsigned int nr, u32 gen, u32 keep)
{
	unsigned long aged = vmdedup_unstable_age(&tree, gen, keep);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (known[i].is && gen - known[i].gen >= keep) {
			known[i].is = false;
			aged--;
		}
	}
	shim_assert(!aged);
}

static void fuzz_unstable(void)
{
	struct known known[256] = {};
	u32 gen = 0 - (u32)fuzz_take();
	unsigned int i, n = 0;

	vmdedup_tree_init(&tree);
	shim_assert(!vmdedup_cand_cache_init());
	while (fuzz_more()) {
		u8 op = fuzz_take(), k = fuzz_take();
		struct vmdedup_key key = { k & 3, (u64)k << 56 };
		struct vmdedup_place place = { op >> 6, op >> 4 & 3 };
		struct known *at = &known[k];
		bool moved = at->is && (at->place.region != place.region ||
					at->place.vpn != place.vpn);

		switch (op & 15) {
		case 0:
			gen += k;
			age(known, ARRAY_SIZE(known), gen, fuzz_take() & 7);
			break;
		case 1 ... 2:
			vmdedup_unstable_forget(&tree, &key);
			at->is = false;
			break;
		case 3 ... 6:
			shim_assert(vmdedup_unstable_peek(&tree, &key, &place) ==
				    (moved ? VMDEDUP_FOUND_OTHER :
					     VMDEDUP_FOUND_NONE));
			break;
		default:
			note(at, &key, &place, gen, moved);
		}
	}
	for (i = 0; i < ARRAY_SIZE(known); i++)
		n += known[i].is;
	shim_assert(vmdedup_tree_count(&tree) == n);
	shim_assert(vmdedup_unstable_age(&tree, gen, 0) == n);
	vmdedup_cand_cache_exit();
	shim_assert(!shim_live());
}

/* Jobs */

static void fuzz_jobs(void)
{
	static struct vmdedup_job jobs[128];
	struct vmdedup_frame frames[4] = {};
	unsigned int nr = 0, max = 1 + (fuzz_take() | (fuzz_take() & 3) << 8);
	u64 base = fuzz_take_u64();

	while (fuzz_more() && nr < ARRAY_SIZE(jobs)) {
		u8 a = fuzz_take();
		struct vmdedup_frame *frame = a & 4 ? &frames[a & 3] : NULL;

		if (frame)
			vmdedup_stable_dup(frame);
		jobs[nr++] = (struct vmdedup_job){
			{ a >> 3 & 3, base + fuzz_take() + (a >> 5 & 3) * 256 }, frame,
		};
		/* Runs are rare by chance. */
		if (a >> 7 && nr < ARRAY_SIZE(jobs)) {
			jobs[nr] = jobs[nr - 1];
			jobs[nr].place.vpn++;
			if (frame)
				vmdedup_stable_dup(frame);
			nr++;
		}
	}
	model_check_jobs(jobs, nr, max, frames, ARRAY_SIZE(frames));
}

/* Pace */

static void fuzz_pace(void)
{
	const u64 credit = NSEC_PER_SEC / 10, most = 86400ULL * NSEC_PER_SEC;
	struct vmdedup_pace pace = {}, wild = {};
	u64 rate = 1000 + fuzz_take_u64() % 10000000;
	u64 now = fuzz_take_u64() >> 2, began = now, pages = 0;

	while (fuzz_more()) {
		u64 step = fuzz_take() | (fuzz_take() & 3) << 8, ns;

		now += (u64)fuzz_take() * fuzz_take() * NSEC_PER_USEC;
		pages += step;
		ns = vmdedup_pace_sleep(&pace, now, step, rate);
		shim_assert(ns <= most);
		/* A ns of a step may be lost in rounding. */
		shim_assert(ns <= step * NSEC_PER_SEC / rate + 1);
		now += ns;
		shim_assert((double)pages * NSEC_PER_SEC / rate <=
			    1.001 * (double)(now - began + credit) + pages);
		/* Anything goes, but never for too long. */
		shim_assert(vmdedup_pace_sleep(&wild, fuzz_take_u64(), fuzz_take_u64(),
					       max(fuzz_take_u64(), 1ULL)) <= most);
		shim_assert(vmdedup_pace_rate(fuzz_take_u64(), fuzz_take_u64(),
					      fuzz_take_u64()));
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static void (* const target[])(void) = {
		fuzz_tree, fuzz_unstable, fuzz_jobs, fuzz_pace,
		fuzz_filter, fuzz_filter_crowded, fuzz_schedule, fuzz_scanner,
	};

	in = data;
	in_end = data + size;
	target[fuzz_take() % ARRAY_SIZE(target)]();
	return 0;
}

#ifdef FUZZ_STANDALONE
#include <stdio.h>
#include <unistd.h>

#define MAX_INPUT	512

static int run_file(const char *path)
{
	static u8 data[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long inputs = 4000, i;
	u64 seed = 1, rng;
	int opt, err = 0;

	while ((opt = getopt(argc, argv, "n:s:")) != -1) {
		if (opt == 'n')
			inputs = strtoul(optarg, NULL, 0);
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 1;
	}
	if (optind < argc) {
		for (; optind < argc; optind++)
			err |= run_file(argv[optind]);
		return err;
	}
	rng = seed;
	for (i = 0; i < inputs; i++) {
		size_t size = rng_below(&rng, MAX_INPUT + 1), j;
		/* Exactly as long as the input, so that ASan knows its end. */
		u8 *data = malloc(size ? size : 1);

		shim_assert(data);
		for (j = 0; j < size; j++)
			data[j] = rng_next(&rng);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	printf("fuzz-core: %lu inputs of seed %llu passed\n", inputs, seed);
	return 0;
}
#endif
