// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/pace.h"
#include "model.h"

#define SEC		((u64)NSEC_PER_SEC)
#define MSEC		((u64)NSEC_PER_MSEC)
#define TICK		(4 * MSEC)
#define MAX_SLEEP	(86400 * SEC)

/* A worker in simulated time. */
struct worker {
	struct vmdedup_pace pace;
	u64 now;
	u64 pages;
	u64 rng;
};

/* Work for @work ns on @pages pages, then sleep exactly as long as told. */
static u64 step(struct worker *w, u64 pages, u64 work, u64 rate)
{
	u64 ns;

	w->now += work;
	w->pages += pages;
	ns = vmdedup_pace_sleep(&w->pace, w->now, pages, rate);
	w->now += ns;
	return ns;
}

/* The same as a kernel thread does: in ticks, short sleeps not at all, late. */
static void step_in_ticks(struct worker *w, u64 pages, u64 work, u64 rate)
{
	u64 ns;

	w->now += work;
	w->pages += pages;
	ns = vmdedup_pace_sleep(&w->pace, w->now, pages, rate);
	if (ns >= TICK)
		w->now += ns / TICK * TICK + rng_below(&w->rng, 2 * TICK);
}

static void assert_rate(const struct worker *w, u64 began, u64 rate)
{
	double seconds = (double)(w->now - began) / NSEC_PER_SEC;
	double got = w->pages / seconds / rate;

	if (got < 0.99 || got > 1.01)
		fail_msg("%.4f of the rate of %llu", got, rate);
}

static const u64 rates[] = { 100, 1000, 25600, 77777, 1000000, 7000000 };

static void long_run_rate(void **state)
{
	static const u64 steps[] = { 1, 17, 512 };
	unsigned int i, j, n;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		for (j = 0; j < ARRAY_SIZE(steps); j++) {
			struct worker w = { .now = 1000 * SEC };

			for (n = 0; n < 500 || w.pages < rates[i]; n++)
				step(&w, steps[j], 0, rates[i]);
			/* It began with a credit, used up by now. */
			assert_rate(&w, 1000 * SEC - SEC / 10, rates[i]);
		}
	}
}

/* Whole ticks, oversleeping, uneven steps, time needed for the work. */
static void long_run_rate_of_a_thread(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rates); i++) {
		struct worker w = { .now = 5 * SEC, .rng = i };
		u64 end = w.now + 60 * SEC;

		while (w.now < end) {
			u64 pages = rng_below(&w.rng, 513);
			/* Up to half of the time that they may take. */
			u64 work = min(pages * SEC / rates[i] / 2, 80 * MSEC);

			step_in_ticks(&w, pages,
				      rng_below(&w.rng, work + 1), rates[i]);
		}
		assert_rate(&w, 5 * SEC, rates[i]);
	}
}

/* Who cannot keep up never sleeps. */
static void slow_worker(void **state)
{
	struct worker w = { .now = SEC };
	unsigned int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		assert_int_equal(step(&w, 100, 100 * SEC / 1000 + 1, 1000), 0);
}

/* Pages done in a second after idling, the first second being over or not. */
static void no_burst_after_idle(void **state)
{
	static const u64 idle[] = { 0, SEC / 20, SEC, 3600 * SEC, 1000000 * SEC };
	unsigned int i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(idle); i++) {
		for (j = 0; j < ARRAY_SIZE(rates); j++) {
			struct worker w = { .now = 50 * SEC };
			u64 from;

			while (w.now < 52 * SEC)
				step(&w, 8, 0, rates[j]);
			w.now += idle[i];
			w.pages = 0;
			from = w.now;
			while (w.now < from + SEC)
				step(&w, 8, 0, rates[j]);
			/* A tenth of a second is credit, two steps are slack. */
			assert_true(w.pages <= rates[j] * 111 / 100 + 16);
		}
	}
}

/* In no window is there more than the rate and the credit allow. */
static void no_burst_ever(void **state)
{
	enum { STEPS = 4000 };
	static u64 when[STEPS], total[STEPS];
	struct worker w = { .now = 9 * SEC, .rng = 99 };
	const u64 rate = 10000;
	unsigned int i, j;

	(void)state;
	for (i = 0; i < STEPS; i++) {
		/* Sometimes there is a pause. */
		if (!rng_below(&w.rng, 50))
			w.now += rng_below(&w.rng, SEC);
		when[i] = w.now;
		total[i] = w.pages;
		step(&w, rng_below(&w.rng, 65), rng_below(&w.rng, MSEC), rate);
	}
	for (i = 0; i < STEPS; i += 7)
		for (j = i; j < STEPS; j++)
			assert_true(total[j] - total[i] <=
				    rate * (when[j] - when[i] + SEC / 10) / SEC +
				    65);
}

static void huge_steps(void **state)
{
	struct vmdedup_pace pace = {};
	struct worker w = { .now = SEC };
	unsigned int i;

	(void)state;
	/* A 1 GiB step does not block for ever ... */
	assert_true(vmdedup_pace_sleep(&pace, SEC, 262144, 1) ==
		    MAX_SLEEP - SEC / 10);
	/* ... nor do many of them add up to more, slept or not. */
	for (i = 0; i < 100; i++)
		assert_true(vmdedup_pace_sleep(&pace, SEC, 262144, 1) ==
			    MAX_SLEEP);
	assert_true(vmdedup_pace_sleep(&pace, 6 * SEC, 0, 1) ==
		    MAX_SLEEP - 5 * SEC);
	assert_int_equal(vmdedup_pace_sleep(&pace, MAX_SLEEP + 2 * SEC, 0, 1),
			 0);
	/* Within that limit huge pages are as any pages. */
	for (i = 0; i < 1000; i++)
		step(&w, 512, 0, 25600);
	assert_rate(&w, SEC - SEC / 10, 25600);
}

static void no_pages_no_sleep(void **state)
{
	struct vmdedup_pace pace = {};

	(void)state;
	assert_int_equal(vmdedup_pace_sleep(&pace, 0, 0, 1), 0);
	assert_int_equal(vmdedup_pace_sleep(&pace, SEC, 0, 1), 0);
	assert_int_equal(vmdedup_pace_sleep(&pace, SEC, 0, U64_MAX), 0);
}

/* A debt not slept off is still there, less the time gone by. */
static void debt_is_kept(void **state)
{
	struct vmdedup_pace pace = {};
	u64 first = vmdedup_pace_sleep(&pace, SEC, 1000, 1000);

	(void)state;
	assert_true(first == SEC - SEC / 10);
	assert_true(vmdedup_pace_sleep(&pace, SEC + SEC / 2, 0, 1000) ==
		    first - SEC / 2);
	assert_true(vmdedup_pace_sleep(&pace, SEC + SEC / 2, 1000, 1000) ==
		    first - SEC / 2 + SEC);
}

/* As many threads as there can be, each with a chunk, at the slowest rates. */
static void many_threads(void **state)
{
	static const u64 slow[] = { 1, 2, 7, 50, 1000 };
	unsigned int i, thread, round;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(slow); i++) {
		struct vmdedup_pace pace = {};
		u64 now = SEC, last = 0, pages = 0;

		for (round = 0; round < 20; round++) {
			for (thread = 0; thread < 64; thread++) {
				pages += 512;
				last = vmdedup_pace_sleep(&pace, now, 512,
							  slow[i]);
			}
			/* The last one to wake finds the rate kept. */
			now += last;
			/* But for the credit, and rounding. */
			assert_true(pages * SEC <= slow[i] * (now - SEC / 2));
		}
	}
}

static void rate_changes(void **state)
{
	static const u64 order[] = { 1000, 100000, 2000, 2000000, 100 };
	struct worker w = { .now = 100 * SEC };
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		u64 began = w.now;

		w.pages = 0;
		while (w.now < began + 30 * SEC)
			step(&w, 4, 0, order[i]);
		assert_rate(&w, began, order[i]);
	}
}

static void extremes(void **state)
{
	static const u64 value[] = {
		0, 1, 2, 511, 512, SEC - 1, SEC, SEC + 1, U32_MAX,
		U64_MAX / SEC - 1, U64_MAX / SEC, U64_MAX / SEC + 1,
		S64_MAX - MAX_SLEEP, S64_MAX, U64_MAX - MAX_SLEEP, U64_MAX - 1,
		U64_MAX,
	};
	unsigned int n, p, r, again;

	(void)state;
	for (n = 0; n < ARRAY_SIZE(value); n++) {
		for (p = 0; p < ARRAY_SIZE(value); p++) {
			for (r = 1; r < ARRAY_SIZE(value); r++) {
				struct vmdedup_pace pace = {};

				for (again = 0; again < 3; again++)
					assert_true(vmdedup_pace_sleep(&pace,
								       value[n],
								       value[p],
								       value[r])
						    <= MAX_SLEEP);
			}
		}
	}
}

/* More pages or a lower rate never mean less sleep, up to the end of time. */
static void sleep_is_monotonic(void **state)
{
	u64 rng = 17;
	unsigned int i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		u64 now = rng_next(&rng) >> (1 + rng_below(&rng, 40));
		u64 pages = rng_next(&rng) >> rng_below(&rng, 64);
		u64 rate = max(rng_next(&rng) >> rng_below(&rng, 64), 1ULL);
		struct vmdedup_pace a = { now }, b = { now }, c = { now };
		u64 base, more, slower;

		base = vmdedup_pace_sleep(&a, now, pages / 2, rate);
		more = vmdedup_pace_sleep(&b, now, pages, rate);
		slower = vmdedup_pace_sleep(&c, now, pages / 2,
					    max(rate / 2, 1ULL));
		assert_true(base <= more);
		assert_true(base <= slower);
		assert_true(base <= MAX_SLEEP && more <= MAX_SLEEP);
	}
}

static void rate_by_hand(void **state)
{
	(void)state;
	assert_true(vmdedup_pace_rate(1, 0, 0) == 1);
	assert_true(vmdedup_pace_rate(1, U64_MAX, 60) == 1);
	assert_true(vmdedup_pace_rate(U64_MAX, 5, 60) == U64_MAX);
}

static void rate_automatic(void **state)
{
	(void)state;
	assert_true(vmdedup_pace_rate(0, 60000000, 60) == 1000000);
	/* The floor, and its border. */
	assert_true(vmdedup_pace_rate(0, 0, 60) == VMDEDUP_PACE_MIN_RATE);
	assert_true(vmdedup_pace_rate(0, 60 * VMDEDUP_PACE_MIN_RATE - 1, 60) ==
		    VMDEDUP_PACE_MIN_RATE);
	assert_true(vmdedup_pace_rate(0, 60 * (VMDEDUP_PACE_MIN_RATE + 1), 60) ==
		    VMDEDUP_PACE_MIN_RATE + 1);
	/* No target is as one second. */
	assert_true(vmdedup_pace_rate(0, 100000, 0) == 100000);
	assert_true(vmdedup_pace_rate(0, U64_MAX, 1) == U64_MAX);
	assert_true(vmdedup_pace_rate(0, U64_MAX, U64_MAX) ==
		    VMDEDUP_PACE_MIN_RATE);
}

/* A thread that runs when it is not asleep: its part of the time. */
static void cpu_in_the_long_run(void **state)
{
	static const unsigned int percent[] = { 1, 7, 50, 99, 100 };
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(percent); i++) {
		struct vmdedup_pace pace = {};
		u64 now = 50 * SEC, end = now + 600 * SEC, ran = 0, rng = i;
		double part;

		while (now < end) {
			u64 work = rng_below(&rng, 3 * MSEC), ns;

			now += work;
			ran += work;
			ns = vmdedup_pace_cpu(&pace, now, work, percent[i]);
			/* In ticks, short ones not at all, late. */
			if (ns >= TICK)
				now += ns / TICK * TICK + rng_below(&rng, TICK);
		}
		part = 100.0 * ran / (now - 50 * SEC);
		if (part > percent[i] * 1.01 || part < percent[i] * 0.9)
			fail_msg("%.2f of %u %%", part, percent[i]);
	}
}

static void cpu_without_limit(void **state)
{
	struct vmdedup_pace pace = {};
	unsigned int i;

	(void)state;
	for (i = 0; i < 100; i++)
		assert_int_equal(vmdedup_pace_cpu(&pace, SEC, U64_MAX, 0), 0);
	/* Nothing is owed when a limit is set, but for the time from then on. */
	assert_true(vmdedup_pace_cpu(&pace, SEC, SEC / 10, 10) ==
		    SEC - SEC / 10);
	/* And what is owed is forgiven without one. */
	assert_int_equal(vmdedup_pace_cpu(&pace, SEC, 0, 0), 0);
	assert_int_equal(vmdedup_pace_cpu(&pace, SEC, 0, 10), 0);
}

static void cpu_extremes(void **state)
{
	static const u64 value[] = {
		0, 1, SEC, 600 * SEC, 6000 * SEC, U64_MAX / 100, U64_MAX / 100 + 1,
		S64_MAX, U64_MAX,
	};
	static const unsigned int percent[] = { 0, 1, 99, 100, 101, UINT32_MAX };
	unsigned int n, r, p, again;

	(void)state;
	for (n = 0; n < ARRAY_SIZE(value); n++) {
		for (r = 0; r < ARRAY_SIZE(value); r++) {
			for (p = 0; p < ARRAY_SIZE(percent); p++) {
				struct vmdedup_pace pace = {};

				for (again = 0; again < 3; again++)
					assert_true(vmdedup_pace_cpu(&pace,
								     value[n],
								     value[r],
								     percent[p])
						    <= MAX_SLEEP);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_run_rate),
		cmocka_unit_test(long_run_rate_of_a_thread),
		cmocka_unit_test(slow_worker),
		cmocka_unit_test(no_burst_after_idle),
		cmocka_unit_test(no_burst_ever),
		cmocka_unit_test(huge_steps),
		cmocka_unit_test(no_pages_no_sleep),
		cmocka_unit_test(debt_is_kept),
		cmocka_unit_test(many_threads),
		cmocka_unit_test(rate_changes),
		cmocka_unit_test(extremes),
		cmocka_unit_test(sleep_is_monotonic),
		cmocka_unit_test(rate_by_hand),
		cmocka_unit_test(rate_automatic),
		cmocka_unit_test(cpu_in_the_long_run),
		cmocka_unit_test(cpu_without_limit),
		cmocka_unit_test(cpu_extremes),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
