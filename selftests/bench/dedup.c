// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "../engine/util.h"
#include "bench.h"
#include "dedup.h"

#define KSM_SYSFS	"/sys/kernel/mm/ksm/"

/* A tunable as it was when we began. */
struct tunable {
	char path[PATH_MAX];
	char value[64];
};

#define TUNABLES	64
static struct tunable tunable[TUNABLES];
static unsigned int nr_tunables;

static void set(const char *dir, const char *name, unsigned long value)
{
	char path[PATH_MAX], text[32];

	snprintf(path, sizeof(path), "%s%s", dir, name);
	snprintf(text, sizeof(text), "%lu\n", value);
	if (write_text(path, text))
		die("cannot write %lu to %s", value, path);
}

static uint64_t get(const char *dir, const char *name)
{
	char path[PATH_MAX];
	long long value;

	snprintf(path, sizeof(path), "%s%s", dir, name);
	value = read_number(path);
	if (value < 0)
		die("cannot read %s", path);
	return value;
}

static bool has(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", dir, name);
	return !access(path, W_OK);
}

static bool read_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(text, size, f);

	if (f)
		fclose(f);
	if (ok)
		text[strcspn(text, "\n")] = '\0';
	return ok;
}

static void remember(const char *dir)
{
	struct dirent *e;
	struct stat st;
	DIR *d;

	d = opendir(dir);
	if (!d)
		die("no %s", dir);
	while ((e = readdir(d))) {
		struct tunable *t = &tunable[nr_tunables];

		snprintf(t->path, sizeof(t->path), "%s%s", dir, e->d_name);
		if (!strcmp(e->d_name, "run") || !strcmp(e->d_name, "uevent") ||
		    stat(t->path, &st) || !S_ISREG(st.st_mode) ||
		    !(st.st_mode & 0200) ||
		    !read_text(t->path, t->value, sizeof(t->value)))
			continue;
		if (++nr_tunables == TUNABLES)
			die("too many tunables");
	}
	closedir(d);
}

/* Also called at exit, so it must not end the program. */
static void restore(const char *dir)
{
	char value[64];

	for (unsigned int i = 0; i < nr_tunables; i++) {
		struct tunable *t = &tunable[i];

		if (strncmp(t->path, dir, strlen(dir)) || strchr(t->value, '[') ||
		    (read_text(t->path, value, sizeof(value)) &&
		     !strcmp(value, t->value)))
			continue;
		if (write_text(t->path, t->value))
			say("cannot write %s to %s", t->value, t->path);
	}
}

static void ksm_tune(enum pace pace)
{
	restore(KSM_SYSFS);
	if (pace == FAST) {
		set(KSM_SYSFS, "sleep_millisecs", 0);
		set(KSM_SYSFS, "pages_to_scan", 20000);
	}
}

static void ksm_run(unsigned int value)
{
	set(KSM_SYSFS, "run", value);
}

static uint64_t ksm_passes(void)
{
	return get(KSM_SYSFS, "full_scans");
}

/* Threads that end take the time that they ran for with them: before it counts. */
#define THREADS_SECONDS	0.5

static void vmdedup_tune_pace(enum pace pace)
{
	restore(VD_SYSFS);
	nap(THREADS_SECONDS);
	/* KSM has no policy for huge pages: it splits them. */
	set(VD_SYSFS, "huge_split_pages", 1);
	if (pace == BY_DEFAULT)
		return;
	set(VD_SYSFS, "scan_rate", 1000000000);
	/* One worker as fast as it can, as there is one ksmd. */
	if (vmdedup_has("threads"))
		set(VD_SYSFS, "threads", 1);
	if (vmdedup_has("cpu_limit"))
		set(VD_SYSFS, "cpu_limit", 100);
}

static void vmdedup_run(unsigned int value)
{
	set(VD_SYSFS, "run", value);
}

static uint64_t vmdedup_passes(void)
{
	return get(VD_SYSFS "stats/", "full_scans");
}

bool vmdedup_has(const char *name)
{
	return has(VD_SYSFS, name);
}

void vmdedup_tune(const char *name, unsigned int value)
{
	set(VD_SYSFS, name, value);
}

const struct dedup dedup[SIDES] = {
	[KSM] = {
		.name = "ksm",
		.threads = "ksmd",
		.cycle = 9,	/* smart_scan: one in nine */
		.books = "ksm_",
		.tune = ksm_tune,
		.run = ksm_run,
		.passes = ksm_passes,
	},
	[VMDEDUP] = {
		.name = "vmdedup",
		.threads = "vmdedup",
		.cycle = 32,	/* VMDEDUP_SCHEDULE_PERIOD */
		.books = "vmdedup",
		.tune = vmdedup_tune_pace,
		.run = vmdedup_run,
		.passes = vmdedup_passes,
	},
};

static void put_back(void)
{
	restore(KSM_SYSFS);
	restore(VD_SYSFS);
}

void dedup_init(void)
{
	ksm_run(2);
	vmdedup_run(0);
	remember(KSM_SYSFS);
	remember(VD_SYSFS);
	atexit(put_back);
}

static struct json_object *settings_of(const char *dir)
{
	struct json_object *list = json_object_new_object();
	char value[64];

	for (unsigned int i = 0; i < nr_tunables; i++) {
		const char *path = tunable[i].path;

		if (!strncmp(path, dir, strlen(dir)) &&
		    read_text(path, value, sizeof(value)))
			json_object_object_add(list, path + strlen(dir),
					       json_object_new_string(value));
	}
	return list;
}

struct json_object *dedup_counters(void)
{
	struct json_object *list = json_object_new_object();
	char path[PATH_MAX], value[64];
	struct dirent *e;
	DIR *d;

	d = opendir(VD_SYSFS "stats");
	if (!d)
		die("no " VD_SYSFS "stats");
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), VD_SYSFS "stats/%s", e->d_name);
		if (read_text(path, value, sizeof(value)))
			json_object_object_add(list, e->d_name,
					       json_object_new_string(value));
	}
	closedir(d);
	return list;
}

struct json_object *dedup_settings(enum pace pace)
{
	struct json_object *both = json_object_new_object();

	for (int i = 0; i < SIDES; i++)
		dedup[i].tune(pace);
	json_object_object_add(both, "ksm", settings_of(KSM_SYSFS));
	json_object_object_add(both, "vmdedup", settings_of(VD_SYSFS));
	return both;
}
