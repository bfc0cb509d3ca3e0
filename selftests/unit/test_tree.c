// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/tree.h"
#include "model.h"

/* Of the core: nodes visited per hold of a lock. */
#define BATCH	64

static struct vmdedup_tree tree;
static struct model model;

static int setup(void **state)
{
	(void)state;
	vmdedup_tree_init(&tree);
	return 0;
}

static int teardown(void **state)
{
	unsigned int i;

	(void)state;
	model_check_tree(&tree, &model);
	for (i = 0; i < model.nr; i++)
		free(model.node[i]);
	model_free(&model);
	return 0;
}

static struct vmdedup_node *new_node(u64 domain, u64 sum)
{
	struct vmdedup_node *node = malloc(sizeof(*node));

	shim_assert(node);
	memset(node, 0xa5, sizeof(*node));
	node->key = (struct vmdedup_key){ domain, sum };
	return node;
}

static struct vmdedup_node *find(const struct vmdedup_key *key)
{
	struct vmdedup_shard *shard = vmdedup_tree_shard(&tree, key);
	struct vmdedup_node *node;

	spin_lock(&shard->lock);
	node = vmdedup_shard_find(shard, key);
	spin_unlock(&shard->lock);
	shim_assert(node == model_find(&model, key));
	return node;
}

/* Into tree and model; a node that is there already is left alone. */
static bool insert(u64 domain, u64 sum)
{
	struct vmdedup_node *node = new_node(domain, sum), *old;
	struct vmdedup_shard *shard = vmdedup_tree_shard(&tree, &node->key);

	spin_lock(&shard->lock);
	old = vmdedup_shard_insert(shard, node);
	spin_unlock(&shard->lock);
	shim_assert(old == model_find(&model, &node->key));
	if (old) {
		free(node);
		return false;
	}
	shim_assert(model_insert(&model, node));
	return true;
}

static bool erase(u64 domain, u64 sum)
{
	struct vmdedup_key key = { domain, sum };
	struct vmdedup_shard *shard = vmdedup_tree_shard(&tree, &key);
	struct vmdedup_node *node = find(&key);

	if (!node)
		return false;
	spin_lock(&shard->lock);
	vmdedup_shard_erase(shard, node);
	spin_unlock(&shard->lock);
	model_erase(&model, &key);
	free(node);
	return true;
}

static void empty(void **state)
{
	struct vmdedup_key key = { 0, 0 };

	(void)state;
	assert_int_equal(vmdedup_tree_count(&tree), 0);
	assert_null(find(&key));
	key.domain = key.sum = ~0ULL;
	assert_null(find(&key));
}

static void shards_by_top_bits(void **state)
{
	unsigned int i;

	(void)state;
	assert_int_equal(VMDEDUP_SHARDS, 64);
	for (i = 0; i < VMDEDUP_SHARDS; i++) {
		struct vmdedup_key low = { ~0ULL, (u64)i << 58 };
		struct vmdedup_key high = { 0, low.sum + (1ULL << 58) - 1 };

		assert_ptr_equal(vmdedup_tree_shard(&tree, &low), &tree.shard[i]);
		assert_ptr_equal(vmdedup_tree_shard(&tree, &high), &tree.shard[i]);
	}
}

static void shard_counts(void **state)
{
	unsigned int i, j;

	(void)state;
	for (i = 0; i < VMDEDUP_SHARDS; i++)
		for (j = 0; j < i; j++)
			assert_true(insert(j, (u64)i << 58 | j));
	for (i = 0; i < VMDEDUP_SHARDS; i++)
		assert_int_equal(tree.shard[i].nr, i);
	assert_int_equal(vmdedup_tree_count(&tree), 64 * 63 / 2);
}

static void duplicates_are_refused(void **state)
{
	struct vmdedup_key key = { 5, 6 };
	struct vmdedup_shard *shard = vmdedup_tree_shard(&tree, &key);
	struct vmdedup_node *old, *node = new_node(5, 6), copy;

	(void)state;
	assert_true(insert(5, 6));
	old = find(&key);
	copy = *node;
	spin_lock(&shard->lock);
	assert_ptr_equal(vmdedup_shard_insert(shard, node), old);
	spin_unlock(&shard->lock);
	assert_memory_equal(node, &copy, sizeof(copy));
	assert_ptr_equal(find(&key), old);
	assert_int_equal(vmdedup_tree_count(&tree), 1);
	free(node);
	/* After erasing, the key is free again. */
	assert_true(erase(5, 6));
	assert_false(erase(5, 6));
	assert_true(insert(5, 6));
}

static void extreme_keys(void **state)
{
	static const u64 value[] = {
		0, 1, (1ULL << 58) - 1, 1ULL << 58, (1ULL << 63) - 1, 1ULL << 63,
		~0ULL << 58, ~1ULL, ~0ULL,
	};
	unsigned int i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(value); i++)
		for (j = 0; j < ARRAY_SIZE(value); j++)
			assert_true(insert(value[i], value[j]));
	for (i = 0; i < ARRAY_SIZE(value); i++)
		for (j = 0; j < ARRAY_SIZE(value); j++)
			assert_false(insert(value[i], value[j]));
	model_check_tree(&tree, &model);
	for (i = 0; i < ARRAY_SIZE(value); i++)
		for (j = 0; j < i; j++)
			assert_true(erase(value[i], value[j]));
}

/* Few domains and clustered sums, so that keys meet. */
static struct vmdedup_key random_key(u64 *rng, unsigned int shards,
				     unsigned int sums)
{
	static const u64 domain[] = { 0, 1, 1000, ~0ULL };
	u64 shard = rng_below(rng, shards) * 21 % 64;

	return (struct vmdedup_key){
		domain[rng_below(rng, ARRAY_SIZE(domain))],
		shard << 58 | rng_below(rng, sums),
	};
}

static void random_operations(void **state)
{
	u64 rng = 1;
	unsigned int i;

	(void)state;
	for (i = 0; i < 200000; i++) {
		struct vmdedup_key key = random_key(&rng, 3, 100);
		/* Growing and shrinking by turns. */
		u64 odds = i / 5000 % 2 ? 3 : 1;

		switch (rng_below(&rng, 6)) {
		case 0:
			find(&key);
			break;
		case 1:
			if (odds > 1)
				insert(key.domain, key.sum);
			else
				erase(key.domain, key.sum);
			break;
		default:
			if (rng_below(&rng, 4) < odds)
				insert(key.domain, key.sum);
			else
				erase(key.domain, key.sum);
		}
		if (!(i % 2000))
			model_check_tree(&tree, &model);
	}
}

/* Sorted input is what an unbalanced tree would suffer from. */
static void ordered_insertion(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 3000; i++)
		assert_true(insert(0, i));
	model_check_tree(&tree, &model);
	for (i = 0; i < 3000; i++)
		assert_true(insert(1, 10000 - i));
	model_check_tree(&tree, &model);
	for (i = 0; i < 3000; i += 2)
		assert_true(erase(0, i));
}

/* Sweeping */

#define MAX_VISITS	20000

static struct {
	struct vmdedup_key visited[MAX_VISITS];
	unsigned int nr_visited;
	unsigned int nr_erased;
	unsigned int nr_released;
	/* Of those that it is asked about, erase one in so many; 0 none. */
	unsigned int erase_one_in;
	u64 rng;
	/* Nodes visited in the present hold of the lock. */
	unsigned long hold;
	unsigned int in_hold;
	/* Called in release, where others may change the tree. */
	void (*change)(const struct vmdedup_key *key);
} sweep;

static enum vmdedup_sweep visit(struct vmdedup_node *node, void *arg)
{
	assert_ptr_equal(arg, &sweep);
	assert_int_equal(shim_locks_held(), 1);
	lockdep_assert_held(&vmdedup_tree_shard(&tree, &node->key)->lock);
	if (sweep.hold != shim_locks_taken()) {
		sweep.hold = shim_locks_taken();
		sweep.in_hold = 0;
	}
	assert_in_range(++sweep.in_hold, 1, BATCH);
	assert_ptr_equal(model_find(&model, &node->key), node);
	assert_in_range(sweep.nr_visited, 0, MAX_VISITS - 1);
	sweep.visited[sweep.nr_visited++] = node->key;
	if (!sweep.erase_one_in || rng_below(&sweep.rng, sweep.erase_one_in))
		return VMDEDUP_SWEEP_KEEP;
	sweep.nr_erased++;
	model_erase(&model, &node->key);
	return VMDEDUP_SWEEP_ERASE;
}

static void release(struct vmdedup_node *node, void *arg)
{
	struct vmdedup_key key = node->key;

	assert_ptr_equal(arg, &sweep);
	assert_int_equal(shim_locks_held(), 0);
	sweep.nr_released++;
	/* A second release of it is a use after free. */
	free(node);
	if (sweep.change)
		sweep.change(&key);
}

static const struct vmdedup_sweep_ops sweep_ops = {
	.visit = visit,
	.release = release,
};

static void sweep_reset(unsigned int erase_one_in, u64 seed)
{
	memset(&sweep, 0, sizeof(sweep));
	sweep.erase_one_in = erase_one_in;
	sweep.rng = seed;
}

static bool key_equal(const struct vmdedup_key *a, const struct vmdedup_key *b)
{
	return a->domain == b->domain && a->sum == b->sum;
}

/* Around multiples of the batch, in one shard and in two. */
static void sweep_sizes(void **state)
{
	static const unsigned int sizes[] = {
		0, 1, 2, 63, 64, 65, 127, 128, 129, 500,
	};
	static const unsigned int one_in[] = { 0, 1, 2, 70 };
	unsigned int i, j, n;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < ARRAY_SIZE(one_in); j++) {
			struct vmdedup_key *before;
			unsigned int nr;

			for (n = 0; n < sizes[i]; n++) {
				insert(n % 3, n);
				insert(n % 3, ~(u64)n);
			}
			nr = model.nr;
			assert_int_equal(nr, 2 * sizes[i]);
			before = calloc(nr + 1, sizeof(*before));
			assert_non_null(before);
			for (n = 0; n < nr; n++)
				before[n] = model.node[n]->key;

			sweep_reset(one_in[j], i);
			vmdedup_tree_sweep(&tree, &sweep_ops, &sweep);
			assert_int_equal(sweep.nr_visited, nr);
			for (n = 0; n < nr; n++)
				assert_true(key_equal(&sweep.visited[n],
						      &before[n]));
			assert_int_equal(sweep.nr_released, sweep.nr_erased);
			if (one_in[j] == 1)
				assert_int_equal(sweep.nr_erased, nr);
			assert_int_equal(model.nr, nr - sweep.nr_erased);
			model_check_tree(&tree, &model);

			while (model.nr)
				erase(model.node[0]->key.domain,
				      model.node[0]->key.sum);
			free(before);
		}
	}
}

/* What is there all the time has this bit; others change the rest. */
#define LASTING	(1ULL << 40)

static u64 change_rng;

static void change_some(const struct vmdedup_key *unused)
{
	unsigned int i;

	(void)unused;
	for (i = 0; i < 8; i++) {
		struct vmdedup_key key = random_key(&change_rng, 3, 300);

		if (rng_below(&change_rng, 2))
			insert(key.domain, key.sum);
		else
			erase(key.domain, key.sum);
	}
}

static void change_between_batches(void)
{
	change_some(NULL);
}

static enum vmdedup_sweep visit_some(struct vmdedup_node *node, void *arg)
{
	if (!(node->key.sum & LASTING))
		return visit(node, arg);
	/* Visited like the others, but never erased. */
	sweep.erase_one_in = 0;
	visit(node, arg);
	sweep.erase_one_in = 3;
	return VMDEDUP_SWEEP_KEEP;
}

static int key_order(const struct vmdedup_key *a, const struct vmdedup_key *b)
{
	if (model_shard(a) != model_shard(b))
		return model_shard(a) < model_shard(b) ? -1 : 1;
	if (a->domain != b->domain)
		return a->domain < b->domain ? -1 : 1;
	return a->sum < b->sum ? -1 : a->sum > b->sum;
}

static void sweep_while_others_change(void **state)
{
	static const struct vmdedup_sweep_ops ops = {
		.visit = visit_some,
		.release = release,
	};
	unsigned int round, i, j;

	(void)state;
	change_rng = 1234;
	for (i = 0; i < 400; i++) {
		struct vmdedup_key key = random_key(&change_rng, 3, 300);

		insert(key.domain, key.sum | LASTING);
	}
	for (round = 0; round < 100; round++) {
		for (i = 0; i < 50; i++)
			change_some(NULL);
		sweep_reset(3, round);
		sweep.change = change_some;
		shim_resched_hook = change_between_batches;
		vmdedup_tree_sweep(&tree, &ops, &sweep);
		shim_resched_hook = NULL;

		assert_int_equal(sweep.nr_released, sweep.nr_erased);
		/* In order, so none twice ... */
		for (i = 1; i < sweep.nr_visited; i++)
			assert_true(key_order(&sweep.visited[i - 1],
					      &sweep.visited[i]) < 0);
		/* ... and of the lasting ones none was left out. */
		for (i = 0, j = 0; i < model.nr; i++) {
			if (!(model.node[i]->key.sum & LASTING))
				continue;
			while (j < sweep.nr_visited &&
			       !key_equal(&sweep.visited[j], &model.node[i]->key))
				j++;
			assert_in_range(j, 0, sweep.nr_visited - 1);
		}
		model_check_tree(&tree, &model);
	}
}

static void put_back(const struct vmdedup_key *key)
{
	insert(key->domain, key->sum);
}

/* What comes again behind the sweep is not seen by it: it ends. */
static void sweep_does_not_chase(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 300; i++)
		insert(0, i);
	sweep_reset(1, 0);
	sweep.change = put_back;
	vmdedup_tree_sweep(&tree, &sweep_ops, &sweep);
	assert_int_equal(sweep.nr_visited, 300);
	assert_int_equal(sweep.nr_released, 300);
	assert_int_equal(model.nr, 300);
}

static void erase_rest(void)
{
	while (model.nr)
		erase(model.node[0]->key.domain, model.node[0]->key.sum);
}

/* Where the sweep wanted to go on there is nothing left. */
static void sweep_loses_its_place(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 300; i++)
		insert(0, i);
	sweep_reset(0, 0);
	shim_resched_hook = erase_rest;
	vmdedup_tree_sweep(&tree, &sweep_ops, &sweep);
	shim_resched_hook = NULL;
	assert_int_equal(sweep.nr_visited, BATCH);
	assert_int_equal(model.nr, 0);
}

/* The lock is asked for where it is needed */

static void find_unlocked(void *arg)
{
	struct vmdedup_key key = { 1, 1 };

	(void)arg;
	vmdedup_shard_find(&tree.shard[0], &key);
}

static void insert_unlocked(void *arg)
{
	vmdedup_shard_insert(&tree.shard[0], arg);
}

static void erase_unlocked(void *arg)
{
	vmdedup_shard_erase(&tree.shard[0], arg);
}

static void find_wrongly_locked(void *arg)
{
	spin_lock(&tree.shard[1].lock);
	find_unlocked(arg);
}

static void sweep_locked(void *arg)
{
	spin_lock(&tree.shard[0].lock);
	vmdedup_tree_sweep(&tree, &sweep_ops, arg);
}

static void find_locked(void *arg)
{
	spin_lock(&tree.shard[0].lock);
	find_unlocked(arg);
	spin_unlock(&tree.shard[0].lock);
}

static void locks_are_asked_for(void **state)
{
	struct vmdedup_key key = { 1, 1 };
	struct vmdedup_node *node = new_node(1, 2);

	(void)state;
	insert(1, 1);
	assert_true(aborts(find_unlocked, NULL));
	assert_true(aborts(insert_unlocked, node));
	assert_true(aborts(erase_unlocked, find(&key)));
	assert_true(aborts(find_wrongly_locked, NULL));
	assert_true(aborts(sweep_locked, &sweep));
	assert_false(aborts(find_locked, NULL));
	free(node);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(empty),
		TEST(shards_by_top_bits),
		TEST(shard_counts),
		TEST(duplicates_are_refused),
		TEST(extreme_keys),
		TEST(random_operations),
		TEST(ordered_insertion),
		TEST(sweep_sizes),
		TEST(sweep_while_others_change),
		TEST(sweep_does_not_chase),
		TEST(sweep_loses_its_place),
		TEST(locks_are_asked_for),
	};

	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
