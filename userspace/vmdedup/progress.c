// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "output.h"
#include "progress.h"

#define BAR	20
#define EVERY_MS	100

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

void progress_init(struct progress *progress)
{
	const char *term = getenv("TERM");
	int fd = fileno(stderr);

	memset(progress, 0, sizeof(*progress));
	progress->on = fd >= 0 && isatty(fd) && term && strcmp(term, "dumb") &&
		       tcgetpgrp(fd) == getpgrp();
}

void progress_line(char line[PROGRESS_LINE_MAX], const char *what, uint64_t done,
		   uint64_t total)
{
	char done_text[HUMAN_SIZE_MAX], total_text[HUMAN_SIZE_MAX];
	char bar[BAR + 1];
	double part;

	if (total < done)
		total = done;
	part = total ? (double)done / total : 0;
	memset(bar, ' ', BAR);
	memset(bar, '#', part * BAR);
	bar[BAR] = '\0';
	snprintf(line, PROGRESS_LINE_MAX, "%-.20s [%s] %3d %%  %s of %s", what, bar,
		 (int)(part * 100), human_pages(done, done_text),
		 human_pages(total, total_text));
}

void progress_show(struct progress *progress, const char *what, uint64_t done, uint64_t total)
{
	char line[PROGRESS_LINE_MAX];
	uint64_t now = now_ms();

	if (!progress->on || (progress->shown && now - progress->last_ms < EVERY_MS))
		return;
	progress->shown = true;
	progress->last_ms = now;
	progress_line(line, what, done, total);
	/* Erase to the end of the line what was longer before. */
	fprintf(stderr, "\r%s\033[K", line);
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
