/* SPDX-License-Identifier: GPL-2.0 */
/* What the subcommands share. */
#ifndef _CLI_H
#define _CLI_H

#include <getopt.h>
#include <stdbool.h>

#include "vmdedup.h"

/* Exit statuses. */
#define CLI_OK		0
#define CLI_USAGE	1	/* the command line is wrong */
#define CLI_REFUSED	2	/* the kernel or the environment refused */

/**
 * struct cli - one run of the command
 * @ctx: the library's context
 * @proc_dir: /proc, or what a test puts in its place
 * @sys_dir: /sys, likewise
 * @json: JSON instead of text on standard output
 * @pretty: indent the JSON
 */
struct cli {
	struct vmdedup_ctx *ctx;
	const char *proc_dir;
	const char *sys_dir;
	bool json;
	bool pretty;
};

/**
 * struct command - a subcommand
 * @name: how it is called
 * @args: its arguments, for the usage line
 * @summary: one line for the list of commands
 * @help: what --help says below the usage line
 * @run: does it; @argv[0] is "vmdedup"; returns an exit status
 */
struct command {
	const char *name;
	const char *args;
	const char *summary;
	const char *help;
	int (*run)(struct cli *cli, int argc, char **argv);
};

extern const struct command command_register;
extern const struct command command_unregister;
extern const struct command command_merge;
extern const struct command command_status;
extern const struct command command_estimate;
extern const struct command command_tune;
extern const struct command command_guests;
extern const struct command command_regions;
extern const struct command command_why;
extern const struct command command_top;
extern const struct command command_monitor;
extern const struct command command_metrics;
extern const struct command command_exclude;
extern const struct command command_include;

/* The options that every subcommand has. */
#define CLI_SHORT_OPTIONS	"jph"
#define CLI_LONG_OPTIONS					\
	{ "json",	no_argument,	NULL,	'j' },		\
	{ "pretty",	no_argument,	NULL,	'p' },		\
	{ "help",	no_argument,	NULL,	'h' },		\
	{ NULL,		0,		NULL,	0 }

/* getopt_long() values of options without a letter. */
enum {
	OPT_ALL = 256,
	OPT_ALL_MEMORY,
	OPT_BATCH,
	OPT_COUNT,
	OPT_EVENTS,
	OPT_FROM,
	OPT_GUEST,
	OPT_INTERVAL,
	OPT_MEMORY,
	OPT_MIN_SIZE,
	OPT_OUTPUT,
	OPT_PID,
	OPT_POLICY,
	OPT_RATE,
	OPT_REVERSE,
	OPT_ROUNDS,
	OPT_SEED,
	OPT_SORT,
	OPT_SPLIT_PAGES,
	OPT_STATS,
	OPT_TIMEOUT,
	OPT_UNMERGE,
};

/* What cli_common_option() and cli_options() return when the command shall go on. */
#define CLI_CONTINUE	(-1)

int cli_run(struct cli *cli, int argc, char **argv);
int cli_common_option(struct cli *cli, const struct command *command, int c);

/**
 * cli_options() - all options of a command
 * @cli: the common ones go here
 * @command: the command
 * @argc: as of its run()
 * @argv: as of its run(); reordered, @optind is the first argument then
 * @options: its own and CLI_LONG_OPTIONS
 * @take: called for each of its own, with its getopt_long() value and @optarg;
 *	returns CLI_CONTINUE or an exit status; NULL if it has none
 * @data: for @take
 *
 * Return: CLI_CONTINUE, or the exit status to end with.
 */
int cli_options(struct cli *cli, const struct command *command, int argc, char **argv,
		const struct option *options, int (*take)(void *data, int c), void *data);

/* For the device. Says what is wrong; returns an exit status. */
int cli_open(struct cli *cli);

/* For netlink. Likewise. */
int cli_connect(struct cli *cli);

/* Says that @what failed, with @err of the last netlink request; CLI_REFUSED. */
int cli_request_error(const struct cli *cli, int err, const char *what);
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_usage(const struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* _CLI_H */
