// SPDX-License-Identifier: GPL-2.0
/*
 * A process that keeps its own mmap_lock for as long as it likes, or whose end takes
 * as long: it has mapped a file whose server does not answer (slowfs.h). Nobody else
 * may wait for it, and who asked for it can be killed.
 *
 * Who maps a file that is not to be cached waits, with the lock held for writing, for
 * what has been written to the cached one; and whose memory goes waits for asynchronous
 * I/O that it has begun (exit_aio() in the kernel).
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "slowfs.h"
#include "util.h"

#define N 64
#define SEED 0x5a110000
/* That it takes a moment to look at all of it. */
#define LARGE 8192
#define ATTEMPTS 50

FIXTURE(stall) {
	int fd;
	struct slowfs fs;
	struct peer owner;	/* who stalls */
	struct peer other;
	char *here;		/* N pages, as theirs */
	uint64_t owners, others;
	uint64_t id;		/* of the owner's region */
};

/* In the owner: write to a page of a file that is open a second time, not cached. */
static int uncached = -1;

static uint64_t do_prepare(uint64_t a, uint64_t b, uint64_t c)
{
	int fd = open(SLOWFS_WRITTEN, O_RDWR | O_CLOEXEC);
	char *p;

	(void)a;
	(void)b;
	(void)c;
	if (fd < 0)
		return errno;
	p = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return errno;
	/* To open it again would have it written back. */
	uncached = open(SLOWFS_WRITTEN, O_RDONLY | O_CLOEXEC);
	if (uncached < 0)
		return errno;
	p[0] = 1;
	return 0;
}

static uint64_t do_stall(uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	return mmap(NULL, PG, PROT_READ, MAP_PRIVATE, uncached, 0) == MAP_FAILED ?
	       errno : 0;
}

/* Begin to read what does not come. */
static uint64_t do_begin_io(uint64_t a, uint64_t b, uint64_t c)
{
	static char buf[PG] __attribute__((aligned(PG)));
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_buf = (uintptr_t)buf,
		.aio_nbytes = PG,
	}, *cbs[] = { &cb };
	aio_context_t ctx = 0;

	(void)a;
	(void)b;
	(void)c;
	cb.aio_fildes = open(SLOWFS_READ, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if ((int)cb.aio_fildes < 0 || syscall(SYS_io_setup, 1, &ctx) ||
	    syscall(SYS_io_submit, ctx, 1, cbs) != 1)
		return errno;
	return 0;
}

/* In the other: all that may wait for the owner. They return 0 or an errno. */

static int device(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = vd_open();
	return fd;
}

static uint64_t do_query(uint64_t id, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	return -vd_query(device(), id, VMDEDUP_QUERY_COUNT, NULL);
}

static uint64_t do_merge(uint64_t id, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	return -vd_merge(device(), id, NULL);
}

/* Each of them tries for a second. */
static uint64_t do_merge_for_ever(uint64_t id, uint64_t b, uint64_t c)
{
	for (;;)
		do_merge(id, b, c);
	return 0;
}

static uint64_t do_unmerge(uint64_t id, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	return -vd_unregister(device(), id, VMDEDUP_UNREGISTER_UNMERGE, NULL);
}

static uint64_t do_run_2(uint64_t id, uint64_t b, uint64_t c)
{
	(void)id;
	(void)b;
	(void)c;
	return -vd_set("run", 2);
}

static int owner_start(FIXTURE_DATA(stall) *self, size_t pages, uint64_t seed)
{
	uint64_t err;

	if (peer_start(&self->owner))
		return -EAGAIN;
	self->owners = peer_call(&self->owner, do_map, pages, 0, 0);
	if (!self->owners)
		return -ENOMEM;
	peer_call(&self->owner, do_fill, self->owners, pages, seed);
	self->id = peer_call(&self->owner, do_register, self->owners, pages, 0);
	if (!self->id)
		return -EIO;
	err = peer_call(&self->owner, do_prepare, 0, 0, 0);
	return -(int)err;
}

FIXTURE_SETUP(stall)
{
	int err;

	ASSERT_EQ(0, peer_start(&self->other));
	VD_SETUP(self->fd);
	err = slowfs_begin(&self->fs);
	if (err == -ENODEV)
		SKIP(return, "no FUSE");
	ASSERT_EQ(0, err);
	self->here = pg_map(N);
	ASSERT_NE(NULL, self->here);
	ASSERT_EQ(0, pg_keep(self->here, N));
	pg_fill_range(self->here, N, SEED);
	ASSERT_EQ(0, vd_register(self->fd, self->here, N * PG, NULL));
	self->others = peer_call(&self->other, do_map, N, 0, 0);
	ASSERT_NE(0, self->others);
	peer_call(&self->other, do_fill, self->others, N, SEED);
	ASSERT_NE(0, peer_call(&self->other, do_register, self->others, N, 0));
	ASSERT_EQ(0, owner_start(self, N, SEED));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(2 * N, vd_stat("pages_sharing"));
}

FIXTURE_TEARDOWN(stall)
{
	for (int i = 0; i < SLOWFS_FILES && self->fs.session; i++)
		slowfs_answer(&self->fs, i);
	EXPECT_EQ(0, pg_wrong(self->here, N, SEED));
	if (self->owner.pid > 0)
		EXPECT_EQ(0, peer_stop(&self->owner));
	if (self->other.pid > 0)
		EXPECT_EQ(0, peer_stop(&self->other));
	slowfs_end(&self->fs);
	vd_end(self->fd);
}

/* From now on the owner keeps its mmap_lock. */
static bool stall(FIXTURE_DATA(stall) *self)
{
	slowfs_hold(&self->fs, SLOWFS_WRITES);
	return !peer_send(&self->owner, do_stall, 0, 0, 0) &&
	       slowfs_asked(&self->fs, SLOWFS_WRITES);
}

/* Is it found waiting as one waits for a lock, several times in a row? */
static bool waits(pid_t pid)
{
	char path[64], line[512];
	int row = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; i < 1000 && row < 5; i++) {
		FILE *f = fopen(path, "re");
		char state = 0;

		if (!f)
			return false;
		if (fgets(line, sizeof(line), f) && strrchr(line, ')'))
			state = strrchr(line, ')')[2];
		fclose(f);
		row = state == 'D' ? row + 1 : 0;
		usleep(10000);
	}
	return row >= 5;
}

static long long shared_with_other(FIXTURE_DATA(stall) *self)
{
	return pm_same(0, self->here, self->other.pid, (void *)self->others, N);
}

/* It goes on with the others and comes to an end, and whoever sets something is let in. */
TEST_F(stall, run_2_leaves_it_out)
{
	ASSERT_EQ(N, shared_with_other(self));
	ASSERT_TRUE(stall(self));
	ASSERT_EQ(0, peer_send(&self->other, do_run_2, 0, 0, 0));
	EXPECT_EQ(0, vd_set("scan_rate", 4711));
	EXPECT_EQ(0, vd_set("scrub_secs", 0));
	EXPECT_EQ(EBUSY, peer_wait(&self->other));
	EXPECT_EQ(0, vd_get("run"));
	EXPECT_EQ(0, shared_with_other(self));
	slowfs_answer(&self->fs, SLOWFS_WRITES);
	EXPECT_EQ(0, peer_wait(&self->owner));
	EXPECT_EQ(0, vd_set("run", 2));
	EXPECT_EQ(2, vd_get("run"));
	EXPECT_EQ(0, vd_stat("pages_shared"));
	EXPECT_EQ(0, peer_call(&self->owner, do_wrong, self->owners, N, SEED));
}

static char *pair[2];

static bool pair_shares(long long n)
{
	return pm_same(0, pair[0], 0, pair[1], N) >= n;
}

/*
 * Who waits for it does so alone: the scanner works for others, the policy changes,
 * and whoever has had enough of it can be killed.
 */
static void waits_alone(struct __test_metadata *_metadata, FIXTURE_DATA(stall) *self,
			peer_fn fn)
{
	ASSERT_TRUE(stall(self));
	ASSERT_EQ(0, peer_send(&self->other, fn, self->id, 0, 0));
	ASSERT_TRUE(waits(self->other.pid));
	EXPECT_EQ(0, vd_set_text("domain_policy", "host"));
	ASSERT_EQ(0, pg_map_pair(N, SEED + N, &pair[0], &pair[1]));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, vd_register(self->fd, pair[i], N * PG, NULL));
	ASSERT_EQ(0, vd_set("scan_rate", 1000000000));
	ASSERT_EQ(0, vd_set("run", 1));
	EXPECT_TRUE(in_the_end(pair_shares, N));
	EXPECT_EQ(SIGKILL, peer_kill(&self->other));
	slowfs_answer(&self->fs, SLOWFS_WRITES);
	EXPECT_EQ(0, peer_wait(&self->owner));
	EXPECT_EQ(0, peer_call(&self->owner, do_wrong, self->owners, N, SEED));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(0, pg_wrong(pair[i], N, SEED + N));
}

TEST_F(stall, query_waits_alone)
{
	waits_alone(_metadata, self, do_query);
}

TEST_F(stall, merge_waits_alone)
{
	waits_alone(_metadata, self, do_merge_for_ever);
}

TEST_F(stall, unmerge_waits_alone)
{
	waits_alone(_metadata, self, do_unmerge);
}

/*
 * Let the owner go on, killed, with I/O that does not end. Is it gone for its parent?
 * Then whoever used its memory at the time has become the last to do so, and the end of
 * that memory waits.
 */
static bool goes(FIXTURE_DATA(stall) *self)
{
	kill(self->owner.pid, SIGKILL);
	slowfs_answer(&self->fs, SLOWFS_WRITES);
	for (int i = 0; i < 100; i++) {
		siginfo_t info = { 0 };

		if (!waitid(P_PID, self->owner.pid, &info,
			    WEXITED | WNOHANG | WNOWAIT) && info.si_pid)
			return true;
		usleep(10000);
	}
	return false;
}

static bool used_by(long long n)
{
	return read_number("/sys/module/vmdedup/refcnt") <= n;
}

/*
 * Who uses its memory last is not made to wait for the end of it, nor is anything else of
 * the kernel's: something of the module's own does, which is not unloaded meanwhile.
 */
static void ends_elsewhere(struct __test_metadata *_metadata,
			   FIXTURE_DATA(stall) *self, peer_fn fn)
{
	long long users;
	bool gone = false;
	int i;

	for (i = 0; i < ATTEMPTS && !gone; i++) {
		peer_kill(&self->owner);
		ASSERT_EQ(0, owner_start(self, LARGE, SEED + 2 * N));
		slowfs_hold(&self->fs, SLOWFS_READS);
		ASSERT_EQ(0, peer_call(&self->owner, do_begin_io, 0, 0, 0));
		ASSERT_TRUE(slowfs_asked(&self->fs, SLOWFS_READS));
		ASSERT_TRUE(stall(self));
		ASSERT_EQ(0, peer_send(&self->other, fn, self->id, 0, 0));
		/* It may have tried for long enough already: then another time. */
		waits(self->other.pid);
		gone = goes(self);
		if (!gone)
			slowfs_answer(&self->fs, SLOWFS_READS);
		/* Else it gets no answer yet. */
		EXPECT_NE(PEER_DEAD, peer_wait(&self->other));
	}
	TH_LOG("attempt %d", i);
	EXPECT_TRUE(gone);
	users = read_number("/sys/module/vmdedup/refcnt");
	slowfs_answer(&self->fs, SLOWFS_READS);
	EXPECT_TRUE(in_the_end(used_by, users - 1));
	EXPECT_EQ(SIGKILL, peer_kill(&self->owner));
}

TEST_F(stall, end_after_query)
{
	ends_elsewhere(_metadata, self, do_query);
}

TEST_F(stall, end_after_merge)
{
	ends_elsewhere(_metadata, self, do_merge);
}

TEST_F(stall, end_after_unmerge)
{
	ends_elsewhere(_metadata, self, do_unmerge);
}

TEST_HARNESS_MAIN
