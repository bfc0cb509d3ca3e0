// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/sketch.h"
#include "model.h"

#define SEED	0x0123456789abcdefULL

/* Exactly a page, so that ASan sees a look beyond either end. */
static u8 *new_random_page(u64 seed)
{
	u8 *page = malloc(PAGE_SIZE);
	unsigned int i;

	assert_non_null(page);
	for (i = 0; i < PAGE_SIZE; i++)
		page[i] = rng_next(&seed);
	return page;
}

static void equal_pages_have_equal_sketches(void **state)
{
	u8 *a = new_random_page(7), *b = new_random_page(7);
	struct vmdedup_sketcher sketcher;
	unsigned int nr;

	(void)state;
	for (nr = VMDEDUP_SKETCH_MIN; nr <= VMDEDUP_SKETCH_MAX; nr++) {
		vmdedup_sketcher_init(&sketcher, SEED, nr);
		vmdedup_sketch_prefetch(&sketcher, a);
		assert_true(vmdedup_sketch(&sketcher, a) ==
			    vmdedup_sketch(&sketcher, b));
	}
	free(a);
	free(b);
}

static bool samples(const struct vmdedup_sketcher *sketcher, unsigned int byte)
{
	unsigned int i;

	for (i = 0; i < sketcher->nr; i++)
		if (byte / VMDEDUP_SKETCH_LINE ==
		    sketcher->offset[i] / VMDEDUP_SKETCH_LINE)
			return true;
	return false;
}

/* Every bit of the lines that are looked at counts, and no other. */
static void sees_every_bit_of_its_lines(void **state)
{
	u8 *page = new_random_page(7);
	struct vmdedup_sketcher sketcher;
	unsigned int i, bit, seen = 0;
	u64 sketch;

	(void)state;
	vmdedup_sketcher_init(&sketcher, SEED, 5);
	sketch = vmdedup_sketch(&sketcher, page);
	for (i = 0; i < PAGE_SIZE; i++) {
		for (bit = 0; bit < 8; bit++) {
			page[i] ^= 1 << bit;
			assert_true((vmdedup_sketch(&sketcher, page) != sketch) ==
				    samples(&sketcher, i));
			page[i] ^= 1 << bit;
		}
		seen += samples(&sketcher, i);
	}
	assert_int_equal(seen, 5 * VMDEDUP_SKETCH_LINE);
	free(page);
}

/* Lines exchanged, words exchanged: not the same page. */
static void order_counts(void **state)
{
	u8 *page = new_random_page(7), line[VMDEDUP_SKETCH_LINE];
	struct vmdedup_sketcher sketcher;
	u64 sketch, *word, first;
	u8 *a, *b;

	(void)state;
	vmdedup_sketcher_init(&sketcher, SEED, 4);
	sketch = vmdedup_sketch(&sketcher, page);
	a = page + sketcher.offset[0];
	b = page + sketcher.offset[1];
	memcpy(line, a, sizeof(line));
	memcpy(a, b, sizeof(line));
	memcpy(b, line, sizeof(line));
	assert_true(vmdedup_sketch(&sketcher, page) != sketch);
	memcpy(b, a, sizeof(line));
	memcpy(a, line, sizeof(line));
	assert_true(vmdedup_sketch(&sketcher, page) == sketch);

	word = (u64 *)a;
	first = word[0];
	word[0] = word[1];
	word[1] = first;
	assert_true(vmdedup_sketch(&sketcher, page) != sketch);
	free(page);
}

static void limits(void **state)
{
	struct vmdedup_sketcher sketcher;
	unsigned int nr, i;
	u64 seed;

	(void)state;
	for (seed = 0; seed < 2000; seed++) {
		for (nr = 0; nr <= VMDEDUP_SKETCH_MAX + 1; nr++) {
			vmdedup_sketcher_init(&sketcher, seed, nr);
			assert_in_range(sketcher.nr, VMDEDUP_SKETCH_MIN,
					VMDEDUP_SKETCH_MAX);
			for (i = 0; i < sketcher.nr; i++) {
				assert_true(sketcher.offset[i] <=
					    PAGE_SIZE - VMDEDUP_SKETCH_LINE);
				assert_true(!i || sketcher.offset[i] >
						  sketcher.offset[i - 1]);
			}
		}
	}
}

/* Positions and sketches follow from the seed, and do not from another's. */
static void seeds_differ(void **state)
{
	unsigned int count[VMDEDUP_SKETCH_PAGE_LINES] = {}, i;
	u8 *page = new_random_page(7);
	struct vmdedup_sketcher sketcher;
	u64 seed, last = 0, sketch;

	(void)state;
	for (seed = 0; seed < 6400; seed++) {
		vmdedup_sketcher_init(&sketcher, seed, 4);
		sketch = vmdedup_sketch(&sketcher, page);
		assert_true(sketch && sketch != last);
		last = sketch;
		for (i = 0; i < sketcher.nr; i++)
			count[sketcher.offset[i] / VMDEDUP_SKETCH_LINE]++;
	}
	/* 400 on average; off by more than ten standard deviations is a bug. */
	for (i = 0; i < VMDEDUP_SKETCH_PAGE_LINES; i++)
		assert_in_range(count[i], 200, 600);
	free(page);
}

/* A page of zeroes is a content as any other, and so are small numbers. */
static void plain_pages_differ(void **state)
{
	static u64 sketches[4096];
	u64 *page = calloc(1, PAGE_SIZE);
	struct vmdedup_sketcher sketcher;
	unsigned int i, j;

	(void)state;
	assert_non_null(page);
	vmdedup_sketcher_init(&sketcher, SEED, 4);
	for (i = 0; i < ARRAY_SIZE(sketches); i++) {
		for (j = 0; j < PAGE_SIZE / sizeof(*page); j++)
			page[j] = i;
		sketches[i] = vmdedup_sketch(&sketcher, page);
		assert_true(sketches[i]);
		for (j = 0; j < i; j++)
			assert_true(sketches[j] != sketches[i]);
	}
	free(page);
}

static void adapts(void **state)
{
	struct vmdedup_sketch_score none = {};
	struct vmdedup_sketch_score bad = { .pages = 10000, .alone = 6000 };
	struct vmdedup_sketch_score half = { .pages = 10000, .alone = 5000 };
	struct vmdedup_sketch_score good = { .pages = 10000, .alone = 100 };

	(void)state;
	assert_int_equal(vmdedup_sketch_adapt(4, &none), 4);
	assert_int_equal(vmdedup_sketch_adapt(4, &bad), 8);
	assert_int_equal(vmdedup_sketch_adapt(12, &bad), 16);
	assert_int_equal(vmdedup_sketch_adapt(16, &bad), 16);
	/* One half cannot have the other half pay. */
	assert_int_equal(vmdedup_sketch_adapt(4, &half), 4);
	assert_int_equal(vmdedup_sketch_adapt(4, &good), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_pages_have_equal_sketches),
		cmocka_unit_test(sees_every_bit_of_its_lines),
		cmocka_unit_test(order_counts),
		cmocka_unit_test(limits),
		cmocka_unit_test(seeds_differ),
		cmocka_unit_test(plain_pages_differ),
		cmocka_unit_test(adapts),
	};

	return cmocka_run_group_tests_name("sketch", tests, NULL, NULL);
}
