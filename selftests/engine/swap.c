// SPDX-License-Identifier: GPL-2.0
/*
 * Swapping: what is out is left out, what comes back merges, and shared frames
 * stay where they are. Swaps to a zram device that the test makes.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/swap.h>

#include "kselftest_harness.h"
#include "util.h"

#define N 256
#define SEED 0x900
#define SWAP_BYTES (64UL << 20)

FIXTURE(swap) {
	int fd;
	int zram;		/* number of the device, -1: none */
	char dev[32];
	char *a;
	char *b;
};

/* The header that mkswap writes: version, last page, and the magic. */
static int make_swap(const char *dev)
{
	uint32_t info[3] = { 1, SWAP_BYTES / PG - 1, 0 };
	char page[PG] = { 0 };
	int fd = open(dev, O_RDWR | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	memcpy(page + 1024, info, sizeof(info));
	memcpy(page + PG - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, page, PG, 0) != (ssize_t)PG)
		ret = -EIO;
	if (fsync(fd))
		ret = -EIO;
	close(fd);
	return ret;
}

static int zram_begin(char *dev, size_t size)
{
	char path[64], text[32];
	long long n;

	if (access("/sys/class/zram-control", F_OK) &&
	    system("modprobe zram num_devices=1 2>/dev/null"))
		return -1;
	n = read_number("/sys/class/zram-control/hot_add");
	if (n < 0)
		return -1;
	snprintf(path, sizeof(path), "/sys/block/zram%lld/disksize", n);
	snprintf(text, sizeof(text), "%lu", SWAP_BYTES);
	snprintf(dev, size, "/dev/zram%lld", n);
	/* The node may take a moment to appear. */
	for (int i = 0; i < 500 && access(dev, F_OK); i++)
		usleep(10000);
	if (write_text(path, text) || make_swap(dev) ||
	    swapon(dev, SWAP_FLAG_PREFER | 0x7fff))
		return -1;
	return n;
}

static void zram_end(int n, const char *dev)
{
	char text[32];

	swapoff(dev);
	snprintf(text, sizeof(text), "/sys/block/zram%d/reset", n);
	write_text(text, "1");
	snprintf(text, sizeof(text), "%d", n);
	write_text("/sys/class/zram-control/hot_remove", text);
}

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

static uint64_t enter_cgroup(uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	return -write_text(CGROUP "/cgroup.procs", "0");
}

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
	ASSERT_EQ(0, peer_start(&p));
	ASSERT_EQ(0, peer_call(&p, enter_cgroup, 0, 0, 0));
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

struct race {
	char *p;
	bool stop;
};

static void *page_out(void *arg)
{
	struct race *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED))
		madvise(r->p, N * PG, MADV_PAGEOUT);
	return NULL;
}

/* Pages go out, come back, are written and merged, all at the same time. */
TEST_F(swap, race_with_merging)
{
	struct race r = { .p = self->a };
	unsigned long merged = 0, wrong = 0;
	struct vmdedup_merge m;
	uint64_t state = 1;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, page_out, &r));
	for (int i = 0; i < 30; i++) {
		for (int k = 0; k < N / 4; k++) {
			size_t at = rnd(&state) % N;

			wrong += !pg_is(self->a + at * PG, SEED + at);
			pg_fill(self->a + at * PG, SEED + at);
		}
		if (vd_merge(self->fd, 0, &m))
			break;
		merged += m.merged;
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(N, merged);
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
}

TEST_HARNESS_MAIN
