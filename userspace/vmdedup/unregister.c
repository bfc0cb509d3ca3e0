// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "output.h"
#include "parse.h"
#include "regions.h"

/**
 * struct job - what to unregister and what came of it
 * @flags: VMDEDUP_UNREGISTER_*
 * @pid: the process, or 0
 * @all: all regions
 * @done: array of what was unregistered, with --json
 * @status: exit status
 */
struct job {
	uint32_t flags;
	pid_t pid;
	bool all;
	struct json_object *done;
	int status;
};

static void report(struct job *job, const struct vmdedup_unregister *unreg)
{
	struct json_object *object;

	if (job->done) {
		object = json_object_new_object();
		json_number(object, "region_id", unreg->region_id);
		json_number(object, "unmerged", unreg->unmerged);
		json_object_array_add(job->done, object);
		return;
	}
	printf("region %" PRIu64 ": unregistered", (uint64_t)unreg->region_id);
	if (unreg->flags & VMDEDUP_UNREGISTER_UNMERGE)
		printf(", %" PRIu64 " pages given a private copy", (uint64_t)unreg->unmerged);
	putchar('\n');
}

/* Goes on after an error: the other regions are to go all the same. */
static void unregister_region(struct cli *cli, struct job *job, uint64_t id, bool listed)
{
	struct vmdedup_unregister unreg = VMDEDUP_INIT(unreg);
	char text[VMDEDUP_EXPLAIN_MAX];
	int err;

	unreg.flags = job->flags;
	unreg.region_id = id;
	err = vmdedup_region_unregister(cli->ctx, &unreg);
	if (!err) {
		report(job, &unreg);
		return;
	}
	/* Its process ended after the regions were listed. */
	if (err == -ENOENT && listed)
		return;
	cli_error("region %" PRIu64 " was not unregistered: %s", id,
		  vmdedup_explain_unregister(err, &unreg, text, sizeof(text)));
	job->status = CLI_REFUSED;
}

static void unregister_listed(struct cli *cli, struct job *job)
{
	struct region_list list;
	size_t i;

	job->status = regions_collect(cli->ctx, 0, job->pid, &list);
	if (job->status)
		return;
	if (job->pid && !list.count) {
		cli_error("process %d has no region", job->pid);
		job->status = CLI_REFUSED;
	}
	for (i = 0; i < list.count; i++)
		unregister_region(cli, job, list.regions[i].region_id, true);
	regions_free(&list);
}

static void unregister_given(struct cli *cli, struct job *job, int argc, char **argv)
{
	uint64_t id;
	int i;

	for (i = 0; i < argc; i++) {
		/* Checked before. */
		if (parse_number(argv[i], UINT64_MAX, &id))
			unregister_region(cli, job, id, false);
	}
}

static int check_args(const struct job *job, int argc, char **argv)
{
	uint64_t id;
	int i;

	if (!!job->pid + job->all + !!argc != 1)
		return cli_usage(&command_unregister, "regions, --pid or --all: exactly one");
	for (i = 0; i < argc; i++) {
		if (!parse_number(argv[i], UINT64_MAX, &id) || !id)
			return cli_usage(&command_unregister, "'%s' is not a region id", argv[i]);
	}
	return CLI_OK;
}

static int run_job(struct cli *cli, struct job *job, int argc, char **argv)
{
	struct json_object *object;

	if (check_args(job, argc, argv))
		return CLI_USAGE;
	if (cli_open(cli))
		return CLI_REFUSED;
	if (cli->json)
		job->done = json_object_new_array();
	if (argc)
		unregister_given(cli, job, argc, argv);
	else
		unregister_listed(cli, job);
	if (job->done) {
		object = json_object_new_object();
		json_object_object_add(object, "regions", job->done);
		json_print(cli, object);
	}
	return job->status;
}

static int take_option(void *data, int c)
{
	struct job *job = data;

	switch (c) {
	case OPT_ALL:
		job->all = true;
		break;
	case OPT_PID:
		if (!parse_pid(optarg, &job->pid))
			return cli_usage(&command_unregister, "'%s' is not a process id", optarg);
		break;
	case OPT_UNMERGE:
		job->flags |= VMDEDUP_UNREGISTER_UNMERGE;
		break;
	}
	return CLI_CONTINUE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "all",	no_argument,		NULL,	OPT_ALL },
		{ "pid",	required_argument,	NULL,	OPT_PID },
		{ "unmerge",	no_argument,		NULL,	OPT_UNMERGE },
		CLI_LONG_OPTIONS
	};
	struct job job = { .status = CLI_OK };
	int status;

	status = cli_options(cli, &command_unregister, argc, argv, options, take_option, &job);
	if (status != CLI_CONTINUE)
		return status;
	return run_job(cli, &job, argc - optind, argv + optind);
}

const struct command command_unregister = {
	.name		= "unregister",
	.args		= "[--unmerge] REGION... | --pid PID | --all",
	.summary	= "stop merging the memory of a process",
	.help =
		"Pages that are merged stay so until they are written to.\n"
		"\n"
		"      --all      all regions\n"
		"      --pid PID  all regions of a process\n"
		"      --unmerge  give every page a private copy now\n"
		"  -j, --json     JSON on standard output\n"
		"  -p, --pretty   the same, indented\n",
	.run		= run,
};
