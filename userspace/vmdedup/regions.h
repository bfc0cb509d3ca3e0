/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _REGIONS_H
#define _REGIONS_H

#include <stddef.h>
#include <sys/types.h>

#include "vmdedup.h"

/**
 * struct region_list - what is known of several regions
 * @count: entries in @regions
 * @regions: in the order of the ids
 */
struct region_list {
	size_t count;
	struct vmdedup_query *regions;
};

/**
 * regions_collect() - ask for all regions, or those of one process
 * @ctx: the library's context, opened
 * @flags: VMDEDUP_QUERY_COUNT or 0
 * @pid: the process, or 0 for all
 * @list: out: to be released by regions_free(); empty on an error
 *
 * Says on standard error what went wrong.
 *
 * Return: an exit status.
 */
int regions_collect(struct vmdedup_ctx *ctx, uint32_t flags, pid_t pid,
		    struct region_list *list);

/* regions_append() - add one at the end; 0 or -ENOMEM */
int regions_append(struct region_list *list, const struct vmdedup_query *query);

/* regions_free() - release a list; it is empty afterwards */
void regions_free(struct region_list *list);

#endif /* _REGIONS_H */
