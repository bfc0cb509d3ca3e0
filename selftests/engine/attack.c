// SPDX-License-Identifier: GPL-2.0
/*
 * Attacks: what a tenant might try, and must not succeed with. Nothing here
 * measures time: what could be told by it is looked for itself, in page tables and
 * in the counts of page faults.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "util.h"

#define PEERS 3
#define FLAT_OUT 1000000000
/* As many as are asked for where the kernel is quick. */
#define PLANTED scaled(102400)
#define WORDS (PG / sizeof(uint64_t))

FIXTURE(attack) {
	int fd;
	struct peer peer[PEERS];
	uint64_t addr[PEERS];
	long long numa;
	long long merged;
};

FIXTURE_SETUP(attack)
{
	for (int i = 0; i < PEERS; i++) {
		ASSERT_EQ(0, peer_start(&self->peer[i]));
	}
	VD_SETUP(self->fd);
	ASSERT_EQ(0, chmod(VD_DEV, 0666));
	/* It would have pages moved, and faults of its own. */
	self->numa = read_number("/proc/sys/kernel/numa_balancing");
	write_text("/proc/sys/kernel/numa_balancing", "0");
	self->merged = vd_stat("pages_merged");
}

FIXTURE_TEARDOWN(attack)
{
	for (int i = 0; i < PEERS; i++)
		peer_stop(&self->peer[i]);
	if (self->numa > 0)
		write_text("/proc/sys/kernel/numa_balancing", "1");
	chmod(VD_DEV, 0660);
	vd_end(self->fd);
}

/* Functions for peer_call(). */

/* As pg_fill_range(), but quick: for many pages. */
static uint64_t do_plant(uint64_t addr, uint64_t pages, uint64_t seed)
{
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t *word = (uint64_t *)(addr + i * PG);
		uint64_t state = seed + i, first = rnd(&state);

		for (size_t j = 0; j < WORDS; j++)
			word[j] = first + j;
	}
	return 0;
}

static uint64_t do_planted_wrong(uint64_t addr, uint64_t pages, uint64_t seed)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < pages; i++) {
		const uint64_t *word = (const uint64_t *)(addr + i * PG);
		uint64_t state = seed + i, first = rnd(&state);

		for (size_t j = 0; j < WORDS; j++)
			if (word[j] != first + j) {
				wrong++;
				break;
			}
	}
	return wrong;
}

/* Write to each page what is there; returns how many page faults that took. */
static uint64_t do_touch(uint64_t addr, uint64_t pages, uint64_t c)
{
	struct rusage before, after;

	(void)c;
	getrusage(RUSAGE_SELF, &before);
	for (uint64_t i = 0; i < pages; i++) {
		volatile unsigned char *byte = (unsigned char *)(addr + i * PG +
								 i * 64 % PG);

		*byte = *byte;
	}
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt - before.ru_minflt +
	       after.ru_majflt - before.ru_majflt;
}

/* Each of @nr peers has the same pages, all of them planted and registered. */
static void plant(struct __test_metadata *_metadata, FIXTURE_DATA(attack) *self,
		  const uid_t *uid, int nr, size_t pages, uint64_t seed)
{
	for (int i = 0; i < nr; i++) {
		struct peer *p = &self->peer[i];

		ASSERT_EQ(0, peer_call(p, do_setuid, uid[i], 0, 0));
		self->addr[i] = peer_call(p, do_map, pages, 0, 0);
		ASSERT_NE(0, self->addr[i]);
		peer_call(p, do_plant, self->addr[i], pages, seed);
		ASSERT_NE(0, peer_call(p, do_register, self->addr[i], pages, 0));
		/* All is there, and may be written to. */
		peer_call(p, do_touch, self->addr[i], pages, 0);
	}
}

static uint64_t *pfns_of(FIXTURE_DATA(attack) *self, int who, size_t pages)
{
	uint64_t *pfn = calloc(pages, sizeof(*pfn));

	if (pfn && !pm_pfns(self->peer[who].pid, (void *)self->addr[who], pages,
			    pfn))
		return pfn;
	free(pfn);
	return NULL;
}

static size_t count_same(const uint64_t *a, const uint64_t *b, size_t pages)
{
	size_t same = 0;

	for (size_t i = 0; i < pages; i++)
		same += a[i] && a[i] == b[i];
	return same;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Is a frame one of those? They are sorted. */
static bool is_among(uint64_t pfn, const uint64_t *sorted, size_t nr)
{
	return bsearch(&pfn, sorted, nr, sizeof(pfn), compare);
}

static bool passes(long long n)
{
	long long from = vd_stat("full_scans");

	for (long long i = 1; i <= n; i++)
		if (!vd_stat_rises("full_scans", from, i))
			return false;
	return true;
}

/*
 * What another domain has cannot be found out by having it, too: nothing is done to
 * the pages of who looks for it. They stay where they are, may be written to all the
 * while, and no write takes a page fault.
 */
TEST_F(attack, probing_finds_nothing)
{
	static const uid_t uid[] = { 1001, 1002 };
	uint64_t *before[2], *after[2], seed = 0x1000000;

	plant(_metadata, self, uid, 2, PLANTED, seed);
	for (int i = 0; i < 2; i++) {
		before[i] = pfns_of(self, i, PLANTED);
		ASSERT_NE(NULL, before[i]);
	}
	/* All is compared at once, and by the scanner as it goes by. */
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, vd_set("scan_rate", FLAT_OUT));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_TRUE(passes(4));
	ASSERT_EQ(0, vd_set("run", 0));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));

	EXPECT_EQ(self->merged, vd_stat("pages_merged"));
	EXPECT_EQ(0, vd_stat("pages_shared"));
	EXPECT_EQ(0, vd_stat("pages_sharing"));
	for (int i = 0; i < 2; i++) {
		uint64_t faults = peer_call(&self->peer[i], do_touch,
					    self->addr[i], PLANTED, 0);

		EXPECT_EQ(0, faults);
		after[i] = pfns_of(self, i, PLANTED);
		ASSERT_NE(NULL, after[i]);
		EXPECT_EQ(PLANTED, count_same(before[i], after[i], PLANTED));
	}
	EXPECT_EQ(0, count_same(after[0], after[1], PLANTED));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, peer_call(&self->peer[i], do_planted_wrong,
				       self->addr[i], PLANTED, seed));
		free(before[i]);
		free(after[i]);
	}
}

/* The same in one domain, to see that it would show. */
TEST_F(attack, probing_would_show)
{
	static const uid_t uid[] = { 1001, 1001 };
	const size_t pages = scaled(4096);
	uint64_t *before, *after;

	plant(_metadata, self, uid, 2, pages, 0x2000000);
	before = pfns_of(self, 0, pages);
	ASSERT_NE(NULL, before);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	after = pfns_of(self, 0, pages);
	ASSERT_NE(NULL, after);
	EXPECT_EQ(0, count_same(before, after, pages));
	EXPECT_LE(pages, peer_call(&self->peer[0], do_touch, self->addr[0],
				   pages, 0));
	free(before);
	free(after);
}

/*
 * A frame that is shared is not one that a sharer had: else a guest could choose on
 * which one another's data comes to lie, and then flip bits of it.
 */
TEST_F(attack, frames_are_nobodys)
{
	static const uid_t uid[] = { 1001, 1001 };
	const size_t pages = scaled(4096);
	size_t reused = 0, shared = 0;

	plant(_metadata, self, uid, 2, pages, 0x3000000);
	for (uint64_t round = 0; round < 8; round++) {
		uint64_t *before[2], *after[2];

		for (int i = 0; i < 2; i++) {
			peer_call(&self->peer[i], do_plant, self->addr[i], pages,
				  0x3000000 + (round << 16));
			before[i] = pfns_of(self, i, pages);
			ASSERT_NE(NULL, before[i]);
		}
		ASSERT_EQ(0, count_same(before[0], before[1], pages));
		ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
		for (int i = 0; i < 2; i++) {
			after[i] = pfns_of(self, i, pages);
			ASSERT_NE(NULL, after[i]);
		}
		EXPECT_EQ(pages, count_same(after[0], after[1], pages));
		EXPECT_EQ(0, count_same(after[0], before[0], pages));
		EXPECT_EQ(0, count_same(after[0], before[1], pages));
		/* By way of the allocator it may come back, for something else. */
		shared += pages;
		for (int i = 0; i < 2; i++) {
			qsort(before[i], pages, sizeof(*before[i]), compare);
			for (size_t k = 0; k < pages; k++)
				reused += is_among(after[0][k], before[i], pages);
		}
		for (int i = 0; i < 2; i++) {
			free(before[i]);
			free(after[i]);
		}
	}
	TH_LOG("%zu of %zu frames were used by a sharer for another content before",
	       reused, shared);
}

/*
 * The policy changes at random, while memory is scanned and written to. Whoever may
 * share under none of the policies since a content was written does not.
 */
#define POLICY_PAGES 256
#define POLICY_ROUNDS 24

struct era {
	const char *policy[2];
	bool users;	/* may those of different users share? */
	bool any;	/* may different processes? */
};

static const struct era eras[] = {
	{ { "host", "uid" }, true, true },
	{ { "uid", "process" }, false, true },
	{ { "process", "process" }, false, false },
	{ { "process", "host" }, true, true },
	{ { "uid", "uid" }, false, true },
};

static long long shared_by(FIXTURE_DATA(attack) *self, int a, int b)
{
	uint64_t *x = pfns_of(self, a, POLICY_PAGES);
	uint64_t *y = pfns_of(self, b, POLICY_PAGES);
	long long same = x && y ? (long long)count_same(x, y, POLICY_PAGES) : -1;

	free(x);
	free(y);
	return same;
}

/* All, or some of the pages anew, while all goes on. */
static void policy_fill(FIXTURE_DATA(attack) *self, uint64_t seed, size_t first)
{
	for (int i = 0; i < PEERS; i++)
		peer_call(&self->peer[i], do_plant, self->addr[i] + first * PG,
			  POLICY_PAGES - first, seed + first);
}

TEST_F(attack, policy_at_random)
{
	/* The first and the last are the same user's. */
	static const uid_t uid[] = { 1001, 1002, 1001 };
	uint64_t state = 0x4000000, seed = 0x4000000;
	long long users = 0, processes = 0;

	plant(_metadata, self, uid, PEERS, POLICY_PAGES, seed);
	ASSERT_EQ(0, vd_set("scan_rate", FLAT_OUT));
	ASSERT_EQ(0, vd_set("threads", 2));
	ASSERT_EQ(0, vd_set("run", 1));
	for (int round = 0; round < POLICY_ROUNDS; round++) {
		const struct era *era = &eras[rnd(&state) % ARRAY_SIZE(eras)];
		long long n;

		ASSERT_EQ(0, vd_set_text("domain_policy", era->policy[0]));
		seed += 0x10000;
		policy_fill(self, seed, 0);
		for (int change = 0; change < 12; change++) {
			uint64_t r = rnd(&state);

			ASSERT_EQ(0, vd_set_text("domain_policy",
						 era->policy[r % 2]));
			if (r >> 8 & 1) {
				ASSERT_TRUE(passes(1));
			}
			if (r >> 9 & 1)
				policy_fill(self, seed,
					    (r >> 16) % POLICY_PAGES);
			if (r >> 10 & 1) {
				ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
			}
			/* Now, and not only when all is over. */
			if (!era->users) {
				EXPECT_EQ(0, shared_by(self, 0, 1));
				EXPECT_EQ(0, shared_by(self, 2, 1));
			}
			if (!era->any) {
				EXPECT_EQ(0, shared_by(self, 0, 2));
			}
		}
		n = shared_by(self, 0, 1);
		ASSERT_LE(0, n);
		users += n;
		n = shared_by(self, 0, 2);
		ASSERT_LE(0, n);
		processes += n;
		for (int i = 0; i < PEERS; i++) {
			EXPECT_EQ(0, peer_call(&self->peer[i], do_planted_wrong,
					       self->addr[i], POLICY_PAGES, seed));
		}
	}
	/* Or it would have shown nothing. */
	TH_LOG("%lld shared by users, %lld by one's processes", users, processes);
	EXPECT_LT(0, users);
	EXPECT_LT(0, processes);
}

/*
 * Frames of a policy that is no more: those who have them may keep them, nobody
 * joins in, and with the last one they go.
 */
TEST_F(attack, old_frames_wind_down)
{
	static const uid_t uid[] = { 1001, 1002, 1001 };
	const uint64_t seed = 0x5000000;
	uint64_t *frames, *late, *after;

	ASSERT_EQ(0, vd_set_text("domain_policy", "host"));
	plant(_metadata, self, uid, 2, POLICY_PAGES, seed);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	frames = pfns_of(self, 0, POLICY_PAGES);
	ASSERT_NE(NULL, frames);
	ASSERT_EQ(POLICY_PAGES, shared_by(self, 0, 1));

	/* A third one comes, who could have joined in. */
	ASSERT_EQ(0, vd_set_text("domain_policy", "uid"));
	ASSERT_EQ(0, peer_call(&self->peer[2], do_setuid, uid[2], 0, 0));
	self->addr[2] = peer_call(&self->peer[2], do_map, POLICY_PAGES, 0, 0);
	peer_call(&self->peer[2], do_plant, self->addr[2], POLICY_PAGES, seed);
	ASSERT_NE(0, peer_call(&self->peer[2], do_register, self->addr[2],
			       POLICY_PAGES, 0));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	}
	late = pfns_of(self, 2, POLICY_PAGES);
	ASSERT_NE(NULL, late);
	qsort(frames, POLICY_PAGES, sizeof(*frames), compare);
	for (size_t i = 0; i < POLICY_PAGES; i++) {
		EXPECT_FALSE(is_among(late[i], frames, POLICY_PAGES));
	}
	EXPECT_EQ(POLICY_PAGES, shared_by(self, 0, 1));

	/* What is written to is one's own, and shared by the new policy only. */
	for (int i = 0; i < 2; i++)
		peer_call(&self->peer[i], do_touch, self->addr[i], POLICY_PAGES, 0);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(0, shared_by(self, 0, 1));
	EXPECT_EQ(0, shared_by(self, 2, 1));
	EXPECT_EQ(POLICY_PAGES, shared_by(self, 0, 2));
	after = pfns_of(self, 1, POLICY_PAGES);
	ASSERT_NE(NULL, after);
	for (size_t i = 0; i < POLICY_PAGES; i++) {
		EXPECT_NE(0, after[i]);
	}
	/* All frames that there are now are shared by those two. */
	EXPECT_EQ(POLICY_PAGES, vd_stat("pages_shared"));
	EXPECT_EQ(POLICY_PAGES, vd_stat("pages_sharing"));
	free(frames);
	free(late);
	free(after);
}

static uint64_t do_stat_sharing(uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	return vd_stat("pages_sharing");
}

/*
 * To count how often frames are mapped takes long where there are many, so that not
 * everybody may have it done all the time. But all are told in the end.
 */
TEST_F(attack, statistics_for_nobody)
{
	static const uid_t uid[] = { 1001, 1001 };
	const size_t pages = scaled(8192);
	uint64_t last = 0;
	bool told = false;

	plant(_metadata, self, uid, 2, pages, 0x6000000);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(pages, vd_stat("pages_sharing"));
	peer_call(&self->peer[0], do_touch, self->addr[0], pages, 0);
	/* Root is told at once, and nobody no more than root was. */
	ASSERT_EQ(0, vd_stat("pages_sharing"));
	ASSERT_EQ(0, peer_call(&self->peer[1], do_stat_sharing, 0, 0, 0));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	/* What was counted last may be of a moment while it was being merged. */
	for (int i = 0; i < 600 && !told; i++) {
		uint64_t n = peer_call(&self->peer[1], do_stat_sharing, 0, 0, 0);

		EXPECT_LE(last, n);
		EXPECT_LE(n, pages);
		last = n;
		told = n == pages;
		if (!told)
			usleep(100000);
	}
	EXPECT_TRUE(told);
}

TEST_HARNESS_MAIN
