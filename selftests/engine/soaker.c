// SPDX-License-Identifier: GPL-2.0
/*
 * soaker STATUS SEED - a process for selftests/soak with a mixed load: it does to
 * its memory whatever comes to its mind, and knows what must be in it.
 *
 * It has PAGES pages, of which most are equal in all soakers, and which it fills,
 * gives back, moves, protects, swaps out, shares with children that end in all
 * ways, and registers and forgets; and an arena, partly in huge pages, with
 * threads that write to it. SEED makes it all the same again, but for time.
 * STATUS is a file that always holds one line:
 *
 *	ops N wrong N errors N merged N children N quiet 0|1
 *
 * SIGUSR1: register everything and be quiet: nothing is written any more.
 * SIGTERM: check everything a last time; exit with 0 only if all was right.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"
#include "writers.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define PAGES 1024UL
#define CHUNKS 2
#define STATUS_BYTES 256
/* What is equal in all soakers; a half of it also within one. */
#define COMMON(i) (0x30000 + (i) % (PAGES / 2))

static char *mem;
static char *elsewhere;		/* as much room, unused */
static uint64_t seeds[PAGES];	/* what each page holds */
static uint64_t state, own;
static struct writers writers;
static char *status;
static int fd = -1;		/* the device, if it is there */
static uint64_t id[2];		/* of the regions: @mem, the arena */
static unsigned long ops, wrong, errors, merged, children;
static int quiet;
static volatile sig_atomic_t signalled;

static void tell(void)
{
	char line[STATUS_BYTES];
	size_t n;

	n = snprintf(line, sizeof(line),
		     "ops %lu wrong %lu errors %lu merged %lu children %lu quiet %d",
		     ops, wrong, errors, merged, children, quiet);
	memset(line + n, ' ', sizeof(line) - n - 1);
	line[sizeof(line) - 1] = '\n';
	memcpy(status, line, sizeof(line));
}

/* What must not fail, but for want of memory. */
static void must(const char *what, int failed)
{
	if (!failed || errno == ENOMEM || errno == EAGAIN)
		return;
	errors++;
	fprintf(stderr, "soaker %d: %s: %s\n", getpid(), what, strerror(errno));
}

/* What the device says: it may be gone, or everything forgotten by others. */
static void may(const char *what, int err)
{
	if (!err || err == -ENOENT || err == -ENXIO || err == -EEXIST ||
	    err == -ENOMEM)
		return;
	errors++;
	fprintf(stderr, "soaker %d: %s: %s\n", getpid(), what, strerror(-err));
}

static char *page(size_t i)
{
	return mem + i * PG;
}

static void check(size_t at, size_t nr)
{
	for (size_t i = at; i < at + nr; i++) {
		if (pg_is(page(i), seeds[i]))
			continue;
		wrong++;
		fprintf(stderr, "soaker %d: page %zu is wrong, op %lu\n",
			getpid(), i, ops);
		/* Tell of each once. */
		pg_fill(page(i), seeds[i]);
	}
}

static void put(size_t i, uint64_t seed)
{
	seeds[i] = seed;
	pg_fill(page(i), seed);
}

static void fill(size_t at, size_t nr)
{
	unsigned int what = rnd(&state) % 8;

	for (size_t i = at; i < at + nr; i++)
		put(i, what == 0 ? 0 : what == 1 ? own + i : COMMON(i));
}

static void advise(size_t at, size_t nr, int advice)
{
	must("madvise", madvise(page(at), nr * PG, advice));
}

static void give_back(size_t at, size_t nr)
{
	advise(at, nr, MADV_DONTNEED);
	memset(seeds + at, 0, nr * sizeof(*seeds));
}

/* There or zero, until they are written to. */
static void free_lazily(size_t at, size_t nr)
{
	advise(at, nr, MADV_FREE);
	for (size_t i = at; i < at + nr; i++)
		wrong += !pg_is(page(i), seeds[i]) && !pg_is(page(i), 0);
	for (size_t i = at; i < at + nr; i++)
		put(i, seeds[i]);
}

static void move_about(size_t at, size_t nr)
{
	const int how = MREMAP_MAYMOVE | MREMAP_FIXED;
	char *to = elsewhere + at * PG;

	if (mremap(page(at), nr * PG, nr * PG, how, to) != to) {
		/* It is more than one mapping by now. */
		if (errno != EFAULT)
			must("mremap", -1);
		return;
	}
	if (mremap(to, nr * PG, nr * PG, how, page(at)) != page(at)) {
		perror("soaker: mremap back");
		exit(2);
	}
}

static void map_anew(size_t at, size_t nr)
{
	if (mmap(page(at), nr * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != page(at)) {
		perror("soaker: mmap");
		exit(2);
	}
	madvise(page(at), nr * PG, MADV_NOHUGEPAGE);
	memset(seeds + at, 0, nr * sizeof(*seeds));
}

static void protect(size_t at, size_t nr)
{
	must("mprotect", mprotect(page(at), nr * PG, PROT_READ));
	check(at, nr);
	must("mprotect", mprotect(page(at), nr * PG, PROT_READ | PROT_WRITE));
}

/* Has all of its parent's memory, writes to it and ends. */
static void child_main(uint64_t r)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	wrong = 0;
	for (size_t i = r % PAGES; i < PAGES; i += 1 + r % 7) {
		check(i, 1);
		put(i, COMMON(i + 1));
		check(i, 1);
	}
	if (wrong)
		_exit(1);
	switch (r >> 16 & 3) {
	case 0:
		for (;;)
			pause();
	case 1:
		execl("/bin/true", "true", NULL);
		_exit(1);
	default:
		_exit(0);
	}
}

static void have_child(size_t at, size_t nr)
{
	uint64_t r = rnd(&state);
	bool kills = !(r >> 16 & 3);
	int how = 0;
	pid_t pid = fork();

	if (pid < 0) {
		must("fork", -1);
		return;
	}
	if (!pid)
		child_main(r);
	children++;
	fill(at, nr);
	check(at, nr);
	if (kills) {
		usleep(r >> 32 & 0x7fff);
		kill(pid, SIGKILL);
	}
	waitpid(pid, &how, 0);
	wrong += !kills && how;
}

static void register_one(char *p, size_t bytes, uint32_t flags, uint64_t *id)
{
	struct vmdedup_register r = {
		.size = sizeof(r),
		.flags = flags,
		.start = (uintptr_t)p,
		.length = bytes,
	};

	may("register", vd_register_raw(fd, &r));
	if (r.region_id)
		*id = r.region_id;
}

/* Some to outlive the descriptor. */
static void register_all(void)
{
	uint64_t r = rnd(&state);

	register_one(mem, PAGES * PG, r & VMDEDUP_REGISTER_PERSIST, &id[0]);
	for (int i = 0; i < 2; i++)
		register_one(writers.part[i], CHUNKS / 2 * HPAGE,
			     r >> 8 & VMDEDUP_REGISTER_PERSIST, &id[1]);
}

/* Open, register, merge, forget, close: in any order. */
static void use_device(void)
{
	uint64_t r = rnd(&state);
	struct vmdedup_merge m;

	if (fd < 0) {
		/* Left alone for a while, the module may be unloaded. */
		if (r >> 16 & 3)
			return;
		fd = vd_open();
		if (fd < 0) {
			may("open", fd);
			fd = -1;
			return;
		}
		register_all();
	}
	switch (r % 8) {
	case 0:
	case 1:
		/* All that was registered by it goes. */
		close(fd);
		fd = -1;
		break;
	case 2:
		may("unregister", vd_unregister(fd, id[r >> 8 & 1], r >> 9 & 1 ?
						VMDEDUP_UNREGISTER_UNMERGE : 0,
						NULL));
		break;
	case 3:
		register_all();
		break;
	default:
		if (vd_merge(fd, 0, &m))
			break;
		merged += m.merged + m.zero;
	}
}

static void something(void)
{
	uint64_t r = rnd(&state);
	size_t at = (r >> 32) % PAGES, nr = 1 + (r >> 16) % 256;

	if (nr > PAGES - at)
		nr = PAGES - at;
	switch (r % 16) {
	case 0:
		give_back(at, nr);
		break;
	case 1:
		free_lazily(at, nr);
		break;
	case 2:
		move_about(at, nr);
		break;
	case 3:
		map_anew(at, nr);
		break;
	case 4:
		protect(at, nr);
		break;
	case 5:
		advise(at, nr, MADV_PAGEOUT);
		break;
	case 6:
		advise(at, nr, MADV_COLD);
		break;
	case 7:
		have_child(at, nr);
		break;
	case 8:
		/* Refused where it is not one mapping, or there is no KSM. */
		madvise(page(at), nr * PG, r >> 48 & 1 ? MADV_MERGEABLE :
			MADV_UNMERGEABLE);
		break;
	case 9:
		/* Refused if there is none, or no such advice. */
		madvise(writers.part[1], HPAGE, MADV_COLLAPSE);
		break;
	case 10:
	case 11:
		use_device();
		break;
	default:
		fill(at, nr);
		break;
	}
	check(at, nr);
	ops++;
}

static void rest(void *arg)
{
	(void)arg;
	usleep(100000);
}

static bool set_up(const char *path)
{
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (file < 0 || ftruncate(file, STATUS_BYTES))
		return false;
	status = mmap(NULL, STATUS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		      file, 0);
	mem = pg_map(PAGES);
	elsewhere = pg_map(PAGES);
	writers = (struct writers) {
		.part = {
			chunk_map(CHUNKS / 2, MADV_NOHUGEPAGE),
			chunk_map(CHUNKS / 2, MADV_HUGEPAGE),
		},
		.parts = 2,
		.pages = CHUNKS * HPAGE_NR,
		.stride = 1,
		.threads = 2,
		.words = 1,
		.odds = 8,
		.burst = 100,
		.rest = rest,
		.seed = own,
	};
	if (!writers.part[1])
		writers.part[1] = chunk_map(CHUNKS / 2, MADV_NOHUGEPAGE);
	if (status == MAP_FAILED || !mem || !elsewhere || !writers.part[0] ||
	    !writers.part[1])
		return false;
	for (int i = 0; i < 2; i++)
		memset(writers.part[i], 0, CHUNKS / 2 * HPAGE);
	for (size_t i = 0; i < PAGES; i++)
		put(i, COMMON(i));
	return true;
}

/*
 * Everything is written to once more, as it is: what was merged by a module that
 * has gone since, or by KSM, is private again.
 */
static void be_quiet(void)
{
	writers_stop(&writers);
	madvise(mem, PAGES * PG, MADV_UNMERGEABLE);
	check(0, PAGES);
	for (size_t i = 0; i < PAGES; i++)
		put(i, seeds[i]);
	for (size_t i = 0; i < CHUNKS * HPAGE_NR; i++) {
		volatile char *p = writers.part[i / HPAGE_NR] +
				   i % HPAGE_NR * PG;

		*p = *p;
	}
	if (fd >= 0)
		close(fd);
	fd = vd_open();
	if (fd < 0)
		errors++;
	else
		register_all();
	quiet = 1;
	tell();
}

static void note(int signal)
{
	signalled = signal;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = note };
	sigset_t set, old;

	if (argc != 3)
		return 2;
	state = strtoull(argv[2], NULL, 0);
	own = state << 32;
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if (!set_up(argv[1]) || writers_start(&writers))
		return 2;
	while (!signalled) {
		something();
		tell();
		usleep(rnd(&state) % 20000);
	}
	if (signalled == SIGUSR1)
		be_quiet();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	while (signalled != SIGTERM)
		sigsuspend(&old);
	writers_stop(&writers);
	check(0, PAGES);
	wrong += writers.wrong + writers_pages_wrong(&writers);
	tell();
	return wrong || errors;
}
