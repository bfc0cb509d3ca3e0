// SPDX-License-Identifier: GPL-2.0
/* Tunables: all or nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "harness.h"
#include "tunable.h"

static void tunables(struct bench *bench)
{
	char path[128];

	bench_write(bench, "sysfs/run", "1\n");
	bench_write(bench, "sysfs/scan_rate", "0\n");
	bench_write(bench, "sysfs/domain_policy", "uid\n");
	bench_write(bench, "sysfs/of_a_later_version", "off [on]\n");
	/* None of these is a tunable. */
	bench_write(bench, "sysfs/dev", "10:125\n");
	bench_write(bench, "sysfs/uevent", "MAJOR\n");
	bench_write(bench, "sysfs/read_only", "7\n");
	bench_write(bench, "sysfs/power/control", "auto\n");
	bench_write(bench, "sysfs/stats/full_scans", "3\n");
	snprintf(path, sizeof(path), "%s/sysfs/read_only", bench->dir);
	chmod(path, 0444);
}

static void assert_tunable(struct bench *bench, const char *name, const char *value)
{
	const struct vmdedup_tunable *tunable;
	struct vmdedup_tunables all;

	assert_int_equal(vmdedup_tunables_read(bench->ctx, &all), 0);
	tunable = vmdedup_tunables_find(&all, name);
	assert_non_null(tunable);
	assert_string_equal(tunable->value, value);
	vmdedup_tunables_free(&all);
}

static void test_list(void **state)
{
	struct bench *bench = *state;

	run_golden(bench, "tune", "tune-not-loaded");
	tunables(bench);
	run_golden(bench, "tune", "tune");
	run_golden(bench, "tune --json", "tune-json");
	run(bench, "tune domain_policy");
	assert_int_equal(bench->status, CLI_OK);
	assert_string_equal(bench->out, "uid\n");
	run(bench, "tune run of_a_later_version");
	assert_string_equal(bench->out, "run=1\nof_a_later_version=on\n");
	assert_int_equal(bench->fake.set, 0);
}

static void test_set(void **state)
{
	struct bench *bench = *state;

	tunables(bench);
	run(bench, "tune scan_rate=5000 domain_policy=host run");
	assert_int_equal(bench->status, CLI_OK);
	assert_string_equal(bench->out,
			    "scan_rate: 0 -> 5000\ndomain_policy: uid -> host\nrun=1\n");
	assert_tunable(bench, "scan_rate", "5000");
	assert_tunable(bench, "domain_policy", "host");
	run(bench, "tune scan_rate=0x10 --json");
	assert_string_equal(bench->out, "{\"tunables\":{\"scan_rate\":\"0x10\"}}\n");
}

/* One is refused: those before it get their old values back. */
static void test_all_or_nothing(void **state)
{
	struct bench *bench = *state;

	tunables(bench);
	bench->fake.refused = "run=9\n";
	run(bench, "tune scan_rate=5000 domain_policy=host run=9");
	assert_int_equal(bench->status, CLI_REFUSED);
	assert_string_equal(bench->out, "");
	assert_string_equal(bench->err, "vmdedup: run=9 was refused (it takes 0, 1 or 2); "
			    "nothing was changed\n");
	assert_tunable(bench, "scan_rate", "0");
	assert_tunable(bench, "domain_policy", "uid");
	assert_tunable(bench, "run", "1");
	assert_int_equal(bench->fake.set, 4);
}

/* These are noticed before anything is set. */
static void test_wrong(void **state)
{
	static const struct {
		const char *line;
		const char *error;
		int status;
	} wrong[] = {
		{ "tune run=0 scan_rat=1", "no tunable 'scan_rat'", CLI_REFUSED },
		{ "tune run=0 read_only=1", "no tunable 'read_only'", CLI_REFUSED },
		{ "tune run=0 uevent=add", "no tunable 'uevent'", CLI_REFUSED },
		{ "tune run=0 dev=1", "no tunable 'dev'", CLI_REFUSED },
		{ "tune run=0 scan_rate=uid", "scan_rate takes a number, not 'uid'", CLI_REFUSED },
		{ "tune run=0 domain_policy=1", "domain_policy takes a word", CLI_REFUSED },
		{ "tune run=0 scan_rate=1K", "scan_rate takes a number", CLI_REFUSED },
		{ "tune run=0 run=1", "'run' is given twice", CLI_USAGE },
		{ "tune run=0 stats/full_scans=1", "neither NAME nor", CLI_USAGE },
		{ "tune run=0 ../run=1", "neither NAME nor", CLI_USAGE },
		{ "tune run=0 .=1", "neither NAME nor", CLI_USAGE },
		{ "tune run=0 =1", "neither NAME nor", CLI_USAGE },
		{ "tune run=0 scan_rate=", "neither NAME nor", CLI_USAGE },
		{ "tune run=0 --from /nowhere", "/nowhere: No such file", CLI_REFUSED },
	};
	struct bench *bench = *state;
	size_t i;

	tunables(bench);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		run(bench, wrong[i].line);
		assert_contains(bench->err, wrong[i].error);
		assert_int_equal(bench->status, wrong[i].status);
		assert_int_equal(bench->fake.set, 0);
	}
}

static void from(struct bench *bench, const char *text)
{
	char line[128];

	bench_write(bench, "conf", text);
	snprintf(line, sizeof(line), "tune --from %s/conf", bench->dir);
	run(bench, line);
}

static void test_file(void **state)
{
	struct bench *bench = *state;

	tunables(bench);
	from(bench, "# how it shall be\n\n  scan_rate = 5000  \nrun=0\r\n\t# that is all");
	assert_int_equal(bench->status, CLI_OK);
	assert_string_equal(bench->out, "scan_rate: 0 -> 5000\nrun: 1 -> 0\n");
	/* Nothing in it is nothing to do. */
	from(bench, "# none\n");
	assert_int_equal(bench->status, CLI_OK);
	assert_string_equal(bench->out, "");
	from(bench, "");
	assert_int_equal(bench->status, CLI_OK);

	bench->fake.set = 0;
	from(bench, "run=1\n\nscan_rate\n");
	assert_contains(bench->err, "/conf:3: not NAME=VALUE\n");
	assert_int_equal(bench->status, CLI_USAGE);
	from(bench, "run=1\nscan_rate=1 2\n");
	assert_contains(bench->err, "/conf:2: not NAME=VALUE\n");
	from(bench, "run=1\nbogus=1\n");
	assert_contains(bench->err, "/conf:2: no tunable 'bogus'");
	assert_int_equal(bench->status, CLI_REFUSED);
	assert_int_equal(bench->fake.set, 0);
	bench->fake.refused = "scan_rate=6\n";
	from(bench, "run=1\nscan_rate=6\n");
	assert_contains(bench->err, "/conf:2: scan_rate=6 was refused");
	assert_tunable(bench, "run", "0");
}

static void test_parse(void **state)
{
	char name[VMDEDUP_TUNABLE_MAX + 3];
	struct vmdedup_tunable tunable;

	(void)state;
	memset(name, 'a', sizeof(name));
	strcpy(name + VMDEDUP_TUNABLE_MAX - 1, "=1");
	assert_int_equal(vmdedup_tunable_parse(name, &tunable), VMDEDUP_TUNABLE_ASSIGNMENT);
	assert_int_equal(strlen(tunable.name), VMDEDUP_TUNABLE_MAX - 1);
	strcpy(name + VMDEDUP_TUNABLE_MAX - 1, "a=1");
	assert_int_equal(vmdedup_tunable_parse(name, &tunable), VMDEDUP_TUNABLE_WRONG);
	assert_int_equal(vmdedup_tunable_parse("a=b=c", &tunable), VMDEDUP_TUNABLE_WRONG);
	assert_int_equal(vmdedup_tunable_parse("a b", &tunable), VMDEDUP_TUNABLE_WRONG);
	assert_int_equal(vmdedup_tunable_parse("a\\", &tunable), VMDEDUP_TUNABLE_WRONG);
	assert_int_equal(vmdedup_tunable_parse(" a\n", &tunable), VMDEDUP_TUNABLE_NAME);
	assert_int_equal(vmdedup_tunable_parse("", &tunable), VMDEDUP_TUNABLE_NOTHING);
}

static void test_library(void **state)
{
	struct bench *bench = *state;

	tunables(bench);
	assert_int_equal(vmdedup_tunable_set(bench->ctx, "../run", "1"), -EINVAL);
	assert_int_equal(vmdedup_tunable_set(bench->ctx, "..", "1"), -EINVAL);
	assert_int_equal(vmdedup_tunable_set(bench->ctx, "run", "1\n0"), -EINVAL);
	assert_int_equal(vmdedup_tunable_set(bench->ctx, "run", ""), -EINVAL);
	assert_int_equal(vmdedup_tunable_set(bench->ctx, "absent", "1"), -ENOENT);
	assert_int_equal(vmdedup_tunable_set(bench->ctx, "run", "0"), 0);
	assert_null(vmdedup_tunable_text("absent"));
	assert_non_null(vmdedup_tunable_range("run"));
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(test_list),
		BENCH_TEST(test_set),
		BENCH_TEST(test_all_or_nothing),
		BENCH_TEST(test_wrong),
		BENCH_TEST(test_file),
		BENCH_TEST(test_parse),
		BENCH_TEST(test_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
