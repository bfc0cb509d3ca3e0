// SPDX-License-Identifier: GPL-2.0
/*
 * Unloading the module and loading it again while a thread opens its device,
 * registers and merges, the scanner runs flat out, and what is merged is written
 * to. VMDEDUP_MODULE in the environment is the module.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "race.h"
#include "reload.h"

#define CHUNKS 2
#define N (CHUNKS * HPAGE_NR)
#define SEED 0x7000000
/* Without so much this would be a test of nothing. */
#define ENOUGH_RELOADS 4
#define ENOUGH_MERGED (4 * N)

FIXTURE(race_reload) {
	char *a;
	char *b;
	struct writers writers;
	struct books books;
	unsigned long used;	/* times that the device could be opened */
	unsigned long merged;
	bool stop;
	bool running;
	pthread_t user;
	int module;
};

static bool register_all(FIXTURE_DATA(race_reload) *self, int fd)
{
	return !vd_register(fd, self->a, N * PG, NULL) &&
	       !vd_register(fd, self->b, N * PG, NULL) &&
	       !vd_register(fd, self->writers.part[0], N * PG, NULL);
}

/* The device comes and goes; who has it open keeps the module. */
static void *use_device(void *arg)
{
	FIXTURE_DATA(race_reload) *self = arg;
	struct vmdedup_merge m;
	uint64_t state = 1;

	while (!__atomic_load_n(&self->stop, __ATOMIC_RELAXED)) {
		int fd = vd_open();

		if (fd < 0) {
			usleep(1000);
			continue;
		}
		vd_set("scan_rate", 1000000000);
		if (register_all(self, fd) && !vd_merge(fd, 0, &m)) {
			self->merged += m.merged + m.zero;
			self->used++;
		}
		/* Equal again in the next round. */
		pg_fill_range(self->a, N / 4, SEED);
		/* With the last close the regions go. */
		close(fd);
		usleep(rnd(&state) % 20000);
	}
	return NULL;
}

static void some_milliseconds(void *arg)
{
	(void)arg;
	usleep(20000);
}

/* While it is in use it does not go. */
static int unload(void)
{
	for (int i = 0; i < 20000; i++) {
		int err = module_unload();

		if (err != -EAGAIN)
			return err;
		usleep(500);
	}
	return -ETIME;
}

FIXTURE_SETUP(race_reload)
{
	self->module = module_open();
	if (self->module < 0)
		SKIP(return, "VMDEDUP_MODULE does not name a module");
	if (access("/sys/module/vmdedup", F_OK))
		SKIP(return, "the module is not loaded");
	/* What it keeps to itself is not part of the balance. */
	ASSERT_EQ(0, unload());
	books_read(&self->books);
	ASSERT_EQ(0, module_load(self->module));
	self->a = chunk_map(CHUNKS, MADV_NOHUGEPAGE);
	self->b = chunk_map(CHUNKS, MADV_NOHUGEPAGE);
	self->writers = (struct writers) {
		.part[0] = chunk_map(CHUNKS, MADV_HUGEPAGE),
		.parts = 1,
		.pages = N,
		.stride = 1,
		.threads = 2,
		.words = 1,
		.odds = 8,
		.burst = 200,
		.rest = some_milliseconds,
	};
	ASSERT_NE(NULL, self->a);
	ASSERT_NE(NULL, self->b);
	ASSERT_NE(NULL, self->writers.part[0]);
	pg_fill_range(self->a, N, SEED);
	pg_fill_range(self->b, N, SEED);
	memset(self->writers.part[0], 0, N * PG);
	ASSERT_EQ(0, writers_start(&self->writers));
	ASSERT_EQ(0, pthread_create(&self->user, NULL, use_device, self));
	self->running = true;
}

static void stop(FIXTURE_DATA(race_reload) *self)
{
	if (!self->running)
		return;
	__atomic_store_n(&self->stop, true, __ATOMIC_RELAXED);
	pthread_join(self->user, NULL);
	writers_stop(&self->writers);
	self->running = false;
}

FIXTURE_TEARDOWN(race_reload)
{
	stop(self);
	writers_free(&self->writers);
	/* As it was found. */
	if (access("/sys/module/vmdedup", F_OK))
		EXPECT_EQ(0, module_load(self->module));
}

static bool always(void)
{
	return true;
}

TEST_F(race_reload, reload)
{
	long long begin = now_ms(), ms = 2 * race_ms();
	unsigned long reloads = 0;
	uint64_t state = 2;
	char *part = self->writers.part[0];

	/* As in race_goes_on(). */
	while (now_ms() - begin < ms || (now_ms() - begin < ms + RACE_PATIENCE_MS &&
					 (reloads < ENOUGH_RELOADS ||
					  self->merged < ENOUGH_MERGED))) {
		usleep(rnd(&state) % 200000);
		ASSERT_EQ(0, unload());
		EXPECT_EQ(0, pg_wrong(self->b, N, SEED));
		ASSERT_EQ(0, module_load(self->module));
		reloads++;
	}
	stop(self);
	TH_LOG("%lu reloads, used %lu times, %lu merged, %lu writes", reloads,
	       self->used, self->merged, self->writers.written);
	EXPECT_LE(ENOUGH_RELOADS, reloads);
	EXPECT_LE(ENOUGH_MERGED, self->merged);
	EXPECT_EQ(0, self->writers.wrong);
	EXPECT_EQ(0, writers_pages_wrong(&self->writers));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	EXPECT_EQ(0, pg_wrong(self->b, N, SEED));
	/* Frames of all these loads go with what maps them, without the module. */
	ASSERT_EQ(0, unload());
	munmap(self->a, N * PG);
	munmap(self->b, N * PG);
	munmap(part, N * PG);
	EXPECT_TRUE(books_balance(&self->books, always));
}

TEST_HARNESS_MAIN
