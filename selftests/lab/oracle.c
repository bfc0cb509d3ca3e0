// SPDX-License-Identifier: GPL-2.0
/*
 * oracle - count what de-duplication could save, and what it has saved.
 *
 *   oracle [-j|--json] [-p|--domain-per-pid] [-n|--no-stop] PID[:START-END]...
 *
 * Stops the processes (SIGSTOP; SIGCONT afterwards, also if it fails), reads
 * every resident page of their private anonymous writable memory, and compares
 * contents by a 128-bit hash.  START and END are hexadecimal addresses.
 *
 * It knows nothing of any module: contents come from /proc/PID/mem, frames from
 * /proc/PID/pagemap and /proc/kpageflags.  Terms:
 *
 *   resident   mappings with a frame behind them, the zero page included
 *   zero       of these, pages that hold only zeroes
 *   distinct   different contents within one domain, zeroes not counted
 *   possible   what perfect merging saves: resident - distinct
 *   frames     different frames behind the mappings, the zero page not counted
 *   saved      what is saved now: resident - frames
 *   remaining  possible - saved
 *
 * All processes are one domain, or each is its own with --domain-per-pid.
 * Exit status: 0 ok, 1 usage, 2 failed.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define PAGE		4096UL
#define BATCH		512UL		/* pages read at a time */
#define STOP_TIMEOUT_MS	20000

#define PM_PRESENT	(1ULL << 63)
#define PM_SWAPPED	(1ULL << 62)
#define PM_PFN		((1ULL << 55) - 1)

#define KPF_THP		22
#define KPF_ZERO_PAGE	24

struct proc {
	pid_t pid;
	uint64_t start, end;
	bool stopped;		/* by us */
	char name[32];
	uint64_t resident, zero, thp, swapped, unreadable;
	uint64_t possible;	/* pages whose content is elsewhere too, or zero */
	double saved;		/* its share of what is saved */
};

struct page {
	uint64_t hash[2];
	uint64_t pfn;
	uint64_t kflags;
	uint32_t proc;
	bool zero;
};

static struct proc *procs;
static size_t nr_procs;
static struct page *pages;
static size_t nr_pages, room;
static bool domain_per_pid;

struct totals {
	uint64_t resident, zero, distinct, possible, frames, saved, thp, swapped, unreadable;
};

/* Runs at exit and on signals, so only calls what is safe there. */
static void resume(void)
{
	size_t i;

	for (i = 0; i < nr_procs; i++) {
		if (procs[i].stopped) {
			procs[i].stopped = false;
			kill(procs[i].pid, SIGCONT);
		}
	}
}

static void on_signal(int sig)
{
	resume();
	signal(sig, SIG_DFL);
	raise(sig);
}

__attribute__((noreturn, format(printf, 2, 3)))
static void fail(int status, const char *fmt, ...)
{
	va_list ap;

	fputs("oracle: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

static int open_proc(pid_t pid, const char *file)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail(2, "%s: %s", path, strerror(errno));
	return fd;
}

/* The state letter of a thread; 0 when it is gone. */
static char thread_state(pid_t pid, const char *tid)
{
	char path[320], buf[512], *p;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid, tid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	n = fread(buf, 1, sizeof(buf) - 1, f);
	fclose(f);
	buf[n] = '\0';
	p = strrchr(buf, ')');
	return p && p[1] == ' ' ? p[2] : 0;
}

static bool all_stopped(pid_t pid)
{
	char path[64];
	struct dirent *e;
	bool stopped = true;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	if (!d)
		fail(2, "no process %d", pid);
	while (stopped && (e = readdir(d))) {
		char state;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		state = thread_state(pid, e->d_name);
		stopped = !state || strchr("TtZX", state);
	}
	closedir(d);
	return stopped;
}

static void stop(struct proc *p)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	int i;

	if (all_stopped(p->pid))
		return;		/* by somebody else, who will resume it */
	p->stopped = true;
	if (kill(p->pid, SIGSTOP)) {
		p->stopped = false;
		fail(2, "cannot stop %d: %s", p->pid, strerror(errno));
	}
	for (i = 0; i < STOP_TIMEOUT_MS && !all_stopped(p->pid); i++)
		nanosleep(&ms, NULL);
	if (!all_stopped(p->pid))
		fail(2, "%d does not stop", p->pid);
}

static struct page *new_page(void)
{
	if (nr_pages == room) {
		room = room ? 2 * room : 65536;
		pages = realloc(pages, room * sizeof(*pages));
		if (!pages)
			fail(2, "no memory");
	}
	return &pages[nr_pages++];
}

static bool is_zero(const uint64_t *p)
{
	size_t i;

	for (i = 0; i < PAGE / sizeof(*p); i++)
		if (p[i])
			return false;
	return true;
}

static void add_page(struct proc *p, uint64_t entry, const void *content)
{
	bool zero = is_zero(content);
	XXH128_hash_t hash = zero ? (XXH128_hash_t){ } : XXH3_128bits(content, PAGE);
	struct page *page = new_page();

	*page = (struct page) {
		.hash = { hash.low64, hash.high64 },
		.pfn = entry & PM_PFN,
		.proc = p - procs,
		.zero = zero,
	};
	if (!page->pfn)
		fail(2, "no frame numbers in pagemap: run as root");
	p->resident++;
	p->zero += zero;
}

/* Read n pages, all present, at once if they can be read. */
static void read_run(struct proc *p, int mem, uint64_t addr, const uint64_t *entries, size_t n)
{
	static uint64_t buf[BATCH * PAGE / sizeof(uint64_t)];
	size_t i;
	bool whole;

	whole = pread(mem, buf, n * PAGE, addr) == (ssize_t)(n * PAGE);
	for (i = 0; i < n; i++) {
		uint64_t *content = buf + i * PAGE / sizeof(*buf);

		if (!whole && pread(mem, content, PAGE, addr + i * PAGE) != PAGE)
			p->unreadable++;
		else
			add_page(p, entries[i], content);
	}
}

static void read_range(struct proc *p, int mem, int pagemap, uint64_t start, uint64_t end)
{
	uint64_t entries[BATCH];
	uint64_t addr;

	for (addr = start; addr < end; addr += BATCH * PAGE) {
		size_t n = (end - addr) / PAGE, i, run;

		if (n > BATCH)
			n = BATCH;
		if (pread(pagemap, entries, n * 8, addr / PAGE * 8) != (ssize_t)(n * 8))
			fail(2, "pagemap of %d: %s", p->pid, strerror(errno));
		for (i = 0; i < n; i += run) {
			if (!(entries[i] & PM_PRESENT)) {
				p->swapped += !!(entries[i] & PM_SWAPPED);
				run = 1;
				continue;
			}
			for (run = 1; i + run < n && (entries[i + run] & PM_PRESENT); run++)
				;
			read_run(p, mem, addr + i * PAGE, entries + i, run);
		}
	}
}

static void read_process(struct proc *p)
{
	int mem = open_proc(p->pid, "mem"), pagemap = open_proc(p->pid, "pagemap");
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", p->pid);
	f = fopen(path, "r");
	if (f) {
		if (fgets(p->name, sizeof(p->name), f))
			p->name[strcspn(p->name, "\n")] = '\0';
		fclose(f);
	}

	snprintf(path, sizeof(path), "/proc/%d/maps", p->pid);
	f = fopen(path, "r");
	if (!f)
		fail(2, "%s: %s", path, strerror(errno));
	while (getline(&line, &size, f) > 0) {
		uint64_t start, end, inode;
		char perms[5];

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*x:%*x %" SCNu64,
			   &start, &end, perms, &inode) != 4)
			fail(2, "%s: cannot read: %s", path, line);
		if (perms[1] != 'w' || perms[3] != 'p' || inode)
			continue;
		if (start < p->start)
			start = p->start;
		if (end > p->end)
			end = p->end;
		if (start < end)
			read_range(p, mem, pagemap, start, end);
	}
	free(line);
	fclose(f);
	close(mem);
	close(pagemap);
}

#define COMPARE(a, b) do {			\
	if ((a) != (b))				\
		return (a) < (b) ? -1 : 1;	\
} while (0)

static uint32_t domain(const struct page *p)
{
	return domain_per_pid ? procs[p->proc].pid : 0;
}

static int by_frame(const void *x, const void *y)
{
	const struct page *a = x, *b = y;

	COMPARE(a->pfn, b->pfn);
	return 0;
}

static int by_content(const void *x, const void *y)
{
	const struct page *a = x, *b = y;

	COMPARE(domain(a), domain(b));
	COMPARE(a->zero, b->zero);
	COMPARE(a->hash[0], b->hash[0]);
	COMPARE(a->hash[1], b->hash[1]);
	return 0;
}

static void read_flags(void)
{
	static uint64_t flags[4096];
	const size_t window = sizeof(flags) / sizeof(*flags);
	uint64_t base = 0, got = 0;
	size_t i;
	int fd;

	fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail(2, "/proc/kpageflags: %s", strerror(errno));
	for (i = 0; i < nr_pages; i++) {
		struct page *p = &pages[i];

		if (p->pfn < base || p->pfn >= base + got) {
			ssize_t n;

			base = p->pfn;
			n = pread(fd, flags, window * 8, base * 8);
			if (n < 8)
				fail(2, "/proc/kpageflags: %s", strerror(errno));
			got = n / 8;
		}
		p->kflags = flags[p->pfn - base];
	}
	close(fd);
}

static bool has(const struct page *p, int flag)
{
	return p->kflags >> flag & 1;
}

static void count_frames(struct totals *t)
{
	size_t i, n, j;

	qsort(pages, nr_pages, sizeof(*pages), by_frame);
	read_flags();
	for (i = 0; i < nr_pages; i += n) {
		bool zero = has(&pages[i], KPF_ZERO_PAGE);

		for (n = 1; i + n < nr_pages && pages[i + n].pfn == pages[i].pfn; n++)
			;
		t->frames += !zero;
		for (j = i; j < i + n; j++) {
			struct proc *p = &procs[pages[j].proc];

			p->saved += zero ? 1 : 1 - 1.0 / n;
			p->thp += has(&pages[j], KPF_THP) && !zero;
		}
	}
}

static void count_contents(struct totals *t)
{
	size_t i, n, j;

	qsort(pages, nr_pages, sizeof(*pages), by_content);
	for (i = 0; i < nr_pages; i += n) {
		for (n = 1; i + n < nr_pages && !by_content(&pages[i], &pages[i + n]); n++)
			;
		t->distinct += !pages[i].zero;
		if (n > 1 || pages[i].zero)
			for (j = i; j < i + n; j++)
				procs[pages[j].proc].possible++;
	}
}

static void add_up(struct totals *t)
{
	size_t i;

	for (i = 0; i < nr_procs; i++) {
		t->resident += procs[i].resident;
		t->zero += procs[i].zero;
		t->thp += procs[i].thp;
		t->swapped += procs[i].swapped;
		t->unreadable += procs[i].unreadable;
	}
	t->possible = t->resident - t->distinct;
	t->saved = t->resident - t->frames;
}

static void put(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

static void print_json(const struct totals *t)
{
	struct json_object *top = json_object_new_object(), *list = json_object_new_array();
	size_t i;

	put(top, "page_size", PAGE);
	put(top, "resident_pages", t->resident);
	put(top, "zero_pages", t->zero);
	put(top, "distinct_pages", t->distinct);
	put(top, "possible_pages", t->possible);
	put(top, "frames", t->frames);
	put(top, "saved_pages", t->saved);
	json_object_object_add(top, "remaining_pages",
			       json_object_new_int64((int64_t)(t->possible - t->saved)));
	put(top, "thp_pages", t->thp);
	put(top, "swapped_pages", t->swapped);
	put(top, "unreadable_pages", t->unreadable);
	json_object_object_add(top, "domain",
			       json_object_new_string(domain_per_pid ? "process" : "host"));
	for (i = 0; i < nr_procs; i++) {
		struct json_object *o = json_object_new_object();

		put(o, "pid", procs[i].pid);
		json_object_object_add(o, "name", json_object_new_string(procs[i].name));
		put(o, "resident_pages", procs[i].resident);
		put(o, "zero_pages", procs[i].zero);
		put(o, "duplicate_pages", procs[i].possible);
		put(o, "thp_pages", procs[i].thp);
		put(o, "swapped_pages", procs[i].swapped);
		put(o, "unreadable_pages", procs[i].unreadable);
		json_object_object_add(o, "saved_pages", json_object_new_double(procs[i].saved));
		json_object_array_add(list, o);
	}
	json_object_object_add(top, "processes", list);
	puts(json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY));
	json_object_put(top);
}

static double mib(double n)
{
	return n * PAGE / (1 << 20);
}

static void print_table(const struct totals *t)
{
	size_t i;

	printf("%-8s %-18s %12s %12s %12s %12s   MiB\n", "PID", "NAME", "RESIDENT", "ZERO",
	       "DUPLICATE", "SAVED");
	for (i = 0; i < nr_procs; i++)
		printf("%-8d %-18s %12.1f %12.1f %12.1f %12.1f\n", procs[i].pid, procs[i].name,
		       mib(procs[i].resident), mib(procs[i].zero), mib(procs[i].possible),
		       mib(procs[i].saved));
	printf("\nresident %.1f MiB, zero %.1f, distinct %.1f, huge %.1f, swapped %.1f\n",
	       mib(t->resident), mib(t->zero), mib(t->distinct), mib(t->thp), mib(t->swapped));
	printf("possible %.1f MiB, saved %.1f, remaining %.1f\n", mib(t->possible),
	       mib(t->saved), mib((double)t->possible - (double)t->saved));
	if (t->unreadable)
		printf("unreadable: %" PRIu64 " pages, not counted\n", t->unreadable);
}

static void parse_process(const char *arg)
{
	struct proc *p = &procs[nr_procs];
	char *end;
	long pid;

	errno = 0;
	pid = strtol(arg, &end, 10);
	*p = (struct proc){ .pid = pid, .end = UINT64_MAX };
	if (pid <= 0 || pid > INT32_MAX || end == arg)
		fail(1, "not a process: %s", arg);
	if (*end == ':') {
		p->start = strtoull(end + 1, &end, 16);
		if (*end != '-')
			fail(1, "not a range: %s", arg);
		p->end = strtoull(end + 1, &end, 16);
		if (p->start >= p->end || p->start % PAGE || p->end % PAGE)
			fail(1, "empty or unaligned range: %s", arg);
	}
	if (*end || errno)
		fail(1, "cannot read: %s", arg);
	nr_procs++;
}

static void usage(FILE *f)
{
	fprintf(f, "usage: oracle [-j|--json] [-p|--domain-per-pid] [-n|--no-stop] PID[:START-END]...\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "domain-per-pid", no_argument, NULL, 'p' },
		{ "no-stop", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	bool json = false, no_stop = false;
	struct totals t = { };
	size_t i;
	int c;

	while ((c = getopt_long(argc, argv, "jpnh", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'p':
			domain_per_pid = true;
			break;
		case 'n':
			no_stop = true;
			break;
		default:
			usage(c == 'h' ? stdout : stderr);
			return c != 'h';
		}
	}
	if (optind == argc) {
		usage(stderr);
		return 1;
	}
	if (sysconf(_SC_PAGESIZE) != PAGE)
		fail(2, "only for pages of %lu bytes", PAGE);
	procs = calloc(argc - optind, sizeof(*procs));
	if (!procs)
		fail(2, "no memory");
	for (; optind < argc; optind++)
		parse_process(argv[optind]);

	atexit(resume);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGHUP, on_signal);
	signal(SIGPIPE, on_signal);

	for (i = 0; i < nr_procs && !no_stop; i++)
		stop(&procs[i]);
	for (i = 0; i < nr_procs; i++)
		read_process(&procs[i]);
	count_frames(&t);
	resume();
	count_contents(&t);
	add_up(&t);
	if (json)
		print_json(&t);
	else
		print_table(&t);
	return 0;
}
