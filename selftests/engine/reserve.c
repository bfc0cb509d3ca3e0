// SPDX-License-Identifier: GPL-2.0
/*
 * The reserve: memory held back for when guests write to all that is merged.
 */
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "nl.h"
#include "util.h"

#define MIB_PAGES	((1UL << 20) / PG)
/* What holding back MiB takes besides them, or others take meanwhile, in KiB. */
#define SLACK_KB	(32 << 10)
#define SEED		0x5e5e
/* Long enough for any machine; an event that does not come takes as long. */
#define SOON		120000
#define HUGE_PAGES	"/proc/sys/vm/nr_hugepages"

FIXTURE(reserve) {
	int fd;
	struct vn nl;
	long long drained;
	long long huge;		/* in the kernel's pool of huge pages */
};

static int set_huge_pages(long long nr)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", nr);
	return write_text(HUGE_PAGES, text);
}

static bool pages_are(long long pages)
{
	return vd_stat("reserve_pages") == pages;
}

FIXTURE_SETUP(reserve)
{
	VD_SETUP(self->fd);
	ASSERT_EQ(0, vn_open(&self->nl));
	ASSERT_TRUE(in_the_end(pages_are, 0));
	self->huge = read_number(HUGE_PAGES);
	self->drained = vd_stat("reserve_drained");
	ASSERT_LE(0, self->drained);
}

FIXTURE_TEARDOWN(reserve)
{
	if (self->huge >= 0)
		set_huge_pages(self->huge);
	vn_close(&self->nl);
	vd_end(self->fd);
	EXPECT_TRUE(in_the_end(pages_are, 0));
	EXPECT_EQ(0, vd_stat("reserve_target"));
}

TEST_F(reserve, values)
{
	static const struct {
		const char *name;
		long long hi;
	} t[] = {
		{ "reserve_mib", 2147483647 },
		{ "reserve_percent", 100 },
	};
	static const char * const bad[] = {
		"\n", "x", "-1", "1x", "1 2", "1.5", "4294967296", "1M",
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		EXPECT_EQ(0, vd_get(t[i].name));
		EXPECT_EQ(-EINVAL, vd_set(t[i].name, t[i].hi + 1));
		for (size_t k = 0; k < ARRAY_SIZE(bad); k++) {
			EXPECT_EQ(-EINVAL, vd_set_text(t[i].name, bad[k])) {
				TH_LOG("%s '%s'", t[i].name, bad[k]);
			}
		}
		EXPECT_EQ(0, vd_get(t[i].name));
	}
	/* Nothing is saved, so any part of it is nothing. */
	EXPECT_EQ(0, vd_set("reserve_percent", 100));
	EXPECT_EQ(0, vd_stat("reserve_target"));
	/* More than there is: all. */
	EXPECT_EQ(0, vd_set("reserve_mib", t[0].hi));
	EXPECT_LT(0, vd_stat("reserve_target"));
	EXPECT_GE(meminfo_kb("MemTotal"), vd_stat("reserve_target") * 4);
}

/* It is filled, and what is too much is given back. */
TEST_F(reserve, follows_the_tunable)
{
	const long long mib = 512;
	long long free0 = meminfo_kb("MemFree"), available0 = meminfo_kb("MemAvailable");

	if (available0 < 4 * mib << 10)
		SKIP(return, "too little memory");
	ASSERT_EQ(0, vd_set("reserve_mib", mib));
	EXPECT_EQ(mib * (long long)MIB_PAGES, vd_stat("reserve_target"));
	ASSERT_TRUE(in_the_end(pages_are, mib * MIB_PAGES));
	/* Others do not see it as free. */
	EXPECT_GT(free0 - (mib << 10) + SLACK_KB, meminfo_kb("MemFree"));
	EXPECT_GT(available0 - (mib << 10) + SLACK_KB, meminfo_kb("MemAvailable"));

	ASSERT_EQ(0, vd_set("reserve_mib", mib / 16));
	ASSERT_TRUE(in_the_end(pages_are, mib / 16 * MIB_PAGES));
	ASSERT_EQ(0, vd_set("reserve_mib", 0));
	ASSERT_TRUE(in_the_end(pages_are, 0));
	/* CPUs keep what they free to themselves for a while, up to some limit. */
	EXPECT_LT(free0 - (mib << 9), meminfo_kb("MemFree"));
	/* Nobody needed any of it. */
	EXPECT_EQ(self->drained, vd_stat("reserve_drained"));
}

static bool target_is(long long pages)
{
	return vd_stat("reserve_target") == pages;
}

TEST_F(reserve, follows_what_is_saved)
{
	const size_t pages = 4096;
	uint64_t id;
	char *mem;

	mem = pg_map(pages);
	ASSERT_NE(NULL, mem);
	/* Mapped to the zero page: what all of it would take is saved. */
	pg_read(mem, pages);
	ASSERT_EQ(0, vd_register(self->fd, mem, pages * PG, &id));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ((long long)(pages * PG), vd_stat("saved_bytes"));
	ASSERT_EQ(0, vd_set("reserve_percent", 25));
	EXPECT_TRUE(in_the_end(target_is, pages / 4));
	EXPECT_TRUE(in_the_end(pages_are, pages / 4));
	/* The larger of both. */
	ASSERT_EQ(0, vd_set("reserve_mib", 1));
	EXPECT_EQ((long long)pages / 4, vd_stat("reserve_target"));
	ASSERT_EQ(0, vd_set("reserve_mib", 8));
	EXPECT_EQ((long long)(8 * MIB_PAGES), vd_stat("reserve_target"));
	ASSERT_EQ(0, vd_set("reserve_mib", 0));
	EXPECT_EQ((long long)pages / 4, vd_stat("reserve_target"));
	/* Nothing is saved any more. */
	ASSERT_EQ(0, vd_unregister(self->fd, id, 0, NULL));
	munmap(mem, (pages + 1) * PG);
	EXPECT_TRUE(in_the_end(pages_are, 0));
}

#define GUESTS 8

/*
 * Have the kernel set memory aside until some more than so much is available: in
 * huge pages, which need not be cleared. Where there are none others take it all.
 */
static void set_aside(FIXTURE_DATA(reserve) *self, long long leave_kb)
{
	long long much = meminfo_kb("MemAvailable") - leave_kb - (256 << 10);

	if (self->huge >= 0 && much > 0)
		set_huge_pages(self->huge + (much << 10) / (long long)HPAGE);
}

/*
 * Take memory until no more than so much is available; no huge pages, for which
 * the kernel would have to tidy up. Returns how many KiB, or 0.
 */
static uint64_t do_hog(uint64_t leave_kb, uint64_t b, uint64_t c)
{
	const size_t step = 1024;
	long long total = meminfo_kb("MemTotal"), taken = 0;

	(void)b;
	(void)c;
	while (meminfo_kb("MemAvailable") > (long long)leave_kb) {
		char *p = taken < total ? pg_map(step) : NULL;

		if (!p)
			return 0;
		for (size_t i = 0; i < step; i++)
			p[i * PG] = 1;
		taken += step * PG / 1024;
	}
	return taken;
}

#define SAY(what)							\
	TH_LOG("%s: %lld MiB available, reserve %lld pages, drained %lld", \
	       what, meminfo_kb("MemAvailable") >> 10,			\
	       vd_stat("reserve_pages"), vd_stat("reserve_drained"))

/*
 * Guests whose merged memory would not fit if it was not merged; a host on which
 * all that is available is given to others; and all guests write everything at
 * once. What is needed is there, because it was held back.
 */
TEST_F(reserve, everybody_writes_everything)
{
	const long long more = 384 << 10;
	/* In KiB: what the others leave, and what the copies take. */
	long long total = meminfo_kb("MemTotal"), left = total / 24;
	long long need = left + more, target;
	/* It is asked for when 1/64 is left, and for up to another 1/64. */
	long long mib = (more + total / 32 + (32 << 10)) >> 10;
	size_t pages = (size_t)need * 1024 / PG / GUESTS;
	struct vn_event event = { .reserve = ~0ULL };
	struct peer guest[GUESTS], hog;
	struct vmdedup_merge m;
	uint64_t addr[GUESTS];

	if (meminfo_kb("MemAvailable") < 3 * need)
		SKIP(return, "too little memory");
	ASSERT_EQ(0, peer_start(&hog));
	for (int i = 0; i < GUESTS; i++) {
		ASSERT_EQ(0, peer_start(&guest[i]));
		addr[i] = peer_call(&guest[i], do_map, pages, 0, 0);
		ASSERT_NE(0, addr[i]);
		/* One after the other, so that it fits. */
		peer_call(&guest[i], do_fill, addr[i], pages, SEED);
		ASSERT_NE(0, peer_call(&guest[i], do_register, addr[i], pages, 0));
		ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	}
	ASSERT_LE((long long)(pages * (GUESTS - 1)), vd_stat("pages_sharing"));

	SAY("merged");
	ASSERT_EQ(0, vd_set("reserve_mib", mib));
	target = vd_stat("reserve_target");
	ASSERT_TRUE(in_the_end(pages_are, target));
	SAY("reserve filled");
	set_aside(self, left);
	SAY("some set aside");
	ASSERT_NE(0, peer_call(&hog, do_hog, left, 0, 0));
	SAY("host filled");
	/* It would not fit, and nothing was taken of the reserve yet. */
	ASSERT_GT(need, meminfo_kb("MemAvailable") + meminfo_kb("SwapFree"));
	ASSERT_EQ(target, vd_stat("reserve_pages"));
	ASSERT_EQ(self->drained, vd_stat("reserve_drained"));
	ASSERT_EQ(0, vn_listen(&self->nl, VMDEDUP_MCGRP_EVENTS));

	for (int i = 0; i < GUESTS; i++)
		ASSERT_EQ(0, peer_send(&guest[i], do_fill, addr[i], pages,
				       SEED * (i + 2)));
	for (int i = 0; i < GUESTS; i++) {
		EXPECT_EQ(0, peer_wait(&guest[i])) {
			TH_LOG("guest %d died", i);
		}
	}
	SAY("all written");
	EXPECT_LT(self->drained, vd_stat("reserve_drained"));
	/* Less than half of it is left, and that was told. */
	EXPECT_GT(target / 2, vd_stat("reserve_pages"));
	while (event.reserve >= (uint64_t)target / 2 * PG)
		ASSERT_EQ(0, vn_wait_event(&self->nl, SOON,
					   VMDEDUP_EVENT_RESERVE_LOW, 0, &event));

	/* Nobody died, and nobody has anything but what they wrote. */
	for (int i = 0; i < GUESTS; i++)
		EXPECT_EQ(0, peer_call(&guest[i], do_wrong, addr[i], pages,
				       SEED * (i + 2)));
	EXPECT_EQ(0, peer_stop(&hog));
	set_huge_pages(self->huge);
	for (int i = 0; i < GUESTS; i++)
		EXPECT_EQ(0, peer_stop(&guest[i]));
	/* When that is over, it is filled again. */
	EXPECT_TRUE(in_the_end(pages_are, target));
}

TEST_HARNESS_MAIN
