// SPDX-License-Identifier: GPL-2.0
/*
 * Discovery when it runs out of memory: what was not found is found the next time,
 * and all goes with the virtual machine. Run by selftests/kvm/discovery.sh, with
 * both modules loaded.
 */
#include <errno.h>

#include "calls.h"
#include "inject.h"
#include "kselftest_harness.h"
#include "vm.h"

#define SEED	0x5500
/* More allocations than it takes to find two slots. */
#define NTH_MAX	500

FIXTURE(faultkvm) {
	struct scene scene;
	pid_t poller;
};

FIXTURE_SETUP(faultkvm)
{
	struct scene *scene = &self->scene;
	int err = inject_begin(INJECT_KVM);

	if (err == -ENOENT)
		SKIP(return, "a kernel that cannot fail on purpose (CONFIG_FAULT_INJECTION)");
	VD_SETUP(scene->fd);
	ASSERT_EQ(0, err);
	ASSERT_EQ(true, scene_set(scene, SEED));
	self->poller = inject_thread("vmdedup_kvm");
	ASSERT_NE(0, self->poller);
}

FIXTURE_TEARDOWN(faultkvm)
{
	inject_end();
	if (self->poller)
		inject_nth(self->poller, 0);
	vd_end(self->scene.fd);
}

/* So many regions, all of them found. Who writes the tunable has it look at once. */
static bool found(long long want)
{
	struct vmdedup_query q;
	long long nr = 0;
	uint64_t id = 0;
	int fd = vd_open();

	vd_set("discover", 1);
	while (fd >= 0 && !vd_query(fd, id, VMDEDUP_QUERY_NEXT, &q)) {
		id = q.region_id;
		nr += !!(q.region_flags & VMDEDUP_REGION_DISCOVERED);
	}
	if (fd >= 0)
		close(fd);
	return nr == want;
}

TEST_F(faultkvm, finds_all_the_same)
{
	struct scene *scene = &self->scene;
	unsigned int nth;
	bool hit = true;

	for (nth = 1; hit && nth < NTH_MAX; nth++) {
		int vm = vm_make();

		ASSERT_LE(0, vm);
		ASSERT_EQ(0, inject_nth(self->poller, nth));
		ASSERT_EQ(0, slot_set(vm, 0, 0, 0, scene->a, SCENE_ALL * PG));
		ASSERT_EQ(0, slot_set(vm, 1, 0, 1 << 30, scene->b,
				      SCENE_ALL * PG));
		ASSERT_EQ(true, in_the_end(found, 2)) {
			TH_LOG("not found after fault %u", nth);
		}
		hit = inject_hit(self->poller);
		close(vm);
		ASSERT_EQ(true, in_the_end(found, 0)) {
			TH_LOG("does not go after fault %u", nth);
		}
	}
	TH_LOG("%u allocations", nth - 2);
	EXPECT_EQ(false, hit);
	EXPECT_LT(4, nth);
	EXPECT_EQ(true, leave(scene));
}

TEST_HARNESS_MAIN
