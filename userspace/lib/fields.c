// SPDX-License-Identifier: LGPL-2.1
/* The members of the structs by name: parsers and listings go by these. */
#include <string.h>

#include "netlink.h"

#define FIELD(PREFIX, type_, object, ATTR, member, what_, counter_) {	\
	.name = #member,						\
	.what = what_,							\
	.attr = VMDEDUP_A_##PREFIX##_##ATTR,				\
	.offset = offsetof(struct vmdedup_##object, member),		\
	.type = VMDEDUP_FIELD_##type_,					\
	.counter = counter_,						\
}

#define IS_COUNTER	true
#define IS_GAUGE	false

#define STAT(name, kind, what) FIELD(STATS, U64, stats, name, name, what, IS_##kind),
static const struct vmdedup_field stats_fields[] = {
	VMDEDUP_STATS(STAT)
};

#define ENTRY(name, kind, what) FIELD(LEDGER, U64, ledger, name, name, what, IS_##kind),
static const struct vmdedup_field ledger_fields[] = {
	VMDEDUP_LEDGER(ENTRY)
};

#define GUEST(type, ATTR, member) FIELD(GUEST, type, guest, ATTR, member, NULL, false)
static const struct vmdedup_field guest_fields[] = {
	GUEST(U64, ID, id),
	GUEST(U32, PID, pid),
	GUEST(TEXT, COMM, comm),
	GUEST(U32, UID, uid),
	GUEST(U64, CGROUP, cgroup),
	GUEST(U64, DOMAIN, domain),
	GUEST(U8, KVM, kvm),
	GUEST(U8, EXCLUDED, excluded),
	GUEST(U32, REGIONS, regions),
	GUEST(U64, BYTES, bytes),
};

#define REGION(type, ATTR, member) FIELD(REGION, type, region, ATTR, member, NULL, false)
static const struct vmdedup_field region_fields[] = {
	REGION(U64, ID, id),
	REGION(U64, GUEST_ID, guest_id),
	REGION(U32, PID, pid),
	REGION(U64, START, start),
	REGION(U64, LENGTH, length),
	REGION(U32, FLAGS, flags),
	REGION(U64, GPA, gpa),
	REGION(U32, SLOT, slot),
};

#define EVENT(type_, ATTR, member) FIELD(EVENT, type_, event, ATTR, member, NULL, false)
static const struct vmdedup_field event_fields[] = {
	EVENT(U32, TYPE, type),
	EVENT(U64, TIME, time),
	EVENT(U64, GUEST_ID, guest_id),
	EVENT(U32, PID, pid),
	EVENT(TEXT, COMM, comm),
	EVENT(U8, KVM, kvm),
	EVENT(U64, REGION_ID, region_id),
	EVENT(U64, START, start),
	EVENT(U64, LENGTH, length),
	EVENT(U64, SCANNED, scanned),
	EVENT(U64, MERGED, merged),
	EVENT(U64, BROKEN, broken),
	EVENT(U64, TOOK_NS, took_ns),
	EVENT(U64, AVAILABLE, available),
	EVENT(U64, PFN, pfn),
	EVENT(U64, MAPPINGS, mappings),
	EVENT(U64, ADDRESS, address),
	EVENT(U8, REPAIRED, repaired),
	EVENT(U64, RESERVE, reserve),
};

#define SET(NAME, fields) \
	[VMDEDUP_FIELDS_##NAME] = { fields, sizeof(fields) / sizeof((fields)[0]) }

static const struct {
	const struct vmdedup_field *fields;
	size_t count;
} sets[] = {
	SET(STATS, stats_fields),
	SET(LEDGER, ledger_fields),
	SET(GUEST, guest_fields),
	SET(REGION, region_fields),
	SET(EVENT, event_fields),
};

const struct vmdedup_field *vmdedup_fields(enum vmdedup_field_set set, size_t *count)
{
	*count = sets[set].count;
	return sets[set].fields;
}

uint64_t vmdedup_field_number(const struct vmdedup_field *field, const void *object)
{
	const char *member = (const char *)object + field->offset;
	uint64_t u64 = 0;
	uint32_t u32 = 0;

	switch (field->type) {
	case VMDEDUP_FIELD_U64:
		memcpy(&u64, member, sizeof(u64));
		return u64;
	case VMDEDUP_FIELD_U32:
		memcpy(&u32, member, sizeof(u32));
		return u32;
	case VMDEDUP_FIELD_U8:
		return *(const uint8_t *)member;
	case VMDEDUP_FIELD_TEXT:
		break;
	}
	return 0;
}

const char *vmdedup_event_name(uint32_t type)
{
	switch (type) {
#define EVENT_NAME(NAME, name, what) case VMDEDUP_EVENT_##NAME: return #name;
	VMDEDUP_EVENT_TYPES(EVENT_NAME)
#undef EVENT_NAME
	}
	return NULL;
}

const char *vmdedup_event_text(uint32_t type)
{
	switch (type) {
#define EVENT_TEXT(NAME, name, what) case VMDEDUP_EVENT_##NAME: return what;
	VMDEDUP_EVENT_TYPES(EVENT_TEXT)
#undef EVENT_TEXT
	}
	return NULL;
}
