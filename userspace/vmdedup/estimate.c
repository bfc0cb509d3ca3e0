// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "estimate.h"
#include "estimate_print.h"
#include "output.h"
#include "parse.h"
#include "progress.h"

/**
 * struct job - one run
 * @cli: context
 * @options: for the library
 * @rate: pages per second at the most, or 0
 * @view: what to print
 * @progress: the bar
 * @began: when reading began
 */
struct job {
	struct cli *cli;
	struct vmdedup_estimate_options options;
	uint64_t rate;
	struct estimate_view view;
	struct progress progress;
	struct timespec began;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* A second one ends the program at once. */
static void catch_signals(void)
{
	struct sigaction action = {
		.sa_handler	= on_signal,
		.sa_flags	= SA_RESETHAND,
	};

	interrupted = 0;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static double seconds_since(const struct timespec *began)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - began->tv_sec + (now.tv_nsec - began->tv_nsec) / 1e9;
}

/* Sleeps until so much may have been read; a signal ends it. */
static void keep_rate(const struct job *job, uint64_t done)
{
	double early;
	struct timespec nap;

	if (!job->rate)
		return;
	early = (double)done / job->rate - seconds_since(&job->began);
	if (early <= 0)
		return;
	nap.tv_sec = early;
	nap.tv_nsec = (early - nap.tv_sec) * 1e9;
	nanosleep(&nap, NULL);
}

static bool on_progress(void *data, uint64_t done, uint64_t total)
{
	struct job *job = data;

	progress_show(&job->progress, "reading", done, total);
	keep_rate(job, done);
	return !interrupted;
}

static int add_error(pid_t pid, int err)
{
	switch (-err) {
	case ESRCH:
		cli_error("no process %d, or it has no memory of its own", pid);
		break;
	case EACCES:
		cli_error("no permission over process %d: run as root (CAP_SYS_PTRACE is "
			  "needed), or as its user", pid);
		break;
	case EPROTO:
		cli_error("/proc/%d/smaps is not understood", pid);
		break;
	default:
		cli_error("cannot look at process %d: %s", pid, strerror(-err));
	}
	return CLI_REFUSED;
}

static int add_all(struct vmdedup_estimate *est, size_t *denied)
{
	int err = vmdedup_estimate_add_guests(est, denied);

	if (!err)
		return CLI_OK;
	cli_error("cannot look for guests: %s", strerror(-err));
	return CLI_REFUSED;
}

static int add_given(struct vmdedup_estimate *est, int argc, char **argv)
{
	pid_t pid;
	int i, err;

	for (i = 0; i < argc; i++) {
		if (!parse_pid(argv[i], &pid))
			return cli_usage(&command_estimate, "'%s' is not a process id", argv[i]);
		err = vmdedup_estimate_add(est, pid);
		if (err && err != -EEXIST)
			return add_error(pid, err);
	}
	return CLI_OK;
}

static int read_memory(struct job *job, struct vmdedup_estimate *est)
{
	int err;

	catch_signals();
	progress_init(&job->progress);
	clock_gettime(CLOCK_MONOTONIC, &job->began);
	err = vmdedup_estimate_read(est, on_progress, job);
	progress_clear(&job->progress);
	switch (-err) {
	case 0:
		job->view.complete = true;
		break;
	case EINTR:
		cli_error("interrupted: the figures are of what was read until then");
		break;
	case ENOSPC:
		cli_error("too many places hold the same few contents: "
			  "allow more with --memory");
		return CLI_REFUSED;
	default:
		cli_error("cannot read: %s", strerror(-err));
		return CLI_REFUSED;
	}
	return CLI_OK;
}

static int add_processes(struct job *job, struct vmdedup_estimate *est, int argc, char **argv)
{
	size_t denied = 0;
	int status;

	if (argc)
		return add_given(est, argc, argv);
	status = add_all(est, &denied);
	if (!status && denied)
		cli_error("%zu processes could not be looked at: run as root to see all",
			  denied);
	job->view.denied = denied;
	return status;
}

static int estimate(struct job *job, struct vmdedup_estimate *est, int argc, char **argv)
{
	const struct vmdedup_estimate_result *result;
	int status, err;

	status = add_processes(job, est, argc, argv);
	if (status)
		return status;
	status = read_memory(job, est);
	if (status)
		return status;
	err = vmdedup_estimate_result(est, &result);
	if (err) {
		cli_error("cannot add up: %s", strerror(-err));
		return CLI_REFUSED;
	}
	if (!result->nr_guests && !job->cli->json) {
		cli_error("no process holds a KVM virtual machine: vmdedup estimate PID");
		return CLI_REFUSED;
	}
	job->view.seconds = seconds_since(&job->began);
	estimate_print(job->cli, &job->view, result);
	return job->view.complete && result->nr_guests ? CLI_OK : CLI_REFUSED;
}

static int run_job(struct job *job, int argc, char **argv)
{
	struct vmdedup_estimate *est;
	int status, err;

	err = vmdedup_estimate_new(&est, &job->options);
	if (err) {
		cli_error("cannot begin: %s", strerror(-err));
		return CLI_REFUSED;
	}
	status = estimate(job, est, argc, argv);
	vmdedup_estimate_free(est);
	return status;
}

static int take_policy(struct job *job, const char *name)
{
	unsigned int policy;

	for (policy = 0; policy < VMDEDUP_ESTIMATE_POLICY_NR; policy++) {
		if (!strcmp(name, vmdedup_estimate_policy_name(policy))) {
			job->view.policy = policy;
			return CLI_CONTINUE;
		}
	}
	return cli_usage(&command_estimate,
			 "'%s' is none of host, uid, cgroup and process", name);
}

static int take_number(const char *what, uint64_t min, uint64_t max, uint64_t *number)
{
	if (parse_number(optarg, max, number) && *number >= min)
		return CLI_CONTINUE;
	return cli_usage(&command_estimate, "'%s' is not %s", optarg, what);
}

static int take_option(void *data, int c)
{
	struct job *job = data;
	uint64_t number = 0;
	int status = CLI_CONTINUE;

	switch (c) {
	case OPT_ALL_MEMORY:
		job->options.all_memory = true;
		break;
	case OPT_MEMORY:
		if (!parse_size(optarg, &number) || number < 64 << 10 || number > SIZE_MAX / 2)
			return cli_usage(&command_estimate, "'%s' is not a size of 64K or more",
					 optarg);
		job->options.memory = number;
		break;
	case OPT_POLICY:
		return take_policy(job, optarg);
	case OPT_RATE:
		status = take_number("a number of MiB per second", 1, UINT32_MAX, &number);
		job->rate = number << 8;
		break;
	case OPT_SEED:
		status = take_number("a number from 1", 1, UINT64_MAX, &job->options.seed);
		break;
	case OPT_SPLIT_PAGES:
		status = take_number("a number from 1 to 512", 1, VMDEDUP_ESTIMATE_HUGE, &number);
		job->options.split_pages = number;
		break;
	}
	return status;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "all-memory",		no_argument,		NULL,	OPT_ALL_MEMORY },
		{ "memory",		required_argument,	NULL,	OPT_MEMORY },
		{ "policy",		required_argument,	NULL,	OPT_POLICY },
		{ "rate",		required_argument,	NULL,	OPT_RATE },
		{ "seed",		required_argument,	NULL,	OPT_SEED },
		{ "split-pages",	required_argument,	NULL,	OPT_SPLIT_PAGES },
		CLI_LONG_OPTIONS
	};
	struct job job = {
		.cli	= cli,
		.options.proc_dir = cli->proc_dir,
		.view.policy = VMDEDUP_ESTIMATE_UID,
	};
	int status;

	status = cli_options(cli, &command_estimate, argc, argv, options, take_option, &job);
	if (status != CLI_CONTINUE)
		return status;
	job.view.all_memory = job.options.all_memory;
	return run_job(&job, argc - optind, argv + optind);
}

const struct command command_estimate = {
	.name		= "estimate",
	.args		= "[PID...] [--policy POLICY] [--all-memory] [--rate MIB] [--memory SIZE]",
	.summary	= "what merging would save, without merging anything",
	.help =
		"Reads the memory of the processes, or of all that hold a KVM virtual machine.\n"
		"Needs no kernel module.\n"
		"\n"
		"      --policy POLICY  the table of processes is for host, uid (the default),\n"
		"                       cgroup or process; the totals are for all of them\n"
		"      --all-memory     also memory that cannot be merged, as if it could\n"
		"      --rate MIB       read so many MiB per second at the most\n"
		"      --memory SIZE    use so much memory for the count, at the most (64M);\n"
		"                       what does not fit is sampled\n"
		"      --split-pages N  split a huge page when that saves N of 512 pages (128)\n"
		"      --seed N         take the same sample as with the same N before\n"
		"  -j, --json           JSON on standard output\n"
		"  -p, --pretty         the same, indented\n",
	.run		= run,
};
