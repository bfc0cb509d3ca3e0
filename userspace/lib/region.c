// SPDX-License-Identifier: LGPL-2.1
#include <errno.h>

#include "private.h"

static int call(struct vmdedup_ctx *ctx, unsigned long request, void *arg)
{
	if (ctx->fd < 0)
		return -EBADF;
	return ctx->ops->ioctl(ctx->ops_data, ctx->fd, request, arg);
}

int vmdedup_region_register(struct vmdedup_ctx *ctx, struct vmdedup_register *reg)
{
	return call(ctx, VMDEDUP_IOC_REGISTER, reg);
}

int vmdedup_region_unregister(struct vmdedup_ctx *ctx, struct vmdedup_unregister *unreg)
{
	return call(ctx, VMDEDUP_IOC_UNREGISTER, unreg);
}

int vmdedup_region_query(struct vmdedup_ctx *ctx, struct vmdedup_query *query)
{
	return call(ctx, VMDEDUP_IOC_QUERY, query);
}

int vmdedup_region_next(struct vmdedup_ctx *ctx, struct vmdedup_query *query)
{
	query->flags |= VMDEDUP_QUERY_NEXT;
	return call(ctx, VMDEDUP_IOC_QUERY, query);
}

int vmdedup_merge_now(struct vmdedup_ctx *ctx, struct vmdedup_merge *merge)
{
	return call(ctx, VMDEDUP_IOC_MERGE, merge);
}
