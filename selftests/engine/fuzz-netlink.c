// SPDX-License-Identifier: GPL-2.0
/* Requests to the netlink family, sound and broken, and what is answered. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/vmdedup_netlink.h>

#include "fuzz.h"

#define REQUEST_BYTES 512
#define ANSWER_BYTES 32768

struct request {
	struct nlmsghdr nlh;
	struct genlmsghdr genlh;
	unsigned char attrs[REQUEST_BYTES];
	size_t used;	/* of attrs */
};

static void put_attr(struct request *r, int type, const void *data, size_t bytes)
{
	struct nlattr *nla = (void *)(r->attrs + r->used);

	if (r->used + NLA_HDRLEN + NLA_ALIGN(bytes) > sizeof(r->attrs))
		return;
	nla->nla_type = type;
	nla->nla_len = NLA_HDRLEN + bytes;
	memcpy(nla + 1, data, bytes);
	r->used += NLA_HDRLEN + NLA_ALIGN(bytes);
}

static struct nlattr *nest_begin(struct request *r, int type)
{
	struct nlattr *nla = (void *)(r->attrs + r->used);

	put_attr(r, type | NLA_F_NESTED, NULL, 0);
	return nla;
}

static void nest_end(struct request *r, struct nlattr *nest)
{
	nest->nla_len = r->attrs + r->used - (unsigned char *)nest;
}

/* An attribute of which the length, or the type, is wrong; or anything. */
static void put_odd(struct fz *z, struct request *r)
{
	unsigned char data[64];
	unsigned int max = VMDEDUP_A_GUEST_MAX + 3;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = fz_pick(z, 4) ? 0 : rnd(&z->dice);
	put_attr(r, fz_rarely(z, 8) ? rnd(&z->dice) : fz_pick(z, max), data,
		 fz_pick(z, fz_rarely(z, 4) ? sizeof(data) : 10));
}

static void put_u32(struct request *r, int type, uint32_t value)
{
	put_attr(r, type, &value, sizeof(value));
}

static void put_u64(struct request *r, int type, uint64_t value)
{
	put_attr(r, type, &value, sizeof(value));
}

static void put_guest_key(struct fz *z, struct request *r)
{
	if (fz_pick(z, 2))
		put_u32(r, VMDEDUP_A_GUEST_PID,
			fz_world.pid[fz_pick(z, 8)]);
	else
		put_u64(r, VMDEDUP_A_GUEST_ID, 1 + fz_pick(z, 40));
	/* A request for one is none for another. */
	if (fz_rarely(z, 16))
		put_u64(r, VMDEDUP_A_GUEST_ID, fz_id(z));
}

static void put_region_key(struct fz *z, struct request *r, bool dump)
{
	if (dump)
		put_u64(r, VMDEDUP_A_REGION_GUEST_ID, 1 + fz_pick(z, 40));
	else
		put_u64(r, VMDEDUP_A_REGION_ID, fz_id(z));
}

static void put_change(struct fz *z, struct request *r)
{
	uint8_t excluded = fz_pick(z, fz_rarely(z, 8) ? 256 : 2);

	put_u32(r, VMDEDUP_A_GUEST_PID, fz_world.pid[fz_pick(z, 8)]);
	put_attr(r, VMDEDUP_A_GUEST_EXCLUDED, &excluded, sizeof(excluded));
}

/* A request that makes sense. */
static void fill(struct fz *z, struct request *r)
{
	struct nlattr *nest = NULL;
	bool dump = false;

	memset(r, 0, sizeof(*r));
	r->nlh.nlmsg_type = fz_world.family;
	r->nlh.nlmsg_flags = NLM_F_REQUEST;
	r->nlh.nlmsg_seq = z->dice;
	r->genlh.version = VMDEDUP_GENL_VERSION;
	r->genlh.cmd = 1 + fz_pick(z, VMDEDUP_CMD_MAX - 1);
	switch (r->genlh.cmd) {
	case VMDEDUP_CMD_GET_STATS:
		break;
	case VMDEDUP_CMD_GET_GUEST:
		dump = fz_pick(z, 2);
		if (dump)
			break;
		nest = nest_begin(r, VMDEDUP_A_GUEST);
		put_guest_key(z, r);
		break;
	case VMDEDUP_CMD_GET_REGION:
		dump = fz_pick(z, 2);
		if (dump && fz_pick(z, 3))
			break;
		nest = nest_begin(r, VMDEDUP_A_REGION);
		put_region_key(z, r, dump);
		break;
	default:
		nest = nest_begin(r, VMDEDUP_A_GUEST);
		put_change(z, r);
	}
	if (fz_rarely(z, 12))
		put_odd(z, r);
	if (nest)
		nest_end(r, nest);
	if (fz_rarely(z, 12))
		put_odd(z, r);
	if (dump)
		r->nlh.nlmsg_flags |= NLM_F_DUMP;
}

/* And now not quite. Returns how much of it is sent. */
static size_t spoil(struct fz *z, struct request *r)
{
	size_t bytes = NLMSG_LENGTH(GENL_HDRLEN) + r->used;
	unsigned char *raw = (unsigned char *)r;

	r->nlh.nlmsg_len = bytes;
	if (fz_rarely(z, 6))
		r->nlh.nlmsg_flags |= NLM_F_ACK;
	if (!fz_rarely(z, 4))
		return bytes;
	switch (fz_pick(z, 8)) {
	case 0:
		r->genlh.cmd = rnd(&z->dice);
		break;
	case 1:
		r->nlh.nlmsg_flags ^= 1 << fz_pick(z, 12);
		break;
	case 2:
		r->genlh.version = rnd(&z->dice);
		r->genlh.reserved = fz_pick(z, 3);
		break;
	case 3:
		/* It says more, or less, than there is. */
		r->nlh.nlmsg_len = fz_pick(z, 2 * bytes);
		break;
	case 4:
		bytes = 1 + fz_pick(z, bytes);
		break;
	case 5:
		if (r->used >= NLA_HDRLEN)
			((struct nlattr *)r->attrs)->nla_len = rnd(&z->dice);
		break;
	case 6:
		if (r->used >= NLA_HDRLEN)
			((struct nlattr *)r->attrs)->nla_type ^= NLA_F_NESTED;
		break;
	default:
		/* The family stays: others are not what is tested here. */
		for (int i = fz_pick(z, 4); i >= 0; i--)
			raw[sizeof(r->nlh) + fz_pick(z, bytes - sizeof(r->nlh))] ^=
				1 << fz_pick(z, 8);
	}
	return bytes;
}

static bool allowed(int err)
{
	/* As the header says. */
	static const int errors[] = {
		0, EINVAL, ERANGE, ENOENT, ESRCH, ENOSPC, EPERM, EOPNOTSUPP, EBUSY,
		EAGAIN, ENOBUFS, EMSGSIZE, ENOMEM, EINTR,
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (err == errors[i])
			return true;
	return false;
}

/* What is in a nest: the types of it, and how long each is. */
enum inside { TOP, STATS, GUEST, REGION, EVENT, LEDGER, SKIPPED };

#define STRING	(-1)
#define NEST(n)	(-2 - (n))
#define NONE	(-100)

static int guest_kind(int type)
{
	switch (type) {
	case VMDEDUP_A_GUEST_PID:
	case VMDEDUP_A_GUEST_UID:
	case VMDEDUP_A_GUEST_REGIONS:
		return 4;
	case VMDEDUP_A_GUEST_COMM:
		return STRING;
	case VMDEDUP_A_GUEST_KVM:
	case VMDEDUP_A_GUEST_EXCLUDED:
		return 1;
	case VMDEDUP_A_GUEST_LEDGER:
		return NEST(LEDGER);
	}
	return type <= VMDEDUP_A_GUEST_MAX ? 8 : NONE;
}

static int region_kind(int type)
{
	switch (type) {
	case VMDEDUP_A_REGION_PID:
	case VMDEDUP_A_REGION_FLAGS:
	case VMDEDUP_A_REGION_SLOT:
		return 4;
	case VMDEDUP_A_REGION_LEDGER:
		return NEST(LEDGER);
	}
	return type <= VMDEDUP_A_REGION_MAX ? 8 : NONE;
}

static int event_kind(int type)
{
	switch (type) {
	case VMDEDUP_A_EVENT_TYPE:
	case VMDEDUP_A_EVENT_PID:
		return 4;
	case VMDEDUP_A_EVENT_COMM:
		return STRING;
	case VMDEDUP_A_EVENT_KVM:
	case VMDEDUP_A_EVENT_REPAIRED:
		return 1;
	}
	return type <= VMDEDUP_A_EVENT_MAX ? 8 : NONE;
}

static int kind_of(enum inside nest, int type)
{
	switch (nest) {
	case TOP:
		return type == VMDEDUP_A_STATS ? NEST(STATS) :
		       type == VMDEDUP_A_GUEST ? NEST(GUEST) :
		       type == VMDEDUP_A_REGION ? NEST(REGION) :
		       type == VMDEDUP_A_EVENT ? NEST(EVENT) : NONE;
	case STATS:
		return type == VMDEDUP_A_STATS_SKIPPED ? NEST(SKIPPED) :
		       type <= VMDEDUP_A_STATS_MAX ? 8 : NONE;
	case GUEST:
		return guest_kind(type);
	case REGION:
		return region_kind(type);
	case EVENT:
		return event_kind(type);
	case LEDGER:
		return type == VMDEDUP_A_LEDGER_SKIPPED ? NEST(SKIPPED) :
		       type <= VMDEDUP_A_LEDGER_MAX ? 8 : NONE;
	case SKIPPED:
		return type <= VMDEDUP_SKIP_NR ? 8 : NONE;
	}
	return NONE;
}

static bool is_pad(enum inside nest, const struct nlattr *nla)
{
	int type = nla->nla_type;

	/* All but the one of skipped pages have it as the first. */
	return nla->nla_len == NLA_HDRLEN && nest != TOP &&
	       type == (nest == SKIPPED ? 0 : VMDEDUP_A_STATS_PAD);
}

static void check_attrs(struct fz *z, enum inside nest, const unsigned char *p,
			size_t bytes);

static void check_attr(struct fz *z, enum inside nest, const struct nlattr *nla)
{
	int type = nla->nla_type & ~NLA_F_NESTED, kind = kind_of(nest, type);
	int length = nla->nla_len - NLA_HDRLEN;
	const char *data = (const char *)(nla + 1);

	if (is_pad(nest, nla))
		return;
	if (!type || kind == NONE)
		fz_complain(z, "nest %d has a type %d", nest, type);
	else if (kind >= 0 && length != kind)
		fz_complain(z, "nest %d type %d has %d bytes", nest, type, length);
	else if (kind == STRING && (!length || length > 16 ||
				    strnlen(data, length) != length - 1U))
		fz_complain(z, "nest %d type %d is no string", nest, type);
	else if (kind <= NEST(0))
		check_attrs(z, -2 - kind, (const void *)data, length);
}

static void check_attrs(struct fz *z, enum inside nest, const unsigned char *p,
			size_t bytes)
{
	while (bytes) {
		const struct nlattr *nla = (const void *)p;
		size_t whole;

		if (bytes < NLA_HDRLEN || nla->nla_len < NLA_HDRLEN ||
		    nla->nla_len > bytes) {
			fz_complain(z, "nest %d is cut", nest);
			return;
		}
		check_attr(z, nest, nla);
		whole = NLA_ALIGN(nla->nla_len);
		for (size_t i = nla->nla_len; i < whole && i < bytes; i++)
			if (p[i])
				fz_complain(z, "nest %d: what fills up is not 0",
					    nest);
		if (whole >= bytes)
			return;
		p += whole;
		bytes -= whole;
	}
}

static void check_message(struct fz *z, const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *genlh = (const void *)(nlh + 1);
	const struct nlmsgerr *e = (const void *)(nlh + 1);

	switch (nlh->nlmsg_type) {
	case NLMSG_ERROR:
		z->err = -e->error;
		if (!allowed(z->err))
			fz_complain(z, "error %d", z->err);
		return;
	case NLMSG_DONE:
		/* A dump that ended with an error. */
		if (nlh->nlmsg_len >= NLMSG_LENGTH(4) &&
		    !allowed(-*(const int *)(nlh + 1)))
			fz_complain(z, "dump ended with %d",
				    *(const int *)(nlh + 1));
		return;
	}
	if (nlh->nlmsg_type != fz_world.family)
		return;
	if (nlh->nlmsg_len < NLMSG_LENGTH(GENL_HDRLEN)) {
		fz_complain(z, "a message of %u bytes", nlh->nlmsg_len);
		return;
	}
	if (genlh->reserved)
		fz_complain(z, "a header's reserved member");
	if (!fz_world.admin && genlh->cmd != VMDEDUP_CMD_GET_STATS)
		fz_complain(z, "nobody was told of %u", genlh->cmd);
	check_attrs(z, TOP, (const unsigned char *)(genlh + 1),
		    nlh->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN));
}

static void take(struct fz *z, int fd, int parts)
{
	static __thread unsigned char buf[ANSWER_BYTES];

	while (parts--) {
		const struct nlmsghdr *nlh = (const void *)buf;
		size_t room = fz_rarely(z, 16) ? 64 : sizeof(buf), left;
		ssize_t n = recv(fd, buf, room, MSG_DONTWAIT | MSG_TRUNC);

		if (n <= 0)
			return;
		/* What was cut, since there was no room, is gone. */
		left = (size_t)n > room ? 0 : n;
		while (left >= sizeof(*nlh) && nlh->nlmsg_len >= sizeof(*nlh) &&
		       nlh->nlmsg_len <= left) {
			check_message(z, nlh);
			if (NLMSG_ALIGN(nlh->nlmsg_len) >= left)
				break;
			left -= NLMSG_ALIGN(nlh->nlmsg_len);
			nlh = (const void *)((const char *)nlh +
					     NLMSG_ALIGN(nlh->nlmsg_len));
		}
	}
}

/* News comes in between answers. */
static void listen_to(struct fz *z, int fd)
{
	int which = fz_pick(z, 2);
	int err = setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
			     &fz_world.group[which], sizeof(int)) ? errno : 0;

	if (err && (fz_world.admin || err != EPERM))
		fz_complain(z, "group %d: %d", which, err);
	if (!err && !fz_world.admin && which)
		fz_complain(z, "nobody may listen to events");
}

/* A socket anew: what it was in the middle of ends. */
static void renew(struct fz *z)
{
	int *slot = &fz_world.socket[fz_pick(z, FZ_SOCKETS)];
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int small = 1 + fz_pick(z, 8192), on = 1, fd;

	z->kind = FZ_SOCKET;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	z->err = fd < 0 ? errno : 0;
	snprintf(z->did, sizeof(z->did), "socket: %d", z->err);
	if (fd < 0)
		return;
	connect(fd, (void *)&kernel, sizeof(kernel));
	if (fz_rarely(z, 3))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (fz_rarely(z, 2))
		setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	if (fz_rarely(z, 2))
		setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on,
			   sizeof(on));
	if (fz_rarely(z, 3))
		listen_to(z, fd);
	dup3(fd, *slot, O_CLOEXEC);
	close(fd);
}

void fz_netlink(struct fz *z)
{
	int fd = fz_world.socket[fz_pick(z, FZ_SOCKETS)];
	struct request r;
	size_t bytes;

	if (fz_rarely(z, 12)) {
		renew(z);
		return;
	}
	fill(z, &r);
	bytes = spoil(z, &r);
	z->kind = r.nlh.nlmsg_flags & NLM_F_DUMP ? FZ_DUMP : FZ_NETLINK;
	z->err = send(fd, &r, bytes, MSG_DONTWAIT) < 0 ? errno : 0;
	snprintf(z->did, sizeof(z->did),
		 "netlink cmd %u flags %x, %zu bytes of %u: %d", r.genlh.cmd,
		 r.nlh.nlmsg_flags, bytes, r.nlh.nlmsg_len, z->err);
	/* Whoever reads nothing has others wait, and some dumps are not ended. */
	if (z->err && z->err != EAGAIN && z->err != ENOBUFS)
		fz_complain(z, "cannot be sent");
	else
		take(z, fd, fz_pick(z, 8));
}
