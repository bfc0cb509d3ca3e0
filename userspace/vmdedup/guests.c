// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "find.h"
#include "output.h"
#include "proc.h"
#include "records.h"
#include "vmname.h"

static void print_row(const struct cli *cli, const struct vmdedup_guest *guest)
{
	const struct vmdedup_ledger *ledger = &guest->ledger;
	char name[VM_NAME_MAX];
	char text[HUMAN_SIZE_MAX];
	char pid[16] = "-";

	if (guest->pid)
		snprintf(pid, sizeof(pid), "%" PRIu32, guest->pid);
	printf("%7s %-18.18s", pid, vm_name(cli, guest->pid, guest->comm, name));
	printf(" %8s", human_pages(ledger->resident, text));
	printf(" %8s", human_pages(ledger->merged, text));
	printf(" %8s", human_pages(ledger->zero, text));
	printf(" %8s", human_size(ledger->saved_bytes, text));
	printf(" %6s", human_count(ledger->cow_breaks, text));
	printf(" %8s\n", human_time(ledger->scan_ns, text));
}

static void print_table(const struct cli *cli, const struct vmdedup_guests *list)
{
	size_t i;

	if (!list->count) {
		puts("no guests: KVM guests are found within seconds, other processes are\n"
		     "registered with vmdedup register PID");
		return;
	}
	printf("%7s %-18s %8s %8s %8s %8s %6s %8s\n", "PID", "NAME", "RESIDENT", "MERGED",
	       "ZERO", "SAVED", "BREAKS", "CPU");
	for (i = 0; i < list->count; i++)
		print_row(cli, &list->guests[i]);
}

static int list_guests(struct cli *cli)
{
	struct json_object *object, *array;
	struct vmdedup_guests list;
	size_t i;
	int err;

	err = vmdedup_guests_dump(cli->ctx, &list);
	if (err)
		return cli_request_error(cli, err, "cannot list the guests");
	if (cli->json) {
		object = json_object_new_object();
		array = json_object_new_array();
		for (i = 0; i < list.count; i++)
			json_object_array_add(array, json_guest(cli, &list.guests[i]));
		json_object_object_add(object, "guests", array);
		json_print(cli, object);
	} else {
		print_table(cli, &list);
	}
	vmdedup_guests_free(&list);
	return CLI_OK;
}

static void print_pages(const char *what, uint64_t pages, uint64_t of)
{
	char size[HUMAN_SIZE_MAX];

	printf("%-12s  %8s  %" PRIu64 " pages", what, human_pages(pages, size), pages);
	if (of)
		printf(", %.1f %%", 100.0 * pages / of);
	putchar('\n');
}

static void print_ledger(const struct vmdedup_ledger *ledger)
{
	char text[HUMAN_SIZE_MAX];
	bool skipped = false;
	size_t i;

	print_pages("resident", ledger->resident, 0);
	print_pages("merged", ledger->merged, ledger->resident);
	print_pages("zero", ledger->zero, ledger->resident);
	print_pages("unique", ledger->unique, ledger->resident);
	printf("saved         %8s\n", human_size(ledger->saved_bytes, text));
	printf("scanned       %8s  pages looked at so far\n", human_count(ledger->scanned, text));
	printf("merges        %8s  pages merged so far\n", human_count(ledger->merges, text));
	printf("breaks        %8s  of them written to since\n",
	       human_count(ledger->cow_breaks, text));
	printf("CPU           %8s  spent on scanning and merging\n",
	       human_time(ledger->scan_ns, text));
	for (i = 0; i < VMDEDUP_SKIP_SLOTS; i++)
		skipped |= ledger->skipped[i];
	if (skipped)
		puts("not merged in the last pass:");
	print_skipped(ledger->skipped);
}

static void print_guest(const struct cli *cli, const struct vmdedup_guest *guest)
{
	char name[VM_NAME_MAX], comm[VMDEDUP_COMM_MAX];
	char size[HUMAN_SIZE_MAX];

	snprintf(comm, sizeof(comm), "%s", guest->comm);
	proc_clean(comm);
	printf("name          %s\n", vm_name(cli, guest->pid, guest->comm, name));
	printf("guest         %" PRIu64 "\n", guest->id);
	if (guest->pid)
		printf("process       %" PRIu32 " (%s)\n", guest->pid, comm);
	else
		printf("process       gone (%s)\n", comm);
	printf("user          %" PRIu32 "\n", guest->uid);
	printf("trust domain  %" PRIu64 "\n", guest->domain);
	if (VMDEDUP_HAS(guest, GUEST_CGROUP))
		printf("cgroup        inode %" PRIu64 "\n", guest->cgroup);
	printf("found         %s\n", guest->kvm ? "as a KVM guest" : "by registration");
	if (guest->excluded)
		puts("excluded      yes: vmdedup include has it discovered again");
	printf("regions       %8" PRIu32 "  with %s\n", guest->regions,
	       human_size(guest->bytes, size));
	print_ledger(&guest->ledger);
}

static int show_guest(struct cli *cli, const char *text)
{
	struct vmdedup_guest guest;
	int status = find_guest(cli, &command_guests, text, &guest);

	if (status)
		return status;
	if (cli->json)
		json_print(cli, json_guest(cli, &guest));
	else
		print_guest(cli, &guest);
	return CLI_OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { CLI_LONG_OPTIONS };
	int status;

	status = cli_options(cli, &command_guests, argc, argv, options, NULL, NULL);
	if (status != CLI_CONTINUE)
		return status;
	if (argc > optind + 1)
		return cli_usage(&command_guests, "what is '%s' for?", argv[optind + 1]);
	if (cli_connect(cli))
		return CLI_REFUSED;
	return argc > optind ? show_guest(cli, argv[optind]) : list_guests(cli);
}

const struct command command_guests = {
	.name		= "guests",
	.args		= "[PID | GUEST]",
	.summary	= "what was merged and saved in each guest",
	.help =
		"With the id of a process or guest: all that is known of that one.\n"
		"\n"
		"  -j, --json    JSON on standard output\n"
		"  -p, --pretty  the same, indented\n",
	.run		= run,
};
