// SPDX-License-Identifier: GPL-2.0
/*
 * Merging: what becomes one frame, what must not, and what is accounted.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "util.h"

#define N 64

FIXTURE(merge) {
	int fd;
	struct peer peer;
	char *mine;		/* N pages here, not yet touched */
	char *theirs;		/* N pages in the peer */
};

FIXTURE_SETUP(merge)
{
	ASSERT_EQ(0, peer_start(&self->peer));
	VD_SETUP(self->fd);
	self->mine = pg_map(N);
	ASSERT_NE(NULL, self->mine);
	self->theirs = (char *)peer_call(&self->peer, do_map, N, 0, 0);
	ASSERT_NE(NULL, self->theirs);
}

FIXTURE_TEARDOWN(merge)
{
	peer_stop(&self->peer);
	vd_end(self->fd);
}

/* A fourth each: equal on both sides, unique, repeated, zero. */
static uint64_t mixed_seed(int who, size_t i)
{
	switch (i % 4) {
	case 0:
		return 0x10000 + i;
	case 1:
		return ((who + 1) * 0x100000UL) + i;
	case 2:
		return 0x30000 + i % 8;
	default:
		return 0;
	}
}

static uint64_t mixed_fill(uint64_t addr, uint64_t who, uint64_t c)
{
	(void)c;
	for (size_t i = 0; i < N; i++)
		pg_fill((char *)addr + i * PG, mixed_seed(who, i) ?: 1);
	/* Zero pages are written, too: else there would be no page at all. */
	for (size_t i = 0; i < N; i++)
		if (!mixed_seed(who, i))
			pg_fill((char *)addr + i * PG, 0);
	return 0;
}

static uint64_t mixed_wrong(uint64_t addr, uint64_t who, uint64_t c)
{
	size_t wrong = 0;

	(void)c;
	for (size_t i = 0; i < N; i++)
		wrong += !pg_is((char *)addr + i * PG, mixed_seed(who, i));
	return wrong;
}

/* The test's own count of what there is to save. */
struct count {
	long long frames;	/* contents that occur more than once */
	long long mappings;	/* pages that have them */
	long long zero;
};

static struct count count_equal(const uint64_t *seed, size_t n)
{
	struct count c = { 0 };

	for (size_t i = 0; i < n; i++) {
		size_t same = 0, first = n;

		if (!seed[i]) {
			c.zero++;
			continue;
		}
		for (size_t j = n; j-- > 0; )
			if (seed[j] == seed[i]) {
				same++;
				first = j;
			}
		if (same < 2)
			continue;
		c.mappings++;
		c.frames += first == i;
	}
	return c;
}

static const char * const watched[] = {
	"pages_shared", "pages_sharing", "pages_zero", "pages_merged",
	"saved_bytes",
};

static void stats_read(long long *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
		value[i] = vd_stat(watched[i]);
}

TEST_F(merge, two_processes)
{
	long long before[ARRAY_SIZE(watched)], after[ARRAY_SIZE(watched)];
	uint64_t seed[2 * N], old[2 * N], new[2 * N], id, peer_id;
	struct vmdedup_merge m;
	struct vmdedup_query q;
	struct count want;

	for (size_t i = 0; i < N; i++) {
		seed[i] = mixed_seed(0, i);
		seed[N + i] = mixed_seed(1, i);
	}
	want = count_equal(seed, 2 * N);
	ASSERT_EQ(N / 4 + 2, want.frames);
	ASSERT_EQ(N / 2 + N / 2, want.mappings);
	ASSERT_EQ(N / 2, want.zero);

	mixed_fill((uintptr_t)self->mine, 0, 0);
	peer_call(&self->peer, mixed_fill, (uintptr_t)self->theirs, 1, 0);
	ASSERT_EQ(0, pm_pfns(0, self->mine, N, old));
	ASSERT_EQ(0, pm_pfns(self->peer.pid, self->theirs, N, old + N));

	ASSERT_EQ(0, vd_register(self->fd, self->mine, N * PG, &id));
	peer_id = peer_call(&self->peer, do_register, (uintptr_t)self->theirs,
			    N, 0);
	ASSERT_NE(0, peer_id);
	ASSERT_NE(id, peer_id);
	stats_read(before);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	stats_read(after);

	EXPECT_EQ(want.mappings, m.merged);
	EXPECT_EQ(want.zero, m.zero);
	EXPECT_LE(2 * N, m.scanned);
	EXPECT_LE(1, m.rounds);

	EXPECT_EQ(want.frames, after[0] - before[0]);
	EXPECT_EQ(want.mappings - want.frames, after[1] - before[1]);
	EXPECT_EQ(want.zero, after[2] - before[2]);
	EXPECT_LE(want.mappings, after[3] - before[3]);
	EXPECT_EQ((want.mappings - want.frames + want.zero) * (long long)PG,
		  after[4] - before[4]);

	ASSERT_EQ(0, pm_pfns(0, self->mine, N, new));
	ASSERT_EQ(0, pm_pfns(self->peer.pid, self->theirs, N, new + N));
	for (size_t i = 0; i < 2 * N; i++) {
		size_t same = 0;

		ASSERT_NE(0, new[i]);
		for (size_t j = 0; j < 2 * N; j++)
			same += seed[i] == seed[j];
		for (size_t j = 0; j < 2 * N; j++) {
			EXPECT_EQ(seed[i] == seed[j], new[i] == new[j])
				TH_LOG("pages %zu and %zu", i, j);
			/*
			 * Nobody's own page becomes the shared one. A page of
			 * another content may have been freed and allocated
			 * again by then, one of the same cannot.
			 */
			if (seed[i] == seed[j] && same > 1) {
				EXPECT_NE(old[j], new[i]);
			}
		}
		if (!seed[i]) {
			EXPECT_TRUE(pfn_is_zero_page(new[i]));
		} else if (same == 1) {
			EXPECT_EQ(old[i], new[i]);
			EXPECT_EQ(1, kpage_count(new[i]));
		} else {
			EXPECT_NE(old[i], new[i]);
			EXPECT_EQ(same, kpage_count(new[i]));
		}
	}
	EXPECT_EQ(0, mixed_wrong((uintptr_t)self->mine, 0, 0));
	EXPECT_EQ(0, peer_call(&self->peer, mixed_wrong,
			       (uintptr_t)self->theirs, 1, 0));

	ASSERT_EQ(0, vd_query(self->fd, id, VMDEDUP_QUERY_COUNT, &q));
	EXPECT_EQ(N, q.resident);
	EXPECT_EQ(N / 2, q.merged);
	EXPECT_EQ(N / 4, q.zero);
	EXPECT_EQ(N / 4, q.unique);
	EXPECT_LE(q.merged + q.zero, q.merges);
	ASSERT_EQ(0, vd_query(self->fd, peer_id, VMDEDUP_QUERY_COUNT, &q));
	EXPECT_EQ(self->peer.pid, q.pid);
	EXPECT_EQ(N / 2, q.merged);
	EXPECT_EQ(N / 4, q.zero);
}

TEST_F(merge, again_merges_nothing)
{
	uint64_t pfn[N], again[N];
	struct vmdedup_merge m;

	pg_fill_range(self->mine, N / 2, 100);
	pg_fill_range(self->mine + N / 2 * PG, N / 2, 100);
	ASSERT_EQ(0, vd_register(self->fd, self->mine, N * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(N, m.merged);
	EXPECT_EQ(0, m.zero);
	ASSERT_EQ(0, pm_pfns(0, self->mine, N, pfn));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, m.merged);
	EXPECT_EQ(1, m.rounds);
	ASSERT_EQ(0, pm_pfns(0, self->mine, N, again));
	EXPECT_EQ(0, memcmp(pfn, again, sizeof(pfn)));
}

TEST_F(merge, within_one_process)
{
	uint64_t pfn[N];
	struct vmdedup_merge m;
	uint64_t id;

	for (size_t i = 0; i < N; i++)
		pg_fill(self->mine + i * PG, 7 + i % 3);
	ASSERT_EQ(0, vd_register(self->fd, self->mine, N * PG, &id));
	ASSERT_EQ(0, vd_merge(self->fd, id, &m));
	EXPECT_EQ(N, m.merged);
	ASSERT_EQ(0, pm_pfns(0, self->mine, N, pfn));
	for (size_t i = 3; i < N; i++) {
		EXPECT_EQ(pfn[i % 3], pfn[i]);
	}
	EXPECT_NE(pfn[0], pfn[1]);
	EXPECT_NE(pfn[1], pfn[2]);
	EXPECT_NE(pfn[0], pfn[2]);
	for (size_t i = 0; i < N; i++) {
		EXPECT_TRUE(pg_is(self->mine + i * PG, 7 + i % 3));
	}
}

/* Pages that differ in a single byte, wherever it is, stay apart. */
TEST_F(merge, one_byte_differs)
{
	uint64_t pfn[N];
	struct vmdedup_merge m;

	for (size_t i = 0; i < N; i++) {
		pg_fill(self->mine + i * PG, 5);
		self->mine[i * PG + i * (PG - 1) / (N - 1)] ^= 1;
	}
	ASSERT_EQ(0, vd_register(self->fd, self->mine, N * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, m.merged);
	ASSERT_EQ(0, pm_pfns(0, self->mine, N, pfn));
	for (size_t i = 0; i < N; i++) {
		for (size_t j = 0; j < i; j++) {
			EXPECT_NE(pfn[j], pfn[i]);
		}
		self->mine[i * PG + i * (PG - 1) / (N - 1)] ^= 1;
		EXPECT_TRUE(pg_is(self->mine + i * PG, 5));
	}
}

static uint64_t poke(uint64_t addr, uint64_t value, uint64_t c)
{
	(void)c;
	*(volatile unsigned char *)addr = value;
	return 0;
}

TEST_F(merge, write_is_private)
{
	uint64_t mine[N], theirs[N];
	struct vmdedup_merge m;

	pg_fill_range(self->mine, N, 1);
	peer_call(&self->peer, do_fill, (uintptr_t)self->theirs, N, 1);
	ASSERT_EQ(0, vd_register(self->fd, self->mine, N * PG, NULL));
	ASSERT_NE(0, peer_call(&self->peer, do_register,
			       (uintptr_t)self->theirs, N, 0));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * N, m.merged);

	for (size_t i = 0; i < N; i++) {
		char *p = self->mine + i * PG + (i * 67 % PG);
		char *q = self->theirs + i * PG + (i * 31 % PG);
		char was = *p;

		if (i % 2) {
			*p = was ^ 0x55;
			EXPECT_EQ(0, peer_call(&self->peer, do_wrong,
					       (uintptr_t)self->theirs + i * PG,
					       1, 1 + i));
			*p = was;
		} else {
			peer_call(&self->peer, poke, (uintptr_t)q, 0xaa ^ i, 0);
		}
		EXPECT_TRUE(pg_is(self->mine + i * PG, 1 + i));
	}
	ASSERT_EQ(0, pm_pfns(0, self->mine, N, mine));
	ASSERT_EQ(0, pm_pfns(self->peer.pid, self->theirs, N, theirs));
	for (size_t i = 0; i < N; i++) {
		EXPECT_NE(mine[i], theirs[i]);
	}

	/* What is equal again merges again. */
	peer_call(&self->peer, do_fill, (uintptr_t)self->theirs, N, 1);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(0, pm_pfns(0, self->mine, N, mine));
	ASSERT_EQ(0, pm_pfns(self->peer.pid, self->theirs, N, theirs));
	EXPECT_EQ(0, memcmp(mine, theirs, sizeof(mine)));
}

TEST_F(merge, zero_pages)
{
	long long zero = vd_stat("pages_zero"), saved = vd_stat("saved_bytes");
	uint64_t pfn[N], id;
	struct vmdedup_merge m;
	struct vmdedup_query q;

	memset(self->mine, 1, N * PG);
	memset(self->mine, 0, N * PG);
	ASSERT_EQ(0, vd_register(self->fd, self->mine, N * PG, &id));
	ASSERT_EQ(0, vd_merge(self->fd, id, &m));
	EXPECT_EQ(N, m.zero);
	EXPECT_EQ(0, m.merged);
	EXPECT_EQ(N, vd_stat("pages_zero") - zero);
	EXPECT_EQ(N * PG, vd_stat("saved_bytes") - saved);
	ASSERT_EQ(0, pm_pfns(0, self->mine, N, pfn));
	for (size_t i = 0; i < N; i++) {
		EXPECT_TRUE(pfn_is_zero_page(pfn[i]));
		EXPECT_TRUE(pg_is(self->mine + i * PG, 0));
	}
	ASSERT_EQ(0, vd_query(self->fd, id, VMDEDUP_QUERY_COUNT, &q));
	EXPECT_EQ(N, q.zero);
	EXPECT_EQ(0, q.merged);
	EXPECT_EQ(N * PG, q.saved);

	/* A write breaks one page and no other. */
	self->mine[5 * PG + 9] = 3;
	for (size_t i = 0; i < N; i++) {
		EXPECT_EQ(i != 5, pfn_is_zero_page(pm_pfn(self->mine + i * PG)));
	}
	for (size_t i = 0; i < PG; i++) {
		ASSERT_EQ(i == 9 ? 3 : 0, self->mine[5 * PG + i]);
	}
}

/* A page whose neighbours are zero and only its last byte is not. */
TEST_F(merge, almost_zero)
{
	struct vmdedup_merge m;

	memset(self->mine, 0, N * PG);
	for (size_t i = 0; i < N; i += 2)
		self->mine[i * PG + (i % 4 ? 0 : PG - 1)] = i + 1;
	ASSERT_EQ(0, vd_register(self->fd, self->mine, N * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(N / 2, m.zero);
	EXPECT_EQ(0, m.merged);
	for (size_t i = 0; i < N; i++) {
		size_t at = i % 4 ? 0 : PG - 1;

		EXPECT_EQ(i % 2, pfn_is_zero_page(pm_pfn(self->mine + i * PG)));
		EXPECT_EQ(i % 2 ? 0 : i + 1,
			  (unsigned char)self->mine[i * PG + at]);
	}
}

TEST_HARNESS_MAIN
