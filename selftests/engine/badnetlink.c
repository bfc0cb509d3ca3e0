// SPDX-License-Identifier: GPL-2.0
/* A hostile netlink client gets errors, and nothing else. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "kselftest_harness.h"
#include "nl.h"
#include "util.h"

#define N 8
#define NOBODY 65534
#define FUZZ_MESSAGES 8000
#define FUZZ_BYTES 256

FIXTURE(badnetlink) {
	int fd;
	struct vn nl;
	char *mem;
	uint64_t id;
};

FIXTURE_SETUP(badnetlink)
{
	VD_SETUP(self->fd);
	ASSERT_EQ(0, vn_open(&self->nl));
	self->mem = pg_map(N);
	ASSERT_NE(NULL, self->mem);
	ASSERT_EQ(0, vd_register(self->fd, self->mem, N * PG, &self->id));
}

FIXTURE_TEARDOWN(badnetlink)
{
	vn_close(&self->nl);
	vd_end(self->fd);
}

#define NONE (-1)

/* One attribute of @bytes in a nest, or at the top without one; or none. */
struct attempt {
	const char *what;
	int cmd;
	int flags;
	int nest;
	int attr;
	int bytes;
	int want;
};

static const struct attempt attempts[] = {
	{ "nothing", VMDEDUP_CMD_GET_GUEST, 0, 0, NONE, 0, -EINVAL },
	{ "no region", VMDEDUP_CMD_GET_REGION, 0, 0, NONE, 0, -EINVAL },
	{ "no change", VMDEDUP_CMD_SET_GUEST, 0, 0, NONE, 0, -EINVAL },
	{ "an empty nest", VMDEDUP_CMD_GET_GUEST, 0, 0,
	  VMDEDUP_A_GUEST | NLA_F_NESTED, 0, -EINVAL },
	{ "an empty change", VMDEDUP_CMD_SET_GUEST, 0, 0,
	  VMDEDUP_A_GUEST | NLA_F_NESTED, 0, -EINVAL },
	{ "id too short", VMDEDUP_CMD_GET_GUEST, 0, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_ID, 4, -EINVAL },
	{ "id too long", VMDEDUP_CMD_GET_GUEST, 0, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_ID, 9, -EINVAL },
	{ "id empty", VMDEDUP_CMD_GET_GUEST, 0, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_ID, 0, -EINVAL },
	{ "pid too long", VMDEDUP_CMD_GET_GUEST, 0, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_PID, 8, -EINVAL },
	{ "pid 0", VMDEDUP_CMD_GET_GUEST, 0, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_PID, 4, -ERANGE },
	{ "not for asking", VMDEDUP_CMD_GET_GUEST, 0, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_UID, 4, -EINVAL },
	{ "padding", VMDEDUP_CMD_GET_GUEST, 0, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_PAD, 0, -EINVAL },
	{ "attribute 0", VMDEDUP_CMD_GET_GUEST, 0, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_UNSPEC, 0, -EINVAL },
	{ "unknown in a nest", VMDEDUP_CMD_GET_GUEST, 0, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_MAX + 1, 8, -EINVAL },
	{ "far unknown in a nest", VMDEDUP_CMD_GET_GUEST, 0, VMDEDUP_A_GUEST,
	  0x3fff, 8, -EINVAL },
	{ "unknown at the top", VMDEDUP_CMD_GET_GUEST, 0, 0, VMDEDUP_A_MAX + 1,
	  8, -EINVAL },
	{ "a nest that is none", VMDEDUP_CMD_GET_GUEST, 0, 0, VMDEDUP_A_GUEST,
	  8, -EINVAL },
	{ "the nest of others", VMDEDUP_CMD_GET_GUEST, 0, VMDEDUP_A_REGION,
	  VMDEDUP_A_REGION_ID, 8, -EINVAL },
	{ "region id too short", VMDEDUP_CMD_GET_REGION, 0, VMDEDUP_A_REGION,
	  VMDEDUP_A_REGION_ID, 7, -EINVAL },
	{ "region id 0", VMDEDUP_CMD_GET_REGION, 0, VMDEDUP_A_REGION,
	  VMDEDUP_A_REGION_ID, 8, -EINVAL },
	{ "region by address", VMDEDUP_CMD_GET_REGION, 0, VMDEDUP_A_REGION,
	  VMDEDUP_A_REGION_START, 8, -EINVAL },
	{ "huge region id", VMDEDUP_CMD_GET_REGION, 0, VMDEDUP_A_REGION,
	  VMDEDUP_A_REGION_ID, 2000, -EINVAL },
	{ "stats of something", VMDEDUP_CMD_GET_STATS, 0, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_ID, 8, -EINVAL },
	{ "stats with stats", VMDEDUP_CMD_GET_STATS, 0, 0,
	  VMDEDUP_A_STATS | NLA_F_NESTED, 0, -EINVAL },
	{ "dump of stats", VMDEDUP_CMD_GET_STATS, NLM_F_DUMP, 0, NONE, 0,
	  -EOPNOTSUPP },
	{ "dump of changes", VMDEDUP_CMD_SET_GUEST, NLM_F_DUMP, 0, NONE, 0,
	  -EOPNOTSUPP },
	{ "dump of a guest", VMDEDUP_CMD_GET_GUEST, NLM_F_DUMP, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_PID, 4, -ERANGE },
	{ "dump of a region", VMDEDUP_CMD_GET_REGION, NLM_F_DUMP,
	  VMDEDUP_A_REGION, VMDEDUP_A_REGION_ID, 8, -EINVAL },
	{ "dump with what is unknown", VMDEDUP_CMD_GET_REGION, NLM_F_DUMP, 0,
	  VMDEDUP_A_MAX + 1, 4, -EINVAL },
	{ "only a pid", VMDEDUP_CMD_SET_GUEST, 0, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_PID, 4, -ERANGE },
	{ "change of a name", VMDEDUP_CMD_SET_GUEST, 0, VMDEDUP_A_GUEST,
	  VMDEDUP_A_GUEST_COMM, 4, -EINVAL },
	{ "an event of one's own", VMDEDUP_CMD_EVENT, 0, VMDEDUP_A_EVENT,
	  VMDEDUP_A_EVENT_TYPE, 4, -EOPNOTSUPP },
	{ "command 0", VMDEDUP_CMD_UNSPEC, 0, 0, NONE, 0, -EOPNOTSUPP },
	{ "unknown command", VMDEDUP_CMD_MAX + 1, 0, 0, NONE, 0, -EOPNOTSUPP },
	{ "command 255", 255, 0, 0, NONE, 0, -EOPNOTSUPP },
};

static int try(struct vn *nl, const struct attempt *a)
{
	static const char zeros[4096];
	struct nl_msg *msg = vn_request(nl, a->cmd, a->flags);
	struct nlattr *nest = NULL;

	if (a->nest)
		nest = nla_nest_start(msg, a->nest);
	if (a->attr != NONE)
		nla_put(msg, a->attr, a->bytes, zeros);
	if (nest)
		nla_nest_end(msg, nest);
	return vn_talk(nl, msg, NULL, NULL);
}

/* Up to 6.1, what begins a dump has no way to say more than a number. */
static bool dumps_have_words(void)
{
	struct utsname uts;
	int major = 0, minor = 0;

	uname(&uts);
	sscanf(uts.release, "%d.%d", &major, &minor);
	return major > 6 || (major == 6 && minor > 1);
}

TEST_F(badnetlink, refused_in_words)
{
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		int err = try(&self->nl, &attempts[i]);

		EXPECT_EQ(attempts[i].want, err) {
			TH_LOG("%s: %s", attempts[i].what, self->nl.text);
		}
		EXPECT_EQ(0, self->nl.messages);
		/* An unknown command is the core's to refuse. */
		if (err != -EOPNOTSUPP &&
		    (!(attempts[i].flags & NLM_F_DUMP) || dumps_have_words())) {
			EXPECT_STRNE("", self->nl.text) {
				TH_LOG("%s: no words", attempts[i].what);
			}
		}
	}
}

TEST_F(badnetlink, both_names)
{
	struct nl_msg *msg = vn_request(&self->nl, VMDEDUP_CMD_GET_GUEST, 0);
	struct nlattr *nest = nla_nest_start(msg, VMDEDUP_A_GUEST);

	nla_put_u64(msg, VMDEDUP_A_GUEST_ID, 1);
	nla_put_u32(msg, VMDEDUP_A_GUEST_PID, getpid());
	nla_nest_end(msg, nest);
	EXPECT_EQ(-EINVAL, vn_talk(&self->nl, msg, NULL, NULL));
	EXPECT_STRNE("", self->nl.text);

	/* Half a change is none. */
	msg = vn_request(&self->nl, VMDEDUP_CMD_SET_GUEST, 0);
	nest = nla_nest_start(msg, VMDEDUP_A_GUEST);
	nla_put_u32(msg, VMDEDUP_A_GUEST_PID, getpid());
	nla_nest_end(msg, nest);
	EXPECT_EQ(-EINVAL, vn_talk(&self->nl, msg, NULL, NULL));
	EXPECT_STRNE("", self->nl.text);
}

/* A raw socket, as whoever has no library. */
static int raw_socket(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);

	if (fd >= 0 && connect(fd, (void *)&kernel, sizeof(kernel))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

struct raw {
	struct nlmsghdr nlh;
	struct genlmsghdr genlh;
	char attrs[FUZZ_BYTES];
};

/* The error that a raw message gets, or 1 if it gets no answer. */
static int raw_talk(int fd, struct raw *raw, size_t bytes)
{
	static char buf[65536];
	struct nlmsghdr *nlh = (void *)buf;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (send(fd, raw, bytes, 0) < 0)
		return -errno;
	if (poll(&pfd, 1, 300) <= 0)
		return 1;
	if (recv(fd, buf, sizeof(buf), 0) < (ssize_t)sizeof(*nlh))
		return 1;
	if (nlh->nlmsg_type != NLMSG_ERROR)
		return 2;
	return ((struct nlmsgerr *)NLMSG_DATA(nlh))->error;
}

static void raw_fill(struct raw *raw, int family, int cmd)
{
	memset(raw, 0, sizeof(*raw));
	raw->nlh.nlmsg_type = family;
	raw->nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	raw->genlh.cmd = cmd;
	raw->genlh.version = VMDEDUP_GENL_VERSION;
}

TEST_F(badnetlink, truncated)
{
	struct nlattr *nest, *id;
	int fd = raw_socket();
	struct raw raw;
	size_t full = offsetof(struct raw, attrs) + 16;

	ASSERT_LE(0, fd);
	/* Complete, and so answered. */
	raw_fill(&raw, self->nl.family, VMDEDUP_CMD_GET_REGION);
	nest = (void *)raw.attrs;
	nest->nla_len = 16;
	nest->nla_type = VMDEDUP_A_REGION | NLA_F_NESTED;
	id = nest + 1;
	id->nla_len = 12;
	id->nla_type = VMDEDUP_A_REGION_ID;
	memcpy(id + 1, &self->id, sizeof(self->id));
	raw.nlh.nlmsg_len = full;
	EXPECT_EQ(2, raw_talk(fd, &raw, full));
	close(fd);

	/* Cut anywhere it is refused, or too short to be an answer worth. */
	for (size_t len = NLMSG_HDRLEN; len < full; len++) {
		fd = raw_socket();
		raw.nlh.nlmsg_len = len;
		EXPECT_GT(0, raw_talk(fd, &raw, len)) {
			TH_LOG("%zu bytes", len);
		}
		close(fd);
	}
	/* It says more than there is. */
	fd = raw_socket();
	raw.nlh.nlmsg_len = full + 100;
	EXPECT_EQ(1, raw_talk(fd, &raw, full));
	close(fd);
	/* So does the nest; and what is within. */
	fd = raw_socket();
	raw.nlh.nlmsg_len = full;
	nest->nla_len = 100;
	EXPECT_EQ(-EINVAL, raw_talk(fd, &raw, full));
	close(fd);
	fd = raw_socket();
	nest->nla_len = 16;
	id->nla_len = 100;
	EXPECT_EQ(-EINVAL, raw_talk(fd, &raw, full));
	close(fd);
	fd = raw_socket();
	id->nla_len = 0;
	EXPECT_EQ(-EINVAL, raw_talk(fd, &raw, full));
	close(fd);
	/* A reserved member of the header. */
	fd = raw_socket();
	id->nla_len = 12;
	raw.genlh.reserved = 1;
	EXPECT_EQ(-EINVAL, raw_talk(fd, &raw, full));
	close(fd);
	/* A nest that does not say that it is one. */
	fd = raw_socket();
	raw.genlh.reserved = 0;
	nest->nla_type = VMDEDUP_A_REGION;
	EXPECT_EQ(-EINVAL, raw_talk(fd, &raw, full));
	close(fd);
}

/* Runs @check as nobody; returns which of its checks failed, a bit each. */
static int as_nobody(int (*check)(struct vn *nl))
{
	int status;
	pid_t child = fork();

	if (!child) {
		struct vn own;

		if (setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY) || vn_open(&own))
			_exit(255);
		_exit(check(&own));
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 200;
	return WEXITSTATUS(status);
}

static int nobody_may_not(struct vn *nl)
{
	struct vn_region region;
	struct vn_guest guest;
	int bad = 0;

	bad |= (vn_guest(nl, 1, 0, &guest) != -EPERM) << 0;
	bad |= (vn_guest(nl, 0, getpid(), &guest) != -EPERM) << 1;
	bad |= (vn_guests(nl, &guest, 1) != -EPERM) << 2;
	bad |= (vn_region(nl, 1, &region) != -EPERM) << 3;
	bad |= (vn_regions(nl, 0, &region, 1) != -EPERM) << 4;
	bad |= (vn_exclude(nl, getpid(), 1) != -EPERM) << 5;
	bad |= (vn_listen(nl, VMDEDUP_MCGRP_EVENTS) != -EPERM) << 6;
	return bad;
}

static int nobody_may(struct vn *nl)
{
	struct vn_stats stats;
	int bad = 0;

	bad |= (vn_stats(nl, &stats) != 0) << 0;
	bad |= (stats.regions != 1) << 1;
	bad |= (vn_listen(nl, VMDEDUP_MCGRP_STATS) != 0) << 2;
	bad |= (vn_next_stats(nl, 60000, &stats) != 0) << 3;
	return bad;
}

TEST_F(badnetlink, unprivileged)
{
	EXPECT_EQ(0, as_nobody(nobody_may_not));
	EXPECT_EQ(0, as_nobody(nobody_may));
}

/* Something like a request, and then not quite. */
static size_t fuzz_fill(struct raw *raw, int family, uint64_t *state)
{
	size_t at = 0, want = rnd(state) % 64;
	size_t bytes;

	raw_fill(raw, family, rnd(state) % (VMDEDUP_CMD_MAX + 2));
	if (rnd(state) % 4 == 0)
		raw->nlh.nlmsg_flags |= NLM_F_DUMP;
	while (at + sizeof(struct nlattr) <= want) {
		struct nlattr *nla = (void *)(raw->attrs + at);
		size_t len = rnd(state) % 16;

		/* Often a nest that holds what follows. */
		if (rnd(state) % 2)
			len = want - at - sizeof(*nla);
		nla->nla_len = sizeof(*nla) + len;
		nla->nla_type = rnd(state) % 16;
		if (rnd(state) % 2)
			nla->nla_type |= NLA_F_NESTED;
		at += sizeof(*nla);
		if (!(nla->nla_type & NLA_F_NESTED))
			at += (len + 3) & ~3UL;
	}
	for (size_t i = at; i < sizeof(raw->attrs); i++)
		raw->attrs[i] = rnd(state);
	bytes = offsetof(struct raw, attrs) + want;
	raw->nlh.nlmsg_len = bytes;
	/* And in one of four some bits are wrong. */
	if (rnd(state) % 4 == 0)
		for (int i = rnd(state) % 8; i >= 0; i--)
			((unsigned char *)raw)[sizeof(raw->nlh) + rnd(state) %
				(bytes - sizeof(raw->nlh))] ^= 1 << rnd(state) % 8;
	return bytes;
}

static void drain(int fd)
{
	static char buf[65536];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

TEST_F(badnetlink, fuzz)
{
	uint64_t state = 20261122;
	struct vn_stats before, after;
	struct vn_region region;
	struct raw raw;
	int fd = raw_socket();

	ASSERT_LE(0, fd);
	pg_fill_range(self->mem, N, 1);
	ASSERT_EQ(0, vn_stats(&self->nl, &before));
	for (int i = 0; i < FUZZ_MESSAGES; i++) {
		size_t bytes = fuzz_fill(&raw, self->nl.family, &state);

		send(fd, &raw, bytes, MSG_DONTWAIT);
		drain(fd);
		/* A dump that goes on refuses others: begin anew. */
		if (i % 16 == 0) {
			close(fd);
			fd = raw_socket();
			ASSERT_LE(0, fd);
		}
	}
	close(fd);
	/* All is as it was. */
	ASSERT_EQ(0, vn_stats(&self->nl, &after));
	EXPECT_EQ(before.regions, after.regions);
	EXPECT_EQ(before.guests, after.guests);
	EXPECT_EQ(before.pages_merged, after.pages_merged);
	ASSERT_EQ(0, vn_region(&self->nl, self->id, &region));
	EXPECT_EQ((uintptr_t)self->mem, region.start);
	EXPECT_EQ(0, pg_wrong(self->mem, N, 1));
}

TEST_HARNESS_MAIN
