// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"
#include "converge.h"
#include "meter.h"

#define POLL	0.05

struct stamp {
	double wall;
	uint64_t cpu, busy;
};

static void stamp(struct workload *wl, enum side side, struct stamp *s)
{
	s->wall = now();
	s->cpu = cpu_ns_of_kthreads(dedup[side].threads);
	s->busy = cpu_ns_busy() - wl_cpu_ns(wl) - cpu_ns_of(getpid());
}

void converge(struct workload *wl, enum side side, double goal,
	      struct outcome *out)
{
	const int64_t enough = wl->possible * goal;
	struct stamp from, to;

	meter_zero();
	stamp(wl, side, &from);
	dedup[side].run(1);
	do {
		nap(POLL);
		out->reached = meter_saved() >= enough;
	} while (!out->reached && now() - from.wall < options.patience);
	stamp(wl, side, &to);
	out->wall = to.wall - from.wall;
	out->cpu = (to.cpu - from.cpu) / 1e9;
	out->busy = (int64_t)(to.busy - from.busy) / 1e9;
}

bool await_passes(enum side side, unsigned int passes)
{
	uint64_t goal = dedup[side].passes() + passes;
	double end = now() + options.patience;

	while (dedup[side].passes() < goal) {
		if (now() > end)
			return false;
		nap(POLL / 5);
	}
	return true;
}

void converge_all(struct workload *wl, enum side side)
{
	/* Less than that a pass is noise. */
	const int64_t little = wl->possible / 1000 + 1;
	int64_t saved = 0, before;
	unsigned int still = 0;

	meter_zero();
	dedup[side].run(1);
	/* KSM needs two passes to begin with. */
	if (!await_passes(side, 3))
		die("%s: passes do not end", dedup[side].name);
	while (still < 3) {
		before = saved;
		if (!await_passes(side, 1))
			die("%s: passes do not end", dedup[side].name);
		saved = meter_saved();
		still = saved - before < little ? still + 1 : 0;
	}
}

void unmerge(struct workload *wl, enum side side)
{
	uint64_t left;

	dedup[side].run(2);
	dedup[side].run(0);
	left = wl_saved(wl);
	/* From 6.12 on the kernel itself maps the zero page when it splits huge pages. */
	if (left > wl->possible / 1000 + (wl->huge ? wl->zero : 0))
		die("%s: %" PRIu64 " pages are still merged", dedup[side].name, left);
}

void vmdedup_request(double *wall, double *cpu)
{
	int fd = vd_open(), ret;
	struct rusage from, to;

	if (fd < 0)
		die("no " VD_DEV);
	*wall = now();
	getrusage(RUSAGE_SELF, &from);
	ret = vd_merge(fd, 0, NULL);
	getrusage(RUSAGE_SELF, &to);
	*wall = now() - *wall;
	if (ret)
		die("cannot merge: %d", ret);
	*cpu = to.ru_stime.tv_sec - from.ru_stime.tv_sec +
	       (to.ru_stime.tv_usec - from.ru_stime.tv_usec) / 1e6;
	close(fd);
}

void vmdedup_workers(unsigned int nr)
{
	vmdedup_tune("threads", nr);
	/* 100 is one processor for all of them. */
	if (vmdedup_has("cpu_limit"))
		vmdedup_tune("cpu_limit", nr > 1 ? 0 : 100);
}
