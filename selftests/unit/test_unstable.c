// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/unstable.h"
#include "model.h"

static struct vmdedup_tree tree;

static const struct vmdedup_place nowhere = { 123456, 654321 };

static int setup(void **state)
{
	(void)state;
	shim_fail_alloc(0);
	vmdedup_tree_init(&tree);
	return vmdedup_cand_cache_init();
}

/* Nothing may be left: the shim refuses to destroy a cache in use. */
static int teardown(void **state)
{
	(void)state;
	vmdedup_unstable_age(&tree, 0, 0);
	assert_int_equal(vmdedup_tree_count(&tree), 0);
	vmdedup_cand_cache_exit();
	assert_int_equal(shim_live(), 0);
	return 0;
}

static struct vmdedup_cand *cand(u64 domain, u64 sum, u64 region, u64 vpn)
{
	struct vmdedup_cand *new = vmdedup_cand_alloc(GFP_KERNEL);

	shim_assert(new);
	new->node.key = (struct vmdedup_key){ domain, sum };
	new->place = (struct vmdedup_place){ region, vpn };
	return new;
}

/* What one worker does with a page; returns the former place, or nowhere. */
static struct vmdedup_place note(u64 domain, u64 sum, u64 region, u64 vpn,
				 u32 gen)
{
	struct vmdedup_cand *new = cand(domain, sum, region, vpn), *mine = new;
	struct vmdedup_place other = nowhere;
	unsigned long was = vmdedup_tree_count(&tree);
	enum vmdedup_found found;

	found = vmdedup_unstable_note(&tree, &new, gen, &other);
	if (found == VMDEDUP_FOUND_OTHER) {
		assert_ptr_equal(new, mine);
	} else {
		assert_int_equal(found, new ? VMDEDUP_FOUND_SELF :
					      VMDEDUP_FOUND_NONE);
		assert_true(other.region == nowhere.region &&
			    other.vpn == nowhere.vpn);
	}
	/* Either it is in the tree now or it is still ours. */
	if (new)
		assert_ptr_equal(new, mine);
	assert_int_equal(vmdedup_tree_count(&tree), was + !new);
	vmdedup_cand_free(new);
	return other;
}

static bool is_place(struct vmdedup_place place, u64 region, u64 vpn)
{
	return place.region == region && place.vpn == vpn;
}

#define assert_nowhere(place) \
	assert_true(is_place(place, nowhere.region, nowhere.vpn))

static enum vmdedup_found peek(u64 domain, u64 sum, u64 region, u64 vpn)
{
	struct vmdedup_key key = { domain, sum };
	struct vmdedup_place place = { region, vpn };

	return vmdedup_unstable_peek(&tree, &key, &place);
}

static void forget(u64 domain, u64 sum)
{
	struct vmdedup_key key = { domain, sum };

	vmdedup_unstable_forget(&tree, &key);
}

static void note_new(void **state)
{
	(void)state;
	assert_nowhere(note(1, 2, 3, 4, 0));
	assert_int_equal(vmdedup_tree_count(&tree), 1);
}

static void note_same_place_again(void **state)
{
	(void)state;
	note(1, 2, 3, 4, 0);
	assert_nowhere(note(1, 2, 3, 4, 0));
	assert_nowhere(note(1, 2, 3, 4, 1));
	assert_int_equal(vmdedup_tree_count(&tree), 1);
}

/* One that is said to be older than it is known to be lives on. */
static void note_older(void **state)
{
	(void)state;
	note(1, 2, 3, 4, 5);
	note(1, 2, 3, 4, 3);
	assert_int_equal(vmdedup_unstable_age(&tree, 6, 2), 0);
	assert_int_equal(vmdedup_unstable_age(&tree, 7, 2), 1);
	/* And a new one can be born old; before generation 0, too. */
	note(1, 2, 3, 4, (u32)-1);
	assert_int_equal(vmdedup_unstable_age(&tree, 0, 2), 0);
	assert_int_equal(vmdedup_unstable_age(&tree, 1, 2), 1);
}

static void note_other_place(void **state)
{
	(void)state;
	note(1, 2, 3, 4, 0);
	assert_true(is_place(note(1, 2, 3, 5, 0), 3, 4));
	/* The latest place is the one that is remembered. */
	assert_true(is_place(note(1, 2, 4, 5, 0), 3, 5));
	assert_nowhere(note(1, 2, 4, 5, 0));
	assert_true(is_place(note(1, 2, 3, 4, 0), 4, 5));
	assert_int_equal(vmdedup_tree_count(&tree), 1);
}

static void domains_are_apart(void **state)
{
	(void)state;
	note(1, 2, 3, 4, 0);
	assert_nowhere(note(2, 2, 5, 6, 0));
	assert_int_equal(peek(3, 2, 7, 8), VMDEDUP_FOUND_NONE);
	assert_true(is_place(note(1, 2, 7, 8, 0), 3, 4));
	forget(1, 2);
	assert_int_equal(peek(1, 2, 5, 5), VMDEDUP_FOUND_NONE);
	assert_int_equal(peek(2, 2, 5, 5), VMDEDUP_FOUND_OTHER);
}

static void peek_says_what_note_would(void **state)
{
	(void)state;
	assert_int_equal(peek(1, 2, 3, 4), VMDEDUP_FOUND_NONE);
	assert_int_equal(vmdedup_tree_count(&tree), 0);
	note(1, 2, 3, 4, 0);
	assert_int_equal(peek(1, 2, 3, 4), VMDEDUP_FOUND_NONE);
	assert_int_equal(peek(1, 2, 3, 5), VMDEDUP_FOUND_OTHER);
	assert_int_equal(peek(1, 2, 4, 4), VMDEDUP_FOUND_OTHER);
	/* It did not take the places peeked from. */
	assert_int_equal(peek(1, 2, 3, 4), VMDEDUP_FOUND_NONE);
	assert_true(is_place(note(1, 2, 9, 9, 0), 3, 4));
}

static void forget_frees(void **state)
{
	long live = shim_live();

	(void)state;
	note(1, 2, 3, 4, 0);
	assert_int_equal(shim_live(), live + 1);
	forget(1, 3);
	assert_int_equal(shim_live(), live + 1);
	forget(1, 2);
	assert_int_equal(shim_live(), live);
	forget(1, 2);
	assert_int_equal(shim_live(), live);
	assert_nowhere(note(1, 2, 5, 6, 0));
}

static void age_by_generation(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 10; i++)
		note(1, i, 3, i, i);
	/* 9 and 8 live. */
	assert_int_equal(vmdedup_unstable_age(&tree, 9, 2), 8);
	assert_int_equal(vmdedup_unstable_age(&tree, 9, 2), 0);
	assert_int_equal(peek(1, 7, 0, 0), VMDEDUP_FOUND_NONE);
	assert_int_equal(peek(1, 8, 0, 0), VMDEDUP_FOUND_OTHER);
	assert_int_equal(vmdedup_unstable_age(&tree, 10, 2), 1);
	assert_int_equal(vmdedup_unstable_age(&tree, 10, 1), 1);
	assert_int_equal(vmdedup_tree_count(&tree), 0);
}

static void note_refreshes_and_peek_does_not(void **state)
{
	(void)state;
	note(1, 1, 3, 1, 5);
	note(1, 2, 3, 2, 5);
	note(1, 3, 3, 3, 5);
	note(1, 1, 3, 1, 7);	/* the same place */
	note(1, 2, 3, 9, 7);	/* another one */
	peek(1, 3, 3, 3);
	peek(1, 3, 3, 9);
	assert_int_equal(vmdedup_unstable_age(&tree, 7, 2), 1);
	assert_int_equal(peek(1, 1, 0, 0), VMDEDUP_FOUND_OTHER);
	assert_int_equal(peek(1, 2, 0, 0), VMDEDUP_FOUND_OTHER);
	assert_int_equal(peek(1, 3, 0, 0), VMDEDUP_FOUND_NONE);
}

static void age_zero_forgets_all(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		note(1, (u64)i << 50, 3, i, i % 7 ? 10 : U32_MAX);
	assert_int_equal(vmdedup_unstable_age(&tree, 10, 0), 1000);
	assert_int_equal(vmdedup_unstable_age(&tree, 10, 0), 0);
}

static void generations_wrap_around(void **state)
{
	(void)state;
	note(1, 1, 3, 1, U32_MAX - 1);
	note(1, 2, 3, 2, U32_MAX);
	note(1, 3, 3, 3, 0);
	assert_int_equal(vmdedup_unstable_age(&tree, 0, 3), 0);
	assert_int_equal(vmdedup_unstable_age(&tree, 0, 2), 1);
	assert_int_equal(peek(1, 1, 0, 0), VMDEDUP_FOUND_NONE);
	assert_int_equal(vmdedup_unstable_age(&tree, 1, 2), 1);
	assert_int_equal(peek(1, 2, 0, 0), VMDEDUP_FOUND_NONE);
	assert_int_equal(peek(1, 3, 0, 0), VMDEDUP_FOUND_OTHER);
	/* All but one generation. */
	assert_int_equal(vmdedup_unstable_age(&tree, U32_MAX - 1, U32_MAX), 0);
	assert_int_equal(vmdedup_unstable_age(&tree, U32_MAX, U32_MAX), 1);
}

static void allocation_failures(void **state)
{
	unsigned int nth;

	(void)state;
	for (nth = 1; nth < 4; nth++) {
		unsigned int i;

		shim_fail_alloc(nth);
		for (i = 1; i < nth; i++)
			note(1, i, 2, 3, 0);
		assert_null(vmdedup_cand_alloc(GFP_KERNEL));
		/* Only that one. */
		note(1, nth, 2, 3, 0);
	}
	assert_int_equal(vmdedup_tree_count(&tree), 3);
	vmdedup_cand_free(NULL);
}

static void cache_failure(void **state)
{
	(void)state;
	shim_fail_alloc(1);
	assert_int_equal(vmdedup_cand_cache_init(), -ENOMEM);
	/* As the engine may do while it unwinds. */
	vmdedup_cand_cache_exit();
	assert_int_equal(shim_live(), 0);
}

static void alloc_locked(void *arg)
{
	(void)arg;
	spin_lock(&tree.shard[0].lock);
	vmdedup_cand_alloc(GFP_KERNEL);
}

static void exit_in_use(void *arg)
{
	(void)arg;
	vmdedup_cand_cache_exit();
}

/* That the tests above would notice. */
static void misuse_is_noticed(void **state)
{
	(void)state;
	note(1, 2, 3, 4, 0);
	assert_true(aborts(alloc_locked, NULL));
	assert_true(aborts(exit_in_use, NULL));
}

/* Against a table of what should be known. */
static void random_operations(void **state)
{
	enum { SUMS = 200 };
	static struct {
		bool known;
		struct vmdedup_place place;
		u32 gen;
	} table[SUMS];
	u32 gen = U32_MAX - 20;
	u64 rng = 5;
	unsigned int i, s;

	(void)state;
	for (i = 0; i < 100000; i++) {
		u64 region = rng_below(&rng, 2), vpn = rng_below(&rng, 3);
		struct vmdedup_place other;
		unsigned long aged;
		u64 sum, domain;
		bool moved;

		s = rng_below(&rng, SUMS);
		sum = (u64)(s / 2) << 57;
		domain = s % 2;
		moved = table[s].known &&
			!is_place(table[s].place, region, vpn);
		switch (rng_below(&rng, 50)) {
		case 0:
			aged = vmdedup_unstable_age(&tree, ++gen, 3);
			for (s = 0; s < SUMS; s++) {
				if (table[s].known && gen - table[s].gen >= 3) {
					table[s].known = false;
					aged--;
				}
			}
			assert_int_equal(aged, 0);
			break;
		case 1 ... 10:
			forget(domain, sum);
			table[s].known = false;
			break;
		case 11 ... 25:
			assert_int_equal(peek(domain, sum, region, vpn),
					 moved ? VMDEDUP_FOUND_OTHER :
						 VMDEDUP_FOUND_NONE);
			break;
		default:
			other = note(domain, sum, region, vpn, gen);
			if (moved)
				assert_true(is_place(other,
						     table[s].place.region,
						     table[s].place.vpn));
			else
				assert_nowhere(other);
			table[s].known = true;
			table[s].place = (struct vmdedup_place){ region, vpn };
			table[s].gen = gen;
		}
	}
	for (s = 0, i = 0; s < SUMS; s++)
		i += table[s].known;
	assert_int_equal(vmdedup_tree_count(&tree), i);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(note_new),
		TEST(note_same_place_again),
		TEST(note_older),
		TEST(note_other_place),
		TEST(domains_are_apart),
		TEST(peek_says_what_note_would),
		TEST(forget_frees),
		TEST(age_by_generation),
		TEST(note_refreshes_and_peek_does_not),
		TEST(age_zero_forgets_all),
		TEST(generations_wrap_around),
		TEST(allocation_failures),
		cmocka_unit_test(cache_failure),
		TEST(misuse_is_noticed),
		TEST(random_operations),
	};

	return cmocka_run_group_tests_name("unstable", tests, NULL, NULL);
}
