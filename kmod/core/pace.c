// SPDX-License-Identifier: GPL-2.0
#include "pace.h"

/* Time not used in the past is forgiven up to this, ns: no later bursts. */
#define MAX_CREDIT	(NSEC_PER_SEC / 10)
/*
 * Nor does anything block for longer than this, ns: a day. As much is owed if all
 * threads look at a chunk each at the slowest rate.
 */
#define MAX_DEBT	(86400 * NSEC_PER_SEC)

/**
 * vmdedup_pace_rate() - pages per second to scan
 * @scan_rate: the tunable; 0 means automatic
 * @pass_pages: pages that a pass may have to look at
 * @target_secs: how long a pass should take in automatic mode, at least 1
 *
 * Return: pages per second, never 0.
 */
u64 vmdedup_pace_rate(u64 scan_rate, u64 pass_pages, u64 target_secs)
{
	if (scan_rate)
		return scan_rate;
	return max(div64_u64(pass_pages, max(target_secs, 1ULL)),
		   VMDEDUP_PACE_MIN_RATE);
}

/* Account what should take @cost ns, and say how long to sleep. */
static u64 owe(struct vmdedup_pace *pace, u64 now, u64 cost)
{
	u64 floor = now > MAX_CREDIT ? now - MAX_CREDIT : 0;

	pace->due = max(pace->due, floor) + min(cost, MAX_DEBT);
	pace->due = min(pace->due, now + MAX_DEBT);
	return pace->due > now ? pace->due - now : 0;
}

/**
 * vmdedup_pace_cpu() - account CPU time and say how long to sleep
 * @pace: state, zero at first
 * @now: monotonic time, ns
 * @ran: CPU time used since the last call, ns
 * @percent: of the time that may be used; 0 means any
 *
 * Return: ns to sleep, 0 when there is no need.
 */
u64 vmdedup_pace_cpu(struct vmdedup_pace *pace, u64 now, u64 ran,
		     unsigned int percent)
{
	if (!percent) {
		pace->due = 0;
		return 0;
	}
	/* More than the largest debt is not to overflow. */
	return owe(pace, now, div64_u64(min(ran, MAX_DEBT) * 100, percent));
}

/**
 * vmdedup_pace_sleep() - account pages and say how long to sleep
 * @pace: state, zero at first
 * @now: monotonic time, ns
 * @pages: pages scanned since the last call
 * @rate: pages per second, not 0
 *
 * Return: ns to sleep, 0 when there is no need.
 */
u64 vmdedup_pace_sleep(struct vmdedup_pace *pace, u64 now, u64 pages, u64 rate)
{
	/* A call never brings more pages than fit a u64 of ns; be sure. */
	pages = min(pages, U64_MAX / NSEC_PER_SEC);
	return owe(pace, now, div64_u64(pages * NSEC_PER_SEC, rate));
}
