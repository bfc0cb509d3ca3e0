// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/credit.h"

#define CHUNK 512

/* A visit to a chunk with so many hits; returns how many are hashed. */
static unsigned int visit(struct vmdedup_credit *credit, u32 epoch,
			  unsigned int pages, unsigned int hits,
			  const u64 *sketch)
{
	unsigned int limit = vmdedup_credit_limit(credit, pages), hashed = 0, i;
	bool good = vmdedup_credit_good(credit, pages);

	assert_true(!good || limit >= pages);
	for (i = 0; i < hits; i++)
		hashed += vmdedup_credit_allows(credit, pages, hits, hashed,
						sketch[i], epoch);
	assert_true(good ? hashed == hits : hashed <= limit);
	vmdedup_credit_spend(credit, pages, hashed);
	return hashed;
}

/* The sketches of pages of which every @alike are equal. */
static void fill(u64 *sketch, unsigned int alike)
{
	u64 state = 1;
	unsigned int i;

	for (i = 0; i < CHUNK; i++) {
		if (i % alike == 0)
			state = state * 6364136223846793005ULL +
				1442695040888963407ULL;
		sketch[i] = state;
	}
}

static void all_at_first(void **state)
{
	struct vmdedup_credit credit = {};
	u64 sketch[CHUNK];

	(void)state;
	fill(sketch, 1);
	assert_int_equal(visit(&credit, 7, CHUNK, CHUNK, sketch), CHUNK);
	/* And then, as the first one of a pair is not hashed at first. */
	assert_int_equal(visit(&credit, 7, CHUNK, CHUNK, sketch), CHUNK);
	assert_false(vmdedup_credit_good(&credit, CHUNK));
}

static void what_is_merged_is_free(void **state)
{
	struct vmdedup_credit credit = {};
	u64 sketch[CHUNK];
	unsigned int i;

	(void)state;
	fill(sketch, 1);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(visit(&credit, i, CHUNK, CHUNK, sketch), CHUNK);
		/* Half of it, to begin with, or all of it later on. */
		vmdedup_credit_merged(&credit, i < 500 ? CHUNK / 2 : CHUNK);
		assert_int_equal(credit.debt, 0);
	}
	/* No more is given back than was spent. */
	vmdedup_credit_merged(&credit, UINT16_MAX);
	assert_int_equal(credit.debt, 0);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(visit(&credit, i, CHUNK, CHUNK, sketch), CHUNK);
		vmdedup_credit_return(&credit, CHUNK);
		assert_int_equal(credit.debt, 0);
	}
}

static void few_hits_are_free(void **state)
{
	struct vmdedup_credit credit = {};
	u64 sketch[CHUNK];
	unsigned int i;

	(void)state;
	fill(sketch, 1);
	for (i = 0; i < 1000; i++)
		assert_int_equal(visit(&credit, i, CHUNK,
				       CHUNK / VMDEDUP_CREDIT_PRICE, sketch),
				 CHUNK / VMDEDUP_CREDIT_PRICE);
}

/* The last ones of a chunk do not wait because they did not meet a few times. */
static void the_rest_may_fail(void **state)
{
	struct vmdedup_credit credit = {};
	const unsigned int rest = 4;
	u64 sketch[CHUNK];
	unsigned int i;

	(void)state;
	fill(sketch, 1);
	assert_int_equal(visit(&credit, 0, CHUNK, CHUNK, sketch), CHUNK);
	vmdedup_credit_merged(&credit, CHUNK - rest);
	for (i = 1; i < 16; i++)
		assert_int_equal(visit(&credit, i, rest, rest, sketch), rest);
}

/*
 * Nor because the rest of the chunk was hashed for nothing, and is not there any
 * more. A pair is found when it is hashed in two visits of one epoch.
 */
static void the_rest_is_not_liable(void **state)
{
	static const unsigned int rests[] = { 1, 2, 3, 4, 8, 16 };
	u64 sketch[CHUNK];
	unsigned int i, j, visits;

	(void)state;
	fill(sketch, 1);
	for (i = 0; i < ARRAY_SIZE(rests); i++) {
		struct vmdedup_credit credit = {};
		unsigned int rest = rests[i], left = rest;
		bool met[CHUNK] = {};
		u32 epoch;

		for (j = 0; j < 4; j++)
			vmdedup_credit_spend(&credit, CHUNK, CHUNK);
		for (epoch = 0; left && epoch < 3 * rest + 6; epoch++) {
			unsigned int before[CHUNK] = {};

			for (visits = 0; visits < 2; visits++) {
				unsigned int hashed = 0;

				for (j = 0; j < rest; j++) {
					if (!vmdedup_credit_allows(&credit, rest,
								   rest, hashed,
								   sketch[j],
								   epoch))
						continue;
					hashed++;
					if (before[j]++ && !met[j]) {
						met[j] = true;
						left--;
					}
				}
				vmdedup_credit_spend(&credit, rest, hashed);
			}
		}
		assert_int_equal(left, 0);
	}
}

/* However many pages there are, and hits, and however alike they are. */
static void costs_a_third_at_the_most(void **state)
{
	static const unsigned int all[] = { 1, 2, 7, 16, 100, CHUNK };
	const unsigned int visits = 3000;
	u64 sketch[CHUNK];
	unsigned int i, j, alike;

	(void)state;
	for (alike = 1; alike <= CHUNK; alike *= 8) {
		fill(sketch, alike);
		for (i = 0; i < ARRAY_SIZE(all); i++) {
			for (j = 1; j <= all[i]; j = 2 * j + 1) {
				struct vmdedup_credit credit = {};
				u64 hashed = 0, n;

				for (n = 0; n < visits; n++)
					hashed += visit(&credit, n, all[i], j,
							sketch);
				/* A visit is worth some pages, if there are few. */
				assert_in_range(hashed * VMDEDUP_CREDIT_PRICE,
						0, (n + 3 * VMDEDUP_CREDIT_PRICE) *
						max(all[i], 64U));
				/* Nor much less than is paid for. */
				assert_in_range(hashed * VMDEDUP_CREDIT_PRICE * 2,
						min(n * all[i],
						    n * j * VMDEDUP_CREDIT_PRICE),
						U32_MAX);
			}
		}
	}
}

/* How long it takes until it is the turn of a sketch, and again, in epochs. */
static unsigned int until_turn(u64 sketch, u32 *epoch, unsigned int hits)
{
	struct vmdedup_credit credit = {};
	unsigned int n;

	for (n = 1; n < 10000; n++)
		if (vmdedup_credit_turn(&credit, CHUNK, hits, sketch, ++*epoch))
			break;
	return n;
}

static void each_has_its_turn(void **state)
{
	unsigned int hits, i, j, longest;
	u64 sketch[CHUNK];

	(void)state;
	fill(sketch, 1);
	for (hits = CHUNK; hits > 10; hits /= 2) {
		longest = 3 * (1 + hits * VMDEDUP_CREDIT_PRICE / CHUNK);
		for (i = 0; i < CHUNK; i++) {
			u32 epoch = U32_MAX - i;

			for (j = 0; j < 8; j++)
				assert_in_range(until_turn(sketch[i], &epoch,
							   hits), 1, longest);
		}
	}
}

/* In chunks with about as many hits it is the turn of equal pages at once. */
static void equal_pages_meet(void **state)
{
	unsigned int epoch, met = 0, turns = 0;
	struct vmdedup_credit credit = {};

	(void)state;
	for (epoch = 0; epoch < 10000; epoch++) {
		if (!vmdedup_credit_turn(&credit, CHUNK, 400, 12345, epoch))
			continue;
		turns++;
		met += vmdedup_credit_turn(&credit, CHUNK, 300, 12345, epoch);
	}
	assert_in_range(turns, 200, 300);
	assert_int_equal(met, turns);
}

/* Debts are those of the pages that are there, but not after a single look. */
static void pages_go_with_their_debts(void **state)
{
	struct vmdedup_credit credit = {};
	unsigned int i;

	(void)state;
	for (i = 0; i < 4; i++)
		vmdedup_credit_spend(&credit, CHUNK, CHUNK);
	assert_int_equal(vmdedup_credit_limit(&credit, CHUNK), 0);
	assert_int_equal(vmdedup_credit_limit(&credit, 1), 0);
	vmdedup_credit_spend(&credit, 1, 0);
	assert_false(vmdedup_credit_good(&credit, CHUNK));
	for (i = 0; !vmdedup_credit_good(&credit, 1); i++)
		vmdedup_credit_spend(&credit, 1, 0);
	assert_in_range(i, 10, 3 * VMDEDUP_CREDIT_PRICE);
}

static void an_unknown_one_takes_turns(void **state)
{
	struct vmdedup_credit credit = vmdedup_credit_unknown;
	u64 sketch[CHUNK];

	(void)state;
	fill(sketch, 1);
	assert_false(vmdedup_credit_good(&credit, CHUNK));
	assert_true(vmdedup_credit_limit(&credit, CHUNK) >= CHUNK);
	assert_in_range(visit(&credit, 0, CHUNK, CHUNK, sketch), 1, CHUNK / 10);
}

static void is_small(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct vmdedup_credit), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_first),
		cmocka_unit_test(what_is_merged_is_free),
		cmocka_unit_test(few_hits_are_free),
		cmocka_unit_test(the_rest_may_fail),
		cmocka_unit_test(the_rest_is_not_liable),
		cmocka_unit_test(costs_a_third_at_the_most),
		cmocka_unit_test(each_has_its_turn),
		cmocka_unit_test(equal_pages_meet),
		cmocka_unit_test(pages_go_with_their_debts),
		cmocka_unit_test(an_unknown_one_takes_turns),
		cmocka_unit_test(is_small),
	};

	return cmocka_run_group_tests_name("credit", tests, NULL, NULL);
}
