// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <string.h>

#include "prometheus.h"

#define NS_PER_SECOND	1000000000ULL

static bool is_ns(const struct vmdedup_field *field)
{
	size_t len = strlen(field->name);

	return len > 3 && !strcmp(field->name + len - 3, "_ns");
}

/* With the base unit: seconds for nanoseconds. */
static void write_name(FILE *file, const char *prefix, const struct vmdedup_field *field)
{
	int len = strlen(field->name);

	fprintf(file, "%s%.*s%s%s", prefix, is_ns(field) ? len - 3 : len, field->name,
		is_ns(field) ? "_seconds" : "", field->counter ? "_total" : "");
}

static void write_value(FILE *file, const struct vmdedup_field *field, uint64_t value)
{
	if (is_ns(field))
		fprintf(file, " %" PRIu64 ".%09" PRIu64 "\n", (uint64_t)(value / NS_PER_SECOND),
			(uint64_t)(value % NS_PER_SECOND));
	else
		fprintf(file, " %" PRIu64 "\n", value);
}

/* The text behind "nanoseconds" would be wrong. */
static void write_head(FILE *file, const char *prefix, const struct vmdedup_field *field)
{
	static const char unit[] = ", nanoseconds";
	int len = strlen(field->what);

	if (is_ns(field) && len > (int)strlen(unit) &&
	    !strcmp(field->what + len - strlen(unit), unit))
		len -= strlen(unit);
	fputs("# HELP ", file);
	write_name(file, prefix, field);
	fprintf(file, " %.*s\n# TYPE ", len, field->what);
	write_name(file, prefix, field);
	fprintf(file, " %s\n", field->counter ? "counter" : "gauge");
}

void prometheus_write_label(FILE *file, const char *value)
{
	fputc('"', file);
	for (; *value; value++) {
		if (*value == '\n') {
			fputs("\\n", file);
			continue;
		}
		if (*value == '"' || *value == '\\')
			fputc('\\', file);
		fputc(*value, file);
	}
	fputc('"', file);
}

void prometheus_write_stats(FILE *file, const struct vmdedup_stats *stats)
{
	const struct vmdedup_field *fields;
	size_t i, count;

	fields = vmdedup_fields(VMDEDUP_FIELDS_STATS, &count);
	for (i = 0; i < count; i++) {
		write_head(file, "vmdedup_", &fields[i]);
		write_name(file, "vmdedup_", &fields[i]);
		write_value(file, &fields[i], vmdedup_field_number(&fields[i], stats));
	}
	fputs("# HELP vmdedup_skipped_pages_total pages not merged, by reason\n"
	      "# TYPE vmdedup_skipped_pages_total counter\n", file);
	for (i = 0; i < VMDEDUP_SKIP_NR; i++)
		fprintf(file, "vmdedup_skipped_pages_total{reason=\"%s\"} %" PRIu64 "\n",
			vmdedup_skip_name(i), (uint64_t)stats->skipped[i]);
}

/* Without the closing brace. */
static void write_labels(FILE *file, const struct vmdedup_guest *guest, const char *name)
{
	fprintf(file, "{guest=\"%" PRIu64 "\",pid=\"", guest->id);
	if (guest->pid)
		fprintf(file, "%" PRIu32, guest->pid);
	fputs("\",name=", file);
	prometheus_write_label(file, name);
}

static void write_skipped(FILE *file, const struct vmdedup_guests *guests,
			  const char (*names)[VM_NAME_MAX])
{
	const struct vmdedup_guest *guest;
	size_t i, reason;

	fputs("# HELP vmdedup_guest_skipped_pages pages not merged in the last pass, by reason\n"
	      "# TYPE vmdedup_guest_skipped_pages gauge\n", file);
	for (i = 0; i < guests->count; i++) {
		guest = &guests->guests[i];
		for (reason = 0; reason < VMDEDUP_SKIP_NR; reason++) {
			/* A series for each reason and guest would be mostly zeroes. */
			if (!guest->ledger.skipped[reason])
				continue;
			fputs("vmdedup_guest_skipped_pages", file);
			write_labels(file, guest, names[i]);
			fprintf(file, ",reason=\"%s\"} %" PRIu64 "\n", vmdedup_skip_name(reason),
				(uint64_t)guest->ledger.skipped[reason]);
		}
	}
}

void prometheus_write_guests(FILE *file, const struct vmdedup_guests *guests,
			     const char (*names)[VM_NAME_MAX])
{
	const struct vmdedup_field *fields;
	size_t i, j, count;

	fields = vmdedup_fields(VMDEDUP_FIELDS_LEDGER, &count);
	for (i = 0; i < count; i++) {
		write_head(file, "vmdedup_guest_", &fields[i]);
		for (j = 0; j < guests->count; j++) {
			write_name(file, "vmdedup_guest_", &fields[i]);
			write_labels(file, &guests->guests[j], names[j]);
			fputc('}', file);
			write_value(file, &fields[i],
				    vmdedup_field_number(&fields[i], &guests->guests[j].ledger));
		}
	}
	write_skipped(file, guests, names);
}
