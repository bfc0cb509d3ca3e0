// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proc.h"
#include "records.h"
#include "vmname.h"

static void add_text(struct json_object *object, const char *key, const char *text)
{
	char clean[VMDEDUP_COMM_MAX];

	snprintf(clean, sizeof(clean), "%s", text);
	proc_clean(clean);
	json_text(object, key, clean);
}

/* What is not there is null, or left out. */
static void add_fields(struct json_object *object, enum vmdedup_field_set set,
		       const void *record, uint32_t has, bool leave_out)
{
	const struct vmdedup_field *fields;
	size_t i, count;

	fields = vmdedup_fields(set, &count);
	for (i = 0; i < count; i++) {
		if (!(has >> fields[i].attr & 1)) {
			if (!leave_out)
				json_text(object, fields[i].name, NULL);
		} else if (fields[i].type == VMDEDUP_FIELD_TEXT) {
			add_text(object, fields[i].name,
				 (const char *)record + fields[i].offset);
		} else {
			json_number(object, fields[i].name,
				    vmdedup_field_number(&fields[i], record));
		}
	}
}

static void add_numbers(struct json_object *object, enum vmdedup_field_set set,
			const void *record)
{
	const struct vmdedup_field *fields;
	size_t i, count;

	fields = vmdedup_fields(set, &count);
	for (i = 0; i < count; i++)
		json_number(object, fields[i].name, vmdedup_field_number(&fields[i], record));
}

static struct json_object *json_ledger(const struct vmdedup_ledger *ledger)
{
	struct json_object *object = json_object_new_object();

	add_numbers(object, VMDEDUP_FIELDS_LEDGER, ledger);
	json_skipped(object, ledger->skipped);
	return object;
}

struct json_object *json_stats(const struct vmdedup_stats *stats)
{
	struct json_object *object = json_object_new_object();

	add_numbers(object, VMDEDUP_FIELDS_STATS, stats);
	json_skipped(object, stats->skipped);
	return object;
}

struct json_object *json_guest(const struct cli *cli, const struct vmdedup_guest *guest)
{
	struct json_object *object = json_object_new_object();
	char name[VM_NAME_MAX];

	add_fields(object, VMDEDUP_FIELDS_GUEST, guest, guest->has, false);
	json_text(object, "name", vm_name(cli, guest->pid, guest->comm, name));
	json_object_object_add(object, "ledger", json_ledger(&guest->ledger));
	return object;
}

struct json_object *json_region(const struct vmdedup_region *region)
{
	struct json_object *object = json_object_new_object();

	add_fields(object, VMDEDUP_FIELDS_REGION, region, region->has, false);
	json_object_object_add(object, "ledger", json_ledger(&region->ledger));
	return object;
}

struct json_object *json_event(const struct vmdedup_event *event)
{
	struct json_object *object = json_object_new_object();
	const char *name = vmdedup_event_name(event->type);
	char number[32];

	/* A later version has more of them. */
	snprintf(number, sizeof(number), "event_%" PRIu32, event->type);
	json_text(object, "type", name ? name : number);
	add_fields(object, VMDEDUP_FIELDS_EVENT, event,
		   event->has & ~(1U << VMDEDUP_A_EVENT_TYPE), true);
	return object;
}
