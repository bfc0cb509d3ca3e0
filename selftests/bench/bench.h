/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The benchmark: how dear are KSM and vmdedup, in one boot, on the same memory?
 * See Documentation/benchmarks.rst for what is measured.
 *
 * Whatever goes wrong ends the program: half of a comparison is none.
 */
#ifndef VMDEDUP_BENCH_H
#define VMDEDUP_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Progress, on standard error. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Seconds since some time. */
double now(void);
void nap(double seconds);

struct options {
	unsigned int procs;	/* of the workload, even */
	unsigned int mib;	/* of each */
	unsigned int rounds;	/* of which the median counts */
	unsigned int seconds;	/* for which latency is measured */
	unsigned int idle;	/* seconds for which it is at defaults */
	unsigned int patience;	/* seconds to wait for a goal at the most */
	const char *oracle;	/* path of the program */
};

extern struct options options;

/* phases.c: each fills in its part of the figures. */
void phase_base(void);
void phase_huge(void);
void phase_steady(void);
void phase_latency(void);
void phase_economy(void);
/* guests.c */
void phase_guests(int nr, char **pids);

#endif /* VMDEDUP_BENCH_H */
