// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "output.h"
#include "parse.h"
#include "proc.h"

#define DEFAULT_MIN_SIZE	(1ULL << 20)

/**
 * struct attempt - one range, registered or not
 * @reg: the request and its answer
 * @tried: whether the kernel was asked
 * @err: what it said
 */
struct attempt {
	struct vmdedup_register reg;
	bool tried;
	int err;
};

struct request {
	pid_t pid;
	const char *range;
	bool all;
	bool has_min_size;
	uint64_t min_size;
};

static void attempt_init(struct attempt *attempt, pid_t pid, uint64_t start, uint64_t length)
{
	memset(attempt, 0, sizeof(*attempt));
	attempt->reg.size = sizeof(attempt->reg);
	/* The file that registers it is closed when the command ends. */
	attempt->reg.flags = VMDEDUP_REGISTER_PERSIST;
	attempt->reg.pid = pid;
	attempt->reg.start = start;
	attempt->reg.length = length;
	attempt->reg.reason = VMDEDUP_SKIP_NONE;
}

static int attempt_run(struct cli *cli, struct attempt *attempt)
{
	attempt->tried = true;
	attempt->err = vmdedup_region_register(cli->ctx, &attempt->reg);
	return attempt->err;
}

static const char *result_of(const struct attempt *attempt)
{
	if (attempt->err)
		return attempt->err == -EOPNOTSUPP ? "refused" : "failed";
	return attempt->reg.out_flags & VMDEDUP_REGISTERED_EXISTS ? "exists" : "registered";
}

static struct json_object *attempt_to_json(const struct attempt *attempt)
{
	const struct vmdedup_register *reg = &attempt->reg;
	struct json_object *object = json_object_new_object();
	char text[VMDEDUP_EXPLAIN_MAX];

	json_text(object, "result", result_of(attempt));
	json_number(object, "region_id", attempt->err ? 0 : reg->region_id);
	json_number(object, "start", reg->start);
	json_number(object, "length", reg->length);
	json_number(object, "eligible", attempt->err ? 0 : reg->eligible);
	json_number(object, "refused", reg->refused);
	json_text(object, "reason", vmdedup_skip_name(reg->reason));
	json_text(object, "error", attempt->err ?
		  vmdedup_explain_register(attempt->err, reg, text, sizeof(text)) : NULL);
	return object;
}

static void print_json(const struct cli *cli, const struct attempt *attempts, size_t count)
{
	struct json_object *object = json_object_new_object();
	struct json_object *regions = json_object_new_array();
	size_t i;

	json_object_object_add(object, "pid", json_object_new_int(attempts->reg.pid));
	for (i = 0; i < count; i++) {
		if (attempts[i].tried)
			json_object_array_add(regions, attempt_to_json(&attempts[i]));
	}
	json_object_object_add(object, "regions", regions);
	json_print(cli, object);
}

static void print_note(const struct attempt *attempt)
{
	const struct vmdedup_register *reg = &attempt->reg;
	const char *reason = vmdedup_skip_text(reg->reason);
	char text[VMDEDUP_EXPLAIN_MAX];
	char size[HUMAN_SIZE_MAX];

	if (attempt->err == -EOPNOTSUPP) {
		printf("refused: %s\n", reason ? reason : "no reason that this version knows");
		return;
	}
	if (attempt->err) {
		printf("failed: %s\n", vmdedup_explain_register(attempt->err, reg,
								text, sizeof(text)));
		return;
	}
	fputs(reg->out_flags & VMDEDUP_REGISTERED_EXISTS ? "already registered" : "registered",
	      stdout);
	if (reg->refused)
		printf("; not %s: %s", human_size(reg->refused, size), reason ? reason : "?");
	putchar('\n');
}

static void print_row(const struct attempt *attempt)
{
	const struct vmdedup_register *reg = &attempt->reg;
	char range[40] = "(whole address space)";
	char size[HUMAN_SIZE_MAX] = "-";
	char eligible[HUMAN_SIZE_MAX];
	char id[24] = "-";

	if (!attempt->err)
		snprintf(id, sizeof(id), "%" PRIu64, (uint64_t)reg->region_id);
	if (!(reg->flags & VMDEDUP_REGISTER_ALL)) {
		snprintf(range, sizeof(range), "%" PRIx64 "-%" PRIx64, (uint64_t)reg->start,
			 (uint64_t)(reg->start + reg->length));
		human_size(reg->length, size);
	}
	human_size(attempt->err ? 0 : reg->eligible, eligible);
	printf("%6s  %-25s  %8s  %8s  ", id, range, size, eligible);
	print_note(attempt);
}

static void print_attempts(const struct cli *cli, const struct attempt *attempts, size_t count)
{
	size_t i;

	if (cli->json) {
		print_json(cli, attempts, count);
		return;
	}
	printf("%6s  %-25s  %8s  %8s  %s\n", "REGION", "RANGE", "SIZE", "ELIGIBLE", "NOTE");
	for (i = 0; i < count; i++) {
		if (attempts[i].tried)
			print_row(&attempts[i]);
	}
}

/* Says why nothing was registered; @what was to be. */
static int refuse(const struct cli *cli, const struct attempt *attempt, const char *what)
{
	char text[VMDEDUP_EXPLAIN_MAX];
	char comm[PROC_COMM_MAX];

	/* With other errors the kernel says nothing about the range. */
	if (attempt->err == -EOPNOTSUPP)
		print_attempts(cli, attempt, 1);
	proc_read_comm(cli->proc_dir, attempt->reg.pid, comm);
	cli_error("%s of process %d (%s) was not registered: %s", what, attempt->reg.pid, comm,
		  vmdedup_explain_register(attempt->err, &attempt->reg, text, sizeof(text)));
	return CLI_REFUSED;
}

static int register_one(struct cli *cli, struct attempt *attempt, const char *what)
{
	if (attempt_run(cli, attempt))
		return refuse(cli, attempt, what);
	print_attempts(cli, attempt, 1);
	return CLI_OK;
}

static struct attempt *largest_of(struct attempt *attempts, size_t count)
{
	struct attempt *largest = attempts;
	size_t i;

	for (i = 1; i < count; i++) {
		if (attempts[i].reg.length > largest->reg.length)
			largest = &attempts[i];
	}
	return largest;
}

/*
 * The largest mapping is the guest's RAM. It is tried first: when it is
 * refused, merging the rest of the process is not what the user wants, and
 * there is nothing to undo.
 */
static int register_mappings(struct cli *cli, struct attempt *attempts, size_t count)
{
	struct attempt *largest = largest_of(attempts, count);
	size_t i;

	if (attempt_run(cli, largest))
		return refuse(cli, largest, "the largest mapping");
	for (i = 0; i < count; i++) {
		if (&attempts[i] != largest)
			attempt_run(cli, &attempts[i]);
	}
	print_attempts(cli, attempts, count);
	return CLI_OK;
}

static size_t choose_mappings(const struct request *request, const struct mapping *mappings,
			      size_t count, struct attempt *attempts)
{
	size_t i, chosen = 0;
	uint64_t length;

	for (i = 0; i < count; i++) {
		length = mappings[i].end - mappings[i].start;
		/* Shared ones too: the kernel shall say that and why it refuses them. */
		if (mappings[i].writable && length >= request->min_size)
			attempt_init(&attempts[chosen++], request->pid, mappings[i].start, length);
	}
	return chosen;
}

static int read_error(pid_t pid, int err)
{
	switch (-err) {
	case ESRCH:
		cli_error("no process %d", pid);
		break;
	case EACCES:
	case EPERM:
		cli_error("no permission over process %d: run as root (CAP_SYS_PTRACE is needed)",
			  pid);
		break;
	default:
		cli_error("cannot read the mappings of process %d: %s", pid, strerror(-err));
	}
	return CLI_REFUSED;
}

static int register_process(struct cli *cli, const struct request *request)
{
	struct mapping *mappings;
	struct attempt *attempts;
	char size[HUMAN_SIZE_MAX];
	size_t count;
	int err, status = CLI_REFUSED;

	err = proc_read_maps(cli->proc_dir, request->pid, &mappings, &count);
	if (err)
		return read_error(request->pid, err);
	attempts = calloc(count + 1, sizeof(*attempts));
	if (!attempts) {
		cli_error("out of memory");
		goto free_mappings;
	}
	count = choose_mappings(request, mappings, count, attempts);
	if (count)
		status = register_mappings(cli, attempts, count);
	else
		cli_error("process %d has no writable mapping of %s or more", request->pid,
			  human_size(request->min_size, size));
	free(attempts);
free_mappings:
	free(mappings);
	return status;
}

static int run_request(struct cli *cli, const struct request *request)
{
	struct attempt attempt;
	uint64_t start = 0, length = 0;

	if (request->range && !parse_range(request->range, &start, &length))
		return cli_usage(&command_register, "'%s' is not a range of addresses",
				 request->range);
	if (cli_open(cli))
		return CLI_REFUSED;
	if (!request->range && !request->all)
		return register_process(cli, request);
	attempt_init(&attempt, request->pid, start, length);
	if (request->all)
		attempt.reg.flags |= VMDEDUP_REGISTER_ALL;
	return register_one(cli, &attempt, request->all ? "the address space" : "the range");
}

static int check_request(struct cli *cli, struct request *request, int argc, char **argv)
{
	if (argc < 1)
		return cli_usage(&command_register, "which process?");
	if (!parse_pid(argv[0], &request->pid))
		return cli_usage(&command_register, "'%s' is not a process id", argv[0]);
	if (argc > 2)
		return cli_usage(&command_register, "what is '%s' for?", argv[2]);
	request->range = argv[1];
	if (request->all + request->has_min_size + !!request->range > 1)
		return cli_usage(&command_register,
				 "a range, --all and --min-size exclude each other");
	return run_request(cli, request);
}

static int take_option(void *data, int c)
{
	struct request *request = data;

	switch (c) {
	case OPT_ALL:
		request->all = true;
		break;
	case OPT_MIN_SIZE:
		request->has_min_size = true;
		if (!parse_size(optarg, &request->min_size))
			return cli_usage(&command_register, "'%s' is not a size", optarg);
		break;
	}
	return CLI_CONTINUE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "all",	no_argument,		NULL,	OPT_ALL },
		{ "min-size",	required_argument,	NULL,	OPT_MIN_SIZE },
		CLI_LONG_OPTIONS
	};
	struct request request = { .min_size = DEFAULT_MIN_SIZE };
	int status;

	status = cli_options(cli, &command_register, argc, argv, options, take_option, &request);
	if (status != CLI_CONTINUE)
		return status;
	return check_request(cli, &request, argc - optind, argv + optind);
}

const struct command command_register = {
	.name		= "register",
	.args		= "PID [START-END | START+LENGTH] [--all] [--min-size SIZE]",
	.summary	= "allow the memory of a process to be merged",
	.help =
		"Without a range: each writable mapping of the process of 1 MiB or more, if the\n"
		"largest of them can be merged. Addresses are hexadecimal, as in /proc/PID/maps.\n"
		"\n"
		"      --all            the whole address space, and what is mapped in it later\n"
		"      --min-size SIZE  each writable mapping of SIZE (1M, 64K, ...) or more\n"
		"  -j, --json           JSON on standard output\n"
		"  -p, --pretty         the same, indented\n",
	.run		= run,
};
