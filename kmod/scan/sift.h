/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sifting: of the pages of a chunk keep those whose sketch was seen elsewhere.
 * Nearly all pages end here, and have cost a few cache lines.
 */
#ifndef VMDEDUP_SCAN_SIFT_H
#define VMDEDUP_SCAN_SIFT_H

#include "worker.h"

/* Passes in a generation of the filter. */
#define VMDEDUP_SIFT_PASSES	16

u64 vmdedup_sift_prepare(void);
bool vmdedup_sift_lost(void);
void vmdedup_sift_begin(struct vmdedup_worker *worker);
void vmdedup_sift(struct vmdedup_worker *worker);
void vmdedup_sift_mark(struct vmdedup_worker *worker,
		       struct vmdedup_frame *frame);
void vmdedup_sift_age(void);
void vmdedup_sift_forget(void);
void vmdedup_sift_score(const struct vmdedup_sketch_score *score);
u64 vmdedup_sift_bytes(void);

#endif /* VMDEDUP_SCAN_SIFT_H */
