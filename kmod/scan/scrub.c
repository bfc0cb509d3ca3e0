// SPDX-License-Identifier: GPL-2.0
/*
 * The scrubber: shared frames never change, so one that does has met a memory
 * error: a bit that flipped by itself, or was made to (Rowhammer).
 *
 * One thread goes through all frames, again and again, at a pace that takes
 * scrub_secs for each round; computes the checksum of each, which is a part of
 * its key in the stable tree; and takes out of use what is not as it was. If no
 * more than one bit is wrong, the checksum even tells which, and it is put right
 * for those who share the frame. The thread also tends the quarantine, whoever put
 * a frame there.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "../core/content.h"
#include "../core/pace.h"
#include "../mm/frame.h"
#include "engine.h"
#include "pacer.h"
#include "quarantine.h"
#include "scanner.h"
#include "scrub.h"
#include "worker.h"

/* Frames checked between two looks at the clock. */
#define BATCH	128
/* How soon it is noticed that there are frames at all. */
#define IDLE	(10 * HZ)

static struct task_struct *scrubber;
static DECLARE_WAIT_QUEUE_HEAD(scrub_wait);
/* How often there was a reason to wake the thread. */
static atomic_t calls = ATOMIC_INIT(0);

/**
 * struct scrub - what the thread knows
 * @cursor: where it is
 * @round: frames checked in this round
 * @pace: keeps it to its rate
 * @secs: scrub_secs by which it does
 * @ran: CPU time of the thread that is accounted for, ns
 * @buf: room for a page: what is checked
 */
struct scrub {
	struct vmdedup_cursor cursor;
	u64 round;
	struct vmdedup_pace pace;
	unsigned int secs;
	u64 ran;
	void *buf;
};

/**
 * vmdedup_scrub_wake() - there is something new: a tunable, a bad frame
 *
 * Any context.
 */
void vmdedup_scrub_wake(void)
{
	atomic_inc_return_release(&calls);
	wake_up(&scrub_wait);
}

static bool go_on(void)
{
	return !kthread_should_stop();
}

/* A frame that was taken out of the tree is not as it was. */
static void found_corrupt(struct scrub *scrub, struct vmdedup_frame *frame,
			  u64 seed, u64 sum)
{
	if (vmdedup_frame_repair(frame, seed, scrub->buf))
		WRITE_ONCE(frame->bad, VMDEDUP_REPAIRED);
	pr_err_ratelimited("frame %#lx is corrupt: checksum %016llx, expected %016llx; it is mapped %d times%s\n",
			   page_to_pfn(frame->page), sum, frame->node.key.sum,
			   vmdedup_frame_mappings(frame->page),
			   frame->bad == VMDEDUP_REPAIRED ?
			   "; one bit, put right" : "");
}

static void check(struct scrub *scrub, struct vmdedup_frame *frame)
{
	const struct vmdedup_key *key = &frame->node.key;
	u64 seed = vmdedup_content_seed(vmdedup_engine.boot_seed, key->domain);
	enum vmdedup_bad bad = VMDEDUP_POISONED;
	u64 sum;

	if (!vmdedup_frame_sum(frame, seed, scrub->buf, &sum)) {
		if (likely(sum == key->sum))
			return;
		bad = VMDEDUP_CORRUPT;
	}
	if (!vmdedup_stable_expel(&vmdedup_engine.stable, frame, bad))
		return;
	if (bad == VMDEDUP_CORRUPT)
		found_corrupt(scrub, frame, seed, sum);
	vmdedup_quarantine_add(frame);
}

/* Check some frames, up to the end of the round; returns how many. */
static unsigned int check_some(struct scrub *scrub)
{
	struct vmdedup_frame *frame;
	unsigned int nr, checked = 0;

	for (nr = 0; nr < BATCH; nr++) {
		frame = vmdedup_stable_next(&vmdedup_engine.stable,
					    &scrub->cursor);
		if (!frame) {
			vmdedup_account_event(VMDEDUP_EV_scrub_rounds,
					      !!scrub->round);
			scrub->round = 0;
			break;
		}
		/* Else a sweep frees it, unless it is in use just then. */
		if (vmdedup_frame_mappings(frame->page) > 0) {
			check(scrub, frame);
			checked++;
		}
		scrub->round++;
		vmdedup_stable_put(frame);
		cond_resched();
	}
	vmdedup_account_event(VMDEDUP_EV_frames_scrubbed, checked);
	return nr;
}

/* Account the thread's CPU time; returns ns to sleep for it. */
static u64 owe_cpu(struct scrub *scrub)
{
	u64 now = vmdedup_worker_cpu_time(), ran = now - scrub->ran;

	scrub->ran = now;
	vmdedup_account_event(VMDEDUP_EV_scrub_ns, ran);
	return vmdedup_pacer_owe_cpu(ran);
}

/* Do what is due; returns how long to wait then, in jiffies. */
static unsigned long work(struct scrub *scrub)
{
	unsigned int secs = READ_ONCE(vmdedup_tunables.scrub_secs);
	unsigned long frames;
	u64 rate, ns;

	/* What was owed at the old pace is forgotten. */
	if (secs != scrub->secs)
		scrub->pace.due = 0;
	scrub->secs = secs;
	vmdedup_quarantine_tend(go_on);
	frames = vmdedup_tree_count(&vmdedup_engine.stable);
	if (!secs || !frames) {
		owe_cpu(scrub);
		return secs ? IDLE : MAX_SCHEDULE_TIMEOUT;
	}
	/* A round of few frames ends early: a frame a second costs nothing. */
	rate = max(div64_u64(frames, secs), 1ULL);
	/* Woken for something else, it may not be time yet. */
	ns = vmdedup_pace_sleep(&scrub->pace, ktime_get_ns(), 0, rate);
	if (ns < TICK_NSEC)
		ns = vmdedup_pace_sleep(&scrub->pace, ktime_get_ns(),
					check_some(scrub), rate);
	ns = max(ns, owe_cpu(scrub));
	return ns < TICK_NSEC ? 0 : nsecs_to_jiffies(ns);
}

static int scrubber_main(void *arg)
{
	struct scrub *scrub = arg;

	set_freezable();
	set_user_nice(current, MAX_NICE);
	scrub->ran = vmdedup_worker_cpu_time();
	while (!kthread_should_stop()) {
		/* Before anything is looked at: what comes later is not missed. */
		int called = atomic_read_acquire(&calls);
		unsigned long ticks = work(scrub);

		/* Those under quarantine may have gone. */
		if (vmdedup_quarantine_count())
			ticks = min_t(unsigned long, ticks, HZ);
		cond_resched();
		try_to_freeze();
		if (ticks)
			wait_event_freezable_timeout(scrub_wait,
						     kthread_should_stop() ||
						     atomic_read(&calls) != called,
						     ticks);
	}
	return 0;
}

/* Outlives the thread, which may be stopped before it ever ran. */
static struct scrub *scrub_state;

/**
 * vmdedup_scrub_start() - start the thread
 * Return: 0 or -errno.
 */
int vmdedup_scrub_start(void)
{
	int err = -ENOMEM;

	scrub_state = kzalloc(sizeof(*scrub_state), GFP_KERNEL);
	if (!scrub_state)
		return -ENOMEM;
	scrub_state->buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!scrub_state->buf)
		goto no_buf;
	scrubber = kthread_run(scrubber_main, scrub_state, "vmdedupd/scrub");
	if (IS_ERR(scrubber)) {
		err = PTR_ERR(scrubber);
		goto no_thread;
	}
	return 0;

no_thread:
	kfree(scrub_state->buf);
no_buf:
	kfree(scrub_state);
	return err;
}

/**
 * vmdedup_scrub_stop() - stop the thread, and wait for it
 */
void vmdedup_scrub_stop(void)
{
	kthread_stop(scrubber);
	kfree(scrub_state->buf);
	kfree(scrub_state);
}
