// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"
#include "proc.h"

static void test_mapping_good(void **state)
{
	struct mapping mapping;

	(void)state;
	assert_true(proc_parse_mapping("7f1200000000-7f1240000000 rw-p 00000000 00:00 0 \n",
				       &mapping));
	assert_true(mapping.start == 0x7f1200000000 && mapping.end == 0x7f1240000000);
	assert_true(mapping.writable);
	assert_false(mapping.shared);
	assert_true(proc_parse_mapping("1000-2000 r-xs 00000000 08:01 12 /a file (deleted)",
				       &mapping));
	assert_false(mapping.writable);
	assert_true(mapping.shared);
	assert_true(proc_parse_mapping("ffffffffff600000-ffffffffff601000 --xp 0 0 0 [vsyscall]",
				       &mapping));
}

static void test_mapping_bad(void **state)
{
	static const char *const bad[] = {
		"", "\n", "-", "1000", "1000-", "1000-2000", "1000-2000 ", "1000-2000 r",
		"1000-2000 rw-", "1000-2000 rw-p", "1000-2000 rwxp0", "1000-2000 wr-p 0",
		"1000-2000 rw-q 0", "1000-2000  rw-p 0", "2000-1000 rw-p 0", "1000-1000 rw-p 0",
		" 1000-2000 rw-p 0", "-1000-2000 rw-p 0", "1000--2000 rw-p 0", "g000-2000 rw-p 0",
		"1000-10000000000000000 rw-p 0", "1000 2000 rw-p 0", "+1000-2000 rw-p 0",
		"1000-\n2000 rw-p 0", "99999999999999999999999999999999-2000 rw-p 0",
	};
	struct mapping mapping;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (proc_parse_mapping(bad[i], &mapping))
			fail_msg("'%s' was taken", bad[i]);
	}
}

static void test_maps(void **state)
{
	struct bench *bench = *state;
	struct mapping *mappings;
	size_t count;

	bench_write(bench, "proc/10/maps",
		    "1000-2000 rw-p 0 0 0\n2000-3000 rw-p 0 0 0\n4000-9000 r--p 0 0 0 /x\n");
	assert_int_equal(proc_read_maps(bench->proc_dir, 10, &mappings, &count), 0);
	/* Adjacent ones stay apart. */
	assert_int_equal(count, 3);
	assert_int_equal(mappings[1].start, 0x2000);
	assert_int_equal(mappings[2].end, 0x9000);
	free(mappings);

	bench_write(bench, "proc/11/maps", "");
	assert_int_equal(proc_read_maps(bench->proc_dir, 11, &mappings, &count), 0);
	assert_int_equal(count, 0);
	assert_null(mappings);

	bench_write(bench, "proc/12/maps", "1000-2000 rw-p 0 0 0\ngarbage\n");
	assert_int_equal(proc_read_maps(bench->proc_dir, 12, &mappings, &count), -EPROTO);
	assert_null(mappings);
	assert_int_equal(count, 0);

	bench_write(bench, "proc/13/maps/directory", "");
	assert_int_equal(proc_read_maps(bench->proc_dir, 13, &mappings, &count), -EISDIR);
	assert_int_equal(proc_read_maps(bench->proc_dir, 99, &mappings, &count), -ESRCH);
}

static void test_own_maps(void **state)
{
	struct mapping *mappings;
	size_t i, count, here = 0;

	(void)state;
	assert_int_equal(proc_read_maps("/proc", getpid(), &mappings, &count), 0);
	for (i = 0; i < count; i++)
		here += mappings[i].writable && (uintptr_t)&count >= mappings[i].start &&
			(uintptr_t)&count < mappings[i].end;
	free(mappings);
	assert_int_equal(here, 1);
}

static void test_comm(void **state)
{
	struct bench *bench = *state;
	char comm[PROC_COMM_MAX];

	bench_write(bench, "proc/10/comm", "qemu-system-x86\n");
	proc_read_comm(bench->proc_dir, 10, comm);
	assert_string_equal(comm, "qemu-system-x86");

	bench_write(bench, "proc/10/comm", "\033[2J\n\xff\"\n");
	proc_read_comm(bench->proc_dir, 10, comm);
	assert_string_equal(comm, "?[2J??\"");

	bench_write(bench, "proc/10/comm", "longer than any comm can be\n");
	proc_read_comm(bench->proc_dir, 10, comm);
	assert_string_equal(comm, "longer than any");

	bench_write(bench, "proc/10/comm", "\n");
	proc_read_comm(bench->proc_dir, 10, comm);
	assert_string_equal(comm, "-");
	proc_read_comm(bench->proc_dir, 99, comm);
	assert_string_equal(comm, "-");
	proc_read_comm(bench->proc_dir, 0, comm);
	assert_string_equal(comm, "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mapping_good),
		cmocka_unit_test(test_mapping_bad),
		cmocka_unit_test_setup_teardown(test_maps, bench_setup, bench_teardown),
		cmocka_unit_test(test_own_maps),
		cmocka_unit_test_setup_teardown(test_comm, bench_setup, bench_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
