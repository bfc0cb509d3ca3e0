// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>
#include <linux/ktime.h>
#include <linux/spinlock.h>

#include "../core/pace.h"
#include "engine.h"
#include "pacer.h"

static DEFINE_SPINLOCK(pacer_lock); /* of these two: */
static struct vmdedup_pace pages_pace; /* by how much is looked at */
static struct vmdedup_pace cpu_pace; /* by how long threads run */
/* How often tunables were changed. */
static atomic_t tunings = ATOMIC_INIT(0);

/**
 * vmdedup_pacer_tuning() - a number that changes when tunables do
 */
int vmdedup_pacer_tuning(void)
{
	return atomic_read_acquire(&tunings);
}

/**
 * vmdedup_pacer_tuned() - tunables were changed
 *
 * What was owed at the old rate is forgotten.
 */
void vmdedup_pacer_tuned(void)
{
	spin_lock(&pacer_lock);
	pages_pace.due = 0;
	cpu_pace.due = 0;
	spin_unlock(&pacer_lock);
	atomic_inc_return_release(&tunings);
}

/**
 * vmdedup_pacer_owe_cpu() - account CPU time that was not spent on a pass
 * @ran: how much, ns
 *
 * Return: ns that the thread has to sleep, so that all together keep to the limit.
 */
u64 vmdedup_pacer_owe_cpu(u64 ran)
{
	unsigned int percent = READ_ONCE(vmdedup_tunables.cpu_limit);
	u64 ns;

	spin_lock(&pacer_lock);
	ns = vmdedup_pace_cpu(&cpu_pace, ktime_get_ns(), ran, percent);
	spin_unlock(&pacer_lock);
	return ns;
}

/**
 * vmdedup_pacer_owe() - account what one of the threads has done
 * @all_pages: pages that a pass may have to look at
 * @pages: pages looked at
 * @ran: CPU time used, ns
 *
 * Return: ns that the thread has to sleep.
 */
u64 vmdedup_pacer_owe(u64 all_pages, u64 pages, u64 ran)
{
	unsigned int percent = READ_ONCE(vmdedup_tunables.cpu_limit);
	u64 rate = vmdedup_pace_rate(READ_ONCE(vmdedup_tunables.scan_rate),
				     all_pages,
				     READ_ONCE(vmdedup_tunables.target_pass_secs));
	u64 ns, now;

	spin_lock(&pacer_lock);
	now = ktime_get_ns();
	ns = vmdedup_pace_sleep(&pages_pace, now, pages, rate);
	ns = max(ns, vmdedup_pace_cpu(&cpu_pace, now, ran, percent));
	spin_unlock(&pacer_lock);
	return ns;
}
