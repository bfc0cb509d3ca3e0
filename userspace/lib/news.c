// SPDX-License-Identifier: LGPL-2.1
/* News by multicast. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/msg.h>
#include <netlink/socket.h>

#include "private.h"

/* Room for some thousand events, for when a host starts all its guests. */
#define NEWS_BYTES	(1 << 20)
/* One datagram of the kernel holds one message; there cannot be more than this. */
#define MESSAGES_MAX	1024

/**
 * struct arrival - what one nl_recvmsgs() brings
 * @ctx: the context
 * @err: the first error
 */
struct arrival {
	struct vmdedup_ctx *ctx;
	int err;
};

static int keep(struct vmdedup_ctx *ctx, const struct vmdedup_message *message)
{
	struct vmdedup_message *more;

	if (ctx->nr_messages >= MESSAGES_MAX)
		return -ENOBUFS;
	more = reallocarray(ctx->messages, ctx->nr_messages + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	ctx->messages = more;
	ctx->messages[ctx->nr_messages++] = *message;
	return 0;
}

static int on_news(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct vmdedup_message message;
	struct arrival *arrival = arg;
	int err;

	if (!vmdedup_is_from_kernel(msg) || nlh->nlmsg_type != arrival->ctx->family)
		return NL_OK;
	err = vmdedup_parse_message(nlh, nlh->nlmsg_len, &message);
	if (!err)
		err = keep(arrival->ctx, &message);
	if (err && err != -EOPNOTSUPP && !arrival->err)
		arrival->err = err;
	return NL_OK;
}

static int join(struct vmdedup_ctx *ctx, struct nl_sock *sk, const char *name)
{
	int group = genl_ctrl_resolve_grp(ctx->link, VMDEDUP_GENL_NAME, name);

	if (group < 0)
		return vmdedup_from_nl(group);
	return ctx->link_ops->join(ctx->link_data, sk, group);
}

int vmdedup_subscribe(struct vmdedup_ctx *ctx, unsigned int news)
{
	struct nl_sock *sk;
	int err;

	if (!ctx->link)
		return -ENOTCONN;
	err = vmdedup_link_open(ctx, &sk);
	if (err)
		return err;
	nl_socket_disable_seq_check(sk);
	/* More than an ordinary user may have is not given to one: as it comes. */
	nl_socket_set_buffer_size(sk, NEWS_BYTES, 0);
	if (news & VMDEDUP_NEWS_STATS)
		err = join(ctx, sk, VMDEDUP_MCGRP_STATS);
	if (!err && news & VMDEDUP_NEWS_EVENTS)
		err = join(ctx, sk, VMDEDUP_MCGRP_EVENTS);
	if (err) {
		nl_socket_free(sk);
		return err;
	}
	vmdedup_news_close(ctx);
	ctx->news = sk;
	return 0;
}

void vmdedup_news_close(struct vmdedup_ctx *ctx)
{
	if (ctx->news)
		nl_socket_free(ctx->news);
	free(ctx->messages);
	ctx->news = NULL;
	ctx->messages = NULL;
	ctx->nr_messages = 0;
	ctx->next_message = 0;
}

int vmdedup_news_fd(struct vmdedup_ctx *ctx)
{
	return ctx->news ? ctx->link_ops->fd(ctx->link_data, ctx->news) : -ENOTCONN;
}

/* Only when poll() has said that there is something: the socket blocks. */
static int receive_datagram(struct vmdedup_ctx *ctx)
{
	struct arrival arrival = { .ctx = ctx };
	struct nl_cb *own = nl_socket_get_cb(ctx->news);
	struct nl_cb *cb = nl_cb_clone(own);
	int err;

	nl_cb_put(own);
	if (!cb)
		return -ENOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_news, &arrival);
	errno = 0;
	err = nl_recvmsgs(ctx->news, cb);
	/* For libnl that is the same as no memory. */
	if (err == -NLE_NOMEM && errno == ENOBUFS)
		err = -ENOBUFS;
	else
		err = vmdedup_from_nl(err);
	nl_cb_put(cb);
	return err ? err : arrival.err;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int wait_for_news(struct vmdedup_ctx *ctx, int64_t deadline)
{
	struct pollfd pollfd = { .fd = vmdedup_news_fd(ctx), .events = POLLIN };
	int64_t left = deadline - now_ms();
	int ready;

	if (left < 0)
		left = 0;
	if (left > INT_MAX)
		left = INT_MAX;
	ready = poll(&pollfd, 1, deadline == INT64_MAX ? -1 : (int)left);
	if (ready < 0)
		return -errno;
	return ready ? 0 : -EAGAIN;
}

int vmdedup_receive(struct vmdedup_ctx *ctx, struct vmdedup_message *message, int timeout_ms)
{
	int64_t deadline = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
	int err;

	if (!ctx->news)
		return -ENOTCONN;
	while (ctx->next_message == ctx->nr_messages) {
		ctx->next_message = 0;
		ctx->nr_messages = 0;
		err = wait_for_news(ctx, deadline);
		if (!err)
			err = receive_datagram(ctx);
		if (err)
			return err;
	}
	*message = ctx->messages[ctx->next_message++];
	return 0;
}
