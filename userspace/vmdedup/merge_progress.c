// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel says nothing before a merge is done, but counts the pages of each
 * region that it has scanned. A round is through a region when it has scanned
 * as many as were neither merged nor zero before; that is known well enough
 * for a bar.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "merge_progress.h"

#define EVERY_MS	200

int merge_progress_take(struct merge_progress *progress, const struct region_list *list)
{
	struct merge_region *region;
	size_t i;

	progress->regions = calloc(list->count + 1, sizeof(*progress->regions));
	if (!progress->regions)
		return -ENOMEM;
	progress->count = list->count;
	progress->round = 1;
	progress->done = 0;
	progress->total = 0;
	for (i = 0; i < list->count; i++) {
		region = &progress->regions[i];
		region->id = list->regions[i].region_id;
		region->from = list->regions[i].scanned;
		region->to = region->from + list->regions[i].unique;
		progress->total += list->regions[i].unique;
	}
	return 0;
}

static const struct vmdedup_query *find(const struct region_list *list, uint64_t id)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		if (list->regions[i].region_id == id)
			return &list->regions[i];
	}
	return NULL;
}

/* One that has gone is done. */
static void add_up(struct merge_progress *progress, const struct region_list *list)
{
	const struct vmdedup_query *query;
	const struct merge_region *region;
	size_t i;

	progress->done = 0;
	progress->total = 0;
	for (i = 0; i < progress->count; i++) {
		region = &progress->regions[i];
		query = find(list, region->id);
		progress->total += region->to - region->from;
		if (!query || query->scanned >= region->to)
			progress->done += region->to - region->from;
		else if (query->scanned > region->from)
			progress->done += query->scanned - region->from;
	}
}

/* Where this round ended is where the next begins. */
static void next_round(struct merge_progress *progress, const struct region_list *list)
{
	const struct vmdedup_query *query;
	struct merge_region *region;
	size_t i;

	progress->round++;
	for (i = 0; i < progress->count; i++) {
		region = &progress->regions[i];
		query = find(list, region->id);
		region->from = region->to;
		if (query)
			region->to += query->unique;
	}
}

void merge_progress_update(struct merge_progress *progress, const struct region_list *list)
{
	add_up(progress, list);
	if (progress->total && progress->done == progress->total) {
		next_round(progress, list);
		add_up(progress, list);
	}
}

static int collect(struct vmdedup_ctx *ctx, uint32_t flags, struct region_list *list)
{
	struct vmdedup_query query = VMDEDUP_INIT(query);
	int err;

	list->count = 0;
	list->regions = NULL;
	query.flags = flags;
	while (!(err = vmdedup_region_next(ctx, &query))) {
		err = regions_append(list, &query);
		if (err)
			break;
	}
	return err == -ENOENT ? 0 : err;
}

static void choose(struct region_list *list, uint64_t region, pid_t pid)
{
	size_t i, kept = 0;

	for (i = 0; i < list->count; i++) {
		if ((!region || list->regions[i].region_id == region) &&
		    (!pid || list->regions[i].pid == pid))
			list->regions[kept++] = list->regions[i];
	}
	list->count = kept;
}

/* Returns true when it is time to stop. */
static bool nap(struct merge_progress *progress)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += EVERY_MS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&progress->lock);
	while (!progress->stop &&
	       pthread_cond_timedwait(&progress->wake, &progress->lock, &until) != ETIMEDOUT)
		;
	stop = progress->stop;
	pthread_mutex_unlock(&progress->lock);
	return stop;
}

static void *watch(void *arg)
{
	struct merge_progress *progress = arg;
	struct region_list list;
	char what[32];

	while (!nap(progress)) {
		if (collect(progress->ctx, 0, &list))
			break;
		merge_progress_update(progress, &list);
		regions_free(&list);
		snprintf(what, sizeof(what), "merging, round %u", progress->round);
		progress_show(&progress->bar, what, progress->done, progress->total);
	}
	return NULL;
}

/* A context is for one thread. */
static int prepare(struct merge_progress *progress, uint64_t region, pid_t pid)
{
	struct region_list list;
	int err;

	err = vmdedup_new(&progress->ctx);
	if (!err)
		err = vmdedup_open(progress->ctx);
	if (err)
		return err;
	err = collect(progress->ctx, VMDEDUP_QUERY_COUNT, &list);
	if (!err) {
		choose(&list, region, pid);
		err = merge_progress_take(progress, &list);
	}
	regions_free(&list);
	return err;
}

static void release(struct merge_progress *progress)
{
	vmdedup_free(progress->ctx);
	free(progress->regions);
}

void merge_progress_start(struct merge_progress *progress, uint64_t region, pid_t pid)
{
	memset(progress, 0, sizeof(*progress));
	progress_init(&progress->bar);
	if (!progress->bar.on)
		return;
	pthread_mutex_init(&progress->lock, NULL);
	pthread_cond_init(&progress->wake, NULL);
	/* Then without: it is only for the eye. */
	if (prepare(progress, region, pid) ||
	    pthread_create(&progress->thread, NULL, watch, progress)) {
		release(progress);
		progress->bar.on = false;
	}
}

void merge_progress_stop(struct merge_progress *progress)
{
	if (!progress->bar.on)
		return;
	pthread_mutex_lock(&progress->lock);
	progress->stop = true;
	pthread_cond_signal(&progress->wake);
	pthread_mutex_unlock(&progress->lock);
	pthread_join(progress->thread, NULL);
	progress_clear(&progress->bar);
	release(progress);
	progress->bar.on = false;
}
