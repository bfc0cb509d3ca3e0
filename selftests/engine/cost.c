// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to look at memory that is made to be hard. Nothing here measures
 * time: work is counted.
 */
#include <sys/mman.h>
#include <time.h>

#include "kselftest_harness.h"
#include "util.h"

#define FLAT_OUT 1000000000
#define WORDS (PG / sizeof(uint64_t))

FIXTURE(cost) {
	int fd;
	long long merged;
};

FIXTURE_SETUP(cost)
{
	VD_SETUP(self->fd);
	ASSERT_EQ(0, vd_set("scan_rate", FLAT_OUT));
	self->merged = vd_stat("pages_merged");
}

FIXTURE_TEARDOWN(cost)
{
	vd_end(self->fd);
}

static bool passes(long long n)
{
	long long from = vd_stat("full_scans");

	for (long long i = 1; i <= n; i++)
		if (!vd_stat_rises("full_scans", from, i))
			return false;
	return true;
}

/*
 * The cost of looking at memory, in cache lines read: some of a page's for its
 * sketch, all of them if it is hashed. For pages made to be hard it must not be more
 * than half as much again as for those of an ordinary host.
 */
#define LINES_SKETCH 4
#define LINES_PAGE 64
#define COST_CHUNKS scaled(8)
#define COST_PAGES (COST_CHUNKS * HPAGE_NR)
#define COST_ROUNDS 96

struct cost {
	long long scanned;
	long long hashed;
	long long merged;
};

/* Of a region, but for what was hashed and merged, of which there is no other. */
static int cost_now(int fd, uint64_t id, struct cost *now)
{
	struct vmdedup_query q;
	int err = vd_query(fd, id, 0, &q);

	*now = (struct cost){
		q.scanned, vd_stat("pages_hashed"), vd_stat("pages_merged"),
	};
	return err;
}

/* Hundredths of a line, for a page that was looked at. */
static long long cost_between(const struct cost *then, const struct cost *now)
{
	long long scanned = now->scanned - then->scanned;

	return 100 * (LINES_SKETCH * scanned +
		      LINES_PAGE * (now->hashed - then->hashed)) / scanned;
}

/* Write what is to be there in a round; round 0 is the first. */
typedef void (*cost_fill)(char *p, uint64_t round);

/* Is it the turn of a page to be written to? That of one in 32. */
static bool is_turn(size_t i, uint64_t round)
{
	return !round || i % 32 == round % 32;
}

/* What an ordinary host has: some of it twice, and some is written to. */
static void fill_honest(char *p, uint64_t round)
{
	const size_t some = COST_PAGES / 4;

	for (size_t i = 0; i < COST_PAGES; i++)
		if (is_turn(i, round))
			pg_fill(p + i * PG, 0x6000000 + (round << 20) +
				(i < some ? i + some : i));
}

/* All alike, but for a word somewhere in each. */
static void fill_alike(char *p, uint64_t round)
{
	for (size_t i = 0; i < COST_PAGES; i++) {
		uint64_t state = 0x7000000 + i, *page = (uint64_t *)(p + i * PG);

		if (!round)
			pg_fill(page, 0x7000000);
		if (is_turn(i, round))
			page[rnd(&state) % WORDS] = state + (round << 32);
	}
}

/* Zero, but for a word somewhere in each. */
static void fill_nearly_zero(char *p, uint64_t round)
{
	for (size_t i = 0; i < COST_PAGES; i++) {
		uint64_t state = 0x8000000 + i, *page = (uint64_t *)(p + i * PG);

		if (is_turn(i, round))
			page[rnd(&state) % WORDS] = state + (round << 32);
	}
}

/* Two and two alike but for a word, and all of it new each time. */
static void fill_moving(char *p, uint64_t round)
{
	for (size_t i = 0; i < COST_PAGES; i++) {
		uint64_t state = 0x9000000 + i, *page = (uint64_t *)(p + i * PG);

		pg_fill(page, 0x9000000 + (round << 20) + i / 2);
		page[rnd(&state) % WORDS] = i;
	}
}

/* Two and two alike, and all of it new each time. */
static void fill_pairs(char *p, uint64_t round)
{
	for (size_t i = 0; i < COST_PAGES; i++)
		pg_fill(p + i * PG, 0xa000000 + (round << 20) + i / 2);
}

/* One round: all of it is looked at, and then written to. */
static bool cost_round(char *p, cost_fill fill, uint64_t round)
{
	/* A tunable was written: a pass looks at all chunks. */
	if (vd_set("run", 1) || !passes(2) || vd_set("run", 0))
		return false;
	fill(p, round);
	return true;
}

static long long cost_of(struct __test_metadata *_metadata, int fd,
			 const char *name, int advice, cost_fill fill)
{
	char *p = chunk_map(COST_CHUNKS, advice);
	struct cost then, now;
	long long cost;
	uint64_t id;

	if (!p)
		return 0;
	fill(p, 0);
	ASSERT_EQ(0, vd_register(fd, p, COST_PAGES * PG, &id));
	ASSERT_EQ(0, cost_now(fd, id, &then));
	for (uint64_t round = 1; round <= COST_ROUNDS; round++) {
		ASSERT_TRUE(cost_round(p, fill, round));
	}
	ASSERT_EQ(0, cost_now(fd, id, &now));
	ASSERT_LE(COST_PAGES, now.scanned - then.scanned);
	cost = cost_between(&then, &now);
	TH_LOG("%s: %lld pages, %lld hashed, %lld merged: %lld.%02lld lines a page",
	       name, now.scanned - then.scanned, now.hashed - then.hashed,
	       now.merged - then.merged, cost / 100, cost % 100);
	ASSERT_EQ(0, vd_unregister(fd, id, 0, NULL));
	munmap(p, COST_CHUNKS * HPAGE);
	return cost;
}

/*
 * Others have more memory, of ordinary pages: by whose majority it is decided how
 * many lines a sketch takes. For them it stays at the fewest.
 */
#define OTHERS 2

TEST_F(cost, hard_pages_cost_little)
{
	static const struct {
		const char *name;
		cost_fill fill;
	} hard[] = {
		{ "alike but for a word", fill_alike },
		{ "nearly zero", fill_nearly_zero },
		{ "alike in pairs, always new", fill_moving },
	};
	const size_t pages = OTHERS * COST_PAGES;
	char *others = chunk_map(OTHERS * COST_CHUNKS, MADV_NOHUGEPAGE);
	long long honest;

	ASSERT_NE(NULL, others);
	pg_fill_range(others, pages, 0xb000000);
	ASSERT_EQ(0, vd_register(self->fd, others, pages * PG, NULL));
	honest = cost_of(_metadata, self->fd, "honest", MADV_NOHUGEPAGE,
			 fill_honest);
	ASSERT_LT(0, honest);
	for (size_t i = 0; i < ARRAY_SIZE(hard); i++) {
		EXPECT_GE(honest + honest / 2,
			  cost_of(_metadata, self->fd, hard[i].name,
				  MADV_NOHUGEPAGE, hard[i].fill)) {
			TH_LOG("%s", hard[i].name);
		}
		EXPECT_GE(honest + honest / 2,
			  cost_of(_metadata, self->fd, hard[i].name,
				  MADV_HUGEPAGE, hard[i].fill)) {
			TH_LOG("%s, huge", hard[i].name);
		}
	}
}

static long long seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec;
}

/*
 * Pages that are equal until they are merged: they are left alone for twice as long
 * each time, up to 64 s. However long this takes, there are only so many merges.
 */
TEST_F(cost, breaking_is_left_alone)
{
	char *p = chunk_map(COST_CHUNKS, MADV_NOHUGEPAGE);
	long long began = seconds(), took, times;

	ASSERT_NE(NULL, p);
	fill_pairs(p, 0);
	ASSERT_EQ(0, vd_register(self->fd, p, COST_PAGES * PG, NULL));
	for (uint64_t round = 1; round <= COST_ROUNDS; round++) {
		ASSERT_TRUE(cost_round(p, fill_pairs, round));
	}
	took = seconds() - began;
	/* At 0, 2, 6, 14, 30 and 62 s, and then each 64. */
	times = 2 + took / 64;
	for (long long s = 2; s < 64 && s <= took + 2; s *= 2)
		times++;
	TH_LOG("%lld merged in %lld s", vd_stat("pages_merged") - self->merged,
	       took);
	EXPECT_LT(0, vd_stat("pages_merged") - self->merged);
	EXPECT_GE(times * (long long)COST_PAGES,
		  vd_stat("pages_merged") - self->merged);
}

TEST_HARNESS_MAIN
