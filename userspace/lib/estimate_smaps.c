// SPDX-License-Identifier: LGPL-2.1
/* Which mappings may be merged: the rules of the module, from smaps. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "estimate_private.h"

/* Digits and what follows them; no blanks, no signs. */
static bool take_number(const char **text, int base, char after, uint64_t *value)
{
	char *end;

	if (!(base == 16 ? isxdigit((unsigned char)**text) : isdigit((unsigned char)**text)))
		return false;
	errno = 0;
	*value = strtoull(*text, &end, base);
	if (errno || *end != after)
		return false;
	*text = end + 1;
	return true;
}

static bool skip_word(const char **text)
{
	const char *blank = strchr(*text, ' ');

	if (!blank || blank == *text)
		return false;
	*text = blank + 1;
	return true;
}

/* Private mappings of /dev/zero are as anonymous as others. */
static bool is_file(uint64_t inode, const char *path)
{
	if (!strcmp(path, "/dev/zero\n") || !strcmp(path, "/dev/zero"))
		return false;
	return inode || path[0] == '/';
}

/* "7f12-7f34 rw-p 00000000 00:00 0      [heap]" */
static bool parse_head(const char *line, struct est_mapping *mapping, bool *file)
{
	uint64_t inode;
	char *end;

	if (!take_number(&line, 16, '-', &mapping->start) ||
	    !take_number(&line, 16, ' ', &mapping->end) || mapping->start >= mapping->end ||
	    mapping->start % EST_PAGE || mapping->end % EST_PAGE)
		return false;
	if (!skip_word(&line) || !skip_word(&line) || !skip_word(&line) ||
	    !isdigit((unsigned char)*line))
		return false;
	inode = strtoull(line, &end, 10);
	if (*end && !isspace((unsigned char)*end))
		return false;
	*file = is_file(inode, end + strspn(end, " "));
	return true;
}

static int add_mapping(struct est_mappings *list, const struct est_mapping *mapping)
{
	struct est_mapping *more = list->mappings;

	/* Grow at each power of two. */
	if (!(list->count & (list->count - 1))) {
		more = reallocarray(more, list->count ? 2 * list->count : 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		list->mappings = more;
	}
	more[list->count++] = *mapping;
	return 0;
}

static bool has_flag(const char *flags, const char *flag)
{
	const char *at;

	for (at = flags; (at = strstr(at, flag)); at++) {
		if (at[-1] == ' ' && (!at[2] || isspace((unsigned char)at[2])))
			return true;
	}
	return false;
}

static bool has_any(const char *flags, const char *const *names)
{
	for (; *names; names++) {
		if (has_flag(flags, *names))
			return true;
	}
	return false;
}

/* In the order of vmdedup_vma_skip() in the module. */
static uint32_t skip_reason(const char *flags, bool file)
{
	static const char *const shared[] = { "sh", "ms", NULL };
	static const char *const special[] = { "io", "de", "pf", "mm", NULL };
	static const char *const uffd[] = { "um", "uw", "ui", NULL };

	if (has_flag(flags, "ht"))
		return VMDEDUP_SKIP_HUGETLB;
	if (has_any(flags, shared))
		return VMDEDUP_SKIP_SHARED;
	if (has_any(flags, special))
		return VMDEDUP_SKIP_SPECIAL;
	if (file)
		return VMDEDUP_SKIP_FILE;
	if (has_flag(flags, "lo"))
		return VMDEDUP_SKIP_LOCKED;
	if (has_any(flags, uffd))
		return VMDEDUP_SKIP_UFFD;
	if (has_flag(flags, "dp"))
		return VMDEDUP_SKIP_VOLATILE;
	return VMDEDUP_SKIP_NONE;
}

static bool take_key(const char **line, const char *key)
{
	size_t len = strlen(key);

	if (strncmp(*line, key, len))
		return false;
	*line += len;
	return true;
}

/* "     1234 kB" as pages. */
static bool parse_pages(const char *text, uint64_t *pages)
{
	uint64_t kib;

	text += strspn(text, " ");
	if (!take_number(&text, 10, ' ', &kib) || strncmp(text, "kB", 2))
		return false;
	*pages = kib / (EST_PAGE / 1024);
	return true;
}

static int parse_field(struct est_mappings *list, const char *line)
{
	struct est_mapping *last = &list->mappings[list->count - 1];
	uint64_t pages;

	/* Its blank stays: each flag has one before it. */
	if (take_key(&line, "VmFlags:")) {
		/* The vsyscall page is nobody's, and seen by everybody. */
		if (last->start <= INT64_MAX)
			last->reason = skip_reason(line, list->is_file);
		list->has_flags = true;
	} else if (take_key(&line, "AnonHugePages:")) {
		if (!parse_pages(line, &pages))
			return -EPROTO;
		last->huge = pages;
	} else if (take_key(&line, "Rss:") || take_key(&line, "Private_Hugetlb:") ||
		   take_key(&line, "Shared_Hugetlb:")) {
		if (!parse_pages(line, &pages))
			return -EPROTO;
		last->present += pages;
	}
	return 0;
}

int est_smaps_line(struct est_mappings *list, const char *line)
{
	struct est_mapping mapping = { .reason = VMDEDUP_SKIP_SPECIAL };

	if (isupper((unsigned char)*line))
		return list->count ? parse_field(list, line) : -EPROTO;
	if (list->count && !list->has_flags)
		return -EPROTO;
	if (!parse_head(line, &mapping, &list->is_file))
		return -EPROTO;
	list->has_flags = false;
	return add_mapping(list, &mapping);
}

int est_smaps_read(FILE *file, struct est_mappings *list)
{
	char *line = NULL;
	size_t size = 0;
	int err = 0;

	memset(list, 0, sizeof(*list));
	errno = 0;
	while (!err && getline(&line, &size, file) >= 0) {
		err = est_smaps_line(list, line);
		errno = 0;
	}
	/* getline() fails at the end as well, without an errno. */
	if (!err && !feof(file))
		err = errno ? -errno : -EIO;
	if (!err && list->count && !list->has_flags)
		err = -EPROTO;
	free(line);
	if (err)
		est_smaps_free(list);
	return err;
}

void est_smaps_free(struct est_mappings *list)
{
	free(list->mappings);
	memset(list, 0, sizeof(*list));
}
