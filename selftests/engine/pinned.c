// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that something else than the page tables refers to: registered buffers
 * of io_uring, pages in a pipe. For what comes and goes meanwhile see
 * race_pins.c.
 */
#include <fcntl.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "uring.h"
#include "util.h"

#define N 64
#define SEED 0xb00
#define DISK_SEED 0xd00

FIXTURE(pinned) {
	int fd;
	int file;		/* N pages of DISK_SEED */
	char *a;
	char *b;
};

FIXTURE_SETUP(pinned)
{
	char page[PG];

	VD_SETUP(self->fd);
	self->file = memfd_create("disk", MFD_CLOEXEC);
	ASSERT_LE(0, self->file);
	for (size_t i = 0; i < N; i++) {
		pg_fill(page, DISK_SEED + i);
		ASSERT_EQ(PG, pwrite(self->file, page, PG, i * PG));
	}
	ASSERT_EQ(0, pg_map_pair(N, SEED, &self->a, &self->b));
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, self->b, N * PG, NULL));
}

FIXTURE_TEARDOWN(pinned)
{
	EXPECT_EQ(0, pg_wrong(self->b, N, SEED));
	vd_end(self->fd);
}

TEST_F(pinned, registered_buffers)
{
	uint64_t before[N], now[N];
	struct vmdedup_merge m;
	struct uring u;

	if (uring_open(&u))
		SKIP(return, "no io_uring");
	ASSERT_EQ(0, uring_pin(&u, self->a, N * PG));
	ASSERT_EQ(0, pm_pfns(0, self->a, N, before));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, m.merged);
	EXPECT_EQ(N, m.skipped[VMDEDUP_SKIP_PINNED]);
	ASSERT_EQ(0, pm_pfns(0, self->a, N, now));
	EXPECT_EQ(0, memcmp(before, now, sizeof(now)));

	/* The ring goes on writing to where the owner looks. */
	ASSERT_EQ(N * PG, uring_read(&u, self->file, self->a, N * PG, 0));
	EXPECT_EQ(0, pg_wrong(self->a, N, DISK_SEED));
	pg_fill_range(self->a, N, SEED);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(N * PG, uring_write(&u, self->file, self->a, N * PG, 0));
	pg_fill_range(self->a, N, 1);
	ASSERT_EQ(N * PG, pread(self->file, self->a, N * PG, 0));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));

	ASSERT_EQ(0, uring_unpin(&u));
	uring_close(&u);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(2 * N, m.merged);
	EXPECT_EQ(0, m.skipped[VMDEDUP_SKIP_PINNED]);
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
}

/* Registering merged memory as a buffer gives it private pages first. */
TEST_F(pinned, register_merged_memory)
{
	uint64_t before[N], now[N];
	struct vmdedup_merge m;
	struct uring u;

	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * N, m.merged);
	ASSERT_EQ(0, pm_pfns(0, self->a, N, before));
	if (uring_open(&u))
		SKIP(return, "no io_uring");
	ASSERT_EQ(0, uring_pin(&u, self->a, N * PG));
	ASSERT_EQ(0, pm_pfns(0, self->a, N, now));
	for (size_t i = 0; i < N; i++) {
		EXPECT_NE(before[i], now[i]);
	}
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	ASSERT_EQ(N * PG, uring_read(&u, self->file, self->a, N * PG, 0));
	EXPECT_EQ(0, pg_wrong(self->a, N, DISK_SEED));
	EXPECT_EQ(0, pg_wrong(self->b, N, SEED));
	uring_close(&u);
}

/* Put the first pages of @p into a pipe by reference. */
#define PIPE_PAGES 8

static int splice_to_pipe(int *ends, char *p)
{
	struct iovec iov = { p, PIPE_PAGES * PG };

	if (pipe(ends))
		return -errno;
	return vmsplice(ends[1], &iov, 1, 0) == (ssize_t)iov.iov_len ? 0 : -EIO;
}

static int drain_pipe(int *ends, char *p)
{
	size_t got = 0;

	while (got < PIPE_PAGES * PG) {
		ssize_t n = read(ends[0], p + got, PIPE_PAGES * PG - got);

		if (n <= 0)
			return -EIO;
		got += n;
	}
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/*
 * A pipe that refers to a private page shows later writes to it. That must
 * stay so: a merge would cut the pipe off.
 */
TEST_F(pinned, vmsplice_then_merge)
{
	char *out = pg_map(PIPE_PAGES);
	struct vmdedup_merge m;
	uint64_t before, pfn_a[N], pfn_b[N];
	int ends[2];

	before = pm_pfn(self->a);
	ASSERT_EQ(0, splice_to_pipe(ends, self->a));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	/* The pages' partners may have got a frame of their own. */
	EXPECT_LE(2 * (N - PIPE_PAGES), m.merged);
	EXPECT_GE(2 * N - PIPE_PAGES, m.merged);
	EXPECT_LE(PIPE_PAGES, m.skipped[VMDEDUP_SKIP_PINNED] +
		  m.skipped[VMDEDUP_SKIP_BUSY]);
	EXPECT_EQ(before, pm_pfn(self->a));
	pg_fill_range(self->a, PIPE_PAGES, 9000);
	ASSERT_EQ(0, drain_pipe(ends, out));
	EXPECT_EQ(0, pg_wrong(out, PIPE_PAGES, 9000));

	/* Nothing holds them any longer. */
	pg_fill_range(self->a, PIPE_PAGES, SEED);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_LE(PIPE_PAGES, m.merged);
	ASSERT_EQ(0, pm_pfns(0, self->a, N, pfn_a));
	ASSERT_EQ(0, pm_pfns(0, self->b, N, pfn_b));
	EXPECT_EQ(0, memcmp(pfn_a, pfn_b, sizeof(pfn_a)));
}

/* A pipe that refers to a shared frame keeps what was there. */
TEST_F(pinned, merge_then_vmsplice)
{
	char *out = pg_map(PIPE_PAGES);
	struct vmdedup_merge m;
	int ends[2];

	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * N, m.merged);
	ASSERT_EQ(0, splice_to_pipe(ends, self->a));
	pg_fill_range(self->a, N, 9000);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(0, drain_pipe(ends, out));
	EXPECT_EQ(0, pg_wrong(out, PIPE_PAGES, SEED));
	EXPECT_EQ(0, pg_wrong(self->a, N, 9000));
}

/* Both mappings of a frame go while a pipe still refers to it. */
TEST_F(pinned, frame_outlives_its_mappings)
{
	char *a = pg_map(PIPE_PAGES), *b = pg_map(PIPE_PAGES);
	char *out = pg_map(PIPE_PAGES);
	struct vmdedup_merge m;
	int ends[2];

	pg_fill_range(a, PIPE_PAGES, 7000);
	pg_fill_range(b, PIPE_PAGES, 7000);
	ASSERT_EQ(0, vd_register(self->fd, a, PIPE_PAGES * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, b, PIPE_PAGES * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * (N + PIPE_PAGES), m.merged);
	ASSERT_EQ(0, splice_to_pipe(ends, a));
	munmap(a, PIPE_PAGES * PG);
	munmap(b, PIPE_PAGES * PG);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	/* New content wants pages, and must not get these. */
	pg_fill_range(self->a, N, 9000);
	ASSERT_EQ(0, drain_pipe(ends, out));
	EXPECT_EQ(0, pg_wrong(out, PIPE_PAGES, 7000));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
}

TEST_HARNESS_MAIN
