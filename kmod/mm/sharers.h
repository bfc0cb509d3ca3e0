/* SPDX-License-Identifier: GPL-2.0 */
/* Who maps a frame? */
#ifndef VMDEDUP_MM_SHARERS_H
#define VMDEDUP_MM_SHARERS_H

#include "region.h"

/* Frames looked for at a time: a look at each page of a region is made anyway. */
#define VMDEDUP_SOUGHT_MAX	16

/**
 * struct vmdedup_sought - a frame whose mappings are looked for
 * @page: its page
 * @mappings: out: how many there are in the region
 * @first: out: address of the first of them
 */
struct vmdedup_sought {
	struct page *page;
	u64 mappings;
	unsigned long first;
};

void vmdedup_sharers_find(struct vmdedup_region *region,
			  struct vmdedup_sought *sought, unsigned int nr,
			  bool (*go_on)(void));

#endif /* VMDEDUP_MM_SHARERS_H */
