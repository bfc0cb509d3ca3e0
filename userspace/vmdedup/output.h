/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _OUTPUT_H
#define _OUTPUT_H

#include <json-c/json.h>
#include <stdint.h>

#include "cli.h"

/* "1023 MiB", and the null byte with room to spare. */
#define HUMAN_SIZE_MAX	16

/**
 * human_size() - bytes for a person
 * @bytes: how many
 * @buf: out: three digits and a unit, at most 8 characters
 *
 * Return: @buf.
 */
const char *human_size(uint64_t bytes, char buf[HUMAN_SIZE_MAX]);

/**
 * human_pages() - pages as a size for a person
 * @pages: how many
 * @buf: out: as for human_size()
 *
 * Return: @buf.
 */
const char *human_pages(uint64_t pages, char buf[HUMAN_SIZE_MAX]);

/**
 * human_count() - a number for a person
 * @number: it
 * @buf: out: at most 6 characters: "999999", "12.3M"
 *
 * Return: @buf.
 */
const char *human_count(uint64_t number, char buf[HUMAN_SIZE_MAX]);

/**
 * human_time() - a time span for a person
 * @ns: nanoseconds
 * @buf: out: at most 7 characters: "1.23 s", "17m05s", "102h07m"
 *
 * Return: @buf.
 */
const char *human_time(uint64_t ns, char buf[HUMAN_SIZE_MAX]);

/**
 * print_skipped() - pages that were not merged, by reason in words
 * @skipped: array of VMDEDUP_SKIP_SLOTS, by enum vmdedup_skip
 *
 * The most frequent reasons, one a line, indented by two.
 */
void print_skipped(const __u64 *skipped);

/* json_number() - add a number to an object */
void json_number(struct json_object *object, const char *key, uint64_t value);

/* json_text() - add a string, or null, to an object */
void json_text(struct json_object *object, const char *key, const char *text);

/**
 * json_skipped() - pages that were not merged, by name of the reason
 * @object: gets a member "skipped", an object with every reason that this
 *	version knows, and "reason_N" for others that are not 0
 * @skipped: array of VMDEDUP_SKIP_SLOTS, by enum vmdedup_skip
 */
void json_skipped(struct json_object *object, const __u64 *skipped);

/* json_print() - print and release an object */
void json_print(const struct cli *cli, struct json_object *object);

#endif /* _OUTPUT_H */
