/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MERGE_PROGRESS_H
#define _MERGE_PROGRESS_H

#include <pthread.h>

#include "progress.h"
#include "regions.h"

/**
 * struct merge_region - how far the merge is in a region
 * @id: the region
 * @from: its count of pages scanned when this round began
 * @to: what it will be when the round is done with it, as far as is known
 */
struct merge_region {
	uint64_t id;
	uint64_t from;
	uint64_t to;
};

/**
 * struct merge_progress - a bar for a merge that another thread waits for
 * @bar: the bar
 * @thread: looks at the regions and draws, if @bar.on
 * @ctx: of the thread
 * @regions: what is being merged
 * @count: entries in @regions
 * @round: from 1
 * @done: of the round, in pages
 * @total: of the round, in pages
 * @lock: of @stop
 * @wake: @stop has changed
 * @stop: the merge is done
 */
struct merge_progress {
	struct progress bar;
	pthread_t thread;
	struct vmdedup_ctx *ctx;
	struct merge_region *regions;
	size_t count;
	unsigned int round;
	uint64_t done;
	uint64_t total;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
};

/**
 * merge_progress_start() - show how a merge gets on
 * @progress: out: to be ended by merge_progress_stop()
 * @region: the region, or 0 for those of @pid
 * @pid: the process, or 0 for all regions
 *
 * Does nothing but set @progress unless there is somebody to see it.
 */
void merge_progress_start(struct merge_progress *progress, uint64_t region, pid_t pid);

/* merge_progress_stop() - leave an empty line */
void merge_progress_stop(struct merge_progress *progress);

/**
 * merge_progress_take() - begin, with what is known of the regions
 * @progress: @regions, @count, @round, @done and @total are set
 * @list: the regions, counted
 *
 * Return: 0 or -ENOMEM.
 */
int merge_progress_take(struct merge_progress *progress, const struct region_list *list);

/**
 * merge_progress_update() - how far it is
 * @progress: @round, @done and @total are set
 * @list: the regions now; more or fewer than before are no error
 */
void merge_progress_update(struct merge_progress *progress, const struct region_list *list);

#endif /* _MERGE_PROGRESS_H */
