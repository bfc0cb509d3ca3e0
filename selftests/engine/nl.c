// SPDX-License-Identifier: GPL-2.0
/* The generic netlink family, for tests. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "nl.h"
#include "util.h"

/* How long an answer may take on a busy machine, ms. */
#define PATIENCE	60000
#define BUFFER		(256 * 1024)

int vn_open(struct vn *nl)
{
	int on = 1;

	memset(nl, 0, sizeof(*nl));
	nl->sk = nl_socket_alloc();
	if (!nl->sk)
		return -ENOMEM;
	if (genl_connect(nl->sk))
		goto fail;
	nl->family = genl_ctrl_resolve(nl->sk, VMDEDUP_GENL_NAME);
	nl->stats = genl_ctrl_resolve_grp(nl->sk, VMDEDUP_GENL_NAME,
					  VMDEDUP_MCGRP_STATS);
	nl->events = genl_ctrl_resolve_grp(nl->sk, VMDEDUP_GENL_NAME,
					   VMDEDUP_MCGRP_EVENTS);
	if (nl->family < 0 || nl->stats < 0 || nl->events < 0)
		goto fail;
	nl_socket_set_buffer_size(nl->sk, 4 << 20, 1 << 20);
	setsockopt(nl_socket_get_fd(nl->sk), SOL_NETLINK, NETLINK_EXT_ACK, &on,
		   sizeof(on));
	return 0;
fail:
	nl_socket_free(nl->sk);
	nl->sk = NULL;
	return -ENOENT;
}

void vn_close(struct vn *nl)
{
	if (nl->sk)
		nl_socket_free(nl->sk);
	nl->sk = NULL;
}

struct nl_msg *vn_request(struct vn *nl, int cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (msg)
		genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, nl->family, 0,
			    NLM_F_REQUEST | flags, cmd, VMDEDUP_GENL_VERSION);
	return msg;
}

/* The words of an error message. */
static void take_text(struct vn *nl, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = nlmsg_data(nlh);
	struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	int skip = sizeof(*e);

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += nlmsg_datalen(&e->msg);
	skip = NLMSG_ALIGN(skip);
	if (skip > nlmsg_datalen(nlh) ||
	    nla_parse(tb, NLMSGERR_ATTR_MAX,
		      (struct nlattr *)((char *)nlmsg_data(nlh) + skip),
		      nlmsg_datalen(nlh) - skip, NULL))
		return;
	if (tb[NLMSGERR_ATTR_MSG])
		snprintf(nl->text, sizeof(nl->text), "%.*s",
			 nla_len(tb[NLMSGERR_ATTR_MSG]),
			 (char *)nla_data(tb[NLMSGERR_ATTR_MSG]));
}

static int receive(struct vn *nl, int ms, char *buf, size_t size)
{
	struct pollfd pfd = {
		.fd = nl_socket_get_fd(nl->sk),
		.events = POLLIN,
	};
	int ret = poll(&pfd, 1, ms);

	if (ret <= 0)
		return ret ? -errno : -ETIMEDOUT;
	ret = recv(pfd.fd, buf, size, 0);
	return ret < 0 ? -errno : ret;
}

int vn_talk(struct vn *nl, struct nl_msg *msg,
	    void (*got)(const struct nlmsghdr *nlh, void *arg), void *arg)
{
	static __thread char buf[BUFFER];
	unsigned int seq;
	int ret;

	if (!msg)
		return -ENOMEM;
	nl->text[0] = 0;
	nl->interrupted = false;
	nl->messages = 0;
	ret = nl_send_auto(nl->sk, msg);
	seq = nlmsg_hdr(msg)->nlmsg_seq;
	nlmsg_free(msg);
	if (ret < 0)
		return -EIO;
	for (;;) {
		struct nlmsghdr *nlh = (void *)buf;
		int len = receive(nl, PATIENCE, buf, sizeof(buf));

		if (len < 0)
			return len;
		for (; nlmsg_ok(nlh, len); nlh = nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq != seq)
				continue;
			nl->interrupted |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				take_text(nl, nlh);
				return ((struct nlmsgerr *)nlmsg_data(nlh))->error;
			}
			if (nlh->nlmsg_type == NLMSG_DONE)
				return 0;
			nl->messages++;
			if (got)
				got(nlh, arg);
		}
	}
}

static struct nlattr *nest_of(const struct nlmsghdr *nlh, int attr)
{
	return nlmsg_find_attr((struct nlmsghdr *)nlh, GENL_HDRLEN, attr);
}

#define TAKE_U64(to, tb, attr) do {					\
	if ((tb)[attr])							\
		(to) = nla_get_u64((tb)[attr]);				\
} while (0)
#define TAKE_U32(to, tb, attr) do {					\
	if ((tb)[attr])							\
		(to) = nla_get_u32((tb)[attr]);				\
} while (0)
#define TAKE_U8(to, tb, attr) do {					\
	if ((tb)[attr])							\
		(to) = nla_get_u8((tb)[attr]);				\
} while (0)

static uint64_t has(struct nlattr **tb, int max)
{
	uint64_t bits = 0;

	for (int i = 1; i <= max; i++)
		if (tb[i])
			bits |= 1ULL << i;
	return bits;
}

static void take_skipped(struct nlattr *nest, uint64_t *skipped)
{
	struct nlattr *nla;
	int rem;

	if (!nest)
		return;
	nla_for_each_nested(nla, nest, rem)
		if (nla_type(nla) >= 1 && nla_type(nla) <= VMDEDUP_SKIP_SLOTS)
			skipped[nla_type(nla) - 1] = nla_get_u64(nla);
}

static void take_stats(struct nlattr *nest, struct vn_stats *stats)
{
	struct nlattr *tb[VMDEDUP_A_STATS_MAX + 1];

	memset(stats, 0, sizeof(*stats));
	if (!nest || nla_parse_nested(tb, VMDEDUP_A_STATS_MAX, nest, NULL))
		return;
	stats->has = has(tb, VMDEDUP_A_STATS_MAX);
#define TAKE(name, kind, what) \
	TAKE_U64(stats->name, tb, VMDEDUP_A_STATS_##name);
	VMDEDUP_STATS(TAKE)
#undef TAKE
	take_skipped(tb[VMDEDUP_A_STATS_SKIPPED], stats->skipped);
}

static void take_ledger(struct nlattr *nest, struct vn_ledger *ledger)
{
	struct nlattr *tb[VMDEDUP_A_LEDGER_MAX + 1];

	if (!nest || nla_parse_nested(tb, VMDEDUP_A_LEDGER_MAX, nest, NULL))
		return;
	ledger->has = has(tb, VMDEDUP_A_LEDGER_MAX);
#define TAKE(name, kind, what) \
	TAKE_U64(ledger->name, tb, VMDEDUP_A_LEDGER_##name);
	VMDEDUP_LEDGER(TAKE)
#undef TAKE
	take_skipped(tb[VMDEDUP_A_LEDGER_SKIPPED], ledger->skipped);
}

static void take_string(struct nlattr *nla, char *to, size_t size)
{
	if (nla)
		snprintf(to, size, "%.*s", nla_len(nla), (char *)nla_data(nla));
}

static void take_guest(struct nlattr *nest, struct vn_guest *guest)
{
	struct nlattr *tb[VMDEDUP_A_GUEST_MAX + 1];

	memset(guest, 0, sizeof(*guest));
	if (!nest || nla_parse_nested(tb, VMDEDUP_A_GUEST_MAX, nest, NULL))
		return;
	guest->has = has(tb, VMDEDUP_A_GUEST_MAX);
	TAKE_U64(guest->id, tb, VMDEDUP_A_GUEST_ID);
	TAKE_U32(guest->pid, tb, VMDEDUP_A_GUEST_PID);
	take_string(tb[VMDEDUP_A_GUEST_COMM], guest->comm, sizeof(guest->comm));
	TAKE_U32(guest->uid, tb, VMDEDUP_A_GUEST_UID);
	TAKE_U64(guest->cgroup, tb, VMDEDUP_A_GUEST_CGROUP);
	TAKE_U64(guest->domain, tb, VMDEDUP_A_GUEST_DOMAIN);
	TAKE_U8(guest->kvm, tb, VMDEDUP_A_GUEST_KVM);
	TAKE_U8(guest->excluded, tb, VMDEDUP_A_GUEST_EXCLUDED);
	TAKE_U32(guest->regions, tb, VMDEDUP_A_GUEST_REGIONS);
	TAKE_U64(guest->bytes, tb, VMDEDUP_A_GUEST_BYTES);
	take_ledger(tb[VMDEDUP_A_GUEST_LEDGER], &guest->ledger);
}

static void take_region(struct nlattr *nest, struct vn_region *region)
{
	struct nlattr *tb[VMDEDUP_A_REGION_MAX + 1];

	memset(region, 0, sizeof(*region));
	if (!nest || nla_parse_nested(tb, VMDEDUP_A_REGION_MAX, nest, NULL))
		return;
	region->has = has(tb, VMDEDUP_A_REGION_MAX);
	TAKE_U64(region->id, tb, VMDEDUP_A_REGION_ID);
	TAKE_U64(region->guest, tb, VMDEDUP_A_REGION_GUEST_ID);
	TAKE_U32(region->pid, tb, VMDEDUP_A_REGION_PID);
	TAKE_U64(region->start, tb, VMDEDUP_A_REGION_START);
	TAKE_U64(region->length, tb, VMDEDUP_A_REGION_LENGTH);
	TAKE_U32(region->flags, tb, VMDEDUP_A_REGION_FLAGS);
	TAKE_U64(region->gpa, tb, VMDEDUP_A_REGION_GPA);
	TAKE_U32(region->slot, tb, VMDEDUP_A_REGION_SLOT);
	take_ledger(tb[VMDEDUP_A_REGION_LEDGER], &region->ledger);
}

static void take_event(struct nlattr *nest, struct vn_event *event)
{
	struct nlattr *tb[VMDEDUP_A_EVENT_MAX + 1];

	memset(event, 0, sizeof(*event));
	if (!nest || nla_parse_nested(tb, VMDEDUP_A_EVENT_MAX, nest, NULL))
		return;
	event->has = has(tb, VMDEDUP_A_EVENT_MAX);
	TAKE_U32(event->type, tb, VMDEDUP_A_EVENT_TYPE);
	TAKE_U64(event->time, tb, VMDEDUP_A_EVENT_TIME);
	TAKE_U64(event->guest, tb, VMDEDUP_A_EVENT_GUEST_ID);
	TAKE_U32(event->pid, tb, VMDEDUP_A_EVENT_PID);
	take_string(tb[VMDEDUP_A_EVENT_COMM], event->comm, sizeof(event->comm));
	TAKE_U8(event->kvm, tb, VMDEDUP_A_EVENT_KVM);
	TAKE_U64(event->region, tb, VMDEDUP_A_EVENT_REGION_ID);
	TAKE_U64(event->start, tb, VMDEDUP_A_EVENT_START);
	TAKE_U64(event->length, tb, VMDEDUP_A_EVENT_LENGTH);
	TAKE_U64(event->scanned, tb, VMDEDUP_A_EVENT_SCANNED);
	TAKE_U64(event->merged, tb, VMDEDUP_A_EVENT_MERGED);
	TAKE_U64(event->broken, tb, VMDEDUP_A_EVENT_BROKEN);
	TAKE_U64(event->took_ns, tb, VMDEDUP_A_EVENT_TOOK_NS);
	TAKE_U64(event->available, tb, VMDEDUP_A_EVENT_AVAILABLE);
	TAKE_U64(event->pfn, tb, VMDEDUP_A_EVENT_PFN);
	TAKE_U64(event->mappings, tb, VMDEDUP_A_EVENT_MAPPINGS);
	TAKE_U64(event->address, tb, VMDEDUP_A_EVENT_ADDRESS);
	TAKE_U8(event->repaired, tb, VMDEDUP_A_EVENT_REPAIRED);
	TAKE_U64(event->reserve, tb, VMDEDUP_A_EVENT_RESERVE);
}

static void got_stats(const struct nlmsghdr *nlh, void *arg)
{
	take_stats(nest_of(nlh, VMDEDUP_A_STATS), arg);
}

int vn_stats(struct vn *nl, struct vn_stats *stats)
{
	return vn_talk(nl, vn_request(nl, VMDEDUP_CMD_GET_STATS, 0), got_stats,
		       stats);
}

static void got_guest(const struct nlmsghdr *nlh, void *arg)
{
	take_guest(nest_of(nlh, VMDEDUP_A_GUEST), arg);
}

int vn_guest(struct vn *nl, uint64_t id, pid_t pid, struct vn_guest *guest)
{
	struct nl_msg *msg = vn_request(nl, VMDEDUP_CMD_GET_GUEST, 0);
	struct nlattr *nest = nla_nest_start(msg, VMDEDUP_A_GUEST);

	if (id)
		nla_put_u64(msg, VMDEDUP_A_GUEST_ID, id);
	else
		nla_put_u32(msg, VMDEDUP_A_GUEST_PID, pid);
	nla_nest_end(msg, nest);
	return vn_talk(nl, msg, got_guest, guest);
}

static void got_region(const struct nlmsghdr *nlh, void *arg)
{
	take_region(nest_of(nlh, VMDEDUP_A_REGION), arg);
}

int vn_region(struct vn *nl, uint64_t id, struct vn_region *region)
{
	struct nl_msg *msg = vn_request(nl, VMDEDUP_CMD_GET_REGION, 0);
	struct nlattr *nest = nla_nest_start(msg, VMDEDUP_A_REGION);

	nla_put_u64(msg, VMDEDUP_A_REGION_ID, id);
	nla_nest_end(msg, nest);
	return vn_talk(nl, msg, got_region, region);
}

int vn_exclude(struct vn *nl, pid_t pid, int excluded)
{
	struct nl_msg *msg = vn_request(nl, VMDEDUP_CMD_SET_GUEST, 0);
	struct nlattr *nest = nla_nest_start(msg, VMDEDUP_A_GUEST);

	nla_put_u32(msg, VMDEDUP_A_GUEST_PID, pid);
	nla_put_u8(msg, VMDEDUP_A_GUEST_EXCLUDED, excluded);
	nla_nest_end(msg, nest);
	return vn_talk(nl, msg, NULL, NULL);
}

struct dump {
	void *array;
	int max;
	int nr;
};

static void got_guests(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *dump = arg;

	if (dump->nr < dump->max)
		got_guest(nlh, (struct vn_guest *)dump->array + dump->nr);
	dump->nr++;
}

int vn_guests(struct vn *nl, struct vn_guest *guest, int max)
{
	struct dump dump = { guest, max, 0 };
	int err = vn_talk(nl, vn_request(nl, VMDEDUP_CMD_GET_GUEST, NLM_F_DUMP),
			  got_guests, &dump);

	return err ? err : dump.nr;
}

static void got_regions(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *dump = arg;

	if (dump->nr < dump->max)
		got_region(nlh, (struct vn_region *)dump->array + dump->nr);
	dump->nr++;
}

int vn_regions(struct vn *nl, uint64_t guest, struct vn_region *region, int max)
{
	struct nl_msg *msg = vn_request(nl, VMDEDUP_CMD_GET_REGION, NLM_F_DUMP);
	struct dump dump = { region, max, 0 };
	struct nlattr *nest;
	int err;

	if (guest) {
		nest = nla_nest_start(msg, VMDEDUP_A_REGION);
		nla_put_u64(msg, VMDEDUP_A_REGION_GUEST_ID, guest);
		nla_nest_end(msg, nest);
	}
	err = vn_talk(nl, msg, got_regions, &dump);
	return err ? err : dump.nr;
}

static int membership(struct vn *nl, const char *group, int option)
{
	int number = strcmp(group, VMDEDUP_MCGRP_STATS) ? nl->events :
							  nl->stats;

	return setsockopt(nl_socket_get_fd(nl->sk), SOL_NETLINK, option,
			  &number, sizeof(number)) ? -errno : 0;
}

int vn_listen(struct vn *nl, const char *group)
{
	return membership(nl, group, NETLINK_ADD_MEMBERSHIP);
}

int vn_leave(struct vn *nl, const char *group)
{
	return membership(nl, group, NETLINK_DROP_MEMBERSHIP);
}

/* The next multicast message of a command; each comes in a packet of its own. */
static int next_cast(struct vn *nl, int ms, int cmd, int attr,
		     struct nlattr **nest, char *buf, size_t size)
{
	long long end = now_ms() + ms;

	for (;;) {
		struct nlmsghdr *nlh = (void *)buf;
		long long left = end - now_ms();
		int len = receive(nl, left > 0 ? left : 0, buf, size);

		if (len < 0)
			return len;
		if (nlmsg_ok(nlh, len) && nlh->nlmsg_type == nl->family &&
		    genlmsg_hdr(nlh)->cmd == cmd) {
			*nest = nest_of(nlh, attr);
			return *nest ? 0 : -EBADMSG;
		}
	}
}

int vn_next_stats(struct vn *nl, int ms, struct vn_stats *stats)
{
	char buf[16384];
	struct nlattr *nest;
	int err = next_cast(nl, ms, VMDEDUP_CMD_GET_STATS, VMDEDUP_A_STATS,
			    &nest, buf, sizeof(buf));

	if (!err)
		take_stats(nest, stats);
	return err;
}

int vn_next_event(struct vn *nl, int ms, struct vn_event *event)
{
	char buf[16384];
	struct nlattr *nest;
	int err = next_cast(nl, ms, VMDEDUP_CMD_EVENT, VMDEDUP_A_EVENT, &nest,
			    buf, sizeof(buf));

	if (!err)
		take_event(nest, event);
	return err;
}

int vn_wait_event(struct vn *nl, int ms, uint32_t type, uint64_t guest,
		  struct vn_event *event)
{
	long long end = now_ms() + ms;
	int err;

	do {
		long long left = end - now_ms();

		err = vn_next_event(nl, left > 0 ? left : 0, event);
	} while (!err && (event->type != type ||
			  (guest && event->guest != guest)));
	return err;
}
