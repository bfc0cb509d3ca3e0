// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/content.h"
#include "model.h"

#define SEED	0x0123456789abcdefULL

/* Exactly a page, so that ASan sees a look beyond either end. */
static u8 *new_page(void)
{
	u8 *page = malloc(PAGE_SIZE);

	assert_non_null(page);
	memset(page, 0, PAGE_SIZE);
	return page;
}

static u8 *new_random_page(void)
{
	u8 *page = new_page();
	u64 rng = 7;
	unsigned int i;

	for (i = 0; i < PAGE_SIZE; i++)
		page[i] = rng_next(&rng);
	return page;
}

static void zero_page(void **state)
{
	u8 *page = new_page();

	(void)state;
	assert_true(vmdedup_content_is_zero(page));
	free(page);
}

/* Every bit at both ends, and one bit in every byte between. */
static void zero_single_bit(void **state)
{
	static const unsigned int ends[] = { 0, 1, 7, 8, 4087, 4088, 4094, 4095 };
	u8 *page = new_page();
	unsigned int i, bit;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		for (bit = 0; bit < 8; bit++) {
			page[ends[i]] = 1 << bit;
			assert_false(vmdedup_content_is_zero(page));
			page[ends[i]] = 0;
		}
	}
	for (i = 0; i < PAGE_SIZE; i++) {
		page[i] = 1 << i % 8;
		assert_false(vmdedup_content_is_zero(page));
		page[i] = 0;
	}
	assert_true(vmdedup_content_is_zero(page));
	memset(page, 0xff, PAGE_SIZE);
	assert_false(vmdedup_content_is_zero(page));
	free(page);
}

/* Values of the xxhash specification: the shim hashes as the kernel does. */
static void sum_is_xxh64(void **state)
{
	(void)state;
	assert_true(xxh64("", 0, 0) == 0xef46db3751d8e999ULL);
	assert_true(xxh64("a", 1, 0) == 0xd24ec4f1a98c6e5bULL);
	assert_true(xxh64("abc", 3, 0) == 0x44bc2cf5ad770999ULL);
}

static void sum_of_equal_pages(void **state)
{
	u8 *a = new_random_page(), *b = new_random_page();

	(void)state;
	assert_ptr_not_equal(a, b);
	assert_true(vmdedup_content_sum(a, SEED) == vmdedup_content_sum(b, SEED));
	assert_true(vmdedup_content_sum(a, SEED) == vmdedup_content_sum(a, SEED));
	free(a);
	free(b);
}

static void sum_sees_every_byte(void **state)
{
	u8 *page = new_random_page();
	u64 sum = vmdedup_content_sum(page, SEED);
	unsigned int i, bit;

	(void)state;
	for (i = 0; i < PAGE_SIZE; i++) {
		page[i] ^= 1 << i % 8;
		assert_true(vmdedup_content_sum(page, SEED) != sum);
		page[i] ^= 1 << i % 8;
	}
	for (bit = 0; bit < 8; bit++) {
		page[0] ^= 1 << bit;
		assert_true(vmdedup_content_sum(page, SEED) != sum);
		page[0] ^= 1 << bit;
		page[PAGE_SIZE - 1] ^= 1 << bit;
		assert_true(vmdedup_content_sum(page, SEED) != sum);
		page[PAGE_SIZE - 1] ^= 1 << bit;
	}
	assert_true(vmdedup_content_sum(page, SEED) == sum);
	free(page);
}

static void sum_depends_on_seed(void **state)
{
	u8 *page = new_random_page();
	u64 sum = vmdedup_content_sum(page, SEED);
	unsigned int bit;

	(void)state;
	for (bit = 0; bit < 64; bit++)
		assert_true(vmdedup_content_sum(page, SEED ^ 1ULL << bit) != sum);
	free(page);
}

static int u64_cmp(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void assert_all_differ(u64 *value, unsigned int nr)
{
	unsigned int i;

	qsort(value, nr, sizeof(*value), u64_cmp);
	for (i = 1; i < nr; i++)
		assert_true(value[i - 1] != value[i]);
}

#define DOMAINS	20000

/* As uids are: small numbers, one after the other; and the extremes. */
static void seeds_differ(void **state)
{
	u64 *seed = calloc(2 * DOMAINS, sizeof(*seed));
	unsigned int i;

	(void)state;
	assert_non_null(seed);
	for (i = 0; i < DOMAINS; i++) {
		seed[i] = vmdedup_content_seed(SEED, i);
		seed[DOMAINS + i] = vmdedup_content_seed(SEED, ~(u64)i);
	}
	assert_all_differ(seed, 2 * DOMAINS);
	for (i = 0; i < DOMAINS; i++)
		seed[i] = vmdedup_content_seed(i, 1000);
	assert_all_differ(seed, DOMAINS);
	assert_true(vmdedup_content_seed(SEED, 1000) ==
		    vmdedup_content_seed(SEED, 1000));
	free(seed);
}

/* The same page has unrelated checksums in neighbouring domains. */
static void domains_are_unrelated(void **state)
{
	u8 *page = new_random_page();
	unsigned int domain, bits = 0;

	(void)state;
	for (domain = 0; domain < 1000; domain++) {
		u64 a = vmdedup_content_seed(SEED, domain);
		u64 b = vmdedup_content_seed(SEED, domain + 1);

		bits += __builtin_popcountll(vmdedup_content_sum(page, a) ^
					     vmdedup_content_sum(page, b));
	}
	/* 32000 expected; the standard deviation is 126. */
	assert_in_range(bits, 31000, 33000);
	free(page);
}

/* At both ends, and here and there; all of them would take an hour under ASan. */
static void one_bit_is_found(void **state)
{
	static const int bits[] = { 0, 1, 7, 8, 63, 64, 5000, 8 * PAGE_SIZE - 1 };
	u8 *page = new_random_page(), *copy = new_random_page();
	u64 sum = vmdedup_content_sum(page, SEED);
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		int bit = bits[i];

		page[bit / 8] ^= 1 << bit % 8;
		memcpy(copy, page, PAGE_SIZE);
		assert_int_equal(vmdedup_content_flipped(page, SEED, sum), bit);
		/* It only tells. */
		assert_memory_equal(page, copy, PAGE_SIZE);
		page[bit / 8] ^= 1 << bit % 8;
	}
	free(copy);
	free(page);
}

static void more_than_a_bit_is_not(void **state)
{
	u8 *page = new_random_page(), *copy = new_random_page();
	u64 sum = vmdedup_content_sum(page, SEED);

	(void)state;
	/* Nor none at all. */
	assert_int_equal(vmdedup_content_flipped(page, SEED, sum), -1);
	page[17] ^= 3;
	memcpy(copy, page, PAGE_SIZE);
	assert_int_equal(vmdedup_content_flipped(page, SEED, sum), -1);
	assert_memory_equal(page, copy, PAGE_SIZE);
	/* By another seed it is another page's. */
	page[17] ^= 1;
	assert_int_equal(vmdedup_content_flipped(page, SEED + 1, sum), -1);
	assert_int_equal(vmdedup_content_flipped(page, SEED, sum), 17 * 8 + 1);
	free(copy);
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_page),
		cmocka_unit_test(zero_single_bit),
		cmocka_unit_test(sum_is_xxh64),
		cmocka_unit_test(sum_of_equal_pages),
		cmocka_unit_test(sum_sees_every_byte),
		cmocka_unit_test(sum_depends_on_seed),
		cmocka_unit_test(seeds_differ),
		cmocka_unit_test(domains_are_unrelated),
		cmocka_unit_test(one_bit_is_found),
		cmocka_unit_test(more_than_a_bit_is_not),
	};

	return cmocka_run_group_tests_name("content", tests, NULL, NULL);
}
