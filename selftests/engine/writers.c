// SPDX-License-Identifier: GPL-2.0
/* Threads that write and remember. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "writers.h"

#define WORDS (PG / sizeof(uint32_t))
/* Words from one place to the next one, in neighbours. */
#define SHIFT 8
#define SHIFTS 4

struct writer {
	struct writers *all;
	int who;
	uint64_t state;
	unsigned long written;
	unsigned long wrong;
	bool running;
	bool *shadow;		/* by page and word: is it not zero? */
	pthread_t thread;
};

static char *page_at(const struct writers *w, size_t page)
{
	const size_t each = w->pages / w->parts;

	return w->part[page / each] + page % each * w->stride * PG;
}

/*
 * Where in @page a word is: spread over all of it, the first and the last one
 * of the page included, and not in the same place in neighbours.
 */
static size_t word_at(const struct writers *w, size_t page, int who, int n)
{
	const size_t all = w->threads * w->words;
	size_t which = who + n * w->threads;

	if (all > 1 && which == all - 1)
		return WORDS - 1;
	return which * WORDS / all + page % SHIFTS * SHIFT;
}

static uint32_t value_of(int who, bool on)
{
	return on ? 0x01010101u * (who + 1) : 0;
}

static void write_one(struct writer *me)
{
	const struct writers *w = me->all;
	uint64_t r = rnd(&me->state);
	size_t page = (r >> 32) % w->pages;
	int n = r % w->words;
	bool on = (r >> 8) % w->odds == 0;
	bool *was = &me->shadow[page * w->words + n];
	volatile uint32_t *word = (uint32_t *)page_at(w, page) +
				  word_at(w, page, me->who, n);

	me->wrong += *word != value_of(me->who, *was);
	*word = value_of(me->who, on);
	*was = on;
	me->wrong += *word != value_of(me->who, on);
	me->written++;
}

static void *writer_main(void *arg)
{
	struct writer *me = arg;
	struct writers *w = me->all;

	for (long i = 0; !w->limit || i < w->limit; i++) {
		if (i % w->burst == 0) {
			if (__atomic_load_n(&w->stop, __ATOMIC_RELAXED))
				break;
			if (i)
				w->rest(w->arg);
		}
		write_one(me);
	}
	return NULL;
}

int writers_start(struct writers *w)
{
	int err = 0;

	if (w->threads > WRITERS_MAX || w->pages % w->parts)
		return -EINVAL;
	w->stop = false;
	w->written = 0;
	w->wrong = 0;
	w->writer = calloc(w->threads, sizeof(*w->writer));
	if (!w->writer)
		return -ENOMEM;
	for (int i = 0; i < w->threads; i++) {
		struct writer *me = &w->writer[i];

		me->all = w;
		me->who = i;
		me->state = w->seed + i * 1000;
		me->shadow = calloc(w->pages * w->words, sizeof(*me->shadow));
		if (!me->shadow)
			err = -ENOMEM;
	}
	for (int i = 0; !err && i < w->threads; i++) {
		struct writer *me = &w->writer[i];

		err = -pthread_create(&me->thread, NULL, writer_main, me);
		me->running = !err;
	}
	if (err) {
		writers_stop(w);
		writers_free(w);
	}
	return err;
}

void writers_wait(struct writers *w)
{
	for (int i = 0; w->writer && i < w->threads; i++) {
		struct writer *me = &w->writer[i];

		if (!me->running)
			continue;
		pthread_join(me->thread, NULL);
		me->running = false;
		w->written += me->written;
		w->wrong += me->wrong;
	}
}

void writers_stop(struct writers *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
	writers_wait(w);
}

/* Every word that has a writer holds what it wrote, every other one zero. */
size_t writers_pages_wrong(const struct writers *w)
{
	size_t wrong = 0;

	for (size_t page = 0; page < w->pages; page++) {
		uint32_t want[WORDS] = { 0 };

		for (int who = 0; who < w->threads; who++) {
			const bool *shadow = w->writer[who].shadow +
					     page * w->words;

			for (int n = 0; n < w->words; n++)
				want[word_at(w, page, who, n)] =
					value_of(who, shadow[n]);
		}
		wrong += !!memcmp(want, page_at(w, page), PG);
	}
	return wrong;
}

size_t writers_contents(const struct writers *w)
{
	return (size_t)SHIFTS << w->threads * w->words;
}

void writers_free(struct writers *w)
{
	for (int i = 0; w->writer && i < w->threads; i++)
		free(w->writer[i].shadow);
	free(w->writer);
	w->writer = NULL;
}
