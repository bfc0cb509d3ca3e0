// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/doubt.h"
#include "model.h"

#define PAGES 8192

/* A pass in which so many of PAGES were hashed and merged. */
static void pass(struct vmdedup_doubt *doubt, u64 hashed, u64 merged)
{
	vmdedup_doubt_begin(doubt, doubt->pass + 1);
	doubt->pages += PAGES;
	doubt->hashed += hashed;
	doubt->merged += merged;
}

static void judge(struct vmdedup_doubt *doubt)
{
	vmdedup_doubt_begin(doubt, doubt->pass + 1);
}

static void what_is_merged_is_believed(void **state)
{
	struct vmdedup_doubt doubt = {};
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		/* Hashed in one pass, and merged in the same, by whomever. */
		pass(&doubt, PAGES, PAGES);
		assert_int_equal(doubt.level, 0);
	}
	/* More than was hashed: as partners. */
	pass(&doubt, 10, PAGES);
	judge(&doubt);
	assert_int_equal(doubt.level, 0);
}

static void a_little_is_nothing(void **state)
{
	struct vmdedup_doubt doubt = {};
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		pass(&doubt, PAGES / VMDEDUP_DOUBT_PART, 0);
		assert_int_equal(doubt.level, 0);
	}
}

static void at_once_as_much_as_it_takes(void **state)
{
	struct vmdedup_doubt doubt = {};

	(void)state;
	pass(&doubt, PAGES, 0);
	judge(&doubt);
	assert_int_equal(doubt.level, VMDEDUP_DOUBT_MAX);
	doubt = (struct vmdedup_doubt){};
	pass(&doubt, PAGES / 10, 0);
	judge(&doubt);
	/* A tenth, of which a quarter is less than one in 32. */
	assert_int_equal(doubt.level, 2);
	/* And not beyond the limit. */
	doubt.level = VMDEDUP_DOUBT_MAX;
	pass(&doubt, PAGES, 0);
	judge(&doubt);
	assert_int_equal(doubt.level, VMDEDUP_DOUBT_MAX);
}

static void few_pages_do_not_tell(void **state)
{
	struct vmdedup_doubt doubt = {};

	(void)state;
	doubt.pages = 100;
	doubt.hashed = 100;
	judge(&doubt);
	assert_int_equal(doubt.level, 0);
	/* But they are not forgotten either. */
	pass(&doubt, 0, 0);
	assert_int_equal(doubt.hashed, 100);
}

static void once_a_pass(void **state)
{
	struct vmdedup_doubt doubt = {};

	(void)state;
	pass(&doubt, PAGES, 0);
	vmdedup_doubt_begin(&doubt, doubt.pass);
	assert_int_equal(doubt.level, 0);
	assert_int_equal(doubt.hashed, PAGES);
}

static void is_forgiven(void **state)
{
	struct vmdedup_doubt doubt = {};
	unsigned int i;

	(void)state;
	pass(&doubt, PAGES, 0);
	judge(&doubt);
	for (i = VMDEDUP_DOUBT_MAX; i; i--) {
		assert_int_equal(doubt.level, i);
		pass(&doubt, 0, 0);
		judge(&doubt);
	}
	assert_int_equal(doubt.level, 0);
	judge(&doubt);
	assert_int_equal(doubt.level, 0);
}

/* How long a sketch waits for its turn, of passes that come each @stride. */
static unsigned int longest_wait(unsigned int level, u64 sketch,
				 unsigned int stride)
{
	unsigned int k, wait = 0, longest = 0;

	for (k = 0; k < 2000; k++) {
		wait = vmdedup_doubt_believes(level, sketch, k * stride) ?
		       0 : wait + 1;
		longest = max(longest, wait);
	}
	return longest;
}

static void all_come_round(void **state)
{
	unsigned int level, i;
	u64 rng = 1;

	(void)state;
	for (level = 0; level <= VMDEDUP_DOUBT_MAX; level++) {
		for (i = 0; i < 300; i++) {
			u64 sketch = rng_next(&rng);

			assert_in_range(longest_wait(level, sketch, 1), 0,
					(6U << level) - 6);
			assert_in_range(longest_wait(level, sketch, 32), 0,
					(6U << level) - 6);
		}
	}
}

/* In each pass about as many as it says, and not the same ones. */
static void so_many_of_them(void **state)
{
	unsigned int level, pass, i;
	u64 sketch[10000], rng = 3;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sketch); i++)
		sketch[i] = rng_next(&rng);
	for (level = 0; level <= VMDEDUP_DOUBT_MAX; level++) {
		for (pass = 0; pass < 100; pass++) {
			unsigned int now = 0, again = 0;

			for (i = 0; i < ARRAY_SIZE(sketch); i++) {
				bool is = vmdedup_doubt_believes(level, sketch[i],
								 pass);

				now += is;
				again += is && vmdedup_doubt_believes(level,
						sketch[i], pass + 1);
			}
			assert_in_range(now, (10000 >> level) * 3 / 4,
					(10000 >> level) * 5 / 4);
			if (level > 1)
				assert_int_equal(again, 0);
		}
	}
}

/* All that a space of which all is in vain costs, in lines of its pages. */
static void costs_half_as_much_again(void **state)
{
	struct vmdedup_doubt doubt = {};
	u64 rng = 2, hashed = 0, passes = 2000;
	unsigned int i, k;

	(void)state;
	for (i = 0; i < passes; i++) {
		u64 now = 0;

		vmdedup_doubt_begin(&doubt, i + 1);
		for (k = 0; k < 1000; k++)
			now += vmdedup_doubt_believes(doubt.level, rng_next(&rng),
						      i + 1);
		doubt.pages += 1000;
		doubt.hashed += now;
		hashed += now;
	}
	/* Of 64 lines each; four of each page are sketched. But for the begin. */
	assert_in_range(64 * (hashed - 3000), 0, passes * 1000 * 4 / 2 * 11 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_merged_is_believed),
		cmocka_unit_test(a_little_is_nothing),
		cmocka_unit_test(at_once_as_much_as_it_takes),
		cmocka_unit_test(few_pages_do_not_tell),
		cmocka_unit_test(once_a_pass),
		cmocka_unit_test(is_forgiven),
		cmocka_unit_test(all_come_round),
		cmocka_unit_test(so_many_of_them),
		cmocka_unit_test(costs_half_as_much_again),
	};

	return cmocka_run_group_tests_name("doubt", tests, NULL, NULL);
}
