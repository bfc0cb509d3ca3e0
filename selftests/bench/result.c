// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "bench.h"
#include "result.h"

#define ROUNDS	32

enum kind { RATIO, BOTH, OURS, THEIRS, NEITHER };

static const struct {
	const char *name;
	const char *unit;
	enum kind kind;
} figure[FIGURES_NR] = {
#define FIGURE_ROW(name, unit, kind, text) { #name, unit, kind },
	FIGURES(FIGURE_SECTION, FIGURE_ROW)
};

static const char *const whose_name[OF_NR] = { "ksm", "vmdedup", "none" };

static struct {
	double value[ROUNDS];
	unsigned int nr;
	const char *lacks;
} result[FIGURES_NR][OF_NR];

static struct json_object *facts;

void result_add(enum figure f, enum whose w, double value)
{
	if (result[f][w].nr == ROUNDS)
		die("too many rounds of %s", figure[f].name);
	result[f][w].value[result[f][w].nr++] = value;
	say("  %-24s %-8s %12.3f %s", figure[f].name, whose_name[w], value,
	    figure[f].unit);
}

void result_lacks(enum figure f, enum whose w, const char *why)
{
	result[f][w].lacks = why;
	say("  %-24s %-8s %s", figure[f].name, whose_name[w], why);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double result_median(enum figure f, enum whose w)
{
	unsigned int nr = result[f][w].nr;
	double sorted[ROUNDS];

	if (!nr)
		die("no value of %s of %s", figure[f].name, whose_name[w]);
	for (unsigned int i = 0; i < nr; i++)
		sorted[i] = result[f][w].value[i];
	qsort(sorted, nr, sizeof(*sorted), by_value);
	return (sorted[(nr - 1) / 2] + sorted[nr / 2]) / 2;
}

static struct json_object *rounded(double value)
{
	char text[64];

	snprintf(text, sizeof(text), "%.6g", value);
	return json_object_new_double_s(value, text);
}

static struct json_object *describe(enum figure f)
{
	struct json_object *o = json_object_new_object(), *rounds, *list;
	int nr = 0;

	json_object_object_add(o, "unit", json_object_new_string(figure[f].unit));
	rounds = json_object_new_object();
	for (int w = 0; w < OF_NR; w++) {
		if (result[f][w].lacks)
			json_object_object_add(o, whose_name[w],
					       json_object_new_string(result[f][w].lacks));
		if (result[f][w].lacks || !result[f][w].nr)
			continue;
		json_object_object_add(o, whose_name[w], rounded(result_median(f, w)));
		list = json_object_new_array();
		for (unsigned int i = 0; i < result[f][w].nr; i++)
			json_object_array_add(list, rounded(result[f][w].value[i]));
		json_object_object_add(rounds, whose_name[w], list);
		nr++;
	}
	json_object_object_add(o, "rounds", rounds);
	if (figure[f].kind == RATIO && nr == 2 && result_median(f, OF_VMDEDUP) > 0)
		json_object_object_add(o, "ratio",
				       rounded(result_median(f, OF_KSM) /
					       result_median(f, OF_VMDEDUP)));
	return o;
}

void result_fact(const char *key, struct json_object *value)
{
	if (!facts)
		facts = json_object_new_object();
	json_object_object_add(facts, key, value);
}

void result_write(const char *path)
{
	struct json_object *list = json_object_new_object();
	bool some;

	for (int f = 0; f < FIGURES_NR; f++) {
		some = false;
		for (int w = 0; w < OF_NR; w++)
			some |= result[f][w].nr || result[f][w].lacks;
		if (some)
			json_object_object_add(list, figure[f].name, describe(f));
	}
	result_fact("figures", list);
	if (json_object_to_file_ext(path, facts, JSON_C_TO_STRING_PRETTY))
		die("cannot write %s", path);
}
