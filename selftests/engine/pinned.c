// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that something else than the page tables refers to while it is to be
 * merged: direct I/O, registered buffers of io_uring, pages in a pipe. The
 * device must see and deliver the right bytes.
 *
 * The block device is a loop over a memfd: its worker copies the data some
 * time after the pages were taken, so that there is a window to hit.
 */
#include <fcntl.h>
#include <linux/loop.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "uring.h"
#include "util.h"

#define N 64
#define SEED 0xb00
#define DISK_SEED 0xd00
#define IO_PAGES 16

FIXTURE(pinned) {
	int fd;
	int file;		/* N pages of DISK_SEED */
	int loop;
	int disk;		/* the same, opened O_DIRECT, or -1 */
	char *a;
	char *b;
};

static void loop_begin(int file, int *loop, int *disk)
{
	struct loop_config config = { .fd = file };
	char name[32];
	int control, n;

	*loop = -1;
	*disk = -1;
	if (access("/dev/loop-control", F_OK) &&
	    system("modprobe loop 2>/dev/null"))
		return;
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return;
	n = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (n < 0)
		return;
	snprintf(name, sizeof(name), "/dev/loop%d", n);
	for (int i = 0; i < 500 && access(name, F_OK); i++)
		usleep(10000);
	*loop = open(name, O_RDWR | O_CLOEXEC);
	if (*loop < 0 || ioctl(*loop, LOOP_CONFIGURE, &config))
		return;
	*disk = open(name, O_RDWR | O_DIRECT | O_CLOEXEC);
}

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
	loop_begin(self->file, &self->loop, &self->disk);
	ASSERT_EQ(0, pg_map_pair(N, SEED, &self->a, &self->b));
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, self->b, N * PG, NULL));
}

FIXTURE_TEARDOWN(pinned)
{
	EXPECT_EQ(0, pg_wrong(self->b, N, SEED));
	vd_end(self->fd);
	if (self->disk >= 0)
		close(self->disk);
	if (self->loop >= 0)
		ioctl(self->loop, LOOP_CLR_FD);
}

struct merger {
	int fd;
	bool stop;
	unsigned long calls;
	uint64_t merged;
	uint64_t pinned;
	int error;
	pthread_t thread;
};

static void *merge_all_the_time(void *arg)
{
	struct merger *w = arg;
	struct vmdedup_merge m;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		w->error = vd_merge(w->fd, 0, &m);
		if (w->error)
			break;
		__atomic_add_fetch(&w->calls, 1, __ATOMIC_RELAXED);
		w->merged += m.merged + m.zero;
		w->pinned += m.skipped[VMDEDUP_SKIP_PINNED] +
			     m.skipped[VMDEDUP_SKIP_BUSY];
	}
	return NULL;
}

static int merger_start(struct merger *w, int fd)
{
	*w = (struct merger) { .fd = fd };
	return pthread_create(&w->thread, NULL, merge_all_the_time, w);
}

/* Until a whole call has been made since now; false if none ever is. */
static bool merger_pass(struct merger *w)
{
	unsigned long calls = __atomic_load_n(&w->calls, __ATOMIC_RELAXED);

	for (int i = 0; i < 100000; i++) {
		if (__atomic_load_n(&w->calls, __ATOMIC_RELAXED) > calls + 1)
			return true;
		usleep(100);
	}
	return false;
}

static void merger_stop(struct merger *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
	pthread_join(w->thread, NULL);
}

/*
 * Before each read the target is equal to other pages, and so a good thing to
 * merge just when the device writes to it.
 */
TEST_F(pinned, direct_read)
{
	uint64_t state = 3;
	struct merger w;
	size_t wrong = 0;

	if (self->disk < 0)
		SKIP(return, "no loop device");
	ASSERT_EQ(0, merger_start(&w, self->fd));
	for (int i = 0; i < 400; i++) {
		size_t at = rnd(&state) % (N - IO_PAGES);
		size_t from = rnd(&state) % (N - IO_PAGES);
		char *p = self->a + at * PG;

		if (i % 3)
			pg_fill_range(p, IO_PAGES, SEED + at);
		else
			memset(p, 0, IO_PAGES * PG);
		ASSERT_EQ(IO_PAGES * PG, pread(self->disk, p, IO_PAGES * PG,
					       from * PG));
		wrong += pg_wrong(p, IO_PAGES, DISK_SEED + from);
	}
	merger_stop(&w);
	TH_LOG("merged %lu, skipped as pinned or busy %lu", w.merged, w.pinned);
	EXPECT_EQ(0, w.error);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(1000, w.merged);
}

TEST_F(pinned, direct_write)
{
	uint64_t state = 4;
	struct merger w;
	size_t wrong = 0;
	char page[PG];

	if (self->disk < 0)
		SKIP(return, "no loop device");
	ASSERT_EQ(0, merger_start(&w, self->fd));
	for (int i = 0; i < 200; i++) {
		size_t at = rnd(&state) % (N - IO_PAGES);
		size_t to = rnd(&state) % (N - IO_PAGES);
		char *p = self->a + at * PG;

		pg_fill_range(p, IO_PAGES, SEED + at);
		ASSERT_EQ(IO_PAGES * PG, pwrite(self->disk, p, IO_PAGES * PG,
						to * PG));
		/* Change it behind the device's back: too late to matter. */
		p[0] ^= 1;
		ASSERT_EQ(0, fdatasync(self->disk));
		for (size_t k = 0; k < IO_PAGES; k++) {
			ASSERT_EQ(PG, pread(self->file, page, PG,
					    (to + k) * PG));
			wrong += !pg_is(page, SEED + at + k);
		}
	}
	merger_stop(&w);
	TH_LOG("merged %lu, skipped as pinned or busy %lu", w.merged, w.pinned);
	EXPECT_EQ(0, w.error);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(1000, w.merged);
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

/* As direct_read, but with a pin that comes and goes. */
TEST_F(pinned, registered_buffers_race)
{
	size_t wrong = 0;
	struct merger w;
	struct uring u;

	if (uring_open(&u))
		SKIP(return, "no io_uring");
	ASSERT_EQ(0, merger_start(&w, self->fd));
	for (int i = 0; i < 100; i++) {
		pg_fill_range(self->a, N, SEED);
		if (i % 4 == 0) {
			ASSERT_TRUE(merger_pass(&w));
		}
		ASSERT_EQ(0, uring_pin(&u, self->a, N * PG));
		wrong += pg_wrong(self->a, N, SEED);
		ASSERT_EQ(N * PG, uring_read(&u, self->file, self->a, N * PG,
					     0));
		wrong += pg_wrong(self->a, N, DISK_SEED);
		ASSERT_EQ(0, uring_unpin(&u));
		wrong += pg_wrong(self->a, N, DISK_SEED);
	}
	merger_stop(&w);
	uring_close(&u);
	TH_LOG("merged %lu, skipped as pinned or busy %lu", w.merged, w.pinned);
	EXPECT_EQ(0, w.error);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(500, w.merged);
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
