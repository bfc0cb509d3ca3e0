// SPDX-License-Identifier: GPL-2.0
/* Bad input and refusals: the exit status, a message, and nothing changed. */
#include <errno.h>
#include <string.h>

#include "harness.h"

/* One of these must never reach the device. */
static void test_usage(void **state)
{
	static const char *const lines[] = {
		"", "nonsense", "--nonsense", "-x", "--json", "--", "-1",
		"register", "register x", "register 0", "register -1", "register -- -1",
		"register 2147483648", "register 99999999999999999999", "register 1x",
		"register 1 2000-1000", "register 1 1000-1000", "register 1 1000", "register 1 -",
		"register 1 zz-zzz", "register 1 1000+0", "register 1 1000+-4096",
		"register 1 0-10000000000000000", "register 1 1000-2000 3", "register 1 --nonsense",
		"register 1 1000-2000 --all", "register 1 --all --min-size 1M",
		"register 1 1000-2000 --min-size 1M", "register 1 --min-size",
		"register 1 --min-size x", "register 1 --min-size -1", "register 1 --min-size 1Q",
		"unregister", "unregister x", "unregister 0", "unregister 1 x", "unregister -1",
		"unregister 18446744073709551616", "unregister --pid", "unregister --pid x",
		"unregister --pid 1 --all", "unregister --all 1", "unregister --pid 1 1",
		"merge x", "merge 0", "merge 1 2", "merge --all 1", "merge --pid 1 --all",
		"merge --pid 0", "merge --rounds", "merge --rounds 0", "merge --rounds -1",
		"merge --rounds 4294967296", "merge --rounds x",
		"status x", "status --count=1", "status --nonsense",
	};
	struct bench *bench = *state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		run(bench, lines[i]);
		if (bench->status != CLI_USAGE || bench->out[0] || !bench->err[0])
			fail_msg("vmdedup %s: status %d, '%s', '%s'", lines[i], bench->status,
				 bench->out, bench->err);
	}
	assert_int_equal(bench->fake.calls, 0);
}

static void test_help(void **state)
{
	static const char *const lines[] = {
		"-h", "--help", "-V", "--version", "register -h", "unregister --help",
		"merge -h", "status --help", "-j status -h", "guests -h", "regions -h", "why -h",
		"top -h", "monitor -h", "metrics -h", "exclude -h", "include -h",
	};
	struct bench *bench = *state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		run(bench, lines[i]);
		if (bench->status != CLI_OK || !bench->out[0] || bench->err[0])
			fail_msg("vmdedup %s: status %d, '%s', '%s'", lines[i], bench->status,
				 bench->out, bench->err);
	}
}

static void test_no_module(void **state)
{
	static const char *const lines[] = {
		"register 1", "register 1 --all", "unregister 1", "unregister --all", "merge",
		"merge 1", "merge --pid 1", "status", "status --json", "guests", "guests 1",
		"regions", "regions --guest 1", "why 1", "top --batch 1", "monitor", "metrics",
		"exclude 1", "include 1", "guests --json",
	};
	struct bench *bench = *state;
	size_t i;

	bench->fake.open_error = -ENOENT;
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		run(bench, lines[i]);
		assert_int_equal(bench->status, CLI_REFUSED);
		assert_string_equal(bench->out, "");
		assert_string_equal(bench->err, "vmdedup: the vmdedup module is not loaded: "
				    "modprobe vmdedup\n");
	}
}

static void test_register(void **state)
{
	static const struct {
		const char *line;
		const char *part;
	} cases[] = {
		{ "register 7", "no process 7\n" },
		{ "register 8", "process 8 has no writable mapping of 1.00 MiB or more" },
		{ "register 9", "cannot read the mappings of process 9" },
		{ "register 10 1001-2000", "0x1001" },
		{ "register 10 1000-2001", "the length, 4097" },
		{ "register 10 1000-2000", "nothing is mapped" },
		{ "register 10 fffffffffffff000-ffffffffffffffff", "the length, 4095" },
		{ "register 10 ffff800000000000+1M", "beyond the end of user space" },
		{ "register 10 fffffffffffff000+18446744073709547520", "beyond the end" },
		{ "register 11 1000-2000", "no process 11" },
		{ "register 12 1000-2000", "CAP_SYS_PTRACE" },
		{ "register 12", "CAP_SYS_PTRACE" },
	};
	struct bench *bench = *state;
	size_t i;

	bench->fake.pid = 10;
	bench->fake.forbidden = 12;
	bench_write(bench, "proc/8/maps", "1000-2000 rw-p 0 0 0\n100000-900000 r--p 0 0 0\n");
	bench_write(bench, "proc/9/maps", "garbage\n");
	bench_write(bench, "proc/12/maps", "100000-900000 rw-p 0 0 0\n");
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		run(bench, cases[i].line);
		assert_int_equal(bench->status, CLI_REFUSED);
		assert_string_equal(bench->out, "");
		assert_contains(bench->err, "vmdedup: ");
		assert_contains(bench->err, cases[i].part);
	}
	assert_int_equal(bench->fake.nr_regions, 0);
}

/* The device fails at any call: a message and 2, whatever the command. */
static void test_errors(void **state)
{
	static const char *const lines[] = {
		"register 10", "register 10 --all", "unregister 1", "unregister --pid 10",
		"unregister --all", "merge", "merge 1", "merge --pid 10", "status",
	};
	static const int errors[] = {
		-E2BIG, -EFAULT, -EINVAL, -ENOTTY, -ENODEV, -ENOMEM, -EINTR, -EPERM,
	};
	struct bench *bench = *state;
	size_t i, j;

	bench->fake.pid = 10;
	bench_write(bench, "proc/10/maps", "100000-900000 rw-p 0 0 0\n");
	bench_write(bench, "sysfs/stats/full_scans", "3\n");
	fake_map(&bench->fake, 0x100000, 0x800000, VMDEDUP_SKIP_NONE);
	fake_region(&bench->fake, 10, 0x100000, 0x800000);
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		for (j = 0; j < ARRAY_SIZE(errors); j++) {
			bench->fake.error = errors[j];
			bench->fake.error_at = bench->fake.calls + 1;
			run(bench, lines[i]);
			assert_int_equal(bench->status, CLI_REFUSED);
			assert_contains(bench->err, "vmdedup: ");
		}
	}
	assert_int_equal(bench->fake.nr_regions, 1);
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(test_usage),
		BENCH_TEST(test_help),
		BENCH_TEST(test_no_module),
		BENCH_TEST(test_register),
		BENCH_TEST(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
