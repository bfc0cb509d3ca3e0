// SPDX-License-Identifier: GPL-2.0
/* What is done, and in which order, to the processes of the workload. */
#include <inttypes.h>
#include <stdio.h>

#include <json-c/json.h>

#include "bench.h"
#include "converge.h"
#include "dedup.h"
#include "meter.h"
#include "result.h"
#include "workload.h"

/* vmdedup forgets what it knew of pages a while after they have gone. */
#define FORGET_SECONDS	3
#define LIMITED_SECONDS	10

static const double goal = 0.99;

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

/* The small ones are a quarter of the workload, but what huge pages need. */
static unsigned int quarter(void)
{
	return options.mib < 16 ? options.mib : options.mib / 8 * 2;
}

static struct workload *start(const struct mix *mix, unsigned int mib, bool huge)
{
	struct workload *wl;

	say("%u processes of %u MiB, %s pages", options.procs, mib,
	    huge ? "huge" : "4 KiB");
	wl = wl_start(mix, mib, huge);
	wl_register(wl);
	return wl;
}

static void finish(struct workload *wl)
{
	wl_write(wl, false);
	wl_verify(wl);
	wl_unregister(wl);
	wl_end(wl);
}

struct converge_figures {
	enum figure wall, cpu, busy, saved;
};

#define NO_FIGURE FIGURES_NR

static void add(enum figure f, enum whose w, double value)
{
	if (f != NO_FIGURE)
		result_add(f, w, value);
}

static void converge_once(struct workload *wl, enum side side, enum pace pace,
			  const struct converge_figures *f)
{
	struct outcome out;

	dedup[side].tune(pace);
	wl_write(wl, true);
	converge(wl, side, goal, &out);
	dedup[side].run(0);
	wl_write(wl, false);
	add(f->saved, (enum whose)side, percent(wl_saved(wl), wl->possible));
	unmerge(wl, side);
	if (!out.reached) {
		say("  goal not reached");
		if (f->wall != NO_FIGURE)
			result_lacks(f->wall, (enum whose)side, "not reached");
		if (f->cpu != NO_FIGURE)
			result_lacks(f->cpu, (enum whose)side, "not reached");
		if (f->busy != NO_FIGURE)
			result_lacks(f->busy, (enum whose)side, "not reached");
		return;
	}
	add(f->wall, (enum whose)side, out.wall);
	add(f->cpu, (enum whose)side, out.cpu);
	add(f->busy, (enum whose)side, out.busy);
}

static void request_once(struct workload *wl)
{
	double wall, cpu;

	vmdedup_request(&wall, &cpu);
	result_add(FIGURE_request_wall, OF_VMDEDUP, wall);
	result_add(FIGURE_request_cpu, OF_VMDEDUP, cpu);
	result_add(FIGURE_request_saved, OF_VMDEDUP, percent(wl_saved(wl), wl->possible));
	unmerge(wl, VMDEDUP);
}

static void workers(struct workload *wl)
{
	double took[3] = { 0 };
	struct outcome out;

	if (!vmdedup_has("threads")) {
		result_lacks(FIGURE_workers_speedup, OF_VMDEDUP, "not available");
		return;
	}
	for (unsigned int i = 0; i < options.rounds; i++) {
		for (unsigned int n = 1; n <= 2; n++) {
			dedup[VMDEDUP].tune(FAST);
			vmdedup_workers(n);
			converge(wl, VMDEDUP, goal, &out);
			unmerge(wl, VMDEDUP);
			took[n] = out.reached ? out.wall : 0;
		}
		if (took[1] > 0 && took[2] > 0)
			result_add(FIGURE_workers_speedup, OF_VMDEDUP, took[1] / took[2]);
		else
			result_lacks(FIGURE_workers_speedup, OF_VMDEDUP, "not reached");
	}
}

void phase_base(void)
{
	static const struct converge_figures fast = {
		FIGURE_converge_wall, FIGURE_converge_cpu, FIGURE_converge_busy,
		FIGURE_converge_saved
	}, slow = {
		FIGURE_default_converge_wall, FIGURE_default_converge_cpu,
		NO_FIGURE, NO_FIGURE
	};
	struct workload *wl = start(&mix_usual, options.mib, false);

	for (unsigned int i = 0; i < options.rounds; i++) {
		for (int side = 0; side < SIDES; side++) {
			say("round %u, %s as fast as it can", i + 1, dedup[side].name);
			converge_once(wl, side, FAST, &fast);
		}
	}
	wl_verify(wl);
	for (unsigned int i = 0; i < options.rounds; i++) {
		say("round %u, vmdedup on request", i + 1);
		request_once(wl);
	}
	workers(wl);
	finish(wl);

	wl = start(&mix_usual, quarter(), false);
	wl_ask_oracle(wl);
	for (int side = 0; side < SIDES; side++) {
		say("%s at its defaults", dedup[side].name);
		converge_once(wl, side, BY_DEFAULT, &slow);
	}
	finish(wl);
}

/* As many huge pages as there can be; returns how many there are. */
static uint64_t huge_wanted(struct workload *wl)
{
	uint64_t have, want = wl->nr * (wl->pages / HPAGE_NR);

	wl_refill(wl);
	have = wl_huge(wl);
	if (have < want * 9 / 10)
		die("only %" PRIu64 " of %" PRIu64 " huge pages", have, want);
	return have;
}

void phase_huge(void)
{
	static const struct converge_figures fast = {
		FIGURE_huge_converge_wall, FIGURE_huge_converge_cpu, NO_FIGURE,
		FIGURE_huge_converge_saved
	};
	struct workload *wl = start(&mix_usual, options.mib, true);

	for (unsigned int i = 0; i < options.rounds; i++) {
		for (int side = 0; side < SIDES; side++) {
			say("round %u, %s with huge pages", i + 1, dedup[side].name);
			huge_wanted(wl);
			converge_once(wl, side, FAST, &fast);
		}
	}
	finish(wl);
}

/*
 * CPU time per page of a pass: over whole cycles, in which each page is looked at
 * once; and for a while, in case passes take next to no time.
 */
static double pass_cost(struct workload *wl, enum side side)
{
	const uint64_t pages = wl->nr * wl->pages;
	uint64_t cpu, seen, began;
	double from;

	if (!await_passes(side, 1))
		return -1;
	from = now();
	cpu = cpu_ns_of_kthreads(dedup[side].threads);
	began = dedup[side].passes();
	do {
		if (!await_passes(side, dedup[side].cycle))
			return -1;
	} while (now() - from < options.seconds);
	seen = dedup[side].passes() - began;
	cpu = cpu_ns_of_kthreads(dedup[side].threads) - cpu;
	return cpu / 1e3 / seen / pages;
}

/* Share of a processor that it takes, in percent. */
static double cpu_share(enum side side, double seconds)
{
	double from = now();
	uint64_t cpu = cpu_ns_of_kthreads(dedup[side].threads);

	nap(seconds);
	cpu = cpu_ns_of_kthreads(dedup[side].threads) - cpu;
	return cpu / (now() - from) / 1e7;
}

struct steady_figures {
	enum figure fast, idle, named, all;
	uint64_t per;	/* metadata per what */
};

static void metadata(enum side side, const struct books *before,
		     const struct steady_figures *f)
{
	struct books after;

	books_read(dedup[side].books, &after);
	result_add(f->named, (enum whose)side,
		   (double)(after.named - before->named) / f->per);
	result_add(f->all, (enum whose)side,
		   (double)(after.all - before->all) / f->per);
}

static void steady_once(struct workload *wl, enum side side, bool slow,
			const struct steady_figures *f)
{
	struct books before;
	struct outcome out;
	double cost;

	say("%s, %s", dedup[side].name, slow ? "also at its defaults" :
	    "as fast as it can");
	dedup[side].tune(FAST);
	/* What they still know of earlier memory must not count. */
	wl_unregister(wl);
	if (side == VMDEDUP)
		nap(FORGET_SECONDS);
	books_read(dedup[side].books, &before);
	wl_register(wl);
	if (wl->possible) {
		converge(wl, side, goal, &out);
		if (!out.reached)
			die("%s does not merge all", dedup[side].name);
	} else {
		dedup[side].run(1);
	}
	if (!await_passes(side, 2 * dedup[side].cycle))
		die("%s: passes do not end", dedup[side].name);
	cost = pass_cost(wl, side);
	if (cost < 0)
		die("%s: passes do not end", dedup[side].name);
	result_add(f->fast, (enum whose)side, cost);
	metadata(side, &before, f);
	if (slow) {
		dedup[side].tune(BY_DEFAULT);
		result_add(f->idle, (enum whose)side, cpu_share(side, options.idle));
	}
	dedup[side].run(0);
	unmerge(wl, side);
}

static void steady(const struct mix *mix, struct steady_figures *f, bool merged)
{
	struct workload *wl = start(mix, quarter() / 2, false);

	f->per = merged ? wl->distinct : wl->nr * wl->pages;
	for (unsigned int i = 0; i < options.rounds; i++)
		for (int side = 0; side < SIDES; side++)
			steady_once(wl, side, i == 0, f);
	finish(wl);
}

/* What it takes with two workers at full speed that may take a tenth. */
static void limited(void)
{
	struct workload *wl = start(&mix_unique, quarter() / 2, false);

	if (!vmdedup_has("threads") || !vmdedup_has("cpu_limit")) {
		result_lacks(FIGURE_limited_10, OF_VMDEDUP, "no such tunable");
	} else {
		dedup[VMDEDUP].tune(FAST);
		vmdedup_tune("threads", 2);
		vmdedup_tune("cpu_limit", 10);
		wl_register(wl);
		dedup[VMDEDUP].run(1);
		nap(1);
		result_add(FIGURE_limited_10, OF_VMDEDUP,
			   cpu_share(VMDEDUP, LIMITED_SECONDS));
		dedup[VMDEDUP].run(0);
	}
	finish(wl);
}

void phase_steady(void)
{
	static struct steady_figures unique = {
		FIGURE_steady_unique, FIGURE_default_idle_unique,
		FIGURE_metadata_unique, FIGURE_metadata_unique_all, 0
	}, merged = {
		FIGURE_steady_merged, FIGURE_default_idle_merged,
		FIGURE_metadata_frame, FIGURE_metadata_frame_all, 0
	};

	say("memory without equal pages");
	steady(&mix_unique, &unique, false);
	say("memory that is all common");
	steady(&mix_merged, &merged, true);
	say("vmdedup, cpu_limit 10");
	limited();
}

static void add_latency(enum figure p50, enum whose whose, const struct latency *l)
{
	/* In the order of figures.h. */
	result_add(p50, whose, l->p50 / 1e3);
	result_add(p50 + 1, whose, l->p99 / 1e3);
	result_add(p50 + 2, whose, l->p999 / 1e3);
	result_add(p50 + 3, whose, l->max / 1e3);
}

static void touch_while_scanned(struct workload *wl, enum side side,
				enum touch what, enum figure p50)
{
	struct latency l;

	dedup[side].tune(FAST);
	dedup[side].run(1);
	wl_touch(wl, what, &l);
	dedup[side].run(0);
	unmerge(wl, side);
	add_latency(p50, (enum whose)side, &l);
}

static void touch_merged(struct workload *wl, enum side side)
{
	struct outcome out;
	struct latency l;

	dedup[side].tune(FAST);
	converge(wl, side, goal, &out);
	if (!out.reached)
		die("%s does not merge all", dedup[side].name);
	dedup[side].run(0);
	wl_touch(wl, TOUCH_COMMON, &l);
	result_add(FIGURE_cow_p50, (enum whose)side, l.p50 / 1e3);
	result_add(FIGURE_cow_p99, (enum whose)side, l.p99 / 1e3);
	wl_touch(wl, TOUCH_ZERO, &l);
	result_add(FIGURE_cow_zero_p50, (enum whose)side, l.p50 / 1e3);
	result_add(FIGURE_cow_zero_p99, (enum whose)side, l.p99 / 1e3);
	unmerge(wl, side);
}

void phase_latency(void)
{
	struct workload *wl = start(&mix_usual, quarter(), false);
	struct latency l;

	for (unsigned int i = 0; i < options.rounds; i++) {
		say("round %u, writing while nothing scans", i + 1);
		wl_touch(wl, TOUCH_ANY, &l);
		add_latency(FIGURE_touch_none_p50, OF_NONE, &l);
		for (int side = 0; side < SIDES; side++) {
			say("round %u, writing while %s scans", i + 1, dedup[side].name);
			touch_while_scanned(wl, side, TOUCH_UNMERGED,
					    FIGURE_touch_unmerged_p50);
			touch_while_scanned(wl, side, TOUCH_ANY,
					    FIGURE_touch_any_p50);
			touch_merged(wl, side);
		}
	}
	finish(wl);
}

static void economy_once(struct workload *wl, enum side side, unsigned int split,
			 enum figure saved)
{
	uint64_t before = huge_wanted(wl);

	dedup[side].tune(FAST);
	if (split)
		vmdedup_tune("huge_split_pages", split);
	converge_all(wl, side);
	dedup[side].run(0);
	result_add(saved, (enum whose)side, percent(wl_saved(wl), wl->possible));
	result_add(saved + 1, (enum whose)side, percent(wl_huge(wl), before));
	unmerge(wl, side);
}

void phase_economy(void)
{
	static const struct {
		unsigned int split;
		enum figure saved;
	} try[] = {
		{ 1, FIGURE_huge_saved_1 },
		{ 64, FIGURE_huge_saved_64 },
		{ 128, FIGURE_huge_saved_128 },
		{ 256, FIGURE_huge_saved_256 },
		{ 384, FIGURE_huge_saved_384 },
	};
	struct workload *wl = start(&mix_usual, quarter(), true);

	say("huge pages and KSM");
	economy_once(wl, KSM, 0, FIGURE_huge_saved_ksm);
	for (size_t i = 0; i < sizeof(try) / sizeof(*try); i++) {
		say("huge pages, huge_split_pages %u", try[i].split);
		economy_once(wl, VMDEDUP, try[i].split, try[i].saved);
	}
	finish(wl);
}
