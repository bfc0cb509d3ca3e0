// SPDX-License-Identifier: GPL-2.0
/*
 * The module's own threads when they run out of memory. Nobody is told; they are
 * to do without, and catch up later.
 */
#include <errno.h>

#include "calls.h"
#include "inject.h"
#include "kselftest_harness.h"

#define SEED	0x5300
/* More allocations than it takes the scanner to merge so few pages. */
#define NTH_MAX	500
/* How long to wait for what is sent, ms. */
#define PATIENCE	60000

#define STORM_ROUNDS	100
#define STORM_PERCENT	25

FIXTURE(faultscan) {
	struct scene scene;
	pid_t scanner;
};

FIXTURE_SETUP(faultscan)
{
	struct scene *scene = &self->scene;
	int err = inject_begin(INJECT_ENGINE);

	if (err == -ENOENT)
		SKIP(return, "a kernel that cannot fail on purpose (CONFIG_FAULT_INJECTION)");
	VD_SETUP(scene->fd);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, vn_open(&scene->nl));
	ASSERT_EQ(true, scene_set(scene, SEED));
	self->scanner = inject_thread("vmdedupd");
	ASSERT_NE(0, self->scanner);
	/* No pauses between passes. */
	ASSERT_EQ(0, vd_set("scan_rate", 10000000));
}

FIXTURE_TEARDOWN(faultscan)
{
	inject_end();
	if (self->scanner)
		inject_nth(self->scanner, 0);
	vn_close(&self->scene.nl);
	vd_end(self->scene.fd);
}

/* Is every page of one area that of the other one? */
static bool all_merged(long long arg)
{
	struct scene *scene = (struct scene *)(uintptr_t)arg;
	uint64_t pfn[2][SCENE_ALL];

	return !pm_pfns(0, scene->a, SCENE_ALL, pfn[0]) &&
	       !pm_pfns(0, scene->b, SCENE_ALL, pfn[1]) &&
	       !memcmp(pfn[0], pfn[1], sizeof(pfn[0]));
}

static bool register_both(struct scene *scene)
{
	vd_forget_all(scene->fd);
	return fresh(scene) &&
	       !vd_register(scene->fd, scene->a, SCENE_ALL * PG, &scene->id[0]) &&
	       !vd_register(scene->fd, scene->b, SCENE_ALL * PG, &scene->id[1]);
}

TEST_F(faultscan, scanner)
{
	struct scene *scene = &self->scene;
	unsigned int nth;
	bool hit = true;

	for (nth = 1; hit && nth < NTH_MAX; nth++) {
		ASSERT_EQ(true, register_both(scene));
		ASSERT_EQ(0, inject_nth(self->scanner, nth));
		ASSERT_EQ(0, vd_set("run", 1));
		ASSERT_EQ(true, in_the_end(all_merged, (uintptr_t)scene)) {
			TH_LOG("does not catch up with fault %u", nth);
		}
		hit = inject_hit(self->scanner);
		ASSERT_EQ(0, vd_set("run", 0));
		ASSERT_EQ(true, contents_right(scene)) {
			TH_LOG("contents lost with fault %u", nth);
		}
	}
	TH_LOG("%u allocations", nth - 2);
	EXPECT_EQ(false, hit);
	/* Of frames alone there are so many: the page and what is known of it. */
	EXPECT_LT(2 * SCENE_N, nth);
	EXPECT_EQ(true, leave(scene));
}

static bool has_helpers(long long nr)
{
	return !!inject_thread("vmdedupd/1") == (nr > 0) &&
	       !!inject_thread("vmdedupd/2") == (nr > 1);
}

TEST_F(faultscan, helpers)
{
	struct scene *scene = &self->scene;
	unsigned int nth;
	bool hit = true;

	ASSERT_EQ(true, register_both(scene));
	for (nth = 1; hit && nth < NTH_MAX; nth++) {
		ASSERT_EQ(0, vd_set("threads", 1));
		ASSERT_EQ(true, in_the_end(has_helpers, 0));
		ASSERT_EQ(0, inject_nth(self->scanner, nth));
		ASSERT_EQ(0, vd_set("threads", 3));
		ASSERT_EQ(true, in_the_end(has_helpers, 2)) {
			TH_LOG("no helper after fault %u", nth);
		}
		hit = inject_hit(self->scanner);
	}
	TH_LOG("%u allocations", nth - 2);
	EXPECT_EQ(false, hit);
	EXPECT_LT(2, nth);
	EXPECT_EQ(true, leave(scene));
}

/* An error, or none, but no other than these. */
static bool known(int err)
{
	return !err || err == -ENOMEM || err == -ENOBUFS || err == -ETIMEDOUT;
}

/* Whoever asks the module for something, everywhere and all the time. */
TEST_F(faultscan, storm)
{
	struct scene *scene = &self->scene;
	struct vn_stats stats;
	struct vn news;
	unsigned int failed = 0;

	ASSERT_EQ(0, vn_open(&news));
	ASSERT_EQ(0, vn_listen(&news, VMDEDUP_MCGRP_STATS));
	ASSERT_EQ(0, vn_listen(&news, VMDEDUP_MCGRP_EVENTS));
	ASSERT_EQ(0, vd_set("stats_interval_ms", 100));
	ASSERT_EQ(0, vd_set("threads", 3));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_EQ(0, inject_some(STORM_PERCENT));
	for (unsigned int i = 0; i < STORM_ROUNDS; i++) {
		int err[6];

		fresh(scene);
		err[0] = vd_register(scene->fd, scene->a, SCENE_ALL * PG,
				     &scene->id[0]);
		err[1] = vd_register(scene->fd, scene->b, SCENE_ALL * PG,
				     &scene->id[1]);
		err[2] = vd_merge(scene->fd, 0, NULL);
		err[3] = vn_stats(&scene->nl, &scene->stats);
		err[4] = err[0] ? 0 :
			 vd_unregister(scene->fd, scene->id[0],
				       VMDEDUP_UNREGISTER_UNMERGE, NULL);
		err[5] = vn_next_stats(&news, 0, &stats);
		for (size_t j = 0; j < ARRAY_SIZE(err); j++) {
			EXPECT_EQ(true, known(err[j])) {
				TH_LOG("round %u: %zu: %d", i, j, err[j]);
			}
			failed += err[j] == -ENOMEM;
		}
		ASSERT_EQ(true, contents_right(scene)) {
			TH_LOG("contents lost in round %u", i);
		}
		vd_forget_all(scene->fd);
	}
	inject_end();
	TH_LOG("%u calls failed", failed);
	EXPECT_LT(0, failed);

	/* All as before. */
	while (vn_next_stats(&news, 0, &stats) != -ETIMEDOUT)
		;
	EXPECT_EQ(0, vn_next_stats(&news, PATIENCE, &stats));
	vn_close(&news);
	ASSERT_EQ(true, register_both(scene));
	EXPECT_EQ(true, in_the_end(all_merged, (uintptr_t)scene));
	EXPECT_EQ(true, in_the_end(has_helpers, 2));
	EXPECT_EQ(0, vd_set("run", 0));
	EXPECT_EQ(true, leave(scene));
}

TEST_HARNESS_MAIN
