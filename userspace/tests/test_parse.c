// SPDX-License-Identifier: GPL-2.0
#include <limits.h>

#include "harness.h"
#include "output.h"
#include "parse.h"

static void test_number(void **state)
{
	static const char *const bad[] = {
		"", " ", "-1", "+1", " 1", "1 ", "1x", "0x10", "x", "18446744073709551616",
		"99999999999999999999999999999", "1\n", "--", "1,5", "1.5", "1e3",
	};
	uint64_t value = 7;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse_number(bad[i], UINT64_MAX, &value))
			fail_msg("'%s' was taken", bad[i]);
	}
	assert_false(parse_number("11", 10, &value));
	assert_int_equal(value, 7);
	assert_true(parse_number("10", 10, &value));
	assert_int_equal(value, 10);
	assert_true(parse_number("18446744073709551615", UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	assert_true(parse_number("010", UINT64_MAX, &value));
	assert_int_equal(value, 10);
}

static void test_pid(void **state)
{
	static const char *const bad[] = {
		"", "0", "-1", "+1", "self", "1 2", "2147483648", "4294967297", "0x1", "1.0",
	};
	pid_t pid = 7;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse_pid(bad[i], &pid))
			fail_msg("'%s' was taken", bad[i]);
	}
	assert_int_equal(pid, 7);
	assert_true(parse_pid("1", &pid));
	assert_int_equal(pid, 1);
	assert_true(parse_pid("2147483647", &pid));
	assert_int_equal(pid, INT_MAX);
}

static void test_size(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} good[] = {
		{ "0", 0 }, { "1", 1 }, { "010", 10 }, { "0x10", 16 }, { "0X10", 16 },
		{ "4k", 4096 }, { "4K", 4096 }, { "4KiB", 4096 }, { "4kib", 4096 },
		{ "1M", 1 << 20 }, { "2GiB", 2ULL << 30 }, { "3T", 3ULL << 40 },
		{ "0x1M", 1 << 20 }, { "18446744073709551615", UINT64_MAX },
		{ "16777215T", 16777215ULL << 40 },
	};
	static const char *const bad[] = {
		"", "M", "-1M", "+1M", " 1M", "1 M", "1MB", "1Mi", "1MiBs", "1P", "1KK", "0x",
		"0xg", "1.5M", "16777216T", "18446744073709551616", "18014398509481984K", "1M ",
	};
	uint64_t size;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		if (!parse_size(good[i].text, &size))
			fail_msg("'%s' was not taken", good[i].text);
		assert_true(size == good[i].size);
	}
	size = 7;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse_size(bad[i], &size))
			fail_msg("'%s' was taken", bad[i]);
	}
	assert_int_equal(size, 7);
}

static void test_range(void **state)
{
	static const struct {
		const char *text;
		uint64_t start, length;
	} good[] = {
		{ "1000-2000", 0x1000, 0x1000 },
		{ "0x1000-0x2000", 0x1000, 0x1000 },
		{ "7f0000000000-7f0040000000", 0x7f0000000000, 1 << 30 },
		{ "1000+4K", 0x1000, 4096 },
		{ "1000+4096", 0x1000, 4096 },
		{ "0-ffffffffffffffff", 0, UINT64_MAX },
		/* Not aligned, and wrapping around: the kernel's to refuse. */
		{ "1001+1", 0x1001, 1 },
		{ "ffffffffffffffff+18446744073709551615", UINT64_MAX, UINT64_MAX },
	};
	static const char *const bad[] = {
		"", "-", "+", "1000", "1000-", "1000+", "-2000", "+2000", "2000-1000",
		"1000-1000", "1000+0", "1000--2000", "1000-+2000", "1000 -2000", "1000- 2000",
		"1000-2000-3000", "1000-2000 ", "g-h", "1000+1Z", "1000+-1",
		"10000000000000000-20000000000000000", "0-10000000000000000", "0x-0x1",
		"1000-2000\n", "1000:2000", "1000+16777216T",
	};
	uint64_t start = 7, length = 7;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse_range(bad[i], &start, &length))
			fail_msg("'%s' was taken", bad[i]);
		assert_true(start == 7 && length == 7);
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		if (!parse_range(good[i].text, &start, &length))
			fail_msg("'%s' was not taken", good[i].text);
		assert_true(start == good[i].start && length == good[i].length);
	}
}

static void test_human_size(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1.00 KiB" }, { 4096, "4.00 KiB" },
		{ 10235, "10.0 KiB" }, { 102399, "100 KiB" }, { 1048575, "1024 KiB" },
		{ 1 << 20, "1.00 MiB" }, { 512 << 20, "512 MiB" }, { 3ULL << 29, "1.50 GiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char buf[HUMAN_SIZE_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(human_size(cases[i].bytes, buf), cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_pid),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_human_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
