// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "top_view.h"

/* No rate is known. */
#define UNKNOWN	(-1.0)

/**
 * struct row - a guest
 * @guest: as the kernel tells
 * @name: what to call it
 * @breaks: pages a second
 * @cpu: percent of one
 * @key: what is sorted by, if that is a number
 * @view: how
 */
struct row {
	const struct vmdedup_guest *guest;
	const char *name;
	double breaks;
	double cpu;
	double key;
	const struct top_view *view;
};

static const char *const sort_names[TOP_SORT_NR] = {
	[TOP_SAVED]	= "saved",
	[TOP_RESIDENT]	= "resident",
	[TOP_MERGED]	= "merged",
	[TOP_ZERO]	= "zero",
	[TOP_BREAKS]	= "breaks",
	[TOP_CPU]	= "cpu",
	[TOP_PID]	= "pid",
	[TOP_NAME]	= "name",
};

const char *top_sort_name(enum top_sort sort)
{
	return sort_names[sort];
}

bool top_sort_parse(const char *name, enum top_sort *sort)
{
	int i;

	for (i = 0; i < TOP_SORT_NR; i++) {
		if (!strcmp(sort_names[i], name)) {
			*sort = i;
			return true;
		}
	}
	return false;
}

/* A second; unknown when the module was loaded anew, as counters never decrease. */
static double rate(uint64_t now, uint64_t before, double seconds)
{
	return now < before || seconds <= 0 ? UNKNOWN : (now - before) / seconds;
}

static double seconds_between(const struct snapshot *now, const struct snapshot *before)
{
	return before ? (now->time_ns - before->time_ns) / 1e9 : 0;
}

static int by_id(const void *a, const void *b)
{
	const struct vmdedup_guest *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void fill_rates(struct row *row, const struct snapshot *before, double seconds)
{
	const struct vmdedup_guest *old = NULL;

	row->breaks = UNKNOWN;
	row->cpu = UNKNOWN;
	if (before && before->guests.count)
		old = bsearch(row->guest, before->guests.guests, before->guests.count,
			      sizeof(*old), by_id);
	if (!old)
		return;
	row->breaks = rate(row->guest->ledger.cow_breaks, old->ledger.cow_breaks, seconds);
	row->cpu = rate(row->guest->ledger.scan_ns, old->ledger.scan_ns, seconds);
	if (row->cpu >= 0)
		row->cpu /= 1e7;
}

static double key_of(const struct row *row)
{
	switch (row->view->sort) {
	case TOP_SAVED:
		return row->guest->ledger.saved_bytes;
	case TOP_RESIDENT:
		return row->guest->ledger.resident;
	case TOP_MERGED:
		return row->guest->ledger.merged;
	case TOP_ZERO:
		return row->guest->ledger.zero;
	case TOP_BREAKS:
		return row->breaks;
	case TOP_CPU:
		return row->cpu;
	case TOP_PID:
		/* As pids go: the smallest first. */
		return -(double)row->guest->pid;
	case TOP_NAME:
	case TOP_SORT_NR:
		break;
	}
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order;

	if (x->view->sort == TOP_NAME)
		order = strcmp(x->name, y->name);
	else
		order = x->key > y->key ? -1 : x->key < y->key;
	if (x->view->reverse)
		order = -order;
	/* So that nothing jumps about. */
	return order ? order : by_id(x->guest, y->guest);
}

static const char *rate_text(double value, char buf[HUMAN_SIZE_MAX])
{
	if (value < 0)
		strcpy(buf, "-");
	else if (value > 0 && value < 9.95)
		snprintf(buf, HUMAN_SIZE_MAX, "%.1f", value);
	else
		human_count(value < 1e18 ? value + 0.5 : 1e18, buf);
	return buf;
}

static const char *run_text(const struct snapshot *now)
{
	if (!now->run_known)
		return "run is not known";
	switch (now->run) {
	case 0:
		return "stopped (run is 0)";
	case 1:
		return "scanning";
	}
	return "stopped, private copies for all (run is 2)";
}

static void render_head(FILE *file, const struct snapshot *now, const struct snapshot *before)
{
	double seconds = seconds_between(now, before);
	const struct vmdedup_stats *stats = &now->stats;
	const struct vmdedup_stats *old = before ? &before->stats : NULL;
	double cpu = old ? rate(stats->scan_ns, old->scan_ns, seconds) : UNKNOWN;
	char text[HUMAN_SIZE_MAX];

	fprintf(file, "vmdedup: %s, %" PRIu64 " guests, %" PRIu64 " regions, %" PRIu64
		" passes\n", run_text(now), stats->guests, stats->regions, stats->full_scans);
	fprintf(file, "saved %s", human_size(stats->saved_bytes, text));
	fprintf(file, "  frames shared %s", human_count(stats->pages_shared, text));
	fprintf(file, "  pages sharing %s", human_count(stats->pages_sharing, text));
	fprintf(file, "  zero %s\n", human_count(stats->pages_zero, text));
#define RATE(name) rate_text(old ? rate(stats->name, old->name, seconds) : UNKNOWN, text)
	fprintf(file, "a second: scanned %s", RATE(pages_scanned));
	fprintf(file, "  merged %s", RATE(pages_merged));
	fprintf(file, "  broken %s", RATE(cow_breaks));
#undef RATE
	fprintf(file, "  CPU %s %%\n\n", rate_text(cpu < 0 ? cpu : cpu / 1e7, text));
	fprintf(file, "%7s %-18s %8s %8s %8s %8s %8s %6s\n", "PID", "NAME", "RESIDENT",
		"MERGED", "ZERO", "SAVED", "BREAKS/s", "CPU %");
}

static void render_row(FILE *file, const struct row *row)
{
	const struct vmdedup_ledger *ledger = &row->guest->ledger;
	char text[HUMAN_SIZE_MAX];
	char pid[16] = "-";

	if (row->guest->pid)
		snprintf(pid, sizeof(pid), "%" PRIu32, row->guest->pid);
	fprintf(file, "%7s %-18.18s", pid, row->name);
	fprintf(file, " %8s", human_pages(ledger->resident, text));
	fprintf(file, " %8s", human_pages(ledger->merged, text));
	fprintf(file, " %8s", human_pages(ledger->zero, text));
	fprintf(file, " %8s", human_size(ledger->saved_bytes, text));
	fprintf(file, " %8s", rate_text(row->breaks, text));
	fprintf(file, " %6s\n", rate_text(row->cpu, text));
}

int top_render(FILE *file, const struct snapshot *now, const struct snapshot *before,
	       struct top_view *view)
{
	size_t i, count = now->guests.count;
	size_t rows = view->rows && view->rows < count ? view->rows : count;
	struct row *list = calloc(count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		list[i].guest = &now->guests.guests[i];
		list[i].name = now->names[i];
		list[i].view = view;
		fill_rates(&list[i], before, seconds_between(now, before));
		list[i].key = key_of(&list[i]);
	}
	qsort(list, count, sizeof(*list), by_key);
	/* Guests may have gone since. */
	if (view->first > count - rows)
		view->first = count - rows;
	render_head(file, now, before);
	for (i = view->first; i < view->first + rows; i++)
		render_row(file, &list[i]);
	free(list);
	return 0;
}
