/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Just enough of io_uring to read into and write from registered buffers, one
 * request at a time. Functions return 0 or a negative errno.
 */
#ifndef VMDEDUP_SELFTESTS_URING_H
#define VMDEDUP_SELFTESTS_URING_H

#include <stddef.h>
#include <sys/types.h>

#include <linux/io_uring.h>

struct uring {
	int fd;
	void *sq;
	void *cq;
	struct io_uring_sqe *sqes;
	struct io_uring_params p;
	size_t sq_bytes;
	size_t cq_bytes;
};

int uring_open(struct uring *u);
void uring_close(struct uring *u);
/* Pin @bytes at @p for as long as the buffer is registered. */
int uring_pin(struct uring *u, void *p, size_t bytes);
int uring_unpin(struct uring *u);
/* Read or write by the registered buffer. Returns the bytes moved. */
ssize_t uring_read(struct uring *u, int fd, void *p, size_t bytes, off_t at);
ssize_t uring_write(struct uring *u, int fd, void *p, size_t bytes, off_t at);

#endif /* VMDEDUP_SELFTESTS_URING_H */
