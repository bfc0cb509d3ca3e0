// SPDX-License-Identifier: GPL-2.0
/*
 * core [-q] OUT: how fast is the pure core on this machine, outside a kernel?
 * Prints a table and writes OUT, JSON. Each figure is the best of some runs, as
 * whatever else the machine does only adds to the time. -q: small, which only
 * tells that everything works.
 */
#include <err.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "core/content.h"
#include "core/filter.h"
#include "core/sketch.h"
#include "core/unstable.h"

#define RUNS	5
#define PAGE	4096UL

static struct json_object *figures;
/* Keeps results from being optimized away. */
static volatile u64 sink;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static u64 draw(u64 *state)
{
	u64 x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static void *get(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "%zu MiB", bytes >> 20);
	/* A kernel sees memory through large pages. Where there are none: so be it. */
	(void)madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

static void put(const char *key, const char *text, double value, const char *unit)
{
	char number[64];

	printf("  %-58s %12.*f %s\n", text, value < 100 ? 2 : 0, value, unit);
	snprintf(number, sizeof(number), "%.6g", value);
	json_object_object_add(figures, key, json_object_new_double_s(value, number));
}

/* Pages in random order, as they are in physical memory. */
struct pages {
	const char *base;
	const char *copy;
	const char **at;
	size_t nr;
};

static void pages_make(struct pages *pages, size_t nr)
{
	u64 state = 1, *word = get(nr * PAGE), *copy = get(nr * PAGE);

	for (size_t i = 0; i < nr * PAGE / sizeof(*word); i++)
		word[i] = draw(&state);
	memcpy(copy, word, nr * PAGE);
	pages->base = (char *)word;
	pages->copy = (char *)copy;
	pages->nr = nr;
	pages->at = calloc(nr, sizeof(*pages->at));
	if (!pages->at)
		err(1, "pages");
	for (size_t i = 0; i < nr; i++)
		pages->at[i] = pages->base + i * PAGE;
	for (size_t i = nr; i > 1; i--) {
		size_t j = draw(&state) % i;
		const char *swap = pages->at[j];

		pages->at[j] = pages->at[i - 1];
		pages->at[i - 1] = swap;
	}
}

typedef u64 (*page_fn)(const struct vmdedup_sketcher *s, const void *page);

static u64 bare(const struct vmdedup_sketcher *s, const void *page)
{
	u64 sum = 0;

	for (unsigned int i = 0; i < s->nr; i++) {
		const u64 *word = (const void *)((const char *)page + s->offset[i]);

		sum += READ_ONCE(word[0]);
	}
	return sum;
}

/* All words of each line, as a sketch reads them. */
static u64 bare_all(const struct vmdedup_sketcher *s, const void *page)
{
	u64 sum = 0;

	for (unsigned int i = 0; i < s->nr; i++) {
		const u64 *word = (const void *)((const char *)page + s->offset[i]);

		for (unsigned int j = 0; j < VMDEDUP_SKETCH_WORDS; j++)
			sum += READ_ONCE(word[j]);
	}
	return sum;
}

static u64 checksum(const struct vmdedup_sketcher *s, const void *page)
{
	return vmdedup_content_sum(page, s->seed);
}

/* Inlined into one loop for each use, so that the call is direct. */
static __always_inline double loop(const struct pages *pages,
				   const struct vmdedup_sketcher *s, page_fn fn,
				   size_t ahead)
{
	double best = 1e9, took;
	size_t i;

	for (int run = 0; run < RUNS; run++) {
		u64 sum = 0;

		took = now();
		for (i = 0; i + ahead < pages->nr; i++) {
			if (ahead)
				vmdedup_sketch_prefetch(s, pages->at[i + ahead]);
			sum += fn(s, pages->at[i]);
		}
		took = now() - took;
		sink += sum;
		best = took / i < best ? took / i : best;
	}
	return best;
}

/* The best distance to look ahead may differ. */
static __always_inline double ahead_best(const struct pages *pages,
					 const struct vmdedup_sketcher *s,
					 page_fn fn)
{
	double a = loop(pages, s, fn, 4), b = loop(pages, s, fn, 8);
	double c = loop(pages, s, fn, 16), d = loop(pages, s, fn, 32);

	return min(min(a, b), min(c, d));
}

static void measure_sketch(const struct pages *pages, unsigned int lines)
{
	double limit, limit_all, with, without;
	struct vmdedup_sketcher s;
	char key[64], text[128];

	vmdedup_sketcher_init(&s, 12345, lines);
	limit = ahead_best(pages, &s, bare);
	limit_all = ahead_best(pages, &s, bare_all);
	with = ahead_best(pages, &s, vmdedup_sketch);
	without = loop(pages, &s, vmdedup_sketch, 0);

#define PUT(name, what, value, unit) do {				\
	snprintf(key, sizeof(key), name "_%u", lines);			\
	snprintf(text, sizeof(text), what, lines);			\
	put(key, text, value, unit);					\
} while (0)
	PUT("sketch", "sketches of %u lines, prefetched", 1 / with, "pages/s");
	PUT("sketch_no_prefetch", "sketches of %u lines, not prefetched",
	    1 / without, "pages/s");
	PUT("bare", "limit: prefetch and read a word of %u lines", 1 / limit,
	    "pages/s");
	PUT("bare_all", "limit: prefetch and read all words of %u lines",
	    1 / limit_all, "pages/s");
	PUT("sketch_share", "sketch of %u lines, share of the first limit",
	    100 * limit / with, "%");
	PUT("sketch_share_all", "sketch of %u lines, share of the second",
	    100 * limit_all / with, "%");
#undef PUT
}

static void measure_whole(const struct pages *pages)
{
	struct vmdedup_sketcher s;
	double best = 1e9, took;

	vmdedup_sketcher_init(&s, 12345, VMDEDUP_SKETCH_MIN);
	put("checksum", "checksum of a whole page (xxh64)",
	    1e9 * loop(pages, &s, checksum, 0), "ns/page");
	for (int run = 0; run < RUNS; run++) {
		took = now();
		for (size_t i = 0; i < pages->nr; i++)
			if (memcmp(pages->at[i],
				   pages->copy + (pages->at[i] - pages->base), PAGE))
				errx(1, "equal pages are not");
		took = (now() - took) / pages->nr;
		best = took < best ? took : best;
	}
	put("memcmp", "comparison of two equal pages (memcmp)", 1e9 * best, "ns/page");
}

static void measure_tree(size_t nr, const char *name)
{
	struct vmdedup_tree *tree = calloc(1, sizeof(*tree));
	struct vmdedup_cand *cand = get(nr * sizeof(*cand)), *found;
	struct vmdedup_shard *shard;
	struct vmdedup_key key = {};
	u64 state = 2;
	double took;
	char id[64], text[128];

	if (!tree)
		err(1, "tree");
	vmdedup_tree_init(tree);
	took = now();
	for (size_t i = 0; i < nr; i++) {
		cand[i].node.key.sum = draw(&state);
		shard = vmdedup_tree_shard(tree, &cand[i].node.key);
		spin_lock(&shard->lock);
		if (vmdedup_shard_insert(shard, &cand[i].node))
			errx(1, "a key twice");
		spin_unlock(&shard->lock);
	}
	took = now() - took;
	snprintf(id, sizeof(id), "tree_insert_%s", name);
	snprintf(text, sizeof(text), "tree of %s nodes, insertions", name);
	put(id, text, nr / took, "/s");

	took = now();
	for (size_t i = 0; i < nr; i++) {
		found = &cand[draw(&state) % nr];
		key.sum = found->node.key.sum;
		shard = vmdedup_tree_shard(tree, &key);
		spin_lock(&shard->lock);
		if (vmdedup_shard_find(shard, &key) != &found->node)
			errx(1, "a key is not found");
		spin_unlock(&shard->lock);
	}
	took = now() - took;
	snprintf(id, sizeof(id), "tree_lookup_%s", name);
	snprintf(text, sizeof(text), "tree of %s nodes, lookups", name);
	put(id, text, nr / took, "/s");
	munmap(cand, nr * sizeof(*cand));
	free(tree);
}

#define FILTER_AHEAD	16

/* Note pages that are all different; returns how many seem not to be. */
static size_t note_all(struct vmdedup_filter *filter, const u64 *sketch, size_t nr,
		       u64 place)
{
	size_t elsewhere = 0;

	for (size_t i = 0; i < nr; i++) {
		if (i + FILTER_AHEAD < nr)
			vmdedup_filter_prefetch(filter, sketch[i + FILTER_AHEAD]);
		elsewhere += vmdedup_filter_note(filter, sketch[i], place + i, 1) ==
			     VMDEDUP_SEEN_ELSEWHERE;
	}
	return elsewhere;
}

static void measure_filter(size_t nr)
{
	u64 *sketch = get(nr * sizeof(*sketch)), state = 3;
	u64 lines = vmdedup_filter_lines(nr);
	struct vmdedup_filter_line *line;
	struct vmdedup_filter filter;
	size_t elsewhere, pairs = nr / 10;
	double took, best = 1e9;

	line = get(lines * sizeof(*line));
	for (size_t i = 0; i < nr; i++)
		sketch[i] = draw(&state);
	vmdedup_filter_init(&filter, line, lines, 99);
	for (int generation = 0; generation < 4; generation++) {
		took = now();
		elsewhere = note_all(&filter, sketch, nr, 0);
		took = (now() - took) / nr;
		best = took < best ? took : best;
		if (generation < 3)
			vmdedup_filter_sweep(&filter);
	}
	put("filter_note", "filter, pages noted", 1 / best, "/s");
	put("filter_bytes", "filter, memory", (double)lines * sizeof(*line) / nr,
	    "B/page");
	put("filter_false", "filter, unique pages taken for duplicates",
	    100.0 * elsewhere / nr, "%");
	elsewhere = note_all(&filter, sketch, pairs, nr);
	put("filter_missed", "filter, duplicates missed at first",
	    100.0 * (pairs - elsewhere) / pairs, "%");
	munmap(sketch, nr * sizeof(*sketch));
	munmap(line, lines * sizeof(*line));
}

static void describe(struct json_object *top, size_t mib)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256], name[256] = "?";

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "model name : %255[^\n]", name) == 1)
			break;
	if (f)
		fclose(f);
	json_object_object_add(top, "cpu", json_object_new_string(name));
	json_object_object_add(top, "working_set_mib", json_object_new_int64(mib));
	printf("%s, %zu MiB of pages in random order\n", name, mib);
}

int main(int argc, char **argv)
{
	struct json_object *top = json_object_new_object();
	struct pages pages;
	bool quick = argc > 1 && !strcmp(argv[1], "-q");
	size_t mib = quick ? 8 : 1024;

	if (argc != 2 + quick)
		errx(1, "usage: core [-q] OUT");
	figures = json_object_new_object();
	describe(top, mib);
	pages_make(&pages, (mib << 20) / PAGE);
	for (unsigned int lines = VMDEDUP_SKETCH_MIN; lines <= VMDEDUP_SKETCH_MAX; lines *= 2)
		measure_sketch(&pages, lines);
	measure_whole(&pages);
	munmap((void *)pages.base, pages.nr * PAGE);
	munmap((void *)pages.copy, pages.nr * PAGE);
	measure_tree(quick ? 1000 : 1000000, "1e6");
	measure_tree(quick ? 2000 : 10000000, "1e7");
	measure_filter(quick ? 20000 : 8000000);
	json_object_object_add(top, "figures", figures);
	if (json_object_to_file_ext(argv[1 + quick], top, JSON_C_TO_STRING_PRETTY))
		errx(1, "%s: %s", argv[1 + quick], json_util_get_last_err());
	return 0;
}
