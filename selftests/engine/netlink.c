// SPDX-License-Identifier: GPL-2.0
/* The netlink interface: what is asked for, what is told unasked, who may. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "kselftest_harness.h"
#include "nl.h"
#include "util.h"

#define N 512
#define MANY 1000
/* For what takes no time, on a machine that has none. */
#define SOON 60000

FIXTURE(netlink) {
	int fd;
	struct vn nl;
	char *mem;
	uint64_t id;
};

FIXTURE_SETUP(netlink)
{
	VD_SETUP(self->fd);
	ASSERT_EQ(0, vn_open(&self->nl));
	self->mem = pg_map(N);
	ASSERT_NE(NULL, self->mem);
	ASSERT_EQ(0, vd_register(self->fd, self->mem, N * PG, &self->id));
}

FIXTURE_TEARDOWN(netlink)
{
	vn_close(&self->nl);
	vd_end(self->fd);
}

TEST_F(netlink, stats_are_those_in_sysfs)
{
	struct vn_stats stats;

	pg_fill_range(self->mem, N / 2, 1);
	pg_fill_range(self->mem + N / 2 * PG, N / 4, 1);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, vn_stats(&self->nl, &stats));
	EXPECT_EQ(1, self->nl.messages);
#define SAME(name, kind, what) do {					\
	EXPECT_EQ(vd_stat(#name), (long long)stats.name);		\
	EXPECT_NE(0, stats.has & 1ULL << VMDEDUP_A_STATS_##name);	\
} while (0);
	VMDEDUP_STATS(SAME)
#undef SAME
#define SAME(NAME, name, text) \
	EXPECT_EQ(vd_stat("skip_" #name), \
		  (long long)stats.skipped[VMDEDUP_SKIP_##NAME]);
	VMDEDUP_SKIP_REASONS(SAME)
#undef SAME
	EXPECT_EQ(1, stats.guests);
	EXPECT_EQ(1, stats.regions);
	EXPECT_EQ(N / 4, stats.pages_shared);
	EXPECT_EQ(N / 4, stats.pages_sharing);
}

TEST_F(netlink, a_guest)
{
	struct vn_guest by_pid, by_id, all[16];
	char comm[32] = "";
	FILE *f = fopen("/proc/self/comm", "re");
	int nr;

	ASSERT_NE(NULL, f);
	ASSERT_EQ(1, fscanf(f, "%31s", comm));
	fclose(f);
	ASSERT_EQ(0, vn_guest(&self->nl, 0, getpid(), &by_pid));
	EXPECT_EQ(getpid(), (pid_t)by_pid.pid);
	EXPECT_STREQ(comm, by_pid.comm);
	EXPECT_EQ(0, by_pid.uid);
	EXPECT_EQ(0, by_pid.kvm);
	EXPECT_EQ(0, by_pid.excluded);
	EXPECT_EQ(1, by_pid.regions);
	EXPECT_EQ(N * PG, by_pid.bytes);
	ASSERT_NE(0, by_pid.id);
	EXPECT_NE(0, by_pid.has & 1ULL << VMDEDUP_A_GUEST_LEDGER);
	EXPECT_NE(0, by_pid.has & 1ULL << VMDEDUP_A_GUEST_DOMAIN);

	ASSERT_EQ(0, vn_guest(&self->nl, by_pid.id, 0, &by_id));
	EXPECT_EQ(by_pid.pid, by_id.pid);
	nr = vn_guests(&self->nl, all, 16);
	ASSERT_EQ(1, nr);
	EXPECT_EQ(by_pid.id, all[0].id);
	EXPECT_EQ(by_pid.domain, all[0].domain);

	/* Gone with its last region, and another one when it comes back. */
	ASSERT_EQ(0, vd_unregister(self->fd, self->id, 0, NULL));
	EXPECT_EQ(0, vn_guests(&self->nl, all, 16));
	EXPECT_EQ(-ENOENT, vn_guest(&self->nl, by_pid.id, 0, &by_id));
	ASSERT_EQ(0, vd_register(self->fd, self->mem, N * PG, &self->id));
	ASSERT_EQ(0, vn_guest(&self->nl, 0, getpid(), &by_id));
	EXPECT_LT(by_pid.id, by_id.id);
}

TEST_F(netlink, a_region)
{
	struct vn_region region, all[16];
	struct vn_guest guest;

	ASSERT_EQ(0, vn_region(&self->nl, self->id, &region));
	EXPECT_EQ(self->id, region.id);
	EXPECT_EQ((uintptr_t)self->mem, region.start);
	EXPECT_EQ(N * PG, region.length);
	EXPECT_EQ(getpid(), (pid_t)region.pid);
	EXPECT_EQ(0, region.flags);
	/* There is no guest-physical address of what was not discovered. */
	EXPECT_EQ(0, region.has & 1ULL << VMDEDUP_A_REGION_GPA);
	EXPECT_EQ(0, region.has & 1ULL << VMDEDUP_A_REGION_SLOT);
	ASSERT_EQ(0, vn_guest(&self->nl, region.guest, 0, &guest));
	EXPECT_EQ(getpid(), (pid_t)guest.pid);

	EXPECT_EQ(1, vn_regions(&self->nl, 0, all, 16));
	EXPECT_EQ(1, vn_regions(&self->nl, region.guest, all, 16));
	EXPECT_EQ(self->id, all[0].id);
}

TEST_F(netlink, what_is_not_there)
{
	struct vn_guest guest;
	struct vn_region region;
	pid_t child = fork();

	if (!child)
		_exit(0);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EQ(-ESRCH, vn_guest(&self->nl, 0, child, &guest));
	EXPECT_STRNE("", self->nl.text);
	EXPECT_EQ(-ESRCH, vn_guest(&self->nl, 0, -5, &guest));
	EXPECT_EQ(-ENOENT, vn_guest(&self->nl, 0, 1, &guest));
	EXPECT_STRNE("", self->nl.text);
	EXPECT_EQ(-ENOENT, vn_guest(&self->nl, 1ULL << 60, 0, &guest));
	EXPECT_STRNE("", self->nl.text);
	EXPECT_EQ(-ENOENT, vn_region(&self->nl, self->id + 1, &region));
	EXPECT_STRNE("", self->nl.text);
	EXPECT_EQ(-EINVAL, vn_region(&self->nl, 0, &region));
	EXPECT_STRNE("", self->nl.text);
	EXPECT_EQ(-ENOENT, vn_regions(&self->nl, 1ULL << 60, &region, 1));
	EXPECT_EQ(-ESRCH, vn_exclude(&self->nl, child, 1));
	EXPECT_STRNE("", self->nl.text);
}

TEST_F(netlink, exclude)
{
	struct vn_guest guest;

	EXPECT_EQ(0, vn_exclude(&self->nl, getpid(), 1));
	ASSERT_EQ(0, vn_guest(&self->nl, 0, getpid(), &guest));
	EXPECT_EQ(1, guest.excluded);
	EXPECT_EQ(0, vn_exclude(&self->nl, getpid(), 1));
	EXPECT_EQ(-ERANGE, vn_exclude(&self->nl, getpid(), 2));
	EXPECT_STRNE("", self->nl.text);
	EXPECT_EQ(0, vn_exclude(&self->nl, getpid(), 0));
	ASSERT_EQ(0, vn_guest(&self->nl, 0, getpid(), &guest));
	EXPECT_EQ(0, guest.excluded);
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Every other page is a region: they do not touch. */
static int register_many(int fd, char *mem, uint64_t *id)
{
	int err = 0;

	for (int i = 0; i < MANY && !err; i++)
		err = vd_register(fd, mem + 2UL * i * PG, PG, &id[i]);
	return err;
}

TEST_F(netlink, a_thousand_regions)
{
	struct vn_region *all = calloc(2 * MANY, sizeof(*all));
	uint64_t id[MANY];
	char *mem = pg_map(2 * MANY);
	struct vn_guest guest;
	double before, took = 0;

	ASSERT_NE(NULL, all);
	ASSERT_NE(NULL, mem);
	pg_fill_range(mem, 2 * MANY, 1);
	ASSERT_EQ(0, register_many(self->fd, mem, id));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	/* The first faults pages in. */
	for (int i = 0; i < 3; i++) {
		before = cpu_seconds();
		ASSERT_EQ(MANY + 1, vn_regions(&self->nl, 0, all, 2 * MANY));
		took = cpu_seconds() - before;
	}
	TH_LOG("%d regions: %.1f ms of CPU time, %s 50", MANY, took * 1e3,
	       took < 0.05 ? "less than" : "more than");
	EXPECT_FALSE(self->nl.interrupted);
	EXPECT_EQ(self->id, all[0].id);
	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(id[i], all[i + 1].id);
		ASSERT_EQ((uintptr_t)mem + 2UL * i * PG, all[i + 1].start);
		ASSERT_EQ(1, all[i + 1].ledger.resident);
		ASSERT_EQ(1, all[i + 1].ledger.unique);
	}
	ASSERT_EQ(0, vn_guest(&self->nl, 0, getpid(), &guest));
	EXPECT_EQ(MANY + 1, guest.regions);
	EXPECT_EQ((MANY + N) * PG, guest.bytes);
	free(all);
}

struct halfway {
	int fd;
	uint64_t *id;
	int nr;
	bool gone;
};

/* Some have come: remove one that has not. */
static void remove_one(const struct nlmsghdr *nlh, void *arg)
{
	struct halfway *half = arg;

	(void)nlh;
	half->nr++;
	if (half->gone)
		return;
	half->gone = true;
	vd_unregister(half->fd, half->id[MANY - 10], 0, NULL);
}

TEST_F(netlink, a_dump_tells_that_something_changed)
{
	struct halfway half = { .fd = self->fd };
	uint64_t id[MANY];
	char *mem = pg_map(2 * MANY);

	half.id = id;
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, register_many(self->fd, mem, id));
	ASSERT_EQ(0, vn_talk(&self->nl,
			     vn_request(&self->nl, VMDEDUP_CMD_GET_REGION,
					NLM_F_DUMP), remove_one, &half));
	EXPECT_TRUE(self->nl.interrupted);
	/* All but that one came, and each once. */
	EXPECT_EQ(MANY, half.nr);
	ASSERT_EQ(MANY, vn_regions(&self->nl, 0, NULL, 0));
	EXPECT_FALSE(self->nl.interrupted);
}

/* Multicast */

TEST_F(netlink, statistics_for_who_listens)
{
	struct vn_stats stats;
	struct vn other;

	ASSERT_EQ(0, vn_open(&other));
	ASSERT_EQ(0, vd_set("stats_interval_ms", 100));
	ASSERT_EQ(0, vn_listen(&other, VMDEDUP_MCGRP_STATS));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, vn_next_stats(&other, SOON, &stats));
		EXPECT_EQ(1, stats.regions);
	}
	/* An hour, but a change is heeded at once. */
	ASSERT_EQ(0, vd_set("stats_interval_ms", 3600000));
	while (!vn_next_stats(&other, 2000, &stats))
		;
	ASSERT_EQ(0, vd_set("stats_interval_ms", 100));
	ASSERT_EQ(0, vn_next_stats(&other, SOON, &stats));
	ASSERT_EQ(0, vn_leave(&other, VMDEDUP_MCGRP_STATS));
	while (!vn_next_stats(&other, 0, &stats))
		;
	EXPECT_EQ(-ETIMEDOUT, vn_next_stats(&other, 500, &stats));
	vn_close(&other);
}

TEST_F(netlink, events_of_guests_and_regions)
{
	struct vn_event event;
	struct vn_guest guest;
	struct vn other;
	struct peer peer;
	uint64_t addr, id, first;

	ASSERT_EQ(0, peer_start(&peer));
	ASSERT_EQ(0, vn_open(&other));
	ASSERT_EQ(0, vn_listen(&other, VMDEDUP_MCGRP_EVENTS));
	addr = peer_call(&peer, do_map, 8, 0, 0);
	id = peer_call(&peer, do_register, addr, 8, 0);
	ASSERT_NE(0, id);
	ASSERT_EQ(0, vn_guest(&self->nl, 0, peer.pid, &guest));

	/* In this order, and nothing else. */
	ASSERT_EQ(0, vn_next_event(&other, SOON, &event));
	EXPECT_EQ(VMDEDUP_EVENT_GUEST_APPEARED, event.type);
	EXPECT_EQ(guest.id, event.guest);
	EXPECT_EQ(peer.pid, (pid_t)event.pid);
	EXPECT_STREQ(guest.comm, event.comm);
	EXPECT_EQ(0, event.kvm);
	EXPECT_NE(0, event.time);
	first = event.time;
	EXPECT_EQ(0, event.has & 1ULL << VMDEDUP_A_EVENT_REGION_ID);
	ASSERT_EQ(0, vn_next_event(&other, SOON, &event));
	EXPECT_EQ(VMDEDUP_EVENT_REGION_REGISTERED, event.type);
	EXPECT_EQ(guest.id, event.guest);
	EXPECT_EQ(id, event.region);
	EXPECT_EQ(addr, event.start);
	EXPECT_EQ(8 * PG, event.length);
	EXPECT_LE(first, event.time);

	/* Registering it once more is nothing new. */
	EXPECT_EQ(id, peer_call(&peer, do_register, addr, 8, 0));
	EXPECT_EQ(-ETIMEDOUT, vn_next_event(&other, 300, &event));

	peer_kill(&peer);
	ASSERT_EQ(0, vn_next_event(&other, SOON, &event));
	EXPECT_EQ(VMDEDUP_EVENT_REGION_GONE, event.type);
	EXPECT_EQ(id, event.region);
	EXPECT_EQ(guest.id, event.guest);
	ASSERT_EQ(0, vn_next_event(&other, SOON, &event));
	EXPECT_EQ(VMDEDUP_EVENT_GUEST_LEFT, event.type);
	EXPECT_EQ(guest.id, event.guest);
	EXPECT_STREQ(guest.comm, event.comm);
	vn_close(&other);
}

TEST_F(netlink, event_of_a_pass)
{
	long long scans = vd_stat("full_scans");
	struct vn_event event;
	struct vn other;

	pg_fill_range(self->mem, N / 2, 1);
	pg_fill_range(self->mem + N / 2 * PG, N / 2, 1);
	ASSERT_EQ(0, vn_open(&other));
	ASSERT_EQ(0, vn_listen(&other, VMDEDUP_MCGRP_EVENTS));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_EQ(0, vn_wait_event(&other, SOON, VMDEDUP_EVENT_PASS_FINISHED, 0,
				   &event));
	EXPECT_LT(scans, vd_stat("full_scans"));
	EXPECT_EQ(N, event.scanned);
	EXPECT_EQ(0, event.broken);
	/*
	 * At the second look it is known that there are two of each; of most. But
	 * once in 64 passes all is forgotten, which may be between these two.
	 */
	for (int look = 2; look <= 3; look++) {
		ASSERT_EQ(0, vn_wait_event(&other, SOON,
					   VMDEDUP_EVENT_PASS_FINISHED, 0,
					   &event));
		if (event.merged)
			break;
	}
	ASSERT_EQ(0, vd_set("run", 0));
	EXPECT_LE(N - N / 16, event.merged);
	EXPECT_GE(N, event.merged);
	EXPECT_LT(0, event.took_ns);
	EXPECT_EQ(0, event.has & 1ULL << VMDEDUP_A_EVENT_GUEST_ID);
	vn_close(&other);
}

TEST_F(netlink, event_of_a_storm)
{
	struct vn_event event;
	struct vn_guest guest;
	struct vn other;

	pg_fill_range(self->mem, N, 1);
	for (int i = 0; i < N; i++)
		pg_fill(self->mem + i * PG, 1 + i / 2);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, vn_guest(&self->nl, 0, getpid(), &guest));
	ASSERT_EQ(N, guest.ledger.merged);
	ASSERT_EQ(0, vn_open(&other));
	ASSERT_EQ(0, vn_listen(&other, VMDEDUP_MCGRP_EVENTS));
	/* A few are none. */
	pg_fill_range(self->mem, 10, 5000);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(-ETIMEDOUT, vn_wait_event(&other, 300,
					    VMDEDUP_EVENT_COW_STORM, 0, &event));
	pg_fill_range(self->mem + 10 * PG, 300, 6000);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, vn_wait_event(&other, SOON, VMDEDUP_EVENT_COW_STORM, 0,
				   &event));
	EXPECT_EQ(guest.id, event.guest);
	EXPECT_EQ(300, event.broken);
	EXPECT_EQ(N - 10, event.merged);
	vn_close(&other);
}

/*
 * More zero pages than there is memory: were all of them written to, it would
 * not suffice.
 */
TEST_F(netlink, event_of_low_memory)
{
	long long total = sysconf(_SC_PHYS_PAGES) * (long long)PG;
	size_t pages;
	struct vn_event event;
	struct vn other;
	char *mem;

	if (total <= 0 || total > 16LL << 30)
		SKIP(return, "too much memory to exceed it");
	pages = total / PG + 1024;
	mem = pg_map(pages);
	ASSERT_NE(NULL, mem);
	ASSERT_EQ(0, vn_open(&other));
	ASSERT_EQ(0, vn_listen(&other, VMDEDUP_MCGRP_EVENTS));
	pg_read(mem, pages);
	ASSERT_EQ(0, vd_register(self->fd, mem, pages * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, vn_wait_event(&other, SOON, VMDEDUP_EVENT_RESERVE_LOW, 0,
				   &event));
	EXPECT_GT((uint64_t)total, event.available);
	EXPECT_LT(0, event.available);
	/* Once is enough. */
	EXPECT_EQ(-ETIMEDOUT, vn_wait_event(&other, 3000,
					    VMDEDUP_EVENT_RESERVE_LOW, 0, &event));
	vn_close(&other);
}

TEST_HARNESS_MAIN
