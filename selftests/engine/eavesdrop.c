// SPDX-License-Identifier: GPL-2.0
/*
 * Who joined the multicast groups before they were anybody's, and so was asked for
 * no privilege, gets no events. VMDEDUP_MODULE in the environment is the module.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "kselftest_harness.h"
#include "nl.h"
#include "reload.h"
#include "util.h"

#define N 8
#define NOBODY 65534
/* Groups of all families, and more. */
#define GROUPS 4096
/* For what takes no time, on a machine that has none. */
#define SOON 60000
/* Loads while somebody joins without end. */
#define LOADS 4

/* What a stranger has: two sockets, and which groups each has joined. */
static int stranger[2];
static bool joined[2][GROUPS + 1];

static uint64_t do_open(uint64_t a, uint64_t b, uint64_t c)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };

	(void)a;
	(void)b;
	(void)c;
	for (int i = 0; i < 2; i++) {
		stranger[i] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
				     NETLINK_GENERIC);
		if (stranger[i] < 0)
			return errno;
		/* A socket without a number gets nothing. */
		if (bind(stranger[i], (void *)&any, sizeof(any)))
			return errno;
	}
	return 0;
}

static bool membership(int which, int id, int option)
{
	return !setsockopt(stranger[which], SOL_NETLINK, option, &id, sizeof(id));
}

/*
 * Every group that nobody keeps it from; one that the other socket has, too, anew.
 * What it has been refused once the other one does not give away.
 */
static void join_all(int which)
{
	for (int id = 1; id <= GROUPS; id++) {
		if (joined[which][id] && joined[!which][id]) {
			membership(which, id, NETLINK_DROP_MEMBERSHIP);
			joined[which][id] = false;
		}
		if (membership(which, id, NETLINK_ADD_MEMBERSHIP))
			joined[which][id] = true;
		else if (errno == EINVAL)
			break;
	}
}

static uint64_t do_join_all(uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	join_all(0);
	return 0;
}

/* The same again and again, until @stop points to something else than 0. */
static uint64_t do_join_on_and_on(uint64_t stop, uint64_t b, uint64_t c)
{
	uint64_t rounds = 0;

	(void)b;
	(void)c;
	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED))
		join_all(rounds++ % 2);
	return rounds;
}

static uint64_t do_has_joined(uint64_t id, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	return id <= GROUPS && (joined[0][id] || joined[1][id]);
}

static uint64_t count_events(int fd, int family)
{
	static char buf[65536];
	const struct nlmsghdr *nlh = (void *)buf;
	const struct genlmsghdr *genlh = NLMSG_DATA(nlh);
	uint64_t nr = 0;
	ssize_t len;

	for (;;) {
		len = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		/* What others sent may have been too much for it. */
		if (len < 0 && errno == ENOBUFS)
			continue;
		if (len < 0)
			return nr;
		nr += len >= (ssize_t)NLMSG_LENGTH(GENL_HDRLEN) &&
		      nlh->nlmsg_type == family &&
		      genlh->cmd == VMDEDUP_CMD_EVENT;
	}
}

/* How many events of @family have come. */
static uint64_t do_count_events(uint64_t family, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	return count_events(stranger[0], family) +
	       count_events(stranger[1], family);
}

/* Statistics, as they are for everybody; returns 0 or an errno. */
static uint64_t do_hear_stats(uint64_t a, uint64_t b, uint64_t c)
{
	struct vn_stats stats;
	struct vn nl;
	int err;

	(void)a;
	(void)b;
	(void)c;
	err = vn_open(&nl);
	if (err)
		return -err;
	err = vn_listen(&nl, VMDEDUP_MCGRP_STATS);
	if (!err)
		err = vn_next_stats(&nl, SOON, &stats);
	vn_close(&nl);
	return -err;
}

FIXTURE(eavesdrop) {
	int module;
	int *stop;
	struct peer peer;
	struct vn nl;
	int fd;
	char *mem;
};

/* Without the module, and with somebody who may nothing. */
FIXTURE_SETUP(eavesdrop)
{
	self->fd = -1;
	self->module = module_open();
	if (self->module < 0)
		SKIP(return, "VMDEDUP_MODULE does not name a module");
	if (access("/sys/module/vmdedup", F_OK))
		SKIP(return, "the module is not loaded");
	self->mem = pg_map(N);
	ASSERT_NE(NULL, self->mem);
	self->stop = mmap(NULL, PG, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->stop);
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, peer_start(&self->peer));
	ASSERT_EQ(0, peer_call(&self->peer, do_setuid, NOBODY, 0, 0));
	ASSERT_EQ(0, peer_call(&self->peer, do_open, 0, 0, 0));
}

FIXTURE_TEARDOWN(eavesdrop)
{
	if (self->peer.pid > 0)
		peer_kill(&self->peer);
	vn_close(&self->nl);
	if (self->fd >= 0)
		vd_end(self->fd);
	/* As it was found. */
	if (self->module >= 0 && access("/sys/module/vmdedup", F_OK))
		EXPECT_EQ(0, module_load(self->module));
}

/* The module is loaded: somebody who may listens, and then something happens. */
static int something_happens(FIXTURE_DATA(eavesdrop) *self)
{
	int err;

	self->fd = vd_begin();
	if (self->fd < 0)
		return self->fd;
	err = vn_open(&self->nl);
	if (!err)
		err = vn_listen(&self->nl, VMDEDUP_MCGRP_EVENTS);
	if (!err)
		err = vd_register(self->fd, self->mem, N * PG, NULL);
	return err;
}

TEST_F(eavesdrop, who_came_before)
{
	struct vn_event event;

	ASSERT_EQ(0, peer_call(&self->peer, do_join_all, 0, 0, 0));
	ASSERT_EQ(0, module_load(self->module));
	ASSERT_EQ(0, something_happens(self));
	/* Or this would be a test of nothing. */
	ASSERT_EQ(1, peer_call(&self->peer, do_has_joined, self->nl.events, 0, 0));
	EXPECT_EQ(0, vn_wait_event(&self->nl, SOON, VMDEDUP_EVENT_REGION_REGISTERED,
				   0, &event));
	EXPECT_EQ(getpid(), (pid_t)event.pid);
	EXPECT_EQ(0, peer_call(&self->peer, do_count_events, self->nl.family, 0, 0));
	ASSERT_EQ(0, vd_set("stats_interval_ms", 100));
	EXPECT_EQ(0, peer_call(&self->peer, do_hear_stats, 0, 0, 0));
}

/*
 * It joins just when the groups come to be. Where the kernel cannot tell one
 * listener from another, then nobody may get events.
 */
TEST_F(eavesdrop, who_comes_at_the_same_time)
{
	unsigned int heard = 0;
	struct vn_event event;

	for (int i = 0; i < LOADS; i++) {
		*self->stop = 0;
		ASSERT_EQ(0, peer_send(&self->peer, do_join_on_and_on,
				       (uintptr_t)self->stop, 0, 0));
		usleep(50000);
		ASSERT_EQ(0, module_load(self->module));
		__atomic_store_n(self->stop, 1, __ATOMIC_RELAXED);
		EXPECT_NE(PEER_DEAD, peer_wait(&self->peer));
		ASSERT_EQ(0, something_happens(self));
		heard += !vn_wait_event(&self->nl, 2000,
					VMDEDUP_EVENT_REGION_REGISTERED, 0,
					&event);
		EXPECT_EQ(0, peer_call(&self->peer, do_count_events,
				       self->nl.family, 0, 0));
		vn_close(&self->nl);
		vd_end(self->fd);
		self->fd = -1;
		ASSERT_EQ(0, module_unload());
	}
	TH_LOG("%u of %u times there were events for who may", heard, LOADS);
}

TEST_HARNESS_MAIN
