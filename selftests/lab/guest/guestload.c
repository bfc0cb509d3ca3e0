// SPDX-License-Identifier: GPL-2.0
/*
 * guestload - the payload of a test guest: memory whose content is known, and
 * a check of it that never ends.
 *
 * The memory is an array of areas of pages.  What a page must hold follows from
 * its area, its number and its generation alone, so the check computes the
 * content again and compares every byte; nothing that it trusts lies in the
 * page itself.
 *
 *   shared   a file in a tmpfs, i.e. page cache; equal in all guests until
 *            rewritten
 *   own      anonymous memory; differs between guests
 *   zero     anonymous memory, written with zeroes
 *
 * Some more memory is filled with garbage and given back, as in any guest that
 * has lived for a while.
 *
 * Kernel arguments: guestload.id=NAME guestload.shared=MIB guestload.own=MIB
 * guestload.zero=MIB guestload.pace=MILLISECONDS (between two rounds).
 *
 * Console: "guest ID ready", then "guest ID round N ok" or "guest ID CORRUPT
 * AREA page P byte B generation G", one line for each bad page and round.
 *
 * Commands, on /dev/ttyS1, one a line, each preceded by a tag that precedes the
 * answer too:
 *
 *   verify             one full round; "ok" or "corrupt PAGES"
 *   rewrite [PERCENT]  new content for so many pages of shared and own (25);
 *                      then a full round
 *   write [PERCENT]    the same, but only a few bytes of a page, if the last was
 *                      a rewrite
 *   corrupt            flip a bit in an own page, behind the check's back
 *   status             rounds, bad pages ever seen, pages rewritten
 *   reboot, quit       restart or power off
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

#define PAGE		4096UL
#define WORDS		(PAGE / sizeof(uint64_t))
#define GARBAGE_MIB	4

enum { SHARED, OWN, ZERO, AREAS };

struct area {
	const char *name;
	unsigned char *mem;
	size_t pages;
	uint32_t *gen;		/* 0: as created */
	uint8_t *touched;	/* words [0, touched) are one generation ahead */
};

static struct area areas[AREAS] = {
	[SHARED] = { .name = "shared" },
	[OWN] = { .name = "own" },
	[ZERO] = { .name = "zero" },
};

static char id[64] = "0";
static uint64_t id_seed;
static unsigned long rounds, bad_ever, rewritten;
static int control = -1;

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

/* Words [from, to) of a page as they are in generation gen. */
static void content(uint64_t *buf, int a, size_t page, uint32_t gen, size_t from, size_t to)
{
	uint64_t seed;
	size_t i;

	if (a == ZERO && !gen) {
		memset(buf + from, 0, (to - from) * sizeof(*buf));
		return;
	}
	/* Only the first generation of the shared area is the same everywhere. */
	seed = mix(mix(a == SHARED && !gen ? 1 : id_seed) + ((uint64_t)a << 56) + page);
	seed = mix(seed + gen);
	/* Unlike any other page, but cheap: all of it is computed again each round. */
	for (i = from; i < to; i++)
		buf[i] = seed ^ (i + 1) * 0x9e3779b97f4a7c15ULL;
}

static void expected(uint64_t *buf, int a, size_t page)
{
	const struct area *ar = &areas[a];

	content(buf, a, page, ar->gen[page], ar->touched[page], WORDS);
	content(buf, a, page, ar->gen[page] + 1, 0, ar->touched[page]);
}

static void fill(int a, size_t page)
{
	expected((uint64_t *)(areas[a].mem + page * PAGE), a, page);
}

static void say(const char *fmt, ...)
{
	va_list ap;

	printf("guest %s ", id);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

static void poll_commands(int timeout);

static size_t verify_page(int a, size_t page)
{
	uint64_t want[WORDS];
	const unsigned char *have = areas[a].mem + page * PAGE;
	size_t i;

	expected(want, a, page);
	if (!memcmp(have, want, PAGE))
		return 0;
	for (i = 0; i < PAGE; i++) {
		unsigned char w = ((unsigned char *)want)[i];

		if (have[i] != w) {
			say("CORRUPT %s page %zu byte %zu generation %u: %02x, not %02x",
			    areas[a].name, page, i, areas[a].gen[page], have[i], w);
			return 1;
		}
	}
	/* It was bad a moment ago: worse than a stable wrong byte. */
	say("CORRUPT %s page %zu: content changes", areas[a].name, page);
	return 1;
}

/* All pages once; the bad ones are counted and told. */
static size_t verify(int commands)
{
	size_t bad = 0, page;
	int a;

	for (a = 0; a < AREAS; a++) {
		for (page = 0; page < areas[a].pages; page++) {
			bad += verify_page(a, page);
			if (commands && page % 512 == 0)
				poll_commands(0);
		}
	}
	rounds++;
	bad_ever += bad;
	return bad;
}

static uint64_t next_random(void)
{
	static uint64_t state;

	return mix(id_seed + ++state * 0x9e3779b97f4a7c15ULL);
}

static void rewrite(unsigned int percent, int whole)
{
	size_t page;
	int a;

	for (a = SHARED; a <= OWN; a++) {
		struct area *ar = &areas[a];

		for (page = 0; page < ar->pages; page++) {
			if (next_random() % 100 >= percent)
				continue;
			if (whole || ar->touched[page]) {
				/* The same few bytes again would hide a lost write. */
				ar->gen[page] += 2;
				ar->touched[page] = 0;
				fill(a, page);
			} else {
				ar->touched[page] = 1 + next_random() % 8;
				content((uint64_t *)(ar->mem + page * PAGE), a, page,
					ar->gen[page] + 1, 0, ar->touched[page]);
			}
			rewritten++;
		}
	}
}

static void answer(const char *tag, const char *fmt, ...)
{
	char buf[256];
	va_list ap;
	int n;

	n = snprintf(buf, sizeof(buf), "%s ", tag);
	va_start(ap, fmt);
	n += vsnprintf(buf + n, sizeof(buf) - n, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(buf) - 2)
		n = sizeof(buf) - 2;
	buf[n++] = '\n';
	if (write(control, buf, n) != n)
		say("cannot answer: %s", strerror(errno));
	tcdrain(control);
}

static void answer_round(const char *tag)
{
	size_t bad = verify(0);

	if (bad)
		answer(tag, "corrupt %zu", bad);
	else
		answer(tag, "ok");
}

static void command(char *line)
{
	char *tag = strtok(line, " "), *verb = strtok(NULL, " "), *arg = strtok(NULL, " ");

	if (!tag || !verb)
		return;
	if (!strcmp(verb, "verify")) {
		answer_round(tag);
	} else if (!strcmp(verb, "rewrite") || !strcmp(verb, "write")) {
		rewrite(arg ? atoi(arg) : 25, *verb == 'r');
		answer_round(tag);
	} else if (!strcmp(verb, "corrupt")) {
		areas[OWN].mem[next_random() % (areas[OWN].pages * PAGE)] ^= 0x10;
		answer(tag, "ok");
	} else if (!strcmp(verb, "status")) {
		answer(tag, "rounds %lu bad %lu rewritten %lu", rounds, bad_ever, rewritten);
	} else if (!strcmp(verb, "reboot")) {
		answer(tag, "ok");
		reboot(RB_AUTOBOOT);
	} else if (!strcmp(verb, "quit")) {
		answer(tag, "ok");
		reboot(RB_POWER_OFF);
	} else {
		answer(tag, "unknown command %s", verb);
	}
}

/* Carry out what has come in; wait for the first byte for so many ms. */
static void poll_commands(int timeout)
{
	static char line[256];
	static size_t len;
	struct pollfd p = { .fd = control, .events = POLLIN };
	char buf[64];
	ssize_t n, i;

	while (poll(&p, 1, timeout) > 0) {
		n = read(control, buf, sizeof(buf));
		if (n <= 0)
			return;
		for (i = 0; i < n; i++) {
			if (buf[i] == '\n' || buf[i] == '\r') {
				line[len] = '\0';
				len = 0;
				command(line);
			} else if (len < sizeof(line) - 1) {
				line[len++] = buf[i];
			}
		}
		timeout = 0;
	}
}

static void open_control(void)
{
	struct termios t;

	control = open("/dev/ttyS1", O_RDWR | O_NOCTTY);
	if (control < 0 || tcgetattr(control, &t))
		err(1, "/dev/ttyS1");
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	t.c_cflag |= CLOCAL | CREAD;
	if (tcsetattr(control, TCSANOW, &t))
		err(1, "/dev/ttyS1");
}

static unsigned long option(const char *cmdline, const char *name, unsigned long dflt)
{
	char key[64];
	const char *p;

	snprintf(key, sizeof(key), "guestload.%s=", name);
	p = strstr(cmdline, key);
	return p ? strtoul(p + strlen(key), NULL, 0) : dflt;
}

static void read_cmdline(char *buf, size_t size)
{
	FILE *f = fopen("/proc/cmdline", "r");
	const char *p;
	size_t i;

	if (!f || !fgets(buf, size, f))
		err(1, "/proc/cmdline");
	fclose(f);
	p = strstr(buf, "guestload.id=");
	if (p)
		sscanf(p, "guestload.id=%63s", id);
	for (i = 0; id[i]; i++)
		id_seed = mix(id_seed + (unsigned char)id[i] + 1);
}

static void create(int a, unsigned long mib, const char *path)
{
	struct area *ar = &areas[a];
	int flags = MAP_PRIVATE | MAP_ANONYMOUS, fd = -1;
	size_t page;

	ar->pages = (mib << 20) / PAGE;
	if (!ar->pages)
		return;
	if (path) {
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
		if (fd < 0 || ftruncate(fd, ar->pages * PAGE))
			err(1, "%s", path);
		flags = MAP_SHARED;
	}
	ar->mem = mmap(NULL, ar->pages * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
	ar->gen = calloc(ar->pages, sizeof(*ar->gen));
	ar->touched = calloc(ar->pages, sizeof(*ar->touched));
	if (ar->mem == MAP_FAILED || !ar->gen || !ar->touched)
		err(1, "no memory for %s", ar->name);
	for (page = 0; page < ar->pages; page++)
		fill(a, page);
}

static void leave_garbage(void)
{
	size_t size = (size_t)GARBAGE_MIB << 20, i;
	uint64_t *mem;

	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		err(1, "mmap");
	for (i = 0; i < size / sizeof(*mem) / 2; i++)
		mem[i] = next_random();
	memset(mem + size / sizeof(*mem) / 2, 0, size / 2);
	munmap(mem, size);
}

int main(void)
{
	char cmdline[4096];
	unsigned long pace;

	read_cmdline(cmdline, sizeof(cmdline));
	pace = option(cmdline, "pace", 3000);
	open_control();
	create(SHARED, option(cmdline, "shared", 16), "/tmp/shared");
	create(OWN, option(cmdline, "own", 12), NULL);
	create(ZERO, option(cmdline, "zero", 4), NULL);
	leave_garbage();
	say("ready");

	for (;;) {
		size_t bad = verify(1);

		if (!bad)
			say("round %lu ok", rounds);
		poll_commands(pace);
	}
}
