// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include "core/stable.h"

static struct vmdedup_tree tree;

static int setup(void **state)
{
	(void)state;
	vmdedup_tree_init(&tree);
	return 0;
}

static struct vmdedup_frame new_frame(u64 domain, u64 sum)
{
	return (struct vmdedup_frame){ .node.key = { domain, sum } };
}

static int users(const struct vmdedup_frame *frame)
{
	return atomic_read(&frame->users);
}

static void get_from_empty(void **state)
{
	struct vmdedup_key key = { 1, 2 };

	(void)state;
	assert_null(vmdedup_stable_get(&tree, &key));
	assert_false(vmdedup_stable_has(&tree, &key));
}

static void add_uses(void **state)
{
	struct vmdedup_frame frame = new_frame(1, 2);

	(void)state;
	assert_true(vmdedup_stable_idle(&frame));
	assert_ptr_equal(vmdedup_stable_add(&tree, &frame), &frame);
	assert_int_equal(users(&frame), 1);
	assert_int_equal(vmdedup_tree_count(&tree), 1);
	assert_false(vmdedup_stable_idle(&frame));
	vmdedup_stable_put(&frame);
	assert_true(vmdedup_stable_idle(&frame));
	/* Unused is not gone. */
	assert_true(vmdedup_stable_has(&tree, &frame.node.key));
}

static void get_uses(void **state)
{
	struct vmdedup_frame frame = new_frame(1, 2);
	int i;

	(void)state;
	vmdedup_stable_add(&tree, &frame);
	for (i = 2; i < 100; i++) {
		struct vmdedup_key key = { 1, 2 };

		assert_ptr_equal(vmdedup_stable_get(&tree, &key), &frame);
		assert_int_equal(users(&frame), i);
	}
	for (i = 99; i; i--) {
		assert_int_equal(users(&frame), i);
		assert_false(vmdedup_stable_idle(&frame));
		vmdedup_stable_put(&frame);
	}
	assert_true(vmdedup_stable_idle(&frame));
}

static void dup_uses(void **state)
{
	struct vmdedup_frame frame = new_frame(1, 2);

	(void)state;
	vmdedup_stable_add(&tree, &frame);
	vmdedup_stable_dup(&frame);
	vmdedup_stable_put(&frame);
	assert_false(vmdedup_stable_idle(&frame));
	vmdedup_stable_put(&frame);
	assert_true(vmdedup_stable_idle(&frame));
}

static void has_does_not_use(void **state)
{
	struct vmdedup_frame frame = new_frame(1, 2);

	(void)state;
	vmdedup_stable_add(&tree, &frame);
	assert_true(vmdedup_stable_has(&tree, &frame.node.key));
	assert_int_equal(users(&frame), 1);
}

static void add_of_a_key_that_is_there(void **state)
{
	struct vmdedup_frame first = new_frame(1, 2);
	struct vmdedup_frame second = new_frame(1, 2);

	(void)state;
	vmdedup_stable_add(&tree, &first);
	assert_ptr_equal(vmdedup_stable_add(&tree, &second), &first);
	assert_int_equal(users(&first), 2);
	/* The other one is as if nothing had been. */
	assert_int_equal(users(&second), 0);
	assert_int_equal(vmdedup_tree_count(&tree), 1);
	/* The one that is there is returned to its own adder as well. */
	assert_ptr_equal(vmdedup_stable_get(&tree, &second.node.key), &first);
	assert_int_equal(users(&first), 3);
}

static void domains_are_apart(void **state)
{
	struct vmdedup_frame a = new_frame(1, 2), b = new_frame(2, 2);
	struct vmdedup_key key = { 3, 2 };

	(void)state;
	assert_ptr_equal(vmdedup_stable_add(&tree, &a), &a);
	assert_false(vmdedup_stable_has(&tree, &b.node.key));
	assert_null(vmdedup_stable_get(&tree, &b.node.key));
	assert_ptr_equal(vmdedup_stable_add(&tree, &b), &b);
	assert_null(vmdedup_stable_get(&tree, &key));
	assert_ptr_equal(vmdedup_stable_get(&tree, &a.node.key), &a);
	assert_ptr_equal(vmdedup_stable_get(&tree, &b.node.key), &b);
	assert_int_equal(users(&a), 2);
	assert_int_equal(users(&b), 2);
}

/* The page of a frame is nobody's business here. */
static void page_is_left_alone(void **state)
{
	struct vmdedup_frame frame = new_frame(1, 2);
	char page[1];

	(void)state;
	frame.page = (struct page *)page;
	vmdedup_stable_add(&tree, &frame);
	vmdedup_stable_get(&tree, &frame.node.key);
	vmdedup_stable_put(&frame);
	assert_ptr_equal(frame.page, (struct page *)page);
}

static enum vmdedup_sweep erase_idle(struct vmdedup_node *node, void *arg)
{
	(void)arg;
	return vmdedup_stable_idle(vmdedup_frame_of(node)) ?
		VMDEDUP_SWEEP_ERASE : VMDEDUP_SWEEP_KEEP;
}

static void free_frame(struct vmdedup_node *node, void *arg)
{
	++*(unsigned int *)arg;
	free(vmdedup_frame_of(node));
}

/* As the engine does: idle frames go, used ones stay and can be got. */
static void sweep_of_idle_frames(void **state)
{
	static const struct vmdedup_sweep_ops ops = { erase_idle, free_frame };
	unsigned int i, erased = 0;

	(void)state;
	for (i = 0; i < 1000; i++) {
		struct vmdedup_frame *frame = malloc(sizeof(*frame));

		assert_non_null(frame);
		*frame = new_frame(i % 2, (u64)i << 54);
		assert_ptr_equal(vmdedup_stable_add(&tree, frame), frame);
		if (i % 3)
			vmdedup_stable_put(frame);
	}
	vmdedup_tree_sweep(&tree, &ops, &erased);
	assert_int_equal(erased, 666);
	assert_int_equal(vmdedup_tree_count(&tree), 334);
	for (i = 0; i < 1000; i++) {
		struct vmdedup_key key = { i % 2, (u64)i << 54 };
		struct vmdedup_frame *frame = vmdedup_stable_get(&tree, &key);

		assert_int_equal(!!frame, i % 3 == 0);
		assert_int_equal(vmdedup_stable_has(&tree, &key), !!frame);
		if (frame) {
			vmdedup_stable_put(frame);
			vmdedup_stable_put(frame);
		}
	}
	vmdedup_tree_sweep(&tree, &ops, &erased);
	assert_int_equal(erased, 1000);
	assert_int_equal(vmdedup_tree_count(&tree), 0);
}

#define WALKED	1000

static struct vmdedup_frame walked[WALKED];

static void add_walked(unsigned int i)
{
	walked[i] = new_frame(i % 3, i * 0x9e3779b97f4a7c15ULL);
	assert_ptr_equal(vmdedup_stable_add(&tree, &walked[i]), &walked[i]);
	vmdedup_stable_put(&walked[i]);
}

/* Each is met once, in use; and the next round begins anew. */
static void walk_meets_all(void **state)
{
	struct vmdedup_cursor cursor = {};
	struct vmdedup_frame *frame;
	unsigned int i, round;

	(void)state;
	assert_null(vmdedup_stable_next(&tree, &cursor));
	for (i = 0; i < WALKED; i++)
		add_walked(i);
	for (round = 0; round < 3; round++) {
		unsigned int met = 0;
		bool seen[WALKED] = {};

		while ((frame = vmdedup_stable_next(&tree, &cursor))) {
			i = frame - walked;
			assert_in_range(i, 0, WALKED - 1);
			assert_false(seen[i]);
			seen[i] = true;
			met++;
			assert_int_equal(users(frame), 1);
			vmdedup_stable_put(frame);
		}
		assert_int_equal(met, WALKED);
	}
}

/* What it met last, and any other, may be gone when it goes on. */
static void walk_of_what_changes(void **state)
{
	static const struct vmdedup_key none;
	struct vmdedup_cursor cursor = {};
	struct vmdedup_frame *frame;
	unsigned int i, met = 0;

	(void)state;
	for (i = 0; i < WALKED / 2; i++)
		add_walked(i);
	while ((frame = vmdedup_stable_next(&tree, &cursor))) {
		/* Frames of the second half come and go. */
		unsigned int other = WALKED / 2 + met % (WALKED / 2);

		met += frame < &walked[WALKED / 2];
		if (frame < &walked[WALKED / 2] &&
		    !walked[other].node.key.sum)
			add_walked(other);
		if (frame >= &walked[WALKED / 2]) {
			assert_true(vmdedup_stable_expel(&tree, frame,
							 VMDEDUP_CORRUPT));
			frame->node.key = none;
		}
		vmdedup_stable_put(frame);
	}
	assert_int_equal(met, WALKED / 2);
}

static void expel_takes_out(void **state)
{
	struct vmdedup_frame frame = new_frame(1, 2), next = new_frame(1, 2);

	(void)state;
	vmdedup_stable_add(&tree, &frame);
	vmdedup_stable_dup(&frame);
	assert_int_equal(frame.bad, VMDEDUP_GOOD);
	assert_true(vmdedup_stable_expel(&tree, &frame, VMDEDUP_CORRUPT));
	assert_int_equal(frame.bad, VMDEDUP_CORRUPT);
	/* Its users still have it, nobody else can. */
	assert_int_equal(users(&frame), 2);
	assert_null(vmdedup_stable_get(&tree, &frame.node.key));
	assert_int_equal(vmdedup_tree_count(&tree), 0);
	/* Once is enough, and what it was found to be remains. */
	assert_false(vmdedup_stable_expel(&tree, &frame, VMDEDUP_POISONED));
	assert_int_equal(frame.bad, VMDEDUP_CORRUPT);
	/* Another one takes its place, and is left alone by whoever had it. */
	assert_ptr_equal(vmdedup_stable_add(&tree, &next), &next);
	assert_false(vmdedup_stable_expel(&tree, &frame, VMDEDUP_CORRUPT));
	assert_true(vmdedup_stable_has(&tree, &next.node.key));
	assert_int_equal(vmdedup_tree_count(&tree), 1);
	vmdedup_stable_put(&frame);
	vmdedup_stable_put(&frame);
	assert_true(vmdedup_stable_idle(&frame));
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(get_from_empty),
		TEST(add_uses),
		TEST(get_uses),
		TEST(dup_uses),
		TEST(has_does_not_use),
		TEST(add_of_a_key_that_is_there),
		TEST(domains_are_apart),
		TEST(page_is_left_alone),
		TEST(sweep_of_idle_frames),
		TEST(walk_meets_all),
		TEST(walk_of_what_changes),
		TEST(expel_takes_out),
	};

	return cmocka_run_group_tests_name("stable", tests, NULL, NULL);
}
