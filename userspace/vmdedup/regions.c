// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>

#include "cli.h"
#include "regions.h"

int regions_append(struct region_list *list, const struct vmdedup_query *query)
{
	struct vmdedup_query *more = list->regions;

	/* Grow at each power of two. */
	if (!(list->count & (list->count - 1))) {
		more = reallocarray(more, list->count ? 2 * list->count : 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		list->regions = more;
	}
	more[list->count++] = *query;
	return 0;
}

int regions_collect(struct vmdedup_ctx *ctx, uint32_t flags, pid_t pid,
		    struct region_list *list)
{
	struct vmdedup_query query = VMDEDUP_INIT(query);
	char text[VMDEDUP_EXPLAIN_MAX];
	int err;

	list->count = 0;
	list->regions = NULL;
	query.flags = flags;
	while (!(err = vmdedup_region_next(ctx, &query))) {
		if (pid && query.pid != pid)
			continue;
		err = regions_append(list, &query);
		if (err)
			break;
	}
	if (err == -ENOENT)
		return CLI_OK;
	cli_error("cannot list the regions: %s",
		  vmdedup_explain_query(err, &query, text, sizeof(text)));
	regions_free(list);
	return CLI_REFUSED;
}

void regions_free(struct region_list *list)
{
	free(list->regions);
	list->regions = NULL;
	list->count = 0;
}
