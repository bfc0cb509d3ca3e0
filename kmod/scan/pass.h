/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pass: all regions, in segments that whoever works on it takes one by one.
 *
 * Regions that came since the last pass go first, also if they come while it is
 * under way; but others are not to wait for them for ever, nor the pass' end.
 */
#ifndef VMDEDUP_SCAN_PASS_H
#define VMDEDUP_SCAN_PASS_H

#include <linux/mutex.h>

#include "queue.h"
#include "segment.h"

/**
 * struct vmdedup_pass - what those who work on a pass share
 * @nr: its number, which wraps
 * @all: look at all chunks
 * @relearn: so many passes after it are to look at all chunks, too
 * @pages: that it may have to look at
 * @began: when it began, ns
 * @lock: protects what follows
 * @fresh: regions that came since the last pass
 * @known: the others
 * @last_known: id of the last of them
 * @last_fresh: id of the last of the former that belongs to this pass
 * @turn: whether the former are to be preferred this time
 * @fresh_found: there were any of them
 * @cut: scanning was stopped before it was complete
 * @total: what was done
 */
struct vmdedup_pass {
	u16 nr;
	bool all;
	unsigned int relearn;
	u64 pages;
	u64 began;
	struct mutex lock; /* of all that follows */
	struct vmdedup_queue fresh;
	struct vmdedup_queue known;
	u64 last_known;
	u64 last_fresh;
	bool turn;
	bool fresh_found;
	bool cut;
	struct vmdedup_tally total;
};

void vmdedup_pass_init(struct vmdedup_pass *pass);
void vmdedup_pass_begin(struct vmdedup_pass *pass, bool all);
void vmdedup_pass_work(struct vmdedup_pass *pass,
		       struct vmdedup_worker *worker, void (*chores)(void));
void vmdedup_pass_end(struct vmdedup_pass *pass);

#endif /* VMDEDUP_SCAN_PASS_H */
