// SPDX-License-Identifier: GPL-2.0
/* One process of the workload: all of this runs in it. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "content.h"
#include "member.h"

/* Each page that is written all the time is written within so many. */
#define WRITE_MS	5000
#define WRITE_STEP_MS	50
/* Pages touched at a time, and the pause after that. */
#define TOUCH_BURST	32
#define TOUCH_PAUSE_US	2000
#define TOUCH_SAMPLES	2000000U

static struct latency *shared;

static struct {
	unsigned int nr;
	char *mem;
	size_t pages;
	size_t hot;		/* the first page of those written all the time */
	struct extent *plan;
	uint16_t *version;	/* of each page */
	pthread_t writer;
	int writing;
	int fd;
	uint64_t region;
} me = { .fd = -1 };

int member_prepare(void)
{
	if (shared)
		return 0;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? -errno : 0;
}

const struct latency *member_latency(void)
{
	return shared;
}

uint64_t do_setup(uint64_t nr, uint64_t pages, uint64_t mix)
{
	struct counts c;
	char *p;

	p = mmap(NULL, (pages + 2 * HPAGE_NR) * PG, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return 0;
	/* What is left around it keeps it a mapping of its own. */
	p = (char *)(((uintptr_t)p + HPAGE) & ~(HPAGE - 1));
	content_count((const struct mix *)mix, pages, &c);
	me.nr = nr;
	me.mem = p;
	me.pages = pages;
	me.hot = (size_t)(c.all - c.hot) * WL_EXTENT;
	me.plan = content_plan((const struct mix *)mix, pages, nr);
	me.version = calloc(pages, sizeof(*me.version));
	return me.plan && me.version ? (uintptr_t)p : 0;
}

static uint64_t seed_of(size_t page)
{
	return content_seed(me.plan, me.nr, page, me.version[page]);
}

uint64_t do_refill(uint64_t huge, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	/* Anew: where there is a page table once, huge pages do not come back. */
	if (mmap(me.mem, me.pages * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED ||
	    madvise(me.mem, me.pages * PG, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) ||
	    madvise(me.mem, me.pages * PG, MADV_MERGEABLE))
		return errno;
	for (size_t i = 0; i < me.pages; i++)
		pg_fill(me.mem + i * PG, seed_of(i));
	return 0;
}

uint64_t do_vmdedup(uint64_t on, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	if (me.fd < 0)
		me.fd = vd_open();
	if (me.fd < 0)
		return -me.fd;
	return on ? -vd_register(me.fd, me.mem, me.pages * PG, &me.region) :
		    -vd_unregister(me.fd, me.region, 0, NULL);
}

static void *write_always(void *arg)
{
	size_t step = (me.pages - me.hot) * WRITE_STEP_MS / WRITE_MS + 1;
	const struct timespec pause = { .tv_nsec = WRITE_STEP_MS * 1000000 };
	size_t page = me.hot;

	(void)arg;
	while (__atomic_load_n(&me.writing, __ATOMIC_RELAXED)) {
		for (size_t i = 0; i < step; i++) {
			me.version[page]++;
			pg_fill(me.mem + page * PG, seed_of(page));
			if (++page == me.pages)
				page = me.hot;
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

uint64_t do_write(uint64_t on, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	if (me.hot == me.pages || !!on == me.writing)
		return 0;
	__atomic_store_n(&me.writing, !!on, __ATOMIC_RELAXED);
	if (on)
		return pthread_create(&me.writer, NULL, write_always, NULL);
	return pthread_join(me.writer, NULL);
}

uint64_t do_verify(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t wrong = 0;

	(void)a;
	(void)b;
	(void)c;
	for (size_t i = 0; i < me.pages; i++)
		wrong += !pg_is(me.mem + i * PG, seed_of(i));
	return wrong;
}

uint64_t do_huge(uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	return smaps_kb(me.mem, me.pages * PG, "AnonHugePages");
}

static bool wanted(enum touch what, size_t page)
{
	switch (me.plan[page / WL_EXTENT].kind) {
	case WL_COMMON:
		return what == TOUCH_ANY || what == TOUCH_COMMON;
	case WL_ZERO:
		return what == TOUCH_ANY || what == TOUCH_ZERO;
	case WL_PAIR:
		return what == TOUCH_ANY;
	default:
		return what == TOUCH_ANY || what == TOUCH_UNMERGED;
	}
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Write to a page, and change nothing. */
static uint32_t touch(size_t page)
{
	uint64_t *word = (uint64_t *)(me.mem + page * PG) + page % 512, from, to;

	from = clock_ns();
	__atomic_fetch_add(word, 0, __ATOMIC_SEQ_CST);
	to = clock_ns();
	return to - from < UINT32_MAX ? to - from : UINT32_MAX;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void sum_up(uint32_t *sample, size_t nr)
{
	qsort(sample, nr, sizeof(*sample), by_value);
	*shared = (struct latency) {
		.p50 = sample[nr / 2],
		.p99 = sample[nr * 99 / 100],
		.p999 = sample[nr * 999 / 1000],
		.max = sample[nr - 1],
		.samples = nr,
	};
}

static size_t list_wanted(enum touch what, uint32_t *list, uint64_t *random)
{
	size_t nr = 0;

	for (size_t i = 0; i < me.pages; i++)
		if (wanted(what, i))
			list[nr++] = i;
	for (size_t i = nr; i > 1; i--) {
		size_t j = rnd(random) % i;
		uint32_t swap = list[j];

		list[j] = list[i - 1];
		list[i - 1] = swap;
	}
	return nr;
}

uint64_t do_touch(uint64_t what, uint64_t seconds, uint64_t c)
{
	const bool once = what == TOUCH_COMMON || what == TOUCH_ZERO;
	uint32_t *list = calloc(me.pages, sizeof(*list));
	uint32_t *sample = calloc(TOUCH_SAMPLES, sizeof(*sample));
	uint64_t random = 4711, end;
	size_t nr, n = 0;

	(void)c;
	nr = list && sample ? list_wanted(what, list, &random) : 0;
	end = clock_ns() + seconds * 1000000000ULL;
	while (nr && n < TOUCH_SAMPLES && !(once && n == nr)) {
		sample[n] = touch(list[once ? n : rnd(&random) % nr]);
		if (++n % TOUCH_BURST || once)
			continue;
		if (clock_ns() >= end)
			break;
		usleep(TOUCH_PAUSE_US);
	}
	if (n)
		sum_up(sample, n);
	free(list);
	free(sample);
	return n ? 0 : ENODATA;
}
