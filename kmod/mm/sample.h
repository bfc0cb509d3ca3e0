/* SPDX-License-Identifier: GPL-2.0 */
/* Samples: the first stage of the pipeline. */
#ifndef VMDEDUP_MM_SAMPLE_H
#define VMDEDUP_MM_SAMPLE_H

#include <linux/highmem.h>

#include "../core/runs.h"
#include "../core/sketch.h"
#include "../core/stats.h"
#include "count.h"
#include "table.h"

/**
 * struct vmdedup_sample - a page that may be merged
 * @page: the page
 * @vpn: where it was found
 * @sketch: its sketch
 * @sum: its checksum, by a later stage
 * @zero: is it all zero, likewise
 */
struct vmdedup_sample {
	struct page *page;
	u64 vpn;
	u64 sketch;
	u64 sum;
	bool zero;
};

/**
 * struct vmdedup_chunk - the pages found below one PMD entry
 * @nr: how many
 * @held: references are held: to each page, or to @huge
 * @huge: the huge page that all of them are parts of, or NULL
 * @seen: these and all others that were found there
 * @sample: the pages
 */
struct vmdedup_chunk {
	unsigned int nr;
	bool held;
	struct page *huge;
	struct vmdedup_seen seen;
	struct vmdedup_sample sample[VMDEDUP_RUN_MAX];
};

struct vmdedup_visit;

unsigned long vmdedup_sample_chunk(struct mm_struct *mm, unsigned long addr,
				   struct vmdedup_visit *visit,
				   const struct vmdedup_sketcher *sketcher,
				   struct vmdedup_chunk *chunk,
				   struct vmdedup_tally *tally);
void vmdedup_chunk_hold(struct mm_struct *mm, struct vmdedup_chunk *chunk);
void vmdedup_chunk_put(struct vmdedup_chunk *chunk);
struct page *vmdedup_sample_page(struct mm_struct *mm, u64 vpn);

/**
 * vmdedup_sketch_page() - sketch a page
 * @sketcher: how
 * @page: which; not poisoned
 */
static inline u64 vmdedup_sketch_page(const struct vmdedup_sketcher *sketcher,
				      struct page *page)
{
	void *addr = kmap_local_page(page);
	u64 sketch = vmdedup_sketch(sketcher, addr);

	kunmap_local(addr);
	return sketch;
}

#endif /* VMDEDUP_MM_SAMPLE_H */
