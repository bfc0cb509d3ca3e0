// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "causes.h"
#include "cli.h"
#include "find.h"
#include "output.h"
#include "parse.h"
#include "proc.h"
#include "records.h"
#include "vmname.h"

#define LINE_WIDTH	78

static bool read_word(const char *dir, const char *name, char *word, size_t size)
{
	char path[PATH_MAX];
	FILE *file;
	size_t len;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return false;
	file = fopen(path, "re");
	if (!file)
		return false;
	len = fread(word, 1, size - 1, file);
	fclose(file);
	word[len] = '\0';
	word[strcspn(word, " \n")] = '\0';
	proc_clean(word);
	return len;
}

static bool path_exists(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path) &&
	       !access(path, F_OK);
}

/* Whether one of the open files is that of a VM. */
static bool look_for_vm(const char *proc, pid_t pid, bool *holds)
{
	char path[PATH_MAX], target[64];
	struct dirent *entry;
	ssize_t len;
	DIR *dir;

	*holds = false;
	snprintf(path, sizeof(path), "%s/%d/fd", proc, pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!*holds && (entry = readdir(dir))) {
		len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		*holds = !strcmp(target, "anon_inode:kvm-vm");
	}
	closedir(dir);
	return true;
}

static void read_tunables(struct cli *cli, struct facts *facts)
{
	struct vmdedup_values tunables;

	if (vmdedup_read_tunables(cli->ctx, &tunables))
		return;
	facts->run_known = !vmdedup_values_get(&tunables, "run", &facts->run);
	facts->discover_known = !vmdedup_values_get(&tunables, "discover", &facts->discover);
	vmdedup_values_free(&tunables);
}

static void look_around(struct cli *cli, struct facts *facts)
{
	char word[16];

	read_tunables(cli, facts);
	facts->page_size = sysconf(_SC_PAGESIZE);
	facts->kvm_module = path_exists(cli->sys_dir, "module/vmdedup_kvm");
	read_word(cli->sys_dir, "class/misc/vmdedup/domain_policy", facts->policy,
		  sizeof(facts->policy));
	facts->ksm_runs = read_word(cli->sys_dir, "kernel/mm/ksm/run", word, sizeof(word)) &&
			  !strcmp(word, "1");
	if (!facts->pid)
		return;
	facts->vm_known = look_for_vm(cli->proc_dir, facts->pid, &facts->holds_vm);
	facts->memory_known = !memory_read(cli->proc_dir, facts->pid, &facts->memory);
}

static int count_domain(struct cli *cli, struct facts *facts)
{
	struct vmdedup_guests list;
	size_t i;
	int err = vmdedup_guests_dump(cli->ctx, &list);

	if (err)
		return err;
	for (i = 0; i < list.count; i++)
		facts->domain_guests += list.guests[i].domain == facts->guest->domain;
	vmdedup_guests_free(&list);
	return 0;
}

/* Breaks lines between words. */
static void print_wrapped(const char *first, const char *text)
{
	int indent = strlen(first), column = indent;
	size_t len;

	fputs(first, stdout);
	while (*text) {
		len = strcspn(text, " ");
		if (column > indent && column + 1 + (int)len > LINE_WIDTH) {
			printf("\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		printf("%.*s", (int)len, text);
		column += len;
		text += len;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void print_head(const struct cli *cli, const struct facts *facts)
{
	const struct vmdedup_guest *guest = facts->guest;
	char name[VM_NAME_MAX], comm[PROC_COMM_MAX];
	char resident[HUMAN_SIZE_MAX], saved[HUMAN_SIZE_MAX];
	uint64_t merged;

	if (!guest) {
		proc_read_comm(cli->proc_dir, facts->pid, comm);
		printf("process %" PRIu32 " (%s): nothing is merged\n", facts->pid, comm);
		return;
	}
	merged = guest->ledger.merged + guest->ledger.zero;
	printf("%s (guest %" PRIu64 ", process %" PRIu32 "): %.1f %% of %s merged or zero, %s "
	       "saved\n", vm_name(cli, guest->pid, guest->comm, name), guest->id, guest->pid,
	       guest->ledger.resident ? 100.0 * merged / guest->ledger.resident : 0.0,
	       human_pages(guest->ledger.resident, resident),
	       human_size(guest->ledger.saved_bytes, saved));
}

static void print_causes(const struct cli *cli, const struct facts *facts,
			 const struct cause *causes, size_t count)
{
	char number[32];
	size_t i;

	print_head(cli, facts);
	if (!count)
		puts("\nNothing stands in the way.");
	for (i = 0; i < count; i++) {
		putchar('\n');
		snprintf(number, sizeof(number), "%2zu. ", i + 1);
		print_wrapped(number, causes[i].text);
		print_wrapped("    -> ", causes[i].advice);
	}
}

static void print_json(const struct cli *cli, const struct facts *facts,
		       const struct cause *causes, size_t count)
{
	struct json_object *object = json_object_new_object();
	struct json_object *array = json_object_new_array();
	struct json_object *entry;
	size_t i;

	for (i = 0; i < count; i++) {
		entry = json_object_new_object();
		json_text(entry, "cause", causes[i].name);
		json_number(entry, "pages", causes[i].pages);
		json_text(entry, "text", causes[i].text);
		json_text(entry, "advice", causes[i].advice);
		json_object_array_add(array, entry);
	}
	json_number(object, "pid", facts->pid);
	json_object_object_add(object, "guest", facts->guest ?
			       json_guest(cli, facts->guest) : NULL);
	json_object_object_add(object, "causes", array);
	json_print(cli, object);
}

static int explain(struct cli *cli, struct facts *facts)
{
	struct cause causes[CAUSES_MAX];
	struct vmdedup_stats stats;
	size_t count;
	int err;

	err = vmdedup_stats_get(cli->ctx, &stats);
	if (err)
		return cli_request_error(cli, err, "cannot ask for the statistics");
	facts->full_scans = stats.full_scans;
	err = facts->guest ? count_domain(cli, facts) : 0;
	if (err)
		return cli_request_error(cli, err, "cannot list the guests");
	look_around(cli, facts);
	count = causes_find(facts, causes);
	if (cli->json)
		print_json(cli, facts, causes, count);
	else
		print_causes(cli, facts, causes, count);
	return CLI_OK;
}

static int run_why(struct cli *cli, const char *text)
{
	struct vmdedup_guest guest;
	struct facts facts = { .guest = &guest };
	char number[16];
	int status, err;
	pid_t pid;

	if (!parse_pid(text, &pid))
		return cli_usage(&command_why, "'%s' is not a process id", text);
	if (cli_connect(cli))
		return CLI_REFUSED;
	err = vmdedup_guest_by_pid(cli->ctx, pid, &guest);
	snprintf(number, sizeof(number), "%d", pid);
	if ((err == -ENOENT || err == -ESRCH) && path_exists(cli->proc_dir, number)) {
		facts.guest = NULL;
		facts.pid = pid;
		return explain(cli, &facts);
	}
	if (err == -ENOENT || err == -ESRCH) {
		/* It may be a guest's id that was meant. */
		status = find_guest(cli, &command_why, text, &guest);
		if (status)
			return status;
	} else if (err) {
		return cli_request_error(cli, err, "cannot ask for the guest");
	}
	facts.pid = guest.pid;
	return explain(cli, &facts);
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { CLI_LONG_OPTIONS };
	int status;

	status = cli_options(cli, &command_why, argc, argv, options, NULL, NULL);
	if (status != CLI_CONTINUE)
		return status;
	if (argc != optind + 1)
		return cli_usage(&command_why, "which process?");
	return run_why(cli, argv[optind]);
}

const struct command command_why = {
	.name		= "why",
	.args		= "PID",
	.summary	= "why little or nothing was merged in a guest",
	.help =
		"In plain words, with what to do about it; what matters most comes first.\n"
		"\n"
		"  -j, --json    JSON on standard output\n"
		"  -p, --pretty  the same, indented\n",
	.run		= run,
};
