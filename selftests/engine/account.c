// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel accounts for merged memory, who may share with whom, and
 * parents with their children.
 */
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "util.h"

#define N 512
#define FEW 64
/*
 * Counters of RSS are batched per task (6.1) or CPU (6.12) and may be off by
 * this many pages; an error of one a page would be N.
 */
#define SLACK 128

FIXTURE(account) {
	int fd;
	struct peer peer;
	char *a;
	char *b;
};

FIXTURE_SETUP(account)
{
	ASSERT_EQ(0, peer_start(&self->peer));
	VD_SETUP(self->fd);
	self->a = pg_map(N);
	self->b = pg_map(N);
	ASSERT_NE(NULL, self->a);
	ASSERT_NE(NULL, self->b);
}

FIXTURE_TEARDOWN(account)
{
	peer_stop(&self->peer);
	chmod(VD_DEV, 0660);
	vd_end(self->fd);
}

static long long anon(void)
{
	return status_kb(0, "RssAnon") * 1024 / (long long)PG;
}

static long long file(void)
{
	return status_kb(0, "RssFile") * 1024 / (long long)PG;
}

#define EXPECT_NEAR(want, seen, slack) do {				\
	long long _want = (want), _seen = (seen);			\
	EXPECT_LE(_want - (slack), _seen);				\
	EXPECT_GE(_want + (slack), _seen);				\
} while (0)

/*
 * Merge, write, make zero and unmap; without @check only so that the code for
 * it is mapped, which counts as RssFile, too.
 */
static void rss_round(struct __test_metadata *_metadata,
		      FIXTURE_DATA(account) *self, bool check)
{
	long long slack = check ? SLACK : 100 * N;
	long long anon0, file0;
	struct vmdedup_merge m;

	/* The addresses of the first round may come back. */
	vd_forget_all(self->fd);
	self->a = pg_map(N);
	self->b = pg_map(N);
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, self->b, N * PG, NULL));
	anon0 = anon();
	file0 = file();
	pg_fill_range(self->a, N, 1);
	pg_fill_range(self->b, N, 1);
	EXPECT_NEAR(anon0 + 2 * N, anon(), slack);
	EXPECT_NEAR(file0, file(), slack);

	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * N, m.merged);
	EXPECT_NEAR(anon0, anon(), slack);
	EXPECT_NEAR(file0 + 2 * N, file(), slack);
	/* These walk the page tables and are exact. */
	EXPECT_EQ(0, smaps_kb(self->a, N * PG, "Anonymous"));
	EXPECT_EQ((long long)(N * PG / 1024), smaps_kb(self->a, N * PG, "Rss"));

	/* A write moves a page back. */
	for (size_t i = 0; i < N; i++)
		self->a[i * PG] ^= 1;
	EXPECT_NEAR(anon0 + N, anon(), slack);
	EXPECT_NEAR(file0 + N, file(), slack);

	/* Zero pages are nobody's. */
	memset(self->a, 0, N * PG);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(N, m.zero);
	EXPECT_NEAR(anon0, anon(), slack);
	EXPECT_NEAR(file0 + N, file(), slack);

	munmap(self->a, N * PG);
	munmap(self->b, N * PG);
	EXPECT_NEAR(anon0, anon(), slack);
	EXPECT_NEAR(file0, file(), slack);
}

TEST_F(account, rss)
{
	rss_round(_metadata, self, false);
	rss_round(_metadata, self, true);
}

/* Frames count once in nr_mapped, however often they are mapped. */
TEST_F(account, nr_mapped)
{
	long long base = vmstat("nr_mapped"), shared = vd_stat("pages_shared");
	struct vmdedup_merge m;

	ASSERT_LT(0, base);
	pg_fill_range(self->a, N, 1);
	pg_fill_range(self->b, N, 1);
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, self->b, N * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * N, m.merged);
	EXPECT_EQ(N, vd_stat("pages_shared") - shared);
	EXPECT_NEAR(base + N, vmstat("nr_mapped"), SLACK);
	munmap(self->a, N * PG);
	EXPECT_NEAR(base + N, vmstat("nr_mapped"), SLACK);
	munmap(self->b, N * PG);
	EXPECT_NEAR(base, vmstat("nr_mapped"), SLACK);
	/* Frames that nobody maps are given back by the next pass. */
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(shared, vd_stat("pages_shared"));
}

TEST_F(account, memory_returns)
{
	long long anon0 = vmstat("nr_anon_pages");
	struct vmdedup_merge m;

	pg_fill_range(self->a, N, 1);
	pg_fill_range(self->b, N, 1);
	EXPECT_NEAR(anon0 + 2 * N, vmstat("nr_anon_pages"), SLACK);
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, self->b, N * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * N, m.merged);
	EXPECT_NEAR(anon0, vmstat("nr_anon_pages"), SLACK);
}

TEST_F(account, soft_dirty)
{
	uint64_t entry[N];
	struct vmdedup_merge m;

	pg_fill_range(self->a, N, 1);
	pg_fill_range(self->b, N, 1);
	ASSERT_EQ(0, write_text("/proc/self/clear_refs", "4"));
	ASSERT_EQ(0, pm_read(0, self->a, N, entry));
	for (size_t i = 0; i < N; i += 2)
		pg_fill(self->a + i * PG, 1 + i);
	if (entry[0] & PM_SOFT_DIRTY)
		SKIP(return, "no soft-dirty tracking");
	ASSERT_EQ(0, pm_read(0, self->a, N, entry));
	if (!(entry[0] & PM_SOFT_DIRTY))
		SKIP(return, "no soft-dirty tracking");
	ASSERT_EQ(0, entry[1] & PM_SOFT_DIRTY);

	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, self->b, N * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * N, m.merged);
	ASSERT_EQ(0, pm_read(0, self->a, N, entry));
	for (size_t i = 0; i < N; i += 2) {
		EXPECT_NE(0, entry[i] & PM_SOFT_DIRTY);
	}
	/* And a write to a merged page is one, as ever. */
	for (size_t i = 1; i < N; i += 2)
		self->a[i * PG] ^= 1;
	ASSERT_EQ(0, pm_read(0, self->a, N, entry));
	for (size_t i = 0; i < N; i++) {
		EXPECT_NE(0, entry[i] & PM_SOFT_DIRTY);
	}
}

TEST_F(account, fork_after_merging)
{
	uint64_t here[FEW], there[FEW];
	struct vmdedup_merge m;
	struct peer child;

	pg_fill_range(self->a, FEW, 1);
	pg_fill_range(self->b, FEW, 1);
	ASSERT_EQ(0, vd_register(self->fd, self->a, FEW * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, self->b, FEW * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * FEW, m.merged);

	ASSERT_EQ(0, peer_start(&child));
	EXPECT_EQ(0, peer_call(&child, do_wrong, (uintptr_t)self->a, FEW, 1));
	ASSERT_EQ(0, pm_pfns(0, self->a, FEW, here));
	ASSERT_EQ(0, pm_pfns(child.pid, self->a, FEW, there));
	EXPECT_EQ(0, memcmp(here, there, sizeof(here)));
	EXPECT_EQ(4, kpage_count(here[0]));

	/* Each side writes, and sees only its own. */
	peer_call(&child, do_fill, (uintptr_t)self->a, FEW / 2, 1000);
	EXPECT_EQ(0, pg_wrong(self->a, FEW, 1));
	pg_fill_range(self->a + FEW / 2 * PG, FEW / 2, 2000);
	EXPECT_EQ(0, peer_call(&child, do_wrong, (uintptr_t)self->a,
			       FEW / 2, 1000));
	EXPECT_EQ(0, peer_call(&child, do_wrong,
			       (uintptr_t)self->a + FEW / 2 * PG, FEW / 2,
			       1 + FEW / 2));
	EXPECT_EQ(0, peer_call(&child, do_wrong, (uintptr_t)self->b, FEW, 1));
	EXPECT_EQ(0, peer_stop(&child));
	EXPECT_EQ(2, kpage_count(here[0]));
	EXPECT_EQ(0, pg_wrong(self->a, FEW / 2, 1));
	EXPECT_EQ(0, pg_wrong(self->b, FEW, 1));
}

/*
 * Pages that a parent and its child share since the fork are left alone as long as
 * they do: they are there once already.
 */
TEST_F(account, fork_before_merging)
{
	uint64_t here[FEW], twin[FEW], there[FEW];
	struct vmdedup_merge m;
	struct peer child;

	pg_fill_range(self->a, FEW, 1);
	pg_fill_range(self->b, FEW, 1);
	ASSERT_EQ(0, peer_start(&child));
	ASSERT_EQ(0, vd_register(self->fd, self->a, FEW * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, self->b, FEW * PG, NULL));
	ASSERT_NE(0, peer_call(&child, do_register, (uintptr_t)self->a, FEW, 0));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, m.merged);
	EXPECT_LE(FEW, m.skipped[VMDEDUP_SKIP_FORKED]);
	ASSERT_EQ(0, pm_pfns(0, self->a, FEW, here));
	ASSERT_EQ(0, pm_pfns(child.pid, self->a, FEW, there));
	EXPECT_EQ(0, memcmp(here, there, sizeof(here)));

	/* Written to by the child, or given up by it: either way it is the parent's. */
	peer_call(&child, do_fill, (uintptr_t)self->a, FEW / 2, 5000);
	EXPECT_EQ(0, peer_call(&child, do_wrong, (uintptr_t)self->a, FEW / 2,
			       5000));
	EXPECT_EQ(0, peer_stop(&child));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(2 * FEW, m.merged);
	ASSERT_EQ(0, pm_pfns(0, self->a, FEW, here));
	ASSERT_EQ(0, pm_pfns(0, self->b, FEW, twin));
	EXPECT_EQ(0, memcmp(here, twin, sizeof(here)));
	EXPECT_EQ(0, pg_wrong(self->a, FEW, 1));
	EXPECT_EQ(0, pg_wrong(self->b, FEW, 1));
}

static uint64_t user_pages(struct peer *p, uid_t uid)
{
	uint64_t addr;

	if (peer_call(p, do_setuid, uid, 0, 0))
		return 0;
	addr = peer_call(p, do_map, FEW, 0, 0);
	peer_call(p, do_fill, addr, FEW, 1);
	return peer_call(p, do_register, addr, FEW, 0) ? addr : 0;
}

TEST_F(account, users_stay_apart)
{
	uint64_t pfn[4][FEW], addr[3];
	struct peer other[2];
	uint64_t id;
	struct vmdedup_query q;

	ASSERT_EQ(0, chmod(VD_DEV, 0666));
	ASSERT_EQ(0, peer_start(&other[0]));
	ASSERT_EQ(0, peer_start(&other[1]));
	/* Once as root, thrice as users of which two are the same. */
	pg_fill_range(self->a, FEW, 1);
	ASSERT_EQ(0, vd_register(self->fd, self->a, FEW * PG, &id));
	addr[0] = user_pages(&self->peer, 1001);
	addr[1] = user_pages(&other[0], 1002);
	ASSERT_NE(0, addr[0]);
	ASSERT_NE(0, addr[1]);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, pm_pfns(0, self->a, FEW, pfn[0]));
	ASSERT_EQ(0, pm_pfns(self->peer.pid, (void *)addr[0], FEW, pfn[1]));
	ASSERT_EQ(0, pm_pfns(other[0].pid, (void *)addr[1], FEW, pfn[2]));
	for (size_t i = 0; i < FEW; i++) {
		EXPECT_NE(pfn[0][i], pfn[1][i]);
		EXPECT_NE(pfn[0][i], pfn[2][i]);
		EXPECT_NE(pfn[1][i], pfn[2][i]);
	}

	addr[2] = user_pages(&other[1], 1001);
	ASSERT_NE(0, addr[2]);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, pm_pfns(0, self->a, FEW, pfn[0]));
	ASSERT_EQ(0, pm_pfns(self->peer.pid, (void *)addr[0], FEW, pfn[1]));
	ASSERT_EQ(0, pm_pfns(other[0].pid, (void *)addr[1], FEW, pfn[2]));
	ASSERT_EQ(0, pm_pfns(other[1].pid, (void *)addr[2], FEW, pfn[3]));
	EXPECT_EQ(0, memcmp(pfn[1], pfn[3], sizeof(pfn[1])));
	for (size_t i = 0; i < FEW; i++) {
		EXPECT_NE(pfn[0][i], pfn[1][i]);
		EXPECT_NE(pfn[0][i], pfn[2][i]);
		EXPECT_NE(pfn[1][i], pfn[2][i]);
	}
	ASSERT_EQ(0, vd_query(self->fd, id, VMDEDUP_QUERY_NEXT, &q));
	EXPECT_EQ(1001, q.uid);
	peer_stop(&other[0]);
	peer_stop(&other[1]);
}

TEST_HARNESS_MAIN
