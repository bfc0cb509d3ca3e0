// SPDX-License-Identifier: GPL-2.0
/*
 * Merging against a host with several nodes: pages that are moved from one to the
 * other, hinting faults, and memory that goes offline.
 */
#include <dirent.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "race.h"

#define N RACE_PAGES
#define SEED RACE_SEED
/* Pages moved at a time; it takes long. */
#define SOME 128
#define NODE "/sys/devices/system/node/node"
#define HINTS "/sys/kernel/debug/sched/numa_balancing/"

FIXTURE(race_numa) {
	struct race race;
};

FIXTURE_SETUP(race_numa)
{
	if (access(NODE "1", F_OK))
		SKIP(return, "one node only");
	RACE_SETUP(&self->race);
	/* Frames and copies come from both nodes. */
	ASSERT_EQ(0, vd_set("threads", 2));
	ASSERT_EQ(0, race_write(&self->race, 1, MADV_NOHUGEPAGE));
}

FIXTURE_TEARDOWN(race_numa)
{
	RACE_TEARDOWN(&self->race);
}

/* Returns how many of these pages are there now. */
static unsigned long move(char *p, unsigned long pages, int node)
{
	unsigned long there = 0;
	void *page[SOME];
	int nodes[SOME], status[SOME];

	for (unsigned long i = 0; i < pages; i++) {
		page[i] = p + i * PG;
		nodes[i] = node;
		status[i] = -1;
	}
	syscall(SYS_move_pages, 0, pages, page, nodes, status, MPOL_MF_MOVE);
	for (unsigned long i = 0; i < pages; i++)
		there += status[i] == node;
	return there;
}

TEST_F(race_numa, move_pages)
{
	struct race *r = &self->race;
	unsigned long there = 0;
	size_t wrong = 0;

	while (race_goes_on(r)) {
		int node = r->rounds % 2;

		race_refill(r);
		there += move(r->a, N, node);
		there += move(r->writers.part[0], SOME, node);
		wrong += pg_wrong(r->a, N, SEED);
	}
	TH_LOG("%lu pages arrived", there);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(0, there);
}

TEST_F(race_numa, migrate_pages)
{
	long long moved = vmstat("pgmigrate_success");
	struct race *r = &self->race;
	size_t wrong = 0;

	while (race_goes_on(r)) {
		unsigned long from = 1UL << r->rounds % 2, to = 3 - from;

		race_refill(r);
		ASSERT_LE(0, syscall(SYS_migrate_pages, 0, 8 * sizeof(from),
				     &from, &to));
		wrong += pg_wrong(r->a, N, SEED);
	}
	EXPECT_EQ(0, wrong);
	EXPECT_LT(moved, vmstat("pgmigrate_success"));
}

/* Pages are made inaccessible every now and then to see who uses them. */
TEST_F(race_numa, balancing)
{
	long long was = read_number("/proc/sys/kernel/numa_balancing");
	long long faults = vmstat("numa_hint_faults");
	struct race *r = &self->race;
	size_t wrong = 0;

	if (was < 0)
		SKIP(return, "no NUMA balancing");
	ASSERT_EQ(0, write_text("/proc/sys/kernel/numa_balancing", "1"));
	/* From the next period on, which is one second away at the most. */
	write_text(HINTS "scan_delay_ms", "10");
	write_text(HINTS "scan_period_max_ms", "100");
	write_text(HINTS "scan_period_min_ms", "10");
	while (race_goes_on(r)) {
		race_refill(r);
		wrong += pg_wrong(r->a, N, SEED);
	}
	for (int i = 0; i < 600; i++) {
		if (vmstat("numa_hint_faults") > faults)
			break;
		race_refill(r);
		usleep(50000);
	}
	TH_LOG("%lld faults", vmstat("numa_hint_faults") - faults);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(faults, vmstat("numa_hint_faults"));
	write_text(HINTS "scan_period_min_ms", "1000");
	write_text(HINTS "scan_period_max_ms", "60000");
	write_text(HINTS "scan_delay_ms", "1000");
	EXPECT_EQ(0, write_text("/proc/sys/kernel/numa_balancing",
				was ? "1" : "0"));
}

static void nothing(int signal)
{
	(void)signal;
}

/*
 * The kernel tries for ever to move what is in use, but for a signal; and then
 * the memory is still there.
 */
static bool go_offline(const char *path)
{
	int err;

	alarm(10);
	err = write_text(path, "offline");
	alarm(0);
	return !err;
}

/* The next memory block of the second node, round and round; 0: there is none. */
static unsigned int next_block(DIR *dir)
{
	struct dirent *entry;
	unsigned int nr;

	for (int wraps = 0; wraps < 2; rewinddir(dir), wraps++)
		while ((entry = readdir(dir)))
			if (sscanf(entry->d_name, "memory%u", &nr) == 1 && nr)
				return nr;
	return 0;
}

TEST_F(race_numa, offline)
{
	struct sigaction act = { .sa_handler = nothing };
	unsigned long tried = 0, gone = 0;
	struct race *r = &self->race;
	DIR *dir = opendir(NODE "1");
	size_t wrong = 0;

	ASSERT_NE(NULL, dir);
	if (!next_block(dir))
		SKIP(return, "no memory that can go");
	ASSERT_EQ(0, sigaction(SIGALRM, &act, NULL));
	while (race_goes_on(r)) {
		char path[64];

		race_refill(r);
		move(r->a, N, 1);
		move(r->writers.part[0], SOME, 1);
		snprintf(path, sizeof(path), NODE "1/memory%u/state",
			 next_block(dir));
		tried++;
		if (!go_offline(path))
			continue;
		gone++;
		race_refill(r);
		wrong += pg_wrong(r->a, N, SEED);
		ASSERT_EQ(0, write_text(path, "online"));
	}
	closedir(dir);
	TH_LOG("%lu of %lu blocks went offline", gone, tried);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(0, gone);
}

TEST_HARNESS_MAIN
