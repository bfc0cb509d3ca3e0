// SPDX-License-Identifier: GPL-2.0
/* What the commands print, against a device that is a fake. */
#include <errno.h>
#include <string.h>

#include "harness.h"

#define MIB	(1ULL << 20)
#define RAM	0x7f1200000000ULL
#define HEAP	0x555500000000ULL
#define VIDEO	0x7f1300000000ULL

static const char guest_maps[] =
	"555500000000-555500200000 rw-p 00000000 00:00 0 [heap]\n"
	"555600000000-555600400000 r-xp 00000000 08:01 7 /usr/bin/qemu-system-x86_64\n"
	"7f1200000000-7f1220000000 rw-p 00000000 00:00 0 \n"
	"7f1220000000-7f1220010000 rw-p 00000000 00:00 0 \n"
	"7f1300000000-7f1301000000 rw-s 00000000 00:01 9 /memfd:video (deleted)\n";

static void guest(struct bench *bench, uint32_t ram_reason)
{
	struct fake_device *fake = &bench->fake;

	bench_write(bench, "proc/1234/maps", guest_maps);
	bench_write(bench, "proc/1234/comm", "qemu-system-x86\n");
	fake->pid = 1234;
	fake_map(fake, HEAP, 2 * MIB, VMDEDUP_SKIP_NONE);
	fake_map(fake, RAM, 512 * MIB, ram_reason);
	fake_map(fake, RAM + 512 * MIB, MIB / 16, VMDEDUP_SKIP_NONE);
	fake_map(fake, VIDEO, 16 * MIB, VMDEDUP_SKIP_SHARED);
}

static void merged_regions(struct bench *bench)
{
	struct vmdedup_query *region;

	region = fake_region(&bench->fake, 1234, RAM, 512 * MIB);
	region->region_flags = VMDEDUP_REGION_PERSIST;
	region->uid = 1000;
	region->resident = 131072;
	region->merged = 90000;
	region->zero = 11072;
	region->unique = 30000;
	region->saved = 322961408;
	region->scanned = 262144;
	region->merges = 101072;
	region->skipped[VMDEDUP_SKIP_PINNED] = 17;
	region->skipped[VMDEDUP_SKIP_HUGE] = 4096;
	region->skipped[31] = 1;
	region = fake_region(&bench->fake, 77, HEAP, 8 * MIB);
	region->resident = 2048;
	region->unique = 2048;
	region->skipped[VMDEDUP_SKIP_PINNED] = 3;
	region = fake_region(&bench->fake, 1234, HEAP, 2 * MIB);
	region->resident = 512;
	region->unique = 512;
}

static void counters(struct bench *bench)
{
	bench_write(bench, "sysfs/run", "1\n");
	bench_write(bench, "sysfs/scan_rate", "0\n");
	bench_write(bench, "sysfs/target_pass_secs", "60\n");
	bench_write(bench, "sysfs/dev", "10:125\n");
	bench_write(bench, "sysfs/stats/pages_shared", "22500\n");
	bench_write(bench, "sysfs/stats/pages_sharing", "67500\n");
	bench_write(bench, "sysfs/stats/pages_zero", "11072\n");
	bench_write(bench, "sysfs/stats/pages_scanned", "262144\n");
	bench_write(bench, "sysfs/stats/full_scans", "2\n");
	bench_write(bench, "sysfs/stats/saved_bytes", "321830912\n");
	bench_write(bench, "sysfs/stats/skip_pinned", "20\n");
	bench_write(bench, "sysfs/stats/skip_huge", "4096\n");
	bench_write(bench, "sysfs/stats/skip_ksm", "0\n");
	bench_write(bench, "sysfs/stats/of_a_later_version", "5\n");
}

static void test_register_guest(void **state)
{
	struct bench *bench = *state;

	guest(bench, VMDEDUP_SKIP_NONE);
	run_golden(bench, "register 1234", "register");
	assert_int_equal(bench->fake.nr_regions, 2);
	assert_int_equal(bench->fake.last_flags, VMDEDUP_REGISTER_PERSIST);
	run_golden(bench, "register 1234", "register-again");
	assert_int_equal(bench->fake.nr_regions, 2);
	run_golden(bench, "-p register 1234", "register-json");
	run_golden(bench, "register 1234 --min-size 64K", "register-min-size");
	assert_int_equal(bench->fake.nr_regions, 3);
}

/* The guest's RAM is a memfd: nothing is registered. */
static void test_register_refused(void **state)
{
	struct bench *bench = *state;

	guest(bench, VMDEDUP_SKIP_SHARED);
	run_golden(bench, "register 1234", "register-refused");
	assert_int_equal(bench->fake.nr_regions, 0);
	assert_int_equal(bench->fake.calls, 1);
	run_golden(bench, "register 1234 --json", "register-refused-json");
}

static void test_register_range(void **state)
{
	struct bench *bench = *state;

	guest(bench, VMDEDUP_SKIP_NONE);
	run_golden(bench, "register 1234 7f1200000000+1M", "register-range");
	run_golden(bench, "register 1234 7f1200080000-7f1200180000", "register-overlap");
	run_golden(bench, "register 1234 7f12fff00000-7f1300100000", "register-shared");
	assert_int_equal(bench->fake.nr_regions, 1);
	run(bench, "register 1234 7f121ff00000-7f1301000000");
	assert_int_equal(bench->status, CLI_OK);
	assert_contains(bench->out, "registered; not 16.0 MiB: shared memory");
}

static void test_register_all(void **state)
{
	struct bench *bench = *state;

	guest(bench, VMDEDUP_SKIP_NONE);
	run_golden(bench, "register 1234 --all", "register-all");
	assert_int_equal(bench->fake.last_flags, VMDEDUP_REGISTER_PERSIST | VMDEDUP_REGISTER_ALL);
}

/* A failure after the largest mapping is shown and is no failure of the run. */
static void test_register_small_fails(void **state)
{
	struct bench *bench = *state;

	guest(bench, VMDEDUP_SKIP_NONE);
	bench->fake.error_at = 2;
	bench->fake.error = -ENOSPC;
	run(bench, "register 1234");
	assert_int_equal(bench->status, CLI_OK);
	assert_contains(bench->out, "failed: too many regions");
}

static void test_unregister(void **state)
{
	struct bench *bench = *state;

	merged_regions(bench);
	run_golden(bench, "unregister --unmerge 1 99 2", "unregister");
	assert_int_equal(bench->fake.nr_regions, 1);
	run_golden(bench, "unregister --pid 1234 --json", "unregister-pid-json");
	run_golden(bench, "unregister --pid 1234", "unregister-pid-none");
	run_golden(bench, "unregister --all", "unregister-all-none");
}

static void test_unregister_all(void **state)
{
	struct bench *bench = *state;

	merged_regions(bench);
	/* One region goes away between the listing and the call. */
	bench->fake.error_at = 6;
	bench->fake.error = -ENOENT;
	run(bench, "unregister --all");
	assert_int_equal(bench->status, CLI_OK);
	assert_string_equal(bench->out, "region 1: unregistered\nregion 3: unregistered\n");
}

static void test_merge(void **state)
{
	struct bench *bench = *state;

	merged_regions(bench);
	run_golden(bench, "merge", "merge");
	assert_int_equal(bench->fake.last_flags, VMDEDUP_MERGE_ALL);
	assert_int_equal(bench->fake.max_rounds, 0);
	run_golden(bench, "merge --pid 1234 --rounds 3 --pretty", "merge-pid-json");
	assert_int_equal(bench->fake.max_rounds, 3);
	run_golden(bench, "merge 3", "merge-region");
	run_golden(bench, "merge 99", "merge-no-region");
	run_golden(bench, "merge --pid 5", "merge-no-pid");
}

static void test_status(void **state)
{
	struct bench *bench = *state;
	const char *line, *end;

	bench_write(bench, "proc/1234/comm", "qemu-system-x86\n");
	counters(bench);
	merged_regions(bench);
	run_golden(bench, "status --count", "status");
	assert_int_equal(bench->fake.last_flags, VMDEDUP_QUERY_NEXT | VMDEDUP_QUERY_COUNT);
	for (line = bench->out; (end = strchr(line, '\n')); line = end + 1)
		assert_in_range(end - line, 0, 80);
	run_golden(bench, "--json status", "status-json");
	run_golden(bench, "status -p", "status-pretty");
}

static void test_status_empty(void **state)
{
	struct bench *bench = *state;

	run_golden(bench, "status", "status-not-loaded");
	counters(bench);
	run(bench, "status");
	assert_int_equal(bench->status, CLI_OK);
	assert_contains(bench->out, "no regions: vmdedup register PID");
}

/* Who may not open the device still sees the host's figures. */
static void test_status_no_permission(void **state)
{
	struct bench *bench = *state;

	counters(bench);
	bench->fake.open_error = -EACCES;
	run_golden(bench, "status", "status-no-permission");
	run(bench, "status --json");
	assert_int_equal(bench->status, CLI_REFUSED);
	assert_contains(bench->out, "\"regions\":null");
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(test_register_guest),
		BENCH_TEST(test_register_refused),
		BENCH_TEST(test_register_range),
		BENCH_TEST(test_register_all),
		BENCH_TEST(test_register_small_fails),
		BENCH_TEST(test_unregister),
		BENCH_TEST(test_unregister_all),
		BENCH_TEST(test_merge),
		BENCH_TEST(test_status),
		BENCH_TEST(test_status_empty),
		BENCH_TEST(test_status_no_permission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
