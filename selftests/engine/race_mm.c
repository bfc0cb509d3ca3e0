// SPDX-License-Identifier: GPL-2.0
/*
 * Merging against what a process does to its mappings, and against its birth and
 * end; see race.h.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "race.h"

#define N RACE_PAGES
#define SEED RACE_SEED
/* A content that nothing else has. */
#define OWN(r) (0x5000000 + (r)->rounds * 2 * N)

FIXTURE(race_mm) {
	struct race race;
};

FIXTURE_SETUP(race_mm)
{
	RACE_SETUP(&self->race);
}

FIXTURE_TEARDOWN(race_mm)
{
	RACE_TEARDOWN(&self->race);
}

/* Some pages of @a at random. */
static size_t some(struct race *r, size_t *at)
{
	*at = rnd(&r->state) % N;
	return 1 + rnd(&r->state) % (N - *at);
}

/* Pages [at, at + nr) of @a are zero, the others as they were. */
static size_t wrong_around(const struct race *r, size_t at, size_t nr)
{
	size_t wrong = pg_wrong(r->a, at, SEED) +
		       pg_wrong(r->a + (at + nr) * PG, N - at - nr,
				SEED + at + nr);

	for (size_t i = at; i < at + nr; i++)
		wrong += !pg_is(r->a + i * PG, 0);
	return wrong;
}

TEST_F(race_mm, munmap)
{
	struct race *r = &self->race;
	size_t wrong = 0, at, nr;

	while (race_goes_on(r)) {
		race_refill(r);
		nr = some(r, &at);
		ASSERT_EQ(0, munmap(r->a + at * PG, nr * PG));
		wrong += pg_wrong(r->a, at, SEED);
		wrong += pg_wrong(r->a + (at + nr) * PG, N - at - nr,
				  SEED + at + nr);
		ASSERT_EQ(0, race_remap(r));
		for (size_t i = 0; i < N; i += 7)
			wrong += !pg_is(r->a + i * PG, 0);
	}
	EXPECT_EQ(0, wrong);
}

/* The same addresses again and again, with other content. */
TEST_F(race_mm, map_fixed_over)
{
	struct race *r = &self->race;
	size_t wrong = 0;

	while (race_goes_on(r)) {
		uint64_t seed = r->rounds % 2 ? SEED : OWN(r);

		ASSERT_EQ(0, race_remap(r));
		for (size_t i = 0; i < N; i += 7)
			wrong += !pg_is(r->a + i * PG, 0);
		pg_fill_range(r->a, N, seed);
		wrong += pg_wrong(r->a, N, seed);
	}
	EXPECT_EQ(0, wrong);
}

/* Moved away and back; every other time with the old mapping kept, and empty. */
TEST_F(race_mm, mremap)
{
	struct race *r = &self->race;
	char *other = pg_map(N);
	size_t wrong = 0;

	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, vd_register(r->fd, other, N * PG, NULL));
	while (race_goes_on(r)) {
		bool keep = r->rounds % 2;
		int how = MREMAP_MAYMOVE | MREMAP_FIXED |
			  (keep ? MREMAP_DONTUNMAP : 0);

		race_refill(r);
		ASSERT_EQ(other, mremap(r->a, N * PG, N * PG, how, other));
		wrong += pg_wrong(other, N, SEED);
		for (size_t i = 0; keep && i < N; i++)
			wrong += !pg_is(r->a + i * PG, 0);
		pg_fill_range(other, N / 2, OWN(r));
		ASSERT_EQ(r->a, mremap(other, N * PG, N * PG, MREMAP_MAYMOVE |
				       MREMAP_FIXED, r->a));
		wrong += pg_wrong(r->a, N / 2, OWN(r));
		wrong += pg_wrong(r->a + N / 2 * PG, N / 2, SEED + N / 2);
	}
	EXPECT_EQ(0, wrong);
	munmap(other, N * PG);
}

/* Where reading alone is allowed nothing can be written, whatever is mapped. */
TEST_F(race_mm, mprotect)
{
	struct race *r = &self->race;
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	size_t wrong = 0, at, nr;

	ASSERT_LE(0, zero);
	while (race_goes_on(r)) {
		race_refill(r);
		nr = some(r, &at);
		ASSERT_EQ(0, mprotect(r->a + at * PG, nr * PG, PROT_READ));
		wrong += pg_wrong(r->a, N, SEED);
		for (size_t i = at; i < at + nr; i += 5) {
			EXPECT_EQ(-1, read(zero, r->a + i * PG, PG));
			EXPECT_EQ(EFAULT, errno);
		}
		ASSERT_EQ(0, mprotect(r->a, N * PG, PROT_NONE));
		ASSERT_EQ(0, mprotect(r->a, N * PG, PROT_READ | PROT_WRITE));
		wrong += pg_wrong(r->a, N, SEED);
		pg_fill_range(r->a, N / 4, OWN(r));
		wrong += pg_wrong(r->a, N / 4, OWN(r));
	}
	EXPECT_EQ(0, wrong);
	close(zero);
}

TEST_F(race_mm, dontneed)
{
	struct race *r = &self->race;
	size_t wrong = 0, at, nr;

	while (race_goes_on(r)) {
		race_refill(r);
		nr = some(r, &at);
		ASSERT_EQ(0, madvise(r->a + at * PG, nr * PG, MADV_DONTNEED));
		wrong += wrong_around(r, at, nr);
	}
	EXPECT_EQ(0, wrong);
}

/* Given up: there or zero, until it is written to. */
TEST_F(race_mm, madv_free)
{
	struct race *r = &self->race;
	size_t wrong = 0, at, nr;

	while (race_goes_on(r)) {
		race_refill(r);
		nr = some(r, &at);
		ASSERT_EQ(0, madvise(r->a + at * PG, nr * PG, MADV_FREE));
		for (size_t i = at; i < at + nr; i++)
			wrong += !pg_is(r->a + i * PG, SEED + i) &&
				 !pg_is(r->a + i * PG, 0);
		for (size_t i = at; i < at + nr; i += 2)
			pg_fill(r->a + i * PG, SEED + i);
		for (size_t i = at; i < at + nr; i += 2)
			wrong += !pg_is(r->a + i * PG, SEED + i);
	}
	EXPECT_EQ(0, wrong);
}

TEST_F(race_mm, cold)
{
	struct race *r = &self->race;
	size_t wrong = 0, at, nr;

	ASSERT_EQ(0, race_write(r, 1, MADV_NOHUGEPAGE));
	while (race_goes_on(r)) {
		race_refill(r);
		nr = some(r, &at);
		ASSERT_EQ(0, madvise(r->a + at * PG, nr * PG, MADV_COLD));
		ASSERT_EQ(0, madvise(r->writers.part[0], HPAGE, MADV_COLD));
		wrong += pg_wrong(r->a, N, SEED);
	}
	EXPECT_EQ(0, wrong);
}

/* Registering and forgetting under the feet of a scan. */
TEST_F(race_mm, unregister)
{
	struct race *r = &self->race;
	char *p = pg_map(N);
	size_t wrong = 0;
	uint64_t id;

	ASSERT_NE(NULL, p);
	while (race_goes_on(r)) {
		race_refill(r);
		pg_fill_range(p, N, SEED);
		ASSERT_EQ(0, vd_register(r->fd, p, N * PG, &id));
		wrong += pg_wrong(p, N, SEED);
		ASSERT_EQ(0, vd_unregister(r->fd, id, r->rounds % 2 ?
					   VMDEDUP_UNREGISTER_UNMERGE : 0,
					   NULL));
		wrong += pg_wrong(p, N, SEED);
	}
	EXPECT_EQ(0, wrong);
	munmap(p, (N + 1) * PG);
}

enum end { AT_ONCE, EXIT, EXEC, KILL };

/*
 * A child that has its parent's memory, and merges it and some of its own, and
 * checks and writes to both until it ends.
 */
static void child_main(const struct race *r, enum end end, unsigned int writes)
{
	uint64_t own = OWN(r) + N;
	char *p = pg_map(N);
	int fd = vd_open();

	if (!p || fd < 0)
		_exit(1);
	pg_fill_range(p, N, SEED);
	if (end != AT_ONCE && (vd_register(fd, p, N * PG, NULL) ||
			       vd_register(fd, r->a, N * PG, NULL)))
		_exit(1);
	for (unsigned int i = 0; end == KILL || i < writes; i++) {
		size_t k = i % N;

		if (!pg_is(p + k * PG, SEED + k) ||
		    !pg_is(r->a + k * PG, (i < N ? SEED : own) + k))
			_exit(1);
		pg_fill(p + k * PG, SEED + k);
		pg_fill(r->a + k * PG, own + k);
	}
	if (pg_wrong(r->b, N, SEED))
		_exit(1);
	if (end == EXEC)
		execl("/bin/true", "true", NULL);
	_exit(0);
}

/* The parent goes on writing meanwhile. */
static void children(struct __test_metadata *_metadata, struct race *r,
		     enum end end)
{
	size_t wrong = 0;
	int status;

	while (race_goes_on(r)) {
		unsigned int writes = 1 + rnd(&r->state) % (2 * N);
		pid_t pid;

		race_refill(r);
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			child_main(r, end, writes);
		pg_fill_range(r->a, N / 2, OWN(r));
		if (end == KILL) {
			usleep(1000 + writes * 200);
			kill(pid, SIGKILL);
		}
		wrong += pg_wrong(r->a, N / 2, OWN(r));
		wrong += pg_wrong(r->a + N / 2 * PG, N / 2, SEED + N / 2);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(end == KILL && WIFSIGNALED(status) ? SIGKILL : 0,
			  status);
	}
	EXPECT_EQ(0, wrong);
}

TEST_F(race_mm, fork)
{
	children(_metadata, &self->race, AT_ONCE);
}

TEST_F(race_mm, exit)
{
	children(_metadata, &self->race, EXIT);
}

TEST_F(race_mm, exec)
{
	children(_metadata, &self->race, EXEC);
}

TEST_F(race_mm, kill)
{
	children(_metadata, &self->race, KILL);
}

TEST_HARNESS_MAIN
