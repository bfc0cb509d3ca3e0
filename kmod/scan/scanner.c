// SPDX-License-Identifier: GPL-2.0
/*
 * The scanner: passes over all regions at the rate asked for, by one kernel thread
 * and those that help it; and some housekeeping, which goes on when scanning is
 * stopped.
 */
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/wait.h>

#include "../mm/news.h"
#include "../trace.h"
#include "crew.h"
#include "engine.h"
#include "pacer.h"
#include "recount.h"
#include "scanner.h"
#include "sift.h"
#include "watch.h"

/* Pause between passes that find something, and between housekeeping. */
#define PAUSE		HZ

static struct task_struct *scanner;
/* Outlives the thread, which may be stopped before it ever ran. */
static struct vmdedup_worker *scanner_worker;
static struct vmdedup_pass scanner_pass;
static DECLARE_WAIT_QUEUE_HEAD(scanner_wait);
/* A reason to end the pause between two passes: there is a new region. */
static bool arrived;
/* A reason to look at all chunks in the next pass. */
static bool all_wanted;
/* The module is about to be unloaded. */
static bool stopping;
/* When housekeeping is due, in jiffies. */
static unsigned long housekeeping_due;

/**
 * vmdedup_scanner_tuned() - a tunable was changed: heed it at once
 */
void vmdedup_scanner_tuned(void)
{
	WRITE_ONCE(all_wanted, true);
	vmdedup_pacer_tuned();
	wake_up_all(&scanner_wait);
}

/**
 * vmdedup_scanner_welcome() - there is a new region
 *
 * Ends the pause between two passes, but not those that keep a pass to its
 * rate: registering is not to be a way around that.
 */
void vmdedup_scanner_welcome(void)
{
	/* Others may have what is in it. */
	WRITE_ONCE(all_wanted, true);
	WRITE_ONCE(arrived, true);
	wake_up_all(&scanner_wait);
}

/**
 * vmdedup_scanner_scanning() - is the scanner to go on?
 */
bool vmdedup_scanner_scanning(void)
{
	return READ_ONCE(vmdedup_tunables.run) == VMDEDUP_SCANNING &&
	       !READ_ONCE(stopping);
}

/**
 * vmdedup_scanner_pause() - have one of the scanner's threads wait in a pass
 * @ticks: for so long,
 * @tuning: or until vmdedup_pacer_tuning() is no longer this
 */
void vmdedup_scanner_pause(unsigned long ticks, int tuning)
{
	wait_event_freezable_timeout(scanner_wait, READ_ONCE(stopping) ||
				     vmdedup_pacer_tuning() != tuning, ticks);
}

static bool idle(void)
{
	return READ_ONCE(vmdedup_tunables.run) != VMDEDUP_SCANNING &&
	       !READ_ONCE(stopping);
}

/* Regions; or what is left of them, and is to be forgotten. */
static bool anything_to_look_after(void)
{
	return vmdedup_region_count() || vmdedup_sift_bytes() ||
	       vmdedup_tree_count(&vmdedup_engine.stable) ||
	       vmdedup_tree_count(&vmdedup_engine.unstable) ||
	       vmdedup_watch_pending();
}

/* Regions of processes that are gone, frames that nobody maps any more. */
static void housekeeping(void)
{
	u64 saved;

	if (time_before(jiffies, housekeeping_due))
		return;
	vmdedup_engine_feel_pressure();
	vmdedup_region_reap();
	if (!vmdedup_region_count()) {
		vmdedup_engine_age(0);
		vmdedup_sift_forget();
	}
	if (vmdedup_account_sweep_if_due(&saved))
		vmdedup_watch_reserve(saved);
	vmdedup_recount_if_due(0, idle);
	housekeeping_due = jiffies + PAUSE;
}

/* A pass over all regions was completed. */
static void pass_done(const struct vmdedup_pass *pass)
{
	const u64 *ev = pass->total.ev;
	struct vmdedup_news news = {
		.type = VMDEDUP_EVENT_PASS_FINISHED,
		.scanned = ev[VMDEDUP_EV_pages_scanned],
		.merged = ev[VMDEDUP_EV_pages_merged] +
			  ev[VMDEDUP_EV_pages_zero_merged],
		.broken = ev[VMDEDUP_EV_cow_breaks],
		.took_ns = ktime_get_ns() - pass->began,
	};

	vmdedup_account_event(VMDEDUP_EV_full_scans, 1);
	trace_vmdedup_pass(ev[VMDEDUP_EV_pages_scanned],
			   ev[VMDEDUP_EV_pages_merged],
			   ev[VMDEDUP_EV_pages_zero_merged]);
	vmdedup_news_send(&news);
	vmdedup_watch_storms();
	vmdedup_engine_age(VMDEDUP_SCAN_KEEP);
	if (pass->nr % VMDEDUP_SIFT_PASSES == 0)
		vmdedup_sift_age();
}

static void scan_pass(struct vmdedup_pass *pass, struct vmdedup_worker *worker)
{
	vmdedup_pass_begin(pass, xchg(&all_wanted, false));
	worker->drain = true;
	vmdedup_crew_begin(pass);
	vmdedup_pass_work(pass, worker, housekeeping);
	vmdedup_crew_wait(housekeeping);
	vmdedup_pass_end(pass);
	/* What came may be like what was looked at before it, in this pass. */
	if (pass->cut || pass->fresh_found)
		WRITE_ONCE(all_wanted, true);
	if (!pass->cut)
		pass_done(pass);
}

/* Was there anything in the last pass that makes the next one worthwhile? */
static bool lively(const struct vmdedup_pass *pass)
{
	return pass->fresh_found || pass->all ||
	       pass->total.ev[VMDEDUP_EV_pages_merged] ||
	       pass->total.ev[VMDEDUP_EV_pages_zero_merged] ||
	       pass->total.ev[VMDEDUP_EV_cow_breaks];
}

static u64 target_ns(void)
{
	return READ_ONCE(vmdedup_tunables.target_pass_secs) *
	       (u64)NSEC_PER_SEC;
}

/* How long to wait before the next pass, in jiffies. */
static unsigned long pause_after(const struct vmdedup_pass *pass)
{
	u64 target = target_ns(), took = ktime_get_ns() - pass->began;

	/* With a rate of its own, a pass need not be followed by more. */
	if (READ_ONCE(vmdedup_tunables.scan_rate))
		return 1;
	if (lively(pass) || took >= target)
		return PAUSE;
	return max_t(unsigned long, PAUSE, nsecs_to_jiffies(target - took));
}

/* Housekeeping goes on meanwhile, and there is time to count. */
static void pause_between_passes(unsigned long ticks, int tuning)
{
	unsigned long until = jiffies + ticks;
	long left;

	while ((left = until - jiffies) > 0) {
		if (wait_event_freezable_timeout(scanner_wait,
						 READ_ONCE(stopping) ||
						 vmdedup_pacer_tuning() != tuning ||
						 READ_ONCE(arrived),
						 min(left, (long)PAUSE)))
			break;
		housekeeping();
		vmdedup_recount_if_due(target_ns(), vmdedup_scanner_scanning);
	}
	WRITE_ONCE(arrived, false);
}

static int scanner_main(void *arg)
{
	scanner_worker->paced = vmdedup_worker_cpu_time();
	set_freezable();
	set_user_nice(current, VMDEDUP_SCAN_NICE);
	while (!kthread_should_stop()) {
		int tuning = vmdedup_pacer_tuning();
		bool scans;

		housekeeping();
		/* A helper that is frozen cannot be stopped. */
		try_to_freeze();
		vmdedup_crew_resize(READ_ONCE(vmdedup_tunables.threads));
		wait_event_freezable(scanner_wait, kthread_should_stop() ||
				     vmdedup_pacer_tuning() != tuning ||
				     anything_to_look_after());
		scans = vmdedup_scanner_scanning() && vmdedup_region_count();
		if (scans)
			scan_pass(&scanner_pass, scanner_worker);
		else
			/* Housekeeping is not what a pass to come has to make up for. */
			scanner_worker->paced = vmdedup_worker_cpu_time();
		pause_between_passes(scans ? pause_after(&scanner_pass) : PAUSE,
				     tuning);
	}
	vmdedup_crew_resize(1);
	return 0;
}

/**
 * vmdedup_scanner_start() - start the thread
 * Return: 0 or -errno.
 */
int vmdedup_scanner_start(void)
{
	vmdedup_pass_init(&scanner_pass);
	scanner_worker = vmdedup_worker_alloc(NUMA_NO_NODE, GFP_KERNEL);
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
 * vmdedup_scanner_stop() - stop the threads, and wait for them
 */
void vmdedup_scanner_stop(void)
{
	WRITE_ONCE(stopping, true);
	wake_up_all(&scanner_wait);
	kthread_stop(scanner);
	vmdedup_worker_free(scanner_worker);
}
