/* SPDX-License-Identifier: LGPL-2.1 */
/*
 * libvmdedup: the tunables in sysfs, as text
 *
 * Which there are is read from the directory, so that those of a newer module
 * are found as well; what they mean is known of those that this version knows.
 *
 * The functions return 0 or a negative errno.
 */
#ifndef _VMDEDUP_TUNABLE_H
#define _VMDEDUP_TUNABLE_H

#include <stddef.h>
#include <stdint.h>

#include "vmdedup.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Room for a name or a value, the null byte included. */
#define VMDEDUP_TUNABLE_MAX	64

/**
 * struct vmdedup_tunable - a tunable
 * @name: the file's name
 * @value: a number, or a word
 */
struct vmdedup_tunable {
	char name[VMDEDUP_TUNABLE_MAX];
	char value[VMDEDUP_TUNABLE_MAX];
};

/**
 * struct vmdedup_tunables - all that there are
 * @count: entries in @tunables
 * @tunables: sorted by name
 */
struct vmdedup_tunables {
	size_t count;
	struct vmdedup_tunable *tunables;
};

/**
 * vmdedup_tunables_read() - all tunables
 * @ctx: the context
 * @tunables: out: to be released by vmdedup_tunables_free(); empty on an error
 *
 * Tunables are the files at the top of the directory that somebody may write.
 *
 * Return: 0; -ENOENT when the module is not loaded; or another errno.
 */
int vmdedup_tunables_read(struct vmdedup_ctx *ctx, struct vmdedup_tunables *tunables);

/* vmdedup_tunables_find() - look one up by its name; NULL if there is none */
const struct vmdedup_tunable *vmdedup_tunables_find(const struct vmdedup_tunables *tunables,
						    const char *name);

/* vmdedup_tunables_free() - release all; it is empty afterwards */
void vmdedup_tunables_free(struct vmdedup_tunables *tunables);

/**
 * vmdedup_tunable_set() - set one
 * @ctx: the context
 * @name: its name
 * @value: a number or a word
 *
 * Return: 0; -EINVAL when the module refuses the value, or when @name or @value
 * is not a word at all; -EACCES without permission; or another errno.
 */
int vmdedup_tunable_set(struct vmdedup_ctx *ctx, const char *name, const char *value);

/**
 * vmdedup_tunable_range() - what may be set
 * @name: the tunable
 *
 * Return: words for a person, or NULL for a tunable that this version does not
 * know.
 */
const char *vmdedup_tunable_range(const char *name);

/* vmdedup_tunable_text() - what it is for; likewise */
const char *vmdedup_tunable_text(const char *name);

/* What vmdedup_tunable_parse() finds in a line. */
enum vmdedup_tunable_line {
	VMDEDUP_TUNABLE_NOTHING,	/* blanks or a comment */
	VMDEDUP_TUNABLE_NAME,		/* NAME; the value is empty */
	VMDEDUP_TUNABLE_ASSIGNMENT,	/* NAME=VALUE */
	VMDEDUP_TUNABLE_WRONG,
};

/**
 * vmdedup_tunable_parse() - take NAME=VALUE apart
 * @line: with or without a newline; blanks around names and values do not
 *	count, nor does a line that begins with #
 * @tunable: out: undefined unless there is a name
 *
 * Return: what was found. Names and values consist of letters, digits and any
 * of _ - . and are shorter than VMDEDUP_TUNABLE_MAX.
 */
enum vmdedup_tunable_line vmdedup_tunable_parse(const char *line,
						struct vmdedup_tunable *tunable);

#ifdef __cplusplus
}
#endif

#endif /* _VMDEDUP_TUNABLE_H */
