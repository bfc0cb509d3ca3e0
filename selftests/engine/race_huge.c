// SPDX-License-Identifier: GPL-2.0
/*
 * Merging against huge pages: that are put together, by khugepaged and on
 * request, and split, while they are written to and merged.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "race.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define THP "/sys/kernel/mm/transparent_hugepage/"
#define CHUNKS 4

/* What khugepaged is told, to be as quick as it can, and what it was. */
static struct {
	const char *name;
	long long value;
	long long was;
} khugepaged[] = {
	{ THP "khugepaged/scan_sleep_millisecs", 10, -1 },
	{ THP "khugepaged/alloc_sleep_millisecs", 10, -1 },
	{ THP "khugepaged/pages_to_scan", 4 * CHUNKS * HPAGE_NR, -1 },
	{ THP "khugepaged/max_ptes_none", HPAGE_NR - 1, -1 },
	{ THP "khugepaged/max_ptes_shared", HPAGE_NR - 1, -1 },
};

#define NR_KHUGEPAGED (sizeof(khugepaged) / sizeof(*khugepaged))

static int write_number(const char *path, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld\n", value);
	return write_text(path, text);
}

static int khugepaged_fast(void)
{
	int err = 0;

	for (size_t i = 0; i < NR_KHUGEPAGED; i++) {
		khugepaged[i].was = read_number(khugepaged[i].name);
		err = err ?: write_number(khugepaged[i].name,
					  khugepaged[i].value);
	}
	return err;
}

static void khugepaged_restore(void)
{
	for (size_t i = 0; i < NR_KHUGEPAGED; i++)
		if (khugepaged[i].was >= 0)
			write_number(khugepaged[i].name, khugepaged[i].was);
}

FIXTURE(race_huge) {
	struct race race;
	long long collapsed;
	long long split;
};

FIXTURE_SETUP(race_huge)
{
	RACE_SETUP(&self->race);
	ASSERT_EQ(0, vd_set("huge_split_pages", 1));
	self->collapsed = vmstat("thp_collapse_alloc");
	self->split = vd_stat("huge_split");
}

FIXTURE_TEARDOWN(race_huge)
{
	khugepaged_restore();
	TH_LOG("%lld put together, %lld split by merging",
	       vmstat("thp_collapse_alloc") - self->collapsed,
	       vd_stat("huge_split") - self->split);
	RACE_TEARDOWN(&self->race);
}

/* Memory that is written to, at first in huge pages. */
#define WRITE_HUGE(r) do {						\
	if (access(THP "enabled", F_OK))				\
		SKIP(return, "no transparent huge pages");		\
	ASSERT_EQ(0, race_write(r, CHUNKS, MADV_HUGEPAGE));		\
} while (0)

/* Small pages, a few of them with contents of their own, the others all zero. */
static void fill_mostly_zero(char *p)
{
	for (size_t i = 0; i < HPAGE_NR; i++) {
		if (i % 8)
			memset(p + i * PG, 0, PG);
		else
			pg_fill(p + i * PG, 0x5000000 + i);
	}
}

static size_t mostly_zero_wrong(const char *p)
{
	size_t wrong = 0;

	for (size_t i = 0; i < HPAGE_NR; i++)
		wrong += !pg_is(p + i * PG, i % 8 ? 0 : 0x5000000 + i);
	return wrong;
}

/*
 * Pages of zeroes are merged, and become part of a huge page all the same; which is
 * split, because of them. What is written to all the time is not put together.
 */
TEST_F(race_huge, khugepaged)
{
	struct race *r = &self->race;
	size_t wrong = 0;
	char *p;

	/*
	 * khugepaged looks at pages, lets go of the lock, takes it again and asserts
	 * that they are anonymous, which a page merged meanwhile is not; without the
	 * assertion it leaves them alone.
	 */
	if (kernel_asserts())
		SKIP(return, "khugepaged asserts on this kernel, see README.md");
	WRITE_HUGE(r);
	p = chunk_map(1, MADV_NOHUGEPAGE);
	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, vd_register(r->fd, p, HPAGE, NULL));
	ASSERT_EQ(0, khugepaged_fast());
	while (race_goes_on(r)) {
		race_refill(r);
		ASSERT_EQ(0, madvise(p, HPAGE, MADV_NOHUGEPAGE));
		ASSERT_EQ(0, madvise(p, HPAGE, MADV_DONTNEED));
		fill_mostly_zero(p);
		ASSERT_EQ(0, madvise(p, HPAGE, MADV_HUGEPAGE));
		usleep(rnd(&r->state) % 200000);
		wrong += mostly_zero_wrong(p);
		wrong += pg_wrong(r->a, RACE_PAGES, RACE_SEED);
	}
	/* A huge page is put together every now and then, not in each round. */
	for (int i = 0; i < 600; i++) {
		if (vmstat("thp_collapse_alloc") > self->collapsed)
			break;
		usleep(50000);
	}
	wrong += mostly_zero_wrong(p);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(self->collapsed, vmstat("thp_collapse_alloc"));
	EXPECT_LT(self->split, vd_stat("huge_split"));
	munmap(p, HPAGE);
}

/* Small pages that are equal to others are put together before all are merged. */
TEST_F(race_huge, collapse)
{
	struct race *r = &self->race;
	unsigned long done = 0;
	size_t wrong = 0;
	char *p;

	if (kernel_asserts())
		SKIP(return, "a collapse asserts on this kernel, see README.md");
	WRITE_HUGE(r);
	p = chunk_map(1, MADV_NOHUGEPAGE);
	ASSERT_NE(NULL, p);
	pg_fill(p, RACE_SEED);
	if (madvise(p, HPAGE, MADV_HUGEPAGE) ||
	    (madvise(p, HPAGE, MADV_COLLAPSE) && errno == EINVAL))
		SKIP(return, "no MADV_COLLAPSE");
	ASSERT_EQ(0, vd_register(r->fd, p, HPAGE, NULL));
	while (race_goes_on(r)) {
		race_refill(r);
		ASSERT_EQ(0, madvise(p, HPAGE, MADV_NOHUGEPAGE));
		ASSERT_EQ(0, madvise(p, HPAGE, MADV_DONTNEED));
		for (size_t i = 0; i < HPAGE_NR; i += 8)
			pg_fill(p + i * PG, RACE_SEED + i % RACE_PAGES);
		ASSERT_EQ(0, madvise(p, HPAGE, MADV_HUGEPAGE));
		/* Refused if there is a merged page among them. */
		done += !madvise(p, HPAGE, MADV_COLLAPSE);
		for (size_t i = 0; i < HPAGE_NR; i++)
			wrong += !pg_is(p + i * PG, i % 8 ? 0 :
					RACE_SEED + i % RACE_PAGES);
	}
	TH_LOG("%lu times", done);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(0, done);
	munmap(p, HPAGE);
}

/* Fresh huge pages of equal content that lose a part, are split, and go. */
TEST_F(race_huge, split)
{
	struct race *r = &self->race;
	char *p;
	size_t wrong = 0;

	WRITE_HUGE(r);
	p = chunk_map(1, MADV_HUGEPAGE);
	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, vd_register(r->fd, p, HPAGE, NULL));
	while (race_goes_on(r)) {
		size_t at = rnd(&r->state) % HPAGE_NR;
		size_t nr = 1 + rnd(&r->state) % (HPAGE_NR - at);
		char text[64];

		race_refill(r);
		for (size_t i = 0; i < HPAGE_NR; i++)
			pg_fill(p + i * PG, RACE_SEED + i % RACE_PAGES);
		switch (r->rounds % 3) {
		case 0:
			ASSERT_EQ(0, madvise(p + at * PG, nr * PG,
					     MADV_DONTNEED));
			break;
		case 1:
			/* Of the mapping, not of the page. */
			ASSERT_EQ(0, mprotect(p + at * PG, nr * PG, PROT_READ));
			ASSERT_EQ(0, mprotect(p, HPAGE, PROT_READ | PROT_WRITE));
			nr = 0;
			break;
		default:
			/* Of the pages that are still huge, on request. */
			snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(),
				 (unsigned long)p, (unsigned long)p + HPAGE);
			write_text("/sys/kernel/debug/split_huge_pages", text);
			nr = 0;
			break;
		}
		for (size_t i = 0; i < HPAGE_NR; i++)
			wrong += !pg_is(p + i * PG, i >= at && i < at + nr ?
					0 : RACE_SEED + i % RACE_PAGES);
		/* A new one for the next round. */
		ASSERT_EQ(0, madvise(p, HPAGE, MADV_DONTNEED));
	}
	EXPECT_EQ(0, wrong);
	munmap(p, HPAGE);
}

/* A huge page that is found worth splitting, and is the huge zero page by then. */
FIXTURE(race_huge_zero) {
	int fd;
	uint64_t id;
	char *p;
	pthread_t merger;
	unsigned long calls;
	int error;
	bool stop;
};

static void *merge_one_region(void *arg)
{
	FIXTURE_DATA(race_huge_zero) *z = arg;

	while (!__atomic_load_n(&z->stop, __ATOMIC_RELAXED) && !z->error) {
		z->error = vd_merge(z->fd, z->id, NULL);
		z->calls++;
	}
	return NULL;
}

FIXTURE_SETUP(race_huge_zero)
{
	VD_SETUP(self->fd);
	ASSERT_EQ(0, vd_set("huge_split_pages", 1));
	if (access(THP "enabled", F_OK))
		SKIP(return, "no transparent huge pages");
	self->p = chunk_map(1, MADV_HUGEPAGE);
	ASSERT_NE(NULL, self->p);
	ASSERT_EQ(0, vd_register(self->fd, self->p, HPAGE, &self->id));
	ASSERT_EQ(0, pthread_create(&self->merger, NULL, merge_one_region,
				    self));
}

FIXTURE_TEARDOWN(race_huge_zero)
{
	if (self->merger) {
		__atomic_store_n(&self->stop, true, __ATOMIC_RELAXED);
		pthread_join(self->merger, NULL);
	}
	munmap(self->p, HPAGE);
	vd_end(self->fd);
}

TEST_F(race_huge_zero, come_and_go)
{
	long long begin = now_ms(), split = vd_stat("huge_split");
	unsigned long rounds = 0, given = 0;
	uint64_t state = getpid();
	size_t wrong = 0;
	char *p = self->p;

	while (now_ms() - begin < race_ms() ||
	       (now_ms() - begin < race_ms() + RACE_PATIENCE_MS &&
		(vd_stat("huge_split") == split || !given))) {
		rounds++;
		/* Anew: a page table that a split has left stays in place. */
		ASSERT_EQ(p, mmap(p, HPAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
				  MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		ASSERT_EQ(0, madvise(p, HPAGE, MADV_HUGEPAGE));
		/*
		 * One byte will do: who writes all of it on a busy machine takes it
		 * back page by page from who merges it.
		 */
		*(volatile char *)p = 0;
		/* On a busy machine whoever sleeps comes too late each time. */
		if (rounds % 2)
			usleep(rnd(&state) % 4000);
		ASSERT_EQ(0, madvise(p, HPAGE, MADV_DONTNEED));
		for (size_t i = 0; i < HPAGE_NR; i++)
			wrong += !pg_is(p + i * PG, 0);
		given += !!(kpage_flags(pm_pfn(p)) & 1ULL << KPF_THP_BIT);
	}
	TH_LOG("%lu rounds, %lu with the huge zero page, %lu merge calls, %lld split",
	       rounds, given, self->calls, vd_stat("huge_split") - split);
	EXPECT_EQ(0, self->error);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(0, given);
	EXPECT_LT(split, vd_stat("huge_split"));
}

/* Has the kernel lock a huge page again and again, in an attempt to split it. */
struct locker {
	char *p;	/* or NULL: wait */
	pthread_t thread;
	bool stop;
};

static void *lock_huge(void *arg)
{
	struct locker *l = arg;

	while (!__atomic_load_n(&l->stop, __ATOMIC_RELAXED)) {
		char *p = __atomic_load_n(&l->p, __ATOMIC_RELAXED);

		if (p)
			madvise(p, PG, MADV_COLD);
		else
			usleep(1000);
	}
	return NULL;
}

#define MANY_ROUNDS 512

/* Huge pages that nobody maps, and that were not freed: as many are lost. */
static unsigned long lost(const uint64_t *pfn, unsigned long nr)
{
	unsigned long found = 0;

	for (unsigned long i = 0; i < nr; i++) {
		uint64_t flags = kpage_flags(pfn[i]);

		found += flags & 1ULL << KPF_THP_BIT &&
			 flags & 1ULL << KPF_ANON_BIT && !kpage_count(pfn[i]);
	}
	return found;
}

/*
 * What the kernel is asked to take away while somebody has it locked it gives up, but
 * 6.1 and 6.12 keep the reference that they have taken to a huge page. That in the
 * pipe keeps it from being split by the advice.
 */
TEST_F(race_huge_zero, locked)
{
	unsigned long rounds, huge = 0, left = 0;
	long long begin = now_ms();
	uint64_t pfn[MANY_ROUNDS];
	struct locker l = {};
	size_t wrong = 0;
	char *p = self->p;
	int ends[2];

	ASSERT_EQ(0, pthread_create(&l.thread, NULL, lock_huge, &l));
	for (rounds = 0; rounds < MANY_ROUNDS &&
	     (rounds < 10 || now_ms() - begin < race_ms()); rounds++) {
		struct iovec iov = { .iov_base = p + PG, .iov_len = PG };

		ASSERT_EQ(p, mmap(p, HPAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
				  MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		ASSERT_EQ(0, madvise(p, HPAGE, MADV_HUGEPAGE));
		ASSERT_EQ(0, pipe(ends));
		*(volatile char *)p = 0;
		ASSERT_EQ((ssize_t)PG, vmsplice(ends[1], &iov, 1, 0));
		pfn[huge] = pm_pfn(p);
		huge += !!(kpage_flags(pfn[huge]) & 1ULL << KPF_THP_BIT);
		__atomic_store_n(&l.p, p, __ATOMIC_RELAXED);
		usleep(100000);
		__atomic_store_n(&l.p, NULL, __ATOMIC_RELAXED);
		for (size_t i = 0; i < HPAGE_NR; i++)
			wrong += !pg_is(p + i * PG, 0);
		close(ends[0]);
		close(ends[1]);
	}
	munmap(p, HPAGE);
	__atomic_store_n(&l.stop, true, __ATOMIC_RELAXED);
	pthread_join(l.thread, NULL);
	/* A scan may hold the memory still, or a CPU. */
	for (int i = 0; i < 60; i++) {
		left = lost(pfn, huge);
		if (!left)
			break;
		usleep(500000);
	}
	TH_LOG("%lu rounds, %lu huge pages, %lu lost, %lu merge calls", rounds,
	       huge, left, self->calls);
	EXPECT_EQ(0, self->error);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(0, huge);
	EXPECT_EQ(0, left);
}

TEST_HARNESS_MAIN
