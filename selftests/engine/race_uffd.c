// SPDX-License-Identifier: GPL-2.0
/*
 * Merging against userfaultfd: memory that is registered with it and taken back
 * all the time. Whoever registered must be told of each fault that is his, which
 * merging must neither cause nor hide.
 */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "faultfd.h"
#include "kselftest_harness.h"
#include "race.h"

#define N RACE_PAGES
#define SEED RACE_SEED

FIXTURE(race_uffd) {
	struct race race;
	int uffd;
	int end;		/* eventfd */
	unsigned long missing;
	unsigned long protected;
	unsigned long failed;
	pthread_t thread;
	bool running;
};

/* A page that was missing gets what belongs there. */
static int answer(FIXTURE_DATA(race_uffd) *self, const struct uffd_msg *msg)
{
	char *at = (char *)(msg->arg.pagefault.address & ~(PG - 1));
	struct uffdio_copy copy = {
		.dst = (uintptr_t)at,
		.len = PG,
	};
	char page[PG];

	if (msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
		__atomic_add_fetch(&self->protected, 1, __ATOMIC_RELAXED);
		return uffd_protect(self->uffd, at, PG, false);
	}
	__atomic_add_fetch(&self->missing, 1, __ATOMIC_RELAXED);
	pg_fill(page, SEED + (at - self->race.a) / PG);
	copy.src = (uintptr_t)page;
	return ioctl(self->uffd, UFFDIO_COPY, &copy) ? -errno : 0;
}

static void *answer_faults(void *arg)
{
	FIXTURE_DATA(race_uffd) *self = arg;
	struct pollfd p[2] = {
		{ .fd = self->uffd, .events = POLLIN },
		{ .fd = self->end, .events = POLLIN },
	};

	while (poll(p, 2, -1) > 0 && !p[1].revents) {
		struct uffd_msg msg;

		if (read(self->uffd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		if (msg.event != UFFD_EVENT_PAGEFAULT || answer(self, &msg))
			self->failed++;
	}
	return NULL;
}

static int uffd_begin(FIXTURE_DATA(race_uffd) *self, uint64_t features)
{
	int err;

	self->uffd = uffd_open(features);
	if (self->uffd < 0)
		return self->uffd;
	self->end = eventfd(0, EFD_CLOEXEC);
	err = -pthread_create(&self->thread, NULL, answer_faults, self);
	self->running = !err;
	return err;
}

static int watch(FIXTURE_DATA(race_uffd) *self, uint64_t mode)
{
	return uffd_watch(self->uffd, self->race.a, N * PG, mode);
}

static int unwatch(FIXTURE_DATA(race_uffd) *self)
{
	struct uffdio_range range = { (uintptr_t)self->race.a, N * PG };

	return ioctl(self->uffd, UFFDIO_UNREGISTER, &range) ? -errno : 0;
}

FIXTURE_SETUP(race_uffd)
{
	self->uffd = -1;
	RACE_SETUP(&self->race);
}

FIXTURE_TEARDOWN(race_uffd)
{
	if (self->running) {
		eventfd_write(self->end, 1);
		pthread_join(self->thread, NULL);
		close(self->end);
	}
	if (self->uffd >= 0)
		close(self->uffd);
	EXPECT_EQ(0, self->failed);
	TH_LOG("%lu missing, %lu protected", self->missing, self->protected);
	RACE_TEARDOWN(&self->race);
}

/* Before it is watched, every now and then: nothing is merged meanwhile. */
static void time_to_merge(const struct race *r)
{
	if (r->rounds % 2)
		race_let_merge(r);
}

TEST_F(race_uffd, missing)
{
	struct race *r = &self->race;
	unsigned long before;
	size_t wrong = 0;

	if (uffd_begin(self, 0))
		SKIP(return, "no userfaultfd");
	while (race_goes_on(r)) {
		size_t at = rnd(&r->state) % N, nr = N - at;

		race_refill(r);
		time_to_merge(r);
		ASSERT_EQ(0, watch(self, UFFDIO_REGISTER_MODE_MISSING));
		before = self->missing;
		ASSERT_EQ(0, madvise(r->a + at * PG, nr * PG, MADV_DONTNEED));
		wrong += pg_wrong(r->a, N, SEED);
		EXPECT_EQ(before + nr, self->missing);
		ASSERT_EQ(0, unwatch(self));
		wrong += pg_wrong(r->a, N, SEED);
	}
	EXPECT_EQ(0, wrong);
}

/* Each page that is protected tells of its first write, and of no other. */
TEST_F(race_uffd, write_protect)
{
	struct race *r = &self->race;
	unsigned long before;
	size_t wrong = 0;

	if (uffd_begin(self, UFFD_FEATURE_PAGEFAULT_FLAG_WP))
		SKIP(return, "no userfaultfd that protects");
	while (race_goes_on(r)) {
		uint64_t own = 0x5000000 + r->rounds * N;
		size_t nr = 1 + rnd(&r->state) % N;

		race_refill(r);
		time_to_merge(r);
		ASSERT_EQ(0, watch(self, UFFDIO_REGISTER_MODE_WP));
		ASSERT_EQ(0, uffd_protect(self->uffd, r->a, nr * PG, true));
		before = self->protected;
		wrong += pg_wrong(r->a, N, SEED);
		EXPECT_EQ(before, self->protected);
		pg_fill_range(r->a, N, own);
		EXPECT_EQ(before + nr, self->protected);
		ASSERT_EQ(0, unwatch(self));
		wrong += pg_wrong(r->a, N, own);
	}
	EXPECT_EQ(0, wrong);
}

TEST_HARNESS_MAIN
