// SPDX-License-Identifier: GPL-2.0
/*
 * Merging against swapping: pages go out, come back, are written and merged, all
 * at the same time. Swaps to a zram device that the test makes.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "race.h"
#include "zram.h"

#define N RACE_PAGES
#define SEED RACE_SEED

FIXTURE(race_swap) {
	int zram;		/* number of the device, -1: none */
	char dev[32];
	struct race race;
	pthread_t thread;
	bool running;
	bool stop;
};

FIXTURE_SETUP(race_swap)
{
	self->zram = zram_begin(self->dev, sizeof(self->dev));
	if (self->zram < 0)
		SKIP(return, "no zram to swap to");
	RACE_SETUP(&self->race);
}

static void pager_stop(FIXTURE_DATA(race_swap) *self)
{
	if (!self->running)
		return;
	__atomic_store_n(&self->stop, true, __ATOMIC_RELAXED);
	pthread_join(self->thread, NULL);
	self->running = false;
}

FIXTURE_TEARDOWN(race_swap)
{
	pager_stop(self);
	/* All that is still out comes back, while it is merged. */
	if (self->zram >= 0)
		zram_end(self->zram, self->dev);
	RACE_TEARDOWN(&self->race);
}

static void *page_out(void *arg)
{
	FIXTURE_DATA(race_swap) *self = arg;
	struct race *r = &self->race;

	while (!__atomic_load_n(&self->stop, __ATOMIC_RELAXED)) {
		madvise(r->a, N * PG, MADV_PAGEOUT);
		if (r->writers.part[0])
			madvise(r->writers.part[0], HPAGE, MADV_PAGEOUT);
	}
	return NULL;
}

TEST_F(race_swap, out_and_in)
{
	struct race *r = &self->race;
	long long out = vmstat("pswpout"), in = vmstat("pswpin");
	size_t wrong = 0;

	ASSERT_EQ(0, race_write(r, 1, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, page_out, self));
	self->running = true;
	while (race_goes_on(r)) {
		for (size_t k = 0; k < N / 4; k++) {
			size_t at = rnd(&r->state) % N;

			wrong += !pg_is(r->a + at * PG, SEED + at);
			pg_fill(r->a + at * PG, SEED + at);
		}
	}
	pager_stop(self);
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, pg_wrong(r->a, N, SEED));
	out = vmstat("pswpout") - out;
	in = vmstat("pswpin") - in;
	TH_LOG("%lld pages out, %lld in", out, in);
	EXPECT_LT(0, out);
	EXPECT_LT(0, in);
}

/* All that is out comes back at once, where the device is taken away. */
TEST_F(race_swap, swapoff)
{
	struct race *r = &self->race;
	size_t wrong = 0;

	ASSERT_EQ(0, race_write(r, 1, MADV_NOHUGEPAGE));
	while (race_goes_on(r)) {
		race_refill(r);
		ASSERT_EQ(0, madvise(r->a, N * PG, MADV_PAGEOUT));
		ASSERT_EQ(0, madvise(r->writers.part[0], HPAGE, MADV_PAGEOUT));
		zram_end(self->zram, self->dev);
		wrong += pg_wrong(r->a, N, SEED);
		self->zram = zram_begin(self->dev, sizeof(self->dev));
		ASSERT_LE(0, self->zram);
	}
	EXPECT_EQ(0, wrong);
}

TEST_HARNESS_MAIN
