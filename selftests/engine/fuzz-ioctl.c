// SPDX-License-Identifier: GPL-2.0
/* Calls of /dev/vmdedup: good, bad, and not quite good. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define ROOM	(2 * PG)	/* between the pages that are not mapped */
#define PATTERN	0xa5
#define MAX_ROUNDS 1000

union arg {
	struct {
		uint32_t size;
		uint32_t flags;
		uint64_t region_id;	/* but for register */
	};
	struct vmdedup_register reg;
	struct vmdedup_unregister unreg;
	struct vmdedup_query query;
	struct vmdedup_merge merge;
	unsigned char bytes[ROOM];
};

/*
 * What is known of a call. All members from @out on are written on success, and
 * none before; @errors are those of the contract beyond any call's.
 */
static const struct call {
	const char *name;
	unsigned long nr;
	uint32_t size;
	uint32_t flags;
	uint32_t out;
	int errors[7];
} calls[] = {
	{ "register", VMDEDUP_IOC_REGISTER, sizeof(struct vmdedup_register),
	  VMDEDUP_REGISTER_PERSIST | VMDEDUP_REGISTER_ALL,
	  offsetof(struct vmdedup_register, region_id),
	  { EOVERFLOW, ESRCH, EPERM, EOPNOTSUPP, EEXIST, ENOSPC, EDQUOT } },
	{ "unregister", VMDEDUP_IOC_UNREGISTER,
	  sizeof(struct vmdedup_unregister), VMDEDUP_UNREGISTER_UNMERGE,
	  offsetof(struct vmdedup_unregister, unmerged), { ENOENT, EPERM } },
	{ "query", VMDEDUP_IOC_QUERY, sizeof(struct vmdedup_query),
	  VMDEDUP_QUERY_NEXT | VMDEDUP_QUERY_COUNT,
	  offsetof(struct vmdedup_query, region_id), { ENOENT, EPERM } },
	{ "merge", VMDEDUP_IOC_MERGE, sizeof(struct vmdedup_merge),
	  VMDEDUP_MERGE_ALL, offsetof(struct vmdedup_merge, rounds),
	  { ENOENT, EPERM } },
};

/* One call as it is made. */
struct attempt {
	const struct call *call;
	unsigned long nr;
	union arg arg;
	void *where;		/* it is put in userspace */
	bool mapped;		/* all of it can be read and written there */
	bool read_only;
	const char *wrong;	/* why it must be refused, or NULL */
	uint64_t asked;		/* region id */
};

static void wrong(struct attempt *a, const char *why)
{
	if (!a->wrong)
		a->wrong = why;
}

static bool allowed(const struct attempt *a, int err)
{
	static const int any[] = { E2BIG, EFAULT, EINVAL, ENOMEM, EINTR };
	const int *errors = a->call->errors;

	for (size_t i = 0; i < sizeof(any) / sizeof(*any); i++)
		if (err == any[i])
			return true;
	for (size_t i = 0; i < sizeof(a->call->errors) / sizeof(int); i++)
		if (errors[i] && err == errors[i])
			return true;
	return err == ENOTTY && a->nr != a->call->nr;
}

static pid_t pick_pid(struct fz *z)
{
	if (!fz_rarely(z, 4))
		return 0;
	return fz_world.pid[fz_pick(z, 8)];
}

/* Some part of an area of so many pages. */
static void part(struct fz *z, struct vmdedup_register *reg, const char *area,
		 unsigned int pages)
{
	unsigned int first = fz_pick(z, pages);

	reg->start = (uintptr_t)area + first * PG;
	reg->length = (1 + fz_pick(z, pages - first)) * PG;
}

static void pick_range(struct fz *z, struct attempt *a)
{
	struct vmdedup_register *reg = &a->arg.reg;
	uint64_t end;

	part(z, reg, fz_world.arena, FZ_ARENA);
	switch (fz_pick(z, 16)) {
	case 0:
		part(z, reg, fz_world.scratch, FZ_SCRATCH);
		break;
	case 1:
		part(z, reg, fz_world.huge, FZ_HUGE);
		break;
	case 2:
		/* From there to nowhere, with whatever is in between. */
		reg->length = rnd(&z->dice) >> fz_pick(z, 52) & ~(PG - 1);
		break;
	case 3:
		/* The stack, and the program itself. */
		reg->start = (uintptr_t)(fz_pick(z, 2) ? (void *)z :
					 (void *)pick_range) & ~(PG - 1);
		break;
	case 4:
		reg->start = rnd(&z->dice) >> fz_pick(z, 52) & ~(PG - 1);
		break;
	case 5:
		reg->start += 1 + fz_pick(z, PG - 1);
		break;
	case 6:
		reg->length += 1 + fz_pick(z, PG - 1);
		break;
	case 7:
		reg->length = 0;
		break;
	case 8:
		reg->length = -PG * (1 + fz_pick(z, 100));
		break;
	}
	if (reg->start % PG || reg->length % PG || !reg->length)
		wrong(a, "range");
	if (__builtin_add_overflow(reg->start, reg->length, &end))
		wrong(a, "wraps");
}

static void fill_register(struct fz *z, struct attempt *a)
{
	struct vmdedup_register *reg = &a->arg.reg;

	if (!(reg->flags & VMDEDUP_REGISTER_ALL)) {
		pick_range(z, a);
	} else if (fz_rarely(z, 4)) {
		pick_range(z, a);
		wrong(a, "all of a range");
	}
	reg->pid = pick_pid(z);
	if (reg->pid < 0)
		wrong(a, "pid");
	if (fz_rarely(z, 16)) {
		reg->reserved = rnd(&z->dice);
		if (reg->reserved)
			wrong(a, "reserved");
	}
}

static void fill_merge(struct fz *z, struct attempt *a)
{
	struct vmdedup_merge *merge = &a->arg.merge;

	if (merge->flags & VMDEDUP_MERGE_ALL) {
		if (!fz_rarely(z, 8))
			merge->region_id = 0;
		if (merge->region_id)
			wrong(a, "all and one");
	} else if (!merge->region_id) {
		wrong(a, "none");
	}
	merge->max_rounds = fz_pick(z, 4);
	if (fz_rarely(z, 8))
		merge->max_rounds = rnd(&z->dice);
	if (merge->max_rounds > MAX_ROUNDS)
		wrong(a, "rounds");
}

/* What is written to goes anywhere: all of it is to be written over. */
static void fill_out(struct fz *z, struct attempt *a)
{
	const struct call *c = a->call;

	if (!fz_pick(z, 2))
		return;
	/* But what is read, too. */
	if (c->nr == VMDEDUP_IOC_QUERY)
		memset(&a->arg.query.start, PATTERN,
		       c->size - offsetof(struct vmdedup_query, start));
	else
		memset(a->arg.bytes + c->out, PATTERN, c->size - c->out);
	a->arg.query.reserved = 0;
}

static void fill(struct fz *z, struct attempt *a)
{
	const struct call *c = a->call;

	memset(a->arg.bytes, 0, c->size);
	fill_out(z, a);
	a->arg.size = c->size;
	/* Every flag that there is, half of the time each. */
	a->arg.flags = rnd(&z->dice) & c->flags;
	/* The whole address space leaves nothing for others to be registered. */
	if (c->nr == VMDEDUP_IOC_REGISTER && !fz_rarely(z, 16))
		a->arg.flags &= ~VMDEDUP_REGISTER_ALL;
	if (fz_rarely(z, 24)) {
		a->arg.flags |= 1U << fz_pick(z, 32);
		if (a->arg.flags & ~c->flags)
			wrong(a, "flags");
	}
	if (c->nr == VMDEDUP_IOC_REGISTER) {
		fill_register(z, a);
		return;
	}
	a->arg.region_id = fz_id(z);
	if (c->nr == VMDEDUP_IOC_MERGE)
		fill_merge(z, a);
	if (c->nr == VMDEDUP_IOC_QUERY && fz_rarely(z, 16)) {
		a->arg.query.reserved = rnd(&z->dice);
		if (a->arg.query.reserved)
			wrong(a, "reserved");
	}
	a->asked = a->arg.region_id;
}

/* The size that is told, and what is beyond the struct. */
static void resize(struct fz *z, struct attempt *a)
{
	uint32_t size = a->call->size;

	switch (fz_pick(z, 12)) {
	case 0:
		size = fz_pick(z, size);
		break;
	case 1:
		size = rnd(&z->dice);
		break;
	case 2:
		size += fz_pick(z, PG);
		break;
	default:
		return;
	}
	a->arg.size = size;
	if (size < a->call->size || size > PG) {
		wrong(a, "size");
		return;
	}
	memset(a->arg.bytes + a->call->size, 0, size - a->call->size);
	if (size > a->call->size && fz_rarely(z, 3)) {
		a->arg.bytes[a->call->size +
			     fz_pick(z, size - a->call->size)] = 1;
		wrong(a, "more");
	}
}

/* Where it is: often up against memory that is not mapped. */
static void place(struct fz *z, struct attempt *a)
{
	unsigned char *room = z->buf + PG;
	uint32_t size = a->arg.size < PG ? a->arg.size : PG;

	a->where = room;
	a->mapped = true;
	switch (fz_pick(z, 16)) {
	case 0 ... 5:
		a->where = room + ROOM - size;
		if (size < 4)
			a->where = room;
		break;
	case 6:
		/* Some of it is not there. */
		if (size < 8)
			break;
		a->where = room + ROOM - 1 - fz_pick(z, size - 1);
		a->mapped = false;
		wrong(a, "half mapped");
		break;
	case 7: {
		void *nowhere[] = {
			NULL, (void *)8, z->buf, room + ROOM,
			(void *)0xffff888000000000UL, (void *)-1L,
		};

		a->where = nowhere[fz_pick(z, 6)];
		a->mapped = false;
		wrong(a, "not mapped");
		break;
	}
	case 8:
		a->read_only = true;
		wrong(a, "read-only");
		break;
	}
}

/* Before and after: what the room has. */
static void put(struct fz *z, struct attempt *a, unsigned char *before)
{
	unsigned char *room = z->buf + PG, *at = a->where;
	size_t bytes = a->arg.size > a->call->size ? a->arg.size : a->call->size;

	memset(room, PATTERN, ROOM);
	if (bytes > PG)
		bytes = a->call->size;
	if (at >= room && at < room + ROOM) {
		size_t left = room + ROOM - at;

		memcpy(at, a->arg.bytes, bytes < left ? bytes : left);
	}
	memcpy(before, room, ROOM);
	if (a->read_only)
		mprotect(room, ROOM, PROT_READ);
}

static bool zeros(const void *p, size_t bytes)
{
	const unsigned char *byte = p;

	while (bytes--)
		if (*byte++)
			return false;
	return true;
}

static bool no_slots(const unsigned long long *slot)
{
	return zeros(slot + VMDEDUP_SKIP_NR,
		     (VMDEDUP_SKIP_SLOTS - VMDEDUP_SKIP_NR) * sizeof(*slot));
}

static void check_register(struct fz *z, const struct attempt *a,
			   const struct vmdedup_register *reg)
{
	if (z->err != EOPNOTSUPP && !reg->region_id)
		fz_complain(z, "no region id");
	if (z->err == EOPNOTSUPP && (reg->eligible || reg->region_id))
		fz_complain(z, "something can be merged");
	if (reg->reason >= VMDEDUP_SKIP_NR && reg->reason != VMDEDUP_SKIP_NONE)
		fz_complain(z, "reason %u", reg->reason);
	if (!reg->refused != (reg->reason == VMDEDUP_SKIP_NONE))
		fz_complain(z, "%llu refused for %u", reg->refused, reg->reason);
	if (reg->out_flags & ~VMDEDUP_REGISTERED_EXISTS ||
	    (z->err && reg->out_flags))
		fz_complain(z, "out flags %x", reg->out_flags);
	if (!z->err && !fz_world.admin && a->arg.reg.pid &&
	    a->arg.reg.pid != getpid())
		fz_complain(z, "registered process %d", a->arg.reg.pid);
	if (z->err != EOPNOTSUPP)
		__atomic_store_n(&fz_world.id[fz_pick(z, FZ_IDS)],
				 reg->region_id, __ATOMIC_RELAXED);
}

static void check_query(struct fz *z, const struct attempt *a,
			const struct vmdedup_query *q)
{
	const uint32_t known = VMDEDUP_REGION_PERSIST | VMDEDUP_REGION_ALL |
			       VMDEDUP_REGION_DISCOVERED;

	if (!no_slots(q->skipped) || q->reserved)
		fz_complain(z, "what is not used is not 0");
	if (q->start % PG || q->length % PG || !q->length ||
	    q->region_flags & ~known)
		fz_complain(z, "%llx+%llx flags %x", q->start, q->length,
			    q->region_flags);
	if (q->flags & VMDEDUP_QUERY_NEXT ? q->region_id <= a->asked :
					    q->region_id != a->asked)
		fz_complain(z, "region %llu", q->region_id);
	if (q->flags & VMDEDUP_QUERY_COUNT &&
	    q->merged + q->zero + q->unique != q->resident)
		fz_complain(z, "%llu pages", q->resident);
	if (!fz_world.admin && q->pid != getpid())
		fz_complain(z, "saw process %d", q->pid);
}

static void check_merge(struct fz *z, const struct vmdedup_merge *m)
{
	if (!no_slots(m->skipped))
		fz_complain(z, "what is not used is not 0");
	if (!m->rounds || (m->max_rounds && m->rounds > m->max_rounds))
		fz_complain(z, "%u rounds of %u", m->rounds, m->max_rounds);
}

/* Nothing but what is promised was written. */
static void check_room(struct fz *z, const struct attempt *a,
		       const unsigned char *before)
{
	const unsigned char *room = z->buf + PG, *at = a->where;
	bool told = !z->err || (a->nr == VMDEDUP_IOC_REGISTER &&
				(z->err == EEXIST || z->err == EOPNOTSUPP));
	size_t from = 0, to = 0;

	if (told && at >= room && at < room + ROOM) {
		from = at - room + a->call->out;
		to = at - room + a->call->size;
	}
	if (memcmp(room, before, from) ||
	    memcmp(room + to, before + to, ROOM - to))
		fz_complain(z, "wrote to what is not its");
}

static void check(struct fz *z, const struct attempt *a,
		  const unsigned char *before)
{
	if (z->err && !allowed(a, z->err))
		fz_complain(z, "not in the contract");
	if (!z->err && a->wrong)
		fz_complain(z, "was let through");
	check_room(z, a, before);
	if (a->nr != a->call->nr || !a->mapped)
		return;
	if (a->nr == VMDEDUP_IOC_REGISTER &&
	    (!z->err || z->err == EEXIST || z->err == EOPNOTSUPP))
		check_register(z, a, a->where);
	if (a->nr == VMDEDUP_IOC_QUERY && !z->err)
		check_query(z, a, a->where);
	if (a->nr == VMDEDUP_IOC_MERGE && !z->err)
		check_merge(z, a->where);
}

/* A call's number that is none, but looks like it. */
static unsigned long other_number(struct fz *z, unsigned long nr)
{
	switch (fz_pick(z, 3)) {
	case 0:
		return nr ^ 1UL << fz_pick(z, 32);
	case 1:
		return _IO(VMDEDUP_IOC_MAGIC, 4 + fz_pick(z, 252));
	default:
		return nr | (unsigned long)(1 + fz_pick(z, PG)) << 16;
	}
}

static bool is_call(unsigned long nr)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (nr == calls[i].nr)
			return true;
	return false;
}

/* Others may not be in the way of what was there: only in a process of one's own. */
static bool may_see_before(const struct fz *z)
{
	return !fz_world.admin && !z->racing;
}

/* Is a region another's, as far as is told? */
static bool is_foreign(int fd, uint64_t id)
{
	return vd_query(fd, id, 0, NULL) == -EPERM;
}

static void call(struct fz *z, struct attempt *a, int fd)
{
	unsigned char before[ROOM];
	bool foreign = false;

	if (may_see_before(z) && a->asked && a->nr != VMDEDUP_IOC_QUERY)
		foreign = is_foreign(fd, a->asked);
	put(z, a, before);
	z->err = ioctl(fd, a->nr, a->where) ? errno : 0;
	if (a->read_only)
		mprotect(z->buf + PG, ROOM, PROT_READ | PROT_WRITE);
	snprintf(z->did, sizeof(z->did),
		 "%s nr %lx size %u flags %x id/pid %llx start %llx length %llx at %p%s%s: %d",
		 a->call->name, a->nr, a->arg.size, a->arg.flags,
		 a->nr == VMDEDUP_IOC_REGISTER ? (long long)a->arg.reg.pid :
						 (long long)a->asked,
		 a->arg.reg.start, a->arg.reg.length, a->where,
		 a->wrong ? " wrong: " : "", a->wrong ? a->wrong : "", z->err);
	if (!z->err && foreign)
		fz_complain(z, "did it to another's region");
	check(z, a, before);
}

/* Close a file, with what it has registered, or open it anew. */
static void reopen(struct fz *z)
{
	int *slot = &fz_world.fd[fz_pick(z, FZ_FDS)];
	int fd = open(fz_pick(z, 3) ? VD_DEV : "/dev/null", O_RDWR | O_CLOEXEC);

	z->kind = FZ_REOPEN;
	z->err = fd < 0 ? errno : 0;
	snprintf(z->did, sizeof(z->did), "reopen: %d", z->err);
	if (fd < 0) {
		fz_complain(z, "cannot be opened");
		return;
	}
	dup3(fd, *slot, O_CLOEXEC);
	close(fd);
}

void fz_ioctl(struct fz *z)
{
	static const unsigned char often[] = { 0, 0, 0, 0, 1, 1, 2, 2, 3, 3 };
	int fd = fz_world.fd[fz_pick(z, FZ_FDS)];
	struct attempt a = { .nr = 0 };

	if (fz_rarely(z, 16)) {
		reopen(z);
		return;
	}
	z->kind = often[fz_pick(z, sizeof(often))];
	a.call = &calls[z->kind];
	a.nr = a.call->nr;
	fill(z, &a);
	resize(z, &a);
	place(z, &a);
	if (fz_rarely(z, 24)) {
		a.nr = other_number(z, a.nr);
		if (is_call(a.nr)) {
			a.nr = a.call->nr;
		} else {
			z->kind = FZ_UNKNOWN;
			wrong(&a, "number");
		}
	}
	/* A file that is closed is another one now, which knows no such calls. */
	if (!fz_rarely(z, 32)) {
		call(z, &a, fd);
		if (z->err == ENOTTY && a.nr == a.call->nr)
			z->bad[0] = 0;
	} else {
		errno = 0;
		z->err = ioctl(-1, a.nr, a.where) ? errno : 0;
		snprintf(z->did, sizeof(z->did), "call of no file: %d", z->err);
		if (z->err != EBADF)
			fz_complain(z, "not in the contract");
	}
}
