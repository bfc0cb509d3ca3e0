// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../engine/util.h"
#include "bench.h"
#include "meter.h"

uint64_t cpu_ns_of(pid_t pid)
{
	char path[64], line[128] = "";
	uint64_t ns = 0;
	DIR *tasks;
	struct dirent *e;

	/* The file of a process is about its first thread only. */
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		die("process %d is gone", pid);
	while ((e = readdir(tasks))) {
		char file[400];
		uint64_t run;
		FILE *f;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(file, sizeof(file), "%s/%s/schedstat", path, e->d_name);
		f = fopen(file, "re");
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f) &&
		    sscanf(line, "%" SCNu64, &run) == 1)
			ns += run;
		fclose(f);
	}
	closedir(tasks);
	if (!line[0])
		die("no CPU time of process %d", pid);
	return ns;
}

static bool is_kthread(pid_t pid, const char *prefix)
{
	char path[64], line[512], *name, *end;
	bool is = false;
	int parent;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fgets(line, sizeof(line), f)) {
		name = strchr(line, '(');
		end = strrchr(line, ')');
		is = name && end && sscanf(end + 1, " %*c %d", &parent) == 1 &&
		     parent == 2 && !strncmp(name + 1, prefix, strlen(prefix));
	}
	fclose(f);
	return is;
}

uint64_t cpu_ns_of_kthreads(const char *prefix)
{
	unsigned int found = 0;
	struct dirent *e;
	uint64_t ns = 0;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		die("no /proc");
	while ((e = readdir(proc))) {
		pid_t pid = atoi(e->d_name);

		if (pid > 2 && is_kthread(pid, prefix)) {
			ns += cpu_ns_of(pid);
			found++;
		}
	}
	closedir(proc);
	if (!found)
		die("no kernel thread is called %s", prefix);
	return ns;
}

uint64_t cpu_ns_busy(void)
{
	uint64_t user, nice, sys, irq, softirq;
	FILE *f = fopen("/proc/stat", "re");

	if (!f || fscanf(f, "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %*u %"
			 SCNu64 " %" SCNu64, &user, &nice, &sys, &irq, &softirq) != 5)
		die("cannot read /proc/stat");
	fclose(f);
	return (user + nice + sys + irq + softirq) *
	       (1000000000ULL / sysconf(_SC_CLK_TCK));
}

static int64_t zero_point;

static int64_t in_use(void)
{
	int64_t anon = vmstat("nr_anon_pages"), mapped = vmstat("nr_mapped");

	if (anon < 0 || mapped < 0)
		die("cannot read /proc/vmstat");
	return anon + mapped;
}

void meter_zero(void)
{
	zero_point = in_use();
}

int64_t meter_saved(void)
{
	return zero_point - in_use();
}

struct frames {
	uint8_t *seen;
	uint64_t room;		/* frame numbers that it has bits for */
	uint64_t zero;
	uint64_t present;
	uint64_t distinct;
};

static uint64_t zero_pfn(void)
{
	volatile char *p = mmap(NULL, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
				-1, 0);
	uint64_t pfn;

	if (p == MAP_FAILED)
		die("no memory");
	(void)p[0];
	pfn = pm_pfn((const void *)p);
	munmap((void *)p, PG);
	if (!pfn)
		die("cannot read frame numbers");
	return pfn;
}

struct frames *frames_begin(void)
{
	struct frames *frames = calloc(1, sizeof(*frames));

	if (!frames)
		die("no memory");
	frames->zero = zero_pfn();
	return frames;
}

static void grow(struct frames *frames, uint64_t pfn)
{
	uint64_t room = (pfn + (1 << 20)) / 8 * 8;

	if (pfn < frames->room)
		return;
	frames->seen = realloc(frames->seen, room / 8);
	if (!frames->seen)
		die("no memory");
	memset(frames->seen + frames->room / 8, 0, (room - frames->room) / 8);
	frames->room = room;
}

void frames_add(struct frames *frames, pid_t pid, uint64_t addr, size_t pages)
{
	uint64_t pfn[512];
	size_t at, n, i;

	for (at = 0; at < pages; at += n) {
		n = pages - at < 512 ? pages - at : 512;
		if (pm_pfns(pid, (void *)(addr + at * PG), n, pfn))
			die("cannot read pagemap of %d", pid);
		for (i = 0; i < n; i++) {
			if (!pfn[i])
				continue;
			frames->present++;
			if (pfn[i] == frames->zero)
				continue;
			grow(frames, pfn[i]);
			if (frames->seen[pfn[i] / 8] & 1 << pfn[i] % 8)
				continue;
			frames->seen[pfn[i] / 8] |= 1 << pfn[i] % 8;
			frames->distinct++;
		}
	}
}

uint64_t frames_saved(struct frames *frames)
{
	uint64_t saved = frames->present - frames->distinct;

	free(frames->seen);
	free(frames);
	return saved;
}

/* Have empty slabs given back, of which some are kept in store. */
static void slab_shrink(const char *prefix)
{
	struct dirent *e;
	char path[400];
	DIR *d;

	d = opendir("/sys/kernel/slab");
	if (!d)
		die("no /sys/kernel/slab");
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, prefix, strlen(prefix)))
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", e->d_name);
		if (write_text(path, "1"))
			die("cannot write %s", path);
	}
	closedir(d);
}

static int64_t slab_bytes(const char *prefix)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	char line[512], name[64];
	int64_t bytes = 0;

	if (!f)
		die("no /proc/slabinfo");
	while (fgets(line, sizeof(line), f)) {
		char *data = strstr(line, ": slabdata ");
		uint64_t pages, slabs;

		if (strncmp(line, prefix, strlen(prefix)) || !data ||
		    sscanf(line, "%63s %*u %*u %*u %*u %" SCNu64, name, &pages) != 2 ||
		    sscanf(data, ": slabdata %*u %" SCNu64, &slabs) != 1)
			continue;
		bytes += pages * slabs * PG;
	}
	fclose(f);
	return bytes;
}

static int64_t vmalloc_bytes(const char *module)
{
	FILE *f = fopen("/proc/vmallocinfo", "re");
	char line[1024], suffix[64];
	int64_t bytes = 0;

	if (!f)
		die("no /proc/vmallocinfo");
	snprintf(suffix, sizeof(suffix), "[%s]", module);
	while (fgets(line, sizeof(line), f)) {
		char *pages = strstr(line, " pages=");

		if (pages && strstr(line, suffix))
			bytes += strtoll(pages + 7, NULL, 10) * PG;
	}
	fclose(f);
	return bytes;
}

static int64_t meminfo(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "re");
	size_t length = strlen(key);
	int64_t kb = -1;
	char line[256];

	if (!f)
		die("no /proc/meminfo");
	while (kb < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, length) && line[length] == ':')
			kb = strtoll(line + length + 1, NULL, 10);
	fclose(f);
	if (kb < 0)
		die("no %s in /proc/meminfo", key);
	return kb * 1024;
}

void books_read(const char *prefix, struct books *books)
{
	slab_shrink(prefix);
	books->named = slab_bytes(prefix) + vmalloc_bytes(prefix);
	books->all = meminfo("Slab") + meminfo("VmallocUsed") + meminfo("Percpu");
}

int64_t oracle_pages(const char *command, const char *key)
{
	struct json_tokener *parser = json_tokener_new();
	struct json_object *top = NULL, *value;
	FILE *f = popen(command, "re");
	char buf[4096];
	int64_t pages;
	size_t n;

	if (!parser || !f)
		die("cannot run %s", command);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		if (!top)
			top = json_tokener_parse_ex(parser, buf, n);
	if (pclose(f) || !top || !json_object_object_get_ex(top, key, &value))
		die("the oracle failed: %s", command);
	pages = json_object_get_int64(value);
	json_object_put(top);
	json_tokener_free(parser);
	return pages;
}
