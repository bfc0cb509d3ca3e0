// SPDX-License-Identifier: GPL-2.0
/*
 * Merging against what refers to pages by other ways than the page tables:
 * direct I/O, buffers of io_uring, pages in a pipe, another process that writes.
 * The device must see and deliver the right bytes.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "disk.h"
#include "kselftest_harness.h"
#include "race.h"
#include "uring.h"

#define N RACE_PAGES
#define SEED RACE_SEED
#define DISK_SEED 0xd00
#define DISK_PAGES 32
#define IO_PAGES 16

FIXTURE(race_pins) {
	struct peer peer;
	struct disk disk;
	struct race race;
};

FIXTURE_SETUP(race_pins)
{
	/* Before anything is mapped or open. */
	ASSERT_EQ(0, peer_start(&self->peer));
	ASSERT_EQ(0, disk_begin(&self->disk, DISK_PAGES, DISK_SEED));
	RACE_SETUP(&self->race);
}

FIXTURE_TEARDOWN(race_pins)
{
	RACE_TEARDOWN(&self->race);
	peer_stop(&self->peer);
	disk_end(&self->disk);
}

/*
 * Before each read the target is equal to other pages, and so a good thing to
 * merge just when the device writes to it.
 */
TEST_F(race_pins, direct_read)
{
	struct race *r = &self->race;
	size_t wrong = 0;

	if (self->disk.fd < 0)
		SKIP(return, "no loop device");
	while (race_goes_on(r)) {
		size_t at = rnd(&r->state) % (N - IO_PAGES);
		size_t from = rnd(&r->state) % (DISK_PAGES - IO_PAGES);
		char *p = r->a + at * PG;

		if (r->rounds % 3)
			pg_fill_range(p, IO_PAGES, SEED + at);
		else
			memset(p, 0, IO_PAGES * PG);
		if (r->rounds % 8 == 0)
			race_let_merge(r);
		ASSERT_EQ(IO_PAGES * PG, pread(self->disk.fd, p, IO_PAGES * PG,
					       from * PG));
		wrong += pg_wrong(p, IO_PAGES, DISK_SEED + from);
	}
	EXPECT_EQ(0, wrong);
}

TEST_F(race_pins, direct_write)
{
	struct race *r = &self->race;
	size_t wrong = 0;
	char page[PG];

	if (self->disk.fd < 0)
		SKIP(return, "no loop device");
	while (race_goes_on(r)) {
		size_t at = rnd(&r->state) % (N - IO_PAGES);
		size_t to = rnd(&r->state) % (DISK_PAGES - IO_PAGES);
		char *p = r->a + at * PG;

		pg_fill_range(p, IO_PAGES, SEED + at);
		ASSERT_EQ(IO_PAGES * PG, pwrite(self->disk.fd, p, IO_PAGES * PG,
						to * PG));
		/* Change it behind the device's back: too late to matter. */
		p[0] ^= 1;
		ASSERT_EQ(0, fdatasync(self->disk.fd));
		for (size_t k = 0; k < IO_PAGES; k++) {
			ASSERT_EQ(PG, pread(self->disk.file, page, PG,
					    (to + k) * PG));
			wrong += !pg_is(page, SEED + at + k);
		}
	}
	EXPECT_EQ(0, wrong);
}

/* A pin that comes and goes, and a ring that writes by it. */
TEST_F(race_pins, registered_buffers)
{
	struct race *r = &self->race;
	size_t wrong = 0;
	struct uring u;

	if (uring_open(&u))
		SKIP(return, "no io_uring");
	while (race_goes_on(r)) {
		size_t at = rnd(&r->state) % (N - DISK_PAGES);
		char *p = r->a + at * PG;

		pg_fill_range(p, DISK_PAGES, SEED + at);
		if (r->rounds % 4 == 0)
			race_let_merge(r);
		ASSERT_EQ(0, uring_pin(&u, p, DISK_PAGES * PG));
		wrong += pg_wrong(p, DISK_PAGES, SEED + at);
		ASSERT_EQ(DISK_PAGES * PG,
			  uring_read(&u, self->disk.file, p, DISK_PAGES * PG, 0));
		wrong += pg_wrong(p, DISK_PAGES, DISK_SEED);
		ASSERT_EQ(0, uring_unpin(&u));
		wrong += pg_wrong(p, DISK_PAGES, DISK_SEED);
	}
	uring_close(&u);
	EXPECT_EQ(0, wrong);
}

/* As much as a pipe holds. */
#define PIPE_PAGES 16

/*
 * A pipe has the page itself or, where it was merged, what it held then: it shows
 * a later write, or it does not, but nothing else.
 */
TEST_F(race_pins, vmsplice)
{
	struct race *r = &self->race;
	unsigned long old = 0, new = 0, wrong = 0;
	char *out = pg_map(PIPE_PAGES);
	int ends[2];

	ASSERT_NE(NULL, out);
	ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
	while (race_goes_on(r)) {
		size_t at = rnd(&r->state) % (N - PIPE_PAGES);
		uint64_t own = 0x5000000 + r->rounds * N;
		struct iovec iov = { r->a + at * PG, PIPE_PAGES * PG };
		size_t got = 0;

		pg_fill_range(r->a + at * PG, PIPE_PAGES, SEED + at);
		if (r->rounds % 4 == 0)
			race_let_merge(r);
		ASSERT_EQ(iov.iov_len, vmsplice(ends[1], &iov, 1, 0));
		usleep(rnd(&r->state) % 2000);
		pg_fill_range(r->a + at * PG, PIPE_PAGES, own);
		while (got < PIPE_PAGES * PG) {
			ssize_t n = read(ends[0], out + got,
					 PIPE_PAGES * PG - got);

			ASSERT_LT(0, n);
			got += n;
		}
		for (size_t i = 0; i < PIPE_PAGES; i++) {
			if (pg_is(out + i * PG, SEED + at + i))
				old++;
			else if (pg_is(out + i * PG, own + i))
				new++;
			else
				wrong++;
		}
		wrong += pg_wrong(r->a + at * PG, PIPE_PAGES, own);
	}
	TH_LOG("%lu pages in the pipe were merged, %lu were not", old, new);
	EXPECT_EQ(0, wrong);
	close(ends[0]);
	close(ends[1]);
	munmap(out, (PIPE_PAGES + 1) * PG);
}

/* In the peer: write to its parent's pages. */
static uint64_t do_write_parent(uint64_t addr, uint64_t pages, uint64_t seed)
{
	uint64_t failed = 0;
	char page[PG];

	for (uint64_t i = 0; i < pages; i++) {
		struct iovec from = { page, PG };
		struct iovec to = { (void *)(addr + i * PG), PG };

		pg_fill(page, seed + i);
		failed += process_vm_writev(getppid(), &from, 1, &to, 1, 0) !=
			  (ssize_t)PG;
	}
	return failed;
}

/* Another process writes to one half, the owner to the other one. */
TEST_F(race_pins, process_vm_writev)
{
	struct race *r = &self->race;
	const size_t half = N / 2;
	size_t wrong = 0;

	while (race_goes_on(r)) {
		uint64_t own = 0x5000000 + r->rounds * N;

		race_refill(r);
		if (r->rounds % 4 == 0)
			race_let_merge(r);
		ASSERT_EQ(0, peer_send(&self->peer, do_write_parent,
				       (uintptr_t)r->a, half, own));
		pg_fill_range(r->a + half * PG, half, own + half);
		EXPECT_EQ(0, peer_wait(&self->peer));
		wrong += pg_wrong(r->a, N, own);
	}
	EXPECT_EQ(0, wrong);
}

TEST_HARNESS_MAIN
