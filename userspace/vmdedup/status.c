// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "output.h"
#include "proc.h"
#include "regions.h"

/**
 * struct status - what there is to show
 * @run: the tunable of that name
 * @tunables: as in sysfs
 * @stats: as in sysfs
 * @regions: those that the caller may see
 * @regions_known: whether they could be asked for
 */
struct status {
	uint64_t run;
	struct vmdedup_values tunables;
	struct vmdedup_values stats;
	struct region_list regions;
	bool regions_known;
};

static void status_free(struct status *status)
{
	vmdedup_values_free(&status->tunables);
	vmdedup_values_free(&status->stats);
	regions_free(&status->regions);
}

/* Netlink tells the counters of one instant, sysfs those of an older module. */
static int read_stats(struct cli *cli, struct vmdedup_values *values)
{
	struct vmdedup_stats stats;

	if (!vmdedup_connect(cli->ctx) && !vmdedup_stats_get(cli->ctx, &stats))
		return vmdedup_stats_values(&stats, values);
	return vmdedup_read_stats(cli->ctx, values);
}

static int status_read(struct cli *cli, uint32_t query_flags, struct status *status)
{
	char text[VMDEDUP_EXPLAIN_MAX];
	int err;

	memset(status, 0, sizeof(*status));
	err = vmdedup_read_tunables(cli->ctx, &status->tunables);
	if (!err)
		err = read_stats(cli, &status->stats);
	if (err) {
		cli_error("%s", vmdedup_explain_open(err, text, sizeof(text)));
		return CLI_REFUSED;
	}
	vmdedup_values_get(&status->tunables, "run", &status->run);

	/* Anyone may read sysfs, not everyone may open the device. */
	if (cli_open(cli) || regions_collect(cli->ctx, query_flags, 0, &status->regions))
		return CLI_REFUSED;
	status->regions_known = true;
	return CLI_OK;
}

static struct json_object *values_to_json(const struct vmdedup_values *values,
					  const char *except)
{
	struct json_object *object = json_object_new_object();
	size_t i;

	for (i = 0; i < values->count; i++) {
		if (!except || strcmp(values->values[i].name, except))
			json_number(object, values->values[i].name, values->values[i].value);
	}
	return object;
}

static struct json_object *region_to_json(const struct cli *cli, const struct vmdedup_query *query)
{
	struct json_object *object = json_object_new_object();
	char comm[PROC_COMM_MAX];

	proc_read_comm(cli->proc_dir, query->pid, comm);
	json_number(object, "region_id", query->region_id);
	json_number(object, "start", query->start);
	json_number(object, "length", query->length);
	json_number(object, "pid", query->pid);
	json_text(object, "command", comm);
	json_number(object, "uid", query->uid);
	json_number(object, "region_flags", query->region_flags);
	json_number(object, "resident", query->resident);
	json_number(object, "merged", query->merged);
	json_number(object, "zero", query->zero);
	json_number(object, "unique", query->unique);
	json_number(object, "saved", query->saved);
	json_number(object, "scanned", query->scanned);
	json_number(object, "merges", query->merges);
	json_skipped(object, query->skipped);
	return object;
}

static void print_json(const struct cli *cli, const struct status *status)
{
	struct json_object *object = json_object_new_object();
	struct json_object *regions = NULL;
	size_t i;

	if (status->regions_known)
		regions = json_object_new_array();
	for (i = 0; i < status->regions.count; i++)
		json_object_array_add(regions, region_to_json(cli, &status->regions.regions[i]));

	json_number(object, "run", status->run);
	json_object_object_add(object, "tunables", values_to_json(&status->tunables, "run"));
	json_object_object_add(object, "stats", values_to_json(&status->stats, NULL));
	json_object_object_add(object, "regions", regions);
	json_print(cli, object);
}

static const char *run_text(uint64_t run)
{
	switch (run) {
	case 0:
		return "stopped";
	case 1:
		return "scanning";
	case 2:
		return "stopped, merged pages given private copies";
	}
	return "unknown to this version";
}

static uint64_t stat_of(const struct status *status, const char *name)
{
	uint64_t value = 0;

	vmdedup_values_get(&status->stats, name, &value);
	return value;
}

/* What remembering all that takes, and what is left of the saving. */
static void print_net(uint64_t saved, uint64_t metadata)
{
	char size[HUMAN_SIZE_MAX], net[HUMAN_SIZE_MAX];

	printf("metadata      %s, ", human_size(metadata, size));
	if (saved < metadata)
		puts("more than is saved");
	else
		printf("net saving %s\n", human_size(saved - metadata, net));
}

static void print_host(const struct status *status)
{
	char size[HUMAN_SIZE_MAX];
	size_t i;

	printf("run           %" PRIu64 " (%s)\n", status->run, run_text(status->run));
	printf("saved         %s\n", human_size(stat_of(status, "saved_bytes"), size));
	print_net(stat_of(status, "saved_bytes"), stat_of(status, "metadata_bytes"));
	printf("shared        %" PRIu64 " frames (pages_shared)\n",
	       stat_of(status, "pages_shared"));
	printf("sharing       %" PRIu64 " pages more than frames (pages_sharing)\n",
	       stat_of(status, "pages_sharing"));
	printf("zero          %" PRIu64 " pages\n", stat_of(status, "pages_zero"));
	printf("huge pages    %" PRIu64 " split, ", stat_of(status, "huge_split"));
	printf("%" PRIu64 " times one was kept whole\n",
	       stat_of(status, "huge_kept"));
	printf("scanned       %" PRIu64 " pages, ", stat_of(status, "pages_scanned"));
	printf("%" PRIu64 " full scans\n", stat_of(status, "full_scans"));
	puts("tunables:");
	for (i = 0; i < status->tunables.count; i++) {
		if (strcmp(status->tunables.values[i].name, "run"))
			printf("  %-20s  %" PRIu64 "\n", status->tunables.values[i].name,
			       status->tunables.values[i].value);
	}
}

/* The sums over the regions of a process. */
struct guest {
	pid_t pid;
	size_t regions;
	uint64_t resident;
	uint64_t merged;
	uint64_t zero;
	uint64_t unique;
	uint64_t saved;
};

static void guest_add(struct guest *guest, const struct vmdedup_query *query)
{
	guest->pid = query->pid;
	guest->regions++;
	guest->resident += query->resident;
	guest->merged += query->merged;
	guest->zero += query->zero;
	guest->unique += query->unique;
	guest->saved += query->saved;
}

static void print_guest(const struct cli *cli, const struct guest *guest)
{
	char comm[PROC_COMM_MAX];
	char size[HUMAN_SIZE_MAX];
	char pid[16] = "-";

	if (guest->pid)
		snprintf(pid, sizeof(pid), "%d", guest->pid);
	proc_read_comm(cli->proc_dir, guest->pid, comm);
	printf("%7s %-15s %7zu", pid, comm, guest->regions);
	printf(" %8s", human_pages(guest->resident, size));
	printf(" %8s", human_pages(guest->merged, size));
	printf(" %8s", human_pages(guest->zero, size));
	printf(" %8s", human_pages(guest->unique, size));
	printf(" %8s\n", human_size(guest->saved, size));
}

static int by_pid(const void *a, const void *b)
{
	const struct vmdedup_query *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Sorts the regions. */
static void print_guests(const struct cli *cli, struct region_list *list)
{
	struct vmdedup_query *regions = list->regions;
	struct guest guest = { 0 };
	size_t i;

	if (!list->count) {
		puts("\nno regions: vmdedup register PID");
		return;
	}
	qsort(regions, list->count, sizeof(*regions), by_pid);
	printf("\n%7s %-15s %7s %8s %8s %8s %8s %8s\n", "PID", "COMMAND", "REGIONS",
	       "RESIDENT", "MERGED", "ZERO", "UNIQUE", "SAVED");
	for (i = 0; i < list->count; i++) {
		if (i && regions[i].pid != guest.pid) {
			print_guest(cli, &guest);
			guest = (struct guest){ 0 };
		}
		guest_add(&guest, &regions[i]);
	}
	print_guest(cli, &guest);
}

/* Not the counters in sysfs: these add up over all passes. */
static void print_skips(const struct region_list *list)
{
	__u64 skipped[VMDEDUP_SKIP_SLOTS] = { 0 };
	bool any = false;
	size_t i, j;

	for (i = 0; i < list->count; i++) {
		for (j = 0; j < VMDEDUP_SKIP_SLOTS; j++) {
			skipped[j] += list->regions[i].skipped[j];
			any |= skipped[j];
		}
	}
	if (any)
		puts("\nnot merged in the last pass:");
	print_skipped(skipped);
}

static int show(struct cli *cli, uint32_t query_flags)
{
	struct status status;
	int result = status_read(cli, query_flags, &status);

	/* Without counters there is nothing to show, without regions there is. */
	if (!status.stats.values) {
		status_free(&status);
		return result;
	}
	if (cli->json) {
		print_json(cli, &status);
	} else {
		print_host(&status);
		if (status.regions_known)
			print_guests(cli, &status.regions);
		print_skips(&status.regions);
	}
	status_free(&status);
	return result;
}

static int take_option(void *data, int c)
{
	uint32_t *query_flags = data;

	if (c == OPT_COUNT)
		*query_flags = VMDEDUP_QUERY_COUNT;
	return CLI_CONTINUE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "count",	no_argument,	NULL,	OPT_COUNT },
		CLI_LONG_OPTIONS
	};
	uint32_t query_flags = 0;
	int status;

	status = cli_options(cli, &command_status, argc, argv, options, take_option, &query_flags);
	if (status != CLI_CONTINUE)
		return status;
	if (argc > optind)
		return cli_usage(&command_status, "what is '%s' for?", argv[optind]);
	return show(cli, query_flags);
}

const struct command command_status = {
	.name		= "status",
	.args		= "[--count]",
	.summary	= "what was merged and saved",
	.help =
		"      --count   count the pages now, instead of telling what is known of them\n"
		"  -j, --json    JSON on standard output\n"
		"  -p, --pretty  the same, indented\n",
	.run		= run,
};
