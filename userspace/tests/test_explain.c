// SPDX-License-Identifier: GPL-2.0
/* Every errno of the contract in <linux/vmdedup.h> has a sentence of its own. */
#include <errno.h>
#include <string.h>

#include "harness.h"

static void test_open(void **state)
{
	char text[VMDEDUP_EXPLAIN_MAX];

	(void)state;
	assert_string_equal(vmdedup_explain_open(-ENOENT, text, sizeof(text)),
			    "the vmdedup module is not loaded: modprobe vmdedup");
	assert_contains(vmdedup_explain_open(-EACCES, text, sizeof(text)), "run as root");
	assert_contains(vmdedup_explain_open(-EMFILE, text, sizeof(text)), "open files");
}

static void test_register(void **state)
{
	static const struct {
		int err;
		struct vmdedup_register reg;
		const char *part;
	} cases[] = {
		{ -EINVAL, { .start = 0x1001, .length = 4096 }, "0x1001" },
		{ -EINVAL, { .start = 0x1000, .length = 4097 }, "length, 4097" },
		{ -EINVAL, { .start = 0x1000 }, "empty" },
		{ -EINVAL, { .pid = -5, .length = 4096 }, "-5 is not a process id" },
		{ -EINVAL, { .flags = VMDEDUP_REGISTER_ALL, .length = 4096 }, "whole address" },
		{ -EINVAL, { .flags = VMDEDUP_REGISTER_ALL }, "malformed" },
		{ -EOVERFLOW, { 0 }, "beyond the end of user space" },
		{ -ESRCH, { .pid = 12 }, "no process 12" },
		{ -EPERM, { .pid = 12 }, "CAP_SYS_PTRACE" },
		{ -EFAULT, { 0 }, "nothing is mapped" },
		{ -EOPNOTSUPP, { .reason = VMDEDUP_SKIP_SHARED }, "MAP_SHARED, memfd" },
		{ -EOPNOTSUPP, { .reason = VMDEDUP_SKIP_HUGETLB }, "hugetlbfs memory" },
		{ -EOPNOTSUPP, { .reason = VMDEDUP_SKIP_NONE }, "none of it" },
		{ -EOPNOTSUPP, { .reason = 31 }, "reason 31" },
		{ -EEXIST, { .region_id = 9 }, "region 9 in part" },
		{ -EDQUOT, { 0 }, "max_regions" },
		{ -ENOSPC, { 0 }, "too many regions" },
		{ -ENODEV, { 0 }, "being unloaded" },
		{ -ENOTTY, { 0 }, "update" },
		{ -E2BIG, { 0 }, "update" },
		{ -ENOMEM, { 0 }, "out of memory" },
		{ -EINTR, { 0 }, "signal" },
		{ -EBADF, { 0 }, "not open" },
		{ -EIO, { 0 }, "nput/output error" },
		{ -4000, { 0 }, "-4000" },
		{ 0, { 0 }, "" },
	};
	char text[VMDEDUP_EXPLAIN_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		assert_contains(vmdedup_explain_register(cases[i].err, &cases[i].reg,
							 text, sizeof(text)), cases[i].part);
}

static void test_region_calls(void **state)
{
	struct vmdedup_unregister unreg = { .region_id = 5 };
	struct vmdedup_query query = { .region_id = 5 };
	struct vmdedup_merge merge = { .region_id = 5 };
	char text[VMDEDUP_EXPLAIN_MAX];

	(void)state;
	assert_contains(vmdedup_explain_unregister(-ENOENT, &unreg, text, sizeof(text)),
			"no region 5");
	assert_contains(vmdedup_explain_unregister(-ENOMEM, &unreg, text, sizeof(text)),
			"out of memory");
	unreg.flags = VMDEDUP_UNREGISTER_UNMERGE;
	assert_contains(vmdedup_explain_unregister(-ENOMEM, &unreg, text, sizeof(text)),
			"stays registered");
	assert_contains(vmdedup_explain_query(-EPERM, &query, text, sizeof(text)), "region 5");
	query.flags = VMDEDUP_QUERY_NEXT;
	assert_string_equal(vmdedup_explain_query(-ENOENT, &query, text, sizeof(text)),
			    "no more regions");
	assert_contains(vmdedup_explain_merge(-ENOENT, &merge, text, sizeof(text)),
			"no region 5");
}

/* VMDEDUP_EXPLAIN_MAX is enough, and a shorter buffer is respected. */
static void test_buffer(void **state)
{
	struct vmdedup_register reg = { .start = UINT64_MAX, .length = UINT64_MAX };
	char text[1024];
	int err;

	(void)state;
	for (err = 0; err < 200; err++) {
		for (reg.reason = 0; reg.reason <= VMDEDUP_SKIP_NR; reg.reason++) {
			vmdedup_explain_register(-err, &reg, text, sizeof(text));
			assert_in_range(strlen(text), 1, VMDEDUP_EXPLAIN_MAX - 1);
		}
	}
	memset(text, 'x', sizeof(text));
	vmdedup_explain_open(-ENOENT, text, 5);
	assert_memory_equal(text, "the \0x", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_register),
		cmocka_unit_test(test_region_calls),
		cmocka_unit_test(test_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
