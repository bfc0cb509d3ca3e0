// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "find.h"
#include "output.h"
#include "records.h"

static const char *flags_text(uint32_t flags, char buf[4])
{
	char *end = buf;

	if (flags & VMDEDUP_REGION_DISCOVERED)
		*end++ = 'D';
	if (flags & VMDEDUP_REGION_PERSIST)
		*end++ = 'P';
	if (flags & VMDEDUP_REGION_ALL)
		*end++ = 'A';
	*end = '\0';
	return buf;
}

static void print_row(const struct vmdedup_region *region)
{
	const struct vmdedup_ledger *ledger = &region->ledger;
	char range[40], size[HUMAN_SIZE_MAX];
	char flags[4], pid[16] = "-";

	if (region->pid)
		snprintf(pid, sizeof(pid), "%" PRIu32, region->pid);
	snprintf(range, sizeof(range), "%" PRIx64 "-%" PRIx64, region->start,
		 region->start + region->length);
	printf("%6" PRIu64 " %7s %-25s", region->id, pid, range);
	printf(" %8s", human_pages(ledger->resident, size));
	printf(" %8s", human_pages(ledger->merged, size));
	printf(" %8s", human_pages(ledger->zero, size));
	printf(" %8s %s\n", human_size(ledger->saved_bytes, size),
	       flags_text(region->flags, flags));
}

static void print_table(const struct vmdedup_regions *list)
{
	uint32_t flags = 0;
	size_t i;

	if (!list->count) {
		puts("no regions");
		return;
	}
	printf("%6s %7s %-25s %8s %8s %8s %8s\n", "REGION", "PID", "RANGE", "RESIDENT",
	       "MERGED", "ZERO", "SAVED");
	for (i = 0; i < list->count; i++) {
		print_row(&list->regions[i]);
		flags |= list->regions[i].flags;
	}
	if (flags)
		puts("D: discovered  P: persistent  A: the whole address space");
}

static void print_json(const struct cli *cli, const struct vmdedup_regions *list)
{
	struct json_object *object = json_object_new_object();
	struct json_object *array = json_object_new_array();
	size_t i;

	for (i = 0; i < list->count; i++)
		json_object_array_add(array, json_region(&list->regions[i]));
	json_object_object_add(object, "regions", array);
	json_print(cli, object);
}

static int list_regions(struct cli *cli, const char *text)
{
	struct vmdedup_guest guest = { .id = 0 };
	struct vmdedup_regions list;
	int err, status;

	if (text) {
		status = find_guest(cli, &command_regions, text, &guest);
		if (status)
			return status;
	}
	err = vmdedup_regions_dump(cli->ctx, guest.id, &list);
	if (err)
		return cli_request_error(cli, err, "cannot list the regions");
	if (cli->json)
		print_json(cli, &list);
	else
		print_table(&list);
	vmdedup_regions_free(&list);
	return CLI_OK;
}

static int take_option(void *data, int c)
{
	if (c == OPT_GUEST)
		*(const char **)data = optarg;
	return CLI_CONTINUE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "guest",	required_argument,	NULL,	OPT_GUEST },
		CLI_LONG_OPTIONS
	};
	const char *guest = NULL;
	int status;

	status = cli_options(cli, &command_regions, argc, argv, options, take_option, &guest);
	if (status != CLI_CONTINUE)
		return status;
	if (argc > optind)
		return cli_usage(&command_regions, "what is '%s' for?", argv[optind]);
	if (cli_connect(cli))
		return CLI_REFUSED;
	return list_regions(cli, guest);
}

const struct command command_regions = {
	.name		= "regions",
	.args		= "[--guest PID|GUEST]",
	.summary	= "the same for each region of memory",
	.help =
		"      --guest PID|GUEST  only those of one guest\n"
		"  -j, --json             JSON on standard output\n"
		"  -p, --pretty           the same, indented\n",
	.run		= run,
};
