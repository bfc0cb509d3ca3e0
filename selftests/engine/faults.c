// SPDX-License-Identifier: GPL-2.0
/*
 * Each call of the module when memory runs out on the way: at its first
 * allocation, at its second, and so on until it meets all of them; and when
 * there is none at all. It either says so, and nothing has changed; or it has
 * done all of what it says. Memory keeps its contents, nothing is lost, and the
 * next call works.
 */
#include <errno.h>

#include "calls.h"
#include "inject.h"
#include "kselftest_harness.h"

#define SEED	0x5100
/* More allocations than any call makes. */
#define NTH_MAX	2000

FIXTURE(faults) {
	struct scene scene;
};

FIXTURE_SETUP(faults)
{
	struct scene *scene = &self->scene;
	int err = inject_begin(INJECT_ENGINE);

	if (err == -ENOENT)
		SKIP(return, "a kernel that cannot fail on purpose (CONFIG_FAULT_INJECTION)");
	VD_SETUP(scene->fd);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, vn_open(&scene->nl));
	ASSERT_EQ(true, scene_set(scene, SEED));
}

FIXTURE_TEARDOWN(faults)
{
	inject_end();
	vn_close(&self->scene.nl);
	vd_end(self->scene.fd);
}

static bool error_is_known(const struct call *call, int err)
{
	if (!err || (err == -ENOMEM && !call->sure))
		return true;
	return err == -ENOBUFS && call->enobufs;
}

/*
 * One try. Allocation @nth fails, or all with 0. Tells through @hit whether
 * there was one; false if something is not right.
 */
static bool try_nth(struct __test_metadata *_metadata, struct scene *self,
		    const struct call *call, unsigned int nth, bool *hit)
{
	int err, again;

	if (!call->before(self))
		return false;
	if (nth)
		inject_nth(0, nth);
	else
		inject_all(true);
	err = call->run(self);
	if (nth)
		*hit = inject_hit(0);
	else
		inject_all(false);
	if (!error_is_known(call, err) || !call->check(self, err)) {
		TH_LOG("%s: not right with fault %u, error %d", call->name, nth,
		       err);
		return false;
	}
	if (!contents_right(self)) {
		TH_LOG("%s: contents lost with fault %u", call->name, nth);
		return false;
	}
	/* And with memory it works. */
	again = err ? call->run(self) : 0;
	if (again || (err && !call->check(self, 0))) {
		TH_LOG("%s: after fault %u: %d", call->name, nth, again);
		return false;
	}
	return call->undo(self) && contents_right(self);
}

static void try_all(struct __test_metadata *_metadata, struct scene *self,
		    const struct call *call)
{
	unsigned int nth = 0;
	bool hit = true;

	/* Once as it should be: later on everything has been used before. */
	ASSERT_EQ(true, call->before(self));
	ASSERT_EQ(0, call->run(self)) {
		TH_LOG("%s", call->name);
	}
	ASSERT_EQ(true, call->check(self, 0)) {
		TH_LOG("%s", call->name);
	}
	ASSERT_EQ(true, call->undo(self));
	while (hit && nth < NTH_MAX)
		ASSERT_EQ(true, try_nth(_metadata, self, call, ++nth, &hit));
	TH_LOG("%s: %u allocations", call->name, nth - 1);
	EXPECT_EQ(false, hit);
	EXPECT_LT(call->sites, nth);
	ASSERT_EQ(true, try_nth(_metadata, self, call, 0, &hit));
}

TEST_F(faults, calls)
{
	struct scene *scene = &self->scene;

	for (size_t i = 0; i < calls_nr; i++)
		try_all(_metadata, scene, &calls[i]);
	EXPECT_EQ(true, leave(scene));
}

/*
 * Somebody listens: each region, and the guest with it, came and went; or they are
 * told that they missed something.
 */
static bool told(struct vn *nl, unsigned int want)
{
	struct vn_event event;
	unsigned int got = 0;
	bool missed = false;
	int err;

	while ((err = vn_next_event(nl, 0, &event)) != -ETIMEDOUT) {
		if (err == -ENOBUFS)
			missed = true;
		else if (err)
			return false;
		else
			got += event.type == VMDEDUP_EVENT_GUEST_APPEARED ||
			       event.type == VMDEDUP_EVENT_REGION_REGISTERED ||
			       event.type == VMDEDUP_EVENT_REGION_GONE ||
			       event.type == VMDEDUP_EVENT_GUEST_LEFT;
	}
	return got == want || (missed && got < want);
}

TEST_F(faults, with_a_listener)
{
	static const struct {
		const char *name;
		unsigned int events;
	} heard[] = { { "register", 4 }, { "unregister", 6 } };
	struct scene *scene = &self->scene;
	struct vn news;
	unsigned int nth;
	bool hit;

	ASSERT_EQ(0, vn_open(&news));
	ASSERT_EQ(0, vn_listen(&news, VMDEDUP_MCGRP_EVENTS));
	for (size_t i = 0; i < ARRAY_SIZE(heard); i++) {
		for (hit = true, nth = 1; hit && nth < NTH_MAX; nth++) {
			ASSERT_EQ(true, try_nth(_metadata, scene,
						call_find(heard[i].name), nth,
						&hit));
			ASSERT_EQ(true, told(&news, heard[i].events)) {
				TH_LOG("%s: fault %u", heard[i].name, nth);
			}
		}
		EXPECT_EQ(false, hit);
		TH_LOG("%s: %u allocations", heard[i].name, nth - 2);
	}
	vn_close(&news);
	EXPECT_EQ(true, leave(scene));
}

/* What the kernel allocates for a dump before it asks the module counts, too. */
static int dump_all(struct scene *self, int *guests, int *regions)
{
	struct vn nl;

	if (vn_open(&nl))
		return -EIO;
	*guests = vn_guests(&nl, &self->guest, 1);
	*regions = *guests < 0 ? *guests : vn_regions(&nl, 0, &self->region, 1);
	/* The rest of what was cut off must not be taken for an answer. */
	vn_close(&nl);
	return 0;
}

TEST_F(faults, dumps_and_subscriptions)
{
	struct scene *scene = &self->scene;
	struct vn nl;
	unsigned int nth, failed = 0;
	bool hit = true;
	int guests, regions, err;

	ASSERT_EQ(true, before_merged(scene));
	ASSERT_EQ(0, dump_all(scene, &guests, &regions));
	ASSERT_EQ(1, guests);
	ASSERT_EQ(2, regions);
	ASSERT_EQ(0, inject_begin(NULL));
	for (nth = 1; hit && nth < NTH_MAX; nth++) {
		ASSERT_EQ(0, vn_open(&nl));
		inject_nth(0, nth);
		guests = vn_guests(&nl, &scene->guest, 1);
		regions = guests < 0 ? guests :
				       vn_regions(&nl, 0, &scene->region, 1);
		err = regions < 0 ? regions : vn_listen(&nl, VMDEDUP_MCGRP_STATS);
		hit = inject_hit(0);
		vn_close(&nl);
		failed += err < 0;
		/* All of it, or an error. */
		EXPECT_TRUE(guests == 1 || guests == -ENOMEM ||
			    guests == -ENOBUFS || guests == -EIO) {
			TH_LOG("fault %u: %d guests", nth, guests);
		}
		EXPECT_TRUE(regions == 2 || regions == -ENOMEM ||
			    regions == -ENOBUFS || regions == -EIO) {
			TH_LOG("fault %u: %d regions", nth, regions);
		}
		EXPECT_TRUE(err == 0 || err == -ENOMEM || err == -ENOBUFS ||
			    err == -EIO) {
			TH_LOG("fault %u: %d", nth, err);
		}
	}
	TH_LOG("%u allocations, %u of them missed", nth - 2, failed);
	EXPECT_EQ(false, hit);
	EXPECT_LT(0, failed);
	ASSERT_EQ(0, dump_all(scene, &guests, &regions));
	EXPECT_EQ(1, guests);
	EXPECT_EQ(2, regions);
	EXPECT_EQ(true, leave(scene));
}

TEST_HARNESS_MAIN
