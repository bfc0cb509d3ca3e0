/* SPDX-License-Identifier: LGPL-2.1 */
#ifndef _VMDEDUP_PRIVATE_H
#define _VMDEDUP_PRIVATE_H

#include "vmdedup.h"

struct nl_msg;
struct nl_sock;

/* What the kernel says in words is not longer. */
#define KERNEL_TEXT_MAX		160

/**
 * struct vmdedup_ops - the system calls that change something
 * @open: returns a file descriptor or -errno
 * @ioctl: returns 0 or -errno
 * @close: as close(2)
 * @set: writes a text to a file of sysfs; returns 0 or -errno
 *
 * Tests put a device of their own here.
 */
struct vmdedup_ops {
	int (*open)(void *data, const char *path);
	int (*ioctl)(void *data, int fd, unsigned long request, void *arg);
	void (*close)(void *data, int fd);
	int (*set)(void *data, int dir, const char *name, const char *text);
};

/**
 * struct vmdedup_link_ops - netlink sockets
 * @connect: make @sk ready to send and receive; returns 0 or -errno
 * @join: have @sk receive what is sent to a multicast group; 0 or -errno
 * @fd: what to poll for messages to @sk
 *
 * Tests put a kernel of their own here, and have libnl send to and receive from
 * it by the callbacks that it has for that.
 */
struct vmdedup_link_ops {
	int (*connect)(void *data, struct nl_sock *sk);
	int (*join)(void *data, struct nl_sock *sk, int group);
	int (*fd)(void *data, struct nl_sock *sk);
};

/**
 * struct vmdedup_ctx - a context
 * @ops: system calls on the device
 * @ops_data: for @ops
 * @fd: of the device, or -1
 * @sysfs_dir: where sysfs is read
 * @link_ops: netlink sockets
 * @link_data: for @link_ops
 * @link: for requests, or NULL
 * @family: of @link
 * @kernel_text: what the kernel said about the last request
 * @news: for multicast, or NULL
 * @messages: received by @news and not asked for yet
 * @nr_messages: entries in @messages
 * @next_message: the one to be asked for next
 */
struct vmdedup_ctx {
	const struct vmdedup_ops *ops;
	void *ops_data;
	int fd;
	char *sysfs_dir;

	const struct vmdedup_link_ops *link_ops;
	void *link_data;
	struct nl_sock *link;
	int family;
	char kernel_text[KERNEL_TEXT_MAX];

	struct nl_sock *news;
	struct vmdedup_message *messages;
	size_t nr_messages;
	size_t next_message;
};

void vmdedup_set_ops(struct vmdedup_ctx *ctx, const struct vmdedup_ops *ops, void *data);
void vmdedup_set_link_ops(struct vmdedup_ctx *ctx, const struct vmdedup_link_ops *ops,
			  void *data);

/* Forgets @link. */
void vmdedup_link_close(struct vmdedup_ctx *ctx);
/* Forgets @news. */
void vmdedup_news_close(struct vmdedup_ctx *ctx);
/* A socket that is ready; to be released by nl_socket_free(). */
int vmdedup_link_open(struct vmdedup_ctx *ctx, struct nl_sock **skp);
/* Whether it was sent by the kernel: other processes can send as well. */
bool vmdedup_is_from_kernel(struct nl_msg *msg);
/* An error of libnl as -errno. */
int vmdedup_from_nl(int err);

/* Takes a message of an answer; returns 0 or -errno. */
typedef int (*vmdedup_take_fn)(const struct vmdedup_message *message, void *arg);

/* A request of the family: NULL without memory. */
struct nl_msg *vmdedup_request_new(struct vmdedup_ctx *ctx, uint8_t cmd, int flags);

/**
 * vmdedup_request_run() - send a request and take what is answered
 * @ctx: the context
 * @msg: the request, is freed; NULL is out of memory
 * @take: called for each message of the answer, until it returns an error
 * @arg: for @take
 * @interrupted: out, or NULL: a dump is not of one state
 *
 * Return: 0 or -errno: of the kernel, of @take, or of the connection.
 */
int vmdedup_request_run(struct vmdedup_ctx *ctx, struct nl_msg *msg, vmdedup_take_fn take,
			void *arg, bool *interrupted);

/**
 * vmdedup_parse_message() - take a message of the family apart
 * @buf: a netlink message with its header, aligned to 4
 * @len: bytes that are there
 * @message: out: undefined on an error
 *
 * Return: 0; -EBADMSG for one that makes no sense; -EOPNOTSUPP for a command
 * that this version does not know.
 */
int vmdedup_parse_message(const void *buf, size_t len, struct vmdedup_message *message);

/**
 * vmdedup_parse_error() - take the end of an answer apart
 * @buf: a netlink message with its header, NLMSG_ERROR or NLMSG_DONE, aligned to 4
 * @len: bytes that are there
 * @error: out: 0 or -errno
 * @text: out: what the kernel says in words, printable; empty if it does not
 * @size: of @text
 *
 * Return: 0, or -EBADMSG for one that makes no sense.
 */
int vmdedup_parse_error(const void *buf, size_t len, int *error, char *text, size_t size);

#endif /* _VMDEDUP_PRIVATE_H */
