// SPDX-License-Identifier: GPL-2.0
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define MAX_ARGS	16

int bench_setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	char sysfs[80];

	assert_non_null(bench);
	strcpy(bench->dir, "/tmp/vmdedup-test.XXXXXX");
	assert_non_null(mkdtemp(bench->dir));
	snprintf(bench->proc_dir, sizeof(bench->proc_dir), "%s/proc", bench->dir);
	snprintf(sysfs, sizeof(sysfs), "%s/sysfs", bench->dir);
	assert_int_equal(vmdedup_new(&bench->ctx), 0);
	assert_int_equal(vmdedup_set_sysfs_dir(bench->ctx, sysfs), 0);
	vmdedup_set_ops(bench->ctx, &fake_ops, &bench->fake);
	fake_link_setup(&bench->link);
	bench->link.absent = true;
	vmdedup_set_link_ops(bench->ctx, &fake_link_ops, &bench->link);
	*state = bench;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int bench_teardown(void **state)
{
	struct bench *bench = *state;

	nftw(bench->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	vmdedup_free(bench->ctx);
	fake_link_teardown(&bench->link);
	free(bench->out);
	free(bench->err);
	free(bench);
	return 0;
}

void bench_write(struct bench *bench, const char *path, const char *text)
{
	char full[256];
	char *slash;
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", bench->dir, path);
	for (slash = full + strlen(bench->dir) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

void run(struct bench *bench, const char *line)
{
	char sys_dir[80];
	struct cli cli = {
		.ctx = bench->ctx,
		.proc_dir = bench->proc_dir,
		.sys_dir = sys_dir,
	};
	char *argv[MAX_ARGS + 1] = { "vmdedup" };
	FILE *old_out = stdout, *old_err = stderr;
	char *copy = strdup(line), *rest = copy;
	size_t out_size, err_size;
	int argc = 1;

	snprintf(sys_dir, sizeof(sys_dir), "%s/sys", bench->dir);
	while (argc < MAX_ARGS && (argv[argc] = strtok_r(rest, " ", &rest)))
		argc++;
	free(bench->out);
	free(bench->err);
	/* The GNU libc lets them be assigned. */
	stdout = open_memstream(&bench->out, &out_size);
	stderr = open_memstream(&bench->err, &err_size);
	bench->status = cli_run(&cli, argc, argv);
	fclose(stdout);
	fclose(stderr);
	stdout = old_out;
	stderr = old_err;
	free(copy);
}

static char *read_all(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "r");

	if (!file)
		return NULL;
	if (getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = NULL;
	}
	fclose(file);
	return text;
}

void run_golden(struct bench *bench, const char *line, const char *name)
{
	char path[256];
	char *actual, *expected;
	FILE *file;

	run(bench, line);
	assert_return_code(asprintf(&actual, "$ vmdedup %s\n%s--- stderr\n%s--- status %d\n",
				    line, bench->out, bench->err, bench->status), 0);
	snprintf(path, sizeof(path), TEST_DIR "/golden/%s", name);
	/* To be reviewed with git diff. */
	if (getenv("UPDATE_GOLDEN")) {
		file = fopen(path, "w");
		assert_non_null(file);
		fputs(actual, file);
		fclose(file);
	}
	expected = read_all(path);
	if (!expected)
		fail_msg("no golden file %s", path);
	assert_string_equal(actual, expected);
	free(expected);
	free(actual);
}

void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' does not hold '%s'", text, part);
}
