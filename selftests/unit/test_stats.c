// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/stats.h"
#include "model.h"

/* All members are u64: what a new one would be forgotten in is seen here. */
#define WORDS	(sizeof(struct vmdedup_tally) / sizeof(u64))

static void tally_has_only_counts(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct vmdedup_tally) % sizeof(u64), 0);
	assert_in_range(WORDS, VMDEDUP_EV_NR + VMDEDUP_SKIP_NR, 1000);
}

static void add_adds_every_member(void **state)
{
	u64 sum[WORDS], part[WORDS], was[WORDS], rng = 3;
	struct vmdedup_tally a, b;
	unsigned int i;

	(void)state;
	for (i = 0; i < WORDS; i++) {
		was[i] = rng_next(&rng) >> 8;
		part[i] = rng_next(&rng) >> 8;
	}
	memcpy(&a, was, sizeof(a));
	memcpy(&b, part, sizeof(b));
	vmdedup_tally_add(&a, &b);
	memcpy(sum, &a, sizeof(a));
	for (i = 0; i < WORDS; i++)
		assert_true(sum[i] == was[i] + part[i]);
	assert_memory_equal(&b, part, sizeof(b));
}

static void add_one_member_at_a_time(void **state)
{
	unsigned int i, j;

	(void)state;
	for (i = 0; i < WORDS; i++) {
		struct vmdedup_tally sum = {}, part = {};

		((u64 *)&part)[i] = 5;
		vmdedup_tally_add(&sum, &part);
		vmdedup_tally_add(&sum, &part);
		for (j = 0; j < WORDS; j++)
			assert_int_equal(((u64 *)&sum)[j], i == j ? 10 : 0);
	}
}

#define LEDGER_WORDS	(sizeof(struct vmdedup_ledger) / sizeof(u64))

static void ledger_adds_every_member(void **state)
{
	struct vmdedup_ledger sum = {}, part = {}, counters = {};
	unsigned int i;

	(void)state;
	assert_int_equal(sizeof(sum) % sizeof(u64), 0);
	for (i = 0; i < LEDGER_WORDS; i++)
		((u64 *)&part)[i] = i + 1;
	vmdedup_ledger_add(&sum, &part);
	vmdedup_ledger_add(&sum, &part);
	for (i = 0; i < LEDGER_WORDS; i++)
		assert_int_equal(((u64 *)&sum)[i], 2 * (i + 1));

	vmdedup_ledger_add_counters(&counters, &part);
	for (i = 0; i < LEDGER_WORDS; i++) {
		bool counter = i == VMDEDUP_LEDGER_scanned ||
			       i == VMDEDUP_LEDGER_merges ||
			       i == VMDEDUP_LEDGER_cow_breaks ||
			       i == VMDEDUP_LEDGER_scan_ns;

		assert_int_equal(((u64 *)&counters)[i], counter ? i + 1 : 0);
	}
}

/* Each statistic is a counter or a gauge, and none is both. */
static void kinds_are_complete(void **state)
{
	enum {
#define GAUGE(name, kind, what) VMDEDUP_IF_GAUGE_##kind(GAUGE_##name,)
		VMDEDUP_STATS(GAUGE)
#undef GAUGE
		GAUGE_NR
	};

	(void)state;
	assert_int_equal(VMDEDUP_EV_NR + GAUGE_NR, VMDEDUP_STAT_NR);
	assert_int_equal(VMDEDUP_STAT_NR + VMDEDUP_A_STATS_SKIPPED,
			 VMDEDUP_A_STATS_MAX);
	assert_int_equal(VMDEDUP_LEDGER_NR + VMDEDUP_A_LEDGER_SKIPPED,
			 VMDEDUP_A_LEDGER_MAX);
}

/* What every place that shows statistics counts on. */
static void names_are_usable(void **state)
{
	static const char * const name[] = {
#define NAME(name, kind, what) #name,
		VMDEDUP_STATS(NAME)
#undef NAME
#define SKIP_NAME(NAME, name, text) "skip_" #name,
		VMDEDUP_SKIP_REASONS(SKIP_NAME)
#undef SKIP_NAME
	};
	unsigned int i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(name); i++) {
		assert_int_equal(strspn(name[i],
					"abcdefghijklmnopqrstuvwxyz0123456789_"),
				 strlen(name[i]));
		for (j = 0; j < i; j++)
			assert_string_not_equal(name[i], name[j]);
	}
	assert_in_range(VMDEDUP_SKIP_NR, 1, VMDEDUP_SKIP_SLOTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tally_has_only_counts),
		cmocka_unit_test(add_adds_every_member),
		cmocka_unit_test(add_one_member_at_a_time),
		cmocka_unit_test(ledger_adds_every_member),
		cmocka_unit_test(kinds_are_complete),
		cmocka_unit_test(names_are_usable),
	};

	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
