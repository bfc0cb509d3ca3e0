// SPDX-License-Identifier: GPL-2.0
/* Memory, while all of that happens to it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

/* A page that nobody else writes to. */
static unsigned int own_page(struct fz *z)
{
	return fz_pick(z, FZ_ARENA / z->threads) * z->threads + z->who;
}

static void arena_write(struct fz *z)
{
	unsigned int page = own_page(z);

	fz_world.shadow[page] = fz_pick(z, FZ_CONTENTS);
	pg_fill(fz_world.arena + page * PG, fz_world.shadow[page]);
}

static void arena_check(struct fz *z)
{
	unsigned int page = own_page(z);

	if (!pg_is(fz_world.arena + page * PG, fz_world.shadow[page]))
		fz_complain(z, "page %u of the arena has changed", page);
}

static void arena_fork(struct fz *z)
{
	unsigned int page = own_page(z);
	pid_t pid = fork();
	int status;

	if (!pid) {
		char *p = fz_world.arena + page * PG;
		uint64_t *word = (uint64_t *)p;

		if (!pg_is(p, fz_world.shadow[page]))
			_exit(1);
		*word = ~*word;
		_exit(0);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status)
		fz_complain(z, "page %u of the arena has changed in fork", page);
	arena_check(z);
}

/* Nobody relies on what is there: it is replaced at once, or written by force. */
static void scratch(struct fz *z)
{
	static const int protections[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
	};
	static const int advices[] = {
		MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT, MADV_MERGEABLE,
		MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTFORK,
		MADV_DOFORK,
	};
	unsigned int first = fz_pick(z, FZ_SCRATCH);
	size_t bytes = (1 + fz_pick(z, FZ_SCRATCH - first)) * PG;
	char *p = fz_world.scratch + first * PG, page[PG];
	int prot = protections[fz_pick(z, 3)], fd;

	switch (fz_pick(z, 6)) {
	case 0:
		madvise(p, bytes, advices[fz_pick(z, sizeof(advices) /
						  sizeof(*advices))]);
		break;
	case 1:
		mprotect(p, bytes, prot);
		break;
	case 2:
		if (mmap(p, bytes, prot, MAP_ANONYMOUS | MAP_FIXED |
			 (fz_rarely(z, 4) ? MAP_SHARED : MAP_PRIVATE), -1, 0) != p)
			fz_complain(z, "mmap: %d", errno);
		break;
	case 3:
		if (fz_pick(z, 3))
			munlock(p, bytes);
		else
			mlock(p, bytes);
		break;
	default:
		pg_fill(page, fz_pick(z, FZ_CONTENTS));
		fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
		for (; bytes; bytes -= PG, p += PG)
			if (pwrite(fd, page, PG, (uintptr_t)p) < 0)
				break;
		close(fd);
	}
}

void fz_memory(struct fz *z)
{
	z->kind = FZ_MEMORY;
	z->err = 0;
	snprintf(z->did, sizeof(z->did), "memory");
	switch (fz_pick(z, 16)) {
	case 0 ... 5:
		arena_write(z);
		break;
	case 6 ... 8:
		arena_check(z);
		break;
	default:
		/* A fork takes as long as dozens of the others. */
		if (fz_rarely(z, 32))
			arena_fork(z);
		else
			scratch(z);
	}
}
