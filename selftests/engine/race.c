// SPDX-License-Identifier: GPL-2.0
/* Merging against something else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "race.h"

#define FLAT_OUT 1000000000
#define DEFAULT_SECS 1
/* Without so much this would be a test of nothing. */
#define ENOUGH_ROUNDS 8
#define ENOUGH_MERGED (16 * (long long)RACE_PAGES)

long long race_ms(void)
{
	const char *text = getenv("VMDEDUP_RACE_SECS");
	int secs = text ? atoi(text) : 0;

	return 1000LL * (secs > 0 && secs < 3600 ? secs : DEFAULT_SECS);
}

static long long merged_so_far(void)
{
	return vd_stat("pages_merged") + vd_stat("pages_zero_merged");
}

static void *merge_all_the_time(void *arg)
{
	struct race *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		int err = vd_merge(r->fd, 0, NULL);

		if (err) {
			r->error = err;
			break;
		}
		__atomic_add_fetch(&r->calls, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

int race_begin(struct race *r, int fd)
{
	int err;

	*r = (struct race) { .fd = fd, .state = getpid() };
	r->merged = merged_so_far();
	books_read(&r->books);
	err = pg_map_pair(RACE_PAGES, RACE_SEED, &r->a, &r->b) ?:
	      vd_register(fd, r->a, RACE_PAGES * PG, NULL) ?:
	      vd_register(fd, r->b, RACE_PAGES * PG, NULL) ?:
	      vd_set("scan_rate", FLAT_OUT) ?: vd_set("run", 1) ?:
	      -pthread_create(&r->merger, NULL, merge_all_the_time, r);
	r->merging = !err;
	r->begin = now_ms();
	return err;
}

bool race_merged(const struct race *r)
{
	return merged_so_far() - r->merged >= ENOUGH_MERGED;
}

bool race_goes_on(struct race *r)
{
	long long spent = now_ms() - r->begin, ms = race_ms();
	bool enough = spent >= ms + RACE_PATIENCE_MS ||
		      (spent >= ms && r->rounds >= ENOUGH_ROUNDS &&
		       race_merged(r));

	if (enough || r->error)
		return false;
	r->rounds++;
	return true;
}

static unsigned long calls(const struct race *r)
{
	return __atomic_load_n(&r->calls, __ATOMIC_RELAXED);
}

void race_let_merge(const struct race *r)
{
	/* One may be at work, and has seen some of it already. */
	unsigned long enough = calls(r) + 2;

	for (int i = 0; i < 1000 && calls(r) < enough; i++)
		usleep(1000);
}

void race_refill(struct race *r)
{
	pg_fill_range(r->a, RACE_PAGES, RACE_SEED);
}

int race_remap(struct race *r)
{
	if (mmap(r->a, RACE_PAGES * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != r->a)
		return -errno;
	return madvise(r->a, RACE_PAGES * PG, MADV_NOHUGEPAGE) &&
	       errno != EINVAL ? -errno : 0;
}

static void some_milliseconds(void *arg)
{
	(void)arg;
	usleep(20000);
}

int race_write(struct race *r, size_t chunks, int advice)
{
	struct writers *w = &r->writers;
	char *p = chunk_map(chunks, advice);
	int err;

	if (!p)
		return -ENOMEM;
	r->arena_bytes = chunks * HPAGE;
	memset(p, 0, r->arena_bytes);
	*w = (struct writers) {
		.part[0] = p,
		.parts = 1,
		.pages = chunks * HPAGE_NR,
		.stride = 1,
		.threads = 2,
		.words = 1,
		.odds = 8,
		.burst = 200,
		.rest = some_milliseconds,
		.seed = r->state,
	};
	err = vd_register(r->fd, p, r->arena_bytes, NULL);
	return err ?: writers_start(w);
}

size_t race_end(struct race *r)
{
	struct writers *w = &r->writers;
	size_t wrong = 0;

	if (w->writer) {
		writers_stop(w);
		wrong += w->wrong + writers_pages_wrong(w);
		writers_free(w);
	}
	if (r->merging) {
		__atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
		pthread_join(r->merger, NULL);
		r->merging = false;
	}
	if (r->b)
		wrong += pg_wrong(r->b, RACE_PAGES, RACE_SEED);
	if (w->part[0])
		munmap(w->part[0], r->arena_bytes);
	if (r->a)
		munmap(r->a, (RACE_PAGES + 1) * PG);
	if (r->b)
		munmap(r->b, (RACE_PAGES + 1) * PG);
	vd_set("run", 0);
	vd_forget_all(r->fd);
	return wrong;
}

/* A process that has ended may have been held by a scan, with its frames. */
static bool all_gone(void)
{
	return !vd_stat("pages_shared") && !vd_stat("pages_sharing") &&
	       vd_stat("frames_made") == vd_stat("frames_freed");
}

bool race_balanced(const struct race *r)
{
	return books_balance(&r->books, all_gone);
}
