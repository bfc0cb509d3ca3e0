/* SPDX-License-Identifier: GPL-2.0 */
/* KSM and vmdedup, as one interface. */
#ifndef VMDEDUP_BENCH_DEDUP_H
#define VMDEDUP_BENCH_DEDUP_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;

enum side { KSM, VMDEDUP, SIDES };

/* How fast: as it is by default, or as fast as it can. */
enum pace { BY_DEFAULT, FAST };

/**
 * struct dedup - one of the two
 * @name: for messages
 * @threads: how the names of its threads begin
 * @cycle: passes in which each page is looked at once, if nothing is found
 * @books: how its slab caches are called, see books_read()
 */
struct dedup {
	const char *name;
	const char *threads;
	unsigned int cycle;
	const char *books;
	void (*tune)(enum pace pace);
	void (*run)(unsigned int value);	/* as /sys/kernel/mm/ksm/run */
	uint64_t (*passes)(void);		/* complete ones so far */
};

extern const struct dedup dedup[SIDES];

/* Remember what the tunables are by default, until the end; both are stopped. */
void dedup_init(void);
/* The settings of both at that pace. */
struct json_object *dedup_settings(enum pace pace);
/* What vmdedup has counted since it was loaded. */
struct json_object *dedup_counters(void);
/* A tunable that this module may not have yet: false if so. */
bool vmdedup_has(const char *tunable);
void vmdedup_tune(const char *tunable, unsigned int value);

#endif /* VMDEDUP_BENCH_DEDUP_H */
