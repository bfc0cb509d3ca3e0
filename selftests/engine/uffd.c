// SPDX-License-Identifier: GPL-2.0
/*
 * Memory whose faults somebody else answers, or does not: userfaultfd. Nobody does
 * here, and nothing may wait for it. That merging neither causes nor hides such
 * faults is race_uffd.c's.
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faultfd.h"
#include "kselftest_harness.h"
#include "util.h"

#define N 64
#define SEED 0x77000
/* What has not come back by then waits for ever. */
#define SECONDS 120

/* Debian 12's headers do not know it. */
#ifndef UFFDIO_MOVE
#define UFFD_FEATURE_MOVE (1 << 16)
struct uffdio_move {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};
#define UFFDIO_MOVE _IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif

FIXTURE(uffd) {
	int fd;
	int uffd;
	char *a, *b;
	uint64_t id;
};

/* Was anybody to answer a fault? */
static bool asked(int uffd)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

FIXTURE_SETUP(uffd)
{
	VD_SETUP(self->fd);
	self->uffd = uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	ASSERT_EQ(0, pg_map_pair(N, SEED, &self->a, &self->b));
}

FIXTURE_TEARDOWN(uffd)
{
	if (self->uffd >= 0)
		close(self->uffd);
	vd_end(self->fd);
}

/* Some of it shares frames, some of it is the zero page. */
static void merge_both(struct __test_metadata *_metadata, FIXTURE_DATA(uffd) *self)
{
	for (size_t i = 0; i < N; i += 2)
		pg_fill(self->a + i * PG, 0);
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, &self->id));
	ASSERT_EQ(0, vd_register(self->fd, self->b, N * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(N / 2, vd_stat("pages_zero"));
	ASSERT_EQ(N / 2, vd_stat("pages_sharing"));
}

static size_t both_wrong(const char *a)
{
	size_t wrong = 0;

	for (size_t i = 0; i < N; i++)
		wrong += !pg_is(a + i * PG, i % 2 ? SEED + i : 0);
	return wrong;
}

/* What is write-protected would ask before it is given a private copy. */
TEST_F_TIMEOUT(uffd, unmerge_asks_nobody, SECONDS)
{
	if (self->uffd < 0)
		SKIP(return, "no userfaultfd that protects");
	merge_both(_metadata, self);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->a, N * PG,
				UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_protect(self->uffd, self->a, N * PG, true));
	EXPECT_EQ(0, vd_unregister(self->fd, self->id,
				   VMDEDUP_UNREGISTER_UNMERGE, NULL));
	EXPECT_FALSE(asked(self->uffd));
	EXPECT_EQ(0, both_wrong(self->a));
	EXPECT_EQ(0, pg_wrong(self->b, N, SEED));
}

TEST_F_TIMEOUT(uffd, run_2_asks_nobody, SECONDS)
{
	if (self->uffd < 0)
		SKIP(return, "no userfaultfd that protects");
	merge_both(_metadata, self);
	ASSERT_EQ(0, uffd_watch(self->uffd, self->a, N * PG,
				UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_protect(self->uffd, self->a, N * PG, true));
	EXPECT_EQ(0, vd_set("run", 2));
	EXPECT_FALSE(asked(self->uffd));
	EXPECT_EQ(0, both_wrong(self->a));
	/* What nobody protects is private again. */
	EXPECT_NE(0, pm_pfn(self->b + PG));
	EXPECT_NE(pm_pfn(self->a + PG), pm_pfn(self->b + PG));
	EXPECT_EQ(0, pg_wrong(self->b, N, SEED));
}

/* What is missing would ask, too: registered after it was merged. */
TEST_F_TIMEOUT(uffd, unmerge_passes_by_what_is_missing, SECONDS)
{
	if (self->uffd < 0)
		SKIP(return, "no userfaultfd that protects");
	merge_both(_metadata, self);
	ASSERT_EQ(0, madvise(self->a, N / 2 * PG, MADV_DONTNEED));
	ASSERT_EQ(0, uffd_watch(self->uffd, self->a, N * PG,
				UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_EQ(0, vd_unregister(self->fd, self->id,
				   VMDEDUP_UNREGISTER_UNMERGE, NULL));
	EXPECT_FALSE(asked(self->uffd));
}

/* A merged page cannot be moved, as one of KSM's cannot: it says so (README.md). */
TEST_F(uffd, merged_pages_are_not_moved)
{
	char *to = pg_map(N);
	struct uffdio_move move = {
		.dst = (uintptr_t)to,
		.src = (uintptr_t)self->a + PG,
		.len = PG,
	};
	int uffd = uffd_open(UFFD_FEATURE_MOVE);

	ASSERT_NE(NULL, to);
	if (uffd < 0)
		SKIP(return, "no userfaultfd that moves");
	if (kernel_asserts())
		SKIP(return, "a kernel that asserts (CONFIG_DEBUG_VM_PGFLAGS)");
	merge_both(_metadata, self);
	ASSERT_EQ(0, uffd_watch(uffd, to, N * PG,
				UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_EQ(-1, ioctl(uffd, UFFDIO_MOVE, &move));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-EBUSY, move.move);
	EXPECT_EQ(0, both_wrong(self->a));
	EXPECT_EQ(N / 2, vd_stat("pages_sharing"));
	close(uffd);
}

TEST_HARNESS_MAIN
