/* SPDX-License-Identifier: GPL-2.0 */
/* Where in a process of the workload which content is. */
#ifndef VMDEDUP_BENCH_CONTENT_H
#define VMDEDUP_BENCH_CONTENT_H

#include "workload.h"

struct extent {
	enum kind kind;
	uint32_t id;
};

/* Extents of each kind in a process. */
struct counts {
	uint32_t all, zero, common, pair, hot;
};

void content_count(const struct mix *mix, size_t pages, struct counts *counts);
/* The extents of process @nr, from the first address on; NULL: no memory. */
struct extent *content_plan(const struct mix *mix, size_t pages, unsigned int nr);
/* What pg_fill() fills page @page of process @nr with. */
uint64_t content_seed(const struct extent *plan, unsigned int nr, size_t page,
		      uint32_t version);

#endif /* VMDEDUP_BENCH_CONTENT_H */
