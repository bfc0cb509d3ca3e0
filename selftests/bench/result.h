/* SPDX-License-Identifier: GPL-2.0 */
/* Figures measured, and their way into JSON. */
#ifndef VMDEDUP_BENCH_RESULT_H
#define VMDEDUP_BENCH_RESULT_H

#include "figures.h"

enum figure {
#define FIGURE_SECTION(title)
#define FIGURE_ENUM(name, unit, kind, text) FIGURE_##name,
	FIGURES(FIGURE_SECTION, FIGURE_ENUM)
#undef FIGURE_ENUM
	FIGURES_NR
};

/* Whose; NONE without any scanner. The first two as enum side. */
enum whose { OF_KSM, OF_VMDEDUP, OF_NONE, OF_NR };

/* One round's value. */
void result_add(enum figure figure, enum whose whose, double value);
/* Why there is none. */
void result_lacks(enum figure figure, enum whose whose, const char *why);
/* Median of the rounds so far. */
double result_median(enum figure figure, enum whose whose);
/* Any other fact, a JSON object that is given away. */
struct json_object;
void result_fact(const char *key, struct json_object *value);
/* Write all of it to a file. */
void result_write(const char *path);

#endif /* VMDEDUP_BENCH_RESULT_H */
