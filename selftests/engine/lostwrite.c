// SPDX-License-Identifier: GPL-2.0
/*
 * No write is ever lost.
 *
 * Threads write random values to random words of registered memory and
 * remember each in a shadow, while everything is merged all the time. Each
 * word has one writer, which knows what it must hold and looks before it
 * writes. A page has few words in use and a word few values, so that pages
 * keep becoming equal, and zero, and different again.
 */
#include <pthread.h>

#include "kselftest_harness.h"
#include "util.h"

#define MAX_THREADS 3
/* Words of a page that each thread writes, far apart from each other. */
#define SLOTS 2
#define WORDS (PG / sizeof(uint32_t))

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

struct arena {
	char *p;
	size_t pages;
	struct report *report;
};

struct writer {
	const struct arena *arena;
	int who;
	long writes;
	long burst;		/* writes between two rests */
	uint64_t state;
	unsigned long wrong;
	unsigned char *shadow;	/* by page and slot */
	pthread_t thread;
};

/*
 * Where in @page the words are: spread over all of it, first and last word
 * included, and not in the same place in neighbours.
 */
static size_t slot(size_t page, int who, int n)
{
	size_t which = who + n * MAX_THREADS;

	if (which == MAX_THREADS * SLOTS - 1)
		return WORDS - 1;
	return which * WORDS / (MAX_THREADS * SLOTS) + page % 4 * 8;
}

static uint32_t letter(unsigned char index)
{
	return index ? 0x01010101u * index : 0;
}

/*
 * Writers are so much quicker than merging that hardly a page would rest for
 * long enough: each of them waits for a pass now and then, by itself.
 */
static void wait_for_pass(const struct report *report)
{
	unsigned long now = __atomic_load_n(&report->passes, __ATOMIC_RELAXED);

	while (__atomic_load_n(&report->passes, __ATOMIC_RELAXED) < now + 2)
		usleep(200);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	const struct arena *arena = w->arena;

	for (long i = 0; i < w->writes; i++) {
		if (i % w->burst == w->burst - 1)
			wait_for_pass(arena->report);
		uint64_t r = rnd(&w->state);
		size_t page = (r >> 32) % arena->pages;
		int n = r % SLOTS;
		/* Seven times as often zero as not. */
		unsigned char value = (r >> 8 & 7) == 0;
		unsigned char *was = &w->shadow[page * SLOTS + n];
		volatile uint32_t *word = (volatile uint32_t *)
			(arena->p + page * PG) + slot(page, w->who, n);

		if (*word != letter(*was))
			w->wrong++;
		*word = letter(value);
		*was = value;
		if (*word != letter(value))
			w->wrong++;
	}
	return NULL;
}

/* Every word that has a writer holds what it wrote, every other one zero. */
static unsigned long arena_wrong(const struct arena *arena,
				 const struct writer *writer, int writers)
{
	unsigned long wrong = 0;

	for (size_t page = 0; page < arena->pages; page++) {
		uint32_t want[WORDS] = { 0 };

		for (int who = 0; who < writers; who++)
			for (int n = 0; n < SLOTS; n++)
				want[slot(page, who, n)] = letter(
					writer[who].shadow[page * SLOTS + n]);
		wrong += !!memcmp(want, arena->p + page * PG, PG);
	}
	return wrong;
}

static void write_and_check(const struct arena *arena, int threads,
			    long writes, long burst, uint64_t seed)
{
	struct writer writer[MAX_THREADS] = { 0 };
	struct report *report = arena->report;

	for (int i = 0; i < threads; i++) {
		writer[i] = (struct writer) {
			.arena = arena,
			.who = i,
			.writes = writes / threads,
			.burst = burst,
			.state = seed + i * 1000,
			.shadow = calloc(arena->pages, SLOTS),
		};
		if (!writer[i].shadow ||
		    pthread_create(&writer[i].thread, NULL, writer_main,
				   &writer[i]))
			_exit(2);
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(writer[i].thread, NULL);
		report->wrong += writer[i].wrong;
		report->writes += writer[i].writes;
	}
	report->wrong += arena_wrong(arena, writer, threads);
	for (int i = 0; i < threads; i++)
		free(writer[i].shadow);
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
static int arena_renew(struct arena *arena, bool huge)
{
	size_t bytes = arena->pages * PG;
	char *p = arena->p;

	if (!p) {
		p = mmap(NULL, bytes + 2 * HPAGE, PROT_NONE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			return -1;
		p = (char *)(((uintptr_t)p + HPAGE - 1) & ~(HPAGE - 1));
		arena->p = p;
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
	struct arena arena = { .pages = v->pages, .report = report };
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = vd_open();
	for (int i = 0; i < v->rounds ||
	     (i < PATIENCE * v->rounds &&
	      !__atomic_load_n(&report->enough, __ATOMIC_RELAXED)); i++) {
		if (arena_renew(&arena, v->huge) || fd < 0 ||
		    vd_register(fd, arena.p, arena.pages * PG, NULL))
			_exit(2);
		write_and_check(&arena, v->threads, v->writes / v->rounds,
				v->burst, seed + i);
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
