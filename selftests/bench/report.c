// SPDX-License-Identifier: GPL-2.0
/*
 * report [-n|-g] [-i] OUT DIR...: put the figures of each DIR (a kernel's) together,
 * in OUT as JSON and on standard output as a table.
 *
 * In DIR are processes.json and guests.json. With -g there are none of guests, and
 * with -n any may be missing; with
 * -i times are numbers of instructions. Exit status 1: a figure is missing.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "figures.h"

#define KERNELS	4

enum kind { RATIO, BOTH, OURS, THEIRS, NEITHER };

static struct json_object *kernel[KERNELS];
static int nr_kernels;
static int missing;
static bool may_miss, no_guests, instructions;

__attribute__((noreturn, format(printf, 1, 2)))
static void die(const char *fmt, ...)
{
	va_list ap;

	fputs("report: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* A reference to what is at @key, or NULL. */
static struct json_object *at(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	if (!o || !json_object_object_get_ex(o, key, &value))
		return NULL;
	return value;
}

static struct json_object *figure_of(int k, const char *name)
{
	return at(at(kernel[k], "figures"), name);
}

static void cell(int k, const char *name, const char *key, bool wanted)
{
	struct json_object *value = at(figure_of(k, name), key);
	double number;

	if (no_guests && !strncmp(name, "guest_", 6))
		wanted = false;
	if (!wanted) {
		printf(" %9s", "");
	} else if (!value) {
		printf(" %9s", "MISSING");
		fprintf(stderr, "report: missing: %s of %s\n", key, name);
		missing++;
	} else if (json_object_is_type(value, json_type_string)) {
		const char *text = json_object_get_string(value);

		/* What this kernel or module has not is no figure missing. */
		if (!strcmp(text, "not available") || !strcmp(text, "too slow")) {
			printf(" %9s", text[0] == 'n' ? "n/a" : text);
			return;
		}
		printf(" %9s", "FAILED");
		fprintf(stderr, "report: %s of %s: %s\n", key, name, text);
		missing++;
	} else {
		number = json_object_get_double(value);
		printf(" %9.*f", number < 10 ? 3 : number < 1000 ? 2 : 0, number);
	}
}

static void ratio(int k, const char *name, bool wanted)
{
	struct json_object *value = at(figure_of(k, name), "ratio");

	if (wanted && value)
		printf(" %6.2f", json_object_get_double(value));
	else
		printf(" %6s", wanted ? "-" : "");
}

static void section(const char *title)
{
	printf("\n%s\n", title);
}

static void row(const char *name, const char *unit, enum kind kind, const char *text)
{
	printf("  %-36s %-7s", text, unit);
	for (int k = 0; k < nr_kernels; k++) {
		cell(k, name, kind == NEITHER ? "none" : "ksm",
		     kind != OURS);
		cell(k, name, "vmdedup", kind != THEIRS && kind != NEITHER);
		ratio(k, name, kind == RATIO);
	}
	putchar('\n');
}

static void head(void)
{
	printf("%-46s", "");
	for (int k = 0; k < nr_kernels; k++) {
		const char *name = json_object_get_string(at(kernel[k], "kernel"));

		printf(" %26.26s", name ?: "?");
	}
	printf("\n%-46s", "");
	for (int k = 0; k < nr_kernels; k++)
		printf(" %9s %9s %6s", "KSM", "vmdedup", "ratio");
	putchar('\n');
}

static void table(void)
{
	head();
#define SECTION(title)			section(title);
#define FIGURE(name, unit, kind, text)	row(#name, unit, kind, text);
	FIGURES(SECTION, FIGURE)
#undef FIGURE
	puts("\nRatio: KSM / vmdedup, larger is better for vmdedup. n/a: this module cannot do that.");
	puts(instructions ?
	     "Time is counted in instructions: a microsecond stands for a thousand of them." :
	     "Times are those of an emulated processor: compare within a boot only.");
}

static void add_ratios(int k)
{
	struct json_object *all = json_object_new_object(), *value;
	char key[128];

#define ADD_RATIO(name, unit, kind, text)				\
	do {								\
		value = at(figure_of(k, #name), "ratio");		\
		snprintf(key, sizeof(key), "%s_ratio", #name);		\
		if (value)						\
			json_object_object_add(all, key, json_object_get(value)); \
	} while (0);
#define NO_SECTION(title)
	FIGURES(NO_SECTION, ADD_RATIO)
	json_object_object_add(kernel[k], "ratios", all);
}

static void merge(struct json_object *into, struct json_object *from)
{
	struct json_object *figures = at(into, "figures");

	json_object_object_foreach(from, key, value) {
		if (!strcmp(key, "figures") && figures) {
			json_object_object_foreach(value, name, figure)
				json_object_object_add(figures, name,
						       json_object_get(figure));
		} else {
			json_object_object_add(into, key, json_object_get(value));
		}
	}
}

static void load(const char *dir)
{
	static const char *const files[] = { "guests.json", "processes.json" };
	struct json_object *top = json_object_new_object(), *part;
	char path[PATH_MAX];

	if (nr_kernels == KERNELS)
		die("too many kernels");
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		if ((may_miss || (no_guests && !i)) && access(path, R_OK))
			continue;
		part = json_object_from_file(path);
		if (!part)
			die("%s: %s", path, json_util_get_last_err());
		merge(top, part);
		json_object_put(part);
	}
	kernel[nr_kernels] = top;
	add_ratios(nr_kernels++);
}

int main(int argc, char **argv)
{
	struct json_object *top = json_object_new_object(), *list;
	const char *version = getenv("BENCH_HOST");
	int c;

	while ((c = getopt(argc, argv, "ngi")) != -1) {
		if (c == '?')
			return 1;
		may_miss |= c == 'n';
		no_guests |= c == 'g';
		instructions |= c == 'i';
	}
	if (argc - optind < 2)
		die("usage: report [-n|-g] [-i] OUT DIR...");
	for (int i = optind + 1; i < argc; i++)
		load(argv[i]);
	list = json_object_new_array();
	for (int k = 0; k < nr_kernels; k++)
		json_object_array_add(list, kernel[k]);
	if (version)
		json_object_object_add(top, "host", json_object_new_string(version));
	json_object_object_add(top, "emulated", json_object_new_boolean(1));
	json_object_object_add(top, "instructions",
			       json_object_new_boolean(instructions));
	json_object_object_add(top, "kernels", list);
	table();
	if (json_object_to_file_ext(argv[optind], top, JSON_C_TO_STRING_PRETTY))
		die("cannot write %s", argv[optind]);
	return missing && !may_miss;
}
