/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _TOP_VIEW_H
#define _TOP_VIEW_H

#include <stdio.h>

#include "snapshot.h"

/* Lines above the guests; the last of them names the columns. */
#define TOP_HEAD_LINES	5

enum top_sort {
	TOP_SAVED,
	TOP_RESIDENT,
	TOP_MERGED,
	TOP_ZERO,
	TOP_BREAKS,
	TOP_CPU,
	TOP_PID,
	TOP_NAME,
	TOP_SORT_NR
};

/**
 * struct top_view - what is shown, and how
 * @sort: by which column; the largest first, but for pids and names
 * @reverse: the other way round
 * @first: of the guests in that order, to be shown; kept in range by top_render()
 * @rows: guests at the most; 0: all
 */
struct top_view {
	enum top_sort sort;
	bool reverse;
	size_t first;
	size_t rows;
};

/* top_sort_name() - what a sort key is called */
const char *top_sort_name(enum top_sort sort);

/* top_sort_parse() - the sort key of a name; false if there is none */
bool top_sort_parse(const char *name, enum top_sort *sort);

/**
 * top_render() - write what is to be seen as plain text
 * @file: where to; at most 80 columns
 * @now: what there is
 * @before: what there was, for the rates; or NULL
 * @view: how to show it
 *
 * Return: 0 or -ENOMEM.
 */
int top_render(FILE *file, const struct snapshot *now, const struct snapshot *before,
	       struct top_view *view);

#endif /* _TOP_VIEW_H */
