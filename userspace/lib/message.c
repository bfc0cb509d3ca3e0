// SPDX-License-Identifier: LGPL-2.1
/*
 * Netlink messages taken apart. Each function works on a buffer and nothing
 * else, and believes none of the lengths in it.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include "private.h"

/* The largest of the attribute numbers below a nest. */
#define ATTR_MAX	VMDEDUP_A_STATS_MAX

_Static_assert((int)VMDEDUP_A_LEDGER_MAX <= (int)ATTR_MAX &&
	       (int)VMDEDUP_A_GUEST_MAX <= (int)ATTR_MAX &&
	       (int)VMDEDUP_A_REGION_MAX <= (int)ATTR_MAX &&
	       (int)VMDEDUP_A_EVENT_MAX <= (int)ATTR_MAX, "ATTR_MAX is too small");

static bool is_long_enough(const struct nlattr *attr, enum vmdedup_field_type type)
{
	switch (type) {
	case VMDEDUP_FIELD_U64:
		return nla_len(attr) >= (int)sizeof(uint64_t);
	case VMDEDUP_FIELD_U32:
		return nla_len(attr) >= (int)sizeof(uint32_t);
	case VMDEDUP_FIELD_U8:
		return nla_len(attr) >= (int)sizeof(uint8_t);
	case VMDEDUP_FIELD_TEXT:
		return memchr(nla_data(attr), '\0', nla_len(attr));
	}
	return false;
}

static void take_text(const struct nlattr *attr, char *text)
{
	strncpy(text, nla_data(attr), VMDEDUP_COMM_MAX - 1);
	text[VMDEDUP_COMM_MAX - 1] = '\0';
}

static int take_field(const struct vmdedup_field *field, const struct nlattr *attr, void *object)
{
	char *member = (char *)object + field->offset;
	/* nla_data() of an attribute without any is outside of it. */
	if (nla_len(attr) <= 0 || !is_long_enough(attr, field->type))
		return -EBADMSG;
	switch (field->type) {
	case VMDEDUP_FIELD_U64:
		memcpy(member, nla_data(attr), sizeof(uint64_t));
		break;
	case VMDEDUP_FIELD_U32:
		memcpy(member, nla_data(attr), sizeof(uint32_t));
		break;
	case VMDEDUP_FIELD_U8:
		memcpy(member, nla_data(attr), sizeof(uint8_t));
		break;
	case VMDEDUP_FIELD_TEXT:
		take_text(attr, member);
		break;
	}
	return 0;
}

/* The attributes of @nest by number; those beyond @max are skipped. */
static int open_nest(struct nlattr *nest, struct nlattr **attrs, int max)
{
	memset(attrs, 0, (max + 1) * sizeof(*attrs));
	return nla_parse_nested(attrs, max, nest, NULL) ? -EBADMSG : 0;
}

static int take_fields(enum vmdedup_field_set set, struct nlattr **attrs, void *object,
		       uint32_t *has)
{
	const struct vmdedup_field *fields;
	size_t i, count;
	int err;

	fields = vmdedup_fields(set, &count);
	for (i = 0; i < count; i++) {
		if (!attrs[fields[i].attr])
			continue;
		err = take_field(&fields[i], attrs[fields[i].attr], object);
		if (err)
			return err;
		if (has)
			*has |= 1U << fields[i].attr;
	}
	return 0;
}

static int take_skipped(struct nlattr *nest, __u64 *skipped)
{
	struct nlattr *attr;
	int left, reason;

	nla_for_each_nested(attr, nest, left) {
		reason = nla_type(attr) - 1;
		if (reason < 0 || reason >= VMDEDUP_SKIP_SLOTS)
			continue;
		if (nla_len(attr) < (int)sizeof(uint64_t))
			return -EBADMSG;
		memcpy(&skipped[reason], nla_data(attr), sizeof(uint64_t));
	}
	return 0;
}

static int take_stats(struct nlattr *nest, struct vmdedup_stats *stats)
{
	struct nlattr *attrs[ATTR_MAX + 1];
	int err = open_nest(nest, attrs, VMDEDUP_A_STATS_MAX);

	if (!err)
		err = take_fields(VMDEDUP_FIELDS_STATS, attrs, stats, NULL);
	if (!err && attrs[VMDEDUP_A_STATS_SKIPPED])
		err = take_skipped(attrs[VMDEDUP_A_STATS_SKIPPED], stats->skipped);
	return err;
}

static int take_ledger(struct nlattr *nest, struct vmdedup_ledger *ledger)
{
	struct nlattr *attrs[ATTR_MAX + 1];
	int err = open_nest(nest, attrs, VMDEDUP_A_LEDGER_MAX);

	if (!err)
		err = take_fields(VMDEDUP_FIELDS_LEDGER, attrs, ledger, NULL);
	if (!err && attrs[VMDEDUP_A_LEDGER_SKIPPED])
		err = take_skipped(attrs[VMDEDUP_A_LEDGER_SKIPPED], ledger->skipped);
	return err;
}

static int take_guest(struct nlattr *nest, struct vmdedup_guest *guest)
{
	struct nlattr *attrs[ATTR_MAX + 1];
	int err = open_nest(nest, attrs, VMDEDUP_A_GUEST_MAX);

	if (!err)
		err = take_fields(VMDEDUP_FIELDS_GUEST, attrs, guest, &guest->has);
	if (!err && attrs[VMDEDUP_A_GUEST_LEDGER])
		err = take_ledger(attrs[VMDEDUP_A_GUEST_LEDGER], &guest->ledger);
	/* Who has no id cannot be asked for. */
	return err ? err : VMDEDUP_HAS(guest, GUEST_ID) ? 0 : -EBADMSG;
}

static int take_region(struct nlattr *nest, struct vmdedup_region *region)
{
	struct nlattr *attrs[ATTR_MAX + 1];
	int err = open_nest(nest, attrs, VMDEDUP_A_REGION_MAX);

	if (!err)
		err = take_fields(VMDEDUP_FIELDS_REGION, attrs, region, &region->has);
	if (!err && attrs[VMDEDUP_A_REGION_LEDGER])
		err = take_ledger(attrs[VMDEDUP_A_REGION_LEDGER], &region->ledger);
	return err ? err : VMDEDUP_HAS(region, REGION_ID) ? 0 : -EBADMSG;
}

static int take_event(struct nlattr *nest, struct vmdedup_event *event)
{
	struct nlattr *attrs[ATTR_MAX + 1];
	int err = open_nest(nest, attrs, VMDEDUP_A_EVENT_MAX);

	if (!err)
		err = take_fields(VMDEDUP_FIELDS_EVENT, attrs, event, &event->has);
	return err ? err : VMDEDUP_HAS(event, EVENT_TYPE) ? 0 : -EBADMSG;
}

int vmdedup_parse_message(const void *buf, size_t len, struct vmdedup_message *message)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	struct nlattr *attrs[VMDEDUP_A_MAX + 1];

	memset(message, 0, sizeof(*message));
	if (len > INT32_MAX || !nlmsg_ok(nlh, len) || !genlmsg_valid_hdr(nlh, 0) ||
	    genlmsg_parse(nlh, 0, attrs, VMDEDUP_A_MAX, NULL))
		return -EBADMSG;
	message->cmd = genlmsg_hdr(nlh)->cmd;
	switch (message->cmd) {
	case VMDEDUP_CMD_GET_STATS:
		return attrs[VMDEDUP_A_STATS] ?
		       take_stats(attrs[VMDEDUP_A_STATS], &message->stats) : -EBADMSG;
	case VMDEDUP_CMD_GET_GUEST:
		return attrs[VMDEDUP_A_GUEST] ?
		       take_guest(attrs[VMDEDUP_A_GUEST], &message->guest) : -EBADMSG;
	case VMDEDUP_CMD_GET_REGION:
		return attrs[VMDEDUP_A_REGION] ?
		       take_region(attrs[VMDEDUP_A_REGION], &message->region) : -EBADMSG;
	case VMDEDUP_CMD_EVENT:
		return attrs[VMDEDUP_A_EVENT] ?
		       take_event(attrs[VMDEDUP_A_EVENT], &message->event) : -EBADMSG;
	}
	return -EOPNOTSUPP;
}

/* Where the attributes begin: after what was refused, if that is in it whole. */
static size_t extack_offset(const struct nlmsghdr *nlh, size_t payload)
{
	const struct nlmsgerr *error = nlmsg_data(nlh);

	if (nlh->nlmsg_type == NLMSG_DONE)
		return NLMSG_ALIGN(sizeof(int));
	if (nlh->nlmsg_type != NLMSG_ERROR || payload < sizeof(*error))
		return payload;
	if (nlh->nlmsg_flags & NLM_F_CAPPED || !error->error)
		return sizeof(*error);
	if (error->msg.nlmsg_len < NLMSG_HDRLEN || error->msg.nlmsg_len > payload)
		return payload;
	return sizeof(error->error) + NLMSG_ALIGN(error->msg.nlmsg_len);
}

static void take_kernel_text(const struct nlattr *attr, char *text, size_t size)
{
	size_t len = nla_len(attr) > 0 ? strnlen(nla_data(attr), nla_len(attr)) : 0;
	size_t i;

	if (len > size - 1)
		len = size - 1;
	for (i = 0; i < len; i++) {
		char c = ((const char *)nla_data(attr))[i];

		text[i] = isascii(c) && isprint(c) ? c : '?';
	}
	text[len] = '\0';
}

int vmdedup_parse_error(const void *buf, size_t len, int *error, char *text, size_t size)
{
	const struct nlmsghdr *nlh = buf;
	const struct nlattr *attr;
	size_t payload, offset;
	int left;

	*error = 0;
	text[0] = '\0';
	if (len > INT32_MAX || !nlmsg_ok(nlh, len))
		return -EBADMSG;
	payload = nlmsg_datalen(nlh);
	/* The error comes first in both; a DONE of old may have none. */
	if (payload < sizeof(*error))
		return nlh->nlmsg_type == NLMSG_DONE ? 0 : -EBADMSG;
	memcpy(error, nlmsg_data(nlh), sizeof(*error));
	offset = extack_offset(nlh, payload);
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || offset >= payload)
		return 0;
	nla_for_each_attr(attr, (struct nlattr *)((char *)nlmsg_data(nlh) + offset),
			  (int)(payload - offset), left) {
		if (nla_type(attr) == NLMSGERR_ATTR_MSG)
			take_kernel_text(attr, text, size);
	}
	return 0;
}
