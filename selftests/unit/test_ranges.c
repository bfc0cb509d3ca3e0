// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/ranges.h"

#define MAX	64
#define MIB	(1ULL << 20)
#define GRACE	500

static struct vmdedup_range next[MAX];

static struct vmdedup_range range(u64 start, u64 end, u64 gpa, u32 slot)
{
	return (struct vmdedup_range){
		.start = start, .end = end, .gpa = gpa, .slot = slot,
	};
}

static void is(const struct vmdedup_range *r, u64 start, u64 end, u64 gpa, u64 id)
{
	assert_int_equal(r->start, start);
	assert_int_equal(r->end, end);
	assert_int_equal(r->gpa, gpa);
	assert_int_equal(r->id, id);
}

static void cut_at_low_memory(void **state)
{
	struct vmdedup_range out[VMDEDUP_RANGE_CUTS];
	struct vmdedup_range slot = range(8 * MIB, 12 * MIB, 0, 3);

	(void)state;
	assert_int_equal(vmdedup_ranges_cut(out, &slot), 2);
	is(&out[0], 8 * MIB, 9 * MIB, 0, 0);
	is(&out[1], 9 * MIB, 12 * MIB, MIB, 0);
	assert_int_equal(out[1].slot, 3);
	slot = range(8 * MIB, 9 * MIB, 0, 3);
	assert_int_equal(vmdedup_ranges_cut(out, &slot), 1);
	slot = range(8 * MIB, 9 * MIB, MIB, 3);
	assert_int_equal(vmdedup_ranges_cut(out, &slot), 1);
	/* In the middle, and by one page. */
	slot = range(8 * MIB, 9 * MIB, 4096, 3);
	assert_int_equal(vmdedup_ranges_cut(out, &slot), 2);
	is(&out[1], 9 * MIB - 4096, 9 * MIB, MIB, 0);
	/* No wrap at the top of either. */
	slot = range(4096, ~0ULL & ~4095ULL, 0, 0);
	assert_int_equal(vmdedup_ranges_cut(out, &slot), 2);
	slot = range(4096, 8192, ~0ULL & ~4095ULL, 0);
	assert_int_equal(vmdedup_ranges_cut(out, &slot), 1);
}

static unsigned int plan(struct vmdedup_range *want, unsigned int nwant,
			 struct vmdedup_range *have, unsigned int nhave, u64 now)
{
	unsigned int left, nr;

	nr = vmdedup_ranges_plan(want, nwant, have, nhave, next, MAX, now,
				 GRACE, &left);
	assert_int_equal(left, 0);
	return nr;
}

static void nothing(void **state)
{
	(void)state;
	assert_int_equal(plan(NULL, 0, NULL, 0, 1), 0);
}

static void new_ones(void **state)
{
	struct vmdedup_range want[] = {
		range(300, 400, 7000, 2), range(100, 200, 5000, 1),
	};

	(void)state;
	assert_int_equal(plan(want, 2, NULL, 0, 1), 2);
	is(&next[0], 100, 200, 5000, 0);
	is(&next[1], 300, 400, 7000, 0);
}

static void kept_while_covered(void **state)
{
	struct vmdedup_range have[] = { range(100, 200, 5000, 1) };
	struct vmdedup_range pieces[] = {
		range(150, 260, 5050, 8), range(90, 150, 4990, 7),
	};

	(void)state;
	have[0].id = 42;
	assert_int_equal(plan(pieces, 2, have, 1, 1), 3);
	is(&next[0], 90, 100, 4990, 0);
	is(&next[1], 100, 200, 5000, 42);
	assert_int_equal(next[1].slot, 7);
	assert_int_equal(next[1].gone, 0);
	is(&next[2], 200, 260, 5100, 0);
	assert_int_equal(next[2].slot, 8);
}

static void gone_after_grace(void **state)
{
	struct vmdedup_range have[] = { range(100, 200, 5000, 1) };
	/* The same memory elsewhere, and a hole of one. */
	struct vmdedup_range moved[] = { range(100, 200, 6000, 1) };
	struct vmdedup_range holed[] = {
		range(100, 150, 5000, 1), range(151, 200, 5051, 2),
	};

	(void)state;
	have[0].id = 42;
	assert_int_equal(plan(moved, 1, have, 1, 1000), 1);
	is(&next[0], 100, 200, 5000, 42);
	assert_int_equal(next[0].gone, 1000);
	have[0] = next[0];
	assert_int_equal(plan(moved, 1, have, 1, 1000 + GRACE - 1), 1);
	is(&next[0], 100, 200, 5000, 42);
	have[0] = next[0];
	assert_int_equal(plan(moved, 1, have, 1, 1000 + GRACE), 1);
	is(&next[0], 100, 200, 6000, 0);

	have[0].gone = 1;
	assert_int_equal(plan(holed, 2, have, 1, 1000), 2);
	is(&next[0], 100, 150, 5000, 0);
	is(&next[1], 151, 200, 5051, 0);

	/* Back in time: as if it had never gone. */
	have[0].gone = 900;
	moved[0].gpa = 5000;
	assert_int_equal(plan(moved, 1, have, 1, 1000), 1);
	is(&next[0], 100, 200, 5000, 42);
	assert_int_equal(next[0].gone, 0);
}

static void no_room(void **state)
{
	struct vmdedup_range want[] = {
		range(100, 200, 1, 0), range(300, 400, 2, 0), range(500, 600, 3, 0),
	};
	struct vmdedup_range have[] = { range(500, 600, 3, 0) };
	unsigned int left;

	(void)state;
	have[0].id = 42;
	assert_int_equal(vmdedup_ranges_plan(want, 3, have, 1, next, 2, 1, GRACE,
					     &left), 2);
	assert_int_equal(left, 1);
	is(&next[0], 100, 200, 1, 0);
	is(&next[1], 500, 600, 3, 42);
}

/* Any slots, overlapping as they like, one plan after the other. */

#define SPACE	48
#define WANTED	8

static u64 seed = 1;

static unsigned int any(unsigned int below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % below;
}

static bool wanted(const struct vmdedup_range *want, unsigned int nwant, u64 at,
		   const u64 *gpa)
{
	unsigned int i;

	for (i = 0; i < nwant; i++)
		if (want[i].start <= at && at < want[i].end &&
		    (!gpa || want[i].gpa + (at - want[i].start) == *gpa))
			return true;
	return false;
}

static bool all_wanted(const struct vmdedup_range *r,
		       const struct vmdedup_range *want, unsigned int nwant)
{
	u64 at;

	for (at = r->start; at < r->end; at++) {
		u64 gpa = r->gpa + (at - r->start);

		if (!wanted(want, nwant, at, &gpa))
			return false;
	}
	return true;
}

static const struct vmdedup_range *by_id(const struct vmdedup_range *list,
					 unsigned int nr, u64 id)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (list[i].id == id)
			return &list[i];
	return NULL;
}

static void check_plan(const struct vmdedup_range *want, unsigned int nwant,
		       const struct vmdedup_range *had, unsigned int nhad,
		       unsigned int nr, u64 now)
{
	unsigned int i, times;
	u64 at;

	for (i = 0; i < nr; i++) {
		assert_true(next[i].start < next[i].end);
		assert_true(!i || next[i - 1].end <= next[i].start);
		if (!next[i].id)
			assert_true(all_wanted(&next[i], want, nwant));
		else
			assert_non_null(by_id(had, nhad, next[i].id));
	}
	for (i = 0; i < nhad; i++) {
		const struct vmdedup_range *r = by_id(next, nr, had[i].id);
		bool stays = all_wanted(&had[i], want, nwant);

		if (stays || !had[i].gone || now - had[i].gone < GRACE) {
			assert_non_null(r);
			is(r, had[i].start, had[i].end, had[i].gpa, had[i].id);
			assert_int_equal(!r->gone, stays);
		} else {
			assert_null(r);
		}
	}
	for (at = 0; at < SPACE; at++) {
		for (times = 0, i = 0; i < nr; i++)
			times += next[i].start <= at && at < next[i].end;
		if (wanted(want, nwant, at, NULL))
			assert_int_equal(times, 1);
		else
			assert_true(times <= 1);
	}
}

static void any_slots(void **state)
{
	struct vmdedup_range want[WANTED], had[MAX], have[MAX];
	unsigned int round, nwant, nhave = 0, nr, i;
	u64 now = 1, id = 0;

	(void)state;
	for (round = 0; round < 20000; round++) {
		nwant = any(WANTED + 1);
		for (i = 0; i < nwant; i++) {
			u64 start = any(SPACE - 1);
			u64 end = start + 1 + any(SPACE - start - 1);

			/* Few places, so that they meet often. */
			want[i] = range(start, end, 1000 * any(3) + start, i);
		}
		memcpy(had, have, sizeof(had));
		now += any(GRACE);
		nr = plan(want, nwant, have, nhave, now);
		check_plan(want, nwant, had, nhave, nr, now);
		nhave = 0;
		for (i = 0; i < nr; i++) {
			/* Now and then one is refused. */
			if (!next[i].id && !any(8))
				continue;
			have[nhave] = next[i];
			if (!next[i].id)
				have[nhave].id = ++id;
			nhave++;
		}
	}
	assert_true(id > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing),
		cmocka_unit_test(cut_at_low_memory),
		cmocka_unit_test(new_ones),
		cmocka_unit_test(kept_while_covered),
		cmocka_unit_test(gone_after_grace),
		cmocka_unit_test(no_room),
		cmocka_unit_test(any_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
