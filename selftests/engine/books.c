// SPDX-License-Identifier: GPL-2.0
/* The kernel's books. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "books.h"
#include "util.h"

/*
 * What others map and unmap meanwhile, and what CPUs keep to themselves; and
 * what the books lack, which varies by itself.
 */
#define MAPPED_SLACK 256
#define UNEXPLAINED_SLACK 384

/* Pages that CPUs keep at hand. */
static long long percpu_pages(void)
{
	FILE *f = fopen("/proc/zoneinfo", "re");
	long long sum = 0, n;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " count: %lld", &n) == 1)
			sum += n;
	if (f)
		fclose(f);
	return sum;
}

/* What the kernel says of its memory at one time: all in it, but for what it explains. */
static long long unexplained_kb(void)
{
	/* Not every kernel has all of them. */
	static const char * const known[] = {
		"MemFree", "Buffers", "Cached", "SwapCached", "AnonPages", "Slab",
		"KernelStack", "PageTables", "SecPageTables", "Percpu",
		"VmallocUsed",
	};
	FILE *f = fopen("/proc/meminfo", "re");
	long long rest = 0, kb;
	char line[256], name[64];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^:]: %lld", name, &kb) != 2)
			continue;
		if (!strcmp(name, "MemTotal"))
			rest += kb;
		for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
			if (!strcmp(name, known[i]))
				rest -= kb;
	}
	if (f)
		fclose(f);
	return rest;
}

/*
 * CPUs give away what they have at hand, some thousand pages, whenever they please:
 * what is free and what they had is to be of the same time.
 */
static long long unexplained(void)
{
	long long rest, percpu, was = percpu_pages();

	for (int i = 0; i < 100; i++) {
		rest = unexplained_kb();
		percpu = percpu_pages();
		if (percpu == was)
			break;
		was = percpu;
	}
	return rest * 1024 / (long long)PG - percpu;
}

void books_read(struct books *b)
{
	/* Folds what the CPUs keep to themselves, which serves both. */
	b->mapped = vmstat("nr_mapped");
	b->unexplained = unexplained();
}

static bool near(long long was, long long is, long long slack)
{
	return is - was <= slack && was - is <= slack;
}

static bool same(const struct books *was, const struct books *is)
{
	return near(was->mapped, is->mapped, MAPPED_SLACK) &&
	       near(was->unexplained, is->unexplained, UNEXPLAINED_SLACK);
}

bool books_balance(const struct books *was, bool (*done)(void))
{
	struct books is;
	bool ended;

	for (int i = 0; i < 120; i++) {
		ended = done();
		books_read(&is);
		if (ended && same(was, &is))
			return true;
		usleep(500000);
	}
	printf("# nr_mapped: %lld before, %lld after; unexplained: %lld, %lld%s\n",
	       was->mapped, is.mapped, was->unexplained, is.unexplained,
	       ended ? "" : "; not ended");
	return false;
}
