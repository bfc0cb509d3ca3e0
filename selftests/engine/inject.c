// SPDX-License-Identifier: GPL-2.0
/*
 * Failing allocations; see Documentation/fault-injection/ in the kernel's source.
 * What is not for the code under test is told apart by the stack of the caller.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inject.h"
#include "util.h"

#define DEBUGFS	"/sys/kernel/debug/"
/* As much of the stack as the kernel is willing to look at. */
#define DEPTH	"32"
/* No function of the module is longer. */
#define FUNCTION_MAX	PG

static const char * const what[] = { "failslab", "fail_page_alloc" };

static int set(const char *fault, const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", fault, name);
	return write_text(path, text);
}

static int set_both(const char *name, const char *text)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(what) / sizeof(*what) && !err; i++)
		err = set(what[i], name, text);
	return err;
}

/* Where the functions are whose lines have @whose in them. */
static int find_code(const char *whose, uint64_t *start, uint64_t *end)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long long addr;
	char line[512], type;

	if (!f)
		return -errno;
	*start = UINT64_MAX;
	*end = 0;
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, whose) ||
		    sscanf(line, "%llx %c", &addr, &type) != 2 ||
		    (type != 't' && type != 'T'))
			continue;
		if (addr < *start)
			*start = addr;
		if (addr + FUNCTION_MAX > *end)
			*end = addr + FUNCTION_MAX;
	}
	fclose(f);
	return *start < *end ? 0 : -ESRCH;
}

static int set_range(const char *whose)
{
	uint64_t start = 0, end = UINT64_MAX;
	char text[32];
	int err = 0;

	if (whose)
		err = find_code(whose, &start, &end);
	if (err)
		return err;
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)start);
	err = set_both("require-start", text);
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)end);
	return err ?: set_both("require-end", text);
}

int inject_begin(const char *whose)
{
	static const struct {
		const char *name;
		const char *text;
	} both[] = {
		{ "probability", "0" },
		{ "interval", "1" },
		{ "times", "-1" },
		{ "space", "0" },
		{ "verbose", "0" },	/* no stack in the log of each */
		{ "task-filter", "N" },
		{ "stacktrace-depth", DEPTH },
		{ "reject-start", "0" },
		{ "reject-end", "0" },
		{ "ignore-gfp-wait", "N" },
	};
	int err = 0;

	if (access("/proc/self/fail-nth", W_OK) ||
	    access(DEBUGFS "failslab/require-start", W_OK) ||
	    access(DEBUGFS "fail_page_alloc/require-start", W_OK))
		return -ENOENT;
	for (size_t i = 0; i < sizeof(both) / sizeof(*both) && !err; i++)
		err = set_both(both[i].name, both[i].text);
	err = err ?: set("failslab", "cache-filter", "N");
	err = err ?: set("fail_page_alloc", "ignore-gfp-highmem", "N");
	err = err ?: set("fail_page_alloc", "min-order", "0");
	return err ?: set_range(whose);
}

void inject_end(void)
{
	inject_nth(0, 0);
	set_both("probability", "0");
	set_both("task-filter", "N");
	write_text("/proc/thread-self/make-it-fail", "0");
}

static void nth_path(char *path, pid_t tid)
{
	if (tid)
		snprintf(path, PATH_MAX, "/proc/%d/fail-nth", tid);
	else
		snprintf(path, PATH_MAX, "/proc/thread-self/fail-nth");
}

int inject_nth(pid_t tid, unsigned int nth)
{
	char path[PATH_MAX], text[16];

	nth_path(path, tid);
	snprintf(text, sizeof(text), "%u", nth);
	return write_text(path, text);
}

bool inject_hit(pid_t tid)
{
	char path[PATH_MAX];
	long long left;

	nth_path(path, tid);
	/* Opening it takes memory, too: where all is counted, count on. */
	left = read_number(path);
	inject_nth(tid, 0);
	return left <= 0;
}

int inject_all(bool on)
{
	int err;

	if (!on) {
		inject_end();
		return 0;
	}
	err = set_both("task-filter", "Y");
	err = err ?: write_text("/proc/thread-self/make-it-fail", "1");
	return err ?: set_both("probability", "100");
}

int inject_some(unsigned int percent)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", percent);
	return set_both("probability", text);
}

static bool has_name(const char *pid, const char *name)
{
	char path[PATH_MAX], line[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	line[strcspn(line, "\n")] = 0;
	return !fnmatch(name, line, 0);
}

pid_t inject_thread(const char *name)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (proc && !found && (entry = readdir(proc)))
		if (isdigit(entry->d_name[0]) && has_name(entry->d_name, name))
			found = atoi(entry->d_name);
	if (proc)
		closedir(proc);
	return found;
}
