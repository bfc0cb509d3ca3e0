// SPDX-License-Identifier: GPL-2.0
/*
 * bench [OPTION]... PHASE...       base, huge, steady, latency, economy
 * bench [OPTION]... guests PID...  on running guests
 *
 *   -o FILE      where the figures go, JSON
 *   -O PROGRAM   the oracle
 *   -p N -m MIB  processes, and the memory of each
 *   -r ROUNDS    of which the median counts
 *   -s SECONDS   for which latency is measured, and steady state at least
 *   -i SECONDS   for which they are watched at their defaults (70)
 *   -w SECONDS   how long to wait for what may never come
 *
 * Runs in the lab, as root, with vmdedup.ko loaded. Exit status: 0 ok, 1 failed.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../engine/util.h"
#include "bench.h"
#include "dedup.h"
#include "result.h"
#include "workload.h"

struct options options = {
	.procs = 8,
	.mib = 256,
	.rounds = 3,
	.seconds = 5,
	.idle = 70,
	.patience = 300,
	.oracle = "oracle",
};

static double began;

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

void nap(double seconds)
{
	struct timespec t = {
		.tv_sec = seconds,
		.tv_nsec = (seconds - (time_t)seconds) * 1e9,
	};

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

void say(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%6.0f s  ", now() - began);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static const struct {
	const char *name;
	void (*run)(void);
} phases[] = {
	{ "base", phase_base },
	{ "huge", phase_huge },
	{ "steady", phase_steady },
	{ "latency", phase_latency },
	{ "economy", phase_economy },
};

static void run_phase(const char *name)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		if (!strcmp(name, phases[i].name)) {
			say("phase %s", name);
			phases[i].run();
			return;
		}
	}
	die("no phase '%s'", name);
}

/* Huge pages only where we ask for them, and nobody who collapses ours. */
static void quiet_kernel(const char *huge)
{
	if (write_text("/sys/kernel/mm/transparent_hugepage/enabled", huge) ||
	    write_text("/sys/kernel/mm/transparent_hugepage/defrag", "madvise") ||
	    write_text("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs",
		       "600000"))
		die("no huge pages in this kernel");
}

static void describe(bool processes)
{
	struct utsname u;

	uname(&u);
	result_fact("kernel", json_object_new_string(u.release));
	result_fact("cpus", json_object_new_int(sysconf(_SC_NPROCESSORS_ONLN)));
	result_fact("memory_mib", json_object_new_int64(sysconf(_SC_PHYS_PAGES) / 256));
	result_fact("rounds", json_object_new_int(options.rounds));
	result_fact("settings_default", dedup_settings(BY_DEFAULT));
	result_fact("settings_fast", dedup_settings(FAST));
	result_fact(processes ? "vmdedup_counters" : "vmdedup_counters_guests",
		    dedup_counters());
	if (!processes)
		return;
	result_fact("processes", json_object_new_int(options.procs));
	result_fact("mib_each", json_object_new_int(options.mib));
	result_fact("pages_verified", json_object_new_int64(wl_verified));
	result_fact("pages_wrong", json_object_new_int(0));
}

static unsigned int number(const char *text, unsigned int lo, unsigned int hi)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || end == text || value < lo || value > hi)
		die("'%s' must be a number from %u to %u", text, lo, hi);
	return value;
}

int main(int argc, char **argv)
{
	const char *out = NULL;
	bool guests;
	int c;

	began = now();
	while ((c = getopt(argc, argv, "o:O:p:m:r:s:i:w:")) != -1) {
		switch (c) {
		case 'o':
			out = optarg;
			break;
		case 'O':
			options.oracle = optarg;
			break;
		case 'p':
			options.procs = number(optarg, 2, WL_MAX) & ~1U;
			break;
		case 'm':
			options.mib = number(optarg, 4, 65536) & ~1U;
			break;
		case 'r':
			options.rounds = number(optarg, 1, 15);
			break;
		case 's':
			options.seconds = number(optarg, 1, 60);
			break;
		case 'i':
			options.idle = number(optarg, 1, 100000);
			break;
		case 'w':
			options.patience = number(optarg, 1, 100000);
			break;
		default:
			return 1;
		}
	}
	if (optind == argc || !out)
		die("what is to be measured, and where to?");
	guests = !strcmp(argv[optind], "guests");
	dedup_init();
	/* Huge pages of guests would be there in the first round only. */
	quiet_kernel(guests ? "never" : "madvise");
	if (guests)
		phase_guests(argc - optind - 1, argv + optind + 1);
	else
		while (optind < argc)
			run_phase(argv[optind++]);
	describe(!guests);
	result_write(out);
	return 0;
}
