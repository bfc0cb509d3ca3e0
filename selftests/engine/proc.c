// SPDX-License-Identifier: GPL-2.0
/* What the kernel tells about memory, and the second process. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

static void proc_path(char *path, pid_t pid, const char *name)
{
	if (pid)
		snprintf(path, PATH_MAX, "/proc/%d/%s", pid, name);
	else
		snprintf(path, PATH_MAX, "/proc/self/%s", name);
}

int pm_read(pid_t pid, const void *addr, size_t pages, uint64_t *entry)
{
	size_t bytes = pages * sizeof(*entry);
	off_t at = (uintptr_t)addr / PG * sizeof(*entry);
	char path[PATH_MAX];
	int fd, ret = 0;

	proc_path(path, pid, "pagemap");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (bytes) {
		ssize_t n = pread(fd, entry, bytes, at);

		if (n <= 0) {
			ret = n ? -errno : -EIO;
			break;
		}
		entry += n / sizeof(*entry);
		bytes -= n;
		at += n;
	}
	close(fd);
	return ret;
}

int pm_pfns(pid_t pid, const void *addr, size_t pages, uint64_t *pfn)
{
	int ret = pm_read(pid, addr, pages, pfn);

	for (size_t i = 0; !ret && i < pages; i++)
		pfn[i] = pfn[i] & PM_PRESENT ? pfn[i] & PM_PFN : 0;
	return ret;
}

uint64_t pm_pfn(const void *addr)
{
	uint64_t pfn = 0;

	return pm_pfns(0, addr, 1, &pfn) ? 0 : pfn;
}

long long pm_same(pid_t pid_a, const void *a, pid_t pid_b, const void *b, size_t pages)
{
	uint64_t *pfn = calloc(2 * pages, sizeof(*pfn));
	long long nr = -1;

	if (pfn && !pm_pfns(pid_a, a, pages, pfn) &&
	    !pm_pfns(pid_b, b, pages, pfn + pages)) {
		nr = 0;
		for (size_t i = 0; i < pages; i++)
			nr += pfn[i] && pfn[i] == pfn[pages + i];
	}
	free(pfn);
	return nr;
}

static uint64_t kpage_word(const char *path, uint64_t pfn)
{
	uint64_t word = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (pread(fd, &word, sizeof(word), pfn * sizeof(word)) != sizeof(word))
		word = 0;
	close(fd);
	return word;
}

uint64_t kpage_flags(uint64_t pfn)
{
	return kpage_word("/proc/kpageflags", pfn);
}

uint64_t kpage_count(uint64_t pfn)
{
	return kpage_word("/proc/kpagecount", pfn);
}

bool pfn_is_zero_page(uint64_t pfn)
{
	return pfn && kpage_flags(pfn) & (1ULL << KPF_ZERO_PAGE_BIT);
}

static long long line_value(const char *path, const char *name)
{
	size_t length = strlen(name);
	long long value = -1;
	char line[512];
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, length) ||
		    (line[length] != ':' && line[length] != ' '))
			continue;
		value = strtoll(line + length + 1, NULL, 10);
		break;
	}
	fclose(f);
	return value;
}

long long vmstat(const char *name)
{
	/* The counters are kept per CPU; reading this file folds them. */
	read_number("/proc/sys/vm/stat_refresh");
	return line_value("/proc/vmstat", name);
}

long long status_kb(pid_t pid, const char *name)
{
	char path[PATH_MAX];

	proc_path(path, pid, "status");
	return line_value(path, name);
}

long long meminfo_kb(const char *name)
{
	return line_value("/proc/meminfo", name);
}

long long smaps_kb(const void *addr, size_t bytes, const char *name)
{
	uintptr_t from = (uintptr_t)addr, to = from + bytes;
	size_t length = strlen(name);
	unsigned long start, end;
	bool inside = false;
	long long sum = 0;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start < to && end > from;
		else if (inside && !strncmp(line, name, length) &&
			 line[length] == ':')
			sum += strtoll(line + length + 1, NULL, 10);
	}
	fclose(f);
	return sum;
}

struct request {
	peer_fn fn;
	uint64_t a, b, c;
};

static bool read_all(int fd, void *buf, size_t bytes)
{
	char *p = buf;

	while (bytes) {
		ssize_t n = read(fd, p, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		bytes -= n;
	}
	return true;
}

static void peer_loop(int in, int out)
{
	struct request r;
	uint64_t answer;

	while (read_all(in, &r, sizeof(r)) && r.fn) {
		answer = r.fn(r.a, r.b, r.c);
		if (write(out, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

int peer_start(struct peer *p)
{
	int to[2], from[2];
	pid_t parent = getpid();

	if (pipe2(to, O_CLOEXEC))
		return -errno;
	if (pipe2(from, O_CLOEXEC)) {
		close(to[0]);
		close(to[1]);
		return -errno;
	}
	p->pid = fork();
	if (!p->pid) {
		/* Two descriptors in known places, and nothing else. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent ||
		    dup2(to[0], 100) < 0 || dup2(from[1], 101) < 0)
			_exit(1);
		syscall(SYS_close_range, 3, 99, 0);
		syscall(SYS_close_range, 102, ~0U, 0);
		peer_loop(100, 101);
	}
	close(to[0]);
	close(from[1]);
	p->to = to[1];
	p->from = from[0];
	if (p->pid < 0) {
		close(p->to);
		close(p->from);
		return -errno;
	}
	return 0;
}

int peer_send(struct peer *p, peer_fn fn, uint64_t a, uint64_t b, uint64_t c)
{
	struct request r = { fn, a, b, c };
	void (*old)(int) = signal(SIGPIPE, SIG_IGN);
	int ret = write(p->to, &r, sizeof(r)) == sizeof(r) ? 0 : -EPIPE;

	signal(SIGPIPE, old);
	return ret;
}

uint64_t peer_wait(struct peer *p)
{
	uint64_t answer;

	return read_all(p->from, &answer, sizeof(answer)) ? answer : PEER_DEAD;
}

uint64_t peer_call(struct peer *p, peer_fn fn, uint64_t a, uint64_t b,
		   uint64_t c)
{
	return peer_send(p, fn, a, b, c) ? PEER_DEAD : peer_wait(p);
}

static int peer_reap(struct peer *p)
{
	int status = -1;

	close(p->to);
	close(p->from);
	if (waitpid(p->pid, &status, 0) != p->pid)
		status = -1;
	p->pid = 0;
	return status;
}

int peer_stop(struct peer *p)
{
	return p->pid > 0 ? peer_reap(p) : -1;
}

int peer_kill(struct peer *p)
{
	if (p->pid <= 0)
		return -1;
	kill(p->pid, SIGKILL);
	return peer_reap(p);
}

uint64_t do_map(uint64_t pages, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	return (uintptr_t)pg_map(pages);
}

uint64_t do_register(uint64_t addr, uint64_t pages, uint64_t c)
{
	static int fd = -1;
	uint64_t id = 0;

	(void)c;
	if (fd < 0)
		fd = vd_open();
	if (fd < 0 || vd_register(fd, (void *)addr, pages * PG, &id))
		return 0;
	return id;
}

uint64_t do_fill(uint64_t addr, uint64_t pages, uint64_t seed)
{
	pg_fill_range((char *)addr, pages, seed);
	return 0;
}

uint64_t do_wrong(uint64_t addr, uint64_t pages, uint64_t seed)
{
	return pg_wrong((char *)addr, pages, seed);
}

uint64_t do_enter_cgroup(uint64_t path, uint64_t b, uint64_t c)
{
	char procs[PATH_MAX];

	(void)b;
	(void)c;
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", (const char *)path);
	return -write_text(procs, "0");
}

uint64_t do_setuid(uint64_t uid, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	return setresuid(uid, uid, uid) ? errno : 0;
}
