// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of all kinds, made from random numbers: whatever comes, the answer is one
 * of the contract, nobody's memory changes, and nothing is left in the end.
 *
 *	FUZZ_SEED=N	other calls; the seed is told, so that it can be had again
 *	FUZZ_CALLS=N	how many, in all
 *	FUZZ_ONLY=N,...	only these, as a sequence
 *	FUZZ_NEW=1	tell each call with an outcome that there was not before
 *
 * Calls are made in sequences, each of which begins with nothing registered. One
 * that fails is told, made shorter as long as it still fails, and told again, in
 * numbers for fuzz-corpus.h, which has what is made in every run.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <linux/netlink.h>

#include "kselftest_harness.h"
#include "fuzz.h"
#include "nl.h"

#define NOBODY 65534
#define CALLS 6000
/* To begin one takes as long as some hundred calls. */
#define SEQUENCE 2048
#define THREADS 3
/* What makes no progress by then makes none. */
#define TRIES 200
#define HOURS 14400
#define FIRST_FD 500
#define ERRNO_MAX 134

struct fz_world fz_world;

static unsigned long tally[FZ_KINDS][ERRNO_MAX];
static struct peer nobody, other;

unsigned int fz_pick(struct fz *z, unsigned int limit)
{
	return (rnd(&z->dice) >> 20) % limit;
}

bool fz_rarely(struct fz *z, unsigned int one_in)
{
	return !fz_pick(z, one_in);
}

void fz_complain(struct fz *z, const char *format, ...)
{
	va_list args;

	if (z->bad[0])
		return;
	va_start(args, format);
	vsnprintf(z->bad, sizeof(z->bad), format, args);
	va_end(args);
}

uint64_t fz_id(struct fz *z)
{
	uint64_t id = __atomic_load_n(&fz_world.id[fz_pick(z, FZ_IDS)],
				      __ATOMIC_RELAXED);

	switch (fz_pick(z, 24)) {
	case 0:
		return id + 1;
	case 1:
		return 0;
	case 2:
		return UINT64_MAX;
	case 3:
		return rnd(&z->dice);
	}
	return id;
}

uint64_t fz_huge_seed(unsigned int page)
{
	return 1 + page % FZ_CONTENTS;
}

/* One call; false if something was wrong with it. */
static bool make_call(struct fz *z, uint64_t x)
{
	unsigned long before;

	z->dice = x;
	z->bad[0] = 0;
	switch (fz_pick(z, 16)) {
	case 0 ... 7:
		fz_ioctl(z);
		break;
	case 8 ... 10:
		fz_netlink(z);
		break;
	case 11:
		fz_sysfs(z);
		break;
	default:
		fz_memory(z);
	}
	before = __atomic_fetch_add(&tally[z->kind][z->err < ERRNO_MAX ? z->err : 0],
				    1, __ATOMIC_RELAXED);
	if (z->bad[0] || (!before && getenv("FUZZ_NEW")))
		fprintf(stderr, "# call 0x%016llx: %s: %s\n", (long long)x, z->did,
			z->bad[0] ? z->bad : "new");
	return !z->bad[0];
}

/* The number that call @n of a seed is made from. */
static uint64_t number(uint64_t seed, uint64_t n)
{
	uint64_t state = seed * 0xd6e8feb86659fd93ULL + n;

	return rnd(&state);
}

static bool open_files(void)
{
	for (int i = 0; i < FZ_FDS; i++) {
		int fd = vd_open();

		fz_world.fd[i] = FIRST_FD + i;
		if (fd < 0 || dup3(fd, FIRST_FD + i, O_CLOEXEC) < 0)
			return false;
		close(fd);
	}
	for (int i = 0; i < FZ_SOCKETS; i++) {
		int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
				NETLINK_GENERIC);

		fz_world.socket[i] = FIRST_FD + FZ_FDS + i;
		if (fd < 0 ||
		    dup3(fd, fz_world.socket[i], O_CLOEXEC) < 0)
			return false;
		close(fd);
	}
	return true;
}

static void close_files(void)
{
	for (int i = 0; i < FZ_FDS + FZ_SOCKETS; i++)
		close(FIRST_FD + i);
}

static void fill_memory(void)
{
	for (unsigned int i = 0; i < FZ_ARENA; i++) {
		fz_world.shadow[i] = 1 + i % FZ_CONTENTS;
		pg_fill(fz_world.arena + i * PG, fz_world.shadow[i]);
	}
	for (unsigned int i = 0; i < FZ_HUGE; i++)
		pg_fill(fz_world.huge + i * PG, fz_huge_seed(i));
}

static unsigned int memory_wrong(void)
{
	unsigned int bad = 0;

	for (unsigned int i = 0; i < FZ_ARENA; i++)
		bad += !pg_is(fz_world.arena + i * PG, fz_world.shadow[i]);
	for (unsigned int i = 0; i < FZ_HUGE; i++)
		bad += !pg_is(fz_world.huge + i * PG, fz_huge_seed(i));
	return bad;
}

static bool fz_init(struct fz *z, unsigned int who, unsigned int threads)
{
	memset(z, 0, sizeof(*z));
	z->who = who;
	z->threads = threads;
	z->racing = threads > 1;
	z->buf = mmap(NULL, 4 * PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return z->buf != MAP_FAILED &&
	       !mprotect(z->buf + PG, 2 * PG, PROT_READ | PROT_WRITE);
}

static void fz_exit(struct fz *z)
{
	munmap(z->buf, 4 * PG);
}

/* Functions for peer_call(). */

static struct fz peer_fz;

static uint64_t do_begin(uint64_t uid, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	if (uid && (setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		return 1;
	fz_world.admin = !uid;
	fill_memory();
	return !open_files() || !fz_init(&peer_fz, 0, 1);
}

static uint64_t do_call(uint64_t x, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	return !make_call(&peer_fz, x);
}

/* Returns how many were bad. */
static uint64_t do_calls(uint64_t seed, uint64_t from, uint64_t nr)
{
	uint64_t bad = 0;

	for (uint64_t n = from; n < from + nr; n++)
		bad += !make_call(&peer_fz, number(seed, n));
	return bad;
}

static uint64_t do_memory_wrong(uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	return memory_wrong();
}

/* A process that has ended and is still known. */
static pid_t zombie(void)
{
	pid_t pid = fork();
	siginfo_t info;

	if (!pid)
		_exit(0);
	if (pid > 0)
		waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
	return pid;
}

static bool sequence_begin(void)
{
	const pid_t kthreadd = 2, none = 0x3ffffff;

	memset(fz_world.id, 0, FZ_IDS * sizeof(*fz_world.id));
	fz_world.admin = true;
	fill_memory();
	if (peer_start(&nobody) || peer_start(&other))
		return false;
	fz_world.pid[0] = getpid();
	fz_world.pid[1] = 1;
	fz_world.pid[2] = nobody.pid;
	fz_world.pid[3] = other.pid;
	fz_world.pid[4] = zombie();
	fz_world.pid[5] = kthreadd;
	fz_world.pid[6] = -5;
	fz_world.pid[7] = none;
	return open_files() && !peer_call(&nobody, do_begin, NOBODY, 0, 0) &&
	       !peer_call(&other, do_begin, 0, 0, 0);
}

/* Whatever was excluded is not any more. */
static void include_all(void)
{
	struct vn nl;

	if (vn_open(&nl))
		return;
	for (unsigned int i = 0; i < 8; i++)
		vn_exclude(&nl, fz_world.pid[i], 0);
	vn_close(&nl);
}

/* False if something is left, or has changed. */
static bool sequence_end(void)
{
	bool good = true;
	int fd = vd_begin();

	include_all();
	close_files();
	vd_end(fd);
	good &= !memory_wrong();
	good &= !peer_call(&nobody, do_memory_wrong, 0, 0, 0);
	good &= !peer_call(&other, do_memory_wrong, 0, 0, 0);
	if (!good)
		fprintf(stderr, "# memory has changed\n");
	peer_stop(&nobody);
	peer_stop(&other);
	waitpid(fz_world.pid[4], NULL, 0);
	if (vd_stat("regions")) {
		fprintf(stderr, "# %lld regions are left\n", vd_stat("regions"));
		good = false;
	}
	return good;
}

/* Who makes a call is in its number, too. */
static bool call_of_someone(struct fz *z, uint64_t x)
{
	if (x % 8 == 3)
		return !peer_call(&nobody, do_call, x, 0, 0);
	if (x % 32 == 4)
		return !peer_call(&other, do_call, x, 0, 0);
	return make_call(z, x);
}

/* Returns how many calls were good: @nr + 1 if the end was, too. */
static unsigned int run_sequence(const uint64_t *x, unsigned int nr)
{
	struct fz z;
	unsigned int i;

	if (!sequence_begin() || !fz_init(&z, 0, 1))
		return 0;
	for (i = 0; i < nr && call_of_someone(&z, x[i]); i++)
		;
	fz_exit(&z);
	return i + (sequence_end() && i == nr);
}

/* Leave out what is not needed for it to fail. Returns how many are left. */
static unsigned int shorten(uint64_t *x, unsigned int nr)
{
	uint64_t less[SEQUENCE];
	unsigned int tries = 0;

	for (unsigned int part = nr / 2; part; part /= 2)
		for (unsigned int at = 0; at + part <= nr && tries++ < TRIES;) {
			memcpy(less, x, at * sizeof(*x));
			memcpy(less + at, x + at + part,
			       (nr - at - part) * sizeof(*x));
			if (run_sequence(less, nr - part) > nr - part) {
				at += part;
				continue;
			}
			nr -= part;
			memcpy(x, less, nr * sizeof(*x));
		}
	return nr;
}

static void tell(const uint64_t *x, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		fprintf(stderr, "# 0x%016llx,\n", (long long)x[i]);
}

static bool sequence(const char *name, const uint64_t *from, unsigned int nr)
{
	uint64_t x[SEQUENCE];
	unsigned int good;

	memcpy(x, from, nr * sizeof(*x));
	good = run_sequence(x, nr);
	if (good > nr)
		return true;
	fprintf(stderr, "# %s: failed at call %u\n", name, good);
	nr = good < nr ? good + 1 : nr;
	/* Once more, or it is not worth the while. */
	if (run_sequence(x, nr) > nr) {
		fprintf(stderr, "# but not again:\n");
	} else {
		nr = shorten(x, nr);
		fprintf(stderr, "# these suffice:\n");
	}
	tell(x, nr);
	return false;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* A minute: see vd_stat_rises(). */
static bool becomes(const char *name, long long value)
{
	for (int i = 0; i < 6000; i++) {
		if (vd_stat(name) == value)
			return true;
		usleep(10000);
	}
	return false;
}

FIXTURE(fuzz) {
	uint64_t seed;
	uint64_t calls;
	long long merged;
};

FIXTURE_SETUP(fuzz)
{
	struct vn nl;
	int fd;

	self->seed = number_from("FUZZ_SEED", 1);
	self->calls = number_from("FUZZ_CALLS", CALLS);
	VD_SETUP(fd);
	close(fd);
	ASSERT_EQ(0, vn_open(&nl));
	fz_world.family = nl.family;
	fz_world.group[0] = nl.stats;
	fz_world.group[1] = nl.events;
	vn_close(&nl);
	ASSERT_EQ(0, chmod(VD_DEV, 0666));
	fz_world.id = mmap(NULL, PG, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, fz_world.id);
	fz_world.arena = pg_map(FZ_ARENA);
	fz_world.scratch = pg_map(FZ_SCRATCH);
	fz_world.huge = chunk_map(1, MADV_HUGEPAGE);
	if (!fz_world.huge)
		fz_world.huge = pg_map(FZ_HUGE);
	ASSERT_NE(NULL, fz_world.arena);
	ASSERT_NE(NULL, fz_world.scratch);
	ASSERT_NE(NULL, fz_world.huge);
	self->merged = vd_stat("pages_merged");
}

/* The whole of some processes was registered now and then. */
static int unmerge(int fd, pid_t pid)
{
	struct vmdedup_register reg = {
		.size = sizeof(reg),
		.flags = VMDEDUP_REGISTER_ALL,
		.pid = pid,
	};
	int err = vd_register_raw(fd, &reg);

	return err ?: vd_unregister(fd, reg.region_id,
				    VMDEDUP_UNREGISTER_UNMERGE, NULL);
}

FIXTURE_TEARDOWN(fuzz)
{
	int fd = vd_begin();

	munmap(fz_world.arena, FZ_ARENA * PG);
	munmap(fz_world.scratch, FZ_SCRATCH * PG);
	munmap(fz_world.huge, FZ_HUGE * PG);
	EXPECT_EQ(0, unmerge(fd, 0));
	EXPECT_EQ(0, unmerge(fd, getppid()));
	EXPECT_EQ(0, unmerge(fd, 1));
	vd_end(fd);
	/* Nothing is left of it. */
	EXPECT_TRUE(becomes("regions", 0));
	EXPECT_TRUE(becomes("pages_shared", 0));
	EXPECT_EQ(vd_stat("frames_made"), vd_stat("frames_freed"));
	EXPECT_TRUE(becomes("metadata_bytes", 0));
	chmod(VD_DEV, 0660);
}

static void log_tally(struct __test_metadata *_metadata)
{
	static const char * const kind[FZ_KINDS] = {
		"register", "unregister", "query", "merge", "unknown", "reopen",
		"netlink", "dump", "socket", "sysfs", "memory",
	};

	for (int k = 0; k < FZ_KINDS; k++) {
		char line[400];
		int at = 0;

		for (int e = 0; e < ERRNO_MAX; e++)
			if (tally[k][e] && at < 380)
				at += snprintf(line + at, sizeof(line) - at,
					       " %s:%lu", e ? strerrorname_np(e) :
					       "ok", tally[k][e]);
		TH_LOG("%s%s", kind[k], at ? line : " none");
	}
}

/* A fuzzer whose calls are all refused has tested nothing. */
#define EXPECT_SOMETHING_DONE(merged) do {				\
	for (int k = FZ_REGISTER; k <= FZ_MERGE; k++) {			\
		EXPECT_LT(0, tally[k][0]);				\
	}								\
	EXPECT_LT(0, tally[FZ_DUMP][0]);				\
	EXPECT_LT(0, tally[FZ_SYSFS][0]);				\
	EXPECT_LT(merged, vd_stat("pages_merged"));			\
} while (0)

static const struct {
	const char *name;
	unsigned int nr;
	uint64_t x[SEQUENCE];
} corpus[] = {
#include "fuzz-corpus.h"
};

TEST_F_TIMEOUT(fuzz, corpus, HOURS)
{
	for (size_t i = 0; i < ARRAY_SIZE(corpus); i++) {
		EXPECT_TRUE(sequence(corpus[i].name, corpus[i].x, corpus[i].nr)) {
			TH_LOG("%s", corpus[i].name);
		}
	}
}

TEST_F_TIMEOUT(fuzz, in_order, HOURS)
{
	const char *only = getenv("FUZZ_ONLY");
	uint64_t x[SEQUENCE], n = 0;

	TH_LOG("seed %llu, %llu calls", (long long)self->seed,
	       (long long)self->calls);
	if (only) {
		for (char *end; n < SEQUENCE && *only; only = end + !!*end)
			x[n++] = strtoull(only, &end, 0);
		ASSERT_TRUE(sequence("these", x, n));
		return;
	}
	while (n < self->calls) {
		unsigned int nr = self->calls - n < SEQUENCE ? self->calls - n :
							       SEQUENCE;

		for (unsigned int i = 0; i < nr; i++)
			x[i] = number(self->seed, n + i);
		ASSERT_TRUE(sequence("calls", x, nr)) {
			TH_LOG("seed %llu, calls from %llu on",
			       (long long)self->seed, (long long)n);
		}
		n += nr;
	}
	log_tally(_metadata);
	EXPECT_SOMETHING_DONE(self->merged);
}

struct thread {
	pthread_t thread;
	struct fz z;
	uint64_t seed;
	uint64_t from;
	uint64_t nr;
	uint64_t bad;
	bool running;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	for (uint64_t n = t->from; n < t->from + t->nr; n++)
		t->bad += !make_call(&t->z, number(t->seed, n));
	return NULL;
}

/* All at once, with the same files, regions and memory; and two processes more. */
static uint64_t run_at_once(uint64_t seed, uint64_t from, uint64_t nr)
{
	struct thread thread[THREADS] = {};
	uint64_t bad = 0;

	if (!sequence_begin())
		return 1;
	bad += !!peer_send(&nobody, do_calls, seed, from, nr);
	bad += !!peer_send(&other, do_calls, seed + 1, from, nr);
	for (unsigned int i = 0; i < THREADS; i++) {
		struct thread *t = &thread[i];

		t->seed = seed + 2 + i;
		t->from = from;
		t->nr = nr;
		t->running = fz_init(&t->z, i, THREADS) &&
			     !pthread_create(&t->thread, NULL, thread_main, t);
		bad += !t->running;
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		if (!thread[i].running)
			continue;
		pthread_join(thread[i].thread, NULL);
		fz_exit(&thread[i].z);
		bad += thread[i].bad;
	}
	bad += peer_wait(&nobody);
	bad += peer_wait(&other);
	return bad + !sequence_end();
}

TEST_F_TIMEOUT(fuzz, at_once, HOURS)
{
	const uint64_t each = self->calls / (THREADS + 2);

	TH_LOG("seed %llu, %llu calls each", (long long)self->seed,
	       (long long)each);
	for (uint64_t n = 0, nr; n < each; n += nr) {
		nr = each - n < SEQUENCE ? each - n : SEQUENCE;
		ASSERT_EQ(0, run_at_once(self->seed, n, nr)) {
			TH_LOG("seed %llu, from %llu on", (long long)self->seed,
			       (long long)n);
		}
	}
	log_tally(_metadata);
	EXPECT_SOMETHING_DONE(self->merged);
}

TEST_HARNESS_MAIN
