/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ESTIMATE_PRINT_H
#define _ESTIMATE_PRINT_H

#include "cli.h"
#include "estimate.h"

/**
 * struct estimate_view - what the result does not tell by itself
 * @policy: for the table of processes
 * @all_memory: that was asked for
 * @complete: all was read
 * @denied: processes that could not be looked at
 * @seconds: how long it took
 */
struct estimate_view {
	unsigned int policy;
	bool all_memory;
	bool complete;
	size_t denied;
	double seconds;
};

/* estimate_print() - as text or JSON on standard output */
void estimate_print(const struct cli *cli, const struct estimate_view *view,
		    const struct vmdedup_estimate_result *result);

#endif /* _ESTIMATE_PRINT_H */
