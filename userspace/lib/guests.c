// SPDX-License-Identifier: LGPL-2.1
/* What can be asked for: the host, guests and regions. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "private.h"

/* An interrupted dump is made again so often at the most. */
#define DUMP_TRIES	4
#define LIST_MAX	(1U << 20)

static int take_stats(const struct vmdedup_message *message, void *arg)
{
	if (message->cmd != VMDEDUP_CMD_GET_STATS)
		return -EBADMSG;
	*(struct vmdedup_stats *)arg = message->stats;
	return 0;
}

int vmdedup_stats_get(struct vmdedup_ctx *ctx, struct vmdedup_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	return vmdedup_request_run(ctx, vmdedup_request_new(ctx, VMDEDUP_CMD_GET_STATS, 0),
				   take_stats, stats, NULL);
}

static int add_value(struct vmdedup_values *values, const char *prefix, const char *name,
		     uint64_t value)
{
	char *full;

	if (asprintf(&full, "%s%s", prefix, name) < 0)
		return -ENOMEM;
	values->values[values->count].name = full;
	values->values[values->count].value = value;
	values->count++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct vmdedup_value *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int vmdedup_stats_values(const struct vmdedup_stats *stats, struct vmdedup_values *values)
{
	const struct vmdedup_field *fields;
	size_t i, count;
	int err = 0;

	fields = vmdedup_fields(VMDEDUP_FIELDS_STATS, &count);
	values->count = 0;
	values->values = calloc(count + VMDEDUP_SKIP_NR, sizeof(*values->values));
	if (!values->values)
		return -ENOMEM;
	for (i = 0; !err && i < count; i++)
		err = add_value(values, "", fields[i].name,
				vmdedup_field_number(&fields[i], stats));
	for (i = 0; !err && i < VMDEDUP_SKIP_NR; i++)
		err = add_value(values, "skip_", vmdedup_skip_name(i), stats->skipped[i]);
	if (err)
		vmdedup_values_free(values);
	else
		qsort(values->values, values->count, sizeof(*values->values), by_name);
	return err;
}

static int take_guest(const struct vmdedup_message *message, void *arg)
{
	if (message->cmd != VMDEDUP_CMD_GET_GUEST)
		return -EBADMSG;
	*(struct vmdedup_guest *)arg = message->guest;
	return 0;
}

/* A request with one attribute in one nest; frees @msg if it has no room. */
static struct nl_msg *put_nested(struct nl_msg *msg, int nest, int attr, const void *value,
				 int len)
{
	struct nlattr *start = msg ? nla_nest_start(msg, nest) : NULL;

	if (!start || nla_put(msg, attr, len, value)) {
		nlmsg_free(msg);
		return NULL;
	}
	nla_nest_end(msg, start);
	return msg;
}

/* An answer without what was asked for leaves @has at 0. */
static int get_guest(struct vmdedup_ctx *ctx, struct nl_msg *msg, struct vmdedup_guest *guest)
{
	int err;

	memset(guest, 0, sizeof(*guest));
	err = vmdedup_request_run(ctx, msg, take_guest, guest, NULL);
	return err ? err : guest->has ? 0 : -EBADMSG;
}

int vmdedup_guest_by_id(struct vmdedup_ctx *ctx, uint64_t id, struct vmdedup_guest *guest)
{
	struct nl_msg *msg = vmdedup_request_new(ctx, VMDEDUP_CMD_GET_GUEST, 0);

	msg = put_nested(msg, VMDEDUP_A_GUEST, VMDEDUP_A_GUEST_ID, &id, sizeof(id));
	return get_guest(ctx, msg, guest);
}

int vmdedup_guest_by_pid(struct vmdedup_ctx *ctx, uint32_t pid, struct vmdedup_guest *guest)
{
	struct nl_msg *msg = vmdedup_request_new(ctx, VMDEDUP_CMD_GET_GUEST, 0);

	msg = put_nested(msg, VMDEDUP_A_GUEST, VMDEDUP_A_GUEST_PID, &pid, sizeof(pid));
	return get_guest(ctx, msg, guest);
}

static int take_region(const struct vmdedup_message *message, void *arg)
{
	if (message->cmd != VMDEDUP_CMD_GET_REGION)
		return -EBADMSG;
	*(struct vmdedup_region *)arg = message->region;
	return 0;
}

int vmdedup_region_get(struct vmdedup_ctx *ctx, uint64_t id, struct vmdedup_region *region)
{
	struct nl_msg *msg = vmdedup_request_new(ctx, VMDEDUP_CMD_GET_REGION, 0);
	int err;

	memset(region, 0, sizeof(*region));
	msg = put_nested(msg, VMDEDUP_A_REGION, VMDEDUP_A_REGION_ID, &id, sizeof(id));
	err = vmdedup_request_run(ctx, msg, take_region, region, NULL);
	return err ? err : region->has ? 0 : -EBADMSG;
}

/* Makes room for one more; doubles at each power of two. */
static int grow(void **array, size_t count, size_t size)
{
	void *more;

	if (count & (count - 1))
		return 0;
	if (count >= LIST_MAX)
		return -EOVERFLOW;
	more = reallocarray(*array, count ? 2 * count : 1, size);
	if (!more)
		return -ENOMEM;
	*array = more;
	return 0;
}

static int list_guest(const struct vmdedup_message *message, void *arg)
{
	struct vmdedup_guests *list = arg;
	int err;

	if (message->cmd != VMDEDUP_CMD_GET_GUEST)
		return -EBADMSG;
	err = grow((void **)&list->guests, list->count, sizeof(*list->guests));
	if (!err)
		list->guests[list->count++] = message->guest;
	return err;
}

int vmdedup_guests_dump(struct vmdedup_ctx *ctx, struct vmdedup_guests *guests)
{
	bool interrupted;
	int tries, err;

	guests->count = 0;
	guests->guests = NULL;
	for (tries = 0; tries < DUMP_TRIES; tries++) {
		vmdedup_guests_free(guests);
		err = vmdedup_request_run(ctx, vmdedup_request_new(ctx, VMDEDUP_CMD_GET_GUEST,
								   NLM_F_DUMP),
					  list_guest, guests, &interrupted);
		if (err || !interrupted)
			break;
	}
	if (err)
		vmdedup_guests_free(guests);
	return err;
}

void vmdedup_guests_free(struct vmdedup_guests *guests)
{
	free(guests->guests);
	guests->guests = NULL;
	guests->count = 0;
}

static int list_region(const struct vmdedup_message *message, void *arg)
{
	struct vmdedup_regions *list = arg;
	int err;

	if (message->cmd != VMDEDUP_CMD_GET_REGION)
		return -EBADMSG;
	err = grow((void **)&list->regions, list->count, sizeof(*list->regions));
	if (!err)
		list->regions[list->count++] = message->region;
	return err;
}

int vmdedup_regions_dump(struct vmdedup_ctx *ctx, uint64_t guest_id,
			 struct vmdedup_regions *regions)
{
	struct nl_msg *msg;
	bool interrupted;
	int tries, err;

	regions->count = 0;
	regions->regions = NULL;
	for (tries = 0; tries < DUMP_TRIES; tries++) {
		vmdedup_regions_free(regions);
		msg = vmdedup_request_new(ctx, VMDEDUP_CMD_GET_REGION, NLM_F_DUMP);
		if (guest_id)
			msg = put_nested(msg, VMDEDUP_A_REGION, VMDEDUP_A_REGION_GUEST_ID,
					 &guest_id, sizeof(guest_id));
		err = vmdedup_request_run(ctx, msg, list_region, regions, &interrupted);
		if (err || !interrupted)
			break;
	}
	if (err)
		vmdedup_regions_free(regions);
	return err;
}

void vmdedup_regions_free(struct vmdedup_regions *regions)
{
	free(regions->regions);
	regions->regions = NULL;
	regions->count = 0;
}

int vmdedup_guest_exclude(struct vmdedup_ctx *ctx, uint32_t pid, bool excluded)
{
	struct nl_msg *msg = vmdedup_request_new(ctx, VMDEDUP_CMD_SET_GUEST, 0);
	struct nlattr *nest = msg ? nla_nest_start(msg, VMDEDUP_A_GUEST) : NULL;

	if (!nest || nla_put_u32(msg, VMDEDUP_A_GUEST_PID, pid) ||
	    nla_put_u8(msg, VMDEDUP_A_GUEST_EXCLUDED, excluded)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	nla_nest_end(msg, nest);
	return vmdedup_request_run(ctx, msg, NULL, NULL, NULL);
}
