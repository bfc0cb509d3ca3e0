// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "harness.h"

static void test_stats(void **state)
{
	struct bench *bench = *state;
	struct vmdedup_values values;
	uint64_t value = 7;

	bench_write(bench, "sysfs/stats/pages_shared", "12\n");
	bench_write(bench, "sysfs/stats/saved_bytes", "18446744073709551615\n");
	bench_write(bench, "sysfs/stats/a_new_counter", "0\n");
	bench_write(bench, "sysfs/stats/full_scans", "3");
	assert_int_equal(vmdedup_read_stats(bench->ctx, &values), 0);
	assert_int_equal(values.count, 4);
	assert_string_equal(values.values[0].name, "a_new_counter");
	assert_string_equal(values.values[3].name, "saved_bytes");
	assert_int_equal(vmdedup_values_get(&values, "saved_bytes", &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(vmdedup_values_get(&values, "full_scans", &value), 0);
	assert_int_equal(value, 3);
	assert_int_equal(vmdedup_values_get(&values, "absent", &value), -ENOENT);
	assert_int_equal(value, 3);
	vmdedup_values_free(&values);
	assert_int_equal(values.count, 0);
}

/* What stands beside the tunables in a misc device's directory. */
static void test_tunables(void **state)
{
	struct bench *bench = *state;
	struct vmdedup_values values;

	bench_write(bench, "sysfs/run", "1\n");
	bench_write(bench, "sysfs/scan_rate", "100000\n");
	bench_write(bench, "sysfs/dev", "10:125\n");
	bench_write(bench, "sysfs/uevent", "MAJOR=10\nMINOR=125\nDEVNAME=vmdedup\n");
	bench_write(bench, "sysfs/power/control", "1\n");
	bench_write(bench, "sysfs/stats/full_scans", "3\n");
	assert_int_equal(vmdedup_read_tunables(bench->ctx, &values), 0);
	assert_int_equal(values.count, 2);
	assert_string_equal(values.values[0].name, "run");
	assert_string_equal(values.values[1].name, "scan_rate");
	vmdedup_values_free(&values);
}

static void test_not_numbers(void **state)
{
	static const char *const bad[] = {
		"", "\n", "-1\n", "+1\n", " 1\n", "1 2\n", "1\n\n", "x\n", "0x1\n",
		"18446744073709551616\n", "1111111111111111111111111111\n",
		"000000000000000000000000000001\n",
	};
	struct bench *bench = *state;
	struct vmdedup_values values;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		bench_write(bench, "sysfs/stats/counter", bad[i]);
		assert_int_equal(vmdedup_read_stats(bench->ctx, &values), 0);
		if (values.count)
			fail_msg("'%s' was taken", bad[i]);
		vmdedup_values_free(&values);
	}
}

static void test_absent(void **state)
{
	struct bench *bench = *state;
	struct vmdedup_values values;

	assert_int_equal(vmdedup_read_stats(bench->ctx, &values), -ENOENT);
	assert_int_equal(vmdedup_read_tunables(bench->ctx, &values), -ENOENT);
	vmdedup_values_free(&values);
	bench_write(bench, "sysfs/stats", "not a directory");
	assert_int_equal(vmdedup_read_stats(bench->ctx, &values), -ENOTDIR);
}

static void test_skip_reasons(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < VMDEDUP_SKIP_NR; i++) {
		assert_non_null(vmdedup_skip_name(i));
		assert_non_null(vmdedup_skip_text(i));
	}
	assert_string_equal(vmdedup_skip_name(VMDEDUP_SKIP_HUGE_PART), "huge_part");
	assert_null(vmdedup_skip_name(VMDEDUP_SKIP_NR));
	assert_null(vmdedup_skip_text(VMDEDUP_SKIP_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stats, bench_setup, bench_teardown),
		cmocka_unit_test_setup_teardown(test_tunables, bench_setup, bench_teardown),
		cmocka_unit_test_setup_teardown(test_not_numbers, bench_setup, bench_teardown),
		cmocka_unit_test_setup_teardown(test_absent, bench_setup, bench_teardown),
		cmocka_unit_test(test_skip_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
