// SPDX-License-Identifier: GPL-2.0
/*
 * Memory and processes that vanish at any moment while the scanner runs flat
 * out and a thread merges, too.
 */
#include <pthread.h>
#include <signal.h>

#include "kselftest_harness.h"
#include "util.h"

#define N 64
#define SEED 0x1300

FIXTURE(churn) {
	int fd;
	char *a;		/* what the others' memory is equal to */
	bool stop;
	unsigned long calls;
	unsigned long merged;
	int error;
	pthread_t thread;
	bool running;
};

static void *merge_all_the_time(void *arg)
{
	FIXTURE_DATA(churn) *self = arg;
	struct vmdedup_merge m;

	while (!__atomic_load_n(&self->stop, __ATOMIC_RELAXED)) {
		self->error = vd_merge(self->fd, 0, &m);
		if (self->error)
			break;
		self->calls++;
		self->merged += m.merged + m.zero;
	}
	return NULL;
}

FIXTURE_SETUP(churn)
{
	VD_SETUP(self->fd);
	self->a = pg_map(N);
	ASSERT_NE(NULL, self->a);
	pg_fill_range(self->a, N, SEED);
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, NULL));
	ASSERT_EQ(0, vd_set("scan_rate", 10000000));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, merge_all_the_time,
				    self));
	self->running = true;
}

static void merger_stop(FIXTURE_DATA(churn) *self)
{
	if (!self->running)
		return;
	__atomic_store_n(&self->stop, true, __ATOMIC_RELAXED);
	pthread_join(self->thread, NULL);
	self->running = false;
}

FIXTURE_TEARDOWN(churn)
{
	merger_stop(self);
	EXPECT_EQ(0, self->error);
	EXPECT_LT(0, self->calls);
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	TH_LOG("%lu merge calls, %lu pages", self->calls, self->merged);
	vd_end(self->fd);
}

static long long background_passes(void)
{
	return vd_stat("full_scans");
}

TEST_F(churn, munmap)
{
	size_t wrong = 0;
	uint64_t id;

	for (int i = 0; i < 80; i++) {
		char *p = pg_map(N);

		ASSERT_NE(NULL, p);
		pg_fill_range(p, N, SEED);
		ASSERT_EQ(0, vd_register(self->fd, p, N * PG, &id));
		wrong += pg_wrong(p, N, SEED);
		ASSERT_EQ(0, munmap(p + i % N * PG, (N - i % N) * PG));
		wrong += pg_wrong(p, i % N, SEED);
		ASSERT_EQ(0, munmap(p, (N + 1) * PG));
		ASSERT_EQ(0, vd_unregister(self->fd, id, 0, NULL));
	}
	EXPECT_EQ(0, wrong);
}

/* The same addresses again and again, with other content. */
TEST_F(churn, map_fixed_over)
{
	char *p = pg_map(N);
	size_t wrong = 0;

	ASSERT_NE(NULL, p);
	pg_fill_range(p, N, SEED);
	ASSERT_EQ(0, vd_register(self->fd, p, N * PG, NULL));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(p, mmap(p, N * PG, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
				  0));
		for (size_t k = 0; k < N; k += 7)
			wrong += !pg_is(p + k * PG, 0);
		pg_fill_range(p, N, i % 2 ? SEED : SEED + i);
		wrong += pg_wrong(p, N, i % 2 ? SEED : SEED + i);
		if (i % 3 == 0) {
			ASSERT_EQ(0, madvise(p, N / 2 * PG, MADV_DONTNEED));
			wrong += !pg_is(p, 0);
		}
	}
	EXPECT_EQ(0, wrong);
}

TEST_F(churn, mremap_and_mprotect)
{
	char *p = pg_map(N), *q = pg_map(N);
	size_t wrong = 0;

	ASSERT_NE(NULL, p);
	ASSERT_NE(NULL, q);
	pg_fill_range(p, N, SEED);
	ASSERT_EQ(0, vd_register(self->fd, p, N * PG, NULL));
	ASSERT_EQ(0, vd_register(self->fd, q, N * PG, NULL));
	for (int i = 0; i < 100; i++) {
		char *to = i % 2 ? p : q, *from = i % 2 ? q : p;

		ASSERT_EQ(to, mremap(from, N * PG, N * PG,
				     MREMAP_MAYMOVE | MREMAP_FIXED, to));
		wrong += pg_wrong(to, N, SEED);
		ASSERT_EQ(0, mprotect(to, N / 2 * PG, PROT_READ));
		wrong += pg_wrong(to, N, SEED);
		ASSERT_EQ(0, mprotect(to, N * PG, PROT_READ | PROT_WRITE));
		pg_fill_range(to, N, SEED);
	}
	EXPECT_EQ(0, wrong);
}

/* A child that merges and writes until it ends in the way that @how says. */
static void child_main(int how, unsigned int delay)
{
	char *p = pg_map(N);
	int fd = vd_open();

	if (!p || fd < 0)
		_exit(1);
	pg_fill_range(p, N, SEED);
	if (vd_register(fd, p, N * PG, NULL))
		_exit(1);
	for (unsigned int i = 0; how == 2 || i < delay; i++) {
		if (!pg_is(p + i % N * PG, SEED + i % N))
			_exit(1);
		pg_fill(p + i % N * PG, SEED + i % N);
	}
	if (how == 1)
		execl("/bin/true", "true", NULL);
	_exit(0);
}

static void many_children(struct __test_metadata *_metadata,
			  FIXTURE_DATA(churn) *self, int how)
{
	long long regions = vd_stat("regions");
	uint64_t state = how;
	int status;

	for (int i = 0; i < 15; i++) {
		unsigned int delay = rnd(&state) % (2 * N);
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid)
			child_main(how, delay);
		if (how == 2) {
			usleep(1000 + delay * 200);
			kill(pid, SIGKILL);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(how == 2 && WIFSIGNALED(status) ? SIGKILL : 0, status);
	}
	/* A scan may have held the last one's address space while it ended. */
	merger_stop(self);
	ASSERT_EQ(0, vd_set("run", 0));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(regions, vd_stat("regions"));
}

TEST_F(churn, exit)
{
	long long passes = background_passes();

	many_children(_metadata, self, 0);
	EXPECT_LT(passes, background_passes());
}

TEST_F(churn, exec)
{
	many_children(_metadata, self, 1);
}

TEST_F(churn, kill)
{
	many_children(_metadata, self, 2);
}

/* Registering and forgetting under the feet of a scan. */
TEST_F(churn, register_unregister)
{
	char *p = pg_map(N);
	size_t wrong = 0;
	uint64_t id;

	ASSERT_NE(NULL, p);
	for (int i = 0; i < 80; i++) {
		pg_fill_range(p, N, SEED);
		ASSERT_EQ(0, vd_register(self->fd, p, N * PG, &id));
		wrong += pg_wrong(p, N, SEED);
		ASSERT_EQ(0, vd_unregister(self->fd, id, i % 2 ?
					   VMDEDUP_UNREGISTER_UNMERGE : 0,
					   NULL));
		wrong += pg_wrong(p, N, SEED);
	}
	EXPECT_EQ(0, wrong);
}

/* The background alone does it, too, for as long as it is told to. */
TEST_F(churn, background_merges)
{
	char *p = pg_map(N);
	long long merged;

	ASSERT_NE(NULL, p);
	while (!__atomic_load_n(&self->calls, __ATOMIC_RELAXED))
		usleep(1000);
	merger_stop(self);
	merged = vd_stat("pages_merged");
	pg_fill_range(p, N, SEED);
	ASSERT_EQ(0, vd_register(self->fd, p, N * PG, NULL));
	EXPECT_TRUE(vd_stat_rises("pages_merged", merged, N));
	EXPECT_EQ(0, pg_wrong(p, N, SEED));

	ASSERT_EQ(0, vd_set("run", 0));
	merged = background_passes();
	pg_fill_range(p, N, SEED);
	usleep(300000);
	EXPECT_EQ(merged, background_passes());
}

TEST_HARNESS_MAIN
