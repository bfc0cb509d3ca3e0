// SPDX-License-Identifier: GPL-2.0
/*
 * Swapping: what is out is left out, what comes back merges, and shared frames
 * stay where they are. For all of it at once see race_swap.c.
 */
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "util.h"
#include "zram.h"

#define N 256
#define SEED 0x900

FIXTURE(swap) {
	int fd;
	int zram;		/* number of the device, -1: none */
	char dev[32];
	char *a;
	char *b;
};

FIXTURE_SETUP(swap)
{
	VD_SETUP(self->fd);
	self->zram = zram_begin(self->dev, sizeof(self->dev));
	if (self->zram < 0)
		SKIP(return, "no zram to swap to");
	ASSERT_EQ(0, pg_map_pair(N, SEED, &self->a, &self->b));
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, self->b, N * PG, NULL));
}

FIXTURE_TEARDOWN(swap)
{
	EXPECT_EQ(0, pg_wrong(self->b, N, SEED));
	vd_end(self->fd);
	if (self->zram >= 0)
		zram_end(self->zram, self->dev);
}

static size_t swapped(const char *p, size_t pages)
{
	uint64_t entry[N];
	size_t out = 0;

	if (pm_read(0, p, pages, entry))
		return 0;
	for (size_t i = 0; i < pages; i++)
		out += !!(entry[i] & PM_SWAP);
	return out;
}

static bool same_frames(const char *a, const char *b)
{
	uint64_t pfn_a[N], pfn_b[N];

	return !pm_pfns(0, a, N, pfn_a) && !pm_pfns(0, b, N, pfn_b) &&
	       pfn_a[0] && !memcmp(pfn_a, pfn_b, sizeof(pfn_a));
}

TEST_F(swap, swapped_pages_stay_out)
{
	struct vmdedup_merge m;
	size_t out;

	ASSERT_EQ(0, madvise(self->a, N * PG, MADV_PAGEOUT));
	out = swapped(self->a, N);
	ASSERT_LT(N / 2, out);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(out, swapped(self->a, N));
	EXPECT_EQ(out, m.skipped[VMDEDUP_SKIP_SWAPPED]);
	EXPECT_EQ(2 * (N - out), m.merged);
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
}

TEST_F(swap, merged_when_back)
{
	struct vmdedup_merge m;

	ASSERT_EQ(0, madvise(self->a, N * PG, MADV_PAGEOUT));
	ASSERT_LT(N / 2, swapped(self->a, N));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	ASSERT_EQ(0, swapped(self->a, N));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(2 * N, m.merged);
	EXPECT_TRUE(same_frames(self->a, self->b));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
}

/* Written back and clean in the swap cache, then changed, then equal again. */
TEST_F(swap, rewritten_when_back)
{
	struct vmdedup_merge m;

	ASSERT_EQ(0, madvise(self->a, N * PG, MADV_PAGEOUT));
	for (size_t i = 0; i < N; i += 2)
		pg_fill(self->a + i * PG, 9000 + i);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	for (size_t i = 0; i < N; i++) {
		EXPECT_TRUE(pg_is(self->a + i * PG,
				  i % 2 ? SEED + i : 9000 + i));
	}
	pg_fill_range(self->a, N, SEED);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_TRUE(same_frames(self->a, self->b));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
}

TEST_F(swap, frames_are_not_swapped)
{
	struct vmdedup_merge m;

	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * N, m.merged);
	ASSERT_EQ(0, madvise(self->a, N * PG, MADV_PAGEOUT));
	ASSERT_EQ(0, madvise(self->b, N * PG, MADV_PAGEOUT));
	EXPECT_EQ(0, swapped(self->a, N));
	EXPECT_TRUE(same_frames(self->a, self->b));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
}

#define CGROUP "/sys/fs/cgroup/vmdedup-swap"
#define LIMIT (16UL << 20)

/* A process whose limit is half of what it writes, with merged memory. */
TEST_F(swap, pressure)
{
	size_t pages = 2 * LIMIT / PG;
	struct vmdedup_merge m;
	uint64_t merged, big;
	struct peer p;
	char text[32];

	write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		SKIP(return, "no cgroup2");
	snprintf(text, sizeof(text), "%lu", LIMIT);
	if (write_text(CGROUP "/memory.max", text)) {
		rmdir(CGROUP);
		SKIP(return, "no memory controller");
	}
	ASSERT_EQ(0, pg_keep(self->a, N));
	ASSERT_EQ(0, pg_keep(self->b, N));
	ASSERT_EQ(0, peer_start(&p));
	ASSERT_EQ(0, peer_call(&p, do_enter_cgroup, (uintptr_t)CGROUP, 0, 0));
	merged = peer_call(&p, do_map, N, 0, 0);
	peer_call(&p, do_fill, merged, N, SEED);
	ASSERT_NE(0, peer_call(&p, do_register, merged, N, 0));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(3 * N, m.merged);

	big = peer_call(&p, do_map, pages, 0, 0);
	ASSERT_NE(0, peer_call(&p, do_register, big, pages, 0));
	EXPECT_EQ(0, peer_call(&p, do_fill, big, pages, 0x100000));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_LT(0, m.skipped[VMDEDUP_SKIP_SWAPPED]);
	EXPECT_EQ(0, peer_call(&p, do_wrong, big, pages, 0x100000));
	EXPECT_EQ(0, peer_call(&p, do_wrong, merged, N, SEED));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	EXPECT_TRUE(same_frames(self->a, self->b));
	EXPECT_EQ(0, peer_stop(&p));
	rmdir(CGROUP);
}

TEST_HARNESS_MAIN
