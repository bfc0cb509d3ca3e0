// SPDX-License-Identifier: GPL-2.0
/*
 * Memory errors in shared frames: bits that flip, and poison.
 *
 * Flips need a debug build of the module (make VMDEDUP_DEBUG=1). The kernel
 * poisons on request: its marks stay until the next boot, and so does what is
 * lost of its free memory, a page for each.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "nl.h"
#include "reload.h"
#include "util.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

#define FLIP "/sys/kernel/debug/vmdedup/flip"
#define KPF_HWPOISON_BIT 19
#define N 256
#define SEED 0x5c4b
/* How long to wait for an event: nothing but a hang takes as long. */
#define PATIENCE 60000
/* The page that is bad in these tests, and which of its bits. */
#define BAD 77
#define BIT 12345
#define BIT2 3
/* More than are told of at a time. */
#define MANY 20

FIXTURE(scrub) {
	int fd;
	struct vn nl;
	struct peer peer;
	char *a;
	char *b;
	uint64_t a_id;
	uint64_t b_id;
	uint64_t peer_mem;
	uint64_t peer_id;
	long long corrupt;
	long long repaired;
	long long poisoned;
	long long mapped;
};

/* Three areas of equal pages, one of another process, in one frame each. */
FIXTURE_SETUP(scrub)
{
	struct vmdedup_merge m;

	ASSERT_EQ(0, peer_start(&self->peer));
	VD_SETUP(self->fd);
	ASSERT_EQ(0, vd_set("scrub_secs", 0));
	self->corrupt = vd_stat("frames_corrupt");
	self->repaired = vd_stat("frames_repaired");
	self->poisoned = vd_stat("frames_poisoned");
	self->mapped = vmstat("nr_mapped");
	ASSERT_EQ(0, vn_open(&self->nl));
	ASSERT_EQ(0, pg_map_pair(N, SEED, &self->a, &self->b));
	self->peer_mem = peer_call(&self->peer, do_map, N, 0, 0);
	ASSERT_NE(0, self->peer_mem);
	peer_call(&self->peer, do_fill, self->peer_mem, N, SEED);
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, &self->a_id));
	ASSERT_EQ(0, vd_register(self->fd, self->b, N * PG, &self->b_id));
	self->peer_id = peer_call(&self->peer, do_register, self->peer_mem, N, 0);
	ASSERT_NE(0, self->peer_id);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(3 * N, m.merged);
	ASSERT_EQ(0, vn_listen(&self->nl, "events"));
}

static bool nothing_left(long long arg)
{
	/* Which has those freed that nobody maps. */
	return vd_stat("pages_shared") == arg &&
	       vd_stat("frames_quarantined") == arg &&
	       vd_stat("frames_made") == vd_stat("frames_freed");
}

/* Whatever a test did: when nobody shares any more, nothing is left. */
FIXTURE_TEARDOWN(scrub)
{
	long long mapped;

	if (self->fd < 0)
		return;
	peer_stop(&self->peer);
	vn_close(&self->nl);
	vd_end(self->fd);
	if (self->a)
		munmap(self->a, N * PG);
	if (self->b)
		munmap(self->b, N * PG);
	EXPECT_TRUE(in_the_end(nothing_left, 0));
	mapped = vmstat("nr_mapped");
	EXPECT_GT(self->mapped + N / 2, mapped);
	EXPECT_LT(self->mapped - N / 2, mapped);
}

static int flip(uint64_t pfn, unsigned int bit)
{
	char text[64];

	snprintf(text, sizeof(text), "%llu %u", (unsigned long long)pfn, bit);
	return write_text(FLIP, text);
}

/* More than can be put right. */
static int spoil(uint64_t pfn)
{
	int err = flip(pfn, BIT);

	return err ?: flip(pfn, BIT2);
}

#define NEEDS_FLIP() do {						\
	if (access(FLIP, F_OK))						\
		SKIP(return, "not a debug build of the module");	\
} while (0)

/* Scrub at full speed until all frames there are now were looked at. */
static bool scrub_all(void)
{
	long long rounds = vd_stat("scrub_rounds");

	/* One may be under way. */
	return !vd_set("scrub_secs", 1) &&
	       vd_stat_rises("scrub_rounds", rounds, 2);
}

/* The next event that tells of a frame; an error if there is none for a while. */
static int next_error(struct vn *nl, int ms, struct vn_event *event)
{
	int err;

	do {
		err = vn_next_event(nl, ms, event);
	} while (!err && event->type != VMDEDUP_EVENT_FRAME_CORRUPT &&
		 event->type != VMDEDUP_EVENT_FRAME_POISONED);
	return err;
}

/* Exactly one event for each of the three regions, of page BAD. */
static void expect_named(struct __test_metadata *_metadata,
			 FIXTURE_DATA(scrub) *self, uint32_t type, uint64_t pfn,
			 bool repaired)
{
	const struct {
		uint64_t id, address;
		pid_t pid;
	} want[] = {
		{ self->a_id, (uintptr_t)self->a + BAD * PG, getpid() },
		{ self->b_id, (uintptr_t)self->b + BAD * PG, getpid() },
		{ self->peer_id, self->peer_mem + BAD * PG, self->peer.pid },
	};
	struct vn_event event;
	unsigned int named = 0;

	for (int i = 0; i < 3; i++) {
		unsigned int j;

		ASSERT_EQ(0, next_error(&self->nl, PATIENCE, &event));
		for (j = 0; j < 3 && want[j].id != event.region; j++)
			;
		ASSERT_GT(3, j);
		EXPECT_EQ(0, named & 1 << j);
		named |= 1 << j;
		EXPECT_EQ(type, event.type);
		EXPECT_EQ(pfn, event.pfn);
		EXPECT_EQ(want[j].pid, (pid_t)event.pid);
		EXPECT_EQ(want[j].address, event.address);
		EXPECT_EQ(1, event.mappings);
		EXPECT_EQ(repaired, event.repaired);
		EXPECT_EQ(N * PG, event.length);
		EXPECT_NE(0, event.guest);
	}
	EXPECT_EQ(7, named);
	EXPECT_EQ(-ETIMEDOUT, next_error(&self->nl, 1000, &event));
}

/* Equal pages that come later share a frame, which is not the bad one. */
static void expect_new_frame(struct __test_metadata *_metadata,
			     FIXTURE_DATA(scrub) *self, uint64_t bad_pfn)
{
	struct vmdedup_merge m;
	char *c = pg_map(2);

	ASSERT_NE(NULL, c);
	pg_fill(c, SEED + BAD);
	pg_fill(c + PG, SEED + BAD);
	ASSERT_EQ(0, vd_register(self->fd, c, 2 * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(2, m.merged);
	EXPECT_EQ(pm_pfn(c), pm_pfn(c + PG));
	EXPECT_NE(bad_pfn, pm_pfn(c));
	EXPECT_TRUE(pg_is(c, SEED + BAD));
	EXPECT_TRUE(pg_is(c + PG, SEED + BAD));
	/* Those who had the other one still do. */
	EXPECT_EQ(bad_pfn, pm_pfn(self->a + BAD * PG));
	EXPECT_EQ(bad_pfn, pm_pfn(self->b + BAD * PG));
	munmap(c, 2 * PG);
}

static size_t wrong_pages(FIXTURE_DATA(scrub) *self)
{
	return pg_wrong(self->a, N, SEED) + pg_wrong(self->b, N, SEED) +
	       peer_call(&self->peer, do_wrong, self->peer_mem, N, SEED);
}

/* All sharers leave: the frame is out of their way, and never used again. */
static void expect_retired(struct __test_metadata *_metadata,
			   FIXTURE_DATA(scrub) *self, uint64_t pfn)
{
	EXPECT_EQ(1, vd_stat("frames_quarantined"));
	ASSERT_EQ(0, munmap(self->a, N * PG));
	ASSERT_EQ(0, munmap(self->b, N * PG));
	self->a = NULL;
	self->b = NULL;
	EXPECT_EQ(1, vd_stat("frames_quarantined"));
	ASSERT_EQ(0, peer_stop(&self->peer));
	EXPECT_TRUE(in_the_end(nothing_left, 0));
	EXPECT_EQ(0, kpage_count(pfn));
	EXPECT_NE(0, kpage_flags(pfn) & 1ULL << KPF_HWPOISON_BIT);
}

TEST_F(scrub, intact)
{
	long long scrubbed = vd_stat("frames_scrubbed");
	struct vn_event event;

	for (int i = 0; i < 3; i++)
		ASSERT_TRUE(scrub_all());
	EXPECT_LE(scrubbed + 3 * N, vd_stat("frames_scrubbed"));
	EXPECT_LT(0, vd_stat("scrub_ns"));
	EXPECT_EQ(self->corrupt, vd_stat("frames_corrupt"));
	EXPECT_EQ(self->poisoned, vd_stat("frames_poisoned"));
	EXPECT_EQ(0, vd_stat("frames_quarantined"));
	EXPECT_EQ(-ETIMEDOUT, next_error(&self->nl, 0, &event));
	EXPECT_EQ(N, vd_stat("pages_shared"));
	EXPECT_EQ(0, wrong_pages(self));
}

TEST_F(scrub, off)
{
	long long scrubbed;

	ASSERT_TRUE(scrub_all());
	ASSERT_EQ(0, vd_set("scrub_secs", 0));
	sleep(1);
	scrubbed = vd_stat("frames_scrubbed");
	/* For two rounds and more. */
	sleep(3);
	EXPECT_EQ(scrubbed, vd_stat("frames_scrubbed"));
}

TEST_F(scrub, values)
{
	EXPECT_EQ(0, vd_set("scrub_secs", 604800));
	EXPECT_EQ(-EINVAL, vd_set("scrub_secs", 604801));
	EXPECT_EQ(-EINVAL, vd_set("scrub_secs", -1));
	EXPECT_EQ(-EINVAL, vd_set_text("scrub_secs", "daily"));
	EXPECT_EQ(604800, vd_get("scrub_secs"));
}

/* One bit is put right. */
TEST_F(scrub, flip)
{
	uint64_t pfn = pm_pfn(self->a + BAD * PG);

	NEEDS_FLIP();
	ASSERT_NE(0, pfn);
	ASSERT_EQ(0, flip(pfn, BIT));
	ASSERT_EQ(3, wrong_pages(self));
	ASSERT_TRUE(scrub_all());

	expect_named(_metadata, self, VMDEDUP_EVENT_FRAME_CORRUPT, pfn, true);
	EXPECT_EQ(self->corrupt + 1, vd_stat("frames_corrupt"));
	EXPECT_EQ(self->repaired + 1, vd_stat("frames_repaired"));
	EXPECT_EQ(1, vd_stat("frames_quarantined"));
	EXPECT_EQ(0, wrong_pages(self));
	/* It was bad once. */
	expect_new_frame(_metadata, self, pfn);
	expect_retired(_metadata, self, pfn);
}

TEST_F(scrub, two_flips)
{
	long long sharing = vd_stat("pages_sharing");
	uint64_t pfn = pm_pfn(self->a + BAD * PG);
	char want[PG];

	NEEDS_FLIP();
	ASSERT_NE(0, pfn);
	ASSERT_EQ(0, spoil(pfn));
	ASSERT_EQ(3, wrong_pages(self));
	ASSERT_TRUE(scrub_all());

	expect_named(_metadata, self, VMDEDUP_EVENT_FRAME_CORRUPT, pfn, false);
	EXPECT_EQ(self->corrupt + 1, vd_stat("frames_corrupt"));
	EXPECT_EQ(self->repaired, vd_stat("frames_repaired"));
	EXPECT_EQ(self->poisoned, vd_stat("frames_poisoned"));
	EXPECT_EQ(1, vd_stat("frames_quarantined"));
	/* It is still shared by those who did, as it is. */
	EXPECT_EQ(N, vd_stat("pages_shared"));
	EXPECT_EQ(sharing, vd_stat("pages_sharing"));
	EXPECT_EQ(3, wrong_pages(self));
	pg_fill(want, SEED + BAD);
	want[BIT / 8] ^= 1 << BIT % 8;
	want[BIT2 / 8] ^= 1 << BIT2 % 8;
	EXPECT_EQ(0, memcmp(want, self->a + BAD * PG, PG));

	expect_new_frame(_metadata, self, pfn);
	/* Once is enough. */
	ASSERT_TRUE(scrub_all());
	EXPECT_EQ(self->corrupt + 1, vd_stat("frames_corrupt"));
	expect_retired(_metadata, self, pfn);
}

/* Whoever writes has a copy of its own, and the others still share. */
TEST_F(scrub, flip_then_write)
{
	uint64_t pfn = pm_pfn(self->a + BAD * PG);

	NEEDS_FLIP();
	ASSERT_EQ(0, spoil(pfn));
	ASSERT_TRUE(scrub_all());
	ASSERT_TRUE(vd_stat_rises("frames_corrupt", self->corrupt, 1));
	pg_fill(self->a + BAD * PG, SEED + BAD);
	EXPECT_NE(pfn, pm_pfn(self->a + BAD * PG));
	EXPECT_EQ(pfn, pm_pfn(self->b + BAD * PG));
	EXPECT_EQ(2, wrong_pages(self));
	/* Undoing the merge copies what is there. */
	ASSERT_EQ(0, vd_unregister(self->fd, self->b_id,
				   VMDEDUP_UNREGISTER_UNMERGE, NULL));
	EXPECT_NE(pfn, pm_pfn(self->b + BAD * PG));
	EXPECT_EQ(2, wrong_pages(self));
}

/* A frame that nobody who is registered maps is told of, too. */
TEST_F(scrub, flip_of_strangers)
{
	uint64_t pfn = pm_pfn(self->a + BAD * PG);
	struct vn_event event;

	NEEDS_FLIP();
	vd_forget_all(self->fd);
	ASSERT_EQ(0, flip(pfn, BIT));
	ASSERT_TRUE(scrub_all());
	ASSERT_EQ(0, next_error(&self->nl, PATIENCE, &event));
	EXPECT_EQ(VMDEDUP_EVENT_FRAME_CORRUPT, event.type);
	EXPECT_EQ(pfn, event.pfn);
	EXPECT_EQ(3, event.mappings);
	EXPECT_EQ(0, event.region);
	EXPECT_EQ(0, event.guest);
	expect_retired(_metadata, self, pfn);
}

TEST_F(scrub, many_flips)
{
	unsigned int told[MANY] = {};
	uint64_t pfn[MANY];
	struct vn_event event;
	int events = 0;

	NEEDS_FLIP();
	ASSERT_EQ(0, pm_pfns(0, self->a, MANY, pfn));
	for (unsigned int i = 0; i < MANY; i++)
		ASSERT_EQ(0, i % 2 ? spoil(pfn[i]) : flip(pfn[i], i * 797));
	ASSERT_TRUE(scrub_all());
	while (events < 3 * MANY && !next_error(&self->nl, PATIENCE, &event)) {
		for (unsigned int i = 0; i < MANY; i++)
			told[i] += pfn[i] == event.pfn;
		events++;
	}
	for (unsigned int i = 0; i < MANY; i++)
		EXPECT_EQ(3, told[i]);
	EXPECT_EQ(-ETIMEDOUT, next_error(&self->nl, 1000, &event));
	EXPECT_EQ(self->corrupt + MANY, vd_stat("frames_corrupt"));
	EXPECT_EQ(MANY, vd_stat("frames_quarantined"));
	EXPECT_EQ(N, vd_stat("pages_shared"));
	EXPECT_EQ(self->repaired + MANY / 2, vd_stat("frames_repaired"));
	EXPECT_EQ(3 * MANY / 2, wrong_pages(self));
}

TEST_F(scrub, flip_refused)
{
	NEEDS_FLIP();
	EXPECT_EQ(-ENOENT, flip(~0ULL >> 1, 0));
	EXPECT_EQ(-EINVAL, flip(pm_pfn(self->a), 8 * PG));
	EXPECT_EQ(-EINVAL, write_text(FLIP, "1"));
	EXPECT_EQ(-EINVAL, write_text(FLIP, "x 1"));
	EXPECT_EQ(0, wrong_pages(self));
}

/* Map and merge pages, undo it in one of many ways, exit; forever. */
static void churn(unsigned int who)
{
	int fd = vd_open();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int round = 0; fd >= 0; round++) {
		uint64_t seed = SEED + round % 3 * N, id;
		char *p = pg_map(N);
		pid_t child;

		if (!p)
			continue;
		pg_fill_range(p, N, seed);
		vd_register(fd, p, N * PG, &id);
		vd_merge(fd, id, NULL);
		switch ((round + who) % 4) {
		case 0:
			pg_fill_range(p, N / 2, seed + 1);
			pg_fill_range(p, N / 2, seed);
			break;
		case 1:
			vd_unregister(fd, id, VMDEDUP_UNREGISTER_UNMERGE, NULL);
			break;
		case 2:
			child = fork();
			if (!child)
				_exit(0);
			waitpid(child, NULL, 0);
			break;
		default:
			madvise(p, N * PG / 2, MADV_DONTNEED);
			pg_fill_range(p, N / 2, seed);
			break;
		}
		if (pg_wrong(p, N, seed))
			_exit(1);
		vd_unregister(fd, id, 0, NULL);
		munmap(p, N * PG);
	}
	_exit(2);
}

/* Nothing that goes on around it makes an intact frame look bad. */
TEST_F(scrub, in_commotion)
{
	pid_t pid[3];
	int status;

	for (unsigned int i = 0; i < 3; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i])
			churn(i);
	}
	ASSERT_EQ(0, vd_set("run", 1));
	for (int i = 0; i < 8; i++) {
		unsigned int who = i % 3;

		ASSERT_TRUE(scrub_all());
		/* Exits with all that is merged. */
		kill(pid[who], SIGKILL);
		ASSERT_EQ(pid[who], waitpid(pid[who], &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
		pid[who] = fork();
		ASSERT_LE(0, pid[who]);
		if (!pid[who])
			churn(who);
	}
	for (unsigned int i = 0; i < 3; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], &status, 0);
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	EXPECT_EQ(self->corrupt, vd_stat("frames_corrupt"));
	EXPECT_EQ(self->poisoned, vd_stat("frames_poisoned"));
	EXPECT_EQ(0, wrong_pages(self));
}

/* Flips while others share the frames, and come and go. */
TEST_F(scrub, flips_in_commotion)
{
	uint64_t state = 1, pfn[N];
	long long flips = 0;
	pid_t pid[2];

	NEEDS_FLIP();
	for (unsigned int i = 0; i < 2; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i])
			churn(i);
	}
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_EQ(0, vd_set("scrub_secs", 1));
	ASSERT_EQ(0, pm_pfns(0, self->a, N, pfn));
	for (size_t i = 0; i < N; i += 16)
		flips += !flip(pfn[i], rnd(&state) % (8 * PG));
	for (size_t i = 8; i < N; i += 16)
		flips += !spoil(pfn[i]);
	EXPECT_EQ(N / 8, flips);
	EXPECT_TRUE(vd_stat_rises("frames_corrupt", self->corrupt, flips));
	ASSERT_TRUE(scrub_all());
	/* These may have met a bad page, and said so. */
	for (unsigned int i = 0; i < 2; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	EXPECT_EQ(self->corrupt + flips, vd_stat("frames_corrupt"));
	EXPECT_EQ(self->repaired + flips / 2, vd_stat("frames_repaired"));
	for (size_t i = 0; i < N; i++)
		EXPECT_EQ(i % 16 != 8, pg_is(self->a + i * PG, SEED + i));
}

static sigjmp_buf bus_jump;
static void *volatile bus_addr;
static volatile int bus_code;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	bus_addr = info->si_addr;
	bus_code = info->si_code;
	siglongjmp(bus_jump, 1);
}

static uint64_t do_poison(uint64_t addr, uint64_t b, uint64_t c)
{
	struct sigaction act = {
		.sa_sigaction = on_bus,
		.sa_flags = SA_SIGINFO,
	};

	(void)b;
	(void)c;
	sigaction(SIGBUS, &act, NULL);
	if (sigsetjmp(bus_jump, 1))
		return bus_addr == (void *)addr && bus_code == BUS_MCEERR_AR ?
		       SIGBUS : SIGSEGV;
	return madvise((void *)addr, PG, MADV_HWPOISON) ? errno + 1000 : 0;
}

#define NEEDS_POISON() do {						\
	if (madvise(NULL, 0, MADV_HWPOISON))				\
		SKIP(return, "no MADV_HWPOISON");			\
} while (0)

TEST_F(scrub, poisoned)
{
	uint64_t pfn = pm_pfn(self->a + BAD * PG);
	uint64_t unmerged;

	NEEDS_POISON();
	ASSERT_NE(0, pfn);
	/* All that the kernel can do with such a page is to mark it. */
	EXPECT_EQ(EBUSY + 1000, peer_call(&self->peer, do_poison,
					  self->peer_mem + BAD * PG, 0, 0));
	EXPECT_NE(0, kpage_flags(pfn) & 1ULL << KPF_HWPOISON_BIT);

	ASSERT_TRUE(scrub_all());
	expect_named(_metadata, self, VMDEDUP_EVENT_FRAME_POISONED, pfn, false);
	EXPECT_EQ(self->poisoned + 1, vd_stat("frames_poisoned"));
	EXPECT_EQ(self->corrupt, vd_stat("frames_corrupt"));
	EXPECT_EQ(N, vd_stat("pages_shared"));
	/* Nobody was killed, and those who do not touch it never are. */
	EXPECT_EQ(0, wrong_pages(self));
	/* When the processor says that it was read: as of any poisoned page. */
	EXPECT_EQ(SIGBUS, peer_call(&self->peer, do_poison,
				    self->peer_mem + BAD * PG, 0, 0));
	expect_new_frame(_metadata, self, pfn);

	/* It is not copied, either. */
	ASSERT_EQ(0, vd_unregister(self->fd, self->a_id,
				   VMDEDUP_UNREGISTER_UNMERGE, &unmerged));
	EXPECT_EQ(N - 1, unmerged);
	EXPECT_EQ(pfn, pm_pfn(self->a + BAD * PG));
	expect_retired(_metadata, self, pfn);
}

/* Noticed without the scrubber, by who counts mappings. */
TEST_F(scrub, poisoned_unscrubbed)
{
	uint64_t pfn = pm_pfn(self->a + BAD * PG);

	NEEDS_POISON();
	EXPECT_EQ(EBUSY + 1000, peer_call(&self->peer, do_poison,
					  self->peer_mem + BAD * PG, 0, 0));
	EXPECT_EQ(N, vd_stat("pages_shared"));
	expect_named(_metadata, self, VMDEDUP_EVENT_FRAME_POISONED, pfn, false);
	expect_new_frame(_metadata, self, pfn);
	expect_retired(_metadata, self, pfn);
}

/* A page of a guest that is poisoned before it is merged never is. */
TEST_F(scrub, poisoned_private)
{
	uint64_t mem = peer_call(&self->peer, do_map, 3, 0, 0);
	long long skipped = vd_stat("skip_poisoned");
	uint64_t entry[3], own[3];
	struct vmdedup_merge m;
	char *c = pg_map(3);

	NEEDS_POISON();
	ASSERT_NE(0, mem);
	ASSERT_NE(NULL, c);
	pg_fill_range(c, 3, 0xbad);
	peer_call(&self->peer, do_fill, mem, 3, 0xbad);
	/* The page was dirty: whoever has it is told. */
	EXPECT_EQ(SIGBUS, peer_call(&self->peer, do_poison, mem + PG, 0, 0));
	ASSERT_EQ(0, vd_register(self->fd, c, 3 * PG, NULL));
	ASSERT_NE(0, peer_call(&self->peer, do_register, mem, 3, 0));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(4, m.merged);
	EXPECT_LT(skipped, vd_stat("skip_poisoned"));
	ASSERT_EQ(0, pm_pfns(self->peer.pid, (void *)mem, 3, entry));
	ASSERT_EQ(0, pm_pfns(0, c, 3, own));
	EXPECT_EQ(own[0], entry[0]);
	EXPECT_NE(own[1], entry[1]);
	EXPECT_EQ(own[2], entry[2]);
	EXPECT_EQ(0, pg_wrong(c, 3, 0xbad));
	munmap(c, 3 * PG);
}

/* A frame stays where it is when asked to leave a page that may go bad. */
TEST_F(scrub, soft_offline)
{
	uint64_t pfn = pm_pfn(self->a + BAD * PG);

	EXPECT_EQ(-1, madvise(self->a + BAD * PG, PG, MADV_SOFT_OFFLINE));
	EXPECT_EQ(pfn, pm_pfn(self->a + BAD * PG));
	EXPECT_EQ(0, kpage_flags(pfn) & 1ULL << KPF_HWPOISON_BIT);
	ASSERT_TRUE(scrub_all());
	EXPECT_EQ(self->poisoned, vd_stat("frames_poisoned"));
	EXPECT_EQ(0, wrong_pages(self));
}

/* The module leaves while bad frames are mapped, and comes back. */
TEST(unload_with_bad_frames)
{
	uint64_t corrupt_pfn, poison_pfn, id, unmerged;
	struct vmdedup_merge m;
	long long mapped;
	int fd, module;
	char *a, *b;

	NEEDS_FLIP();
	NEEDS_POISON();
	if (!getenv("VMDEDUP_MODULE"))
		SKIP(return, "VMDEDUP_MODULE does not say where the module is");
	module = module_open();
	ASSERT_LE(0, module);
	VD_SETUP(fd);
	mapped = vmstat("nr_mapped");
	ASSERT_EQ(0, pg_map_pair(N, SEED, &a, &b));
	ASSERT_EQ(0, vd_register(fd, a, N * PG, NULL));
	ASSERT_EQ(0, vd_register(fd, b, N * PG, NULL));
	ASSERT_EQ(0, vd_merge(fd, 0, &m));
	ASSERT_EQ(2 * N, m.merged);
	corrupt_pfn = pm_pfn(a);
	poison_pfn = pm_pfn(a + PG);
	ASSERT_EQ(0, spoil(corrupt_pfn));
	EXPECT_NE(0, madvise(a + PG, PG, MADV_HWPOISON));
	ASSERT_TRUE(scrub_all());
	EXPECT_EQ(2, vd_stat("frames_quarantined"));
	vd_end(fd);
	ASSERT_EQ(0, module_unload());

	/* The kernel knows by now, and who maps them goes on. */
	EXPECT_NE(0, kpage_flags(corrupt_pfn) & 1ULL << KPF_HWPOISON_BIT);
	EXPECT_EQ(corrupt_pfn, pm_pfn(a));
	EXPECT_EQ(poison_pfn, pm_pfn(b + PG));
	EXPECT_EQ(1, pg_wrong(a, N, SEED));
	EXPECT_EQ(1, pg_wrong(b, N, SEED));

	/* What was left behind is not merged, and not copied if it is bad. */
	ASSERT_EQ(0, module_load(module));
	close(module);
	VD_SETUP(fd);
	ASSERT_EQ(0, vd_register(fd, a, N * PG, &id));
	ASSERT_EQ(0, vd_merge(fd, 0, &m));
	EXPECT_EQ(0, m.merged);
	EXPECT_EQ(2, vd_stat("skip_poisoned"));
	ASSERT_EQ(0, vd_unregister(fd, id, VMDEDUP_UNREGISTER_UNMERGE, &unmerged));
	EXPECT_EQ(N - 2, unmerged);
	EXPECT_EQ(corrupt_pfn, pm_pfn(a));
	EXPECT_EQ(poison_pfn, pm_pfn(a + PG));
	EXPECT_EQ(1, pg_wrong(a, N, SEED));
	munmap(a, N * PG);
	munmap(b, N * PG);
	EXPECT_NE(0, kpage_flags(corrupt_pfn) & 1ULL << KPF_HWPOISON_BIT);
	EXPECT_NE(0, kpage_flags(poison_pfn) & 1ULL << KPF_HWPOISON_BIT);
	EXPECT_EQ(0, vd_stat("pages_shared"));
	EXPECT_GT(mapped + N / 2, vmstat("nr_mapped"));
	vd_end(fd);
}

TEST_HARNESS_MAIN
