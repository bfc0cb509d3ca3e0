// SPDX-License-Identifier: GPL-2.0
/* Both on the same running guests. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <json-c/json.h>

#include "../engine/util.h"
#include "bench.h"
#include "dedup.h"
#include "meter.h"
#include "result.h"

#define GUESTS_MAX	16
/* Guests change, and what changes is not merged. */
#define GOAL		0.95
#define POLL		0.5
/* QEMU's smaller mappings are no memory of a guest. */
#define RAM_MIN		(32UL << 20)

struct ram {
	pid_t pid;
	uint64_t start, end;
	uint64_t region;
};

static struct ram ram[GUESTS_MAX];
static int nr_rams;

/* The largest mapping that QEMU has told KSM to merge. */
static void find_ram(pid_t pid)
{
	struct ram *r = &ram[nr_rams++];
	uint64_t start = 0, end = 0, from, to;
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	if (!f)
		die("no process %d", pid);
	*r = (struct ram){ .pid = pid };
	while (fgets(line, sizeof(line), f)) {
		/* Other lines may begin with a hexadecimal digit, too. */
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &from, &to) == 2) {
			start = from;
			end = to;
		}
		if (!strncmp(line, "VmFlags:", 8) && strstr(line, " mg") &&
		    end - start > r->end - r->start) {
			r->start = start;
			r->end = end;
		}
	}
	fclose(f);
	if (r->end - r->start < RAM_MIN)
		die("%d has no memory that KSM may merge", pid);
}

static int register_all(void)
{
	int fd = vd_open();

	if (fd < 0)
		die("no " VD_DEV);
	for (int i = 0; i < nr_rams; i++) {
		struct vmdedup_register r = {
			.size = sizeof(r),
			.pid = ram[i].pid,
			.start = ram[i].start,
			.length = ram[i].end - ram[i].start,
		};

		if (vd_register_raw(fd, &r))
			die("cannot register the memory of %d", ram[i].pid);
		ram[i].region = r.region_id;
	}
	return fd;
}

static uint64_t saved(void)
{
	struct frames *frames = frames_begin();

	for (int i = 0; i < nr_rams; i++)
		frames_add(frames, ram[i].pid, ram[i].start,
			   (ram[i].end - ram[i].start) / PG);
	return frames_saved(frames);
}

static uint64_t ask_oracle(void)
{
	char command[4096];
	int n = snprintf(command, sizeof(command), "%s --json", options.oracle);

	for (int i = 0; i < nr_rams; i++)
		n += snprintf(command + n, sizeof(command) - n,
			      " %d:%" PRIx64 "-%" PRIx64, ram[i].pid,
			      ram[i].start, ram[i].end);
	return oracle_pages(command, "possible_pages");
}

static void converge_guests(enum side side)
{
	uint64_t possible = ask_oracle(), have;
	uint64_t cpu;
	double from, wall;

	say("%s: %" PRIu64 " pages can be saved, %" PRIu64 " are", dedup[side].name,
	    possible, saved());
	dedup[side].tune(FAST);
	cpu = cpu_ns_of_kthreads(dedup[side].threads);
	from = now();
	dedup[side].run(1);
	do {
		nap(POLL);
		have = saved();
		wall = now() - from;
	} while (have < possible * GOAL && wall < options.patience);
	cpu = cpu_ns_of_kthreads(dedup[side].threads) - cpu;
	dedup[side].run(0);
	result_add(FIGURE_guest_saved, (enum whose)side, 100.0 * have / possible);
	if (have >= possible * GOAL) {
		result_add(FIGURE_guest_wall, (enum whose)side, wall);
		result_add(FIGURE_guest_cpu, (enum whose)side, cpu / 1e9);
	} else {
		result_lacks(FIGURE_guest_wall, (enum whose)side, "not reached");
		result_lacks(FIGURE_guest_cpu, (enum whose)side, "not reached");
	}
	dedup[side].run(2);
	dedup[side].run(0);
}

void phase_guests(int nr, char **pids)
{
	if (nr < 1 || nr > GUESTS_MAX)
		die("which guests?");
	for (int i = 0; i < nr; i++)
		find_ram(atoi(pids[i]));
	register_all();
	for (unsigned int i = 0; i < options.rounds; i++) {
		for (int side = 0; side < SIDES; side++) {
			say("round %u, guests, %s", i + 1, dedup[side].name);
			converge_guests(side);
		}
	}
	result_fact("guests", json_object_new_int(nr));
}
