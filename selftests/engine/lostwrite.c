// SPDX-License-Identifier: GPL-2.0
/*
 * No write is ever lost.
 *
 * Threads write random values to random words of registered memory and
 * remember each in a shadow (see writers.h), while everything is merged all the
 * time.
 */
#include "kselftest_harness.h"
#include "util.h"
#include "writers.h"

/* What a process of writers tells; shared with the test. */
struct report {
	unsigned long writes;
	unsigned long wrong;
	unsigned long passes;	/* the test counts its merge calls here */
	bool enough;		/* was merged, says the test */
};

/* Merges without which this would be a test of nothing. */
#define ENOUGH_MERGED	3000
#define ENOUGH_ZERO	500
/* Where merging is slow, go on for so many times as long to get there. */
#define PATIENCE	10


/*
 * Writers are so much quicker than merging that hardly a page would rest for
 * long enough: each of them waits for a pass now and then, by itself.
 */
static void wait_for_pass(void *arg)
{
	const struct report *report = arg;
	unsigned long now = __atomic_load_n(&report->passes, __ATOMIC_RELAXED);

	while (__atomic_load_n(&report->passes, __ATOMIC_RELAXED) < now + 2)
		usleep(200);
}

static void write_and_check(struct writers *w, struct report *report)
{
	if (writers_start(w))
		_exit(2);
	writers_wait(w);
	report->writes += w->written;
	report->wrong += w->wrong + writers_pages_wrong(w);
	writers_free(w);
}

FIXTURE(lostwrite) {
	int fd;
	struct report *report;
};

FIXTURE_VARIANT(lostwrite) {
	int processes;
	int threads;
	size_t pages;
	long writes;		/* by each process */
	long burst;
	int rounds;		/* fresh memory so many times */
	bool huge;
};

FIXTURE_VARIANT_ADD(lostwrite, one_process) {
	.processes = 1, .threads = 3, .pages = 192, .writes = 1050000,
	.burst = 7000, .rounds = 1,
};

FIXTURE_VARIANT_ADD(lostwrite, two_processes) {
	.processes = 2, .threads = 2, .pages = 128, .writes = 250000,
	.burst = 7000, .rounds = 1,
};

FIXTURE_VARIANT_ADD(lostwrite, huge_pages) {
	.processes = 1, .threads = 2, .pages = HPAGE_NR, .writes = 500000,
	.burst = 20000, .rounds = 8, .huge = true,
};

FIXTURE_SETUP(lostwrite)
{
	VD_SETUP(self->fd);
	self->report = mmap(NULL, PG, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->report);
}

FIXTURE_TEARDOWN(lostwrite)
{
	vd_end(self->fd);
}

/* New memory, of zeroes, for the arena: at the same place as the last. */
static int arena_renew(struct writers *w, bool huge)
{
	size_t bytes = w->pages * PG;
	char *p = w->part[0];

	if (!p) {
		p = mmap(NULL, bytes + 2 * HPAGE, PROT_NONE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			return -1;
		p = (char *)(((uintptr_t)p + HPAGE - 1) & ~(HPAGE - 1));
		w->part[0] = p;
	}
	if (mmap(p, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != p)
		return -1;
	madvise(p, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(p, 0, bytes);
	return 0;
}

/* A process of writers. */
static pid_t process_start(struct report *report,
			   const FIXTURE_VARIANT(lostwrite) *v, uint64_t seed)
{
	struct writers w = {
		.parts = 1,
		.pages = v->pages,
		.stride = 1,
		.threads = v->threads,
		.words = 2,
		/* Seven times as often zero as not. */
		.odds = 8,
		.limit = v->writes / v->rounds / v->threads,
		.burst = v->burst,
		.rest = wait_for_pass,
		.arg = report,
	};
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = vd_open();
	for (int i = 0; i < v->rounds ||
	     (i < PATIENCE * v->rounds &&
	      !__atomic_load_n(&report->enough, __ATOMIC_RELAXED)); i++) {
		if (arena_renew(&w, v->huge) || fd < 0 ||
		    vd_register(fd, w.part[0], w.pages * PG, NULL))
			_exit(2);
		w.seed = seed + i;
		write_and_check(&w, report);
	}
	_exit(0);
}

static bool any_running(const pid_t *pid, int n)
{
	for (int i = 0; i < n; i++) {
		siginfo_t info = { 0 };

		if (!waitid(P_PID, pid[i], &info,
			    WEXITED | WNOHANG | WNOWAIT) && !info.si_pid)
			return true;
	}
	return false;
}

TEST_F(lostwrite, writes)
{
	long long merged0 = vd_stat("pages_merged");
	unsigned long merged = 0, zero = 0, writes = 0, calls = 0;
	unsigned long skipped[VMDEDUP_SKIP_NR] = { 0 }, rounds = 0;
	int processes = variant->processes;
	struct vmdedup_merge m;
	bool enough = false;
	pid_t pid[2];
	int status;

	if (variant->huge) {
		ASSERT_EQ(0, vd_set("huge_split_pages", 32));
	}
	ASSERT_EQ(0, vd_set("scan_rate", 10000000));
	ASSERT_EQ(0, vd_set("run", 1));
	for (int i = 0; i < processes; i++) {
		pid[i] = process_start(&self->report[i], variant,
				       12345 + 100 * i);
		ASSERT_LT(0, pid[i]);
	}
	while (any_running(pid, processes)) {
		if (!vd_merge(self->fd, 0, &m)) {
			merged += m.merged;
			zero += m.zero;
			calls++;
			rounds += m.rounds;
			for (int i = 0; i < VMDEDUP_SKIP_NR; i++)
				skipped[i] += m.skipped[i];
		}
		enough = zero > ENOUGH_ZERO &&
			 vd_stat("pages_merged") - merged0 > ENOUGH_MERGED;
		for (int i = 0; i < processes; i++)
			__atomic_store_n(&self->report[i].enough, enough,
					 __ATOMIC_RELAXED);
		for (int i = 0; i < processes; i++)
			__atomic_add_fetch(&self->report[i].passes, 1,
					   __ATOMIC_RELAXED);
	}
	for (int i = 0; i < processes; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_EQ(0, self->report[i].wrong);
		writes += self->report[i].writes;
	}
	TH_LOG("%lu writes, %lu merge calls, %lu rounds: %lu merged, %lu zero",
	       writes, calls, rounds, merged, zero);
	for (int i = 0; i < VMDEDUP_SKIP_NR; i++)
		if (skipped[i])
			TH_LOG("skipped, reason %d: %lu", i, skipped[i]);
	TH_LOG("with the background: %lld merged",
	       vd_stat("pages_merged") - merged0);
	EXPECT_LE(variant->writes / 100 * 99 * processes, (long)writes);
	EXPECT_LT(ENOUGH_MERGED, vd_stat("pages_merged") - merged0);
	EXPECT_LT(ENOUGH_ZERO, zero);
}

TEST_HARNESS_MAIN
