// SPDX-License-Identifier: GPL-2.0
/* The estimate, of processes and pages that are made up. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "estimate_private.h"
#include "harness.h"

#define POLICIES	VMDEDUP_ESTIMATE_POLICY_NR

/* Frame 0: a frame of the page's own. */
struct made_up {
	uint32_t proc;
	uint64_t content;
	uint64_t frame;
	size_t huge;
	bool fixed;
};

#define OF(p, c)	{ .proc = (p), .content = (c) }

static const char one_mapping[] =
	"10000-20000 rw-p 00000000 00:00 0 \n"
	"Rss:                  64 kB\n"
	"AnonHugePages:         0 kB\n"
	"VmFlags: rd wr mr mw me ac \n";

static void process(struct bench *bench, int pid, int uid, const char *cgroup)
{
	char path[64], text[128];

	snprintf(path, sizeof(path), "proc/%d/status", pid);
	snprintf(text, sizeof(text), "Name:\tqemu\nUid:\t%d\t0\t0\t0\n", uid);
	bench_write(bench, path, text);
	snprintf(path, sizeof(path), "proc/%d/cgroup", pid);
	bench_write(bench, path, cgroup);
	snprintf(path, sizeof(path), "proc/%d/smaps", pid);
	bench_write(bench, path, one_mapping);
	snprintf(path, sizeof(path), "proc/%d/mem", pid);
	bench_write(bench, path, "");
}

/* 0 and 1 are of one user, 1 and 2 of one cgroup. */
static struct vmdedup_estimate *begin(struct bench *bench, uint64_t seed, size_t memory)
{
	struct vmdedup_estimate_options options = {
		.proc_dir	= bench->proc_dir,
		.seed		= seed,
		.memory		= memory,
	};
	struct vmdedup_estimate *est;

	process(bench, 10, 1000, "0::/a\n");
	process(bench, 11, 1000, "0::/b\n");
	process(bench, 12, 1001, "3:memory:/b\n0::/c\n");
	assert_int_equal(vmdedup_estimate_new(&est, &options), 0);
	assert_int_equal(vmdedup_estimate_add(est, 10), 0);
	assert_int_equal(vmdedup_estimate_add(est, 11), 0);
	assert_int_equal(vmdedup_estimate_add(est, 12), 0);
	est->frames_known = true;
	return est;
}

static void fill(unsigned char *page, uint64_t content)
{
	size_t i;

	for (i = 0; i < EST_PAGE; i += sizeof(content))
		memcpy(page + i, &content, sizeof(content));
}

static void add(struct vmdedup_estimate *est, const struct made_up *made, uint64_t pfn)
{
	struct est_page page = {
		.proc	= made->proc,
		.pfn	= made->frame ? made->frame : pfn,
		.huge	= made->huge,
		.alone	= !made->frame,
		.fixed	= made->fixed,
	};
	unsigned char content[EST_PAGE];

	fill(content, made->content);
	assert_int_equal(est_add_page(est, &page, content), 0);
}

static const struct vmdedup_estimate_result *result_of(struct vmdedup_estimate *est)
{
	const struct vmdedup_estimate_result *result;

	assert_int_equal(vmdedup_estimate_result(est, &result), 0);
	return result;
}

static void test_identity(void **state)
{
	struct vmdedup_estimate *est = begin(*state, 1, 0);
	struct bench *bench = *state;
	const struct vmdedup_estimate_result *result;

	assert_int_equal(vmdedup_estimate_add(est, 11), -EEXIST);
	assert_int_equal(vmdedup_estimate_add(est, 99), -ESRCH);
	/* A kernel thread, and a file that is not one. */
	process(bench, 13, 0, "0::/\n");
	bench_write(bench, "proc/13/smaps", "");
	assert_int_equal(vmdedup_estimate_add(est, 13), -ESRCH);
	bench_write(bench, "proc/13/smaps", "garbage\n");
	assert_int_equal(vmdedup_estimate_add(est, 13), -EPROTO);
	bench_write(bench, "proc/13/status", "Name: none\n");
	assert_int_equal(vmdedup_estimate_add(est, 13), -EPROTO);
	result = result_of(est);
	assert_int_equal(result->nr_guests, 3);
	assert_int_equal(result->guests[2].pid, 12);
	assert_int_equal(result->guests[2].uid, 1001);
	assert_string_equal(result->guests[2].cgroup, "/b");
	assert_int_equal(result->answers[VMDEDUP_ESTIMATE_HOST].domains, 1);
	assert_int_equal(result->answers[VMDEDUP_ESTIMATE_UID].domains, 2);
	assert_int_equal(result->answers[VMDEDUP_ESTIMATE_CGROUP].domains, 2);
	assert_int_equal(result->answers[VMDEDUP_ESTIMATE_PROCESS].domains, 3);
	vmdedup_estimate_free(est);
}

static void test_options(void **state)
{
	static const struct vmdedup_estimate_options bad[] = {
		{ .memory = 1 }, { .memory = 65535 }, { .split_pages = 513 },
	};
	struct vmdedup_estimate *est;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(vmdedup_estimate_new(&est, &bad[i]), -EINVAL);
	assert_int_equal(vmdedup_estimate_new(&est, NULL), 0);
	vmdedup_estimate_free(est);
	vmdedup_estimate_free(NULL);
}

/* One of everything, by hand. */
static void test_by_hand(void **state)
{
	static const struct made_up pages[] = {
		OF(0, 5), OF(0, 5), OF(1, 5), OF(2, 5),	/* content 5 in all */
		OF(0, 6), OF(1, 6),			/* of one user */
		OF(1, 7), OF(2, 7),			/* in one cgroup */
		OF(2, 8),				/* alone */
		OF(0, 0), OF(0, 0), OF(1, 0),		/* zero */
		/* shared by now */
		{ .proc = 0, .content = 9, .frame = 100 },
		{ .proc = 1, .content = 9, .frame = 100 },
		OF(2, 9),				/* and equal to it */
		/* cannot be merged */
		{ .proc = 0, .content = 10, .fixed = true, .frame = 200 },
		OF(1, 10),
	};
	struct vmdedup_estimate *est = begin(*state, 1, 0);
	const struct vmdedup_estimate_result *result;
	const struct vmdedup_estimate_guest *guest;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		add(est, &pages[i], 1000 + i);
	result = result_of(est);
	assert_int_equal(result->resident, ARRAY_SIZE(pages));
	assert_int_equal(result->saved, 1);
	assert_int_equal(result->level, 0);
	/* 5: 3 of 4; 6, 7, 9: 1 each; zeroes: 3. */
	assert_int_equal(result->answers[VMDEDUP_ESTIMATE_HOST].would_save, 3 + 3 + 3);
	assert_int_equal(result->answers[VMDEDUP_ESTIMATE_HOST].distinct, 6);
	/* 5: 2 of 3, and 0; 6: 1. */
	assert_int_equal(result->answers[VMDEDUP_ESTIMATE_UID].would_save, 2 + 1 + 3);
	/* 5: 1 in /a and 1 in /b; 7: 1; 9 has one frame in /b that is only there. */
	assert_int_equal(result->answers[VMDEDUP_ESTIMATE_CGROUP].would_save, 1 + 1 + 1 + 3);
	assert_int_equal(result->answers[VMDEDUP_ESTIMATE_PROCESS].would_save, 1 + 3);
	assert_int_equal(result->answers[VMDEDUP_ESTIMATE_HOST].error, 0);
	guest = &result->guests[0];
	assert_int_equal(guest->resident, 7);
	assert_int_equal(guest->zero, 2);
	assert_int_equal(guest->repeated, 1);
	assert_int_equal(guest->others[VMDEDUP_ESTIMATE_HOST], 4);
	assert_int_equal(guest->unique[VMDEDUP_ESTIMATE_HOST], 0);
	assert_int_equal(guest->others[VMDEDUP_ESTIMATE_CGROUP], 0);
	assert_int_equal(guest->unique[VMDEDUP_ESTIMATE_CGROUP], 4);
	guest = &result->guests[2];
	assert_int_equal(guest->others[VMDEDUP_ESTIMATE_CGROUP], 3);
	assert_int_equal(guest->unique[VMDEDUP_ESTIMATE_CGROUP], 1);
	assert_int_equal(guest->others[VMDEDUP_ESTIMATE_UID], 0);
	vmdedup_estimate_free(est);
}

/* Whether processes @a and @b are in one domain of begin()'s. */
static bool together(unsigned int policy, uint32_t a, uint32_t b)
{
	switch (policy) {
	case VMDEDUP_ESTIMATE_HOST:
		return true;
	case VMDEDUP_ESTIMATE_UID:
		return a == b || a + b == 1;
	case VMDEDUP_ESTIMATE_CGROUP:
		return a == b || a + b == 3;
	}
	return a == b;
}

/*
 * Slow and simple: a frame would be freed if an earlier page of its domain has
 * the same content, or is zero; frames are not shared here.
 */
static uint64_t would_save(const struct made_up *pages, size_t nr, unsigned int policy)
{
	uint64_t saving = 0;
	size_t i, j;

	for (i = 0; i < nr; i++) {
		for (j = 0; j < i && pages[i].content; j++) {
			if (pages[j].content == pages[i].content &&
			    together(policy, pages[i].proc, pages[j].proc))
				break;
		}
		saving += j < i || !pages[i].content;
	}
	return saving;
}

static struct made_up *random_pages(size_t nr, unsigned int contents, unsigned int seed)
{
	struct made_up *pages = calloc(nr, sizeof(*pages));
	size_t i;

	srandom(seed);
	for (i = 0; i < nr; i++) {
		pages[i].proc = random() % 3;
		pages[i].content = random() % contents;
	}
	return pages;
}

static void test_random(void **state)
{
	struct vmdedup_estimate *est;
	const struct vmdedup_estimate_result *result;
	const struct vmdedup_estimate_guest *guest;
	unsigned int policy, seed;
	struct made_up *pages;
	size_t i, nr = 2000;

	for (seed = 1; seed < 6; seed++) {
		pages = random_pages(nr, 300 * seed, seed);
		est = begin(*state, seed, 0);
		for (i = 0; i < nr; i++)
			add(est, &pages[i], i + 1);
		result = result_of(est);
		for (policy = 0; policy < POLICIES; policy++) {
			assert_int_equal(result->answers[policy].would_save,
					 would_save(pages, nr, policy));
			for (i = 0; i < 3; i++) {
				guest = &result->guests[i];
				assert_int_equal(guest->resident, guest->zero + guest->repeated +
						 guest->others[policy] + guest->unique[policy]);
			}
		}
		vmdedup_estimate_free(est);
		free(pages);
	}
}

#define SEEDS	40

/*
 * Many more contents than fit. With the seeds given, all figures are always the
 * same: at least nine of ten lie within the error said, and they average out.
 */
static void test_sampled(void **state)
{
	unsigned int policy, seed, within = 0;
	const struct vmdedup_estimate_result *result;
	struct vmdedup_estimate *est;
	double sum[POLICIES] = { 0 };
	int64_t truth[POLICIES], off;
	struct made_up *pages;
	size_t i, nr = 12000;

	pages = random_pages(nr, 9000, 1);
	for (policy = 0; policy < POLICIES; policy++)
		truth[policy] = would_save(pages, nr, policy);
	for (seed = 1; seed <= SEEDS; seed++) {
		est = begin(*state, seed, 64 << 10);
		for (i = 0; i < nr; i++)
			add(est, &pages[i], i + 1);
		result = result_of(est);
		assert_in_range(result->level, 3, 5);
		assert_in_range(result->kept, 200, 768);
		for (policy = 0; policy < POLICIES; policy++) {
			off = result->answers[policy].would_save - truth[policy];
			sum[policy] += off;
			within += labs(off) <= (int64_t)result->answers[policy].error;
			assert_in_range(result->answers[policy].error, 1, truth[policy]);
		}
		vmdedup_estimate_free(est);
	}
	assert_in_range(within, SEEDS * POLICIES * 9 / 10, SEEDS * POLICIES);
	for (policy = 0; policy < POLICIES; policy++)
		assert_in_range(labs((long)(sum[policy] / SEEDS)), 0, truth[policy] / 20);
	free(pages);
}

/* A content with half of all pages is not left to chance. */
static void test_heavy(void **state)
{
	const struct vmdedup_estimate_result *result;
	struct est_pilot pilot;
	struct vmdedup_estimate *est;
	struct made_up page = { 0 };
	unsigned char content[EST_PAGE];
	unsigned int seed;
	size_t i;

	for (seed = 1; seed <= 8; seed++) {
		est = begin(*state, seed, 64 << 10);
		assert_int_equal(est_pilot_init(&pilot, 8000), 0);
		for (i = 0; i < 8000; i++) {
			fill(content, i < 4000 ? 10000 + i : 77);
			if (est_pilot_takes(&pilot, est, 0, i * EST_PAGE))
				est_pilot_add(&pilot, est_hash(est, content));
		}
		assert_int_equal(pilot.nr, 8000);
		est_pilot_finish(&pilot, &est->table);
		assert_int_equal(est->table.nr_heavy, 1);
		for (i = 0; i < 8000; i++) {
			page.content = i < 4000 ? 10000 + i : 77;
			add(est, &page, i + 1);
		}
		result = result_of(est);
		assert_true(result->level > 0);
		assert_int_equal(result->answers[0].would_save, 3999);
		vmdedup_estimate_free(est);
	}
}

/* Three huge pages: all zero but one page; 200 equal to the third; the third. */
static void test_huge(void **state)
{
	struct vmdedup_estimate *est = begin(*state, 1, 0);
	const struct vmdedup_estimate_answer *answer;
	const struct vmdedup_estimate_result *result;
	struct made_up page = { 0 };
	size_t i, huge[3];

	for (i = 0; i < 3; i++)
		huge[i] = est_add_huge(est, i ? 1 : 0);
	for (i = 0; i < 3 * 512; i++) {
		page.huge = huge[i / 512];
		page.proc = i < 512 ? 0 : 1;
		page.content = i < 511 ? 0 : i < 1024 ? i :
			       i < 1024 + 100 ? i - 512 : i;
		add(est, &page, 512 + i);
	}
	/* A small page that is equal to one in the third. */
	page = (struct made_up){ .proc = 2, .content = 1500 };
	add(est, &page, 9999);
	result = result_of(est);
	answer = &result->answers[VMDEDUP_ESTIMATE_HOST];
	assert_int_equal(answer->would_save, 511 + 100 + 1);
	assert_int_equal(answer->huge_helpful, 3);
	assert_int_equal(answer->huge_split, 1);
	assert_int_equal(answer->would_save_split, 511);
	answer = &result->answers[VMDEDUP_ESTIMATE_PROCESS];
	assert_int_equal(answer->would_save, 511 + 100);
	assert_int_equal(answer->would_save_split, 511);
	vmdedup_estimate_free(est);
}

/* One content in more places than there is room for. */
static void test_no_room(void **state)
{
	struct vmdedup_estimate *est = begin(*state, 1, 64 << 10);
	struct est_page page = { 0 };
	unsigned char content[EST_PAGE];
	size_t i;
	int err = 0;

	fill(content, 77);
	est->table.heavy = malloc(sizeof(*est->table.heavy));
	est->table.heavy[0] = est_hash(est, content);
	est->table.nr_heavy = 1;
	for (i = 1; i < 2000 && !err; i++) {
		page.pfn = i;
		err = est_add_page(est, &page, content);
	}
	assert_int_equal(err, -ENOSPC);
	vmdedup_estimate_free(est);
}

static void smaps(struct est_mappings *list, const char *head, const char *flags)
{
	memset(list, 0, sizeof(*list));
	assert_int_equal(est_smaps_line(list, head), 0);
	assert_int_equal(est_smaps_line(list, "Rss:                 100 kB\n"), 0);
	assert_int_equal(est_smaps_line(list, "Private_Hugetlb:    2048 kB\n"), 0);
	assert_int_equal(est_smaps_line(list, "AnonHugePages:      2048 kB\n"), 0);
	assert_int_equal(est_smaps_line(list, "THPeligible:           0\n"), 0);
	assert_int_equal(est_smaps_line(list, flags), 0);
}

static void test_smaps(void **state)
{
	static const char anon[] = "7f1200000000-7f1240000000 rw-p 00000000 00:00 0 \n";
	static const char file[] = "7f1200000000-7f1240000000 rw-p 00001000 08:01 12   /a b\n";
	static const struct {
		const char *head;
		const char *flags;
		uint32_t reason;
	} cases[] = {
		{ anon, "VmFlags: rd wr mr mw me ac sd \n", VMDEDUP_SKIP_NONE },
		{ anon, "VmFlags: rd wr mr mw me ac hg dd\n", VMDEDUP_SKIP_NONE },
		{ anon, "VmFlags: rd wr mr mw me lo ac\n", VMDEDUP_SKIP_LOCKED },
		{ anon, "VmFlags: rd wr um\n", VMDEDUP_SKIP_UFFD },
		{ anon, "VmFlags: rd uw wr\n", VMDEDUP_SKIP_UFFD },
		{ anon, "VmFlags: rd wr dp\n", VMDEDUP_SKIP_VOLATILE },
		{ anon, "VmFlags: rd wr sh ms lo ht\n", VMDEDUP_SKIP_HUGETLB },
		{ anon, "VmFlags: rd wr sh ms lo io\n", VMDEDUP_SKIP_SHARED },
		{ anon, "VmFlags: rd wr io pf de dd\n", VMDEDUP_SKIP_SPECIAL },
		{ anon, "VmFlags: rd mm\n", VMDEDUP_SKIP_SPECIAL },
		{ file, "VmFlags: rd wr mr mw me ac\n", VMDEDUP_SKIP_FILE },
		{ file, "VmFlags: rd wr lo\n", VMDEDUP_SKIP_FILE },
		{ "1000-2000 rw-p 0 00:01 5     /dev/zero\n", "VmFlags: rd wr\n",
		  VMDEDUP_SKIP_NONE },
		{ "1000-2000 rw-p 0 00:00 0     [heap]\n", "VmFlags: rd wr\n", VMDEDUP_SKIP_NONE },
		{ "1000-2000 rw-p 0 00:00 0     [anon:/x]", "VmFlags:\n", VMDEDUP_SKIP_NONE },
		{ "ffffffffff600000-ffffffffff601000 --xp 0 0 0 [vsyscall]\n",
		  "VmFlags: ex\n", VMDEDUP_SKIP_SPECIAL },
	};
	struct est_mappings list;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		smaps(&list, cases[i].head, cases[i].flags);
		if (list.mappings[0].reason != cases[i].reason)
			fail_msg("%s%s: %d", cases[i].head, cases[i].flags,
				 list.mappings[0].reason);
		assert_int_equal(list.mappings[0].present, 25 + 512);
		assert_true(list.mappings[0].huge);
		est_smaps_free(&list);
	}
}

static void test_smaps_bad(void **state)
{
	static const char *const bad[] = {
		"", "\n", "1000-2000 rw-p 0 0\n", "1000-2000 rw-p 0 00:00 x\n",
		"2000-1000 rw-p 0 0:0 0\n", "1001-2000 rw-p 0 0:0 0\n", "Rss: 4 kB\n",
		"1000-2000  rw-p 0 0:0 0\n", "g000-2000 rw-p 0 0:0 0\n", "1000-2000 rw-p 0 0:0 0x\n",
	};
	static const char *const fields[] = {
		"Rss:\n", "Rss: x kB\n", "Rss: 4\n", "Rss: 4 MB\n", "Rss: -4 kB\n",
		"Rss: 99999999999999999999 kB\n", "AnonHugePages: kB\n",
		/* The next one, without flags of this one. */
		"3000-4000 rw-p 0 00:00 0\n",
	};
	struct est_mappings list = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (est_smaps_line(&list, bad[i]) != -EPROTO)
			fail_msg("'%s' was taken", bad[i]);
	}
	assert_int_equal(est_smaps_line(&list, "1000-2000 rw-p 0 00:00 0\n"), 0);
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		if (est_smaps_line(&list, fields[i]) != -EPROTO)
			fail_msg("'%s' was taken", fields[i]);
	}
	est_smaps_free(&list);
}

#define START	0x10000UL
#define NR	16

/* Files in the places of pagemap and mem: page i holds @contents[i]. */
static void memory(struct bench *bench, int pid, const char *contents)
{
	uint64_t entries[START / EST_PAGE + NR] = { 0 };
	static unsigned char mem[START + NR * EST_PAGE];
	char path[128];
	FILE *file;
	size_t i;

	memset(mem, 0, sizeof(mem));
	for (i = 0; contents[i]; i++) {
		if (contents[i] == 's')
			entries[START / EST_PAGE + i] = 1ULL << 62;
		else if (contents[i] != '-')
			entries[START / EST_PAGE + i] = 1ULL << 63 | 1ULL << 56;
		if (contents[i] != '0')
			fill(mem + START + i * EST_PAGE, contents[i]);
	}
	snprintf(path, sizeof(path), "%s/%d/mem", bench->proc_dir, pid);
	file = fopen(path, "w");
	assert_int_equal(fwrite(mem, 1, sizeof(mem), file), sizeof(mem));
	fclose(file);
	snprintf(path, sizeof(path), "%s/%d/pagemap", bench->proc_dir, pid);
	file = fopen(path, "w");
	assert_int_equal(fwrite(entries, 1, sizeof(entries), file), sizeof(entries));
	fclose(file);
}

static void guests(struct bench *bench)
{
	char path[128];

	process(bench, 10, 1000, "0::/a\n");
	process(bench, 11, 1001, "0::/b\n");
	process(bench, 12, 1001, "0::/b\n");
	bench_write(bench, "proc/10/comm", "qemu-system-x86\n");
	memory(bench, 10, "0000aabbcdefgs--");
	memory(bench, 11, "00aabcdehijk----");
	memory(bench, 12, "aaaaaa----------");
	/* Two of them are guests, by their files. */
	bench_write(bench, "proc/10/fd/0", "");
	bench_write(bench, "proc/11/fd/0", "");
	bench_write(bench, "proc/12/fd/0", "");
	snprintf(path, sizeof(path), "%s/10/fd/9", bench->proc_dir);
	assert_int_equal(symlink("anon_inode:kvm-vm", path), 0);
	snprintf(path, sizeof(path), "%s/11/fd/9", bench->proc_dir);
	assert_int_equal(symlink("anon_inode:kvm-vm", path), 0);
	snprintf(path, sizeof(path), "%s/12/fd/9", bench->proc_dir);
	assert_int_equal(symlink("anon_inode:kvm-vcpu:0", path), 0);
}

static void test_command(void **state)
{
	struct bench *bench = *state;
	struct json_object *object;

	bench_write(bench, "proc/1/comm", "init\n");
	run_golden(bench, "estimate", "estimate-none");
	run(bench, "--json estimate");
	assert_int_equal(bench->status, CLI_REFUSED);
	assert_contains(bench->out, "\"guests\":[]");
	guests(bench);
	run_golden(bench, "estimate", "estimate");
	run_golden(bench, "estimate --policy host 10 11 12 10", "estimate-host");
	run(bench, "estimate --pretty 11 --rate 100000 --seed 5 --memory 1M --all-memory");
	assert_int_equal(bench->status, CLI_OK);
	object = json_tokener_parse(bench->out);
	assert_non_null(object);
	json_object_put(object);
	assert_contains(bench->out, "\"all_memory\": true");
	run_golden(bench, "estimate 99", "estimate-no-process");
}

static void test_command_wrong(void **state)
{
	static const char *const wrong[] = {
		"estimate x", "estimate 0", "estimate --policy guest", "estimate --rate 0",
		"estimate --rate x", "estimate --memory 1K", "estimate --seed 0",
		"estimate --split-pages 513", "estimate --split-pages 0", "estimate --bogus",
	};
	struct bench *bench = *state;
	size_t i;

	guests(bench);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		run(bench, wrong[i]);
		assert_int_equal(bench->status, CLI_USAGE);
		assert_string_equal(bench->out, "");
		assert_contains(bench->err, "usage: vmdedup estimate");
	}
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(test_identity),
		BENCH_TEST(test_options),
		BENCH_TEST(test_by_hand),
		BENCH_TEST(test_random),
		BENCH_TEST(test_sampled),
		BENCH_TEST(test_heavy),
		BENCH_TEST(test_huge),
		BENCH_TEST(test_no_room),
		BENCH_TEST(test_smaps),
		BENCH_TEST(test_smaps_bad),
		BENCH_TEST(test_command),
		BENCH_TEST(test_command_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
