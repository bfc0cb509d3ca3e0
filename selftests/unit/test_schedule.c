// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/schedule.h"

/* Scan a chunk when it is due, for so many passes; returns how often it was. */
static unsigned int passes(struct vmdedup_schedule *schedule, u16 *pass,
			   unsigned int nr)
{
	unsigned int i, scans = 0;

	for (i = 0; i < nr; i++, ++*pass) {
		if (vmdedup_schedule_ask(schedule, *pass, 0, false) !=
		    VMDEDUP_VISIT_SCAN)
			continue;
		vmdedup_schedule_seen(schedule, *pass);
		scans++;
	}
	return scans;
}

static void a_new_one_is_due(void **state)
{
	struct vmdedup_schedule schedule = {};
	unsigned int pass;

	(void)state;
	for (pass = 0; pass <= UINT16_MAX; pass++)
		assert_int_equal(vmdedup_schedule_ask(&schedule, pass, 0, false),
				 VMDEDUP_VISIT_SCAN);
}

/* In the pass in which it was seen it is not due again. */
static void once_a_pass(void **state)
{
	struct vmdedup_schedule schedule = {};

	(void)state;
	vmdedup_schedule_seen(&schedule, 7);
	assert_int_equal(vmdedup_schedule_ask(&schedule, 7, 0, false),
			 VMDEDUP_VISIT_NOT);
	assert_int_equal(vmdedup_schedule_ask(&schedule, 8, 0, false),
			 VMDEDUP_VISIT_SCAN);
}

static void idle_ones_back_off(void **state)
{
	struct vmdedup_schedule schedule = {};
	unsigned int i, was = 0, now;
	u16 pass = 65500;	/* and the number wraps */

	(void)state;
	/* The first two are in a row: pairs are only known at the second. */
	assert_int_equal(passes(&schedule, &pass, 2), 2);
	for (i = 0; i < 20; i++) {
		now = vmdedup_schedule_interval(&schedule);
		assert_in_range(now, was, VMDEDUP_SCHEDULE_PERIOD);
		assert_int_equal(passes(&schedule, &pass, now), 1);
		was = now;
	}
	assert_int_equal(was, VMDEDUP_SCHEDULE_PERIOD);
	/* And stays so. */
	assert_int_equal(passes(&schedule, &pass,
				100 * VMDEDUP_SCHEDULE_PERIOD), 100);
}

static void what_gives_is_looked_at_again(void **state)
{
	struct vmdedup_schedule schedule = {};
	u16 pass = 1;

	(void)state;
	passes(&schedule, &pass, 200);
	vmdedup_schedule_gave(&schedule, 1);
	assert_int_equal(passes(&schedule, &pass, 2), 2);
	assert_in_range(passes(&schedule, &pass, 10), 1, 5);
}

/* What could not be merged just now is no reason to look less often. */
static void busy_is_not_idle(void **state)
{
	struct vmdedup_schedule schedule = {};
	unsigned int i, was;
	u16 pass = 1;

	(void)state;
	/* Told while it is being looked at, or afterwards. */
	for (i = 0; i < 100; i++, pass++) {
		assert_int_equal(vmdedup_schedule_ask(&schedule, pass, 0, false),
				 VMDEDUP_VISIT_SCAN);
		if (i % 2)
			vmdedup_schedule_again(&schedule);
		vmdedup_schedule_seen(&schedule, pass);
		if (!(i % 2))
			vmdedup_schedule_again(&schedule);
	}
	passes(&schedule, &pass, 9);
	was = vmdedup_schedule_interval(&schedule);
	assert_in_range(was, 2, VMDEDUP_SCHEDULE_PERIOD - 1);
	for (i = 0; i < 20; i++) {
		assert_int_equal(passes(&schedule, &pass, was), 1);
		vmdedup_schedule_again(&schedule);
		assert_int_equal(vmdedup_schedule_interval(&schedule), was);
	}
	/* When it gives nothing at all, it backs off again. */
	passes(&schedule, &pass, 200);
	assert_int_equal(vmdedup_schedule_interval(&schedule),
			 VMDEDUP_SCHEDULE_PERIOD);
}

static void all_of_them(void **state)
{
	struct vmdedup_schedule schedule = {};

	(void)state;
	vmdedup_schedule_seen(&schedule, 1);
	vmdedup_schedule_seen(&schedule, 2);
	vmdedup_schedule_seen(&schedule, 3);
	assert_int_equal(vmdedup_schedule_ask(&schedule, 4, 0, false),
			 VMDEDUP_VISIT_NOT);
	assert_int_equal(vmdedup_schedule_ask(&schedule, 4, 0, true),
			 VMDEDUP_VISIT_SCAN);
}

static void in_vain_is_left_alone(void **state)
{
	struct vmdedup_schedule schedule = {};
	unsigned int i, left, was = 1;
	u16 pass = 1, now = 65500;	/* and the time wraps */

	(void)state;
	passes(&schedule, &pass, 1);
	for (i = 0; i < 10; i++) {
		vmdedup_schedule_gave(&schedule, 512);
		assert_true(vmdedup_schedule_broken(&schedule, now, 512, 512));
		for (left = 0; vmdedup_schedule_ask(&schedule, pass, now, true) !=
		     VMDEDUP_VISIT_SCAN; left++, now++) {
			assert_int_equal(vmdedup_schedule_ask(&schedule, pass,
							      now, true),
					 VMDEDUP_VISIT_COUNT);
			assert_int_equal(vmdedup_schedule_ask(&schedule, pass,
							      now, false),
					 VMDEDUP_VISIT_NOT);
		}
		assert_in_range(left, was, VMDEDUP_SCHEDULE_COLD_MAX);
		was = left;
	}
	assert_int_equal(was, VMDEDUP_SCHEDULE_COLD_MAX);
	/* Long after it is not cold for that. */
	assert_int_equal(vmdedup_schedule_ask(&schedule, pass, now + 30000, true),
			 VMDEDUP_VISIT_SCAN);
}

/* A second after it is merged in, all of it is written to, again and again. */
static void in_vain_each_time(void **state)
{
	struct vmdedup_schedule schedule = {};
	unsigned int i, left, was = 1;
	u16 pass = 1, now = 65500;

	(void)state;
	passes(&schedule, &pass, 1);
	for (i = 0; i < 10; i++) {
		vmdedup_schedule_gave(&schedule, 512);
		/* Visits, before anything is written to. */
		assert_false(vmdedup_schedule_broken(&schedule, now, 512, 0));
		assert_false(vmdedup_schedule_broken(&schedule, now, 512, 0));
		now++;
		assert_true(vmdedup_schedule_broken(&schedule, now, 512, 512));
		for (left = 0; vmdedup_schedule_cold(&schedule, now); left++)
			now++;
		assert_int_equal(left, min(2 * was, 64U));
		was = left;
		/* The visit that finds it not cold any more, and merges. */
		assert_false(vmdedup_schedule_broken(&schedule, now, 0, 0));
	}
}

/* When it was left in peace for as long as it was left alone, step by step. */
static void is_forgiven(void **state)
{
	struct vmdedup_schedule schedule = {};
	u16 pass = 1, now = 65500;
	unsigned int i, left;

	(void)state;
	passes(&schedule, &pass, 1);
	for (i = 0; i < 10; i++) {
		vmdedup_schedule_gave(&schedule, 512);
		assert_true(vmdedup_schedule_broken(&schedule, now, 512, 512));
		while (vmdedup_schedule_cold(&schedule, now))
			now++;
	}
	for (i = 0; i < 126; i++)
		assert_false(vmdedup_schedule_broken(&schedule, now++, 512, 0));
	vmdedup_schedule_gave(&schedule, 512);
	assert_true(vmdedup_schedule_broken(&schedule, now, 512, 512));
	for (left = 0; vmdedup_schedule_cold(&schedule, now); left++)
		now++;
	assert_in_range(left, 2, 4);
}

static void some_writes_are_nothing(void **state)
{
	struct vmdedup_schedule schedule = {};

	(void)state;
	/* Some of many, few, or none. */
	vmdedup_schedule_gave(&schedule, 512);
	assert_false(vmdedup_schedule_broken(&schedule, 0, 512, 127));
	vmdedup_schedule_gave(&schedule, 7);
	assert_false(vmdedup_schedule_broken(&schedule, 0, 512, 7));
	assert_false(vmdedup_schedule_broken(&schedule, 0, 7, 7));
	assert_false(vmdedup_schedule_broken(&schedule, 0, 0, 0));
	assert_int_equal(schedule.heat, 0);
	/* A part of all; as many as were merged lately. */
	vmdedup_schedule_gave(&schedule, 512);
	assert_true(vmdedup_schedule_broken(&schedule, 0, 512, 128));
	assert_int_equal(schedule.heat, 1);
	vmdedup_schedule_gave(&schedule, 20);
	assert_true(vmdedup_schedule_broken(&schedule, 0, 512, 10));
	assert_int_equal(schedule.heat, 2);
	/* Peace is, with anything merged or not, if it lasts: 4 s after these 4. */
	assert_false(vmdedup_schedule_broken(&schedule, 8, 512, 3));
	assert_int_equal(schedule.heat, 2);
	assert_false(vmdedup_schedule_broken(&schedule, 7, 512, 0));
	assert_int_equal(schedule.heat, 2);
	assert_false(vmdedup_schedule_broken(&schedule, 8, 512, 0));
	assert_int_equal(schedule.heat, 1);
	/* What is merged does not overflow. */
	for (int i = 0; i < 1000; i++)
		vmdedup_schedule_gave(&schedule, 512);
	assert_false(vmdedup_schedule_broken(&schedule, 0, 512, 100));
}

/* Few bytes, for there is one for each 2 MiB. */
static void is_small(void **state)
{
	(void)state;
	assert_in_range(sizeof(struct vmdedup_schedule), 1, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_one_is_due),
		cmocka_unit_test(once_a_pass),
		cmocka_unit_test(idle_ones_back_off),
		cmocka_unit_test(what_gives_is_looked_at_again),
		cmocka_unit_test(busy_is_not_idle),
		cmocka_unit_test(all_of_them),
		cmocka_unit_test(in_vain_is_left_alone),
		cmocka_unit_test(in_vain_each_time),
		cmocka_unit_test(is_forgiven),
		cmocka_unit_test(some_writes_are_nothing),
		cmocka_unit_test(is_small),
	};

	return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
