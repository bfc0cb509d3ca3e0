// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "content.h"
#include "member.h"
#include "meter.h"
#include "workload.h"

uint64_t wl_verified;

/* Have all of them do something at once; returns the sum of their answers. */
static uint64_t all(struct workload *wl, peer_fn fn, uint64_t a)
{
	uint64_t sum = 0, answer;

	for (unsigned int i = 0; i < wl->nr; i++)
		if (peer_send(&wl->peer[i], fn, a, 0, 0))
			die("process %u is gone", i);
	for (unsigned int i = 0; i < wl->nr; i++) {
		answer = peer_wait(&wl->peer[i]);
		if (answer == PEER_DEAD)
			die("process %u died", i);
		sum += answer;
	}
	return sum;
}

static void all_well(struct workload *wl, peer_fn fn, uint64_t a, const char *what)
{
	uint64_t error = all(wl, fn, a);

	if (error)
		die("cannot %s: %" PRIu64, what, error);
}

static void count_possible(struct workload *wl)
{
	struct counts c;

	content_count(wl->mix, wl->pages, &c);
	wl->possible = WL_EXTENT * ((uint64_t)wl->nr * c.zero +
				    (uint64_t)(wl->nr - 1) * c.common +
				    (uint64_t)wl->nr / 2 * c.pair);
	wl->zero = WL_EXTENT * (uint64_t)wl->nr * c.zero;
	wl->distinct = WL_EXTENT * ((uint64_t)c.common +
				    (uint64_t)wl->nr / 2 * c.pair);
}

struct workload *wl_start(const struct mix *mix, unsigned int mib, bool huge)
{
	struct workload *wl = calloc(1, sizeof(*wl));

	if (!wl || member_prepare())
		die("no memory");
	wl->nr = options.procs;
	wl->pages = (size_t)mib << (20 - 12);
	wl->huge = huge;
	wl->mix = mix;
	count_possible(wl);
	for (unsigned int i = 0; i < wl->nr; i++) {
		if (peer_start(&wl->peer[i]))
			die("cannot start process %u", i);
		wl->addr[i] = peer_call(&wl->peer[i], do_setup, i, wl->pages,
					(uintptr_t)mix);
		if (!wl->addr[i] || wl->addr[i] == PEER_DEAD)
			die("process %u has no memory", i);
	}
	wl_refill(wl);
	return wl;
}

void wl_refill(struct workload *wl)
{
	all_well(wl, do_refill, wl->huge, "fill memory");
}

void wl_register(struct workload *wl)
{
	all_well(wl, do_vmdedup, 1, "register");
}

void wl_unregister(struct workload *wl)
{
	all_well(wl, do_vmdedup, 0, "unregister");
}

void wl_write(struct workload *wl, bool on)
{
	all_well(wl, do_write, on, "write all the time");
}

void wl_verify(struct workload *wl)
{
	uint64_t wrong = all(wl, do_verify, 0);

	if (wrong)
		die("WRONG CONTENTS: %" PRIu64 " pages", wrong);
	wl_verified += wl->nr * wl->pages;
}

void wl_touch(struct workload *wl, enum touch what, struct latency *latency)
{
	uint64_t error;

	error = peer_call(&wl->peer[0], do_touch, what, options.seconds, 0);
	if (error)
		die("cannot touch memory: %" PRIu64, error);
	*latency = *member_latency();
}

uint64_t wl_saved(struct workload *wl)
{
	struct frames *frames = frames_begin();

	for (unsigned int i = 0; i < wl->nr; i++)
		frames_add(frames, wl->peer[i].pid, wl->addr[i], wl->pages);
	return frames_saved(frames);
}

uint64_t wl_huge(struct workload *wl)
{
	return all(wl, do_huge, 0) / (HPAGE / 1024);
}

uint64_t wl_cpu_ns(struct workload *wl)
{
	uint64_t ns = 0;

	for (unsigned int i = 0; i < wl->nr; i++)
		ns += cpu_ns_of(wl->peer[i].pid);
	return ns;
}

void wl_ask_oracle(struct workload *wl)
{
	char command[4096];
	int n;

	n = snprintf(command, sizeof(command), "%s --json", options.oracle);
	for (unsigned int i = 0; i < wl->nr; i++)
		n += snprintf(command + n, sizeof(command) - n,
			      " %d:%" PRIx64 "-%" PRIx64, wl->peer[i].pid,
			      wl->addr[i], wl->addr[i] + wl->pages * PG);
	if ((uint64_t)oracle_pages(command, "possible_pages") != wl->possible)
		die("the oracle's opinion is another one than %" PRIu64 " pages",
		    wl->possible);
	say("the oracle agrees: %" PRIu64 " pages can be saved", wl->possible);
}

void wl_end(struct workload *wl)
{
	for (unsigned int i = 0; i < wl->nr; i++)
		if (peer_stop(&wl->peer[i]))
			die("process %u did not end well", i);
	free(wl);
}
