// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/filter.h"
#include "model.h"

#define SALT	0x0123456789abcdefULL

static void open_filter(struct vmdedup_filter *filter, u64 lines)
{
	struct vmdedup_filter_line *line;

	line = aligned_alloc(64, lines * sizeof(*line));
	assert_non_null(line);
	memset(line, 0, lines * sizeof(*line));
	vmdedup_filter_init(filter, line, lines, SALT);
}

static void close_filter(struct vmdedup_filter *filter)
{
	free(filter->line);
}

static u64 sketch_of(u64 content)
{
	return rng_next(&content);
}

static void end_epoch(struct vmdedup_filter *filter)
{
	unsigned int i;

	for (i = 0; i < VMDEDUP_FILTER_EPOCH; i++)
		vmdedup_filter_sweep(filter);
}

static void one_place_is_here(void **state)
{
	struct vmdedup_filter filter;
	unsigned int gen;

	(void)state;
	open_filter(&filter, 4);
	for (gen = 0; gen < 3 * VMDEDUP_FILTER_EPOCH; gen++) {
		assert_int_equal(vmdedup_filter_note(&filter, sketch_of(1), 77, 1),
				 VMDEDUP_SEEN_HERE);
		assert_int_equal(vmdedup_filter_note(&filter, sketch_of(1), 77, 1),
				 VMDEDUP_SEEN_HERE);
		vmdedup_filter_sweep(&filter);
		assert_true(filter.used == 1);
	}
	close_filter(&filter);
}

/* All but those few pairs that look like one place; none of them for good. */
static void two_places_are_elsewhere(void **state)
{
	struct vmdedup_filter filter;
	unsigned int i, epoch, missed = 0, ever = 0;

	(void)state;
	for (i = 0; i < 3000; i++) {
		open_filter(&filter, 1);
		for (epoch = 0; epoch < 12; epoch++) {
			enum vmdedup_sighting seen;

			vmdedup_filter_note(&filter, sketch_of(i), 2 * i, 1);
			seen = vmdedup_filter_note(&filter, sketch_of(i),
						   2 * i + 1, 1);
			if (seen == VMDEDUP_SEEN_ELSEWHERE)
				break;
			if (!epoch)
				missed++;
			end_epoch(&filter);
		}
		ever += epoch < 12;
		close_filter(&filter);
	}
	/* 3000 / 255 expected, standard deviation 3.4. */
	assert_in_range(missed, 1, 30);
	assert_int_equal(ever, 3000);
}

/* Two places whose hashes differ in the first epoch. */
static void first_learns_the_next_time(void **state)
{
	struct vmdedup_filter filter;
	unsigned int gen;

	(void)state;
	open_filter(&filter, 3);
	assert_int_equal(vmdedup_filter_note(&filter, 5, 1, 1), VMDEDUP_SEEN_HERE);
	assert_int_equal(vmdedup_filter_note(&filter, 5, 2, 1),
			 VMDEDUP_SEEN_ELSEWHERE);
	/* The other one has gone: that is known with the next epoch. */
	for (gen = 0; gen < VMDEDUP_FILTER_EPOCH; gen++) {
		assert_int_equal(vmdedup_filter_note(&filter, 5, 1, 1),
				 VMDEDUP_SEEN_ELSEWHERE);
		vmdedup_filter_sweep(&filter);
	}
	assert_int_equal(vmdedup_filter_note(&filter, 5, 1, 1), VMDEDUP_SEEN_HERE);
	close_filter(&filter);
}

/* For as long as the frame is marked again in time, and a while after. */
static void frames_are_elsewhere(void **state)
{
	struct vmdedup_filter filter;
	unsigned int gen, place = 0;

	(void)state;
	open_filter(&filter, 3);
	vmdedup_filter_note(&filter, 6, 1, 1);
	vmdedup_filter_mark(&filter, 5);
	vmdedup_filter_mark(&filter, 6);
	for (gen = 0; gen < 3 * VMDEDUP_FILTER_EPOCH; gen++) {
		assert_int_equal(vmdedup_filter_note(&filter, 5, place++, 0),
				 VMDEDUP_SEEN_ELSEWHERE);
		assert_int_equal(vmdedup_filter_note(&filter, 6, 1, 0),
				 VMDEDUP_SEEN_ELSEWHERE);
		vmdedup_filter_sweep(&filter);
		vmdedup_filter_mark(&filter, 5);
		vmdedup_filter_mark(&filter, 6);
	}
	for (gen = 0; gen <= VMDEDUP_FILTER_EPOCH; gen++)
		vmdedup_filter_sweep(&filter);
	assert_true(!filter.used);
	assert_int_equal(vmdedup_filter_note(&filter, 5, 1, 1), VMDEDUP_SEEN_HERE);
	close_filter(&filter);
}

static void frames_find_room(void **state)
{
	struct vmdedup_filter filter;
	unsigned int i;

	(void)state;
	open_filter(&filter, 1);
	for (i = 0; i < 100; i++)
		vmdedup_filter_note(&filter, sketch_of(i), i, 1);
	vmdedup_filter_mark(&filter, sketch_of(1000));
	assert_int_equal(vmdedup_filter_note(&filter, sketch_of(1000), 7, 1),
			 VMDEDUP_SEEN_ELSEWHERE);
	close_filter(&filter);
}

static void what_is_not_seen_is_forgotten(void **state)
{
	struct vmdedup_filter filter;
	unsigned int i;

	(void)state;
	open_filter(&filter, vmdedup_filter_lines(1000));
	for (i = 0; i < 1000; i++)
		vmdedup_filter_note(&filter, sketch_of(i), i, i < 100 ? 2 : 1);
	vmdedup_filter_sweep(&filter);
	/* But for what did not fit in, or shared a tag. */
	assert_in_range(filter.used, 900, 1000);
	vmdedup_filter_sweep(&filter);
	assert_in_range(filter.used, 90, 100);
	vmdedup_filter_note(&filter, sketch_of(7), 7, 100);
	vmdedup_filter_sweep(&filter);
	assert_true(filter.used == 1);
	/* The end of the epoch: what there was, and nothing from then on. */
	vmdedup_filter_sweep(&filter);
	assert_true(filter.generation == VMDEDUP_FILTER_EPOCH);
	assert_true(filter.used == 1);
	vmdedup_filter_sweep(&filter);
	assert_true(!filter.used);
	close_filter(&filter);
}

/*
 * Pairs that find no room where they belong do so in another epoch: frames have
 * all the room there is in some lines, as many as belong there.
 */
static void none_is_left_out_for_ever(void **state)
{
	struct vmdedup_filter filter;
	unsigned int i, epoch, gen, told = 0;
	bool ever[200] = {};

	(void)state;
	open_filter(&filter, vmdedup_filter_lines(2000));
	for (epoch = 0; epoch < 16; epoch++) {
		for (gen = 0; gen < VMDEDUP_FILTER_EPOCH; gen++) {
			for (i = 0; i < 1800; i++)
				vmdedup_filter_mark(&filter, sketch_of(1000 + i));
			for (i = 0; i < 2 * 200; i++)
				ever[i / 2] |= vmdedup_filter_note(&filter,
						sketch_of(i / 2), i, 3) ==
					       VMDEDUP_SEEN_ELSEWHERE;
			vmdedup_filter_sweep(&filter);
		}
	}
	for (i = 0; i < 200; i++)
		told += ever[i];
	assert_int_equal(told, 200);
	close_filter(&filter);
}

/* There is no room for all; pairs get some in time. */
static void full_lines_take_turns(void **state)
{
	struct vmdedup_filter filter;
	unsigned int i, pass, told = 0;
	bool ever[40] = {};

	(void)state;
	open_filter(&filter, 1);
	for (i = 0; i < 100; i++)
		vmdedup_filter_note(&filter, sketch_of(i), i, 1);
	assert_int_equal(atomic_read(&filter.refused), 100 - VMDEDUP_FILTER_SLOTS);
	vmdedup_filter_sweep(&filter);
	assert_true(filter.used == VMDEDUP_FILTER_SLOTS);
	assert_int_equal(atomic_read(&filter.refused), 0);
	close_filter(&filter);

	/* Ten pairs, among twenty that are alone. */
	open_filter(&filter, 1);
	for (pass = 0; pass < 64; pass++) {
		for (i = 0; i < 40; i++) {
			unsigned int what = i < 20 ? i / 2 : i;

			if (vmdedup_filter_note(&filter, sketch_of(what), i, 1) ==
			    VMDEDUP_SEEN_ELSEWHERE)
				ever[what] = true;
		}
		if (pass % 16 == 15)
			vmdedup_filter_sweep(&filter);
	}
	for (i = 0; i < 10; i++)
		told += ever[i];
	assert_in_range(told, 9, 10);
	close_filter(&filter);
}

/* The first and the last line are reached, and none beyond (ASan). */
static void every_line_is_used(void **state)
{
	struct vmdedup_filter filter;
	unsigned int i, lines;

	(void)state;
	for (lines = 1; lines < 20; lines++) {
		open_filter(&filter, lines);
		vmdedup_filter_note(&filter, 1, 1, 1);
		vmdedup_filter_note(&filter, U64_MAX, 1, 1);
		for (i = 0; i < 30 * lines; i++) {
			vmdedup_filter_prefetch(&filter, sketch_of(i));
			vmdedup_filter_note(&filter, sketch_of(i), i, 1);
		}
		for (i = 0; i < lines; i++)
			assert_true(filter.line[i].tag[0]);
		close_filter(&filter);
	}
}

/*
 * Against what is really so: pages whose content few share, generations in which
 * some change. Nothing that is alone may be taken for shared more often than
 * tags collide, and what is shared is told nearly always.
 */
static void against_a_model(void **state)
{
	enum { PAGES = 20000, GENS = 8 };
	static unsigned int content[PAGES], places[2 * PAGES], known[2 * PAGES];
	unsigned int i, gen, wrong = 0, alone = 0, missed = 0, shared = 0;
	struct vmdedup_filter filter;
	u64 rng = 3;

	(void)state;
	open_filter(&filter, vmdedup_filter_lines(PAGES));
	for (i = 0; i < PAGES; i++)
		content[i] = rng_below(&rng, 2 * PAGES);
	for (gen = 0; gen < GENS; gen++) {
		memset(places, 0, sizeof(places));
		memset(known, 0, sizeof(known));
		for (i = 0; i < PAGES; i++)
			places[content[i]]++;
		for (i = 0; i < PAGES; i++)
			known[content[i]] |=
				vmdedup_filter_note(&filter, sketch_of(content[i]), i, 0);
		for (i = 0; i < PAGES; i++) {
			if (places[content[i]] > 1) {
				shared++;
				missed += !known[content[i]];
			} else if (gen) {
				alone++;
				wrong += known[content[i]];
			}
		}
		vmdedup_filter_sweep(&filter);
		/* A page that changes to what nobody had before. */
		for (i = 0; i < PAGES; i += 16)
			content[i] = rng_below(&rng, 2 * PAGES);
	}
	/* Collisions of tags: 17 / 4096; and what was shared a while ago. */
	assert_in_range(wrong, 0, alone / 5);
	/* One place of 255 for pairs, full lines: some 3 %. */
	assert_in_range(missed, 0, shared / 12);
	assert_true(alone > PAGES && shared > PAGES);
	close_filter(&filter);
}

struct noter {
	struct vmdedup_filter *filter;
	unsigned int me;
};

static void *note_many(void *arg)
{
	struct noter *noter = arg;
	unsigned int i, round;

	for (round = 0; round < 20; round++)
		for (i = 0; i < 2000; i++)
			vmdedup_filter_note(noter->filter, sketch_of(i),
					    noter->me * 2000 + i, 1);
	return NULL;
}

/* Nothing is stored twice, and no lock stays held. */
static void threads(void **state)
{
	struct vmdedup_filter filter;
	struct noter noter[4];
	pthread_t thread[4];
	unsigned int i, j, k;

	(void)state;
	open_filter(&filter, vmdedup_filter_lines(2000));
	for (i = 0; i < 4; i++) {
		noter[i] = (struct noter){ &filter, i };
		assert_int_equal(pthread_create(&thread[i], NULL, note_many,
						&noter[i]), 0);
	}
	for (i = 0; i < 10; i++)
		vmdedup_filter_sweep(&filter);
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < filter.nr_lines; i++) {
		assert_int_equal(filter.line[i].lock, 0);
		for (j = 0; j < VMDEDUP_FILTER_SLOTS; j++)
			for (k = 0; k < j && filter.line[i].tag[j]; k++)
				assert_int_not_equal(filter.line[i].tag[j],
						     filter.line[i].tag[k]);
	}
	close_filter(&filter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_place_is_here),
		cmocka_unit_test(two_places_are_elsewhere),
		cmocka_unit_test(first_learns_the_next_time),
		cmocka_unit_test(frames_are_elsewhere),
		cmocka_unit_test(frames_find_room),
		cmocka_unit_test(what_is_not_seen_is_forgotten),
		cmocka_unit_test(none_is_left_out_for_ever),
		cmocka_unit_test(full_lines_take_turns),
		cmocka_unit_test(every_line_is_used),
		cmocka_unit_test(against_a_model),
		cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
