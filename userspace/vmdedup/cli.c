// SPDX-License-Identifier: GPL-2.0
/* The command table and the options that come before the command. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

static const struct command *const commands[] = {
	&command_register,
	&command_unregister,
	&command_merge,
	&command_status,
	&command_estimate,
	&command_tune,
	&command_guests,
	&command_regions,
	&command_why,
	&command_top,
	&command_monitor,
	&command_metrics,
	&command_exclude,
	&command_include,
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static const struct option options[] = {
	{ "version",	no_argument,	NULL,	'V' },
	CLI_LONG_OPTIONS
};

static const char usage_line[] = "usage: vmdedup [OPTIONS] COMMAND [ARGS]\n";

static void print_help(void)
{
	size_t i;

	fputs(usage_line, stdout);
	puts("De-duplicate the memory of KVM guests.\n\nCommands:");
	for (i = 0; i < NR_COMMANDS; i++)
		printf("  %-12s%s\n", commands[i]->name, commands[i]->summary);
	puts("\nOptions:\n"
	     "  -j, --json      JSON on standard output\n"
	     "  -p, --pretty    the same, indented\n"
	     "  -h, --help      this text, or that of the command before it\n"
	     "  -V, --version   the version");
}

void cli_error(const char *format, ...)
{
	va_list args;

	fputs("vmdedup: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* Returns the exit status, for the caller to return. */
int cli_usage(const struct command *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "vmdedup: %s: ", command->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nusage: vmdedup %s %s\n", command->name, command->args);
	return CLI_USAGE;
}

/* Acts on an option that is not the command's own. */
int cli_common_option(struct cli *cli, const struct command *command, int c)
{
	switch (c) {
	case 'p':
		cli->pretty = true;
		/* fall through */
	case 'j':
		cli->json = true;
		return CLI_CONTINUE;
	case 'h':
		printf("usage: vmdedup %s %s\n%s", command->name, command->args, command->help);
		return CLI_OK;
	}
	/* getopt_long() has said what is wrong. */
	fprintf(stderr, "usage: vmdedup %s %s\n", command->name, command->args);
	return CLI_USAGE;
}

int cli_options(struct cli *cli, const struct command *command, int argc, char **argv,
		const struct option *options, int (*take)(void *data, int c), void *data)
{
	int c, status = CLI_CONTINUE;

	while (status == CLI_CONTINUE &&
	       (c = getopt_long(argc, argv, CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		/* The common ones have letters, and '?' is an error. */
		if (c < OPT_ALL || !take)
			status = cli_common_option(cli, command, c);
		else
			status = take(data, c);
	}
	return status;
}

int cli_open(struct cli *cli)
{
	char text[VMDEDUP_EXPLAIN_MAX];
	int err = vmdedup_open(cli->ctx);

	if (!err)
		return CLI_OK;
	cli_error("%s", vmdedup_explain_open(err, text, sizeof(text)));
	return CLI_REFUSED;
}

int cli_connect(struct cli *cli)
{
	char text[VMDEDUP_EXPLAIN_MAX];
	int err = vmdedup_connect(cli->ctx);

	if (!err)
		return CLI_OK;
	cli_error("%s", vmdedup_explain_connect(err, text, sizeof(text)));
	return CLI_REFUSED;
}

int cli_request_error(const struct cli *cli, int err, const char *what)
{
	char text[VMDEDUP_EXPLAIN_MAX];

	cli_error("%s: %s", what, vmdedup_explain_request(cli->ctx, err, text, sizeof(text)));
	return CLI_REFUSED;
}

static int run_command(struct cli *cli, int argc, char **argv)
{
	size_t i;

	if (!argc) {
		fputs(usage_line, stderr);
		return CLI_USAGE;
	}
	for (i = 0; i < NR_COMMANDS; i++) {
		if (strcmp(commands[i]->name, argv[0]))
			continue;
		/* getopt_long() puts it before what it complains about. */
		argv[0] = "vmdedup";
		/* Start over; glibc forgets the '+' only with 0. */
		optind = 0;
		return commands[i]->run(cli, argc, argv);
	}
	cli_error("no command '%s': vmdedup --help lists them", argv[0]);
	return CLI_USAGE;
}

/**
 * cli_run() - the command
 * @cli: context and defaults
 * @argc: as of main()
 * @argv: as of main(); reordered
 *
 * Return: the exit status.
 */
int cli_run(struct cli *cli, int argc, char **argv)
{
	int c;

	if (argc > 0)
		argv[0] = "vmdedup";
	optind = 0;
	while ((c = getopt_long(argc, argv, "+V" CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		switch (c) {
		case 'p':
			cli->pretty = true;
			/* fall through */
		case 'j':
			cli->json = true;
			break;
		case 'h':
			print_help();
			return CLI_OK;
		case 'V':
			puts("vmdedup " VMDEDUP_VERSION);
			return CLI_OK;
		default:
			fputs(usage_line, stderr);
			return CLI_USAGE;
		}
	}
	return run_command(cli, argc - optind, argv + optind);
}
