// SPDX-License-Identifier: LGPL-2.1
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "private.h"
#include "tunable.h"

/* X(name, range, what for); others may be there, these may be missing. */
#define KNOWN_TUNABLES(X)						\
	X(cpu_limit, "percent of one CPU; 0: no limit",			\
	  "CPU time that all threads that scan may take")		\
	X(discover, "0 or 1", "whether KVM guests are found without being registered") \
	X(domain_policy, "host, uid, cgroup or process",		\
	  "who may share pages with whom")				\
	X(huge_split_pages, "1 to 512; fewer do when memory is short",	\
	  "pages that splitting a huge page must save")			\
	X(max_regions, "0 to 65536",					\
	  "registrations of each user without CAP_SYS_RESOURCE")		\
	X(merge_run_pages, "1 to 512", "pages unmapped at a time, at the most") \
	X(reserve_mib, "MiB, to 2147483647; 0: none",			\
	  "free memory held back for what guests write to")		\
	X(reserve_percent, "0 to 100",					\
	  "likewise, percent of what is saved; the larger counts")	\
	X(run, "0, 1 or 2", "0: stopped, 1: scans, 2: stops and unmerges all") \
	X(scan_rate, "pages per second, to 1000000000; 0: automatic",	\
	  "pages looked at, at the most")				\
	X(scrub_secs, "seconds, to 604800; 0: never",			\
	  "seconds to check all shared frames for memory errors once")	\
	X(stats_interval_ms, "milliseconds", "how often statistics go to who listens") \
	X(target_pass_secs, "1 to 86400", "seconds for a pass, if scan_rate is 0") \
	X(threads, "1 to 64; 0: one for each 4 CPUs, 8 at the most",	\
	  "threads that scan together")

static bool is_word_char(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_-.", c));
}

/* Takes a word that fits, and returns what follows it; NULL if there is none. */
static const char *take_word(const char *text, char word[VMDEDUP_TUNABLE_MAX])
{
	size_t len = 0;

	while (is_word_char(text[len]))
		len++;
	if (!len || len >= VMDEDUP_TUNABLE_MAX)
		return NULL;
	memcpy(word, text, len);
	word[len] = '\0';
	return text + len;
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t\r\n");
}

enum vmdedup_tunable_line vmdedup_tunable_parse(const char *line,
						struct vmdedup_tunable *tunable)
{
	line = skip_blanks(line);
	if (!*line || *line == '#')
		return VMDEDUP_TUNABLE_NOTHING;
	tunable->value[0] = '\0';
	line = take_word(line, tunable->name);
	if (!line || tunable->name[0] == '.')
		return VMDEDUP_TUNABLE_WRONG;
	line = skip_blanks(line);
	if (!*line)
		return VMDEDUP_TUNABLE_NAME;
	if (*line != '=')
		return VMDEDUP_TUNABLE_WRONG;
	line = take_word(skip_blanks(line + 1), tunable->value);
	if (!line || *skip_blanks(line))
		return VMDEDUP_TUNABLE_WRONG;
	return VMDEDUP_TUNABLE_ASSIGNMENT;
}

/* "1\n", or "host [uid] cgroup\n" of which the one in brackets counts. */
static bool take_value(const char *text, char value[VMDEDUP_TUNABLE_MAX])
{
	const char *bracket = strchr(text, '[');

	if (bracket) {
		text = take_word(bracket + 1, value);
		return text && *text == ']';
	}
	text = take_word(text, value);
	return text && (!strcmp(text, "") || !strcmp(text, "\n"));
}

static bool read_value(int dir, const char *name, char value[VMDEDUP_TUNABLE_MAX])
{
	char text[4 * VMDEDUP_TUNABLE_MAX];
	ssize_t got;
	int fd;

	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0 || got == sizeof(text) - 1)
		return false;
	text[got] = '\0';
	/* A zero byte in the middle must not hide what follows it. */
	return strlen(text) == (size_t)got && take_value(text, value);
}

/* Not by access(): root may write everything. */
static bool is_tunable(int dir, const char *name)
{
	struct stat st;

	return strlen(name) < VMDEDUP_TUNABLE_MAX && strcmp(name, "uevent") &&
	       !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
	       st.st_mode & 0222;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Not alphasort(): the order must not depend on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_all(int dir, struct vmdedup_tunables *tunables)
{
	struct vmdedup_tunable *next;
	struct dirent **entries;
	int i, nr, err = 0;

	nr = scandirat(dir, ".", &entries, is_visible, by_name);
	if (nr < 0)
		return -errno;
	/* calloc(0) may return NULL. */
	tunables->tunables = calloc(nr + 1, sizeof(*tunables->tunables));
	if (!tunables->tunables)
		err = -ENOMEM;
	for (i = 0; i < nr; i++) {
		next = &tunables->tunables[tunables->count];
		if (!err && is_tunable(dir, entries[i]->d_name) &&
		    read_value(dir, entries[i]->d_name, next->value)) {
			strcpy(next->name, entries[i]->d_name);
			tunables->count++;
		}
		free(entries[i]);
	}
	free(entries);
	return err;
}

int vmdedup_tunables_read(struct vmdedup_ctx *ctx, struct vmdedup_tunables *tunables)
{
	int dir, err;

	tunables->count = 0;
	tunables->tunables = NULL;
	dir = open(ctx->sysfs_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	err = read_all(dir, tunables);
	close(dir);
	return err;
}

const struct vmdedup_tunable *vmdedup_tunables_find(const struct vmdedup_tunables *tunables,
						    const char *name)
{
	size_t i;

	for (i = 0; i < tunables->count; i++) {
		if (!strcmp(tunables->tunables[i].name, name))
			return &tunables->tunables[i];
	}
	return NULL;
}

void vmdedup_tunables_free(struct vmdedup_tunables *tunables)
{
	free(tunables->tunables);
	tunables->tunables = NULL;
	tunables->count = 0;
}

int vmdedup_tunable_set(struct vmdedup_ctx *ctx, const char *name, const char *value)
{
	char word[VMDEDUP_TUNABLE_MAX], text[VMDEDUP_TUNABLE_MAX + 1];
	const char *rest;
	int dir, err;

	/* A name has no slash, so it stays in the directory. */
	rest = take_word(name, word);
	if (!rest || *rest || name[0] == '.')
		return -EINVAL;
	rest = take_word(value, word);
	if (!rest || *rest)
		return -EINVAL;
	dir = open(ctx->sysfs_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	stpcpy(stpcpy(text, value), "\n");
	err = ctx->ops->set(ctx->ops_data, dir, name, text);
	close(dir);
	return err;
}

const char *vmdedup_tunable_range(const char *name)
{
#define TUNABLE_RANGE(tunable, range, text)	\
	if (!strcmp(name, #tunable))		\
		return range;
	KNOWN_TUNABLES(TUNABLE_RANGE)
#undef TUNABLE_RANGE
	return NULL;
}

const char *vmdedup_tunable_text(const char *name)
{
#define TUNABLE_TEXT(tunable, range, text)	\
	if (!strcmp(name, #tunable))		\
		return text;
	KNOWN_TUNABLES(TUNABLE_TEXT)
#undef TUNABLE_TEXT
	return NULL;
}
