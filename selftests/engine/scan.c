// SPDX-License-Identifier: GPL-2.0
/*
 * The scanner: which memory it looks at in which passes, and its threads.
 *
 * Memory is looked at chunk by chunk, and the less comes of it the more seldom,
 * down to one in PERIOD passes. What is seen in two places is known to be equal at
 * the second look only, and for no longer than an EPOCH is it remembered at
 * which places it was; so it takes some looks to merge what is looked at seldom.
 * A pair in some 250 is missed in an epoch: MOST are not.
 *
 * Limits are numbers of passes, never times.
 */
#include <dirent.h>

#include "kselftest_harness.h"
#include "util.h"
#include "writers.h"

/* Of so many passes one looks at all chunks. */
#define PERIOD 32
#define EPOCH (2 * PERIOD)
#define MOST(n) ((n) - (n) / 10)
/* So many pages are enough of a change for a process to be looked at. */
#define STIR 256
#define SEGMENT (64UL << 20)
#define FLAT_OUT 1000000000
/* In automatic mode passes come this far apart, s, or one if there is much to do. */
#define PASS_SECS 2

FIXTURE(scan) {
	int fd;
	struct peer peer;
	struct peer filler;	/* takes memory, in one of the tests */
};

FIXTURE_SETUP(scan)
{
	/* Before anything is merged: a child shares what its parent does. */
	ASSERT_EQ(0, peer_start(&self->peer));
	VD_SETUP(self->fd);
	ASSERT_EQ(0, vd_set("scan_rate", FLAT_OUT));
	ASSERT_EQ(0, vd_set("target_pass_secs", PASS_SECS));
}

FIXTURE_TEARDOWN(scan)
{
	peer_kill(&self->filler);
	peer_stop(&self->peer);
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

/*
 * Wait for something, but for no more than @limit passes. Returns how many it
 * took, or -1.
 */
static long long within(long long limit, bool (*done)(long long), long long arg)
{
	long long from = vd_stat("full_scans");
	int idle = 0;

	for (long long now = from, last = from; now - from <= limit; last = now) {
		/* Passes that end after this may not have been needed. */
		now = vd_stat("full_scans");
		if (done(arg))
			return now - from;
		idle = now == last ? idle + 1 : 0;
		/* As in vd_stat_rises(). */
		if (idle > 6000)
			return -1;
		usleep(10000);
	}
	return -1;
}

static bool scanned_more_than(long long n)
{
	return vd_stat("pages_scanned") > n;
}

static bool sharing(long long n)
{
	return vd_stat("pages_sharing") >= n;
}

static bool broken(long long n)
{
	return vd_stat("cow_breaks") >= n;
}

/* Small pages in whole chunks, with content. */
static char *chunks_of(size_t chunks, uint64_t seed)
{
	char *p = chunk_map(chunks, MADV_NOHUGEPAGE);

	if (p)
		pg_fill_range(p, chunks * HPAGE_NR, seed);
	return p;
}

/* Two of them, with the end of what a thread takes at a time in between. */
static char *chunks_across(uint64_t seed)
{
	char *p = chunk_map(2 * SEGMENT / HPAGE, MADV_NOHUGEPAGE);

	if (!p)
		return NULL;
	p = (char *)((uintptr_t)(p + SEGMENT) & ~(SEGMENT - 1));
	pg_fill_range(p - HPAGE, 2 * HPAGE_NR, seed);
	return p - HPAGE;
}

/* Long enough for all chunks to be looked at as seldom as possible. */
static bool back_off(void)
{
	return passes(2 * PERIOD + 2);
}

/*
 * When all is looked at as seldom as that, and some of it is not merged: wait
 * until a pass has looked at all chunks. The next one that does so for no other
 * reason is PERIOD passes away. Returns how many there were before, or -1.
 */
static long long after_full_pass(void)
{
	if (within(2 * PERIOD, scanned_more_than, vd_stat("pages_scanned")) < 0 ||
	    !passes(1))
		return -1;
	return vd_stat("full_scans");
}

/* Each chunk once in PERIOD passes. */
TEST_F(scan, back_off)
{
	const size_t pages = 6 * HPAGE_NR;
	long long before[2], after[2], least, most, scanned;
	char *mem = chunks_of(6, 0x20000);

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, vd_register(self->fd, mem, pages * PG, NULL));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_TRUE(back_off());

	/* Passes go on meanwhile: the numbers are not of one moment. */
	before[0] = vd_stat("full_scans");
	scanned = vd_stat("pages_scanned");
	before[1] = vd_stat("full_scans");
	ASSERT_TRUE(passes(2 * PERIOD + 1));
	after[0] = vd_stat("full_scans");
	scanned = vd_stat("pages_scanned") - scanned;
	after[1] = vd_stat("full_scans");
	/* One may have been under way then, and one now. */
	least = (after[0] - before[1] - 1) / PERIOD;
	most = (after[1] - before[0] + 1 + PERIOD - 1) / PERIOD;
	TH_LOG("%lld passes, %lld pages of %zu", after[1] - before[0], scanned,
	       pages);
	EXPECT_LE(2, least);
	EXPECT_LE(least * (long long)pages, scanned);
	EXPECT_GE(most * (long long)pages, scanned);
	EXPECT_EQ(0, pg_wrong(mem, pages, 0x20000));
}

/* It does so by itself, for as long as it is told to. */
TEST_F(scan, run_and_stop)
{
	const size_t nr = 64;
	long long ended;
	char *a, *b;

	ASSERT_EQ(0, pg_map_pair(nr, 0x28000, &a, &b));
	ASSERT_EQ(0, vd_register(self->fd, a, nr * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, b, nr * PG, NULL));
	ASSERT_EQ(0, vd_set("run", 1));
	EXPECT_LE(0, within(4 * EPOCH, sharing, nr));
	EXPECT_EQ(0, pg_wrong(a, nr, 0x28000));

	ASSERT_EQ(0, vd_set("run", 0));
	ended = vd_stat("full_scans");
	pg_fill_range(a, nr, 0x28000);
	usleep(300000);
	EXPECT_EQ(ended, vd_stat("full_scans"));
	EXPECT_EQ(0, vd_stat("pages_sharing"));
	EXPECT_EQ(0, pg_wrong(b, nr, 0x28000));
}

/*
 * What becomes equal where nobody looks often. In the worst case the first look
 * is the last one of an epoch, which tells nothing; of the two looks of the
 * next one the second tells the first chunk that there is another like it.
 */
TEST_F(scan, comes_back)
{
	const size_t nr = 400, pages = 6 * HPAGE_NR;
	char *mem = chunks_of(6, 0x30000);
	char *a = mem + HPAGE, *b = mem + 4 * HPAGE;
	long long took;

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, vd_register(self->fd, mem, pages * PG, NULL));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_TRUE(back_off());
	ASSERT_EQ(0, vd_stat("pages_sharing"));

	pg_fill_range(a, nr, 0x38000);
	pg_fill_range(b, nr, 0x38000);
	took = within(PERIOD + EPOCH, sharing, MOST(nr));
	TH_LOG("most after %lld passes", took);
	EXPECT_LE(0, took);
	took = within(4 * EPOCH, sharing, nr);
	TH_LOG("all after %lld more", took);
	EXPECT_LE(0, took);
	EXPECT_EQ(nr, vd_stat("pages_sharing"));
	EXPECT_EQ(nr, vd_stat("pages_shared"));
	EXPECT_EQ(0, pg_wrong(a, nr, 0x38000));
	EXPECT_EQ(0, pg_wrong(b, nr, 0x38000));
	EXPECT_EQ(0, pg_wrong(mem, HPAGE_NR, 0x30000));
	EXPECT_EQ(0, pg_wrong(a + nr * PG, 3 * HPAGE_NR - nr,
			      0x30000 + HPAGE_NR + nr));
	EXPECT_EQ(0, pg_wrong(b + nr * PG, 2 * HPAGE_NR - nr,
			      0x30000 + 4 * HPAGE_NR + nr));
}

/*
 * Merged pages that are written to in a chunk that is not due: the process has
 * more memory of its own all of a sudden. Each time, and when no pass will look
 * at all chunks anyway.
 */
TEST_F(scan, writes_are_noticed)
{
	const size_t pages = 2 * HPAGE_NR;
	/* The last chunk is for after_full_pass(). */
	char *mem = chunks_of(5, 0x40000);
	char *a = mem, *b = mem + 2 * HPAGE;

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, vd_register(self->fd, mem, 5 * HPAGE, NULL));
	ASSERT_EQ(0, vd_set("run", 1));
	for (uint64_t round = 0; round < 3; round++) {
		uint64_t seed = 0x50000 + round * 0x10000;
		long long breaks, full, took;

		ASSERT_EQ(0, vd_set("scan_rate", FLAT_OUT));
		pg_fill_range(a, pages, seed);
		pg_fill_range(b, pages, seed);
		ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
		ASSERT_LE(0, within(4 * EPOCH, sharing, pages));
		ASSERT_TRUE(back_off());
		full = after_full_pass();
		ASSERT_LT(0, full);
		/*
		 * In automatic mode one is over before the next begins. The
		 * first looks at all chunks since a tunable was written; and in
		 * the next two pauses pages are counted since some were merged.
		 */
		ASSERT_EQ(0, vd_set("scan_rate", 0));
		ASSERT_TRUE(passes(4));
		breaks = vd_stat("cow_breaks");
		ASSERT_TRUE(passes(1));
		/* Nothing is left to be found that was written to before. */
		ASSERT_EQ(breaks, vd_stat("cow_breaks"));

		pg_fill_range(a, pages, seed + 0x4000);
		pg_fill_range(b, pages, seed + 0x8000);
		ASSERT_GT(full + PERIOD - 8, vd_stat("full_scans"));
		/* What was written last in a pass may not be enough to tell. */
		took = within(3, broken, breaks + 2 * pages - STIR);
		TH_LOG("noticed after %lld passes", took);
		EXPECT_LE(0, took);
		EXPECT_EQ(0, pg_wrong(a, pages, seed + 0x4000));
		EXPECT_EQ(0, pg_wrong(b, pages, seed + 0x8000));
		/* And in the end all of it is counted, once. */
		ASSERT_EQ(0, vd_set("scan_rate", FLAT_OUT));
		EXPECT_LE(0, within(EPOCH, broken, breaks + 2 * pages));
		ASSERT_TRUE(passes(PERIOD));
		EXPECT_EQ(breaks + 2 * (long long)pages, vd_stat("cow_breaks"));
	}
	EXPECT_EQ(0, pg_wrong(mem + 4 * HPAGE, HPAGE_NR, 0x40000 + 4 * HPAGE_NR));
}

/*
 * Memory that comes may be equal to what is looked at seldom: before, after or
 * between parts of what comes.
 */
TEST_F(scan, newcomers_wake)
{
	const size_t pages = 2 * HPAGE_NR;
	char *mem = chunks_of(4, 0x90000), *own = chunks_across(0x90000 + pages);
	uint64_t other = peer_call(&self->peer, do_map, pages, 0, 0);
	long long full, took;

	ASSERT_NE(NULL, mem);
	ASSERT_NE(NULL, own);
	ASSERT_NE(0, other);
	peer_call(&self->peer, do_fill, other, pages, 0x90000);
	ASSERT_EQ(0, vd_register(self->fd, mem, 2 * pages * PG, NULL));
	ASSERT_EQ(0, vd_set("run", 1));
	/* First a process that has half of @mem, then more of this one. */
	for (long long round = 0; round < 2; round++) {
		ASSERT_EQ(0, vd_set("scan_rate", FLAT_OUT));
		ASSERT_TRUE(back_off());
		ASSERT_EQ(round * pages, vd_stat("pages_sharing"));
		full = after_full_pass();
		ASSERT_LT(0, full);
		ASSERT_EQ(0, vd_set("scan_rate", 0));
		ASSERT_TRUE(passes(2));
		if (!round) {
			ASSERT_NE(0, peer_call(&self->peer, do_register, other,
					       pages, 0));
		} else {
			ASSERT_EQ(0, vd_register(self->fd, own, pages * PG,
						 NULL));
		}
		ASSERT_GT(full + PERIOD - 12, vd_stat("full_scans"));
		took = within(8, sharing, round * pages + MOST(pages));
		TH_LOG("merged after %lld passes", took);
		EXPECT_LE(0, took);
		ASSERT_EQ(0, vd_set("scan_rate", FLAT_OUT));
		EXPECT_LE(0, within(4 * EPOCH, sharing, (round + 1) * pages));
	}
	EXPECT_EQ(0, pg_wrong(mem, 2 * pages, 0x90000));
	EXPECT_EQ(0, pg_wrong(own, pages, 0x90000 + pages));
	EXPECT_EQ(0, peer_call(&self->peer, do_wrong, other, pages, 0x90000));
}

/*
 * Two areas that are written to as soon as they are merged, equally, so that it
 * is worth trying again: after a while that becomes longer.
 */
TEST_F(scan, cooled)
{
	const size_t nr = 448;
	const uint64_t vain = 4, seed = 0xb0000;
	char *a = chunk_map(1, MADV_NOHUGEPAGE);
	char *b = chunk_map(1, MADV_NOHUGEPAGE);
	long long cooled = vd_stat("skip_cooled"), before;

	ASSERT_NE(NULL, a);
	ASSERT_NE(NULL, b);
	ASSERT_EQ(0, vd_register(self->fd, a, HPAGE, NULL));
	ASSERT_EQ(0, vd_register(self->fd, b, HPAGE, NULL));
	ASSERT_EQ(0, vd_set("run", 1));
	for (uint64_t round = 0; round <= vain; round++) {
		before = vd_stat("skip_cooled");
		pg_fill_range(a, nr, seed + round * nr);
		pg_fill_range(b, nr, seed + round * nr);
		ASSERT_TRUE(in_the_end(sharing, MOST(nr)));
		/* All that was written to since is left alone, after the first. */
		if (round > 0)
			EXPECT_LT(before, vd_stat("skip_cooled"));
	}
	EXPECT_LT(cooled, vd_stat("skip_cooled"));
	/* The last ones are left in peace. */
	EXPECT_TRUE(in_the_end(sharing, nr));
	EXPECT_EQ(0, pg_wrong(a, nr, seed + vain * nr));
	EXPECT_EQ(0, pg_wrong(b, nr, seed + vain * nr));
}

/* In /proc/PID/stat, its name, and the 15th field: time in the kernel. */
#define HELPER_STAT \
	"%*d (vmdedupd/%u) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %lld"

/* The threads that help the scanner's first, and how long they have run, ticks. */
struct crew {
	uint64_t numbers;	/* a bit for each */
	long long ticks;
};

static struct crew crew_read(void)
{
	struct crew crew = { 0 };
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		char path[300], line[512] = "";
		long long ticks;
		unsigned int nr;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f) &&
		    sscanf(line, HELPER_STAT, &nr, &ticks) == 2 && nr < 64) {
			crew.numbers |= 1ULL << nr;
			crew.ticks += ticks;
		}
		fclose(f);
	}
	if (proc)
		closedir(proc);
	return crew;
}

/* The first thread has no number. */
static bool threads_are(long long n)
{
	return crew_read().numbers == (1ULL << n) - 2;
}

static bool zero_pages(long long n)
{
	return vd_stat("pages_zero") == n;
}

/* How many pages of two areas are the same frame? */
static size_t same_frames(const char *a, const char *b, size_t pages)
{
	uint64_t *pfn = calloc(2 * pages, sizeof(*pfn));
	size_t same = 0;

	if (pfn && !pm_pfns(0, a, pages, pfn) &&
	    !pm_pfns(0, b, pages, pfn + pages))
		for (size_t i = 0; i < pages; i++)
			same += pfn[i] && pfn[i] == pfn[pages + i];
	free(pfn);
	return same;
}

/* Two areas of which each page is to have the frame of the other's. */
static const char *twin_a, *twin_b;

static bool twins_share(long long pages)
{
	return same_frames(twin_a, twin_b, pages) == (size_t)pages;
}

/* Each thread takes a SEGMENT at a time. */
TEST_F(scan, threads)
{
	const size_t chunks = scaled(40), pages = chunks * HPAGE_NR;
	char *a = chunks_of(chunks, 0x100000), *b = chunks_of(chunks, 0x100000);
	char *zero = chunk_map(1, MADV_NOHUGEPAGE);
	long long cpus = sysconf(_SC_NPROCESSORS_ONLN), took;

	ASSERT_NE(NULL, a);
	ASSERT_NE(NULL, b);
	ASSERT_NE(NULL, zero);
	memset(zero, 0, HPAGE);
	ASSERT_EQ(0, vd_register(self->fd, zero, HPAGE, NULL));
	ASSERT_EQ(0, vd_set("threads", 4));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_LE(0, within(2, threads_are, 4));
	ASSERT_EQ(0, vd_register(self->fd, a, chunks * HPAGE, NULL));
	ASSERT_EQ(0, vd_register(self->fd, b, chunks * HPAGE, NULL));

	took = within(8 * EPOCH, sharing, pages);
	TH_LOG("%lld passes, %lld ticks of the helpers'", took,
	       crew_read().ticks);
	EXPECT_LE(0, took);
	EXPECT_LT(0, crew_read().ticks);
	EXPECT_LE(0, within(EPOCH, zero_pages, HPAGE_NR));
	EXPECT_EQ(pages, vd_stat("pages_shared"));
	EXPECT_EQ(pages, vd_stat("pages_sharing"));
	EXPECT_EQ((pages + HPAGE_NR) * PG, vd_stat("saved_bytes"));
	/* Memory of an earlier test, of which a worker had hold, may have counted. */
	twin_a = a;
	twin_b = b;
	EXPECT_LE(0, within(EPOCH, twins_share, pages));
	EXPECT_EQ(0, pg_wrong(a, pages, 0x100000));
	EXPECT_EQ(0, pg_wrong(b, pages, 0x100000));
	EXPECT_TRUE(threads_are(4));

	ASSERT_EQ(0, vd_set("threads", 1));
	EXPECT_LE(0, within(2, threads_are, 1));
	/* One for each four CPUs, up to eight. */
	ASSERT_EQ(0, vd_set("threads", 0));
	EXPECT_LE(0, within(2, threads_are, cpus < 8 ? 1 :
					    cpus < 32 ? cpus / 4 : 8));
}

/*
 * No write is lost when several threads merge; see lostwrite.c. Pages of the
 * arena are far apart, so that all threads have something to merge in.
 */
#define ARENA_PAGES 2048
#define ARENA_STRIDE 20
#define ARENA_CHUNKS (ARENA_PAGES * ARENA_STRIDE / HPAGE_NR)
/* Merges without which this would be a test of nothing. */
#define ENOUGH_MERGED ((long long)scaled(3000))

/* Between two bursts there must be time to merge. */
static void two_passes(void *arg)
{
	(void)arg;
	passes(2);
}

TEST_F(scan, threads_and_writers)
{
	struct writers w = {
		.part[0] = chunk_map(ARENA_CHUNKS, MADV_NOHUGEPAGE),
		.parts = 1,
		.pages = ARENA_PAGES,
		.stride = ARENA_STRIDE,
		.threads = 3,
		.words = 1,
		.odds = 4,
		.burst = 1000,
		.rest = two_passes,
	};
	char *arena = w.part[0];
	long long merged, zero;
	bool well = true;
	uint64_t id;

	ASSERT_NE(NULL, arena);
	for (size_t page = 0; page < ARENA_PAGES; page++)
		memset(arena + page * ARENA_STRIDE * PG, 0, PG);
	merged = vd_stat("pages_merged");
	zero = vd_stat("pages_zero_merged");
	ASSERT_EQ(0, vd_register(self->fd, arena, ARENA_CHUNKS * HPAGE, &id));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_EQ(0, writers_start(&w));
	for (int i = 0; well && i < (int)scaled(24); i++) {
		int threads = i % 2 ? 1 : 4;

		/* Registered anew, it is not taken to be merged in vain. */
		well = !vd_unregister(self->fd, id, 0, NULL) &&
		       !vd_register(self->fd, arena, ARENA_CHUNKS * HPAGE,
				    &id) &&
		       !vd_set("threads", threads) &&
		       within(2, threads_are, threads) >= 0 && passes(4);
	}
	writers_stop(&w);
	EXPECT_TRUE(well);
	EXPECT_EQ(0, w.wrong);
	EXPECT_EQ(0, writers_pages_wrong(&w));
	writers_free(&w);
	merged = vd_stat("pages_merged") - merged;
	zero = vd_stat("pages_zero_merged") - zero;
	TH_LOG("%lu writes, %lld merged, %lld zero", w.written, merged, zero);
	EXPECT_LT(ENOUGH_MERGED, merged);
	EXPECT_LT(ENOUGH_MERGED, zero);
}

static uint64_t do_expendable(uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	return write_text("/proc/self/oom_score_adj", "1000") ? 1 : 0;
}

static uint64_t do_take(uint64_t bytes, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		    MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED;
}

static bool kept_more_than(long long n)
{
	return vd_stat("huge_kept") > n;
}

/* What is not worth splitting a huge page for is when memory is short. */
TEST_F(scan, pressure)
{
	const size_t equal = 400;
	long long total = meminfo_kb("MemTotal"), kept = vd_stat("huge_kept");
	char *small[2], *huge;
	size_t taken = 0;

	if (total < 1 << 20)
		SKIP(return, "too little memory: %lld kB", total);
	if (meminfo_kb("MemAvailable") < total / 10 * 3)
		SKIP(return, "memory is short already");
	ASSERT_EQ(0, peer_start(&self->filler));
	ASSERT_EQ(0, peer_call(&self->filler, do_expendable, 0, 0, 0));
	ASSERT_EQ(0, vd_set("huge_split_pages", HPAGE_NR));
	for (int i = 0; i < 2; i++) {
		small[i] = chunks_of(1, 0xc0000);
		ASSERT_NE(NULL, small[i]);
		ASSERT_EQ(0, vd_register(self->fd, small[i], HPAGE, NULL));
	}
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(HPAGE_NR, vd_stat("pages_sharing"));
	huge = chunk_map(1, MADV_HUGEPAGE);
	if (!huge)
		SKIP(return, "no transparent huge pages");
	pg_fill_range(huge, equal, 0xc0000);
	pg_fill_range(huge + equal * PG, HPAGE_NR - equal, 0xd0000);
	if (!smaps_kb(huge, HPAGE, "AnonHugePages"))
		SKIP(return, "no huge page to be had");
	ASSERT_EQ(0, vd_register(self->fd, huge, HPAGE, NULL));
	ASSERT_EQ(0, vd_set("run", 1));
	EXPECT_LE(0, within(4, kept_more_than, kept));
	ASSERT_TRUE(back_off());
	EXPECT_EQ(HPAGE / 1024, smaps_kb(huge, HPAGE, "AnonHugePages"));
	EXPECT_EQ(HPAGE_NR, vd_stat("pages_sharing"));

	/* With a tenth left it takes two fifths of 512. */
	while (meminfo_kb("MemAvailable") > total / 10) {
		size_t step = total / 64 * 1024;

		ASSERT_EQ(0, peer_call(&self->filler, do_take, step, 0, 0));
		taken += step;
		ASSERT_GT(total * 1024, (long long)taken);
	}
	TH_LOG("%zu MiB taken, %lld of %lld MiB available", taken >> 20,
	       meminfo_kb("MemAvailable") >> 10, total >> 10);
	EXPECT_LE(0, within(4 * PERIOD, sharing, HPAGE_NR + equal));
	EXPECT_EQ(0, smaps_kb(huge, HPAGE, "AnonHugePages"));
	EXPECT_EQ(equal, same_frames(huge, small[0], HPAGE_NR));
	EXPECT_LE(0, peer_kill(&self->filler));

	EXPECT_EQ(0, pg_wrong(huge, equal, 0xc0000));
	EXPECT_EQ(0, pg_wrong(huge + equal * PG, HPAGE_NR - equal, 0xd0000));
	EXPECT_EQ(0, pg_wrong(small[0], HPAGE_NR, 0xc0000));
	EXPECT_EQ(0, pg_wrong(small[1], HPAGE_NR, 0xc0000));
}

/* Pages that are like no other are sketched, and hardly ever hashed. */
TEST_F(scan, hashing_is_rare)
{
	const size_t pages = 8 * HPAGE_NR, pairs = HPAGE_NR;
	char *mem = chunks_of(8, 0xe0000), *a, *b;
	long long scanned, hashed;

	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, vd_register(self->fd, mem, pages * PG, NULL));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_TRUE(passes(3));
	scanned = vd_stat("pages_scanned");
	hashed = vd_stat("pages_hashed");
	ASSERT_TRUE(back_off());
	scanned = vd_stat("pages_scanned") - scanned;
	hashed = vd_stat("pages_hashed") - hashed;
	TH_LOG("%lld of %lld were hashed", hashed, scanned);
	EXPECT_LE(2 * (long long)pages, scanned);
	EXPECT_GT(scanned / 20, hashed);

	hashed = vd_stat("pages_hashed");
	ASSERT_EQ(0, pg_map_pair(pairs, 0xf0000, &a, &b));
	ASSERT_EQ(0, vd_register(self->fd, a, pairs * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, b, pairs * PG, NULL));
	EXPECT_LE(0, within(4 * EPOCH, sharing, MOST(pairs)));
	EXPECT_LE(2 * MOST((long long)pairs), vd_stat("pages_hashed") - hashed);
	EXPECT_EQ(0, pg_wrong(a, pairs, 0xf0000));
	EXPECT_EQ(0, pg_wrong(b, pairs, 0xf0000));
}

TEST_HARNESS_MAIN
