// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/socket.h>

#include "fake_link.h"

static struct fake_link *the_fake;

static struct nl_msg *new_message(int family, int cmd)
{
	struct nl_msg *msg = nlmsg_alloc_size(65536);

	genlmsg_put(msg, 0, 0, family, 0, 0, cmd, VMDEDUP_GENL_VERSION);
	return msg;
}

static void put_fields(struct nl_msg *msg, enum vmdedup_field_set set, const void *object,
		       uint32_t has)
{
	const struct vmdedup_field *fields;
	size_t i, count;

	fields = vmdedup_fields(set, &count);
	for (i = 0; i < count; i++) {
		uint64_t number = vmdedup_field_number(&fields[i], object);

		if (has && !(has >> fields[i].attr & 1))
			continue;
		switch (fields[i].type) {
		case VMDEDUP_FIELD_U64:
			nla_put_u64(msg, fields[i].attr, number);
			break;
		case VMDEDUP_FIELD_U32:
			nla_put_u32(msg, fields[i].attr, number);
			break;
		case VMDEDUP_FIELD_U8:
			nla_put_u8(msg, fields[i].attr, number);
			break;
		case VMDEDUP_FIELD_TEXT:
			nla_put_string(msg, fields[i].attr,
				       (const char *)object + fields[i].offset);
			break;
		}
	}
}

static void put_skipped(struct nl_msg *msg, int attr, const __u64 *skipped)
{
	struct nlattr *nest = nla_nest_start(msg, attr);
	int i;

	for (i = 0; i < VMDEDUP_SKIP_SLOTS; i++) {
		if (i < VMDEDUP_SKIP_NR || skipped[i])
			nla_put_u64(msg, i + 1, skipped[i]);
	}
	nla_nest_end(msg, nest);
}

static void put_ledger(struct nl_msg *msg, int attr, const struct vmdedup_ledger *ledger)
{
	struct nlattr *nest = nla_nest_start(msg, attr);

	put_skipped(msg, VMDEDUP_A_LEDGER_SKIPPED, ledger->skipped);
	put_fields(msg, VMDEDUP_FIELDS_LEDGER, ledger, 0);
	nla_nest_end(msg, nest);
}

struct nl_msg *fake_stats_message(const struct vmdedup_stats *stats)
{
	struct nl_msg *msg = new_message(FAKE_FAMILY, VMDEDUP_CMD_GET_STATS);
	struct nlattr *nest = nla_nest_start(msg, VMDEDUP_A_STATS);

	put_skipped(msg, VMDEDUP_A_STATS_SKIPPED, stats->skipped);
	put_fields(msg, VMDEDUP_FIELDS_STATS, stats, 0);
	/* Of a later version. */
	nla_put_u64(msg, VMDEDUP_A_STATS_MAX + 5, 1);
	nla_nest_end(msg, nest);
	return msg;
}

struct nl_msg *fake_guest_message(const struct vmdedup_guest *guest)
{
	struct nl_msg *msg = new_message(FAKE_FAMILY, VMDEDUP_CMD_GET_GUEST);
	struct nlattr *nest = nla_nest_start(msg, VMDEDUP_A_GUEST);

	put_fields(msg, VMDEDUP_FIELDS_GUEST, guest, guest->has);
	put_ledger(msg, VMDEDUP_A_GUEST_LEDGER, &guest->ledger);
	nla_put_string(msg, VMDEDUP_A_GUEST_MAX + 1, "of a later version");
	nla_nest_end(msg, nest);
	nla_put_u32(msg, VMDEDUP_A_MAX + 1, 3);
	return msg;
}

struct nl_msg *fake_region_message(const struct vmdedup_region *region)
{
	struct nl_msg *msg = new_message(FAKE_FAMILY, VMDEDUP_CMD_GET_REGION);
	struct nlattr *nest = nla_nest_start(msg, VMDEDUP_A_REGION);

	put_fields(msg, VMDEDUP_FIELDS_REGION, region, region->has);
	put_ledger(msg, VMDEDUP_A_REGION_LEDGER, &region->ledger);
	nla_nest_end(msg, nest);
	return msg;
}

struct nl_msg *fake_event_message(const struct vmdedup_event *event)
{
	struct nl_msg *msg = new_message(FAKE_FAMILY, VMDEDUP_CMD_EVENT);
	struct nlattr *nest = nla_nest_start(msg, VMDEDUP_A_EVENT);

	put_fields(msg, VMDEDUP_FIELDS_EVENT, event,
		   event->has | 1U << VMDEDUP_A_EVENT_TYPE | 1U << VMDEDUP_A_EVENT_TIME);
	nla_nest_end(msg, nest);
	return msg;
}

static void enqueue(struct fake_queue *queue, struct nl_msg *msg)
{
	queue->messages = reallocarray(queue->messages, queue->count + 1,
				       sizeof(*queue->messages));
	queue->messages[queue->count++] = msg;
}

static void release(struct fake_queue *queue)
{
	for (; queue->first < queue->count; queue->first++)
		nlmsg_free(queue->messages[queue->first]);
	free(queue->messages);
}

void fake_link_news(struct fake_link *fake, struct nl_msg *msg)
{
	const uint64_t one = 1;

	enqueue(&fake->news, msg);
	if (write(fake->eventfd, &one, sizeof(one)) != sizeof(one))
		abort();
}

/* An answer: to the request of that header. */
static void answer(struct fake_link *fake, const struct nlmsghdr *request, struct nl_msg *msg,
		   int flags)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);

	nlh->nlmsg_seq = request->nlmsg_seq;
	nlh->nlmsg_pid = request->nlmsg_pid;
	nlh->nlmsg_flags = flags;
	if (fake->mangle && nlh->nlmsg_type == FAKE_FAMILY)
		nlh->nlmsg_len = fake->mangle(fake->mangle_data, (unsigned char *)nlh,
					      nlh->nlmsg_len);
	enqueue(&fake->answers, msg);
}

static void answer_error(struct fake_link *fake, const struct nlmsghdr *request, int error,
			 const char *text)
{
	struct nl_msg *msg = nlmsg_alloc();
	struct nlmsgerr body = { .error = error, .msg = *request };
	bool told = error && text && !fake->no_text;
	/* Without NLM_F_CAPPED the whole request comes back. */
	bool capped = !fake->no_text;
	size_t rest = error && !capped ? request->nlmsg_len - NLMSG_HDRLEN : 0;

	nlmsg_put(msg, 0, 0, NLMSG_ERROR, 0, 0);
	nlmsg_append(msg, &body, sizeof(body), 0);
	if (rest)
		nlmsg_append(msg, nlmsg_data(request), rest, NLMSG_ALIGNTO);
	if (told)
		nla_put_string(msg, NLMSGERR_ATTR_MSG, text);
	answer(fake, request, msg,
	       (capped ? NLM_F_CAPPED : 0) | (told ? NLM_F_ACK_TLVS : 0));
}

static void answer_family(struct fake_link *fake, const struct nlmsghdr *request)
{
	static const struct {
		const char *name;
		uint32_t id;
	} groups[] = {
		{ VMDEDUP_MCGRP_STATS, FAKE_GROUP_STATS },
		{ VMDEDUP_MCGRP_EVENTS, FAKE_GROUP_EVENTS },
	};
	struct nl_msg *msg;
	struct nlattr *nest, *group;
	size_t i;

	if (fake->absent) {
		answer_error(fake, request, -ENOENT, NULL);
		return;
	}
	msg = new_message(GENL_ID_CTRL, CTRL_CMD_NEWFAMILY);
	nla_put_u16(msg, CTRL_ATTR_FAMILY_ID, FAKE_FAMILY);
	nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, VMDEDUP_GENL_NAME);
	nest = nla_nest_start(msg, CTRL_ATTR_MCAST_GROUPS);
	for (i = 0; i < 2; i++) {
		group = nla_nest_start(msg, i + 1);
		nla_put_string(msg, CTRL_ATTR_MCAST_GRP_NAME, groups[i].name);
		nla_put_u32(msg, CTRL_ATTR_MCAST_GRP_ID, groups[i].id);
		nla_nest_end(msg, group);
	}
	nla_nest_end(msg, nest);
	answer(fake, request, msg, 0);
	if (request->nlmsg_flags & NLM_F_ACK)
		answer_error(fake, request, 0, NULL);
}

static void answer_done(struct fake_link *fake, const struct nlmsghdr *request)
{
	struct nl_msg *msg = nlmsg_alloc();
	int flags = NLM_F_MULTI;
	int zero = 0;

	if (fake->interrupt) {
		fake->interrupt--;
		flags |= NLM_F_DUMP_INTR;
	}
	nlmsg_put(msg, 0, 0, NLMSG_DONE, 0, 0);
	nlmsg_append(msg, &zero, sizeof(zero), 0);
	answer(fake, request, msg, flags);
}

static void dump(struct fake_link *fake, const struct nlmsghdr *request, int cmd,
		 const uint64_t *guest_id)
{
	size_t i;

	fake->dumps++;
	for (i = 0; cmd == VMDEDUP_CMD_GET_GUEST && i < fake->nr_guests; i++)
		answer(fake, request, fake_guest_message(&fake->guests[i]), NLM_F_MULTI);
	for (i = 0; cmd == VMDEDUP_CMD_GET_REGION && i < fake->nr_regions; i++) {
		if (guest_id && *guest_id != fake->regions[i].guest_id)
			continue;
		answer(fake, request, fake_region_message(&fake->regions[i]), NLM_F_MULTI);
	}
	answer_done(fake, request);
}

static void get_guest(struct fake_link *fake, const struct nlmsghdr *request,
		      struct nlattr **attrs)
{
	struct nlattr *id = attrs[VMDEDUP_A_GUEST_ID], *pid = attrs[VMDEDUP_A_GUEST_PID];
	size_t i;

	if (!id == !pid) {
		answer_error(fake, request, -EINVAL, "either an id or a pid is needed");
		return;
	}
	if (pid && nla_get_u32(pid) == fake->no_process) {
		answer_error(fake, request, -ESRCH, "no process with that pid");
		return;
	}
	for (i = 0; i < fake->nr_guests; i++) {
		if (id ? nla_get_u64(id) != fake->guests[i].id :
			 nla_get_u32(pid) != fake->guests[i].pid)
			continue;
		answer(fake, request, fake_guest_message(&fake->guests[i]), 0);
		answer_error(fake, request, 0, NULL);
		return;
	}
	answer_error(fake, request, -ENOENT, "no such guest");
}

static void get_region(struct fake_link *fake, const struct nlmsghdr *request, uint64_t id)
{
	size_t i;

	for (i = 0; i < fake->nr_regions; i++) {
		if (fake->regions[i].id != id)
			continue;
		answer(fake, request, fake_region_message(&fake->regions[i]), 0);
		answer_error(fake, request, 0, NULL);
		return;
	}
	answer_error(fake, request, -ENOENT, "no such region");
}

static void set_guest(struct fake_link *fake, const struct nlmsghdr *request,
		      struct nlattr **attrs)
{
	if (!attrs[VMDEDUP_A_GUEST_PID] || !attrs[VMDEDUP_A_GUEST_EXCLUDED]) {
		answer_error(fake, request, -EINVAL, "a pid and a decision are needed");
		return;
	}
	if (nla_get_u32(attrs[VMDEDUP_A_GUEST_PID]) == fake->no_process) {
		answer_error(fake, request, -ESRCH, "no process with that pid");
		return;
	}
	fake->excluded = nla_get_u32(attrs[VMDEDUP_A_GUEST_PID]);
	if (!nla_get_u8(attrs[VMDEDUP_A_GUEST_EXCLUDED]))
		fake->excluded = -fake->excluded;
	answer_error(fake, request, 0, NULL);
}

static void answer_request(struct fake_link *fake, struct nlmsghdr *request)
{
	int cmd = genlmsg_hdr(request)->cmd;
	struct nlattr *attrs[VMDEDUP_A_MAX + 1];
	struct nlattr *guest[VMDEDUP_A_GUEST_MAX + 1] = { NULL };
	struct nlattr *region[VMDEDUP_A_REGION_MAX + 1] = { NULL };
	uint64_t id;

	genlmsg_parse(request, 0, attrs, VMDEDUP_A_MAX, NULL);
	if (attrs[VMDEDUP_A_GUEST])
		nla_parse_nested(guest, VMDEDUP_A_GUEST_MAX, attrs[VMDEDUP_A_GUEST], NULL);
	if (attrs[VMDEDUP_A_REGION])
		nla_parse_nested(region, VMDEDUP_A_REGION_MAX, attrs[VMDEDUP_A_REGION], NULL);
	if (++fake->requests == fake->error_at) {
		answer_error(fake, request, fake->error, fake->text);
	} else if (fake->unprivileged && cmd != VMDEDUP_CMD_GET_STATS) {
		answer_error(fake, request, -EPERM, NULL);
	} else if ((request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) {
		if (region[VMDEDUP_A_REGION_GUEST_ID])
			id = nla_get_u64(region[VMDEDUP_A_REGION_GUEST_ID]);
		dump(fake, request, cmd, region[VMDEDUP_A_REGION_GUEST_ID] ? &id : NULL);
	} else if (cmd == VMDEDUP_CMD_GET_STATS) {
		answer(fake, request, fake_stats_message(&fake->stats), 0);
		answer_error(fake, request, 0, NULL);
	} else if (cmd == VMDEDUP_CMD_GET_GUEST) {
		get_guest(fake, request, guest);
	} else if (cmd == VMDEDUP_CMD_GET_REGION && region[VMDEDUP_A_REGION_ID]) {
		get_region(fake, request, nla_get_u64(region[VMDEDUP_A_REGION_ID]));
	} else if (cmd == VMDEDUP_CMD_SET_GUEST) {
		set_guest(fake, request, guest);
	} else {
		answer_error(fake, request, -EOPNOTSUPP, NULL);
	}
}

static int fake_send(struct nl_sock *sk, struct nl_msg *msg)
{
	struct nlmsghdr *request = nlmsg_hdr(msg);

	(void)sk;
	if (the_fake->mute)
		return request->nlmsg_len;
	if (request->nlmsg_type == GENL_ID_CTRL)
		answer_family(the_fake, request);
	else
		answer_request(the_fake, request);
	return request->nlmsg_len;
}

static int fake_recv(struct nl_sock *sk, struct sockaddr_nl *from, unsigned char **buf,
		     struct ucred **creds)
{
	struct fake_link *fake = the_fake;
	struct fake_queue *queue = sk == fake->news_sk ? &fake->news : &fake->answers;
	struct nl_msg *msg;
	uint64_t count;
	int len;

	(void)creds;
	if (queue->first == queue->count)
		return -NLE_AGAIN;
	if (queue == &fake->news &&
	    read(fake->eventfd, &count, sizeof(count)) != sizeof(count))
		abort();
	msg = queue->messages[queue->first++];
	memset(from, 0, sizeof(*from));
	from->nl_family = AF_NETLINK;
	len = nlmsg_hdr(msg)->nlmsg_len;
	/* Exactly as long as it says, for the address sanitizer. */
	*buf = malloc(len);
	memcpy(*buf, nlmsg_hdr(msg), len);
	nlmsg_free(msg);
	return len;
}

static int fake_connect(void *data, struct nl_sock *sk)
{
	struct nl_cb *cb = nl_socket_get_cb(sk);

	the_fake = data;
	nl_cb_overwrite_send(cb, fake_send);
	nl_cb_overwrite_recv(cb, fake_recv);
	nl_cb_put(cb);
	return 0;
}

static int fake_join(void *data, struct nl_sock *sk, int group)
{
	struct fake_link *fake = data;

	if (fake->unprivileged && group == FAKE_GROUP_EVENTS)
		return -EPERM;
	fake->news_sk = sk;
	fake->groups |= 1U << group;
	return 0;
}

static int fake_fd(void *data, struct nl_sock *sk)
{
	(void)sk;
	return ((struct fake_link *)data)->eventfd;
}

const struct vmdedup_link_ops fake_link_ops = {
	.connect	= fake_connect,
	.join		= fake_join,
	.fd		= fake_fd,
};

void fake_link_setup(struct fake_link *fake)
{
	fake->eventfd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE | EFD_NONBLOCK);
}

void fake_link_teardown(struct fake_link *fake)
{
	release(&fake->answers);
	release(&fake->news);
	close(fake->eventfd);
	free(fake->guests);
}

struct vmdedup_guest *fake_guest(struct fake_link *fake, uint64_t id, uint32_t pid,
				 const char *comm)
{
	struct vmdedup_guest *guest;

	fake->guests = reallocarray(fake->guests, fake->nr_guests + 1, sizeof(*fake->guests));
	guest = &fake->guests[fake->nr_guests++];
	memset(guest, 0, sizeof(*guest));
	/* All but what a process that has gone lacks. */
	guest->has = UINT32_MAX;
	if (!pid)
		guest->has &= ~(1U << VMDEDUP_A_GUEST_PID);
	guest->id = id;
	guest->pid = pid;
	guest->kvm = 1;
	strncpy(guest->comm, comm, sizeof(guest->comm) - 1);
	return guest;
}

struct vmdedup_region *fake_link_region(struct fake_link *fake, uint64_t id,
					const struct vmdedup_guest *guest)
{
	struct vmdedup_region *region = &fake->regions[fake->nr_regions++];

	memset(region, 0, sizeof(*region));
	region->has = UINT32_MAX;
	region->id = id;
	region->guest_id = guest->id;
	region->pid = guest->pid;
	return region;
}
