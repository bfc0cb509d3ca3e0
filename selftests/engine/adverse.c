// SPDX-License-Identifier: GPL-2.0
/*
 * What is made to be hard for the scanner: contents that sketches do not tell
 * apart, a frame that is mapped a million times, threads that find the same
 * frames at once, tunables and regions that never rest.
 *
 * As in scan.c, limits are numbers of passes, never times.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "util.h"
#include "writers.h"

/* Of so many passes one looks at all chunks; see scan.c. */
#define PERIOD 32
#define EPOCH (2 * PERIOD)
#define FLAT_OUT 1000000000
/* Pages sketched that pay for one that is hashed for nothing. */
#define PRICE 48
#define LINES 64
#define LINE_WORDS (PG / LINES / sizeof(uint64_t))

/*
 * A process has ended: wait until nobody maps any frame. A thread of the scanner
 * may have held its address space, which goes only then.
 */
static bool all_gone(void)
{
	/* A minute: see vd_stat_rises(). */
	for (int i = 0; i < 6000; i++) {
		if (!vd_stat("pages_shared") && !vd_stat("regions"))
			return true;
		usleep(10000);
	}
	return false;
}

FIXTURE(adverse) {
	int fd;
	struct peer peer[2];
	/* The counters, before. */
	long long merged;
	long long collisions;
	long long scanned;
	long long hashed;
};

FIXTURE_SETUP(adverse)
{
	VD_SETUP(self->fd);
	ASSERT_EQ(0, vd_set("scan_rate", FLAT_OUT));
	ASSERT_TRUE(all_gone());
	self->merged = vd_stat("pages_merged");
	self->collisions = vd_stat("collisions");
	self->scanned = vd_stat("pages_scanned");
	self->hashed = vd_stat("pages_hashed");
}

FIXTURE_TEARDOWN(adverse)
{
	/* Two contents with one checksum would be a wonder. */
	EXPECT_EQ(self->collisions, vd_stat("collisions"));
	for (int i = 0; i < 2; i++)
		peer_kill(&self->peer[i]);
	vd_end(self->fd);
}

/* Wait for so many passes to end; false if there are none any more. */
static bool passes(long long n)
{
	long long from = vd_stat("full_scans");

	for (long long i = 1; i <= n; i++)
		if (!vd_stat_rises("full_scans", from, i))
			return false;
	return true;
}

/* A pass that looks at all chunks, from begin to end: a tunable was written. */
static bool full_pass(void)
{
	return !vd_set("scan_rate", FLAT_OUT) && passes(2);
}

/* Wait for something, but for @limit passes at the most; tells whether it came. */
static bool within(long long limit, bool (*done)(long long), long long arg)
{
	long long from = vd_stat("full_scans"), now = from, last = from;

	/* As in vd_stat_rises(): a minute without a pass is the end. */
	for (int idle = 0; idle < 6000; idle = now == last ? idle + 1 : 0) {
		last = now;
		if (done(arg))
			return true;
		now = vd_stat("full_scans");
		if (now - from > limit)
			return false;
		usleep(10000);
	}
	return false;
}

static bool sharing(long long n)
{
	return vd_stat("pages_sharing") >= n;
}

/* By one who asks; pages that the scanner looks at just then are left out. */
static bool on_request(long long n)
{
	int fd = vd_open(), err;

	if (fd < 0)
		return false;
	err = vd_merge(fd, 0, NULL);
	close(fd);
	return !err && sharing(n);
}

static int compare_pfns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* How many frames do pages have? A page that is not there is one of its own. */
static size_t distinct(uint64_t *pfn, size_t pages)
{
	size_t n = 0;

	qsort(pfn, pages, sizeof(*pfn), compare_pfns);
	for (size_t i = 0; i < pages; i++)
		n += !pfn[i] || !i || pfn[i] != pfn[i - 1];
	return n;
}

/* How many frames do so many pages of a process have, or -1. */
static long long frames_of(pid_t pid, const void *addr, size_t pages)
{
	uint64_t *pfn = calloc(pages, sizeof(*pfn));
	long long n = -1;

	if (pfn && !pm_pfns(pid, addr, pages, pfn))
		n = distinct(pfn, pages);
	free(pfn);
	return n;
}

/*
 * A page that differs from all others of @base in one word of each of @lines
 * lines, chosen at random.
 */
static void odd_fill(void *page, uint64_t base, size_t i, unsigned int lines)
{
	uint64_t state = base + 0x100000 + i, taken = 0, *word = page;

	pg_fill(page, base);
	while (lines) {
		uint64_t r = rnd(&state), line = r % LINES;

		if (taken & (1ULL << line))
			continue;
		taken |= 1ULL << line;
		word[line * LINE_WORDS + (r >> 32) % LINE_WORDS] = rnd(&state);
		lines--;
	}
}

static void odd_fill_range(char *p, size_t pages, uint64_t base,
			   unsigned int lines)
{
	for (size_t i = 0; i < pages; i++)
		odd_fill(p + i * PG, base, i, lines);
}

static size_t odd_wrong(const char *p, size_t pages, uint64_t base,
			unsigned int lines)
{
	uint64_t want[PG / sizeof(uint64_t)];
	size_t wrong = 0;

	for (size_t i = 0; i < pages; i++) {
		odd_fill(want, base, i, lines);
		wrong += !!memcmp(want, p + i * PG, PG);
	}
	return wrong;
}

/*
 * Pages that differ from each other in some lines out of 64. Of four lines three
 * quarters of the pages have none that is different, of sixteen it is less than
 * a third: looking at more lines saves most of the hashing. It must not matter
 * that most hits were good ones before.
 */
#define SOME_LINES 4
#define GOOD_PAIRS scaled(8192)

TEST_F(adverse, sketches_adapt)
{
	const size_t pages = 12 * HPAGE_NR, fresh = 4 * HPAGE_NR;
	char *p = chunk_map(12, MADV_NOHUGEPAGE), *a, *b;
	char *q = chunk_map(4, MADV_NOHUGEPAGE);
	long long hashed = 0, merged;
	uint64_t id[2];

	ASSERT_NE(NULL, p);
	ASSERT_NE(NULL, q);
	ASSERT_EQ(0, pg_map_pair(GOOD_PAIRS, 0x2800000, &a, &b));
	ASSERT_EQ(0, vd_register(self->fd, a, GOOD_PAIRS * PG, &id[0]));
	ASSERT_EQ(0, vd_register(self->fd, b, GOOD_PAIRS * PG, &id[1]));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_TRUE(within(4 * EPOCH, sharing, GOOD_PAIRS));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, vd_unregister(self->fd, id[i], 0, NULL));
	munmap(a, GOOD_PAIRS * PG);
	munmap(b, GOOD_PAIRS * PG);
	EXPECT_TRUE(all_gone());

	merged = vd_stat("pages_merged");
	odd_fill_range(p, pages, 0x2000000, SOME_LINES);
	ASSERT_EQ(0, vd_register(self->fd, p, pages * PG, NULL));
	/* Each round gives some thousand hits more, all of them for nothing. */
	for (int round = 0; round < 12; round++) {
		for (int i = 0; i < 2; i++)
			ASSERT_TRUE(full_pass());
		/* Those of new ones are hashed, for a while. */
		odd_fill_range(q, fresh, 0x2000000 + (round + 1) * pages,
			       SOME_LINES);
		hashed = vd_stat("pages_hashed");
		ASSERT_EQ(0, vd_register(self->fd, q, fresh * PG, &id[0]));
		ASSERT_TRUE(full_pass());
		hashed = vd_stat("pages_hashed") - hashed;
		ASSERT_EQ(0, vd_unregister(self->fd, id[0], 0, NULL));
		TH_LOG("%lld were hashed of %zu", hashed, fresh);
		if (round && hashed < (long long)fresh)
			break;
	}
	/* Twice each, if its sketch is that of others. */
	EXPECT_GT((long long)fresh, hashed);
	EXPECT_EQ(merged, vd_stat("pages_merged"));
	EXPECT_EQ(0, odd_wrong(p, pages, 0x2000000, SOME_LINES));
	munmap(q, fresh * PG);
}

/*
 * Pages that are equal but for eight bytes each, so that most sketches are the
 * same however many lines are looked at.
 */
TEST_F(adverse, sparse_differences)
{
	const size_t pages = 8 * HPAGE_NR, pairs = 64;
	const uint64_t base = 0x1000000;
	char *p = chunk_map(8, MADV_NOHUGEPAGE);
	long long scanned, hashed;

	ASSERT_NE(NULL, p);
	odd_fill_range(p, pages, base, 1);
	ASSERT_EQ(0, vd_register(self->fd, p, pages * PG, NULL));
	ASSERT_EQ(0, vd_set("run", 1));
	for (uint64_t round = 0; round < 3; round++) {
		for (int i = 0; i < 8; i++)
			ASSERT_TRUE(full_pass());
		EXPECT_EQ(0, odd_wrong(p, pages, base + round, 1));
		odd_fill_range(p, pages, base + round + 1, 1);
	}
	for (int i = 0; i < 8; i++)
		ASSERT_TRUE(full_pass());
	scanned = vd_stat("pages_scanned") - self->scanned;
	hashed = vd_stat("pages_hashed") - self->hashed;
	TH_LOG("%lld of %lld were hashed", hashed, scanned);
	EXPECT_EQ(0, odd_wrong(p, pages, base + 3, 1));
	EXPECT_EQ(self->merged, vd_stat("pages_merged"));
	EXPECT_EQ(0, vd_stat("pages_sharing"));
	/* Three looks at all, and then as many as is paid for: see credit.h. */
	EXPECT_LE(16 * (long long)pages, scanned);
	EXPECT_LE((long long)pages, hashed);
	EXPECT_GE(scanned / PRICE + 3 * (long long)pages, hashed);

	/* What is equal is found among all that is not, in the end, or on request. */
	for (size_t i = 0; i < pairs; i++)
		memcpy(p + i * PG, p + (pages - 1 - i) * PG, PG);
	EXPECT_TRUE(in_the_end(on_request, pairs));
	EXPECT_EQ(pairs, vd_stat("pages_sharing"));
	EXPECT_EQ(pages - pairs, frames_of(0, p, pages));
	for (size_t i = 0; i < pairs; i++)
		EXPECT_EQ(0, memcmp(p + i * PG, p + (pages - 1 - i) * PG, PG));
	/* Writing to them makes them all different again. */
	odd_fill_range(p, pages, base + 4, 1);
	EXPECT_EQ(0, odd_wrong(p, pages, base + 4, 1));
	EXPECT_EQ(0, vd_stat("pages_sharing"));
}

/* Pairs that are equal but for one byte at the very end, or at the begin. */
TEST_F(adverse, last_bytes)
{
	const size_t pairs = 1024;
	struct vmdedup_merge m;
	char *a, *b;

	ASSERT_EQ(0, pg_map_pair(pairs, 0x30000, &a, &b));
	for (size_t i = 0; i < pairs; i++)
		b[i * PG + (i % 2 ? PG - 1 : 0)] ^= 1 << i % 8;
	ASSERT_EQ(0, vd_register(self->fd, a, pairs * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, b, pairs * PG, NULL));
	ASSERT_EQ(0, vd_set("run", 1));
	for (int i = 0; i < 16; i++)
		ASSERT_TRUE(full_pass());
	/* On request all pages are hashed. */
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, m.merged);
	EXPECT_EQ(self->merged, vd_stat("pages_merged"));
	EXPECT_EQ(0, vd_stat("pages_sharing"));
	EXPECT_EQ(0, pg_wrong(a, pairs, 0x30000));
	EXPECT_EQ(pairs, pg_wrong(b, pairs, 0x30000));
	for (size_t i = 0; i < pairs; i++)
		b[i * PG + (i % 2 ? PG - 1 : 0)] ^= 1 << i % 8;
	EXPECT_EQ(0, pg_wrong(b, pairs, 0x30000));

	/* After so much for nothing the scanner takes long. */
	EXPECT_TRUE(in_the_end(on_request, pairs));
	EXPECT_EQ(pairs, vd_stat("pages_sharing"));
	EXPECT_EQ(pairs, vd_stat("pages_shared"));
	EXPECT_EQ(0, pg_wrong(a, pairs, 0x30000));
	EXPECT_EQ(0, pg_wrong(b, pairs, 0x30000));
}

/* One content, mapped a million times: by one process and its children. */
#define EQUAL_PAGES scaled(65536)
#define EQUAL_STEP scaled(8192)
#define EQUAL_SEED 0x40000
#define FAMILY 15
/* What others map and unmap meanwhile, and what CPUs keep to themselves. */
#define SLACK 256

static uint64_t do_fill_equal(uint64_t addr, uint64_t pages, uint64_t c)
{
	char *p = (char *)addr;

	(void)c;
	pg_fill(p, EQUAL_SEED);
	for (size_t i = 1; i < pages; i++)
		memcpy(p + i * PG, p, PG);
	return 0;
}

static size_t equal_wrong(const char *p, size_t pages, size_t step)
{
	size_t wrong = 0;

	for (size_t i = 0; i < pages; i += step)
		wrong += !pg_is(p + i * PG, EQUAL_SEED);
	return wrong;
}

static uint64_t do_equal_wrong(uint64_t addr, uint64_t pages, uint64_t step)
{
	return equal_wrong((char *)addr, pages, step);
}

/* Children that wait for the pipe to be closed, then read, write and end. */
static int family_pipe[2];
static pid_t family[FAMILY];

static void family_main(char *p, size_t pages)
{
	size_t wrong;
	char byte;

	close(family_pipe[1]);
	if (read(family_pipe[0], &byte, 1))
		_exit(1);
	wrong = equal_wrong(p, pages, 1009);
	for (size_t i = getpid() % 997; i < pages; i += 997) {
		pg_fill(p + i * PG, EQUAL_SEED + i + 1);
		wrong += !pg_is(p + i * PG, EQUAL_SEED + i + 1);
	}
	_exit(wrong ? 1 : 0);
}

/* Returns how many there are. */
static uint64_t do_family(uint64_t addr, uint64_t pages, uint64_t c)
{
	uint64_t n;

	(void)c;
	if (pipe(family_pipe))
		return 0;
	for (n = 0; n < FAMILY; n++) {
		family[n] = fork();
		if (family[n] < 0)
			break;
		if (!family[n])
			family_main((char *)addr, pages);
	}
	return n;
}

/* Returns how many did not end well. */
static uint64_t do_family_end(uint64_t n, uint64_t b, uint64_t c)
{
	uint64_t bad = 0;

	(void)b;
	(void)c;
	close(family_pipe[1]);
	close(family_pipe[0]);
	for (uint64_t i = 0; i < n; i++) {
		int status;

		bad += waitpid(family[i], &status, 0) != family[i] || status;
	}
	return bad;
}

TEST_F(adverse, million_equal_pages)
{
	struct peer *peer = &self->peer[0];
	const long long n = EQUAL_PAGES, all = n * (FAMILY + 1);
	long long mapped, file, free_kb, step;
	struct vmdedup_merge m;
	uint64_t p, pfn;

	ASSERT_EQ(0, peer_start(peer));
	p = peer_call(peer, do_map, n, 0, 0);
	ASSERT_NE(0, p);
	ASSERT_NE(0, peer_call(peer, do_register, p, n, 0));
	ASSERT_EQ(0, vd_set("run", 1));
	mapped = vmstat("nr_mapped");
	file = status_kb(peer->pid, "RssFile");
	free_kb = meminfo_kb("MemFree");
	/* Step by step, so that it is never there all at once. */
	for (step = EQUAL_STEP; step <= n; step += EQUAL_STEP) {
		peer_call(peer, do_fill_equal, p + (step - EQUAL_STEP) * PG,
			  EQUAL_STEP, 0);
		ASSERT_TRUE(within(4 * EPOCH, sharing, step - 1));
	}
	TH_LOG("%lld kB for %lld kB", free_kb - meminfo_kb("MemFree"),
	       n * (long long)PG / 1024);
	EXPECT_EQ(1, vd_stat("pages_shared"));
	EXPECT_EQ(n - 1, vd_stat("pages_sharing"));
	EXPECT_EQ((n - 1) * (long long)PG, vd_stat("saved_bytes"));
	/* Workers tell what they did when they have done a part. */
	ASSERT_TRUE(passes(1));
	EXPECT_EQ(n, vd_stat("pages_merged") - self->merged);
	EXPECT_EQ(1, frames_of(peer->pid, (void *)p, n));
	ASSERT_EQ(0, pm_pfns(peer->pid, (void *)p, 1, &pfn));
	EXPECT_EQ(n, kpage_count(pfn));
	/* One frame is one page mapped, and many of the process'. */
	EXPECT_GE(mapped + SLACK, vmstat("nr_mapped"));
	EXPECT_LE(file + (n - SLACK) * 4, status_kb(peer->pid, "RssFile"));
	EXPECT_EQ(0, peer_call(peer, do_equal_wrong, p, n, 101));

	ASSERT_EQ(FAMILY, peer_call(peer, do_family, p, n, 0));
	EXPECT_EQ(all, kpage_count(pfn));
	EXPECT_EQ(1, vd_stat("pages_shared"));
	EXPECT_EQ(all - 1, vd_stat("pages_sharing"));
	EXPECT_EQ((all - 1) * (long long)PG, vd_stat("saved_bytes"));
	/* None is refused now that there are so many. */
	peer_call(peer, do_fill, p, EQUAL_STEP, EQUAL_SEED + 1);
	peer_call(peer, do_fill_equal, p, EQUAL_STEP, 0);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_TRUE(in_the_end(sharing, all - 1));
	EXPECT_EQ(all, kpage_count(pfn));

	EXPECT_EQ(0, peer_call(peer, do_family_end, FAMILY, 0, 0));
	EXPECT_EQ(n, kpage_count(pfn));
	EXPECT_EQ(n - 1, vd_stat("pages_sharing"));
	EXPECT_EQ(0, peer_call(peer, do_equal_wrong, p, n, 101));
	EXPECT_EQ(0, peer_stop(peer));
	EXPECT_TRUE(all_gone());
	EXPECT_EQ(0, vd_stat("pages_sharing"));
	EXPECT_EQ(0, vd_stat("saved_bytes"));
	EXPECT_EQ(0, kpage_count(pfn));
	EXPECT_GE(mapped + SLACK, vmstat("nr_mapped"));
	EXPECT_LE(mapped - SLACK, vmstat("nr_mapped"));
}

/*
 * Threads that look for the same few frames at the same time, in pages that are
 * written to. Each thread takes a region at a time.
 */
#define FEW 8
#define REGION_PAGES 1024UL
#define CONTENT(i) (0x50000 + (i) % FEW)

static uint64_t do_fill_few(uint64_t addr, uint64_t pages, uint64_t c)
{
	(void)c;
	for (size_t i = 0; i < pages; i++)
		pg_fill((char *)addr + i * PG, CONTENT(i));
	return 0;
}

static uint64_t do_few_wrong(uint64_t addr, uint64_t pages, uint64_t c)
{
	uint64_t wrong = 0;

	(void)c;
	for (size_t i = 0; i < pages; i++)
		wrong += !pg_is((char *)addr + i * PG, CONTENT(i));
	return wrong;
}

/* What page @k holds for a while: another one's content, or its own. */
static uint64_t interim(size_t k, unsigned int shift)
{
	return shift < FEW ? CONTENT(k + shift) : 0x60000 + k;
}

/* Write something else to pages, and put back what was there. */
static uint64_t do_rewrite(uint64_t addr, uint64_t pages, uint64_t seed)
{
	uint64_t wrong = 0;

	for (size_t burst = scaled(20); burst; burst--) {
		unsigned int shift = 1 + rnd(&seed) % FEW;

		for (int i = 0; i < 200; i++) {
			size_t k = rnd(&seed) % pages;

			pg_fill((char *)addr + k * PG, interim(k, shift));
		}
		/* By then it is merged, or about to be, or not yet. */
		if (rnd(&seed) % 2 && !passes(1))
			return pages;
		for (size_t k = 0; k < pages; k++) {
			char *page = (char *)addr + k * PG;

			if (pg_is(page, CONTENT(k)))
				continue;
			wrong += !pg_is(page, interim(k, shift));
			pg_fill(page, CONTENT(k));
		}
		wrong += do_few_wrong(addr, pages, 0);
		if (!passes(1))
			return pages;
	}
	return wrong;
}

/* How many frames do the regions of both processes have? */
static long long frames_of_all(const struct peer *peer,
			       uint64_t (*region)[2])
{
	uint64_t *pfn = calloc(4 * REGION_PAGES, sizeof(*pfn));
	long long n = -1;
	int err = !pfn;

	for (int i = 0; !err && i < 4; i++)
		err = pm_pfns(peer[i / 2].pid, (void *)region[i / 2][i % 2],
			      REGION_PAGES, pfn + i * REGION_PAGES);
	if (!err)
		n = distinct(pfn, 4 * REGION_PAGES);
	free(pfn);
	return n;
}

TEST_F(adverse, two_workers_one_frame)
{
	const long long all = 4 * REGION_PAGES;
	long long kept = vd_stat("frames_made") - vd_stat("frames_freed");
	uint64_t region[2][2];

	ASSERT_EQ(0, kept);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, peer_start(&self->peer[i]));
		for (int k = 0; k < 2; k++) {
			region[i][k] = peer_call(&self->peer[i], do_map,
						 REGION_PAGES, 0, 0);
			ASSERT_NE(0, region[i][k]);
			peer_call(&self->peer[i], do_fill_few, region[i][k],
				  REGION_PAGES, 0);
		}
	}
	ASSERT_EQ(0, vd_set("threads", 2));
	ASSERT_EQ(0, vd_set("run", 1));
	for (int i = 0; i < 4; i++)
		ASSERT_NE(0, peer_call(&self->peer[i / 2], do_register,
				       region[i / 2][i % 2], REGION_PAGES, 0));
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < 2; i++)
			ASSERT_EQ(0, peer_send(&self->peer[i], do_rewrite,
					       region[i][k], REGION_PAGES,
					       10 * i + k));
		for (int i = 0; i < 2; i++)
			EXPECT_EQ(0, peer_wait(&self->peer[i]));
		/* The rest of the time with as many as there are regions. */
		ASSERT_EQ(0, vd_set("threads", 4));
	}
	EXPECT_TRUE(in_the_end(sharing, all - FEW));
	TH_LOG("%lld merged, %lld frames made",
	       vd_stat("pages_merged") - self->merged, vd_stat("frames_made"));
	EXPECT_EQ(FEW, frames_of_all(self->peer, region));
	EXPECT_EQ(FEW, vd_stat("pages_shared"));
	EXPECT_EQ(all - FEW, vd_stat("pages_sharing"));
	EXPECT_EQ(FEW, vd_stat("frames_made") - vd_stat("frames_freed"));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(0, peer_call(&self->peer[i / 2], do_few_wrong,
				       region[i / 2][i % 2], REGION_PAGES, 0));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(0, peer_stop(&self->peer[i]));
	EXPECT_TRUE(all_gone());
	EXPECT_EQ(vd_stat("frames_made"), vd_stat("frames_freed"));
}

/*
 * No write is lost while tunables change; see lostwrite.c. Half of the memory
 * is in huge pages, if there are any.
 */
#define ARENA_CHUNKS 4
#define ARENA_PAGES (ARENA_CHUNKS * HPAGE_NR)
#define CHANGES ((int)scaled(300))
/* Merges without which this would be a test of nothing. */
#define ENOUGH_MERGED ((long long)scaled(2000))

/* Between two bursts there must be time to merge. */
static void half_a_second(void *arg)
{
	(void)arg;
	usleep(500000);
}

static int change_something(uint64_t *state)
{
	static const unsigned int rates[] = { 0, 1, 1000, 100000, FLAT_OUT };
	uint64_t r = rnd(state);
	unsigned int n = r >> 32;

	switch (r % 8) {
	case 0:
		return vd_set("threads", 1 + n % 4);
	case 1:
		return vd_set("cpu_limit", n % 101);
	case 2:
		return vd_set("scan_rate", rates[n % 5]);
	case 3:
		return vd_set("huge_split_pages", 1 + n % HPAGE_NR);
	case 4:
		return vd_set("merge_run_pages", 1 + n % HPAGE_NR);
	case 5:
		return vd_set("target_pass_secs", 1 + n % 100);
	case 6:
		/* Seldom enough for something to be merged. */
		return vd_set("run", n % 4 ? 1 : 0);
	default:
		/* Undo it all, for once. */
		return n % 8 ? 0 : vd_set("run", 2);
	}
}

static int arena_register(int fd, const struct writers *w, uint64_t *id)
{
	for (int i = 0; i < 2; i++) {
		int err;

		if (id[i])
			vd_unregister(fd, id[i], 0, NULL);
		err = vd_register(fd, w->part[i], ARENA_PAGES / 2 * PG, &id[i]);
		if (err)
			return err;
	}
	return 0;
}

static bool arena_merged(long long writers)
{
	const struct writers *w = (const struct writers *)writers;
	uint64_t pfn[ARENA_PAGES];
	size_t half = ARENA_PAGES / 2;

	return !pm_pfns(0, w->part[0], half, pfn) &&
	       !pm_pfns(0, w->part[1], half, pfn + half) &&
	       distinct(pfn, ARENA_PAGES) <= writers_contents(w);
}

TEST_F(adverse, tunables_under_load)
{
	struct writers w = {
		.part = {
			chunk_map(ARENA_CHUNKS / 2, MADV_NOHUGEPAGE),
			chunk_map(ARENA_CHUNKS / 2, MADV_HUGEPAGE),
		},
		.parts = 2,
		.pages = ARENA_PAGES,
		.stride = 1,
		.threads = 3,
		.words = 1,
		.odds = 4,
		.burst = 1000,
		.rest = half_a_second,
	};
	long long zero = vd_stat("pages_zero_merged"), merged = 0;
	uint64_t state = 0x70000, id[2] = { 0 };
	int changes, err = 0;

	if (!w.part[1])
		w.part[1] = chunk_map(ARENA_CHUNKS / 2, MADV_NOHUGEPAGE);
	for (int i = 0; i < 2; i++) {
		ASSERT_NE(NULL, w.part[i]);
		memset(w.part[i], 0, ARENA_CHUNKS / 2 * HPAGE);
	}
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_EQ(0, writers_start(&w));
	/* Where merging is slow, go on for ten times as long. */
	for (changes = 0; !err && changes < CHANGES * 10; changes++) {
		merged = vd_stat("pages_merged") - self->merged;
		if (changes >= CHANGES && merged > ENOUGH_MERGED)
			break;
		/* Registered anew, it is not taken to be merged in vain. */
		if (changes % 20 == 0)
			err = arena_register(self->fd, &w, id);
		err = err ?: change_something(&state);
		usleep(rnd(&state) % 100000);
	}
	writers_stop(&w);
	TH_LOG("%lu writes, %d changes, %lld merged, %lld zero", w.written,
	       changes, merged, vd_stat("pages_zero_merged") - zero);
	EXPECT_EQ(0, err);
	EXPECT_EQ(0, w.wrong);
	EXPECT_EQ(0, writers_pages_wrong(&w));
	EXPECT_LT(ENOUGH_MERGED, merged);

	/* All as at first: all is merged. */
	ASSERT_EQ(0, vd_set("threads", 0));
	ASSERT_EQ(0, vd_set("cpu_limit", 0));
	ASSERT_EQ(0, vd_set("huge_split_pages", 128));
	ASSERT_EQ(0, vd_set("merge_run_pages", 64));
	ASSERT_EQ(0, vd_set("target_pass_secs", 60));
	ASSERT_EQ(0, vd_set("scan_rate", FLAT_OUT));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_EQ(0, arena_register(self->fd, &w, id));
	EXPECT_TRUE(in_the_end(arena_merged, (long long)&w));
	EXPECT_EQ(0, writers_pages_wrong(&w));
	writers_free(&w);
}

/* Regions that come and go, of two processes that meddle with each other's. */
#define AREA_PAGES 256UL
#define AREA_SEED 0x80000
#define OPS ((int)scaled(3000))
#define HELD 16

static char *area;

static uint64_t do_fill_area(uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	pg_fill_range(area, AREA_PAGES, AREA_SEED);
	return 0;
}

/* A process that ends with regions. */
static void short_lived(uint64_t state)
{
	int fd = vd_open();
	size_t k = rnd(&state) % (AREA_PAGES / 2);

	if (fd < 0 || vd_register(fd, area + k * PG, AREA_PAGES / 2 * PG, NULL))
		_exit(1);
	pg_fill(area + k * PG, AREA_SEED + k);
	if (!pg_is(area + k * PG, AREA_SEED + k))
		_exit(1);
	if (rnd(&state) % 2)
		execl("/bin/true", "true", NULL);
	_exit(0);
}

static bool run_short_lived(uint64_t state)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		short_lived(state);
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/* Returns how many times something was not as it should be. */
static uint64_t do_come_and_go(uint64_t other, uint64_t seed, uint64_t c)
{
	uint64_t bad = 0, held[HELD] = { 0 };
	int fd = vd_open(), err;

	(void)c;
	for (int op = 0; op < OPS; op++) {
		uint64_t r = rnd(&seed), *id = &held[r % HELD];
		size_t first = (r >> 8) % AREA_PAGES;
		size_t nr = 1 + (r >> 24) % 64;
		struct vmdedup_register reg = {
			.size = sizeof(reg),
			.start = (uintptr_t)(area + first * PG),
			.length = (nr < AREA_PAGES - first ?
				   nr : AREA_PAGES - first) * PG,
		};

		switch ((r >> 40) % 8) {
		case 0:
			reg.pid = other;
			__attribute__((fallthrough));
		case 1:
		case 2:
		case 3:
			err = vd_register_raw(fd, &reg);
			bad += err && err != -EEXIST;
			*id = reg.region_id;
			break;
		case 4:
		case 5:
			if (!*id)
				break;
			err = vd_unregister(fd, *id, (r >> 48) % 4 ? 0 :
					    VMDEDUP_UNREGISTER_UNMERGE, NULL);
			/* The other may have been quicker. */
			bad += err && err != -ENOENT;
			*id = 0;
			break;
		case 6:
			pg_fill(area + first * PG, AREA_SEED + first);
			break;
		default:
			if ((r >> 48) % 4)
				break;
			/* With what is held. */
			close(fd);
			fd = vd_open();
			bad += fd < 0;
			break;
		}
		bad += !pg_is(area + first * PG, AREA_SEED + first);
		if (op % 100 == 99)
			bad += !run_short_lived(r);
	}
	close(fd);
	return bad + pg_wrong(area, AREA_PAGES, AREA_SEED);
}

/* Housekeeping comes round once in a while, also without passes. */
static bool small_again(long long limit)
{
	/* A minute: see vd_stat_rises(). */
	for (int i = 0; i < 6000; i++) {
		if (vd_stat("metadata_bytes") <= limit)
			return true;
		usleep(10000);
	}
	return false;
}

TEST_F(adverse, regions_come_and_go)
{
	area = pg_map(AREA_PAGES);
	ASSERT_NE(NULL, area);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, peer_start(&self->peer[i]));
		peer_call(&self->peer[i], do_fill_area, 0, 0, 0);
	}
	ASSERT_EQ(0, vd_set("threads", 2));
	ASSERT_EQ(0, vd_set("run", 1));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, peer_send(&self->peer[i], do_come_and_go,
				       self->peer[!i].pid, 0x90000 + i, 0));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(0, peer_wait(&self->peer[i]));
	TH_LOG("%lld merged, %lld metadata bytes",
	       vd_stat("pages_merged") - self->merged,
	       vd_stat("metadata_bytes"));
	EXPECT_LT(self->merged, vd_stat("pages_merged"));
	/* What was registered is gone with the files, what is merged is not. */
	EXPECT_EQ(0, vd_stat("regions"));
	EXPECT_EQ(0, vd_stat("guests"));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, peer_call(&self->peer[i], do_wrong,
				       (uintptr_t)area, AREA_PAGES, AREA_SEED));
		EXPECT_EQ(0, peer_stop(&self->peer[i]));
	}
	EXPECT_TRUE(all_gone());
	EXPECT_EQ(0, vd_stat("pages_zero"));
	EXPECT_EQ(0, vd_stat("saved_bytes"));
	EXPECT_EQ(vd_stat("frames_made"), vd_stat("frames_freed"));
	EXPECT_TRUE(small_again(0));
	EXPECT_EQ(0, vd_stat("pages_unshared"));
}

/*
 * The last region goes when nothing else is left to be looked after, just after
 * housekeeping: what is known of its pages must not be kept for ever.
 */
TEST_F(adverse, last_region_goes)
{
	char *p = pg_map(4 * HPAGE_NR);
	uint64_t id;

	ASSERT_NE(NULL, p);
	pg_fill_range(p, 4 * HPAGE_NR, 0xa0000);
	ASSERT_EQ(0, vd_register(self->fd, p, 4 * HPAGE, &id));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_TRUE(passes(4));
	EXPECT_LT(0, vd_stat("metadata_bytes"));
	ASSERT_EQ(0, vd_unregister(self->fd, id, 0, NULL));
	EXPECT_TRUE(small_again(0));
	TH_LOG("%lld metadata bytes are left, %lld candidates",
	       vd_stat("metadata_bytes"), vd_stat("pages_unshared"));
}

TEST_HARNESS_MAIN
