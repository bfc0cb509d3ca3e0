// SPDX-License-Identifier: LGPL-2.1
/* The netlink socket for requests, and their answers. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/socket.h>

#include "private.h"

/* The kernel answers at once, or it never will. */
#define ANSWER_SECS	10
/* More messages in an answer than that are none. */
#define ANSWER_MAX	(1U << 21)

static int socket_connect(void *data, struct nl_sock *sk)
{
	const struct timeval patience = { .tv_sec = ANSWER_SECS };
	const int on = 1;
	int err = genl_connect(sk);

	(void)data;
	if (err)
		return vmdedup_from_nl(err);
	/* Words and short errors are welcome, an old kernel may lack them. */
	setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	if (setsockopt(nl_socket_get_fd(sk), SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)))
		return -errno;
	/* No message is cut off. */
	nl_socket_enable_msg_peek(sk);
	return 0;
}

static int socket_join(void *data, struct nl_sock *sk, int group)
{
	(void)data;
	return vmdedup_from_nl(nl_socket_add_membership(sk, group));
}

static int socket_fd(void *data, struct nl_sock *sk)
{
	(void)data;
	return nl_socket_get_fd(sk);
}

static const struct vmdedup_link_ops socket_ops = {
	.connect	= socket_connect,
	.join		= socket_join,
	.fd		= socket_fd,
};

void vmdedup_set_link_ops(struct vmdedup_ctx *ctx, const struct vmdedup_link_ops *ops,
			  void *data)
{
	ctx->link_ops = ops ? ops : &socket_ops;
	ctx->link_data = data;
}

int vmdedup_from_nl(int err)
{
	switch (err < 0 ? -err : err) {
	case NLE_SUCCESS:
		return 0;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_INTR:
		return -EINTR;
	case NLE_AGAIN:
		return -EAGAIN;
	case NLE_BAD_SOCK:
		return -ENOTCONN;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_NODEV:
		return -ENODEV;
	case NLE_AF_NOSUPPORT:
	case NLE_PROTO_MISMATCH:
	case NLE_OPNOTSUPP:
		return -EPROTONOSUPPORT;
	case NLE_MSG_TRUNC:
	case NLE_MSG_TOOSHORT:
	case NLE_MSGSIZE:
		return -EBADMSG;
	}
	return -EIO;
}

bool vmdedup_is_from_kernel(struct nl_msg *msg)
{
	return nlmsg_get_src(msg)->nl_pid == 0;
}

int vmdedup_link_open(struct vmdedup_ctx *ctx, struct nl_sock **skp)
{
	struct nl_sock *sk = nl_socket_alloc();
	int err;

	if (!sk)
		return -ENOMEM;
	err = ctx->link_ops->connect(ctx->link_data, sk);
	if (err) {
		nl_socket_free(sk);
		return err;
	}
	*skp = sk;
	return 0;
}

void vmdedup_link_close(struct vmdedup_ctx *ctx)
{
	if (ctx->link)
		nl_socket_free(ctx->link);
	ctx->link = NULL;
}

int vmdedup_connect(struct vmdedup_ctx *ctx)
{
	int err;

	if (ctx->link)
		return 0;
	err = vmdedup_link_open(ctx, &ctx->link);
	if (err)
		return err;
	ctx->family = genl_ctrl_resolve(ctx->link, VMDEDUP_GENL_NAME);
	if (ctx->family < 0) {
		vmdedup_link_close(ctx);
		return vmdedup_from_nl(ctx->family);
	}
	return 0;
}

struct nl_msg *vmdedup_request_new(struct vmdedup_ctx *ctx, uint8_t cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (!msg)
		return NULL;
	if (!genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, ctx->family, 0, flags, cmd,
			 VMDEDUP_GENL_VERSION)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

/**
 * struct answer - what comes after a request
 * @ctx: the context
 * @take: for each message
 * @arg: for @take
 * @messages: how many came
 * @err: the first error
 * @interrupted: NLM_F_DUMP_INTR was set
 * @done: it was the last message
 */
struct answer {
	struct vmdedup_ctx *ctx;
	vmdedup_take_fn take;
	void *arg;
	unsigned int messages;
	int err;
	bool interrupted;
	bool done;
};

/* After an error the rest is received all the same: the next answer comes after. */
static int on_message(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct vmdedup_message message;
	struct answer *answer = arg;
	int err;

	if (++answer->messages > ANSWER_MAX)
		return -NLE_RANGE;
	if (answer->err || !vmdedup_is_from_kernel(msg) ||
	    nlh->nlmsg_type != answer->ctx->family)
		return NL_OK;
	err = vmdedup_parse_message(nlh, nlh->nlmsg_len, &message);
	if (!err && answer->take)
		err = answer->take(&message, answer->arg);
	if (err != -EOPNOTSUPP)
		answer->err = err;
	return NL_OK;
}

static void take_end(struct answer *answer, const struct nlmsghdr *nlh)
{
	int error, err;

	err = vmdedup_parse_error(nlh, nlh->nlmsg_len, &error, answer->ctx->kernel_text,
				  KERNEL_TEXT_MAX);
	/* What the kernel has to say is worth more than what came of it. */
	if (err)
		answer->err = err;
	else if (error)
		answer->err = error < 0 ? error : -EBADMSG;
	answer->done = true;
}

static int on_finish(struct nl_msg *msg, void *arg)
{
	if (!vmdedup_is_from_kernel(msg))
		return NL_OK;
	take_end(arg, nlmsg_hdr(msg));
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	return on_finish(msg, arg);
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *arg)
{
	/* libnl has checked that the struct is there whole. */
	if (from->nl_pid)
		return NL_SKIP;
	take_end(arg, (struct nlmsghdr *)((char *)error - NLMSG_HDRLEN));
	return NL_STOP;
}

static int on_interrupted(struct nl_msg *msg, void *arg)
{
	struct answer *answer = arg;

	(void)msg;
	answer->interrupted = true;
	return NL_OK;
}

/* From something else than the kernel, or of a request given up. */
static int on_sequence(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	const uint32_t *expected = arg;

	return nlh->nlmsg_seq == *expected ? NL_OK : NL_SKIP;
}

static int receive_answer(struct nl_sock *sk, struct answer *answer, uint32_t sequence)
{
	struct nl_cb *own = nl_socket_get_cb(sk);
	struct nl_cb *cb = nl_cb_clone(own);
	int err = 0;

	nl_cb_put(own);
	if (!cb)
		return -ENOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, answer);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, answer);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, answer);
	nl_cb_set(cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, answer);
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_sequence, &sequence);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, answer);
	while (!err && !answer->done) {
		err = nl_recvmsgs(sk, cb);
		if (answer->done)
			err = 0;
	}
	nl_cb_put(cb);
	return vmdedup_from_nl(err);
}

int vmdedup_request_run(struct vmdedup_ctx *ctx, struct nl_msg *msg, vmdedup_take_fn take,
			void *arg, bool *interrupted)
{
	struct answer answer = { .ctx = ctx, .take = take, .arg = arg };
	int err;

	ctx->kernel_text[0] = '\0';
	if (!msg)
		return -ENOMEM;
	if (!ctx->link) {
		nlmsg_free(msg);
		return -ENOTCONN;
	}
	nl_complete_msg(ctx->link, msg);
	err = nl_send(ctx->link, msg);
	if (err >= 0)
		err = receive_answer(ctx->link, &answer, nlmsg_hdr(msg)->nlmsg_seq);
	else
		err = vmdedup_from_nl(err);
	nlmsg_free(msg);
	if (interrupted)
		*interrupted = answer.interrupted;
	/* What was not received now would be taken for the next answer. */
	if (err)
		vmdedup_link_close(ctx);
	if (err == -EAGAIN)
		err = -ETIMEDOUT;
	return err ? err : answer.err;
}

const char *vmdedup_kernel_text(const struct vmdedup_ctx *ctx)
{
	return ctx->kernel_text;
}
