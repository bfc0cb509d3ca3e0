// SPDX-License-Identifier: LGPL-2.1
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "private.h"

/* One u64 in digits, a newline, and one byte to notice that there is more. */
#define NUMBER_MAX	22

static bool parse_number(const char *text, uint64_t *value)
{
	char *end;

	/* strtoull() would take blanks and a sign. */
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	if (errno)
		return false;
	return !strcmp(end, "") || !strcmp(end, "\n");
}

static bool read_number(int dir, const char *name, uint64_t *value)
{
	char text[NUMBER_MAX + 1];
	ssize_t got;
	int fd;

	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	got = read(fd, text, NUMBER_MAX);
	close(fd);
	if (got <= 0 || got == NUMBER_MAX)
		return false;
	text[got] = '\0';
	/* A zero byte in the middle must not hide what follows it. */
	return strlen(text) == (size_t)got && parse_number(text, value);
}

static int is_file(const struct dirent *entry)
{
	return entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN;
}

/* Not alphasort(): the order must not depend on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_value(struct vmdedup_values *values, const char *name, uint64_t value)
{
	char *copy = strdup(name);

	if (!copy)
		return -ENOMEM;
	values->values[values->count].name = copy;
	values->values[values->count].value = value;
	values->count++;
	return 0;
}

static int read_entries(int dir, struct dirent **entries, int nr, struct vmdedup_values *values)
{
	uint64_t value;
	int i, err;

	/* calloc(0) may return NULL. */
	values->values = calloc(nr + 1, sizeof(*values->values));
	if (!values->values)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		if (!read_number(dir, entries[i]->d_name, &value))
			continue;
		err = add_value(values, entries[i]->d_name, value);
		if (err) {
			vmdedup_values_free(values);
			return err;
		}
	}
	return 0;
}

static int read_dir(int dir, struct vmdedup_values *values)
{
	struct dirent **entries;
	int i, nr, err;

	nr = scandirat(dir, ".", &entries, is_file, by_name);
	if (nr < 0)
		return -errno;
	err = read_entries(dir, entries, nr, values);
	for (i = 0; i < nr; i++)
		free(entries[i]);
	free(entries);
	return err;
}

static int read_subdir(struct vmdedup_ctx *ctx, const char *sub, struct vmdedup_values *values)
{
	int top, dir, err;

	values->count = 0;
	values->values = NULL;
	top = open(ctx->sysfs_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return -errno;
	dir = openat(top, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = dir < 0 ? -errno : 0;
	close(top);
	if (err)
		return err;
	err = read_dir(dir, values);
	close(dir);
	return err;
}

int vmdedup_read_tunables(struct vmdedup_ctx *ctx, struct vmdedup_values *values)
{
	return read_subdir(ctx, ".", values);
}

int vmdedup_read_stats(struct vmdedup_ctx *ctx, struct vmdedup_values *values)
{
	return read_subdir(ctx, "stats", values);
}

int vmdedup_values_get(const struct vmdedup_values *values, const char *name, uint64_t *value)
{
	size_t i;

	for (i = 0; i < values->count; i++) {
		if (!strcmp(values->values[i].name, name)) {
			*value = values->values[i].value;
			return 0;
		}
	}
	return -ENOENT;
}

void vmdedup_values_free(struct vmdedup_values *values)
{
	size_t i;

	for (i = 0; i < values->count; i++)
		free((char *)values->values[i].name);
	free(values->values);
	values->count = 0;
	values->values = NULL;
}
