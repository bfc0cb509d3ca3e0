/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Visits: on the way through a part of a region, chunk by chunk.
 *
 * A visit looks at the page tables of a chunk, and writes down afterwards what
 * it found. If anybody has merged in the chunk meanwhile, or another visit was
 * faster, what it found is out of date and is dropped: the chunk's cell has
 * another stamp then.
 */
#ifndef VMDEDUP_MM_VISIT_H
#define VMDEDUP_MM_VISIT_H

#include "cells.h"
#include "count.h"

/* Why to visit. */
enum vmdedup_purpose {
	VMDEDUP_SCAN_DUE,	/* scan the chunks whose turn it is */
	VMDEDUP_SCAN_ALL,	/* likewise, and look at all others at least */
	VMDEDUP_SCAN_NOW,	/* on request: scan all, whenever they are due */
	VMDEDUP_COUNT_ALL,	/* only look */
};

/**
 * struct vmdedup_visit - on the way through a part of a region
 * @region: which
 * @start: where the part begins
 * @end: where it ends
 * @purpose: why
 * @pass: number of the pass, when scanning
 * @clean: cells of the chunks before this one are up to date
 * @since: region->changes before we looked at what follows these
 * @open: there is a chunk that may not be seen to its end
 * @index: which
 * @visiting: what is done with it
 * @interval: it is looked at in one of so many passes
 * @credit: how much of it may be hashed
 * @sketched: pages of it that were sketched since the last step
 * @hashed: those of them that are to be hashed
 * @vain: what was merged in it was written to: it is to be left alone
 * @known: it had a cell in which nobody merged, when we began to look
 * @stamp: of that
 * @seen: what was found in it so far
 * @lacking: there was no memory for a cell
 * @waited: it was waited for
 * @passed_over: chunks that were left out
 * @broken: merged pages that were found private again
 */
struct vmdedup_visit {
	struct vmdedup_region *region;
	unsigned long start;
	unsigned long end;
	enum vmdedup_purpose purpose;
	u16 pass;
	unsigned long clean;
	u32 since;
	bool open;
	unsigned long index;
	enum vmdedup_visiting visiting;
	unsigned int interval;
	struct vmdedup_credit credit;
	unsigned int sketched;
	unsigned int hashed;
	bool vain;
	bool known;
	u32 stamp;
	struct vmdedup_count seen;
	bool lacking;
	bool waited;
	u64 passed_over;
	u64 broken;
};

void vmdedup_visit_begin(struct vmdedup_visit *visit,
			 struct vmdedup_region *region, unsigned long start,
			 unsigned long end);
enum vmdedup_visiting vmdedup_visit_chunk(struct vmdedup_visit *visit,
					  unsigned long addr);
void vmdedup_visit_step(struct vmdedup_visit *visit, unsigned long next,
			const struct vmdedup_seen *seen);
void vmdedup_visit_end(struct vmdedup_visit *visit, bool complete);

#endif /* VMDEDUP_MM_VISIT_H */
