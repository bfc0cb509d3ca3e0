/* SPDX-License-Identifier: GPL-2.0 */
/* Have one of the two merge, and measure it. */
#ifndef VMDEDUP_BENCH_CONVERGE_H
#define VMDEDUP_BENCH_CONVERGE_H

#include "dedup.h"
#include "workload.h"

/* Seconds; of CPU time, that of the threads, and all but the processes'. */
struct outcome {
	bool reached;
	double wall, cpu, busy;
};

/* From nothing merged until @goal of what is possible is saved. It goes on. */
void converge(struct workload *wl, enum side side, double goal,
	      struct outcome *out);
/* Until nothing more is saved. It goes on. */
void converge_all(struct workload *wl, enum side side);
/* Stop, and undo all of it. */
void unmerge(struct workload *wl, enum side side);
/* Wait for so many complete passes; tells whether there were. */
bool await_passes(enum side side, unsigned int passes);
/* Merge everything that is registered, on request. */
void vmdedup_request(double *wall, double *cpu);
void vmdedup_workers(unsigned int nr);

#endif /* VMDEDUP_BENCH_CONVERGE_H */
