// SPDX-License-Identifier: GPL-2.0
/*
 * oracle-test ORACLE - run the oracle on processes whose memory is known.  TAP.
 *
 * Needs root (frame numbers), but no module and no lab.
 */
#define _GNU_SOURCE
#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#define PAGE	4096UL

static const char *oracle;
static int tests, failures;

static void check(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tests, name);
	failures += !good;
}

static void check_count(struct json_object *o, const char *key, int64_t want)
{
	struct json_object *value;
	char name[128];
	int64_t have = -1;

	if (o && json_object_object_get_ex(o, key, &value))
		have = json_object_get_int64(value);
	snprintf(name, sizeof(name), "%s: %lld, must be %lld", key, (long long)have,
		 (long long)want);
	check(have == want, name);
}

static struct json_object *ask(const char *args)
{
	struct json_object *o;
	char cmd[512];
	FILE *f;

	printf("# oracle -j %s\n", args);
	fflush(stdout);
	snprintf(cmd, sizeof(cmd), "'%s' -j %s", oracle, args);
	f = popen(cmd, "r");
	if (!f)
		err(1, "popen");
	o = json_object_from_fd(fileno(f));
	if (pclose(f) && o) {
		json_object_put(o);
		o = NULL;
	}
	return o;
}

static unsigned char *map(size_t pages)
{
	unsigned char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	return p;
}

/* A page that differs from the others in one bit at its end, or in its first bytes. */
static void stamp(unsigned char *page, unsigned int kind, unsigned int number)
{
	memset(page, kind, PAGE);
	memcpy(page, &number, sizeof(number));
	page[PAGE - 1] ^= 1;
}

struct child {
	pid_t pid;
	char arg[96];
};

/* Fork a process that fills its copy of the range and then waits. */
static struct child start(unsigned char *mem, size_t pages, void (*fill)(unsigned char *, int),
			  int which)
{
	struct child c;
	int ready[2];
	char byte;

	if (pipe(ready))
		err(1, "pipe");
	c.pid = fork();
	if (c.pid < 0)
		err(1, "fork");
	if (!c.pid) {
		fill(mem, which);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		errx(1, "child died");
	close(ready[0]);
	snprintf(c.arg, sizeof(c.arg), "%d:%lx-%lx", c.pid, (unsigned long)mem,
		 (unsigned long)mem + pages * PAGE);
	return c;
}

static void end(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
}

#define KNOWN_PAGES	200
/*
 * 100 pages written with zeroes, 50 equal ones that are equal in all processes
 * too, 30 different ones of which the first 10 are the same in all processes, 5
 * pages only read, i.e. the kernel's zero page, and 15 never touched.
 */
static void fill_known(unsigned char *mem, int which)
{
	volatile unsigned char sink;
	unsigned int i;

	memset(mem, 1, 100 * PAGE);
	memset(mem, 0, 100 * PAGE);
	memset(mem + 100 * PAGE, 0xaa, 50 * PAGE);
	for (i = 0; i < 30; i++)
		stamp(mem + (150 + i) * PAGE, 0xbb, i < 10 ? i : i + 1000 * (which + 1));
	for (i = 180; i < 185; i++)
		sink = mem[i * PAGE];
	(void)sink;
}

static void test_known(void)
{
	unsigned char *mem = map(KNOWN_PAGES);
	struct child a = start(mem, KNOWN_PAGES, fill_known, 0);
	struct child b = start(mem, KNOWN_PAGES, fill_known, 1);
	struct json_object *o;
	char args[256];

	o = ask(a.arg);
	check_count(o, "resident_pages", 185);
	check_count(o, "zero_pages", 105);
	check_count(o, "distinct_pages", 31);
	check_count(o, "possible_pages", 154);
	check_count(o, "frames", 180);
	check_count(o, "saved_pages", 5);
	check_count(o, "remaining_pages", 149);
	json_object_put(o);

	snprintf(args, sizeof(args), "%s %s", a.arg, b.arg);
	o = ask(args);
	check_count(o, "resident_pages", 370);
	check_count(o, "zero_pages", 210);
	check_count(o, "distinct_pages", 1 + 10 + 20 + 20);
	check_count(o, "possible_pages", 370 - 51);
	check_count(o, "saved_pages", 10);
	check_count(o, "unreadable_pages", 0);
	json_object_put(o);

	snprintf(args, sizeof(args), "--domain-per-pid %s %s", a.arg, b.arg);
	o = ask(args);
	check_count(o, "distinct_pages", 62);
	check_count(o, "possible_pages", 308);
	json_object_put(o);

	end(&a);
	end(&b);
	munmap(mem, KNOWN_PAGES * PAGE);
}

static void fill_nothing(unsigned char *mem, int which)
{
	(void)mem;
	(void)which;
}

/* What fork shares is saved already. */
static void test_fork(void)
{
	unsigned char *mem = map(64);
	struct child a, b;
	struct json_object *o;
	char args[256];
	unsigned int i;

	for (i = 0; i < 64; i++)
		stamp(mem + i * PAGE, 0xcc, i);
	a = start(mem, 64, fill_nothing, 0);
	b = start(mem, 64, fill_nothing, 1);
	snprintf(args, sizeof(args), "%s %s", a.arg, b.arg);
	o = ask(args);
	check_count(o, "resident_pages", 128);
	check_count(o, "distinct_pages", 64);
	check_count(o, "frames", 64);
	check_count(o, "saved_pages", 64);
	check_count(o, "remaining_pages", 0);
	json_object_put(o);
	end(&a);
	end(&b);
	munmap(mem, 64 * PAGE);
}

/* Shared and file memory is none of our business. */
static void test_excluded(void)
{
	unsigned char *mem = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct json_object *o;
	struct child a;

	if (mem == MAP_FAILED)
		err(1, "mmap");
	memset(mem, 0xdd, 16 * PAGE);
	a = start(mem, 16, fill_nothing, 0);
	o = ask(a.arg);
	check_count(o, "resident_pages", 0);
	check_count(o, "possible_pages", 0);
	json_object_put(o);
	end(&a);
	munmap(mem, 16 * PAGE);
}

static void fill_huge(unsigned char *mem, int which)
{
	(void)which;
	madvise(mem, 512 * PAGE, MADV_HUGEPAGE);
	memset(mem, 0xee, 512 * PAGE);
}

static void test_huge(void)
{
	unsigned char *room = map(1024), *mem;
	struct json_object *o, *value;
	struct child a;

	mem = (unsigned char *)(((uintptr_t)room + 512 * PAGE - 1) & ~(512 * PAGE - 1));
	a = start(mem, 512, fill_huge, 0);
	o = ask(a.arg);
	check_count(o, "resident_pages", 512);
	check_count(o, "possible_pages", 511);
	if (o && json_object_object_get_ex(o, "thp_pages", &value) &&
	    json_object_get_int64(value) == 0)
		printf("ok %d - huge # SKIP no huge page to be had\n", ++tests);
	else
		check_count(o, "thp_pages", 512);
	json_object_put(o);
	end(&a);
	munmap(room, 1024 * PAGE);
}

static char state(pid_t pid)
{
	char path[64], c = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%*d %*s %c", &c) != 1)
		c = 0;
	if (f)
		fclose(f);
	return c;
}

/* Processes go on afterwards, also after a failure; those stopped before do not. */
static void test_resume(void)
{
	unsigned char *mem = map(4);
	struct child a = start(mem, 4, fill_nothing, 0);
	char args[256];

	json_object_put(ask(a.arg));
	check(state(a.pid) == 'S', "runs on afterwards");

	snprintf(args, sizeof(args), "%d 2>/dev/null 2147483600", a.pid);
	check(!ask(args), "no such process: fails");
	check(state(a.pid) == 'S', "runs on after a failure");

	kill(a.pid, SIGSTOP);
	waitpid(a.pid, NULL, WUNTRACED);
	json_object_put(ask(a.arg));
	check(state(a.pid) == 'T', "stays stopped if it was");
	end(&a);
	munmap(mem, 4 * PAGE);
}

static void test_usage(void)
{
	check(!ask("2>/dev/null"), "nothing to do: fails");
	check(!ask("2>/dev/null x"), "not a number: fails");
	check(!ask("2>/dev/null 1:1000"), "half a range: fails");
	check(!ask("2>/dev/null 1:2000-1000"), "empty range: fails");
	check(!ask("2>/dev/null 1:1001-2000"), "unaligned range: fails");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		errx(1, "usage: oracle-test ORACLE");
	oracle = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_known();
	test_fork();
	test_excluded();
	test_huge();
	test_resume();
	test_usage();
	printf("1..%d\n", tests);
	return failures != 0;
}
