// SPDX-License-Identifier: GPL-2.0
/* Just enough of io_uring, without a library. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "uring.h"

static void *ring_map(struct uring *u, size_t bytes, off_t at)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, u->fd, at);

	return p == MAP_FAILED ? NULL : p;
}

int uring_open(struct uring *u)
{
	memset(u, 0, sizeof(*u));
	u->fd = syscall(SYS_io_uring_setup, 4, &u->p);
	if (u->fd < 0)
		return -errno;
	u->sq_bytes = u->p.sq_off.array + u->p.sq_entries * sizeof(uint32_t);
	u->cq_bytes = u->p.cq_off.cqes +
		      u->p.cq_entries * sizeof(struct io_uring_cqe);
	u->sq = ring_map(u, u->sq_bytes, IORING_OFF_SQ_RING);
	u->cq = ring_map(u, u->cq_bytes, IORING_OFF_CQ_RING);
	u->sqes = ring_map(u, u->p.sq_entries * sizeof(*u->sqes),
			   IORING_OFF_SQES);
	if (!u->sq || !u->cq || !u->sqes) {
		uring_close(u);
		return -ENOMEM;
	}
	return 0;
}

void uring_close(struct uring *u)
{
	if (u->sq)
		munmap(u->sq, u->sq_bytes);
	if (u->cq)
		munmap(u->cq, u->cq_bytes);
	if (u->sqes)
		munmap(u->sqes, u->p.sq_entries * sizeof(*u->sqes));
	close(u->fd);
}

int uring_pin(struct uring *u, void *p, size_t bytes)
{
	struct iovec iov = { p, bytes };

	return syscall(SYS_io_uring_register, u->fd, IORING_REGISTER_BUFFERS,
		       &iov, 1) < 0 ? -errno : 0;
}

int uring_unpin(struct uring *u)
{
	return syscall(SYS_io_uring_register, u->fd,
		       IORING_UNREGISTER_BUFFERS, NULL, 0) < 0 ? -errno : 0;
}

static uint32_t *word(void *ring, uint32_t offset)
{
	return (uint32_t *)((char *)ring + offset);
}

static ssize_t uring_do(struct uring *u, int op, int fd, void *p, size_t bytes,
			off_t at)
{
	uint32_t *tail = word(u->sq, u->p.sq_off.tail);
	uint32_t slot = *tail & (u->p.sq_entries - 1);
	uint32_t *head = word(u->cq, u->p.cq_off.head);
	struct io_uring_cqe *cqe;
	ssize_t res;

	u->sqes[slot] = (struct io_uring_sqe) {
		.opcode = op,
		.fd = fd,
		.addr = (uintptr_t)p,
		.len = bytes,
		.off = at,
		.buf_index = 0,
	};
	word(u->sq, u->p.sq_off.array)[slot] = slot;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	while (syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS,
		       NULL, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (__atomic_load_n(word(u->cq, u->p.cq_off.tail), __ATOMIC_ACQUIRE) ==
	    *head)
		return -EIO;
	cqe = (struct io_uring_cqe *)((char *)u->cq + u->p.cq_off.cqes);
	res = cqe[*head & (u->p.cq_entries - 1)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return res;
}

ssize_t uring_read(struct uring *u, int fd, void *p, size_t bytes, off_t at)
{
	return uring_do(u, IORING_OP_READ_FIXED, fd, p, bytes, at);
}

ssize_t uring_write(struct uring *u, int fd, void *p, size_t bytes, off_t at)
{
	return uring_do(u, IORING_OP_WRITE_FIXED, fd, p, bytes, at);
}
