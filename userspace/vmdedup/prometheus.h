/* SPDX-License-Identifier: GPL-2.0 */
/* The text format of Prometheus. */
#ifndef _PROMETHEUS_H
#define _PROMETHEUS_H

#include <stdio.h>

#include "vmname.h"

/**
 * prometheus_write_stats() - the host's metrics
 * @file: where to
 * @stats: what there is to tell
 *
 * vmdedup_NAME, for counters vmdedup_NAME_total; nanoseconds become seconds.
 */
void prometheus_write_stats(FILE *file, const struct vmdedup_stats *stats);

/**
 * prometheus_write_guests() - those of the guests
 * @file: where to
 * @guests: what there is to tell
 * @names: what to call them
 *
 * vmdedup_guest_NAME with labels guest, pid and name; vmdedup_guest_skipped_pages
 * with a label reason.
 */
void prometheus_write_guests(FILE *file, const struct vmdedup_guests *guests,
			     const char (*names)[VM_NAME_MAX]);

/* Writes @value as that of a label, with what has a meaning there escaped. */
void prometheus_write_label(FILE *file, const char *value);

#endif /* _PROMETHEUS_H */
