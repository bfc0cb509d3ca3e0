/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Merging against something else: a frame for tests that do one thing again and
 * again, for some seconds, to memory that is merged all the time, and check
 * what is in it each time.
 *
 * VMDEDUP_RACE_SECS in the environment says for how long; see race_goes_on().
 */
#ifndef VMDEDUP_SELFTESTS_RACE_H
#define VMDEDUP_SELFTESTS_RACE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "books.h"
#include "util.h"
#include "writers.h"

#define RACE_PAGES 64UL
#define RACE_SEED 0x3000000
/* Where there is no progress in so many milliseconds there is none. */
#define RACE_PATIENCE_MS 300000

struct race {
	int fd;
	char *a;		/* RACE_PAGES of RACE_SEED + index: the test's */
	char *b;		/* equal, and left alone */
	unsigned long rounds;	/* so far */
	uint64_t state;		/* for rnd() */

	/* Threads that write meanwhile, if the test has started any. */
	struct writers writers;
	size_t arena_bytes;

	/* Of the thread that merges on request; the scanner runs, too. */
	unsigned long calls;
	int error;

	/* As it was before. */
	long long merged;
	struct books books;

	long long begin;	/* milliseconds */
	bool stop;
	bool merging;
	pthread_t merger;
};

/*
 * @fd is the device, as vd_begin() gives it. Maps, fills and registers, and has
 * two threads merge all that is registered: the scanner, and one on request.
 * Returns 0 or a negative errno.
 */
int race_begin(struct race *r, int fd);
/*
 * Is there another round? Until the time is over; and on, for some minutes if that
 * is what it takes, until there were some rounds and enough was merged to race with.
 */
bool race_goes_on(struct race *r);
/* Were pages merged so often that this was a race? */
bool race_merged(const struct race *r);
/* For how long, as the environment says, in milliseconds. */
long long race_ms(void);
/* Give the thread that merges on request the time to see all as it is now. */
void race_let_merge(const struct race *r);
/* New pages, equal to those of @b. */
void race_refill(struct race *r);
/* Map @a again, where it was, with nothing in it. Returns 0 or a negative errno. */
int race_remap(struct race *r);
/*
 * Start threads that write to @chunks * 2 MiB of memory, with huge pages if
 * @advice (MADV_*) says so, and register it. Returns 0 or a negative errno.
 */
int race_write(struct race *r, size_t chunks, int advice);
/*
 * Stop everything and forget the memory. Returns how many words and pages were
 * wrong in what nobody but the writers has touched.
 */
size_t race_end(struct race *r);
/* When nothing is mapped any more: is all of it accounted for, and given back? */
bool race_balanced(const struct race *r);

/* What every fixture does. */
#define RACE_SETUP(r) do {						\
	int _race_fd;							\
									\
	VD_SETUP(_race_fd);						\
	ASSERT_EQ(0, race_begin(r, _race_fd));				\
} while (0)

#define RACE_TEARDOWN(r) do {						\
	EXPECT_EQ(0, race_end(r));					\
	EXPECT_EQ(0, (r)->error);					\
	TH_LOG("%lu rounds, %lu merge calls, %lu writes", (r)->rounds,	\
	       (r)->calls, (r)->writers.written);			\
	if (_metadata->exit_code != KSFT_SKIP) {			\
		EXPECT_LT(0, (r)->rounds);				\
		EXPECT_TRUE(race_merged(r));				\
	}								\
	EXPECT_TRUE(race_balanced(r));					\
	vd_end((r)->fd);						\
} while (0)

#endif /* VMDEDUP_SELFTESTS_RACE_H */
