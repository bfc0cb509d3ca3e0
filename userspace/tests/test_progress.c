// SPDX-License-Identifier: GPL-2.0
/* The bar, and how it is known how far a merge is. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "merge_progress.h"

static void test_line(void **state)
{
	static const struct {
		uint64_t done, total;
		const char *line;
	} cases[] = {
		{ 0, 0, "reading [                    ]   0 %  0 B of 0 B" },
		{ 0, 256, "reading [                    ]   0 %  0 B of 1.00 MiB" },
		{ 128, 256, "reading [##########          ]  50 %  512 KiB of 1.00 MiB" },
		{ 255, 256, "reading [################### ]  99 %  1020 KiB of 1.00 MiB" },
		{ 256, 256, "reading [####################] 100 %  1.00 MiB of 1.00 MiB" },
		/* More than was thought. */
		{ 512, 256, "reading [####################] 100 %  2.00 MiB of 2.00 MiB" },
	};
	char line[PROGRESS_LINE_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		progress_line(line, "reading", cases[i].done, cases[i].total);
		assert_string_equal(line, cases[i].line);
	}
	progress_line(line, "more than twenty characters", UINT64_MAX / 4096, UINT64_MAX / 4096);
	assert_in_range(strlen(line), 70, 79);
}

/* What arrives at @fd until it is closed. */
static char *read_all(int fd)
{
	char *text = calloc(1, 65536);
	size_t len = 0;
	ssize_t got;

	while ((got = read(fd, text + len, 65535 - len)) > 0)
		len += got;
	return text;
}

static void draw(void)
{
	struct progress progress;

	progress_init(&progress);
	progress_show(&progress, "reading", 1, 2);
	progress_clear(&progress);
	fflush(stderr);
	_exit(0);
}

/* In the foreground of a terminal: as a shell starts it. */
static void test_terminal(void **state)
{
	int master, status;
	char *text;
	pid_t pid;

	(void)state;
	pid = forkpty(&master, NULL, NULL, NULL);
	if (!pid) {
		setenv("TERM", "vt100", 1);
		draw();
	}
	text = read_all(master);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_contains(text, "reading [##########          ]  50 %");
	assert_string_equal(text + strlen(text) - 4, "\r\033[K");
	free(text);
	close(master);
}

/* A terminal, but of somebody else: as a console that a service writes to. */
static void test_console(void **state)
{
	int master, slave, status, mode;
	char *text;
	pid_t pid;

	(void)state;
	for (mode = 0; mode < 3; mode++) {
		assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
		pid = mode ? fork() : forkpty(&status, NULL, NULL, NULL);
		if (!pid) {
			setenv("TERM", mode == 2 ? "dumb" : "vt100", 1);
			if (mode)
				setsid();
			dup2(slave, 2);
			close(slave);
			close(master);
			draw();
		}
		waitpid(pid, &status, 0);
		assert_int_equal(status, 0);
		close(slave);
		text = read_all(master);
		assert_string_equal(text, "");
		free(text);
		close(master);
	}
}

static void test_pipe(void **state)
{
	int fds[2], status;
	char *text;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		setenv("TERM", "vt100", 1);
		dup2(fds[1], 2);
		draw();
	}
	close(fds[1]);
	text = read_all(fds[0]);
	waitpid(pid, &status, 0);
	assert_string_equal(text, "");
	free(text);
	close(fds[0]);
}

static void scanned(struct vmdedup_query *regions, uint64_t a, uint64_t b, uint64_t unique_a)
{
	regions[0].scanned = a;
	regions[1].scanned = b;
	regions[0].unique = unique_a;
}

static void test_merge_rounds(void **state)
{
	struct vmdedup_query regions[2] = {
		{ .region_id = 4, .scanned = 1000, .unique = 100 },
		{ .region_id = 9, .scanned = 0, .unique = 50 },
	};
	struct region_list list = { .count = 2, .regions = regions };
	struct merge_progress progress = { 0 };

	(void)state;
	assert_int_equal(merge_progress_take(&progress, &list), 0);
	assert_int_equal(progress.total, 150);
	merge_progress_update(&progress, &list);
	assert_int_equal(progress.done, 0);
	scanned(regions, 1060, 0, 100);
	merge_progress_update(&progress, &list);
	assert_int_equal(progress.done, 60);
	assert_int_equal(progress.round, 1);
	/* More than was thought, and less left for the next round. */
	scanned(regions, 1130, 20, 30);
	merge_progress_update(&progress, &list);
	assert_int_equal(progress.done, 120);
	scanned(regions, 1130, 50, 30);
	merge_progress_update(&progress, &list);
	assert_int_equal(progress.round, 2);
	assert_int_equal(progress.total, 30 + 50);
	assert_int_equal(progress.done, 30);
	/* One goes away. */
	list.count = 1;
	scanned(regions, 1130, 50, 0);
	merge_progress_update(&progress, &list);
	assert_int_equal(progress.round, 3);
	assert_int_equal(progress.total, 0);
	merge_progress_update(&progress, &list);
	assert_int_equal(progress.round, 3);
	free(progress.regions);
}

/* Nobody watches: nothing is asked for, and nothing printed. */
static void test_merge_quiet(void **state)
{
	struct bench *bench = *state;

	fake_region(&bench->fake, 1, 0x1000, 0x1000)->resident = 1;
	run(bench, "merge");
	assert_int_equal(bench->status, CLI_OK);
	assert_string_equal(bench->err, "");
	assert_int_equal(bench->fake.calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_console),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_merge_rounds),
		cmocka_unit_test_setup_teardown(test_merge_quiet, bench_setup, bench_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
