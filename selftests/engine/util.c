// SPDX-License-Identifier: GPL-2.0
/* The device, its sysfs files, and pages of known content. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

static const struct {
	const char *name;
	long long value;
} tunables[] = {
	{ "run", 0 },		/* the module's own default is 1 */
	{ "scan_rate", 0 },
	{ "target_pass_secs", 60 },
	{ "huge_split_pages", 128 },
	{ "merge_run_pages", 64 },
	{ "cpu_limit", 0 },
	{ "stats_interval_ms", 1000 },
	{ "discover", 1 },
	{ "threads", 0 },
	{ "scrub_secs", 3600 },
	{ "reserve_mib", 0 },
	{ "reserve_percent", 0 },
	{ "max_regions", 1024 },
};

static void tunables_reset(void)
{
	for (size_t i = 0; i < sizeof(tunables) / sizeof(*tunables); i++)
		vd_set(tunables[i].name, tunables[i].value);
	vd_set_text("domain_policy", "uid");
}

int vd_open(void)
{
	int fd = open(VD_DEV, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int vd_begin(void)
{
	int fd = vd_open();

	if (fd < 0)
		return fd;
	tunables_reset();
	vd_forget_all(fd);
	/*
	 * The module gives frames back that nobody maps any more when it is
	 * asked how many there are: a test must not merge into its
	 * predecessor's.
	 */
	vd_stat("pages_shared");
	return fd;
}

void vd_end(int fd)
{
	if (fd < 0)
		return;
	tunables_reset();
	vd_forget_all(fd);
	close(fd);
}

int vd_register_raw(int fd, struct vmdedup_register *r)
{
	return ioctl(fd, VMDEDUP_IOC_REGISTER, r) ? -errno : 0;
}

int vd_register(int fd, const void *start, size_t bytes, uint64_t *id)
{
	struct vmdedup_register r = {
		.size = sizeof(r),
		.start = (uintptr_t)start,
		.length = bytes,
	};
	int ret = vd_register_raw(fd, &r);

	if (!ret && id)
		*id = r.region_id;
	return ret;
}

int vd_unregister(int fd, uint64_t id, uint32_t flags, uint64_t *unmerged)
{
	struct vmdedup_unregister u = {
		.size = sizeof(u),
		.flags = flags,
		.region_id = id,
	};

	if (ioctl(fd, VMDEDUP_IOC_UNREGISTER, &u))
		return -errno;
	if (unmerged)
		*unmerged = u.unmerged;
	return 0;
}

int vd_query(int fd, uint64_t id, uint32_t flags, struct vmdedup_query *q)
{
	struct vmdedup_query local;

	if (!q)
		q = &local;
	memset(q, 0, sizeof(*q));
	q->size = sizeof(*q);
	q->flags = flags;
	q->region_id = id;
	return ioctl(fd, VMDEDUP_IOC_QUERY, q) ? -errno : 0;
}

int vd_merge(int fd, uint64_t id, struct vmdedup_merge *m)
{
	struct vmdedup_merge local;

	if (!m)
		m = &local;
	memset(m, 0, sizeof(*m));
	m->size = sizeof(*m);
	m->flags = id ? 0 : VMDEDUP_MERGE_ALL;
	m->region_id = id;
	return ioctl(fd, VMDEDUP_IOC_MERGE, m) ? -errno : 0;
}

void vd_forget_all(int fd)
{
	struct vmdedup_query q;
	uint64_t id = 0;

	while (!vd_query(fd, id, VMDEDUP_QUERY_NEXT, &q)) {
		id = q.region_id;
		vd_unregister(fd, id, 0, NULL);
	}
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

long long read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long long value = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%lld", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

bool kernel_asserts(void)
{
	struct utsname name;

	return !uname(&name) && strstr(name.release, "-debug");
}

long long vd_get(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), VD_SYSFS "%s", name);
	return read_number(path);
}

int vd_set_text(const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), VD_SYSFS "%s", name);
	return write_text(path, text);
}

int vd_set(const char *name, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld\n", value);
	return vd_set_text(name, text);
}

long long vd_stat(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), VD_SYSFS "stats/%s", name);
	return read_number(path);
}

bool vd_stat_rises(const char *name, long long from, long long by)
{
	/*
	 * Some minutes: only a thread that does not run at all takes longer, and not
	 * one that has the lowest priority on a busy machine.
	 */
	for (int i = 0; i < 25000; i++) {
		if (vd_stat(name) - from >= by)
			return true;
		usleep(10000);
	}
	return false;
}

bool in_the_end(bool (*done)(long long arg), long long arg)
{
	for (unsigned int tries = 0; tries < 3000; tries++) {
		if (done(arg))
			return true;
		usleep(100000);
	}
	return false;
}

char *pg_map(size_t pages)
{
	char *p = mmap(NULL, (pages + 1) * PG, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* A guard page, so that it never becomes one mapping with the next. */
	if (mprotect(p + pages * PG, PG, PROT_NONE) ||
	    (madvise(p, pages * PG, MADV_NOHUGEPAGE) && errno != EINVAL)) {
		munmap(p, (pages + 1) * PG);
		return NULL;
	}
	return p;
}

char *chunk_map(size_t chunks, int advice)
{
	size_t bytes = chunks * HPAGE;
	char *p = mmap(NULL, bytes + HPAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *start, *end;

	if (p == MAP_FAILED)
		return NULL;
	start = (char *)(((uintptr_t)p + HPAGE - 1) & ~(HPAGE - 1));
	end = start + bytes;
	/* Keep others from becoming one mapping with it. */
	if (mprotect(end, p + bytes + HPAGE - end, PROT_NONE) ||
	    (start > p && mprotect(p, start - p, PROT_NONE)) ||
	    (madvise(start, bytes, advice) &&
	     (errno != EINVAL || advice != MADV_NOHUGEPAGE))) {
		munmap(p, bytes + HPAGE);
		return NULL;
	}
	return start;
}

size_t scaled(size_t n)
{
	static size_t scale;
	const char *text;

	if (!scale) {
		text = getenv("VMDEDUP_SCALE");
		scale = text ? strtoul(text, NULL, 10) : 1;
		if (!scale)
			scale = 1;
	}
	return n > scale ? n / scale : 1;
}

long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

uint64_t rnd(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

void pg_fill(void *page, uint64_t seed)
{
	uint64_t *word = page;

	if (!seed) {
		memset(page, 0, PG);
		return;
	}
	for (size_t i = 0; i < PG / sizeof(*word); i++)
		word[i] = rnd(&seed);
}

bool pg_is(const void *page, uint64_t seed)
{
	const uint64_t *word = page;

	for (size_t i = 0; i < PG / sizeof(*word); i++)
		if (word[i] != (seed ? rnd(&seed) : 0))
			return false;
	return true;
}

/*
 * rnd() walks from one seed to the next by a constant, so that consecutive
 * seeds give unrelated contents; still spread them.
 */
void pg_fill_range(char *p, size_t pages, uint64_t seed)
{
	for (size_t i = 0; i < pages; i++)
		pg_fill(p + i * PG, seed + i);
}

int pg_keep(char *p, size_t pages)
{
	return madvise(p, pages * PG, MADV_DONTFORK) ? -errno : 0;
}

int pg_map_pair(size_t pages, uint64_t seed, char **a, char **b)
{
	*a = pg_map(pages);
	*b = pg_map(pages);
	if (!*a || !*b)
		return -ENOMEM;
	pg_fill_range(*a, pages, seed);
	pg_fill_range(*b, pages, seed);
	return 0;
}

size_t pg_wrong(const char *p, size_t pages, uint64_t seed)
{
	size_t wrong = 0;

	for (size_t i = 0; i < pages; i++)
		wrong += !pg_is(p + i * PG, seed + i);
	return wrong;
}

void pg_read(const volatile char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		(void)p[i * PG];
}
