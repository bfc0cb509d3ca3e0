// SPDX-License-Identifier: GPL-2.0
/*
 * The scanning kernel thread: passes over all regions at the rate asked for,
 * and some housekeeping, which goes on when scanning is stopped.
 */
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/wait.h>

#include "../core/pace.h"
#include "../mm/news.h"
#include "../trace.h"
#include "engine.h"
#include "recount.h"
#include "scanner.h"
#include "watch.h"
#include "worker.h"

/* Passes that a candidate lives without being confirmed. */
#define SCAN_KEEP	2
/* Pause between passes in automatic mode, and between housekeeping. */
#define PAUSE		HZ

static struct task_struct *scanner;
/* Outlives the thread, which may be stopped before it ever ran. */
static struct vmdedup_worker *scanner_worker;
static DECLARE_WAIT_QUEUE_HEAD(scanner_wait);
/* Reasons to end a pause: a tunable was changed; there is a new region. */
static bool tuned, arrived;
/* When housekeeping is due, in jiffies. */
static unsigned long housekeeping_due;

/**
 * vmdedup_scanner_tuned() - a tunable was changed: heed it at once
 */
void vmdedup_scanner_tuned(void)
{
	WRITE_ONCE(tuned, true);
	wake_up(&scanner_wait);
}

/**
 * vmdedup_scanner_welcome() - there is a new region
 *
 * Ends the pause between two passes, but not those that keep a pass to its
 * rate: registering is not to be a way around that.
 */
void vmdedup_scanner_welcome(void)
{
	WRITE_ONCE(arrived, true);
	wake_up(&scanner_wait);
}

static bool scanning(void)
{
	return READ_ONCE(vmdedup_tunables.run) == VMDEDUP_SCANNING &&
	       !kthread_should_stop();
}

/**
 * struct pacer - what keeps the scanner from taking too much
 * @pages: by how many it looks at
 * @cpu: by how long it runs
 * @ran: how long it had run when that was looked at last, ns
 * @last_pass: pages of the last complete pass
 */
struct pacer {
	struct vmdedup_pace pages;
	struct vmdedup_pace cpu;
	u64 ran;
	u64 last_pass;
};

static void pause_in_pass(struct pacer *pacer, unsigned long ticks)
{
	wait_event_freezable_timeout(scanner_wait, kthread_should_stop() ||
				     READ_ONCE(tuned), ticks);
	/* What was owed at the old rate is forgotten. */
	if (READ_ONCE(tuned)) {
		pacer->pages.due = 0;
		pacer->cpu.due = 0;
	}
	WRITE_ONCE(tuned, false);
}

static void pause_between_passes(unsigned long ticks)
{
	wait_event_freezable_timeout(scanner_wait, kthread_should_stop() ||
				     READ_ONCE(tuned) || READ_ONCE(arrived),
				     ticks);
	WRITE_ONCE(tuned, false);
	WRITE_ONCE(arrived, false);
}

static bool idle(void)
{
	return READ_ONCE(vmdedup_tunables.run) != VMDEDUP_SCANNING &&
	       !kthread_should_stop();
}

static bool anything_to_look_after(void)
{
	return vmdedup_region_count() ||
	       vmdedup_tree_count(&vmdedup_engine.stable);
}

/* Regions of processes that are gone, frames that nobody maps any more. */
static void housekeeping(void)
{
	u64 saved;

	if (time_before(jiffies, housekeeping_due))
		return;
	vmdedup_region_reap();
	if (!vmdedup_region_count())
		vmdedup_engine_age(0);
	if (vmdedup_account_sweep_if_due(&saved))
		vmdedup_watch_reserve(saved);
	vmdedup_recount_if_due(idle);
	housekeeping_due = jiffies + PAUSE;
}

/*
 * Sleep if we are ahead by a tick or more; less is left to add up. Jobs are
 * carried out before, while they are fresh.
 */
static void keep_pace(struct vmdedup_worker *worker, struct pacer *pacer,
		      u64 pages)
{
	unsigned int percent = READ_ONCE(vmdedup_tunables.cpu_limit);
	u64 now = ktime_get_ns(), ran = vmdedup_worker_cpu_time();
	u64 rate, ns;

	rate = vmdedup_pace_rate(READ_ONCE(vmdedup_tunables.scan_rate),
				 pacer->last_pass,
				 READ_ONCE(vmdedup_tunables.target_pass_secs));
	ns = vmdedup_pace_sleep(&pacer->pages, now, pages, rate);
	ns = max(ns, vmdedup_pace_cpu(&pacer->cpu, now, ran - pacer->ran,
				      percent));
	pacer->ran = ran;
	if (ns < TICK_NSEC)
		return;
	vmdedup_flush(worker);
	pause_in_pass(pacer, nsecs_to_jiffies(ns));
}

static u64 pages_seen(const struct vmdedup_tally *tally)
{
	return tally->ev[VMDEDUP_EV_pages_scanned] + tally->passed;
}

/* Report what was done since the last time; returns the pages seen. */
static u64 report(struct vmdedup_worker *worker, struct vmdedup_tally *pass)
{
	u64 seen = pages_seen(&worker->tally);

	vmdedup_account_tally(&worker->tally);
	vmdedup_tally_add(pass, &worker->tally);
	memset(&worker->tally, 0, sizeof(worker->tally));
	return seen;
}

static void scan_region(struct vmdedup_worker *worker,
			struct vmdedup_region *region,
			struct pacer *pacer, struct vmdedup_tally *pass)
{
	unsigned long addr = region->start;
	bool more = true;

	vmdedup_region_begin(worker, region);
	for (;;) {
		/* In this order: see vmdedup_engine.epoch and set_run(). */
		vmdedup_worker_enter_epoch(worker);
		if (!more || !scanning())
			break;
		more = vmdedup_region_step(worker, &addr);
		keep_pace(worker, pacer, report(worker, pass));
		housekeeping();
		try_to_freeze();
	}
	vmdedup_region_done(worker, addr >= region->end);
	report(worker, pass);
}

/* A pass over all regions was completed. */
static void pass_done(const struct vmdedup_tally *pass, u64 began)
{
	struct vmdedup_news news = {
		.type = VMDEDUP_EVENT_PASS_FINISHED,
		.scanned = pass->ev[VMDEDUP_EV_pages_scanned],
		.merged = pass->ev[VMDEDUP_EV_pages_merged] +
			  pass->ev[VMDEDUP_EV_pages_zero_merged],
		.broken = pass->ev[VMDEDUP_EV_cow_breaks],
		.took_ns = ktime_get_ns() - began,
	};

	vmdedup_account_event(VMDEDUP_EV_full_scans, 1);
	trace_vmdedup_pass(pass->ev[VMDEDUP_EV_pages_scanned],
			   pass->ev[VMDEDUP_EV_pages_merged],
			   pass->ev[VMDEDUP_EV_pages_zero_merged]);
	vmdedup_news_send(&news);
	vmdedup_watch_storms();
	vmdedup_engine_age(SCAN_KEEP);
}

static void scan_pass(struct vmdedup_worker *worker, struct pacer *pacer)
{
	struct vmdedup_region *region;
	struct vmdedup_tally pass = {};
	u64 began = ktime_get_ns(), id = 0;

	worker->drain = true;
	while (scanning() && (region = vmdedup_region_next(id))) {
		id = region->id;
		scan_region(worker, region, pacer, &pass);
		vmdedup_region_put(region);
	}
	if (!scanning())
		return;
	pacer->last_pass = pages_seen(&pass);
	pass_done(&pass, began);
}

static int scanner_main(void *arg)
{
	struct pacer pacer = { .ran = vmdedup_worker_cpu_time() };

	set_freezable();
	set_user_nice(current, 5);
	while (!kthread_should_stop()) {
		housekeeping();
		wait_event_freezable(scanner_wait, kthread_should_stop() ||
				     anything_to_look_after());
		if (scanning() && vmdedup_region_count())
			scan_pass(scanner_worker, &pacer);
		/* With a rate of its own, a pass need not be followed by more. */
		pause_between_passes(scanning() && vmdedup_region_count() &&
				     READ_ONCE(vmdedup_tunables.scan_rate) ?
				     1 : PAUSE);
	}
	return 0;
}

/**
 * vmdedup_scanner_start() - start the thread
 * Return: 0 or -errno.
 */
int vmdedup_scanner_start(void)
{
	scanner_worker = vmdedup_worker_alloc();
	if (!scanner_worker)
		return -ENOMEM;
	scanner = kthread_run(scanner_main, NULL, "vmdedupd");
	if (IS_ERR(scanner)) {
		vmdedup_worker_free(scanner_worker);
		return PTR_ERR(scanner);
	}
	return 0;
}

/**
 * vmdedup_scanner_stop() - stop the thread, and wait for it
 */
void vmdedup_scanner_stop(void)
{
	kthread_stop(scanner);
	vmdedup_worker_free(scanner_worker);
}
