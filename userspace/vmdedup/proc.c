// SPDX-License-Identifier: GPL-2.0
/* What the command reads under /proc. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"

static bool take_address(const char **text, char after, uint64_t *address)
{
	char *end;

	if (!isxdigit((unsigned char)**text))
		return false;
	errno = 0;
	*address = strtoull(*text, &end, 16);
	if (errno || *end != after)
		return false;
	*text = end + 1;
	return true;
}

bool proc_parse_mapping(const char *line, struct mapping *mapping)
{
	static const char *const allowed[] = { "r-", "w-", "x-", "ps" };
	size_t i;

	if (!take_address(&line, '-', &mapping->start) ||
	    !take_address(&line, ' ', &mapping->end) ||
	    mapping->start >= mapping->end)
		return false;
	for (i = 0; i < 4; i++) {
		if (!line[i] || !strchr(allowed[i], line[i]))
			return false;
	}
	if (line[4] != ' ')
		return false;
	mapping->writable = line[1] == 'w';
	mapping->shared = line[3] == 's';
	return true;
}

static int append(struct mapping **mappings, size_t *count, const struct mapping *mapping)
{
	struct mapping *more = *mappings;

	/* Grow at each power of two. */
	if (!(*count & (*count - 1))) {
		more = reallocarray(more, *count ? 2 * *count : 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		*mappings = more;
	}
	more[(*count)++] = *mapping;
	return 0;
}

int proc_parse_maps(FILE *file, struct mapping **mappings, size_t *count)
{
	struct mapping mapping;
	char *line = NULL;
	size_t size = 0;
	int err = 0;

	*mappings = NULL;
	*count = 0;
	errno = 0;
	while (!err && getline(&line, &size, file) >= 0) {
		if (proc_parse_mapping(line, &mapping))
			err = append(mappings, count, &mapping);
		else
			err = -EPROTO;
		errno = 0;
	}
	/* getline() fails at the end as well, without an errno. */
	if (!err && !feof(file))
		err = errno ? -errno : -EIO;
	free(line);
	if (err) {
		free(*mappings);
		*mappings = NULL;
		*count = 0;
	}
	return err;
}

FILE *proc_open(const char *proc, pid_t pid, const char *name)
{
	char path[PATH_MAX];
	int len;

	len = snprintf(path, sizeof(path), "%s/%d/%s", proc, pid, name);
	if (len >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return fopen(path, "re");
}

int proc_read_maps(const char *proc, pid_t pid, struct mapping **mappings, size_t *count)
{
	FILE *file = proc_open(proc, pid, "maps");
	int err;

	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	err = proc_parse_maps(file, mappings, count);
	fclose(file);
	return err;
}

void proc_clean(char *text)
{
	for (; *text; text++) {
		if (!isascii(*text) || !isprint(*text))
			*text = '?';
	}
}

void proc_read_comm(const char *proc, pid_t pid, char comm[PROC_COMM_MAX])
{
	FILE *file = pid > 0 ? proc_open(proc, pid, "comm") : NULL;
	size_t len = 0;

	if (file) {
		len = fread(comm, 1, PROC_COMM_MAX - 1, file);
		fclose(file);
	}
	if (len && comm[len - 1] == '\n')
		len--;
	comm[len] = '\0';
	proc_clean(comm);
	if (!*comm)
		strcpy(comm, "-");
}
