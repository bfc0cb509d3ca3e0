// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/runs.h"
#include "model.h"

#define FRAMES	4

static struct vmdedup_frame frames[FRAMES];

static struct vmdedup_job job(u64 region, u64 vpn, struct vmdedup_frame *frame)
{
	if (frame)
		vmdedup_stable_dup(frame);
	return (struct vmdedup_job){ { region, vpn }, frame };
}

static void put_all(const struct vmdedup_job *jobs, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (jobs[i].frame)
			vmdedup_stable_put(jobs[i].frame);
	for (i = 0; i < FRAMES; i++)
		assert_true(vmdedup_stable_idle(&frames[i]));
}

static void zero_jobs(void **state)
{
	struct vmdedup_job none;

	(void)state;
	vmdedup_jobs_sort(&none, 0);
	vmdedup_jobs_sort(NULL, 0);
	assert_int_equal(vmdedup_jobs_unique(NULL, 0), 0);
	assert_int_equal(vmdedup_jobs_run(NULL, 0, 512), 0);
	assert_int_equal(vmdedup_jobs_same_table(NULL, 0), 0);
	assert_int_equal(vmdedup_jobs_same_region(NULL, 0), 0);
}

static void sort_by_region_then_page(void **state)
{
	struct vmdedup_job jobs[] = {
		job(2, 0, NULL), job(1, ~0ULL, NULL), job(~0ULL, 0, NULL),
		job(1, 0, NULL), job(0, 5, NULL), job(1, 1ULL << 63, NULL),
		job(1ULL << 63, 1, NULL), job(1, 1, NULL),
	};
	static const struct vmdedup_place want[] = {
		{ 0, 5 }, { 1, 0 }, { 1, 1 }, { 1, 1ULL << 63 }, { 1, ~0ULL },
		{ 2, 0 }, { 1ULL << 63, 1 }, { ~0ULL, 0 },
	};
	unsigned int i;

	(void)state;
	vmdedup_jobs_sort(jobs, ARRAY_SIZE(jobs));
	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		assert_true(jobs[i].place.region == want[i].region);
		assert_true(jobs[i].place.vpn == want[i].vpn);
	}
}

static void unique_puts_dropped_frames(void **state)
{
	struct vmdedup_job jobs[] = {
		job(1, 7, &frames[0]), job(1, 7, &frames[1]), job(1, 7, NULL),
		job(1, 7, &frames[1]), job(1, 8, &frames[1]), job(2, 8, &frames[2]),
		job(2, 9, NULL), job(2, 9, &frames[3]),
	};

	(void)state;
	assert_int_equal(vmdedup_jobs_unique(jobs, ARRAY_SIZE(jobs)), 4);
	/* Of doubles the first stays. */
	assert_ptr_equal(jobs[0].frame, &frames[0]);
	assert_true(jobs[1].place.region == 1 && jobs[1].place.vpn == 8);
	assert_ptr_equal(jobs[1].frame, &frames[1]);
	assert_ptr_equal(jobs[2].frame, &frames[2]);
	assert_null(jobs[3].frame);
	assert_int_equal(atomic_read(&frames[0].users), 1);
	assert_int_equal(atomic_read(&frames[1].users), 1);
	assert_int_equal(atomic_read(&frames[2].users), 1);
	assert_int_equal(atomic_read(&frames[3].users), 0);
	put_all(jobs, 4);
}

static void unique_without_doubles(void **state)
{
	struct vmdedup_job jobs[] = {
		job(1, 7, &frames[0]), job(1, 8, &frames[0]), job(2, 7, &frames[0]),
	};

	(void)state;
	assert_int_equal(vmdedup_jobs_unique(jobs, 1), 1);
	assert_int_equal(vmdedup_jobs_unique(jobs, ARRAY_SIZE(jobs)), 3);
	assert_int_equal(atomic_read(&frames[0].users), 3);
	put_all(jobs, 3);
}

static void unique_all_doubles(void **state)
{
	struct vmdedup_job jobs[50];
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(jobs); i++)
		jobs[i] = job(3, 3, &frames[i % FRAMES]);
	assert_int_equal(vmdedup_jobs_unique(jobs, ARRAY_SIZE(jobs)), 1);
	put_all(jobs, 1);
}

/* Jobs for consecutive pages. */
static void fill(struct vmdedup_job *jobs, u64 region, u64 vpn, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		jobs[i] = job(region, vpn + i, NULL);
}

static void run_ends_with_the_table(void **state)
{
	static struct vmdedup_job jobs[2048];
	unsigned int i;

	(void)state;
	for (i = 0; i <= 1024; i++) {
		fill(jobs, 1, i, ARRAY_SIZE(jobs));
		assert_int_equal(vmdedup_jobs_run(jobs, 2048, 512), 512 - i % 512);
		assert_int_equal(vmdedup_jobs_run(jobs, 2048, ~0U), 512 - i % 512);
		assert_int_equal(vmdedup_jobs_same_table(jobs, 2048),
				 512 - i % 512);
		assert_int_equal(vmdedup_jobs_same_region(jobs, 2048), 2048);
	}
	/* The last table of all. */
	fill(jobs, 1, ~0ULL - 511, 512);
	assert_int_equal(vmdedup_jobs_run(jobs, 512, 512), 512);
	assert_int_equal(vmdedup_jobs_same_table(jobs, 512), 512);
}

static void run_ends_at_a_gap(void **state)
{
	struct vmdedup_job jobs[] = {
		job(1, 10, NULL), job(1, 11, NULL), job(1, 13, NULL),
		job(1, 14, NULL), job(1, 15, NULL),
	};

	(void)state;
	assert_int_equal(vmdedup_jobs_run(jobs, 5, 512), 2);
	assert_int_equal(vmdedup_jobs_run(jobs + 1, 4, 512), 1);
	assert_int_equal(vmdedup_jobs_run(jobs + 2, 3, 512), 3);
	assert_int_equal(vmdedup_jobs_same_table(jobs, 5), 5);
}

static void run_ends_with_the_region(void **state)
{
	struct vmdedup_job jobs[] = {
		job(1, 10, NULL), job(1, 11, NULL), job(2, 12, NULL),
		job(2, 13, NULL),
	};

	(void)state;
	assert_int_equal(vmdedup_jobs_run(jobs, 4, 512), 2);
	assert_int_equal(vmdedup_jobs_same_table(jobs, 4), 2);
	assert_int_equal(vmdedup_jobs_same_region(jobs, 4), 2);
	assert_int_equal(vmdedup_jobs_same_region(jobs + 2, 2), 2);
}

static void run_keeps_to_max(void **state)
{
	static struct vmdedup_job jobs[512];
	unsigned int max;

	(void)state;
	fill(jobs, 1, 512, 512);
	for (max = 1; max <= 512; max++)
		assert_int_equal(vmdedup_jobs_run(jobs, 512, max), max);
	assert_int_equal(vmdedup_jobs_run(jobs, 512, 513), 512);
	assert_int_equal(vmdedup_jobs_run(jobs, 3, 512), 3);
}

/* Crowded places, so that doubles, runs and table borders are frequent. */
static void random_lists(void **state)
{
	static struct vmdedup_job jobs[200];
	u64 rng = 42;
	unsigned int round, i;

	(void)state;
	for (round = 0; round < 1000; round++) {
		unsigned int nr = rng_below(&rng, ARRAY_SIZE(jobs) + 1);
		u64 regions = 1 + rng_below(&rng, 4);
		u64 pages = 1 + rng_below(&rng, 300);
		u64 base = rng_below(&rng, 8) ? 512 - rng_below(&rng, 200) :
						0 - pages;

		for (i = 0; i < nr; i++) {
			u64 f = rng_below(&rng, FRAMES + 1);

			jobs[i] = job(rng_below(&rng, regions),
				      base + rng_below(&rng, pages),
				      f < FRAMES ? &frames[f] : NULL);
		}
		model_check_jobs(jobs, nr, 1 + rng_below(&rng, 520), frames,
				 FRAMES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_jobs),
		cmocka_unit_test(sort_by_region_then_page),
		cmocka_unit_test(unique_puts_dropped_frames),
		cmocka_unit_test(unique_without_doubles),
		cmocka_unit_test(unique_all_doubles),
		cmocka_unit_test(run_ends_with_the_table),
		cmocka_unit_test(run_ends_at_a_gap),
		cmocka_unit_test(run_ends_with_the_region),
		cmocka_unit_test(run_keeps_to_max),
		cmocka_unit_test(random_lists),
	};

	return cmocka_run_group_tests_name("runs", tests, NULL, NULL);
}
