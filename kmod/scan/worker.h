/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A worker: what one thread needs to carry pages through the pipeline
 *
 *	walk -> sketch -> match -> merge
 *
 * vmdedup_sample_chunk() sketches the pages of a chunk under their page table's
 * lock, and vmdedup_sift() keeps those whose sketch was seen elsewhere.
 * vmdedup_match() hashes and compares them, under no lock of their address
 * space, and leaves merge jobs. vmdedup_flush() sorts the jobs and merges them
 * run by run, one address space after the other. At no time does a worker hold
 * two mmap_locks, nor references to pages while it merges.
 */
#ifndef VMDEDUP_SCAN_WORKER_H
#define VMDEDUP_SCAN_WORKER_H

#include "../core/runs.h"
#include "../core/sketch.h"
#include "../mm/merge.h"
#include "../mm/region.h"
#include "../mm/sample.h"
#include "../mm/visit.h"

/* Generations that a candidate lives without being confirmed by the scanner. */
#define VMDEDUP_SCAN_KEEP	(VMDEDUP_SCHEDULE_PERIOD + 8)

/* A chunk gives two jobs a page at the most: its own and its partner's. */
#define VMDEDUP_JOBS_PER_CHUNK	(2 * VMDEDUP_RUN_MAX)
#define VMDEDUP_JOBS_MAX	(2 * VMDEDUP_JOBS_PER_CHUNK)

/**
 * struct vmdedup_worker - see above
 * @chunk: pages walked and not matched yet
 * @job: merge jobs found
 * @nr_jobs: how many
 * @win: for merging
 * @epoch: see vmdedup_engine.epoch; of the oldest of the jobs
 * @patient: on request: wait for locks, and look at every page's content;
 *	which the scanner does not
 * @drain: may the LRU caches be drained once more?
 * @age: of candidates when they are new, generations
 * @spare: a candidate allocated in advance, within a segment: see spare.c
 * @frame: likewise, a frame
 * @waits: how often memory for them may be waited for
 * @ticks: how long may be waited for its mmap_lock, in the segment
 * @region: the region being scanned; the jobs may be of others, too
 * @domain: its trust domain, as of the chunk at hand
 * @seed: of checksums in that domain
 * @sketcher: how to sketch in that domain
 * @zero_sketch: of a page of zeroes
 * @score: how well sketches did in the chunk
 * @untried: pages of it that were hashed and could not be matched just now
 * @visit: decides what to look at in it, and keeps the ledger
 * @ran: CPU time of the thread that is accounted for, ns
 * @paced: likewise, that was paced
 * @tally: everything this worker did and has not reported
 * @part: what it did in @region in this pass
 */
struct vmdedup_worker {
	struct vmdedup_chunk chunk;
	struct vmdedup_job job[VMDEDUP_JOBS_MAX];
	unsigned int nr_jobs;
	struct vmdedup_window win;
	int epoch;
	bool patient;
	bool drain;
	u32 age;
	struct vmdedup_cand *spare;
	struct vmdedup_frame *frame;
	unsigned int waits;
	unsigned int ticks;
	struct vmdedup_region *region;
	u64 domain;
	u64 seed;
	struct vmdedup_sketcher sketcher;
	u64 zero_sketch;
	struct vmdedup_sketch_score score;
	unsigned int untried;
	struct vmdedup_visit visit;
	u64 ran;
	u64 paced;
	struct vmdedup_tally tally;
	struct vmdedup_tally part;
};

struct vmdedup_worker *vmdedup_worker_alloc(int node, gfp_t gfp);
void vmdedup_worker_enter_epoch(struct vmdedup_worker *worker);
void vmdedup_worker_free(struct vmdedup_worker *worker);
u64 vmdedup_worker_cpu_time(void);
void vmdedup_worker_clock(struct vmdedup_worker *worker);
void vmdedup_worker_charge(struct vmdedup_worker *worker,
			   struct vmdedup_region *region);
void vmdedup_worker_kept(struct vmdedup_worker *worker, unsigned int pages);

/* spare.c */
void vmdedup_spare_begin(struct vmdedup_worker *worker);
bool vmdedup_spare_get(struct vmdedup_worker *worker);
bool vmdedup_spare_wait(struct vmdedup_worker *worker);
void vmdedup_spare_drop(struct vmdedup_worker *worker);

/* match.c */
void vmdedup_match(struct vmdedup_worker *worker);

/* flush.c */
void vmdedup_flush(struct vmdedup_worker *worker);

#endif /* VMDEDUP_SCAN_WORKER_H */
