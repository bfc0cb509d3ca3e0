/* SPDX-License-Identifier: GPL-2.0 */
/* A bar for whoever waits at a terminal. */
#ifndef _PROGRESS_H
#define _PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct progress - a bar on standard error
 * @on: somebody is there to see it
 * @shown: something is on the line now
 * @last_ms: when it was drawn last, CLOCK_MONOTONIC
 */
struct progress {
	bool on;
	bool shown;
	uint64_t last_ms;
};

/* "reading", 20 characters at the most, and the rest: never above 79. */
#define PROGRESS_LINE_MAX	80

/**
 * progress_init() - nothing is shown yet
 * @progress: the bar
 *
 * It stays off unless standard error is a terminal that can take it, and this
 * program runs in its foreground: a console that goes to a log does not count.
 */
void progress_init(struct progress *progress);

/**
 * progress_show() - draw the bar, ten times a second at the most
 * @progress: the bar
 * @what: what goes on, 20 characters at the most
 * @done: pages done
 * @total: pages there are; less than @done, or 0, is allowed
 */
void progress_show(struct progress *progress, const char *what, uint64_t done, uint64_t total);

/* progress_clear() - leave an empty line, for others to write on */
void progress_clear(struct progress *progress);

/* progress_line() - what progress_show() draws */
void progress_line(char line[PROGRESS_LINE_MAX], const char *what, uint64_t done,
		   uint64_t total);

#endif /* _PROGRESS_H */
