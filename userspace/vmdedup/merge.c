// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "merge_progress.h"
#include "output.h"
#include "parse.h"
#include "regions.h"

struct request {
	uint64_t region;
	pid_t pid;
	bool all;
	uint32_t rounds;
	struct merge_progress progress;
};

static int merge_once(struct cli *cli, struct request *request, uint64_t region,
		      struct vmdedup_merge *merge)
{
	*merge = (struct vmdedup_merge)VMDEDUP_INIT(*merge);
	merge->region_id = region;
	merge->max_rounds = request->rounds;
	if (!region)
		merge->flags = VMDEDUP_MERGE_ALL;
	return vmdedup_merge_now(cli->ctx, merge);
}

static int merge_error(struct request *request, int err, const struct vmdedup_merge *merge)
{
	char text[VMDEDUP_EXPLAIN_MAX];

	merge_progress_stop(&request->progress);
	cli_error("merging failed: %s", vmdedup_explain_merge(err, merge, text, sizeof(text)));
	return CLI_REFUSED;
}

static void add(struct vmdedup_merge *total, const struct vmdedup_merge *merge)
{
	size_t i;

	if (merge->rounds > total->rounds)
		total->rounds = merge->rounds;
	total->scanned += merge->scanned;
	total->merged += merge->merged;
	total->zero += merge->zero;
	for (i = 0; i < VMDEDUP_SKIP_SLOTS; i++)
		total->skipped[i] += merge->skipped[i];
}

static int merge_list(struct cli *cli, struct request *request,
		      const struct region_list *list, struct vmdedup_merge *total)
{
	struct vmdedup_merge merge;
	size_t i;
	int err;

	for (i = 0; i < list->count; i++) {
		err = merge_once(cli, request, list->regions[i].region_id, &merge);
		/* Its process unmapped it after the regions were listed. */
		if (err == -ENOENT)
			continue;
		if (err)
			return merge_error(request, err, &merge);
		add(total, &merge);
	}
	return CLI_OK;
}

static int merge_process(struct cli *cli, struct request *request,
			 struct vmdedup_merge *total)
{
	struct region_list list;
	int status;

	status = regions_collect(cli->ctx, 0, request->pid, &list);
	if (status)
		return status;
	if (list.count) {
		status = merge_list(cli, request, &list, total);
	} else {
		merge_progress_stop(&request->progress);
		cli_error("process %d has no region: vmdedup register %d first",
			  request->pid, request->pid);
		status = CLI_REFUSED;
	}
	regions_free(&list);
	return status;
}

static int merge_region(struct cli *cli, struct request *request,
			struct vmdedup_merge *total)
{
	int err;

	err = merge_once(cli, request, request->region, total);
	return err ? merge_error(request, err, total) : CLI_OK;
}

static void print_pages(const char *what, uint64_t pages)
{
	char size[HUMAN_SIZE_MAX];

	printf("%-8s  %8s  %" PRIu64 " pages\n", what, human_pages(pages, size), pages);
}

static void print_text(const struct vmdedup_merge *merge)
{
	bool skipped = false;
	size_t i;

	printf("rounds    %8" PRIu32 "\n", merge->rounds);
	print_pages("scanned", merge->scanned);
	print_pages("merged", merge->merged);
	print_pages("zero", merge->zero);
	for (i = 0; i < VMDEDUP_SKIP_SLOTS; i++)
		skipped |= merge->skipped[i];
	if (skipped)
		puts("not merged in the last round:");
	print_skipped(merge->skipped);
}

static void print_result(const struct cli *cli, const struct vmdedup_merge *merge)
{
	struct json_object *object;

	if (!cli->json) {
		print_text(merge);
		return;
	}
	object = json_object_new_object();
	json_number(object, "rounds", merge->rounds);
	json_number(object, "scanned", merge->scanned);
	json_number(object, "merged", merge->merged);
	json_number(object, "zero", merge->zero);
	json_skipped(object, merge->skipped);
	json_print(cli, object);
}

static int run_request(struct cli *cli, struct request *request, int argc, char **argv)
{
	struct vmdedup_merge total = VMDEDUP_INIT(total);
	int status;

	if (!!request->pid + request->all + argc > 1)
		return cli_usage(&command_merge, "a region, --pid or --all: one at the most");
	if (argc && (!parse_number(argv[0], UINT64_MAX, &request->region) || !request->region))
		return cli_usage(&command_merge, "'%s' is not a region id", argv[0]);
	if (cli_open(cli))
		return CLI_REFUSED;
	merge_progress_start(&request->progress, request->region, request->pid);
	if (request->pid)
		status = merge_process(cli, request, &total);
	else
		status = merge_region(cli, request, &total);
	merge_progress_stop(&request->progress);
	if (!status)
		print_result(cli, &total);
	return status;
}

static int take_option(void *data, int c)
{
	struct request *request = data;
	uint64_t number;

	switch (c) {
	case OPT_ALL:
		request->all = true;
		break;
	case OPT_PID:
		if (!parse_pid(optarg, &request->pid))
			return cli_usage(&command_merge, "'%s' is not a process id", optarg);
		break;
	case OPT_ROUNDS:
		if (!parse_number(optarg, UINT32_MAX, &number) || !number)
			return cli_usage(&command_merge, "'%s' is not a number of rounds", optarg);
		request->rounds = number;
		break;
	}
	return CLI_CONTINUE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "all",	no_argument,		NULL,	OPT_ALL },
		{ "pid",	required_argument,	NULL,	OPT_PID },
		{ "rounds",	required_argument,	NULL,	OPT_ROUNDS },
		CLI_LONG_OPTIONS
	};
	struct request request = { 0 };
	int status;

	status = cli_options(cli, &command_merge, argc, argv, options, take_option, &request);
	if (status != CLI_CONTINUE)
		return status;
	return run_request(cli, &request, argc - optind, argv + optind);
}

const struct command command_merge = {
	.name		= "merge",
	.args		= "[REGION | --pid PID | --all] [--rounds N]",
	.summary	= "merge now, and wait for it",
	.help =
		"Works also while the background scan is stopped (run is 0), but not while\n"
		"merging is undone (run is 2).\n"
		"\n"
		"      --all       all regions (the default)\n"
		"      --pid PID   all regions of a process\n"
		"      --rounds N  passes at the most; a pass that merges nothing is the last\n"
		"  -j, --json      JSON on standard output\n"
		"  -p, --pretty    the same, indented\n",
	.run		= run,
};
