// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/sched.h>

#include "../mm/ledger.h"
#include "engine.h"
#include "worker.h"

/**
 * vmdedup_worker_alloc() - make a worker
 * @node: near which memory, or NUMA_NO_NODE
 * @gfp: GFP_KERNEL; GFP_KERNEL_ACCOUNT if the caller is to be charged
 *
 * May sleep.
 *
 * Return: the worker, or NULL.
 */
struct vmdedup_worker *vmdedup_worker_alloc(int node, gfp_t gfp)
{
	/* Who wants it is told, or does without: no reason for a kernel to warn. */
	return kvzalloc_node(sizeof(struct vmdedup_worker), gfp | __GFP_NOWARN,
			     node);
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
 * vmdedup_worker_cpu_time() - how long the calling thread has run
 *
 * What the scheduler has booked by now: it does so at each tick, and when the
 * thread sleeps or is preempted.
 *
 * Return: nanoseconds.
 */
u64 vmdedup_worker_cpu_time(void)
{
	return READ_ONCE(current->se.sum_exec_runtime);
}

/**
 * vmdedup_worker_clock() - what the thread did by now is nobody's
 * @worker: the worker of this thread
 */
void vmdedup_worker_clock(struct vmdedup_worker *worker)
{
	worker->ran = vmdedup_worker_cpu_time();
}

/**
 * vmdedup_worker_charge() - what the thread did since was done for a region
 * @worker: the worker of this thread
 * @region: with a reference
 */
void vmdedup_worker_charge(struct vmdedup_worker *worker,
			   struct vmdedup_region *region)
{
	u64 now = vmdedup_worker_cpu_time(), ns = now - worker->ran;

	worker->ran = now;
	worker->tally.ev[VMDEDUP_EV_scan_ns] += ns;
	vmdedup_ledger_charge(region, VMDEDUP_LEDGER_scan_ns, ns);
}

/**
 * vmdedup_worker_kept() - a huge page is left whole
 * @worker: in a segment
 * @pages: of it that could have been merged
 */
void vmdedup_worker_kept(struct vmdedup_worker *worker, unsigned int pages)
{
	worker->tally.ev[VMDEDUP_EV_huge_kept]++;
	worker->tally.skip[VMDEDUP_SKIP_HUGE] += pages;
	worker->part.skip[VMDEDUP_SKIP_HUGE] += pages;
}

/**
 * vmdedup_worker_free() - undo vmdedup_worker_alloc()
 * @worker: between two regions, or NULL
 */
void vmdedup_worker_free(struct vmdedup_worker *worker)
{
	kvfree(worker);
}
