/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that write to memory while it is merged, and know what must be there:
 * that no write is ever lost.
 *
 * Each writes to words of its own in random pages, now zero, now not, and keeps
 * in a shadow what it wrote last. It looks before it writes, and after. A page
 * has few words in use and a word two values, so that pages keep becoming equal,
 * and zero, and different again.
 */
#ifndef VMDEDUP_SELFTESTS_WRITERS_H
#define VMDEDUP_SELFTESTS_WRITERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WRITERS_MAX 4
#define WRITERS_PARTS 2

struct writer;

struct writers {
	/* Set by the caller. */
	char *part[WRITERS_PARTS];	/* where: one, or halves */
	unsigned int parts;
	size_t pages;		/* of all parts together, zero at first */
	size_t stride;		/* from one of them to the next, in pages */
	int threads;
	int words;		/* of a page, for each thread */
	unsigned int odds;	/* one in so many values is not zero */
	long limit;		/* of writes by a thread; 0: until it is stopped */
	long burst;		/* writes between two rests */
	void (*rest)(void *arg);	/* in which there is time to merge */
	void *arg;
	uint64_t seed;

	/* To be read once they have ended. */
	unsigned long written;
	unsigned long wrong;	/* times that a word was not what it must be */

	struct writer *writer;
	bool stop;
};

/* Returns 0 or a negative errno. */
int writers_start(struct writers *w);
/* Wait until all have written as much as they may. */
void writers_wait(struct writers *w);
/* The same, but they stop after the burst that they are at. */
void writers_stop(struct writers *w);
/* Pages that are not what they must be, to the last byte; when all have ended. */
size_t writers_pages_wrong(const struct writers *w);
/* How many contents a page may have. */
size_t writers_contents(const struct writers *w);
void writers_free(struct writers *w);

#endif /* VMDEDUP_SELFTESTS_WRITERS_H */
