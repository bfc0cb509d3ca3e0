// SPDX-License-Identifier: GPL-2.0
/* What top shows: rates, order and scrolling, of snapshots made up. */
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "top_view.h"

static struct vmdedup_guest new_guests[4], old_guests[4];
static char names[4][VM_NAME_MAX] = { "delta", "alpha", "charlie", "bravo" };

static void make(struct snapshot *now, struct snapshot *before)
{
	size_t i;

	memset(now, 0, sizeof(*now));
	memset(before, 0, sizeof(*before));
	for (i = 0; i < 4; i++) {
		memset(&new_guests[i], 0, sizeof(new_guests[i]));
		new_guests[i].id = 10 + i;
		new_guests[i].pid = 1004 - i;
		new_guests[i].ledger.saved_bytes = (i + 1) << 20;
		new_guests[i].ledger.resident = 1000;
		old_guests[i] = new_guests[i];
		new_guests[i].ledger.cow_breaks = 40 * (i == 2) + 3 * (i == 1);
		new_guests[i].ledger.scan_ns = 500000000 * (i == 1);
	}
	now->guests = (struct vmdedup_guests){ 4, new_guests };
	/* The last one is new. */
	before->guests = (struct vmdedup_guests){ 3, old_guests };
	now->names = names;
	now->run_known = true;
	now->run = 1;
	before->time_ns = 1000000000;
	now->time_ns = 3000000000;
	before->stats.pages_scanned = 1000;
	now->stats.pages_scanned = 25000001;
	now->stats.scan_ns = 1000000000;
	/* The module was loaded anew. */
	before->stats.cow_breaks = 5;
}

static char *render(const struct snapshot *now, const struct snapshot *before,
		    struct top_view *view)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_int_equal(top_render(file, now, before, view), 0);
	fclose(file);
	return text;
}

/* The first letters of the names in their order. */
static void assert_order(const struct snapshot *now, const struct snapshot *before,
			 struct top_view view, const char *order)
{
	char *text = render(now, before, &view);
	char *line, *rest = text;
	char seen[8] = "";
	size_t i;

	for (i = 0; (line = strsep(&rest, "\n")); i++) {
		if (i >= TOP_HEAD_LINES && *line)
			strncat(seen, line + 8, 1);
	}
	assert_string_equal(seen, order);
	free(text);
}

static void test_rates(void **state)
{
	struct snapshot now, before;
	struct top_view view = { .sort = TOP_PID };
	char *text;

	(void)state;
	make(&now, &before);
	text = render(&now, &before, &view);
	assert_contains(text, "vmdedup: scanning, ");
	assert_contains(text, "scanned 12.5M  merged 0  broken -  CPU 50 %");
	assert_contains(text, "alpha              3.91 MiB      0 B      0 B 2.00 MiB      1.5     25");
	assert_contains(text, "charlie            3.91 MiB      0 B      0 B 3.00 MiB       20      0");
	assert_contains(text, "bravo              3.91 MiB      0 B      0 B 4.00 MiB        -      -");
	free(text);
	text = render(&now, NULL, &view);
	assert_contains(text, "scanned -  merged -  broken -  CPU - %");
	free(text);
	/* At the same moment there is no rate. */
	before.time_ns = now.time_ns;
	text = render(&now, &before, &view);
	assert_contains(text, "scanned -");
	free(text);
}

static void test_order(void **state)
{
	struct snapshot now, before;
	enum top_sort sort;

	(void)state;
	make(&now, &before);
	assert_order(&now, &before, (struct top_view){ .sort = TOP_SAVED }, "bcad");
	assert_order(&now, &before, (struct top_view){ .sort = TOP_SAVED, .reverse = true },
		     "dacb");
	assert_order(&now, &before, (struct top_view){ .sort = TOP_NAME }, "abcd");
	assert_order(&now, &before, (struct top_view){ .sort = TOP_PID }, "bcad");
	assert_order(&now, &before, (struct top_view){ .sort = TOP_BREAKS }, "cadb");
	assert_order(&now, &before, (struct top_view){ .sort = TOP_CPU }, "adcb");
	/* Equal: by id, whichever way. */
	assert_order(&now, &before, (struct top_view){ .sort = TOP_RESIDENT }, "dacb");
	assert_order(&now, &before, (struct top_view){ .sort = TOP_ZERO, .reverse = true },
		     "dacb");
	for (sort = 0; sort < TOP_SORT_NR; sort++) {
		enum top_sort parsed;

		assert_true(top_sort_parse(top_sort_name(sort), &parsed));
		assert_int_equal(parsed, sort);
	}
	assert_false(top_sort_parse("", &sort));
}

static void test_scroll(void **state)
{
	struct top_view view = { .sort = TOP_NAME, .rows = 2, .first = 1 };
	struct snapshot now, before;
	char *text;

	(void)state;
	make(&now, &before);
	assert_order(&now, &before, view, "bc");
	view.first = SIZE_MAX;
	text = render(&now, &before, &view);
	free(text);
	assert_int_equal(view.first, 2);
	now.guests.count = 1;
	text = render(&now, &before, &view);
	free(text);
	assert_int_equal(view.first, 0);
	now.guests.count = 0;
	assert_order(&now, &before, view, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_scroll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
