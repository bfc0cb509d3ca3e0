// SPDX-License-Identifier: GPL-2.0
/*
 * Merging against what the host does: compaction, KSM on the same memory,
 * processors that go and come back, processes that are frozen, a suspend that
 * gets as far as to freeze all of them.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "race.h"

#define N RACE_PAGES
#define SEED RACE_SEED
#define KSM "/sys/kernel/mm/ksm/"
#define CPU1 "/sys/devices/system/cpu/cpu1/online"
#define CGROUP "/sys/fs/cgroup/vmdedup-race"

FIXTURE(race_host) {
	struct race race;
};

FIXTURE_SETUP(race_host)
{
	RACE_SETUP(&self->race);
}

/* What a test that failed half-way has left behind. */
static void undo(void)
{
	write_text(CPU1, "1");
	write_text(CGROUP "/cgroup.freeze", "0");
	write_text("/sys/power/pm_test", "none");
	if (read_number(KSM "run") > 0) {
		write_text(KSM "run", "2");
		write_text(KSM "run", "0");
	}
}

FIXTURE_TEARDOWN(race_host)
{
	undo();
	RACE_TEARDOWN(&self->race);
}

TEST_F(race_host, compaction)
{
	struct race *r = &self->race;
	long long moved = vmstat("compact_migrate_scanned");
	size_t wrong = 0;

	if (access("/proc/sys/vm/compact_memory", F_OK))
		SKIP(return, "no compaction");
	ASSERT_EQ(0, race_write(r, 1, MADV_NOHUGEPAGE));
	while (race_goes_on(r)) {
		race_refill(r);
		ASSERT_EQ(0, write_text("/proc/sys/vm/compact_memory", "1"));
		wrong += pg_wrong(r->a, N, SEED);
	}
	EXPECT_EQ(0, wrong);
	TH_LOG("%lld pages looked at by compaction",
	       vmstat("compact_migrate_scanned") - moved);
	EXPECT_LT(moved, vmstat("compact_migrate_scanned"));
}

/* What KSM has merged is left to it, and it leaves shared frames alone. */
TEST_F(race_host, ksm)
{
	struct race *r = &self->race;
	long long shared = 0;
	size_t wrong = 0;

	if (write_text(KSM "run", "1"))
		SKIP(return, "no KSM");
	write_text(KSM "sleep_millisecs", "0");
	write_text(KSM "pages_to_scan", "1000");
	ASSERT_EQ(0, race_write(r, 1, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, madvise(r->a, N * PG, MADV_MERGEABLE));
	ASSERT_EQ(0, madvise(r->writers.part[0], HPAGE, MADV_MERGEABLE));
	while (race_goes_on(r)) {
		size_t nr = 1 + rnd(&r->state) % N;
		long long now;

		pg_fill_range(r->a, nr, SEED);
		usleep(20000);
		wrong += pg_wrong(r->a, N, SEED);
		now = read_number(KSM "pages_shared");
		shared = now > shared ? now : shared;
		/* Every now and then all of it is undone. */
		if (r->rounds % 16 == 0) {
			ASSERT_EQ(0, madvise(r->a, N * PG, MADV_UNMERGEABLE));
			wrong += pg_wrong(r->a, N, SEED);
			ASSERT_EQ(0, madvise(r->a, N * PG, MADV_MERGEABLE));
		}
	}
	EXPECT_EQ(0, wrong);
	TH_LOG("KSM shared %lld pages at the most", shared);
	EXPECT_EQ(0, write_text(KSM "run", "2"));
	EXPECT_EQ(0, pg_wrong(r->a, N, SEED));
	EXPECT_EQ(0, write_text(KSM "run", "0"));
	EXPECT_EQ(0, write_text(KSM "sleep_millisecs", "20"));
	EXPECT_EQ(0, write_text(KSM "pages_to_scan", "100"));
}

TEST_F(race_host, cpu_hotplug)
{
	struct race *r = &self->race;
	size_t wrong = 0;

	if (access(CPU1, W_OK))
		SKIP(return, "no processor that can go");
	/* More threads than processors, so that there is one on each. */
	ASSERT_EQ(0, vd_set("threads", 4));
	ASSERT_EQ(0, race_write(r, 4, MADV_NOHUGEPAGE));
	while (race_goes_on(r)) {
		race_refill(r);
		EXPECT_EQ(0, write_text(CPU1, "0"));
		wrong += pg_wrong(r->a, N, SEED);
		race_refill(r);
		EXPECT_EQ(0, write_text(CPU1, "1"));
		wrong += pg_wrong(r->a, N, SEED);
	}
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(1, read_number(CPU1));
}

/* Write and check, until killed. */
static void frozen_main(size_t *rounds)
{
	char *p = pg_map(N);
	int fd = vd_open();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!p || fd < 0)
		_exit(1);
	pg_fill_range(p, N, SEED);
	if (vd_register(fd, p, N * PG, NULL))
		_exit(1);
	for (;;) {
		pg_fill_range(p, N / 2, SEED);
		if (pg_wrong(p, N, SEED))
			_exit(1);
		__atomic_add_fetch(rounds, 1, __ATOMIC_RELAXED);
	}
}

static bool frozen(long long want)
{
	FILE *f = fopen(CGROUP "/cgroup.events", "re");
	long long is = -1;
	char line[64];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "frozen %lld", &is) == 1)
			break;
	if (f)
		fclose(f);
	return is == want;
}

/* A process is frozen and thawed, also while its pages are unmapped. */
TEST_F(race_host, freezer)
{
	size_t *rounds = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED |
			      MAP_ANONYMOUS, -1, 0);
	struct race *r = &self->race;
	char text[32];
	int status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, rounds);
	if ((mkdir(CGROUP, 0755) && errno != EEXIST) ||
	    access(CGROUP "/cgroup.freeze", F_OK))
		SKIP(return, "no cgroup2 that freezes");
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		frozen_main(rounds);
	snprintf(text, sizeof(text), "%d", pid);
	ASSERT_EQ(0, write_text(CGROUP "/cgroup.procs", text));
	while (race_goes_on(r)) {
		size_t before;

		race_refill(r);
		EXPECT_EQ(0, write_text(CGROUP "/cgroup.freeze", "1"));
		EXPECT_TRUE(in_the_end(frozen, 1));
		before = __atomic_load_n(rounds, __ATOMIC_RELAXED);
		EXPECT_EQ(0, vd_merge(r->fd, 0, NULL));
		EXPECT_EQ(before, __atomic_load_n(rounds, __ATOMIC_RELAXED));
		EXPECT_EQ(0, write_text(CGROUP "/cgroup.freeze", "0"));
		EXPECT_EQ(0, pg_wrong(r->a, N, SEED));
		ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
		usleep(rnd(&r->state) % 20000);
	}
	TH_LOG("%zu rounds of the one that was frozen", *rounds);
	EXPECT_LT(0, *rounds);
	/* Frozen processes can be killed, too. */
	EXPECT_EQ(0, write_text(CGROUP "/cgroup.freeze", "1"));
	kill(pid, SIGKILL);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	rmdir(CGROUP);
	munmap(rounds, PG);
}

/*
 * To suspend, all processes are frozen first, and threads of the kernel that let
 * themselves be; here all are thawed after that, and a second.
 */
TEST_F(race_host, suspend)
{
	struct race *r = &self->race;

	if (write_text("/sys/power/pm_test", "freezer"))
		SKIP(return, "no test of suspend");
	write_text("/sys/module/suspend/parameters/pm_test_delay", "1");
	ASSERT_EQ(0, vd_set("threads", 2));
	ASSERT_EQ(0, race_write(r, 1, MADV_NOHUGEPAGE));
	for (int i = 0; i < 2; i++) {
		long long passes = vd_stat("full_scans");

		ASSERT_TRUE(race_goes_on(r));
		race_refill(r);
		ASSERT_EQ(0, write_text("/sys/power/state", "freeze"));
		EXPECT_EQ(0, pg_wrong(r->a, N, SEED));
		EXPECT_TRUE(vd_stat_rises("full_scans", passes, 2));
	}
	EXPECT_EQ(0, write_text("/sys/power/pm_test", "none"));
	/* Frozen, it had no time to merge. */
	while (race_goes_on(r)) {
		race_refill(r);
		usleep(20000);
	}
	EXPECT_EQ(0, pg_wrong(r->a, N, SEED));
}

TEST_HARNESS_MAIN
