/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests share: a bench with a device, a /proc and a sysfs of its own. */
#ifndef _HARNESS_H
#define _HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli.h"
#include "fake_device.h"
#include "fake_link.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/**
 * struct bench - what one test works on
 * @fake: the device
 * @link: the kernel's end of netlink; absent until a test says otherwise
 * @ctx: a context that uses them
 * @dir: temporary directory with proc/ and sysfs/
 * @proc_dir: @dir/proc
 * @status: exit status of the last run()
 * @out: its standard output
 * @err: its standard error
 */
struct bench {
	struct fake_device fake;
	struct fake_link link;
	struct vmdedup_ctx *ctx;
	char dir[64];
	char proc_dir[80];
	int status;
	char *out;
	char *err;
};

int bench_setup(void **state);
int bench_teardown(void **state);

/* Writes @dir/@path, making its directories. */
void bench_write(struct bench *bench, const char *path, const char *text);

/* Runs the command with a line of arguments that blanks separate. */
void run(struct bench *bench, const char *line);

/* Runs it and compares status, output and errors with tests/golden/@name. */
void run_golden(struct bench *bench, const char *line, const char *name);

/* Whether @text holds @part; prints both if not. */
void assert_contains(const char *text, const char *part);

#endif /* _HARNESS_H */
