// SPDX-License-Identifier: GPL-2.0
/* exclude and include: whether a process may be discovered. */
#include <stdio.h>

#include "cli.h"
#include "output.h"
#include "parse.h"
#include "proc.h"

static void report(const struct cli *cli, pid_t pid, bool excluded)
{
	struct json_object *object;
	char comm[PROC_COMM_MAX];

	if (cli->json) {
		object = json_object_new_object();
		json_number(object, "pid", pid);
		json_number(object, "excluded", excluded);
		json_print(cli, object);
		return;
	}
	proc_read_comm(cli->proc_dir, pid, comm);
	if (excluded)
		printf("process %d (%s) is not discovered any more; what is merged stays so\n"
		       "until it is written to\n", pid, comm);
	else
		printf("process %d (%s) is discovered again if it is a KVM guest\n", pid, comm);
}

static int set_excluded(struct cli *cli, const struct command *command, int argc, char **argv,
			bool excluded)
{
	static const struct option options[] = { CLI_LONG_OPTIONS };
	int status, err;
	pid_t pid;

	status = cli_options(cli, command, argc, argv, options, NULL, NULL);
	if (status != CLI_CONTINUE)
		return status;
	if (argc != optind + 1)
		return cli_usage(command, "which process?");
	if (!parse_pid(argv[optind], &pid))
		return cli_usage(command, "'%s' is not a process id", argv[optind]);
	if (cli_connect(cli))
		return CLI_REFUSED;
	err = vmdedup_guest_exclude(cli->ctx, pid, excluded);
	if (err) {
		cli_request_error(cli, err, command->name);
		return CLI_REFUSED;
	}
	report(cli, pid, excluded);
	return CLI_OK;
}

static int run_exclude(struct cli *cli, int argc, char **argv)
{
	return set_excluded(cli, &command_exclude, argc, argv, true);
}

static int run_include(struct cli *cli, int argc, char **argv)
{
	return set_excluded(cli, &command_include, argc, argv, false);
}

const struct command command_exclude = {
	.name		= "exclude",
	.args		= "PID",
	.summary	= "leave a KVM guest alone",
	.help =
		"It is not discovered any more; if it was, its regions are forgotten. Pages that\n"
		"are merged stay so until they are written to.\n"
		"\n"
		"  -j, --json    JSON on standard output\n"
		"  -p, --pretty  the same, indented\n",
	.run		= run_exclude,
};

const struct command command_include = {
	.name		= "include",
	.args		= "PID",
	.summary	= "undo exclude",
	.help =
		"  -j, --json    JSON on standard output\n"
		"  -p, --pretty  the same, indented\n",
	.run		= run_include,
};
