// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>

#include "engine.h"
#include "worker.h"

/**
 * vmdedup_worker_alloc() - make a worker
 *
 * May sleep.
 *
 * Return: the worker, or NULL.
 */
struct vmdedup_worker *vmdedup_worker_alloc(void)
{
	return kvzalloc(sizeof(struct vmdedup_worker), GFP_KERNEL);
}

/**
 * vmdedup_worker_enter_epoch() - note when there was reason to scan
 * @worker: between two steps
 *
 * To be called before that reason is checked. Jobs left over from an earlier
 * epoch are void, and so are those that join them.
 */
void vmdedup_worker_enter_epoch(struct vmdedup_worker *worker)
{
	if (!worker->nr_jobs)
		worker->epoch = atomic_read_acquire(&vmdedup_engine.epoch);
}

/**
 * vmdedup_worker_free() - undo vmdedup_worker_alloc()
 * @worker: between two regions, or NULL
 */
void vmdedup_worker_free(struct vmdedup_worker *worker)
{
	if (worker)
		vmdedup_cand_free(worker->spare);
	kvfree(worker);
}
