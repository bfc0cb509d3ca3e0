// SPDX-License-Identifier: GPL-2.0
/* Numbers for people, numbers for programs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "output.h"

/* More reasons than this are noise. */
#define TOP_REASONS	5

const char *human_size(uint64_t bytes, char buf[HUMAN_SIZE_MAX])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = bytes / 1024.0;
	size_t i = 0;
	int decimals;

	if (bytes < 1024) {
		snprintf(buf, HUMAN_SIZE_MAX, "%" PRIu64 " B", bytes);
		return buf;
	}
	while (value >= 1024) {
		value /= 1024;
		i++;
	}
	/* The limits are where rounding would give a digit more. */
	decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	snprintf(buf, HUMAN_SIZE_MAX, "%.*f %s", decimals, value, units[i]);
	return buf;
}

const char *human_pages(uint64_t pages, char buf[HUMAN_SIZE_MAX])
{
	return human_size(pages * sysconf(_SC_PAGESIZE), buf);
}

const char *human_count(uint64_t number, char buf[HUMAN_SIZE_MAX])
{
	static const char units[] = "kMGTPE";
	double value = number;
	size_t i;

	if (number < 1000000) {
		snprintf(buf, HUMAN_SIZE_MAX, "%" PRIu64, number);
		return buf;
	}
	for (i = 0, value /= 1000; value >= 999.5; i++)
		value /= 1000;
	snprintf(buf, HUMAN_SIZE_MAX, "%.*f%c", value < 9.995 ? 2 : value < 99.95 ? 1 : 0,
		 value, units[i]);
	return buf;
}

const char *human_time(uint64_t ns, char buf[HUMAN_SIZE_MAX])
{
	uint64_t seconds = ns / 1000000000;

	if (seconds < 100)
		snprintf(buf, HUMAN_SIZE_MAX, "%.2f s", ns / 1e9);
	else if (seconds < 6000)
		snprintf(buf, HUMAN_SIZE_MAX, "%um%02us", (unsigned int)(seconds / 60),
			 (unsigned int)(seconds % 60));
	else
		snprintf(buf, HUMAN_SIZE_MAX, "%" PRIu64 "h%02um", seconds / 3600,
			 (unsigned int)(seconds / 60 % 60));
	return buf;
}

struct skip_count {
	uint32_t reason;
	uint64_t pages;
};

static int most_first(const void *a, const void *b)
{
	const struct skip_count *x = a, *y = b;

	if (x->pages != y->pages)
		return x->pages < y->pages ? 1 : -1;
	return x->reason < y->reason ? -1 : 1;
}

void print_skipped(const __u64 *skipped)
{
	struct skip_count counts[VMDEDUP_SKIP_SLOTS];
	char size[HUMAN_SIZE_MAX];
	const char *text;
	uint32_t i;

	for (i = 0; i < VMDEDUP_SKIP_SLOTS; i++) {
		counts[i].reason = i;
		counts[i].pages = skipped[i];
	}
	qsort(counts, VMDEDUP_SKIP_SLOTS, sizeof(counts[0]), most_first);
	for (i = 0; i < TOP_REASONS && counts[i].pages; i++) {
		text = vmdedup_skip_text(counts[i].reason);
		printf("  %8s  %s\n", human_pages(counts[i].pages, size),
		       text ? text : "a reason that this version does not know");
	}
}

void json_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

void json_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text ? json_object_new_string(text) : NULL);
}

void json_skipped(struct json_object *object, const __u64 *skipped)
{
	struct json_object *reasons = json_object_new_object();
	const char *name;
	char number[32];
	uint32_t i;

	for (i = 0; i < VMDEDUP_SKIP_SLOTS; i++) {
		name = vmdedup_skip_name(i);
		if (!name && !skipped[i])
			continue;
		snprintf(number, sizeof(number), "reason_%" PRIu32, i);
		json_number(reasons, name ? name : number, skipped[i]);
	}
	json_object_object_add(object, "skipped", reasons);
}

void json_print(const struct cli *cli, struct json_object *object)
{
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

	flags |= cli->pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED :
			       JSON_C_TO_STRING_PLAIN;
	puts(json_object_to_json_string_ext(object, flags));
	json_object_put(object);
}
