// SPDX-License-Identifier: GPL-2.0
/*
 * Merged memory through everything that a process may do to its mappings.
 * Each test has two ranges of equal content, merged; it does something to the
 * first and checks both.
 */
#include <fcntl.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "util.h"

#define N 64
#define SEED 0x500

FIXTURE(vmaops) {
	int fd;
	char *a;
	char *b;
	uint64_t id_a;
	uint64_t id_b;
	uint64_t pfn[N];	/* the shared frames */
};

static bool same_frames(const char *p, const uint64_t *pfn, size_t pages)
{
	uint64_t now[N];

	return !pm_pfns(0, p, pages, now) &&
	       !memcmp(now, pfn, pages * sizeof(*pfn));
}

/* Pages of @p that are present and none of the frames of @pfn. */
static size_t own_frames(const char *p, const uint64_t *pfn, size_t pages)
{
	uint64_t now[N];
	size_t own = 0;

	if (pm_pfns(0, p, pages, now))
		return 0;
	for (size_t i = 0; i < pages; i++)
		own += now[i] && now[i] != pfn[i];
	return own;
}

FIXTURE_SETUP(vmaops)
{
	struct vmdedup_merge m;

	VD_SETUP(self->fd);
	ASSERT_EQ(0, pg_map_pair(N, SEED, &self->a, &self->b));
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, &self->id_a));
	ASSERT_EQ(0, vd_register(self->fd, self->b, N * PG, &self->id_b));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * N, m.merged);
	ASSERT_EQ(0, pm_pfns(0, self->a, N, self->pfn));
	ASSERT_TRUE(same_frames(self->b, self->pfn, N));
	ASSERT_EQ(2, kpage_count(self->pfn[0]));
}

FIXTURE_TEARDOWN(vmaops)
{
	/* Whatever was done to one range, the other never notices. */
	EXPECT_EQ(0, pg_wrong(self->b, N, SEED));
	vd_end(self->fd);
}

TEST_F(vmaops, mlock)
{
	struct vmdedup_merge m;

	/* Locking asks for private copies, as after a fork. */
	ASSERT_EQ(0, mlock(self->a, N * PG));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, m.merged);
	EXPECT_LE(N, m.skipped[VMDEDUP_SKIP_LOCKED]);
	EXPECT_EQ(N, own_frames(self->a, self->pfn, N));
	pg_fill_range(self->a, N, 9000);
	EXPECT_EQ(0, pg_wrong(self->a, N, 9000));

	ASSERT_EQ(0, munlock(self->a, N * PG));
	pg_fill_range(self->a, N, SEED);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(N, m.merged);
	EXPECT_TRUE(same_frames(self->a, self->pfn, N));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
}

TEST_F(vmaops, mlock_read_only)
{
	/* Without the right to write nothing is copied: frames stay. */
	ASSERT_EQ(0, mprotect(self->a, N * PG, PROT_READ));
	ASSERT_EQ(0, mlock(self->a, N * PG));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	ASSERT_EQ(0, munlock(self->a, N * PG));
	ASSERT_EQ(0, mprotect(self->a, N * PG, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	pg_fill_range(self->a, N, 9000);
	EXPECT_EQ(0, pg_wrong(self->a, N, 9000));
}

TEST_F(vmaops, mprotect_none)
{
	ASSERT_EQ(0, mprotect(self->a, N * PG, PROT_NONE));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, mprotect(self->a, N * PG, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(same_frames(self->a, self->pfn, N));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	pg_fill_range(self->a, N, 9000);
	EXPECT_EQ(0, pg_wrong(self->a, N, 9000));
	EXPECT_EQ(N, own_frames(self->a, self->pfn, N));
}

TEST_F(vmaops, mprotect_read)
{
	struct vmdedup_merge m;

	/* The frames must not become writable on the way back. */
	ASSERT_EQ(0, mprotect(self->a, N * PG, PROT_READ));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	ASSERT_EQ(0, mprotect(self->a, N * PG, PROT_READ | PROT_WRITE));
	for (size_t i = 0; i < N; i++)
		self->a[i * PG + i] ^= 1;
	EXPECT_EQ(N, own_frames(self->a, self->pfn, N));
	EXPECT_EQ(0, pg_wrong(self->b, N, SEED));

	/* Merging while only reading is allowed changes no right. */
	pg_fill_range(self->a, N, SEED);
	ASSERT_EQ(0, mprotect(self->a, N * PG, PROT_READ));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(N, m.merged);
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	EXPECT_EQ(-1, read(open("/dev/zero", O_RDONLY), self->a, PG));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	ASSERT_EQ(0, mprotect(self->a, N * PG, PROT_READ | PROT_WRITE));
	pg_fill_range(self->a, N, 9000);
	EXPECT_EQ(0, pg_wrong(self->a, N, 9000));
}

/* Memory that is PROT_NONE when the merge comes is kept, too. */
TEST_F(vmaops, merge_inaccessible)
{
	pg_fill_range(self->a, N, SEED);
	ASSERT_EQ(N, own_frames(self->a, self->pfn, N));
	ASSERT_EQ(0, mprotect(self->a, N * PG, PROT_NONE));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, mprotect(self->a, N * PG, PROT_READ));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	ASSERT_EQ(0, mprotect(self->a, N * PG, PROT_READ | PROT_WRITE));
	pg_fill_range(self->a, N, 9000);
	EXPECT_EQ(0, pg_wrong(self->a, N, 9000));
}

TEST_F(vmaops, dontneed)
{
	ASSERT_EQ(0, madvise(self->a, N / 2 * PG, MADV_DONTNEED));
	for (size_t i = 0; i < N / 2; i++) {
		EXPECT_TRUE(pg_is(self->a + i * PG, 0));
	}
	EXPECT_EQ(1, kpage_count(self->pfn[0]));
	EXPECT_EQ(2, kpage_count(self->pfn[N / 2]));
	EXPECT_EQ(0, pg_wrong(self->a + N / 2 * PG, N / 2, SEED + N / 2));
	pg_fill_range(self->a, N, 9000);
	EXPECT_EQ(0, pg_wrong(self->a, N, 9000));
}

TEST_F(vmaops, madv_free)
{
	struct vmdedup_merge m;

	/* A merged page has nothing that could be given up later. */
	ASSERT_EQ(0, madvise(self->a, N * PG, MADV_FREE));
	for (size_t i = 0; i < N; i++) {
		EXPECT_TRUE(pg_is(self->a + i * PG, SEED + i) ||
			    pg_is(self->a + i * PG, 0));
	}
	pg_fill_range(self->a, N, SEED);
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));

	/* Given up by its owner: not merged, and no reason to keep it. */
	ASSERT_EQ(0, madvise(self->a, N * PG, MADV_FREE));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, m.merged);
	EXPECT_LE(N, m.skipped[VMDEDUP_SKIP_VOLATILE]);

	EXPECT_EQ(0, pg_wrong(self->b, N, SEED));
	pg_fill_range(self->a, N, 9000);
	EXPECT_EQ(0, pg_wrong(self->a, N, 9000));
}

/* Taken back by writing: its owner wants it, so it merges again. */
TEST_F(vmaops, madv_free_then_written)
{
	struct vmdedup_merge m;

	pg_fill_range(self->a, N, 9000);
	ASSERT_EQ(0, madvise(self->a, N * PG, MADV_FREE));
	pg_fill_range(self->a, N, SEED);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(N, m.merged);
	EXPECT_EQ(0, m.skipped[VMDEDUP_SKIP_VOLATILE]);
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	EXPECT_TRUE(same_frames(self->a, self->pfn, N));
}

TEST_F(vmaops, cold_and_pageout)
{
	ASSERT_EQ(0, madvise(self->a, N * PG, MADV_COLD));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	ASSERT_EQ(0, madvise(self->a, N * PG, MADV_PAGEOUT));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	pg_fill_range(self->a, N, 9000);
	ASSERT_EQ(0, madvise(self->a, N * PG, MADV_COLD));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(0, pg_wrong(self->a, N, 9000));
}

TEST_F(vmaops, populate_write)
{
	if (madvise(self->a, N * PG, MADV_POPULATE_READ))
		SKIP(return, "no MADV_POPULATE_READ");
	EXPECT_TRUE(same_frames(self->a, self->pfn, N));
	ASSERT_EQ(0, madvise(self->a, N * PG, MADV_POPULATE_WRITE));
	EXPECT_EQ(N, own_frames(self->a, self->pfn, N));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
}

TEST_F(vmaops, mremap_move)
{
	char *to = pg_map(N), *moved;
	struct vmdedup_merge m;

	ASSERT_NE(NULL, to);
	moved = mremap(self->a, N * PG, N * PG, MREMAP_MAYMOVE | MREMAP_FIXED,
		       to);
	ASSERT_EQ(to, moved);
	EXPECT_EQ(0, pg_wrong(moved, N, SEED));
	EXPECT_TRUE(same_frames(moved, self->pfn, N));
	/* The region is where it was: nothing there, and no complaint. */
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, m.merged);
	pg_fill_range(moved, N, 9000);
	EXPECT_EQ(0, pg_wrong(moved, N, 9000));
	EXPECT_EQ(0, munmap(moved, N * PG));
	EXPECT_EQ(1, kpage_count(self->pfn[0]));
}

TEST_F(vmaops, mremap_shrink_and_grow)
{
	char *p = mremap(self->a, N * PG, N / 2 * PG, 0);

	ASSERT_EQ(self->a, p);
	EXPECT_EQ(0, pg_wrong(p, N / 2, SEED));
	EXPECT_EQ(1, kpage_count(self->pfn[N - 1]));
	p = mremap(p, N / 2 * PG, 2 * N * PG, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, pg_wrong(p, N / 2, SEED));
	EXPECT_TRUE(same_frames(p, self->pfn, N / 2));
	for (size_t i = N / 2; i < 2 * N; i++) {
		EXPECT_TRUE(pg_is(p + i * PG, 0));
	}
	pg_fill_range(p, 2 * N, 9000);
	EXPECT_EQ(0, pg_wrong(p, 2 * N, 9000));
}

TEST_F(vmaops, partial_munmap)
{
	struct vmdedup_merge m;
	struct vmdedup_query q;
	char *hole = self->a + N / 4 * PG;

	ASSERT_EQ(0, munmap(hole, N / 2 * PG));
	EXPECT_EQ(1, kpage_count(self->pfn[N / 4]));
	EXPECT_EQ(2, kpage_count(self->pfn[0]));
	EXPECT_EQ(0, pg_wrong(self->a, N / 4, SEED));
	EXPECT_EQ(0, pg_wrong(hole + N / 2 * PG, N / 4, SEED + N / 4 * 3));
	/* What is left of the region goes on merging, around the hole. */
	pg_fill_range(self->a, N / 4, SEED);
	pg_fill_range(hole + N / 2 * PG, N / 4, SEED + N / 4 * 3);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(N / 2, m.merged);
	ASSERT_EQ(0, vd_query(self->fd, self->id_a, VMDEDUP_QUERY_COUNT, &q));
	EXPECT_EQ(N / 2, q.resident);
	EXPECT_EQ(N / 2, q.merged);
	EXPECT_EQ(0, pg_wrong(self->a, N / 4, SEED));
}

TEST_F(vmaops, fork_exec)
{
	pid_t pid = fork();
	int status;

	ASSERT_LE(0, pid);
	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	EXPECT_EQ(2, kpage_count(self->pfn[0]));
	EXPECT_TRUE(same_frames(self->a, self->pfn, N));
}

/* Of memory that nobody knows: since 6.12 a kernel can be told not to. */
static bool kernel_forces_writes(int mem, const char *page)
{
	char *p = pg_map(1);
	bool can;

	if (!p)
		return false;
	pg_fill(p, 1);
	can = !mprotect(p, PG, PROT_READ) &&
	      pwrite(mem, page, PG, (uintptr_t)p) == PG;
	munmap(p, 2 * PG);
	return can;
}

/* Writers that do not come through the page tables of the owner. */
TEST_F(vmaops, forced_writes)
{
	int mem = open("/proc/self/mem", O_RDWR);
	struct iovec from, to;
	char page[PG];

	ASSERT_LE(0, mem);
	pg_fill(page, 77);
	ASSERT_EQ(PG, pwrite(mem, page, PG, (uintptr_t)self->a));
	EXPECT_TRUE(pg_is(self->a, 77));
	EXPECT_TRUE(pg_is(self->b, SEED));

	from = (struct iovec){ page, PG };
	to = (struct iovec){ self->a + PG, PG };
	ASSERT_EQ(PG, process_vm_writev(getpid(), &from, 1, &to, 1, 0));
	EXPECT_TRUE(pg_is(self->a + PG, 77));
	EXPECT_TRUE(pg_is(self->b + PG, SEED + 1));

	/* Even where the owner may only read, as a debugger does. */
	if (!kernel_forces_writes(mem, page)) {
		close(mem);
		SKIP(return, "this kernel lets nobody write to what is read-only");
	}
	ASSERT_EQ(0, mprotect(self->a, N * PG, PROT_READ));
	ASSERT_EQ(PG, pwrite(mem, page, PG, (uintptr_t)self->a + 2 * PG));
	EXPECT_TRUE(pg_is(self->a + 2 * PG, 77));
	EXPECT_TRUE(pg_is(self->b + 2 * PG, SEED + 2));
	close(mem);
}

/* The kernel moves pages about; the frames have no place to go. */
TEST_F(vmaops, compaction)
{
	if (write_text("/proc/sys/vm/compact_memory", "1"))
		SKIP(return, "no compaction");
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	EXPECT_EQ(0, pg_wrong(self->b, N, SEED));
}

TEST_F(vmaops, unmerge)
{
	uint64_t unmerged = 0;

	ASSERT_EQ(0, vd_unregister(self->fd, self->id_a,
				   VMDEDUP_UNREGISTER_UNMERGE, &unmerged));
	EXPECT_EQ(N, unmerged);
	EXPECT_EQ(N, own_frames(self->a, self->pfn, N));
	EXPECT_TRUE(same_frames(self->b, self->pfn, N));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	EXPECT_EQ(-ENOENT, vd_query(self->fd, self->id_a, 0, NULL));
	pg_fill_range(self->a, N, 9000);
	EXPECT_EQ(0, pg_wrong(self->a, N, 9000));
}

TEST_F(vmaops, unmerge_zero)
{
	uint64_t unmerged = 0;
	struct vmdedup_merge m;

	memset(self->a, 0, N * PG);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(N, m.zero);
	ASSERT_EQ(0, vd_unregister(self->fd, self->id_a,
				   VMDEDUP_UNREGISTER_UNMERGE, &unmerged));
	EXPECT_EQ(N, unmerged);
	for (size_t i = 0; i < N; i++) {
		EXPECT_FALSE(pfn_is_zero_page(pm_pfn(self->a + i * PG)));
		EXPECT_TRUE(pg_is(self->a + i * PG, 0));
	}
}

TEST_F(vmaops, unregister_keeps_merged)
{
	uint64_t unmerged = 1;

	ASSERT_EQ(0, vd_unregister(self->fd, self->id_a, 0, &unmerged));
	EXPECT_EQ(0, unmerged);
	EXPECT_TRUE(same_frames(self->a, self->pfn, N));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	pg_fill_range(self->a, N, 9000);
	EXPECT_EQ(0, pg_wrong(self->a, N, 9000));
}

TEST_F(vmaops, run_2_unmerges_all)
{
	struct vmdedup_merge m;
	struct vmdedup_query q;

	ASSERT_EQ(0, vd_set("run", 2));
	EXPECT_EQ(2, vd_get("run"));
	EXPECT_EQ(N, own_frames(self->a, self->pfn, N));
	EXPECT_EQ(N, own_frames(self->b, self->pfn, N));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	EXPECT_EQ(0, vd_stat("pages_sharing"));
	ASSERT_EQ(0, vd_query(self->fd, self->id_a, VMDEDUP_QUERY_COUNT, &q));
	EXPECT_EQ(0, q.merged);
	EXPECT_EQ(N, q.unique);

	ASSERT_EQ(0, vd_set("run", 0));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(2 * N, m.merged);
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
}

TEST_HARNESS_MAIN
