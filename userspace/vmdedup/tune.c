// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "output.h"
#include "parse.h"
#include "tunable.h"

/**
 * struct wish - something on the command line or in a file
 * @tunable: name and value; an empty value only asks
 * @line: number of the line, or 0 for the command line
 * @was: the value before
 * @now: the tunable, after all were set
 */
struct wish {
	struct vmdedup_tunable tunable;
	unsigned int line;
	const char *was;
	const struct vmdedup_tunable *now;
};

/**
 * struct job - what to ask for and what to set
 * @cli: context
 * @from: the file, or NULL
 * @wishes: all of them
 * @nr: entries in @wishes
 * @now: the tunables there are
 */
struct job {
	struct cli *cli;
	const char *from;
	struct wish *wishes;
	size_t nr;
	struct vmdedup_tunables now;
};

/* The place of a wish, for messages: "FILE:LINE: " or nothing. */
static const char *place(const struct job *job, unsigned int line, char buf[80])
{
	buf[0] = '\0';
	if (line)
		snprintf(buf, 80, "%.60s:%u: ", job->from, line);
	return buf;
}

static int add_wish(struct job *job, const struct vmdedup_tunable *tunable, unsigned int line)
{
	struct wish *more = job->wishes;

	/* Grow at each power of two. */
	if (!(job->nr & (job->nr - 1))) {
		more = reallocarray(more, job->nr ? 2 * job->nr : 1, sizeof(*more));
		if (!more) {
			cli_error("out of memory");
			return CLI_REFUSED;
		}
		job->wishes = more;
	}
	more[job->nr++] = (struct wish){ .tunable = *tunable, .line = line };
	return CLI_OK;
}

static int parse_args(struct job *job, int argc, char **argv)
{
	struct vmdedup_tunable tunable;
	int i, status = CLI_OK;

	for (i = 0; i < argc && !status; i++) {
		switch (vmdedup_tunable_parse(argv[i], &tunable)) {
		case VMDEDUP_TUNABLE_NAME:
		case VMDEDUP_TUNABLE_ASSIGNMENT:
			status = add_wish(job, &tunable, 0);
			break;
		default:
			status = cli_usage(&command_tune, "'%s' is neither NAME nor NAME=VALUE",
					   argv[i]);
		}
	}
	return status;
}

static int parse_line(struct job *job, const char *text, unsigned int line)
{
	struct vmdedup_tunable tunable;

	switch (vmdedup_tunable_parse(text, &tunable)) {
	case VMDEDUP_TUNABLE_NOTHING:
		return CLI_OK;
	case VMDEDUP_TUNABLE_ASSIGNMENT:
		return add_wish(job, &tunable, line);
	default:
		cli_error("%s:%u: not NAME=VALUE", job->from, line);
		return CLI_USAGE;
	}
}

static int parse_file(struct job *job)
{
	FILE *file = fopen(job->from, "re");
	unsigned int number = 0;
	char *line = NULL;
	int status = CLI_OK;
	size_t size = 0;
	ssize_t len;

	if (!file) {
		cli_error("%s: %s", job->from, strerror(errno));
		return CLI_REFUSED;
	}
	while (!status && (len = getline(&line, &size, file)) >= 0) {
		number++;
		/* A zero byte must not hide what follows it. */
		status = parse_line(job, strlen(line) == (size_t)len ? line : "?", number);
	}
	if (!status && !feof(file)) {
		cli_error("%s: cannot be read", job->from);
		status = CLI_REFUSED;
	}
	free(line);
	fclose(file);
	return status;
}

static bool is_number(const char *text)
{
	uint64_t number;

	/* As the kernel: decimal, or hexadecimal with 0x. */
	return parse_size(text, &number) && !strpbrk(text, "kKmMgGtTiI");
}

/* What can be told before the kernel is asked. */
static int check_wish(struct job *job, size_t index)
{
	struct wish *wish = &job->wishes[index];
	const struct vmdedup_tunable *tunable;
	const char *name = wish->tunable.name;
	char where[80];
	size_t i;

	place(job, wish->line, where);
	tunable = vmdedup_tunables_find(&job->now, name);
	if (!tunable) {
		cli_error("%sno tunable '%s': vmdedup tune lists them", where, name);
		return CLI_REFUSED;
	}
	wish->was = tunable->value;
	for (i = 0; i < index; i++) {
		if (!strcmp(job->wishes[i].tunable.name, name)) {
			cli_error("%s'%s' is given twice", where, name);
			return CLI_USAGE;
		}
	}
	if (*wish->tunable.value && is_number(tunable->value) != is_number(wish->tunable.value)) {
		cli_error("%s%s takes %s, not '%s'", where, name,
			  is_number(tunable->value) ? "a number" : "a word",
			  wish->tunable.value);
		return CLI_REFUSED;
	}
	return CLI_OK;
}

static void restore(struct job *job, size_t nr)
{
	int err;

	/* In reverse: one may have been allowed because of the one before. */
	while (nr--) {
		if (!*job->wishes[nr].tunable.value)
			continue;
		err = vmdedup_tunable_set(job->cli->ctx, job->wishes[nr].tunable.name,
					  job->wishes[nr].was);
		if (err)
			cli_error("%s could not be set back to %s: %s",
				  job->wishes[nr].tunable.name, job->wishes[nr].was,
				  strerror(-err));
	}
}

static int set_error(const struct job *job, const struct wish *wish, int err)
{
	const char *range = vmdedup_tunable_range(wish->tunable.name);
	char where[80];

	place(job, wish->line, where);
	switch (-err) {
	case EINVAL:
		cli_error("%s%s=%s was refused%s%s%s; nothing was changed", where,
			  wish->tunable.name, wish->tunable.value, range ? " (it takes " : "",
			  range ? range : "", range ? ")" : "");
		break;
	case EACCES:
	case EPERM:
		cli_error("%sno permission to set %s: run as root", where, wish->tunable.name);
		break;
	default:
		cli_error("%s%s=%s failed: %s; nothing was changed", where, wish->tunable.name,
			  wish->tunable.value, strerror(-err));
	}
	return CLI_REFUSED;
}

static int set_all(struct job *job)
{
	const struct wish *wish;
	size_t i;
	int err;

	for (i = 0; i < job->nr; i++) {
		wish = &job->wishes[i];
		if (!*wish->tunable.value)
			continue;
		err = vmdedup_tunable_set(job->cli->ctx, wish->tunable.name,
					  wish->tunable.value);
		if (err) {
			restore(job, i);
			return set_error(job, wish, err);
		}
	}
	return CLI_OK;
}

static void add_json(struct json_object *object, const struct vmdedup_tunable *tunable)
{
	uint64_t number;

	if (parse_number(tunable->value, UINT64_MAX, &number))
		json_number(object, tunable->name, number);
	else
		json_text(object, tunable->name, tunable->value);
}

/* All, or those that were named; with the values that they have now. */
static void print_json(const struct job *job)
{
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_object();
	size_t i;

	for (i = 0; i < job->now.count && !job->nr && !job->from; i++)
		add_json(list, &job->now.tunables[i]);
	for (i = 0; i < job->nr; i++)
		add_json(list, job->wishes[i].now);
	json_object_object_add(object, "tunables", list);
	json_print(job->cli, object);
}

static void print_list(const struct job *job)
{
	const struct vmdedup_tunable *tunable;
	const char *text, *range;
	size_t i;

	for (i = 0; i < job->now.count; i++) {
		tunable = &job->now.tunables[i];
		text = vmdedup_tunable_text(tunable->name);
		range = vmdedup_tunable_range(tunable->name);
		printf("%-18s %-10s %s\n", tunable->name, tunable->value,
		       text ? text : "(unknown to this version)");
		if (range)
			printf("%-29s (%s)\n", "", range);
	}
}

static void print_wish(const struct job *job, const struct wish *wish)
{
	if (*wish->tunable.value) {
		if (strcmp(wish->was, wish->now->value))
			printf("%s: %s -> %s\n", wish->now->name, wish->was, wish->now->value);
	} else if (job->nr > 1) {
		printf("%s=%s\n", wish->now->name, wish->now->value);
	} else {
		puts(wish->now->value);
	}
}

static void print_text(const struct job *job)
{
	size_t i;

	if (!job->nr && !job->from)
		print_list(job);
	for (i = 0; i < job->nr; i++)
		print_wish(job, &job->wishes[i]);
}

static int read_now(struct job *job)
{
	char text[VMDEDUP_EXPLAIN_MAX];
	int err = vmdedup_tunables_read(job->cli->ctx, &job->now);

	if (!err)
		return CLI_OK;
	cli_error("%s", vmdedup_explain_open(err, text, sizeof(text)));
	return CLI_REFUSED;
}

/* The kernel may show another spelling than it was given. */
static int show(struct job *job)
{
	int status = read_now(job);
	size_t i;

	for (i = 0; i < job->nr && !status; i++) {
		job->wishes[i].now = vmdedup_tunables_find(&job->now,
							   job->wishes[i].tunable.name);
		if (!job->wishes[i].now) {
			cli_error("%s has gone", job->wishes[i].tunable.name);
			status = CLI_REFUSED;
		}
	}
	if (!status && job->cli->json)
		print_json(job);
	else if (!status)
		print_text(job);
	return status;
}

static int run_job(struct job *job)
{
	struct vmdedup_tunables before;
	int status;
	size_t i;

	status = read_now(job);
	for (i = 0; i < job->nr && !status; i++)
		status = check_wish(job, i);
	if (!status)
		status = set_all(job);
	before = job->now;
	job->now = (struct vmdedup_tunables){ 0 };
	if (!status)
		status = show(job);
	vmdedup_tunables_free(&before);
	return status;
}

static int take_option(void *data, int c)
{
	struct job *job = data;

	if (c == OPT_FROM)
		job->from = optarg;
	return CLI_CONTINUE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "from",	required_argument,	NULL,	OPT_FROM },
		CLI_LONG_OPTIONS
	};
	struct job job = { .cli = cli };
	int status;

	status = cli_options(cli, &command_tune, argc, argv, options, take_option, &job);
	if (status != CLI_CONTINUE)
		return status;
	status = job.from ? parse_file(&job) : CLI_OK;
	if (!status)
		status = parse_args(&job, argc - optind, argv + optind);
	if (!status)
		status = run_job(&job);
	vmdedup_tunables_free(&job.now);
	free(job.wishes);
	return status;
}

const struct command command_tune = {
	.name		= "tune",
	.args		= "[NAME[=VALUE]...] [--from FILE]",
	.summary	= "show and set tunables",
	.help =
		"Without an argument: all tunables. When one value is refused, those set before\n"
		"get their old values back.\n"
		"\n"
		"      --from FILE  lines with NAME=VALUE; # begins a comment line\n"
		"  -j, --json       JSON on standard output\n"
		"  -p, --pretty     the same, indented\n",
	.run		= run,
};
